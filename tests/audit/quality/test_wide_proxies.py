"""Proxies of files with more indicators than elimination takes: scikit-learn's ridge regression is the reference."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

import cli
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


@pytest.mark.parametrize("groups", [2, 3, 9])
def test_scores_of_many_columns_are_those_of_a_ridge_regression(groups: int) -> None:
    """Also of more groups than all folds are learnt of in one descent."""
    assert 2 <= proxies.FEW_GROUPS < 8
    mine, codes, groups, fold = wide(60, 20, groups, 1_500)
    assert sum(len(c.names) for c in mine) > proxies.DENSE
    result = proxies.out_of_fold(mine, codes, groups, fold)
    x = np.concatenate([np.eye(20)[c.codes] for c in mine], axis=1)
    for f in range(proxies.FOLDS):
        # The constant is not held back in either.
        model = Ridge(alpha=proxies.RIDGE, solver="cholesky", tol=1e-12).fit(
            x[fold != f], np.eye(groups)[codes[fold != f]]
        )
        assert result[fold == f] == pytest.approx(model.predict(x[fold == f]), abs=2e-6)


@pytest.mark.parametrize("groups", [3, 9])
def test_columns_of_any_number_of_levels_take_few_steps(groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty are enough. Without the shifts of whole columns, after a hundred scores are still off by 0.002."""
    mine, codes, groups, fold = wide(60, 20, groups, 3_000)
    mine = [Levels(c.column, c.codes % (1 + k % 20), c.names[: 1 + k % 20]) for k, c in enumerate(mine * 2)]
    monkeypatch.setattr(proxies, "DENSE", 10**6)
    by_elimination = proxies.out_of_fold(mine, codes, groups, fold)
    monkeypatch.setattr(proxies, "DENSE", 1)
    monkeypatch.setattr(proxies, "MOST_STEPS", 40)
    assert proxies.out_of_fold(mine, codes, groups, fold) == pytest.approx(by_elimination, abs=2e-6)


def test_names_of_groups_decide_nothing() -> None:
    mine, codes, groups, fold = wide(60, 20, 2, 1_500)
    even = np.flatnonzero(codes == 0)[: (codes == 1).sum()], np.flatnonzero(codes == 1)[: (codes == 0).sum()]
    kept = np.sort(np.concatenate(even))
    mine, codes, fold = [Levels(c.column, c.codes[kept], c.names) for c in mine], codes[kept], fold[kept]
    scores = proxies.out_of_fold(mine, codes, groups, fold)
    assert (proxies.out_of_fold(mine, 1 - codes, groups, fold)[:, ::-1] == scores).all()


def test_both_ways_of_solving_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    case = wide(10, 8, 2, 600)
    by_elimination = proxies.out_of_fold(*case)
    monkeypatch.setattr(proxies, "DENSE", 1)
    assert proxies.out_of_fold(*case) == pytest.approx(by_elimination, abs=2e-6)


def test_the_areas_told_are_those_of_ridge_regressions_on_other_folds(tmp_path: Path) -> None:
    """Folds of its own: areas of the same learner differ by what the draw of folds does."""
    mine, codes, groups, _ = wide(60, 20, 3, 2_000)
    frame = pd.DataFrame({c.column: np.array(c.names)[c.codes] for c in mine}).assign(
        town=np.array(["a", "b", "c"])[codes], label=codes % 2, decision=(codes + 1) % 2
    )
    frame.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "t"\n[data]\npath = "d.csv"\nlabel = "label"\npositive = "1"\n'
        f'sensitive = ["town"]\nfeatures = {json.dumps([c.column for c in mine])}\n[model]\ndecision = "decision"\n'
    )
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) in (0, 3)
    (together,) = json.loads((tmp_path / "run" / "evidence.json").read_text())["quality"]["proxies"]["together"]
    x = np.concatenate([np.eye(20)[c.codes] for c in mine], axis=1)
    scores = cross_val_predict(Ridge(alpha=proxies.RIDGE), x, np.eye(groups)[codes], cv=proxies.FOLDS)
    for entry in together["by_group"]:
        g = "abc".index(entry["group"][0])
        assert entry["auc"] == pytest.approx(roc_auc_score(codes == g, scores[:, g]), abs=0.01)
