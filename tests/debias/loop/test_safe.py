"""Decide safely: the gate at the click, and a case that changes its meaning; through the command line."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from debias.loop.gate import judge_gate
from debias.loop.state import Decision
from debias.loop.transitions import at_fault
from tests.debias.loop.fed import bodies, hashes, people, write_case, write_policy
from tests.debias.loop.played import POLICY, RULES, Loop, Model


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop in which a challenger waits for a person."""
    folder = tmp_path_factory.mktemp("waits")
    write_case(folder)
    assert cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out")]) == 0
    return folder


def test_a_challenger_that_a_stricter_policy_leaves_open_is_not_approved(
    waits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["watch", str(waits / "case.toml"), "--out", str(waits / "out")]
    waiting = json.loads((waits / "out" / "watch.json").read_bytes())["pending"]["model"]
    write_policy(waits, version="2", promote=0.001)
    capsys.readouterr()
    assert cli.main([*command]) == 0
    document = json.loads((waits / "out" / "watch.json").read_bytes())
    assert document["state"] == "SHADOW"
    message = next(e["words"] for e in document["events"] if e["kind"] == "reopened")
    assert (
        "It waits for a person no longer: a condition of the gate is open. selection rate difference by sex" in message
    )
    assert cli.main([*command, "--approve", waiting, "--reason", "Now.", "--by", "Ada"]) == 2
    assert "nothing waits for a decision" in capsys.readouterr().err
    assert "promoted" not in [b["kind"] for b in bodies(waits / "out")]


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_promoted_while_a_condition_is_open(seed: int) -> None:
    """Whatever comes in between, and however often a person says yes (1,000: bench/loop_power.py approvals)."""
    assert promoted_open(seed) == 0


def promoted_open(seed: int) -> int:
    """Promotions of one replay in which a condition was open, by the gate judged apart from the loop."""
    rng = np.random.default_rng(seed)
    loop = Loop(replace(POLICY, loop=replace(RULES, shadow_batches=30)))
    bad, good = (
        Model({"F": 0.8}),
        Model({"F": float(rng.choice([0.0, 0.1, 0.25]))}, noise=float(rng.choice([0.05, 0.2]))),
    )
    wrong = 0
    for _ in range(24):
        if loop.state.mode == "BUILD":
            loop.build()
        drift = Model({"F": 0.4}) if rng.random() < 0.3 else good
        loop.batch({"old": bad, "new": drift}, n=int(rng.integers(50, 400)), women=float(rng.choice([0.1, 0.5])))
        before = loop.state
        if before.beside is None or before.mode != "APPROVAL":
            continue
        stands = judge_gate(loop.policy, before.beside, at_fault(before), before.challengers, ("sex",))
        message = loop.give(Decision(before.beside.model, True, "Yes.", "Ada"))
        wrong += any(e.kind == "promoted" for e in message) and not stands.passed
        if loop.state.mode == "PROBATION":
            break
    return wrong


def test_a_yes_to_what_is_open_is_refused_in_the_step_too() -> None:
    """A word that was left in the inbox before the batch that opened a condition."""
    loop = Loop()
    loop.until("BUILD", {"old": Model({"F": 0.8})})
    loop.build()
    both = {"old": Model({"F": 0.8}), "new": Model()}
    loop.until("APPROVAL", both)
    state = loop.state
    assert state.beside is not None
    open_again = replace(state, beside=replace(state.beside, paired=None))
    loop.state = open_again
    message = loop.say(True)
    assert [e.kind for e in message] == ["reopened"]
    assert message[0].words.startswith("Ada approves, and it is not done: a condition of the gate is open. No outcomes")
    assert (loop.state.mode, loop.state.running) == ("SHADOW", "old")


def with_a_small_town(days: int, size: int = 150) -> pd.DataFrame:
    """People of whom 4 in 100 are of one town, where a lower threshold helps as many as it wrongs."""
    frame = people(days, size)
    rng = np.random.default_rng(5)
    east = rng.random(len(frame)) < 0.04
    frame.loc[east, "town"] = "east"
    between = rng.random(len(frame)) < np.where(frame["repaid"] == "yes", 0.5, 0.85)
    frame.loc[east & between, "score"] = 0.5
    return frame


def test_a_small_group_that_reaches_a_number_later_closes_no_gate_that_is_decided(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """About 70 of the town are expected in a trial of 12 days; the loop waits for a person until there are 200."""
    write_case(tmp_path, with_a_small_town(58))
    case, out = tmp_path / "case.toml", tmp_path / "out"
    case.write_text(case.read_text().replace('sensitive = ["sex"]', 'sensitive = ["sex", "town"]'))
    assert cli.main(["watch", str(case), "--out", str(out)]) == 0
    output = capsys.readouterr().out
    document = json.loads((out / "watch.json").read_bytes())
    assert document["state"] == "APPROVAL"
    gate = document["pending"]["gate"]
    town = next(c for c in gate["checks"] if c["name"] == "loss/town=east")
    assert town["facts"]["people"] > 200 > town["facts"]["expected"]
    assert town["facts"]["high"] > town["facts"]["limit"], "it could not show it"
    assert [c["name"] for c in gate["undecided"]] == ["loss/town=east"]
    assert f"- need not show it: east: UNDECIDED whether wronged more often: {town['facts']['people']} people" in output
    kinds = [b["kind"] for b in bodies(out)]
    assert kinds.count("gate") == 1
    assert "reopened" not in kinds
    report = next(b for b in bodies(out) if b["kind"] == "gate")["words"]
    assert "A person must approve. east: UNDECIDED" in report
    begun = next(b for b in bodies(out) if b["kind"] == "shadow")["facts"]["planned"]
    assert {"attribute": "town", "group": "east", "expected": town["facts"]["expected"]} in begun
    who = ["--approve", document["pending"]["model"], "--reason", "Seen.", "--by", "Ada"]
    assert cli.main(["watch", str(case), "--out", str(out), *who]) == 0
    promoted = next(b for b in bodies(out) if b["kind"] == "promoted")["facts"]["gate"]
    assert promoted["passed"]
    assert [c["name"] for c in promoted["undecided"]] == ["loss/town=east"]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('positive = "yes"', 'positive = "no"', "'positive'"),
        ('sensitive = ["sex"]', 'sensitive = ["town"]', "'sensitive'"),
        ("label_delay = 1", "label_delay = 3", "'label_delay'"),
        ("threshold = 0.65", "threshold = 0.7", "'threshold'"),
    ],
)
def test_a_case_that_means_something_else_is_refused_and_nobody_is_blamed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, named: str
) -> None:
    write_case(tmp_path, people(4))
    command = ["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--batches", "2"]) == 0
    before = hashes(tmp_path / "out")
    text = (tmp_path / "case.toml").read_text()
    (tmp_path / "case.toml").write_text(text.replace(old, new))
    capsys.readouterr()
    assert cli.main(command) == 2
    errors = capsys.readouterr().err
    assert f"the case says something else about {named} than when this loop began" in errors
    assert hashes(tmp_path / "out") == before
    (tmp_path / "case.toml").write_text(text)
    assert cli.main(command) == 0
    assert "incident" not in [b["kind"] for b in bodies(tmp_path / "out")]


def test_a_database_put_back_from_a_copy_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path, people(6))
    command = ["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--batches", "2"]) == 0
    copy = (tmp_path / "out" / "watch.db").read_bytes()
    assert cli.main([*command, "--batches", "3"]) == 0
    assert cli.main([*command, "--check"]) == 0
    for path in (tmp_path / "out").glob("watch.db*"):
        path.unlink()
    (tmp_path / "out" / "watch.db").write_bytes(copy)
    capsys.readouterr()
    assert cli.main([*command, "--check"]) == 4
    assert "the end of the trail is missing" in capsys.readouterr().err
    assert cli.main(command) == 0
    items = [b for b in bodies(tmp_path / "out") if b["kind"] == "went_back"]
    assert len(items) == 1
    assert "A copy was put back" in items[0]["words"]
    assert "went_back" in (tmp_path / "out" / "alerts.jsonl").read_text()
    assert json.loads((tmp_path / "out" / "watch.json").read_bytes())["batches"] == 6
    assert cli.main(command) == 0
    assert sum(b["kind"] == "went_back" for b in bodies(tmp_path / "out")) == 1, "once"
    # Removed altogether, the loop would begin with alpha unspent and nothing found.
    for path in (tmp_path / "out").glob("watch.db*"):
        path.unlink()
    assert cli.main(command) == 0
    items = [b for b in bodies(tmp_path / "out") if b["kind"] == "went_back"]
    assert ["that one was removed" in b["words"] for b in items] == [True]
    assert cli.main(command) == 0
    assert sum(b["kind"] == "went_back" for b in bodies(tmp_path / "out")) == 1, "once"


def test_the_loop_of_another_case_is_not_gone_on_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_case(tmp_path, people(3))
    command = ["watch", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]
    assert cli.main([*command, "--batches", "1"]) == 0
    before = hashes(tmp_path / "out")
    text = (tmp_path / "case.toml").read_text()
    (tmp_path / "case.toml").write_text(text.replace('name = "', 'name = "Another of '))
    capsys.readouterr()
    assert cli.main(command) == 2
    assert "this folder holds the loop of another case" in capsys.readouterr().err
    assert hashes(tmp_path / "out") == before


def test_a_copy_on_a_medium_that_nobody_writes_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite wants to write a file of its own beside such a database, and says that it cannot open it."""
    write_case(tmp_path, people(2))
    out = tmp_path / "a copy #1 ?%41"
    command = ["watch", str(tmp_path / "case.toml"), "--out", str(out)]
    assert cli.main(command) == 0
    assert (out / "watch.db").is_file(), "where the person said, whatever its name would mean in a URL"
    opened: list[str] = []

    def noted(name: str, *args: Any, real: Any = sqlite3.connect, **more: Any) -> Any:
        opened.append(name)
        return real(name, *args, **more)

    monkeypatch.setattr(sqlite3, "connect", noted)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # whoever runs the tests may write anywhere
    capsys.readouterr()
    assert cli.main([*command, "--check"]) == 0
    assert "The trail is whole" in capsys.readouterr().out
    assert opened
    assert all("immutable=1" in name for name in opened)
    # What lies beside the database and is not in it yet is never passed over.
    opened.clear()
    with contextlib.closing(sqlite3.connect(str(out / "watch.db"), isolation_level=None)) as other:
        other.execute("PRAGMA wal_autocheckpoint = 0")
        other.execute("CREATE TABLE not_yet_in_it (x)")
        opened.clear()
        assert cli.main([*command, "--check"]) == 0
        assert opened == []


def test_what_lies_in_the_folder_and_cannot_be_read_keeps_nothing_waiting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_case(tmp_path, people(5))
    out = tmp_path / "out"
    command = ["watch", str(tmp_path / "case.toml"), "--out", str(out)]
    assert cli.main([*command, "--batches", "1"]) == 0
    for name, content in (("decisions/a.json", "{"), ("quarantine/00000.word", "[]"), ("quarantine/00001.word", "{")):
        (out / name).parent.mkdir(exist_ok=True)
        (out / name).write_text(content)
    capsys.readouterr()
    assert cli.main([*command, "--batches", "1"]) == 0
    assert capsys.readouterr().err.count("could not be read, and lies in") == 3
    assert len(list(out.glob("*/*.unreadable"))) == 3
    for name in ("running.json", "head.json"):  # one message, and the loop goes on once it is away
        (out / name).unlink()
        (out / name).mkdir()
        assert cli.main([*command, "--batches", "1"]) == 2
        assert name in capsys.readouterr().err
        (out / name).rmdir()
        assert cli.main([*command, "--batches", "1"]) == 0
    assert cli.main([*command, "--batches", "-1"]) == 2
    assert "--batches cannot be used" in capsys.readouterr().err
