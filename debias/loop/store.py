"""Models by their content: a file is named after its sha256, and what runs is a pointer.

    OUT/models/SHA.skops     the model's bytes
    OUT/models/ID.json       how it decides: which file, at which threshold(s); ID is this document's sha256
    OUT/running.json         the pointer, written after the trail says so

A promoted model and its predecessor are both there, so that a rollback moves a pointer and nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from audit.errors import DataError
from audit.files import canonical, read_json, write_whole

SCHEMA = "assay/served/1"
POINTER_SCHEMA = "assay/running/1"


def bytes_of(path: Path) -> bytes:
    """A model file as it is. Raises DataError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the model {path.name} cannot be read", got=error.strerror or str(error), todo="check the path"
        ) from error


@dataclass(frozen=True, slots=True)
class Served:
    """How a model decides. file: sha256 of a file in the store, or None for the case's own model or column.

    groups: thresholds of groups of `attributes`, in place of `threshold`, where the policy lets a rule read them.
    """

    id: str
    method: str
    file: str | None
    format: str | None
    threshold: float | None
    attributes: tuple[str, ...] = ()
    groups: tuple[tuple[tuple[str, ...], float], ...] = ()
    base: str | None = None


class _Threshold(msgspec.Struct):
    group: tuple[str, ...]
    threshold: float


class _Kept(msgspec.Struct):
    """How a model decides, as it is kept."""

    method: str
    file: str | None = None
    format: str | None = None
    threshold: int | float | None = None
    attributes: tuple[str, ...] | None = None
    groups: tuple[_Threshold, ...] | None = None
    base: str | None = None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


class Store:
    """The folder OUT/models."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out / "models"
        self.pointer = out / "running.json"

    def put(self, content: bytes, suffix: str) -> str:
        """Keep a file; its sha256."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.folder / f"{digest}.{suffix}"
        if not path.exists():
            write_whole(path, content)
        return digest

    def path(self, digest: str, suffix: str = "skops") -> Path:
        """Where a kept file is. Raises DataError where it is gone or was changed."""
        path = self.folder / f"{digest}.{suffix}"
        content = _content(path)
        if content is None or hashlib.sha256(content).hexdigest() != digest:
            raise DataError(
                "a model of the store is missing or was changed",
                got="no file that can be read" if content is None else "other bytes",
                expected=f"{digest[:12]}... in {self.folder}",
                todo="put the file back from a copy; its name is its sha256",
            )
        return path

    def serve(self, **fields: Any) -> Served:
        """Keep how a model decides."""
        document = {"schema": SCHEMA, **fields}
        content = canonical(document)
        return self._read(document, self.put(content, "json"))

    def served(self, served_id: str) -> Served:
        """How the model of this id decides. Raises DataError."""
        return self._read(read_json(self.path(served_id, "json")), served_id)

    def _read(self, document: dict[str, Any], served_id: str) -> Served:
        kept = msgspec.convert(document, _Kept)
        groups = tuple((g.group, float(g.threshold)) for g in kept.groups or ())
        return Served(
            served_id, kept.method, kept.file, kept.format, kept.threshold, kept.attributes or (), groups, kept.base
        )

    def point(self, served_id: str, **more: Any) -> bytes | None:
        """What runs, for whoever serves decisions (running.py). What was there instead, where somebody edited it."""
        served = self.served(served_id)
        document = {"file": served.file, "format": served.format, "threshold": served.threshold, **more}
        content = canonical({"schema": POINTER_SCHEMA, "model": served_id, **document})
        before = _content(self.pointer)
        if before == content:
            return None
        write_whole(self.pointer, content)
        ours, self._written = getattr(self, "_written", None), content
        return before if ours is not None and before != ours else None
