"""What is computed here for speed is, to the last bit, what the library computes: evidence stays the same."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import false_discovery_control

from audit.stats.adjust import benjamini_hochberg
from audit.stats.exact import log_sum_exp
from audit.stats.permute import Pool


def test_log_sum_exp_is_scipys() -> None:
    rng = np.random.default_rng(0)
    for spread in (1e-3, 1.0, 50.0, 900.0):
        for size in (1, 2, 7, 40, 400):
            for digits in (0, 15):  # rounded numbers tie at the top
                x = np.round(-rng.random(size) * spread, digits)
                assert log_sum_exp(x) == float(logsumexp(x))


def test_the_false_discovery_rate_is_scipys() -> None:
    rng = np.random.default_rng(1)
    for size in (1, 2, 5, 50, 999):
        for digits in (1, 15):
            p = np.round(rng.random(size) ** 3, digits)
            assert benjamini_hochberg(p).tobytes() == np.asarray(false_discovery_control(p, method="bh")).tobytes()
            gapped = np.insert(p, [0, size // 2], np.nan)
            assert benjamini_hochberg(gapped)[~np.isnan(gapped)].tobytes() == benjamini_hochberg(p).tobytes()


@pytest.mark.parametrize("levels", [1, 63, 64, 1_000, 60_000])
@pytest.mark.parametrize("shape", [(1, 1), (100, 3), (100, 300)])
def test_a_guide_table_finds_what_a_search_finds(levels: int, shape: tuple[int, int]) -> None:
    """Also at the cuts themselves, at empty levels, and where nearly all levels share a thousandth of the people."""
    rng = np.random.default_rng(levels)
    for counts in (
        rng.integers(0, 5, levels), np.r_[10**6, np.ones(levels - 1)], np.r_[np.ones(levels - 1), 10**6],
    ):  # fmt: skip
        counts = counts.astype(np.float64)
        counts[-1] += 1
        pool = Pool(counts)
        cut = pool.cut
        asked = rng.random(shape)
        flat = asked.reshape(-1)
        some = rng.choice(cut[cut < 1], len(flat)) if (cut < 1).any() else flat.copy()
        flat[::3] = some[::3]
        flat[1::7] = np.nextafter(some[1::7], 0)
        flat[0] = 0.0
        assert (pool.places(asked) == np.searchsorted(cut, asked, side="right")).all()
