"""In-toto Statements v1 (github.com/in-toto/attestation) on what a report was made of.

    statements_of(files, tool)          # what the auditor signs; follows from the embedded files alone
    decision_statement(decided)         # what a member signs with a decision

test-result v0.1: the norms of the policy. provenance v1 (slsa.dev): how the mitigated model was made. svr v0.1, the
Simple Verification Result: a member's decision. Subjects are the model, the data, the policy and the lock file, by
SHA-256. They state what was measured and who decided what; none of them says that a model is without bias.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from audit.documents import Documents
from audit.documents.evidence import Evidence
from audit.documents.mitigation import Mitigation
from audit.findings import NormResult
from audit.numbers import brief

STATEMENT = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SVR = "https://in-toto.io/attestation/svr/v0.1"
BUILD_TYPE = "assay:mitigate/1"
BUILDER = "assay:mitigate"
VERIFIER = "assay:verify"
LOCK_FILE = "requirements.txt"
Record = dict[str, Any]


def lock_digest() -> str | None:
    """sha256 of the lock file that this Assay was set up from; None where it is not beside the program."""
    path = Path(__file__).resolve().parents[2] / LOCK_FILE
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _resource(name: str, digest: str) -> Record:
    return {"name": name, "digest": {"sha256": digest}}


def _subjects(evidence: Evidence, tool: Mapping[str, str]) -> list[Record]:
    """What the report is about. A model that is a column of decisions has no file, and is not among them."""
    named = (
        ("model", evidence.model.sha256),
        ("data", evidence.data.sha256),
        ("policy", evidence.policy.sha256),
        (LOCK_FILE, tool.get(LOCK_FILE)),
    )
    return [_resource(name, digest) for name, digest in named if digest]


def _statement(subjects: Sequence[Record], kind: str, predicate: Record) -> Record:
    return {"_type": STATEMENT, "subject": list(subjects), "predicateType": kind, "predicate": predicate}


def statements_of(files: Mapping[str, bytes], tool: Mapping[str, str]) -> list[Record]:
    """The auditor's statements: on the norms where there are any, on the mitigated model where there is one.

    files : the embedded files; tool: the manifest's versions, with the lock file's sha256 under its name.
    """
    documents = Documents.of(files)
    evidence, mitigation = documents.evidence, documents.mitigation
    out = []
    if evidence.norms:
        out.append(_statement(_subjects(evidence, tool), TEST_RESULT, _test_result(evidence, files)))
    if mitigation is not None:
        provenance = _provenance(evidence, mitigation, files, tool)
        out.append(_statement([_resource(mitigation.model.file, mitigation.model.sha256)], PROVENANCE, provenance))
    return out


def norm_name(norm: NormResult) -> str:
    """selection_rate difference by sex, at most 0.1"""
    bound = "at most" if norm.kind == "difference" else "at least"
    return f"{norm.metric} {norm.kind} by {' and '.join(norm.attribute)}, {bound} {brief(norm.limit)}"


def _test_result(evidence: Evidence, files: Mapping[str, bytes]) -> Record:
    """Passed: the whole interval is inside. Failed: outside. Warned: the data cannot tell."""

    def named(status: str) -> list[str]:
        return [norm_name(norm) for norm in evidence.norms if norm.status == status]

    passed, failed, warned = named("inside"), named("outside"), named("undecided") + named("not_estimable")
    configuration = [_resource("policy", evidence.policy.sha256)]
    for name in ("cube.json", "evidence.json"):
        if name in files:
            configuration.append(_resource(name, hashlib.sha256(files[name]).hexdigest()))
    return {
        "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
        "configuration": configuration,
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    }


def _provenance(
    evidence: Evidence, mitigation: Mitigation, files: Mapping[str, bytes], tool: Mapping[str, str]
) -> Record:
    """SLSA provenance: the old model, the data and the parameters that a candidate was made of."""
    inputs = (
        ("model", mitigation.base.sha256),
        ("data", mitigation.data.sha256),
        ("policy", mitigation.policy.sha256 if mitigation.policy else None),
        (LOCK_FILE, tool.get(LOCK_FILE)),
    )
    made_with = mitigation.tool or evidence.tool
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "method": mitigation.method,
                "parameters": mitigation.parameters,
                "seed": mitigation.seed,
                "splits": msgspec.to_builtins(mitigation.splits),
            },
            "internalParameters": {"tool": msgspec.to_builtins(made_with)},
            "resolvedDependencies": [_resource(name, digest) for name, digest in inputs if digest],
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"assay": made_with.version}},
            "byproducts": [_resource("mitigation.json", hashlib.sha256(files["mitigation.json"]).hexdigest())],
        },
    }


@dataclass(frozen=True, slots=True)
class Decided:
    """A member's decision in a report. report, revision: sha256 of the certified file, and of it with this decision.

    approvals : members who had approved, this one included. time: as the signature states it, UTC.
    """

    report: str
    revision: str
    member: str
    decision: str
    reason: str
    conditions: str
    until: str | None
    time: dt.datetime
    approvals: int
    quorum: int


def decision_statement(decided: Decided, evidence: Evidence, tool: Mapping[str, str]) -> Record:
    """A Simple Verification Result on a report. Its properties name only what holds; a rejection adds none.

    `decision` and `verifier.policy` are extensions, which readers who do not know them pass over (in-toto's parsing
    rules).
    """
    properties = ["ASSAY_REPORT_VERIFIED"]
    if decided.decision == "approve":
        properties.append("ASSAY_MEMBER_APPROVED_WITH_CONDITIONS" if decided.conditions else "ASSAY_MEMBER_APPROVED")
        if decided.quorum and decided.approvals >= decided.quorum:
            properties.append("ASSAY_QUORUM_REACHED")
    subjects = [_resource("report", decided.report), _resource("report with this decision", decided.revision)]
    verifier: Record = {"id": f"{VERIFIER}/{tool.get('assay', '0')}"}
    if digest := evidence.policy.sha256:
        verifier |= {"policy": _resource("policy", digest)}
    predicate: Record = {
        "verifier": verifier,
        "timeCreated": decided.time.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "properties": properties,
        "decision": {
            "member": decided.member,
            "decision": decided.decision,
            "reason": decided.reason,
            "conditions": decided.conditions,
            "until": decided.until,
        },
    }
    return _statement([*subjects, *_subjects(evidence, tool)], SVR, predicate)
