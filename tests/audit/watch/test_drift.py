"""Drift: tests and sizes against scipy, exact with few people, corrected; summaries that are all that is needed."""

from __future__ import annotations

import json
import math

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from msgspec import structs
from scipy import stats
from scipy.spatial.distance import jensenshannon

from audit.cube import CodedRows, Meaning
from audit.stats import benjamini_hochberg
from audit.watch.drift import compared, counts_p, drifted, js, kl, psi, spend
from audit.watch.summaries import (
    CELLS,
    EVERYONE,
    MISSING,
    NEW,
    Feature,
    Part,
    add_summaries,
    bins_of,
    reference_of,
    summarise,
)

SEX = np.array(["F", "M"])


def frame(
    seed: int, n: int = 2000, *, shift: float = 0.0, jobs: tuple[str, ...] = ("a", "b", "c", "d")
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 80, n) + round(10 * shift),
            "pay": rng.lognormal(3 + shift, 1, n),
            "job": rng.choice(jobs, n),
            "member": rng.random(n) < 0.3,
        }
    )


def sexes(seed: int, n: int = 2000) -> dict[str, np.ndarray]:
    return {"sex": SEX[np.random.default_rng(seed).integers(0, 2, n)]}


def of(result, feature: str, group: str = EVERYONE):
    return next(d for d in result if (d.feature, d.group) == (feature, group))


FEATURES = ["age", "pay", "job", "member"]


def kept(reference: dict[str, Feature]) -> dict[str, Feature]:
    """As it comes back from JSON."""
    return msgspec.convert(json.loads(json.dumps({k: v.to_json() for k, v in reference.items()})), dict[str, Feature])


REFERENCE = kept(reference_of(frame(0), FEATURES, sexes(0)))


# -- missing values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["number", "text", "flag"])
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_column_that_empties_has_moved_by_what_is_missing(kind: str, share: float) -> None:
    """30 % missing where none was: PSI over the values' bins and one of missing values, in whatever kind of column."""
    rng = np.random.default_rng(2)
    values = {"number": rng.normal(size=4000), "text": rng.choice(list("abcd"), 4000), "flag": rng.random(4000) < 0.3}
    before = pd.DataFrame({"x": pd.Series(values[kind])})
    after = before.sample(frac=1, random_state=1).reset_index(drop=True)
    after["x"] = after["x"].astype(object)
    after.loc[: round(share * len(after)) - 1, "x"] = None
    after["x"] = after["x"].astype(float) if kind == "number" else after["x"]
    reference = kept(reference_of(before, ["x"], {}))
    result = of(drifted(reference, after, {}, alpha=0.05), "x")
    assert result.shifted
    # Two bins, known and missing, with half a person each; more bins of known values only add to it.
    p, q = np.array([4000.5, 0.5]) / 4001, np.array([4000 * (1 - share) + 0.5, 4000 * share + 0.5]) / 4001
    least = ((p - q) * np.log(p / q)).sum()
    assert result.psi == pytest.approx(least, rel=0.1 if share < 1 else 1.0)
    assert result.psi > 2.0
    assert result.js > 0.15


def test_as_much_missing_as_before_is_no_drift() -> None:
    rng = np.random.default_rng(3)
    sides = []
    for seed in (1, 2):
        x = np.random.default_rng(seed).normal(size=4000)
        x[rng.random(4000) < 0.3] = np.nan
        sides.append(pd.DataFrame({"x": x}))
    result = of(drifted(reference_of(sides[0], ["x"], {}), sides[1], {}, alpha=0.01), "x")
    assert not result.shifted
    assert result.psi < 0.03


# -- against scipy --------------------------------------------------------------------------------------------


def test_kolmogorov_smirnov_is_scipys_where_every_value_has_its_own_bin():
    later = frame(1, shift=0.3)
    result = of(drifted(REFERENCE, later, sexes(1), alpha=0.05), "age")
    d = stats.ks_2samp(frame(0)["age"], later["age"], method="asymp").statistic
    assert result.p == pytest.approx(stats.kstwobign.sf(d * math.sqrt(2000 * 2000 / 4000)), rel=1e-9)


def test_on_many_values_the_statistic_is_a_little_less_never_more():
    for seed in range(1, 8):
        later = frame(seed, shift=0.05)
        result = of(drifted(REFERENCE, later, sexes(seed), alpha=0.05), "pay")
        d = stats.ks_2samp(frame(0)["pay"], later["pay"], method="asymp").statistic
        p = stats.kstwobign.sf(d * math.sqrt(1000))
        assert result.p >= p - 1e-12
        assert stats.kstwobign.isf(result.p) >= stats.kstwobign.isf(p) - math.sqrt(1000) / 256 - 1e-9


def test_the_kolmogorov_law_errs_by_no_more_than_two_percent_from_fifty_people():
    for n in (50, 100, 200):
        for shift in range(1, n + 1):
            law = stats.kstwobign.sf(shift / n * math.sqrt(n / 2))
            if 1e-6 < law < 0.2:
                assert stats.ks_2samp(np.arange(n), np.arange(n) + shift - 0.5, method="exact").pvalue <= 1.02 * law


def test_two_shares_are_compared_by_fishers_exact_test():
    for a, b in (([480, 20], [450, 50]), ([495, 5], [40, 10]), ([30, 470], [3, 47]), ([500, 0], [48, 2])):
        x = np.array(b)[1]
        law = stats.hypergeom(sum(a) + sum(b), a[1] + b[1], sum(b))
        exact = min(1.0, 2 * min(law.cdf(x), law.sf(x - 1)))
        p = counts_p(np.array(a, dtype=float), np.array(b, dtype=float))
        assert exact <= p * (1 + 1e-9)
        assert p <= min(1.0, 1.3 * exact) if exact < 0.05 else exact <= p
    assert counts_p(np.array([5.0, 0]), np.array([7.0, 0])) == 1.0
    assert counts_p(np.array([0.0, 0]), np.array([7.0, 3])) == 1.0
    # By hand: of 4 + 4 people the 4 with the value are all in the batch: 1 / C(8, 4), twice.
    assert counts_p(np.array([4.0, 0]), np.array([0.0, 4])) == pytest.approx(2 / 70)


def test_several_values_one_after_another_each_given_those_before():
    a, b = np.array([300.0, 150, 50]), np.array([200.0, 200, 100])
    first, second = stats.hypergeom(1000, 500, 500), stats.hypergeom(500, 350, 300)
    each = [2 * min(law.cdf(x), law.sf(x - 1)) for law, x in ((first, 200), (second, 200))]
    wanted = 2 * min(stats.combine_pvalues(each, "fisher").pvalue, 2 * min(each))
    assert counts_p(a, b) == pytest.approx(wanted, rel=0.2)
    assert counts_p(a, b) >= wanted


@pytest.mark.parametrize(("n", "m"), [(500, 500), (500, 60), (60, 2000)])
def test_p_values_of_rare_values_are_small_no_more_often_than_they_say(n, m):
    """One value for most people and 60 rare ones, some of which only the batch has, as countries of birth are."""
    rng = np.random.default_rng(n + m)
    shares = np.append(0.9, 0.1 * rng.dirichlet(np.full(60, 0.5)))
    names = np.array([f"c{i:02d}" for i in range(61)])
    p, draws = [], 4000
    for _ in range(draws):
        parts = []
        for size in (n, m):
            result = rng.multinomial(size, shares)
            parts.append(Part(n=size, counts={k: int(c) for k, c in zip(names, result, strict=True) if c}))
        before = {"x": Feature(numeric=False, parts={EVERYONE: parts[0]})}
        p.append(compared(before, {"x": {EVERYONE: parts[1]}}, alpha=0.05)[0].p)
    for level in (0.1, 0.01, 0.001):
        assert np.mean(np.array(p) <= level) <= level + 4 * math.sqrt(level / draws)
    assert np.mean(np.array(p) <= 0.1) > 0.005, "and it is not idle"


def test_wasserstein_is_scipys_in_standard_deviations_of_the_reference():
    later = frame(1, shift=0.3)
    result = of(drifted(REFERENCE, later, sexes(1), alpha=0.05), "age")
    kept = later["age"].to_numpy().clip(18, 79)
    inside = stats.wasserstein_distance(frame(0)["age"], kept) / frame(0)["age"].std(ddof=0)
    moved = (later["age"].mean() - frame(0)["age"].mean()) / frame(0)["age"].std(ddof=0)
    assert result.distance == pytest.approx(max(inside, moved), rel=1e-9)
    pay = of(drifted(REFERENCE, later, sexes(1), alpha=0.05), "pay").distance
    exact = stats.wasserstein_distance(frame(0)["pay"], later["pay"]) / frame(0)["pay"].std(ddof=0)
    assert pay == pytest.approx(exact, rel=0.05)


def test_values_beyond_everything_seen_are_not_lost():
    later = frame(1)
    later["age"] += 1000
    result = of(drifted(REFERENCE, later, sexes(1), alpha=0.05), "age")
    assert result.p == 1e-300  # as little as is ever stored; never 0
    assert result.distance == pytest.approx(1000 / frame(0)["age"].std(ddof=0), rel=0.01)


def test_sizes_by_hand():
    a, b = [10, 30, 60], [20, 30, 50]
    p, q = np.array([10.5, 30.5, 60.5]) / 101.5, np.array([20.5, 30.5, 50.5]) / 101.5
    assert psi(a, b) == pytest.approx(((p - q) * np.log(p / q)).sum())
    assert kl(a, b) == pytest.approx(stats.entropy(q, p, base=2))
    assert psi(a, b) / math.log(2) == pytest.approx(kl(a, b) + kl(b, a))
    assert js(a, b) == pytest.approx(jensenshannon(a, b, base=2) ** 2)
    assert js([1, 0], [0, 1]) == pytest.approx(1)
    assert (psi(a, a), js(a, a), kl(a, a)) == (0, 0, 0)


# -- corrections ----------------------------------------------------------------------------------------------


def test_over_batches_what_is_spent_adds_up_to_alpha():
    assert spend(0.05, 1) == pytest.approx(0.05 * 6 / math.pi**2)
    total = sum(spend(0.05, j) for j in range(1, 200_001))
    assert 0.0499 < total < 0.05


def test_within_a_batch_p_values_are_adjusted_together():
    result = drifted(REFERENCE, frame(3), sexes(3), alpha=0.05)
    assert len(result) == len(FEATURES) * 3
    np.testing.assert_allclose([d.q for d in result], benjamini_hochberg(np.array([d.p for d in result])))
    assert [d.shifted for d in result] == [d.q <= 0.05 for d in result]


def test_a_long_quiet_feed_is_not_suspect_by_its_length():
    """40 batches of the same people, 40 such feeds: some feed alarms in 5 % at most; 4 sigma more are 7 of 40."""
    rng = np.random.default_rng(0)
    fired = 0
    for _ in range(40):
        reference = reference_of(
            pd.DataFrame({"x": rng.normal(size=4000), "y": rng.choice(list("abc"), 4000)}), ["x", "y"], {}
        )
        for j in range(1, 41):
            batch = pd.DataFrame({"x": rng.normal(size=200), "y": rng.choice(list("abc"), 200)})
            if any(d.shifted for d in drifted(reference, batch, {}, alpha=spend(0.05, j))):
                fired += 1
                break
    assert fired <= 7


def census(rng: np.random.Generator, n: int, abroad: float = 0.1, longer: float = 0.0):
    """People with a country of birth: most one, the others 40 rare ones; ties and missing values as in a real table."""
    country = np.where(rng.random(n) < abroad, np.minimum(rng.geometric(0.08, n), 40), 0)
    rows = pd.DataFrame(
        {
            "country": [f"c{c:02d}" for c in country],
            "school": rng.choice([f"s{i:02d}" for i in range(16)], n, p=np.arange(1, 17) / 136),
            "gain": np.where(rng.random(n) < 0.08, np.round(rng.lognormal(8, 1, n), -2), 0),
            "hours": np.where(rng.random(n) < 0.005, np.nan, np.round(rng.normal(40 + longer, 12, n))),
        }
    )
    return rows, {"sex": SEX[(rng.random(n) < 0.33).astype(int)], "race": np.where(rng.random(n) < 0.1, "B", "W")}


def stream(seed: int, batches: int, alpha: float, **later) -> int | None:
    """The first suspicious batch of a stream whose reference is one batch of 500, or None."""
    rng = np.random.default_rng(seed)
    rows, groups = census(rng, 500)
    reference = reference_of(rows, list(rows.columns), groups)
    for j in range(1, batches + 1):
        rows, groups = census(rng, 500, **later)
        if any(d.shifted for d in drifted(reference, rows, groups, alpha=spend(alpha, j))):
            return j
    return None


def test_with_a_small_reference_no_more_streams_are_suspect_than_alpha_says():
    """alpha = .2 over 12 batches, so that there is something to count: of 100 streams 20, 4 sigma more are 36."""
    suspect = [s for s in range(100) if stream(s, 12, 0.2) is not None]
    assert len(suspect) <= 36


def test_with_a_small_reference_real_drift_is_found():
    assert all((stream(s, 6, 0.05, abroad=0.25) or 99) <= 2 for s in range(10))
    assert all((stream(s, 6, 0.05, longer=6.0) or 99) <= 2 for s in range(10))


# -- what it finds --------------------------------------------------------------------------------------------


def test_one_group_that_has_changed_is_the_one_that_is_said():
    later, sex = frame(4), sexes(4)
    later.loc[sex["sex"] == "F", "pay"] *= 1.6
    result = drifted(REFERENCE, later, sex, alpha=0.01)
    assert of(result, "pay", "sex=F").shifted
    assert not of(result, "pay", "sex=M").shifted
    assert not any(d.shifted for d in result if d.feature != "pay")
    assert of(result, "pay", "sex=F").psi > 0.1 > of(result, "pay", "sex=M").psi


def test_a_changed_mix_of_groups_shifts_nothing_within_groups():
    rng = np.random.default_rng(5)
    sex = {"sex": SEX[(rng.random(4000) < 0.5).astype(int)]}
    before = pd.DataFrame({"x": rng.normal((sex["sex"] == "F") * 2.0)})
    reference = reference_of(before, ["x"], sex)
    later = {"sex": SEX[(rng.random(4000) < 0.1).astype(int)]}
    result = drifted(reference, pd.DataFrame({"x": rng.normal((later["sex"] == "F") * 2.0)}), later, alpha=0.01)
    assert {d.group for d in result if d.shifted} == {EVERYONE}


def test_a_new_category_is_named():
    later = frame(6)
    later.loc[:79, "job"] = "robot"
    result = of(drifted(REFERENCE, later, sexes(6), alpha=0.01), "job")
    assert result.new == ("robot",)
    assert result.shifted


def test_a_category_that_one_group_never_had_is_not_new():
    base, sex = frame(7), sexes(7)
    base.loc[sex["sex"] == "F", "job"] = "a"
    result = drifted(reference_of(base, ["job"], sex), frame(7), sex, alpha=0.01)
    assert of(result, "job", "sex=F").new == ()
    assert of(result, "job", "sex=F").shifted


def test_values_that_went_missing_are_drift():
    later = frame(8)
    later["pay"] = later["pay"].where(np.random.default_rng(8).random(2000) > 0.1)
    later["job"] = later["job"].astype(object).where(np.arange(2000) > 200)
    result = drifted(REFERENCE, later, sexes(8), alpha=0.01)
    assert of(result, "pay").shifted
    assert of(result, "job").shifted
    all_gone = frame(8).assign(pay=np.nan)
    assert of(drifted(REFERENCE, all_gone, sexes(8), alpha=0.01), "pay").test == "Fisher"


def test_one_name_for_one_value_however_a_file_was_typed():
    base = pd.DataFrame({"code": pd.Series(["1", "2"] * 200, dtype=object)})
    reference = reference_of(base, ["code"], {})
    typed = pd.DataFrame({"code": [1.0, 2.0] * 200})
    result = of(drifted(reference, typed, {}, alpha=0.05), "code")
    assert (result.p, result.new) == (1.0, ())


def test_a_constant_and_small_groups():
    base = pd.DataFrame({"x": np.ones(500)})
    reference = reference_of(base, ["x"], {"sex": np.array(["F"] * 460 + ["M"] * 40)})
    result = drifted(reference, base, {"sex": np.array(["F"] * 460 + ["M"] * 40)}, alpha=0.05)
    assert [d.group for d in result] == [EVERYONE, "sex=F"]
    assert (result[0].p, result[0].distance) == (1.0, None)
    assert drifted(reference, base.iloc[:0], {"sex": np.array([], dtype=str)}, alpha=0.05) == ()
    assert drifted(reference, pd.DataFrame({"z": [1]}), {}, alpha=0.05) == ()


# -- summaries ------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.integers(1, 300), elements=st.floats(-1e300, 1e300), unique=True),
    hnp.arrays(np.float64, 60, elements=st.floats(allow_nan=False)),
)
def test_bins_are_those_of_searchsorted(edges, values):
    edges = np.sort(edges)
    many = np.resize(np.concatenate([values, edges, np.nextafter(edges, np.inf)]), 4 * CELLS)
    np.testing.assert_array_equal(bins_of(edges, many), np.searchsorted(edges, many, side="right"))


def test_summaries_of_parts_add_up_to_that_of_the_whole_and_the_tests_follow_from_them():
    later, sex = frame(9, shift=0.1), sexes(9)["sex"]
    later.loc[:30, "job"] = "robot"
    later.loc[50:90, "pay"] = np.nan
    whole = summarise(REFERENCE, later, {"sex": sex})
    total: dict = {}
    for a, b in ((0, 700), (700, 701), (701, 2000)):
        piece = summarise(REFERENCE, later.iloc[a:b], {"sex": sex[a:b]})
        total = add_summaries(total, piece)
    for feature, parts in whole.items():
        assert set(parts) == set(total[feature])
        for name, part in parts.items():
            mine = total[feature][name]
            for key, value in structs.asdict(part).items():
                close = key in ("total", "squares")
                assert getattr(mine, key) == (pytest.approx(value, rel=1e-12) if close else value)
    result, again = (compared(REFERENCE, s, alpha=0.05) for s in (whole, total))
    assert result == drifted(REFERENCE, later, {"sex": sex}, alpha=0.05)
    assert [d.p for d in again] == [d.p for d in result]


def test_coded_rows_and_names_give_the_same_summary():
    rng = np.random.default_rng(10)
    codes = np.column_stack([rng.integers(0, 2, 500), rng.integers(0, 50, 500)])
    levels = (("F", "M"), tuple(f"r{i:02d}" for i in range(50)))
    zeros = np.zeros(500, dtype=np.int64)
    rows = CodedRows(("sex", "race"), levels, codes, zeros, zeros, None, None, Meaning("y", "n", "y"))
    names = {a: np.array(levels[i])[codes[:, i]] for i, a in enumerate(("sex", "race"))}
    a, b = (summarise(REFERENCE, frame(10, 500), g) for g in (rows, names))
    assert a == b
    counts = a["job"]["race=r07"].counts
    mine = frame(10, 500)["job"][codes[:, 1] == 7].value_counts()
    assert counts == {k: int(v) for k, v in sorted(mine.items())}
    assert sum(part.n for name, part in a["age"].items() if name.startswith("race=")) == 500


def test_a_flood_of_new_values_is_counted_without_keeping_each():
    later = frame(11).assign(job=[f"id {i}" for i in range(2000)])
    part = summarise(REFERENCE, later, {})["job"][EVERYONE]
    assert len(part.counts) == 21
    assert part.counts[NEW] == 1980
    assert part.n == 2000


def test_missing_is_a_value_of_its_own():
    later = frame(12).assign(job=None)
    assert summarise(REFERENCE, later, {})["job"][EVERYONE].counts == {MISSING: 2000}


def test_the_reference_is_the_same_for_the_same_seed():
    assert reference_of(frame(0), FEATURES, sexes(0)) == reference_of(frame(0), FEATURES, sexes(0))
    big = pd.DataFrame({"x": np.random.default_rng(1).normal(size=5000)})
    one, two = (reference_of(big, ["x"], {}, seed=s)["x"].everyone.values for s in (0, 1))
    assert len(one) == len(two) == 2000
    assert one != two
