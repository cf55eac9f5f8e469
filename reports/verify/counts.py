"""series.json: every figure whose counts are embedded is judged again from them, by the loop's own rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from audit.documents.series import Point, Series, Standing
from audit.numbers import are, many
from reports.series_counts import judged_again, margins_in, same_figures, stream_of
from reports.verify.result import Broken, shown


def check_counts(series: Series) -> str:
    """Each batch's gaps and their states against the published counts; what has none is counted. Raises Broken."""
    points = {p.number: p for p in series.timeline if p.kind == "batch"}
    again = _follow(series, points)
    withheld, lost = _without_counts(points, again)
    _check_last(series)
    words = f"{many(len(again), 'figure')} of batches follow from their counts"
    if withheld:
        words += f"; {withheld:,} {are(withheld)} withheld, too few people came since the one before"
    if lost:
        words += f"; {lost:,} cannot be recomputed, their counts are withheld or were not kept"
    return words


def _follow(series: Series, points: Mapping[int | None, Point]) -> set[tuple[int | None, str]]:
    """(batch, norm) of the figures that were judged again from their counts. Raises Broken where one differs."""
    again: set[tuple[int | None, str]] = set()
    for table in series.counts.tables:
        for number, streams in margins_in(table).items():
            for place, norm in enumerate(points[number].norms if number in points else (), 1):
                stream = stream_of(norm.metric)
                if norm.source != "counts" or norm.attribute != table.attribute or stream not in streams:
                    continue
                judged = judged_again(norm, streams[stream], series.counts.people)
                bad = same_figures(judged, norm)
                if bad is not None:
                    raise Broken(
                        f"batch {number}: norm {place} does not follow from the counts, {bad}",
                        got=shown(getattr(norm, bad)), expected=shown(judged[bad]),
                    )  # fmt: skip
                again.add((number, norm.key))
    return again


def _without_counts(points: Mapping[int | None, Point], again: Collection[tuple[int | None, str]]) -> tuple[int, int]:
    """How many figures are withheld, and how many the loop alone knows. Raises Broken where one should have counts,
    or is withheld and told all the same."""
    withheld = lost = 0
    for batch, point in points.items():
        for place, norm in enumerate(point.norms, 1):
            if norm.source == "counts":
                if (batch, norm.key) not in again:
                    raise Broken(f"batch {batch}: norm {place} has no counts", got="none", expected="its counts")
                continue
            if norm.source not in ("loop", "withheld"):
                raise ValueError("a figure comes from nowhere that is known")
            withheld, lost = withheld + (norm.source == "withheld"), lost + (norm.source == "loop")
            has_values = any(getattr(norm, k) is not None for k in ("value", "low", "high", "people"))
            if norm.source == "withheld" and has_values:
                raise Broken(f"batch {batch}: norm {place} is withheld and told", got=shown(norm.value))
    return withheld, lost


def not_as_last(mine: Standing, right: Standing | None = None) -> Broken:
    """The refusal of a norm that is told otherwise than after the last batch."""
    expected = "" if right is None else shown(right.value)
    return Broken("a norm does not stand as after the last batch", got=shown(mine.value), expected=expected)


def _check_last(series: Series) -> None:
    last = {n.key: n for n in series.timeline[-1].norms} if series.timeline else {}
    for norm in series.norms:
        if norm.source == "counts" and norm != last.get(norm.key):
            raise not_as_last(norm)
