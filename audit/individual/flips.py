"""The model's flip test: the same person with another value of one sensitive column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.gaps import Settings, seed_of
from audit.quality.codes import Group
from audit.quality.draw import row_digest, sample
from audit.stats import wilson
from audit.values import UNKNOWN

MOST = 1000
MOST_VALUES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Flips:
    """Rows to be asked about. frame (m, ...) altered rows; person (m,) places of the people they are of; steps: the
    attribute, its value, the value it is changed to, and from which row to which.
    """

    frame: pd.DataFrame
    person: npt.NDArray[np.int64]
    steps: tuple[tuple[str, str, str, int, int], ...]


def plan(
    case: Case, frame: pd.DataFrame, features: Sequence[str], groups: Sequence[Group], settings: Settings
) -> Flips | None:
    """Altered rows of at most MOST people per attribute; None where the model sees no sensitive column as it stands.

    Columns in bands are left out: which age would be the same person's in another band?
    """
    parts: list[pd.DataFrame] = []
    people: list[npt.NDArray[np.int64]] = []
    steps: list[tuple[str, str, str, int, int]] = []
    start = 0
    digest = None
    for group in groups:
        if group.attribute not in features or case.data.bins.get(group.attribute):
            continue
        if digest is None:
            digest = row_digest(frame, features, groups)
        place = np.sort(sample(digest, MOST, seed_of(settings, "flips", group.attribute)))
        codes = group.codes[place]
        size = np.bincount(group.codes, minlength=len(group.levels))
        known = [g for g, n in enumerate(group.levels) if n != UNKNOWN and size[g] >= settings.floor]
        known = sorted(sorted(known, key=lambda g: -size[g])[:MOST_VALUES])
        column = frame[group.attribute]
        raw = {g: column.iloc[int(np.flatnonzero(group.codes == g)[0])] for g in known}
        for a in known:
            mine = place[codes == a]
            for b in known:
                if a == b or not len(mine):
                    continue
                altered = frame.iloc[mine].copy()
                altered[group.attribute] = pd.Series([raw[b]] * len(mine), index=altered.index, dtype=column.dtype)
                parts.append(altered)
                people.append(mine)
                steps.append((group.attribute, group.levels[a], group.levels[b], start, start + len(mine)))
                start += len(mine)
    if not parts:
        return None
    return Flips(pd.concat(parts, ignore_index=True), np.concatenate(people), tuple(steps))


def flips(
    asked: Flips,
    before: npt.NDArray[np.int64],
    after: npt.NDArray[np.int64],
    favourable: int,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Per change of one value: decisions that turn, with Wilson's interval.

    before (n,): everyone's decisions; after (m,): those of the altered rows.
    """
    out = []
    for attribute, came, to, start, end in asked.steps:
        was = before[asked.person[start:end]] == favourable
        now = after[start:end] == favourable
        turned = int((was != now).sum())
        low, high = wilson(turned, end - start, settings.alpha)
        out.append(
            {
                "attribute": [attribute],
                "group": [came],
                "to": [to],
                "people": end - start,
                "to_favourable": int((now & ~was).sum()),
                "to_unfavourable": int((was & ~now).sum()),
                "value": turned / (end - start),
                "low": float(low),
                "high": float(high),
            }
        )
    return out
