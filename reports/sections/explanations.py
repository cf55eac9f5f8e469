"""Why: what the model leans on, what the gap is made of, and how far the explanations can be trusted."""

from __future__ import annotations

from typing import Any

from reports import charts, words
from reports.blocks import Block, Figure, Heading, Notice, Paragraph, Points, Section, Sources, Table

TOP = 12


def section(sources: Sources) -> Section:
    """Explanations of everyone; of single persons only where it was asked for."""
    e = sources.explain
    blocks: list[Block]
    if e is None:
        blocks = [Notice("No explanation was made.")]
    elif not e.get("global"):
        blocks = [Notice(str(e.get("reason") or "The decisions could not be explained."))]
    else:
        blocks = _body(e, sources.people)
    return Section("explanations", "Explanations", tuple(blocks))


def _body(e: dict[str, Any], people: bool) -> list[Block]:
    gate = e["additivity"]
    blocks: list[Block] = [
        Paragraph(
            f"What is explained is {e.get('output_meaning') or e['output']}. Method: {e['method']} (SHAP values), "
            f"against {e['background']['rows']:,} background rows, seed {e['seed']}, on {e['rows']:,} people. The "
            f"shares must add up to the output on every row: the largest error is {gate['max_error']:.1e}, the "
            f"tolerance {gate['tolerance']:.0e}; {'passed' if gate['passed'] else 'NOT passed'} on "
            f"{gate['rows']:,} rows."
        )
    ]
    if e.get("rerouted"):
        blocks.append(Notice(f"The first method was given up: {e['rerouted']}"))
    top = e["global"][:TOP]
    leaders = ", ".join(f["feature"] for f in top[:3])
    blocks.append(
        Figure(
            charts.bars(
                [f["feature"] for f in top], [f["mean_abs"] for f in top], [(f["low"], f["high"]) for f in top]
            ),
            f"How much each column moves the {e['output']} on average; the model leans most on {leaders}.",
            f"How much each column moves the {e['output']} on average (mean absolute SHAP value), with 95 % intervals",
        )
    )
    rows = tuple((f["feature"], f"{f['mean_abs']:.4f}", f"{f['low']:.4f} to {f['high']:.4f}") for f in e["global"])
    blocks.append(
        Table("Importance of every column", ("Column", "Mean |SHAP|", "95 % interval"), rows, "", (44, 26, 30))
    )
    blocks += _means(e, [f["feature"] for f in top[:5]])
    blocks += _gap(e)
    blocks += _fidelity(e)
    if people:
        blocks += [b for p in e["people"] for b in _person(p)]
    elif e["people"]:
        blocks.append(Paragraph("Single persons were explained on the screen; they are not printed, to protect them."))
    if e.get("limits"):
        blocks += [Heading("Limits of these explanations"), Points(tuple(e["limits"]))]
    return blocks


def _means(e: dict[str, Any], features: list[str]) -> list[Block]:
    """Mean attributions of the leading columns by group: for whom a column speaks, and against whom."""
    blocks: list[Block] = []
    found = [g for g in e.get("groups", []) if g["feature"] in features and len(g["attribute"]) == 1]
    for attribute in dict.fromkeys(tuple(g["attribute"]) for g in found):
        mine = {(tuple(g["group"]), g["feature"]): g for g in found if tuple(g["attribute"]) == attribute}
        rows = []
        for group in dict.fromkeys(g for g, _ in mine):
            cells = [_mean(mine.get((group, f))) for f in features]
            people = next(m["rows"] for (g, _), m in mine.items() if g == group)
            rows.append((words.name_of(group), *cells, words.count(people)))
        blocks.append(
            Table(
                f"Mean attribution of the leading columns by {words.by(attribute)}",
                ("Group", *features, "People"),
                tuple(rows),
                "Above nought the column raises the output for the group, below it lowers it; with 95 % intervals.",
                (20, *([70 // max(len(features), 1)] * len(features)), 10),
            )
        )
    return blocks


def _mean(g: dict[str, Any] | None) -> str:
    if g is None or g["mean"] is None:
        return "–"
    limits = "" if g.get("low") is None else f"\n{words.bracket(g['low'], g['high'], percent=False)}"
    return f"{words.signed(g['mean'])}{limits}"


def _gap(e: dict[str, Any]) -> list[Block]:
    blocks: list[Block] = []
    for d in e.get("decomposition", []):
        if d["kind"] != "extreme" or d["output"] != "decision":
            continue
        by = words.by(d["attribute"])
        pair = f"{words.name_of(d['highest'])} and {words.name_of(d['lowest'])}"
        top = sorted(d["features"], key=lambda f: -abs(f["value"]))[:TOP]
        blocks.append(Heading(f"What the gap by {by} is made of"))
        blocks.append(
            Figure(
                charts.bars(
                    [f["feature"] for f in top],
                    [f["value"] for f in top],
                    [(f["low"], f["high"]) for f in top],
                    percent=True,
                ),
                f"The gap of {100 * d['total']:.1f} points between {pair}, divided over columns; most falls to "
                f"{', '.join(f['feature'] for f in top[:2])}.",
                f"The difference in decisions between {pair} ({100 * d['total']:.1f} points), divided over columns, in "
                "points; hatched bars narrow it",
            )
        )
        proxies = [p["feature"] if isinstance(p, dict) else str(p) for p in d.get("proxies", [])][:5]
        if proxies:
            blocks.append(
                Paragraph(f"Columns that go along with {by} and widen the gap, possible proxies: {', '.join(proxies)}.")
            )
    return blocks


def _fidelity(e: dict[str, Any]) -> list[Block]:
    rows = tuple(
        (
            words.name_of(f["group"]),
            words.by(f["attribute"]),
            words.number(f["r2"], 2),
            f"{f['r2_low']:.2f} to {f['r2_high']:.2f}" if f.get("r2_low") is not None else "–",
            words.count(f["rows"]),
        )
        for f in e.get("fidelity", [])
    )
    if not rows:
        return []
    return [
        Heading("How well LIME's line fits, by group"),
        Table(
            "Fit of LIME's local model (weighted R²) by group",
            ("Group", "By", "Mean R²", "95 % interval", "People"),
            rows,
            "Near 1 the line fits; near 0 it says little. A group with a worse fit gets worse explanations.",
            (32, 18, 16, 20, 14),
        ),
    ]


def _person(p: dict[str, Any]) -> list[Block]:
    lime = {f["feature"]: f["value"] for f in p["lime"]}
    rows = tuple(
        (f["feature"], str(p["values"].get(f["feature"], "–")), f"{f['value']:+.4f}",
         f"{lime[f['feature']]:+.4f}" if f["feature"] in lime else "–")
        for f in p["shap"][:TOP]
    )  # fmt: skip
    blocks: list[Block] = [
        Heading(f"One person (row {p['row']:,})"),
        Table(
            f"Row {p['row']:,}: score {p['score']:.3f}, decided {p['decision']}",
            ("Column", "Value", "SHAP", "LIME"), rows, "", (34, 30, 18, 18),
        ),
    ]  # fmt: skip
    notice = p["agreement"].get("notice")
    if notice:
        blocks.append(Notice(notice) if p["agreement"].get("disagree") else Paragraph(notice))
    return blocks
