"""Proxies of files with more indicators than elimination takes: scikit-learn's ridge regression is the reference."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from audit.quality.codes import Levels

proxies = importlib.import_module("audit.quality.proxies")


def wide(features: int, levels: int, groups: int, rows: int):
    rng = np.random.default_rng(7)
    codes = rng.integers(0, groups, rows)
    mine = [
        Levels(
            f"f{k}",
            np.where(rng.random(rows) < 0.2, codes % levels, rng.integers(0, levels, rows)),
            tuple(f"v{v}" for v in range(levels)),
        )
        for k in range(features)
    ]
    return mine, codes, groups, np.arange(rows) % proxies.FOLDS


def test_scores_of_many_columns_are_those_of_a_ridge_regression() -> None:
    mine, codes, groups, fold = wide(60, 20, 3, 1_500)
    assert sum(len(c.names) for c in mine) > proxies.DENSE
    result = proxies.out_of_fold(mine, codes, groups, fold)
    x = np.concatenate([np.eye(20)[c.codes] for c in mine], axis=1)
    for f in range(proxies.FOLDS):
        # The constant is not held back in either.
        model = Ridge(alpha=proxies.RIDGE, solver="cholesky", tol=1e-12).fit(
            x[fold != f], np.eye(groups)[codes[fold != f]]
        )
        assert result[fold == f] == pytest.approx(model.predict(x[fold == f]), abs=2e-6)


def test_both_ways_of_solving_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    case = wide(10, 8, 2, 600)
    by_elimination = proxies.out_of_fold(*case)
    monkeypatch.setattr(proxies, "DENSE", 1)
    assert proxies.out_of_fold(*case) == pytest.approx(by_elimination, abs=2e-6)
