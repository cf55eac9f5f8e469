"""What explanations say in sentences, of the figures beside them: nothing here needs a table, so that whoever checks a
report loads none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audit.numbers import fixed, many, points

LEAST = 0.02
"""Mean change of the score on real rows below which a feature is not judged."""
RATIO = 4.0
"""How many times larger the reaction on real rows must be, at the careful end of its interval."""
Z = 3.3
"""Normal quantile of that interval: about one false alarm in 1,000 features that are just at the limit."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """Mean |change of the score| when one feature alone is changed: on real rows and on spliced ones, with errors."""

    feature: str
    real: float
    real_error: float
    spliced: float
    spliced_error: float
    alarm: bool


def alarms(r: Reaction) -> bool:
    """Whether real people's scores move more than made-up rows': mean - RATIO other > 0, at the careful end."""
    careful = r.real - RATIO * r.spliced - Z * float(np.hypot(r.real_error, RATIO * r.spliced_error))
    return r.real >= LEAST and careful > 0


def words(reactions: Sequence[Reaction]) -> str:
    """The alarm in a sentence, or that there is none."""
    alarmed = [r for r in reactions if r.alarm]
    if not alarmed:
        return (
            "No sign that the model tells real people from made-up rows: changing one feature alone does not move its "
            "score much more in real rows than in made-up ones."
        )
    first = max(alarmed, key=lambda r: r.real)
    return (
        f"Alarm: changing {first.feature} alone moves the score of real people by {fixed(first.real, 3)} on "
        f"average, but of made-up rows by {fixed(first.spliced, 3)} only. The model may tell them apart and hide from "
        "explanations; do not rely on the attributions, and ask its makers why."
    )


@dataclass(frozen=True, slots=True)
class RecourseGap:
    """The widest gap between two groups in the `of` ("cost" or "share") of recourse, as explain.json has it."""

    attribute: tuple[str, ...]
    of: str
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    highest: tuple[str, ...] | None
    lowest: tuple[str, ...] | None
    people: int
    method: str
    estimable: bool
    reason: str | None

    @property
    def words(self) -> str:
        """One sentence."""
        by = " and ".join(self.attribute)
        if not self.estimable or self.highest is None or self.lowest is None:
            return f"The gap in the {self.of} of recourse by {by} cannot be estimated: {self.reason}."
        highest, lowest = self.highest[0], self.lowest[0]
        value, low, high = (v or 0.0 for v in (self.value, self.low, self.high))
        if self.of == "cost":
            return (
                f"Refused people of {by} = {highest} who have recourse must change {fixed(value, 2)} more on "
                f"average than those of {by} = {lowest} (95 % interval of these two {fixed(low, 2)} to "
                f"{fixed(high, 2)}; {many(self.people, 'person')})."
            )
        return (
            f"Recourse was found for {points(value)} more of the refused people of {by} = "
            f"{highest} than of {by} = {lowest} (95 % interval of these two {fixed(100 * low, 1)} "
            f"to {fixed(100 * high, 1)}; {many(self.people, 'person')})."
        )
