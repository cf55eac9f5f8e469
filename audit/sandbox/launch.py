"""The first program of an isolated process: isolates itself, then hands over to a worker.

Started as `python launch.py '{"in": FD, "out": FD, "serve": ..., ...}'`, under Assay's interpreter or, with Python
3.8 or later, under a model's own. Nothing heavy is imported before the isolation: threads that numpy starts at import
must inherit it.

`serve` is "module:function" or "/path/to/file.py:function", called as function(incoming, outgoing, settings) with
settings["held"] the words of what held; its answer is the exit code. `packages` are imported before the isolation, so
that their modules are found later through their own __path__, though the folder that holds them is out of sight.
"""

from __future__ import annotations

import sys

if sys.path and sys.path[0] == __file__.rpartition("/")[0]:
    del sys.path[0]  # a script's folder is no place to import from

import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import threading
from typing import Any

_SYSTEM = (
    "/lib /lib64 /lib32 /usr/lib /usr/lib64 /usr/local/lib /usr/share/zoneinfo /etc/ld.so.cache /etc/localtime "
    "/dev/null /dev/urandom /dev/zero /sys/devices/system/cpu /proc/cpuinfo /proc/meminfo "
    # The libraries that this process has loaded: threadpoolctl asks, for neighbours models and others.
    "/proc/self/maps"
).split()


def readable(more: list[str]) -> list[str]:
    """What the process may read: the interpreter, its libraries, and `more`. By the names that are used for them."""
    paths = [sys.prefix, sys.base_prefix, sys.exec_prefix, *more, *(p for p in sys.path if p)]
    paths += [p for p in os.environ.get("LD_LIBRARY_PATH", "").split(":") if p]
    existing = [os.path.abspath(p) for p in (*paths, *_SYSTEM) if os.path.exists(p)]
    return [p for p in dict.fromkeys(existing) if os.path.realpath(p) != "/"]


def main(argument: str) -> int:
    """Isolate, and serve until the parent closes its end."""
    settings: dict[str, Any] = json.loads(argument)
    isolate = _isolate()
    more: list[str] = list(settings["readable"])
    hidden = set()
    for name in settings["packages"]:
        for own in importlib.import_module(name).__path__:
            more.append(own)
            hidden.add(os.path.realpath(os.path.dirname(own)))
    # The folder that holds a package may hold people's data too: out of the path, and so out of sight. An installed
    # package's folder is the interpreter's and stays.
    inside = tuple(os.path.realpath(p) + os.sep for p in (sys.prefix, sys.base_prefix))
    sys.path[:] = [p for p in sys.path if p and not _left_out(os.path.realpath(p), hidden, inside)]
    sys.path.extend(settings["code"])
    where, _, function = settings["serve"].rpartition(":")
    if where.endswith(".py"):
        more.append(where)
    if "numpy" in sys.modules:
        raise RuntimeError("numpy was imported before the isolation: its threads would escape it")
    # What is imported and loaded stays: to look it through again and again is a sixth of the time until then.
    gc.set_threshold(50_000, 20, 20)
    settings["held"] = isolate.apply(
        memory_bytes=settings["memory_bytes"],
        cpu_seconds=settings["cpu_seconds"],
        file_size_bytes=settings["file_size_bytes"],
        readable=readable([*more, *settings["code"]]),
        scratch=settings["scratch"],
        mechanisms=settings["mechanisms"],
    )
    if os.getppid() != settings["parent"]:
        return 0  # the parent ended before its death could be watched
    threading.Thread(target=_watch, args=(settings["in"],), daemon=True).start()
    serve = getattr(_module(where), function)
    return int(serve(settings["in"], settings["out"], settings) or 0)


def _left_out(path: str, hidden: Any, inside: Any) -> bool:
    return path in hidden and not path.startswith(inside)


def _isolate() -> Any:
    """The module isolate, of this folder as a package: under a model's own interpreter there is no `audit`."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        "_assay_sandbox", os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["_assay_sandbox"] = package
    spec.loader.exec_module(package)
    return importlib.import_module("_assay_sandbox.isolate")


def _module(where: str) -> Any:
    if not where.endswith(".py"):
        return importlib.import_module(where)
    spec = importlib.util.spec_from_file_location("_assay_worker", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_assay_worker"] = module
    spec.loader.exec_module(module)
    return module


def _watch(incoming: int) -> None:
    """End the process when the other end of its line is closed, whatever else it is doing."""
    poll = select.poll()
    poll.register(incoming, 0)  # POLLHUP is told unasked
    while True:
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll()):
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
