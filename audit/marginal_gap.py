"""The gap that a logistic regression on factors leaves: an average marginal effect, with its interval."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from audit.documents.rows import AdjustedGap

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_PARTS = 10_000_000
"""People times squared coefficients up to which each person's rows are taken out in turn; with more, nobody counts."""
LEAST_FREE = 3.0


def dummies(codes: Ints) -> Floats:
    """(n, levels - 1): each level but the most frequent as 0 and 1."""
    counts = np.bincount(codes)
    rest = [k for k in range(len(counts)) if counts[k] and k != int(counts.argmax())]
    return np.stack([codes == k for k in rest], axis=1).astype(np.float64) if rest else np.zeros((len(codes), 0))


def _apart(columns: Floats) -> Floats:
    """The columns without those that others already say."""
    kept = columns[:, (columns.sum(axis=0) > 0) & (columns.sum(axis=0) < len(columns))]
    if not kept.shape[1]:
        return kept
    from scipy.linalg import qr  # here: few audits need it, and it takes a twentieth of a second to load

    r, order = qr(kept - kept.mean(axis=0), mode="r", pivoting=True)
    size = np.abs(np.diag(r))
    independent: Floats = kept[:, np.sort(order[: int((size > 1e-9 * size[0]).sum())])]
    return independent


def regression_adjusted(
    columns: Floats, second: npt.NDArray[np.bool_], favourable: Ints, weight: Floats | None, cluster: Ints | None,
    alpha: float = 0.05,
) -> AdjustedGap:  # fmt: skip
    """The mean over all these rows of P(favourable | first group) - P(favourable | second group), factors as they are.

    columns (n, K): the factors' levels; second (n,): who is of the second group. The interval is by the delta method
    from a sandwich variance of people each taken out in turn (`_sandwich`), with Student's quantile.
    """

    def none(reason: str) -> AdjustedGap:
        return AdjustedGap(None, None, None, reason)

    if favourable.min() == favourable.max():
        return none("everyone is decided alike")
    kept = _apart(columns)
    design = np.column_stack([np.ones(len(kept)), second.astype(np.float64), kept])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return none("the factors say who is of which group: the two cannot be told apart in these rows")
    import statsmodels.api as sm

    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            fit = sm.GLM(favourable, design, family=sm.families.Binomial(), var_weights=weight).fit(maxiter=100)
    except (np.linalg.LinAlgError, ValueError) as problem:
        return none(f"the regression has no solution ({type(problem).__name__})")
    if not fit.converged or np.abs(fit.params).max() > 15 or not np.isfinite(np.asarray(fit.cov_params())).all():
        return none("some levels decide the outcome alone, so that the regression has no finite solution")
    mass = np.ones(len(design)) if weight is None else weight
    mass = mass / mass.sum()
    as_first, as_second = design.copy(), design.copy()
    as_first[:, 1], as_second[:, 1] = 0.0, 1.0
    p1, p2 = fit.predict(as_first), fit.predict(as_second)
    value = float(mass @ (p1 - p2))
    slope = (mass * p1 * (1 - p1)) @ as_first - (mass * p2 * (1 - p2)) @ as_second
    each = np.ones(len(design)) if weight is None else weight
    error, free = _sandwich(design, fit.predict(design), favourable, each, cluster, slope)
    half = float(stdtrit(free, 1 - alpha / 2)) * error
    return AdjustedGap(value, max(-1.0, value - half), min(1.0, value + half))


def _sandwich(
    design: Floats, p: Floats, favourable: Ints, weight: Floats, cluster: Ints | None, slope: Floats
) -> tuple[float, float]:
    """Standard error and degrees of freedom of slope @ coefficients of a logistic regression.

    Each person's part is what the figure moves by in one step without them: HC3 (MacKinnon & White 1985), of several
    rows the jackknife over clusters (CR3: Bell & McCaffrey 2002). A sandwich of few people is itself little known:
    degrees of freedom are Satterthwaite's (1946), the number of people whose parts are as unequal as these, less the
    coefficients.
    """
    heavy = weight * p * (1 - p)
    inverse = np.linalg.inv(design.T @ (design * heavy[:, None]))
    along = inverse @ slope
    share = heavy * (design @ along) ** 2
    k = design.shape[1]
    if cluster is None:
        leverage = heavy * np.einsum("ni,ij,nj->n", design, inverse, design)
        moved = (design @ along) * weight * (favourable - p) / np.maximum(1 - leverage, 1e-9)
    else:
        who = np.unique(cluster, return_inverse=True)[1]
        people = int(who.max()) + 1
        off = design * (weight * (favourable - p))[:, None]
        score = np.stack([np.bincount(who, c, people) for c in off.T], axis=1).astype(np.float64)
        share = np.bincount(who, share, people).astype(np.float64)
        if people * k * k <= MOST_PARTS:
            # (1 - H)^-1 within a cluster, moved to its k columns: X' (1 - X B X' W)^-1 = (1 - X' W X B)^-1 X'.
            mine = [np.bincount(who, heavy * a * b, people) for a in design.T for b in design.T]
            left = np.eye(k) - np.stack(mine, axis=1).reshape(people, k, k) @ inverse
            # Of who alone decides a coefficient (a level of one person), only what they say of the others.
            alone = np.linalg.det(left) < 1e-9
            mended = np.linalg.pinv(left[alone], rcond=1e-9) @ score[alone, :, None]
            left[alone], score[alone] = np.eye(k), mended[:, :, 0]
            score = np.linalg.solve(left, score[:, :, None])[:, :, 0].astype(np.float64)
        moved = score @ along
    free = float(share.sum() ** 2 / (share**2).sum()) - k
    return float(np.sqrt((moved**2).sum())), max(free, LEAST_FREE)
