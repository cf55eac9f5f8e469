"""What a process that ends with its command sets first, before any library is loaded."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Sequence

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


PRINTS = ("demo", "report")
"""Commands that set pages: what they are made of stays until the end, and looking it through took half a second of a
demonstration and gave no memory back."""


def command(words: Sequence[str] = ()) -> None:
    """Look for garbage less often, and let numeric libraries use one thread unless the user says otherwise: a thread
    that waits for another one spins, and the products here are small. Work that is wide (audit.models.process) sets its
    own."""
    _open_streams()
    _stop_like_ctrl_c()
    prints = "".join(words[:1]) in PRINTS and "--watch" not in words
    gc.set_threshold(2_000_000 if prints else 50_000, 20, 20)
    for name in THREADS:
        os.environ.setdefault(name, "1")


def _open_streams() -> None:
    """Put /dev/null where the caller closed stdin, stdout or stderr: a pipe or file of ours that got such a number
    would be mistaken for the stream here and in every child. And Python then has None there, which `print` takes for
    stdout: what is meant for a closed stderr would land among the results."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:  # the lowest free number is given, and all below are taken
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False))


class Stopped(KeyboardInterrupt):
    """Another program, or the end of the terminal, asked for the end."""


STOPS = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
AGAIN_SECONDS = 1.0
"""A group of processes is asked twice at once: by who stops a job, and by its wrapper. That is one request."""
_asked: list[tuple[int, float]] = []


def _stop_like_ctrl_c() -> None:
    """A request to end unwinds as Ctrl-C does. By itself it ends a process where it stands: copies of rows and models
    would stay in the temporary folder. What is ignored (nohup) stays so."""
    for which in STOPS:
        if signal.getsignal(which) is signal.SIG_DFL:
            signal.signal(which, _stop)


def _stop(which: int, _: object) -> None:
    now = time.monotonic()
    if not _asked or now - _asked[-1][1] >= AGAIN_SECONDS:
        _asked.append((which, now))
        raise Stopped


def end_as_asked() -> None:
    """End by the signal that asked for it, so that whoever waits for this process sees that; nothing where none did."""
    if _asked:
        signal.signal(_asked[0][0], signal.SIG_DFL)
        os.kill(os.getpid(), _asked[0][0])
