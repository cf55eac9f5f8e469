"""A model in a process of its own.

    with Worker("model.skops") as worker:
        scores = worker.scores(frame, positive=">50K")
        print(worker.info.isolation)

The child starts at once and loads in the background; the first question waits for it. Frames cross as Arrow, answers
as numbers and JSON: nothing that comes back can execute. A model that raises answers with a ModelError and the worker goes
on; one that crashes, loops or fills the memory ends its own process only, and the worker says so from then on.

The kernel ends the child when the thread that started it ends (PR_SET_PDEATHSIG), so a worker lives in one thread.
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
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from audit.errors import DataError, ModelError, nearest
from audit.models import wire
from audit.models.files import describe_bytes, read_bytes
from audit.models.trust import forbidden

CHUNK_ROWS = 50_000
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a model may use. cpu_seconds is for the worker's whole life, wall_seconds for one call (of one chunk)."""

    memory_bytes: int = 6 * 2**30
    cpu_seconds: int = 4 * 3600
    wall_seconds: float = 900.0
    file_size_bytes: int = 2**20


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model.

    classes: names of the classes, as text, in the model's order; () for regression and where the file names none.
    features: the columns it takes, in order; None where it knows them by position only (`columns` says how many).
    isolation: short words of what really ran and held when tried, such as "files: landlock".
    task: "classification" or "regression". output: "probability"; "decision" (scores are 1 or 0); "value".
    notes: what a reader of the scores should know.
    """

    format: str
    sha256: str
    estimator: str
    classes: tuple[str, ...]
    features: tuple[str, ...] | None
    isolation: tuple[str, ...]
    task: str
    columns: int | None = None
    output: str = "probability"
    notes: tuple[str, ...] = ()


class Worker:
    """A context manager. Raises ModelError from `__enter__` for a file that is refused, and from the first use for one
    that cannot be loaded.

    Parameters
    ----------
    path : the model file.
    allow : full names of types outside Assay's list that a person has seen and allowed (skops only).
    code : folders in which the modules of allowed types are; the child may read them, and nothing else of the disk.
    limits : see Limits.
    """

    def __init__(
        self, path: str | Path, *, allow: Sequence[str] = (), code: Sequence[str | Path] = (), limits: Limits | None = None
    ) -> None:
        self._path = Path(path)
        self._allow = tuple(allow)
        self._code = tuple(os.path.realpath(c) for c in code)
        self._limits = limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._info: ModelInfo | None = None
        self._ended = ""
        self._lock = threading.RLock()

    def __enter__(self) -> Worker:
        content = read_bytes(self._path)
        self._file = describe_bytes(self._path, content)
        self._refuse_unknown()
        self._start()
        # Sending waits until the child reads; a thread lets the caller get on with the data meanwhile.
        self._loading = threading.Thread(target=self._load, args=(content,), daemon=True)
        self._loading.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child and wait for its end. May be called twice."""
        process = self._process
        if process is None:
            return
        self._ended = self._ended or "it was closed"
        process.kill()
        process.wait()
        if self._loading is not threading.current_thread():
            self._loading.join()
        self._process = None
        for handle in (self._to, self._from):
            os.close(handle)
        self._errors.close()

    @property
    def info(self) -> ModelInfo:
        """What is known of the model; waits until it is loaded. Raises ModelError where it cannot be."""
        self._loading.join()
        if self._info is None:
            self._raise_loading()
        return self._info

    def scores(
        self, frame: pd.DataFrame, positive: str, *, progress: Callable[[int, int], None] | None = None
    ) -> np.ndarray:
        """The score of `positive` for each row: float64, shape (n,).

        A probability; for a model without probabilities its decision, 1 or 0; for a regression its value (see
        `info.output`). Columns are chosen and ordered by the model's own names; others are not sent.
        `progress(done, total)` is called after each chunk of 50,000 rows.

        Raises ModelError for missing columns, an unknown `positive`, a model that fails, or scores that are not finite.
        """
        chosen = self._select(frame)
        parts: list[np.ndarray] = []
        for start in range(0, max(len(chosen), 1), CHUNK_ROWS):
            chunk = chosen.iloc[start : start + CHUNK_ROWS]
            if len(chunk) == 0:
                break
            answer = self._ask({"do": "scores", "positive": str(positive)}, table=chunk)
            part = answer.get("scores")
            if part is None or part.dtype != np.float64 or part.shape != (len(chunk),):
                raise ModelError(
                    "the model gives another number of scores than rows",
                    got="no scores" if part is None else f"shape {part.shape}",
                    expected=f"{len(chunk)} scores",
                    todo="check the model with its own library on the same rows",
                )
            parts.append(part)
            if progress is not None:
                progress(min(start + CHUNK_ROWS, len(chosen)), len(chosen))
        scores = np.concatenate(parts) if parts else np.empty(0, dtype=np.float64)
        bad = ~np.isfinite(scores)
        if bad.any():
            raise ModelError(
                "the model gives scores that are not numbers",
                got=f"{int(bad.sum())} of {len(scores)} scores are NaN or infinite, the first in row "
                f"{int(np.flatnonzero(bad)[0]) + 1}",
                expected="a finite score for every row",
                todo="look at these rows: often a value the model never saw, or a missing value it does not handle",
            )
        return scores

    def call(self, op: str, frame: pd.DataFrame | None = None, **arrays: Any) -> dict[str, np.ndarray]:
        """Run a registered operation (audit/models/ops.py) in the child, in one piece: no chunks.

        arrays: anything numpy makes an array of numbers or text of. Raises ModelError as `scores` does.
        """
        from audit.models.ops import OPERATIONS

        if op not in OPERATIONS:
            raise ModelError(
                "a worker was asked for an operation that it does not know",
                got=repr(op),
                expected="one of " + ", ".join(sorted(OPERATIONS)),
                todo=nearest(op, OPERATIONS),
            )
        table = None if frame is None else self._select(frame)
        return self._ask({"do": "call", "op": op}, table=table, arrays={k: np.asarray(v) for k, v in arrays.items()})

    # -- starting ----------------------------------------------------------------------------------------------------

    def _refuse_unknown(self) -> None:
        unknown = [n for n in self._file.unknown_types if n not in self._allow]
        never = [n for n in self._file.unknown_types if forbidden(n)]
        if never:
            raise ModelError(
                f"the model file {self._path.name!r} reaches for what no model needs",
                got=", ".join(never[:8]),
                expected="types of scikit-learn, LightGBM, XGBoost or your own",
                todo="do not use this file; tell whoever gave it to you",
            )
        if unknown:
            shown = ", ".join(unknown[:12]) + (f" and {len(unknown) - 12} more" if len(unknown) > 12 else "")
            raise ModelError(
                f"the model file {self._path.name!r} holds types that Assay does not know",
                got=shown,
                expected="types of scikit-learn, LightGBM and XGBoost, or types that a person has allowed",
                todo="look at each name; if you know where it comes from, allow it by name and try again",
            )

    def _start(self) -> None:
        root = Path(__file__).resolve().parent.parent.parent
        child_in, self._to = os.pipe()
        self._from, child_out = os.pipe()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        limits = self._limits
        settings = {
            "in": child_in,
            "out": child_out,
            "parent": os.getpid(),
            "memory_bytes": int(limits.memory_bytes),
            "cpu_seconds": max(1, int(limits.cpu_seconds)),
            "file_size_bytes": int(limits.file_size_bytes),
            "code": list(self._code),
        }
        try:
            self._process = subprocess.Popen(
                # -P: the current folder is not a place to import from.
                [sys.executable, "-P", "-W", "ignore", "-m", "audit.models.child", json.dumps(settings)],
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                cwd="/",
                env=_environment(root),
                pass_fds=(child_in, child_out),
                start_new_session=True,
            )
        except OSError as error:
            for handle in (self._to, self._from):
                os.close(handle)
            self._errors.close()
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

    def _load(self, content: bytes) -> None:
        self._load_error: Exception | None = None
        try:
            fields = {"do": "load", "format": self._file.format, "allow": list(self._allow)}
            block = np.frombuffer(content, dtype=np.uint8)
            told = self._exchange(wire.pack(fields, {"model": block}), _START_SECONDS + self._limits.wall_seconds)
            self._info = _info(self._file.format, self._file.sha256, told.fields)
        except Exception as error:  # raised again by whoever asks first
            self._load_error = error
            self._ended = self._ended or "its model could not be loaded"

    def _raise_loading(self) -> NoReturn:
        error = self._load_error
        if isinstance(error, ModelError):
            raise ModelError(error.problem, got=error.got, expected=error.expected, todo=error.todo) from error
        raise ModelError(
            "the model's process gave an answer that cannot be read",
            got=str(error),
            expected="facts about the model",
            todo="do not use this model file",
        ) from error

    # -- asking ------------------------------------------------------------------------------------------------------

    def _select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The model's columns in its order. Raises ModelError for missing ones."""
        info = self.info
        names = [str(c) for c in frame.columns]
        if info.features is None:
            if info.columns is not None and info.columns != len(names):
                raise ModelError(
                    "the model knows its columns by position only, and their number is another",
                    got=f"{len(names)} columns: {', '.join(names[:12])}",
                    expected=f"{info.columns} columns in the order of its training",
                    todo="list them in this order as `features` under [data]",
                )
            return frame
        known = {name: at for at, name in reversed(list(enumerate(names)))}
        if info.format == "lightgbm":  # which writes a blank in a name as an underscore
            known = {name.replace(" ", "_"): at for name, at in known.items()} | known
        missing = [f for f in info.features if f not in known]
        if missing:
            extra = [n for n in names if n not in set(info.features)]
            hints = "; ".join(f"{m!r}: {nearest(m, extra or names)}" for m in missing[:3])
            raise ModelError(
                "the data lack columns that the model needs",
                got=f"missing {_listed(missing)}; columns the model does not know: {_listed(extra) or 'none'}",
                expected=f"the model's {len(info.features)} columns: {_listed(info.features)}",
                todo=f"rename or add the columns ({hints})",
            )
        chosen = frame.iloc[:, [known[f] for f in info.features]]
        if list(chosen.columns) != list(info.features):
            chosen = chosen.set_axis(list(info.features), axis=1)
        return chosen

    def _ask(
        self, fields: dict[str, Any], table: pd.DataFrame | None = None, arrays: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        self.info  # noqa: B018 - waits for the model, and raises where it could not be loaded
        with self._lock:
            if self._ended:
                raise ModelError(
                    "the model's process has ended",
                    got=self._ended,
                    expected="a running process",
                    todo="open the model again; nothing else was touched",
                )
            stream: Any = b""
            if table is not None:
                stream, fields["objects"] = _arrow(table)
            try:
                blocks = wire.pack(fields, arrays, stream)
            except wire.WireError as error:
                raise DataError("what was given cannot be sent to the model", got=str(error)) from error
            return self._exchange(blocks, self._limits.wall_seconds).arrays

    def _exchange(self, blocks: list[Any], seconds: float) -> wire.Frame:
        """Send, wait, read, within `seconds`. Raises ModelError; ends the process where it cannot go on."""
        deadline = time.monotonic() + seconds
        try:
            for block in blocks:
                self._send(block, deadline)
            told = wire.read(lambda count: self._take(count, deadline), int(self._limits.memory_bytes))
        except TimeoutError:
            self._end(f"it took longer than {seconds:g} seconds")
            raise ModelError(
                "the model took too long",
                got=f"no answer within {seconds:g} seconds",
                expected="an answer within the limit of time for one call",
                todo="give fewer rows, or raise the limit; the model's process was ended and nothing else was touched",
            ) from None
        except (EOFError, BrokenPipeError, ConnectionError):
            raise self._death() from None
        except wire.WireError as error:
            self._end("it answered with what is no answer")
            raise ModelError(
                "the model's process gave an answer that cannot be read",
                got=str(error),
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
                self._wait([], [self._to], deadline)

    def _take(self, count: int, deadline: float) -> bytearray:
        # Grows as it arrives: a false length makes nobody set aside memory.
        block = bytearray()
        while len(block) < count:
            try:
                got = os.read(self._from, min(count - len(block), 2**20))
            except BlockingIOError:
                self._wait([self._from], [], deadline)
                continue
            if not got:
                raise EOFError
            block += got
        return block

    def _wait(self, reading: list[int], writing: list[int], deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        poll = select.poll()
        for handle in reading:
            poll.register(handle, select.POLLIN)
        for handle in writing:
            poll.register(handle, select.POLLOUT)
        poll.poll(min(left, 0.5) * 1000)

    # -- failing -----------------------------------------------------------------------------------------------------

    def _failure(self, fields: dict[str, Any]) -> ModelError:
        kind = fields.get("kind")
        if kind == "memory":
            return self._memory()
        if kind == "input":
            return ModelError(
                str(fields.get("problem")),
                got=str(fields.get("got", "")),
                expected=str(fields.get("expected", "")),
                todo=str(fields.get("todo", "")),
            )
        return ModelError(
            "the model raised an error",
            got=_printable(fields.get("message")),
            expected="a model that works on these rows",
            todo="try the same rows with the model's own library; often a column has another type than in training",
        )

    def _memory(self) -> ModelError:
        return ModelError(
            "the model needs more memory than it may use",
            got="its process ran out of memory",
            expected=f"at most {self._limits.memory_bytes / 2**20:,.0f} MiB",
            todo="give fewer rows, or raise the memory limit; nothing else was touched",
        )

    def _end(self, why: str) -> None:
        self._ended = self._ended or why
        assert self._process is not None
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)

    def _death(self) -> ModelError:
        """The error that says how the child ended by itself."""
        assert self._process is not None
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._end("it closed its end of the line")
            code = -signal.SIGKILL
        last = self._last_words()
        if self._ended == "it was closed":
            return ModelError("the model's process has ended", got=self._ended, todo="open the model again")
        if "MemoryError" in last or "bad_alloc" in last or "annot allocate memory" in last:
            self._ended = "it ran out of memory"
            return self._memory()
        if code in (-signal.SIGXCPU, -signal.SIGKILL) and self._cpu_spent():
            self._ended = "it used up its processor time"
            return ModelError(
                "the model used up its processor time",
                got=f"more than {self._limits.cpu_seconds} seconds of processor time",
                expected="less",
                todo="give fewer rows, or raise the limit; nothing else was touched",
            )
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        self._ended = f"it crashed ({how})"
        return ModelError(
            "the model's process crashed",
            got=how + (f"; its last words: {last}" if last else ""),
            expected="an answer",
            todo="the file may be damaged or made for another version of its library; nothing else was touched",
        )

    def _cpu_spent(self) -> bool:
        # The kernel keeps the sum for children that were waited for; ours is among them.
        import resource

        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime >= max(1, int(self._limits.cpu_seconds)) * 0.9

    def _last_words(self) -> str:
        try:
            size = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, size - 4096))
            lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return _printable(lines[-1]) if lines else ""


def _printable(text: object) -> str:
    from audit.models.loaded import one_line

    return one_line(text)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _environment(root: Path) -> dict[str, str]:
    """What the child knows of its surroundings: no home, no proxies, no secrets of the parent."""
    threads = str(max(1, min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)))
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
        "MALLOC_ARENA_MAX": "2",
        # No process can be started in there; joblib then works in threads.
        "JOBLIB_MULTIPROCESSING": "0",
    }


def _info(kind: str, sha256: str, fields: dict[str, Any]) -> ModelInfo:
    features = fields["features"]
    return ModelInfo(
        format=kind,
        sha256=sha256,
        estimator=_printable(fields["estimator"]),
        classes=tuple(str(c) for c in fields["classes"]),
        features=None if features is None else tuple(str(f) for f in features),
        isolation=tuple(str(w) for w in fields["isolation"]),
        task=str(fields["task"]),
        columns=None if fields["columns"] is None else int(fields["columns"]),
        output=str(fields["output"]),
        notes=tuple(_printable(n) for n in fields["notes"]),
    )


def _arrow(table: pd.DataFrame) -> tuple[Any, dict[str, str]]:
    """The table as an Arrow stream, and for columns of objects which kind of missing they hold."""
    import pyarrow as pa

    doubled = table.columns[table.columns.duplicated()]
    if len(doubled):
        raise DataError(
            "the data have columns of the same name",
            got=_listed([str(d) for d in doubled]),
            expected="each name once",
            todo="rename or drop the doubled columns",
        )
    objects: dict[str, str] = {}
    for column in table.columns:
        if table[column].dtype == object:
            values = table[column]
            gone = values[values.isna()]
            objects[str(column)] = "none" if len(gone) and gone.iloc[0] is None else "nan"
    try:
        named = table.set_axis([str(c) for c in table.columns], axis=1)
        arrow = pa.Table.from_pandas(named, preserve_index=False, nthreads=1)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            "a column of the data cannot be sent to the model",
            got=_printable(error),
            expected="columns that hold one kind of value each: numbers, text, truth values or dates",
            todo="make the values of the column one kind, for example all text",
        ) from error
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    return memoryview(sink.getvalue()), objects


