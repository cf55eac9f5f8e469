"""Statements and model card: read back by their own libraries, tied to the evidence, and every edit of them caught."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.serialization import Encoding
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError as Unverified
from securesystemslib.signer import SSlibKey

from audit.errors import InputError
from audit.files import canonical
from reports.attest import MODEL_CARD, STATEMENTS
from reports.attest.dsse import PAYLOAD_TYPE, SCHEME, opened, seal
from reports.attest.mlbom import ml_bom
from reports.attest.statements import PROVENANCE, TEST_RESULT, lock_digest, statements_of
from reports.issue import attested, tools
from reports.keys import SigningKey
from reports.manifest import strict_json
from reports.verify import verify
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


def fingerprinted(key: SigningKey) -> SSlibKey:
    return SSlibKey.from_crypto(key.certificate.public_key(), key.fingerprint, SCHEME)


def der(key: SigningKey) -> bytes:
    return key.certificate.public_bytes(Encoding.DER)


def mitigated(small: Reports) -> dict[str, bytes]:
    """The small report with a mitigation whose arm follows from its cube."""
    evidence = strict_json(small.files["evidence.json"], "evidence.json")
    cube = strict_json(small.files["cube.json"], "cube.json")
    arm = {key: evidence[key] for key in ("rates", "gaps", "counts")}
    document = {
        "schema": "assay/mitigation/1",
        "method": "reweighing",
        "title": "Reweighing",
        "stage": "pre",
        "notice": None,
        "case": evidence["case"],
        "constraint": {"name": "demographic_parity", "metric": "selection_rate", "tolerance": 0.02, "by": []},
        "flips": [],
        "seed": 7,
        "parameters": {"constraint": "demographic_parity", "tolerance": 0.02, "attributes": ["sex"]},
        "splits": {"train": 40, "validation": 10, "test": 20},
        "model": {"file": "mitigated.skops", "sha256": "a" * 64, "format": "skops"},
        "base": {"kind": "path", "sha256": "b" * 64},
        "data": {"sha256": evidence["data"]["sha256"], "rows": 70},
        "policy": evidence["policy"],
        "tool": evidence["tool"],
        "needs_sensitive_at_decision": False,
        "decision": None,
        "notes": ["A note."],
        "changes": [
            {
                "metric": "accuracy",
                "kind": "rate",
                "worse": True,
                "clear": True,
                "attribute": [],
                "group": [],
                "before": 0.8,
                "after": 0.7,
                "delta": -0.1,
                "low": -0.2,
                "high": -0.05,
            }
        ],
        "arms": {"original": arm, "matched": None, "candidate": arm},
        "cubes": {"original": cube, "candidate": cube},
    }
    return {**small.files, "mitigation.json": canonical(document)}


@pytest.fixture(scope="module")
def full(small: Reports, pki: Pki) -> dict[str, bytes]:
    """A report's files with everything in open formats beside them."""
    files = mitigated(small)
    return {**files, **attested(files, pki.auditor)}


def lines(files: dict[str, bytes]) -> list[bytes]:
    return files[STATEMENTS].splitlines()


# --- read back by their own libraries ---


def test_in_toto_and_securesystemslib_read_what_was_written(full: dict[str, bytes], pki: Pki) -> None:
    kinds = []
    for line in lines(full):
        envelope = Envelope.from_dict(json.loads(line))
        assert envelope.payload_type == PAYLOAD_TYPE == "application/vnd.in-toto+json"
        assert set(envelope.verify([fingerprinted(pki.auditor)], 1)) == {pki.auditor.fingerprint}
        with pytest.raises(Unverified):
            envelope.verify([fingerprinted(pki.bo)], 1)
        proto = json_format.Parse(envelope.payload, statement_pb2.Statement())
        Statement.copy_from_pb(proto).validate()
        document = json.loads(envelope.payload)
        assert rfc8785.dumps(document) == envelope.payload
        kinds.append(document["predicateType"])
        message = {TEST_RESULT: test_result_pb2.TestResult, PROVENANCE: provenance_pb2.Provenance}[kinds[-1]]()
        json_format.ParseDict(document["predicate"], message)
    assert kinds == [TEST_RESULT, PROVENANCE]


def test_the_norms_are_told_as_they_stand(small: Reports) -> None:
    """Passed is the whole interval inside; a norm that the data cannot decide is a warning and never a pass."""
    evidence = strict_json(small.files["evidence.json"], "evidence.json")
    (statement,) = statements_of(small.files, {})
    predicate = statement["predicate"]
    by = {"inside": "passedTests", "outside": "failedTests", "undecided": "warnedTests", "not_estimable": "warnedTests"}
    assert sum(len(predicate[k]) for k in set(by.values())) == len(evidence["norms"]) > 0
    for norm in evidence["norms"]:
        named = [t for t in predicate[by[norm["status"]]] if t.startswith(f"{norm['metric']} {norm['kind']} by ")]
        assert named
    assert predicate["result"] == ("FAILED" if predicate["failedTests"] else "WARNED")
    assert {c["name"]: c["digest"]["sha256"] for c in predicate["configuration"]} == {
        "policy": evidence["policy"]["sha256"],
        "cube.json": hashlib.sha256(small.files["cube.json"]).hexdigest(),
        "evidence.json": hashlib.sha256(small.files["evidence.json"]).hexdigest(),
    }


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        (["inside", "inside"], "PASSED"),
        (["inside", "undecided"], "WARNED"),
        (["inside", "not_estimable"], "WARNED"),
        (["outside", "undecided", "inside"], "FAILED"),
    ],
)
def test_the_result_is_the_worst_norm(statuses: list[str], result: str, small: Reports) -> None:
    def change(document: Any) -> None:
        document["norms"] = [{**document["norms"][0], "status": s} for s in statuses]

    (statement,) = statements_of(kit.edited(small.files, "evidence.json", change), {})
    assert statement["predicate"]["result"] == result


def test_without_norms_nothing_is_said_to_have_passed(small: Reports) -> None:
    files = kit.edited(small.files, "evidence.json", lambda d: d.update(norms=[]))
    assert statements_of(files, {}) == []


def test_subjects_are_model_data_policy_and_lock_file(small: Reports, root: Path) -> None:
    def change(document: Any) -> None:
        document["model"]["sha256"] = "c" * 64

    (statement,) = statements_of(kit.edited(small.files, "evidence.json", change), tools())
    evidence = strict_json(small.files["evidence.json"], "evidence.json")
    assert {s["name"]: s["digest"]["sha256"] for s in statement["subject"]} == {
        "model": "c" * 64,
        "data": evidence["data"]["sha256"],
        "policy": evidence["policy"]["sha256"],
        "requirements.txt": hashlib.sha256((root / "requirements.txt").read_bytes()).hexdigest(),
    }
    assert tools()["requirements.txt"] == lock_digest()
    # Decisions that came as a column have no model file: there is nothing to name.
    assert "model" not in [s["name"] for s in statements_of(small.files, {})[0]["subject"]]


def test_provenance_names_what_the_candidate_was_made_of(full: dict[str, bytes]) -> None:
    built = statements_of(full, tools())[1]
    assert built["subject"] == [{"name": "mitigated.skops", "digest": {"sha256": "a" * 64}}]
    build = built["predicate"]["buildDefinition"]
    evidence = strict_json(full["evidence.json"], "evidence.json")
    inputs = {d["name"]: d["digest"]["sha256"] for d in build["resolvedDependencies"]}
    assert inputs["model"] == "b" * 64
    assert inputs["data"] == evidence["data"]["sha256"]
    assert build["externalParameters"]["seed"] == 7
    assert build["externalParameters"]["parameters"]["tolerance"] == 0.02


def test_the_same_evidence_gives_the_same_bytes(full: dict[str, bytes], pki: Pki, small: Reports) -> None:
    again = attested(mitigated(small), pki.auditor)
    assert again == {name: full[name] for name in (STATEMENTS, MODEL_CARD)}


def test_the_model_card_is_valid_cyclonedx_and_read_by_its_library(full: dict[str, bytes]) -> None:
    text = full[MODEL_CARD].decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    wrong = text.replace('"machine-learning-model"', '"a model"')
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(wrong) is not None
    bom = Bom.from_json(json.loads(text))
    named = {c.name: c for c in bom.components}
    assert set(named) == {"audited model", "audited data", "mitigated.skops"}
    assert {str(h.content) for h in named["mitigated.skops"].hashes} == {"a" * 64}
    assert "timestamp" not in json.loads(text)["metadata"]


def test_the_model_card_holds_each_figure_with_its_interval(full: dict[str, bytes]) -> None:
    evidence = strict_json(full["evidence.json"], "evidence.json")
    card = json.loads(full[MODEL_CARD])["components"][0]["modelCard"]
    metrics = {(m["type"], m["slice"]): m for m in card["quantitativeAnalysis"]["performanceMetrics"]}
    rate = next(r for r in evidence["rates"] if r["metric"] == "selection_rate" and r["group"] == ["f"])
    mine = metrics["selection_rate", "sex: f"]
    assert float(mine["value"]) == rate["value"]
    assert float(mine["confidenceInterval"]["lowerBound"]) == rate["low"]
    estimable = [x for k in ("rates", "gaps") for x in evidence[k] if x["estimable"]]
    assert len(metrics) == len(estimable)
    gap = next(g for g in evidence["gaps"] if g["metric"] == "selection_rate" and g["kind"] == "difference")
    at_risk = [a["groupAtRisk"] for a in card["considerations"]["fairnessAssessments"]]
    assert at_risk == [f"sex: {gap['lowest'][0]}"]


def test_another_audit_has_another_serial_number(small: Reports) -> None:
    evidence = strict_json(small.files["evidence.json"], "evidence.json")
    one, other = (json.loads(ml_bom(e, None))["serialNumber"] for e in (evidence, {**evidence, "seed": 1}))
    assert one != other


# --- honest reports pass, edited ones do not ---


def test_an_honest_report_passes_with_both_lines(full: dict[str, bytes], pki: Pki) -> None:
    verification = verify(kit.report(full, pki.auditor), printer=kit.page)
    mapping = {c.name: c.detail for c in verification.checks if c.status == "ok"}
    assert "2 signed by the auditor (test-result, provenance)" in mapping["statements"]
    assert "lock file the same as here" in mapping["statements"]
    assert "the same" in mapping["model card"]


Edit = Callable[[dict[str, bytes], Pki], dict[str, bytes]]
EDITS: list[tuple[str, str, Edit]] = []


def edit(check: str, words: str) -> Callable[[Edit], Edit]:
    """Enter an edit: the check that has to catch it, and words of its message."""

    def enter(make: Edit) -> Edit:
        EDITS.append((check, words, make))
        return make

    return enter


def payload(line: bytes) -> Any:
    return json.loads(base64.b64decode(json.loads(line)["payload"]))


def resealed(files: dict[str, bytes], key: SigningKey, change: Callable[[Any], None], at: int = 0) -> dict[str, bytes]:
    """One statement changed and signed again by `key`."""
    rows = lines(files)
    statement = payload(rows[at])
    change(statement)
    rows[at] = seal(statement, key)
    return {**files, STATEMENTS: b"".join(r + b"\n" for r in rows)}


@edit("statements", "not signed by the person")
def payload_edited_under_the_old_signature(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    rows = lines(f)
    envelope = json.loads(rows[0])
    statement = payload(rows[0])
    statement["predicate"]["result"] = "PASSED"
    envelope["payload"] = base64.b64encode(rfc8785.dumps(statement)).decode()
    rows[0] = rfc8785.dumps(envelope)
    return {**f, STATEMENTS: b"".join(r + b"\n" for r in rows)}


@edit("statements", "not signed by the person")
def signed_by_a_board_member(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return resealed(f, p.bo, lambda s: None)


@edit("statements", "not signed by the person")
def signed_by_a_stranger_with_the_auditors_key_id(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    rows = lines(f)
    envelope = json.loads(seal(payload(rows[0]), p.stranger))
    envelope["signatures"][0]["keyid"] = p.auditor.fingerprint
    return {**f, STATEMENTS: rfc8785.dumps(envelope) + b"\n" + rows[1] + b"\n"}


@edit("statements", "the statement test-result does not say what follows from the evidence: result")
def a_failed_norm_passed(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return resealed(f, p.auditor, lambda s: s["predicate"].update(result="PASSED"))


@edit("statements", "Tests")
def a_norm_left_out(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    def change(statement: Any) -> None:
        for key in ("passedTests", "warnedTests", "failedTests"):
            statement["predicate"][key] = statement["predicate"][key][1:]

    return resealed(f, p.auditor, change)


@edit("statements", "the statement test-result is about other things than the report")
def about_other_data(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return resealed(f, p.auditor, lambda s: s["subject"][0]["digest"].update(sha256="0" * 64))


@edit("statements", "the statement test-result is about other things than the report")
def without_the_lock_file(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return resealed(f, p.auditor, lambda s: s["subject"].pop())


@edit("statements", "buildDefinition")
def made_of_another_model(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    def change(statement: Any) -> None:
        statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"]["sha256"] = "0" * 64

    return resealed(f, p.auditor, change, 1)


@edit("statements", "a statement is of another kind")
def statements_in_another_order(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return {**f, STATEMENTS: b"".join(r + b"\n" for r in reversed(lines(f)))}


@edit("statements", "the report holds another number of statements")
def a_statement_left_out(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return {**f, STATEMENTS: lines(f)[0] + b"\n"}


@edit("statements", "the report holds another number of statements")
def a_statement_twice(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return {**f, STATEMENTS: f[STATEMENTS] + lines(f)[0] + b"\n"}


@edit("statements", "the statement test-result differs from the one that follows from the evidence")
def an_entry_more_in_the_statement(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return resealed(f, p.auditor, lambda s: s.update(verdict="no bias"))


@edit("statements", "envelope")
def an_entry_more_in_the_envelope(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    envelope = {**json.loads(lines(f)[0]), "verdict": "no bias"}
    return {**f, STATEMENTS: rfc8785.dumps(envelope) + b"\n" + lines(f)[1] + b"\n"}


@edit("statements", "envelope")
def no_envelope_at_all(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return {**f, STATEMENTS: b"{}\n[]\n"}


def card(f: dict[str, bytes], change: Callable[[Any], None]) -> dict[str, bytes]:
    document = json.loads(f[MODEL_CARD])
    change(document)
    return {**f, MODEL_CARD: rfc8785.dumps(document)}


@edit("model card", "the model card does not follow from the evidence")
def a_figure_in_the_model_card(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    def change(document: Any) -> None:
        document["components"][0]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] = "0.99"

    return card(f, change)


@edit("model card", "the model card does not follow from the evidence")
def another_hash_of_the_model(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return card(f, lambda d: d["components"][2]["hashes"][0].update(content="0" * 64))


@edit("model card", "the model card does not follow from the evidence")
def a_group_at_risk_left_out(f: dict[str, bytes], p: Pki) -> dict[str, bytes]:
    return card(f, lambda d: d["components"][0]["modelCard"]["considerations"].update(fairnessAssessments=[]))


@pytest.mark.parametrize(("check", "words", "make"), EDITS, ids=[e[2].__name__ for e in EDITS])
def test_each_edit_is_caught_by_its_check(check: str, words: str, make: Edit, full: dict[str, bytes], pki: Pki) -> None:
    """The auditor certifies all of them: only the comparison with the evidence can tell."""
    verification = verify(kit.report(make(full, pki), pki.auditor), printer=kit.page)
    # These files tell too little for what is told twice to be compared: that line fails too.
    failed = {c.name: f"{c.detail} {c.got}" for c in verification.checks if c.status == "failed"}
    assert words in failed[check], failed


def test_an_envelope_says_what_is_wrong_with_it(full: dict[str, bytes], pki: Pki) -> None:
    line = lines(full)[0]
    assert opened(line, der(pki.auditor)) == base64.b64decode(json.loads(line)["payload"])
    for bad in (b"", b"[]", b"{}", line + b" ", b'{"a": 1}', line.replace(b"vnd.in-toto", b"vnd.other")):
        with pytest.raises(InputError):
            opened(bad, der(pki.auditor))
