"""UBJSON (draft 12, ubjson.org) as XGBoost writes it, read into Python values before XGBoost itself reads it."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_DEPTH = 64


class UbjsonError(ValueError):
    """What was given is no UBJSON, or more than one value."""


def loads(content: bytes) -> Any:
    """The value in `content`. Typed arrays become numpy arrays. Raises UbjsonError."""
    reader = _Reader(content)
    try:
        value = reader.value(reader.marker(), 0)
    except (struct.error, UnicodeDecodeError, IndexError, ValueError) as error:
        raise UbjsonError(str(error)) from error
    if content[reader.at :].strip(b"\0N"):
        raise UbjsonError("something follows the value")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.content):
            raise UbjsonError("it ends too early")
        self.at += count
        return self.content[self.at - count : self.at]

    def marker(self) -> str:
        marker = "N"
        while marker == "N":  # no operation
            marker = chr(self.take(1)[0])
        return marker

    def number(self, marker: str) -> Any:
        dtype = np.dtype(_NUMBERS[marker])
        return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()

    def length(self) -> int:
        marker = self.marker()
        if marker not in "iUIlL":
            raise UbjsonError("a length that is no number")
        return int(self.number(marker))

    def text(self) -> str:
        return self.take(self.length()).decode("utf-8")

    def value(self, marker: str, depth: int) -> Any:
        if depth > _DEPTH:
            raise UbjsonError("it nests too deep")
        if marker in _NUMBERS:
            return self.number(marker)
        if marker in "ZTF":
            return {"Z": None, "T": True, "F": False}[marker]
        if marker in "SH":
            return self.text()
        if marker == "C":
            return chr(self.take(1)[0])
        if marker not in "[{":
            raise UbjsonError(f"an unknown marker {marker!r}")
        kind, count = self._container()
        if marker == "[" and kind in _NUMBERS and count is not None:
            dtype = np.dtype(_NUMBERS[kind])
            return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        if count is not None and count > len(self.content):
            raise UbjsonError("more parts than bytes")
        return self._list(kind, count, depth) if marker == "[" else self._object(kind, count, depth)

    def _container(self) -> tuple[str | None, int | None]:
        kind = count = None
        if self.content[self.at : self.at + 1] == b"$":
            self.at += 1
            kind = self.marker()
        if self.content[self.at : self.at + 1] == b"#":
            self.at += 1
            count = self.length()
        if (kind is not None and count is None) or (count is not None and count < 0):
            raise UbjsonError("a container without its length")
        return kind, count

    def _list(self, kind: str | None, count: int | None, depth: int) -> list[Any]:
        values: list[Any] = []
        while count is None or len(values) < count:
            marker = kind or self.marker()
            if count is None and marker == "]":
                break
            values.append(self.value(marker, depth + 1))
        return values

    def _object(self, kind: str | None, count: int | None, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        done = 0
        while count is None or done < count:
            marker = self.marker()
            if count is None and marker == "}":
                break
            self.at -= 1
            name = self.text()
            if name in members:
                raise UbjsonError(f"the name {name[:40]!r} twice")
            members[name] = self.value(kind or self.marker(), depth + 1)
            done += 1
        return members
