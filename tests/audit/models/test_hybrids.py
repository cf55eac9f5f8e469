"""Rows that cross to the model's process by a bit a cell are the rows that would have crossed whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from audit.errors import ModelError
from audit.models import Worker, child, wire
from audit.models.hybrids import Base, Hybrids, LazyRows, Walks, blocks_of, of_arrays, still
from audit.models.table import receive, send

ROWS, MADE = 40, 300


def base() -> pd.DataFrame:
    """A column of each kind that a table may have, with missing values where the kind has them."""
    rng = np.random.default_rng(3)
    some = rng.random(ROWS) < 0.3
    return pd.DataFrame(
        {
            "float": np.where(some, np.nan, rng.normal(size=ROWS)),
            "text": pd.Series(rng.choice(["x", "y", "z"], ROWS)).mask(some),
            "whole": rng.integers(0, 9, ROWS),
            "object": pd.Series(rng.choice(np.array(["u", None], dtype=object), ROWS), dtype=object),
            "truth": some,
            "kind": pd.Categorical(rng.choice(["p", "q"], ROWS)),
            "small": rng.normal(size=ROWS).astype(np.float32),
            "nullable": pd.array(np.where(some, None, 1), dtype="Int64"),
            "when": pd.date_range("2020-01-01", periods=ROWS),
            "float again": rng.normal(size=ROWS),
        }
    )


def hybrids(frame: pd.DataFrame) -> Hybrids:
    rng = np.random.default_rng(4)
    mask = rng.random((MADE, frame.shape[1])) < 0.5
    return Hybrids(Base(frame), mask, rng.integers(0, ROWS, MADE), rng.integers(0, ROWS, MADE))


def walks(frame: pd.DataFrame) -> Walks:
    """Some columns are alike on a walk, and on one walk all of them, on one all but one."""
    rng = np.random.default_rng(5)
    many, columns = 12, frame.shape[1]
    rank = np.full((many, columns), np.iinfo(np.int16).max, dtype=np.int16)
    steps = np.append(rng.integers(0, columns + 1, many - 2), [0, 1])
    for p, size in enumerate(steps.tolist()):
        rank[p, rng.permutation(columns)[:size]] = np.arange(size)
    first, second = rng.integers(0, ROWS, (2, many))
    return Walks(Base(frame), rank, np.maximum(steps - 1, 0), first, second)


def of(kind: str, frame: pd.DataFrame) -> LazyRows:
    return hybrids(frame) if kind == "hybrids" else walks(frame)


def by_hand(h: LazyRows) -> pd.DataFrame:
    if isinstance(h, Walks):
        return pd.concat([by_hand(one) for way in (True, False) for one in one_way(h, way)], ignore_index=True)
    assert isinstance(h, Hybrids)
    frame, source = h.base.frame, np.where(h.mask, h.first[:, None], h.second[:, None])
    data = {j: frame.iloc[:, j].take(source[:, j]).reset_index(drop=True) for j in range(frame.shape[1])}
    return pd.DataFrame(data).set_axis(frame.columns, axis=1)


def one_way(w: Walks, ahead: bool) -> Iterator[Hybrids]:
    """Each walk, one row after the other: what has turned so far, or what has not."""
    for p, inner in enumerate(w.inner.tolist()):
        turned = np.array([w.rank[p] < k for k in range(1, inner + 1)], dtype=bool).reshape(inner, w.rank.shape[1])
        mask = turned if ahead else ~turned & (w.rank[p] < still(w.rank))
        yield Hybrids(w.base, mask, np.full(inner, w.first[p]), np.full(inner, w.second[p]))


@pytest.mark.parametrize("kind", ["hybrids", "walks"])
@pytest.mark.parametrize("columns", [None, ["float", "float again"], ["whole"], ["text"], ["kind", "float", "whole"]])
def test_what_is_built_is_what_would_have_crossed(columns: list[str] | None, kind: str) -> None:
    frame = base() if columns is None else base()[columns]
    created = of(kind, frame)
    assert len(created) == len(created.frame())
    right = by_hand(created)
    pd.testing.assert_frame_equal(created.frame(), right)
    crossed = receive(*send(right))
    built = of_arrays(blocks_of(receive(*send(frame))), created.arrays())
    pd.testing.assert_frame_equal(built, crossed)
    # A sum over a row may end in another last bit where the numbers lie otherwise in memory.
    if columns != ["text"]:
        a, b = (f.select_dtypes("number").to_numpy() for f in (built, crossed))
        assert a.strides == b.strides


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    frame = base()[["float again", "small", "whole"]]
    model = LogisticRegression().fit(frame, frame["whole"] > 4)
    skops.io.dump(model, tmp_path / "m.skops")
    with Worker(tmp_path / "m.skops") as opened:
        yield opened


def test_the_process_answers_to_the_bit_what_it_answers_to_whole_rows(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the model takes the columns in another order and leaves some out, and base after base; and each base
    crosses once."""
    sent: list[int] = []
    pack = wire.pack

    def counted(fields: object, arrays: object = None, table: bytes = b"") -> list[object]:
        sent.append(len(table))
        return pack(fields, arrays, table)  # type: ignore[arg-type]

    monkeypatch.setattr(wire, "pack", counted)
    first = hybrids(base()[["whole", "text", "float again", "small"]])
    other = hybrids(base()[["small", "float again", "whole"]].iloc[::-1].reset_index(drop=True))
    asked = (first, first, walks(first.base.frame), other, first)
    got = [worker.scores(h, "True").tobytes() for h in asked]
    assert [n > 0 for n in sent[-5:]] == [True, False, False, True, True]
    assert got == [worker.scores(h.frame(), "True").tobytes() for h in asked]


def test_rows_of_a_base_that_the_process_does_not_have_are_refused(worker: Worker) -> None:
    """And never built from another one."""
    built = hybrids(base()[["float again", "small", "whole"]])
    assert len(worker.scores(built, "True")) == MADE
    assert worker._held is not None
    worker._held.base = Base(base()[["float again", "small", "whole"]].iloc[::-1]).digest
    other = hybrids(base()[["float again", "small", "whole"]].iloc[::-1])
    with pytest.raises(ModelError, match="raised an error") as caught:
        worker.scores(other, "True")
    assert "not sent" in str(caught.value.got)
    # What failed is sent again the next time.
    right = worker.scores(other.frame(), "True").tobytes()
    assert worker.scores(other, "True").tobytes() == right
    assert child._base is None  # that of this process, which runs no model
