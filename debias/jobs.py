"""Long work as a process of its own, found again by its id.

    job = start(["audit", "case.toml", "--out", "run"], home)
    state(home, job.id).status        # running, done, failed, cancelled or lost
    cancel(home, job.id)

A screen that computes would lose the work at a reload; a job does not know who watches it. `start` runs
    python -m debias.jobs FOLDER -- ARGS...
in a new session. That wrapper runs `python -m cli ARGS...`, waits for it and writes the exit code, so that the end is
known even if the app was restarted meanwhile. One folder a job under `home`:

    job.json        what was started, when, the wrapper's process id and that process's start time
    progress.json   the stage and the step (written by audit.progress)
    stdout, stderr  what the command printed
    exit.json       the exit code, once it is over
    cancelled       there if a person stopped it
    queued          there while it waits for its turn; its number says who came first
    same, follows   what its work is (debias.same_work); there while another job of the same work is at it

At most `slots()` commands of one `home` run at a time, in the order in which they came; the others wait and say so. A
loop that follows its feed takes no turn: it waits most of its life. A slot is a lock on a file that the wrapper holds,
so that one that is killed gives it back. The next one gets ready meanwhile (debias.ready); those far behind wait in
little memory (debias.waiting). The same command is not
started twice while it runs, and an audit of the very same files takes over what another made (debias.same_work).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from filelock import FileLock, Timeout

from audit import access
from audit.errors import AccessError, AssayError, InputError, OutputError
from audit.files import canonical, write_whole
from audit.progress import in_words
from audit.sealed import hold, is_sealed, outer, private_tmp, recipients, save
from debias import same_work, waiting
from debias.ready import Command
from debias.waiting import QUEUED

ROOT = Path(__file__).resolve().parent.parent
GRACE_SECONDS = 5.0
"""How long a cancelled command may take to end by itself before it is killed."""

_ID = re.compile(r"[0-9a-f]{32}")
_TAIL = 8000


@dataclass(frozen=True, slots=True)
class Job:
    """One started command. `started` is seconds since 1970; `ticks` tells its process from a later one of that id."""

    id: str
    args: tuple[str, ...]
    pid: int
    ticks: str
    started: float


@dataclass(frozen=True, slots=True)
class JobState:
    """Where a job is. status: "running" | "done" | "failed" | "cancelled" | "lost" (ended without an exit code).

    done of total parts of `stage` are finished; total is 0 where the length is unknown. exit_code is as in the
    command line's table, negative for a signal; `error` is the command's own message.
    """

    id: str
    status: str
    stage: str
    done: int
    total: int
    message: str
    exit_code: int | None
    error: str | None
    left: str = ""
    """What is left, in words: the stage's steps and seconds, and which stage of how many it is."""

    @property
    def over(self) -> bool:
        return self.status != "running"


def folder(home: Path, job_id: str) -> Path:
    """The job's folder. Raises InputError for an id that no job can have (it may come from an address bar)."""
    if not isinstance(job_id, str) or _ID.fullmatch(job_id) is None:
        raise InputError(
            "this is no id of a job",
            got=repr(job_id)[:80],
            expected="32 hexadecimal digits",
            todo="start the work again",
        )
    return home / job_id


def start(args: Sequence[str], home: Path, *, env: Mapping[str, str] | None = None, secret: bytes | None = None) -> Job:
    """Run `python -m cli ARGS...` on its own. `env` is handed on and never written down.

    secret : what the command reads on standard input (a key and its password): through a pipe, so that it is in no
    file, no argument and no environment that another process could read.

    Where this very command is waiting or running already, and has no secret, that job is given.

    Raises AccessError where who is acting may not do this to each case that ARGS name, OutputError where the job's
    folder cannot be made.
    """
    _demand(args, home)
    if secret is None and not env:
        for job in find(home):
            if job.args == tuple(args) and not state(home, job.id).over:
                return job
    job_id = secrets.token_hex(16)
    place = folder(home, job_id)
    try:
        place.mkdir(parents=True, mode=0o700)
        if not _follows(args):
            (place / QUEUED).write_text(str(time.time_ns()))
        with open(place / "stdout", "wb") as out, open(place / "stderr", "wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "debias.jobs", str(place.resolve()), "--", *args],
                cwd=ROOT,
                env={**os.environ, **(env or {}), "ASSAY_PROGRESS": str(place.resolve() / "progress.json")},
                stdin=subprocess.DEVNULL if secret is None else subprocess.PIPE,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
    except OSError as error:
        raise OutputError(
            "the work could not be started",
            got=error.strerror or str(error),
            expected="room and permission to write the job's folder",
            todo="make room and start again",
        ) from error
    # The process is not reaped before the thread below waits for it, so its id cannot belong to another yet.
    job = Job(job_id, tuple(args), process.pid, waiting.ticks_of(process.pid), time.time())
    threading.Thread(target=process.wait, name=f"job-{job_id[:8]}", daemon=True).start()
    if secret is not None and process.stdin is not None:
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:  # a command that ended says why itself
            pipe.write(secret)
    try:
        record = {"id": job.id, "args": list(job.args), "pid": job.pid, "ticks": job.ticks, "started": job.started}
        write_whole(place / "job.json", canonical(record))
    except AssayError:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return job


def find(home: Path) -> tuple[Job, ...]:
    """Every job under `home`, the newest first. Folders that are no job are passed over."""
    jobs = []
    if home.is_dir():
        for place in home.iterdir():
            if _ID.fullmatch(place.name):
                try:
                    jobs.append(_read(home, place.name))
                except InputError:
                    continue
    return tuple(sorted(jobs, key=lambda job: (-job.started, job.id)))


def state(home: Path, job_id: str) -> JobState:
    """Where the job is now. Raises InputError where there is no such job."""
    job = _read(home, job_id)
    place = folder(home, job_id)
    alive = _alive(job)
    # Read after the question whether it lives: a command that ended in between has written its exit code.
    ended = _document(place / "exit.json")
    code = ended.get("exit_code")
    progress = _document(place / "progress.json")
    stage = str(progress.get("stage", ""))
    if alive and (place / QUEUED).exists():
        ahead = waiting.before(place)
        stage = "waiting for its turn" + (f", {ahead} before it" if ahead else "")
    elif alive and (place / FOLLOWS).exists():
        alone = (who := access.person()) is not None and who.local  # else it may be for a case of another's
        stage = "waiting for the same work, which another job is doing" if alone else "waiting for its turn"
    done, total = _whole(progress.get("done")), _whole(progress.get("total"))
    error: str | None = None
    if isinstance(code, int):
        if code == 0:
            status = "done"
        elif (place / "cancelled").exists():
            status = "cancelled"
        else:
            status = "failed"
            error = _error_of(place, code)
    elif alive:
        status = "running"
    elif (place / "cancelled").exists():
        status = "cancelled"
    else:
        status = "lost"
        error = "The work ended without saying how: the computer was restarted, or memory ran out. Start it again."
    words = {"running": stage or "starting", "done": "finished", "cancelled": "stopped by a person"}
    return JobState(
        id=job_id,
        status=status,
        stage=stage,
        done=done,
        total=total,
        message=words.get(status) or error or status,
        exit_code=code if isinstance(code, int) else None,
        error=error,
        left=in_words(progress) if status == "running" else "",
    )


ACTS = {
    **dict.fromkeys(("audit", "explain", "mitigate", "stress", "whatif", "watch"), "work"),
    "report": "publish",
    "approve": "countersign",
}
"""Command -> the act that it is; no other command is started for a person who has signed in."""


def _demand(args: Sequence[str], home: Path, act: str = "") -> None:
    """Raise AccessError unless who is acting may do this to every case of the workspace that ARGS name."""
    who = access.person()
    if who is not None and who.local:
        return
    named = _cases_of(args, home)
    decides = args[0] == "watch" and bool({"--approve", "--reject"} & {str(a).partition("=")[0] for a in args})
    act = act or ("countersign" if decides else ACTS.get(str(args[0]), ""))
    if not named or not act:
        raise AccessError("this work is on no case", got=str(args[0]), expected=f"a case, and one of {', '.join(ACTS)}")
    for place in named:
        access.demand(act, place)
        if act == "publish":
            access.signing(place)
        elif act == "countersign" and not {"--decision=reject", "--reject"} & set(args):
            access.not_own(place)


def _cases_of(args: Sequence[str], home: Path) -> set[Path]:
    """The folders of the workspace's cases that ARGS name."""
    cases = (home.parent / "cases").resolve()
    paths = [outer(Path(a.partition("=")[2] if a.startswith("--") else a)) for a in args if os.sep in a]
    return {cases / p.relative_to(cases).parts[0] for p in paths if p.is_relative_to(cases) and p != cases}


def shown(home: Path, job_id: str) -> JobState:
    """`state`, for who is acting. Raises InputError where there is no such job, AccessError where it is another's."""
    _demand(_read(home, job_id).args, home, "report")
    return state(home, job_id)


FOLLOWS, TAKEN = "follows", "taken"
SLOTS_VARIABLE = "ASSAY_JOBS"


def slots() -> int:
    """How many commands run at a time: the cores less one, at least one; ASSAY_JOBS says otherwise."""
    named = os.environ.get(SLOTS_VARIABLE, "")
    return max(1, int(named)) if named.isdecimal() else max(1, (os.cpu_count() or 2) - 1)


def _turn(place: Path, asked: threading.Event, args: Sequence[str], key: str | None, first: Any) -> FileLock | None:
    """Wait until it is this job's turn. The lock that is its slot; None where there is nothing left to do: a person
    stopped it, or another job of the same `key` made it (then `TAKEN` is there). first: called while it is the next."""
    home, queued = place.parent, place / QUEUED
    ticket = queued.read_text()
    locks = [FileLock(home / f"slot-{n}.lock") for n in range(slots())]
    while not asked.is_set():
        ahead = 4
        if key is not None and same_work.taken_over(place, args, key):
            (place / TAKEN).write_bytes(b"")
            break
        if key is not None and same_work.running(place, key, lambda p: _runs(home, p.name)):
            # Nobody has to wait for one that takes no turn.
            if queued.exists():
                (place / FOLLOWS).write_bytes(b"")
                queued.unlink()
        elif not queued.exists():  # the other one failed, or was stopped
            queued.write_text(ticket)
            (place / FOLLOWS).unlink(missing_ok=True)
        elif (ahead := waiting.before(place)) == 0:
            for lock in locks:
                with contextlib.suppress(Timeout):
                    lock.acquire(timeout=0)
                    queued.unlink(missing_ok=True)
                    return lock
            first()
        elif ahead >= waiting.FAR and (key is None or not any(same_work.others(place, key))):
            _step_aside(place, asked, args)
        asked.wait(waiting.pause(ahead))
    queued.unlink(missing_ok=True)
    (place / FOLLOWS).unlink(missing_ok=True)
    return None


def _step_aside(place: Path, asked: threading.Event, args: Sequence[str]) -> None:
    """Wait as `debias.waiting`, which begins this wrapper anew."""
    if hasattr(signal, "sigtimedwait"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        if not asked.is_set():
            waiting.aside(place, args)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _runs(home: Path, job_id: str) -> bool:
    """Whether the job's command has its turn."""
    if any((home / job_id / name).exists() for name in (QUEUED, FOLLOWS, "exit.json")):
        return False
    with contextlib.suppress(InputError):
        return _alive(_read(home, job_id))
    return False


def _follows(args: Sequence[str]) -> bool:
    return "watch" in args[:1] and "--follow" in args


def output(home: Path, job_id: str) -> str:
    """What the command printed on stdout so far."""
    _read(home, job_id)
    return (folder(home, job_id) / "stdout").read_text(encoding="utf-8", errors="replace")


def cancel(home: Path, job_id: str, grace: float = GRACE_SECONDS) -> JobState:
    """Stop the job and everything it started: asked first, killed after `grace` seconds. What is over stays so."""
    job = _read(home, job_id)
    _demand(job.args, home)
    if not state(home, job_id).over:
        write_whole(folder(home, job_id) / "cancelled", b"")
        if _alive(job):
            _signal_group(job.pid, signal.SIGTERM)
            until = time.monotonic() + grace
            while _group_lives(job.pid) and time.monotonic() < until:
                time.sleep(0.02)
            if _group_lives(job.pid):
                _signal_group(job.pid, signal.SIGKILL)
                # A killed process ends a moment after the signal, and its children each in their own time.
                until = time.monotonic() + GRACE_SECONDS
                while _group_lives(job.pid) and time.monotonic() < until:
                    time.sleep(0.01)
    return state(home, job_id)


class _Started(msgspec.Struct, frozen=True):
    """job.json."""

    args: tuple[str, ...]
    pid: int
    ticks: str
    started: float


def _read(home: Path, job_id: str) -> Job:
    try:
        record = msgspec.convert(_document(folder(home, job_id) / "job.json"), _Started)
        return Job(job_id, record.args, record.pid, record.ticks, record.started)
    except msgspec.ValidationError as error:
        raise InputError(
            "there is no such job", got=job_id, expected="the id of work started here", todo="start the work again"
        ) from error


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _whole(value: object) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _alive(job: Job) -> bool:
    return waiting.alive(job.pid, job.ticks)


def _signal_group(pid: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, which)


def _group_lives(group: int) -> bool:
    """Whether any process of the group still runs; one that has ended and waits to be reaped does not."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    system = Path("/proc")
    if not (system / "self" / "stat").exists():
        return True
    for place in system.iterdir():
        if place.name.isdecimal():
            try:
                fields = (place / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] not in "ZX" and int(fields[2]) == group:
                return True
    return False


def _error_of(place: Path, code: int) -> str:
    """The command's own message: from its JSON where asked for, else the last paragraph on stderr."""
    document = _document(place / "stdout")
    if {"problem", "got", "expected", "todo"} <= document.keys():
        return AssayError.of({k: str(v) for k, v in document.items()}).message
    raw = (place / "stderr").read_bytes()[-_TAIL:].decode("utf-8", "replace")
    lines = [line for line in raw.strip().splitlines() if not line.endswith(" ...")]
    text = "\n".join(lines).strip().split("\n\n")[-1]
    if text:
        return text
    return f"stopped by signal {-code}" if code < 0 else f"exit code {code}"


def main(argv: Sequence[str]) -> int:
    """The wrapper: FOLDER -- ARGS...; runs the command and writes its exit code into FOLDER."""
    place, _, *args = argv
    command = Command(args)
    asked = threading.Event()

    def stop(*_: object) -> None:
        asked.set()
        command.terminate()

    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "pthread_sigmask"):  # a request that came while it waited aside
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    sealed = bool(recipients()) or any(is_sealed(case) for case in _cases_of(args, Path(place).parent))
    key = same_work.note(args, Path(place), never=_follows(args) or sealed)
    first = (lambda: None) if sealed else command.get_ready  # a sealed case is opened in its turn only
    slot = None if _follows(args) else _turn(Path(place), asked, args, key, first)
    if asked.is_set() or (Path(place) / TAKEN).exists():
        command.drop()
        code = -signal.SIGTERM if asked.is_set() else 0
    else:
        try:
            held = [(c, h) for c in sorted(_cases_of(args, Path(place).parent)) if c.is_dir() and (h := hold(c))]
        except AssayError as error:
            print(error.message, file=sys.stderr)
            write_whole(Path(place) / "exit.json", canonical({"exit_code": error.exit_code, "ended": time.time()}))
            return 0
        env = {"TMPDIR": str(tmp)} if held and (tmp := private_tmp(held[0][0])) else {}
        command.run(env, [h.fd for _, h in held])
        if asked.is_set():
            command.terminate()
        code = command.wait()
        for case, _ in held:
            save(case)
    if slot is not None:
        slot.release()
    outputs = {} if code else same_work.output_digests(args, key)
    write_whole(Path(place) / "exit.json", canonical({"exit_code": code, "ended": time.time(), **outputs}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
