"""The child's end of the line: frames in, answers out. `call` is the worker behind audit/sandbox/call.py."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audit.models.wire import Frame

Answer = tuple[dict[str, Any], dict[str, Any]]


def answer_frames(incoming: int, outgoing: int, limit: int, handle: Callable[[Frame], Answer]) -> int:
    """Answer each frame with what `handle` gives (fields and arrays) until the input ends; the exit code."""
    # numpy comes in here, under isolation.
    from audit.models import wire

    source = os.fdopen(incoming, "rb", buffering=0)

    def take(count: int) -> bytearray:
        block = bytearray(count)
        view, at = memoryview(block), 0
        while at < count:
            got = source.readinto(view[at:])
            if not got:
                raise EOFError
            at += got
        return block

    while True:
        try:
            frame = wire.read(take, limit)
        except EOFError:
            return 0
        answer: list[Any]
        try:
            fields, arrays = handle(frame)
            answer = wire.pack({"ok": True, **fields}, arrays)
        except MemoryError:
            answer = wire.pack({"ok": False, "kind": "memory"})
        except BaseException as error:
            # Whatever is raised, SystemExit and KeyboardInterrupt included, is an answer and not the end.
            answer = wire.pack({"ok": False, **_error_fields(error)})
        del frame
        for block in answer:
            _write(outgoing, block)


def call(incoming: int, outgoing: int, settings: dict[str, Any]) -> int:
    """Answer with settings["function"], "module:name": function(fields, arrays) -> (fields, arrays)."""

    def handle(frame: Frame) -> Answer:
        module, _, name = settings["function"].rpartition(":")
        function: Callable[..., Answer] = getattr(importlib.import_module(module), name)
        fields, arrays = function(frame.fields, frame.arrays)
        return {"answer": fields, "isolation": list(settings["held"])}, arrays

    return answer_frames(incoming, outgoing, int(settings["memory_bytes"]), handle)


def _write(outgoing: int, block: Any) -> None:
    view = memoryview(block)
    while len(view):
        view = view[os.write(outgoing, view[: 2**20]) :]


def _error_fields(error: BaseException) -> dict[str, Any]:
    from audit.errors import AssayError
    from audit.printable import one_line

    if isinstance(error, AssayError):
        parts = {**error.to_json(), "check": str(getattr(error, "check", ""))}
        return {"kind": "input", **{k: one_line(v, 1000) for k, v in parts.items()}}
    return {"kind": "raised", "message": one_line(f"{type(error).__name__}: {error}")}
