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
from audit.sandbox import seccomp

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


# -- the seccomp filter, run by a small machine of our own -----------------------------------------------------------

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def run(program: bytes, arch: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """The verdict of the filter, by classic BPF's rules for the five instructions that it uses."""
    data = struct.pack("<IIQ6Q", number, arch, 0, *(*arguments, *[0] * (6 - len(arguments))))
    at, held = 0, 0
    while True:
        code, yes, no, value = struct.unpack_from("<HBBI", program, at * 8)
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("<I", data, value)
        elif code == 0x06:
            return int(value)
        else:
            if code == 0x54:
                held &= value
                continue
            at += yes if {0x15: held == value, 0x35: held >= value}[code] else no


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", 0xC000003E), ("aarch64", 0xC00000B7)])
def test_the_filter_on_both_machines(machine: str, arch: int) -> None:
    numbers = {
        "x86_64": {
            "read": 0,
            "openat": 257,
            "mmap": 9,
            "socket": 41,
            "execve": 59,
            "clone": 56,
            "kill": 62,
            "limit": 302,
        },
        "aarch64": {
            "read": 63,
            "openat": 56,
            "mmap": 222,
            "socket": 198,
            "execve": 221,
            "clone": 220,
            "kill": 129,
            "limit": 261,
        },
    }[machine]
    program = seccomp.filter_program(machine, pid=1234)
    assert program is not None
    assert len(program) // 8 <= 4096  # the kernel's own limit

    def verdict(name: str, *arguments: int) -> int:
        return run(program, arch, numbers[name], arguments)

    assert [verdict(n) for n in ("read", "openat", "mmap")] == [ALLOW] * 3
    assert [verdict(n) for n in ("socket", "execve")] == [EPERM] * 2
    assert verdict("clone", 0x3D0F00) == ALLOW  # a thread
    assert verdict("clone", 17) == EPERM  # a process
    assert run(program, arch, 435) == ENOSYS
    assert (verdict("kill", 1234, 6), verdict("kill", 1, 9)) == (ALLOW, EPERM)
    assert (verdict("limit", 0, 7, 0), verdict("limit", 0, 7, 4096), verdict("limit", 0, 7, 2**40)) == (
        ALLOW,
        EPERM,
        EPERM,
    )
    assert run(program, arch ^ 1, numbers["read"]) == KILL
    if machine == "x86_64":
        assert run(program, arch, 0x40000000 | 41) == KILL  # the x32 door to the same calls


def test_an_unknown_machine_gets_no_filter_and_no_claim() -> None:
    assert seccomp.filter_program("riscv64", 1) is None
