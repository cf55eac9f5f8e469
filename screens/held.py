"""Sealed cases that this server has open: each as long as somebody looks at it, and a while longer."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from audit.sealed import Hold, hold, is_sealed, recipients

IDLE_SECONDS = 600.0
_open: dict[Path, tuple[Hold, float]] = {}
_lock = threading.Lock()


def keep(place: Path) -> None:
    """Open the case where it is sealed, or is to be; called whenever a screen asks for it. Raises as `hold`."""
    if not is_sealed(place) and not recipients():
        return
    with _lock:
        before = _open.get(place)
        held = before[0] if before else hold(place)
        if held is not None:
            if not _open:
                threading.Thread(target=_watch, name="sealed cases", daemon=True).start()
            _open[place] = (held, time.monotonic())


def let_go(place: Path) -> None:
    """Nobody looks at it any more: it is about to be deleted."""
    with _lock:
        if entry := _open.pop(place, None):
            entry[0].close()


def _watch() -> None:
    """Until nothing is open."""
    while True:
        time.sleep(min(IDLE_SECONDS / 4, 15.0))
        with _lock:
            for place, (held, used) in list(_open.items()):
                if time.monotonic() - used > IDLE_SECONDS:
                    held.close()
                    del _open[place]
            if not _open:
                return
