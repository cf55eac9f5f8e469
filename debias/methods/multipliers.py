"""The multipliers of constrained boosting (Lagrange), of one partition of the rows, and what they pull on."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from debias.methods.bounds import Bound

Floats = npt.NDArray[np.float64]


class Multipliers(ABC):
    """What all kinds share: the weight of each group (groups,) on the rows learned from (part True) and the others."""

    def __init__(self, bound: Bound, weight: Floats, learn: npt.NDArray[np.bool_], step: float) -> None:
        self.name = bound.name
        self.groups = bound.groups
        self.place = {True: bound.group[learn] + 1, False: bound.group[~learn] + 1}
        self.total = {part: self.count(part, weight[learn == part]) for part in (True, False)}
        # In proportion to the group's share, so that the pull on one row of it rises as fast as in any other group.
        self.share = self.total[True] / weight[learn].sum()
        self.pace = step * self.share
        self.above = np.zeros(bound.groups)

    def count(self, part: bool, weight: Floats | npt.NDArray[np.bool_]) -> Floats:
        """The weight in each group (groups,) on the rows learned from (part True) or on the others."""
        place = self.place[part]
        if weight.dtype == np.bool_:
            # Counting what is true is twice as fast as adding zeros and ones.
            return np.bincount(place[weight], minlength=self.groups + 1)[1:].astype(np.float64)
        out: Floats = np.bincount(place, weight, minlength=self.groups + 1)[1:].astype(np.float64)
        return out

    def multipliers(self) -> list[float]:
        """Signed, one a group: positive presses its rate down."""
        return [float(v) for v in self.above]

    @abstractmethod
    def width(self, rates: Floats) -> float | None:
        """What must not exceed the tolerance, of the groups' rates (NaN where a group has no rows); None: nothing."""

    @abstractmethod
    def rise(self, rates: Floats) -> None:
        """Raise and lower the multipliers by the violation at these rates."""

    @abstractmethod
    def price(self, rates: Floats) -> Floats:
        """The pull on a row of each group, (groups + 1,), index 0 for rows that do not count."""


class GapMultipliers(Multipliers):
    """Of the largest difference between rates: lambda+ and lambda- for being too far above and below the middle."""

    def __init__(
        self, bound: Bound, weight: Floats, learn: npt.NDArray[np.bool_], tolerance: float, step: float
    ) -> None:
        super().__init__(bound, weight, learn, step)
        self.tolerance = tolerance
        self.below = np.zeros(bound.groups)

    def multipliers(self) -> list[float]:
        return [float(v) for v in self.above - self.below]

    def width(self, rates: Floats) -> float | None:
        known = rates[np.isfinite(rates)]
        return float(known.max() - known.min()) if len(known) else None

    def rise(self, rates: Floats) -> None:
        away = rates - (rates.max() + rates.min()) / 2
        self.above = np.maximum(0.0, self.above + self.pace * (away - self.tolerance / 2))
        self.below = np.maximum(0.0, self.below + self.pace * (-away - self.tolerance / 2))

    def price(self, rates: Floats) -> Floats:
        """d Lagrangian / d (smoothed decision of a row)."""
        signed = self.above - self.below
        # The middle moves with the two extreme groups.
        left = signed.sum()
        signed = signed.copy()
        signed[int(rates.argmax())] -= left / 2
        signed[int(rates.argmin())] -= left / 2
        return np.concatenate([[0.0], signed / self.share])


class LossMultipliers(Multipliers):
    """Of the largest error of a group (bounded group loss, Agarwal, Dudik & Wu 2019): a group above it counts more.

    base: the error that groups are held to; the bound is base + tolerance. Log-loss stands in for the error.
    """

    def __init__(
        self, bound: Bound, weight: Floats, learn: npt.NDArray[np.bool_], tolerance: float, step: float, base: float
    ) -> None:
        super().__init__(bound, weight, learn, step)
        self.tolerance = tolerance
        self.base = base

    def width(self, rates: Floats) -> float | None:
        known = rates[np.isfinite(rates)]
        return float(known.max() - self.base) if len(known) else None

    def rise(self, rates: Floats) -> None:
        over = np.nan_to_num(rates - (self.base + self.tolerance), nan=0.0)
        self.above = np.maximum(0.0, self.above + self.pace * over)

    def price(self, rates: Floats) -> Floats:
        """By how much more than once a row's log-loss counts."""
        return np.concatenate([[0.0], self.above / self.share])
