"""Each person counts once: rows of people who were counted before are left out, whatever file brings them again.

Who somebody is, `cluster` or else `id` says; a row without a value there is a person of its own. Of several rows of
one person in a batch the first counts. What the loop promises about false alarms is for people who come once: what is
decided about one person again is no new evidence about a group, and taking it as such finds gaps where there are none
(tests/debias/loop/test_once.py counts how often).

Kept are 64 bits of a hash of each value (pandas' SipHash with a fixed key), so that of a million people two are taken
for one with a chance of 3 in 100 million. It is no secret: who has the values can look them up.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.load.values import coded
from audit.numbers import are, many
from debias.loop.arrival import Arrival, Source, Through

Hashes = npt.NDArray[np.uint64]
BITS = 27
"""The first so many bits of a hash have a place in the map: 16 MB, one in 28 taken by 5 million people."""

EACH = 8
"""So many runs are put together at once: of a thousand batches each hash is moved three times."""


class People:
    """Who was counted, as sorted runs of hashes: EACH of one length become one of the next. A map of bits says first
    who surely was not, so that a look costs its rows once in memory, however many were counted.
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []
        self._bits = np.zeros(1 << (BITS - 3), dtype=np.uint8)

    def add(self, hashes: Hashes) -> None:
        place = hashes >> np.uint64(64 - BITS)
        np.bitwise_or.at(self._bits, place >> np.uint64(3), np.uint8(1) << (place & np.uint64(7)).astype(np.uint8))
        self._runs.append(np.sort(hashes))
        while len(self._runs) >= EACH and len(self._runs[-EACH]) <= 2 * len(self._runs[-1]):
            self._runs[-EACH:] = [np.sort(np.concatenate(self._runs[-EACH:]), kind="stable")]

    def seen(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these were counted, (n,)."""
        place = hashes >> np.uint64(64 - BITS)
        out: npt.NDArray[np.bool_] = (
            self._bits[place >> np.uint64(3)] >> (place & np.uint64(7)).astype(np.uint8)
        ) & 1 > 0
        maybe = np.flatnonzero(out)
        wanted = hashes[maybe]
        matched = np.zeros(len(wanted), dtype=bool)
        for run in self._runs:
            if len(run):
                at = np.minimum(np.searchsorted(run, wanted), len(run) - 1)
                matched |= run[at] == wanted
        out[maybe] = matched
        return out


class Once(Through):
    """A source whose batches hold people who were not counted before. counted: number and hashes of each batch.

    Batches that were counted are read again as they were then.
    """

    def __init__(self, source: Source, column: str, counted: Iterable[tuple[int, bytes]]) -> None:
        super().__init__(source)
        self._column = column
        self._nameless: dict[int, str] = {}
        self.recounted(counted)

    def recounted(self, counted: Iterable[tuple[int, bytes]]) -> None:
        """Begin again from what the trail has."""
        self._people = People()
        self._of: dict[int, Hashes] = {}
        for number, content in counted:
            self.counted(number, content)

    def counted(self, number: int, content: bytes) -> None:
        """The people of a batch, as `Arrival.people` gave them, are counted."""
        self._of[number] = np.frombuffer(content, dtype="<u8").astype(np.uint64)
        self._people.add(self._of[number])

    def read(self, number: int) -> Arrival:
        arrival = self._source.read(number)
        if arrival.problem is not None or self._column not in arrival.frame.columns or not len(arrival.frame):
            return arrival
        hashes, known = hashes_of(arrival.frame[self._column])
        mine = self._of.get(number)
        keep = ~known | ~pd.Series(hashes).duplicated().to_numpy()
        if mine is not None:
            keep &= ~known | np.isin(hashes, mine)
        else:
            keep &= ~known | ~self._people.seen(hashes)
        people = hashes[keep & known].astype("<u8").tobytes()
        again = int((~keep).sum())
        nameless = int((~known).sum())
        if nameless and mine is None:
            self._nameless[number] = (
                f"{many(nameless, 'row')} of {arrival.id} {are(nameless)} without a value in {self._column!r}: each is "
                "counted as a person of its own, whoever was counted before."
            )
        frame = arrival.frame if not again else arrival.frame[keep].reset_index(drop=True)
        return replace(arrival, frame=frame, again=again, people=people)

    def notes(self) -> list[str]:
        nameless, self._nameless = list(self._nameless.values()), {}
        return [*super().notes(), *nameless]


def hashes_of(column: pd.Series) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """64 bits for each row's value, (n,), and whether there is one; 7, 7.0 and "7" are one value."""
    codes, names = coded(column)
    each = pd.util.hash_array(np.array([*names, ""], dtype=object), categorize=False).astype(np.uint64)
    return each[codes], codes >= 0


def once(case: Case, source: Source, counted: Iterable[tuple[int, bytes]]) -> Source:
    """The source as it is where nothing says who somebody is."""
    column = case.data.cluster or case.data.id
    return source if column is None else Once(source, column, counted)
