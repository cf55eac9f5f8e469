"""Batches without the few rows that their model could not decide: the same ones whenever a batch is read again.

Such a row is told by 64 bits over its features, so that it needs no `id`; rows that have the same features are decided
alike, or none of them is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from debias.loop.arrival import Arrival, Source, Through
from debias.loop.once import Hashes, hashes_of

_ODD = np.uint64(0x9E3779B97F4A7C15)


class Without(Through):
    """A source without the rows that were put aside. kept: batch number (as text) -> `row_hashes` of them."""

    def __init__(self, source: Source, kept: Mapping[str, Sequence[str]]) -> None:
        super().__init__(source)
        self.again(kept)

    def again(self, kept: Mapping[str, Sequence[str]]) -> None:
        """Begin again from what the trail has."""
        self.kept = dict(kept)

    def read(self, number: int) -> Arrival:
        arrival = self._source.read(number)
        mine = self.kept.get(str(number))
        if mine is None or arrival.problem is not None:
            return arrival
        keep = ~np.isin(_features(arrival.frame, self.features), [np.uint64(int(v, 16)) for v in mine])
        return replace(arrival, frame=arrival.frame[keep].reset_index(drop=True))


def row_hashes(frame: pd.DataFrame, features: Sequence[str]) -> list[str]:
    """The rows of a frame as they are found again: 64 bits of each one's features, in hexadecimal."""
    return sorted({f"{v:016x}" for v in _features(frame, features).tolist()})


def _features(frame: pd.DataFrame, features: Sequence[str]) -> Hashes:
    out = np.zeros(len(frame), dtype=np.uint64)
    for feature in features:
        each, known = hashes_of(frame[feature])
        out = (out ^ (out >> np.uint64(29))) * _ODD + np.where(known, each, np.uint64(1))
    return out
