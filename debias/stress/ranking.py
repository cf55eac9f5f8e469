"""Which corruptions of training rows would hurt most, to first order: for choosing what is fitted, never reported."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from audit.cube import Floats, Ints
from audit.metrics import metrics_for, parts_of
from audit.stress.corrupt import KINDS, fits
from audit.stress.predicates import singles_and_pairs
from audit.stress.serving import FLOOR
from debias.stress.fits import Bench, Point
from debias.stress.influence import Encoder, Influence, encoder_of, rate_weight

RANKED = 6000
"""Rows by which candidates are ranked; more change the order little."""


def ranked(bench: Bench) -> tuple[list[Point], int]:
    """Points by influence, the best of each figure in turn; and how many were ranked."""
    n = len(bench.rows)
    encode = encoder_of(bench.rows)
    x = encode(bench.rows)
    few = np.random.default_rng(bench.settings.seed).permutation(n)[:RANKED]
    influence = Influence(x, bench.label, encode(bench.asked.iloc[: len(bench.search)]))
    part = _Part(influence, few)
    holds = bench.literals.holds[few]
    first, second = singles_and_pairs(len(bench.literals.names))
    if bench.spec.depth == 1:
        keep = first == second
        first, second = first[keep], second[keep]
    size = (holds.T @ holds)[first, second] * (n / len(few))
    usable = (size >= FLOOR) & (n - size >= FLOOR)
    share = np.minimum(1.0, bench.most / np.maximum(size, 1))
    trained = sorted((k for k in KINDS.values() if k.training), key=lambda k: k.training)
    wanted = [k.name for k in trained if not bench.spec.kinds or k.name in bench.spec.kinds]
    changes = [(k, None) for k in wanted if KINDS[k].of == "rows"]
    other = _changed_columns(bench, encode, x[few], few, [k for k in wanted if KINDS[k].of != "rows"])
    lists: list[tuple[bool, list[tuple[float, Point]]]] = []
    for aim in range(len(bench.figures.aims)):
        v = influence.direction(_weights(bench, influence.soft, aim))
        if not np.isfinite(v).all():
            continue
        mine: list[tuple[float, Point]] = []
        for kind, column in [*changes, *other]:
            effect = part.of(kind, v, other.get((kind, column)) if column is not None else None)
            total = (holds.T @ (holds * effect[:, None].astype(np.float32)))[first, second] * share
            total = np.where(usable, total, -np.inf)
            for k in np.argsort(-total)[:3].tolist():
                if np.isfinite(total[k]) and total[k] > 0:
                    names = tuple(sorted({int(first[k]), int(second[k])}))
                    mine.append((float(total[k]), Point(kind, column, names)))
        # The best of each kind first, so that fits are not spent on one kind's neighbours.
        lists.append((bench.turned[aim], _spread(mine)))
    return _by_turns(lists), int(usable.sum()) * (len(changes) + len(other))


def _changed_columns(
    bench: Bench, encode: Encoder, x: Floats, few: Ints, kinds: Sequence[str]
) -> dict[tuple[str, str], Floats]:
    """(kind, column) -> the encoded rows `few`, x, with that column changed; where the kind fits the column."""
    out = {}
    for name, at in encode.parts:
        if bench.spec.columns and name not in bench.spec.columns:
            continue
        for kind in kinds:
            if fits(KINDS[kind], bench.rows[name]):
                change = KINDS[kind].change
                assert change is not None
                new = x.copy()
                new[:, encode.slice_of(name)] = encode.column(change(bench.rows[name]).iloc[few], at)
                out[kind, name] = new
    return out


def _by_turns(lists: Sequence[tuple[bool, Sequence[tuple[float, Point]]]]) -> list[Point]:
    """Each point once; two of each figure as it stands before one of its other side (True)."""
    out: dict[Point, None] = {}
    most = max((len(one) for _, one in lists), default=0)
    turns = [(0, False), (1, False), (0, True), *((p, side) for p in range(most) for side in (False, True))]
    for place, side in turns:
        for turned, one in lists:
            if turned is side and place < len(one):
                out.setdefault(one[place][1])
    return list(out)


def _spread(scored: list[tuple[float, Point]]) -> list[tuple[float, Point]]:
    ordered = sorted(scored, key=lambda f: -f[0])
    best: list[tuple[float, Point]] = []
    rest: list[tuple[float, Point]] = []
    seen = set()
    for one in ordered:
        (rest if (key := (one[1].kind, one[1].column)) in seen else best).append(one)
        seen.add(key)
    return [*best, *rest]


class _Part:
    """Influence of some of the rows."""

    def __init__(self, whole: Influence, rows: Ints) -> None:
        self.whole, self.rows = whole, rows
        self.x, self.y, self.p = whole.x[rows], whole.y[rows], whole.p[rows]

    def of(self, kind: str, v: Floats, x: Floats | None) -> Floats:
        if KINDS[kind].turns:
            return np.asarray(-(2 * self.y - 1) * (self.x @ v))
        drop = (self.p - self.y) * (self.x @ v)
        if copies := KINDS[kind].copies:
            return np.asarray(-copies * drop)
        assert x is not None
        p = 1 / (1 + np.exp(-np.clip(x @ self.whole.theta, -500, 500)))
        return np.asarray(drop - (p - self.y) * (x @ v))


def _weights(bench: Bench, soft: Floats, aim: int) -> Floats:
    """The derivative of a side, in its worse direction, by each validation row's soft decision."""
    task, figure = bench.task, bench.figures.aims[aim]
    by_name = {m.name: m for m in metrics_for(task.meaning)}
    parts = [by_name[m] for m in parts_of(figure.metric, task.meaning)]
    label = task.label[bench.search]
    if figure.kind == "rate":
        return -rate_weight(parts[0], label, soft, np.ones(len(label)))[1]
    axes = [task.case.data.sensitive.index(a) for a in figure.attribute]
    codes = task.codes[bench.search][:, axes]
    names = set(bench.figures.names(aim))
    groups = {
        name: (codes == code).all(axis=1)
        for code in np.unique(codes, axis=0)
        if (name := " / ".join(task.levels[a][c] for a, c in zip(axes, code.tolist(), strict=True))) in names
    }
    best: tuple[float, Floats] = (-2.0, np.full(len(label), np.nan))
    for metric in parts:
        rates = {n: rate_weight(metric, label, soft, g.astype(np.float64)) for n, g in groups.items()}
        others = [r for n, r in rates.items() if n != figure.lowest and np.isfinite(r[0])]
        if not others or figure.lowest not in rates:
            continue
        high, low = max(others, key=lambda r: r[0]), rates[figure.lowest]
        if high[0] - low[0] > best[0]:
            ratio = figure.kind == "ratio" and high[0] > 0
            grown = (high[1] * low[0] / high[0] - low[1]) / high[0] if ratio else high[1] - low[1]
            best = (high[0] - low[0], np.asarray(grown))
    return best[1]
