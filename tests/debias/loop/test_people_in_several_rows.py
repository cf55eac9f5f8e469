"""The loop's promises are for people who come once; a case that says otherwise is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest

import cli


def test_a_case_with_people_in_several_rows_is_not_watched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{i // 3},{'fm'[i % 2]},{i % 5 % 2},{i % 7 % 2}\n" for i in range(300))
    (tmp_path / "d.csv").write_text("who,sex,y,d\n" + rows)
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "c"\npurpose = "p"\n[data]\npath = "d.csv"\nlabel = "y"\npositive = "1"\nsensitive = ["sex"]\n'
        'cluster = "who"\n[model]\ndecision = "d"\n[watch]\nbatch = 100\n'
    )
    assert cli.main(["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "people with several rows" in said
    assert "one row of each person" in said
