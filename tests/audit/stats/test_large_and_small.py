"""Groups too large to be drawn, weights in any unit, the level that a method tells, one group more than draws serve:
against people drawn one by one, scikit-learn, SciPy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep

from audit.stats import areas_p, effective_size, largest_gap, mean_gap, shared_size
from audit.stats.design import fewer_free
from audit.stats.permute import LARGE, ROWS
from audit.stats.permute_areas import _Areas, _Rows, _Weighted

UP, DOWN = np.array([60, 200, 340, 600]), np.array([760, 440, 200, 200])
"""People with and without the outcome at each of four scores: many ties."""
WEIGHT = np.array([1.0, 3.0, 0.5, 2.0])
SIZES = ((600, 800), (150, 300), (450, 500))
"""With and without, of each group: both too large to be drawn, both drawn though together too large, and both again."""


def one_by_one(weight: np.ndarray, m: int, k: int) -> np.ndarray:
    """Areas of 6,000 groups of people drawn one by one."""
    rng = np.random.default_rng(3)
    p, n = (rng.multinomial(size, side / side.sum(), 6000) * weight for size, side in ((m, UP), (k, DOWN)))
    under = np.cumsum(n, axis=1) - n / 2
    return (p * under).sum(axis=1) / p.sum(axis=1) / n.sum(axis=1)


@pytest.mark.parametrize("weighted", [False, True])
def test_large_groups_by_chance_are_like_people_drawn_one_by_one(weighted: bool) -> None:
    m, k = (np.array(side) for side in zip(*SIZES, strict=True))
    assert UP.sum() + DOWN.sum() > ROWS
    assert (m + k > LARGE).all()
    weight = WEIGHT if weighted else np.ones(4)
    if weighted:
        # All groups alike, so that bringing weights to an average of 1 changes all of them alike.
        sides = []
        for size, side in ((m, UP), (k, DOWN)):
            rows = size[:, None] * side / side.sum()
            sides.append(_Rows.of(rows, rows * weight, rows * weight**2))
        area, variance = _Weighted(sides, 5).chunk(3000)
    else:
        built = _Areas(UP.astype(float), DOWN.astype(float), m, k, np.random.default_rng(5), True)
        area, variance = built.chunk(3000)
    score = np.tile(np.arange(4), 2)
    truth = roc_auc_score(np.repeat([1, 0], 4), score, sample_weight=np.r_[UP, DOWN] * np.tile(weight, 2))
    for g in range(3):
        reference = one_by_one(weight, int(m[g]), int(k[g]))
        assert area[g].mean() == pytest.approx(truth, abs=4 * reference.std() / np.sqrt(3000) + 1e-4)
        assert area[g].std() == pytest.approx(reference.std(), rel=0.06)
        assert np.sqrt(variance[g].mean()) == pytest.approx(reference.std(), rel=0.06)


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
def test_the_unit_of_weights_and_scores_says_nothing(unit: float) -> None:
    rng = np.random.default_rng(7)
    weight, hit = rng.lognormal(0, 1, (3, 40)), rng.random((3, 40)) < 0.3
    rows = np.full(3, 40.0)

    def sums(w: np.ndarray) -> tuple[object, ...]:
        x, f = w * hit, w * ~hit
        squares = ((x * x).sum(1), np.zeros(3), (f * f).sum(1))
        return x.sum(1), f.sum(1), squares, rows, (w * w).sum(1)

    for of in (effective_size, shared_size):
        assert of(*sums(weight * unit)) == pytest.approx(of(*sums(weight)), rel=1e-9)  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_few_rows_that_make_up_a_variance_cost_students_quantile(unit: float) -> None:
    """Satterthwaite's degrees of freedom by definition, and SciPy's quantiles."""
    rng = np.random.default_rng(8)
    w, x = rng.lognormal(0, 0.8, 80), rng.gamma(2, 1, 80) * unit
    off = x - np.average(x, weights=w)
    parts = (w * off) ** 2
    free = parts.sum() ** 2 / (parts**2).sum()
    of_one = 80 * np.mean(off**2) ** 2 / np.mean(off**4)
    factor = (scipy_stats.t.ppf(0.975, free) / scipy_stats.t.ppf(0.975, of_one)) ** 2
    assert factor > 1.02
    result = fewer_free(
        *(np.array([v]) for v in (50.0, 80.0, parts.sum(), (parts**2).sum(), np.mean(off**2), np.mean(off**4)))
    )
    assert result == pytest.approx([50 / factor], rel=5e-3)


@pytest.mark.parametrize(("alpha", "level"), [(0.05, "95 %"), (0.1, "90 %")])
def test_a_method_tells_the_level_of_its_interval(alpha: float, level: str) -> None:
    rates = [(np.array([10.0, 30.0]), np.array([50.0, 50.0]))]
    for result in (largest_gap(rates, alpha=alpha), mean_gap([0.2, 0.5], [0.1, 0.1], alpha=alpha)):
        assert f"; {level} simultaneous " in result.method


@pytest.mark.parametrize("groups", [40, 41])
def test_one_more_group_than_draws_serve_takes_bonferronis_value_at_once(groups: int) -> None:
    n = np.full(groups, 400.0)
    x = np.round(np.linspace(80, 200, groups))
    result = largest_gap([(x, n)], draws=400)
    level = 0.05 / (groups * (groups - 1) / 2)
    low, _ = confint_proportions_2indep(int(x[-1]), 400, int(x[0]), 400, method="newcomb", alpha=level)
    assert result.low is not None
    if groups > 40:
        assert result.low == pytest.approx(low, abs=1e-9)
    else:
        assert result.low > low + 1e-3


@pytest.mark.parametrize("last", ["with", "without", "both"])
def test_the_area_of_each_draw_is_scikit_learns(last: str) -> None:
    """Who has the highest score of all, in the last draw too, is counted."""
    rng = np.random.default_rng(4)
    p, n = rng.integers(0, 6, (5, 9)), rng.integers(0, 6, (5, 7))
    if last != "without":
        p[:, 3] = 6
    if last != "with":
        n[:, 2] = 6
    built = _Areas(np.ones(7), np.ones(7), np.array([9]), np.array([7]), rng, True)
    area, _ = built._whole(p, n)
    side = np.repeat([1, 0], [9, 7])
    assert area == pytest.approx([roc_auc_score(side, np.r_[a, b]) for a, b in zip(p, n, strict=True)])


def test_a_difference_of_areas_beyond_the_draws_is_about_delongs() -> None:
    """Too far for draws to say how far: DeLong's error by placements and the normal law give some 1 in 10,000."""
    levels = np.arange(8)
    p = np.array([[np.exp(lean * v / 8) for v in levels] for lean in (1.3, 3.2)])
    n = np.array([[np.exp(-lean * v / 8) for v in levels] for lean in (0.2, 0.9)])
    p, n = (np.round(140 * side / side.sum(axis=1, keepdims=True)) for side in (p, n))
    area, variance = [], []
    for up, down in zip(p, n, strict=True):
        x, y = (np.repeat(levels, side.astype(int)) for side in (up, down))
        over = (x[:, None] > y) + (x[:, None] == y) / 2
        area.append(roc_auc_score(np.repeat([1, 0], [len(x), len(y)]), np.r_[x, y]))
        variance.append(over.mean(axis=1).var(ddof=1) / len(x) + over.mean(axis=0).var(ddof=1) / len(y))
    normal = 2 * scipy_stats.norm.sf(abs(area[0] - area[1]) / np.sqrt(sum(variance)))
    assert 1e-7 < normal < 1e-3
    assert normal / 3 < areas_p(p, n, seed=0, draws=500) < 30 * normal


@pytest.mark.parametrize("groups", [3, 8])
def test_all_pairs_of_averages_have_tukeys_limits(groups: int) -> None:
    """Errors that are known and alike: the studentised range, by SciPy."""
    means = np.linspace(0.0, 1.0, groups)
    result = mean_gap(means, np.full(groups, 0.05), draws=8000, seed=2)
    reach = scipy_stats.studentized_range.ppf(0.95, groups, np.inf) * 0.05
    assert result.pair_low == pytest.approx(1 - reach, abs=0.03 * reach)
    assert result.pair_high == pytest.approx(1 + reach, abs=0.03 * reach)
