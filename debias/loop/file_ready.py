"""Is a file whole? Writers should put files in place by renaming them; who writes in place is given time to finish."""

from __future__ import annotations

import time
from pathlib import Path

SECONDS = 1.0
"""A file that did not change for so long is taken as whole."""

UNFINISHED = (".tmp", ".temp", ".part", ".partial", ".crdownload", ".filepart", ".swp", ".lock", "~")


class Settled:
    """Remembers how files looked, for clocks that cannot be trusted (a share, a copied time in the future)."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._looked: dict[Path, tuple[tuple[int, int, int], float]] = {}

    def stamp(self, file: Path) -> tuple[int, int, int] | None:
        """Size, time and number of a file that is whole; None of one that may still be written, or is gone."""
        if file.name.startswith(".") or file.name.lower().endswith(UNFINISHED):
            return None
        try:
            file_stat = file.stat()
        except OSError:
            return None
        stamp = (file_stat.st_size, file_stat.st_mtime_ns, file_stat.st_ino)
        now = time.monotonic()
        before, since = self._looked.get(file, (None, now))
        if before != stamp:
            self._looked[file] = (stamp, now)
            since = now
        wait = SECONDS if self._seconds is None else self._seconds
        if now - since >= wait or time.time() - file_stat.st_mtime >= wait:
            self._looked.pop(file, None)
            return stamp
        return None
