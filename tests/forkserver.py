"""Isolated processes of tests, forked from one that has the libraries loaded: a start takes a twentieth of a second of
processor time, not two seconds.

What is forked is the launcher (audit/sandbox/launch.py) and what follows it, with its walls, limits and lines; only the
imports before it are saved. It is a child of the process that asked (CLONE_PARENT), so that its end is watched as
always. Files of tests where the start, the walls or the environment are the point start for real: REAL in conftest.py.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import ctypes
import importlib.util
import json
import os
import pickle
import platform
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
SETS_PAGES = "reports.verify.inside:serve"
PRELOADED = {
    "audit.models.child:serve": (
        "audit.models.wire", "audit.models.formats", "audit.models.ops", "audit.models.table", "audit.models.guards",
        "audit.models.skops_model", "sklearn.ensemble", "sklearn.pipeline", "sklearn.linear_model", "shap",
    ),
    # Of a model of another interpreter that is this one; the worker itself is read anew, and stands alone.
    f"{ROOT / 'audit' / 'models' / 'own_worker.py'}:serve": (
        "pandas", "joblib", "sklearn.ensemble", "sklearn.pipeline", "sklearn.linear_model",
    ),
    SETS_PAGES: (
        "reports.verify.inside", "reports.issue", "reports.pdf", "reports.document", "reports.stamp",
        "reports.verify.contents", "reports.verify.faces", "reports.verify.figures", "reports.verify.printed",
        "audit.stress.figures", "debias.pareto_figures", "debias.methods", "weasyprint", "jinja2", "pikepdf",
        "cryptography.x509", "pyhanko.sign.validation.pdf_embedded", "pyhanko.stamp",
    ),
}  # fmt: skip
"""What a child serves -> what is imported before it is forked."""
share_pages = False
"""Whether a child that sets pages begins with those that the process of the tests has set, each found by the digest of
all it follows from (reports/pdf.py)."""
CLONE_PARENT = 0x8000
CLONE = {"x86_64": 56, "aarch64": 220}


def _served(arguments: Any) -> str | None:
    """What the launcher's child would serve, where it is one of PRELOADED and this interpreter runs it."""
    if not isinstance(arguments, list) or arguments[0] != sys.executable or not arguments[-2].endswith("/launch.py"):
        return None
    document = json.loads(arguments[-1])
    serve = document.get("function") or document["serve"]
    return serve if serve in PRELOADED else None


class Forked(subprocess.Popen):  # type: ignore[type-arg]
    """`subprocess.Popen`, which starts a launcher by a fork where it may."""

    def _execute_child(self, *inputs: Any) -> None:
        arguments, passed, environment, handles = inputs[0], inputs[4], inputs[6], inputs[10:16]
        serve = _served(arguments)
        if serve is None:
            super()._execute_child(*inputs)  # type: ignore[misc]
            return
        try:
            self.pid = _server(serve).start(arguments[-1], dict(environment), [*passed, handles[3]])
            self._child_created = True
        finally:
            self._close_pipe_fds(*handles)  # type: ignore[attr-defined]


class Server:
    """The process that has the libraries, and the line to it."""

    def __init__(self, serve: str) -> None:
        self._line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {
            "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1",
            "PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "MALLOC_ARENA_MAX": "2",
            "JOBLIB_MULTIPROCESSING": "0",
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"),
        }  # fmt: skip
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", __file__, serve, str(other.fileno())], cwd="/",
                env=environment, pass_fds=(other.fileno(),), stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._lock, self._pages = threading.Lock(), serve == SETS_PAGES
        self._known: frozenset[bytes] = frozenset()
        atexit.register(self._end)

    def _end(self) -> None:
        self._line.close()
        self._process.wait()

    def start(self, report: str, environment: dict[str, str], handles: list[int]) -> int:
        """The number of a new child. handles: its line in, its line out, and where it says what."""
        with self._lock, open(os.memfd_create("pages"), "w+b", buffering=0) as pages:
            self._write_pages(pages)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [*handles, pages.fileno()]))]
            self._line.sendmsg([json.dumps([report, environment]).encode()], rights)
            answer = self._line.recv(100)
        if not answer:
            raise OSError("the fork server has ended")
        return int(answer)

    def _write_pages(self, to: IO[bytes]) -> None:
        """The keys of the pages that a child is to know, in order, and those pages that the server has not yet."""
        built = getattr(sys.modules.get("reports.pdf"), "_page_cache", None)
        if not self._pages or built is None:
            return
        with built.lock:
            kept = dict(built.kept) if share_pages else {}
        to.write(pickle.dumps((list(kept), {key: data for key, data in kept.items() if key not in self._known})))
        to.seek(0)
        self._known = frozenset(kept)


_servers: dict[str, Server] = {}


def _server(serve: str) -> Server:
    if serve not in _servers:
        _servers[serve] = Server(serve)
    return _servers[serve]


# --- in the server ---


def _launcher() -> Any:
    """audit/sandbox/launch.py, whose rule that numpy comes after the walls is met: what it started was one thread."""
    spec = importlib.util.spec_from_file_location("_assay_launch", ROOT / "audit" / "sandbox" / "launch.py")
    assert spec is not None
    assert spec.loader is not None
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    isolated = launch._isolate

    def isolate() -> Any:
        walls, numpy = isolated(), sys.modules.pop("numpy")
        apply = walls.apply

        def applied(**limits: Any) -> Any:
            sys.modules["numpy"] = numpy
            return apply(**limits)

        walls.apply = applied
        return walls

    launch._isolate = isolate
    return launch


def _clone() -> int:
    """fork, as a child of this process's parent."""
    api, libc = ctypes.pythonapi, ctypes.PyDLL(None)
    api.PyOS_BeforeFork()
    child = int(libc.syscall(CLONE[platform.machine()], CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0))
    (api.PyOS_AfterFork_Parent if child else api.PyOS_AfterFork_Child)()
    return child


def _take_pages(handle: int) -> None:
    with open(handle, "rb") as file:
        if not (data := file.read()):
            return
    keys, new = pickle.loads(data)
    kept = sys.modules["reports.pdf"]._page_cache.kept
    known = {**kept, **new}
    kept.clear()
    kept.update({key: known[key] for key in keys})


def _be_child(launch: Any, line: socket.socket, message: bytes, handles: list[int]) -> int:
    line.close()
    report, environment = json.loads(message)
    incoming, outgoing, messages = handles
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(messages, 1)
    os.dup2(messages, 2)
    os.close(messages)
    return int(launch.main(json.dumps({**json.loads(report), "in": incoming, "out": outgoing})))


def main(serve: str, handle: int) -> None:
    """Fork a child for each message until the line ends."""
    if serve == "audit.models.child:serve":
        sys.modules["matplotlib"] = None  # type: ignore[assignment]  # as the worker has it
    for name in PRELOADED[serve]:
        importlib.import_module(name)
    if serve == "audit.models.child:serve":
        # It looks through every module that is loaded for the home of each function that it trusts.
        importlib.import_module("audit.models.skops_model").import_skops()
    launch = _launcher()
    line = socket.socket(fileno=handle)
    while True:
        message, ancillary, _, _ = line.recvmsg(2**18, 4096)
        if not message:
            return
        *handles, pages = array.array("i", ancillary[0][2])
        _take_pages(pages)
        child = _clone()
        if child == 0:
            code = 1
            try:
                code = _be_child(launch, line, message, handles)
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
            except BaseException:
                sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
            finally:
                with contextlib.suppress(OSError, ValueError):
                    sys.stdout.flush()
                    sys.stderr.flush()
                os._exit(code)
        for each in handles:
            os.close(each)
        line.send(str(child).encode())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
