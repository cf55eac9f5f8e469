"""Reading a few fields of an ONNX file without the onnx package: is it a model, what are its classes called, and what
makes its output?

Wire format: https://protobuf.dev/programming-guides/encoding/; field numbers: onnx.proto of ONNX (ModelProto.graph 7,
GraphProto.node 1, NodeProto.input 1, output 2, op_type 4, attribute 5, AttributeProto.name 1, s 4, ints 8, strings 9).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple


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


def _messages(data: memoryview, number: int) -> Iterator[memoryview]:
    """The messages, texts and packed lists under one field number. Raises NotProtobuf."""
    return (value for n, value in fields(data) if n == number and isinstance(value, memoryview))


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
        for graph in _messages(memoryview(data), 7):
            if classes := _classes_of(graph):
                return classes
    except NotProtobuf:
        return ()
    return ()


CLASSES_KEY = "assay.classes"


def _classes_named(data: bytes) -> tuple[str, ...]:
    for entry in _messages(memoryview(data), 14):
        parts = {n: bytes(v) for n, v in fields(entry) if isinstance(v, memoryview)}
        if parts.get(1) == CLASSES_KEY.encode():
            try:
                classes = json.loads(parts.get(2, b""))
            except ValueError:
                return ()
            return tuple(str(c) for c in classes) if isinstance(classes, list) else ()
    return ()


_LABELS = (b"classlabels_strings", b"classlabels_int64s", b"classlabels_ints")


def _classes_of(graph: memoryview) -> tuple[str, ...]:
    # The last classifier in the graph is the one whose output is the model's.
    classes: tuple[str, ...] = ()
    for node in _messages(graph, 1):
        for attribute in _messages(node, 5):
            names = [bytes(v) for v in _messages(attribute, 1)]
            if names and names[0] in _LABELS:
                classes = _labels_of(attribute) or classes
    return classes


def _labels_of(attribute: memoryview) -> tuple[str, ...]:
    """Texts of an attribute, or else its whole numbers, one by one or packed."""
    strings = [bytes(v).decode("utf-8", "replace") for v in _messages(attribute, 9)]
    numbers: list[str] = []
    packed: list[str] = []
    for n, v in fields(attribute):
        if n == 8 and isinstance(v, int):
            numbers.append(str(_signed(v)))
        elif n == 8 and isinstance(v, memoryview):
            at = 0
            while at < len(v):
                value, at = _varint(v, at)
                packed.append(str(_signed(value)))
    return tuple(strings or [*numbers, *packed])


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


_SHAPES = frozenset("Identity Reshape Squeeze Unsqueeze Flatten Transpose Cast Slice Gather Concat Clip".split())
"""Nodes that move or copy numbers: what an output is was settled before them."""


def onnx_maker(data: bytes, output: str) -> str:
    """What makes an output of the graph: the type of the node, "Softmax" also for a classifier that says it applies one
    (post_transform), and "" where the graph does not say. Nodes that only move numbers are passed."""
    try:
        producers: dict[str, _Node] = {}
        for graph in _messages(memoryview(data), 7):
            for message in _messages(graph, 1):
                node = _node(message)
                producers |= dict.fromkeys(node.gives, node)
    except NotProtobuf:
        return ""
    name = output
    for _ in range(len(producers) + 1):
        if name not in producers:
            return ""
        node = producers[name]
        if node.after in (b"SOFTMAX", b"LOGISTIC", b"SOFTMAX_ZERO", b"PROBIT"):
            return "Softmax"
        if node.kind not in _SHAPES or not node.given:
            return node.kind
        name = node.given[0]
    return ""


class _Node(NamedTuple):
    """A node of the graph: names of its inputs and outputs, its type, its post_transform."""

    given: tuple[str, ...]
    gives: tuple[str, ...]
    kind: str
    after: bytes


def _node(node: memoryview) -> _Node:
    """NodeProto: 1 input, 2 output, 4 op_type, 5 attribute. Raises NotProtobuf."""
    texts: dict[int, list[str]] = {1: [], 2: [], 4: []}
    after = b""
    for n, value in fields(node):
        if not isinstance(value, memoryview):
            continue
        if n == 5:
            items = [(k, bytes(v)) for k, v in fields(value) if isinstance(v, memoryview)]
            if (1, b"post_transform") in items:
                after = next((v for k, v in items if k == 4), b"")
        elif n in texts:
            texts[n].append(bytes(value).decode("utf-8", "replace"))
    return _Node(tuple(texts[1]), tuple(texts[2]), (texts[4] or [""])[-1], after)
