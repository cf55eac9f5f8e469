"""Walks asked about behind a pipeline's encoders: the pipeline's own answers to the bit, or the pipeline is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from audit.explain.kinds import PROBABILITY, VALUE, RefusedError
from audit.explain.native_encoded import Encoded
from audit.explain.native_walks import Shortener
from audit.explain.owners import NoMapError
from audit.models import Worker, child, wire
from audit.models.formats import load
from audit.models.hybrids import Walks
from audit.models.table import send
from tests.audit.explain.test_native_sums import answering, assert_alike_to_the_bit, on
from tests.audit.explain.test_native_walks import walks
from tests.audit.explain.test_tree_shap import Loaded, table, worth

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")

TEXTS, NUMBERS = ["job", "home"], ["age", "pay", "debt"]


@pytest.fixture(autouse=True)
def _always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is faster is measured on the spot, and so is left out here."""
    monkeypatch.setattr("audit.explain.native_encoded.WORTH", 0.0)


def encoding(texts: Any, numbers: Any, last: Any, sparse: float = 0.3) -> Pipeline:
    numbers = make_pipeline(SimpleImputer(), numbers)
    encode = ColumnTransformer([("t", texts, TEXTS), ("n", numbers, NUMBERS)], sparse_threshold=sparse)
    return Pipeline([("encode", encode), ("model", last)])


PIPELINES: dict[str, tuple[Pipeline, str]] = {
    "sparse one-hot and a line": (
        Pipeline([("e", ColumnTransformer([("t", OneHotEncoder(), TEXTS)])), ("m", LogisticRegression())]), PROBABILITY,
    ),
    "sparse with numbers": (encoding(OneHotEncoder(), StandardScaler(), LogisticRegression(), 1.0), PROBABILITY),
    "sparse with what was never seen": (
        Pipeline([
            ("e", ColumnTransformer([("t", OneHotEncoder(handle_unknown="ignore", max_categories=2), TEXTS),
                                     ("n", SimpleImputer(strategy="constant", fill_value=0.0), NUMBERS)],
                                    sparse_threshold=1.0)),
            ("m", LogisticRegression(max_iter=1000)),
        ]), PROBABILITY,
    ),
    "dense one-hot and a line": (
        encoding(OneHotEncoder(sparse_output=False), StandardScaler(), LogisticRegression()), PROBABILITY,
    ),
    "ordinal and trees": (
        encoding(OrdinalEncoder(), "passthrough", HistGradientBoostingClassifier(max_iter=5)), PROBABILITY,
    ),
    "a network": (
        encoding(OneHotEncoder(sparse_output=False), StandardScaler(), MLPClassifier((5,), max_iter=5)), PROBABILITY,
    ),
    "a value by a line": (encoding(OneHotEncoder(), StandardScaler(), Ridge()), VALUE),
    "a value by a forest": (encoding(OrdinalEncoder(), "passthrough", RandomForestRegressor(5)), VALUE),
}  # fmt: skip


def fitted(kind: str) -> tuple[Loaded, str]:
    pipeline, output = PIPELINES[kind]
    z = worth(table())
    return Loaded(pipeline.fit(table(), z if output == VALUE else (z > np.median(z)).astype(int))), output


@pytest.mark.parametrize("kind", PIPELINES)
def test_each_pipeline_answers_to_the_bit_as_it_does_to_all_rows(kind: str) -> None:
    """Dense and sparse, missing values, a walk on which nothing turns, either class."""
    assert_alike_to_the_bit(*fitted(kind), "encoded")


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), PCA(2), LogisticRegression()),
        LogisticRegression(),
    ],
)
def test_what_mixes_columns_or_has_no_encoders_is_asked(estimator: Any) -> None:
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=list("abc"))
    model = Loaded(estimator.fit(x, (x.a > 0).astype(int)))
    model.format = "skops"
    model.scores = lambda rows, positive: np.asarray(estimator.predict_proba(rows)[:, 1], dtype=np.float64)
    assert Shortener(model, x, "1").encoded is None


def test_sparse_rows_of_several_values_or_orders_are_refused() -> None:
    own = np.array([0, 0, 1])
    rows = csr_matrix(np.array([[1.0, 2.0, 0], [0, 1.0, 2.0]]))
    with pytest.raises(RefusedError, match="several values"):
        Encoded(None, 1, rows, own)
    Encoded(None, 1, rows, np.array([0, 1, 2]))
    rows.indices[:2] = rows.indices[:2][::-1].copy()
    with pytest.raises(RefusedError, match="not in the order"):
        Encoded(None, 1, rows, np.array([0, 1, 2]))
    with pytest.raises(RefusedError, match="in between"):
        Encoded(None, 1, csr_matrix(np.array([[1.0, 2.0, 0], [0, 2.0, 1.0]])), np.array([0, 1, 0]))
    with pytest.raises(RefusedError, match="no numbers"):
        Encoded(None, 1, np.array([["a", "b"]], dtype=object), own[:2])


@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_lie_in_memory_as_the_encoders_lay_them(order: Any) -> None:
    """A library may add up in another order where they do not."""
    seen: list[Any] = []

    class Last:
        def predict(self, rows: Any) -> Any:
            seen.append(rows)
            return rows[:, 0]

    cells = np.array(np.arange(20.0).reshape(5, 4), order=order)
    encoded = Encoded(Last(), None, cells, np.arange(4))
    asked = walks(pd.DataFrame(cells, columns=list("abcd")), 8)
    np.testing.assert_array_equal(encoded.scores(*on(asked)), asked.frame().to_numpy()[:, 0])
    np.testing.assert_array_equal(seen[0], asked.frame().to_numpy())
    assert seen[0].flags[f"{order}_CONTIGUOUS"]


def test_encoders_that_are_read_wrongly_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, output = fitted("dense one-hot and a line")
    own, base = answering(model, output), table(40, seed=2)
    assert Shortener(own, base, "1").encoded is not None
    real = Encoded.__init__
    monkeypatch.setattr(
        Encoded, "__init__", lambda self, last, index, cells, of: real(self, last, index, cells, np.roll(of, 1))
    )
    assert Shortener(own, base, "1").encoded is None
    monkeypatch.setattr("audit.explain.native.owners", lambda *a: (_ for _ in ()).throw(NoMapError("x")))
    assert Shortener(own, base, "1").encoded is None


def test_encoders_that_take_little_of_the_time_are_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.explain.native_encoded.WORTH", 1e9)
    model, output = fitted("dense one-hot and a line")
    assert Shortener(answering(model, output), table(40, seed=2), "1").encoded is None


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Walks]:
    rng = np.random.default_rng(5)
    x = pd.DataFrame({f"c{k}": rng.choice([f"v{i}" for i in range(9)], 400) for k in range(20)})
    path = tmp_path_factory.mktemp("models") / "texts.skops"
    pipeline = make_pipeline(OneHotEncoder(), LogisticRegression())
    skops.io.dump(pipeline.fit(x, np.where(x.c0 > "v4", "yes", "no")), path)
    return path, walks(x.iloc[:60], 400)


def test_a_process_encodes_each_person_once(texts: tuple[Path, Walks], monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = texts
    model: Any = load("skops", path.read_bytes(), ())
    right = model.scores(asked.frame(), "yes")
    rows: list[int] = []
    kept = OneHotEncoder.transform
    monkeypatch.setattr(OneHotEncoder, "transform", lambda self, x: (rows.append(len(x)), kept(self, x))[1])
    stream, objects = send(asked.base.frame)
    fields = {"do": "scores", "positive": "yes", "hybrids": asked.base.digest, "objects": objects}
    try:
        first = child._run(model, wire.Frame(fields, dict(asked.arrays()), stream))["scores"]
        tried = sum(rows)
        again = child._run(model, wire.Frame(fields, dict(asked.arrays()), b""))["scores"]
    finally:
        child._base = None
    assert sum(rows) == tried < len(asked) / 2
    assert first.tobytes() == again.tobytes() == right.tobytes()


def test_a_worker_answers_walks_as_it_does_their_rows(texts: tuple[Path, Walks]) -> None:
    path, asked = texts
    with Worker(path) as worker:
        assert worker.scores(asked, "yes").tobytes() == worker.scores(asked.frame(), "yes").tobytes()
