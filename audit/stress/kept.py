"""Long work that was stopped goes on where it was: answers and fits are kept by content until the whole is written.

What is kept are decisions and scores, no person's values. The key is the sha256 of everything that an answer follows
from: what was asked, of which model; the folder's name holds the data's hash and the versions of all packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit import progress
from audit.errors import OutputError
from audit.evidence import tool
from audit.explain.resume import question
from audit.explain.store import Store, key_of
from audit.files import write_whole

Arrays = tuple[npt.NDArray[Any], ...]


class Kept:
    """A folder of answers by key, beside the run (or under ASSAY_HOME)."""

    def __init__(self, out: Path, what: str, data: str) -> None:
        self.folder = Store(out).folder / f"{what}-{key_of({'tool': tool(), 'data': data})[:32]}.parts"
        if self.folder.is_dir() and (many := sum(1 for p in self.folder.iterdir() if len(p.name) == 64)):
            progress.say(f"Going on where it was stopped: {many} answers and fits are there already.")

    def __call__(self, key: bytes, make: Callable[[], Arrays]) -> Arrays:
        """What is kept under `key`, else what `make` gives: arrays of numbers that float64 holds exactly."""
        path = self.folder / key.hex()
        try:
            head, _, body = path.read_bytes().partition(b"\n")
        except OSError:
            head, body = b"", b""
        if body and head == hashlib.sha256(body).hexdigest().encode():
            width = int.from_bytes(body[:4], "little")
            return tuple(np.frombuffer(body[4:], dtype="<f8").astype(np.float64).reshape(width, -1))
        made = make()
        body = len(made).to_bytes(4, "little") + np.stack(made).astype("<f8").tobytes()
        with contextlib.suppress(OutputError):  # a full disk costs the memory and nothing else
            write_whole(path, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        return made

    def forget(self) -> None:
        """The whole is written: the memory goes."""
        shutil.rmtree(self.folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.folder.parent.rmdir()  # where nothing else is in it


def asked_key(*parts: str | pd.DataFrame | npt.NDArray[np.int64]) -> bytes:
    """The sha256 of texts, tables and arrays, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, pd.DataFrame):
            digest.update(question(part))
        else:
            digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part.tobytes()).digest())
    return digest.digest()
