"""Many comparisons: Holm (1979) for claims, Benjamini & Hochberg (1995) for exploring."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.stats.exact import LEAST

Floats = npt.NDArray[np.float64]


def above_nought(p: float) -> float:
    """A p-value that a formula or a floating-point number made 0, as LEAST: no p-value is 0."""
    return max(float(p), LEAST)


def holm(p: npt.ArrayLike) -> Floats:
    """Adjusted p-values in the order given; NaN stays NaN and is not counted."""
    p = np.asarray(p, dtype=np.float64)
    out = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = len(order) - np.arange(len(order))
    out[order] = np.minimum(np.maximum.accumulate(steps * p[order]), 1.0) if len(order) else []
    return out


def benjamini_hochberg(p: npt.ArrayLike) -> Floats:
    """Adjusted p-values in the order given; NaN stays NaN and is not counted."""
    p = np.asarray(p, dtype=np.float64)
    out = np.full(p.shape, np.nan)
    known = ~np.isnan(p)
    if known.any():
        # As scipy.stats.false_discovery_control, to the last bit, without the second that scipy.stats takes to load.
        order = known.nonzero()[0][np.argsort(p[known])]
        steps = p[order] * (len(order) / np.arange(1.0, len(order) + 1))
        out[order] = np.clip(np.minimum.accumulate(steps[::-1])[::-1], 0.0, 1.0)
    return out
