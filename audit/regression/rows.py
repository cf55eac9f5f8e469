"""From rows to a cube of predictions and residuals: the way of a case with task = "regression"."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd

from audit.asked import bind, open_model
from audit.case import Case
from audit.code import code_clusters, group_codes
from audit.cube import UNLABELLED, CodedRows, Cube, Ints, Meaning, attribute_sets, cube_of
from audit.decide import ModelFacts, score_column, served_of
from audit.errors import ModelError
from audit.load.values import numbers_of
from audit.regression.moments import SUMS, Floats, Moments, edges_of

MOST_COMPARED = 20
"""With more groups, a set of attributes has distances from the bins by rank alone."""


def predict(
    case: Case, frame: pd.DataFrame, features: Sequence[str], *, allow: Sequence[str] = ()
) -> tuple[Floats, ModelFacts]:
    """A number for each row of `frame`. Raises ModelError for a model that decides classes, DataError for a column that
    holds no numbers.
    """
    model = case.model
    if model.kind == "score":
        predictions = np.asarray(score_column(frame, str(model.column)), dtype=np.float64)
        return predictions, ModelFacts("score", None, None, None, (), model.column, None)
    with open_model(model, allow) as worker:
        bind(case, worker, frame, features)
        info = worker.info
        if info.task != "regression":
            raise ModelError(
                "the case says that a number is predicted, and the model decides among classes",
                got=f"{info.estimator}, classes {', '.join(repr(c) for c in info.classes[:8])}",
                expected="a regression, whose predictions are in the label's unit",
                todo='remove task = "regression" from [data] and name `positive`, or name the model that predicts',
            )
        reads = tuple(c for c in case.data.sensitive if c in (info.features or ()) and c not in features and c in frame)
        predictions = worker.scores(frame[[*features, *reads]], "")
        served = served_of(case, frame, worker)
    return predictions, ModelFacts(
        model.kind, info.sha256 or None, info.format, info.estimator, info.isolation, None, None, reads,
        notes=info.notes, served=served,
    )  # fmt: skip


def cube_of_numbers(case: Case, frame: pd.DataFrame, predicted: Floats, edges: Floats | None = None) -> Cube:
    """Count and add up. Rows stand in the two-valued cube as people whose outcome is known (0, 0) or not (2, 0).

    edges: of another batch, so that the two can be added.
    """
    data = case.data
    coded = [group_codes(frame[a], data.bins.get(a)) for a in data.sensitive]
    outcome = np.full(len(frame), np.nan) if data.label is None else numbers_of(frame[data.label])[0]
    rows = CodedRows(
        attributes=data.sensitive,
        levels=tuple(names for _, names in coded),
        codes=np.column_stack([c for c, _ in coded]),
        label=np.where(np.isnan(outcome), UNLABELLED, 0).astype(np.int64),
        decision=np.zeros(len(frame), dtype=np.int64),
        weight=None if data.weight is None else frame[data.weight].to_numpy(dtype=np.float64),
        score=None,
        meaning=Meaning("", "", data.favourable or "", labelled=data.label is not None, decides=False),
        beside=partial(_moments, predicted, outcome, edges),
        cluster=code_clusters(case, frame),
    )
    return cube_of(rows)


def _farthest(rows: CodedRows, predicted: Floats, shape: tuple[int, ...]) -> Floats:
    """The predictions at which two groups' distribution functions lie farthest apart: of every pair of the groups of
    each attribute, and of each intersection's widest pair. With edges there, the largest distance is exact.
    """
    order = np.argsort(predicted, kind="stable")
    last = np.append(np.flatnonzero(np.diff(predicted[order])), len(order) - 1)
    weight = np.ones(len(order)) if rows.weight is None else rows.weight[order]
    edges: list[float] = []
    for attribute in attribute_sets(rows.attributes, 3)[1:]:
        axes = [rows.attributes.index(a) for a in attribute]
        group = np.zeros(len(order), dtype=np.int64)
        for i in axes:
            group = group * shape[i] + rows.codes[order, i]
        used = np.unique(group)
        if not 2 <= len(used) <= MOST_COMPARED:
            continue
        rise = [np.cumsum(np.where(group == g, weight, 0.0))[last] for g in used]
        rise = [r / r[-1] for r in rise if r[-1] > 0]
        each = []
        for a, b in combinations(rise, 2):
            apart = np.abs(a - b)
            k = int(apart.argmax())
            each.append((float(apart[k]), float(predicted[order[last[k]]])))
        edges += [at for _, at in (each if len(axes) == 1 else sorted(each)[-1:])]
    return np.array(edges, dtype=np.float64)


def _moments(
    predicted: Floats, outcome: Floats, edges: Floats | None, rows: CodedRows, group: Ints, shape: tuple[int, ...]
) -> Moments:
    """The sums and the histogram; group (n,) is the place of each row's group."""
    groups = int(np.prod(shape, dtype=np.int64))
    if edges is None:
        edges = edges_of(predicted, _farthest(rows, predicted, shape))
    centre = float(edges[len(edges) // 2])
    known = ~np.isnan(outcome)
    weight = np.ones(len(predicted)) if rows.weight is None else rows.weight
    p, y = predicted - centre, np.where(known, outcome - centre, 0.0)
    r = np.where(known, predicted - outcome, 0.0)

    def added(values: Floats, place: Ints = group, length: int = groups) -> Floats:
        return np.bincount(place, values, minlength=length).astype(np.float64, copy=False)

    both = (np.ones(len(p)), known.astype(np.float64))
    sums = [added(weight * v) for v in (p, p**2, y, y**2, r, np.abs(r), r**2, r**4)]
    assert len(sums) == len(SUMS)
    bins = len(edges) - 1
    place = group * bins + np.clip(np.searchsorted(edges, predicted, side="right") - 1, 0, bins - 1)
    hist = [added(v, place, groups * bins).reshape(*shape, bins) for v in (both[0], weight, weight**2)]

    def stacked(parts: Sequence[Floats]) -> Floats:
        return np.stack(parts, axis=1).reshape(*shape, len(parts))

    return Moments(
        centre,
        edges,
        stacked([added(b) for b in both]).astype(np.int64),
        stacked([added(b * weight) for b in both]),
        stacked([added(b * weight**2) for b in both]),
        stacked(sums),
        hist[0].astype(np.int64),
        hist[1],
        hist[2],
    )
