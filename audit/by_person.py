"""Slices and near neighbours: what needs each person's values and decision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from audit.cube import CodedRows
from audit.gaps import Settings
from audit.individual import consistency
from audit.quality.codes import Group
from audit.slices import search


def good_side(coded: CodedRows) -> int:
    """The favourable side of the decision."""
    return 1 if coded.meaning.favourable_is_positive else 0


def by_person(
    frame: pd.DataFrame,
    features: Sequence[str],
    groups: tuple[Group, ...],
    coded: CodedRows,
    settings: Settings,
    flips: Any,
) -> dict[str, Any]:
    """Slices and near neighbours; flips: of the model's decisions, None where they were not looked for."""
    slices, neighbours = entries_of(frame, features, groups, coded, settings)
    return {"slices": slices, "individual": {"neighbours": neighbours, "model_flips": flips}}


def entries_of(
    frame: pd.DataFrame, features: Sequence[str], groups: tuple[Group, ...], coded: CodedRows, settings: Settings
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entries `slices`, and `neighbours` of `individual`."""
    read = [f for f in features if f in frame.columns]
    good = good_side(coded)
    known, wrong = coded.label < 2, coded.label != coded.decision
    asked = {"error": (known, wrong), "missed": (coded.label == good, wrong)}
    favourable = (coded.decision == good).astype(np.int64)
    return search(frame, read, groups, asked, settings), consistency(frame, read, groups, favourable, settings)
