"""`assay explain`, `assay precompute`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from assay._commands.given import case_of
from assay._commands.options import ALLOW, CASE, OFFLINE, OUT, SEED
from assay._commands.parsing import WHOLE, OneOf, Option, Result, command
from audit.numbers import fixed, many, signed

OUTPUT = Option(
    "--output",
    type=OneOf("probability", "decision", "log-odds"),
    default="probability",
    show_default=True,
    help="Of what.",
)


@command(
    CASE,
    OUT,
    SEED,
    Option("--row", type=WHOLE, multiple=True, metavar="N", help="Explain this audited row (0 is the first)."),
    Option("--kept", is_flag=True, help="With --row: only as `assay precompute` kept it; nothing is asked or written."),
    OUTPUT,
    ALLOW,
    OFFLINE,
)
def explain(
    case: Path, out: Path, seed: int, row: Sequence[int], kept: bool, output: str, allow: Sequence[str], offline: bool
) -> Result:
    from audit.documents import record_in
    from audit.documents.explanations import Explanations
    from audit.explain import run_explain

    loaded = case_of(case, offline)
    if kept:
        from audit.explain.ahead import read_kept

        ahead = read_kept(loaded, out, row, seed=seed, output=output, allow=tuple(allow))
        kept_lines = [f"{loaded.name}: {ahead.head.output} explained by {ahead.head.method}, kept ahead."]
        for number, decision, _, one in ahead.people:
            kept_lines.append(f"Row {number}: {decision}, score {fixed(one.score, 4)}, base {fixed(one.base, 4)}")
            kept_lines += [f"  {e.feature:<24} {signed(e.value, 4)}" for e in one.shap[:10]]
        return Result(ahead.to_json(), "\n".join(kept_lines))
    document = run_explain(loaded, out, people=row, seed=seed, output=output, allow=tuple(allow))
    explanations = record_in(Explanations, document, "explain.json")
    how = f"{explanations.output} explained by {explanations.method}" if explanations.explained else "not explained"
    lines = [f"{loaded.name}: {how}."]
    if explanations.rerouted:
        lines.append(f"Rerouted: {explanations.rerouted}")
    if explanations.reason:
        lines.append(explanations.reason)
    lines += [f"  {e.feature:<24} {fixed(e.mean_abs, 4)}" for e in explanations.overall[:10]]
    return Result(document, "\n".join([*lines, f"Written: {out / 'explain.json'}"]))


@command(
    CASE,
    OUT,
    Option("--rows", type=WHOLE, metavar="N", help="Explain the first N audited rows ahead (default: all of them)."),
    SEED,
    OUTPUT,
    ALLOW,
    more="Stopped, it goes on where it was. `assay explain CASE --out DIR --row N --kept` reads one person's.",
)
def precompute(case: Path, out: Path, rows: int | None, seed: int, output: str, allow: Sequence[str]) -> Result:
    from audit.explain.ahead import precompute as work

    ahead = work(case_of(case, False), out, rows=rows, seed=seed, output=output, allow=tuple(allow))
    message = (
        f"{ahead.case}: {many(ahead.audited, 'audited row')} answered, {many(ahead.kept, 'person')}'s explanations "
        f"kept ({ahead.made:,} made now, by {ahead.method or 'no method'}; {many(ahead.asked, 'row')} asked for them)."
    )
    return Result({"schema": "assay/precompute/1", **asdict(ahead)}, message)
