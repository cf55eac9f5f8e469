"""Lines behind encoders added up, and hybrids made of encoded cells: the pipeline's own answers to the bit, or the
pipeline is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    Perceptron,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import LinearSVC

from audit.explain import native_lines
from audit.explain.kinds import DECISION, PROBABILITY, VALUE
from audit.explain.native_lines import Line
from audit.explain.native_sums import rows_tried
from audit.explain.native_walks import Shortener
from audit.models import Worker, child, wire
from audit.models.formats import load
from audit.models.hybrids import Base, Hybrids, LazyRows, Walks
from audit.models.table import send
from audit.models.write import skops_bytes
from tests.audit.explain.test_native_sums import on
from tests.audit.explain.test_native_walks import walks
from tests.audit.explain.test_tree_shap import table, worth

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

TEXTS, NUMBERS = ["job", "home"], ["age", "pay", "debt"]


@pytest.fixture(autouse=True)
def _always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is faster is measured on the spot, and so is left out here."""
    monkeypatch.setattr("audit.explain.native_encoded.WORTH", 0.0)


def sparse(last: Any) -> Pipeline:
    """Texts, and numbers of several thousand behind a scaler: sums that are rounded."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encode = ColumnTransformer([("n", numbers, NUMBERS), ("t", OneHotEncoder(), TEXTS)], sparse_threshold=1.0)
    return Pipeline([("encode", encode), ("model", last)])


LINES: dict[str, tuple[Any, str]] = {
    "logistic": (LogisticRegression(), PROBABILITY),
    "logistic, one against the rest": (LogisticRegression(solver="liblinear"), PROBABILITY),
    "logistic, without an intercept": (LogisticRegression(fit_intercept=False), PROBABILITY),
    "stochastic gradient": (SGDClassifier(loss="log_loss", random_state=0), PROBABILITY),
    "stochastic gradient, modified Huber": (SGDClassifier(loss="modified_huber", random_state=0), PROBABILITY),
    "a value": (LinearRegression(), VALUE),
    "a value, ridge": (Ridge(), VALUE),
    "a value, lasso": (Lasso(0.1), VALUE),
    "a count": (PoissonRegressor(), VALUE),
    "decisions": (LinearSVC(), DECISION),
    "decisions, ridge": (RidgeClassifier(), DECISION),
    "decisions, perceptron": (Perceptron(), DECISION),
    "decisions, stochastic gradient": (SGDClassifier(random_state=0), DECISION),
}


def fitted(estimator: Any, output: str) -> Any:
    """Loaded from a file, as the model's process has it."""
    z = worth(table())
    y = np.abs(z) if output == VALUE else np.where(z > np.median(z), "yes", "no")
    return load("skops", skops_bytes(estimator.fit(table(), y)), ())


def hybrids(frame: pd.DataFrame, many: int = 200) -> Hybrids:
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, len(frame), (2, many))
    return Hybrids(Base(frame), rng.random((many, frame.shape[1])) < 0.5, first, second)


def alike(answering: Any, model: Any, frame: pd.DataFrame, positive: str) -> None:
    asked, mixed = walks(frame), hybrids(frame)
    right = np.asarray(model.scores(asked.frame(), positive), dtype=np.float64)
    assert len(np.unique(right)) > 1
    assert answering.scores(*on(asked)).tobytes() == right.tobytes()
    right = np.asarray(model.scores(mixed.frame(), positive), dtype=np.float64)
    assert answering.mixed(mixed.mask, mixed.first, mixed.second).tobytes() == right.tobytes()


@pytest.mark.parametrize("kind", LINES)
def test_each_kind_of_line_adds_up_to_its_answers_to_the_bit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing values, a walk on which nothing turns, hybrids; either class; more columns than are added up at once."""
    monkeypatch.setattr(native_lines, "COLUMNS", 2)
    monkeypatch.setattr(native_lines, "ROWS", 7)
    last, output = LINES[kind]
    model, frame = fitted(sparse(last), output), table(40, seed=2)
    for positive in ("1",) if output == VALUE else ("no", "yes"):
        line = Shortener(model, frame, positive).line
        assert line is not None, "it was not believed"
        alike(line, model, frame, positive)


def test_a_walk_on_which_nothing_turns_may_be_the_first_before_one_that_is_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, frame = fitted(sparse(LogisticRegression()), PROBABILITY), table(40, seed=2)
    line = Shortener(model, frame, "yes").line
    assert line is not None
    monkeypatch.setattr(native_lines, "ROWS", 1)
    all_of_them = walks(frame)
    turned = Walks(all_of_them.base, *(a[::-1] for a in on(all_of_them)))
    assert turned.inner[0] == 0
    assert line.scores(*on(turned)).tobytes() == model.scores(turned.frame(), "yes").tobytes()


@pytest.mark.parametrize(
    ("estimator", "output"),
    [
        (sparse(KNeighborsClassifier()), PROBABILITY),
        (sparse(DummyClassifier(strategy="prior")), PROBABILITY),
        (Pipeline([("e", ColumnTransformer([("t", OrdinalEncoder(), TEXTS)])), ("m", LinearSVC())]), DECISION),
        (make_pipeline(OneHotEncoder(handle_unknown="ignore", sparse_output=False), Ridge()), VALUE),
    ],
)
def test_what_is_no_line_or_not_sparse_is_asked_behind_its_encoders(estimator: Any, output: str) -> None:
    model, frame = fitted(estimator, output), table(40, seed=2)
    shortener = Shortener(model, frame, "yes")
    assert shortener.line is None
    assert shortener.encoded is not None
    if "Dummy" not in repr(estimator):
        alike(shortener.encoded, model, frame, "yes")


def test_a_line_for_each_of_three_classes_is_no_line() -> None:
    z = worth(table())
    y = np.digitize(z, np.quantile(z, [0.3, 0.6])).astype(str)
    model = load("skops", skops_bytes(sparse(LogisticRegression()).fit(table(), y)), ())
    shortener = Shortener(model, table(40, seed=2), "1")
    assert shortener.line is None
    assert shortener.encoded is not None
    alike(shortener.encoded, model, table(40, seed=2), "1")


@pytest.mark.parametrize("of", ["scores", "mixed"])
def test_sums_that_are_off_by_a_bit_are_not_believed(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On walks or on hybrids alone."""
    model, frame = fitted(sparse(LogisticRegression()), PROBABILITY), table(40, seed=2)
    kept = getattr(Line, of)
    monkeypatch.setattr(Line, of, lambda self, *a: np.nextafter(kept(self, *a), 2.0))
    assert Shortener(model, frame, "yes").line is None
    assert Shortener(model, frame, "yes").encoded is not None


def test_decisions_are_believed_by_the_margins_that_they_are_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights of half the size decide alike where there is no intercept, and are not the model's."""
    model = fitted(sparse(LinearSVC(fit_intercept=False)), DECISION)
    frame = table(40, seed=2)
    kept = Line.__init__

    def halved(self: Line, encoded: Any) -> None:
        kept(self, encoded)
        self._added = self._added / 2

    monkeypatch.setattr(Line, "__init__", halved)
    shortener = Shortener(model, frame, "yes")
    assert shortener._behind is not None
    asked = walks(frame)
    assert Line(shortener._behind).scores(*on(asked)).tobytes() == model.scores(asked.frame(), "yes").tobytes()
    assert shortener.line is None
    monkeypatch.undo()
    monkeypatch.setattr("audit.explain.native_encoded.WORTH", 0.0)
    assert Shortener(model, frame, "yes").line is not None
    kept_scores = model.scores
    monkeypatch.setattr(model, "scores", lambda rows, positive: 1 - kept_scores(rows, positive))
    assert Shortener(model, frame, "yes").line is None, "the decisions themselves are tried too"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    rng = np.random.default_rng(5)
    x = pd.DataFrame({f"c{k}": rng.choice([f"v{i}" for i in range(9)], 400) for k in range(20)})
    path = tmp_path_factory.mktemp("models") / "texts.skops"
    pipeline = make_pipeline(OneHotEncoder(), LogisticRegression())
    skops.io.dump(pipeline.fit(x, np.where(x.c0 > "v4", "yes", "no")), path)
    return path, x.iloc[:60]


@pytest.mark.parametrize("kind", ["walks", "hybrids"])
def test_a_process_adds_up_what_its_model_would_answer(
    kind: str, texts: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last step is then asked about sums, of one column. Few rows are asked about: to try it takes more."""
    path, frame = texts
    model: Any = load("skops", path.read_bytes(), ())
    few = rows_tried(len(frame))
    asked: LazyRows = walks(frame, 400) if kind == "walks" else hybrids(frame, few + 1)
    start: LazyRows = hybrids(frame, few - 1 if kind == "walks" else few - 1 - 30)
    right = model.scores(asked.frame(), "yes")
    before = model.scores(start.frame(), "yes")
    shapes: list[tuple[int, ...]] = []
    kept = LogisticRegression.predict_proba
    monkeypatch.setattr(LogisticRegression, "predict_proba", lambda self, x: (shapes.append(x.shape), kept(self, x))[1])
    stream, objects = send(frame)
    fields = {"do": "scores", "positive": "yes", "hybrids": Base(frame).digest, "objects": objects}

    def scores(rows: LazyRows, table: Any) -> np.ndarray:
        return np.asarray(child._run(model, wire.Frame(fields, dict(rows.arrays()), table))["scores"])

    try:
        assert scores(start, stream).tobytes() == before.tobytes()
        assert shapes == [(len(start), model.estimator[0].transform(frame).shape[1])], "few rows are asked about"
        first = scores(asked, b"")
        tried = len(shapes)
        again = scores(asked, b"")
    finally:
        child._base = None
    assert shapes[tried - 1 :] == [(len(asked), 1), (len(asked), 1)]
    assert first.tobytes() == again.tobytes() == right.tobytes()


def test_questions_about_the_same_people_are_counted_together(texts: tuple[Path, pd.DataFrame]) -> None:
    """Friedman's H asks about a thousand rows at a time."""
    path, frame = texts
    shortener = Shortener(load("skops", path.read_bytes(), ()), frame, "yes")
    part = hybrids(frame, rows_tried(len(frame)) // 2)
    answers = [shortener.scores(dict(part.arrays())) for _ in range(3)]
    assert answers[0] is None
    assert answers[2] is not None
    assert answers[2].tobytes() == load("skops", path.read_bytes(), ()).scores(part.frame(), "yes").tobytes()


@pytest.mark.parametrize("kind", ["walks", "hybrids"])
def test_where_what_was_believed_fails_later_the_model_is_asked(
    kind: str, texts: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A last step may refuse a sum that has grown too large for a number, which within the model is a certainty."""
    path, frame = texts
    shortener = Shortener(load("skops", path.read_bytes(), ()), frame, "yes")
    asked: LazyRows = walks(frame, 400) if kind == "walks" else hybrids(frame, 9000)
    assert shortener.scores(dict(asked.arrays())) is not None
    for name in ("scores", "mixed"):
        monkeypatch.setattr(Line, name, lambda *a: 1 / 0)
    arrays = dict(asked.arrays())
    assert shortener.scores(arrays) is None
    assert all(np.array_equal(arrays[name], value) for name, value in asked.arrays().items())


@pytest.mark.parametrize("kind", ["walks", "hybrids"])
def test_a_worker_answers_as_it_does_about_the_rows(kind: str, texts: tuple[Path, pd.DataFrame]) -> None:
    path, frame = texts
    asked: Walks | Hybrids = walks(frame, 400) if kind == "walks" else hybrids(frame, 9000)
    with Worker(path) as worker:
        assert worker.scores(asked, "yes").tobytes() == worker.scores(asked.frame(), "yes").tobytes()
