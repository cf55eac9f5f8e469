"""`assay explain`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from assay._commands.given import case_of
from assay._commands.options import ALLOW, CASE, OFFLINE, OUT, SEED
from assay._commands.parsing import WHOLE, OneOf, Option, Result, command


@command(
    CASE,
    OUT,
    SEED,
    Option("--row", type=WHOLE, multiple=True, metavar="N", help="Explain this audited row (0 is the first)."),
    Option(
        "--output",
        type=OneOf("probability", "decision", "log-odds"),
        default="probability",
        show_default=True,
        help="Of what.",
    ),
    ALLOW,
    OFFLINE,
)
def explain(
    case: Path, out: Path, seed: int, row: Sequence[int], output: str, allow: Sequence[str], offline: bool
) -> Result:
    from audit.documents import record_in
    from audit.documents.explanations import Explanations
    from audit.explain import run_explain

    loaded = case_of(case, offline)
    document = run_explain(loaded, out, people=row, seed=seed, output=output, allow=tuple(allow))
    found = record_in(Explanations, document, "explain.json")
    how = f"{found.output} explained by {found.method}" if found.explained else "not explained"
    lines = [f"{loaded.name}: {how}."]
    if found.rerouted:
        lines.append(f"Rerouted: {found.rerouted}")
    if found.reason:
        lines.append(found.reason)
    lines += [f"  {e.feature:<24} {e.mean_abs:.4f}" for e in found.overall[:10]]
    return Result(document, "\n".join([*lines, f"Written: {out / 'explain.json'}"]))
