"""Explanations kept under the hash of everything that they follow from; the same question is answered from disk.

The key is the sha256 of model, data, parameters, seed and versions. A stored answer carries its own hash; one that was
damaged is made again. The folder is ASSAY_HOME/explanations, or `.store` in the run folder, as where cases are sealed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

from audit.errors import OutputError
from audit.files import write_whole

KEPT = 50
"""How many explanations a store holds; the ones asked for longest ago make room."""

LEFT_SECONDS = 7 * 24 * 3600.0
"""How long the memory of unfinished work is kept."""


def key_of(facts: dict[str, Any]) -> str:
    """The sha256 of `facts` as canonical JSON; the order of keys does not matter."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """A folder of answers by key."""

    def __init__(self, out: Path) -> None:
        home = os.environ.get("ASSAY_HOME")
        # Where cases are sealed, an explanation of persons lies in its case and is sealed with it.
        kept = home and not os.environ.get("ASSAY_RECIPIENT")
        self.folder = Path(str(home)) / "explanations" if kept else Path(out) / ".store"

    def get(self, key: str) -> bytes | None:
        """The stored bytes, or None where there are none or they are not what was written."""
        path = self.folder / f"{key}.json"
        try:
            content = path.read_bytes()
        except OSError:
            return None
        head, _, body = content.partition(b"\n")
        if head.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return body

    def put(self, key: str, body: bytes) -> None:
        """Keep `body`. A full disk costs the copy and nothing else."""
        try:
            write_whole(self.folder / f"{key}.json", hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        except OutputError:
            return
        self._make_room()

    def _make_room(self) -> None:
        try:
            files = sorted(self.folder.glob("*.json"), key=lambda p: p.stat().st_mtime)
            for old in files[:-KEPT]:
                old.unlink(missing_ok=True)
            # Memories of work that was cancelled and never taken up again (resume.py).
            for left in self.folder.glob("*.parts"):
                if time.time() - left.stat().st_mtime > LEFT_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        except OSError:
            return
