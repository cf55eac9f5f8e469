"""`assay contract`, `assay stress` and `assay whatif`: what the data must be like, and what could go wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from assay._commands.options import ALLOW, CASE, OUT, SEED
from assay._commands.parsing import FILE, NUMBER, WHOLE, Option, Result, command
from audit.stress.spec import LEARNERS, OWN


@command(
    click.Argument(["data"], type=FILE, metavar="DATA|CASE.toml"),
    Option("--out", type=FILE, metavar="contract.toml", help="Write the proposal (default: print it)."),
    Option("--check", is_flag=True, help="Check the case's data by group, and propose nothing."),
    Option("--results", type=FILE, metavar="FILE", help="With --check: a result of Great Expectations, as JSON."),
    Option("--gate", is_flag=True, help="With --check: end with 3 where a check of severity error is broken."),
    Option("--labels", type=FILE, metavar="FILE", help="Of a case: rows whose outcomes people should label again."),
    Option("--within", type=NUMBER, default=0.02, show_default=True, metavar="SHARE", help="With --labels: how near."),
    more="Propose a contract from a data file, or from the training rows of a case. With --check, hold the audited "
    "rows of a case against the contract that it names (contract.toml, or a suite of Great Expectations).",
)
def contract(
    data: Path, out: Path | None, check: bool, results: Path | None, gate: bool, labels: Path | None, within: float
) -> Result:
    from audit.contract.run import checked_case, proposed

    if labels is not None:
        from audit.load import load_case
        from debias.labels import look_again

        return Result(*look_again(load_case(data), labels, within))
    return Result(*(checked_case(data, results, gate) if check else proposed(data, out)))


@command(
    CASE,
    OUT,
    SEED,
    Option("--budget", type=NUMBER, metavar="SHARE", help="Of rows that are corrupted, at most (0.05)."),
    Option("--no-train", is_flag=True, help="Leave out what needs the model fitted again."),
    Option("--fits", type=WHOLE, default=24, show_default=True, metavar="N", help="That confirm the worst training."),
    ALLOW,
)
def stress(
    case: Path, out: Path, seed: int, budget: float | None, no_train: bool, fits: int, allow: Sequence[str]
) -> Result:
    from audit.load import load_case
    from debias.stress.run import FILE as NAME
    from debias.stress.run import lines, run_stress

    document = run_stress(load_case(case), out, seed=seed, train=not no_train, fits=fits, budget=budget, allow=allow)
    return Result(document, "\n".join([*lines(document), f"Written: {out / NAME}"]))


@command(
    CASE,
    OUT,
    SEED,
    Option("--learner", metavar="NAME", help=f"What is fitted: {', '.join(LEARNERS)}; as the case says, else {OWN}."),
    Option("--kind", multiple=True, metavar="KIND", help="Only these variants (may be repeated)."),
    Option("--processes", type=WHOLE, default=2, show_default=True, metavar="N", help="Variants fitted at a time."),
    ALLOW,
)
def whatif(
    case: Path, out: Path, seed: int, learner: str | None, kind: Sequence[str], processes: int, allow: Sequence[str]
) -> Result:
    from audit.load import load_case
    from debias.whatif.run import FILE as NAME
    from debias.whatif.run import lines, run_whatif

    document = run_whatif(
        load_case(case), out, learner=learner, kinds=kind, seed=seed, processes=processes, allow=allow
    )
    return Result(document, "\n".join([*lines(document), f"Written: {out / NAME}"]))
