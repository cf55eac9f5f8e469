"""Boosted trees with shared work: columns are coded once, and a binned data set serves every change of outcomes or
weights.

LightGBM, 100 trees, deterministic, one thread a fit (fits run side by side). What comes in is scored by the base model:
of a column's values only those that differ are asked about, and values that the trees cannot tell apart once. A variant
that changes rows or columns is binned and fitted anew, so that its trees are those of a fit from the file.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from audit.cube import Floats
from debias.whatif.linear import Column, column_of
from debias.whatif.table import Parts, Recipe

TREES = 100
SETTINGS = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_data_in_leaf": 20,
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
    "feature_pre_filter": False,
}


class Boosting:
    """One plan for all variants of one task."""

    title = "gradient boosting (LightGBM, 100 trees)"

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.names = [str(c) for c in parts.train.columns]
        self.columns = {c: column_of(parts.train[c], parts.test[c]) for c in self.names}
        self._lock = threading.Lock()
        self._scored: dict[tuple[str, bytes], Floats] = {}
        self.train = np.column_stack([_values(self.columns[c], 0) for c in self.names])
        self.test = np.column_stack([_values(self.columns[c], 1) for c in self.names])
        self._binned = self._dataset(self.train, parts.label, None, [self.columns[c] for c in self.names])
        self.model = _grown(self._binned)
        self.base = np.asarray(self.model.predict(self.test, num_threads=1), dtype=np.float64)

    def _asked(self, altered: Mapping[str, pd.Series]) -> Floats:
        """Scores (m,) of the base model where these columns come in otherwise. A row's score follows from its own
        values alone: rows whose values stay as they were keep theirs."""
        columns = {}
        for name, series in altered.items():
            values = self._told_apart(name, _values(column_of(self.parts.train[name], series), 1))
            before = self._told_apart(name, self.test[:, self.names.index(name)])
            if not np.array_equal(values, before, equal_nan=True):
                columns[name] = values, before
        if not columns:
            return self.base
        key = "\0".join(columns), b"".join(v.tobytes() for v, _ in columns.values())
        if key not in self._scored:
            other = [(v != b) & ~(np.isnan(v) & np.isnan(b)) for v, b in columns.values()]
            rows = np.flatnonzero(np.any(other, axis=0))
            x = self.test[rows]
            for name, (values, _) in columns.items():
                x[:, self.names.index(name)] = values[rows]
            score = self.base.copy()
            score[rows] = self.model.predict(x, num_threads=1)
            self._scored[key] = score
        return self._scored[key]

    def _told_apart(self, name: str, values: Floats) -> Floats:
        """A category that no row learned from has goes where a missing one goes, in every split."""
        column = self.columns[name]
        if column.codes is None:
            return values
        known = np.zeros(column.width + 1, dtype=bool)
        known[column.codes[0]] = True
        known[column.width] = False
        at = np.where(np.isnan(values), column.width, values).astype(np.int64)
        return np.where(known[at], values, np.nan)

    @staticmethod
    def _dataset(x: Floats, label: Any, weight: Any, columns: list[Column]) -> Any:
        import lightgbm as lgb

        texts = [i for i, c in enumerate(columns) if c.codes is not None]
        data = lgb.Dataset(
            x, label=label, weight=weight, categorical_feature=texts, free_raw_data=False, params=dict(SETTINGS)
        )
        return data.construct()

    def __call__(self, recipe: Recipe) -> Floats:
        """Scores (m,) of the rows measured."""
        if recipe.same:
            return self.base
        if recipe.asked:
            return self._asked(recipe.asked)
        if not recipe.without and not recipe.columns and recipe.rows is None:
            with self._lock:  # outcomes and weights are set in the one binned data set
                label = self.parts.label if recipe.label is None else recipe.label
                self._binned.set_label(label.astype(np.float64))
                # Not set_weight, which passes over None and would leave the weights of an earlier variant.
                self._binned.set_field("weight", recipe.weight)
                model = _grown(self._binned)
                self._binned.set_label(self.parts.label.astype(np.float64))
                self._binned.set_field("weight", None)
            return np.asarray(model.predict(self.test, num_threads=1), dtype=np.float64)
        names = [c for c in self.names if c not in recipe.without]
        columns = {c: column_of(*recipe.columns[c]) if c in recipe.columns else self.columns[c] for c in names}
        train, test = (
            np.column_stack(
                [_values(columns[c], s) if c in recipe.columns else whole[:, self.names.index(c)] for c in names]
            )
            for s, whole in ((0, self.train), (1, self.test))
        )
        label = self.parts.label if recipe.label is None else recipe.label
        if recipe.rows is not None:
            train, label = train[recipe.rows], label[recipe.rows]
        model = _grown(self._dataset(train, label, recipe.weight, [columns[c] for c in names]))
        return np.asarray(model.predict(test, num_threads=1), dtype=np.float64)


def _grown(data: Any) -> Any:
    import lightgbm as lgb

    return lgb.train(dict(SETTINGS), data, num_boost_round=TREES, keep_training_booster=False)


def _values(column: Column, side: int) -> Floats:
    """Numbers as they are; categories as codes, one that training lacks as missing."""
    if column.numbers is not None:
        return column.numbers[side]
    assert column.codes is not None
    codes = column.codes[side].astype(np.float64)
    return np.where(codes >= column.width, np.nan, codes)
