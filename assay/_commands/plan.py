"""`assay plan`."""

from __future__ import annotations

from assay._commands.parsing import NUMBER, Option, Result, command


@command(
    Option("--groups", required=True, metavar="N|NAME=SHARE,...", help="How many groups, or their shares."),
    Option("--gap", type=NUMBER, required=True, metavar="0.1", help="The gap to be seen; 10 points is 0.1."),
    Option("--rate", type=NUMBER, default=0.5, help="The rate of one group (default: 0.5, the hardest)."),
    Option("--power", type=NUMBER, default=0.8, show_default=True, help="In how many of all audits it is to be seen."),
    Option("--alpha", type=NUMBER, default=0.05, show_default=True, help="The level of the test."),
    Option("--rows", type=NUMBER, default=1.0, show_default=True, help="Rows of one person, on average."),
    Option("--alike", type=NUMBER, default=1.0, show_default=True, help="How alike a person's rows are decided: 0-1."),
    Option("--weights", type=NUMBER, default=0.0, help="Coefficient of variation of survey weights."),
)
def plan(
    groups: str, gap: float, rate: float, power: float, alpha: float, rows: float, alike: float, weights: float
) -> Result:
    from audit.plan import plan as planned

    done = planned(groups, gap, rate=rate, power=power, alpha=alpha, rows=rows, alike=alike, weights=weights)
    return Result(done.to_json(), "\n".join(done.lines()))
