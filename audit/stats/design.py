"""How many independent rows a rate is worth where rows have weights, or one person stands in several.

Let a person (a row, where nobody is repeated) have weight x in the numerator and f beside it, n = x + f, and X, F, N be
the totals; p = X / N. The linearised (Taylor) variance of p is sum (x - p n)^2 / N^2 (Wolter 2007, ch. 6; Binder 1983),
which follows from the three sums of x^2, x f and f^2. The effective number is p (1 - p) over that variance; Kish's
N^2 / sum n^2 (1965) is what it is where n says nothing of x / n, and the least where all rows of a person are alike.

Where few people are seen a variance from data is itself little known, and at p = 0 or 1 it is 0. Three remedies:
Kish's number is blended in as if one more person of the rarer side had been seen; it is scaled by the squared quotient
of Student's quantiles with rows and with effective people as degrees of freedom (Korn & Graubard 1998); and where
weights leave fewer than ENOUGH effective rows, the smaller of the two numbers is taken, wholly under FEW.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audit.stats.intervals import two_sided

Floats = npt.NDArray[np.float64]

FEW, ENOUGH = 20, 50
LEAST_FREEDOM = 2.0
LEAST_SIZE = 3.0
SHARED = 10.0
ALIKE = 30.0
EQUAL = 1e-9
"""Weights vary less than this where they are one weight but for rounding."""
Z = two_sided(0.05)
"""Student's quantiles are compared at 95 %, whatever the level of the interval."""


def student(z: float, freedom: Floats) -> Floats:
    """Student's quantile where the normal one is z, by Fisher's expansion (Abramowitz & Stegun 26.7.5)."""
    v = np.maximum(freedom, LEAST_FREEDOM)
    one = (z**3 + z) / 4
    two = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    three = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    quantile: Floats = z + one / v + two / v**2 + three / v**3
    return quantile


def linearised_variance(up: Floats, down: Floats, squares: tuple[Floats, Floats, Floats]) -> Floats:
    """The variance of up / (up + down), (G,), from the sums over people of x^2, x f and f^2; 0 where nobody is."""
    xx, xf, ff = squares
    total = up + down
    n = np.where(total > 0, total, 1.0)
    p = up / n
    variance: Floats = np.maximum((1 - p) ** 2 * xx - 2 * p * (1 - p) * xf + p**2 * ff, 0.0) / n**2
    return np.where(total > 0, variance, 0.0)


def _heavy(
    up: Floats,
    down: Floats,
    squares: tuple[Floats, Floats, Floats],
    rows: Floats,
    p: Floats,
    asked: npt.NDArray[np.bool_],
) -> Floats:
    """The squared quotient of Student's quantiles for a variance that few rows make up; 1 where it is not asked."""
    xx, _, ff = squares
    x, f, q = np.where(asked, up, 1.0), np.where(asked, down, 1.0), np.where(asked, p, 0.5)
    v = (1 - q) ** 2 * xx + q**2 * ff
    fourth = (1 - q) ** 4 * xx**3 / x**2 + q**4 * ff**3 / f**2
    freedom = v**2 / np.where(asked, fourth, 1.0)
    plain = rows * q * (1 - q) / ((1 - q) ** 3 + q**3)
    factor: Floats = np.where(asked, np.maximum((student(Z, freedom) / student(Z, plain)) ** 2, 1.0), 1.0)
    return factor


def effective_size(
    up: Floats, down: Floats, squares: tuple[Floats, Floats, Floats], rows: Floats, row_squares: Floats
) -> Floats:
    """The number of independent rows that up / (up + down) is worth, (G,); 0 where nobody is counted.

    squares: sums over people of x^2, x f and f^2. rows: how many rows; row_squares: sum of their squared weights.
    """
    xx, xf, ff = squares
    total = up + down
    some = (total > 0) & (rows > 0)
    n = np.where(some, total, 1.0)
    p = up / n
    whole = np.where(some, xx + 2 * xf + ff, 1.0)
    kish = n**2 / np.where(whole > 0, whole, 1.0)
    both = (up > 0) & (down > 0) & (xx > 0) & (ff > 0)
    rarer = np.where(both, np.minimum(up**2 / np.where(both, xx, 1), down**2 / np.where(both, ff, 1)), 0.0)
    own = np.where(both, linearised_variance(up, down, squares) / np.where(both, p * (1 - p), 1.0), 0.0)
    blended = (rarer * own + 1 / kish) / (rarer + 1)
    freedom = (student(Z, kish - 1) / student(Z, np.maximum(rows, 1) - 1)) ** 2
    each = blended * np.maximum(freedom, 1.0)
    # Unequal weights of rows; of persons with several rows the products above speak.
    unequal = np.where(row_squares > 0, rows * row_squares / n**2 - 1, 0.0)
    few = np.clip((ENOUGH - kish) / (ENOUGH - FEW), 0.0, 1.0) * np.clip(2 * unequal, 0.0, 1.0)
    fewer = 1 + np.clip(unequal, 0.0, 1.0) * np.maximum(1 - kish / FEW, 0.0)
    each = (each + few * np.maximum(0.0, freedom / kish - each)) * fewer
    heavy = _heavy(up, down, (xx, xf, ff), np.maximum(rows, 1.0), p, both & (unequal > EQUAL))
    each = np.maximum(each, blended * heavy)
    out: Floats = np.where(some, 1 / each, 0.0)
    return out


def shared_size(
    up: Floats, down: Floats, squares: tuple[Floats, Floats, Floats], rows: Floats, row_squares: Floats
) -> Floats:
    """`effective_size` of groups that are compared, (G,).

    A group whose few rows happen to lack the heavy ones, or whose few people happen to agree with one another, must not
    look surer than the others. What a row costs is taken at least as all groups together say: with weights as it is in
    all, counted as SHARED people of the rarer side beside the group's own; of people in several rows as it would be at
    the likeness of their rows in all groups (`_likeness`), counted as ALIKE people.
    """
    own = effective_size(up, down, squares, rows, row_squares)
    some = own > 0
    if some.sum() < 2:
        return own
    xx, xf, ff = squares
    sides = [v**2 / np.where(v2 > 0, v2, np.inf) for v, v2 in ((up, xx), (down, ff))]
    rarer = np.minimum(*sides)
    cost = np.divide(rows, own, out=np.ones_like(rows), where=some)
    if (rows * row_squares <= (up + down) ** 2 * (1 + EQUAL)).all():
        every, beside = _likeness(up, down, squares, rows, row_squares, some), ALIKE
    else:
        whole = [np.array([v[some].sum()]) for v in (up, down, xx, xf, ff, rows, row_squares)]
        all_of = effective_size(whole[0], whole[1], (whole[2], whole[3], whole[4]), whole[5], whole[6])[0]
        every, beside = np.full_like(rows, rows[some].sum() / all_of), SHARED
    cost = np.maximum(cost, (rarer * cost + beside * every) / (rarer + beside))
    return np.where(some, rows / cost, own)


def _likeness(
    up: Floats, down: Floats, squares: tuple[Floats, Floats, Floats], rows: Floats, row_squares: Floats,
    some: npt.NDArray[np.bool_],
) -> Floats:  # fmt: skip
    """What a row costs in each group (G,) if the rows of a person are as alike as in all groups together.

    With r the correlation of two rows of a person and m the rows per person, sum n^2 / sum n, it is 1 + (m - 1) r
    (Kish 1965; Donner & Klar 2000, ch. 2). r is the one of an analysis of variance within groups, 0 to 1; 1 where no
    group says. Student's quantile is of the people of all groups.
    """
    xx, xf, ff = squares
    together, n = xx + 2 * xf + ff, np.where(some, up + down, 1.0)
    p = up / n
    off = linearised_variance(up, down, squares) * n**2
    people = np.maximum(n**2 / np.where(together > 0, together, 1.0), 1.5)
    free = np.where(some, p * (1 - p), 0.0)
    surplus = float((off * people / (people - 1) * some - row_squares * free).sum())
    most = float(((together - row_squares) * free).sum())
    r = min(max(surplus / most, 0.0), 1.0) if most > 0 else 1.0
    m = np.divide(together, row_squares, out=np.ones_like(n), where=row_squares > 0)
    groups = some.sum()
    whole = np.array([people[some].sum() - groups, rows[some].sum() - groups])
    of_people, of_rows = student(Z, np.maximum(whole, 1.0))
    design_effect: Floats = (1 + r * np.maximum(m - 1, 0.0)) * max(float(of_people / of_rows) ** 2, 1.0)
    return design_effect


def fewer_free(size: Floats, rows: Floats, squares: Floats, fourth: Floats, variance: Floats, plain: Floats) -> Floats:
    """The effective size of weighted averages (G,), less where few rows make up the variance (Satterthwaite 1946).

    rows: how many; squares, fourth: sums of w^2 (x - mean)^2 and w^4 (x - mean)^4; variance, plain: of one row, and its
    fourth central moment.
    """
    some = (squares > 0) & (fourth > 0) & (variance > 0)
    free = np.where(some, squares, 1.0) ** 2 / np.where(some, fourth, 1.0)
    of_one = rows * np.where(some, variance, 1.0) ** 2 / np.where(some, plain, 1.0)
    factor = np.where(some, np.maximum((student(Z, free) / student(Z, of_one)) ** 2, 1.0), 1.0)
    out: Floats = np.maximum(size / factor, np.minimum(size, LEAST_SIZE))
    return out
