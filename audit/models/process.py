"""The parent's side of the line to a child: start it, ask within a limit of time, and say how it ended.

Bytes only; what they mean is worker.py's. Memory is set aside as an answer arrives, never by what a header claims.
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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from audit.errors import ModelError
from audit.models import wire
from audit.models.loaded import one_line


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may use. cpu_seconds is for the worker's whole life, wall_seconds for one call (of one chunk)."""

    memory_bytes: int = 6 * 2**30
    cpu_seconds: int = 4 * 3600
    wall_seconds: float = 900.0
    file_size_bytes: int = 2**20


@dataclass(frozen=True, slots=True)
class Task:
    """What a child does in place of running a model, behind the same walls.

    function : `module:name`, called with each frame and the words for the isolation that held; gives the fields and
    arrays of the answer. packages: folders of packages beside `audit` that it imports. readable: files and folders
    that it may read besides. environment: variables that it needs.
    """

    function: str
    packages: tuple[str, ...] = ()
    readable: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Child:
    """One process of `audit.models.child`. `ended` says why it can no longer be asked; empty while it can.

    failure : how the last question failed, one of "", "time", "memory", "processor", "crash", "answer", "input",
    "raised".
    """

    def __init__(self, limits: Limits, code: Sequence[str], task: Task | None = None) -> None:
        self.limits = limits
        self.ended = ""
        self.failure = ""
        root = Path(__file__).resolve().parent.parent.parent
        child_in, self._to = os.pipe()
        self._from, child_out = os.pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        settings = {
            **asdict(limits),
            "cpu_seconds": max(1, int(limits.cpu_seconds)),
            "in": child_in,
            "out": child_out,
            "parent": os.getpid(),
            "code": list(code),
        }
        if task is not None:
            settings |= {"task": task.function, "packages": list(task.packages), "readable": list(task.readable)}
        try:
            self._process = subprocess.Popen(
                # -P: the current folder is not a place to import from.
                [sys.executable, "-P", "-W", "ignore", "-m", "audit.models.child", json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                cwd="/",
                env=_environment(root) | dict(task.environment if task is not None else {}),
                pass_fds=(child_in, child_out),
                start_new_session=True,
            )
        except OSError as error:
            self._close_line()
            raise ModelError(
                "the model's process could not be started",
                got=error.strerror or str(error),
                expected="room for one more process",
                todo="close other programs and try again",
            ) from error
        finally:
            os.close(child_in)
            os.close(child_out)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def stop(self) -> None:
        """End the process and wait for its end; whoever waits for an answer gets a ModelError."""
        self._end("it was closed")

    def close(self) -> None:
        """Give back what the line held. After `stop`, when nobody asks any more."""
        self._close_line()

    def ask(self, blocks: list[Any], seconds: float) -> wire.Frame:
        """Send a frame and give the answer. Raises ModelError; ends the process where it cannot go on."""
        deadline = time.monotonic() + seconds
        self.failure = ""
        try:
            for block in blocks:
                self._send(block, deadline)
            told = wire.read(lambda count: self._take(count, deadline), int(self.limits.memory_bytes))
        except TimeoutError:
            self.failure = "time"
            self._end(f"it took longer than {seconds:g} seconds")
            raise ModelError(
                "the model took too long",
                got=f"no answer within {seconds:g} seconds",
                expected="an answer within the time limit of one call",
                todo="give fewer rows, or raise the limit; the model's process was ended and nothing else was touched",
            ) from None
        except (EOFError, BrokenPipeError, ConnectionError):
            raise self._death() from None
        except wire.WireError as error:
            self.failure = "answer"
            self._end("it answered with what is no answer")
            raise ModelError(
                "the model's process gave an answer that cannot be read",
                got=one_line(error),
                expected="numbers",
                todo="do not use this model file; its process was ended",
            ) from error
        if told.fields.get("ok") is True:
            return told
        raise self._failure(told.fields)

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

    # -- how it ended ------------------------------------------------------------------------------------------------

    def _end(self, why: str) -> None:
        self.ended = self.ended or why
        self._process.kill()
        self._process.wait()

    def _failure(self, fields: dict[str, Any]) -> ModelError:
        kind = fields.get("kind")
        if kind == "memory":
            return self._memory()
        self.failure = "input" if kind == "input" else "raised"
        if kind == "input":
            parts = {k: one_line(fields.get(k, ""), 2000) for k in ("problem", "got", "expected", "todo")}
            return ModelError(parts.pop("problem"), **parts)
        return ModelError(
            "the model raised an error",
            got=one_line(fields.get("message")),
            expected="a model that works on these rows",
            todo="try the same rows with the model's own library; often a column has another type than in training",
        )

    def _memory(self) -> ModelError:
        self.failure = "memory"
        return ModelError(
            "the model needs more memory than it may use",
            got="its process ran out of memory",
            expected=f"at most {self.limits.memory_bytes / 2**20:,.0f} MiB",
            todo="give fewer rows, or raise the memory limit; nothing else was touched",
        )

    def _death(self) -> ModelError:
        """The error that says how the child ended by itself."""
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._end("it closed its end of the line")
            code = self._process.wait()
        if self.ended:
            return ModelError("the model's process has ended", got=self.ended, todo="open the model again")
        last = self._last_words()
        if "MemoryError" in last or "bad_alloc" in last or "annot allocate memory" in last:
            self.ended = "it ran out of memory"
            return self._memory()
        if code == -signal.SIGXCPU:
            self.ended, self.failure = "it used up its processor time", "processor"
            return ModelError(
                "the model used up its processor time",
                got=f"more than {self.limits.cpu_seconds} seconds of processor time",
                expected="less",
                todo="give fewer rows, or raise the limit; nothing else was touched",
            )
        how = f"exit code {code}"
        if code < 0:
            with contextlib.suppress(ValueError):
                how = f"signal {signal.Signals(-code).name}"
        self.ended, self.failure = f"it crashed ({how})", "crash"
        hint = " (the system ends a process so when the machine's memory is full)" if code == -signal.SIGKILL else ""
        return ModelError(
            "the model's process crashed",
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


def _environment(root: Path) -> dict[str, str]:
    """What the child knows of its surroundings: no home, no proxies, no secrets of the parent."""
    threads = str(max(1, min(4, len(os.sched_getaffinity(0)))))
    kept = {k: os.environ[k] for k in ("LD_LIBRARY_PATH", "TZ") if k in os.environ}
    return kept | {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(root),
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
