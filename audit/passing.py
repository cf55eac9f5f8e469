"""Temporary folders that people's rows, or models made of them, lie in for a while.

Each goes with the work that it is for, and at the latest with the process that made it: one that is asked to end may
be asked between making a folder and the line that would remove it. What is killed, by a user or for its memory, takes
nothing with it: the kernel lets go of its lock, and the next process that makes such a folder removes those that nobody
holds.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "assay-passing-"
_TOKEN = secrets.token_hex(4)
_held: dict[Path, int] = {}
_swept: set[str] = set()


def make() -> Path:
    """A new one, for the owner alone, until `remove` or the end of this process."""
    _sweep(tempfile.gettempdir())
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix()))
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # as below
            continue
        fcntl.flock(handle, fcntl.LOCK_EX)
        if folder.exists():
            _held[folder] = handle
            return folder
        os.close(handle)  # another process swept it before it was locked


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


def _prefix() -> str:
    """Of the folders of this process alone: a copy that was forked has another one."""
    return f"{PREFIX}{_TOKEN}-{os.getpid()}-"


def _sweep(base: str) -> None:
    """Once a process: folders of this user that nobody holds; and at the end those of its own."""
    if base in _swept:
        return
    atexit.register(_remove_own, base)
    _swept.add(base)
    with contextlib.suppress(OSError), os.scandir(base) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with contextlib.suppress(OSError):
                    _remove_unheld(Path(entry.path))


def _remove_own(base: str) -> None:
    for folder in Path(base).glob(f"{_prefix()}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _remove_unheld(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(handle).st_uid == os.getuid():
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
