"""Weights that say something, and people in several rows: sums, variances, tests, and what may leave.

References: loops over persons; statsmodels (weighted least squares with HC0 and cluster-robust errors); permutations of
whole persons.
"""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import WLS

from audit.cube import CodedRows, Cube, Margin, Meaning, cube_of, margins_of
from audit.cube_json import margins_from_json, margins_to_json
from audit.errors import DataError
from audit.fractions import correlations, fractions
from audit.gaps import Settings
from audit.measure import measure
from audit.metrics import Metric, metrics_for
from audit.stats import effective_size, largest_gap, linearised_variance, newcombe
from audit.stats.intervals import difference_limits, score_limits
from audit.suppress import publish, publish_margins

MEANING = Meaning("1", "0", "1")
METRICS = {m.name: m for m in metrics_for(MEANING)}
Z = 1.959963984540054


def coded(
    group: np.ndarray, decision: np.ndarray, *, label: np.ndarray | None = None, weight: np.ndarray | None = None,
    cluster: np.ndarray | None = None, second: np.ndarray | None = None,
) -> CodedRows:  # fmt: skip
    codes = [group] if second is None else [group, second]
    names = ("g", "h")[: len(codes)]
    levels = tuple(tuple(f"{a}{i}" for i in range(int(c.max()) + 1)) for a, c in zip(names, codes, strict=True))
    label = np.full(len(group), 2) if label is None else label
    return CodedRows(
        names, levels, np.column_stack(codes), label, decision, weight, None, MEANING,
        cluster=cluster,
    )  # fmt: skip


def margin_of(rows: CodedRows, attribute: tuple[str, ...] = ("g",)) -> Margin:
    return cube_of(rows).margin(attribute)


def gap_of(margin: Margin, name: str = "selection_rate", **more: object) -> object:
    metric = METRICS[name]
    x, n, effective = fractions(margin, metric)
    share = np.divide(x, n, out=np.zeros_like(x), where=n > 0)
    return largest_gap([(share * effective, effective)], joint=[correlations(margin, metric)], **more)  # type: ignore[arg-type]


def people(rng: np.random.Generator, size: int, *, rows: int, rate: float, alike: float) -> tuple[np.ndarray, ...]:
    """(who, decision) of `size` people with `rows` rows each; `alike` is how often an answer is the person's own."""
    who = np.repeat(np.arange(size), rows)
    own = rng.random(size) < rate
    again = rng.random(size * rows) < rate
    return who, np.where(rng.random(size * rows) < alike, own[who], again).astype(np.int64)


rows_of = st.lists(
    st.tuples(
        st.integers(0, 5), st.integers(0, 2), st.integers(0, 1), st.integers(0, 2), st.integers(0, 1),
        st.sampled_from([1.0, 0.5, 3.0, 0.0]),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


def by_loop(margin: Margin, rows: CodedRows, names: tuple[int, ...]) -> tuple[list[int], np.ndarray]:
    """People of each group, and the full table of products over people, from loops over rows."""
    assert rows.cluster is not None
    size = len(margin.groups)
    each = np.zeros((int(rows.cluster.max()) + 1, size * 6))
    seen: list[set[int]] = [set() for _ in range(size)]
    for i in range(len(rows.label)):
        group = tuple(rows.levels[a][rows.codes[i, a]] for a in names)
        g = margin.groups.index(group)
        each[rows.cluster[i], g * 6 + rows.label[i] * 2 + rows.decision[i]] += (
            1.0 if rows.weight is None else rows.weight[i]
        )
        seen[g].add(int(rows.cluster[i]))
    return [len(s) for s in seen], each.T @ each


def full(margin: Margin) -> np.ndarray:
    c = margin.clusters
    assert c is not None
    out = np.zeros((c.groups * 6, c.groups * 6))
    out[c.left, c.right] = c.products
    out[c.right, c.left] = c.products
    return out


@given(rows_of, st.booleans())
def test_people_and_products_of_every_margin_are_those_of_loops(rows: list[tuple], weighted: bool) -> None:  # type: ignore[type-arg]
    who, group, second, label, decision, weight = (np.array(c) for c in zip(*rows, strict=True))
    r = coded(group, decision, label=label, second=second, cluster=who, weight=weight if weighted else None)
    for attribute, axes in (((), ()), (("g",), (0,)), (("h",), (1,)), (("g", "h"), (0, 1)), (("h", "g"), (1, 0))):
        margin = margin_of(r, attribute)
        counted, products = by_loop(margin, r, axes)
        assert margin.people.tolist() == counted
        np.testing.assert_allclose(full(margin), products, atol=1e-9)
        together = {g for g in range(len(margin.groups)) if g % 2 == 0}
        here = [who[i] for i in range(len(who)) if _place(margin, r, i, axes) in together]
        assert margin.people_in(together) == len(set(here))


def _place(margin: Margin, r: CodedRows, i: int, axes: tuple[int, ...]) -> int:
    return margin.groups.index(tuple(r.levels[a][r.codes[i, a]] for a in axes))


def same(a: Cube, b: Cube) -> None:
    for attribute in ((), ("g",), ("h",), ("g", "h")):
        x, y = a.margin(attribute), b.margin(attribute)
        assert x.people.tolist() == y.people.tolist()
        np.testing.assert_allclose(full(x), full(y), atol=1e-9)


@given(rows_of)
def test_two_batches_of_different_people_add_up_and_the_file_gives_them_back(rows: list[tuple]) -> None:  # type: ignore[type-arg]
    who, group, second, label, decision, _ = (np.array(c) for c in zip(*rows, strict=True))
    group = np.r_[group, 2]
    second, label, decision, who = (np.r_[c, 1] for c in (second, label, decision, who))
    r = coded(group, decision, label=label, second=second, cluster=who)
    late = who > 2
    parts = [
        CodedRows(r.attributes, r.levels, r.codes[k], label[k], decision[k], None, None, MEANING, cluster=who[k])
        for k in (late, ~late)
        if k.any()
    ]
    whole = cube_of(r)
    same(whole, cube_of(parts[0]) + cube_of(parts[1]) if len(parts) > 1 else cube_of(parts[0]))
    for floor in (0, 3):
        margins, _ = publish(whole, floor)
        again = margins_from_json(json.loads(json.dumps(margins_to_json(margins, floor))))
        for a, b in zip(margins, again, strict=True):
            assert a.people.tolist() == b.people.tolist()
            np.testing.assert_array_equal(full(a), full(b))


def test_batches_with_and_without_people_are_not_added() -> None:
    g, d = np.array([0, 1]), np.array([0, 1])
    with pytest.raises(DataError, match="cannot be added"):
        cube_of(coded(g, d)) + cube_of(coded(g, d, cluster=np.array([0, 1])))


def test_a_person_in_too_many_cells_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.clusters.MOST_PRODUCTS", 5)
    with pytest.raises(DataError, match="puts together rows of too many groups"):
        cube_of(coded(np.arange(4), np.zeros(4, dtype=int), cluster=np.zeros(4, dtype=int)))


# --- variances ------------------------------------------------------------------------------------------------------


def drawn(seed: int, *, weighted: bool, across: bool) -> CodedRows:
    """600 rows of 150 people; with `across` a person has rows in several groups."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 150, 600)
    taste = rng.random(150)
    group = rng.integers(0, 3, 600) if across else who % 3
    weight = rng.exponential(1, 600) * (1 + 2 * taste[who]) if weighted else None
    label = rng.integers(0, 2, 600)
    return coded(group, (rng.random(600) < taste[who]).astype(int), label=label, weight=weight, cluster=who)


def regression(rows: CodedRows, metric: Metric, cluster: bool) -> tuple[np.ndarray, np.ndarray]:
    """Means of the groups and their covariances by weighted least squares on group dummies."""
    cell = (rows.label, rows.decision)
    use, y = metric.denominator[cell], metric.numerator[cell].astype(float)
    x = np.eye(3)[rows.codes[use, 0]]
    w = np.ones(use.sum()) if rows.weight is None else rows.weight[use]
    kind = {"cov_type": "HC0"}
    if cluster:
        kind = {"cov_type": "cluster", "cov_kwds": {"groups": rows.cluster[use], "use_correction": False}}  # type: ignore[dict-item, index]
    fit = WLS(y[use], x, weights=w).fit(**kind)
    return np.asarray(fit.params), np.asarray(fit.cov_params())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("name", ["selection_rate", "true_positive_rate", "positive_predictive_value", "accuracy"])
def test_variances_and_correlations_are_those_of_statsmodels(name: str, weighted: bool, across: bool) -> None:
    rows, metric = drawn(1, weighted=weighted, across=across), METRICS[name]
    margin = margin_of(rows)
    assert margin.clusters is not None
    means, covariance = regression(rows, metric, cluster=True)
    x, n, _ = fractions(margin, metric)
    np.testing.assert_allclose(x / n, means)
    up, down = metric.numerator, metric.denominator & ~metric.numerator
    squares = tuple(margin.clusters.within(a, b) for a, b in ((up, up), (up, down), (down, down)))
    np.testing.assert_allclose(linearised_variance(x, n - x, squares), np.diag(covariance))  # type: ignore[arg-type]
    result = correlations(margin, metric)
    error = np.sqrt(np.diag(covariance))
    if across:
        expected = covariance / np.outer(error, error)
        # Two people more are counted whose answers are not alike (Agresti & Min 2005).
        fewer = np.minimum.outer(margin.clusters.people, margin.clusters.people)
        expected = np.where((expected > 0) & ~np.eye(len(fewer), dtype=bool), expected * fewer / (fewer + 2), expected)
        np.testing.assert_allclose(result, expected, atol=1e-9)
    else:
        assert result is None


def test_weights_without_clusters_have_the_robust_variance_of_statsmodels() -> None:
    rows = drawn(2, weighted=True, across=True)
    plain = coded(rows.codes[:, 0], rows.decision, label=rows.label, weight=rows.weight)
    for name in ("selection_rate", "true_positive_rate"):
        metric = METRICS[name]
        means, covariance = regression(plain, metric, cluster=False)
        x, n, effective = fractions(margin_of(plain), metric)
        np.testing.assert_allclose(x / n, means)
        # Some 60 people of the rarer side: Kish's number, blended in as one more, moves little.
        np.testing.assert_allclose(effective, means * (1 - means) / np.diag(covariance), rtol=0.04)


def test_one_row_a_person_gives_the_same_bits_as_no_cluster() -> None:
    rng = np.random.default_rng(3)
    group, second = rng.integers(0, 3, 500), rng.integers(0, 2, 500)
    label, decision = rng.integers(0, 3, 500), rng.integers(0, 2, 500)
    for weight in (None, rng.exponential(1, 500)):
        plain = coded(group, decision, label=label, weight=weight, second=second)
        single = coded(group, decision, label=label, weight=weight, second=second, cluster=rng.permutation(500))
        a, b = (measure(margins_of(cube_of(r))[0], Settings(draws=200)) for r in (plain, single))
        assert a.rates == b.rates
        assert a.gaps == b.gaps
        assert a.notes == b.notes


def test_nobody_and_everybody_has_the_variance_of_people_who_are_alike() -> None:
    for decision in (0, 1):
        who = np.repeat(np.arange(40), 5)
        rows = coded(who % 2, np.full(200, decision), cluster=who)
        _, n, effective = fractions(margin_of(rows), METRICS["selection_rate"])
        assert n.tolist() == [100, 100]
        assert (effective <= 20).all()
        assert (effective > 15).all()


def test_the_same_answers_ten_times_are_worth_the_people() -> None:
    rng = np.random.default_rng(4)
    who, decision = people(rng, 400, rows=10, rate=0.5, alike=1.0)
    ten = gap_of(margin_of(coded(who % 2, decision, cluster=who)))
    once = gap_of(margin_of(coded(np.arange(400) % 2, decision[::10])))
    assert ten.value == pytest.approx(once.value)  # type: ignore[attr-defined]
    for end in ("low", "high"):
        assert getattr(ten, end) == pytest.approx(getattr(once, end), abs=0.004)
    assert ten.p_value == pytest.approx(once.p_value, rel=0.1)  # type: ignore[attr-defined]


def test_pairs_within_a_person_are_compared_within_the_person() -> None:
    """Each person is once in either group and always decided alike: nothing is left to chance."""
    rng = np.random.default_rng(5)
    who = np.repeat(np.arange(300), 2)
    decision = (rng.random(300) < 0.4).astype(int)[who]
    together = gap_of(margin_of(coded(np.tile([0, 1], 300), decision, cluster=who)))
    apart = gap_of(margin_of(coded(np.tile([0, 1], 300), decision)))
    assert together.value == apart.value == 0  # type: ignore[attr-defined]
    assert together.high < 0.25 * apart.high  # type: ignore[attr-defined]


def test_a_correlation_of_nothing_is_newcombe() -> None:
    x, n = np.array([10.0, 30.0]), np.array([50.0, 70.0])
    low, high = difference_limits(x[:1] / 50, n[:1], x[1:] / 70, n[1:], Z, np.zeros(1))
    assert (low[0], high[0]) == pytest.approx([float(v) for v in newcombe(10, 50, 30, 70)])


# --- how often right ------------------------------------------------------------------------------------------------


def tables(rng: np.random.Generator, runs: int, size: int, rows: int, rate: float, alike: float) -> tuple:  # type: ignore[type-arg]
    """Of `runs` samples of `size` people: up, down, the three squares, rows; each (runs,)."""
    own = rng.random((runs, size, 1)) < rate
    answer = np.where(rng.random((runs, size, rows)) < alike, own, rng.random((runs, size, rows)) < rate)
    x = answer.sum(axis=2).astype(float)
    f = rows - x
    n = np.full(runs, float(size * rows))
    return x.sum(1), f.sum(1), ((x * x).sum(1), (x * f).sum(1), (f * f).sum(1)), n, n


def held(first: tuple, second: tuple, truth: float, gap: float = 0.0) -> tuple[float, float, float]:  # type: ignore[type-arg]
    """Coverage of the first rate and of the difference, and how often a 5 % test of the two fires."""
    (x1, f1, *_), (x2, f2, *_) = first, second
    p1, p2, e1, e2 = x1 / (x1 + f1), x2 / (x2 + f2), effective_size(*first), effective_size(*second)
    low, high = score_limits(p1, e1, Z)
    a, b = difference_limits(p1, e1, p2, e2, Z)
    tests = [
        largest_gap([(np.array([p * e, q * d]), np.array([e, d]))]).p_value
        for p, e, q, d in zip(p1[:400], e1, p2, e2, strict=False)
    ]
    fired = float(np.mean([p is not None and p <= 0.05 for p in tests]))
    return float(((low <= truth) & (truth <= high)).mean()), float(((a <= gap) & (gap <= b)).mean()), fired


@pytest.mark.parametrize(("size", "least", "most"), [(12, 0.93, 1.0), (30, 0.93, 0.98), (200, 0.935, 0.965)])
@pytest.mark.parametrize("rows", [1, 2, 5, 10])
@pytest.mark.parametrize("alike", [1.0, 0.8])
def test_intervals_hold_at_any_number_of_rows_a_person(
    size: int, least: float, most: float, rows: int, alike: float
) -> None:
    """Taken as independent, the gap's interval holds 98, 87, 62 and 46 % at 1, 2, 5 and 10 like rows."""
    rng = np.random.default_rng(size * 100 + rows)
    first, second = (tables(rng, 4000, size, rows, 0.4, alike) for _ in range(2))
    rate, gap, fired = held(first, second, 0.4)
    assert least <= gap <= most
    assert least - 0.01 <= rate <= most + 0.01
    assert fired <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_rows_taken_for_people_hold_seldom() -> None:
    rng = np.random.default_rng(9)
    (x1, f1, *_), (x2, f2, *_) = (tables(rng, 2000, 200, 10, 0.4, 1.0) for _ in range(2))
    low, high = newcombe(x1, x1 + f1, x2, x2 + f2)
    assert ((low <= 0) & (high >= 0)).mean() < 0.6


SURVEYS = {
    # shares of the population, rate, share of the sample
    "heavy rows vary most": ((0.5, 0.5), (0.05, 0.5), (0.8, 0.2)),
    "heavy rows vary least": ((0.5, 0.5), (0.5, 0.05), (0.8, 0.2)),
    "a heavily sampled stratum": ((0.1, 0.9), (0.5, 0.1), (0.6, 0.4)),
    "weights that say nothing": ((0.5, 0.5), (0.3, 0.3), (0.8, 0.2)),
}


def surveyed(rng: np.random.Generator, runs: int, size: int, name: str) -> tuple:  # type: ignore[type-arg]
    share, rate, taken = (np.array(v) for v in SURVEYS[name])
    stratum = rng.choice(len(share), size=(runs, size), p=taken)
    y = rng.random((runs, size)) < rate[stratum]
    w = (share / taken)[stratum]
    x, f = w * y, w * ~y
    squares = ((x * x).sum(1), np.zeros(runs), (f * f).sum(1))
    return x.sum(1), f.sum(1), squares, np.full(runs, float(size)), (w * w).sum(1)


@pytest.mark.parametrize(("size", "least", "most"), [(30, 0.91, 1.0), (100, 0.93, 0.98), (400, 0.935, 0.965)])
@pytest.mark.parametrize("name", SURVEYS)
def test_intervals_hold_where_weights_say_something(size: int, least: float, most: float, name: str) -> None:
    """Kish's number alone: 88 to 92 % and a test of 8 to 13 % where heavy rows vary most."""
    rng = np.random.default_rng(size + len(name))
    share, rates, _ = (np.array(v) for v in SURVEYS[name])
    first, second = (surveyed(rng, 4000, size, name) for _ in range(2))
    rate, gap, fired = held(first, second, float(share @ rates))
    assert least <= gap <= most
    assert least - 0.01 <= rate <= most + 0.01
    if size > 30:
        assert fired <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_kish_alone_is_wrong_both_ways() -> None:
    """The truth table: what the effective number from weights alone gives on the same samples."""
    rng = np.random.default_rng(7)
    for name, low, high in (("heavy rows vary most", 0.0, 0.93), ("a heavily sampled stratum", 0.965, 1.0)):
        share, rates, _ = (np.array(v) for v in SURVEYS[name])
        x, f, _, _, squares = surveyed(rng, 4000, 400, name)
        a, b = score_limits(x / (x + f), (x + f) ** 2 / squares, Z)
        truth = float(share @ rates)
        assert low <= ((a <= truth) & (truth <= b)).mean() <= high


def test_the_p_value_is_about_that_of_moving_whole_people() -> None:
    """Brute force: 4,000 permutations of persons over two groups, statistic the difference of the rates."""
    rng = np.random.default_rng(11)
    for trial in range(4):
        counts = rng.integers(1, 8, 160)
        who = np.repeat(np.arange(160), counts)
        taste = rng.beta(1, 1, 160) + np.where(np.arange(160) % 2, 0.08 * trial, 0)
        decision = (rng.random(len(who)) < taste[who]).astype(int)
        result = gap_of(margin_of(coded(who % 2, decision, cluster=who)))
        x = np.bincount(who, decision)
        side = np.arange(160) % 2
        moved = np.array([rng.permutation(side) for _ in range(4000)])

        def gap(s: np.ndarray, x: np.ndarray = x, counts: np.ndarray = counts) -> np.ndarray:
            return np.abs(s @ x / (s @ counts) - (1 - s) @ x / ((1 - s) @ counts))

        p = float((gap(moved) >= gap(side[None])).mean())
        assert result.p_value == pytest.approx(p, abs=0.03 + 0.1 * p)  # type: ignore[attr-defined]


def test_people_who_are_in_two_groups_are_told_apart_rightly() -> None:
    """Households with a member in either group and a taste of their own: gap coverage and size."""
    rng = np.random.default_rng(12)
    held_in, fired, runs = 0, 0, 300
    for run in range(runs):
        taste = rng.beta(0.6, 0.9, 60)
        who = np.repeat(np.arange(60), 4)
        group = np.tile([0, 0, 1, 1], 60)
        decision = (rng.random(240) < taste[who]).astype(int)
        result = gap_of(margin_of(coded(group, decision, cluster=who)), seed=run, draws=400)
        held_in += result.low <= 0  # type: ignore[attr-defined]
        fired += result.p_value <= 0.05  # type: ignore[attr-defined]
    assert 0.92 <= held_in / runs <= 0.985
    assert 0.02 <= fired / runs <= 0.09


# --- what may leave -------------------------------------------------------------------------------------------------


def test_twelve_rows_of_three_people_are_withheld() -> None:
    who = np.r_[np.repeat(np.arange(3), 4), np.arange(3, 60)]
    group = np.r_[np.zeros(12, dtype=int), np.arange(57) % 2 + 1]
    second = np.arange(len(who)) % 2
    decision = np.arange(len(who)) % 3 // 2
    margins, notes = publish(cube_of(coded(group, decision, second=second, cluster=who)))
    assert any("Fewer than 10 people have g = g0" in n for n in notes)
    assert margins[0].rows.sum() == 57
    assert margins[0].people.sum() == 57
    plain, _ = publish(cube_of(coded(group, decision, second=second)))
    assert plain[0].rows.sum() == 69
    for m in margins:
        gone = full(m).reshape(len(m.groups), 6, -1)[m.withheld]
        assert not gone.any()


def test_two_hidden_groups_of_the_same_few_people_are_not_enough() -> None:
    """Rows in h0 and h1 are of the same six people: their sum is six, not twelve, so that a third group goes too."""
    who = np.r_[np.repeat(np.arange(6), 2), np.arange(6, 106)]
    second = np.r_[np.tile([0, 1], 6), np.r_[np.full(45, 2), np.full(55, 3)]]
    for cluster, hidden in ((who, [True, True, True, False]), (np.arange(112), [True, True, False, False])):
        rows = coded(second, np.arange(112) % 2, cluster=cluster)
        shown = {m.attribute: m for m in publish_margins(margins_of(cube_of(rows))[0])}[("g",)]
        assert shown.withheld.tolist() == hidden


def test_who_is_in_which_groups_together_does_not_leave() -> None:
    who = np.repeat(np.arange(50), 2)
    group = np.where(np.arange(100) < 4, np.arange(100) % 2, who % 2)
    margins, _ = margins_of(cube_of(coded(group, np.arange(100) % 2, cluster=who)))
    inside, outside = margins_to_json(margins, 0), margins_to_json(margins, 10)
    assert [2, [0, 1]] in inside["margins"][1]["clusters"]["sets"]
    assert "sets" not in json.dumps(outside)
