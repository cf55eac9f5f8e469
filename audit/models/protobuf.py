"""Reading a few fields of an ONNX file without the onnx package: is it a model, what are its classes called, and what
makes its output?

Wire format: https://protobuf.dev/programming-guides/encoding/; field numbers: onnx.proto of ONNX (ModelProto.graph 7,
GraphProto.node 1, NodeProto.input 1, output 2, op_type 4, attribute 5, AttributeProto.name 1, s 4, ints 8, strings 9).
"""

from __future__ import annotations

import json
from collections.abc import Iterator


class NotProtobuf(ValueError):
    """The bytes do not follow the wire format."""


def fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(field number, value) pairs of one message: varints as int, the rest as bytes. Raises NotProtobuf."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise NotProtobuf("field 0")
        if kind == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise NotProtobuf(f"wire type {kind}")
        if at + size > len(data):
            raise NotProtobuf("cut short")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise NotProtobuf("cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise NotProtobuf("a number without end")


def looks_like_onnx(data: bytes) -> bool:
    """True where the bytes are a message with an ir_version, a graph and an opset."""
    try:
        seen = dict(fields(memoryview(data)))
    except NotProtobuf:
        return False
    version = seen.get(1)
    return isinstance(version, int) and 1 <= version < 1000 and isinstance(seen.get(7), memoryview) and 8 in seen


def onnx_classes(data: bytes) -> tuple[str, ...]:
    """The class labels written in the graph's classifier, in the order of its probabilities; () without any.

    A graph without a classifier node may name them in its metadata, as Assay's own do (JSON under CLASSES_KEY).
    """
    try:
        named = _classes_named(data)
        if named:
            return named
        for number, graph in fields(memoryview(data)):
            if number == 7 and isinstance(graph, memoryview):
                found = _classes_of(graph)
                if found:
                    return found
    except NotProtobuf:
        return ()
    return ()


CLASSES_KEY = "assay.classes"


def _classes_named(data: bytes) -> tuple[str, ...]:
    for number, entry in fields(memoryview(data)):
        if number == 14 and isinstance(entry, memoryview):
            parts = {n: bytes(v) for n, v in fields(entry) if isinstance(v, memoryview)}
            if parts.get(1) == CLASSES_KEY.encode():
                try:
                    found = json.loads(parts.get(2, b""))
                except ValueError:
                    return ()
                return tuple(str(c) for c in found) if isinstance(found, list) else ()
    return ()


_LABELS = (b"classlabels_strings", b"classlabels_int64s", b"classlabels_ints")


def _classes_of(graph: memoryview) -> tuple[str, ...]:
    # The last classifier in the graph is the one whose output is the model's.
    found: tuple[str, ...] = ()
    for number, node in fields(graph):
        if number != 1 or not isinstance(node, memoryview):
            continue
        for part, attribute in fields(node):
            if part != 5 or not isinstance(attribute, memoryview):
                continue
            items = list(fields(attribute))
            name = next((bytes(v) for n, v in items if n == 1 and isinstance(v, memoryview)), b"")
            if name not in _LABELS:
                continue
            strings = [bytes(v).decode("utf-8", "replace") for n, v in items if n == 9 and isinstance(v, memoryview)]
            numbers = [str(_signed(v)) for n, v in items if n == 8 and isinstance(v, int)]
            for n, v in items:
                if n == 8 and isinstance(v, memoryview):  # packed
                    at = 0
                    while at < len(v):
                        value, at = _varint(v, at)
                        numbers.append(str(_signed(value)))
            if strings or numbers:
                found = tuple(strings or numbers)
    return found


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_SHAPES = frozenset("Identity Reshape Squeeze Unsqueeze Flatten Transpose Cast Slice Gather Concat Clip".split())
"""Nodes that move or copy numbers: what an output is was settled before them."""


def onnx_maker(data: bytes, output: str) -> str:
    """What makes an output of the graph: the type of the node, "Softmax" also for a classifier that says it applies one
    (post_transform), and "" where the graph does not say. Nodes that only move numbers are passed."""
    made: dict[str, tuple[str, list[str], bytes]] = {}
    try:
        for number, graph in fields(memoryview(data)):
            if number != 7 or not isinstance(graph, memoryview):
                continue
            for part, node in fields(graph):
                if part != 1 or not isinstance(node, memoryview):
                    continue
                given: list[str] = []
                gives: list[str] = []
                kind, after = "", b""
                for n, value in fields(node):
                    if not isinstance(value, memoryview):
                        continue
                    if n == 5:
                        items = [(k, bytes(v)) for k, v in fields(value) if isinstance(v, memoryview)]
                        if (1, b"post_transform") in items:
                            after = next((v for k, v in items if k == 4), b"")
                    else:
                        text = bytes(value).decode("utf-8", "replace")
                        if n == 1:
                            given.append(text)
                        elif n == 2:
                            gives.append(text)
                        elif n == 4:
                            kind = text
                for name in gives:
                    made[name] = kind, given, after
    except NotProtobuf:
        return ""
    name = output
    for _ in range(len(made) + 1):
        if name not in made:
            return ""
        kind, given, after = made[name]
        if after in (b"SOFTMAX", b"LOGISTIC", b"SOFTMAX_ZERO", b"PROBIT"):
            return "Softmax"
        if kind not in _SHAPES or not given:
            return kind
        name = given[0]
    return ""
