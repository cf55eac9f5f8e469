"""What a name can be the name of, told before the work begins."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from audit.errors import OutputError


def no_name(path: Path) -> str | None:
    """Why the system takes no such name: it is too long, its links lead in a circle, it has a zero byte. None where it
    takes it, whether anything is there or not."""
    try:
        os.stat(path)
    except OSError as error:
        return error.strerror if error.errno in (errno.ENAMETOOLONG, errno.ELOOP) else None
    except ValueError as error:
        return str(error)
    return None


def not_a_place(folder: Path) -> str | None:
    """Why nothing can be written into a folder of this name, which is made where it is not there; None where it can."""
    near = folder
    while not os.path.lexists(near) and near != near.parent:
        near = near.parent
    if not near.is_dir():
        return f"{near} is {'no folder' if near.exists() else 'a link to nothing'}"
    return None if os.access(near, os.W_OK | os.X_OK) else f"no permission to write in {near}"


LOOKED_AT = 65_536
"""Bytes of a file that is there already."""


def refuse_another(path: Path, *begins: bytes, holds: bytes = b"") -> None:
    """Nothing is written over a file that begins with none of these, nor has `holds` in its first bytes: it is
    somebody's, and no earlier one of its kind.

    A file that is empty or not there may be written. Raises OutputError, also for a folder.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder", expected="the name of a file", todo="name a file")
    if not path.is_file():
        return  # nothing there, or a pipe; or who writes says why it cannot be
    try:
        with path.open("rb") as file:
            there = file.read(LOOKED_AT)
    except OSError:
        return
    if there and not (begins and there.startswith(begins)) and not (holds and holds in there):
        raise OutputError(
            f"{path} is another file, and would be lost",
            got=f"a file without the signs of its kind, {(begins or (holds,))[0].decode(errors='replace').strip()!r}",
            expected="a new name, or a file of the same kind",
            todo="name another file, or remove that one",
        )
