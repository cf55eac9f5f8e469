"""A skops file rewritten so that equal models are equal bytes: for hashes that a second run can reproduce."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import PurePosixPath
from typing import Any


def canonical(content: bytes) -> bytes:
    """The same skops archive with its parts numbered in the schema's order, fixed times, and deflated.

    Parts that hold the same bytes are kept once. What the file loads to is unchanged.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read("schema.json"))
        parts: dict[str, str] = {}
        ids: dict[Any, int] = {}
        by_content: dict[bytes, str] = {}
        blocks: dict[str, bytes] = {}
        for node in _nodes(schema):
            if "__id__" in node:
                node["__id__"] = ids.setdefault(node["__id__"], len(ids) + 1)
            old = node.get("file")
            if isinstance(old, str):
                if old not in parts:
                    block = archive.read(old)
                    new = by_content.setdefault(block, f"{len(by_content):06d}{PurePosixPath(old).suffix}")
                    blocks[new] = block
                    parts[old] = new
                node["file"] = parts[old]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, block in sorted(blocks.items()):
            _put(archive, name, block)
        _put(archive, "schema.json", json.dumps(schema, indent=1).encode())
    return out.getvalue()


def _put(archive: zipfile.ZipFile, name: str, block: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, block, compresslevel=6)


def _nodes(schema: Any) -> list[dict[str, Any]]:
    """Every node of the schema, parents first, in the order written."""
    found: list[dict[str, Any]] = []
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            # Only what skops wrote carries a loader; a model's own dict may have keys called "file".
            if "__loader__" in node:
                found.append(node)
            waiting.extend(reversed(list(node.values())))
        elif isinstance(node, list):
            waiting.extend(reversed(node))
    return found
