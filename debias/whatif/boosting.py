"""Boosted trees with shared work: columns are coded once, and a binned data set serves every change of outcomes or
weights.

LightGBM, 100 trees, deterministic, one thread a fit (fits run side by side). What comes in is scored by the base model;
a variant that changes rows or columns is binned and fitted anew, so that its trees are those of a fit from the file.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

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
        self.train = np.column_stack([_values(self.columns[c], 0) for c in self.names])
        self.test = np.column_stack([_values(self.columns[c], 1) for c in self.names])
        self._binned = self._dataset(self.train, parts.label, None, [self.columns[c] for c in self.names])
        self.model = _grown(self._binned)
        self.base = np.asarray(self.model.predict(self.test, num_threads=1), dtype=np.float64)

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
        if recipe.threshold is not None:
            return self.base
        if recipe.asked:
            x = self.test.copy()
            for name, altered in recipe.asked.items():
                x[:, self.names.index(name)] = _values(column_of(self.parts.train[name], altered), 1)
            return np.asarray(self.model.predict(x, num_threads=1), dtype=np.float64)
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
