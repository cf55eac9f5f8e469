"""Features of text that come as categories make the same evidence as those that come as text, from any kind of file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import audit.run
from audit.gaps import Settings
from audit.load import load_case, load_rows
from audit.run import run_audit

ROWS = 600
FAST = Settings(draws=100)


def table() -> pd.DataFrame:
    """Few texts with missing ones, more texts than codes of a byte name, one text a row, and numbers."""
    rng = np.random.default_rng(7)
    sex = rng.choice(["f", "m"], ROWS)
    job = pd.Series(np.where(rng.random(ROWS) < 0.6, sex, rng.choice(["cook", "?", " ", "nurse"], ROWS)))
    return pd.DataFrame(
        {
            "sex": sex,
            "job": job.mask(rng.random(ROWS) < 0.1),
            "town": [f"t{k}" for k in rng.integers(0, 200, ROWS)],
            "name": [f"n{k}" for k in range(ROWS)],
            "pay": rng.normal(size=ROWS),
            "empty": pd.Series([None] * ROWS, dtype="str"),
            "label": rng.choice(["yes", "no"], ROWS),
            "decision": np.where(rng.random(ROWS) < 0.3 + 0.2 * (sex == "m"), "yes", "no"),
        }
    )


def categories(frame: pd.DataFrame) -> pd.DataFrame:
    """With a category that no row has, in another order than in the rows."""
    out = frame.copy()
    for name in ("sex", "job", "town", "decision"):
        kinds = sorted(out[name].dropna().unique(), reverse=True)
        out[name] = pd.Categorical(out[name], ["nobody", *kinds])
    return out


KINDS: dict[str, Callable[[Path], None]] = {
    "d.csv": lambda p: table().to_csv(p, index=False),
    "d.parquet": lambda p: table().to_parquet(p, index=False),
    "packed.parquet": lambda p: categories(table()).to_parquet(p, index=False, row_group_size=100),
    "packed.feather": lambda p: categories(table()).to_feather(p, chunksize=100),
}


def made(folder: Path, file: str, out: str) -> dict[str, object]:
    KINDS[file](folder / file)
    (folder / "case.toml").write_text(
        f'[case]\nname = "a"\npurpose = "b"\n[data]\npath = "{file}"\nlabel = "label"\npositive = "yes"\n'
        'sensitive = ["sex"]\nfeatures = ["sex", "job", "town", "name", "pay", "empty"]\n'
        '[model]\ndecision = "decision"\n'
    )
    run_audit(load_case(folder / "case.toml"), folder / out, FAST)
    found: dict[str, object] = json.loads((folder / out / "evidence.json").read_text())
    return {k: v for k, v in found.items() if k != "data"}


@pytest.mark.parametrize("file", KINDS)
def test_evidence_is_that_of_plain_text(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = made(tmp_path, file, "packed")
    read = load_rows(load_case(tmp_path / "case.toml"), everything=True, packed=True).frame
    assert [c for c in read if isinstance(read[c].dtype, pd.CategoricalDtype)][:2] == ["job", "town"]
    assert read["job"].isna().sum() == table()["job"].isna().sum()
    monkeypatch.setattr(audit.run, "load_rows", lambda case, **_: load_rows(case, everything=True))
    assert packed == made(tmp_path, file, "plain")


def test_a_column_with_a_role_stays_as_it_is(tmp_path: Path) -> None:
    made(tmp_path, "packed.parquet", "out")
    read = load_rows(load_case(tmp_path / "case.toml"), everything=True, packed=True).frame
    for name in ("sex", "label", "decision"):
        assert isinstance(read[name].dtype, pd.StringDtype), name
