"""`assay mitigate` fits the original model again where its own library can: models that stop training early, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from audit.models.write import skops_bytes

CASE = """
[case]
name = "People"
purpose = "Who gets a loan"
[data]
path = "people.csv"
label = "outcome"
positive = "1"
sensitive = ["sex"]
exclude = ["sex"]
[model]
path = "model.skops"
"""


def boosting(x: pd.DataFrame, y: pd.Series[Any]) -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(n_estimators=40, n_iter_no_change=2, random_state=0).fit(x, y)


def xgboost(x: pd.DataFrame, y: pd.Series[Any]) -> Any:
    from xgboost import XGBClassifier

    model = XGBClassifier(n_estimators=40, early_stopping_rounds=2, n_jobs=1)
    return model.fit(x[:300], y[:300], eval_set=[(x[300:], y[300:])], verbose=False)


def lightgbm(x: pd.DataFrame, y: pd.Series[Any]) -> Any:
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=40, early_stopping_round=2, n_jobs=1, verbose=-1)
    return model.fit(x[:300], y[:300], eval_X=(x[300:],), eval_y=(y[300:],))


def tuned_threshold(x: pd.DataFrame, y: pd.Series[Any]) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import TunedThresholdClassifierCV

    return TunedThresholdClassifierCV(LogisticRegression(), cv=3).fit(x, y)


@pytest.fixture
def mitigated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Any, dict[str, Any], Any]]:
    """(the original, what `assay mitigate` says, the candidate)."""

    def run(make: Callable[..., Any]) -> tuple[Any, dict[str, Any], Any]:
        import skops.io

        rng = np.random.default_rng(0)
        x = pd.DataFrame(rng.normal(size=(450, 4)), columns=list("abcd"))
        y = ((x.a + x.b + rng.normal(size=450)) > 0.5).astype(int)
        original = make(x, y)
        (tmp_path / "model.skops").write_bytes(skops_bytes(original))
        x.assign(outcome=y, sex=rng.choice(["f", "m"], 450)).to_csv(tmp_path / "people.csv", index=False)
        (tmp_path / "case.toml").write_text(CASE)
        command = ["mitigate", str(tmp_path / "case.toml"), "--method", "reweighing", "--out", str(tmp_path), "--json"]
        assert cli.main(command) == 0
        said = json.loads(capsys.readouterr().out)
        made = tmp_path / "mitigated.skops"
        return original, said, skops.io.load(made, trusted=skops.io.get_untrusted_types(file=made))

    return run


@pytest.mark.parametrize("make", [boosting, xgboost, lightgbm, tuned_threshold])
def test_the_original_is_fitted_again_and_nothing_else_in_its_place(
    make: Callable[..., Any], mitigated: Callable[..., tuple[Any, dict[str, Any], Any]]
) -> None:
    original, said, candidate = mitigated(make)
    assert not [n for n in said["notes"] if "fitted again" in n]
    assert type(candidate) is type(original)


@pytest.mark.parametrize("make", [xgboost, lightgbm])
def test_a_booster_that_stopped_early_is_trained_to_the_round_it_predicts_with(
    make: Callable[..., Any], mitigated: Callable[..., tuple[Any, dict[str, Any], Any]]
) -> None:
    original, _, candidate = mitigated(make)
    best = getattr(original, "best_iteration_", None) or original.best_iteration + 1
    assert 0 < best < 38
    assert candidate.n_estimators == best
