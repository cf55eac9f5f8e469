"""What a new run makes is held against the report value by value, whatever kind of value the signer put there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reports.verify.rerun import check_rerun
from reports.verify.result import Broken, InPart

MADE: dict[str, Any] = {"data": {"sha256": "0" * 64}, "model": {"sha256": None}, "x": {"a": [1, 2.5], "b": {"c": None}}}


def files(document: Any = MADE, **others: Any) -> dict[str, bytes]:
    return {"evidence.json": json.dumps(document).encode()} | {
        f"{k}.json": json.dumps(v).encode() for k, v in others.items()
    }


def test_the_same_is_counted() -> None:
    assert check_rerun(files(), files()).startswith(
        "5 values made again from model and data and found equal; the same bytes:"
    )
    near = MADE | {"x": {"a": [1, 2.5 * (1 + 1e-13)], "b": {"c": None}}}
    assert "5 values" in check_rerun(files(near), files())


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ({"a": [1, 2.5], "b": 7}, "x, b comes out otherwise"),
        ({"a": [1, 2.5], "b": []}, "x, b comes out otherwise"),
        ({"a": {"0": 1}, "b": {"c": None}}, "x, a comes out otherwise"),
        ({"a": [1, 2.5, 3], "b": {"c": None}}, "x, a comes out otherwise"),
        ({"a": [1], "b": {"c": None}}, "x, a comes out otherwise"),
        ({"a": [1, 2.6], "b": {"c": None}}, "x, a 2 comes out otherwise"),
        ({"a": [True, 2.5], "b": {"c": None}}, "x, a 1 comes out otherwise"),
        ({"a": [1, 2.5], "b": {"c": 0}}, "x, b, c comes out otherwise"),
        ({"a": [1, 2.5], "b": {"c": None, "d": 1}}, "x, b: the report has entries that a new run does not make"),
        ({"a": [1, 2.5]}, "x: the report lacks b"),
        (3, "x comes out otherwise"),
        (None, "x comes out otherwise"),
    ],
)
def test_another_value_is_named_by_its_place(x: Any, words: str) -> None:
    with pytest.raises(Broken, match=words):
        check_rerun(files(MADE | {"x": x}), files())
    with pytest.raises(Broken):
        check_rerun(files(), files(MADE | {"x": x}))


def test_files_that_only_one_side_has() -> None:
    with pytest.raises(InPart, match=r"not made again: odd\.json"):
        check_rerun(files(odd={}), files())
    with pytest.raises(Broken, match="a file that the report does not have"):
        check_rerun(files(), files(odd={}))


@pytest.mark.parametrize("part", ["data", "model"])
def test_other_data_or_another_model_is_said_first(part: str) -> None:
    with pytest.raises(Broken, match=f"the {part} is not the one"):
        check_rerun(files(MADE | {part: {"sha256": "1" * 64}}), files(MADE | {"x": 5}))
