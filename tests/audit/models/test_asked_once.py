"""Scores and decisions of one frame share the work of a pipeline, and are what each of them alone would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

from audit.models.formats import load
from audit.models.ops import answer

LAST = {
    "boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "forest": RandomForestClassifier(5, random_state=0),
    "logistic": LogisticRegression(),
    # Decides by distances and not by its probabilities: what it decides is its own all the same.
    "machine": SVC(probability=True, random_state=0),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=2),
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200), "c": rng.choice(["x", "y"], 200)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(LAST))
@pytest.mark.parametrize("nested", [False, True])
def test_the_numbers_are_the_same_and_each_step_works_once(
    name: str, nested: bool, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = make_column_transformer((OrdinalEncoder(), ["c"]), remainder="passthrough")
    label = np.where(rows["a"] + (rows["c"] == "x") > 0.3, "yes", "no")
    inner: Any = make_pipeline(StandardScaler(), LAST[name])
    fitted = make_pipeline(encode, inner if nested else inner.steps[0][1], *([] if nested else [LAST[name]]))
    content = skops.io.dumps(fitted.fit(rows, label))
    model = load("skops", content, skops.io.get_untrusted_types(data=content))
    worked: list[str] = []
    for kind in (type(encode), StandardScaler):
        original = kind.transform

        def counted(self: Any, rows: Any, *, original: Any = original, kind: Any = kind) -> Any:
            worked.append(kind.__name__)
            return original(self, rows)

        monkeypatch.setattr(kind, "transform", counted)
    alone = model.scores(rows, "yes"), model.decided(rows)
    assert sorted(worked) == ["ColumnTransformer"] * 2 + ["StandardScaler"] * 2
    del worked[:]
    for some in (rows, rows.iloc[::-1], rows):
        result = answer(model, some, {"positive": np.asarray("yes")})
        right = (alone[0], alone[1]) if some is rows else (alone[0][::-1], alone[1][::-1])  # type: ignore[index]
        assert result["scores"].tobytes() == right[0].tobytes()
        assert (result["decided"] == right[1]).all()
    assert sorted(worked) == ["ColumnTransformer"] * 3 + ["StandardScaler"] * 3
    # Nothing stays on the estimators: a copy, a fit and a file are as they were.
    from audit.models.skops_model import _SHARED, _steps

    assert not [n for step in _steps(model.estimator) for n in vars(step) if n in _SHARED]


class Moody(LogisticRegression):
    """Answers otherwise each time; none of scikit-learn's, so nothing is kept for it."""

    times = 0

    def predict_proba(self, rows: Any) -> Any:
        Moody.times += 1
        return super().predict_proba(rows)

    def predict(self, rows: Any) -> Any:
        self.predict_proba(rows)
        return super().predict(rows)


def test_an_estimator_of_somebodys_own_is_asked_as_often_as_it_asks_itself(rows: pd.DataFrame, tmp_path: Path) -> None:
    from audit.models.skops_model import SkopsModel

    table = rows[["a", "b"]]
    plain = Pipeline([("last", LogisticRegression())]).fit(table, rows["a"] > 0)
    model = SkopsModel(skops.io.dumps(plain), ())
    own = Moody().fit(table, rows["a"] > 0)
    model.estimator.steps[-1] = ("last", own)
    answer(model, table, {"positive": np.asarray("True")})
    assert Moody.times == 2
