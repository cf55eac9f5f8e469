"""Late outcomes by id, however many: a look costs the ids that are asked for, a new file its own rows.

Kept are 64 bits of a hash of each id (as in once.py) and the number of its outcome's name, in sorted runs that double
in length. Newer runs stand over older ones, so that the last outcome of an id counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

Hashes = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int32]
Run = tuple[Hashes, Codes]


class Late:
    """Outcomes by id. Names of outcomes have numbers from 0, in the order in which they came."""

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._names: dict[str, int] = {}

    def run(self, hashes: Hashes, outcomes: Sequence[str], codes: npt.NDArray[np.int64]) -> tuple[Run, int]:
        """Ids (n,) with outcomes[codes] (n,) as a sorted run, the last of each id, and how many ids had two."""
        for name in outcomes:
            self._names.setdefault(name, len(self._names))
        mine = np.array([self._names[n] for n in outcomes], dtype=np.int32)[codes] if len(codes) else codes
        order = np.argsort(hashes, kind="stable")
        sorted_hashes, sorted_codes = hashes[order], mine[order].astype(np.int32)
        last = np.append(sorted_hashes[1:] != sorted_hashes[:-1], True) if len(hashes) else np.zeros(0, dtype=bool)
        unlike = (sorted_hashes[1:] == sorted_hashes[:-1]) & (sorted_codes[1:] != sorted_codes[:-1])
        return (sorted_hashes[last], sorted_codes[last]), len(np.unique(sorted_hashes[1:][unlike]))

    def add(self, run: Run) -> int:
        """Put a run over those that are there; of how many of its ids another outcome was known."""
        hashes, codes = run
        if not len(hashes):
            return 0
        before = self._of(hashes)
        differ = int(((before >= 0) & (before != codes)).sum())
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2][0]) <= 2 * len(self._runs[-1][0]):
            newer, older = self._runs.pop(), self._runs.pop()
            both = np.concatenate([older[0], newer[0]])
            order = np.argsort(both, kind="stable")  # of one id the newer comes last
            mine = np.concatenate([older[1], newer[1]])[order]
            both = both[order]
            last = np.append(both[1:] != both[:-1], True)
            self._runs.append((both[last], mine[last]))
        return differ

    def clear(self) -> None:
        """Forget all but the numbers of the names."""
        self._runs = []

    def _of(self, hashes: Hashes) -> Codes:
        out = np.full(len(hashes), -1, dtype=np.int32)
        for known, codes in reversed(self._runs):
            if len(known) and len(hashes):
                at = np.minimum(np.searchsorted(known, hashes), len(known) - 1)
                hit = (known[at] == hashes) & (out < 0)
                out[hit] = codes[at[hit]]
        return out

    def known(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these ids have outcomes, (n,)."""
        return self._of(hashes) >= 0

    def of(self, hashes: Hashes) -> pd.api.extensions.ExtensionArray:
        """The outcomes of these ids as names, missing where there is none, (n,)."""
        return pd.array([*self._names, None], dtype="str").take(self._of(hashes))


def hashes_of(names: Sequence[str]) -> Hashes:
    """64 bits for each name, (n,)."""
    return pd.util.hash_array(np.array([*names, ""], dtype=object), categorize=False)[:-1].astype(np.uint64)
