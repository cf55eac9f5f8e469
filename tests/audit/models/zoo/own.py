"""The table: models in an environment of their own."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import skops.io

from tests.audit.models.zoo.people import NUMBERS
from tests.audit.models.zoo.rows import KINDS, Kind, Made, good, kind

LOADER = '''"""How the model is loaded: its classes were made in a notebook."""
import pickle
import sys

import numpy as np


class Rule:
    """A rule of a person's own: no classes_, no probabilities."""

    def __init__(self, least):
        self.least = least

    def predict(self, rows):
        return np.where(rows["pay"] - rows["debt"] >= self.least, "approved", "denied")


def load(path):
    sys.modules["__main__"].Rule = Rule
    with open(path, "rb") as stream:
        return pickle.load(stream)
'''
ASKED = ("runs code",)


def _own() -> None:
    import cloudpickle
    from scipy.stats import loguniform
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import FixedThresholdClassifier, RandomizedSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    def own(name: str, model: Callable[[], Any], load: str, write: Callable[[Any, Path], Any], **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted = model().fit(frame[NUMBERS], frame["bits"])
                write(fitted, folder / "m.pkl")
                return "m.pkl", good(frame, fitted.predict(frame[NUMBERS]), 1)

        KINDS.append(Kind(name, make, label="bits", positive="1", refused=("is a pickle", "runs code"), **more))

    def fixed() -> Any:
        return FixedThresholdClassifier(make_pipeline(StandardScaler(), LogisticRegression()), threshold=0.25)

    own("a pickle", fixed, "pickle", lambda m, p: p.write_bytes(pickle.dumps(m)), note="own environment")
    own("a joblib file", fixed, "joblib", lambda m, p: joblib.dump(m, p))
    own("random search, a joblib file", lambda: RandomizedSearchCV(LogisticRegression(max_iter=500),
        {"C": loguniform(0.01, 1)}, n_iter=2, cv=2, random_state=0), "joblib",
        lambda m, p: joblib.dump(m, p))  # fmt: skip
    own("a lambda, cloudpickle", lambda: make_pipeline(FunctionTransformer(lambda x: x - 1), StandardScaler(),
        LogisticRegression()), "cloudpickle", lambda m, p: p.write_bytes(cloudpickle.dumps(m)))  # fmt: skip

    @kind("a compressed joblib file", label="bits", positive="1", refused=("compressed file", "runs code"))
    def compressed(folder: Path, frame: pd.DataFrame) -> Made:
        model = fixed().fit(frame[NUMBERS], frame["bits"])
        joblib.dump(model, folder / "m.joblib", compress=3)
        return "m.joblib", good(frame, model.predict(frame[NUMBERS]), 1)

    @kind("a class of a person's own", lines=('python = "PYTHON"', 'load = "loader:load"'), refused=ASKED,
          features=("age", "pay", "debt", "job"), note="names no classes")  # fmt: skip
    def own_class(folder: Path, frame: pd.DataFrame) -> Made:
        (folder / "loader.py").write_text(LOADER)
        # As a notebook pickles it: a class of __main__.
        (folder / "m.pkl").write_bytes(b"c__main__\nRule\n)\x81}(V" + b"least\nF25.0\nub.")
        return "m.pkl", (frame["pay"] - frame["debt"] >= 25).to_numpy()

    @kind("fairlearn's thresholds by group", label="bits", positive="1", refused=("is a pickle", "runs code"),
          note="reads sensitive values")  # fmt: skip
    def optimizer(folder: Path, frame: pd.DataFrame) -> Made:
        from fairlearn.postprocessing import ThresholdOptimizer

        inner = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame[NUMBERS], frame["bits"])
        model = ThresholdOptimizer(estimator=inner, prefit=True, predict_method="predict_proba")
        model.fit(frame[NUMBERS], frame["bits"], sensitive_features=frame["sex"])
        (folder / "m.pkl").write_bytes(pickle.dumps(model))
        return "m.pkl", good(frame, model.predict(frame[NUMBERS], sensitive_features=frame["sex"], random_state=0), 1)

    @kind("fairlearn's reduction", label="bits", positive="1", refused=("is a pickle", "runs code"), note="at random")
    def reduction(folder: Path, frame: pd.DataFrame) -> Made:
        from fairlearn.reductions import DemographicParity, ExponentiatedGradient

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = ExponentiatedGradient(LogisticRegression(max_iter=500), DemographicParity(), max_iter=4)
            model.fit(frame[NUMBERS], frame["bits"], sensitive_features=frame["sex"])
        (folder / "m.pkl").write_bytes(pickle.dumps(model))
        return "m.pkl", good(frame, model.predict(frame[NUMBERS], random_state=0), 1)

    @kind("statsmodels, a formula", label="bits", positive="1", features=("pay", "debt", "job"),
          refused=("is a pickle", "runs code"), note="positive from 0.5")  # fmt: skip
    def formula(folder: Path, frame: pd.DataFrame) -> Made:
        import statsmodels.formula.api as smf

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = smf.logit("bits ~ pay + debt + C(job)", frame).fit(disp=0)
            model.save(str(folder / "m.pkl"))
            return "m.pkl", np.asarray(model.predict(frame)) > 0.5

    @kind("statsmodels, arrays with a constant", label="bits", positive="1", refused=("is a pickle", "runs code"))
    def arrays(folder: Path, frame: pd.DataFrame) -> Made:
        import statsmodels.api as sm

        rows = sm.add_constant(frame[NUMBERS])
        model = sm.GLM(frame["bits"], rows, family=sm.families.Binomial()).fit()
        model.save(str(folder / "m.pkl"))
        return "m.pkl", np.asarray(model.predict(rows)) > 0.5

    @kind("an MLflow folder", label="bits", positive="1", refused=("is an MLflow folder", "runs code"))
    def mlflow(folder: Path, frame: pd.DataFrame) -> Made:
        model = fixed().fit(frame[NUMBERS], frame["bits"])
        (folder / "saved").mkdir()
        (folder / "saved" / "model.pkl").write_bytes(cloudpickle.dumps(model))
        (folder / "saved" / "MLmodel").write_text(
            "artifact_path: model\nflavors:\n  python_function:\n    loader_module: mlflow.sklearn\n"
            "    model_path: model.pkl\n  sklearn:\n    code: null\n    pickled_model: model.pkl\n"
            "    serialization_format: cloudpickle\n"
        )
        return "saved", good(frame, model.predict(frame[NUMBERS]), 1)

    @kind("an MLflow folder with skops inside", label="bits", positive="1", refused=("is an MLflow folder",))
    def mlflow_skops(folder: Path, frame: pd.DataFrame) -> Made:
        model = fixed().fit(frame[NUMBERS], frame["bits"])
        (folder / "saved").mkdir()
        skops.io.dump(model, folder / "saved" / "model.skops")
        (folder / "saved" / "MLmodel").write_text(
            "flavors:\n  sklearn:\n    pickled_model: model.skops\n    serialization_format: skops\n"
        )
        return "saved", good(frame, model.predict(frame[NUMBERS]), 1)


_own()
