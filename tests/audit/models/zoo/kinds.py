"""The table: models that people have, each with the decisions that it makes in its own library."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import skops.io

from tests.audit.models.zoo.people import NUMBERS

Made = tuple[str, np.ndarray]
"""The file's name, and for each row whether the model itself decides for the positive value."""


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    make(folder, frame): writes the file. label, positive: the case's. lines: what a person writes under [model] at
    once.
    refused: what the first refusal says, where there is one; then the lines in its advice are added, those that
    `choose` names where the advice gives a choice, until the audit is made. note: what its notes must say. alike: it
    differs from others in the estimator alone, so that one process for it is enough elsewhere (see the test).
    """

    name: str
    make: Callable[[Path, pd.DataFrame], Made]
    label: str = "words"
    positive: str = '"approved"'
    features: Sequence[str] = tuple(NUMBERS)
    lines: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    choose: tuple[str, ...] = ()
    note: str = ""
    alike: bool = False


KINDS: list[Kind] = []


def kind(name: str, **more: Any) -> Callable[[Callable[[Path, pd.DataFrame], Made]], None]:
    def add(make: Callable[[Path, pd.DataFrame], Made]) -> None:
        KINDS.append(Kind(name, make, **more))

    return add


def good(frame: pd.DataFrame, decided: Any, positive: object = "approved") -> np.ndarray:
    return np.asarray([str(v) == str(positive) for v in np.asarray(decided).reshape(-1).tolist()])


# -- scikit-learn, as skops ------------------------------------------------------------------------------------------


def skops_kind(name: str, estimator: Callable[[], Any], target: str = "words", value: object = "approved", *,
               bare: bool = False, **more: Any) -> None:  # fmt: skip
    """An estimator that is fitted on the features and saved by skops."""

    def make(folder: Path, frame: pd.DataFrame) -> Made:
        rows = frame[list(more.get("features", NUMBERS))]
        given = rows.to_numpy() if bare else rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = estimator().fit(given, frame[target])
            skops.io.dump(model, folder / "m.skops")
            return "m.skops", good(frame, model.predict(given), value)

    alike = not any(word in name for word in ("neighbours", "histogram", "layers", "forest"))
    KINDS.append(Kind(name, make, alike=alike, **more))


def _sklearn() -> None:
    from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import make_column_transformer
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
    from sklearn.dummy import DummyClassifier
    from sklearn.experimental import enable_halving_search_cv, enable_iterative_imputer  # noqa: F401
    from sklearn.feature_selection import SelectKBest
    from sklearn.impute import IterativeImputer, SimpleImputer
    from sklearn.model_selection import (
        FixedThresholdClassifier,
        GridSearchCV,
        HalvingGridSearchCV,
        TunedThresholdClassifierCV,
    )
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

    def logistic(**how: Any) -> Any:
        return make_pipeline(StandardScaler(), linear_model.LogisticRegression(**how))

    def coded(last: Any, **how: Any) -> Any:
        return make_pipeline(make_column_transformer((OneHotEncoder(**how), ["job"]), remainder="passthrough"), last)

    mixed = ("age", "pay", "job")
    skops_kind("logistic", logistic)
    skops_kind("logistic, bits", logistic, "bits", 1, label="bits", positive="1")
    skops_kind("logistic, bits, positive 0", logistic, "bits", 0, label="bits", positive="0")
    skops_kind("logistic, booleans", logistic, "truth", True, label="truth", positive="true")
    skops_kind("logistic, -1 and 1", logistic, "signs", 1, label="signs", positive="1")
    skops_kind("logistic, bits for words", logistic, "bits", 1, refused=("which of the model's classes",),
               choose=('classes = { 0 = "denied", 1 = "approved" }',))  # fmt: skip
    skops_kind("logistic, bits for words, 0 is good", lambda: logistic(), "bits", 0,
               lines=('classes = { 0 = "approved", 1 = "denied" }',))  # fmt: skip
    skops_kind("balanced logistic", lambda: logistic(class_weight="balanced"))
    skops_kind("balanced SVC with probability", lambda: svm.SVC(probability=True, class_weight="balanced",
               random_state=0), note="differ for")  # fmt: skip
    skops_kind("linear SVC", lambda: make_pipeline(StandardScaler(), svm.LinearSVC()))
    skops_kind("SVC", lambda: make_pipeline(StandardScaler(), svm.SVC(class_weight="balanced")))
    skops_kind("tuned threshold", lambda: TunedThresholdClassifierCV(logistic(), scoring="balanced_accuracy", cv=3,
               random_state=0), "bits", 1, label="bits", positive="1", note="differ for")  # fmt: skip
    skops_kind("fixed threshold", lambda: FixedThresholdClassifier(logistic(), threshold=0.2), "bits", 1, label="bits",
               positive="1", note="differ for")  # fmt: skip
    skops_kind("fixed threshold of the first class", lambda: FixedThresholdClassifier(logistic(), threshold=0.2,
               pos_label="approved"), note="differ for")  # fmt: skip
    skops_kind("fixed threshold of margins", lambda: FixedThresholdClassifier(logistic(), threshold=-1.0,
               response_method="decision_function"), "bits", 1, label="bits", positive="1", note="differ")  # fmt: skip
    skops_kind("calibrated", lambda: CalibratedClassifierCV(svm.LinearSVC(), cv=2))
    skops_kind("hard voting", lambda: ensemble.VotingClassifier([("a", logistic()), ("b", naive_bayes.GaussianNB()),
               ("c", tree.DecisionTreeClassifier(max_depth=2))]))  # fmt: skip
    skops_kind("soft voting", lambda: ensemble.VotingClassifier([("a", logistic()), ("b", naive_bayes.GaussianNB())],
               voting="soft"))  # fmt: skip
    skops_kind("stacking", lambda: ensemble.StackingClassifier([("a", logistic()), ("b", naive_bayes.GaussianNB())],
               cv=2))  # fmt: skip
    skops_kind("grid search", lambda: GridSearchCV(logistic(), {"logisticregression__C": [0.1, 1.0]}, cv=2))
    skops_kind("grid search of a threshold", lambda: GridSearchCV(FixedThresholdClassifier(logistic(), threshold=0.3),
               {"threshold": [0.2, 0.3]}, cv=2), "bits", 1, label="bits", positive="1", note="differ for")  # fmt: skip
    skops_kind("forest", lambda: ensemble.RandomForestClassifier(8, random_state=0))
    skops_kind("tree with ties", lambda: tree.DecisionTreeClassifier(max_leaf_nodes=12, min_samples_leaf=2,
               random_state=0))  # fmt: skip
    skops_kind("histogram boosting, missing values", lambda: ensemble.HistGradientBoostingClassifier(max_iter=5),
               features=("age", "pay", "rent"))  # fmt: skip
    skops_kind("gradient boosting", lambda: ensemble.GradientBoostingClassifier(n_estimators=4, random_state=0))
    skops_kind("ada boost", lambda: ensemble.AdaBoostClassifier(n_estimators=3, random_state=0))
    skops_kind("bagging", lambda: ensemble.BaggingClassifier(n_estimators=3, random_state=0))
    skops_kind("neighbours", neighbors.KNeighborsClassifier)
    skops_kind("neighbours of a one-hot table", lambda: coded(neighbors.KNeighborsClassifier()), features=mixed)
    skops_kind("naive Bayes", naive_bayes.GaussianNB)
    skops_kind("perceptron of layers", lambda: make_pipeline(StandardScaler(),
               neural_network.MLPClassifier((4,), max_iter=60, random_state=0)))  # fmt: skip
    skops_kind("ridge classifier", lambda: linear_model.RidgeClassifier(class_weight="balanced"))
    skops_kind("SGD, hinge", lambda: make_pipeline(StandardScaler(), linear_model.SGDClassifier(random_state=0)))
    skops_kind("linear discriminants", lambda: LinearDiscriminantAnalysis(priors=[0.5, 0.5]))
    skops_kind("quadratic discriminants", lambda: QuadraticDiscriminantAnalysis(reg_param=0.1))
    skops_kind("nearest centroid", lambda: make_pipeline(StandardScaler(), neighbors.NearestCentroid()))
    skops_kind("one against the rest", lambda: OneVsRestClassifier(logistic()))
    skops_kind("most frequent", lambda: DummyClassifier(strategy="constant", constant="approved"))
    skops_kind("isolation forest", lambda: ensemble.IsolationForest(n_estimators=10, random_state=0,
               contamination=0.3), "bits", -1, refused=("which of the model's classes",),
               choose=('classes = { -1 = "approved", 1 = "denied" }',), note="outlier detector")  # fmt: skip
    skops_kind("pandas inside", lambda: make_pipeline(StandardScaler(),
               linear_model.LogisticRegression()).set_output(transform="pandas"))  # fmt: skip
    skops_kind("fitted on an array", logistic, bare=True)
    skops_kind("sparse one-hot", lambda: coded(linear_model.LogisticRegression(max_iter=500), sparse_output=True),
               features=mixed)  # fmt: skip
    skops_kind("ordinal codes, forest", lambda: make_pipeline(make_column_transformer((OrdinalEncoder(), ["job"]),
               remainder="passthrough"), ensemble.RandomForestClassifier(5, random_state=0)),
               features=mixed)  # fmt: skip
    skops_kind("target encoder", lambda: make_pipeline(make_column_transformer((TargetEncoder(cv=2), ["job"]),
               remainder="passthrough"), linear_model.LogisticRegression(max_iter=500)), features=mixed)  # fmt: skip
    skops_kind("components and the best", lambda: make_pipeline(SimpleImputer(), PCA(2), SelectKBest(k=1),
               linear_model.LogisticRegression()), features=("age", "pay", "rent"))  # fmt: skip
    skops_kind("iterative imputer", lambda: make_pipeline(IterativeImputer(random_state=0),
               linear_model.LogisticRegression()), features=("age", "pay", "rent"))  # fmt: skip
    skops_kind("successive halving", lambda: HalvingGridSearchCV(logistic(), {"logisticregression__C": [0.1, 1.0]},
               random_state=0))  # fmt: skip
    skops_kind("three classes, balanced", lambda: logistic(class_weight="balanced"), "three", label="three")
    skops_kind("three classes, SVC", lambda: make_pipeline(StandardScaler(), svm.SVC(probability=True, random_state=0,
               class_weight="balanced")), "three", label="three")  # fmt: skip

    def number(last: Any, at: float, **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            model = last.fit(frame[NUMBERS], frame["bits"])
            skops.io.dump(model, folder / "m.skops")
            return "m.skops", model.predict(frame[NUMBERS]) >= at

        KINDS.append(Kind(f"{type(last).__name__} as a score", make, refused=("no probability and no decision",),
                          choose=(f"threshold = {at}",), **more))  # fmt: skip

    number(linear_model.LinearRegression(), 0.3)
    number(ensemble.RandomForestRegressor(5, random_state=0), 0.4, label="bits", positive="1")


# -- boosting libraries' own files -----------------------------------------------------------------------------------

RIGHT = 'classes = { 0 = "denied", 1 = "approved" }'
TURNED = 'classes = { 0 = "approved", 1 = "denied" }'


def _boosted() -> None:
    import lightgbm
    import xgboost

    def light(name: str, target: str, value: object, form: str = "m.txt", **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS]
            model = lightgbm.LGBMClassifier(n_estimators=4, min_child_samples=5, verbose=-1, n_jobs=1)
            model.fit(rows, frame[target])
            if form.endswith("skops"):
                skops.io.dump(model, folder / form)
            else:
                model.booster_.save_model(folder / form)
            return form, good(frame, model.predict(rows), value)

        KINDS.append(Kind(name, make, **more))

    light("LightGBM text, words", "words", "approved", refused=("which of the model's classes",), choose=(TURNED,))
    light("LightGBM text, bits", "bits", 1, label="bits", positive="1")
    light("LightGBM text, bits, positive 0", "bits", 0, label="bits", positive="0")
    light("LightGBM text, 1 and 2", "steps", 2, label="steps", positive="2", refused=("which of the model's classes",),
          choose=('classes = { 0 = "1", 1 = "2" }',))  # fmt: skip
    light("LightGBM text, 1 and 2, positive 1", "steps", 1, label="steps", positive="1",
          refused=("which of the model's classes",), choose=('classes = { 0 = "1", 1 = "2" }',))  # fmt: skip
    light("LightGBM text, -1 and 1", "signs", 1, label="signs", positive="1", refused=("which of the model's",),
          choose=('classes = { 0 = "-1", 1 = "1" }',))  # fmt: skip
    light("LightGBM as skops", "words", "approved", "m.skops")

    @kind("LightGBM, an objective of its own", refused=("no probability and no decision", "which of the model's"),
          choose=('link = "logit"', RIGHT))  # fmt: skip
    def own_objective(folder: Path, frame: pd.DataFrame) -> Made:
        def slope(found: Any, data: Any) -> Any:
            p = 1 / (1 + np.exp(-found))
            return p - data.get_label(), p * (1 - p)

        data = lightgbm.Dataset(frame[NUMBERS], frame["bits"])
        model = lightgbm.train({"objective": slope, "verbose": -1, "num_threads": 1}, data, 4)
        model.save_model(folder / "m.txt")
        return "m.txt", model.predict(frame[NUMBERS]) >= 0

    def extreme(name: str, target: str, value: object, form: str = "m.json", how: Any = None, **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS]
            model = xgboost.XGBClassifier(n_estimators=4, n_jobs=1, **(how or {})).fit(rows, frame[target])
            if form.endswith("skops"):
                skops.io.dump(model, folder / form)
            else:
                model.save_model(folder / form)
            return form, good(frame, model.predict(rows), value)

        KINDS.append(Kind(name, make, **more))

    extreme("XGBoost", "bits", 1, label="bits", positive="1")
    extreme("XGBoost, positive 0", "bits", 0, label="bits", positive="0")
    extreme("XGBoost, UBJSON, for words", "bits", 1, "m.ubj", refused=("which of the model's",), choose=(RIGHT,))
    extreme("XGBoost, hinge", "bits", 1, how={"objective": "binary:hinge"}, label="bits", positive="1")
    extreme("XGBoost as skops", "bits", 1, "m.skops", label="bits", positive="1")

    @kind("XGBoost, margins", label="bits", positive="1", refused=("no probability and no decision",),
          choose=('link = "logit"',))  # fmt: skip
    def margins(folder: Path, frame: pd.DataFrame) -> Made:
        data = xgboost.DMatrix(frame[NUMBERS], frame["bits"])
        model = xgboost.train({"objective": "binary:logitraw", "nthread": 1}, data, 4)
        model.save_model(folder / "m.json")
        return "m.json", model.predict(data) >= 0


# -- ONNX ------------------------------------------------------------------------------------------------------------


def _onnx() -> None:
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import to_onnx
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    def converted(name: str, last: Any, target: str, value: object, zipmap: bool, **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS].to_numpy(dtype=np.float32)
            model = last.fit(rows, frame[target])
            options = (
                {id(model): {"zipmap": zipmap}} if zipmap is not None and hasattr(model, "predict_proba") else None
            )
            (folder / "m.onnx").write_bytes(to_onnx(model, rows[:1], options=options).SerializeToString())
            return "m.onnx", good(frame, model.predict(rows), value)

        KINDS.append(Kind(name, make, **more))

    weighted = {"class_weight": "balanced", "max_iter": 500}
    converted("ONNX with ZipMap", LogisticRegression(**weighted), "words", "approved", True)
    converted("ONNX without ZipMap, bits", LogisticRegression(**weighted), "bits", 1, False, label="bits", positive="1")
    converted("ONNX, 1 and 2, positive 1", LogisticRegression(**weighted), "steps", 1, False, label="steps",
              positive="1")  # fmt: skip
    converted("ONNX, bits for words", LogisticRegression(**weighted), "bits", 1, False,
              refused=("which of the model's",), choose=(RIGHT,))  # fmt: skip
    converted("ONNX, linear SVC", LinearSVC(), "words", "approved", False)

    def network(name: str, width: int, last: str | None, **more: Any) -> None:
        def make(folder: Path, frame: pd.DataFrame) -> Made:
            rows = frame[NUMBERS].to_numpy(dtype=np.float32)
            fitted = LogisticRegression(max_iter=500).fit(rows, frame["bits"])
            weights, bias = fitted.coef_.T.astype(np.float32), fitted.intercept_.astype(np.float32)
            if width == 2:  # two logits whose difference is the log-odds, neither of them near a probability
                weights, bias = np.hstack([weights * 0.5, weights * 1.5]), np.array([3.0, 3.0 + bias[0]], np.float32)
            nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"])]
            if last is not None:
                nodes.append(helper.make_node(last, ["z"], ["p"]))
            out = "z" if last is None else "p"
            graph = helper.make_graph(
                nodes, "network",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
                [helper.make_tensor_value_info(out, TensorProto.FLOAT, [None, width])],
                [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
            )  # fmt: skip
            made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
            (folder / "m.onnx").write_bytes(made.SerializeToString())
            table = rows @ weights + bias
            return "m.onnx", table[:, 0] >= 0 if width == 1 else table[:, 1] > table[:, 0]

        KINDS.append(Kind(name, make, **more))

    network("ONNX network, sigmoid", 1, "Sigmoid", label="bits", positive="1", note="holds no decision")
    network("ONNX network, softmax", 2, "Softmax", label="bits", positive="1")
    network("ONNX network, softmax, for words", 2, "Softmax", refused=("which of the model's",), choose=(RIGHT,))
    network("ONNX network, a logit", 1, None, label="bits", positive="1", refused=("no probability and no decision",),
            choose=('link = "logit"',), note="log-odds")  # fmt: skip
    network("ONNX network, a logit and a threshold", 1, None, lines=("threshold = 0.0",))
    network("ONNX network, two logits", 2, None, label="bits", positive="1", choose=('link = "logit"',),
            refused=("no probability and no decision",))  # fmt: skip


# -- in an environment of their own ----------------------------------------------------------------------------------

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


_sklearn()
_boosted()
_onnx()
_own()
assert len({k.name for k in KINDS}) == len(KINDS)
