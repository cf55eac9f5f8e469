"""Cubes as JSON: what is stored of a batch is the cube itself, and sums of what is stored are sums of the batches."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.cube import CodedRows, Cube, Meaning, cube_of
from audit.errors import DataError
from audit.files import canonical
from audit.measure import Settings, measure
from audit.watch.cells import cube_from_json, cube_to_json

MEANING = Meaning("yes", "not yes", "yes")


def stored(cube: Cube) -> Cube:
    """Through the very bytes that the store keeps."""
    return cube_from_json(json.loads(canonical(cube_to_json(cube), compact=True)))


def same(a: Cube, b: Cube) -> None:
    assert (a.attributes, a.levels, a.weighted, a.meaning) == (b.attributes, b.levels, b.weighted, b.meaning)
    for x, y in ((a.n, b.n), (a.w, b.w), (a.w2, b.w2)):
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        assert np.array_equal(x, y)


def people(
    seed: int, n: int, levels: tuple[tuple[str, ...], ...], *, weighted: bool, meaning: Meaning = MEANING
) -> CodedRows:
    rng = np.random.default_rng(seed)
    return CodedRows(
        attributes=tuple(f"a{i}" for i in range(len(levels))),
        levels=levels,
        codes=np.column_stack([rng.integers(0, len(v), n) for v in levels]).astype(np.int64).reshape(n, len(levels)),
        label=rng.integers(0, 3, n),
        decision=rng.integers(0, 2, n),
        weight=rng.exponential(1.0, n) if weighted else None,
        score=None,
        meaning=meaning,
    )


def test_the_stored_form_by_hand() -> None:
    """Two people of b who were refused with a positive outcome; one of a who was accepted, outcome unknown."""
    coded = CodedRows(
        ("sex",),
        (("a", "b"),),
        np.array([[1], [1], [0]]),
        np.array([1, 1, 2]),
        np.array([0, 0, 1]),
        None,
        None,
        MEANING,
    )
    assert cube_to_json(cube_of(coded)) == {
        "attributes": ["sex"],
        "levels": [["a", "b"]],
        "meaning": ["yes", "not yes", "yes", True, True],
        "weighted": False,
        # place = (group * 3 + label) * 2 + decision
        "cells": [[5, 1], [8, 2]],
    }


def test_weights_and_their_squares_by_hand() -> None:
    coded = CodedRows(
        ("sex",),
        (("a",),),
        np.zeros((2, 1), int),
        np.array([0, 0]),
        np.array([1, 1]),
        np.array([0.5, 2.0]),
        None,
        MEANING,
    )
    document = cube_to_json(cube_of(coded))
    assert document["cells"] == [[1, 2, 2.5, 4.25]]
    same(stored(cube_of(coded)), cube_of(coded))


LEVELS = st.lists(st.lists(st.text(max_size=6), min_size=1, max_size=4, unique=True).map(tuple), min_size=1, max_size=3)


@given(seed=st.integers(0, 2**32), n=st.integers(0, 60), levels=LEVELS.map(tuple), weighted=st.booleans())
def test_any_cube_comes_back_exactly(seed: int, n: int, levels: Any, weighted: bool) -> None:
    cube = cube_of(people(seed, n, levels, weighted=weighted))
    same(stored(cube), cube)


@given(seed=st.integers(0, 2**32), n=st.integers(0, 80), cut=st.integers(0, 80), weighted=st.booleans())
def test_the_sum_of_stored_batches_is_the_cube_of_all_rows(seed: int, n: int, cut: int, weighted: bool) -> None:
    whole = people(seed, n, (("f", "m"), ("x", "y", "z")), weighted=weighted)
    cut = min(cut, n)

    def part(a: int, b: int) -> CodedRows:
        weight = None if whole.weight is None else whole.weight[a:b]
        return replace(
            whole, codes=whole.codes[a:b], label=whole.label[a:b], decision=whole.decision[a:b], weight=weight
        )

    total = stored(cube_of(part(0, cut))) + stored(cube_of(part(cut, n)))
    expected = cube_of(whole)
    assert np.array_equal(total.n, expected.n)
    assert total.w == pytest.approx(expected.w)
    assert total.w2 == pytest.approx(expected.w2)


def test_a_group_that_comes_later_is_a_group_of_the_sum() -> None:
    first = cube_of(people(1, 40, (("f", "m"),), weighted=False))
    second = cube_of(people(2, 40, (("f", "new", "unknown"),), weighted=False))
    total = stored(first) + stored(second)
    assert total.levels == (("f", "m", "new", "unknown"),)
    assert int(total.n.sum()) == 80
    assert np.array_equal(total.n[1], first.n[1])
    assert np.array_equal(total.n[2], second.n[1])


def test_rates_and_gaps_of_a_stored_cube_are_those_of_the_cube() -> None:
    cube = cube_of(people(3, 500, (("f", "m"), ("x", "y")), weighted=True))
    settings = Settings(draws=200, seed=4)
    ours, theirs = (measure([c.margin(("a0",)), c.margin(("a1",))], settings) for c in (stored(cube), cube))
    assert ours == theirs


@pytest.mark.parametrize(
    "meaning",
    [Meaning("yes", "no", "no"), Meaning("1", "not 1", "1", labelled=False), Meaning("p", "q", "p", decides=False)],
)
def test_what_the_sides_are_called_is_kept(meaning: Meaning) -> None:
    cube = cube_of(people(5, 10, (("f", "m"),), weighted=False, meaning=meaning))
    assert stored(cube).meaning == meaning
    assert (cube + stored(cube)).meaning == meaning


def test_batches_about_other_things_are_not_added() -> None:
    one = cube_of(people(5, 10, (("f", "m"),), weighted=False))
    other = cube_of(people(5, 10, (("f", "m"),), weighted=False, meaning=Meaning("1", "0", "1")))
    with pytest.raises(DataError, match="cannot be added"):
        stored(one) + stored(other)


def test_only_cells_with_people_are_stored() -> None:
    cube = cube_of(people(7, 3, (tuple(f"g{i}" for i in range(90)), tuple(f"h{i}" for i in range(90))), weighted=False))
    assert len(cube_to_json(cube)["cells"]) <= 3
    same(stored(cube), cube)
