"""Names that differ in capitals, blanks, marks or writing of a letter: the column named is the one that is counted.

In memory from CSV, Parquet and Feather, in the database from CSV and Parquet, one file or several in another order.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audit.code import code_rows
from audit.cube import cube_of
from audit.decide import decide
from audit.errors import AssayError
from audit.gaps import Settings
from audit.load import load_case, load_rows
from audit.load.toml import write
from audit.run import run_audit
from audit.scale.count import count

E, E_APART = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
TWINS = [
    ("decision", "Decision"),
    ("Decision", "decision"),
    ("DECISION", "decision"),
    ("decision_1", "decision"),
    ("decision", "decision_1"),
    (E, E_APART),
    (" d", "d"),
    ("d ", "d"),
    ("a.b", "a"),
    ("a", "a.b"),
    ('say "yes"', "say"),
    ("it's", "its"),
    ("select", "SELECT"),
    ("group", "order"),
    ("count(*)", "count"),
    ("rowid", "filename"),
    ("c0", "c1"),
    ("f0", "F0"),
    ("a,b", "a;b"),
    ("{x}", "%s"),
    ("\\n", "n"),
    ("*", "**"),
    ("ß", "SS"),
    ("İ", "i"),
]
RATES = {"f": 0.1, "m": 0.6}


def frame_of(mine: str, twin: str, n: int = 40) -> pd.DataFrame:
    """The column to be read says .10 and .60; its twin, which stands first, says the contrary."""
    sex = np.repeat(["f", "m"], n // 2)
    place = np.tile(np.arange(n // 2), 2)
    yes = place < np.array([RATES[s] for s in sex]) * n / 2
    return pd.DataFrame({twin: np.where(yes, "no", "yes"), mine: np.where(yes, "yes", "no"), "group of": sex})


def written(folder: Path, frame: pd.DataFrame, kind: str, column: str, sensitive: str) -> Path:
    """Two files whose columns stand in another order, and the case."""
    for i, part in enumerate([frame.iloc[::2], frame.iloc[1::2][frame.columns[::-1]]]):
        path = folder / f"part{i}.{kind}"
        if kind == "parquet":
            part.to_parquet(path, index=False)
        elif kind == "feather":
            part.reset_index(drop=True).to_feather(path)
        else:
            part.to_csv(path, index=False)
    (folder / "case.toml").write_text(
        f'[case]\nname = "t"\npurpose = "p"\n[data]\npath = "part*.{kind}"\npositive = "yes"\n'
        f"sensitive = [{write(sensitive)}]\n[model]\ndecision = {write(column)}\n"
    )
    return folder / "case.toml"


def rates(folder: Path, frame: pd.DataFrame, kind: str, large: bool, column: str, sensitive: str) -> dict[str, float]:
    """Selection rates by group as the cube has them."""
    case = load_case(written(folder, frame, kind, column, sensitive))
    if large:
        cube = cube_of(count(case).coded)
    else:
        read = load_rows(case, everything=True).frame
        cube = cube_of(code_rows(case, read, decide(case, read, ())[0]))
    margin = cube.margin((sensitive,))
    return {g[0]: float(n[:, 1].sum() / n.sum()) for g, n in zip(margin.groups, margin.n, strict=True)}


ENGINES = [("csv", False), ("parquet", False), ("feather", False), ("csv", True), ("parquet", True)]
CASES = [(*t, *e) for e in ENGINES for t in (TWINS if e[1] else [*TWINS[:2], ("a", "a.b"), (" d", "d")])]
"""Arrow reads names letter by letter; the database is asked for every pair."""


@pytest.mark.parametrize(("mine", "twin", "kind", "large"), CASES)
def test_the_decision_is_read_from_the_column_named(
    mine: str, twin: str, kind: str, large: bool, tmp_path: Path
) -> None:
    result = rates(tmp_path, frame_of(mine, twin), kind, large, mine, "group of")
    assert result == pytest.approx(RATES)


@pytest.mark.parametrize(("kind", "large"), ENGINES)
@pytest.mark.parametrize(("mine", "twin"), TWINS[:3])
def test_groups_are_read_from_the_column_named(mine: str, twin: str, kind: str, large: bool, tmp_path: Path) -> None:
    frame = frame_of("decided", "other").rename(columns={"group of": mine})
    frame.insert(0, twin, np.tile(["f", "m"], len(frame) // 2))
    assert rates(tmp_path, frame, kind, large, "decided", mine) == pytest.approx(RATES)


@pytest.mark.parametrize(("kind", "large"), ENGINES)
def test_the_audit_is_of_the_column_named(kind: str, large: bool, tmp_path: Path) -> None:
    """A table of .10 and .60 was audited as .50 and .50 without a word."""
    path = written(tmp_path, frame_of("Decision", "decision"), kind, "Decision", "group of")
    run_audit(load_case(path), tmp_path / "run", Settings(draws=100), large=large)
    evidence: dict[str, Any] = json.loads((tmp_path / "run" / "evidence.json").read_bytes())
    mapping = {r["group"][0]: r["value"] for r in evidence["rates"] if r["metric"] == "selection_rate" and r["group"]}
    assert mapping == pytest.approx(RATES)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(mine="A", twin="a")
@given(
    mine=st.text("aA._1 '\"é\u0301", min_size=1, max_size=4), twin=st.text("aA._1 '\"é\u0301", min_size=1, max_size=4)
)
def test_any_two_names_are_told_apart_or_the_table_is_refused(
    mine: str, twin: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Never the wrong column: refused with a message, or read right, in every engine."""
    if mine == twin or not mine.strip() or not twin.strip():
        return
    for kind, large in ENGINES:
        try:
            result = rates(tmp_path_factory.mktemp("n"), frame_of(mine, twin), kind, large, mine, "group of")
        except AssayError:
            continue
        assert result == pytest.approx(RATES)


def test_a_folder_called_like_a_column_adds_none(tmp_path: Path) -> None:
    """Hive's year=2020/ is a folder here, in both engines."""
    frame = frame_of("decided", "other").assign(year=1999)
    for large in (False, True):
        folder = tmp_path / str(large) / "year=2020"
        folder.mkdir(parents=True)
        frame.to_parquet(folder / "a.parquet", index=False)
        case = folder.parent / "case.toml"
        case.write_text(
            '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "year=2020/a.parquet"\npositive = "yes"\n'
            'sensitive = ["year", "group of"]\nbins = { year = [2000] }\n[model]\ndecision = "decided"\n'
        )
        with pytest.raises(AssayError, match="one group only"):  # all of 1999
            run_audit(load_case(case), folder / "run", large=large)
