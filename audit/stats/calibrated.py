"""Limits of the calibration error, by inverting its own distribution.

The plain error is the weighted average over bins of |mean score - share with the outcome|. Chance alone makes it larger
than 0, the more so in small groups. So labels are drawn along lines from perfect calibration to ever larger errors; the
interval holds the errors at which the value seen is neither too large nor too small a draw. It holds 0 unless a test of
perfect calibration rejects. How much chance adds depends on how the bins' distances are spread, so there are several
lines, and the interval is wide enough for each: distances as seen; less what chance makes of them, which leaves few
bins; alike in all bins; and, of few people, all scores too low or all too high.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.stats.kept import kept

Floats = npt.NDArray[np.float64]

DRAWS = 400
FEW = 300
"""People."""
LEFT = 0.1
"""What is left at least of a bin's distance that chance explains."""
NORMAL = 10
"""Variance of a bin's count from which on it is drawn as a normal number."""
COARSE = np.array([0.0, 0.25, 0.5, 0.8, 1.2, 1.8, 2.7, 4.0, 6.0])
"""How far along a line; 1 is the distance seen."""
FINE = 6


@kept
def error_limits(
    weight: Floats, score: Floats, share: Floats, people: Floats, alpha: float = 0.05, seed: int = 0
) -> tuple[float, float]:
    """Limits of sum(weight |score - share|) over bins (B,); people: effective, in each. They hold the value seen."""
    value = float(np.sum(weight * np.abs(score - share)))
    off = (share * people + score * 2) / (people + 2) - score
    noise = score * (1 - score) / people
    lines = [off, off * np.maximum(1 - noise / np.maximum(off**2, 1e-12), LEFT), np.where(off >= 0, value, -value)]
    if people.sum() < FEW:
        lines += [np.full(len(score), value), np.full(len(score), -value)]
    rng = np.random.default_rng(seed)
    low = high = value
    for line in lines:
        along = _Line(weight, score, line, np.maximum(np.rint(people), 1).astype(np.int64), value, rng)
        least, most = along.limits(alpha / 2)
        low, high = min(low, least), max(high, most)
    return low, min(1.0, high)


class _Line:
    """Shares of the outcome along one line from the mean scores."""

    def __init__(
        self, weight: Floats, score: Floats, line: Floats, people: npt.NDArray[np.int64], value: float,
        rng: np.random.Generator,
    ) -> None:  # fmt: skip
        self.weight, self.score, self.line, self.people = weight, score, line, people
        self.value, self.rng = value, rng

    def limits(self, tail: float) -> tuple[float, float]:
        true, above, below = self._drawn(COARSE)
        low = self._first(COARSE, true, above, 1, tail)
        return low, self._first(COARSE[::-1], true[::-1], below[::-1], 2, tail)

    def _first(self, at: Floats, true: Floats, chance: Floats, which: int, tail: float) -> float:
        """The first error whose chance is above the tail, looked at more finely before it."""
        k = int(np.argmax(chance > tail))
        if k == 0:
            return float(true[0 if chance[0] > tail else -1])
        near = self._drawn(np.linspace(at[k - 1], at[k], FINE))
        error, law = near[0], near[which]
        inside = law > tail
        inside[-1] = True
        k = int(np.argmax(inside))
        if k == 0 or law[k] <= law[k - 1]:
            return float(error[k])
        return float(error[k - 1] + (error[k] - error[k - 1]) * min(1.0, (tail - law[k - 1]) / (law[k] - law[k - 1])))

    def _drawn(self, stretch: Floats) -> tuple[Floats, Floats, Floats]:
        """The true error at each point, and how often a draw is at least and at most the value seen."""
        rate = np.clip(self.score + stretch[:, None] * self.line, 0.0, 1.0)
        seen = np.zeros((len(stretch), DRAWS))
        for b, n in enumerate(self.people.tolist()):
            if n * self.score[b] * (1 - self.score[b]) >= NORMAL:
                spread = np.sqrt(rate[:, b] * (1 - rate[:, b]) / n)
                share = rate[:, b, None] + spread[:, None] * self.rng.standard_normal(DRAWS)
            else:
                share = self.rng.binomial(n, rate[:, b, None], size=(len(stretch), DRAWS)) / n
            seen += self.weight[b] * np.abs(self.score[b] - share)
        above, below = seen >= self.value - 1e-12, seen <= self.value + 1e-12
        return np.abs(rate - self.score) @ self.weight, above.mean(axis=1), below.mean(axis=1)
