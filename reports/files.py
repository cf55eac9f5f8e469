"""Writing a result so that a full disk, a crash or a power cut leaves the earlier file as it was."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from audit.errors import OutputError


def write_atomic(path: Path, data: bytes, *, mode: int = 0o644, replace: bool = True) -> None:
    """Write `data` to `path` whole or not at all.

    A temporary file in the same directory is written, synced and renamed over `path`. Raises OutputError where that
    cannot be done (disk full, no permission, no such directory); whatever was at `path` stays. With `replace` False
    an existing file is refused.
    """
    path = Path(path)
    if not replace and path.exists():
        raise OutputError(
            f"{path.name} exists already", got=str(path), expected="a new name", todo="choose another name, or move it"
        )
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise OutputError(
            f"{path.name} could not be written",
            got=error.strerror or str(error),
            expected=f"{len(data):,} bytes of room and permission to write in {path.parent}",
            todo="make room or choose another folder, and run the command again; nothing that was there is lost",
        ) from error
