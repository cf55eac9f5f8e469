"""A model's own decision beside its score cut at a threshold: the record, and its sentence.

Apart from `audit.asked`, which asks models: whoever reads a document needs neither a model nor a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audit.numbers import brief, fixed, many

PREDICT = "predict"


@dataclass(frozen=True, slots=True)
class Compared:
    """The model's own decisions against its scores cut at `cut`, on `rows` rows.

    differ: rows that the two decide differently; selected, selected_by_cut: rows that each decides positive.
    """

    cut: float
    rows: int
    differ: int
    selected: int
    selected_by_cut: int
    audited: str

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def words_of(c: Compared) -> str:
    """The difference of the two rules, with its size, in a sentence."""
    share = [f"{fixed(100 * count / max(c.rows, 1), 1)} %" for count in (c.differ, c.selected, c.selected_by_cut)]
    audited = "what it itself decides" if c.audited == PREDICT else "the threshold that the case names"
    return (
        f"The model's own decision and its score cut at {brief(c.cut)} differ for {c.differ:,} of "
        f"{many(c.rows, 'person')} ({share[0]}): it decides {share[1]} positive itself, the cut {share[2]}. "
        f"Audited is {audited}."
    )
