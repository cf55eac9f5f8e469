"""The cube is additive, its margins are sums, and it survives JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.cube import CodedRows, Cube, Meaning, attribute_sets, cube_of, margins_of, order_levels
from audit.cube_json import margins_from_json, margins_to_json
from audit.errors import DataError
from audit.files import canonical
from audit.suppress import publish
from audit.values import UNKNOWN

MEANING = Meaning("yes", "no", "yes")


def coded(
    rng: np.random.Generator,
    rows: int,
    levels: tuple[tuple[str, ...], ...],
    *,
    weight: bool = False,
    score: str | None = None,
) -> CodedRows:
    scores = None
    if score == "few":
        scores = rng.integers(0, 11, rows) / 10
    elif score == "many":
        scores = rng.random(rows)
    return CodedRows(
        tuple(f"a{i}" for i in range(len(levels))),
        levels,
        np.column_stack([rng.integers(0, len(v), rows) for v in levels]).astype(np.int64),
        rng.integers(0, 3, rows),
        rng.integers(0, 2, rows),
        rng.random(rows) + 0.1 if weight else None,
        scores,
        MEANING,
    )


def part(c: CodedRows, rows: slice) -> CodedRows:
    return CodedRows(
        c.attributes,
        c.levels,
        c.codes[rows],
        c.label[rows],
        c.decision[rows],
        None if c.weight is None else c.weight[rows],
        None if c.score is None else c.score[rows],
        c.meaning,
    )


def same(a: Cube, b: Cube) -> None:
    assert a.levels == b.levels
    np.testing.assert_array_equal(a.n, b.n)
    np.testing.assert_allclose(a.w, b.w)
    np.testing.assert_allclose(a.w2, b.w2)
    if a.scores is not None and b.scores is not None:
        np.testing.assert_array_equal(a.scores.n, b.scores.n)
        np.testing.assert_allclose(a.scores.total, b.scores.total)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(2, 200),
    cut=st.integers(1, 199),
    weight=st.booleans(),
    score=st.sampled_from([None, "few", "many"]),
)
def test_the_cube_of_two_batches_is_the_sum_of_their_cubes(
    seed: int, rows: int, cut: int, weight: bool, score: str | None
) -> None:
    cut = min(cut, rows - 1)
    whole = coded(np.random.default_rng(seed), rows, (("f", "m"), ("x", "y", UNKNOWN)), weight=weight, score=score)
    same(cube_of(part(whole, slice(0, cut))) + cube_of(part(whole, slice(cut, None))), cube_of(whole))


def test_batches_with_other_groups_add_up() -> None:
    rng = np.random.default_rng(1)
    a = cube_of(coded(rng, 50, (("f", "m"),)))
    b = cube_of(coded(rng, 30, (("d", "f", UNKNOWN),)))
    total = a + b
    assert total.levels == (("d", "f", "m", UNKNOWN),)
    assert total.n.sum() == 80
    np.testing.assert_array_equal(total.n[1], a.n[0] + b.n[1])
    np.testing.assert_array_equal(total.n[0], b.n[0])


def test_cubes_about_other_things_are_not_added() -> None:
    rng = np.random.default_rng(1)
    a = cube_of(coded(rng, 10, (("f", "m"),)))
    with pytest.raises(DataError, match="cannot be added"):
        a + Cube(("b",), a.levels, a.n, a.w, a.w2, False, None, MEANING)


def test_a_margin_is_the_sum_over_the_other_attributes_in_the_order_asked_for() -> None:
    c = coded(np.random.default_rng(3), 500, (("f", "m"), ("x", "y", "z")))
    cube = cube_of(c)
    margin = cube.margin(("a1", "a0"))
    assert margin.groups[1] == ("x", "m")
    here = (c.codes[:, 0] == 1) & (c.codes[:, 1] == 0)
    assert margin.rows[1] == here.sum()
    assert margin.n[1, 2, 1] == (here & (c.label == 2) & (c.decision == 1)).sum()
    assert cube.margin(()).rows.tolist() == [500]


def test_nobody_in_a_combination_is_shown_but_an_empty_unknown_is_not() -> None:
    c = coded(np.random.default_rng(3), 40, (("f", "m"), ("x", "y", UNKNOWN)))
    c.codes[:] = [0, 0]
    c.codes[0] = [1, 2]
    groups = dict(zip(*((m := cube_of(c).margin(("a0", "a1"))).groups, m.rows.tolist()), strict=True))
    assert groups == {("f", "x"): 39, ("f", "y"): 0, ("m", "x"): 0, ("m", "y"): 0, ("m", UNKNOWN): 1}


@pytest.mark.parametrize("weight", [False, True])
@pytest.mark.parametrize("score", [None, "few", "many"])
def test_margins_survive_json_to_the_last_bit(weight: bool, score: str | None) -> None:
    cube = cube_of(coded(np.random.default_rng(5), 300, (("f", "m"), ("x", "y")), weight=weight, score=score))
    margins, _ = margins_of(cube)
    written = canonical(margins_to_json(margins, 0), compact=True)
    back = margins_from_json(json.loads(written))
    assert canonical(margins_to_json(back, 0), compact=True) == written
    for a, b in zip(margins, back, strict=True):
        np.testing.assert_array_equal(a.w2, b.w2)
        assert a.groups == b.groups


@pytest.mark.parametrize("damage", [{"schema": "other"}, {"margins": [{"attribute": []}]}, {"margins": 3}])
def test_a_damaged_cube_is_refused(damage: dict[str, object]) -> None:
    margins, _ = margins_of(cube_of(coded(np.random.default_rng(5), 30, (("f", "m"),))))
    with pytest.raises(DataError):
        margins_from_json({**margins_to_json(margins, 0), **damage})


def test_a_negative_cell_is_refused() -> None:
    margins, _ = margins_of(cube_of(coded(np.random.default_rng(5), 30, (("f", "m"),))))
    document = margins_to_json(margins, 0)
    document["margins"][1]["cells"][0][3] = -1
    with pytest.raises(DataError):
        margins_from_json(document)


@pytest.mark.parametrize(
    "names",
    [
        ("<25", "25-39", "40-59", ">=60", UNKNOWN),
        ("<0.5", "0.5 to <1.5", ">=1.5"),
        ("<-5", "-5 to <0", ">=0"),
        ("2", "10", "A10", "A9", "Zoe"),
        ("<9", "9", "10-99", ">=100"),
    ],
)
def test_bands_stand_in_the_order_of_their_edges(names: tuple[str, ...]) -> None:
    assert order_levels(set(names)) == names


def test_intersections_up_to_an_order() -> None:
    assert attribute_sets(("a", "b", "c"), 2) == (
        (), ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"),
    )  # fmt: skip


def test_too_wide_an_intersection_is_named_not_audited() -> None:
    levels = (tuple(f"v{i:02}" for i in range(50)), tuple(f"w{i:02}" for i in range(60)))
    margins, notes = margins_of(cube_of(coded(np.random.default_rng(0), 100, levels)), max_groups=1000)
    assert [m.attribute for m in margins] == [(), ("a0",), ("a1",)]
    assert "3,000 groups" in notes[0]


def test_many_combinations_are_refused_with_a_way_out() -> None:
    levels = tuple(tuple(f"v{i}" for i in range(100)) for _ in range(4))
    with pytest.raises(DataError, match="bins"):
        cube_of(coded(np.random.default_rng(0), 10, levels))


# -- what leaves the machine ------------------------------------------------------------------------------------


def small_cube(n: list[list[int]]) -> Cube:
    """Two attributes; all people unlabelled and decided 0, so that a group is one number."""
    counts = np.array(n, dtype=np.int64)
    full = np.zeros((*counts.shape, 3, 2), dtype=np.int64)
    full[:, :, 2, 0] = counts
    levels = (tuple(f"r{i}" for i in range(counts.shape[0])), tuple(f"c{i}" for i in range(counts.shape[1])))
    return Cube(("r", "c"), levels, full, full.astype(float), full.astype(float), False, None, MEANING)


def test_a_small_group_and_its_complements_are_withheld() -> None:
    margins, _ = publish(small_cube([[5, 40, 60], [50, 45, 70], [80, 90, 95]]), 10)
    both = margins[-1]
    hidden = {g for g, h in zip(both.groups, both.withheld, strict=True) if h}
    assert ("r0", "c0") in hidden
    # One hidden cell in a row or column could be found by subtraction from the total.
    for axis in (0, 1):
        for value in {g[axis] for g in hidden}:
            assert sum(g[axis] == value for g in hidden) >= 2
    assert all(both.n[i].sum() == 0 for i in np.flatnonzero(both.withheld))
    assert margins[1].withheld.sum() == 0


def test_nothing_small_nothing_withheld() -> None:
    margins, notes = publish(small_cube([[15, 40], [50, 45]]), 10)
    assert not any(m.withheld.any() for m in margins)
    assert notes == ()


def test_a_small_value_of_one_attribute_leaves_every_table() -> None:
    margins, notes = publish(small_cube([[40, 60], [2, 1]]), 10)
    everyone, rows, columns, _ = margins
    assert everyone.rows.tolist() == [100]
    assert rows.rows.tolist() == [100, 0]
    assert rows.withheld.tolist() == [False, True]
    assert columns.rows.tolist() == [40, 60]
    assert "r = r1" in notes[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda r: st.integers(2, 5).flatmap(
            lambda c: st.lists(st.lists(st.integers(0, 40), min_size=c, max_size=c), min_size=r, max_size=r)
        )
    )
)
def test_no_small_group_can_be_found_by_subtracting(counts: list[list[int]]) -> None:
    """The attacker knows all published tables and asks, by linear programming, what each hidden group can be."""
    from scipy.optimize import linprog

    cube = small_cube(counts)
    margins, _ = publish(cube, 10)
    _, rows, columns, both = margins
    groups = list(both.groups)
    equations, totals = [], []
    for g, group in enumerate(groups):
        if not both.withheld[g]:
            equations.append([float(h == group) for h in groups])
            totals.append(both.rows[g])
    for axis, margin in enumerate((rows, columns)):
        for (value,), total, hidden in zip(margin.groups, margin.rows, margin.withheld, strict=True):
            if not hidden:
                equations.append([float(h[axis] == value) for h in groups])
                totals.append(total)
    if not equations:
        return
    gone = {v for m in (rows, columns) for (v,), h in zip(m.groups, m.withheld, strict=True) if h}
    for g, group in enumerate(groups):
        truth = counts[int(group[0][1:])][int(group[1][1:])]
        # People of a value that was taken out are in no total at all.
        if not 0 < truth < 10 or set(group) & gone:
            continue
        goal = np.eye(len(groups))[g]
        low = linprog(goal, A_eq=equations, b_eq=totals, bounds=(0, None))
        high = linprog(-goal, A_eq=equations, b_eq=totals, bounds=(0, None))
        assert low.success
        assert high.success
        assert -high.fun - low.fun > 0.5, f"{group} is known to be {truth}"
