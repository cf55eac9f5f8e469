"""A CSV is read once for all that is asked of it, and what is found is what asking the CSV itself finds."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from audit.scale import beside, opened, source
from audit.scale.source import Source

ROWS = 3000


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CSV files, one of them packed, quotes and a line break in a value, many scores, weights, a contract."""
    folder = tmp_path_factory.mktemp("csv")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m", ""], ROWS, p=[0.5, 0.45, 0.05]),
            "note": rng.choice(['a "b"', "two\nlines", "c,d", "?"], ROWS),
            "free": rng.choice(["x", "y"], ROWS),
            "income": rng.normal(30, 10, ROWS).round(2),
            "w": rng.integers(1, 5, ROWS),
            "id": np.arange(ROWS) // 2,
            "y": rng.choice(["yes", "no"], ROWS),
            "p": rng.random(ROWS),
        }
    )
    frame[:2000].to_csv(folder / "part-1.csv", index=False)
    frame[2000:].to_csv(folder / "part-2.csv.gz", index=False)
    (folder / "contract.toml").write_text('[[check]]\ncolumn = "free"\nmissing_at_most = 0.1\n')
    (folder / "case.toml").write_text(
        'contract = "contract.toml"\n[case]\nname = "c"\npurpose = "p"\n[data]\npath = "part-*"\nengine = "duckdb"\n'
        'label = "y"\npositive = "yes"\n'
        'sensitive = ["sex"]\nweight = "w"\nid = "id"\nexclude = ["free"]\n'
        '[model]\nscore = "p"\n'
    )
    return folder / "case.toml"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files as each question to them as CSV named them."""
    items: list[str] = []
    own: Callable[[Source, Path, int], str] = Source._file

    def noted(self: Source, file: Path, width: int) -> str:
        items.append(file.name)
        return own(self, file, width)

    monkeypatch.setattr(Source, "_file", noted)
    return items


def audited(case: Path, out: Path) -> bytes:
    assert cli.main(["audit", str(case), "--out", str(out), "--draws", "50"]) == 0
    return (out / "evidence.json").read_bytes()


def test_a_csv_is_read_once_and_found_the_same_as_when_it_is_read_each_time(
    case: Path, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = audited(case, tmp_path / "once")
    assert asked == ["part-1.csv", "part-2.csv.gz"]
    for name, why in (("full", "a disk without room"), ("small", "a copy that fails")):
        with monkeypatch.context() as patch:
            if name == "full":
                room = namedtuple("room", "total used free")(10**9, 10**9, 1000)
                patch.setattr(shutil, "disk_usage", lambda _, room=room: room)
            else:
                patch.setattr(opened, "COPYING", 1)
            del asked[:]
            assert audited(case, tmp_path / name) == once, why
            assert len(asked) > 2, why


@pytest.mark.skipif(not source.OWN_HANDLES.is_dir(), reason="a file without a name can be opened again on Linux alone")
def test_the_copy_has_no_name_so_that_it_goes_with_a_process_that_is_killed(
    case: Path, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, result = opened.InBase.groups, []

    def looked(self: opened.InBase, what: str, most: int) -> object:
        result.append([p for p in tmp_path.rglob("*") if p.is_file()])
        return own(self, what, most)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(opened.InBase, "groups", looked)
    audited(case, tmp_path / "run")
    assert len(asked) == 2, "it was copied"
    assert result
    assert not any(result), "no file with people's rows is left where others find it"


def test_a_broken_csv_is_refused_as_it_was_and_no_copy_stays(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in case.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with (tmp_path / "part-1.csv").open("a") as stream:
        stream.write("f,one value too many,1,2,3,4,5,6,7,8,9\n")
    held = tmp_path / "held"
    held.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(held))
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) == 2
    errors = capsys.readouterr().err
    assert "rows of 'part-1.csv' (1 of them) have another number of values" in errors
    assert not list(held.iterdir())
    audited(case, tmp_path / "good")
    assert not list(held.iterdir())


@pytest.mark.parametrize("how", ["a row more", "another file", "none"])
def test_files_that_change_while_they_are_read_are_refused(
    how: str, case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts, sample and sha256 would be of different rows."""
    for file in case.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    own: Callable[..., Source] = opened._copied
    file = tmp_path / "part-1.csv"

    def then(*args: object) -> Source:
        copied = own(*args)
        if how == "a row more":
            with file.open("ab") as stream:
                stream.write(file.read_bytes().splitlines(keepends=True)[-1])
        elif how == "another file":
            (tmp_path / "new").write_bytes(file.read_bytes())
            (tmp_path / "new").replace(file)
        else:
            file.unlink()
        return copied

    monkeypatch.setattr(opened, "_copied", then)
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run"), "--draws", "20"]) == 2
    assert "'part-1.csv' changed while it was read" in capsys.readouterr().err
    assert not (tmp_path / "run" / "evidence.json").exists()


WIDE = """
[case]
name = "c"
purpose = "p"
[data]
path = "wide.parquet"
engine = "duckdb"
label = "y"
positive = "yes"
sensitive = ["a"]
{more}
[model]
decision = "d"
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wide")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(6000, 300)), columns=[f"x{i}" for i in range(300)])
    frame["half"] = rng.normal(size=6000).astype(np.float16)  # the columns are not read once for it, but by DuckDB
    frame["a"] = rng.choice(["g", "h"], 6000)
    frame["y"], frame["d"] = rng.choice(["yes", "no"], 6000), rng.choice(["yes", "no"], 6000)
    frame.to_parquet(folder / "wide.parquet", index=False)
    return folder


def test_a_table_too_wide_for_the_memory_says_so_and_what_it_advises_helps(
    wide: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opened, "MEMORY", 30)
    case = wide / "case.toml"
    case.write_text(WIDE.format(more=""))
    assert cli.main(["audit", str(case), "--out", str(wide / "out")]) == 2
    errors = capsys.readouterr().err
    assert "'wide.parquet' needs more memory than counting may take (30MB). Got: 304 columns." in errors
    assert "name those that the case is about in `[data] features`" in errors
    case.write_text(WIDE.format(more='features = ["x0", "x1"]'))
    assert cli.main(["audit", str(case), "--out", str(wide / "out"), "--draws", "20"]) == 0
    capsys.readouterr()
    # The more columns, the more memory, and the fewer rows are drawn.
    case.write_text(WIDE.format(more=""))
    monkeypatch.setattr(opened, "WIDE", 0)
    monkeypatch.setattr(beside, "CELLS", 304 * 1000)
    assert cli.main(["audit", str(case), "--out", str(wide / "out"), "--draws", "20"]) == 0
    drawn = json.loads((wide / "out" / "evidence.json").read_bytes())["slices"]["drawn"]
    assert (drawn["rows"], drawn["of_rows"]) == (1000, 6000)
