"""`assay mitigate`: one candidate, a search among many, or the pick of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay._commands.given import case_of
from assay._commands.options import ALLOW, CASE, OFFLINE, OUT, SEED
from assay._commands.parsing import FILE, NUMBER, WHOLE, Option, Result, command
from audit.errors import InputError
from audit.numbers import many
from debias.methods.method import DEMOGRAPHIC_PARITY


@command(
    CASE,
    OUT,
    SEED,
    Option(
        "--method",
        multiple=True,
        metavar="NAME",
        help="For example reweighing; with --search, search this one (may be repeated; default: those that need "
        "nothing sensitive to decide and fit once).",
    ),
    Option("--search", is_flag=True, help="Try many candidates and print the front."),
    Option("--trials", type=WHOLE, default=30, show_default=True, metavar="N", help="Of a search: candidates to try."),
    Option("--timeout", type=NUMBER, metavar="SECONDS", help="Of a search: begin no candidate after this."),
    Option(
        "--at-random", is_flag=True, help="Of a search: draw each by itself; a bound on what more could gain holds."
    ),
    Option(
        "--acceptable-loss", type=NUMBER, metavar="0.01", help="Of a search: more wrong decisions that were allowed."
    ),
    Option("--need", default="", metavar="TEXT", help="Of a search: the need that the decision serves, in your words."),
    Option(
        "--log",
        type=FILE,
        metavar="LOG",
        help="Of a search: enter it in this log before its first candidate, with the need and the acceptable loss.",
    ),
    Option("--pick", type=WHOLE, metavar="NUMBER", help="Take this candidate of the search in DIR."),
    Option("--reason", default="", metavar="TEXT", help="Why this one; needed to pick."),
    Option("--by", default="", metavar="NAME", help="Who picks it (default: the login name)."),
    Option("--constraint", metavar="NAME", help="What to aim at, for example demographic_parity."),
    Option("--tolerance", type=NUMBER, help="The gap allowed (default: 0.02; a search tries many)."),
    Option("--attribute", multiple=True, metavar="COLUMN", help="Act on this one (default: all)."),
    Option("--gate", is_flag=True, help="End with 3 where the tolerance was not met."),
    Option("--onnx", is_flag=True, help="Write mitigated.onnx too, with the same scores to 1e-5."),
    ALLOW,
    OFFLINE,
    more="Fit one candidate (--method), or search among many (--search) and pick one (--pick). Each candidate is "
    "compared with the original on rows that neither learned from. A search never sees those rows: it weighs wrong "
    "decisions against the upper bound of the gap on validation rows, writes search.json, and goes on where it was "
    "stopped. Only the candidate that a person picks is measured on the test rows. Nothing is deployed.",
)
def mitigate(
    case: Path,
    out: Path,
    seed: int,
    method: Sequence[str],
    search: bool,
    trials: int,
    timeout: float | None,
    at_random: bool,
    acceptable_loss: float | None,
    need: str,
    log: Path | None,
    pick: int | None,
    reason: str,
    by: str,
    constraint: str | None,
    tolerance: float | None,
    attribute: Sequence[str],
    gate: bool,
    onnx: bool,
    allow: Sequence[str],
    offline: bool,
) -> Result:
    from debias.mitigate import run_mitigate, summary

    asked = [
        f
        for f, on in (("--search", search), ("--pick", pick is not None), ("--method", method))
        if on and not (f == "--method" and search)
    ]
    if len(asked) != 1 or (len(method) > 1 and not search):
        raise InputError(
            "it is not clear what to do",
            got=" and ".join(asked) if len(asked) != 1 and asked else many(len(method), "method"),
            expected="one of --method NAME, --search and --pick NUMBER",
            todo="fit one candidate, search among many, or pick one of a search",
        )
    attributes = list(attribute) or None
    if search:
        for flag, is_set in (("--gate", gate), ("--tolerance", tolerance is not None), ("--reason", reason)):
            if is_set:
                raise InputError(
                    "a search tries many candidates and judges none", got=flag, expected="no such option with --search",
                    todo="leave it out; name it when you pick one",
                )  # fmt: skip
        from debias.pareto import FILE as SEARCHED
        from debias.pareto import run_search, table_of
        from reports.log.searches import entered_in

        document = run_search(
            case_of(case, offline),
            out,
            trials=trials,
            seed=seed,
            timeout=timeout,
            methods=list(method) or None,
            constraint=constraint or DEMOGRAPHIC_PARITY,
            attributes=attributes,
            allow=allow,
            at_random=at_random,
            acceptable_loss=acceptable_loss,
            need=need,
            begin=None if log is None else entered_in(log),
        )
        return Result(document, "\n".join([*table_of(document), f"Written: {out / SEARCHED}"]))
    shared: dict[str, Any] = {
        "tolerance": 0.02 if tolerance is None else tolerance, "gate": gate, "allow": allow, "onnx": onnx,
    }  # fmt: skip
    if pick is not None:
        import datetime as dt
        import getpass

        from debias.pick import pick as picked

        document = picked(
            case_of(case, offline),
            out,
            pick,
            reason=reason,
            by=by or getpass.getuser(),
            now=dt.datetime.now(dt.UTC),
            **shared,
        )
    else:
        document = run_mitigate(
            case_of(case, offline), method[0], out, seed=seed, constraint=constraint, attributes=attributes, **shared
        )
    return Result(document, "\n".join([*summary(document), f"Written: {out / 'mitigation.json'}"]))
