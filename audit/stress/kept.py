"""Fits are made once: long work goes on where it was stopped, and a second one finds what the first has made.

What is kept are decisions and scores, no person's values. The key is the sha256 of everything that they follow from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.answers import current, key_of
from audit.evidence import tool

Arrays = tuple[npt.NDArray[Any], ...]


class Kept:
    """What work of this kind (what) on these data (their sha256) has made, by key, in the store that is in use."""

    def __init__(self, what: str, data: str, *, passing: bool = False) -> None:
        """passing: only until `whole`, as where a model's environment may be another one next time."""
        self._store = current()
        self._about = key_of({"what": what, "tool": tool(), "data": data}).encode()
        self._passing = passing
        if passing and self._store is not None:
            self._store.part = hashlib.sha256(self._about).digest()

    def whole(self) -> None:
        """The work is done."""
        if self._passing and self._store is not None:
            self._store.forget_part()
            self._store.part = None

    def __call__(self, key: bytes, make: Callable[[], Arrays]) -> Arrays:
        """What is kept under `key`, else what `make` gives: arrays of numbers that float64 holds exactly."""
        if self._store is None:
            return make()
        place = hashlib.sha256(self._about + key).digest()
        if (entry := self._store.get(place)) is not None:
            return tuple(
                np.frombuffer(entry.body[4:], "<f8")
                .astype(np.float64)
                .reshape(int.from_bytes(entry.body[:4], "little"), -1)
            )
        arrays = make()
        self._store.put(place, "fit", len(arrays).to_bytes(4, "little") + np.stack(arrays).astype("<f8").tobytes())
        return arrays


def question(frame: pd.DataFrame) -> bytes:
    """The sha256 of a frame's columns, types and values."""
    digest = hashlib.sha256()
    for name in frame.columns:
        digest.update(f"{name}\x00{frame[name].dtype}\x00".encode())
    if len(frame.columns):
        digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.digest()


def asked_key(*parts: str | pd.DataFrame | npt.NDArray[np.int64]) -> bytes:
    """The sha256 of texts, tables and arrays, in order."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, pd.DataFrame):
            digest.update(question(part))
        else:
            digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part.tobytes()).digest())
    return digest.digest()
