"""Why did a gap change? Split exactly into who came (mix) and what was decided (rate), segment by segment.

    tables = segment_tables(reference, frame, coded)     # a batch: counts per feature and attribute; `table + table`
    table = table_of_cube(cube, ("sex",), "race")        # or from a stored cube, segments being another attribute
    change = attribute_change(before, after, metric)     # two windows of the same table
    change.words                                         # who and where, in a sentence

A table has counts of group x segment x label x decision: additive over batches, JSON, so that rows are not read again.
Segments of a number are fifths of the reference, of a category its nine commonest values and the rest.

A group's rate is the sum over segments of share x rate. Between two windows it changes, exactly, by the sum of

    mix   (share after - share before) x (mean of the two rates - the group's mean rate)
    rate  (mean of the two shares) x (rate after - rate before)

(Kitagawa 1955; the symmetrical two-fold form of Oaxaca 1973 and Blinder 1973). Shares sum to one, so that taking the
group's mean rate off changes no sum, and says which way a segment's growth works. Where a segment has nobody in one
window, its rate there is taken from the other: all of its effect is mix. The change of a gap is the first group's
effects less the second's. Standard errors by the delta method, people being independent.

A split says where a change sits, not what caused it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from audit.cube import CodedRows, Cube, Floats, Ints, Meaning
from audit.errors import DataError
from audit.load.values import band
from audit.load.values import coded as named
from audit.metrics import Metric, metrics_for
from audit.numbers import brief, percent, points, signed
from audit.values import UNKNOWN
from audit.watch.summaries import MISSING, Feature

FIFTHS = (0.2, 0.4, 0.6, 0.8)
COMMON = 9
OTHER = "(other)"
NAMED = 30
"""A segment of fewer people is counted and not named."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentCounts:
    """Counts of one attribute's groups by the segments of `by` (a feature or another attribute): n (G, S, 3, 2)."""

    attribute: tuple[str, ...]
    by: str
    groups: tuple[str, ...]
    segments: tuple[str, ...]
    n: Ints
    meaning: Meaning

    def __add__(self, other: SegmentCounts) -> SegmentCounts:
        if (self.attribute, self.by) != (other.attribute, other.by):
            raise DataError(
                "two tables cannot be added",
                got=f"{'+'.join(other.attribute)} by {other.by}",
                expected=f"{'+'.join(self.attribute)} by {self.by}",
                todo="add tables of one attribute and one feature",
            )
        a, b = align(self, other)
        return replace(a, n=a.n + b.n)

    def to_json(self) -> dict[str, Any]:
        m = self.meaning
        return {
            "attribute": list(self.attribute),
            "by": self.by,
            "groups": list(self.groups),
            "segments": list(self.segments),
            "n": self.n.reshape(len(self.groups), len(self.segments), 6).tolist(),
            "meaning": [m.positive, m.negative, m.favourable, m.labelled],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> SegmentCounts:
        kept = msgspec.convert(data, _Kept)
        n = np.array(kept.n, dtype=np.int64).reshape(len(kept.groups), len(kept.segments), 3, 2)
        return SegmentCounts(kept.attribute, kept.by, kept.groups, kept.segments, n, Meaning(*kept.meaning))


class _Kept(msgspec.Struct):
    """A table as it is kept."""

    attribute: tuple[str, ...]
    by: str
    groups: tuple[str, ...]
    segments: tuple[str, ...]
    n: list[Any]
    meaning: list[Any]


REST = "(all others)"


def against_rest(table: SegmentCounts, group: str) -> SegmentCounts:
    """The table with two groups: this one, and everybody else whose group is known."""
    known = [i for i, g in enumerate(table.groups) if g != group and UNKNOWN not in g.split(" / ")]
    mine = table.n[table.groups.index(group)] if group in table.groups else np.zeros_like(table.n[0])
    return replace(table, groups=(group, REST), n=np.stack([mine, table.n[known].sum(axis=0)]))


def align(a: SegmentCounts, b: SegmentCounts) -> tuple[SegmentCounts, SegmentCounts]:
    """Both with the groups and segments of either, in the first's order."""
    groups = (*a.groups, *(g for g in b.groups if g not in a.groups))
    segments = (*a.segments, *(s for s in b.segments if s not in a.segments))

    def spread(t: SegmentCounts) -> SegmentCounts:
        n = np.zeros((len(groups), len(segments), 3, 2), dtype=np.int64)
        n[np.ix_([groups.index(g) for g in t.groups], [segments.index(s) for s in t.segments])] = t.n
        return replace(t, groups=groups, segments=segments, n=n)

    return spread(a), spread(b)


def table_of_cube(cube: Cube, attribute: tuple[str, ...], by: str) -> SegmentCounts:
    """Groups of `attribute` by the values of `by`, another attribute of the cube. Raises DataError where it is not."""
    if by in attribute or by not in cube.attributes or not set(attribute) <= set(cube.attributes):
        raise DataError(
            "a cube cannot be cut this way",
            got=f"{'+'.join(attribute)} by {by}",
            expected=f"different ones of {', '.join(cube.attributes)}",
            todo="name another attribute",
        )
    margin = cube.margin((*attribute, by))
    groups = tuple(dict.fromkeys(" / ".join(g[:-1]) for g in margin.groups))
    segments = tuple(dict.fromkeys(g[-1] for g in margin.groups))
    n = np.zeros((len(groups), len(segments), 3, 2), dtype=np.int64)
    for g, counts in zip(margin.groups, margin.n, strict=True):
        n[groups.index(" / ".join(g[:-1])), segments.index(g[-1])] = counts
    return SegmentCounts(attribute, by, groups, segments, n, cube.meaning)


def segment_tables(reference: Mapping[str, Feature], frame: pd.DataFrame, rows: CodedRows) -> tuple[SegmentCounts, ...]:
    """A batch by every feature of the reference (of audit/watch/summaries.py) that it has, for every attribute."""
    out = []
    cell = rows.label * 2 + rows.decision
    for feature, kept in reference.items():
        if feature not in frame.columns:
            continue
        place, segments = _segments(kept, frame[feature])
        for axis, attribute in enumerate(rows.attributes):
            groups = rows.levels[axis]
            key = (rows.codes[:, axis] * len(segments) + place) * 6 + cell
            n = np.bincount(key, minlength=len(groups) * len(segments) * 6)
            shape = (len(groups), len(segments), 3, 2)
            out.append(SegmentCounts((attribute,), feature, groups, segments, n.reshape(shape), rows.meaning))
    return tuple(out)


def _segments(kept: Feature, column: pd.Series) -> tuple[Ints, tuple[str, ...]]:
    """Each row's segment and the names of all; they follow from the reference alone."""
    if kept.numeric:
        values = np.asarray(kept.everyone.values or [], dtype=np.float64)
        edges: list[float] = []
        if len(values):
            cuts = np.unique(np.quantile(values, FIFTHS, method="inverted_cdf"))
            edges = [float(brief(c, 4)) for c in cuts[cuts > values[0]]]
            edges = sorted(set(edges))
        if not edges:
            return np.where(column.isna(), 1, 0).astype(np.int64), ("(any)", MISSING)
        place, names = band(pd.to_numeric(column, errors="coerce"), edges)
        return np.where(place < 0, len(names), place), (*names, MISSING)
    counts = {k: v for k, v in kept.everyone.counts.items() if k != MISSING}
    common = sorted(sorted(counts, key=lambda k: (-counts[k], k))[:COMMON])
    codes, categories = named(column)
    number = {name: i for i, name in enumerate(common)}
    at = np.array([*(number.get(f, len(common)) for f in categories), len(common) + 1], dtype=np.int64)
    return at[codes], (*common, OTHER, MISSING)


@dataclass(frozen=True, slots=True)
class Segment:
    """What one segment of one group adds to a change; with group None, to the change of the gap.

    mix and rate add up, over all segments, to the change. people: counted before and after (for a gap, in both
    groups). shares and rates (before, after) are null for a gap, rates also where nobody is counted.
    """

    group: str | None
    segment: str
    mix: float
    rate: float
    mix_error: float
    rate_error: float
    people: tuple[int, int]
    shares: tuple[float, float] | None = None
    rates: tuple[float | None, float | None] | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """One group's rate before and after, and the change with its standard error."""

    group: str
    before: float
    after: float
    change: float
    error: float
    mix: float
    rate: float


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one gap, first less second group, and of each group's rate."""

    metric: str
    attribute: tuple[str, ...]
    by: str
    first: str
    second: str
    before: float
    after: float
    change: float
    error: float
    mix: float
    rate: float
    groups: tuple[Moved, ...]
    segments: tuple[Segment, ...]
    words: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def attribute_change(
    before: SegmentCounts,
    after: SegmentCounts,
    metric: str,
    *,
    pair: tuple[str, str] | None = None,
    people: int = NAMED,
) -> Change | None:
    """Split the change of a gap between two windows of one table.

    metric: a rate of audit/metrics.py. pair: the groups, the higher first; by default the extreme ones afterwards
    among groups with at least `people` counted in both windows. None where fewer than two groups have them.
    Raises DataError where the metric is unknown or the tables are of different things.
    """
    if (before.attribute, before.by) != (after.attribute, after.by):
        raise DataError(
            "two windows cannot be compared",
            got=f"{'+'.join(before.attribute)} by {before.by}, and {'+'.join(after.attribute)} by {after.by}",
            expected="the same attribute and feature",
            todo="give tables of one kind",
        )
    rule = {m.name: m for m in metrics_for(after.meaning)}.get(metric)
    if rule is None:
        raise DataError(
            "no such rate", got=repr(metric), expected="a rate of `assay audit`", todo="correct the name of the metric"
        )
    old, new = align(before, after)
    parts = [_Group(g, *(_numerators(t.n[i], rule) for t in (old, new))) for i, g in enumerate(old.groups)]
    known = {p.name: p for p in parts if min(p.people) >= people and UNKNOWN not in p.name.split(" / ")}
    if pair is None:
        if len(known) < 2:
            return None
        order = sorted(known.values(), key=lambda p: (-p.rate_after, p.name))
        pair = (order[0].name, order[-1].name)
    elif not set(pair) <= set(known):
        return None
    return _change(old, metric, known, pair, people)


@dataclass(frozen=True, slots=True, eq=False)
class _Group:
    """Successes and people per segment, before and after, (S,) each."""

    name: str
    before: tuple[Floats, Floats]
    after: tuple[Floats, Floats]

    @property
    def people(self) -> tuple[int, int]:
        return int(self.before[1].sum()), int(self.after[1].sum())

    @property
    def rate_after(self) -> float:
        return float(self.after[0].sum() / self.after[1].sum())


def _numerators(n: Ints, metric: Metric) -> tuple[Floats, Floats]:
    x = (n * metric.numerator).sum(axis=(1, 2)).astype(np.float64)
    return x, (n * metric.denominator).sum(axis=(1, 2)).astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """One group's effects per segment, (S,) each, and their variances."""

    mix: Floats
    rate: Floats
    mix_variance: Floats
    rate_variance: Floats
    shares: Floats
    rates: Floats
    moved: Moved


def _split(group: _Group) -> _Split:
    x, n = (np.stack([group.before[k], group.after[k]]) for k in (0, 1))
    total = n.sum(axis=1, keepdims=True)
    share = n / total
    rates = np.divide(x, n, out=np.full_like(x, np.nan), where=n > 0)
    known = np.where(np.isnan(rates), rates[::-1], rates)  # the other window's
    known = np.where(np.isnan(known), 0.0, known)
    overall = x.sum(axis=1) / total[:, 0]
    moved_share, moved_rate = share[1] - share[0], known[1] - known[0]
    off = known.mean(axis=0) - overall.mean()
    mix, rate = moved_share * off, share.mean(axis=0) * moved_rate
    # Half a person each way keeps a variance where a rate is 0 or 1; an empty segment has no rate of its own.
    smooth = (x + 0.5) / (n + 1)
    of_rate = np.divide(smooth * (1 - smooth), n, out=np.zeros_like(n), where=n > 0)
    of_share = share * (1 - share) / total
    of_overall = overall * (1 - overall) / total[:, 0]
    mix_variance = off**2 * of_share.sum(axis=0) + moved_share**2 * (of_rate.sum(axis=0) + of_overall.sum()) / 4
    rate_variance = share.mean(axis=0) ** 2 * of_rate.sum(axis=0) + moved_rate**2 * of_share.sum(axis=0) / 4
    moved = Moved(
        group.name, float(overall[0]), float(overall[1]), float(overall[1] - overall[0]),
        math.sqrt(float(of_overall.sum())), float(mix.sum()), float(rate.sum()),
    )  # fmt: skip
    return _Split(mix, rate, mix_variance, rate_variance, share, rates, moved)


def _change(
    table: SegmentCounts, metric: str, known: Mapping[str, _Group], pair: tuple[str, str], people: int
) -> Change:
    splits = {name: _split(group) for name, group in known.items()}
    segments = []
    for name, s in splits.items():
        n = known[name].before[1], known[name].after[1]
        for i, segment in enumerate(table.segments):
            if n[0][i] + n[1][i] == 0:
                continue
            rates = tuple(None if np.isnan(r) else float(r) for r in s.rates[:, i])
            segments.append(
                Segment(
                    name,
                    segment,
                    float(s.mix[i]),
                    float(s.rate[i]),
                    math.sqrt(float(s.mix_variance[i])),
                    math.sqrt(float(s.rate_variance[i])),
                    (int(n[0][i]), int(n[1][i])),
                    (float(s.shares[0, i]), float(s.shares[1, i])),
                    (rates[0], rates[1]),
                )
            )
    a, b = splits[pair[0]], splits[pair[1]]
    for i, segment in enumerate(table.segments):
        count = [int(sum(getattr(known[g], w)[1][i] for g in pair)) for w in ("before", "after")]
        if sum(count):
            segments.append(
                Segment(
                    None,
                    segment,
                    float(a.mix[i] - b.mix[i]),
                    float(a.rate[i] - b.rate[i]),
                    math.sqrt(float(a.mix_variance[i] + b.mix_variance[i])),
                    math.sqrt(float(a.rate_variance[i] + b.rate_variance[i])),
                    (count[0], count[1]),
                )
            )
    change = Change(
        metric, table.attribute, table.by, *pair,
        a.moved.before - b.moved.before, a.moved.after - b.moved.after, a.moved.change - b.moved.change,
        math.hypot(a.moved.error, b.moved.error), a.moved.mix - b.moved.mix, a.moved.rate - b.moved.rate,
        tuple(s.moved for s in splits.values()), tuple(segments), "",
    )  # fmt: skip
    return replace(change, words=_words(change, people))


def _words(c: Change, people: int) -> str:
    """Who and where, in a sentence; nothing is named that is within its own noise."""
    what = f"The gap in {c.metric.replace('_', ' ')} between {c.first} and {c.second}"
    low, high = (100 * (c.change + k * 1.96 * c.error) for k in (-1, 1))
    grew = f"{what} changed by {signed(100 * c.change, 1)} points ({signed(low, 1)} to {signed(high, 1)})"
    if low <= 0 <= high:
        return (
            f"{what} changed by {signed(100 * c.change, 1)} points ({signed(low, 1)} to {signed(high, 1)}): no "
            "more than chance may do."
        )
    side = 1 if c.change > 0 else -1

    def enough(s: Segment, kind: str) -> bool:
        """A rate needs people before and after; a share may come from nobody."""
        return (min if kind == "rate" else max)(s.people) >= people

    grew = f"{what} changed by {signed(100 * c.change, 1)} points ({signed(low, 1)} to {signed(high, 1)})"
    parts = [
        (side * sign * getattr(s, kind), kind, s)
        for s in c.segments
        for sign in ((1,) if s.group == c.first else (-1,) if s.group == c.second else ())
        for kind in ("mix", "rate")
        if enough(s, kind)
        and abs(getattr(s, kind)) > 1.96 * getattr(s, f"{kind}_error")
        and side * sign * getattr(s, kind) > 0
    ]
    if not parts:
        return f"{grew}; no one segment of {c.by} stands out."
    size, kind, s = max(parts, key=lambda p: p[0])
    where = f"{s.group} with {c.by} {s.segment}"
    if kind == "rate" and s.rates is not None and s.rates[0] is not None and s.rates[1] is not None:
        why = f"the rate of {where} went from {percent(s.rates[0])} to {percent(s.rates[1])}"
    else:
        assert s.shares is not None
        why = f"the share of {where} went from {percent(s.shares[0])} to {percent(s.shares[1])} of {s.group}"
    return f"{grew}; the largest part, {points(size)}: {why}."


def most_telling(changes: tuple[Change, ...]) -> Change | None:
    """Of splits of one gap by several features: the one whose largest segment effect stands out most from its noise."""

    def weight(c: Change) -> float:
        gap = [s for s in c.segments if s.group is None and max(s.people) >= NAMED]
        each = [abs(v) / e for s in gap for v, e in ((s.mix, s.mix_error), (s.rate, s.rate_error)) if e > 0]
        return max(each, default=0.0)

    return max(changes, key=weight, default=None)
