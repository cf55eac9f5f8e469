"""The worker's process: isolates itself, then answers frames until its input ends: on one model, or by another task.

Started by `audit.models.worker` as `python -m audit.models.child '{"in": FD, "out": FD, ...}'`. Nothing heavy is
imported before `isolate.apply`: threads that numpy starts at import must inherit what it sets.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from audit.models import isolate

if TYPE_CHECKING:
    from collections.abc import Callable

    from audit.models.loaded import Loaded
    from audit.models.wire import Frame


def readable(own: str, code: list[str]) -> list[str]:
    """What the child may read: the interpreter, its libraries, this package, and the folders of allowed code."""
    paths = [sys.prefix, sys.base_prefix, sys.exec_prefix, own, *code]
    paths += [p for p in sys.path if p and os.path.isdir(p)]
    paths += ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo"]
    paths += ["/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom", "/dev/zero"]
    paths += ["/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo"]
    return list(dict.fromkeys(os.path.realpath(p) for p in paths if os.path.exists(p)))


def main(argument: str) -> int:
    """Serve until the parent closes its end."""
    settings: dict[str, Any] = json.loads(argument)
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # The folder that holds `audit` may hold people's data too: out of the path, and out of sight. Its modules are
    # still found, through the package's own __path__.
    root = os.path.realpath(os.path.dirname(own))
    if not own.startswith(os.path.realpath(sys.prefix)):
        sys.path[:] = [p for p in sys.path if p and os.path.realpath(p) != root]
    sys.path.extend(settings["code"])
    if "numpy" in sys.modules:
        raise RuntimeError("numpy was imported before the isolation: its threads would escape it")
    held = isolate.apply(
        memory_bytes=settings["memory_bytes"],
        cpu_seconds=settings["cpu_seconds"],
        file_size_bytes=settings["file_size_bytes"],
        readable=[*readable(own, settings["code"]), *settings.get("packages", ()), *settings.get("readable", ())],
    )
    if os.getppid() != settings["parent"]:
        return 0  # the parent ended before its death could be watched
    task = _task(settings) if "task" in settings else None
    return _serve(settings["in"], settings["out"], held, int(settings["memory_bytes"]), task)


def _task(settings: dict[str, Any]) -> Callable[..., tuple[dict[str, Any], dict[str, Any]]]:
    """The function that answers in place of a model, and the packages that it is made of: by folder, as no path is
    searched that may hold people's data."""
    for folder in settings["packages"]:
        name = os.path.basename(folder)
        if name not in sys.modules:
            start = os.path.join(folder, "__init__.py")
            spec = importlib.util.spec_from_file_location(name, start, submodule_search_locations=[folder])
            if spec is not None and spec.loader is not None:
                sys.modules[name] = module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
    module_name, _, function = settings["task"].partition(":")
    found: Callable[..., tuple[dict[str, Any], dict[str, Any]]]
    found = getattr(importlib.import_module(module_name), function)
    return found


def _serve(
    incoming: int,
    outgoing: int,
    held: tuple[str, ...],
    limit: int,
    task: Callable[..., tuple[dict[str, Any], dict[str, Any]]] | None,
) -> int:
    source = os.fdopen(incoming, "rb", buffering=0)
    model: Loaded | None = None
    # Nothing is drawn in here, and matplotlib will not be imported without a folder to write in; what could use it
    # (shap) then goes without.
    if task is None:
        sys.modules["matplotlib"] = None  # type: ignore[assignment]
    # numpy comes in here, under isolation.
    from audit.models import wire

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
            if task is not None:
                fields, arrays = task(frame, held)
                answer = wire.pack({"ok": True, **fields}, arrays)
                del fields, arrays
            elif frame.fields["do"] == "load":
                model, fields = _load(frame, held)
                answer = wire.pack({"ok": True, **fields})
            else:
                assert model is not None
                answer = wire.pack({"ok": True}, _run(model, frame))
        except MemoryError:
            answer = wire.pack({"ok": False, "kind": "memory"})
        except BaseException as error:
            # Whatever a model raises, SystemExit and KeyboardInterrupt included, is an answer and not the end.
            answer = wire.pack({"ok": False, **_told(error)})
        del frame
        for block in answer:
            _write(outgoing, block)


def _write(outgoing: int, block: Any) -> None:
    view = memoryview(block)
    while len(view):
        view = view[os.write(outgoing, view[: 2**20]) :]


def _load(frame: Frame, held: tuple[str, ...]) -> tuple[Loaded, dict[str, Any]]:
    from audit.models.loaded import load

    model = load(frame.fields["format"], frame.arrays["model"].tobytes(), frame.fields["allow"])
    facts = model.facts
    return model, {
        "isolation": list(held),
        "estimator": facts.estimator,
        "classes": list(facts.classes),
        "features": None if facts.features is None else list(facts.features),
        "columns": facts.columns,
        "task": facts.task,
        "output": facts.output,
        "notes": list(facts.notes),
    }


def _run(model: Loaded, frame: Frame) -> dict[str, Any]:
    import numpy as np

    from audit.models.table import receive

    table = receive(frame.table, frame.fields["objects"]) if len(frame.table) else None
    # A model's warnings are its own affair; they must not become errors or noise here.
    with contextlib.ExitStack() as stack:
        import warnings

        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if frame.fields["do"] == "scores":
            assert table is not None
            scores = np.asarray(model.scores(table, frame.fields["positive"]), dtype=np.float64)
            return {"scores": scores}
        from audit.models.ops import find

        return {str(k): np.asarray(v) for k, v in find(frame.fields["op"])(model, table, frame.arrays).items()}


def _told(error: BaseException) -> dict[str, Any]:
    from audit.errors import AssayError
    from audit.models.loaded import one_line

    if isinstance(error, AssayError):
        parts = error.to_json()
        return {"kind": "input", **{k: one_line(parts[k], 1000) for k in ("problem", "got", "expected", "todo")}}
    return {"kind": "raised", "message": one_line(f"{type(error).__name__}: {error}")}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
