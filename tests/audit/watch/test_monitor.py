"""The streams of norms: the same however rows are cut and after a restart, valid, and naming who."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.cube import CodedRows, Meaning
from audit.policy import Norm
from audit.values import UNKNOWN
from audit.watch.evalues import Open, advance, close_blocks, difference_logs, log_mean, start
from audit.watch.monitor import (
    LOOK,
    MOST_GROUPS,
    REST,
    SET_ASIDE,
    feed,
    joint_groups,
    open_monitor,
)
from audit.watch.watched import Monitor, pair_log_e

MEANING = Meaning("yes", "no", "yes")
SELECTION = Norm("selection_rate", "difference", (), 0.1, 0.05)
RATIO = Norm("selection_rate", "ratio", (), 0.8, 0.85)
ODDS = Norm("equalized_odds", "difference", (), 0.1, 0.05)
OPPORTUNITY = Norm("equal_opportunity", "difference", (), 0.1, 0.05)


def coded(
    group: np.ndarray, label: np.ndarray, decision: np.ndarray, names: tuple[str, ...] = ("a", "b", "c")
) -> CodedRows:
    return CodedRows(("race",), (names,), group[:, None], label, decision, None, None, MEANING)


def people(seed: int, n: int, rates: tuple[float, ...], names: tuple[str, ...] | None = None) -> CodedRows:
    """Everybody's decision by the group's rate, whatever the outcome."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, len(rates), n)
    decision = (rng.random(n) < np.array(rates)[group]).astype(np.int64)
    return coded(group, rng.integers(0, 2, n), decision, names or tuple("abcdefghijklmnopq"[: len(rates)]))


def part(c: CodedRows, a: int, b: int) -> CodedRows:
    return CodedRows(c.attributes, c.levels, c.codes[a:b], c.label[a:b], c.decision[a:b], None, None, c.meaning)


def stored(monitor: Monitor) -> Monitor:
    return Monitor.from_json(json.loads(json.dumps(monitor.to_json())))


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 1)), max_size=260)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.lists(st.integers(0, 260), max_size=4), st.booleans())
def test_any_cuts_and_restarts_give_the_undisturbed_values_to_the_last_bit(rows, cuts, known):
    """Group d, unknown beforehand, and unknown values among them; through JSON between any two pieces."""
    group, label, decision = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    names = ("a", "b", "d", UNKNOWN)
    groups = {("race",): ("a", "b")} if known else None
    begin = open_monitor((SELECTION, RATIO, ODDS), ("race",), MEANING, groups=groups)
    whole = begin
    for labelled in (False, True):
        whole = feed(whole, coded(group, label, decision, names), labelled=labelled)
    pieces = begin
    bounds = [0, *sorted(min(c, len(rows)) for c in cuts), len(rows)]
    for labelled in (False, True):
        for a, b in itertools.pairwise(bounds):
            pieces = stored(feed(pieces, coded(group[a:b], label[a:b], decision[a:b], names), labelled=labelled))
    assert json.dumps(pieces.to_json()) == json.dumps(whole.to_json())


def test_the_two_clocks_do_not_mix():
    m = open_monitor((SELECTION, ODDS), ("race",), MEANING, groups={("race",): ("a", "b")})
    after = feed(m, people(1, 500, (0.5, 0.5)), labelled=False)
    assert [w.seen for w in after.watched] == [500, 0]
    assert after.watched[1] is m.watched[1]


def test_value_by_hand_from_the_streams():
    c = people(2, 700, (0.6, 0.3))
    w = feed(open_monitor((SELECTION,), ("race",), MEANING, groups={("race",): ("a", "b")}), c, labelled=False).watched[
        0
    ]
    blocks, _ = close_blocks(c.codes[:, 0], c.decision, Open())
    up, down = (advance(start(), logs)[0] for logs in difference_logs(blocks, 0.1))
    mean = (math.exp(up.log_e) + math.exp(down.log_e)) / 2
    assert math.exp(w.log_e) == pytest.approx(SET_ASIDE + (1 - SET_ASIDE) * mean, rel=1e-10)
    assert w.log_m == pytest.approx(math.log((1 - SET_ASIDE) * (math.exp(up.log_m) + math.exp(down.log_m)) / 2))
    assert pair_log_e(w.pairs[0]) == pytest.approx(math.log(mean))


def test_equalized_odds_is_the_mean_of_a_stream_for_each_outcome():
    c = people(3, 900, (0.7, 0.4))
    groups = {("race",): ("a", "b")}
    w = feed(open_monitor((ODDS,), ("race",), MEANING, groups=groups), c, labelled=True).watched[0]
    assert set(w.pairs[0].streams) == {"true_positive_rate", "false_positive_rate"}
    logs = []
    for y in (1, 0):
        mine = c.label == y
        blocks, _ = close_blocks(c.codes[mine, 0], c.decision[mine], Open())
        logs += [advance(start(), x)[0].log_e for x in difference_logs(blocks, 0.1)]
    assert pair_log_e(w.pairs[0]) == pytest.approx(float(log_mean(np.array(logs))))


def test_opportunity_is_the_true_positive_rate_where_positive_is_good_else_the_true_negative_rate():
    for favourable, metric in (("yes", "true_positive_rate"), ("no", "true_negative_rate")):
        m = open_monitor((OPPORTUNITY,), ("race",), Meaning("yes", "no", favourable))
        assert m.watched[0].metrics == (metric,)


def test_rows_without_an_outcome_are_passed_over_by_norms_that_need_one():
    c = people(4, 600, (0.7, 0.4))
    unknown = np.where(np.arange(600) % 3 == 0, 2, c.label)
    groups = {("race",): ("a", "b")}
    m = open_monitor((ODDS,), ("race",), MEANING, groups=groups)
    some = feed(m, coded(c.codes[:, 0], unknown, c.decision, ("a", "b")), labelled=True).watched[0]
    keep = unknown < 2
    fewer = feed(m, coded(c.codes[keep, 0], c.label[keep], c.decision[keep], ("a", "b")), labelled=True).watched[0]
    assert pair_log_e(some.pairs[0]) == pair_log_e(fewer.pairs[0])


def test_an_empty_feed_changes_nothing():
    m = feed(open_monitor((SELECTION,), ("race",), MEANING), people(5, 300, (0.5, 0.5)), labelled=False)
    again = feed(m, part(people(5, 300, (0.5, 0.5)), 0, 0), labelled=False)
    assert json.dumps(again.to_json()) == json.dumps(m.to_json())


def test_who_is_named_is_who_is_apart():
    c = people(6, 6000, (0.5, 0.5, 0.5, 0.2))
    groups = {("race",): ("a", "b", "c", "d")}
    w = feed(open_monitor((SELECTION,), ("race",), MEANING, groups=groups), c, labelled=False).watched[0]
    assert set(w.named()) == {("a", "d"), ("b", "d"), ("c", "d")}  # the favoured one first
    assert w.crossed_at is not None
    assert w.crossed_at % LOOK == 0
    assert w.alarm_at is not None


def test_nobody_is_named_within_the_limit():
    c = people(7, 6000, (0.5, 0.45, 0.42, 0.48))
    w = feed(open_monitor((SELECTION,), ("race",), MEANING), c, labelled=False).watched[0]
    assert w.named() == ()
    assert w.crossed_at is None


def test_five_groups_at_the_edge_of_two_norms_alarm_falsely_less_often_than_alpha():
    """120 runs of 5 groups looked at every 200 people: 5 % would be 6, and 4 sigma more 15."""
    fired = 0
    rates = (0.5, 0.4, 0.5, 0.4, 0.45)
    names = tuple("abcde")
    m = open_monitor((SELECTION, RATIO), ("race",), MEANING, groups={("race",): names})
    for seed in range(120):
        w = feed(m, people(1000 + seed, 3000, rates, names), labelled=False)
        fired += any(x.crossed_at is not None for x in w.watched)
    assert fired <= 15


def test_what_was_spent_stays_spent_after_a_restart():
    """Alpha is not given back: a crossing is kept though the evidence has gone, and wealth goes on where it was."""
    bad, good = people(8, 3000, (0.8, 0.3)), people(9, 30_000, (0.5, 0.5))
    m = stored(feed(open_monitor((SELECTION,), ("race",), MEANING), bad, labelled=False))
    crossed, top = m.watched[0].crossed_at, m.watched[0].peak_e
    assert crossed is not None
    later = stored(feed(m, good, labelled=False)).watched[0]
    assert later.log_e < top
    assert (later.crossed_at, later.peak_e >= top) == (crossed, True)
    lost = feed(open_monitor((SELECTION,), ("race",), MEANING), good, labelled=False).watched[0]
    whole = feed(open_monitor((SELECTION,), ("race",), MEANING), part(good, 0, 15_000), labelled=False)
    resumed = feed(stored(whole), part(good, 15_000, 30_000), labelled=False).watched[0]
    assert resumed.log_e == lost.log_e


def test_a_group_that_comes_later_bets_only_what_was_set_aside():
    names = ("a", "b", "z")
    m = open_monitor((SELECTION,), ("race",), MEANING, groups={("race",): ("a", "b")})
    early = people(10, 400, (0.5, 0.5), ("a", "b"))
    m = feed(m, early, labelled=False)
    w = feed(m, people(11, 4000, (0.5, 0.5, 0.1), names), labelled=False).watched[0]
    assert [(p.first, p.second) for p in w.pairs] == [("a", "b"), ("a", "z"), ("b", "z")]
    assert sum(p.weight for p in w.pairs) + w.reserve == pytest.approx(1)
    assert w.pairs[1].weight == SET_ASIDE / 4
    assert {p for pair in w.named() for p in pair} >= {"z"}


def test_many_groups_are_compared_with_all_others_together():
    names = tuple(f"g{i:02d}" for i in range(MOST_GROUPS + 1))
    m = open_monitor((SELECTION,), ("race",), MEANING, groups={("race",): names})
    assert [(p.first, p.second) for p in m.watched[0].pairs] == [(n, REST) for n in names]
    rates = [0.5] * len(names)
    rates[4] = 0.1
    w = feed(m, people(12, 8000, tuple(rates), names), labelled=False).watched[0]
    assert (REST, "g04") in w.named()
    assert all("g04" in pair for pair in w.named())


def test_groups_of_an_intersection_and_the_unknown():
    codes = np.array([[0, 0], [1, 1], [0, 2], [1, 0]])
    c = CodedRows(
        ("sex", "race"),
        (("F", "M"), ("x", "y", UNKNOWN)),
        codes,
        np.zeros(4, int),
        np.zeros(4, int),
        None,
        None,
        MEANING,
    )
    group, names = joint_groups(c, ("sex", "race"))
    assert names == ("F / x", "M / x", "M / y")
    assert group.tolist() == [0, 2, -1, 1]


def test_norms_that_cannot_be_followed_are_said():
    norms = (Norm("roc_auc", "difference", (), 0.1, 0.05), ODDS, SELECTION)
    m = open_monitor(norms, ("race",), Meaning("yes", "no", "yes", labelled=False))
    assert [w.norm.metric for w in m.watched] == ["selection_rate"]
    assert len(m.notes) == 2
    assert "no mean over people" in m.notes[0]
    assert "needs outcomes" in m.notes[1]


def test_a_norm_for_an_attribute_the_case_does_not_have_is_not_watched():
    norm = Norm("selection_rate", "difference", ("religion",), 0.1, 0.05)
    assert open_monitor((norm,), ("race",), MEANING).watched == ()
