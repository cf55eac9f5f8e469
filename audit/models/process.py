"""The parent's side of the line to an isolated child: start it, ask within a limit of time, and say how it ended.

Bytes only; what they mean is worker.py's. Memory is set aside as an answer arrives, never by what a header claims.
The child is audit/sandbox/launch.py; worker.py runs models in it, audit/sandbox/call.py any function of this project.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import audit.errors
from audit import passing
from audit.errors import AssayError, ModelError, VerificationError
from audit.models import wire
from audit.numbers import grouped, many
from audit.printable import one_line
from audit.sandbox.isolate import MECHANISMS

_ROOT = Path(__file__).resolve().parent.parent.parent
_LAUNCH = _ROOT / "audit" / "sandbox" / "launch.py"


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may use. cpu_seconds is for the worker's whole life, wall_seconds for one call (of one chunk)."""

    memory_bytes: int = 6 * 2**30
    cpu_seconds: int = 4 * 3600
    wall_seconds: float = 900.0
    file_size_bytes: int = 2**20


class Child:
    """One isolated process. `ended` says why it can no longer be asked; empty while it can.

    serve : what the child runs: "module:function" or "/path/to/file.py:function", called there as
        function(incoming, outgoing, settings) with two pipes' handles.
    readable : names of further folders and files that it may read, and nothing else of the disk but the interpreter
        and its libraries. code: folders that it may also import from.
    packages : packages of this project that it may read and import.
    scratch : whether it gets a folder to write in (its name is settings["scratch"], and TMPDIR), gone with `close`.
    python : another interpreter (Python 3.8 or later), which then sees nothing of this project but the launcher.
    environment : variables beside the few that every child gets.
    settings : more for `serve`, as JSON.
    what, error : whose process this is, in messages, and the class of them.
    """

    def __init__(
        self,
        limits: Limits,
        code: Sequence[str] = (),
        *,
        serve: str = "audit.models.child:serve",
        readable: Sequence[str] = (),
        packages: Sequence[str] = ("audit",),
        scratch: bool = False,
        python: str | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        what: str = "the model",
        error: type[AssayError] = ModelError,
    ) -> None:
        self.limits = limits
        self.ended = ""
        self._what, self._error = what, error
        child_in, self._to = os.pipe()
        self._from, child_out = os.pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._scratch = str(passing.make()) if scratch else None
        options = {
            **(settings or {}),
            **asdict(limits),
            "cpu_seconds": max(1, int(limits.cpu_seconds)),
            "in": child_in,
            "out": child_out,
            "parent": os.getpid(),
            "serve": serve,
            "readable": list(readable),
            "code": list(code),
            "packages": list(packages),
            "scratch": self._scratch,
            "mechanisms": list(MECHANISMS),
        }
        # -P: the current folder is not a place to import from. Older Pythons lack it, and the launcher sees to it.
        start = [python, "-s"] if python else [sys.executable, "-P"]
        try:
            self._process = subprocess.Popen(
                [*start, "-W", "ignore", str(_LAUNCH), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                cwd="/",
                env=_environment(None if python else _ROOT, self._scratch) | dict(environment or {}),
                pass_fds=(child_in, child_out),
                start_new_session=True,
            )
        except OSError as failure:
            self._close_line()
            raise error(
                f"{what}'s process could not be started",
                got=failure.strerror or str(failure),
                expected="room for one more process",
                todo="close other programs and try again",
            ) from failure
        finally:
            os.close(child_in)
            os.close(child_out)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def worn(self) -> bool:
        """Whether half of the processor time of its life is used up, as far as the system tells."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") > self.limits.cpu_seconds / 2
        except (OSError, IndexError):
            return False

    def stop(self) -> None:
        """End the process and wait for its end; whoever waits for an answer gets a ModelError."""
        self._end("it was closed")

    def close(self) -> None:
        """Give back what the line held. After `stop`, when nobody asks any more."""
        self._close_line()

    def ask(self, blocks: list[Any], seconds: float) -> wire.Frame:
        """Send a frame and give the answer. Raises ModelError; ends the process where it cannot go on."""
        deadline = time.monotonic() + seconds
        try:
            for block in blocks:
                self._send(block, deadline)
            reply = wire.read(lambda count: self._take(count, deadline), int(self.limits.memory_bytes))
        except TimeoutError:
            self._end(f"it took longer than {many(seconds, 'second')}")
            raise self._error(
                f"{self._what} took too long",
                got=f"no answer within {many(seconds, 'second')}",
                expected="an answer within the time limit of one call",
                todo="give less, or raise the limit; its process was ended and nothing else was touched",
            ) from None
        except (EOFError, BrokenPipeError, ConnectionError):
            raise self._death() from None
        except wire.WireError as error:
            self._end("it answered with what is no answer")
            raise self._error(
                f"{self._what}'s process gave an answer that cannot be read",
                got=one_line(error),
                expected="numbers",
                todo="do not use this file; its process was ended",
            ) from error
        if reply.fields.get("ok") is True:
            return reply
        raise self._failure(reply.fields)

    def _send(self, block: Any, deadline: float) -> None:
        view = memoryview(block).cast("B")
        while len(view):
            try:
                view = view[os.write(self._to, view[: 2**20]) :]
            except BlockingIOError:
                self._wait(self._to, select.POLLOUT, deadline)

    def _take(self, count: int, deadline: float) -> bytearray:
        block = bytearray()
        while len(block) < count:
            try:
                got = os.read(self._from, min(count - len(block), 2**20))
            except BlockingIOError:
                self._wait(self._from, select.POLLIN, deadline)
                continue
            if not got:
                raise EOFError
            block += got
        return block

    @staticmethod
    def _wait(handle: int, event: int, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        poll = select.poll()
        poll.register(handle, event)
        poll.poll(min(left, 1.0) * 1000)

    def _close_line(self) -> None:
        os.close(self._to)
        os.close(self._from)
        self._errors.close()
        if self._scratch is not None:
            passing.remove(Path(self._scratch))

    # -- how it ended ------------------------------------------------------------------------------------------------

    def _end(self, why: str) -> None:
        self.ended = self.ended or why
        self._process.kill()
        self._process.wait()

    def _failure(self, fields: dict[str, Any]) -> AssayError:
        kind = fields.get("kind")
        if kind == "memory":
            return self._memory()
        if kind == "input":
            parts = {k: one_line(fields.get(k, ""), 2000) for k in ("problem", "got", "expected", "todo")}
            named = getattr(audit.errors, str(fields.get("error", "")), None)
            if named is VerificationError:
                return VerificationError(one_line(fields.get("check", "")), parts.pop("problem"), **parts)
            kind_of = named if isinstance(named, type) and issubclass(named, self._error) else self._error
            return kind_of(parts.pop("problem"), **parts)
        return self._error(
            f"{self._what} raised an error",
            got=one_line(fields.get("message")),
            **self._hint(),
        )

    def _hint(self) -> dict[str, str]:
        if self._error is not ModelError:
            return {"expected": "an answer", "todo": "the file may be damaged or made for another version"}
        return {
            "expected": "a model that works on these rows",
            "todo": "try the same rows with the model's own library; often a column has another type than in training",
        }

    def _memory(self) -> AssayError:
        return self._error(
            f"{self._what} needs more memory than it may use",
            got="its process ran out of memory",
            expected=f"at most {grouped(self.limits.memory_bytes / 2**20)} MiB",
            todo="give less, or raise the memory limit; nothing else was touched",
        )

    def _death(self) -> AssayError:
        """The error that says how the child ended by itself."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._end("it closed its end of the line")
            code = self._process.wait()
        if self.ended:
            return self._error(f"{self._what}'s process has ended", got=self.ended, todo="start again")
        last = self._last_words()
        if "MemoryError" in last or "bad_alloc" in last or "annot allocate memory" in last:
            self.ended = "it ran out of memory"
            return self._memory()
        if code == -signal.SIGXCPU:
            self.ended = "it used up its processor time"
            return self._error(
                f"{self._what} used up its processor time",
                got=f"more than {many(self.limits.cpu_seconds, 'second')} of processor time",
                expected="less",
                todo="give less, or raise the limit; nothing else was touched",
            )
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"signal {signal.Signals(-code).name}"
        self.ended = f"it crashed ({how})"
        hint = " (the system ends a process so when the machine's memory is full)" if code == -signal.SIGKILL else ""
        return self._error(
            f"{self._what}'s process crashed",
            got=how + hint + (f"; its last words: {last}" if last else ""),
            expected="an answer",
            todo="the file may be damaged or made for another version of its library; nothing else was touched",
        )

    def _last_words(self) -> str:
        try:
            size = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, size - 4096))
            lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        except (OSError, ValueError):
            return ""
        return one_line(lines[-1]) if lines else ""


def _environment(root: Path | None, scratch: str | None) -> dict[str, str]:
    """What the child knows of its surroundings: no home, no proxies, no secrets of the parent."""
    # Half of the processors: on two busy ones, one thread answered 100 small calls in 3.2 s and fitted in 2.4 s where
    # two took 4.5 s and 4.1 s (and 43 s and 26 s where waiting threads spin).
    threads = str(max(1, min(4, processors() // 2)))
    kept = {k: os.environ[k] for k in ("LD_LIBRARY_PATH", "TZ") if k in os.environ}
    if root is not None:
        kept["PYTHONPATH"] = str(root)
    if scratch is not None:
        kept |= dict.fromkeys(("TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), scratch)
    return kept | {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "NUMBA_NUM_THREADS": threads,
        # Threads that wait sleep: spinning ones starve each other where processors are shared.
        "OMP_WAIT_POLICY": "PASSIVE",
        "MALLOC_ARENA_MAX": "2",
        # No process can be started in there; joblib then works in threads.
        "JOBLIB_MULTIPROCESSING": "0",
    }
