"""A trail that was written before the form of the state changed goes on: data/trail-1.tar.gz is one of version 1."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

import cli
from tests.debias.loop.fed import bodies, hashes

DATA = Path(__file__).parent / "data"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(DATA / "trail-1.tar.gz") as tar:
        tar.extractall(tmp_path, filter="data")
    return tmp_path


def test_an_older_trail_can_be_looked_at_and_goes_on_without_changing_an_entry(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["watch", str(old / "case.toml"), "--out", str(old / "out")]
    before = hashes(old / "out")
    assert cli.main([*command, "--state", "--json"]) == 0
    looked = json.loads(capsys.readouterr().out)
    assert looked["state"] == "CONFIRMED"
    assert {g["group"] for g in looked["groups"]} == {"F", "M"}
    assert hashes(old / "out") == before, "looking changes nothing"
    assert cli.main(command) == 0
    after = hashes(old / "out")
    assert after[: len(before)] == before
    moved = bodies(old / "out")[len(before)]
    assert moved["kind"] == "migrated"
    assert "written by an older version" in moved["words"]
    document = json.loads((old / "out" / "watch.json").read_bytes())
    assert document["batches"] == 14
    assert cli.main([*command, "--check"]) == 0
    groups = {g["group"]: g for g in document["groups"]}
    assert groups["F"]["people"] + groups["M"]["people"] == 1400
    assert groups["F"]["outcomes"] + groups["M"]["outcomes"] == 1300, "outcomes are due a batch later"
    assert cli.main(command) == 0
    assert hashes(old / "out") == after, "once"
