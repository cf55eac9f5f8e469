"""What was drawn once is not drawn again: the arms of a comparison often have the same scores and other decisions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")
MOST = 1_000
"""Results that are kept of a function."""
_all: list[dict[bytes, Any]] = []


def forget() -> None:
    """Draw anew: for whoever changes what the functions rest on beside their arguments, as tests do."""
    for cache in _all:
        cache.clear()


def kept(function: Callable[P, R]) -> Callable[P, R]:
    """The same function of arrays and numbers, whose last results are kept by the digest of all that it is given.

    For functions that are pure, seeded, and return numbers: whoever asks gets the very result.
    """
    cache: dict[bytes, R] = {}
    _all.append(cache)

    @wraps(function)
    def asked(*args: P.args, **named: P.kwargs) -> R:
        key = _digest((args, sorted(named.items())))
        try:
            return cache[key]
        except KeyError:
            result = function(*args, **named)
        if len(cache) >= MOST:
            cache.pop(next(iter(cache)), None)
        cache[key] = result
        return result

    return asked


def _digest(value: object) -> bytes:
    """Of arrays with their type and shape, of tuples and lists of such, and of numbers, words and None."""
    if isinstance(value, np.ndarray):
        parts = [f"{value.dtype.str}{value.shape}".encode(), value.tobytes()]
    elif isinstance(value, tuple | list):
        parts = [b"each", *(_digest(v) for v in value)]
    else:
        parts = [type(value).__name__.encode(), repr(value).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()
