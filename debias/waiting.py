"""A job that has several others before it waits in a process that has loaded next to nothing: 4 MiB, not 15.

The wrapper of a job (debias.jobs) puts this file in its own place and is put back when at most one is before it, or
another job has come whose work is the same: one process all the while, with one id and one time of beginning. Only what
Python itself brings is imported here. A request to stop waits until the wrapper is there again to answer it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence

QUEUED, KEY = "queued", "same"
WAIT_SECONDS = 0.1
FAR = 2
"""So many jobs before one's own, at least."""
_STOP = {signal.SIGTERM}


def aside(place: str | os.PathLike[str], args: Sequence[str]) -> None:
    """Go on as this file; where the system does not start it (no memory, a Python that was moved), the caller waits on.
    The caller has blocked SIGTERM."""
    try:
        os.execv(sys.executable, [sys.executable, "-I", "-S", os.path.abspath(__file__), os.fspath(place), *args])
    except OSError:
        return


def main(place: str, args: Sequence[str]) -> None:
    """Wait, and go on as the wrapper."""
    while (ahead := before(place)) >= FAR and not _alike(place):
        if signal.sigtimedwait(_STOP, pause(ahead)) is not None:
            os.kill(os.getpid(), signal.SIGTERM)  # for the wrapper
            break
    os.execv(sys.executable, [sys.executable, "-m", "debias.jobs", place, "--", *args])


def pause(ahead: int) -> float:
    """Seconds until it is worth looking again: looks at every other job cost something where many wait."""
    return WAIT_SECONDS * (1 + min(ahead, 9))


def before(place: str | os.PathLike[str]) -> int:
    """How many jobs beside this one wait and came before it; those whose process is gone do not count."""
    mine = ticket(place)
    return (
        0 if mine is None else sum((t := ticket(p)) is not None and t < mine and _waits(p, t) for p in _beside(place))
    )


def ticket(place: str | os.PathLike[str]) -> tuple[int, str] | None:
    """When a waiting job came."""
    try:
        return int(_read(place, QUEUED)), os.path.basename(place)
    except (OSError, ValueError):
        return None


def _waits(place: str, came: tuple[int, str]) -> bool:
    try:
        job = json.loads(_read(place, "job.json"))
        return alive(job["pid"], job["ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        # Its record is written a moment after its process has begun.
        return time.time_ns() - came[0] < 5e9


def alive(pid: int, ticks: str) -> bool:
    """Whether the process runs that had this id and began then."""
    return ticks != "" and ticks_of(pid) == ticks


def ticks_of(pid: int) -> str:
    """When the process began, as the system tells it; "" where there is none or it has ended but was not reaped."""
    try:
        # The name in parentheses may hold anything, so count fields from the last parenthesis.
        fields = _read("/proc", str(int(pid)), "stat").rpartition(")")[2].split()
    except OSError:
        if os.path.exists("/proc/self/stat"):
            return ""
        import subprocess

        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip()
    return "" if fields[0] in "ZX" else fields[19]


def _alike(place: str) -> bool:
    """Whether another job has the same work."""
    try:
        mine = _read(place, KEY)
    except OSError:
        return False
    return any(_key(other) == mine for other in _beside(place))


def _key(place: str) -> str | None:
    try:
        return _read(place, KEY)
    except OSError:
        return None


def _beside(place: str | os.PathLike[str]) -> list[str]:
    with os.scandir(os.path.dirname(place)) as entries:
        return [entry.path for entry in entries if entry.name != os.path.basename(place)]


def _read(*parts: str | os.PathLike[str]) -> str:
    with open(os.path.join(*parts), errors="replace") as file:
        return file.read()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
