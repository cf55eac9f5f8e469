"""Walks answered by what trees add up to: the model's own answers to the bit, or the model is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from audit.explain.kinds import PROBABILITY, VALUE
from audit.explain.native_walks import Shortener
from audit.models import Worker, child, wire
from audit.models import worker as worker_module
from audit.models.formats import load
from audit.models.hybrids import Base, Walks
from audit.models.table import send
from audit.models.write import skops_bytes
from tests.audit.explain.test_native_walks import walks
from tests.audit.explain.test_tree_shap import KINDS, Loaded, answers, booster, encoded, made, sklearn, table, worth

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)

ASKED_THEMSELVES = {"lightgbm, forest", "xgboost, dart"}
"""They take the mean, or weigh their trees, elsewhere than at the end."""
SUMMED = [kind for kind in KINDS if kind not in ASKED_THEMSELVES]


def answering(model: Loaded, output: str, index: int = 1) -> Loaded:
    model.format = "skops"
    model.scores = lambda rows, positive: (
        answers(model, rows, output)
        if output == VALUE
        else np.asarray(model.estimator.predict_proba(model.prepare(rows))[:, index], dtype=np.float64)
    )
    return model


def on(asked: Walks) -> tuple[Any, ...]:
    arrays = asked.arrays()
    return tuple(arrays[f"walk.{name}"] for name in ("rank", "inner", "first", "second"))


def assert_alike_to_the_bit(model: Loaded, output: str, way: str) -> None:
    """What answers the rows of walks in the model's place (`way` of a Shortener) does so as it, for either class."""
    asked = walks(table(40, seed=2))
    for index in (1, 0) if output != VALUE else (1,):
        own = answering(model, output, index)
        answers = getattr(Shortener(own, asked.base.frame, str(index)), way)
        assert answers is not None, "it was not believed"
        right = own.scores(asked.frame(), str(index))
        assert len(np.unique(right)) > 3
        assert answers.scores(*on(asked)).tobytes() == right.tobytes()


@pytest.mark.parametrize("kind", SUMMED)
def test_each_kind_of_tree_adds_up_to_its_answers_to_the_bit(kind: str) -> None:
    """Missing values, zeros, categories, one-hot columns; a walk on which nothing turns; either class."""
    model, output = made(kind)
    assert_alike_to_the_bit(model, output if output == VALUE else PROBABILITY, "sums")


@pytest.mark.parametrize(
    "last",
    [
        sklearn("GradientBoostingClassifier", n_estimators=4),
        sklearn("GradientBoostingClassifier", n_estimators=4, loss="exponential"),
        sklearn("GradientBoostingClassifier", n_estimators=4, init="zero"),
        sklearn("HistGradientBoostingClassifier", max_iter=4),
        sklearn("RandomForestClassifier", n_estimators=7),
        booster("lightgbm", "LGBMClassifier", n_estimators=4),
        booster("xgboost", "XGBClassifier", n_estimators=4),
        booster("xgboost", "XGBClassifier", n_estimators=4, base_score=0.3),
        sklearn("GradientBoostingRegressor", n_estimators=4),
        sklearn("HistGradientBoostingRegressor", max_iter=4),
        booster("lightgbm", "LGBMRegressor", n_estimators=4),
        booster("xgboost", "XGBRegressor", n_estimators=4),
    ],
)  # fmt: skip
def test_where_the_sums_start_from(last: Any) -> None:
    """One person in six is positive: the mean is not zero in log-odds."""
    x = pd.DataFrame(np.random.default_rng(3).normal(size=(400, 5)), columns=list("abcde"))
    output = VALUE if hasattr(last, "score") and not hasattr(last, "predict_proba") else PROBABILITY
    worth_of = x.a + 0.3 * x.b
    model = answering(Loaded(last.fit(x, worth_of + 2 if output == VALUE else (worth_of > 1).astype(int))), output)
    sums = Shortener(model, x, "1").sums
    assert sums is not None
    asked = walks(x)
    assert sums.scores(*on(asked)).tobytes() == model.scores(asked.frame(), "1").tobytes()


@pytest.mark.parametrize("rate", [0.3, 3.0])
@pytest.mark.parametrize("of", ["skops", "xgboost"])
def test_xgboost_with_its_wrapper_and_without_to_the_bit_for_either_class(of: str, rate: float) -> None:
    """A wrapper takes the first class's share in single precision, a file's booster has it taken in double. Log-odds of
    less than -88.7, which a learning rate of 3 brings about, are not told apart."""
    from xgboost import XGBClassifier

    x = pd.DataFrame(np.random.default_rng(3).normal(size=(400, 5)), columns=list("abcde"))
    options = {"n_estimators": 60, "reg_lambda": 0, "min_child_weight": 0, "max_depth": 2, "n_jobs": 1}
    fitted = XGBClassifier(learning_rate=rate, **options).fit(x, (x.a + 0.3 * x.b > 0).astype(int))
    content = skops_bytes(fitted) if of == "skops" else bytes(fitted.get_booster().save_raw("ubj"))
    asked = walks(x)
    for positive in ("0", "1"):
        model = load(of, content, ())
        sums = Shortener(model, x, positive).sums
        assert sums is not None
        right = model.scores(asked.frame(), positive)
        assert sums.scores(*on(asked)).tobytes() == np.asarray(right, dtype=np.float64).tobytes()
        assert (fitted.predict(x, output_margin=True).min() < -89) == (rate > 1)


@pytest.mark.parametrize("kind", sorted(ASKED_THEMSELVES))
def test_what_is_added_up_otherwise_is_asked(kind: str) -> None:
    model, output = made(kind)
    assert Shortener(answering(model, output), table(40, seed=2), "1").sums is None


def test_a_curve_of_its_own_is_not_believed() -> None:
    """LightGBM's `sigmoid` makes its probabilities steeper than those that are known here."""
    target = (worth(table()) > 0).astype(int)
    model = Loaded(encoded(booster("lightgbm", "LGBMClassifier", n_estimators=5, sigmoid=2.0), target))
    assert Shortener(answering(model, PROBABILITY), table(40, seed=2), "1").sums is None


def test_trees_that_are_not_all_that_answers_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = made("hist")
    kept = answering(model, PROBABILITY).scores
    assert Shortener(model, table(40, seed=2), "1").sums is not None
    model.scores = lambda rows, positive: kept(rows, positive) + 1e-15 * (rows.pay > 30)
    assert Shortener(model, table(40, seed=2), "1").sums is None
    model.scores = kept
    monkeypatch.setattr("audit.explain.native_sums._logistic", lambda total: 1 / 0)
    assert Shortener(model, table(40, seed=2), "1").sums is None


def test_trees_of_one_leaf_and_more_trees_than_are_added_up_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.explain.native_sums.CELLS", 7000)
    x = pd.DataFrame(np.random.default_rng(1).normal(size=(300, 4)), columns=list("abcd"))
    y = (x.a > 0).astype(int)
    for least in (1, 200):
        model = answering(Loaded(RandomForestClassifier(30, min_samples_leaf=least).fit(x, y)), PROBABILITY)
        asked = walks(x, 300)
        sums = Shortener(model, x, "1").sums
        assert sums is not None
        assert sums.scores(*on(asked)).tobytes() == model.scores(asked.frame(), "1").tobytes()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Walks]:
    x = pd.DataFrame(np.random.default_rng(5).normal(size=(400, 130)), columns=[f"x{k}" for k in range(130)])
    path = tmp_path_factory.mktemp("models") / "wide.skops"
    model = HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=9)
    skops.io.dump(model.fit(x, np.where(x.iloc[:, :50].sum(axis=1) > 0, "yes", "no")), path)
    return path, walks(x.iloc[:60], 90)


def test_a_process_answers_long_walks_without_its_model(
    wide: tuple[Path, Walks], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = wide
    monkeypatch.setattr("audit.explain.native_walks.LEAST_STEPS", 10)
    model: Any = load("skops", path.read_bytes(), ())
    kept, seen = model.scores, []
    model.scores = lambda frame, positive: seen.append(len(frame)) or kept(frame, positive)  # type: ignore[func-returns-value]
    stream, objects = send(asked.base.frame)
    fields = {"do": "scores", "positive": "yes", "hybrids": asked.base.digest, "objects": objects}
    try:
        first = child._run(model, wire.Frame(fields, dict(asked.arrays()), stream))["scores"]
        tried = len(seen)
        again = child._run(model, wire.Frame(fields, dict(asked.arrays()), b""))["scores"]
        assert len(seen) == tried, "the model is tried once a base"
        assert first.tobytes() == again.tobytes() == kept(asked.frame(), "yes").tobytes()
        monkeypatch.setattr("audit.explain.native_walks.LEAST_STEPS", 129)
        child._run(model, wire.Frame(fields, dict(asked.arrays()), b""))
        assert len(seen) > tried, "where trees notice few steps the model is faster"
    finally:
        child._base = None


def test_walks_cross_whole_and_come_back_as_the_model_answers_their_rows(
    wide: tuple[Path, Walks], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = wide
    assert len(asked) > 2 * worker_module.CHUNK_ROWS
    crossed: list[set[str]] = []
    kept = wire.pack
    monkeypatch.setattr(wire, "pack", lambda f, a=None, t=b"": crossed.append(set(a or {})) or kept(f, a, t))  # type: ignore[func-returns-value]
    with Worker(path) as worker:
        scores = worker.scores(asked, "yes")
        assert [sorted(names) for names in crossed if "walk.rank" in names or "hybrid.mask" in names] == [
            ["walk.first", "walk.inner", "walk.rank", "walk.second"]
        ]
        assert scores.tobytes() == worker.scores(asked.frame(), "yes").tobytes()
        decided = worker.answer(asked, "yes").decided
        assert decided is not None
        assert decided.tobytes() == worker.answer(asked.frame(), "yes").decided.tobytes()  # type: ignore[union-attr]


def test_a_cell_that_never_turns_is_the_second_rows_both_ways() -> None:
    model, _ = made("hist")
    own = answering(model, PROBABILITY)
    frame = table(40, seed=2)
    asked = walks(frame)
    rank = asked.rank.copy()
    rank[:, 0] = np.iinfo(rank.dtype).max
    asked = Walks(Base(frame), rank, asked.inner, asked.first, asked.second)
    sums = Shortener(own, frame, "1").sums
    assert sums is not None
    assert sums.scores(*on(asked)).tobytes() == own.scores(asked.frame(), "1").tobytes()
