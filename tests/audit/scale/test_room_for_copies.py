"""Text is copied where the disk has room for it twice, and nothing leaves without the digest of the file."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

import cli
from audit.errors import DataError
from audit.load import load_case
from audit.scale import opened

TEXT = "sex,y,p\n" + "f,yes,0.25\nm,no,0.75\n" * 200


@pytest.fixture
def people(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text(TEXT)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "c"\npurpose = "p"\n[data]\npath = "people.csv"\nengine = "duckdb"\nlabel = "y"\n'
        'positive = "yes"\nsensitive = ["sex"]\n[model]\nscore = "p"\n'
    )
    return tmp_path / "case.toml"


@pytest.mark.parametrize(("spare", "copied"), [(0, True), (-1, False)])
def test_a_copy_is_made_where_the_disk_has_room_for_the_text_twice(
    people: Path, monkeypatch: pytest.MonkeyPatch, spare: int, copied: bool
) -> None:
    room = namedtuple("room", "total used free")(10**9, 10**9, 2 * len(TEXT) + spare)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)
    with opened.opened(load_case(people)) as asked:
        assert (asked.source.copy is not None) == copied
        rows = asked.rows()
        assert rows.one("count(*)") == (400,)
        rows.close()


def test_a_file_whose_digest_cannot_be_made_is_refused(
    people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is made beside the counting, whose figures must not leave without it."""

    def gone(path: Path) -> str:
        raise DataError("the file cannot be read", got=f"{path.name!r} went away")

    monkeypatch.setattr(opened, "sha256_of", gone)
    assert cli.main(["audit", str(people), "--out", str(tmp_path / "run"), "--draws", "20"]) == 2
    assert "'people.csv' went away" in capsys.readouterr().err
    monkeypatch.setattr(opened, "sha256_of", lambda _: 1 / 0)
    assert cli.main(["audit", str(people), "--out", str(tmp_path / "run"), "--draws", "20"]) not in (0, 3)
    assert not (tmp_path / "run" / "evidence.json").exists()


@pytest.mark.parametrize(("wide", "megabytes"), [(500, 1000), (3, 1000), (2, 1002), (0, 1006)])
def test_wide_tables_may_take_more_memory(
    people: Path, monkeypatch: pytest.MonkeyPatch, wide: int, megabytes: int
) -> None:
    """As DuckDB itself says of a table of three columns; from so many on each may take 2 MB more."""
    monkeypatch.setattr(opened, "WIDE", wide)
    with opened.opened(load_case(people)) as asked:
        rows = asked.rows()
        (limit,) = rows.one("any_value(current_setting('memory_limit'))")
        rows.close()
    number, unit = limit.split()
    assert unit == "MiB"
    assert float(number) * 2**20 / 1e6 == pytest.approx(megabytes, abs=0.11)
