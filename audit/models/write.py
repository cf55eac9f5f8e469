"""A fitted model as skops bytes that are the same every time.

skops numbers the parts of a model by their address in memory, names the arrays in the archive after those numbers or
after random ones, and stamps each with the time. Two saves of one model therefore differ, and a hash of the file says
nothing about the model. Here the parts are numbered in the order in which they are met and the clock is left out.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip archive can hold
_CONSTANTS = {"JsonNode", "TupleNode", "TypeNode", "FunctionNode", "DTypeNode"}


def skops_bytes(model: Any) -> bytes:
    """`model` in skops format, byte for byte the same for equal models under the same versions.

    Raises whatever skops raises for a type that it cannot write (`skops.io.exceptions.UnsupportedTypeException`).
    """
    import skops.io

    return _normalised(skops.io.dumps(model))


def _normalised(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        parts = {name: source.read(name) for name in source.namelist()}
    numbers: dict[int | str, int] = {}
    names: dict[str, str] = {}

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(child) for child in node]
        if not isinstance(node, dict):
            return node
        out: dict[str, Any] = {}
        for key, value in node.items():
            if key == "file" and isinstance(value, str) and value in parts:
                out[key] = names.setdefault(value, f"{len(names) + 1}.{value.rpartition('.')[2]}")
            elif key != "__id__":
                out[key] = walk(value)
        if "__id__" in node:
            # Whether two equal constants are one object is Python's affair and differs from process to process, so
            # constants are told apart by what they are. All else keeps its identity: shared parts stay shared.
            constant = node.get("__loader__") in _CONSTANTS
            identity = json.dumps(out, sort_keys=True) if constant else node["__id__"]
            out["__id__"] = numbers.setdefault(identity, len(numbers) + 1)
        return out

    schema = walk(json.loads(parts.pop("schema.json")))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for old, new in names.items():
            _add(target, new, parts[old])
        _add(target, "schema.json", json.dumps(schema, separators=(",", ":")).encode())
    return out.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # one answer on every system
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
