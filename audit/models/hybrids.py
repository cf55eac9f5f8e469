"""Many rows put together from the cells of a few, said briefly: which of two rows each cell is from.

An explanation asks a model about millions of rows between a person's and another's. The rows that they are made of
cross to the model's process once; then a bit a cell (`Hybrids`), or for rows that follow each other on a walk a number
for a whole column of them (`Walks`); the process builds the rows. Everyone else builds them with `frame`. The values,
their types and their order in memory are those of a frame that crossed whole.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
BLOCK_BYTES = 2**25
MOST_ROWS = 40_000


def rows_in_block(columns: int) -> int:
    """How many made-up rows are asked about in one go, so that memory is the same however many columns there are."""
    return max(256, min(MOST_ROWS, BLOCK_BYTES // (8 * max(columns, 1))))


class Base:
    """The rows that cells are taken from, with the digest that tells them from others."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    @cached_property
    def digest(self) -> str:
        """The sha256 of columns, types and values, in hex."""
        digest = hashlib.sha256()
        for name in self.frame.columns:
            digest.update(f"{name}\x00{self.frame[name].dtype}\x00".encode())
        if len(self.frame.columns):
            digest.update(pd.util.hash_pandas_object(self.frame, index=False).to_numpy().tobytes())
        return digest.hexdigest()


class LazyRows(ABC):
    """Rows that are described and not yet built."""

    base: Base

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def part(self, start: int, stop: int) -> LazyRows:
        """Some of the rows."""

    @abstractmethod
    def on(self, base: Base, places: Sequence[int]) -> LazyRows:
        """The same of some of the columns, which are those of `base`."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """What crosses beside the base."""

    @property
    def columns(self) -> pd.Index:
        return self.base.frame.columns

    def digest(self) -> bytes:
        """The sha256 of all that decides what the rows are."""
        digest = hashlib.sha256(self.base.digest.encode())
        for name, array in self.arrays().items():
            digest.update(f"{name}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return digest.digest()

    def frame(self) -> pd.DataFrame:
        """The rows."""
        return of_arrays(blocks_of(self.base.frame), self.arrays())


@dataclass(frozen=True, slots=True, eq=False)
class Hybrids(LazyRows):
    """E rows: cell j of row e is base row first[e]'s where mask[e, j], else base row second[e]'s.

    mask (E, M); first, second (E,): places among the rows of the base, whose M columns these are.
    """

    base: Base
    mask: Bools
    first: Ints
    second: Ints

    def __len__(self) -> int:
        return len(self.mask)

    def part(self, start: int, stop: int) -> Hybrids:
        place = slice(start, stop)
        return replace(self, mask=self.mask[place], first=self.first[place], second=self.second[place])

    def on(self, base: Base, places: Sequence[int]) -> Hybrids:
        return replace(self, base=base, mask=_columns(self.mask, places))

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            "hybrid.mask": np.packbits(self.mask, axis=1),
            "hybrid.first": self.first.astype(np.int32),
            "hybrid.second": self.second.astype(np.int32),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Walks(LazyRows):
    """The rows between base row second[p] and base row first[p], one after the other, of P walks.

    rank (P, M): as the how-maniest column j turns into the first row's, STILL where it never does; inner (P,): how many
    rows lie between. Row k = 1 ... inner[p] has the first row's value where rank < k. After the rows of all walks come
    those of all walks the other way round: the first row's value where k <= rank, and not STILL.
    """

    base: Base
    rank: npt.NDArray[np.int16] | npt.NDArray[np.int32]
    inner: Ints
    first: Ints
    second: Ints

    def __len__(self) -> int:
        return 2 * int(self.inner.sum())

    def part(self, start: int, stop: int) -> LazyRows:
        return self if start == 0 and stop >= len(self) else self.hybrids().part(start, stop)

    def on(self, base: Base, places: Sequence[int]) -> Walks:
        return replace(self, base=base, rank=_columns(self.rank, places))

    def arrays(self) -> dict[str, np.ndarray]:
        return {
            "walk.rank": self.rank,
            "walk.inner": self.inner.astype(np.int32),
            "walk.first": self.first.astype(np.int32),
            "walk.second": self.second.astype(np.int32),
        }

    def hybrids(self) -> Hybrids:
        """The same rows by a bit a cell."""
        walk, k = places_on(self.inner)
        turned = self.rank[walk] < k[:, None]
        kept = ~turned & (self.rank[walk] < still(self.rank))
        first, second = self.first[walk], self.second[walk]
        return Hybrids(self.base, np.concatenate([turned, kept]), np.tile(first, 2), np.tile(second, 2))


def still(rank: npt.NDArray[Any]) -> int:
    """The rank of what never turns."""
    return int(np.iinfo(rank.dtype).max)


def places_on(inner: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """Of each row of the walks that turn one way: which walk it is on, and its place there, from 1."""
    walk = np.repeat(np.arange(len(inner)), inner)
    return walk, np.arange(len(walk)) - np.repeat(np.cumsum(inner) - inner, inner) + 1


def _columns(array: npt.NDArray[Any], places: Sequence[int]) -> npt.NDArray[Any]:
    return array if list(places) == list(range(array.shape[1])) else array[:, places]


def of_arrays(blocks: Blocks, arrays: dict[str, np.ndarray]) -> pd.DataFrame:
    """The rows, from what crossed; takes its own entries out of `arrays`."""
    if "walk.rank" in arrays:
        return walked(blocks, *(arrays.pop(f"walk.{name}") for name in ("rank", "inner", "first", "second")))
    mixed = unpacked(arrays, len(blocks.names))
    for name in ("mask", "first", "second"):
        del arrays[f"hybrid.{name}"]
    return built(blocks, *mixed)


def unpacked(arrays: dict[str, np.ndarray], columns: int) -> tuple[Bools, npt.NDArray[Any], npt.NDArray[Any]]:
    """mask (E, M), first and second (E,) of what crossed of `Hybrids`."""
    bits, first, second = (arrays[f"hybrid.{name}"] for name in ("mask", "first", "second"))
    return np.unpackbits(bits, axis=1, count=columns).view(np.bool_), first, second


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A frame by its kinds of numbers: (places of the columns, their values (m, n)); and its other columns."""

    names: pd.Index
    numbers: tuple[tuple[list[int], np.ndarray], ...]
    others: tuple[tuple[int, pd.Series], ...]


def blocks_of(frame: pd.DataFrame) -> Blocks:
    """The columns of one NumPy kind of number together."""
    kinds: dict[Any, list[int]] = {}
    others = []
    for j, dtype in enumerate(frame.dtypes):
        if isinstance(dtype, np.dtype) and dtype.kind in "iufb":
            kinds.setdefault(dtype, []).append(j)
        else:
            others.append((j, frame.iloc[:, j]))
    numbers = tuple((at, np.ascontiguousarray(frame.iloc[:, at].to_numpy().T)) for at in kinds.values())
    return Blocks(frame.columns, numbers, tuple(others))


def built(blocks: Blocks, mask: Bools, first: npt.NDArray[Any], second: npt.NDArray[Any]) -> pd.DataFrame:
    """The rows: mask (E, M), first and second (E,)."""
    turned = np.ascontiguousarray(mask.T)
    second = second.astype(np.intp)
    apart = first - second

    def numbers(at: Sequence[int], values: np.ndarray) -> np.ndarray:
        columns = np.empty((len(at), len(mask)), dtype=values.dtype)
        for k, j in enumerate(at):  # a column at a time: what is read and written stays near
            # A product is three times as fast as np.where. Without "clip" take would copy `out` first.
            values[k].take(second + apart * turned[j], out=columns[k], mode="clip")
        return columns

    return _joined(blocks, len(mask), numbers, lambda j: second + apart * turned[j])


def walked(
    blocks: Blocks,
    rank: npt.NDArray[Any],
    inner: npt.NDArray[Any],
    first: npt.NDArray[Any],
    second: npt.NDArray[Any],
) -> pd.DataFrame:
    """The rows of walks: rank (P, M), the others (P,). A column of a walk is one value and then another."""
    inner, first, second = (a.astype(np.intp) for a in (inner, first, second))
    turns = np.ascontiguousarray(rank.T)
    ends = np.stack([second, first, first, second]).reshape(2, 2, -1).transpose(0, 2, 1)  # (way, walk, before or after)

    def often(at: Sequence[int]) -> npt.NDArray[np.intp]:
        """(m, 2, P, 2): how many rows of each walk, each way, are before the turn and after it."""
        turn = turns[list(at)]
        ahead = np.minimum(turn, inner)
        back = np.where(turn == still(rank), 0, ahead)
        return np.stack([ahead, inner - ahead, back, inner - back], axis=1).reshape(
            len(at), 2, 2, -1).transpose(0, 1, 3, 2)  # fmt: skip

    def numbers(at: Sequence[int], values: np.ndarray) -> np.ndarray:
        return np.repeat(values[:, ends].ravel(), often(at).ravel()).reshape(len(at), -1)

    rows = 2 * int(inner.sum())
    return _joined(blocks, rows, numbers, lambda j: np.repeat(ends.ravel(), often([j]).ravel()))


def _joined(
    blocks: Blocks,
    rows: int,
    numbers: Callable[[Sequence[int], np.ndarray], np.ndarray],
    places: Callable[[int], npt.NDArray[np.intp]],
) -> pd.DataFrame:
    """Columns of numbers a kind at a time, (m, rows) each, and the others by the places of their cells, (rows,)."""
    parts = [pd.DataFrame(numbers(at, values).T, copy=False) for at, values in blocks.numbers]
    order = [j for at, _ in blocks.numbers for j in at]
    for j, series in blocks.others:
        parts.append(series.take(places(j)).reset_index(drop=True).to_frame())
        order.append(j)
    if len(parts) == 1 and order == list(range(len(order))):
        return parts[0].set_axis(blocks.names, axis=1)
    joined = pd.concat(parts, axis=1) if parts else pd.DataFrame(index=range(rows))
    joined.columns = pd.RangeIndex(joined.shape[1])
    return joined[np.argsort(order)].set_axis(blocks.names, axis=1)
