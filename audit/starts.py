"""What a process that ends with its command sets first, before any library is loaded."""

from __future__ import annotations

import gc
import os
import sys
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
