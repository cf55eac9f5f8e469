"""The kinds of intervals and tests on docs/coverage.md, each a column of a section; why cells are outside."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.coverage_people import ALARMS as SHARE
from bench.coverage_people import SURE, WIDEST
from bench.coverage_whole import KINDS as WHOLE

Row = Mapping[str, str]

ALARMS = 5.0
ALIKE = "no gap"
AT_ONCE = (
    "an audit is not told which pair to look at. The limits hold for all pairs at once, so that they hold more often "
    "where one pair is far apart from the others, or where several are nearly as wide"
)
KITAGAWA = (
    "few people a stratum: shares and rates are drawn anew at their own measured values, which vary a little more than "
    "the true ones"
)
SMOOTHED = "intersections that differ by their main effects alone: the spread between them is never taken to be 0"
HEAVY = (
    "of ten groups of 100 rows, in which some four heavy rows make up most of a group's good outcomes, one or other "
    "has by chance so few of them that its own variance is taken too small; the interval of that gap still holds 94 of "
    "100, and whole audits with weights find no more than 5 of 100 by more than chance"
)
COARSE = (
    "Wilson's limits, exactly as the binomial law has them (the section by enumeration): counts are coarse, and at "
    "some rates a limit falls just short of the rate. On average over rates they hold 95 to 96 of 100"
)


def whole(text: str) -> list[int]:
    """The numbers in a cell: "12, 2,000" are 12 and 2000."""
    return [int(number.replace(",", "")) for number in re.findall(r"\d{1,3}(?:,\d{3})+|\d+", text)]


def _of(column: str) -> Callable[[Row], int]:
    return lambda row: min(whole(row[column]))


def _groups(row: Row) -> int:
    """The smallest of groups that are said as "3 x 30" or "12, 2,000" or "ten of 12 to 2,000"."""
    return min(whole(row["groups"].split(" x ")[-1]))


def _all(row: Row, runs: int) -> float:
    return runs


def _never_by_chance(row: Row, runs: int) -> float:
    return float("inf")


def _part(share: float) -> Callable[[Row, int], float]:
    return lambda row, runs: max(runs * share, 1)


def _each_group(row: Row, runs: int) -> float:
    return runs * int(row["groups"])


def _looked_at(row: Row, runs: int) -> float:
    """As `bench.coverage_people.judged` goes on where the test found more than chance explains."""
    more = ALARMS + 100 * SURE * (SHARE * (1 - SHARE) / WIDEST) ** 0.5
    return runs if float(row["test"]) > more else min(runs, WIDEST)


def _half_with_weights(row: Row, runs: int) -> float:
    return runs if row["weights"] == "none" else runs / 2


def _audits(row: Row, runs: int) -> float:
    return whole(row["audits"])[0]


@dataclass(frozen=True)
class Kind:
    """A column of a part's tables. level: of 100, 95 for intervals, else that of the test; people: the smallest group
    of a row; rests: how many yes and no a cell rests on; low, high: why cells may be outside on that side."""

    part: str
    column: str
    said: str
    people: Callable[[Row], int]
    rests: Callable[[Row, int], float] = _all
    level: float = 95.0
    where: Callable[[Row], bool] = lambda row: True
    low: str = ""
    high: str = ""

    @property
    def test(self) -> bool:
        return self.level < 50


def _figure(start: str) -> Callable[[Row], bool]:
    return lambda row: row["figure"].startswith(start)


def _kinds() -> Iterator[Kind]:
    for column in ("rate 0.1", "rate 0.3", "rate 0.5", "mean of rates", "least"):
        title = column if column != "least" else "the worst rate"
        yield Kind("exact", column, f"single rates, exactly: {title}", _of("people"), _never_by_chance, low=COARSE,
                   high=COARSE)  # fmt: skip
    hundred: Callable[[Row], int] = lambda row: 100  # noqa: E731
    yield Kind("rates", "single rates", "single rates", hundred, _each_group)
    yield Kind("rates", "differences of two", "differences of two rates", hundred)
    yield Kind("rates", "largest gap", "widest gap of rates or averages", hundred, high=AT_ONCE)
    yield Kind("rates", "lowest / highest", "lowest / highest", hundred, high=AT_ONCE)
    yield Kind("rates", "test finds a gap", "test of the widest gap", hundred, level=ALARMS,
               where=lambda row: row["truth"] == ALIKE)  # fmt: skip
    yield Kind(
        "areas", "limits hold", "area under the ROC curve",
        lambda row: sum(whole(row["with the outcome"] + " " + row["without"])),
        high="few with the outcome and an area near 1: the variance is taken no smaller than the area allows, since "
        "what was measured of five people would make it 0",
    )  # fmt: skip
    for metric in ("area", "average"):
        usual = f"{metric}: p to .05"
        yield Kind("tests", usual, f"test of {metric}s", _groups, _half_with_weights, ALARMS)
        yield Kind("tests", f"to .0017 ({usual})", f"test of {metric}s at .0017", _groups, _half_with_weights, 0.17)
    yield Kind(
        "means", "limits hold", "average score", _of("people"),
        low="a heavy tail: what is rare and large is in few samples, and no limits can promise anything of every such "
        "law (Bahadur & Savage 1956)",
        high="two values and weights are coarse and skewed; of both corrections for skewness the wider is taken",
    )  # fmt: skip
    for metric in ("area", "average"):
        yield Kind("gaps", f"{metric}: interval holds", f"widest gap of {metric}s", _groups, high=AT_ONCE)
        yield Kind("gaps", f"{metric}, two named", f"{metric}s of two that are named", _groups, high=AT_ONCE)
    yield Kind(
        "calibration", "interval holds", "calibration error", _of("people"),
        high="how much chance adds to the plain error depends on how the tenths' distances are spread, which nobody "
        "knows. The interval is wide enough for each of three ways, and for five of few people, of which one is true",
    )  # fmt: skip
    for part, people in (("people", "people each"), ("weights", "rows each")):
        few = (
            "in small groups the measured variance, itself little known, is blended with what it would be if rows of a "
            "person were all alike or weights had nothing to do with outcomes, and Student's quantiles are taken. This "
            "is more than needed where answers are by chance or a heavy stratum is hardly seen"
        )
        yield Kind(part, "single rates", f"{part}: single rates", _of(people), _each_group, low=COARSE, high=few)
        yield Kind(part, "two groups", f"{part}: differences of two", _of(people), high=few)
        yield Kind(part, "widest gap", f"{part}: widest gap", _of(people), _looked_at, high=f"{few}; and {AT_ONCE}")
        yield Kind(part, "test", f"{part}: test of the widest gap", _of(people), _looked_at, ALARMS,
                   high=HEAVY if part == "weights" else "")  # fmt: skip
    pairs = Kind("beside", "holds", "", _of("people"), _part(0.5), high=AT_ONCE)
    yield _named(pairs, "all pairs", "all pairs of groups at once")
    yield _named(pairs, "every group", "every group and a reference at once")
    like = "like with like: "
    for name, share, why in (
        ("Mantel-Haenszel", 1.0, ""), ("odds ratio", 0.5, ""),
        ("the mix's part (Kitagawa)", 1.0, KITAGAWA),
        ("adjusted by regression", 0.25, ""),
    ):  # fmt: skip
        yield _named(Kind("beside", "holds", "", _of("people"), _part(share), high=why), like + name, like + name)
    yield _named(
        Kind("beside", "holds", "", _of("people"), _part(0.25),
             high="bounds, not an interval of one number: they hold whatever the unseen groups are"),
        "no attribute", "no attribute: outer bounds",
    )  # fmt: skip
    yield _named(
        Kind("beside", "holds", "", _of("people"), _part(0.25),
             high="bounds of these very people, which hold without any chance"),
        "unknown group", "unknown group: bounds of the gap",
    )  # fmt: skip
    yield _named(
        Kind("beside", "holds", "", _of("people"), _all,
             high=SMOOTHED),
        "smoothed", "smoothed rate of an intersection",
    )  # fmt: skip
    for part in WHOLE:
        for column, title in (("all groups together", "all groups"), ("two groups named", "two named")):
            yield Kind(part, column, f"whole audits ({WHOLE[part]}): {title}", _of("people each"), _audits, ALARMS,
                       where=lambda row: not row["groups"].startswith("**"))  # fmt: skip


def _named(kind: Kind, figure: str, title: str) -> Kind:
    return Kind(
        kind.part, kind.column, title, kind.people, kind.rests, kind.level, _figure(figure), kind.low, kind.high
    )


KINDS = tuple(_kinds())
