"""Named arrays, as they cross the boundary of a process, read into a record once.

@dataclass(frozen=True, slots=True, eq=False)
class ArrayRequest:
    positive: str
    seed: int | None = None

arrays_in(ArrayRequest, arrays)
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
FLOATS = npt.NDArray[np.float64]


def arrays_in(kind: type[T], arrays: Mapping[str, Any]) -> T:
    """The dataclass `kind` with each field read by its type: str, int and bytes from an array of one value, else an
    array. A field with a default may be absent. Raises KeyError for another that is."""
    hints = typing.get_type_hints(kind)
    names = [f.name for f in fields(kind) if f.name in arrays or f.default is MISSING]  # type: ignore[arg-type]
    return kind(**{name: _read(hints[name], arrays[name]) for name in names})


def _read(hint: Any, value: Any) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(h for h in typing.get_args(hint) if h is not types.NoneType)
    if hint is bytes:
        return np.asarray(value).tobytes()
    if hint in (str, int):
        return hint(np.asarray(value, dtype=object).reshape(-1)[0])
    return np.asarray(value, dtype=np.float64 if hint == FLOATS else None)
