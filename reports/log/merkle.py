"""Merkle trees as RFC 6962, section 2.1, has them: root, inclusion proof, consistency proof, and their checks.

    leaves = [leaf_hash(entry) for entry in entries]
    proof = inclusion_proof(leaves, 3)
    includes(leaves[3], 3, len(leaves), proof, root(leaves))

A leaf is hashed behind a byte 0x00 and a node behind 0x01, so that no node can pass for an entry. Proofs are checked by
the algorithms of RFC 9162, sections 2.1.3.2 and 2.1.4.2, which state the same trees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """sha256 of 0x00 and the entry."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """sha256 of 0x01 and the two children."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over these leaf hashes; of none: sha256 of nothing. Linear in their number, without recursion."""
    if not leaves:
        return EMPTY
    level = list(leaves)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        # The last of an odd number goes up as it is: the largest power of two then stands to the left, as section 2.1
        # asks.
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return level[0]


def _split(n: int) -> int:
    """The largest power of two below n."""
    return 1 << ((n - 1).bit_length() - 1)


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The audit path of one leaf (section 2.1.1), from the leaf upwards. Raises IndexError where there is no such."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    low, high, path = 0, len(leaves), []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root(leaves[middle:high]))
            high = middle
        else:
            path.append(root(leaves[low:middle]))
            low = middle
    return tuple(reversed(path))


def consistency_proof(leaves: Sequence[bytes], old: int) -> tuple[bytes, ...]:
    """The proof (section 2.1.2) that the tree of the first `old` leaves is the beginning of this one.

    Empty for old = 0 and for the whole tree. Raises IndexError where the tree has fewer leaves.
    """
    if not 0 <= old <= len(leaves):
        raise IndexError(f"no tree of {old} leaves in one of {len(leaves)}")
    if old in (0, len(leaves)):
        return ()
    low, high, path, whole = 0, len(leaves), [], True
    while low + old != high:
        middle = low + _split(high - low)
        if low + old <= middle:
            path.append(root(leaves[middle:high]))
            high = middle
        else:
            path.append(root(leaves[low:middle]))
            old -= middle - low
            low, whole = middle, False
    if not whole:
        path.append(root(leaves[low:high]))
    return tuple(reversed(path))


def includes(leaf: bytes, index: int, size: int, proof: Sequence[bytes], top: bytes) -> bool:
    """Whether the proof shows this leaf at `index` in the tree of `size` leaves with the root `top`."""
    if not 0 <= index < size:
        return False
    at, last, value = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            value = node_hash(step, value)
            at, last = _without_sibling(at, last)
        else:
            value = node_hash(value, step)
        at, last = at >> 1, last >> 1
    return last == 0 and value == top


def _without_sibling(at: int, last: int) -> tuple[int, int]:
    """Up through the levels where a node has no sibling: the proof has no step for them (RFC 9162, 2.1.3.2)."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def extends(old: int, old_top: bytes, size: int, top: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the proof shows that the tree (size, top) begins with the tree (old, old_top)."""
    if not 0 <= old <= size:
        return False
    if old == 0:
        return not proof and old_top == EMPTY
    if old == size:
        return not proof and old_top == top
    if not proof:
        return False
    steps = list(proof)
    if old & (old - 1) == 0:
        steps.insert(0, old_top)
    at, last = old - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    mine = whole = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            mine, whole = node_hash(step, mine), node_hash(step, whole)
            at, last = _without_sibling(at, last)
        else:
            whole = node_hash(whole, step)
        at, last = at >> 1, last >> 1
    return last == 0 and mine == old_top and whole == top
