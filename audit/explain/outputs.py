"""Which output is explained: the probability of the positive value, its log-odds, or the favourable decision.

The choice changes every number: on one data set the same gap is .18 in probability, .33 in decisions and .88 in
log-odds. So it is named wherever an explanation is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audit.explain.kinds import DECISION, LOG_ODDS, PROBABILITY, VALUE, Floats

CLIP = 1e-9
"""Probabilities of exactly 0 or 1 have no log-odds; they are taken as this far inside."""

Transform = Callable[[Floats], Floats]


def log_odds(score: Floats) -> Floats:
    """log(p / (1 - p)), with p kept CLIP inside 0 and 1."""
    p = np.clip(score, CLIP, 1.0 - CLIP)
    return np.asarray(np.log(p) - np.log1p(-p), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Rule:
    """How what a model answers becomes decisions: the one rule of explanations, made from that of the audit.

    Positive where the answer >= threshold; favourable may be the other side. signed: no number cuts the scores into
    the model's own decisions (it takes the likeliest of several classes), so that each answer is the score with a minus
    sign where the decision is not positive (`audit.asked.predictor`).
    """

    threshold: float
    favourable_is_positive: bool = True
    signed: bool = False

    def favourable(self, answer: Floats) -> Floats:
        """1.0 where the decision is the favourable one, else 0.0."""
        positive = answer > 0 if self.signed else answer >= self.threshold
        return np.asarray(positive == self.favourable_is_positive, dtype=np.float64)

    def score(self, answer: Floats) -> Floats:
        """The score in an answer."""
        return np.abs(answer) if self.signed else np.asarray(answer, dtype=np.float64)


def transform(output: str, rule: Rule) -> Transform:
    """The function from scores to `output`. Raises KeyError on an unknown name."""
    table: dict[str, Transform] = {
        PROBABILITY: rule.score,
        VALUE: rule.score,
        LOG_ODDS: lambda s: log_odds(rule.score(s)),
        DECISION: rule.favourable,
    }
    return table[output]
