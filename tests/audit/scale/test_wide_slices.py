"""Wide Parquet files are looked at so many columns at a time: the same evidence, byte for byte, as all at once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from audit.scale import beside


def wide(folder: Path, split: bool = False) -> tuple[pd.DataFrame, list[str]]:
    """The rows of a case in `folder`, and its features."""
    rng = np.random.default_rng(4)
    n = 5_000
    frame = pd.DataFrame({f"x{k}": rng.normal(size=n).round(1) for k in range(12)})
    frame["x1"] = frame["x1"].where(rng.random(n) < 0.9)
    frame["t"] = rng.choice(["a", "b", "?", " n/a "], n)
    frame["town"] = rng.choice(["u", "v", "w"], n)
    frame["label"], frame["decision"] = rng.integers(0, 2, n), rng.integers(0, 2, n)
    frame["part"] = rng.choice(["learn", "audit"], n)
    frame = pd.concat([frame, frame[:70]], ignore_index=True)  # rows that are there twice
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / "d.parquet", row_group_size=1_300)
    says = 'split = "part"\naudit = "audit"\n' if split else ""
    features = [c for c in frame.columns if c[0] in "xt" and c != "town"]
    (folder / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "t"\n[data]\npath = "d.parquet"\nengine = "duckdb"\nlabel = "label"\n'
        f'positive = "1"\nsensitive = ["town"]\nfeatures = {json.dumps(features)}\n{says}'
        '[model]\ndecision = "decision"\n'
    )
    return frame, features


def audited(folder: Path) -> list[bytes]:
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "run")]) in (0, 3)
    return [(folder / "run" / name).read_bytes() for name in ("evidence.json", "cube.json")]


@pytest.mark.parametrize("split", [False, True])
def test_columns_in_slices_tell_what_all_at_once_tell(
    split: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame, features = wide(tmp_path, split)
    written = []
    for most in (1_000, 5):
        monkeypatch.setattr(beside, "COLUMNS_AT_ONCE", most)
        written.append(audited(tmp_path))
    assert written[0] == written[1]
    quality = json.loads(written[0][0])["quality"]
    measured = frame[frame["part"] == "audit"] if split else frame
    missing = {c["column"]: c["missing"] for c in quality["missing"]["columns"]}
    assert missing["x1"] == int(measured["x1"].isna().sum()) > 0
    looked = measured[[*features, "town", "label"]]
    assert quality["duplicates"]["repeated"] == int(looked.duplicated().sum()) > 0


def test_of_so_many_rows_that_they_would_fill_the_memory_nothing_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen by which kinds of rows are looked at: another number is made of columns in slices."""
    wide(tmp_path)
    monkeypatch.setattr(beside, "KINDS", 500)
    at_once = audited(tmp_path)
    monkeypatch.setattr(beside, "COLUMNS_AT_ONCE", 5)
    assert audited(tmp_path) != at_once
    monkeypatch.setattr(beside, "PUT_ASIDE", 8 * 5_070 * 3 - 1)
    assert audited(tmp_path) == at_once
