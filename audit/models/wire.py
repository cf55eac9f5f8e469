"""Frames between a worker and its parent: length-prefixed, and data only. Nothing that crosses can execute.

A frame is 8 bytes of length, 4 bytes of header length (little endian), a JSON header, and raw blocks. An array of
numbers is a block with its dtype and shape in the header; an array of strings is a block of JSON. The table that
goes to the child is one Arrow IPC stream in a block of its own. There is no pickle in either direction.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.numbers import many

_HEAD = struct.Struct("<QI")
HEADER_LIMIT = 64 * 2**20
DTYPES = ("<f8", "<f4", "<i8", "<i4", "|u1", "|b1", "|i1", "<u4", "<u8", "<i2", "<u2")
"""The element types that may cross; everything else is refused on both sides."""


class WireError(Exception):
    """What arrived is no frame."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message: `fields` is a JSON object, `arrays` by name, `table` an Arrow IPC stream or nothing."""

    fields: dict[str, Any]
    arrays: dict[str, np.ndarray]
    table: bytes | memoryview = b""


def pack(fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None, table: Any = b"") -> list[Any]:
    """The frame as a list of byte blocks to be written one after the other. Raises WireError on other dtypes."""
    described: list[dict[str, Any]] = []
    blocks: list[Any] = []
    for name, value in (arrays or {}).items():
        array = np.asarray(value)
        if array.dtype.kind in "UTO":
            texts = array.astype(object).ravel().tolist()
            if not all(isinstance(t, str) for t in texts):
                raise WireError(f"array {name!r} holds {array.dtype} values that are not text")
            block: Any = json.dumps(texts).encode()
            dtype = "text"
        else:
            if array.dtype == np.float16:
                array = array.astype(np.float32)
            # "C", not ascontiguousarray: that would make a scalar one-dimensional.
            array = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            dtype = array.dtype.str
            if dtype not in DTYPES:
                raise WireError(f"array {name!r} has the type {array.dtype}, which does not cross")
            block = array.reshape(-1).view(np.uint8).data if array.size else b""
        described.append({"name": name, "dtype": dtype, "shape": list(array.shape), "bytes": len(block)})
        blocks.append(block)
    header = json.dumps({"fields": dict(fields), "arrays": described, "table": len(table)}).encode()
    if len(header) > HEADER_LIMIT:
        raise WireError("the header is too long")
    total = len(header) + sum(len(b) for b in blocks) + len(table)
    return [_HEAD.pack(total, len(header)) + header, *blocks, table]


def read(take: Callable[[int], bytes | bytearray], limit: int) -> Frame:
    """The next frame. `take(n)` gives exactly n bytes or raises; `limit` bounds what is taken.

    Raises WireError where the lengths, the types or the shapes do not fit together.
    """
    total, head = _HEAD.unpack(take(_HEAD.size))
    if head > min(total, HEADER_LIMIT) or total > limit:
        raise WireError(f"a frame of {many(total, 'byte')} is over the limit of {limit:,}")
    try:
        header = json.loads(bytes(take(head)))
        fields, described, table = header["fields"], header["arrays"], int(header["table"])
        sizes = [int(d["bytes"]) for d in described]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError(f"a frame without a readable header ({type(error).__name__})") from error
    if not isinstance(fields, dict) or min([table, *sizes]) < 0 or head + sum(sizes) + table != total:
        raise WireError("the parts of a frame do not add up to its length")
    arrays = {str(d["name"]): _array(d, take(size)) for d, size in zip(described, sizes, strict=True)}
    return Frame(fields, arrays, bytes(take(table)) if table else b"")


def _array(described: dict[str, Any], block: bytes | bytearray) -> np.ndarray:
    try:
        shape = tuple(int(n) for n in described["shape"])
        if any(n < 0 for n in shape):
            raise WireError("an array of negative size")
        if described["dtype"] == "text":
            texts = json.loads(bytes(block))
            if not (isinstance(texts, list) and all(isinstance(t, str) for t in texts)):
                raise WireError("an array of text that holds something else")
            return np.array(texts, dtype=object).reshape(shape)
        if described["dtype"] not in DTYPES:
            raise WireError(f"an array of the type {described['dtype']!r}, which does not cross")
        return np.frombuffer(block, dtype=described["dtype"]).reshape(shape).copy()
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError(f"an array that cannot be read ({type(error).__name__}: {error})") from error
