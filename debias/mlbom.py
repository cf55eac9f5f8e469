"""The model card as a CycloneDX 1.6 ML-BOM (ECMA-424): any tool that reads CycloneDX can read what was measured.

    ml_bom(evidence, mitigation) -> bytes       # RFC 8785 JSON; the same evidence gives the same bytes

The audited model and the data are components; a mitigated model is one more, that depends on both. Either of the two
may be None: `assay mitigate` knows no evidence, and takes the audited model's figures from its own comparison. There
is no time in it, and the serial number follows from the evidence. cyclonedx-python-lib has no classes for model cards
as yet, so the document is built here and checked against the library's own schema in the tests.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import UnsetType

from audit.documents import record_in
from audit.documents.base import CaseNamed, Model, Names, PolicyNamed, Tool
from audit.documents.base import Record as Frozen
from audit.documents.evidence import Evidence
from audit.documents.mitigation import Mitigation
from audit.findings import NormResult
from audit.metrics import SELECTION_RATE
from audit.numbers import points
from audit.sentences import AGES, NO_CAUSE
from audit.values import Gap, Rate

T = TypeVar("T")
Record = dict[str, Any]
NAMESPACE = uuid.UUID("8f0b1d52-3a0e-5f4e-9a53-61d2b6a4c0de")
SPEC = "1.6"
LIMITS = (
    AGES,
    NO_CAUSE,
    "Groups are those that the data name.",
)


@dataclass(frozen=True, slots=True)
class _Audited:
    """What is said of the audited model and its data. cube: SHA-256 of the counts, None where there are none.

    label, favourable: "" where they are not known.
    """

    tool: Tool
    case: CaseNamed
    cube: str | None
    policy: PolicyNamed
    model: Model
    sha256: str
    rows: int
    audited_rows: int
    sensitive: Names
    label: str
    favourable: str
    rates: Sequence[Rate]
    gaps: Sequence[Gap]
    norms: Sequence[NormResult]
    notes: Names


def ml_bom(evidence: Mapping[str, Any] | None, mitigation: Mapping[str, Any] | None) -> bytes:
    """The BOM of an audit's published evidence, of its mitigation, or of both. Raises ValueError without either, and
    DataError for one of another form."""
    import rfc8785

    candidate = None if mitigation is None else record_in(Mitigation, mitigation, "mitigation.json")
    if evidence is not None:
        audited = _of_audit(record_in(Evidence, evidence, "evidence.json"))
    elif candidate is not None and mitigation is not None:
        audited, evidence = _of_comparison(candidate), _original(mitigation, candidate.splits.test)
    else:
        raise ValueError("an ML-BOM needs evidence, a mitigation or both")
    # Sorted JSON by the C encoder: of a megabyte, a tenth of the time that RFC 8785 in Python takes. Only a number.
    both = [dict(evidence), None if mitigation is None else dict(mitigation)]
    digest = hashlib.sha256(json.dumps(both, sort_keys=True, allow_nan=False).encode()).hexdigest()
    components, named = [_model(audited), _data(audited)], ["model", "data"]
    depends: list[Record] = [{"ref": "model", "dependsOn": ["data"]}, {"ref": "data"}]
    if candidate is not None:
        components.append(_candidate(candidate))
        named.append("candidate")
        depends.append({"ref": "candidate", "dependsOn": ["data", "model"]})
    document: bytes = rfc8785.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": SPEC,
            "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, digest)}",
            "version": 1,
            "metadata": {
                "tools": {"components": [{"type": "application", "name": "assay", "version": audited.tool.version}]},
                "component": {"type": "application", "bom-ref": "case", "name": audited.case.name},
                "properties": [
                    *([] if audited.cube is None else [_property("evidence:cube", audited.cube)]),
                    _property("policy:sha256", audited.policy.sha256),
                    _property("policy:version", audited.policy.version),
                ],
            },
            "components": components,
            "dependencies": [{"ref": "case", "dependsOn": named}, *depends],
        }
    )
    return document


def _of_audit(e: Evidence) -> _Audited:
    d = e.data
    return _Audited(
        e.tool, e.case, e.cube.sha256, e.policy, e.model, d.sha256, d.rows, d.audited_rows, d.sensitive, d.label or "",
        d.favourable or "", e.rates, e.gaps, e.norms, e.notes,
    )  # fmt: skip


def _of_comparison(m: Mitigation) -> _Audited:
    """What a comparison says of the audited model, on its test rows."""
    assert m.tool is not None
    assert m.policy is not None
    d, arm = m.data, m.arms.original
    return _Audited(
        m.tool, m.case, None, m.policy, m.base, d.sha256, d.rows, m.splits.test, _known(d.sensitive, ()),
        _known(d.label, None) or "", _known(d.favourable, None) or "", arm.rates, arm.gaps, arm.norms, (),
    )  # fmt: skip


def _known(value: T | UnsetType, otherwise: T) -> T:
    return otherwise if isinstance(value, UnsetType) else value


class _PlainArm(Frozen, frozen=True):
    rates: Any
    gaps: Any
    norms: Any


class _PlainArms(Frozen, frozen=True):
    original: _PlainArm


class _Plain(Frozen, frozen=True):
    """Parts of mitigation.json as they stand there."""

    tool: Any
    case: Any
    policy: Any
    base: Any
    data: dict[str, Any]
    arms: _PlainArms


def _original(mitigation: Mapping[str, Any], test_rows: int) -> Record:
    """The same in the keys of evidence.json: the serial number follows from it."""
    m = record_in(_Plain, mitigation, "mitigation.json")
    return {
        "tool": m.tool,
        "case": m.case,
        "cube": None,
        "policy": m.policy,
        "model": m.base,
        "data": m.data | {"audited_rows": test_rows},
        "rates": m.arms.original.rates,
        "gaps": m.arms.original.gaps,
        "norms": m.arms.original.norms,
        "notes": [],
    }


def _property(name: str, value: object) -> Record:
    return {"name": f"assay:{name}", "value": str(value)}


def _hashes(digest: object) -> Record:
    return {"hashes": [{"alg": "SHA-256", "content": str(digest)}]} if digest else {}


def _model(audited: _Audited) -> Record:
    """The audited model; where decisions were given as a column, the component is the unseen model behind them."""
    model, kind, purpose = audited.model, audited.model.kind, audited.case.purpose
    about = "The model file that was audited." if kind == "path" else f"Known by its decisions alone ({kind})."
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": "audited model",
        "description": f"{about} Used to decide: {purpose}.",
        **_hashes(model.sha256),
        "modelCard": {
            "modelParameters": _parameters(model.estimator),
            "quantitativeAnalysis": {"performanceMetrics": _metrics(audited.rates, audited.gaps)},
            "considerations": {
                "useCases": [purpose],
                "technicalLimitations": [*LIMITS, *audited.notes],
                "fairnessAssessments": _assessments(audited.gaps, audited.norms),
            },
        },
        "properties": [_property("model:format", model.format or kind)],
    }


def _parameters(architecture: object) -> Record:
    out: Record = {"approach": {"type": "supervised"}, "task": "classification", "datasets": [{"ref": "data"}]}
    return {**out, "modelArchitecture": str(architecture)} if architecture else out


def _data(audited: _Audited) -> Record:
    return {
        "type": "data",
        "bom-ref": "data",
        "name": "audited data",
        **_hashes(audited.sha256),
        "data": [
            {
                "type": "dataset",
                "name": "audited data",
                "sensitiveData": list(audited.sensitive),
                "contents": {
                    "properties": [
                        _property("rows", audited.rows),
                        _property("audited_rows", audited.audited_rows),
                        _property("outcome", audited.label or "none"),
                        _property("favourable", audited.favourable),
                    ]
                },
            }
        ],
    }


def _candidate(m: Mitigation) -> Record:
    """The mitigated model; its figures are of the test rows of the comparison."""
    arm, decision = m.arms.candidate, m.decision
    stands = "nobody has decided on it" if not decision else "accepted" if decision.accepted else "rejected"
    harms = [f"{c.metric} {c.kind}" for c in m.changes if c.worse and c.clear]
    return {
        "type": "machine-learning-model",
        "bom-ref": "candidate",
        "name": m.model.file,
        "description": f"A candidate made by {m.title}; {stands}.",
        **_hashes(m.model.sha256),
        "modelCard": {
            "modelParameters": _parameters(m.base.learner),
            "quantitativeAnalysis": {"performanceMetrics": _metrics(arm.rates, arm.gaps)},
            "considerations": {
                "useCases": [m.case.purpose],
                "technicalLimitations": [*LIMITS, *m.notes],
                **({"ethicalConsiderations": [{"name": m.notice}]} if m.notice else {}),
                "fairnessAssessments": _assessments(arm.gaps, arm.norms, f"Mitigated by {m.title}. "),
                "performanceTradeoffs": [f"Got worse by more than chance explains: {h}." for h in dict.fromkeys(harms)],
            },
        },
        "properties": [
            _property("mitigation:method", m.method),
            _property("mitigation:seed", m.seed),
            *(_property(f"mitigation:{k}", _words(v)) for k, v in m.parameters.items()),
            _property("mitigation:needs_sensitive_at_decision", m.needs_sensitive_at_decision),
        ],
    }


def _words(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _slice(attribute: Names, group: Names | None = None) -> str:
    if not attribute:
        return "everyone"
    if group is None:
        return "by " + " and ".join(attribute)
    return ", ".join(f"{a}: {g}" for a, g in zip(attribute, group, strict=True))


def _metrics(rates: Sequence[Rate], gaps: Sequence[Gap]) -> list[Record]:
    """Every rate and gap that could be estimated, with its interval; all groups and intersections."""
    out = [_metric(r.metric, r, _slice(r.attribute, r.group)) for r in rates if r.estimable]
    return out + [_metric(f"{g.metric} {g.kind}", g, _slice(g.attribute)) for g in gaps if g.estimable]


def _metric(kind: str, figure: Rate | Gap, where: str) -> Record:
    assert figure.value is not None
    out: Record = {"type": kind, "value": repr(float(figure.value)), "slice": where}
    if figure.low is None or figure.high is None:
        return out
    ends = {"lowerBound": repr(float(figure.low)), "upperBound": repr(float(figure.high))}
    return out | {"confidenceInterval": ends}


def _assessments(gaps: Sequence[Gap], norms: Sequence[NormResult], strategy: str = "") -> list[Record]:
    """Which group receives the favourable decision least often, by attribute, and where the policy's norms stand."""
    out = []
    for g in gaps:
        if g.metric != SELECTION_RATE or g.kind != "difference" or g.value is None or not g.lowest:
            continue
        stands = [f"{n.metric} {n.kind} {n.status.replace('_', ' ')}" for n in norms if n.attribute == g.attribute]
        out.append(
            {
                "groupAtRisk": _slice(g.attribute, g.lowest),
                "harms": (
                    f"Receives the favourable decision least often: {points(g.value)} less than "
                    f"{_slice(g.attribute, g.highest)}."
                ),
                "mitigationStrategy": f"{strategy}Norms of the policy: {'; '.join(stands) or 'none for this'}.",
            }
        )
    return out
