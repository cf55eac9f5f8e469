"""A row of the table of models that people have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.audit.models.zoo.people import NUMBERS

Made = tuple[str, np.ndarray]
"""The file's name, and for each row whether the model itself decides for the positive value."""


@dataclass(frozen=True)
class Kind:
    """One row of the table.

    make(folder, frame): writes the file. label, positive: the case's. lines: what a person writes under [model] at
    once.
    refused: what the first refusal says, where there is one; then the lines in its advice are added, those that
    `choose` names where the advice gives a choice, until the audit is made. note: what its notes must say.
    """

    name: str
    make: Callable[[Path, pd.DataFrame], Made]
    label: str = "words"
    positive: str = '"approved"'
    features: Sequence[str] = tuple(NUMBERS)
    lines: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    choose: tuple[str, ...] = ()
    note: str = ""


KINDS: list[Kind] = []


def kind(name: str, **more: Any) -> Callable[[Callable[[Path, pd.DataFrame], Made]], None]:
    def add(make: Callable[[Path, pd.DataFrame], Made]) -> None:
        KINDS.append(Kind(name, make, **more))

    return add


def good(frame: pd.DataFrame, decided: Any, positive: object = "approved") -> np.ndarray:
    return np.asarray([str(v) == str(positive) for v in np.asarray(decided).reshape(-1).tolist()])
