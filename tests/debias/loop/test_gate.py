"""Whether a challenger has earned its place, by hand-made counts."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from audit.cube import Cube, Meaning
from audit.policy import Norm, Policy
from audit.watch.counted import log_e_paired, log_wealth, paired_sequence
from debias.loop.gate import judge_gate, judge_tally, loss_checks, norm_attributes
from debias.loop.state import ShadowModel, Tally
from tests.debias.loop.played import GAP, POLICY, RULES

MEANING = Meaning("yes", "not yes", "yes")
KEY = "selection_rate/difference/sex"


def cube(cells: dict[str, list[list[int]]], sensitive: str = "sex") -> Cube:
    """group -> [label][decision] counts."""
    n = np.zeros((len(cells), 3, 2), dtype=np.int64)
    for g, rows in enumerate(cells.values()):
        n[g, : len(rows)] = rows
    w = n.astype(np.float64)
    return Cube((sensitive,), (tuple(cells),), n, w, w, False, None, MEANING)


def decided(f_yes: int, f_no: int, m_yes: int, m_no: int) -> Tally:
    """Decisions, with outcomes that agree with them."""
    return Tally(
        cube({"F": [[0, 0], [0, 0], [f_no, f_yes]], "M": [[0, 0], [0, 0], [m_no, m_yes]]}),
        cube({"F": [[f_no, 0], [0, f_yes]], "M": [[m_no, 0], [0, m_yes]]}),
    )


def paired(**groups: tuple[int, int, int, int]) -> Cube:
    """group = (both right, only the running one, only the challenger, neither)."""
    return cube({g: [[d, c], [b, a]] for g, (a, b, c, d) in groups.items()})


EVEN = paired(F=(2900, 20, 20, 60), M=(2900, 20, 20, 60))


def beside(theirs: Tally, pairs: Cube | None = EVEN) -> ShadowModel:
    return ShadowModel("new", "threshold", 0, Tally(), theirs, pairs, 5)


def verdict(theirs: Tally, pairs: Cube | None = EVEN, broken: tuple[str, ...] = (KEY,), tried: int = 1) -> Any:
    return judge_gate(POLICY, beside(theirs, pairs), broken, tried, ("sex",))


def check(result: Any, name: str) -> Any:
    return next(c for c in result.checks if c.name == name)


def test_everything_holds() -> None:
    result = verdict(decided(1500, 1500, 1500, 1500))
    assert result.passed
    assert not result.failed
    assert [c.name for c in result.checks] == [KEY, "loss", "loss/sex=F", "loss/sex=M"]


@pytest.mark.parametrize(
    "women, holds",
    [
        (1500, True),  # no gap
        (1350, True),  # 0.05 and surely under 0.12
        (1200, None),  # 0.10: inside the level, not surely
        (1050, None),  # 0.15: between the level for promotion and the trigger
        (900, False),  # 0.20: surely over the level, whatever becomes of the trigger
        (700, False),  # 0.27: surely over the trigger
    ],
)
def test_the_upper_bound_of_a_broken_norm_must_be_inside_the_level_for_promotion(
    women: int, holds: bool | None
) -> None:
    assert check(verdict(decided(women, 3000 - women, 1500, 1500)), KEY).holds is holds


def test_a_norm_that_was_not_broken_stops_a_challenger_only_where_it_is_clearly_outside() -> None:
    between, outside = decided(1050, 1950, 1500, 1500), decided(600, 2400, 1500, 1500)
    assert check(verdict(between, broken=()), KEY).holds is True
    assert check(verdict(outside, broken=()), KEY).holds is False


def test_a_broken_norm_that_cannot_be_judged_yet_stops_a_promotion_and_another_does_not() -> None:
    few = decided(10, 10, 10, 10)
    assert check(verdict(few), KEY).holds is None
    assert check(verdict(few, broken=()), KEY).holds is True
    assert "fewer than two groups" in check(verdict(few), KEY).words


def test_the_loss_is_the_difference_of_those_decided_rightly_by_one_model_only() -> None:
    # 300 of 6,000 decided rightly by the running model only, 60 by the challenger only: 4 points more wrong.
    result = verdict(decided(1500, 1500, 1500, 1500), paired(F=(2700, 150, 30, 120), M=(2700, 150, 30, 120)))
    loss = check(result, "loss")
    assert loss.facts["value"] == pytest.approx(0.04)
    assert loss.facts["people"] == 6000
    assert (loss.facts["low"], loss.facts["high"]) == paired_sequence(300, 60, 6000, result.alpha)
    assert 0.02 < loss.facts["low"] < 0.04 < loss.facts["high"]
    assert loss.holds is None, "0.04 and an upper bound over the 0.05 allowed"


def test_a_loss_that_is_surely_too_large_fails() -> None:
    result = verdict(decided(1500, 1500, 1500, 1500), paired(F=(2000, 700, 30, 270), M=(2900, 20, 20, 60)))
    assert check(result, "loss").holds is False
    assert check(result, "loss/sex=F").holds is False
    assert check(result, "loss/sex=M").holds is True
    assert result.failed


def test_a_small_group_need_not_show_that_it_is_not_harmed_and_can_show_that_it_is() -> None:
    unsure = paired(F=(2900, 20, 20, 60), X=(80, 8, 2, 10))
    assert check(verdict(decided(1500, 1500, 1500, 1500), unsure), "loss/sex=X").holds is True
    harmed = paired(F=(2900, 20, 20, 60), X=(10, 85, 0, 5))
    assert check(verdict(decided(1500, 1500, 1500, 1500), harmed), "loss/sex=X").holds is False


def test_a_group_of_enough_people_must_show_it() -> None:
    unsure = paired(F=(2900, 20, 20, 60), M=(260, 25, 5, 10))
    assert RULES.enough == 200
    assert check(verdict(decided(1500, 1500, 1500, 1500), unsure), "loss/sex=M").holds is None


def test_without_outcomes_nothing_is_promoted() -> None:
    result = verdict(decided(1500, 1500, 1500, 1500), None)
    assert not result.passed
    assert not result.failed


def test_people_without_a_value_are_no_group_of_their_own() -> None:
    checks = loss_checks(paired(**{"F": (100, 1, 1, 1), "(unknown)": (0, 50, 0, 0)}), RULES, 0.05)
    assert [c.name for c in checks] == ["loss", "loss/sex=F"]


def test_against_harm_a_challenger_must_be_surely_better_for_the_group_that_was_harmed() -> None:
    reason = ("harm/sex=F",)
    theirs = decided(1500, 1500, 1500, 1500)
    assert check(verdict(theirs, EVEN, reason), reason[0]).holds is None, "no better, no worse"
    better = paired(F=(2500, 10, 400, 90), M=(2900, 20, 20, 60))
    assert check(verdict(theirs, better, reason), reason[0]).holds is True
    worse = paired(F=(2500, 400, 10, 90), M=(2900, 20, 20, 60))
    assert check(verdict(theirs, worse, reason), reason[0]).holds is False
    assert check(verdict(theirs, None, reason), reason[0]).holds is None


def test_each_further_challenger_spends_less_alpha_and_all_together_no_more_than_alpha() -> None:
    spent = [verdict(decided(1500, 1500, 1500, 1500), tried=j).alpha for j in range(1, 400)]
    assert spent[0] == pytest.approx(6 * 0.05 / math.pi**2)
    assert all(a > b for a, b in pairwise(spent))
    assert sum(spent) < 0.05
    # What passes for the first challenger does not for the hundredth.
    edge = decided(1275, 1725, 1500, 1500)
    assert check(verdict(edge, tried=1), KEY).facts["high"] < check(verdict(edge, tried=100), KEY).facts["high"]


def test_the_bounds_hold_at_every_look() -> None:
    """A challenger with a gap at the trigger, looked at after every batch: passes in at most alpha of runs."""
    wrong = 0
    runs = 80
    rng = np.random.default_rng(0)
    for _ in range(runs):
        women, men = rng.binomial(250, 0.38, 10).cumsum(), rng.binomial(250, 0.5, 10).cumsum()
        for k in range(10):
            n = 250 * (k + 1)
            theirs = decided(int(women[k]), n - int(women[k]), int(men[k]), n - int(men[k]))
            if check(verdict(theirs), KEY).holds is True:
                wrong += 1
                break
    # Its true gap is 0.12, which is just not inside: at most 5 % of runs, and the chance of 80 runs beside that.
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_wealth_against_a_rate_by_hand() -> None:
    # One success of one: B(3/2, 1/2) / B(1/2, 1/2) = 1/2; over the law at p = 0.2: 2.5.
    assert math.exp(log_wealth(1, 1, 0.2)) == pytest.approx(2.5)
    # Two of two: B(5/2, 1/2) / B(1/2, 1/2) = 3/8; over 0.25: 1.5.
    assert math.exp(log_wealth(2, 2, 0.5)) == pytest.approx(1.5)


@pytest.mark.parametrize("d", [-0.4, 0.0, 0.1, 0.7])
def test_the_least_evidence_over_pairs_is_that_of_a_search_over_all_laws(d: float) -> None:
    a, b, n = 30, 12, 90
    mixture = math.lgamma(a + 0.5) + math.lgamma(b + 0.5) + math.lgamma(n - a - b + 0.5) - math.lgamma(n + 1.5)
    mixture += math.lgamma(1.5) - 3 * math.lgamma(0.5)
    t = np.linspace(max(0.0, -d), (1 - d) / 2, 200_001)[1:-1]
    like = a * np.log(t + d) + b * np.log(t) + (n - a - b) * np.log(1 - 2 * t - d)
    assert log_e_paired(a, b, n, d) == pytest.approx(mixture - like.max(), abs=1e-6)


def test_pairs_bound_the_difference_at_every_look() -> None:
    rng = np.random.default_rng(1)
    missed, runs = 0, 80
    for _ in range(runs):
        result = rng.choice(3, (10, 60), p=[0.12, 0.07, 0.81])
        a, b = (result == 0).sum(axis=1).cumsum(), (result == 1).sum(axis=1).cumsum()
        bounds = [paired_sequence(int(a[k]), int(b[k]), 60 * (k + 1), 0.05) for k in range(10)]
        missed += any(not low <= 0.05 <= high for low, high in bounds)
    assert missed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_norms_on_columns_that_the_case_does_not_have_are_about_nobody() -> None:
    assert norm_attributes(Norm("selection_rate", "difference", ("age",), 0.1, 0.1), ("sex", "race")) == ()
    assert norm_attributes(Norm("selection_rate", "difference", (), 0.1, 0.1), ("sex", "race")) == (
        ("sex",), ("race",),
    )  # fmt: skip


def test_a_case_without_outcomes_says_so() -> None:
    plain = replace(MEANING, labelled=False)
    arrived = replace(decided(10, 10, 10, 10).arrived or EVEN, meaning=plain)
    policy = Policy("1", (replace(GAP, metric="equalized_odds"),), "p", None, RULES)
    assert judge_tally(policy, Tally(arrived), ("sex",), people=5)[0].reason == "the case has no outcomes"
