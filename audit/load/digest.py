"""Which files a path names, and the hash of their bytes."""

from __future__ import annotations

import glob
import hashlib
from pathlib import Path

import msgspec

from audit.errors import DataError, nearest
from audit.load import lakes
from audit.load.kinds import in_words
from audit.numbers import many

_CHUNK = 1 << 20


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that `path` names, in order of name: one, or those that a glob matches (* ? [...]).

    Raises DataError where there is none, or where one is no ordinary file.
    """
    path = Path(path)
    if path.exists() or not glob.has_magic(str(path)):
        files = [path]
    else:
        files = [Path(p) for p in sorted(glob.glob(str(path), recursive=True)) if not Path(p).is_dir()]
        if not files:
            raise DataError(
                f"no file matches {path.name!r}",
                got=f"0 files in {path.parent}",
                expected="at least one",
                todo="check `path` in the case file; it is beside the case file",
            )
    for file in files:
        if (lake := lakes.within_lake(file)) is not None:
            raise DataError(
                f"{file.name!r} is a part of the {lakes.NAMES[str(lakes.lake_of(lake))]} table {lake.name!r}",
                got=f"{many(len(files), 'file')} of it, or more",
                expected="the folder of the table: its files hold deleted rows too, and not which are deleted",
                todo=f"name the folder: path = {lake.name!r}",
            )
        if not file.exists():
            folder = file.parent
            known = [p.name for p in folder.iterdir()] if folder.is_dir() else []
            if gone := removed(file):
                raise DataError(
                    f"the file {file.name!r} was deleted, as it had been kept long enough", got=gone,
                    expected="a file that is still kept", todo="what was measured on it, and the report, are here",
                )  # fmt: skip
            raise DataError(
                f"the file {file.name!r} does not exist",
                got=f"nothing at {file}",
                expected=f"a table: {in_words()}",
                todo=f"check the path; {nearest(file.name, known)}" if known else "check the path",
            )
        if not file.is_file():
            raise DataError(
                f"{file.name!r} is no file that can be read as a table",
                got="a folder" if file.is_dir() else "a device or a pipe",
                expected=f"a table: {in_words()}",
                todo=f"for a folder of files, write a glob: {file.name}/*.parquet" if file.is_dir() else "name a file",
            )
    return tuple(files)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, in hex.

    For a glob: the sha256 of the files' own hashes, sorted, each with a line end. It depends on what is in the files,
    not on their names. Raises DataError where a file is missing or cannot be read.
    """
    files = tuple(lakes.files_in(Path(path))) if lakes.lake_of(Path(path)) is not None else files_of(path)
    if len(files) == 1:
        return _sha256(files[0])
    lines = "".join(f"{digest}\n" for digest in sorted(_sha256(f) for f in files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise unreadable(file, error) from error
    return digest.hexdigest()


def unreadable(file: Path, error: OSError) -> DataError:
    """The refusal for a file that the system does not let us read."""
    return DataError(
        f"{file.name!r} cannot be read",
        got=error.strerror or type(error).__name__,
        expected="a file that this user may read",
        todo="check the file's permissions",
    )


class _Purged(msgspec.Struct, frozen=True):
    """A line of purged.json."""

    file: str
    time: str
    by: str
    rule: str


def removed(file: Path) -> str:
    """When a purge removed this file, by whom and by which rule (reports/purge.py notes it beside); "" if none did."""
    try:
        notes = msgspec.json.decode((file.parent / "purged.json").read_bytes(), type=list[_Purged])
        note = next(n for n in reversed(notes) if n.file == file.name)
        return f"deleted on {note.time[:10]} by {note.by} ({note.rule})"
    except (OSError, msgspec.MsgspecError, StopIteration):
        return ""
