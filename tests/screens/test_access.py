"""Who may do what, asked where the work is done: the files of a case, jobs, deleting, signing, countersigning."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import access
from audit.access import ACTS, ROLES, Belongs, Person, allowed
from audit.errors import AccessError, AssayError, InputError
from debias import jobs
from screens import workspace
from screens.workspace import CaseFolder

ANN = Person("i#ann", "Ann", ("analyst",), ("Lending",))
BOB = Person("i#bob", "Bob", ("analyst",), ("Claims",))
CAT = Person("i#cat", "Cat", ("analyst",), ("Lending",))
MIA = Person("i#mia", "Mia", ("member",), ("Lending",))
VIC = Person("i#vic", "Vic", ("viewer",), ("Lending",))
AUD = Person("i#aud", "Aud", ("auditor",))
ADM = Person("i#adm", "Adm", ("admin",))
MAX = Person("i#max", "Max", ("analyst", "member"), ("Lending",))
ALL = (ANN, BOB, CAT, MIA, VIC, AUD, ADM, MAX)


class As:
    """Who is acting, for a test to change."""

    def __init__(self) -> None:
        self.who: Person | None = None

    def __call__(self, who: Person | None) -> None:
        self.who = who


@pytest.fixture
def acting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[As]:
    now = As()
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    access.install(lambda: now.who)
    yield now
    access.install(access._nobody_asks)


@pytest.fixture
def lent(acting: As, audited: Path) -> CaseFolder:
    """Ann's case, shared with the team Lending."""
    acting(ANN)
    built = workspace.new_case()
    shutil.copytree(audited, built.place, dirs_exist_ok=True)
    access.share(built.place, ["Lending"])
    return built


def test_the_table_by_hand() -> None:
    """Each role, each act, on a case of one's own, of one's team and of others: what the documentation promises."""
    of = {"own": Belongs("i#x"), "team": Belongs("i#other", teams=("T",)), "others": Belongs("i#other", teams=("U",))}
    can = {
        role: {(act, name) for act in ACTS for name, case in of.items()
               if allowed(Person("i#x", "X", (role,), ("T",)), act, case)}
        for role in (*ROLES, "made-up", "Admin", "")
    }  # fmt: skip
    both = ("own", "team")
    everywhere = ("own", "team", "others")

    def of_acts(names: str, where: tuple[str, ...]) -> set[tuple[str, str]]:
        return {(act, w) for act in names.split() for w in where}

    assert can["viewer"] == of_acts("report", both)
    assert can["analyst"] == (
        of_acts("report figures rows work publish", both)
        | of_acts("share delete", ("own",))
        | of_acts("make", everywhere)
    )
    assert can["member"] == of_acts("report figures countersign", both) | of_acts("answer", everywhere)
    assert can["auditor"] == of_acts("report figures rows log", everywhere)
    assert can["admin"] == of_acts("report share delete log", everywhere)
    assert can["made-up"] == can["Admin"] == can[""] == set()


def test_what_is_not_known_is_refused() -> None:
    for role in ROLES:
        for act in ACTS:
            assert not allowed(None, act, Belongs("i#x"))
            nobody = Person("", "no id", (role,), ("",))
            assert not allowed(nobody, act, Belongs("")) or ROLES[role].get(act) == access.ANY or act in access.NO_CASE
            if ROLES[role].get(act) != access.ANY and act not in access.NO_CASE:
                assert not allowed(Person("i#x", "X", (role,)), act, None), "whose the case is was not read"
    with pytest.raises(KeyError):
        allowed(ANN, "everything", None)


def test_a_case_is_found_by_its_people_alone(lent: CaseFolder, acting: As) -> None:
    sees = {ANN, CAT, MIA, VIC, AUD, ADM, MAX}
    gone = "0" * 32
    for who in ALL:
        acting(who)
        assert [c.id for c in workspace.all_cases()] == ([lent.id] if who in sees else [])
        if who in sees:
            assert workspace.open_case(lent.id).id == lent.id
        else:
            items = []
            for wanted in (lent.id, gone):
                with pytest.raises(InputError) as refused:
                    workspace.open_case(wanted)
                items.append(refused.value.message.replace(wanted, "ID"))
            assert items[0] == items[1], "a guess does not learn that a case is there"
    acting(None)
    assert workspace.all_cases() == []


@pytest.mark.parametrize("record", [None, b"", b"{}", b"[]", b'{"owner": 3, "name": "", "teams": []}', b"\xff"])
def test_a_case_without_a_record_is_for_nobody_but_those_who_see_all(
    lent: CaseFolder, acting: As, record: bytes | None
) -> None:
    if record is None:
        (lent.place / access.OWNER).unlink()
    else:
        (lent.place / access.OWNER).write_bytes(record)
    for who in (ANN, CAT, MIA, VIC, MAX):
        acting(who)
        with pytest.raises(InputError, match="not on this machine"):
            workspace.open_case(lent.id)
    acting(ADM)
    access.share(lent.place, ["Lending"])
    acting(CAT)
    assert workspace.open_case(lent.id)


WORK = {
    "audit": "work", "explain": "work", "mitigate": "work", "stress": "work", "whatif": "work", "watch": "work",
    "report": "publish", "approve": "countersign",
}  # fmt: skip


def test_work_is_started_and_stopped_by_those_who_may(
    lent: CaseFolder, acting: As, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Started(Exception):
        pass

    def started(*_: object, **__: object) -> None:
        raise Started

    monkeypatch.setattr(jobs.subprocess, "Popen", started)
    may = {"work": {ANN, CAT, MAX}, "publish": {ANN, CAT, MAX}, "countersign": {MIA, MAX}}
    for command, act in (*WORK.items(), ("watch --approve", "countersign")):
        for who in (*ALL, None):
            acting(who)
            args = [*command.split(), str(lent.file), "--out", str(lent.run)]
            with pytest.raises(Started if who in may[act] else AccessError):
                jobs.start([args[0], *args[2:], "--approve=x"] if " " in command else args, workspace.jobs_home())
            (lent.place / access.OWNER).write_text(
                json.dumps({"owner": ANN.id, "name": "Ann", "teams": ["Lending"], "signed": []})
            )
    acting(ANN)
    others = workspace.home() / "cases" / ("f" * 32) / "run"
    beside = str(lent.place / ".." / others.parent.name / "case.toml")
    for args in (["audit", "case.toml"], ["serve", str(lent.run)], ["audit", str(lent.file), f"--out={others}"],
                 ["forget", str(lent.place)], ["audit", beside]):  # fmt: skip
        with pytest.raises(AccessError):
            jobs.start(args, workspace.jobs_home())


def test_a_job_is_seen_and_stopped_by_the_people_of_its_case(lent: CaseFolder, acting: As) -> None:
    job = "b" * 32
    place = workspace.jobs_home() / job
    place.mkdir(parents=True)
    record = {
        "id": job,
        "args": ["audit", str(lent.file), "--out", str(lent.run)],
        "pid": 1,
        "ticks": "no",
        "started": 1.0,
    }
    (place / "job.json").write_text(json.dumps(record))
    for who in ALL:
        acting(who)
        if who is BOB:
            with pytest.raises(AccessError):
                jobs.shown(workspace.jobs_home(), job)
        else:
            assert jobs.shown(workspace.jobs_home(), job).over
        if who in (ANN, CAT, MAX):
            assert jobs.cancel(workspace.jobs_home(), job).over
        else:
            with pytest.raises(AccessError):
                jobs.cancel(workspace.jobs_home(), job)


def test_files_are_written_and_deleted_by_those_who_may(lent: CaseFolder, acting: As) -> None:
    for who in (BOB, MIA, VIC, AUD, ADM, None):
        acting(who)
        with pytest.raises(AccessError):
            workspace.keep_upload(lent, "x.csv", b"a\n1\n")
        if who is not ADM:
            with pytest.raises(AccessError):
                workspace.forget_case(lent)
            with pytest.raises(AccessError):
                access.share(lent.place, ["Claims"])
    acting(CAT)
    workspace.keep_upload(lent, "x.csv", b"a\n1\n")
    with pytest.raises(AccessError):
        workspace.forget_case(lent)
    acting(ADM)
    assert workspace.forget_case(lent).deleted
    assert not lent.place.exists()
    for who in (MIA, VIC, AUD, ADM, None):
        acting(who)
        with pytest.raises(AccessError):
            workspace.new_case()
    assert not [p for p in (workspace.home() / "cases").iterdir() if not p.name.startswith(".")], "nothing was begun"


def test_who_signed_a_report_does_not_approve_it(lent: CaseFolder, acting: As, monkeypatch: pytest.MonkeyPatch) -> None:
    def started(*_: object, **__: object) -> None:
        raise OSError("not started in this test")

    monkeypatch.setattr(jobs.subprocess, "Popen", started)
    report = str(lent.run / "report.pdf")
    acting(MAX)
    with pytest.raises(InputError, match="could not be started"):
        jobs.start(["report", str(lent.run), "--out", report], workspace.jobs_home())
    with pytest.raises(AccessError, match="does not approve it too"):
        jobs.start(["approve", report, "--decision=approve"], workspace.jobs_home())
    with pytest.raises(InputError, match="could not be started"):
        jobs.start(["approve", report, "--decision=reject"], workspace.jobs_home())
    acting(MIA)
    with pytest.raises(InputError, match="could not be started"):
        jobs.start(["approve", report, "--decision=approve"], workspace.jobs_home())


def test_acts_are_entered_in_a_log_before_they_are_done(lent: CaseFolder, acting: As) -> None:
    from reports.log import Log
    from reports.log.acts import Acts

    folder = workspace.acts_home()
    access.install(lambda: acting.who, Acts(folder))
    acting(CAT)
    workspace.keep_upload(lent, "x.csv", b"a\n1\n")
    workspace.keep_upload(lent, "y.csv", b"a\n2\n")
    with pytest.raises(AccessError):
        workspace.forget_case(lent)
    acting(BOB)
    with pytest.raises(AccessError):
        access.demand("figures", lent.place)
    acting(ANN)
    access.demand("figures", lent.place)
    workspace.forget_case(lent)
    items = [(e["name"], e["act"], e["case"], e["allowed"]) for e in Log(folder).read().entries]
    case = lent.id
    assert items == [
        ("Cat", "work", case, True), ("Cat", "delete", case, False), ("Bob", "figures", case, False),
        ("Ann", "delete", case, True),
    ]  # fmt: skip
    assert b"x.csv" not in (folder / "entries.jsonl").read_bytes()
    # What cannot be noted is not done.
    built = workspace.new_case()
    (folder / "entries.jsonl").write_bytes((folder / "entries.jsonl").read_bytes().replace(b"Cat", b"Max"))
    acting(ADM)
    with pytest.raises(InputError):
        workspace.forget_case(built)
    assert built.place.is_dir()


def test_one_person_on_this_machine_may_do_everything() -> None:
    for act in ACTS:
        assert access.may(act)
        assert access.may(act, Path("nowhere"))


def test_figures_and_persons_are_for_those_who_may_see_them(lent: CaseFolder, acting: As) -> None:
    from screens import state

    person = {"row": 1, "score": 0.5}
    (lent.run / "explain.json").write_text(json.dumps({"schema": "assay/explain/1", "people": [person]}))
    for who in (BOB, VIC, ADM, None):
        acting(who)
        with pytest.raises(AccessError):
            state.documents(lent)
        with pytest.raises(AccessError):
            state.result(lent, "evidence.json")
    for who, persons in ((ANN, [person]), (CAT, [person]), (AUD, [person]), (MIA, [])):
        acting(who)
        assert state.evidence(lent) is not None
        assert json.loads(state.documents(lent)["explain.json"])["people"] == persons
        if not persons:
            with pytest.raises(AccessError):
                state.result(lent, "explain.json")


def test_the_register_shows_reports_of_ones_own_cases(lent: CaseFolder, acting: As) -> None:
    import hashlib

    (lent.run / "report.pdf").write_bytes(b"certified revision, and a later signature")
    mine = hashlib.sha256(b"certified revision").hexdigest()
    entries = [
        {"type": "report", "report": mine, "size": 18}, {"type": "decision", "report": mine},
        {"type": "report", "report": "0" * 64, "size": 18}, {"type": "decision", "report": "0" * 64},
    ]  # fmt: skip
    for who, seen in ((ANN, 2), (VIC, 2), (BOB, 0), (AUD, 4), (ADM, 4), (None, 0)):
        acting(who)
        assert len(workspace.entries_seen(entries)) == seen


def test_the_register_keeps_a_report_that_was_signed_again(lent: CaseFolder, acting: As, tmp_path: Path) -> None:
    """The second report takes the place of the first one's file; the register shows both, and nobody approves either
    who signed one."""
    from reports.issue import issue_report
    from reports.keys import make_key
    from reports.log import Log

    key = make_key("Ann", b"a long password")[0]
    for day in (1, 2):
        issue_report(lent.run, key, lent.run / "report.pdf", annex="summary", log=tmp_path / "log",
                     issued=dt.datetime(2026, 11, day, tzinfo=dt.UTC))  # fmt: skip
    entries = Log(tmp_path / "log").view().entries
    reports = [e for e in entries if e["type"] == "report"]
    assert len(reports) == 2
    for e in reports:
        assert workspace.cases_of_report(e["report"], e["size"]) == [lent.place]
    for who, seen in ((ANN, 2), (VIC, 2), (BOB, 0), (AUD, 2), (None, 0)):
        acting(who)
        assert len(workspace.entries_seen(entries)) == seen


def test_a_report_from_elsewhere_is_countersigned_by_members_alone(lent: CaseFolder, acting: As) -> None:
    from screens import door

    for who in (ANN, VIC, AUD, ADM, None):
        acting(who)
        with pytest.raises(AccessError):
            door.signed(b"%PDF", "Mia", "approve", ("", "", None), None, "x")
    acting(MIA)
    with pytest.raises(AssayError) as refused:
        door.signed(b"%PDF", "Mia", "approve", ("", "", None), None, "x")
    assert not isinstance(refused.value, AccessError), "the file is looked at, and is no report"
