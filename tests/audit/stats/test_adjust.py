"""Holm and Benjamini-Hochberg against hand values and against each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.stats import benjamini_hochberg, holm


def test_holm_by_hand() -> None:
    # sorted .005 .01 .03 .04 times 4 3 2 1 = .02 .03 .06 .04, then never falling
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_by_hand() -> None:
    # sorted .005 .01 .03 .04 times 4/1 4/2 4/3 4/4 = .02 .02 .04 .04
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_the_published_example_of_benjamini_and_hochberg() -> None:
    """Their fifteen p-values (1995, section 4.1): at .05 four are found, while Bonferroni and Holm find three."""
    p = [
        0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590,
        1.0,
    ]  # fmt: skip
    assert int((benjamini_hochberg(p) <= 0.05).sum()) == 4
    assert int((holm(p) <= 0.05).sum()) == 3


def test_what_is_not_known_is_not_counted() -> None:
    for adjust in (holm, benjamini_hochberg):
        result = adjust([0.02, np.nan, 0.03])
        assert np.isnan(result[1])
        assert result[[0, 2]].tolist() == adjust([0.02, 0.03]).tolist()
    assert holm([0.02, np.nan, 0.03])[0] == pytest.approx(0.04)


def test_nothing_known_and_nothing_at_all() -> None:
    for adjust in (holm, benjamini_hochberg):
        assert adjust([]).tolist() == []
        assert np.isnan(adjust([np.nan, np.nan])).all()


def test_ties_share_their_adjusted_value_and_1_is_the_end() -> None:
    assert holm([0.4, 0.4, 0.4]).tolist() == [1.0, 1.0, 1.0]
    assert benjamini_hochberg([0.4, 0.4, 0.4]).tolist() == pytest.approx([0.4, 0.4, 0.4])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_adjusting_only_raises_and_keeps_the_order(p: list[float]) -> None:
    given_p = np.array(p)
    claims, exploring = holm(given_p), benjamini_hochberg(given_p)
    assert given_p.tolist() == p
    assert (claims >= given_p - 1e-12).all()
    assert (exploring >= given_p - 1e-12).all()
    assert (claims >= exploring - 1e-12).all()
    assert (claims <= 1).all()
    order = np.argsort(given_p, kind="stable")
    assert (np.diff(claims[order]) >= -1e-12).all()
    assert (np.diff(exploring[order]) >= -1e-12).all()
