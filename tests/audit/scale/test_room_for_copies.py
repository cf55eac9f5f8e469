"""Text is copied where the disk has room for it twice, and asked as it is where it has not."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from audit.load import load_case
from audit.scale import opened


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
