"""Shapley values of sums of trees against a background, exactly: interventional TreeSHAP, leaf by leaf.

The game (Lundberg et al. 2020, "From local explanations to global understanding", interventional): a feature in the
coalition has the person's value, the others those of a background row, and the worth is the mean over the background
of what the trees add up to. A leaf is reached where each feature on its way is satisfied by whom it is taken from. So a
leaf sees of a row one bit for each feature on its way, and of the whole background only how many rows have which bits
(Nadel and Wettenstein 2025, "From decision trees to Boolean logic"). With a features satisfied by the person only and b
by the background row only, the worth of 1 is shared as (a-1)! b! / (a+b)! to each of the former and
-a! (b-1)! / (a+b)! to each of the latter; if some feature is satisfied by neither, nothing.

Columns that were encoded from one column of the data are one player, as in the permutation method.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import factorial

import numpy as np
import numpy.typing as npt

from audit.explain.kinds import Bools, Floats, Ints
from audit.explain.tree_read import Tree

MOST_PLAYERS = 16
"""Features on the way to one leaf: its bits stand in 16."""
LEAF_SECONDS, CELL_SECONDS, BIT_SECONDS = 1e-4, 1.5e-9, 4e-9
"""What a leaf costs; a cell of its table; a feature of a row at a leaf. Measured, to a factor of two."""

Bits = npt.NDArray[np.uint16]


def seconds(trees: Sequence[Tree], own: Ints, rows: int, most: float) -> float:
    """About how long `values` takes; counting stops beyond `most`. Infinite for too many features on a way."""
    out = 0.0
    for tree in trees:
        waiting = [(0, 0)]
        while waiting:
            node, met = waiting.pop()
            if tree.left[node] >= 0:
                met |= 1 << int(own[tree.feature[node]])
                waiting += [(int(tree.left[node]), met), (int(tree.right[node]), met)]
                continue
            k = met.bit_count()
            if k > MOST_PLAYERS:
                return float("inf")
            out += LEAF_SECONDS + CELL_SECONDS * (1 << k) * k * (k + 1) + BIT_SECONDS * rows * max(k, 1)
            if out > most:
                return out
    return out


def leaves(tree: Tree, matrix: Floats, own: Ints) -> Iterator[tuple[list[int], Bits, float]]:
    """Each leaf: its players, which of them each row of matrix (n, E) satisfies (bit j of (n,)), and what it adds."""
    waiting: list[tuple[int, list[int], Bits]] = [(0, [], np.zeros(len(matrix), dtype=np.uint16))]
    while waiting:
        node, players, bits = waiting.pop()
        if tree.left[node] < 0:
            yield players, bits, float(tree.value[node])
            continue
        feature = int(tree.feature[node])
        left = tree.goes_left(node, matrix[:, feature])
        player = int(own[feature])
        for child, passed in ((tree.right[node], ~left), (tree.left[node], left)):
            if player in players:
                waiting.append((int(child), players, bits & ~_bit(~passed, players.index(player))))
            else:
                waiting.append((int(child), [*players, player], bits | _bit(passed, len(players))))


def _bit(marked: Bools, place: int) -> Bits:
    return marked.astype(np.uint16) << np.uint16(place)


def values(trees: Sequence[Tree], matrix: Floats, own: Ints, rows: int, background: int, width: int) -> Shares:
    """Attributions of the first `rows` rows of matrix (n, E); the next `background` are the background.

    own (E,): the player that each column belongs to, of `width`. The trees are summed for all n rows.
    """
    matrix = np.asfortranarray(matrix)
    back = slice(rows, rows + background)
    shares, total = np.zeros((width, rows)), np.zeros(len(matrix))
    for tree in trees:
        for players, bits, value in leaves(tree, matrix, own):
            k = len(players)
            total[bits == 2**k - 1] += value
            if not k or value == 0.0:
                continue
            table = _table(np.bincount(bits[back], minlength=2**k), k) * (value / background)
            own_bits = bits[:rows]
            for player, row in zip(players, table, strict=True):
                shares[player] += row.take(own_bits)
    return Shares(shares.T, total)


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """values (rows, width); total (n,): what the trees add up to, for every row."""

    values: Floats
    total: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Weights:
    """For k players, c the complement of a person's bits and j how many bits a background row has:
    by_size (2^k,) is j of a set of bits; weights (3, 2^k, k + 1): for a player that the person satisfies, what to take
    off for background rows that satisfy it too (by c with it), and for a player that the person does not satisfy.
    joined (k, 2^k): c with the player; has (k, 2^k): whether the person satisfies it."""

    by_size: Ints
    weights: Floats
    joined: Ints
    has: Bools


@cache
def _weights(k: int) -> _Weights:
    sets = np.arange(2**k)
    size = np.bitwise_count(sets).astype(np.int64)
    out = np.zeros((3, 2**k, k + 1))
    for j in range(k + 1):
        a = k - j
        for b in range(k + 1):
            if a and a + b <= k:
                out[0, size == b, j] = factorial(a - 1) * factorial(b) / factorial(a + b)
            if a and 1 <= b <= k - a + 1:
                out[1, size == b, j] = factorial(a - 1) * factorial(b - 1) / factorial(a + b - 1)
            if b and a + b <= k:
                out[2, size == b, j] = factorial(a) * factorial(b - 1) / factorial(a + b)
    player = (1 << np.arange(k))[:, None]
    complement = sets[::-1][None, :]
    return _Weights(size, out, complement | player, (sets[None, :] & player) > 0)


def _table(counts: npt.NDArray[np.int64], k: int) -> Floats:
    """(k, 2^k): the sum over the background of each player's share, by the person's bits; counts (2^k,): background
    rows by theirs."""
    w = _weights(k)
    above = np.zeros((2**k, k + 1))
    above[np.arange(2**k), w.by_size] = counts
    for place in range(k):  # rows of the background that have at least these bits, by how many they have
        pairs = above.reshape(2 ** (k - 1 - place), 2, 2**place, k + 1)
        pairs[:, 0] += pairs[:, 1]
    gains, taken, losses = np.einsum("cj,tcj->tc", above, w.weights)
    shares: Floats = np.where(w.has, gains[::-1] - taken[w.joined], -losses[::-1])
    return shares
