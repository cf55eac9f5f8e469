"""Cases encrypted at rest: opened into a private folder while they are used, sealed again however that ends.

pyrage is optional for who runs Assay (`make sealed`): the first test is of how it is asked for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit import age, answers, sealed
from audit.errors import DataError, InputError
from cli import main
from debias import jobs
from screens import held, workspace
from tests.shared import forty_rows

MARK = b"a-word-of-one-person-4711"


def test_without_what_seals_nothing_is_kept_in_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    monkeypatch.setenv(age.RECIPIENT, "age1nobody")
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(InputError, match="not installed"):
        workspace.new_case()


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace whose cases are sealed for two keys, the first of which is here; where private folders lie."""
    import pyrage

    keys = [pyrage.x25519.Identity.generate() for _ in range(2)]
    for number, key in enumerate(keys):
        (tmp_path / f"key{number}").write_text(f"# made for a test\n{key}\n")
        (tmp_path / f"key{number}").chmod(0o600)
    place = tmp_path / "private"
    place.mkdir()
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(age.RECIPIENT, ", ".join(str(k.to_public()) for k in keys))
    monkeypatch.setenv(age.IDENTITY, str(tmp_path / "key0"))
    monkeypatch.setenv(sealed.PRIVATE, str(place))
    yield place
    for folder in list(held._open):
        held.let_go(folder)


@pytest.fixture
def case(private: Path, tmp_path_factory: pytest.TempPathFactory) -> workspace.CaseFolder:
    """Forty rows and a word of a person, uploaded; nobody looks at it any more."""
    folder = workspace.new_case()
    for name in ("case.toml", "rows.csv"):
        workspace.keep_upload(folder, name, (forty_rows(tmp_path_factory) / name).read_bytes())
    workspace.keep_upload(folder, "side.csv", MARK)
    closed(folder)
    return folder


def closed(folder: workspace.CaseFolder) -> None:
    """The server lets go, and the guardian has sealed it."""
    held.let_go(folder.place)
    until(lambda: not (folder.place / sealed.OPEN).is_symlink())


def until(true: object, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def in_clear(*places: Path) -> list[Path]:
    files = [p for place in places for p in place.rglob("*") if p.is_file() and not p.is_symlink()]
    return [p for p in files if MARK in p.read_bytes()]


def test_an_upload_lies_nowhere_in_clear_once_it_is_closed(
    case: workspace.CaseFolder, private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert in_clear(tmp_path) == []
    assert list(private.iterdir()) == []
    assert {p.name for p in case.place.iterdir()} <= sealed.CLEAR
    assert case.sealed
    again = workspace.open_case(case.id)
    assert (again.place / "side.csv").read_bytes() == MARK
    assert [stat.S_IMODE(p.stat().st_mode) for p in private.iterdir()] == [0o700]
    assert in_clear(tmp_path) == in_clear(private)
    closed(case)
    # The other key opens it too; no key, a key that others can read, and a changed file do not.
    monkeypatch.setenv(age.IDENTITY, str(tmp_path / "key1"))
    workspace.open_case(case.id)
    closed(case)
    (tmp_path / "key1").chmod(0o644)
    with pytest.raises(InputError, match="others can read the key"):
        workspace.open_case(case.id)
    monkeypatch.delenv(age.IDENTITY)
    with pytest.raises(InputError, match="its key is not here"):
        workspace.open_case(case.id)
    monkeypatch.setenv(age.IDENTITY, str(tmp_path / "key0"))
    whole = (case.place / sealed.SEALED).read_bytes()
    for spoilt in (whole[:-1], whole[:400] + bytes([whole[400] ^ 1]) + whole[401:]):
        (case.place / sealed.SEALED).write_bytes(spoilt)
        with pytest.raises(DataError, match="cannot be opened"):
            workspace.open_case(case.id)
        assert list(private.iterdir()) == []


def test_kept_answers_of_a_sealed_case_are_in_no_store_that_others_share(
    case: workspace.CaseFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever works on it need not be who is named to open it: sealing again goes by what the case says."""
    shared = tmp_path / "home" / "answers" / "answers.db"
    clear = tmp_path / "home" / "cases" / ("0" * 32)
    with monkeypatch.context() as nobody:
        nobody.delenv(age.RECIPIENT)
        assert answers.place_of(case.run) == case.run / ".store"
        (clear / "run").mkdir(parents=True)
        for run in (clear / "run", tmp_path / "other"):
            store = answers.Store(answers.place_of(run), run)
            store.put(str(run).encode()[-32:], "answer", b"scores")
            store.close()
        assert rows_of(shared) == 2
    assert subprocess.run([sys.executable, "-m", "cli", "lock", clear.name], cwd=jobs.ROOT).returncode == 0
    assert rows_of(shared) == 1, "what was kept in clear went when it was sealed, and nothing else"


def rows_of(store: Path) -> int:
    with contextlib.closing(sqlite3.connect(store)) as base:
        return int(base.execute("SELECT count(*) FROM entry").fetchone()[0])


def test_a_job_opens_it_and_leaves_it_sealed_with_what_it_found(case: workspace.CaseFolder, private: Path) -> None:
    home = workspace.jobs_home()
    job = jobs.start(["audit", str(case.file), "--out", str(case.run)], home)
    until(lambda: jobs.state(home, job.id).over)
    assert jobs.state(home, job.id).status == "done", jobs.state(home, job.id)
    until(lambda: not (case.place / sealed.OPEN).is_symlink())
    assert list(private.iterdir()) == []
    assert not (case.place / "run" / "evidence.json").exists()
    assert (workspace.open_case(case.id).run / "evidence.json").exists()


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_job_that_is_killed_leaves_nothing_open(case: workspace.CaseFolder, private: Path, whole_group: bool) -> None:
    code = (
        "import subprocess, sys, time; from pathlib import Path; from audit.sealed import hold\n"
        f"h = hold(Path({str(case.place)!r})); started = subprocess.Popen(['sleep', '300'], pass_fds=[h.fd])\n"
        "print('open', flush=True); started.wait()\n"
    )
    work = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert work.stdout is not None
    with work.stdout as message:
        assert message.readline() == b"open\n"
    assert in_clear(private)
    if whole_group:
        os.killpg(work.pid, signal.SIGKILL)
    else:
        work.kill()
    work.wait()
    if not whole_group:
        # What it started still works in the folder: only its end closes it.
        time.sleep(0.3)
        assert in_clear(private)
        os.killpg(work.pid, signal.SIGKILL)
    until(lambda: not list(private.iterdir()))
    assert case.sealed


def test_a_server_finds_what_was_left_open_when_its_guardian_was_killed_too(
    case: workspace.CaseFolder, private: Path
) -> None:
    sealed.hold(case.place)
    shown = subprocess.run(["pgrep", "-f", f"audit.sealed {case.place}"], capture_output=True, text=True)
    for pid in shown.stdout.split():
        os.kill(int(pid), signal.SIGKILL)
    (result,) = [int(p.name) for p in Path("/proc/self/fd").iterdir() if str(p.resolve()).endswith(sealed.USE)]
    os.close(result)
    time.sleep(0.3)
    assert in_clear(private)
    assert sealed.leftover(case.place.parent) == 1
    until(lambda: not list(private.iterdir()))


@pytest.mark.parametrize("next_one", ["who opens it", "the server", "who deletes it"])
def test_what_an_opener_that_was_killed_left_in_clear_goes(
    next_one: str, case: workspace.CaseFolder, private: Path
) -> None:
    code = (
        "import os, signal; from pathlib import Path; from audit import sealed\n"
        "extract = sealed.extract\n"
        "sealed.extract = lambda *a: (extract(*a), os.kill(os.getpid(), signal.SIGKILL))\n"
        f"sealed.hold(Path({str(case.place)!r}))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert in_clear(private), "it had just been opened"
    if next_one == "who opens it":
        workspace.open_case(case.id)
        assert len(in_clear(private)) == 1, "its own"
        closed(case)
    elif next_one == "the server":
        assert sealed.leftover(case.place.parent) == 0
    else:
        workspace.forget_case(case)
    assert list(private.iterdir()) == []
    assert not (case.place / sealed.OPENING).is_symlink()


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from audit import sealed

def end(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def half(folder, **_):
    (Path(folder) / "case" / "side.csv").unlink()
    end()

place, moment = Path(sys.argv[1]), sys.argv[2]
sealed._guard = lambda place: None
if moment == "before its links are laid":
    sealed._link = end
hold = sealed.hold(place)
(sealed.inside(place, "new.csv")).write_bytes(b"new")
if moment == "before its age file is whole":
    os.fsync = end
hold.close()
if moment == "when its folder is half removed":
    shutil.rmtree = half
elif moment == "when it is half unlocked":
    sealed._move = end
    sealed.unlock(place)
sealed.main(place)
"""


@pytest.mark.parametrize(
    ("moment", "new"),
    [
        ("before its links are laid", False),
        ("before its age file is whole", True),
        ("when its folder is half removed", True),
        ("when it is half unlocked", True),
    ],
)
def test_of_a_case_whose_opener_or_closer_was_killed_nothing_is_lost(
    moment: str, new: bool, case: workspace.CaseFolder, private: Path
) -> None:
    command = [sys.executable, "-c", KILLED, str(case.place), moment]
    assert subprocess.run(command, cwd=jobs.ROOT, check=False).returncode == -signal.SIGKILL
    for _ in range(2):
        workspace.open_case(case.id)
        assert (case.place / "side.csv").read_bytes() == MARK
        assert (case.place / "rows.csv").exists()
        assert (case.place / "new.csv").exists() == new
        assert not list((case.place / sealed.OPEN).glob(f".{sealed.SEALED}.*")), "half an age file"
        closed(case)
        assert list(private.iterdir()) == []
        assert {p.name for p in case.place.iterdir()} <= sealed.CLEAR


@pytest.mark.parametrize("named", ["somebody/else", "assay-0123456789abcdef"])
def test_a_link_to_what_is_no_private_folder_takes_nothing_with_it(
    named: str, case: workspace.CaseFolder, private: Path, tmp_path: Path
) -> None:
    """Who may write in the folder of a case may have made the link; such a folder is the owner's alone."""
    mine = tmp_path / named
    mine.mkdir(parents=True, mode=0o700 if named == "somebody/else" else 0o755)
    (mine / "work.txt").write_text("of years")
    (case.place / sealed.OPENING).symlink_to(mine)
    assert sealed.leftover(case.place.parent) == 0
    assert (mine / "work.txt").exists()
    assert not (case.place / sealed.OPENING).is_symlink()


def test_an_open_case_stays_where_private_folders_are_named_through_a_link(
    case: workspace.CaseFolder, private: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(private)
    monkeypatch.setenv(sealed.PRIVATE, str(tmp_path / "link"))
    command = [sys.executable, "-c", KILLED, str(case.place), "before its links are laid"]
    assert subprocess.run(command, cwd=jobs.ROOT, check=False).returncode == -signal.SIGKILL
    opened = list(private.iterdir())
    with monkeypatch.context() as nobody:
        nobody.setattr(sealed, "_guard", lambda place: None)
        assert sealed.leftover(case.place.parent) == 1
    assert list(private.iterdir()) == opened
    workspace.open_case(case.id)
    assert (case.place / "side.csv").read_bytes() == MARK
    closed(case)


def test_cases_in_clear_are_sealed_opened_and_deleted_by_command(
    case: workspace.CaseFolder, private: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["unlock", case.id]) == 0
    assert in_clear(case.place) == [case.place / "side.csv"]
    assert main(["lock", case.id]) == 0
    assert in_clear(tmp_path) == []
    assert main(["lock", "0" * 32]) == 2
    workspace.open_case(case.id)
    assert main(["forget", case.id]) == 2
    assert "in use" in capsys.readouterr().err
    workspace.forget_case(case)
    assert not case.place.exists()
    assert list(private.iterdir()) == []
    until(lambda: not shutil.which("pgrep") or not _guardians(case.place))


def _guardians(place: Path) -> str:
    return subprocess.run(["pgrep", "-f", f"audit.sealed {place}"], capture_output=True, text=True).stdout
