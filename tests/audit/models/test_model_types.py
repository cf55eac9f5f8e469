"""The reviewed list of types: common models load without a person being asked, and anything else is shown by name."""

from __future__ import annotations

import importlib
import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from sklearn import ensemble, linear_model, naive_bayes, neighbors, neural_network, preprocessing, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, mutual_info_classif
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline

from audit.errors import ModelError
from audit.models.files import describe_bytes
from audit.models.skops_model import SkopsModel
from audit.models.trust import forbidden, sections, trusted, unknown_types

LOGISTIC = linear_model.LogisticRegression(max_iter=500)
ESTIMATORS: dict[str, Any] = {
    "logistic": LOGISTIC,
    "logistic cv": linear_model.LogisticRegressionCV(
        Cs=2, cv=2, l1_ratios=(0.0,), scoring="neg_log_loss", use_legacy_attributes=False
    ),
    "sgd": linear_model.SGDClassifier(loss="log_loss", random_state=0),
    "sgd huber": linear_model.SGDClassifier(loss="modified_huber", random_state=0),
    "ridge classifier": linear_model.RidgeClassifier(),
    "perceptron": linear_model.Perceptron(),
    "linear svc": svm.LinearSVC(),
    "svc": svm.SVC(),
    "lda": LinearDiscriminantAnalysis(),
    "qda": QuadraticDiscriminantAnalysis(reg_param=0.1),
    "naive bayes": naive_bayes.GaussianNB(),
    "neighbours": neighbors.KNeighborsClassifier(),
    "ball tree": neighbors.KNeighborsClassifier(algorithm="ball_tree", metric="manhattan"),
    "tree": tree.DecisionTreeClassifier(random_state=0, ccp_alpha=0.01),
    "forest": ensemble.RandomForestClassifier(5, random_state=0),
    "extra trees": ensemble.ExtraTreesClassifier(5, random_state=0),
    "gradient boosting": ensemble.GradientBoostingClassifier(n_estimators=5, random_state=0),
    "hist gradient boosting": ensemble.HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "ada boost": ensemble.AdaBoostClassifier(n_estimators=3, random_state=0),
    "bagging": ensemble.BaggingClassifier(n_estimators=3, random_state=0),
    "voting": ensemble.VotingClassifier([("a", LOGISTIC), ("b", naive_bayes.GaussianNB())], voting="soft"),
    "stacking": ensemble.StackingClassifier([("a", LOGISTIC), ("b", naive_bayes.GaussianNB())], cv=2),
    "calibrated sigmoid": CalibratedClassifierCV(naive_bayes.GaussianNB(), cv=2),
    "calibrated isotonic": CalibratedClassifierCV(svm.LinearSVC(), method="isotonic", cv=2),
    "calibrated temperature": CalibratedClassifierCV(LOGISTIC, method="temperature", cv=2),
    "grid search": GridSearchCV(LOGISTIC, {"C": [0.1, 1.0]}, cv=2, scoring="roc_auc"),
    "threshold": TunedThresholdClassifierCV(LOGISTIC, cv=2),
    "perceptron layers": neural_network.MLPClassifier((4,), max_iter=600, random_state=0, tol=1e-2),
    "gaussian process": GaussianProcessClassifier(1.0 * RBF(1.0)),
    "select": make_pipeline(SelectKBest(mutual_info_classif, k=2), LOGISTIC),
    "polynomial": make_pipeline(preprocessing.PolynomialFeatures(2), preprocessing.StandardScaler(), LOGISTIC),
    "spline": make_pipeline(preprocessing.SplineTransformer(), LOGISTIC),
    "log": make_pipeline(preprocessing.FunctionTransformer(np.exp), LOGISTIC),
    "quantiles": make_pipeline(preprocessing.KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), LOGISTIC),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1),
    "xgboost": xgboost.XGBClassifier(n_estimators=3, n_jobs=1),
}
REGRESSORS: dict[str, Any] = {
    "linear": linear_model.LinearRegression(),
    "elastic net": linear_model.ElasticNetCV(cv=2),
    "tweedie": linear_model.TweedieRegressor(power=0),
    "huber": linear_model.HuberRegressor(),
    "forest": ensemble.RandomForestRegressor(5, random_state=0),
    "hist gradient boosting": ensemble.HistGradientBoostingRegressor(max_iter=5, loss="absolute_error", random_state=0),
    "gradient boosting": ensemble.GradientBoostingRegressor(n_estimators=5, loss="huber", random_state=0),
    "svr": svm.SVR(),
    "lightgbm": lightgbm.LGBMRegressor(n_estimators=3, verbose=-1, n_jobs=1),
    "xgboost": xgboost.XGBRegressor(n_estimators=3, n_jobs=1),
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    return pd.DataFrame(rng.normal(size=(90, 3)), columns=["a", "b", "c"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_common_classifiers_need_no_consent(name: str, rows: pd.DataFrame) -> None:
    wanted = (rows["a"] + 0.5 * rows["b"] ** 2 > 0.3).to_numpy().astype(int)
    model = ESTIMATORS[name].fit(rows, wanted)
    content = skops.io.dumps(model)
    assert describe_bytes(Path("m"), content).unknown_types == ()
    loaded = SkopsModel(content, ())
    if hasattr(model, "predict_proba"):
        expected = model.predict_proba(rows)[:, 1].astype(np.float64)
    else:
        expected = model.predict(rows).astype(np.float64)
    assert np.array_equal(loaded.scores(rows, "1"), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", list(REGRESSORS))
def test_common_regressors_need_no_consent(name: str, rows: pd.DataFrame) -> None:
    model = REGRESSORS[name].fit(rows, rows["a"] * 2 + rows["b"])
    content = skops.io.dumps(model)
    assert describe_bytes(Path("m"), content).unknown_types == ()
    loaded = SkopsModel(content, ())
    assert loaded.facts.task == "regression"
    assert np.array_equal(loaded.scores(rows, "-"), model.predict(rows).astype(np.float64))


@pytest.mark.filterwarnings("ignore")
def test_a_pipeline_of_every_kind_of_encoder_needs_no_consent(rows: pd.DataFrame) -> None:
    frame = rows.assign(text=np.where(rows["a"] > 0, "x", "y"), code=np.arange(len(rows)) % 4)
    wanted = np.where(rows["b"] > 0, ">50K", "<=50K")
    encode = ColumnTransformer(
        [
            ("number", make_pipeline(SimpleImputer(add_indicator=True), preprocessing.RobustScaler()), ["a", "b"]),
            ("power", preprocessing.PowerTransformer(), ["c"]),
            ("hot", preprocessing.OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist"), ["text"]),
            ("order", preprocessing.OrdinalEncoder(), ["code"]),
            ("target", preprocessing.TargetEncoder(cv=2, random_state=0), ["code"]),
            ("again", preprocessing.MinMaxScaler(), make_column_selector(dtype_include=np.number)),
        ],
        remainder="drop",
    )
    model = make_pipeline(encode, ensemble.HistGradientBoostingClassifier(max_iter=3, random_state=0))
    model.fit(frame, wanted)
    content = skops.io.dumps(model)
    assert describe_bytes(Path("m"), content).unknown_types == ()
    assert np.array_equal(SkopsModel(content, ()).scores(frame, ">50K"), model.predict_proba(frame)[:, 1])


def test_every_name_on_the_list_exists() -> None:
    for name in [*sections().estimators, *sections().reviewed]:
        module, attribute = name.rsplit(".", 1)
        assert hasattr(importlib.import_module(module), attribute), name


def test_the_list_trusts_nothing_that_runs_what_a_file_says() -> None:
    assert not [name for name in trusted() if forbidden(name)]
    kinds = {"builtins.object", "pandas.CategoricalDtype", "pandas.StringDtype"}  # a selector of columns names them
    assert not [
        n
        for n in set(sections().reviewed) - kinds
        if n.split(".")[0]
        not in ("sklearn", "numpy", "scipy", "fairlearn", "lightgbm", "xgboost", "collections", "functools")
    ]


def schema_of(content: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read("schema.json"))


class Own(linear_model.LogisticRegression):
    """An estimator that nobody reviewed."""


def shout(x: Any) -> Any:
    return x


def test_our_reading_of_a_file_agrees_with_skops(rows: pd.DataFrame) -> None:
    wanted = (rows["a"] > 0).astype(int)
    cases = [
        Own().fit(rows, wanted),
        make_pipeline(preprocessing.FunctionTransformer(shout), LOGISTIC).fit(rows, wanted),
        ensemble.RandomForestClassifier(2).fit(rows, wanted),
        {"bound": LOGISTIC.fit},
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in cases:
            content = skops.io.dumps(model)
            theirs = set(skops.io.get_untrusted_types(data=content)) - set(sections().reviewed)
            assert set(unknown_types(schema_of(content))) == theirs
    assert unknown_types(schema_of(skops.io.dumps(cases[0]))) == (f"{Own.__module__}.Own",)


def test_a_type_outside_the_list_is_refused_inside_too(rows: pd.DataFrame) -> None:
    content = skops.io.dumps(Own().fit(rows, (rows["a"] > 0).astype(int)))
    with pytest.raises(TypeError, match="Untrusted types"):
        SkopsModel(content, ())


def test_names_that_nobody_may_allow() -> None:
    assert forbidden("os.system")
    assert forbidden("builtins.eval")
    assert forbidden("subprocess.Popen")
    assert forbidden("operator.methodcaller")
    assert not forbidden("builtins.dict")
    assert not forbidden("mycompany.models.Scorer")


def test_a_schema_of_any_depth_is_read() -> None:
    deep: Any = {"__loader__": "FunctionNode", "__module__": "posix", "__class__": "system"}
    for _ in range(5000):
        deep = {"content": [deep]}
    assert unknown_types(deep) == ("posix.system",)


# -- tree indices ----------------------------------------------------------------------------------------------------


def tampered_forest(rows: pd.DataFrame, field: str, value: int) -> bytes:
    model = tree.DecisionTreeClassifier(random_state=0).fit(rows, (rows["a"] + rows["b"] > 0).astype(int))
    state = model.tree_.__getstate__()
    nodes = state["nodes"].copy()
    nodes[field][0] = value
    state["nodes"] = nodes
    model.tree_.__setstate__(state)
    return skops.io.dumps(model)


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 10**9), ("right_child", 0), ("feature", 10**6), ("feature", -5)]
)
def test_a_tree_that_points_outside_itself_is_refused(field: str, value: int, rows: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="points outside itself"):
        SkopsModel(tampered_forest(rows, field, value), ())


@pytest.mark.parametrize(("field", "value"), [("left", 10**6), ("right", 0), ("feature_idx", 999)])
def test_histogram_trees_are_checked_too(field: str, value: int, rows: pd.DataFrame) -> None:
    model = ensemble.HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=5, random_state=0)
    model.fit(rows, (rows["a"] > 0).astype(int))
    nodes = model._predictors[0][0].nodes.copy()
    nodes[field][0] = value
    model._predictors[0][0].nodes = nodes
    with pytest.raises(ModelError, match="points outside itself"):
        SkopsModel(skops.io.dumps(model), ())
