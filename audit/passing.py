"""Temporary folders that people's rows, or models made of them, lie in for a while.

Each goes with the work that it is for. What is killed, by a user or for its memory, takes nothing with it: the kernel
lets go of its lock, and the next process that makes such a folder removes those that nobody holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "assay-passing-"
LOCK = ".held"
_held: dict[Path, int] = {}
_swept: set[str] = set()


def make() -> Path:
    """A new one, for the owner alone, until `remove` or the end of this process."""
    _sweep(tempfile.gettempdir())
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    # Locked before it has its name: who sweeps meanwhile sees a lock that is held, or none.
    begun = folder / f"{LOCK}.begun"
    handle = os.open(begun, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    begun.rename(folder / LOCK)
    _held[folder] = handle
    return folder


def remove(folder: Path) -> None:
    """With all that is in it; one that is gone is no error."""
    shutil.rmtree(folder, ignore_errors=True)
    if (handle := _held.pop(folder, None)) is not None:
        os.close(handle)


@contextlib.contextmanager
def passing() -> Iterator[Path]:
    """One for as long as this lasts."""
    folder = make()
    try:
        yield folder
    finally:
        remove(folder)


def _sweep(base: str) -> None:
    """Once a process: folders of this user that nobody holds."""
    if base in _swept:
        return
    _swept.add(base)
    with contextlib.suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with contextlib.suppress(OSError):
                    _remove_unheld(Path(entry.path))


def _remove_unheld(folder: Path) -> None:
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
