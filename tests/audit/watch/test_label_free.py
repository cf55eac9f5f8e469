"""Expected performance from scores: by hand, covering what came true, quick to look, and never a clean bill."""

from __future__ import annotations

import json

import numpy as np
import pytest

from audit.cube import UNLABELLED, CodedRows, Meaning, cube_of
from audit.errors import DataError
from audit.watch.harm import bounds, open_harm
from audit.watch.label_free import ASSUMPTION, Calibration, estimate, open_calibration
from debias.loop.modes import Mode
from debias.loop.state import Batch, State
from debias.loop.step import _drift

MEANING = Meaning("yes", "no", "yes")


def drawn(rng: np.random.Generator, n: int, *, centre: float = 0.0, moved: float = 0.0, flip: float = 0.0):
    """Scores whose logit is normal: group F's is around `centre` + `moved`; `flip` of F's outcomes are turned round."""
    codes = rng.integers(0, 2, n)
    logit = rng.normal(np.where(codes == 0, centre + moved, centre), 2.0)
    if moved < 0:
        logit = np.where(codes == 0, rng.normal(0, 0.3, n), logit)  # F's scores gather where nothing is known
    score = 1 / (1 + np.exp(-logit))
    label = (rng.random(n) < score).astype(np.int64)
    turned = (codes == 0) & (rng.random(n) < flip)
    label = np.where(turned, 1 - label, label)
    decision = (score >= 0.5).astype(np.int64)
    return CodedRows(("sex",), (("F", "M"),), codes[:, None], label, decision, None, None, MEANING), score


def hidden(rows: CodedRows) -> CodedRows:
    return CodedRows(
        rows.attributes, rows.levels, rows.codes, np.full(len(rows.label), UNLABELLED), rows.decision, None, None,
        MEANING,
    )  # fmt: skip


def calibrated(seed: int, n: int = 6000):
    rows, score = drawn(np.random.default_rng(seed), n)
    harm = open_harm(3, tolerance=0.03, alpha=0.025, people=50, reference=cube_of(rows))
    return open_calibration(score).add(rows, score), bounds(harm)


def of(result, group):
    return next(g for g in result["groups"] if g["group"] == group)


def test_by_hand():
    # Two bins, of everyone and of the one group: 100 people each, 20 and 80 of them positive.
    counts = np.array([[100, 20], [100, 80]])
    c = Calibration(np.array([0.5]), {("everyone", "everyone"): counts, ("sex", "F"): counts})
    share, variance = c.shares(("everyone", "everyone"))
    np.testing.assert_allclose(share, [20.5 / 101, 80.5 / 101])
    np.testing.assert_allclose(variance, share * (1 - share) / 101)
    own, _ = c.shares(("sex", "F"))
    np.testing.assert_allclose(own, [(20 + 20 * share[0]) / 120, (80 + 20 * share[1]) / 120])
    score = np.array([0.2] * 60 + [0.9] * 40)
    rows = CodedRows(
        ("sex",), (("F",),), np.zeros((100, 1), dtype=int), np.full(100, 2), (score > 0.5).astype(int), None, None,
        MEANING,
    )  # fmt: skip
    everyone = of(estimate(c, rows, score, {}), "everyone")
    p, q = share
    assert everyone["risk"]["value"] == pytest.approx(0.6 * p + 0.4 * (1 - q))
    assert everyone["accuracy"]["value"] == pytest.approx(1 - everyone["risk"]["value"])
    assert everyone["true_positive_rate"]["value"] == pytest.approx(40 * q / (40 * q + 60 * p))
    assert everyone["false_positive_rate"]["value"] == pytest.approx(40 * (1 - q) / (40 * (1 - q) + 60 * (1 - p)))
    drawn_part = (60 * p * (1 - p) + 40 * q * (1 - q)) / 100**2
    known_part = 0.6**2 * variance[0] + 0.4**2 * variance[1]
    half = 1.959963984540054 * np.sqrt(drawn_part + known_part)
    assert everyone["accuracy"]["high"] - everyone["accuracy"]["value"] == pytest.approx(half)


def test_shares_rise_with_the_score_even_where_counts_do_not():
    counts = np.array([[100, 30], [100, 20], [100, 90]])
    share, _ = Calibration(np.array([0.3, 0.6]), {("everyone", "everyone"): counts}).shares(("everyone", "everyone"))
    assert share[0] == share[1] == pytest.approx(25.5 / 101)
    assert share[2] == pytest.approx(90.5 / 101)


def test_intervals_cover_what_came_true_under_covariate_shift():
    """200 calibrations and later batches with other scores: 95 % intervals, at least 90 % of them hold."""
    rng = np.random.default_rng(8)
    held: dict[str, list[bool]] = {"accuracy": [], "true_positive_rate": [], "false_positive_rate": []}
    for _ in range(200):
        rows, score = drawn(rng, 2000)
        c = open_calibration(score).add(rows, score)
        later, its_score = drawn(rng, 600, centre=0.5)
        result = of(estimate(c, hidden(later), its_score, {}), "F")
        f = later.codes[:, 0] == 0
        label, decision = later.label[f], later.decision[f]
        true = {
            "accuracy": (label == decision).mean(),
            "true_positive_rate": decision[label == 1].mean(),
            "false_positive_rate": decision[label == 0].mean(),
        }
        for name, value in true.items():
            held[name].append(result[name]["low"] <= value <= result[name]["high"])
    assert all(np.mean(v) >= 0.9 for v in held.values())


def test_scores_that_gather_where_nothing_is_known_are_suspect_for_that_group_alone():
    c, bounds = calibrated(1)
    rows, score = drawn(np.random.default_rng(2), 3000, moved=-1.0)
    result = estimate(c, hidden(rows), score, bounds)
    assert result["suspect"]
    assert result["above"] == [["sex", "F"]]
    assert of(result, "F")["risk"]["low"] > bounds[("sex", "F")]


def test_the_same_people_are_not_suspect():
    c, bounds = calibrated(1)
    for seed in range(3, 23):
        rows, score = drawn(np.random.default_rng(seed), 1500)
        assert not estimate(c, hidden(rows), score, bounds)["suspect"]


def test_a_changed_meaning_of_the_score_is_not_seen_and_that_is_said():
    """Why it may only escalate: half of F's outcomes are turned round, and scores say nothing of it."""
    c, bounds = calibrated(1)
    rows, score = drawn(np.random.default_rng(4), 3000, flip=0.5)
    result = estimate(c, hidden(rows), score, bounds)
    wrong = (rows.label != rows.decision)[rows.codes[:, 0] == 0].mean()
    assert wrong > bounds[("sex", "F")] + 0.1
    assert not result["suspect"]
    assert result["assumption"] == ASSUMPTION


def test_outcomes_of_the_batch_itself_are_never_used():
    c, bounds = calibrated(1)
    rows, score = drawn(np.random.default_rng(5), 1000)
    assert estimate(c, rows, score, bounds) == estimate(c, hidden(rows), score, bounds)


def test_it_moves_a_loop_to_suspect_and_never_further():
    c, bounds = calibrated(1)
    rows, score = drawn(np.random.default_rng(2), 3000, moved=-1.0)
    poor = estimate(c, hidden(rows), score, bounds)
    same, other = drawn(np.random.default_rng(6), 1000)
    good = estimate(c, hidden(same), other, bounds)
    for mode in ("HEALTHY", "UNDECIDABLE"):
        state = State(mode=mode, running="m", policy="p", monitor=None)
        assert _drift(state, Batch("b", 1000, estimate=poor))[0].mode == Mode.SUSPECT
        assert _drift(state, Batch("b", 1000, estimate=good))[0].mode == mode
    for mode in ("CONFIRMED", "SHADOW", "APPROVAL", "PROBATION", "FROZEN", "Mode.SUSPECT"):
        state = State(mode=mode, running="m", policy="p", monitor=None)
        assert _drift(state, Batch("b", 1000, estimate=poor))[0].mode == mode
        assert _drift(state, Batch("b", 1000, estimate=good))[0].mode == mode


def test_it_adds_up_and_survives_json():
    rows, score = drawn(np.random.default_rng(9), 900)
    empty = open_calibration(score)
    whole = empty.add(rows, score)
    parts = empty
    for a, b in ((0, 200), (200, 201), (201, 900)):
        piece = CodedRows(
            rows.attributes, rows.levels, rows.codes[a:b], rows.label[a:b], rows.decision[a:b], None, None, MEANING
        )
        parts = Calibration.from_json(json.loads(json.dumps(parts.add(piece, score[a:b]).to_json())))
    assert json.dumps(parts.to_json()) == json.dumps(whole.to_json())
    result = estimate(whole, hidden(rows), score, {})
    assert json.loads(json.dumps(result)) == result


def test_too_few_matured_people_give_no_estimate_rather_than_a_good_one():
    rows, score = drawn(np.random.default_rng(9), 40)
    assert estimate(open_calibration(score), rows, score, {}) is None
    assert estimate(open_calibration(score).add(rows, score), rows, score, {}, people=50) is None
    many, its = drawn(np.random.default_rng(9), 400)
    waiting = open_calibration(its).add(hidden(many), its)
    assert estimate(waiting, many, its, {}) is None


def test_a_group_without_matured_people_is_left_out():
    rows, score = drawn(np.random.default_rng(9), 2000)
    known = np.where(rows.codes[:, 0] == 0, UNLABELLED, rows.label)
    men = CodedRows(rows.attributes, rows.levels, rows.codes, known, rows.decision, None, None, MEANING)
    result = estimate(open_calibration(score).add(men, score), hidden(rows), score, {})
    assert [g["group"] for g in result["groups"]] == ["everyone", "M"]


def test_people_in_bins_that_nobody_matured_in_are_counted():
    rows, score = drawn(np.random.default_rng(9), 2000)
    low = np.where(score > 0.9, UNLABELLED, rows.label)
    seen = CodedRows(rows.attributes, rows.levels, rows.codes, low, rows.decision, None, None, MEANING)
    result = estimate(open_calibration(score).add(seen, score), hidden(rows), score, {})
    assert of(result, "everyone")["outside"] == pytest.approx((score > 0.9).mean(), abs=0.06)


def test_bad_scores_are_said():
    rows, score = drawn(np.random.default_rng(9), 100)
    with pytest.raises(DataError, match="cannot be calibrated"):
        open_calibration(np.full(5, np.nan))
    c = open_calibration(score)
    with pytest.raises(DataError, match="do not belong"):
        c.add(rows, score[:50])
    with pytest.raises(DataError, match="1 of them missing"):
        c.add(rows, np.append(score[:-1], np.nan))


def test_one_score_for_everyone_is_one_bin():
    rows, _ = drawn(np.random.default_rng(9), 500)
    flat = np.full(500, 0.5)
    c = open_calibration(flat).add(rows, flat)
    assert len(c.edges) == 0
    assert of(estimate(c, hidden(rows), flat, {}), "everyone")["risk"]["value"] == pytest.approx(
        1 - np.where(rows.decision == 1, rows.label.mean(), 1 - rows.label.mean()).mean(), abs=0.01
    )
