"""Canonical JSON has the bytes of Python's own writer, whatever stands in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.files import canonical

LEAF = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
TREE = st.recursive(LEAF, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@given(TREE)
def test_the_bytes_are_those_of_json(document: Any) -> None:
    try:
        lines = json.dumps(document, ensure_ascii=False, indent=1).encode()
    except UnicodeEncodeError:
        with pytest.raises(UnicodeEncodeError):
            canonical(document)
        return
    assert canonical(document) == lines + b"\n"
    assert canonical(document, compact=True) == (
        json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, {"a": -float("inf")}]])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(value)
