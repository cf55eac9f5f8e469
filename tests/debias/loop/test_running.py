"""What a service reads: running.json through the facade, picked up after a promotion, not believed when edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import assay
import cli
from audit.errors import DataError
from tests.debias.loop.fed import write_case


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("running")
    write_case(folder)
    assert cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out")]) == 0
    return folder


def test_a_service_picks_up_a_promotion_and_refuses_what_was_edited(
    loop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pointer = loop / "out" / "running.json"
    before = assay.load_running(pointer)
    assert (before.method, before.threshold, before.approved_by, before.since) == ("case", 0.65, None, 0)
    assert before.features == ("income", "town")
    assert before.positive == "yes"
    waiting = json.loads((loop / "out" / "watch.json").read_bytes())["pending"]["model"]
    command = ["watch", str(loop / "case.toml"), "--out", str(loop / "out")]
    assert cli.main([*command, "--approve", waiting, "--reason", "Looked at.", "--by", "Ada"]) == 0
    after = assay.load_running(str(pointer))
    assert (after.id, after.method, after.approved_by) == (waiting, "threshold", "Ada")
    assert after.threshold is not None
    assert after.threshold < 0.65
    assert after.since > 0

    whole = pointer.read_bytes()
    pointer.write_bytes(whole.replace(str(after.threshold).encode(), b"0.0", 1))
    with pytest.raises(DataError, match="was edited"):
        assay.load_running(pointer)
    pointer.write_bytes(whole.replace(waiting.encode(), b"f" * 64))
    with pytest.raises(DataError, match="missing or was changed"):
        assay.load_running(pointer)
    pointer.write_bytes(b'{"schema": "assay/other/1"}')
    with pytest.raises(DataError, match="does not say which model runs"):
        assay.load_running(pointer)
    pointer.write_bytes(whole)
    described = loop / "out" / "models" / f"{waiting}.json"
    kept = described.read_bytes()
    described.write_bytes(kept.replace(b"threshold", b"Threshold"))
    with pytest.raises(DataError, match="missing or was changed"):
        assay.load_running(pointer)
    described.write_bytes(kept)
    assert assay.load_running(pointer) == after
    capsys.readouterr()


def test_a_database_server_that_is_away_at_the_start_is_waited_for_when_following(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from debias.loop import run
    from debias.loop.database import unusable
    from debias.loop.trail import Trail

    opened, tries = Trail.open, []

    def away(url: str, *, write: bool = True) -> Trail:
        tries.append(url)
        if len(tries) < 3:
            raise unusable("postgresql://x", OSError("no route"))
        return opened(f"sqlite:///{tmp_path}/watch.db", write=write)

    monkeypatch.setattr(run.Trail, "open", staticmethod(away))
    monkeypatch.setattr(run, "POLL_SECONDS", 0.01)
    write_case(tmp_path / "x")
    command = ["watch", str(tmp_path / "x" / "case.toml"), "--out", str(tmp_path / "out"), "--db", "postgresql://u@h/d"]
    assert cli.main([*command, "--batches", "1"]) == 2, "without --follow it ends"
    assert "the trail could not be written" in capsys.readouterr().err
    tries.clear()
    assert cli.main([*command, "--follow", "--batches", "1"]) == 0
    assert len(tries) == 3
    assert capsys.readouterr().err.count("It is tried again.") == 1
