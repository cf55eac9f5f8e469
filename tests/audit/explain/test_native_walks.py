"""Walks of trees asked about where a tree can notice the step: the answers of all rows, to the bit, from fewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from audit.explain.kinds import PROBABILITY, VALUE
from audit.explain.native_walks import Shortener
from audit.models import Worker, child
from audit.models.formats import load
from audit.models.hybrids import Base, Walks, blocks_of, of_arrays
from audit.models.wire import Frame
from tests.audit.explain.test_tree_shap import Loaded, answers, made, table

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"
)


def walks(frame: pd.DataFrame, many: int = 60) -> Walks:
    """As explaining asks: features that are alike in both rows do not turn; on the last walk nothing does."""
    rng = np.random.default_rng(8)
    first, second = rng.integers(0, len(frame), (2, many))
    second[-1] = first[-1]
    codes = np.column_stack([pd.factorize(frame[c])[0] for c in frame])
    rank = np.full((many, frame.shape[1]), np.iinfo(np.int16).max, dtype=np.int16)
    steps = np.zeros(many, dtype=np.int64)
    for p in range(many):
        moving = rng.permutation(np.flatnonzero(codes[first[p]] != codes[second[p]]))
        rank[p, moving], steps[p] = np.arange(len(moving)), len(moving)
    return Walks(Base(frame), rank, np.maximum(steps - 1, 0), first, second)


KINDS = (
    "forest", "forest, sparse", "forest, value", "boosting", "hist", "hist, own categories", "lightgbm, own categories",
    "lightgbm, zeros are missing", "lightgbm, no missing", "xgboost", "xgboost, own categories", "xgboost, dart",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_tree_answers_to_the_bit_as_all_rows_do(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing values, zeros, categories and one-hot columns; columns that matter to no tree among them."""
    monkeypatch.setattr("audit.explain.native_walks.LEAST_SAVED", 10.0)
    model, output = made(kind)
    output = output if output == VALUE else PROBABILITY
    frame = table(40, seed=2)
    near = frame.assign(pay=frame.pay.mean() + 1e-3 * (frame.pay - frame.pay.mean()))  # seldom across a threshold
    model.format = "skops"
    model.scores = lambda rows, positive: answers(model, rows, output)
    asked = walks(near)
    arrays = dict(asked.arrays())
    shortener = Shortener(model, near, "1")
    assert shortener.codes is not None, "the trees were not read"
    assert len(np.unique(shortener.codes[:, near.columns.get_loc("pay")])) < 8, "values that no tree tells apart"
    place = shortener.shorten(arrays)
    assert place is not None
    assert len(place) == len(asked)
    fewer = of_arrays(blocks_of(near), arrays)
    right = answers(model, asked.frame(), output)
    assert len(np.unique(right)) > 3
    assert answers(model, fewer, output)[place].tobytes() == right.tobytes()


def test_trees_that_are_read_wrongly_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, output = made("hist")
    model.format = "skops"
    model.scores = lambda rows, positive: answers(model, rows, output)
    frame = table(40, seed=2)
    assert Shortener(model, frame, "1").codes is not None
    kept = model.scores
    model.scores = lambda rows, positive: kept(rows, positive) + 1e-12 * rows.pay  # something that no tree sees
    assert Shortener(model, frame, "1").codes is None
    monkeypatch.setattr("audit.explain.native_trees.seen", lambda *a: 1 / 0)
    assert Shortener(model, frame, "1").shorten(dict(walks(frame).arrays())) is None


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    x = numbers(400)
    out = {}
    for name, last in (
        ("trees", HistGradientBoostingClassifier(max_iter=10, max_leaf_nodes=5)),
        ("line", LogisticRegression()),
    ):
        out[name] = folder / f"{name}.skops"
        skops.io.dump(last.fit(x, np.where(x.x0 + x.x1 > 0, "yes", "no")), out[name])
    return out


def numbers(rows: int) -> pd.DataFrame:
    x = np.random.default_rng(5).normal(size=(rows, 30))
    return pd.DataFrame(x, columns=[f"x{k}" for k in range(30)])


@pytest.mark.parametrize("op", ["scores", "answer"])
@pytest.mark.parametrize("kind", ["trees", "line"])
def test_the_process_asks_trees_about_fewer_rows_and_any_other_model_about_all(
    models: dict[str, Path], kind: str, op: str
) -> None:
    asked = walks(numbers(50))
    with Worker(models[kind]) as worker:
        if op == "scores":
            message, right = (worker.scores(rows, "yes") for rows in (asked, asked.frame()))
        else:
            (message, decided), (right, wanted) = (
                (result.score, result.decided) for result in (worker.answer(r, "yes") for r in (asked, asked.frame()))
            )
            assert decided is not None
            assert wanted is not None
            assert decided.tobytes() == wanted.tobytes()
    assert message.tobytes() == right.tobytes()
    counted = asked_of(models[kind], asked)
    if kind == "trees":
        assert counted < 0.5 * len(asked)
    else:
        assert counted == len(asked)


def asked_of(path: Path, asked: Walks) -> int:
    """How many rows of the walks a model in this process is asked about."""
    from audit.models.table import send

    model: Any = load("skops", path.read_bytes(), ())
    kept, seen = model.scores, []
    model.scores = lambda frame, positive: seen.append(len(frame)) or kept(frame, positive)
    stream, objects = send(asked.base.frame)
    fields = {"do": "scores", "positive": "yes", "hybrids": asked.base.digest, "objects": objects}
    result = child._run(model, Frame(fields, dict(asked.arrays()), stream))
    child._base = None
    assert len(result["scores"]) == len(asked)
    return int(seen[-1])


def test_a_pipeline_or_a_library_that_is_a_persons_own_is_asked_about_all() -> None:
    class Mine(HistGradientBoostingClassifier):  # type: ignore[misc]
        pass

    x = numbers(300)
    own = Loaded(Mine(max_iter=3).fit(x, (x.x0 > 0).astype(int)))
    own.format = "skops"
    own.scores = lambda rows, positive: answers(own, rows, "probability")
    assert Shortener(own, x, "1").codes is None


@pytest.mark.parametrize(("turn_unseen", "left"), [(0, None), (10, None), (21, None), (22, 79), (50, 51), (99, 2)])
def test_walks_are_shortened_where_no_more_than_four_fifths_of_their_rows_are_left(
    turn_unseen: int, left: int | None
) -> None:
    """A walk of 100 columns lies on 99 rows each way; one row more than the steps that a tree sees answers for them."""
    base = pd.DataFrame(np.array([[0.0] * 100, [1.0] * 100]))
    shortener = Shortener(None, base, "1")
    codes = np.zeros((2, 100), dtype=np.int64)
    codes[1, turn_unseen:] = 1
    shortener.__dict__["codes"] = codes
    rank = np.random.default_rng(0).permutation(100).astype(np.int16)[None]
    asked = Walks(Base(base), rank, np.array([99]), np.array([1]), np.array([0]))
    arrays = dict(asked.arrays())
    place = shortener.shorten(arrays)
    if left is None:
        assert place is None
        assert set(arrays) == set(asked.arrays())
        return
    fewer = of_arrays(blocks_of(base), arrays)
    assert place is not None
    assert len(fewer) == 2 * left
    seen = asked.frame().iloc[:, turn_unseen:].to_numpy()
    np.testing.assert_array_equal(fewer.iloc[place, turn_unseen:].to_numpy(), seen)


@pytest.mark.parametrize("kind", ["skops", "onnx", "joblib", None])
def test_only_formats_whose_trees_are_read_are_asked_about_fewer(kind: str | None) -> None:
    """Of any other format the trees are not known to be all that answers."""
    x = numbers(60)
    model = Loaded(HistGradientBoostingClassifier(max_iter=3).fit(x, (x.x0 > 0).astype(int)))
    model.format = kind
    model.scores = lambda rows, positive: answers(model, rows, "probability")
    assert (Shortener(model, x, "1").codes is not None) == (kind == "skops")
