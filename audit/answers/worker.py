"""A model whose answers are kept: its process starts when a question comes that has no answer yet."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from contextvars import copy_context
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from audit.answers.store import Store
from audit.answers.use import allowed_code, day, versions
from audit.errors import ModelError
from audit.files import canonical
from audit.models import wire
from audit.models.hybrids import LazyRows
from audit.models.own import Environment, OwnWorker
from audit.models.worker import ModelInfo, Rows, Worker

KEPT = frozenset(
    ("scores", "answer", "class_scores", "native_attributions", "native_interactions", "refit_answer", "to_onnx")
)
"""Operations that follow from the model and the question alone."""


class Recalling(Worker):
    """A worker that looks for each answer before it asks, and keeps what it was told. `info.isolation` says which
    answers are kept ones."""

    _store: Store
    _made: list[Any] | None = None
    _oldest: float | None = None
    _made_of: dict[str, str] | None = None
    _turn: threading.RLock
    started = True

    def _facts(self) -> list[Any]:
        """What answers follow from beside the question."""
        if self._made_of is None:
            self._made_of = allowed_code(self._allow)
        return [self._file.format, self._file.sha256, sorted(self._allow), versions(), self._made_of]

    def _key(self, *question: Any) -> bytes:
        digest = hashlib.sha256(hashlib.sha256(canonical(self._facts(), compact=True)).digest())
        for part in question:
            digest.update(part)
        return digest.digest()

    @property
    def info(self) -> ModelInfo:
        info = super().info
        if self._oldest is None:
            return info
        which = "some answers were" if self.started else "answers"
        return replace(info, isolation=(*info.isolation, f"{which} kept since {day(self._oldest)}"))

    def _ask(
        self, fields: dict[str, Any], table: Rows | None = None, arrays: dict[str, np.ndarray] | None = None
    ) -> dict[str, np.ndarray]:
        with self._turn:
            key = None
            if fields.get("op", fields.get("do")) in KEPT:
                try:
                    if isinstance(table, LazyRows):  # how they cross depends on what the process was sent before
                        key = self._key(*wire.pack(fields, arrays), table.digest())
                    else:
                        self._made = super()._blocks(fields, table, arrays)
                        key = self._key(*self._made)
                except wire.WireError:  # told when it is asked
                    self._made = None
                if key is not None and (kept := self._store.get(key)) is not None:
                    self._made = None
                    self._oldest = min(self._oldest or kept.made, kept.made)
                    return unpacked(kept.body)
            try:
                self._start()
                answer = super()._ask(fields, table, arrays)
            except ModelError as error:
                if key is not None and self._refused(error):
                    refusal = {"refused": [error.problem, error.got, error.expected, error.todo]}
                    self._store.put(key, "answer", packed(refusal, {}))
                raise
            finally:
                self._made = None
            if key is not None:
                self._store.put(key, "answer", packed({}, answer))
            return answer

    def _refused(self, error: ModelError) -> bool:
        """Whether it is the model that cannot answer, and not the machine, the time or the memory it had."""
        alive = self._held is not None and not self._held.child.ended
        return alive and type(error) is ModelError and "memory" not in error.problem

    def _start(self) -> None:
        """The process, where it does not run yet."""

    def _blocks(self, fields: dict[str, Any], table: Rows | None, arrays: dict[str, np.ndarray] | None) -> list[Any]:
        return self._made if self._made is not None else super()._blocks(fields, table, arrays)


class KeptWorker(Recalling):
    """As `Worker`. Kept is what this very file answered to these very rows, in this order, by the same versions.

    started: whether there was need for its process.
    """

    def __init__(self, path: str | Path, store: Store, *, allow: Sequence[str] = (), kept: bool = False) -> None:
        super().__init__(path, allow=allow, kept=kept)
        self._store, self._turn, self._closed = store, threading.RLock(), threading.Event()
        self.started = self._noted = False

    def __enter__(self) -> KeptWorker:
        content = self._examine()
        kept = self._store.get(self._key(b"info"))
        if kept is None:
            self.started = True
            self._begin(content)
        else:
            self._info = msgspec.json.decode(kept.body, type=ModelInfo)
        return self

    @property
    def info(self) -> ModelInfo:
        info = super().info
        if self.started and not self._noted and self._info is not None:
            self._noted = True
            self._store.put(self._key(b"info"), "model", canonical(asdict(self._info), compact=True))
        return info

    def _start(self) -> None:
        """Raises ModelError where the file is not the one any more that was looked at."""
        if self.started:
            return
        before = self._file.sha256
        content = self._examine()
        if self._file.sha256 != before:
            raise ModelError(
                f"the model file {self._path.name!r} changed while it was used", got=self._file.sha256,
                expected=before, todo="start again, when nobody writes it",
            )  # fmt: skip
        self.started = True
        # The child ends with the thread that started it, and that may be one of a pool.
        begun, failed = threading.Event(), []

        def alive() -> None:
            try:
                self._begin(content)
            except BaseException as error:
                failed.append(error)
            begun.set()
            self._closed.wait()

        threading.Thread(target=copy_context().run, args=(alive,), daemon=True).start()
        begun.wait()
        if failed:
            raise failed[0]
        self._last.loaded()
        if self._last.error is not None:
            self._raise_loading(self._last.error)

    def close(self) -> None:
        super().close()
        self._closed.set()


class KeptOwn(Recalling, OwnWorker):
    """As `OwnWorker`, for one piece of work that may be stopped and taken up again. Its process always starts: only it
    can say what its environment is by now."""

    def __init__(self, path: str | Path, environment: Environment, store: Store, *, kept: bool = False) -> None:
        super().__init__(path, environment, kept=kept)
        self._store, self._turn = store, threading.RLock()

    def _facts(self) -> list[Any]:
        self.info  # noqa: B018 - waits until the versions are known
        env = self._environment
        return [*super()._facts(), str(env.python), env.load, self.versions]


def packed(fields: dict[str, Any], arrays: dict[str, np.ndarray]) -> bytes:
    """An answer as it is kept."""
    return b"".join(map(bytes, wire.pack(fields, arrays)))


def unpacked(body: bytes) -> dict[str, np.ndarray]:
    """The arrays of a kept answer. Raises ModelError where the model refused."""
    at = 0

    def take(count: int) -> bytes:
        nonlocal at
        at += count
        return body[at - count : at]

    reply = wire.read(take, len(body))
    if refused := reply.fields.get("refused"):
        problem, got, expected, todo = refused
        raise ModelError(problem, got=got, expected=expected, todo=todo)
    return reply.arrays
