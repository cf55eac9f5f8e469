"""Files written whole or not at all, and canonical JSON."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from audit.errors import DataError, InputError, OutputError
from audit.numbers import many
from audit.places import refuse_another


def canonical(document: Any, *, compact: bool = False) -> bytes:
    """UTF-8 JSON in the order given, a line per value or (compact) none; NaN and infinity are refused (ValueError)."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    # json.dumps with an indent is Python's slow way; a formatter moves the same signs to lines of their own.
    return (text if compact else msgspec.json.format(text, indent=1)) + b"\n"


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write `content` beside `path` and rename it into place. Raises OutputError; what was there before stays.

    mode: who may read it, less what the umask takes away. Until it is whole only the owner can read it, so that a key
    (mode 0600) is never open to others.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode & ~_umask())
        os.replace(temporary, path)
        temporary = ""
    except OSError as error:
        raise OutputError(
            f"{path.name} could not be written",
            got=error.strerror or str(error),
            expected=f"room for {many(len(content), 'byte')} and permission to write in {path.parent}",
            todo="make room or name another folder with --out; what was there before is unchanged",
        ) from error
    finally:  # also where a person stops it
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_own(path: Path, content: bytes, *begins: bytes, holds: bytes = b"") -> None:
    """`write_whole` where a person names the file: over none but an earlier one of its kind, told by how it begins (as
    `content` does, unless `begins` says) or by what it holds. Raises OutputError."""
    refuse_another(path, *(begins or (() if holds else (content[:8],))), holds=holds)
    write_whole(path, content)


def write_new(path: Path, content: bytes) -> None:
    """Write a file for the owner alone (mode 0600, whatever the umask) that must not be there yet, whole or not at all.

    Raises FileExistsError, also where another process was faster, and OutputError.
    """
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links, such as that of a memory stick
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(content)
    except FileExistsError:
        raise
    except OSError as error:
        raise OutputError(
            f"{path.name} could not be written", got=error.strerror or str(error),
            expected=f"room and permission to write in {path.parent}", todo="name another place",
        ) from error  # fmt: skip
    finally:
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_once(path: Path, content: bytes) -> None:
    """Write a file that a person will edit, under a name that is free (mode as the umask has it).

    Raises InputError where something of that name is there, also where another process was faster, and OutputError.
    """
    try:
        write_new(path, content)
    except FileExistsError:
        raise InputError(
            f"{path.name!r} exists already", got=f"a file {path}", expected="a new name",
            todo="choose another, or remove it: nothing that a person wrote is overwritten",
        ) from None  # fmt: skip
    os.chmod(path, 0o666 & ~_umask())


def _umask() -> int:
    """What is taken away from others. Asking by setting it, the only way outside Linux, is a moment in which a file of
    another thread is open to everybody."""
    try:
        status = Path("/proc/self/status").read_text(errors="replace")
        return int(status.partition("\nUmask:")[2].split(maxsplit=1)[0], 8)
    except (OSError, ValueError, IndexError):
        mask = os.umask(0o077)
        os.umask(mask)
        return mask


def private_folder(path: Path) -> None:
    """Make `path`, and what is missing above it, for the owner alone (mode 0700). Raises OutputError."""
    try:
        for place in [*reversed(path.parents), path]:
            if not place.exists():
                place.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"the folder {path.name} could not be made", got=error.strerror or str(error),
            expected=f"permission to write in {path.parent}", todo="name another place",
        ) from error  # fmt: skip


def read_json(path: Path) -> Any:
    """The document in `path`. Raises DataError where it is missing or is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(
            f"{path.name} is missing", expected=f"a run folder that holds {path.name}", todo="run `assay audit` first"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path.name} cannot be read", got=str(error), expected="JSON written by Assay", todo="run the step again"
        ) from error
