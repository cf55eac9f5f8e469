"""Of whom outcomes come: a group whose outcomes stop, although those of others come, is judged by nobody.

`Heard` counts for each group in how many due batches in a row, and for how many people, fewer than half of the outcomes
came. From three batches and `people` people on the group is said to be unheard; late outcomes end it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from audit.cube import UNLABELLED, CodedRows
from audit.numbers import many
from audit.values import UNKNOWN

Group = tuple[str, str]
BATCHES = 3


@dataclass(frozen=True, slots=True)
class Heard:
    """(attribute, group) -> due batches in a row without enough outcomes, and people without one in them."""

    short: Mapping[Group, tuple[int, int]] = field(default_factory=dict)

    def after(self, coded: CodedRows, *, late: bool) -> Heard:
        """After a due batch, or outcomes that came late: rows (n,), those without an outcome unlabelled."""
        short = dict(self.short)
        known = coded.label != UNLABELLED
        for axis, attribute in enumerate(coded.attributes):
            levels = coded.levels[axis]
            codes = coded.codes[:, axis]
            n, x = (np.bincount(c, minlength=len(levels)) for c in (codes, codes[known]))
            for k, group in enumerate(levels):
                key = (attribute, group)
                if group == UNKNOWN or not n[k] or (late and not x[k]):
                    continue
                if late or 2 * x[k] >= n[k]:
                    short.pop(key, None)
                else:
                    batches, people = short.get(key, (0, 0))
                    short[key] = (batches + 1, people + int(n[k] - x[k]))
        return replace(self, short=short)

    def silent(self, people: int) -> dict[Group, tuple[int, int]]:
        """Those of whom nobody hears: batches and people without an outcome."""
        return {g: v for g, v in sorted(self.short.items()) if v[0] >= BATCHES and v[1] >= people}

    def to_json(self) -> list[Any]:
        return [[*g, *v] for g, v in sorted(self.short.items())]

    @staticmethod
    def from_json(data: Any) -> Heard:
        return Heard({(a, g): (int(b), int(p)) for a, g, b, p in data or ()})


def words(group: Group, counts: tuple[int, int]) -> str:
    """Why a group is not judged."""
    return f"no outcomes of {group[1]} ({group[0]}) for {many(counts[0], 'due batch')}: {many(counts[1], 'person')}"
