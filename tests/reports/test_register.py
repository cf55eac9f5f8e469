"""Reports and decisions in the log, the register read from it, and what a verifier with the log must catch."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope

from audit.errors import AssayError, DataError, InputError, OutputError, VerificationError
from reports.approve import approve, decision_envelope
from reports.attest.dsse import seal
from reports.attest.statements import SVR
from reports.decision import Decision
from reports.issue import said_of
from reports.known import remember
from reports.log import Log, LogCopy, merkle, read_copy, read_log
from reports.log import record as rec
from reports.log.note import Checkpoint
from reports.log.proof import read_proof
from reports.log.store import CHECKPOINT, ENTRIES, PUBLIC
from reports.register import Line, earlier, register, safe_cell, standings, to_csv, to_text
from reports.verify import verify, verify_or_raise
from reports.verify.log import check_decisions, check_head, check_history, check_inclusion
from reports.verify.result import Broken
from reports.verify.signatures import ROLL_BACK
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.sentences import LOG_SENTENCES

TODAY = dt.date(2026, 11, 23)


@dataclass(frozen=True)
class Story:
    """A report issued into a log that held another one; Bo approves until a day, Cy rejects; then a third report.

    issued, approved, rejected: the report's states. logs: the log's folder as it was after each step, by name.
    """

    issued: bytes
    approved: bytes
    rejected: bytes
    later: bytes
    logs: dict[str, Path]

    def copy(self, name: str = "later") -> LogCopy:
        return read_copy(self.logs[name])


def issued_into(log: Log, small: Reports, pki: Pki, path: Path, **extra: Any) -> bytes:
    """A report of the small files that states the log before it, and is entered."""
    mapping = {
        "people": False,
        "timestamp": False,
        **said_of(path.parent, "Loans & <b>cards</b>", log.view(), None, ()),
    }
    pdf = kit.report(small.files, pki.auditor, extra={**mapping, **extra})
    rec.publish(path, remember(pdf), log)  # whatever it says: who makes a report may enter it
    return path.read_bytes()


@pytest.fixture(scope="module")
def story(small: Reports, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Story:
    place = tmp_path_factory.mktemp("story")
    log, path, logs = Log(place / "log"), place / "report.pdf", {}

    def keep(name: str) -> None:
        logs[name] = place / f"log-{name}"
        shutil.copytree(log.folder, logs[name])

    rec.enter_protocol(log, "protocol.md", b"fixed beforehand")
    issued_into(log, small, pki, place / "first.pdf", number="1")
    keep("before")
    issued = issued_into(log, small, pki, path, number="2")
    keep("issued")
    decisions = (
        (pki.bo, "approve", "=1+1 is inside the norms.", "Audit again.", "2097-05-01"),
        (pki.cy, "reject", "Too few rows.", "", None),
    )
    states = []
    for key, decision, reason, conditions, until in decisions:
        content = approve(
            path.read_bytes(), key, decision=decision, reason=reason, conditions=conditions, until=until,
            printer=kit.page,
        ).pdf  # fmt: skip
        rec.publish(path, content, log, dict([decision_envelope(content, key)]))
        states.append(path.read_bytes())
        keep(decision)
    later = issued_into(log, small, pki, place / "third.pdf", number="3")
    keep("later")
    assert not list(place.glob(".*.staged"))
    return Story(issued, *states, later, logs)


def lines_of(pdf: bytes, copy: LogCopy) -> dict[str, tuple[str, str]]:
    verification = verify(pdf, printer=kit.page, log=copy, contents=False)
    return {c.name: (c.status, c.detail) for c in verification.checks if c.name.startswith("log")}


# --- honest ---


def test_each_state_is_found_in_the_log_as_it_was_then(story: Story) -> None:
    for pdf, name in ((story.issued, "issued"), (story.approved, "approve"), (story.rejected, "reject")):
        verify_or_raise(pdf, printer=kit.page, log=story.copy(name), contents=False)
    with_log = verify(story.rejected, printer=kit.page, log=story.copy(), contents=False)
    without = verify(story.rejected, printer=kit.page, contents=False)
    assert ROLL_BACK in without.notes
    assert ROLL_BACK not in with_log.notes
    lines = lines_of(story.rejected, story.copy())
    assert {status for status, _ in lines.values()} == {"ok"}
    assert lines["log inclusion"][1].startswith("it is number 3 of 6,")
    assert lines["log decisions"][1].startswith("2 logged decisions are in the file, 2 of them with the member's")
    assert "first 2 entries are those" in lines["log history"][1]


def test_countersigning_does_not_move_a_report_in_the_log(story: Story) -> None:
    """The entry is of the certified revision, so every later state is found under one name."""
    names = {e["report"] for e in read_log(story.copy()).entries if e["type"] != "protocol"}
    assert len(names) == 3
    for pdf in (story.issued, story.approved, story.rejected):
        assert rec.certified_of(pdf, rec.read_report(pdf)[1]) in names


def test_without_a_log_the_line_says_so(story: Story) -> None:
    verification = verify(story.rejected, printer=kit.page, contents=False)
    assert next(c for c in verification.checks if c.name == "log").status == "not checked"
    assert verification.failed is None


def test_the_register_says_who_when_what_and_until_when(story: Story, pki: Pki) -> None:
    entries = read_log(story.copy()).entries
    lines = register(entries)
    assert [(x.who, x.decision, x.number, x.until) for x in lines] == [
        ("Ada Auditor", "issued", "1", None),
        ("Ada Auditor", "issued", "2", None),
        ("Bo Board", "approve", "2", "2097-05-01"),
        ("Cy Chair", "reject", "2", None),
        ("Ada Auditor", "issued", "3", None),
    ]
    assert lines[2].conditions == "Audit again."
    assert lines[2].report == lines[1].report == rec.certified_of(story.issued, rec.read_report(story.issued)[1])
    stands = standings(entries, TODAY)
    assert [s.standing for s in stands] == [
        "open, 2 more approvals needed",
        "not approved, the quorum can no longer be reached",
        "open, 2 more approvals needed",
    ]
    assert [s.until for s in stands] == [None, None, None], "what is not approved holds until no day"
    assert "Cy Chair: reject, Too few rows." in to_text(lines, stands)
    assert to_text((), ()) == "The log holds no report yet."


def test_a_later_report_prints_the_boards_earlier_decisions(story: Story) -> None:
    manifest = rec.read_report(story.later)[0]
    report = manifest.extra["register"]
    assert [(t["who"], t["decision"]) for t in report] == [("Cy Chair", "reject"), ("Bo Board", "approve")]
    assert earlier(read_log(story.copy()).entries, "another case") == []
    assert "register" not in rec.read_report(story.issued)[0].extra


def test_the_day_of_review_is_noticed() -> None:
    report = {"type": "report", "report": "a", "number": "1", "case": "c", "auditor": "A", "issued": "x",
              "members": ["B"], "quorum": 1, "logged": "x"}  # fmt: skip
    decided = {"type": "decision", "report": "a", "member": "B", "decision": "approve", "reason": "r",
               "conditions": "", "until": "2097-05-01", "time": "t", "time_from": "f", "logged": "x"}  # fmt: skip
    for today, words in (("2097-05-01", "approved"), ("2097-05-02", "approved, the day of review has passed")):
        (stand,) = standings([report, decided], dt.date.fromisoformat(today))
        assert stand.standing == words
        assert stand.until == "2097-05-01"


def test_the_statements_in_the_log_are_read_by_in_toto(story: Story) -> None:
    items = [e["statement"] for e in read_log(story.copy()).entries if e["type"] == "decision"]
    properties = []
    for document in items:
        envelope = Envelope.from_dict(json.loads(json.dumps(document)))
        Statement.copy_from_pb(json_format.Parse(envelope.payload, statement_pb2.Statement())).validate()
        statement = json.loads(envelope.payload)
        assert statement["predicateType"] == SVR
        assert set(statement["predicate"]) >= {"verifier", "timeCreated", "properties"}
        properties.append(statement["predicate"]["properties"])
    assert properties == [["ASSAY_REPORT_VERIFIED", "ASSAY_MEMBER_APPROVED_WITH_CONDITIONS"], ["ASSAY_REPORT_VERIFIED"]]


# --- a decision's last day ---


def test_a_decision_with_a_day_is_read_back() -> None:
    for built in (
        Decision("approve", "Fine.", "Again.", "2097-05-01"),
        Decision("approve", "Fine.", "", "2097-05-01"),
        Decision("reject", "until: Friday", "", None),
    ):
        assert Decision.from_text(built.to_text()) == built


@pytest.mark.parametrize("until", ["2027-02-30", "tomorrow", "20270501", "2027-W18-6", ""])
def test_a_day_that_is_none_is_refused(until: str) -> None:
    with pytest.raises(InputError, match="date cannot be read"):
        Decision("approve", "Fine.", "", until)


def test_a_decision_that_ended_before_it_was_made_is_refused(small: Reports, pki: Pki) -> None:
    with pytest.raises(InputError, match="hold no day"):
        approve(small.certified, pki.bo, decision="approve", reason="Fine.", until="2020-01-01", printer=kit.page)


def test_a_reason_cannot_bring_a_day_of_its_own() -> None:
    with pytest.raises(InputError, match="reserved"):
        Decision("approve", "Fine. UNTIL: 2099-01-01")


# --- CSV ---


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "＝1", '=HYPERLINK("x")']


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_begins_a_formula(text: str) -> None:
    assert safe_cell(text) == "'" + text
    line = Line("2026", "x", text, "approve", text, "a" * 64, "1", text, text, None, "2026")
    rows = list(csv.reader(io.StringIO(to_csv([line]), newline="")))
    assert rows[1][1] == rows[1][6] == "'" + text
    assert rows[1][8] == ""


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_cell_comes_back_from_csv_and_none_is_a_formula(text: str) -> None:
    line = Line("2026", "x", text, "approve", "c", "a" * 64, "1", "r", "", None, "2026")
    rows = list(csv.reader(io.StringIO(to_csv([line]), newline="")))
    assert rows[1][1] in (text, "'" + text)
    assert not rows[1][1].lstrip(" \u00a0").startswith(("=", "+", "-", "@", "\t", "\r"))


# --- attacks on the log and on the report's place in it ---

Attack = Callable[[Story, Path], "tuple[bytes, LogCopy]"]
ATTACKS: list[tuple[str, Attack]] = []


def attack(check: str) -> Callable[[Attack], Attack]:
    def enter(make: Attack) -> Attack:
        ATTACKS.append((check, make))
        return make

    return enter


def anew(story: Story, change: Callable[[list[bytes]], list[bytes]]) -> LogCopy:
    """The log rewritten by someone who holds its key: entries changed, and the checkpoint signed over them."""
    folder = story.logs["later"]
    key = Log(folder)._key()
    rows = change((folder / ENTRIES).read_bytes().splitlines())
    top = merkle.root([merkle.leaf_hash(r) for r in rows])
    note = key.sign(Checkpoint(key.name, len(rows), top).text)
    return LogCopy(b"".join(r + b"\n" for r in rows), note, key.verifier.text.encode())


def altered(row: bytes, **values: Any) -> bytes:
    return bytes(rfc8785.dumps({**json.loads(row), **values}))


@attack("log decisions")
def report_cut_back_to_before_the_rejection(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.approved, s.copy()


@attack("log decisions")
def report_cut_back_to_before_any_decision(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.issued, s.copy()


@attack("log")
def an_entry_changed(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    c = s.copy()
    return s.rejected, LogCopy(c.entries.replace(b'"reject"', b'"reJect"'), c.note, c.public)


@attack("log")
def the_reports_entry_removed(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    c = s.copy()
    rows = c.entries.splitlines(keepends=True)
    return s.rejected, LogCopy(b"".join(rows[:2] + rows[3:]), c.note, c.public)


@attack("log")
def the_last_entries_cut_off(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    c = s.copy()
    return s.rejected, LogCopy(b"".join(c.entries.splitlines(keepends=True)[:4]), c.note, c.public)


@attack("log")
def the_checkpoint_of_a_longer_log_in_its_place(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    old, new = s.copy("before"), s.copy()
    return s.rejected, LogCopy(old.entries, new.note, new.public)


@attack("log")
def a_log_made_anew_with_another_key(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    log = Log(p / "other")
    log.append(lambda view: rec.new_entries(view, s.rejected))
    return s.rejected, read_copy(p / "other")


@attack("log")
def a_checkpoint_signed_by_another_key_of_the_same_name(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    from reports.log.note import NoteKey

    c = s.copy()
    view = read_log(c)
    return s.rejected, LogCopy(c.entries, NoteKey.new(view.verifier.name).sign(view.checkpoint.text), c.public)


@attack("log inclusion")
def the_log_rolled_back_to_before_the_report(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.rejected, s.copy("before")


@attack("log history")
def the_log_rolled_back_further_than_the_report_states(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.rejected, anew(s, lambda rows: rows[:1])


@attack("log history")
def the_log_rolled_back_under_a_later_report(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    """The rejection is gone from the log and the file; the report after it remembers that the log was longer."""
    return s.later, s.copy("approve")


@attack("log history")
def the_past_rewritten_and_signed_anew(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.rejected, anew(s, lambda rows: [altered(rows[0], sha256="0" * 64), *rows[1:]])


@attack("log history")
def a_rejection_rewritten_under_a_later_report(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.later, anew(s, lambda rows: [*rows[:4], altered(rows[4], decision="approve"), *rows[5:]])


@attack("log inclusion")
def the_reports_entry_removed_and_the_log_signed_anew(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.rejected, anew(s, lambda rows: rows[:2] + rows[3:])


@attack("log inclusion")
def the_quorum_lowered_in_the_log(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.rejected, anew(s, lambda rows: [*rows[:2], altered(rows[2], quorum=1), *rows[3:]])


@attack("log decisions")
def a_rejection_called_an_approval_in_the_log(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.rejected, anew(s, lambda rows: [*rows[:4], altered(rows[4], decision="approve"), *rows[5:]])


@attack("log decisions")
def the_last_day_moved_in_the_log(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    return s.rejected, anew(s, lambda rows: [*rows[:3], altered(rows[3], until="2099-01-01"), *rows[4:]])


@attack("log decisions")
def the_statement_of_another_decision(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    def change(rows: list[bytes]) -> list[bytes]:
        bos = json.loads(rows[3])["statement"]
        return [*rows[:4], altered(rows[4], statement=bos), *rows[5:]]

    return s.rejected, anew(s, change)


@attack("log decisions")
def a_statement_by_the_member_about_something_else(s: Story, p: Path) -> tuple[bytes, LogCopy]:
    def change(rows: list[bytes]) -> list[bytes]:
        import base64

        statement = json.loads(base64.b64decode(json.loads(rows[4])["statement"]["payload"]))
        statement["predicate"]["properties"].append("ASSAY_MEMBER_APPROVED")
        return [*rows[:4], altered(rows[4], statement=json.loads(seal(statement, Pki_.cy))), *rows[5:]]

    return s.rejected, anew(s, change)


class Pki_:
    """The keys, for an attack that signs."""

    cy: Any = None


@pytest.mark.parametrize(("check", "make"), ATTACKS, ids=[a.__name__ for _, a in ATTACKS])
def test_each_attack_is_caught_by_its_check(check: str, make: Attack, story: Story, pki: Pki, tmp_path: Path) -> None:
    Pki_.cy = pki.cy
    pdf, copy = make(story, tmp_path)
    with pytest.raises(VerificationError) as caught:
        verify_or_raise(pdf, printer=kit.page, log=copy, contents=False)
    assert caught.value.check == check, caught.value.message
    assert caught.value.problem == f"{check}: {LOG_SENTENCES[make.__name__]}"


def test_a_report_that_lies_about_the_log_is_caught(story: Story, small: Reports, pki: Pki, tmp_path: Path) -> None:
    """Earlier decisions left out, a protocol called older than it is, a checkpoint that nobody signed."""
    shutil.copytree(story.logs["later"], tmp_path / "log")
    log = Log(tmp_path / "log")
    protocol = {"file": "p.md", "sha256": "0" * 64, "logged": "2020-01-01T00:00:00+00:00"}
    message = rec.stated(log.view())
    lies: tuple[tuple[str, dict[str, Any]], ...] = (
        ("log history: the report tells the board's earlier decisions otherwise than the log", {"register": []}),
        ("log history: the log did not know the protocol when the report says it did", {"protocol": protocol}),
        (
            "manifest: the checkpoint that the report states is not the one in its note",
            {"checkpoint": {**message, "size": 1}},
        ),
        ("manifest: the checkpoint that the report states cannot be read", {"checkpoint": {**message, "note": "x"}}),
        ("manifest: the checkpoint that the report states cannot be read", {"checkpoint": 7}),
    )
    for i, (check, lie) in enumerate(lies):
        pdf = issued_into(log, small, pki, tmp_path / f"{i}.pdf", number=str(i), **lie)
        verification = verify(pdf, printer=kit.page, log=read_copy(log.folder), contents=False)
        assert verification.failed is not None
        assert f"{verification.failed.name}: {verification.failed.detail}" == check, lie


@pytest.mark.parametrize("row", [0, 2, 3])
def test_an_entry_of_another_form_is_one_failed_line(row: int, story: Story) -> None:
    """The keeper of the log signs for anything: a key that is missing or of another kind must not end in a fault."""
    entry = json.loads(story.copy().entries.splitlines()[row])
    pdf = story.later if row == 0 else story.rejected
    manifest, signatures, files = rec.read_report(pdf)
    for key in sorted(entry):
        for value in (None, 7, "x"):
            copy = anew(
                story, lambda rows, k=key, v=value: [*rows[:row], altered(rows[row], **{k: v}), *rows[row + 1 :]]
            )
            try:
                view, _ = check_head(copy, manifest)
            except AssayError:
                continue
            to_text(register(view.entries), standings(view.entries, TODAY))
            with contextlib.suppress(Broken, AssayError):
                check_history(view, manifest)
            with contextlib.suppress(Broken, AssayError):
                check_inclusion(view, pdf, manifest, signatures)
            with contextlib.suppress(Broken, AssayError):
                check_decisions(view, pdf, manifest, signatures, files)


def test_a_last_day_that_is_none_is_refused_in_the_log(story: Story) -> None:
    copy = anew(story, lambda rows: [*rows[:3], altered(rows[3], until="2027-02-30"), *rows[4:]])
    with pytest.raises(DataError, match="until is '2027-02-30'"):
        read_log(copy)


# --- a proof in place of the log ---


def test_a_proof_shows_one_entry_and_tells_of_no_other(story: Story) -> None:
    proof = rec.proof_for(read_log(story.copy()), story.rejected)
    rows = proof.decode().split("\n")
    assert rows[0] == "c2sp.org/tlog-proof@v1"
    assert rows[2] == "index 2"
    assert b"Too few rows" not in proof
    for pdf in (story.issued, story.approved, story.rejected):
        verification = verify_or_raise(pdf, printer=kit.page, log=read_proof(proof), contents=False)
        mapping = {c.name: c.status for c in verification.checks if c.name.startswith("log")}
        assert mapping["log inclusion"] == "ok"
        assert mapping["log decisions"] == "not checked"
        assert next(c.detail for c in verification.checks if c.name == "log inclusion").startswith(
            "it is number 3 of 6,"
        )
        assert ROLL_BACK in verification.notes, "a proof cannot show that nothing was cut off"


def test_a_proof_of_something_else_is_caught(story: Story, small: Reports) -> None:
    view = read_log(story.copy())
    mine = read_proof(rec.proof_for(view, story.rejected))
    other = read_proof(rec.proof_for(view, story.later))
    wrong = (
        (story.rejected, other),
        (story.rejected, replace(mine, index=3)),
        (story.rejected, replace(mine, path=mine.path[:-1])),
        (story.rejected, replace(mine, line=mine.line.replace(b'"quorum":2', b'"quorum":1'))),
        (story.rejected, replace(mine, note=mine.note.replace(b"\n6\n", b"\n7\n"))),
        (small.rejected, mine),  # a report that names no log
    )
    for pdf, proof in wrong:
        verification = verify(pdf, printer=kit.page, log=proof, contents=False)
        assert verification.failed is not None
        assert verification.failed.name == "log inclusion"
    with pytest.raises(InputError, match="not in the log"):
        rec.proof_for(view, small.rejected)


@given(st.binary(max_size=200))
def test_any_bytes_for_a_proof_give_one_error(data: bytes) -> None:
    for content in (data, b"c2sp.org/tlog-proof@v1\n" + data, b"c2sp.org/tlog-proof@v1\nextra \nindex 0\n" + data):
        with contextlib.suppress(InputError):
            assert read_proof(content).index >= 0


# --- writing: both or neither ---


def test_two_copies_cannot_be_signed_apart(story: Story, pki: Pki, tmp_path: Path) -> None:
    """Cy has rejected in the newest copy. Approving on the older copy would lose that: the log refuses it."""
    shutil.copytree(story.logs["reject"], tmp_path / "log")
    path = tmp_path / "report.pdf"
    path.write_bytes(story.issued)
    built = approve(story.issued, pki.bo, decision="approve", reason="Fine.", printer=kit.page).pdf
    before = read_copy(tmp_path / "log")
    with pytest.raises(InputError, match="newer copy"):
        rec.publish(path, built, Log(tmp_path / "log"))
    assert path.read_bytes() == story.issued
    assert read_copy(tmp_path / "log") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "report.pdf"]


KILLED = """
import os, signal, sys
from pathlib import Path
from reports.log import Log, record
renamed = os.replace
def kill(source, target):
    if str(source).endswith(".staged"):
        os.kill(os.getpid(), signal.SIGKILL)
    renamed(source, target)
record.os.replace = kill
record.publish(Path(sys.argv[1]), Path(sys.argv[2]).read_bytes(), Log(Path(sys.argv[3])))
"""


def test_a_kill_between_the_log_and_the_file_is_made_good(story: Story, tmp_path: Path, root: Path) -> None:
    """The process dies when the decision is logged and the file is not yet in its place."""
    shutil.copytree(story.logs["issued"], tmp_path / "log")
    path, new, log = tmp_path / "report.pdf", tmp_path / "new.pdf", Log(tmp_path / "log")
    path.write_bytes(story.issued)
    new.write_bytes(story.approved)
    child = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(new), str(log.folder)],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=120, check=False,
    )  # fmt: skip
    assert child.returncode == -signal.SIGKILL
    assert path.read_bytes() == story.issued
    assert [e["type"] for e in log.read().entries][-1] == "decision"
    assert lines_of(story.issued, read_copy(log.folder))["log decisions"][0] == "failed"
    assert rec.finish(path, log)
    assert path.read_bytes() == story.approved
    assert not rec.finish(path, log)
    assert lines_of(path.read_bytes(), read_copy(log.folder))["log decisions"][0] == "ok"


def test_what_was_staged_and_never_logged_does_not_replace_the_report(story: Story, tmp_path: Path) -> None:
    shutil.copytree(story.logs["issued"], tmp_path / "log")
    path, log = tmp_path / "report.pdf", Log(tmp_path / "log")
    path.write_bytes(story.issued)
    for name, content in (("a" * 64, story.approved), (hashlib.sha256(story.approved).hexdigest(), story.approved)):
        (tmp_path / f".report.pdf.{name}.staged").write_bytes(content)
    assert not rec.finish(path, log)
    assert path.read_bytes() == story.issued


def test_a_full_disk_leaves_report_and_log_as_they_were(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(story.logs["issued"], tmp_path / "log")
    path, log = tmp_path / "report.pdf", Log(tmp_path / "log")
    path.write_bytes(story.issued)
    before = read_copy(log.folder)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("audit.files.os.fsync", full)
        with pytest.raises(OutputError, match="could not be written"):
            rec.publish(path, story.approved, log)
    assert path.read_bytes() == story.issued
    assert read_copy(log.folder) == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "report.pdf"]


def test_decisions_made_without_the_log_are_told_and_can_be_entered(
    story: Story, small: Reports, pki: Pki, tmp_path: Path
) -> None:
    log = Log(tmp_path / "log")
    log.append(lambda view: rec.new_entries(view, small.certified))
    verification = verify_or_raise(small.rejected, printer=kit.page, log=read_copy(log.folder), contents=False)
    assert [n for n in verification.notes if "does not know the decision of" in n]
    log.append(lambda view: rec.new_entries(view, small.rejected))
    log.append(lambda view: rec.new_entries(view, small.rejected))
    assert [x.decision for x in register(log.read().entries)] == ["issued", "approve", "reject"]
    verification = verify_or_raise(small.rejected, printer=kit.page, log=read_copy(log.folder), contents=False)
    assert not [n for n in verification.notes if "does not know" in n]


def test_a_protocol_is_entered_once(tmp_path: Path) -> None:
    log = Log(tmp_path)
    assert rec.enter_protocol(log, "p.md", b"x") == 1
    assert rec.enter_protocol(log, "q.md", b"x") == 0
    assert len(log.read().entries) == 1


def test_what_a_report_says_of_protocol_deviations_and_monitoring(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    (tmp_path / "p.md").write_bytes(b"x")
    late = said_of(tmp_path, "c", log.view(), tmp_path / "p.md", ["  ", "Two months left out."])
    assert late["protocol"]["logged"] is None
    assert late["deviations"] == ["Two months left out."]
    assert "monitoring" not in late
    assert "register" not in late
    rec.enter_protocol(log, "p.md", b"x", dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    watched = {"schema": "assay/watch/1", "case": {"name": "c"}, "batches": 3, "rows": 90,
               "promotions": [{"kind": "promoted"}, {"kind": "settled"}],
               "incidents": [], "trail": {"entries": 9, "time": "2026-11-20T00:00:00Z"}}  # fmt: skip
    for other in ({"batches": 0}, {"case": {"name": "d"}}, {"schema": "x"}):
        (tmp_path / "watch.json").write_text(json.dumps(watched | other))
        assert "monitoring" not in said_of(tmp_path, "c", None, None, [])
    (tmp_path / "watch.json").write_text(json.dumps(watched))
    fixed = said_of(tmp_path, "c", log.view(), tmp_path / "p.md", [])
    assert fixed["protocol"]["logged"] == "2026-01-02T00:00:00+00:00"
    assert fixed["monitoring"]["batches"] == 3
    assert fixed["monitoring"]["people"] == 90
    assert fixed["monitoring"]["changes"] == 1
    assert "deviations" not in fixed
    assert fixed["checkpoint"]["size"] == 1
    with pytest.raises(InputError, match="protocol cannot be read"):
        said_of(tmp_path, "c", None, tmp_path / "none.md", [])


def test_the_logs_public_key_is_what_the_report_names(story: Story) -> None:
    manifest = rec.read_report(story.issued)[0]
    assert manifest.extra["checkpoint"]["key"] == (story.logs["later"] / PUBLIC).read_text().strip()
    assert (story.logs["before"] / CHECKPOINT).read_text() == manifest.extra["checkpoint"]["note"]
