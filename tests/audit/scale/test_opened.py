"""A CSV is read once for all that is asked of it, and what is found is what asking the CSV itself finds."""

from __future__ import annotations

import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from audit.load import load_case
from audit.scale import opened
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
    found: list[str] = []
    own: Callable[[Source, Path, int], str] = Source._file

    def noted(self: Source, file: Path, width: int) -> str:
        found.append(file.name)
        return own(self, file, width)

    monkeypatch.setattr(Source, "_file", noted)
    return found


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
                patch.setattr(opened, "COPYING", "1MB")
            del asked[:]
            assert audited(case, tmp_path / name) == once, why
            assert len(asked) > 2, why


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
    said = capsys.readouterr().err
    assert "'part-1.csv' cannot be counted" in said
    assert not list(held.iterdir())
    audited(case, tmp_path / "good")
    assert not list(held.iterdir())


@pytest.mark.parametrize(("spare", "copied"), [(0, True), (-1, False)])
def test_a_copy_is_made_where_the_disk_has_room_for_the_text_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spare: int, copied: bool
) -> None:
    text = "sex,y,p\n" + "f,yes,0.25\nm,no,0.75\n" * 200
    (tmp_path / "people.csv").write_text(text)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "c"\npurpose = "p"\n[data]\npath = "people.csv"\nengine = "duckdb"\nlabel = "y"\n'
        'positive = "yes"\nsensitive = ["sex"]\n[model]\nscore = "p"\n'
    )
    room = namedtuple("room", "total used free")(10**9, 10**9, 2 * len(text) + spare)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with opened.opened(load_case(tmp_path / "case.toml")) as asked:
        assert [f.exists() for f in asked.source.copies] == [True] * copied
        rows = asked.rows()
        assert rows.one("count(*)") == (400,)
        rows.close()
