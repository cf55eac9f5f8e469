"""The table: scikit-learn models as skops."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io

from tests.audit.models.zoo.people import NUMBERS
from tests.audit.models.zoo.rows import KINDS, Kind, Made, good


def skops_kind(name: str, estimator: Callable[[], Any], target: str = "words", value: object = "approved", *,
               bare: bool = False, **more: Any) -> None:  # fmt: skip
    """An estimator that is fitted on the features and saved by skops."""

    def make(folder: Path, frame: pd.DataFrame) -> Made:
        rows = frame[list(more.get("features", NUMBERS))]
        inputs = rows.to_numpy() if bare else rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = estimator().fit(inputs, frame[target])
            skops.io.dump(model, folder / "m.skops")
            return "m.skops", good(frame, model.predict(inputs), value)

    KINDS.append(Kind(name, make, **more))


def _sklearn() -> None:
    from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, svm, tree
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import make_column_selector, make_column_transformer
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

    def table(**how: Any) -> Any:
        words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        both = make_column_transformer((StandardScaler(), make_column_selector(dtype_include=np.number)),
                                       (words, make_column_selector(dtype_include=object)))  # fmt: skip
        return make_pipeline(both.set_output(transform="pandas"), linear_model.LogisticRegression(**how))

    skops_kind("columns by kind", table, features=mixed)
    skops_kind("capitals and a full stop", logistic, "typed", "Approved.", refused=("are written otherwise",))
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


_sklearn()
