"""No attribute is recorded: what can be said from group probabilities that a person brings (surname, area, BISG).

    [data.proxy]
    race = { column = "surname", table = "surnames.csv" }     # columns: surname, and a probability for each group

Nobody is assigned to a group: thresholding a proxy is known to bias (Chen, Kallus, Mao, Svacha & Udell, FAT* 2019).
Printed are, for each group,

- the probability-weighted rate sum p(g | z) y / sum p(g | z), which is right where decisions do not depend on the group
  among people of one proxy value; its error is sum over z of P(z) Cov(y, g | z) / P(g), which no data without the
  group show, so the most that it can be is printed;
- sharp bounds (Kallus, Mao & Zhou, Management Science 2022): among people of one proxy value the share who are of the
  group and favoured lies between max(0, rate + p - 1) and min(rate, p), and each of these can be true.

Bounds of a difference take one group's highest with the other's lowest, which can be true at once. Their ends have an
interval by bootstrap of the people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from audit.case import Case
from audit.documents import record_in, to_builtins
from audit.documents.rows import ByProxy
from audit.errors import DataError
from audit.gaps import Settings, seed_of
from audit.lazy import pandas as pd
from audit.load.values import coded, names_of
from audit.numbers import brief, fixed, many, points

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOLERANCE = 0.02
DRAWS = 500


@dataclass(frozen=True, slots=True, eq=False)
class Proxy:
    """groups; p (Z, G): probability of each group for each proxy value; values: the proxy values, by place."""

    groups: tuple[str, ...]
    values: tuple[str, ...]
    p: Floats


def by_proxy(case: Case, frame: pd.DataFrame, favourable: Ints, settings: Settings) -> list[dict[str, Any]] | None:
    """The `by_proxy` entry of evidence.json: one record an attribute. favourable (n,): 1 where a row is favoured.

    None where the case names no proxy. Raises DataError for a table that cannot be used.
    """
    if not case.data.proxy:
        return None
    return [one(name, spec.column, read(spec.table, spec.column), frame, favourable, settings)
            for name, spec in case.data.proxy.items()]  # fmt: skip


def read(table: Any, column: str) -> Proxy:
    """The table of probabilities. Raises DataError where a value stands twice or probabilities do not add up to 1."""
    from audit.load.tables import read_noted  # here: who says what was found reads no table

    frame = read_noted(table).frame
    if column not in frame.columns:
        raise DataError(
            f"the proxy table {table.name!r} has no column {column!r}",
            got=", ".join(repr(str(c)) for c in frame.columns[:8]),
            expected=f"a column {column!r}, and a column of probabilities for each group",
            todo="name the proxy's column alike in the data and in the table",
        )
    groups = [str(c) for c in frame.columns if c != column]
    numbers = frame[groups].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    values = names_of(frame[column].fillna(""))
    wrong = ~np.isfinite(numbers).all(axis=1) | (numbers < 0).any(axis=1) | (abs(numbers.sum(axis=1) - 1) > TOLERANCE)
    if len(groups) < 2 or wrong.any():
        first = int(np.flatnonzero(wrong)[0]) if wrong.any() else 0
        raise DataError(
            f"the proxy table {table.name!r} holds no probabilities",
            got=f"{many(int(wrong.sum()), 'row')}; row {first + 1}: {', '.join(brief(v) for v in numbers[first][:6])}"
            if len(groups) > 1
            else f"{many(len(groups), 'column')} of groups",
            expected="numbers of 0 or more for two groups or more, adding up to 1 in every row",
            todo="divide each row by its sum, or correct it",
        )
    if len(set(values)) < len(values):
        raise DataError(
            f"the proxy table {table.name!r} names a value twice",
            got=repr(next(v for i, v in enumerate(values) if v in values[:i])),
            expected="each value of the proxy once",
            todo="put the rows together",
        )
    return Proxy(tuple(groups), values, numbers / numbers.sum(axis=1, keepdims=True))


def one(
    name: str, column: str, proxy: Proxy, frame: pd.DataFrame, favourable: Ints, settings: Settings
) -> dict[str, Any]:
    """The entry of one attribute that is not recorded."""
    codes, names = coded(frame[column])
    at = {v: i for i, v in enumerate(proxy.values)}
    place = np.array([*(at.get(n, -1) for n in names), -1])[codes]
    known = place >= 0
    n = np.bincount(place[known], minlength=len(proxy.values)).astype(np.float64)
    x = np.bincount(place[known], weights=favourable[known], minlength=len(proxy.values)).astype(np.float64)
    people, unknown = int(known.sum()), int((~known).sum())
    if not people:
        raise DataError(
            f"no value of {column!r} is in the proxy table of {name!r}",
            got=", ".join(repr(v) for v in names[:3]) or "nothing",
            expected=", ".join(repr(v) for v in proxy.values[:3]),
            todo="write the values alike",
        )
    figures = _figures(x[None], n[None], proxy.p)
    rng = np.random.default_rng(seed_of(settings, (name,), "by_proxy"))
    cells = np.concatenate([x, n - x])
    drawn = rng.multinomial(people, cells / people, size=DRAWS).astype(np.float64)
    again = _figures(drawn[:, : len(x)], drawn[:, : len(x)] + drawn[:, len(x) :], proxy.p)
    tail = settings.alpha / 2
    rates = []
    for g, group in enumerate(proxy.groups):
        rates.append(
            {
                "group": [group], "people_expected": float(n @ proxy.p[:, g]),
                "weighted": float(figures.weighted[0, g]), "low": float(figures.low[0, g]),
                "high": float(figures.high[0, g]), **_outer(again.low[:, g], again.high[:, g], tail),
                "most_bias": float(max(figures.high[0, g] - figures.weighted[0, g],
                                       figures.weighted[0, g] - figures.low[0, g])),
            }
        )  # fmt: skip
    gaps = []
    for a, b in combinations(range(len(proxy.groups)), 2):
        gaps.append(
            {
                "groups": [[proxy.groups[a]], [proxy.groups[b]]],
                "weighted": float(figures.weighted[0, a] - figures.weighted[0, b]),
                "low": float(figures.low[0, a] - figures.high[0, b]),
                "high": float(figures.high[0, a] - figures.low[0, b]),
                **_outer(again.low[:, a] - again.high[:, b], again.high[:, a] - again.low[:, b], tail),
            }
        )
    return {
        "attribute": [name], "column": column, "rows": people, "rows_without": unknown, "values": int((n > 0).sum()),
        "rates": rates, "gaps": gaps,
    }  # fmt: skip


def _outer(low: Floats, high: Floats, tail: float) -> dict[str, float]:
    """Where the bounds' own ends lie, 95 %: bounds of other samples of as many people."""
    return {"outer_low": float(np.quantile(low, tail)), "outer_high": float(np.quantile(high, 1 - tail))}


@dataclass(frozen=True, slots=True, eq=False)
class _Figures:
    weighted: Floats
    low: Floats
    high: Floats


def _figures(x: Floats, n: Floats, p: Floats) -> _Figures:
    """Weighted rates and their bounds (D, G) of counts (D, Z): favoured, all; p (Z, G)."""
    size = n @ p
    rate = np.divide(x, n, out=np.zeros_like(x), where=n > 0)[:, :, None]
    least = np.maximum(0.0, rate + p - 1)
    most = np.minimum(rate, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _Figures(
            (x @ p) / size,
            np.einsum("dz,dzg->dg", n, least) / size,
            np.einsum("dz,dzg->dg", n, most) / size,
        )


def sentences(entries: Sequence[ByProxy]) -> list[str]:
    """One a pair of groups: what is known, and what is not."""
    out = []
    for entry in entries:
        by = " and ".join(entry.attribute)
        for gap in entry.gaps:
            a, b = (" / ".join(g) for g in gap.groups)
            sure = "" if gap.low <= 0 <= gap.high else " Whatever groups these people are of, the sign is this."
            out.append(
                f"By {by}, which is not recorded: {a} less {b} is {points(gap.weighted)} by probabilities "
                f"of {entry.column}, and can be anything from {fixed(100 * gap.low, 1)} to "
                f"{fixed(100 * gap.high, 1)}.{sure}"
            )
    return out


def keep_published(entries: Sequence[Mapping[str, Any]], floor: int) -> list[dict[str, Any]]:
    """Without groups of which fewer people than `floor` are expected, nor gaps with them."""
    out = []
    for entry, read in zip(entries, record_in(tuple[ByProxy, ...], entries, "evidence.json"), strict=True):
        kept = tuple(r for r in read.rates if r.people_expected >= floor)
        names = {r.group for r in kept}
        gaps = tuple(g for g in read.gaps if names.issuperset(g.groups))
        out.append({**entry, "rates": to_builtins(kept), "gaps": to_builtins(gaps)})
    return out
