"""The variants: one table. A row says what is done differently, in which step, and why one would ask.

A row makes variants from the data at hand (one for each feature, group, ...); adding one is adding a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from audit.cube import Floats, Ints
from audit.load.values import coded
from audit.numbers import brief
from audit.stress.corrupt import ERRORS, GAPS, fits
from audit.stress.corrupt import KINDS as CORRUPTIONS
from audit.stress.spec import BOOSTING, LEARNERS, LOGISTIC, OWN
from debias.methods.weights import reweigh
from debias.task import Task


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """What a variant does. Rows are of the training part, in its order.

    without: features left out. columns: feature -> (training values, values of the rows measured), where they change.
    asked: feature -> altered values of the rows measured alone; nothing is fitted again. rows: row numbers to learn
    from (repeats allowed). label, weight (n,): others to learn with. scale: of numbers, in a linear pipeline.
    threshold: to decide by. seed: of the learner. counts, truth (m,): how often each row measured counts, and other
    outcomes to measure by; the model and its decisions stay as they are.
    """

    without: tuple[str, ...] = ()
    columns: Mapping[str, tuple[pd.Series, pd.Series]] = field(default_factory=dict)
    asked: Mapping[str, pd.Series] = field(default_factory=dict)
    rows: Ints | None = None
    label: Ints | None = None
    weight: Floats | None = None
    scale: str = "standard"
    threshold: float | None = None
    seed: int = 0
    counts: Floats | None = None
    truth: Ints | None = None

    @property
    def same(self) -> bool:
        """Whether the scores are those of the base model."""
        return self.threshold is not None or self.counts is not None or self.truth is not None

    @property
    def fits(self) -> bool:
        """Whether the model is fitted again."""
        return not self.asked and not self.same


@dataclass(frozen=True, slots=True, eq=False)
class Variant:
    """name: unique. kind: the row of KINDS. side: "train" (a choice in building), "test" (what comes in differs) or
    "decide"."""

    name: str
    kind: str
    side: str
    recipe: Recipe


@dataclass(frozen=True, slots=True)
class Parts:
    """What rows of the table look at. train, test: features; label, joint (n,): of training rows; flagged (n,) of them
    and doubted (m,) of those measured: rows that confident learning would look at, or None where nothing scored them.
    """

    task: Task
    rows: Ints
    train: pd.DataFrame
    test: pd.DataFrame
    label: Ints
    flagged: Any
    seed: int
    doubted: Any = None


Make = Callable[[Parts], Iterator[tuple[str, Recipe]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """learners: those for which it means something."""

    name: str
    step: str
    side: str
    reason: str
    make: Make
    learners: tuple[str, ...] = tuple(LEARNERS)


def _numeric_names(frame: pd.DataFrame) -> list[str]:
    return [
        str(c) for c in frame if pd.api.types.is_numeric_dtype(frame[c]) and not pd.api.types.is_bool_dtype(frame[c])
    ]


def _texts(frame: pd.DataFrame) -> list[str]:
    numbers = _numeric_names(frame)
    return [str(c) for c in frame if str(c) not in numbers and not pd.api.types.is_datetime64_any_dtype(frame[c])]


def _without(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for name in p.train.columns:
        if p.train.shape[1] > 1:
            yield f"without {name}", Recipe(without=(str(name),))


def _proxies(p: Parts) -> Iterator[tuple[str, Recipe]]:
    """Without a sensitive attribute and the features that tell most of it (by Cramer's V on codes)."""
    from audit.quality.codes import levels_of
    from audit.quality.proxies import association

    for i, attribute in enumerate(p.task.case.data.sensitive):
        codes, size = p.task.codes[p.rows, i], len(p.task.levels[i])
        associations = []
        for name in p.train.columns:
            levels = None if name == attribute else levels_of(p.train[name])
            if levels is not None and len(levels.names) > 1 and size > 1:
                table = np.zeros((len(levels.names), size))
                np.add.at(table, (levels.codes, codes), 1.0)
                used = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
                if min(used.shape) > 1:
                    associations.append((association(used)[0], str(name)))
        gone = [n for _, n in sorted(associations, key=lambda f: (-f[0], f[1]))[:2]]
        own = [attribute] if attribute in p.train else []
        if gone and len(own) + len(gone) < p.train.shape[1]:
            yield f"without {', '.join([*own, *gone])} (proxies of {attribute})", Recipe(without=(*own, *gone))


def _impute(p: Parts) -> Iterator[tuple[str, Recipe]]:
    gaps = [c for c in p.train if p.train[c].isna().any()]
    numbers = [c for c in gaps if c in _numeric_names(p.train)]
    for how in ("median", "mean", "lowest"):
        columns = {}
        for c in numbers:
            values = p.train[c].astype(np.float64)
            fill = {"median": values.median(), "mean": values.mean(), "lowest": values.min() - 1}[how]
            columns[str(c)] = (values.fillna(fill), p.test[c].astype(np.float64).fillna(fill))
        if columns:
            yield f"missing numbers as the {how}", Recipe(columns=columns)
    texts = {str(c): p.train[c].mode() for c in gaps if c in _texts(p.train)}
    if texts:
        columns = {c: (p.train[c].fillna(m.iloc[0]), p.test[c].fillna(m.iloc[0])) for c, m in texts.items() if len(m)}
        yield "missing categories as the most usual one", Recipe(columns=columns)
    if gaps:
        kept = np.flatnonzero(p.train[gaps].notna().all(axis=1).to_numpy())
        if len(kept) >= 20 and len(np.unique(p.label[kept])) == 2:
            yield "only complete rows learned from", Recipe(rows=kept)


def _encode(p: Parts) -> Iterator[tuple[str, Recipe]]:
    texts = _texts(p.train)
    if not texts:
        return
    out: dict[str, dict[str, tuple[pd.Series, pd.Series]]] = {
        "their share": {},
        "the share of outcomes": {},
        "a number": {},
    }
    for c in texts:
        (codes, names), (other, other_names) = coded(p.train[c]), coded(p.test[c])
        place = {n: i for i, n in enumerate(names)}
        into = np.array([*(place.get(n, len(names)) for n in other_names), len(names)], dtype=np.int64)[other]
        mine = np.where(codes < 0, len(names), codes)
        n = np.bincount(mine, minlength=len(names) + 1).astype(np.float64)
        hits = np.bincount(mine, p.label, minlength=len(names) + 1)
        share = (hits + 10 * p.label.mean()) / (n + 10)
        order = np.argsort(np.argsort([*names, "\uffff"])).astype(np.float64)
        for how, values in (("their share", n / n.sum()), ("the share of outcomes", share), ("a number", order)):
            out[how][c] = (pd.Series(values[mine]), pd.Series(values[into]))
    for how, columns in out.items():
        yield f"categories as {how}", Recipe(columns=columns)


def _rare(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for least in (0.01, 0.05):
        columns = {}
        for c in _texts(p.train):
            share = p.train[c].value_counts(normalize=True)
            few = list(share.index[share < least])
            if len(few) > 1:
                known = set(share.index[share >= least])
                columns[c] = tuple(f[c].where(f[c].isin(known) | f[c].isna(), few[0]) for f in (p.train, p.test))
        if columns:
            yield f"categories under {brief(100 * least)} % together", Recipe(columns=columns)  # type: ignore[arg-type]


def _scale(p: Parts) -> Iterator[tuple[str, Recipe]]:
    if _numeric_names(p.train):
        for how in ("none", "range", "quartiles"):
            yield f"numbers scaled by {how}" if how != "none" else "numbers not scaled", Recipe(scale=how)


def _shape(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for how in ("logarithm", "ranks"):
        columns: dict[str, Any] = {}
        for c in _numeric_names(p.train):
            a, b = (f[c].astype(np.float64) for f in (p.train, p.test))
            if how == "logarithm":
                if not (a.min() >= 0 and a.nunique() > 2):
                    continue
                columns[c] = (np.log1p(a), np.log1p(b.clip(lower=0)))
            else:
                known = np.sort(a.dropna().to_numpy())
                columns[c] = tuple(
                    pd.Series(np.where(v.isna(), np.nan, np.searchsorted(known, v, side="right") / max(len(known), 1)))
                    for v in (a, b)
                )
        if columns:
            yield f"numbers as their {how}", Recipe(columns=columns)


def _outliers(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for low in (0.01, 0.05):
        columns = {}
        for c in _numeric_names(p.train):
            values = p.train[c].astype(np.float64)
            a, b = float(values.quantile(low)), float(values.quantile(1 - low))
            columns[c] = (values.clip(a, b), p.test[c].astype(np.float64).clip(a, b))
        if columns:
            yield f"numbers cut at {brief(100 * low)} % on both sides", Recipe(columns=columns)
    far = np.zeros(len(p.train), dtype=bool)
    for c in _numeric_names(p.train):
        column = p.train[c].to_numpy(dtype=np.float64, na_value=np.nan)
        if (sd := float(np.nanstd(column))) > 0:
            far |= np.abs(column - np.nanmean(column)) > 3 * sd
    kept = np.flatnonzero(~far)
    if far.any() and len(kept) >= 20 and len(np.unique(p.label[kept])) == 2:
        yield "rows with a number 3 standard deviations out left out", Recipe(rows=kept)


def _groups(p: Parts) -> Iterator[tuple[str, Recipe]]:
    rng = np.random.default_rng(p.seed)
    for i, attribute in enumerate(p.task.case.data.sensitive):
        codes = p.task.codes[p.rows, i]
        for g, name in enumerate(p.task.levels[i]):
            mine = np.flatnonzero(codes == g)
            rest = np.flatnonzero(codes != g)
            if len(mine) < 10 or len(rest) < 20:
                continue
            if len(np.unique(p.label[rest])) == 2:
                yield f"nobody of {attribute} {name} learned from", Recipe(rows=rest)
            half = np.sort(np.concatenate([rest, rng.permutation(mine)[: len(mine) // 2]]))
            yield f"half of {attribute} {name} learned from", Recipe(rows=half)


def _labels(p: Parts) -> Iterator[tuple[str, Recipe]]:
    rng = np.random.default_rng(p.seed + 1)
    for i, attribute in enumerate(p.task.case.data.sensitive):
        codes = p.task.codes[p.rows, i]
        for g, name in enumerate(p.task.levels[i]):
            mine = np.flatnonzero(codes == g)
            if len(mine) < 100:
                continue
            turned = p.label.copy()
            hit = rng.permutation(mine)[: len(mine) // 20]
            turned[hit] = 1 - turned[hit]
            yield f"5 % of outcomes of {attribute} {name} turned", Recipe(label=turned)


def _cleaned(p: Parts) -> Iterator[tuple[str, Recipe]]:
    if p.flagged is None or not p.flagged.any():
        return
    kept = np.flatnonzero(~p.flagged)
    if len(np.unique(p.label[kept])) == 2:
        yield "outcomes that look wrong left out", Recipe(rows=kept)
        yield "outcomes that look wrong turned", Recipe(label=np.where(p.flagged, 1 - p.label, p.label))


def _repeated(p: Parts) -> Iterator[tuple[str, Recipe]]:
    again = p.train.assign(**{"\x1flabel": p.label}).duplicated().to_numpy()
    if again.any() and len(np.unique(p.label[~again])) == 2:
        yield "repeated rows learned from once", Recipe(rows=np.flatnonzero(~again))


def _sizes(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for i, attribute in enumerate(p.task.case.data.sensitive):
        codes = p.task.codes[p.task.splits.test, i]
        for g, name in enumerate(p.task.levels[i]):
            if 10 <= (codes == g).sum() <= len(codes) - 20:
                for many, times in (("half as", 0.5), ("twice as", 2.0)):
                    yield (
                        f"{many} many of {attribute} {name} decided about",
                        Recipe(counts=np.where(codes == g, times, 1.0)),
                    )


def _doubted(p: Parts) -> Iterator[tuple[str, Recipe]]:
    if p.doubted is None or not p.doubted.any():
        return
    label = p.task.label[p.task.splits.test]
    yield "outcomes that look wrong not measured by", Recipe(counts=np.where(p.doubted, 0.0, 1.0))
    yield "outcomes that look wrong turned where measured", Recipe(truth=np.where(p.doubted, 1 - label, label))


def _filled(p: Parts) -> Iterator[tuple[str, Recipe]]:
    """Gaps of what comes in, filled without a new fit."""
    for c in p.test:
        if not p.test[c].isna().any():
            continue
        fills = [("most usual", p.train[c].mode())]
        if str(c) in _numeric_names(p.train):
            fills.append(("median", pd.Series([p.train[c].astype(np.float64).median()])))
        for how, value in fills:
            if len(value) and pd.notna(value.iloc[0]):
                filled = p.test[c].astype(np.float64) if how == "median" else p.test[c]
                yield (
                    f"{c}: gaps filled with the {how} value as they come in",
                    Recipe(asked={str(c): filled.fillna(value.iloc[0])}),
                )


def _weights(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for i, attribute in enumerate(p.task.case.data.sensitive):
        done = reweigh(p.task.codes[p.rows, i], p.label, None)
        yield f"reweighed by {attribute}", Recipe(weight=done.weight)
    share = p.label.mean()
    if 0 < share < 1:
        yield "both outcomes weighted equally", Recipe(weight=np.where(p.label == 1, 0.5 / share, 0.5 / (1 - share)))


def _thresholds(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for at in (0.3, 0.4, 0.45, 0.55, 0.6, 0.7):
        yield f"decided from a score of {brief(at)}", Recipe(threshold=at)


def _seeds(p: Parts) -> Iterator[tuple[str, Recipe]]:
    for number in range(1, 6):
        rng = np.random.default_rng(p.seed + 100 + number)
        rows = np.sort(rng.integers(0, len(p.label), len(p.label)))
        if len(np.unique(p.label[rows])) == 2:
            yield f"another draw of people, {number}", Recipe(rows=rows, seed=p.seed + number)


def _corruption_recipes(incoming: str) -> Make:
    """Of each column, the corruptions that the table of corruptions tries on what comes in."""

    def make(p: Parts) -> Iterator[tuple[str, Recipe]]:
        mine = [kind for kind in CORRUPTIONS.values() if kind.incoming == incoming]
        kinds = sorted(mine, key=lambda kind: kind.of == "any")
        for c in p.test.columns:
            for kind in kinds:
                if not fits(kind, p.test[c]):
                    continue
                assert kind.change is not None
                altered = kind.change(p.test[c])
                if not altered.equals(p.test[c]):
                    yield f"{c}: {kind.short} in what comes in", Recipe(asked={str(c): altered})

    return make


KINDS: dict[str, Kind] = {
    k.name: k
    for k in (
        Kind("features", "features", "train", "Does the model need this feature?", _without),
        Kind(
            "proxies",
            "features",
            "train",
            "What if neither the attribute nor what tells most of it were read?",
            _proxies,
        ),
        Kind("imputation", "cleaning", "train", "How were gaps filled?", _impute),
        Kind("encoding", "preparation", "train", "How were categories made numbers?", _encode, (LOGISTIC, BOOSTING)),
        Kind("rare", "preparation", "train", "Were rare categories kept apart?", _rare),
        Kind("scaling", "preparation", "train", "How were numbers scaled?", _scale, (LOGISTIC,)),
        Kind("shape", "preparation", "train", "Were numbers transformed?", _shape, (LOGISTIC, OWN)),
        Kind("outliers", "cleaning", "train", "What was done about extreme values?", _outliers),
        Kind("groups", "data", "train", "What if a group had been smaller, or not there?", _groups),
        Kind("labels", "data", "train", "What if outcomes of a group were partly wrong?", _labels),
        Kind("cleaning", "cleaning", "train", "What if outcomes that look wrong were cleaned?", _cleaned),
        Kind("repeats", "cleaning", "train", "Were repeated rows learned from twice?", _repeated),
        Kind("weights", "fitting", "train", "What if rows were weighted?", _weights, (LOGISTIC, BOOSTING)),
        Kind("seeds", "fitting", "train", "How much is the draw of the training data?", _seeds),
        Kind("thresholds", "deciding", "decide", "Where was the line drawn?", _thresholds),
        Kind("people", "serving", "test", "What if other shares of people came?", _sizes),
        Kind("measuring", "measuring", "test", "What if outcomes that look wrong are?", _doubted),
        Kind("filling", "serving", "test", "What if gaps were filled before the model is asked?", _filled),
        Kind(GAPS, "serving", "test", "What if a field is not filled in any more?", _corruption_recipes(GAPS)),
        Kind(ERRORS, "serving", "test", "What if a field comes in otherwise?", _corruption_recipes(ERRORS)),
    )
}


def variants_of(parts: Parts, learner: str, kinds: Sequence[str] = ()) -> list[Variant]:
    """Every variant of the table that means something for this learner and these data."""
    return [
        Variant(name, kind.name, kind.side, recipe)
        for kind in KINDS.values()
        if learner in kind.learners and (not kinds or kind.name in kinds)
        for name, recipe in kind.make(parts)
    ]
