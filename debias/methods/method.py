"""What a method of mitigation is, what it can aim at, and what a search may try of it."""

from __future__ import annotations

from dataclasses import dataclass

from audit.metrics import (
    ACCURACY,
    EQUAL_OPPORTUNITY,
    EQUALIZED_ODDS,
    FALSE_NEGATIVE_RATE,
    FALSE_POSITIVE_RATE,
    SELECTION_RATE,
    TRUE_NEGATIVE_RATE,
    TRUE_POSITIVE_RATE,
)
from audit.sentences import UNLAWFUL

DEMOGRAPHIC_PARITY, BOUNDED_LOSS = "demographic_parity", "bounded_loss"
REWEIGHING = "reweighing"
RESAMPLING = "resampling"
CORRELATION_REMOVER = "correlation_remover"
CONSTRAINED_BOOSTING = "constrained_boosting"
EXPONENTIATED_GRADIENT = "exponentiated_gradient"
GRID_SEARCH = "grid_search"
GROUP_THRESHOLDS = "group_thresholds"


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a method can be asked to bring about. metric: whose gap it narrows. words: for a person who chooses.

    serves: the metrics of norms that it stands for in the loop. figure: what a search shows for it.
    """

    name: str
    metric: str
    words: str
    serves: tuple[str, ...] = ()
    figure: str = ""


CONSTRAINTS: dict[str, Constraint] = {
    row.name: row
    for row in (
        Constraint(
            DEMOGRAPHIC_PARITY, SELECTION_RATE, "Equal shares receive the favourable decision",
            (SELECTION_RATE,), SELECTION_RATE,
        ),
        Constraint(
            EQUAL_OPPORTUNITY, EQUAL_OPPORTUNITY, "Those who merit it receive it equally often",
            (EQUAL_OPPORTUNITY, TRUE_POSITIVE_RATE, FALSE_NEGATIVE_RATE), EQUAL_OPPORTUNITY,
        ),
        Constraint(
            EQUALIZED_ODDS, EQUALIZED_ODDS, "Equal error rates among those with and without the positive outcome",
            (EQUALIZED_ODDS, FALSE_POSITIVE_RATE, TRUE_NEGATIVE_RATE), EQUALIZED_ODDS,
        ),
        # No group's error is above the original's error of everyone by more than the tolerance (Agarwal, Dudik & Wu
        # 2019).
        Constraint(BOUNDED_LOSS, ACCURACY, "No group's loss above a bound", (), "largest_group_error"),
    )
}  # fmt: skip

SENSITIVE_NOTICE = (
    "This method reads the sensitive value of a person at the moment of the decision and applies another rule to each "
    f"group. {UNLAWFUL}"
)
"""To be shown on every screen and page where a method with needs_sensitive_at_decision is offered or reported."""


@dataclass(frozen=True, slots=True)
class Span:
    """One parameter: its ends, on a log scale or not, whole or rounded to `digits` places."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    digits: int = 4

    def rounded(self, value: float) -> float:
        return int(value) if self.whole else min(max(round(float(value), self.digits), self.low), self.high)


@dataclass(frozen=True, slots=True)
class Method:
    """One way to mitigate.

    stage: "pre" (the data), "in" (the learning) or "post" (the decision). models: what it starts from: "original"
    (a fresh copy of the audited estimator, fitted again), "own" (a learner of Assay's own) or "scores" (the audited
    model stays as it is). constraints: what it can be asked to bring about. words: one sentence for a person.
    """

    name: str
    title: str
    stage: str
    needs_sensitive_at_decision: bool
    models: tuple[str, ...]
    constraints: tuple[str, ...]
    words: str
    source: str

    @property
    def notice(self) -> str | None:
        """What must stand beside this method wherever it is offered, or None."""
        return SENSITIVE_NOTICE if self.needs_sensitive_at_decision else None
