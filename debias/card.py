"""What goes beside a candidate: a model card in plain sentences, its provenance, and a CycloneDX ML-BOM.

All three follow from mitigation.json alone; the card's headings are those of Mitchell et al. 2019, "Model Cards for
Model Reporting".
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from msgspec import UnsetType

from audit.documents import record_in
from audit.documents.base import Names, Record, Tool
from audit.documents.mitigation import ARMS, Aim, AimAsked, Mitigation
from audit.files import canonical, write_whole
from audit.findings import NormResult, name_of, percent
from audit.metrics import ACCURACY, EQUALIZED_ODDS, FALSE_POSITIVE_RATE, SELECTION_RATE, TRUE_POSITIVE_RATE
from audit.numbers import are, brief, fixed, many, signed
from audit.sentences import AGES, NO_CAUSE
from audit.values import Gap, Rate
from debias.held import aim_words
from debias.mlbom import ml_bom

__all__ = ["BOM", "CARD", "PROVENANCE", "ml_bom", "model_card", "provenance", "write_cards"]

CARD, PROVENANCE, BOM = "modelcard.md", "provenance.json", "mlbom.cdx.json"
SCHEMA = "assay/provenance/1"
MOST = 15


def write_cards(out: Path, document: Mapping[str, Any]) -> None:
    """Write all three beside mitigation.json; each is whole or as it was."""
    write_whole(out / CARD, model_card(document).encode())
    write_whole(out / PROVENANCE, canonical(provenance(document)))
    write_whole(out / BOM, ml_bom(None, document))


class _Provenance(Record, frozen=True):
    """What mitigation.json says of how the candidate was made, as it stands there."""

    case: dict[str, Any]
    model: dict[str, Any]
    base: dict[str, Any]
    data: dict[str, Any]
    splits: dict[str, Any]
    policy: dict[str, Any]
    method: str
    source: str
    parameters: dict[str, Any]
    seed: int
    tool: Tool
    onnx: dict[str, Any] | None = None
    search: dict[str, Any] | None = None


def provenance(document: Mapping[str, Any]) -> dict[str, Any]:
    """From what the candidate was made, with what and by what: schema assay/provenance/1."""
    m = record_in(_Provenance, document, "mitigation.json")
    packages = dict(m.tool.packages)
    if m.onnx and m.onnx.get("file"):
        for name in ("onnx", "onnxruntime", "skl2onnx", "onnxmltools"):
            try:
                packages[name] = version(name)
            except PackageNotFoundError:
                continue
    return {
        "schema": SCHEMA,
        "case": m.case,
        "model": m.model,
        "onnx": m.onnx,
        "made_from": m.base,
        "data": {**m.data, "splits": m.splits},
        "policy": m.policy,
        "method": m.method,
        "source": m.source,
        "parameters": m.parameters,
        "search": m.search,
        "seed": m.seed,
        "tool": {"version": m.tool.version, "packages": packages, "python": platform.python_version()},
    }


def model_card(document: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    m = record_in(Mitigation, document, "mitigation.json")
    blocks = [
        f"# Model card: {_escaped(m.case.name)}, {_escaped(m.title).lower()}",
        _standing(m),
        "## Intended use",
        _escaped(m.case.purpose) or "Not stated in the case.",
        "It decides "
        f"{_escaped(m.data.label)}: {_escaped(m.data.positive)} or not; the favourable decision is "
        f"{_escaped(m.data.favourable)}. Any other use has not been measured.",
        *([f"**Notice.** {m.notice}"] if m.notice else []),
        "## How it was made",
        _provenance_text(m),
        "## Data",
        _data(m),
        "## Figures",
        f"On {many(m.splits.test, 'row')} that neither model learned from, with 95 % intervals. The second column is "
        "the original model with nothing changed but its threshold, moved so that it selects as many of the same rows "
        "(no outcome is looked at for that): a gain that it shares is a moved threshold.",
        _figures(m),
        "## What got worse",
        _worse(m),
        "## Who is affected",
        _affected(m),
        "## Norms of the policy",
        _norms(m),
        "## Limits",
        _list(
            [
                AGES,
                NO_CAUSE,
                *m.notes,
            ]
        ),
        "## Files",
        _files(m),
    ]
    return "\n\n".join(b for b in blocks if b) + "\n"


def _escaped(text: object) -> str:
    """One line without Markdown's own marks: names come from a person's data."""
    words = " ".join(str(text).split())
    for mark in "\\`*_[]<>|#":
        words = words.replace(mark, "\\" + mark)
    return words


def _list(lines: list[str]) -> str:
    return "\n".join(f"- {_escaped(line)}" for line in lines)


def _standing(m: Mitigation) -> str:
    decision = m.decision
    if decision is None:
        return "A candidate. Nobody has decided on it, and nothing deploys it."
    verdict = "accepted" if decision.accepted else "rejected"
    return (
        f"A candidate, {verdict} by {_escaped(decision.by)} on {str(decision.time)[:10]}: {_escaped(decision.reason)}"
    )


def _provenance_text(m: Mitigation) -> str:
    asked, c = record_in(AimAsked, m.parameters, "mitigation.json"), m.constraint
    reads = "reads" if m.needs_sensitive_at_decision else "reads nothing of"
    base = m.base
    old = f"the model {str(base.sha256)[:12]}" if base.sha256 else f"the column {_escaped(base.column)}"
    lines = [
        f"{m.words} ({m.source})",
        f"Aim: {_aim(c)}, between groups of {' and '.join(_escaped(a) for a in asked.attributes)}, tolerance "
        f"{brief(asked.tolerance)}. {_escaped(aim_words(c))}",
        f"It started from {old} and is {_escaped(base.learner)}.",
        f"At a decision it {reads} the sensitive columns"
        + (
            "."
            if m.needs_sensitive_at_decision
            else f"{_listed_features(m)}; they were used in fitting and in measuring."
        ),
        f"Seed {m.seed}: the same case and seed give the same file.",
    ]
    return " ".join(lines)


def _listed_features(m: Mitigation) -> str:
    both = [a for a in _names(m.data.sensitive) if a in _names(m.data.features)]
    return f", save {' and '.join(_escaped(a) for a in both)}, which the case lists among its features" if both else ""


def _names(names: Names | UnsetType) -> Names:
    return () if isinstance(names, UnsetType) else names


def _aim(constraint: Aim) -> str:
    if constraint.bound is not None:
        return f"no group's error above {percent(constraint.bound)}"
    return str(constraint.name).replace("_", " ")


def _data(m: Mitigation) -> str:
    d, s = m.data, m.splits
    drawn = "drawn by seed" if s.made_by == "seed" else "by the case's own split"
    return (
        f"{many(d.rows, 'row')} (sha256 {d.sha256[:12]}), {drawn}: {s.train:,} to learn from, {s.validation:,} "
        f"to choose on, {s.test:,} to report on; no row is for two of them. Features: "
        f"{', '.join(_escaped(f) for f in _names(d.features))}. "
        f"Sensitive columns: {', '.join(_escaped(a) for a in _names(d.sensitive))}."
    )


def _figures(m: Mitigation) -> str:
    arms = m.arms.present()
    rows = [["", *(ARMS[k] for k in arms)]]
    for metric in (ACCURACY, SELECTION_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE):
        cells = []
        for arm in arms.values():
            rates = [r for r in arm.rates if r.metric == metric and not r.attribute]
            cells.append(_interval(rates[0]) if rates else "n/a")
        rows.append([metric.replace("_", " "), *cells])
    shown = {
        (SELECTION_RATE, "difference"),
        (m.constraint.metric, "difference"),
        (EQUALIZED_ODDS, "difference"),
    }
    for gap in m.arms.candidate.gaps:
        if (gap.metric, gap.kind) in shown and (len(gap.attribute) == 1 or gap.metric == m.constraint.metric):
            name = f"{gap.metric.replace('_', ' ')} gap by {' and '.join(_escaped(a) for a in gap.attribute)}"
            cells = []
            for arm in arms.values():
                same = [g for g in arm.gaps if (g.metric, g.kind, g.attribute) == (gap.metric, gap.kind, gap.attribute)]
                cells.append(_interval(same[0]) if same else "n/a")
            rows.append([name, *cells])
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "|" + " --- |" * len(rows[0]), *body])


def _interval(record: Rate | Gap | NormResult) -> str:
    if record.value is None:
        return "not estimable"
    if record.low is None or record.high is None:
        return fixed(record.value, 3)
    return f"{fixed(record.value, 3)} ({fixed(record.low, 3)} to {fixed(record.high, 3)})"


def _three_decimals(value: float | None) -> str:
    return "n/a" if value is None else fixed(value, 3)


def _worse(m: Mitigation) -> str:
    worse = [c for c in m.changes if c.worse and c.clear]
    if not worse:
        return (
            "No figure of any group got worse beyond chance. That is no proof that none did: small groups show little."
        )
    lines = []
    for c in worse[:MOST]:
        who = f"of {name_of(c.group)}" if c.group is not None else f"by {' and '.join(c.attribute)}"
        what = c.metric.replace("_", " ") + ("" if c.kind == "rate" else f" {c.kind}")
        by = f"changed by {signed(c.delta, 3)} ({signed(c.low, 3)} to {signed(c.high, 3)})"
        lines.append(f"{what} {who}: {_three_decimals(c.before)} before, {_three_decimals(c.after)} after, {by}")
    more = [f"{len(worse) - MOST} more in mitigation.json."] if len(worse) > MOST else []
    return (
        f"{many(len(worse), 'figure')} got worse beyond chance, over all groups at once; the worst first:\n\n"
    ) + _list([*lines, *more])


def _affected(m: Mitigation) -> str:
    lines = []
    for f in m.flips:
        if len(f.attribute) < 2:
            lines.append(
                f"{name_of(f.group)}: of {many(f.rows, 'decision')} {f.to_favourable:,} "
                f"{are(f.to_favourable, 'changes', 'change')} to favourable, "
                f"{f.to_unfavourable:,} to unfavourable"
            )
    return _list(lines)


def _norms(m: Mitigation) -> str:
    norms = m.arms.candidate.norms
    if not norms:
        return "The policy has no norm for these attributes."
    lines = []
    for n in norms:
        where = f"{n.metric.replace('_', ' ')} {n.kind} by {' and '.join(n.attribute)}"
        stands = "not estimable" if n.value is None else f"{_interval(n)}, limit {brief(n.limit)}"
        lines.append(f"{where}: {stands}: {n.status.replace('_', ' ')}")
    return _list(lines)


def _files(m: Mitigation) -> str:
    lines = [f"{m.model.file}: sha256 {m.model.sha256}"]
    onnx = m.onnx
    if onnx and onnx.file:
        lines.append(
            f"{onnx.file}: sha256 {onnx.sha256}; over {many(onnx.rows, 'test row')} its scores differ by at most "
            f"{brief(onnx.difference, 1)}, and {many(onnx.decisions_differ, 'decision')}"
        )
    elif onnx:
        lines.append(f"no ONNX file: {onnx.reason}")
    lines.append(f"{PROVENANCE}: model, data, parameters, seed and versions; {BOM}: the same for machines (CycloneDX)")
    return _list(lines)
