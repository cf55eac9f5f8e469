"""The one formatter, held against Python's own format specifications."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import numbers

ANY = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(ANY, st.integers(0, 6))
def test_each_form_is_pythons_own(value: float, digits: int) -> None:
    assert numbers.fixed(value, digits) == format(value, f".{digits}f")
    assert numbers.signed(value, digits) == format(value, f"+.{digits}f")
    assert numbers.grouped(value, digits) == format(value, f",.{digits}f")
    assert numbers.power(value, digits) == format(value, f".{digits}e")
    assert numbers.brief(value) == format(value, "g")
    assert numbers.brief(value, digits + 1) == format(value, f".{digits + 1}g")
    assert math.isclose(float(numbers.percent(value).removesuffix(" %")), 100 * value, abs_tol=0.051, rel_tol=1e-9)
    assert numbers.brief(value, 12, commas=True, plus=True) == format(value, "+,.12g")
    assert numbers.points(value).removesuffix(" points") == numbers.percent(value).removesuffix(" %")


@pytest.mark.parametrize("form", [numbers.brief, numbers.grouped, numbers.percent, numbers.points])
def test_what_is_not_known_is_a_dash(form: object) -> None:
    assert form(None) == numbers.fixed(None, 3) == numbers.signed(None, 3) == numbers.power(None, 1) == "–"  # type: ignore[operator]
