"""How often the intervals and tests of rates are right in groups of 100 to 2,000; tables of docs/coverage.md.

    python bench/coverage.py --only rates [--runs 2000]

Every run draws groups with known rates, asks audit.stats for its figures, and looks whether the truth is inside. Which
group has which size is drawn anew in each run, except in the table that says otherwise. Seeded by row.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.stats import largest_gap, mean_gap, newcombe, wilson

Floats = npt.NDArray[np.float64]

SIZES = {
    2: [100, 2000],
    3: [100, 450, 2000],
    10: [100, 140, 195, 270, 380, 530, 740, 1030, 1440, 2000],
}
EVEN = {10: [100, 311, 522, 733, 944, 1156, 1367, 1578, 1789, 2000]}
PATTERNS = {"none": "no gap", "0.05": "one group .05 apart", "0.2": "one group .2 apart", "spread": "spread over .2"}
BASES = (0.1, 0.3, 0.5)
BOOTSTRAP = 1000
COMPARED = 500
"""The usual bootstrap, which is shown for comparison alone, is looked at in the first so many runs."""
TRUE = 1e-12


@dataclass(frozen=True)
class Setting:
    groups: int
    base: float
    pattern: str
    layout: str = "unequal"
    runs: int = 2000

    @property
    def seed(self) -> int:
        return zlib.crc32(repr((self.groups, self.base, self.pattern, self.layout)).encode())

    def rates(self) -> Floats:
        rates = np.full(self.groups, self.base)
        if self.pattern == "spread":
            return rates + np.linspace(0, 0.2, self.groups)
        rates[0] += 0.0 if self.pattern == "none" else float(self.pattern)
        return rates

    def sizes(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        sizes = np.array((EVEN if self.layout == "even" else SIZES)[self.groups])
        if self.layout == "large first":
            return sizes[::-1].copy()
        return rng.permutation(sizes)


@dataclass
class Tally:
    """Yes and no counts, and sums of widths."""

    setting: Setting
    seen: dict[str, list[int]] = field(default_factory=dict)
    width: float = 0.0
    knowing: float = 0.0

    def add(self, what: str, right: npt.ArrayLike) -> None:
        right = np.asarray(right)
        count = self.seen.setdefault(what, [0, 0])
        count[0] += int(right.sum())
        count[1] += right.size

    def share(self, what: str) -> float:
        yes, of = self.seen.get(what, (0, 0))
        return yes / of if of else float("nan")


def rates_of(setting: Setting) -> Tally:
    """One setting of the rates: every run's figures against the truth."""
    tally, rng, truth = Tally(setting), np.random.default_rng(setting.seed), setting.rates()
    gap, quotient = float(np.ptp(truth)), float(truth.min() / truth.max())
    top, bottom = (int(truth.argmax()), int(truth.argmin())) if gap else (0, 1)
    i, j = np.triu_indices(setting.groups, 1)
    usual = np.random.default_rng(setting.seed + 1)
    for run in range(setting.runs):
        n = setting.sizes(rng)
        x = rng.binomial(n, truth)
        low, high = wilson(x, n)
        tally.add("rate", (low <= truth + TRUE) & (truth <= high + TRUE))
        low, high = newcombe(x[i], n[i], x[j], n[j])
        difference = truth[i] - truth[j]
        tally.add("difference", (low <= difference + TRUE) & (difference <= high + TRUE))
        estimate = largest_gap([(x, n)], seed=run)
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.p_value is not None
        tally.add("gap", estimate.low <= gap + TRUE and gap <= estimate.high + TRUE)
        tally.add("test", estimate.p_value <= 0.05)
        ratio = largest_gap([(x, n)], seed=run, kind="ratio")
        if ratio.low is not None and ratio.high is not None:
            tally.add("ratio", ratio.low <= quotient + TRUE and quotient <= ratio.high + TRUE)
        low, high = newcombe(x[top], n[top], x[bottom], n[bottom])
        tally.width += estimate.high - estimate.low
        tally.knowing += float(high - low)
        if run < COMPARED:
            star = usual.binomial(n, x / n, size=(BOOTSTRAP, setting.groups)) / n
            ends = np.quantile(np.ptp(star, axis=1), [0.025, 0.975])
            tally.add("bootstrap", ends[0] <= gap + TRUE and gap <= ends[1] + TRUE)
    return tally


def means_of(setting: Setting) -> Tally:
    """The same for averages of bell-shaped values with standard deviation 1."""
    tally, rng, truth = Tally(setting), np.random.default_rng(setting.seed), setting.rates()
    gap = float(np.ptp(truth))
    top, bottom = (int(truth.argmax()), int(truth.argmin())) if gap else (0, 1)
    for run in range(setting.runs):
        n = setting.sizes(rng)
        means = truth + rng.standard_normal(setting.groups) / np.sqrt(n)
        errors = np.sqrt(rng.chisquare(n - 1) / (n - 1) / n)
        estimate = mean_gap(means, errors, seed=run)
        assert estimate.low is not None
        assert estimate.high is not None
        assert estimate.p_value is not None
        tally.add("gap", estimate.low <= gap + TRUE and gap <= estimate.high + TRUE)
        tally.add("test", estimate.p_value <= 0.05)
        tally.width += estimate.high - estimate.low
        tally.knowing += 2 * 1.959964 * float(np.hypot(errors[top], errors[bottom]))
    return tally


def percent(share: float) -> str:
    return "" if np.isnan(share) else f"{100 * share:.1f}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(heads), " | ".join(["---", "---", "---", *["---:"] * (len(heads) - 3)])]
    lines += [" | ".join(row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def start_of(tally: Tally) -> list[str]:
    s = tally.setting
    return [str(s.groups), f"{s.base:g}", PATTERNS[s.pattern]]


def of_rates(tallies: Iterable[Tally]) -> str:
    heads = (
        "groups", "rate", "truth", "single rates", "differences of two", "largest gap", "lowest / highest",
        "times as wide", "test finds a gap", "percentile bootstrap",
    )  # fmt: skip
    return table(
        heads,
        [
            [
                *start_of(t), percent(t.share("rate")), percent(t.share("difference")), percent(t.share("gap")),
                percent(t.share("ratio")), f"{t.width / t.knowing:.2f}", percent(t.share("test")),
                percent(t.share("bootstrap")),
            ]
            for t in tallies
        ],
    )  # fmt: skip


def of_means(tallies: Iterable[Tally]) -> str:
    heads = ("groups", "average", "truth", "largest gap", "times as wide", "test finds a gap")
    return table(
        heads,
        [
            [*start_of(t), percent(t.share("gap")), f"{t.width / t.knowing:.2f}", percent(t.share("test"))]
            for t in tallies
        ],
    )


def sum_up(tallies: Sequence[Tally]) -> str:
    covered = min(t.share("gap") for t in tallies)
    widest = max(tallies, key=lambda t: t.width / t.knowing)
    alarms = [t.share("test") for t in tallies if t.setting.pattern == "none"]
    return (
        f"The largest gap is covered in at least {percent(covered)} %; its interval is at most "
        f"{widest.width / widest.knowing:.2f} times as wide; false alarms come in {percent(min(alarms))} to "
        f"{percent(max(alarms))} %."
    )


def settings(runs: int) -> dict[str, list[Setting]]:
    def over(groups: Iterable[int], bases: Iterable[float], layout: str) -> list[Setting]:
        return [Setting(g, b, p, layout, runs) for g in groups for b in bases for p in PATTERNS]

    return {
        "unequal": over((2, 3, 10), BASES, "unequal"),
        "even": over((10,), BASES, "even"),
        "large first": over((3, 10), (0.3,), "large first"),
        "means": over((2, 3, 10), (0.5,), "means"),
    }


HEAD = "## Groups of 100 to 2,000 people"


def rates_section(runs: int, command: str) -> str:
    tallies: dict[str, list[Tally]] = {}
    for name, listed in settings(runs).items():
        tallies[name] = []
        for setting in listed:
            tally = means_of(setting) if name == "means" else rates_of(setting)
            tallies[name].append(tally)
            label = f"{name}, {setting.groups} groups, {setting.base:g}, {PATTERNS[setting.pattern]}"
            print(f"{label}: {percent(tally.share('gap'))} %", file=sys.stderr, flush=True)
    error = 100 * 1.96 * np.sqrt(0.05 * 0.95 / runs)
    return f"""{HEAD}

Made by `{command}`: {runs:,} runs a row; a true 95.0 shows as
{95 - error:.1f} to {min(100, 95 + error):.1f}, and a true 5.0 as {max(0, 5 - error):.1f} to {5 + error:.1f}.

Each run invents groups whose true rates are known, draws decisions for them, and asks Assay for its figures as an
audit would. The columns:

- **single rates, differences of two, largest gap, lowest / highest**: in how many of 100 runs the 95 % interval held
  the truth. The aim is 95 (single rates and differences: 93 to 97; largest gap: at least 94). Over 95 is on the safe
  side: the interval is wider than it had to be.
- **times as wide**: how wide the interval of the largest gap is, against the interval of somebody who was told
  beforehand which two groups are furthest apart. An audit is not told, and pays for it. The aim is at most 1.5.
- **test finds a gap**: how many of 100 tests say "there is a gap" at the 5 % level. Where there is no gap this is the
  rate of false alarms, and the aim is 4 to 6; where there is one, more is better.
- **percentile bootstrap**: in how many of 100 runs the usual bootstrap interval of highest - lowest held the
  truth. It is shown for comparison; Assay does not use it. Highest - lowest cannot fall under 0 and chance alone
  pushes it up, so that with no gap it is never right. Of the first {COMPARED} runs.

"rate" is the rate of the groups that are not apart; "spread" means that the groups' rates run evenly from there to .2
above. Which group has which size is drawn anew in every run.

### Rates, sizes spaced by equal factors

Two groups: 100 and 2,000 people; three: 100, 450, 2,000; ten: {", ".join(f"{n:,}" for n in SIZES[10])}.

{of_rates(tallies["unequal"])}

{sum_up(tallies["unequal"])}

### Rates, ten groups, sizes evenly spaced

{", ".join(f"{n:,}" for n in EVEN[10])} people: most groups are large, so that somebody who knows the pair
mostly compares two large ones, while an audit cannot rule out that the one small group is furthest away.

{of_rates(tallies["even"])}

{sum_up(tallies["even"])}

### Rates, the hardest order: the largest group is the one apart

The sizes of the first table, always in falling order: the group apart, or with the highest rate, is the largest.
Where one group is apart or none, somebody who knows the pair compares the two largest groups. An audit cannot rule out
that a small group is further away than it seems, because too few of its people were seen; an interval that keeps its
promise has to allow for that, and the widths here exceed 1.5. They say how little is known of the small groups.

{of_rates(tallies["large first"])}

{sum_up(tallies["large first"])}

### Averages

Bell-shaped values with a standard deviation of 1; the gap of the averages is the one named in the row.

{of_means(tallies["means"])}

{sum_up(tallies["means"])}
"""
