"""SHAP beside LIME, the people chosen by rule, reasons."""

from __future__ import annotations

import numpy as np
import pytest

from audit.explain.agree import agree, ranks, spearman
from audit.explain.people import choose_people, reasons

NAMES = list("abcdefgh")
ALL = np.ones(8, dtype=bool)


def test_the_same_list_agrees() -> None:
    shap = np.array([8.0, -7, 6, -5, 4, 3, 2, 1])
    result = agree(NAMES, shap, shap / 10, ALL, 0.9)
    assert result.top5_overlap == 1.0
    assert result.spearman == pytest.approx(1.0)
    assert result.same_sign == 1.0
    assert not result.disagree
    assert "agree" in result.notice


def test_other_features_first_is_a_disagreement() -> None:
    shap = np.array([8.0, 7, 6, 5, 4, 0.3, 0.2, 0.1])
    lime = np.array([0.1, 0.2, 0.3, 4, 5, 6, 7, 8])
    result = agree(NAMES, shap, lime, ALL, 0.1)
    assert result.top5_overlap == pytest.approx(0.4)
    assert result.spearman == pytest.approx(-1.0)
    assert result.disagree
    assert "SHAP alone names a, b and c" in result.notice
    assert "0.10" in result.notice


def test_opposite_signs_are_a_disagreement() -> None:
    shap = np.array([8.0, 7, 6, 5, 4, 0.3, 0.2, 0.1])
    lime = shap.copy()
    lime[1] = -7
    result = agree(NAMES, shap, lime, ALL)
    assert result.conflicts == ("b",)
    assert result.same_sign == pytest.approx(0.8)
    assert result.disagree
    assert "opposite directions on b" in result.notice


def test_a_tiny_share_has_no_sign() -> None:
    shap = np.array([8.0, 7, 6, 5, 0.01, 0, 0, 0])
    lime = np.array([8.0, 7, 6, 5, -0.01, 0, 0, 0])
    assert not agree(NAMES, shap, lime, ALL).disagree


def test_features_that_lime_cannot_vary_are_not_compared() -> None:
    shap = np.array([9.0, 8, 7, 6, 5, 4, 3, 2])
    lime = np.array([0.0, 8, 7, 6, 5, 4, 3, 2])
    result = agree(NAMES, shap, lime, np.array([False] + [True] * 7))
    assert result.compared == 7
    assert result.top5_overlap == 1.0


def test_nothing_to_compare_is_not_a_disagreement() -> None:
    result = agree(NAMES, np.zeros(8), np.zeros(8), ALL)
    assert result.top5_overlap is None
    assert not result.disagree
    assert "cannot be compared" in result.notice


def test_ranks_and_spearman() -> None:
    assert ranks(np.array([3.0, 1, 3, 2])).tolist() == [3.5, 1, 3.5, 2]
    assert spearman(np.array([1.0, 2, 3]), np.array([1.0, 1, 1])) is None
    assert spearman(np.array([1.0, 2]), np.array([1.0, 2])) is None


def test_people_by_rule() -> None:
    score = np.array([0.9, 0.4, 0.3, 0.45, 0.49, 0.2, 0.48])
    favourable = (score >= 0.5) * 1.0
    sex = np.array(["m", "m", "m", "f", "f", "f", "m"])
    city = np.array(["x", "y", "x", "y", "x", "y", "x"])
    keep = np.ones(7, dtype=bool)
    chosen, rules = choose_people(score, favourable, 0.5, {"sex": sex, "city": city}, keep)
    # f has rate 0: row 4 is nearest. y has rate 0: row 3 (.45). f again: row 5 (3 and 4 are taken).
    assert chosen == (4, 3, 5)
    assert "sex = f" in rules[0]
    assert "city = y" in rules[1]
    keep[4] = False
    assert choose_people(score, favourable, 0.5, {"sex": sex, "city": city}, keep)[0][0] == 3


def test_people_by_rule_where_nobody_is_refused() -> None:
    score = np.array([0.9, 0.6, 0.7])
    chosen, rules = choose_people(score, np.ones(3), 0.5, {"sex": np.array(["f", "m", "m"])}, np.ones(3, dtype=bool), 2)
    assert chosen == (1, 2)
    assert "of all people" in rules[0]


def test_reasons_follow_the_favourable_side() -> None:
    values = {"a": "1", "b": "2", "c": "3"}
    shares = np.array([0.3, -0.2, -0.4])
    assert reasons(list("abc"), values, shares, True, True) == [
        "c = 3 counted against the person",
        "b = 2 counted against the person",
    ]
    # Where the score is of the unfavourable value, what raises it counts against the person.
    assert reasons(list("abc"), values, shares, False, True) == ["a = 1 counted against the person"]
    assert reasons(list("abc"), values, shares, True, False) == ["a = 1 counted for the person"]
