"""How often the intervals and tests of an audit are right, by simulation; writes docs/coverage.md.

    python bench/coverage.py [--only PART ...] [--runs N] [--workers 1] [--to docs/coverage.md]
    python bench/coverage.py [--only PART ...] --merge OTHER.md [--to docs/coverage.md]

Every part writes its own section of the page and leaves the others as they are; without --only all parts are made, each
with the number of runs that it takes if none is given. --merge takes the sections from another page instead. What the
sections say together, and what is outside the aim, stands at the beginning and is made anew each time.

Each setting has its own seed, so that a row comes out the same whatever else runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.coverage_areas import areas
from bench.coverage_beside import beside_section
from bench.coverage_exact import EXACT, exact_section
from bench.coverage_people import people_section, weights_section
from bench.coverage_rates import HEAD, rates_section
from bench.coverage_scores import calibrated, gaps, means, tests
from bench.coverage_summary import TITLE, summary, with_reasons
from bench.coverage_whole import KINDS, heading, section


def areas_section(runs: int, command: str) -> str:
    return f"""## Areas under the ROC curve

Made by `{command}`: {runs:,} runs a row, so that a true 95.0 shows as {_around(95, runs)}.
One group's scores from two bell-shaped laws. DeLong's plain limits (area and its error times 1.96) hold too seldom in
small groups and near 1, where a perfect area of five people would be "1 to 1". Assay's are Wilson's, on the number of
people that DeLong's variance stands for, blended with the largest variance that the area allows.

{areas(runs)}
"""


def tests_section(runs: int, command: str) -> str:
    return f"""## Tests of scores

Made by `{command}`: {runs:,} runs a row, so that a true 5.0 shows as
{_around(5, runs)} and a true 0.17 as {_around(0.17, runs)}. No difference between the groups: in how many of 100 runs
the test of areas and the test of averages find one at the 5 % level, and at .0017 (5 % over 30 comparisons). Weights
are "by chance" (exponential) or heavier with the score and the outcome; rows with weights are of half as many runs
(a true 5.0 shows as {_around(5, runs // 2)}), with seeds that were not looked at while the test was made.

{tests(runs)}
"""


def means_section(runs: int, command: str) -> str:
    return f"""## Average scores

Made by `{command}`: {runs:,} runs a row, so that a true 95.0 shows as
{_around(95, runs)}. One group's average score. Limits follow
skewness (Hall 1992), once at the sample's own and once at that corrected for its bias (Bobee & Robitaille 1975), and
the wider of both is taken. No interval can promise anything of every law with heavy tails (Bahadur & Savage 1956): with
a log-normal of 1.5 limits of 10 people hold 92. Two values alone are coarse, so that no limits hold just 95 of 100.
With weights the errors are linearised and have Satterthwaite's degrees of freedom.

{means(runs)}
"""


def gaps_section(runs: int, command: str) -> str:
    return f"""## Widest gaps of scores

Made by `{command}`: {runs:,} runs a row, so that a true 95.0 shows as {_around(95, runs)}.
The widest gap of all groups; which group has which size is drawn anew in every run. Of the two groups that are named as
furthest apart: whether their own interval, which is of all pairs at once, holds their own difference.

{gaps(runs)}
"""


def calibration_section(runs: int, command: str) -> str:
    return f"""## Calibration errors

Made by `{command}`: {runs:,} runs a row, so that a true 95.0 shows as {_around(95, runs)}.
Of one group. The plain error is never 0; the interval takes this out.

{calibrated(runs)}
"""


def _around(share: float, runs: int) -> str:
    error = 196 * np.sqrt(share / 100 * (1 - share / 100) / runs)
    return f"{max(0.0, share - error):.1f} to {min(100.0, share + error):.1f}"


# Part -> its section, the number of runs, and how the section begins on the page.
PARTS: dict[str, tuple[Callable[[int, str], str], int, str]] = {
    "exact": (exact_section, 0, EXACT),
    "rates": (rates_section, 2000, HEAD),
    "areas": (areas_section, 2000, "## Areas under the ROC curve"),
    "tests": (tests_section, 1000, "## Tests of scores"),
    "means": (means_section, 1000, "## Average scores"),
    "gaps": (gaps_section, 1000, "## Widest gaps of scores"),
    "calibration": (calibration_section, 400, "## Calibration errors"),
    "people": (people_section, 2000, "## People in several rows"),
    "weights": (weights_section, 2000, "## Weights"),
    "beside": (beside_section, 2000, "## Figures that stand beside the gaps"),
    **{part: (partial(section, part), 200, heading(part)) for part in KINDS},
}


def sections(text: str) -> dict[str, str]:
    """Part -> its section of the page."""
    starts = sorted((f"\n{text}".find(f"\n{head}\n"), name) for name, (_, _, head) in PARTS.items())
    places = [(at, name) for at, name in starts if at >= 0]
    return {
        name: text[at:end].strip() + "\n"
        for (at, name), (end, _) in zip(places, [*places, (len(text), "")][1:], strict=True)
    }


def put(text: str, new: dict[str, str]) -> str:
    """The page with new sections in their places, and with what all of them say together."""
    pieces = {**sections(text), **{name: section.strip() + "\n" for name, section in new.items()}}
    of = {name: with_reasons(name, pieces[name]) for name in PARTS if name in pieces}
    return "\n".join([TITLE, summary(of), *of.values()])


def run_part(name: str, runs: int | None) -> str:
    make, usual, _ = PARTS[name]
    runs = usual if runs is None else runs
    return make(runs, f"python bench/coverage.py --only {name}" + (f" --runs {runs}" if usual else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--merge", type=Path)
    parser.add_argument("--to", type=Path, default=Path("docs/coverage.md"))
    args = parser.parse_args()
    if args.merge:
        texts = sections(args.merge.read_text(encoding="utf-8"))
        if lacking := [name for name in args.only if name not in texts]:
            parser.error(f"{args.merge} has no section {', '.join(lacking)}")
        _write(args.to, {name: texts[name] for name in args.only})
        return
    with ProcessPoolExecutor(args.workers) as pool:
        for name, text in zip(args.only, pool.map(run_part, args.only, [args.runs] * len(args.only)), strict=True):
            _write(args.to, {name: text})


def _write(page: Path, new: dict[str, str]) -> None:
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    page.write_text(put(before, new), encoding="utf-8")


if __name__ == "__main__":
    main()
