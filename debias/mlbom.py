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
from collections.abc import Mapping
from typing import Any

from audit.metrics import SELECTION_RATE

Record = dict[str, Any]
NAMESPACE = uuid.UUID("8f0b1d52-3a0e-5f4e-9a53-61d2b6a4c0de")
SPEC = "1.6"
LIMITS = (
    "Figures are of the rows that were measured, and age when people or the world change.",
    "A gap does not say what caused it, and no gap does not say that nobody is harmed.",
    "Groups are those that the data name.",
)


def ml_bom(evidence: Mapping[str, Any] | None, mitigation: Mapping[str, Any] | None) -> bytes:
    """The BOM of an audit's published evidence, of its mitigation, or of both. Raises ValueError without either."""
    import rfc8785

    if evidence is None:
        if mitigation is None:
            raise ValueError("an ML-BOM needs evidence, a mitigation or both")
        evidence = _original(mitigation)
    # Sorted JSON by the C encoder: of a megabyte, a tenth of the time that RFC 8785 in Python takes. Only a number.
    both = [dict(evidence), None if mitigation is None else dict(mitigation)]
    digest = hashlib.sha256(json.dumps(both, sort_keys=True, allow_nan=False).encode()).hexdigest()
    model, data = _model(evidence), _data(evidence)
    components = [model, data]
    depends: list[Record] = [{"ref": "model", "dependsOn": ["data"]}, {"ref": "data"}]
    if mitigation is not None and mitigation.get("model"):
        components.append(_candidate(mitigation))
        depends.append({"ref": "candidate", "dependsOn": ["data", "model"]})
    document: bytes = rfc8785.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": SPEC,
            "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, digest)}",
            "version": 1,
            "metadata": {
                "tools": {
                    "components": [{"type": "application", "name": "assay", "version": evidence["tool"]["version"]}]
                },
                "component": {"type": "application", "bom-ref": "case", "name": evidence["case"]["name"]},
                "properties": [
                    *([_property("evidence:cube", evidence["cube"]["sha256"])] if evidence["cube"] else []),
                    _property("policy:sha256", evidence["policy"]["sha256"]),
                    _property("policy:version", evidence["policy"]["version"]),
                ],
            },
            "components": components,
            "dependencies": [{"ref": "case", "dependsOn": [c["bom-ref"] for c in components]}, *depends],
        }
    )
    return document


def _original(m: Mapping[str, Any]) -> Record:
    """What a comparison says of the audited model, in the keys of evidence.json."""
    arm = m["arms"]["original"]
    return {
        "tool": m["tool"],
        "case": m["case"],
        "cube": None,
        "policy": m["policy"],
        "model": m["base"],
        "data": m["data"] | {"audited_rows": m["splits"]["test"]},
        "rates": arm["rates"],
        "gaps": arm["gaps"],
        "norms": arm["norms"],
        "notes": [],
    }


def _property(name: str, value: object) -> Record:
    return {"name": f"assay:{name}", "value": str(value)}


def _hashes(digest: object) -> Record:
    return {"hashes": [{"alg": "SHA-256", "content": str(digest)}]} if digest else {}


def _model(evidence: Mapping[str, Any]) -> Record:
    """The audited model; where decisions were given as a column, the component is the unseen model behind them."""
    model = evidence["model"]
    kind = model["kind"]
    about = "The model file that was audited." if kind == "path" else f"Known by its decisions alone ({kind})."
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": "audited model",
        "description": f"{about} Used to decide: {evidence['case']['purpose']}.",
        **_hashes(model.get("sha256")),
        "modelCard": {
            "modelParameters": _parameters(model.get("estimator")),
            "quantitativeAnalysis": {"performanceMetrics": _metrics(evidence)},
            "considerations": {
                "useCases": [evidence["case"]["purpose"]],
                "technicalLimitations": [*LIMITS, *evidence.get("notes", [])],
                "fairnessAssessments": _assessments(evidence),
            },
        },
        "properties": [_property("model:format", model.get("format") or kind)],
    }


def _parameters(architecture: object) -> Record:
    out: Record = {"approach": {"type": "supervised"}, "task": "classification", "datasets": [{"ref": "data"}]}
    return {**out, "modelArchitecture": str(architecture)} if architecture else out


def _data(evidence: Mapping[str, Any]) -> Record:
    data = evidence["data"]
    return {
        "type": "data",
        "bom-ref": "data",
        "name": "audited data",
        **_hashes(data["sha256"]),
        "data": [
            {
                "type": "dataset",
                "name": "audited data",
                "sensitiveData": [str(s) for s in data["sensitive"]],
                "contents": {
                    "properties": [
                        _property("rows", data["rows"]),
                        _property("audited_rows", data["audited_rows"]),
                        _property("outcome", data.get("label") or "none"),
                        _property("favourable", data.get("favourable") or ""),
                    ]
                },
            }
        ],
    }


def _candidate(m: Mapping[str, Any]) -> Record:
    """The mitigated model; its figures are of the test rows of the comparison."""
    arm = m.get("arms", {}).get("candidate")
    decision = m.get("decision")
    stands = "nobody has decided on it" if not decision else "accepted" if decision["accepted"] else "rejected"
    norms = arm.get("norms", []) if arm else []
    strategy = f"Mitigated by {m.get('title', m['method'])}. "
    notice = m.get("notice")
    harms = [f"{c['metric']} {c['kind']}" for c in m.get("changes", []) if c.get("worse") and c.get("clear")]
    return {
        "type": "machine-learning-model",
        "bom-ref": "candidate",
        "name": str(m["model"]["file"]),
        "description": f"A candidate made by {m.get('title', m['method'])}; {stands}.",
        **_hashes(m["model"]["sha256"]),
        "modelCard": {
            "modelParameters": _parameters(m.get("base", {}).get("learner")),
            "quantitativeAnalysis": {"performanceMetrics": _metrics(arm) if arm else []},
            "considerations": {
                "useCases": [m["case"]["purpose"]] if m.get("case") else [],
                "technicalLimitations": [*LIMITS, *(str(n) for n in m.get("notes", []))],
                **({"ethicalConsiderations": [{"name": str(notice)}]} if notice else {}),
                "fairnessAssessments": _assessments({**arm, "norms": norms}, strategy) if arm else [],
                "performanceTradeoffs": [f"Got worse by more than chance explains: {h}." for h in dict.fromkeys(harms)],
            },
        },
        "properties": [
            _property("mitigation:method", m["method"]),
            _property("mitigation:seed", m["seed"]),
            *(_property(f"mitigation:{k}", _words(v)) for k, v in m.get("parameters", {}).items()),
            _property("mitigation:needs_sensitive_at_decision", m.get("needs_sensitive_at_decision", "")),
        ],
    }


def _words(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _slice(attribute: list[str], group: list[str] | None = None) -> str:
    if not attribute:
        return "everyone"
    if group is None:
        return "by " + " and ".join(attribute)
    return ", ".join(f"{a}: {g}" for a, g in zip(attribute, group, strict=True))


def _metrics(figures: Mapping[str, Any]) -> list[Record]:
    """Every rate and gap that could be estimated, with its interval; all groups and intersections."""
    out = []
    for r in figures["rates"]:
        if r["estimable"]:
            out.append(_metric(r["metric"], r, _slice(r["attribute"], r["group"])))
    for g in figures["gaps"]:
        if g["estimable"]:
            out.append(_metric(f"{g['metric']} {g['kind']}", g, _slice(g["attribute"])))
    return out


def _metric(kind: str, record: Mapping[str, Any], where: str) -> Record:
    out: Record = {"type": kind, "value": repr(float(record["value"])), "slice": where}
    if record["low"] is not None and record["high"] is not None:
        ends = {"lowerBound": repr(float(record["low"])), "upperBound": repr(float(record["high"]))}
        out["confidenceInterval"] = ends
    return out


def _assessments(evidence: Mapping[str, Any], strategy: str = "") -> list[Record]:
    """Which group receives the favourable decision least often, by attribute, and where the policy's norms stand."""
    out = []
    for g in evidence["gaps"]:
        if g["metric"] != SELECTION_RATE or g["kind"] != "difference" or not g["estimable"] or not g["lowest"]:
            continue
        stands = [
            f"{n['metric']} {n['kind']} {n['status'].replace('_', ' ')}"
            for n in evidence["norms"]
            if n["attribute"] == g["attribute"]
        ]
        out.append(
            {
                "groupAtRisk": _slice(g["attribute"], g["lowest"]),
                "harms": (
                    f"Receives the favourable decision least often: {100 * g['value']:.1f} points less than "
                    f"{_slice(g['attribute'], g['highest'])}."
                ),
                "mitigationStrategy": f"{strategy}Norms of the policy: {'; '.join(stands) or 'none for this'}.",
            }
        )
    return out
