"""The change of a gap is exactly mix + rate, by hand and for any counts; it names who and where; errors hold."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from audit.cube import CodedRows, Meaning, cube_of
from audit.errors import DataError
from audit.watch.attribution import SegmentCounts, attribute_change, most_telling, segment_tables, table_of_cube
from audit.watch.summaries import reference_of

MEANING = Meaning("yes", "no", "yes")


def table(
    chosen: list[list[int]], people: list[list[int]], segments: tuple[str, ...] = ("low", "high")
) -> SegmentCounts:
    """Two groups: how many are chosen in each segment, of how many."""
    n = np.zeros((2, len(segments), 3, 2), dtype=np.int64)
    n[:, :, 0, 1] = chosen
    n[:, :, 0, 0] = np.array(people) - np.array(chosen)
    return SegmentCounts(("sex",), "hours", ("M", "F"), segments, n, MEANING)


def of(change, group, segment):
    return next(s for s in change.segments if s.group == group and s.segment == segment)


def test_by_hand():
    before = table([[20, 40], [20, 40]], [[50, 50], [50, 50]])  # both: 40 % and 80 %, half each: 60 %
    after = table([[20, 40], [40, 8]], [[50, 50], [80, 20]])  # F: 50 % of 80 and 40 % of 20: 48 %
    change = attribute_change(before, after, "selection_rate")
    assert (change.first, change.second) == ("M", "F")
    assert (change.before, change.after) == (pytest.approx(0), pytest.approx(0.12))
    low, high = of(change, "F", "low"), of(change, "F", "high")
    # shares .5 -> .8 and .5 -> .2; rates .4 -> .5 and .8 -> .4; the group's mean rate (.6 + .48) / 2 = .54
    assert low.mix == pytest.approx(0.3 * (0.45 - 0.54))
    assert high.mix == pytest.approx(-0.3 * (0.6 - 0.54))
    assert low.rate == pytest.approx(0.65 * 0.1)
    assert high.rate == pytest.approx(0.35 * -0.4)
    assert (low.shares, low.rates, low.people) == ((0.5, 0.8), (0.4, 0.5), (50, 80))
    gap = of(change, None, "high")
    assert (gap.mix, gap.rate) == (pytest.approx(-high.mix), pytest.approx(-high.rate))
    assert gap.people == (100, 70)
    assert change.mix == pytest.approx(-(low.mix + high.mix))
    assert change.rate == pytest.approx(0.075)


COUNTS = hnp.arrays(np.int64, (3, 4, 3, 2), elements=st.integers(0, 40))


@settings(max_examples=150, deadline=None)
@given(
    COUNTS, COUNTS, st.sampled_from(["selection_rate", "true_positive_rate", "accuracy", "positive_predictive_value"])
)
def test_effects_add_up_exactly_for_every_group_and_for_the_gap(before, after, metric):
    names = ("a", "b", "c"), ("s", "t", "u", "v")
    windows = [SegmentCounts(("race",), "job", *names, n, MEANING) for n in (before, after)]
    change = attribute_change(*windows, metric, people=1)
    if change is None:
        return
    for moved in change.groups:
        mine = [s for s in change.segments if s.group == moved.group]
        assert sum(s.mix + s.rate for s in mine) == pytest.approx(moved.after - moved.before, abs=1e-12)
        assert moved.mix + moved.rate == pytest.approx(moved.change, abs=1e-12)
    gap = [s for s in change.segments if s.group is None]
    assert sum(s.mix + s.rate for s in gap) == pytest.approx(change.after - change.before, abs=1e-12)
    assert all(s.mix_error >= 0 and s.rate_error >= 0 for s in change.segments)


def test_mix_alone_is_all_mix_and_rate_alone_all_rate():
    before = table([[200, 800], [200, 800]], [[1000, 1000], [1000, 1000]])
    mix = attribute_change(before, table([[200, 800], [320, 320]], [[1000, 1000], [1600, 400]]), "selection_rate")
    assert mix.rate == pytest.approx(0)
    assert mix.change == pytest.approx(0.18)
    assert "11.7 points: the share of F with hours high went from 50.0 % to 20.0 % of F" in mix.words
    rate = attribute_change(before, table([[200, 800], [200, 500]], [[1000, 1000], [1000, 1000]]), "selection_rate")
    assert rate.mix == pytest.approx(0)
    assert rate.change == pytest.approx(0.15)
    assert "the rate of F with hours high went from 80.0 % to 50.0 %" in rate.words


def test_a_segment_that_is_new_is_all_mix():
    before = table([[50, 0], [50, 0]], [[100, 0], [100, 0]])
    after = table([[50, 0], [50, 90]], [[100, 0], [100, 100]])
    change = attribute_change(before, after, "selection_rate")
    new = of(change, "F", "high")
    assert new.rate == 0
    assert new.rates == (None, pytest.approx(0.9))
    assert sum(s.mix + s.rate for s in change.segments if s.group is None) == pytest.approx(change.change)


def test_chance_is_called_chance():
    before = table([[20, 40], [21, 40]], [[50, 50], [50, 50]])
    after = table([[20, 40], [19, 38]], [[50, 50], [50, 50]])
    assert "no more than chance" in attribute_change(before, after, "selection_rate").words


def test_standard_errors_are_the_spread_of_repeated_windows():
    rng = np.random.default_rng(3)
    share, later = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4])
    rate, after = np.array([0.2, 0.5, 0.7]), np.array([0.25, 0.3, 0.7])
    result, errors = [], []
    for _ in range(300):
        windows = []
        for s, r in ((share, rate), (later, after)):
            people = rng.multinomial(800, s)
            windows.append(table([[1] * 3, rng.binomial(people, r)], [[30] * 3, people], ("x", "y", "z")))
        change = attribute_change(*windows, "selection_rate")
        mine = [s for s in change.segments if s.group == "F"]
        total = next(m for m in change.groups if m.group == "F")
        result.append([v for s in mine for v in (s.mix, s.rate)] + [total.change])
        errors.append([v for s in mine for v in (s.mix_error, s.rate_error)] + [total.error])
    np.testing.assert_allclose(np.mean(errors, axis=0), np.std(result, axis=0), rtol=0.25)


def test_small_groups_and_the_unknown_are_not_paired():
    before = table([[20, 40], [1, 1]], [[50, 50], [5, 5]])
    assert attribute_change(before, before, "selection_rate") is None
    assert attribute_change(before, before, "selection_rate", pair=("M", "F")) is None
    assert attribute_change(before, before, "selection_rate", people=5) is not None


def test_bad_input_is_said():
    t = table([[20, 40], [20, 40]], [[50, 50], [50, 50]])
    with pytest.raises(DataError, match="no such rate"):
        attribute_change(t, t, "nonsense")
    other = SegmentCounts(("race",), "hours", t.groups, t.segments, t.n, MEANING)
    with pytest.raises(DataError, match="cannot be compared"):
        attribute_change(t, other, "selection_rate")
    with pytest.raises(DataError, match="cannot be added"):
        _ = t + other


# -- tables ---------------------------------------------------------------------------------------------------


def rows(seed: int, n: int = 400) -> tuple[pd.DataFrame, CodedRows]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.05, np.nan, rng.integers(18, 80, n)),
            "job": rng.choice([f"job {i:02d}" for i in range(14)], n),
            "same": np.ones(n),
        }
    )
    codes = np.column_stack([rng.integers(0, 2, n), rng.integers(0, 3, n)])
    levels = (("F", "M"), ("a", "b", "c"))
    label, decision = rng.integers(0, 3, n), rng.integers(0, 2, n)
    return frame, CodedRows(("sex", "race"), levels, codes, label, decision, None, None, MEANING)


def test_tables_of_features_count_every_row_once_and_add_up_and_survive_json():
    frame, coded = rows(0)
    reference = reference_of(frame, ["age", "job", "same"], coded)
    tables = segment_tables(reference, frame, coded)
    assert [(t.attribute, t.by) for t in tables] == [((a,), f) for f in ("age", "job", "same") for a in ("sex", "race")]
    margin = cube_of(coded).margin(("sex",))
    for t in tables[::2]:
        np.testing.assert_array_equal(t.n.sum(axis=1), margin.n)
    assert len(tables[0].segments) == 6
    assert tables[0].segments[-1] == "(missing)"
    assert tables[2].segments[-2:] == ("(other)", "(missing)")
    assert len(tables[2].segments) == 11
    half = np.arange(400) < 150
    parts = []
    for mask in (half, ~half):
        piece = CodedRows(
            coded.attributes, coded.levels, coded.codes[mask], coded.label[mask], coded.decision[mask], None, None,
            MEANING,
        )  # fmt: skip
        parts.append(segment_tables(reference, frame[mask], piece))
    for whole, a, b in zip(tables, *parts, strict=True):
        total = SegmentCounts.from_json(json.loads(json.dumps(a.to_json()))) + b
        np.testing.assert_array_equal(total.n, whole.n)


def test_a_value_and_a_group_never_seen_before_have_places():
    frame, coded = rows(0)
    reference = reference_of(frame, ["job"], coded)
    later, again = rows(1)
    later["job"] = "something new"
    again = CodedRows(
        again.attributes, (("F", "M", "X"), again.levels[1]), again.codes + np.array([1, 0]), again.label,
        again.decision, None, None, MEANING,
    )  # fmt: skip
    before, after = segment_tables(reference, frame, coded)[0], segment_tables(reference, later, again)[0]
    assert after.n[:, after.segments.index("(other)")].sum() == 400
    change = attribute_change(before, after, "selection_rate")
    assert change is None  # M alone was there both times
    assert (before + after).n.sum() == 800


def test_a_stored_cube_is_cut_by_another_attribute():
    _, coded = rows(2)
    t = table_of_cube(cube_of(coded), ("sex",), "race")
    assert (t.groups, t.segments) == (("F", "M"), ("a", "b", "c"))
    assert t.n.sum() == 400
    assert t.n[0, 1].sum() == ((coded.codes[:, 0] == 0) & (coded.codes[:, 1] == 1)).sum()
    with pytest.raises(DataError, match="cut this way"):
        table_of_cube(cube_of(coded), ("sex",), "sex")


def test_of_several_features_the_one_that_tells_most_is_found():
    """Only old women lose: by age it stands out, by job it does not."""
    frame, coded = rows(5, 6000)
    reference = reference_of(frame, ["age", "job"], coded)
    before = segment_tables(reference, frame, coded)
    hurt = (coded.codes[:, 0] == 0) & (frame["age"] >= 60).to_numpy()
    decided = np.where(hurt, 0, coded.decision)
    worse = CodedRows(coded.attributes, coded.levels, coded.codes, coded.label, decided, None, None, MEANING)
    after = segment_tables(reference, frame, worse)
    changes = tuple(
        attribute_change(b, a, "selection_rate") for b, a in zip(before, after, strict=True) if b.attribute == ("sex",)
    )
    best = most_telling(changes)
    assert best.by == "age"
    assert "F with age" in best.words
    assert best.mix == pytest.approx(0)
    assert most_telling(()) is None
