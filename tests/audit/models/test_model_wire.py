"""What crosses between the processes: data only, and nothing that lies about its size is believed."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import DataError
from audit.models import table, wire

LIMIT = 2**20


def take_from(content: bytes) -> Any:
    stream = io.BytesIO(content)

    def take(count: int) -> bytes:
        got = stream.read(count)
        if len(got) < count:
            raise EOFError
        return got

    return take


def joined(blocks: list[Any]) -> bytes:
    return b"".join(bytes(b) for b in blocks)


def test_arrays_and_fields_come_back_as_they_went() -> None:
    arrays = {
        "f": np.array([[1.5, np.nan], [np.inf, -0.0]]),
        "i": np.arange(3, dtype=np.int64),
        "b": np.array([True, False]),
        "u": np.frombuffer(b"\x00\xff", dtype=np.uint8),
        "text": np.array(["ä", "", ">50K"]),
        "one": np.array(7),
        "word": np.array("x"),
        "none": np.empty((0, 2)),
        "strided": np.arange(10.0)[::2],
    }
    frame = wire.read(take_from(joined(wire.pack({"do": "x", "n": 1}, arrays, b"arrow"))), LIMIT)
    assert frame.fields == {"do": "x", "n": 1}
    assert frame.table == b"arrow"
    assert list(frame.arrays) == list(arrays)
    for name, array in arrays.items():
        assert frame.arrays[name].shape == array.shape
        assert np.array_equal(frame.arrays[name].astype(array.dtype), array, equal_nan=array.dtype.kind == "f")
    assert frame.arrays["i"].flags.writeable


@pytest.mark.parametrize("array", [np.array([1 + 2j]), np.array([object()]), np.array(["2020"], dtype="M8[s]")])
def test_other_types_do_not_cross(array: np.ndarray) -> None:
    with pytest.raises(wire.WireError):
        wire.pack({}, {"x": array})


def lying(**changes: Any) -> bytes:
    described = {"name": "x", "dtype": "<f8", "shape": [1], "bytes": 8} | changes
    header = json.dumps({"fields": {}, "arrays": [described], "table": 0}).encode()
    return struct.pack("<QI", len(header) + 8, len(header)) + header + b"\x00" * 8


@pytest.mark.parametrize(
    "changes",
    [
        {"dtype": "|O"},
        {"dtype": "<M8[s]"},
        {"shape": [2]},
        {"shape": [-1]},
        {"bytes": 2**40},
        {"bytes": -8},
        {"dtype": "text"},
        {"shape": "x"},
    ],
)
def test_a_header_that_lies_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(wire.WireError):
        wire.read(take_from(lying(**changes)), LIMIT)
    assert wire.read(take_from(lying()), LIMIT).arrays["x"].tolist() == [0.0]


@given(st.binary(max_size=200))
def test_noise_is_never_a_frame_nor_another_error(noise: bytes) -> None:
    with pytest.raises((wire.WireError, EOFError, struct.error)):
        wire.read(take_from(noise), LIMIT)


def test_a_frame_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(wire.WireError, match="over the limit"):
        wire.read(take_from(struct.pack("<QI", 2**60, 10)), LIMIT)


def test_tables_come_back_as_they_went() -> None:
    frame = pd.DataFrame(
        {
            "float": [1.5, np.nan],
            "small": np.array([1, 2], dtype=np.int8),
            "bool": [True, False],
            "text": pd.array(["a", None], dtype="str"),
            "none": pd.Series(["a", None], dtype=object, index=[7, 3]),
            "nan": pd.Series(["a", np.nan], dtype=object, index=[7, 3]),
            "category": pd.Categorical(["b", None], categories=["c", "b"], ordered=True),
            "codes": pd.Categorical([2, 1]),
            "nullable": pd.array([1, None], dtype="Int64"),
            "time": pd.to_datetime(["2020-01-01", None]),
        },
        index=pd.Index([7, 3]),
    )
    assert frame["none"].dtype == object
    before = frame.copy(deep=True)
    stream, objects = table.send(frame)
    back = table.receive(bytes(stream), objects)
    pd.testing.assert_frame_equal(back, frame.reset_index(drop=True))
    assert back["none"][1] is None
    assert isinstance(back["nan"][1], float)
    pd.testing.assert_frame_equal(frame, before)


def test_tables_that_cannot_cross_say_why() -> None:
    with pytest.raises(DataError, match="same name"):
        table.send(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(DataError, match="cannot be sent") as caught:
        table.send(pd.DataFrame({"a": np.array([1, "x"], dtype=object)}))
    assert "one kind" in caught.value.todo
