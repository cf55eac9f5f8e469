"""The case's own pipeline, cloned and fitted again in its own process. What comes in is asked of one fit."""

from __future__ import annotations

import numpy as np
import pandas as pd

from audit.cube import Floats, Ints
from audit.errors import DataError, ModelError
from audit.load.values import with_columns
from debias.refits import Refits
from debias.whatif.table import Parts, Recipe


class CaseOwn:
    """One plan for all variants of one task. A feature that is left out is made the same for everyone, since a pipeline
    names its columns: it can tell nobody apart."""

    def __init__(self, parts: Parts, learner: Refits, altered: list[Recipe]) -> None:
        self.parts, self.learner, self.title = parts, learner, learner.words
        # Everything that is asked of the base fit goes along with it: it is fitted once. A model that refuses gaps is
        # asked without them, and one that refuses more without anything altered.
        self._decided: dict[int, Ints] = {}
        self._asked: dict[int, Floats] = {}
        whole = [r for r in altered if not any(v.isna().any() for v in r.asked.values())]
        for number, some in enumerate((altered, whole, [])):
            frames = [parts.test, *(with_columns(parts.test, r.asked) for r in some)]
            try:
                decided, score = learner(parts.train, parts.label, pd.concat(frames, ignore_index=True), parts.seed)
                break
            except (ModelError, DataError):
                if number == 2:
                    raise
        many = len(parts.test)
        self.base, self.decided = score[:many], decided[:many]
        for i, recipe in enumerate(some, 1):
            self._asked[id(recipe)] = score[i * many : (i + 1) * many]
            self._decided[id(recipe)] = decided[i * many : (i + 1) * many]

    def __call__(self, recipe: Recipe) -> tuple[Ints, Floats]:
        """Decisions and scores (m,) of the rows measured. Raises ModelError."""
        if recipe.same and recipe.threshold is None:
            return self.decided, self.base
        if recipe.threshold is not None:
            if not ((self.base >= 0) & (self.base <= 1)).all():
                raise ModelError("the model's scores are no probabilities, so that no other threshold was tried")
            return (self.base >= recipe.threshold).astype(np.int64), self.base
        if recipe.asked:
            if id(recipe) not in self._asked:
                raise ModelError("the model refuses these values")
            return self._decided[id(recipe)], self._asked[id(recipe)]
        train, test = self.parts.train.copy(deep=False), self.parts.test.copy(deep=False)
        for name, (a, b) in recipe.columns.items():
            train[name], test[name] = a.to_numpy(), b.to_numpy()
        for name in recipe.without:
            column = train[name].dropna()
            value = column.mode().iloc[0] if len(column) else None
            for frame in (train, test):
                frame[name] = pd.Series([value] * len(frame), index=frame.index).astype(frame[name].dtype)
        label = self.parts.label if recipe.label is None else recipe.label
        if recipe.rows is not None:
            train, label = train.iloc[recipe.rows].reset_index(drop=True), label[recipe.rows]
        return self.learner(train, label, test, recipe.seed or self.parts.seed)
