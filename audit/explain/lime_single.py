"""LIME of single people, by the lime library itself; `lime_batch` is for many rows at once.

lime takes arrays of numbers without missing ones. So rows are coded as lime_batch codes them (a category is its place,
a missing category one of its own), and what lime draws is put together again as rows for the model. A missing *number*
lime cannot take: then all of the people are explained by lime_batch, whose answers are lime's wherever lime has one (a
test holds them equal).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from audit.explain.kinds import Floats, Ints, Predict
from audit.explain.lime_batch import SAMPLES, Lime, lime_batch
from audit.explain.neighbours import Column, as_floats, encode

LIME, BATCH = "lime", "assay"
"""By which a person was explained: the library, or ours where it cannot."""


def lime_single(
    predict: Predict,
    rows: pd.DataFrame,
    reference: pd.DataFrame,
    columns: Sequence[Column],
    *,
    samples: int = SAMPLES,
    seeds: Sequence[int] = (0,),
) -> tuple[list[Lime], str]:
    """Explain each row (n of them) by all features, once with each seed, and by whom ("lime" or "assay").

    reference : rows that bins and frequencies come from; columns : `neighbours.learn` of them. lime's generator is
    reset before each row, so that a row's explanation does not depend on its neighbours in the list.
    """
    numbers = [c.name for c in columns if c.numeric]
    gone = bool(reference[numbers].isna().to_numpy().any() or rows[numbers].isna().to_numpy().any())
    if gone or not columns:
        limes = [lime_batch(predict, rows, columns, samples=samples, seed=s, selection="none") for s in seeds]
        return limes, BATCH
    # lime's import draws in matplotlib and more: it is asked for when a person is explained.
    from lime.lime_tabular import LimeTabularExplainer

    names = [c.name for c in columns]
    coded, codes = _encoded(columns, rows), encode(columns, rows)
    # What it learns from the reference rows takes longest, and does not depend on the seed.
    explainer = LimeTabularExplainer(
        _encoded(columns, reference),
        mode="regression",
        feature_names=names,
        categorical_features=[j for j, c in enumerate(columns) if not c.numeric],
        feature_selection="none",
        random_state=0,
    )
    own = as_floats(columns, rows)
    return [_seeded(explainer, predict, own, coded, codes, columns, samples, seed) for seed in seeds], LIME


def _seeded(
    explainer: Any, predict: Predict, own: pd.DataFrame, coded: Floats, codes: Ints, columns: Sequence[Column],
    samples: int, seed: int,
) -> Lime:  # fmt: skip
    """Each row of `own`, which are `coded` (n, M) for lime and of the bins `codes` (n, M), with one seed."""
    size = codes.shape
    weights, varies = np.zeros(size), np.zeros(size, dtype=bool)
    intercept, r2, local, score = (np.zeros(len(own)) for _ in range(4))
    # lime draws the same for each person, its generator being reset: what is drawn is asked about once, the people too.
    known: list[tuple[Floats, Floats]] = []
    asked: list[tuple[Floats, Floats]] = []

    def ask(drawn: Floats, person: int) -> Floats:
        # The first of lime's rows is the person; the others are drawn.
        if not known or not np.array_equal(known[-1][0], drawn[1:]):
            frame = pd.concat([own, _frame(columns, drawn[1:])], ignore_index=True)
            known[:] = [(drawn[1:].copy(), np.asarray(predict(frame), dtype=np.float64))]
        answers = known[-1][1]
        asked[:] = [(np.append(answers[person], answers[len(own) :]), drawn[1:])]
        return asked[-1][0]

    for i in range(len(own)):
        explainer.random_state.seed(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explanation = explainer.explain_instance(
                coded[i], partial(ask, person=i), num_samples=samples, num_features=len(columns)
            )
        for j, weight in explanation.local_exp[1]:
            weights[i, j] = weight
        intercept[i], r2[i], local[i] = explanation.intercept[1], explanation.score, explanation.local_pred[0]
        answers, drawn = asked[-1]
        score[i] = answers[0]
        varies[i] = (_codes(columns, drawn) != codes[i]).any(axis=0)
    chosen = np.ones(size, dtype=bool)
    names = tuple(c.name for c in columns)
    return Lime(names, weights, chosen, intercept, r2, local, score, varies, codes, tuple(columns), seed, samples)


def _encoded(columns: Sequence[Column], frame: pd.DataFrame) -> Floats:
    """(n, M): numbers as they are, categories by their places."""
    places = encode(columns, frame)
    out = np.empty(places.shape, dtype=np.float64)
    for j, column in enumerate(columns):
        out[:, j] = frame[column.name].to_numpy(dtype=np.float64) if column.numeric else places[:, j]
    return out


def _frame(columns: Sequence[Column], drawn: Floats) -> pd.DataFrame:
    """What lime drew, (n, M), as rows of the data."""
    data: dict[int, Any] = {}
    for j, column in enumerate(columns):
        if column.numeric:
            data[j] = drawn[:, j]
            continue
        assert column.source is not None
        data[j] = column.source.take(drawn[:, j].astype(np.int64)).reset_index(drop=True)
    return pd.DataFrame(data).set_axis([c.name for c in columns], axis=1)


def _codes(columns: Sequence[Column], drawn: Floats) -> Ints:
    """(n, M): the bin or category of what was drawn."""
    out = np.empty(drawn.shape, dtype=np.int64)
    for j, column in enumerate(columns):
        out[:, j] = np.searchsorted(column.edges, drawn[:, j]) if column.numeric else drawn[:, j]
    return out
