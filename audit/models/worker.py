"""A model in a process of its own.

    with Worker("model.skops") as worker:
        scores = worker.scores(frame, positive=">50K")
        print(worker.info.isolation)

The child starts at once and loads in the background; the first question waits for it. Frames cross as Arrow, answers
as numbers and JSON: nothing that comes back can execute. A model that raises answers with a ModelError and the
worker goes on; one that crashes, loops or fills the memory ends its own process only, and the worker says so from
then on.

The kernel ends the child when the thread that started it ends (PR_SET_PDEATHSIG), so a worker lives in one thread;
one that a job keeps is started by a thread of the job's own (`audit.models.held`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from audit.errors import DataError, ModelError, nearest
from audit.models import table as tables
from audit.models import wire
from audit.models.files import describe_bytes, read_bytes
from audit.models.held import Held, take
from audit.models.hybrids import Base, LazyRows, rows_in_block
from audit.models.loaded import one_line
from audit.models.process import Child, Limits
from audit.models.trust import forbidden
from audit.numbers import are, many

__all__ = ["CHUNK_ROWS", "Answer", "Limits", "ModelInfo", "Worker"]

CHUNK_ROWS = 10_000
"""Both processes hold one part at a time: with 25,000 a million rows took 35 MiB more, and 7 % less time."""
Rows: TypeAlias = "pd.DataFrame | LazyRows"
"""What may be asked about; the second only where `builds_rows`."""
_START_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What is known of a loaded model.

    classes: names of the classes, as text, in the model's order; () for regression and where the file names none.
    features: the columns it takes, in order; None where it knows them by position only (`columns` says how many).
    isolation: short words of what really ran and held when tried, such as "files: landlock".
    task: "classification" or "regression". output: "probability"; "decision" (scores are 1 or 0); "value"; "raw"
    (log-odds that nothing made a probability of). named: False where classes are places ("0", "1") because the file
    does not say what they are called. decides: whether the model itself decides. notes: what a reader of the scores
    should know.
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
    named: bool = True
    decides: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a model says of n rows: score (n,) of one class; decided (n,), the place in `ModelInfo.classes` of the class
    that its own `predict` decides, None where nothing in the file decides."""

    score: np.ndarray
    decided: np.ndarray | None


class Worker:
    """A context manager. Raises ModelError from `__enter__` for a file that is refused, and from the first use for one
    that cannot be loaded.

    Parameters
    ----------
    path : the model file.
    allow : full names of types outside Assay's list that a person has seen and allowed (skops only).
    code : folders in which the modules of allowed types are; the child may read them, and nothing else of the disk.
    limits : see Limits.
    kept : through a job (`audit.models.held`) the process is kept, and asked again by the next worker of these bytes.
    """

    builds_rows = True
    """Whether `scores` and `answer` take `audit.models.hybrids.LazyRows` too, which the process builds."""
    packed = False
    """Whether categories in what is asked about are texts kept small (`load_rows`), which cross as texts."""

    def __init__(
        self,
        path: str | Path,
        *,
        allow: Sequence[str] = (),
        code: Sequence[str | Path] = (),
        limits: Limits | None = None,
        kept: bool = False,
    ) -> None:
        self._path = Path(path)
        self._allow = tuple(allow)
        self._code = tuple(os.path.realpath(c) for c in code)
        self._limits = limits or Limits()
        self._in_job = kept
        self._held: Held | None = None
        self._info: ModelInfo | None = None
        self._base: tuple[Base | None, Base | None, list[int]] = (None, None, [])

    def __enter__(self) -> Worker:
        self._begin(self._examine())
        return self

    def _examine(self) -> bytes:
        """The file's bytes, once it is known that it may be loaded."""
        content = read_bytes(self._path)
        self._file = describe_bytes(self._path, content)
        self._refuse_unknown()
        return content

    def _begin(self, content: bytes) -> None:
        key = (self._file.sha256, self._file.format, self._allow, self._code, self._limits)
        self._hold(key, lambda: Held(Child(self._limits, self._code), lambda child: self._load(child, content)))

    def _hold(self, key: Hashable, start: Callable[[], Held]) -> None:
        self._held, self._give_back = take(key if self._in_job else None, start)
        self._last = self._held

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the process back: unless a job keeps it, it is ended, and its end waited for. May be called twice."""
        held, self._held = self._held, None
        if held is not None:
            self._give_back()

    @property
    def info(self) -> ModelInfo:
        """What is known of the model; waits until it is loaded. Raises ModelError where it cannot be."""
        if self._info is None:
            self._last.loaded()
            if self._last.error is not None:
                self._raise_loading(self._last.error)
            self._info = self._model_info(self._last.told)
        return self._info

    def scores(self, frame: Rows, positive: str, *, progress: Callable[[int, int], None] | None = None) -> np.ndarray:
        """The score of the class `positive` for each row: float64, shape (n,). As `answer`, without the decision."""
        return self._chunks("scores", frame, positive, progress).score

    def answer(self, frame: Rows, positive: str, *, progress: Callable[[int, int], None] | None = None) -> Answer:
        """The score of the class `positive`, a name in `info.classes`, and what the model itself decides.

        The score is a probability; for a model without probabilities its decision, 1 or 0; for a regression its value;
        or log-odds (see `info.output`). Columns are chosen and ordered by the model's own names; others are not sent.
        `progress(done, total)` is called after each chunk: of `CHUNK_ROWS`, or of as many rows as are built at once.

        Raises ModelError for missing columns, an unknown `positive`, a model that fails, or scores that are not finite.
        """
        return self._chunks("answer", frame, positive, progress)

    def _chunks(self, what: str, frame: Rows, positive: str, progress: Callable[[int, int], None] | None) -> Answer:
        chosen: Rows = self._select_made(frame) if isinstance(frame, LazyRows) else self._select(frame)
        parts: list[np.ndarray] = []
        places: list[np.ndarray | None] = []
        # Walks that are cut are said by a bit a cell, and no longer known for walks there.
        size = rows_in_block(len(chosen.columns)) if isinstance(chosen, LazyRows) else CHUNK_ROWS
        for start in range(0, len(chosen), size):
            stop = start + size
            chunk = chosen.part(start, stop) if isinstance(chosen, LazyRows) else chosen.iloc[start:stop]
            if what == "scores":
                reply = self._ask({"do": "scores", "positive": str(positive)}, table=chunk)
            else:
                arrays = {"positive": np.asarray(str(positive))}
                reply = self._ask({"do": "call", "op": "answer"}, table=chunk, arrays=arrays)
            part, place = reply.get("scores"), reply.get("decided")
            good = part is not None and part.dtype == np.float64 and part.shape == (len(chunk),)
            if place is not None and (place.dtype != np.int64 or place.shape != (len(chunk),)):
                good = False
            if not good or part is None:
                raise ModelError(
                    "the model gives another number of answers than rows",
                    got="no scores" if part is None else f"shape {part.shape}",
                    expected=many(len(chunk), "score"),
                    todo="check the model with its own library on the same rows",
                )
            if place is not None and len(place) and not 0 <= place.min() <= place.max() < len(self.info.classes):
                raise ModelError("the model decides for a class that it does not have", got=str(place.max()))
            parts.append(part)
            places.append(place)
            if progress is not None:
                progress(min(stop, len(chosen)), len(chosen))
        scores = np.concatenate(parts) if parts else np.empty(0, dtype=np.float64)
        bad = ~np.isfinite(scores)
        if bad.any():
            raise ModelError(
                "the model gives scores that are not numbers",
                got=f"{int(bad.sum())} of {many(len(scores), 'score')} {are(int(bad.sum()))} NaN or infinite, the "
                f"first in row {int(np.flatnonzero(bad)[0]) + 1}",
                expected="a finite score for every row",
                todo="look at these rows: often a value the model never saw, or a missing value it does not handle",
            )
        decisions = [p for p in places if p is not None]
        decided = np.concatenate(decisions) if len(decisions) == len(parts) and decisions else None
        return Answer(scores, decided)

    def class_scores(self, frame: pd.DataFrame) -> np.ndarray:
        """The score of each class for each row: float64, shape (n, K), classes in the order of `info.classes`.

        Raises ModelError as `scores` does, and for a regression.
        """
        names = self.info.classes
        if self.info.task != "classification" or not names:
            raise ModelError(
                "the model has no classes, and the label has more than two values",
                got=f"{self.info.estimator}: {self.info.task}",
                expected="a classifier that names its classes",
                todo='audit a column of its decisions, or say task = "regression" where the label is a number',
            )
        parts = []
        for start in range(0, len(frame), CHUNK_ROWS):
            chunk = frame.iloc[start : start + CHUNK_ROWS]
            part = self.call("class_scores", chunk).get("scores")
            if part is None or part.shape != (len(chunk), len(names)) or not np.isfinite(part).all():
                raise ModelError(
                    "the model's scores of its classes cannot be used",
                    got="no scores" if part is None else f"shape {part.shape}, or scores that are not finite",
                    expected=f"a finite score for each of {many(len(names), 'class')} in each of "
                    f"{many(len(chunk), 'row')}",
                    todo="check the model with its own library on the same rows",
                )
            parts.append(part.astype(np.float64, copy=False))
        return np.concatenate(parts) if parts else np.empty((0, len(names)))

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
                todo="look at each name; if you know where it comes from, add "
                + " ".join(f"--allow {n}" for n in unknown[:12])
                + ' (in Python: allow=["..."])',
            )

    def _load(self, child: Child, content: bytes) -> dict[str, Any]:
        fields = {"do": "load", "format": self._file.format, "allow": list(self._allow)}
        block = np.frombuffer(content, dtype=np.uint8)
        reply = child.ask(wire.pack(fields, {"model": block}), _START_SECONDS + self._limits.wall_seconds)
        self._model_info(reply.fields)  # what is no answer is seen here
        return reply.fields

    def _model_info(self, fields: dict[str, Any]) -> ModelInfo:
        return _info(self._file.format, self._file.sha256, fields)

    def _raise_loading(self, error: Exception) -> NoReturn:
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
                    got=f"{many(len(names), 'column')}: {', '.join(names[:12])}",
                    expected=f"{many(info.columns, 'column')} in the order of its training",
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
                expected=f"the model's {many(len(info.features), 'column')}: {_listed(info.features)}",
                todo=f"rename or add the columns ({hints})",
            )
        chosen = frame.iloc[:, [known[f] for f in info.features]]
        if list(chosen.columns) != list(info.features):
            chosen = chosen.set_axis(list(info.features), axis=1)
        return chosen

    def _select_made(self, rows: LazyRows) -> LazyRows:
        """The model's columns of all that the rows are made of, chosen once for one base."""
        base, chosen, places = self._base
        if base is not rows.base:
            chosen = Base(self._select(rows.base.frame))
            names = rows.base.frame.columns
            places = self._select(pd.DataFrame([range(len(names))], columns=names)).iloc[0].tolist()
            self._base = rows.base, chosen, places
        assert chosen is not None
        return rows.on(chosen, places)

    def _ask(
        self, fields: dict[str, Any], table: Rows | None = None, arrays: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        self.info  # noqa: B018 - waits for the model, and raises where it could not be loaded
        held = self._held
        if held is None:
            raise _ended("it was closed")
        with held.lock:
            if held.child.ended:
                raise _ended(held.child.ended)
            try:
                blocks = self._blocks(fields, table, arrays)
                return held.child.ask(blocks, self._limits.wall_seconds).arrays
            except wire.WireError as error:
                held.base = ""
                raise DataError("what was given cannot be sent to the model", got=str(error)) from error
            except ModelError:
                held.base = ""  # who knows how far it came
                raise

    def _blocks(self, fields: dict[str, Any], table: Rows | None, arrays: dict[str, np.ndarray] | None) -> list[Any]:
        """A question as it crosses: the table as Arrow."""
        stream: Any = b""
        if isinstance(table, LazyRows):
            held = self._held
            arrays = {**(arrays or {}), **table.arrays()}
            fields |= {"hybrids": table.base.digest}
            if held is None or held.base != table.base.digest:  # the process has another one, or none
                if held is not None:
                    held.base = table.base.digest
                stream, objects = tables.send(table.base.frame)
                fields |= {"objects": objects}
        elif table is not None:
            stream, fields["objects"] = tables.send(tables.with_texts(table) if self.packed else table)
        return wire.pack(fields, arrays, stream)


def _ended(why: str) -> ModelError:
    return ModelError(
        "the model's process has ended",
        got=why,
        expected="a running process",
        todo="open the model again; nothing else was touched",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(n) for n in names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


class _ModelReply(msgspec.Struct, frozen=True):
    """What the process says of its model, before it is believed to be text or numbers."""

    estimator: Any
    classes: tuple[Any, ...]
    features: tuple[Any, ...] | None
    isolation: tuple[Any, ...]
    task: Any
    columns: Any
    output: Any
    notes: tuple[Any, ...]
    named: Any
    decides: Any


def _info(kind: str, sha256: str, fields: dict[str, Any]) -> ModelInfo:
    facts = msgspec.convert(fields, _ModelReply)
    return ModelInfo(
        format=kind,
        sha256=sha256,
        estimator=one_line(facts.estimator),
        classes=tuple(str(c) for c in facts.classes),
        features=None if facts.features is None else tuple(str(f) for f in facts.features),
        isolation=tuple(str(w) for w in facts.isolation),
        task=str(facts.task),
        columns=None if facts.columns is None else int(facts.columns),
        output=str(facts.output),
        notes=tuple(one_line(n) for n in facts.notes),
        named=bool(facts.named),
        decides=bool(facts.decides),
    )
