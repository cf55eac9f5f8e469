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


def refuse_another(path: Path, *begins: bytes) -> None:
    """Nothing is written over a file that begins with none of these: it is somebody's, and no earlier one of its kind.

    A file that is empty or not there may be written. Raises OutputError.
    """
    try:
        with path.open("rb") as file:
            there = file.read(max(map(len, begins)))
    except OSError:
        return  # nothing there; or who writes says why it cannot be
    if there and not there.startswith(begins):
        raise OutputError(
            f"{path} is another file, and would be lost",
            got=f"a file that begins with other signs than {begins[0].decode(errors='replace')!r}",
            expected="a new name, or a file of the same kind",
            todo="name another file, or remove that one",
        )
