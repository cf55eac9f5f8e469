"""Canonical JSON has the bytes of Python's own writer; files are for those to whom the umask leaves them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import cli
from audit.files import canonical
from tests.shared import forty_rows

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


def test_files_are_for_those_to_whom_the_umask_leaves_them(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Into a folder that everybody may look into: what is measured, what is proposed, and nothing more for others."""
    out = tmp_path / "out"
    out.mkdir()
    out.chmod(0o755)
    before = os.umask(0o077)
    try:
        rows = forty_rows(tmp_path_factory)
        assert cli.main(["audit", str(rows / "case.toml"), "--out", str(out)]) == 0
        assert cli.main(["init", str(rows / "rows.csv"), "--out", str(out / "proposed.toml")]) == 0
    finally:
        os.umask(before)
    assert {"evidence.json", "cube.json", "proposed.toml"} <= {p.name for p in out.iterdir()}
    assert {stat.S_IMODE(p.stat().st_mode) for p in out.iterdir()} == {0o600}
