"""What is withheld at each boundary, by hand: the floor on both sides, two hidden groups, parents, empty groups.

That nothing withheld can be found by subtraction is asked by linear programming in test_cube.py; here it is asked that
what is withheld is that and no more.
"""

from __future__ import annotations

import numpy as np
import pytest

from audit.cube import UNLABELLED, CodedRows, Cube, Margin, Meaning, cube_of, margins_of
from audit.cube_json import margins_to_json
from audit.suppress import FLOOR, publish, publish_margins, rare_people, small_values

MEANING = Meaning("yes", "no", "yes")


def cube(counts: object, *, levels: tuple[tuple[str, ...], ...] | None = None) -> Cube:
    """So many people in each combination of levels; all of them unlabelled and decided 0."""
    n = np.array(counts, dtype=np.int64)
    full = np.zeros((*n.shape, 3, 2), dtype=np.int64)
    full[..., UNLABELLED, 0] = n
    names = tuple("abcd"[: n.ndim])
    built = levels or tuple(tuple(f"{a}{i}" for i in range(size)) for a, size in zip(names, n.shape, strict=True))
    return Cube(names, built, full, full.astype(float), full.astype(float), False, None, MEANING)


def hidden(margins: tuple[Margin, ...], attribute: tuple[str, ...]) -> set[str]:
    margin = next(m for m in margins if m.attribute == attribute)
    return {"".join(g) for g, h in zip(margin.groups, margin.withheld, strict=True) if h}


def single(*people: int) -> set[str]:
    """Rule 2 on one attribute alone, as where only margins are at hand."""
    margins = publish_margins([cube(list(people)).margin(("a",))], FLOOR)
    return hidden(margins, ("a",))


def test_the_floor_is_the_fewest_people_that_are_shown() -> None:
    assert FLOOR == 10
    assert single(10, 50, 60) == set()
    assert single(9, 50, 60) == {"a0", "a1"}
    assert single(1, 50, 60) == {"a0", "a1"}


def test_an_empty_group_is_shown_and_hides_nobody() -> None:
    """Nobody is nobody: the smallest group that has people goes with a small one."""
    assert single(0, 50, 60) == set()
    assert single(9, 0, 60, 70) == {"a0", "a2"}


def test_two_hidden_groups_hide_each_other_from_the_floor_on() -> None:
    assert single(4, 5, 50, 60) == {"a0", "a1", "a2"}, "9 people: as good as one small group"
    assert single(4, 6, 50, 60) == {"a0", "a1"}, "10 people: their sum may be known"
    assert single(2, 3, 4, 50, 60) == {"a0", "a1", "a2", "a3"}
    assert single(3, 3, 4, 50, 60) == {"a0", "a1", "a2"}


def test_where_all_are_small_nothing_else_can_be_taken() -> None:
    assert single(3, 4) == {"a0", "a1"}


def test_the_smallest_that_is_left_goes_and_of_two_alike_the_first() -> None:
    assert single(3, 60, 50, 50) == {"a0", "a2"}


def test_a_small_value_of_one_attribute_takes_its_people_along_and_no_other_value() -> None:
    """Its people are in no total, so that nothing can be subtracted."""
    margins, notes = publish(cube([5, 50, 60]))
    assert hidden(margins, ("a",)) == {"a0"}
    assert margins[0].rows.tolist() == [110]
    assert notes == ("Fewer than 10 people have a = a0; they are left out of every table that leaves this machine.",)


@pytest.mark.parametrize("people, small", [(0, 0), (1, 1), (9, 1), (10, 0)])
def test_a_value_is_small_from_one_person_to_one_under_the_floor(people: int, small: int) -> None:
    built = cube([people, 50, 60])
    assert small_values(built) == small
    margins, notes = publish(built)
    assert len(notes) == small
    assert hidden(margins, ("a",)) == ({"a0"} if small else set())
    assert margins[0].rows.tolist() == [110 + (0 if small else people)]


def test_a_floor_of_nought_withholds_nothing() -> None:
    built = cube([[1, 50], [60, 2]])
    margins, notes = publish(built, 0)
    assert notes == ()
    assert not any(m.withheld.any() for m in margins)


def test_what_is_inside_a_withheld_group_is_withheld_and_other_tables_are_not() -> None:
    """a0 b0 is small. By (a, b) it goes with its row and column; by (a, b, c) all inside of it; (a, c) and (b, c) show
    all."""
    n = np.full((3, 3, 2), 40)
    n[0, 0] = [4, 5]
    margins, _ = publish(cube(n), FLOOR, 3)
    ab = hidden(margins, ("a", "b"))
    assert ab == {"a0b0", "a0b1", "a1b0", "a1b1"}
    assert hidden(margins, ("a", "c")) == hidden(margins, ("b", "c")) == set()
    inside = hidden(margins, ("a", "b", "c"))
    assert {f"{g}{c}" for g in ab for c in ("c0", "c1")} <= inside
    assert inside == {f"{g}{c}" for g in ab for c in ("c0", "c1")}, "and nothing else"


def test_nothing_of_a_withheld_group_is_left_in_its_counts() -> None:
    margins, _ = publish(cube([[5, 40, 60], [50, 45, 70], [80, 90, 95]]))
    both = next(m for m in margins if len(m.attribute) == 2)
    for counts in (both.n, both.w, both.w2):
        assert not counts[both.withheld].any()
        assert counts[~both.withheld].any(axis=(1, 2)).all()


def test_who_is_rare_is_whose_value_fewer_than_the_floor_have() -> None:
    """By the codes of two attributes: 9 of the first's rarer value, 10 of the second's."""
    first, second = np.repeat([0, 1], [9, 31]), np.repeat([0, 1], [30, 10])
    none = np.zeros(40, dtype=np.int64)
    built = CodedRows(
        ("a", "b"), (("x", "y"), ("x", "y")), np.array([first, second]).T, none + UNLABELLED, none, None, None, MEANING
    )
    assert rare_people(built).tolist() == [True] * 9 + [False] * 31
    assert rare_people(built, 11).tolist() == [True] * 9 + [False] * 21 + [True] * 10


@pytest.mark.parametrize("few", [True, False])
def test_scores_that_only_people_taken_out_had_are_in_no_table(few: bool) -> None:
    """Seven people of a rare group have scores of their own."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [7, 60, 60])
    score = np.where(group == 0, 0.9, rng.integers(0, 8, len(group)) / 10 if few else rng.random(len(group)) / 2)
    zero = np.zeros(len(group), dtype=np.int64)
    coded = CodedRows(("a",), (("r", "s", "t"),), group[:, None], zero + UNLABELLED, zero, None, score, MEANING)
    margins, _ = publish(cube_of(coded))
    for margin in margins:
        assert margin.scores is not None
        assert not (margin.scores.at > 0.6 + 0.2 * few).any()
        assert margin.scores.n.sum() == (120 if not margin.attribute else margin.scores.n[1:].sum())
        assert margin.scores.n.reshape(-1, len(margin.scores.at)).any(axis=0).any()
        assert margin.scores.at.tolist() == sorted(set(score[group > 0])), "of the others, each as it is"


def test_a_bin_does_not_end_at_the_score_of_somebody_taken_out() -> None:
    """Of more scores than are kept one by one, a bin tells its lowest and its highest: neither is a person's."""
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], [7, 1500, 1500])
    score = rng.random(len(group))
    zero = np.zeros(len(group), dtype=np.int64)
    coded = CodedRows(("a",), (("r", "s", "t"),), group[:, None], zero + UNLABELLED, zero, None, score, MEANING)
    before = cube_of(coded)
    margins, _ = publish(before)
    scores = margins[0].scores
    assert before.scores is not None
    assert scores is not None
    assert not scores.exact
    theirs = set(score[group == 0])
    assert theirs & {*before.scores.at, *before.scores.top}, "some of them end a bin while they are in it"
    assert not set(score) & {*scores.at, *scores.top}
    assert (scores.at[1:] >= scores.top[:-1]).all()
    assert scores.n.sum() == 3000


def test_by_default_no_more_than_three_attributes_cross() -> None:
    margins, _ = publish(cube(np.full((2, 2, 2, 2), 50)))
    assert max(len(m.attribute) for m in margins) == 3


def test_a_group_inside_a_withheld_one_goes_though_no_line_of_its_own_hides_it() -> None:
    """By (a, b): a0 b0 has 9, so a0 b1 goes, the smallest beside it. Its 60 with c0 are the largest of every line."""
    n = np.full((3, 3, 3), 200)
    n[0] = [[4, 3, 2], [60, 10, 45], [20, 80, 30]]
    margins, _ = publish(cube(n))
    assert {"a0b0", "a0b1"} <= hidden(margins, ("a", "b"))
    assert {"a0b1c0", "a0b1c1", "a0b1c2"} <= hidden(margins, ("a", "b", "c"))


def test_what_was_withheld_before_stays_so() -> None:
    """Margins that left a machine, published once more by a higher floor, or by the same."""
    first, _ = publish(cube([[5, 40, 60], [50, 45, 70], [80, 90, 12]]))
    before = hidden(first, ("a", "b"))
    assert before == {"a0b0", "a0b1", "a1b0", "a1b1"}
    assert hidden(publish_margins(first), ("a", "b")) == before
    assert hidden(publish_margins(first, 13), ("a", "b")) > before


def test_nobody_of_a_withheld_group_is_left_in_the_sets_of_groups_that_people_are_in() -> None:
    """Rows of one person in several groups: who is in a withheld one is taken out of the sets too."""
    sizes = np.array([[5, 40, 60], [50, 45, 70], [80, 90, 95]])
    codes = np.repeat([(i, j) for i in range(3) for j in range(3)], sizes.ravel(), axis=0)
    none = np.zeros(len(codes), dtype=np.int64)
    levels = (("a0", "a1", "a2"), ("b0", "b1", "b2"))
    rows = CodedRows(
        ("a", "b"), levels, codes, none + UNLABELLED, none, None, None, MEANING, cluster=np.arange(len(codes))
    )
    margins, _ = publish(cube_of(rows))
    both = next(m for m in margins if len(m.attribute) == 2)
    assert both.clusters is not None
    assert both.withheld.any()
    assert not both.clusters.people[both.withheld].any()
    assert both.clusters.people[~both.withheld].tolist() == sizes.ravel()[~both.withheld].tolist()


def test_the_exact_area_of_a_withheld_group_is_withheld_with_it() -> None:
    """Of seven people it is a sentence about who of them ranks where; the cube that leaves the machine has none."""
    rng = np.random.default_rng(2)
    pairs = [[i, j] for i in range(3) for j in range(3)]
    codes = np.repeat(pairs, [7, *[300] * 8], axis=0)
    label, score = np.tile([0, 1], len(codes))[: len(codes)], rng.random(len(codes))
    decided = np.zeros(len(codes), dtype=np.int64)
    built = cube_of(
        CodedRows(("a", "b"), (("r", "s", "t"), ("u", "v", "w")), codes, label, decided, None, score, MEANING)
    )
    margins, _ = publish(built)
    assert not hidden(margins, ("a",))
    mapping = {tuple(e["attribute"]): e for e in margins_to_json(margins, FLOOR)["margins"]}[("a", "b")]
    pair = next(m for m in margins if m.attribute == ("a", "b"))
    assert pair.scores is not None
    assert pair.scores.area is not None
    assert pair.withheld.any()
    assert not pair.withheld.all()
    assert np.isnan(pair.scores.area).tolist() == pair.withheld.tolist()
    assert [a is None for a in mapping["scores"]["area"]] == pair.withheld.tolist()


def test_what_is_too_wide_to_audit_is_named_by_its_columns() -> None:
    built = cube([[20, 20, 20], [20, 20, 20]])
    margins, notes = margins_of(built, max_groups=2)
    assert [m.attribute for m in margins] == [(), ("a",)]
    assert notes == (
        "The column b has 3 groups and was not audited.", "The intersection of a, b has 6 groups and was not audited.",
    )  # fmt: skip
