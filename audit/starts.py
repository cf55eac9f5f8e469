"""What a process that ends with its command sets first, before any library is loaded."""

from __future__ import annotations

import gc
import os

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def command() -> None:
    """Look for garbage less often, and let numeric libraries use one thread unless the user says otherwise: a thread
    that waits for another one spins, and the products here are small. Work that is wide (audit.models.process) sets its
    own."""
    gc.set_threshold(50_000, 20, 20)
    for name in THREADS:
        os.environ.setdefault(name, "1")
