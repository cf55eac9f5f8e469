"""A decision about a challenger that is signed by a key: taken, kept and verified offline; through the command line."""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import cli
from audit.load import load_case
from debias.loop import inbox
from debias.loop.approver import facts_to_sign
from debias.loop.page import link, sealed
from debias.loop.state import Decision
from debias.loop.trail import Trail
from reports.keys import load_key, new_key
from reports.loop_decision import sign_decision
from tests.debias.loop.fed import bodies, write_case

WORD = b"a long password"


@pytest.fixture(scope="module")
def waits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop in which a challenger waits for a person, and two keys."""
    folder = tmp_path_factory.mktemp("signed")
    write_case(folder)
    assert cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out")]) == 0
    for name in ("Ada Auditor", "Mel Other"):
        new_key(name, folder / f"{name[:3].lower()}.p12", WORD)
    (folder / "word").write_bytes(WORD)
    return folder


@pytest.fixture
def loop(waits: Path, tmp_path: Path) -> Path:
    return shutil.copytree(waits, tmp_path / "loop")


def waiting(folder: Path) -> str:
    return str(json.loads((folder / "out" / "watch.json").read_bytes())["pending"]["model"])


def watch(folder: Path, *more: str) -> int:
    return cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out"), *more])


def approve(folder: Path, key: str | None = "ada.p12", *more: str) -> int:
    items = [] if key is None else ["--key", str(folder / key), "--password-file", str(folder / "word")]
    return watch(folder, "--approve", waiting(folder), "--reason", "I looked at both.", *items, *more)


def test_a_signed_approval_is_kept_and_verified_offline(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert approve(loop) == 0
    facts = next(b["facts"] for b in bodies(loop / "out") if b["kind"] == "promoted")
    assert facts["by"] == "Ada Auditor"
    key = load_key(loop / "ada.p12", WORD)
    capsys.readouterr()
    assert watch(loop, "--check", "--json") == 0
    (signed,) = json.loads(capsys.readouterr().out)["signed"]
    assert (signed["kind"], signed["name"], signed["fingerprint"]) == ("promoted", "Ada Auditor", key.fingerprint)
    assert signed["known"] is None
    (loop / "root.pem").write_bytes(key.certificate.public_bytes(Encoding.PEM))
    assert watch(loop, "--check", "--trust", str(loop / "root.pem")) == 0
    other = load_key(loop / "mel.p12", WORD).certificate.public_bytes(Encoding.PEM)
    (loop / "root.pem").write_bytes(other)
    assert watch(loop, "--check", "--trust", str(loop / "root.pem")) == 4
    assert "does not lead to a root given" in capsys.readouterr().err
    assert json.loads((loop / "out" / "running.json").read_bytes())["approved_by"] == "Ada Auditor"


def rewritten(folder: Path, change: Any) -> None:
    """The trail written anew from the first entry that `change` changes, with chains and head that fit."""
    with sqlite3.connect(folder / "out" / "watch.db") as c:
        for (name,) in c.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            c.execute(f"DROP TRIGGER {name}")
        prev = seal = "0" * 64
        for seq, time, body in c.execute("SELECT seq, time, body FROM trail ORDER BY seq").fetchall():
            text = change(body)
            hashed = link(prev, text.encode())
            seal = sealed(seal, hashed, time)
            c.execute("UPDATE trail SET prev=?, hash=?, seal=?, body=? WHERE seq=?", (prev, hashed, seal, text, seq))
            prev = hashed
        head = json.dumps({"hash": prev, "seal": seal, "seq": seq}, separators=(",", ":"))
        c.execute("UPDATE kept SET value=? WHERE name='head'", (head,))
    for name in ("head.json", "alerts.jsonl"):
        (folder / "out" / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("I looked at both.", "Nobody looked.", "says something else than the entry"),
        ("The loop begins", "A loop begins", "about another trail"),
    ],
)
def test_who_writes_the_whole_trail_anew_cannot_write_the_signature_anew(
    loop: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    assert approve(loop) == 0
    rewritten(
        loop,
        lambda body: body.replace(f'"reason":"{old}"', f'"reason":"{new}"').replace(f'words":"{old}', f'words":"{new}'),
    )
    capsys.readouterr()
    assert watch(loop, "--check") == 4
    errors = capsys.readouterr().err
    assert "cannot be believed" in errors
    assert said in errors


def test_a_policy_may_name_whose_keys_may_approve(loop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ada = load_key(loop / "ada.p12", WORD).fingerprint
    policy = loop / "policy.toml"
    policy.write_text(policy.read_text() + f'approvers = ["{ada}"]\n')
    assert watch(loop) == 0, "the new policy is taken"
    capsys.readouterr()
    assert approve(loop, None) == 2
    assert "the decision is not signed (--key)" in capsys.readouterr().err
    assert approve(loop, "mel.p12") == 2
    assert "is none of those that may approve" in capsys.readouterr().err
    assert approve(loop, "ada.p12", "--by", "Mel Other") == 2
    assert "who decides is said twice" in capsys.readouterr().err
    assert "promoted" not in [b["kind"] for b in bodies(loop / "out")]
    assert approve(loop) == 0
    assert bodies(loop / "out")[-1]["kind"] == "promoted"


def left(folder: Path, **change: Any) -> None:
    """A signed decision in the inbox of the watcher, then changed."""
    case = load_case(folder / "case.toml")
    message = Decision(waiting(folder), True, "I looked at both.", "Ada Auditor")
    with Trail.open(f"sqlite:///{folder / 'out' / 'watch.db'}", write=False) as trail:
        running = json.loads((folder / "out" / "running.json").read_bytes())["model"]
        facts = facts_to_sign(case.name, message, case.policy, running, trail)
    signed = sign_decision(facts, load_key(folder / "ada.p12", WORD))
    inbox.leave(folder / "out", replace(message, **{"signed": signed, **change}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"reason": "Another."}, "what was signed is another decision"),
        ({"by": "Mel Other"}, "it is signed by Ada Auditor, and said to be by Mel Other"),
        ({"signed": {"envelope": "{}", "certificates": ["AA=="]}}, "cannot be read"),
    ],
)
def test_a_word_that_is_left_for_the_watcher_is_checked_by_it(
    loop: Path, change: dict[str, Any], said: str | None
) -> None:
    left(loop, **change)
    assert watch(loop, "--batches", "1") == 0
    kinds = [b["kind"] for b in bodies(loop / "out")]
    assert ("promoted" in kinds) is (said is None)
    notices = json.loads((loop / "out" / "watch.json").read_bytes())["notices"]
    assert said is None or any(said in n["words"] for n in notices)
