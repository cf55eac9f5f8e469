"""What a model file is, judged by its content and never by its name, before anything is built from it."""

from __future__ import annotations

import hashlib
import io
import json
import pickletools
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from audit.errors import ModelError
from audit.models import advice
from audit.models.formats import FORMATS, in_words
from audit.models.trust import unknown_types
from audit.numbers import many

EXPECTED = f"a model as {in_words()}"
SIZE_LIMIT = 2 * 2**30
ENTRIES_LIMIT = 200_000
UNPACKED_LIMIT = 4 * 2**30
SCHEMA_LIMIT = 512 * 2**20
RATIO_LIMIT = 200
_RATIO_FLOOR = 64 * 2**20
"""An archive that unpacks to less than this is harmless whatever its ratio: a zero-filled array compresses well."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file that Assay can read. `unknown_types`: what a person must allow first (skops only)."""

    path: Path
    format: str
    sha256: str
    size: int
    unknown_types: tuple[str, ...] = ()


def is_safe(path: Path) -> bool:
    """Whether the file is in a format that is read without running what is in it."""
    try:
        describe(path)
    except ModelError:
        return False
    return True


def describe(path: str | Path) -> ModelFile:
    """What is in the file. Nothing is built and no code of the file runs.

    Raises ModelError for what is missing, empty, a folder, too large, a pickle, an archive bomb or unknown.
    """
    return describe_bytes(Path(path), read_bytes(Path(path)))


def read_bytes(path: Path) -> bytes:
    """The whole file. Raises ModelError where it is missing, empty, a folder or too large."""
    expected = EXPECTED
    try:
        if path.is_dir():
            problem, got, todo = advice.of_folder(path)
            raise ModelError(f"the model {path.name!r} {problem}", got=got, expected=expected, todo=todo)
        size = path.stat().st_size
        if size > SIZE_LIMIT:
            raise ModelError(
                f"the model file {path.name!r} is too large",
                got=many(size, "byte"),
                expected=f"at most {SIZE_LIMIT:,} bytes",
                todo=advice.COLUMN,
            )
        if not path.is_file():
            raise ModelError(
                f"the model {path.name!r} is no ordinary file", expected=expected, todo="name a model file"
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(
            f"the model file {path.name!r} does not exist",
            got=str(path),
            expected=expected,
            todo="correct `path` under [model]; it is read beside the case file",
        ) from error
    except OSError as error:
        raise ModelError(
            f"the model file {path.name!r} cannot be read",
            got=error.strerror or str(error),
            expected=expected,
            todo="check the permissions of the file",
        ) from error
    if not content:
        raise ModelError(
            f"the model file {path.name!r} is empty",
            got="0 bytes",
            expected=expected,
            todo="save the model again; an interrupted download or a full disk leaves an empty file",
        )
    return content


def describe_bytes(path: Path, content: bytes) -> ModelFile:
    """As `describe`, of bytes already read."""
    kind = _format(path.name, content)
    unknown: tuple[str, ...] = ()
    if kind == "group-thresholds":
        from audit.models.thresholds_model import read_rule

        base = read_rule(content, path.name).base
        # The model inside is judged as if it were given by itself.
        if base is not None:
            inner = describe_bytes(path, base[1])
            if inner.format != base[0] or inner.format == kind:
                _refuse(path.name, "holds another kind of model than it says", inner.format, _again(path.name))
            unknown = inner.unknown_types
    if kind == "skops":
        unknown = unknown_types(_schema(path.name, content))
    return ModelFile(path, kind, hashlib.sha256(content).hexdigest(), len(content), unknown)


def _format(name: str, content: bytes) -> str:
    for form in (f for f in FORMATS.values() if f.signed):
        if form.known(content):
            if damage := form.damage(content):
                _refuse(name, *damage, _again(name))
            return form.name
    reason = advice.of_file(name, content)
    if reason is not None:
        _refuse(name, *reason)
    if _is_pickle(content):
        _refuse(name, *advice.of_pickle(name, content))
    for form in (f for f in FORMATS.values() if not f.signed):
        if form.known(content):
            return form.name
    _refuse(
        name, "is not a model that Assay knows", _sample(content[:60]), f"save it as {in_words()}; or {advice.COLUMN}"
    )


def _is_pickle(content: bytes) -> bool:
    """True where the bytes read as pickle instructions; they are listed, never carried out."""
    if content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return True
    if content.rstrip()[-1:] != b"." and b"\x93NUMPY" not in content:
        return False
    try:
        for count, (opcode, _argument, _at) in enumerate(pickletools.genops(io.BytesIO(content[: 2**20]))):
            if opcode.name == "STOP":
                return count >= 2
            if count > 200:
                return True
    except Exception:
        # Whatever it is, it is no stream of pickle instructions.
        return False
    return False


def _schema(name: str, content: bytes) -> Any:
    """The parsed schema.json of a skops archive, after the checks against archive bombs."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {e.filename for e in archive.infolist()}
            _check_size(name, archive.infolist(), len(content))
            if "schema.json" not in names:
                _refuse(name, *advice.of_archive(name, names))
            if archive.getinfo("schema.json").file_size > SCHEMA_LIMIT:
                _refuse_bomb(name, "a schema.json over the limit", f"at most {SCHEMA_LIMIT:,} bytes")
            return json.loads(archive.read("schema.json"))
    except ModelError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, OSError, NotImplementedError, KeyError) as error:
        _refuse(name, "is a skops archive that was cut short or damaged", str(error), _again(name))
    except (ValueError, RecursionError, MemoryError, RuntimeError) as error:
        _refuse(name, "is a skops archive whose schema.json cannot be read", type(error).__name__, _again(name))
    except Exception as error:  # zlib.error and what else a damaged stream brings
        _refuse(name, "is a skops archive that was cut short or damaged", str(error), _again(name))


def _check_size(name: str, entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Refuse an archive, itself of `size` bytes, that unpacks to too much, or that is encrypted."""
    total = sum(e.file_size for e in entries)
    packed = max(sum(e.compress_size for e in entries), 1)
    if len(entries) > ENTRIES_LIMIT:
        _refuse_bomb(name, many(len(entries), "entry"), f"at most {ENTRIES_LIMIT:,}")
    if total > UNPACKED_LIMIT:
        _refuse_bomb(name, f"{many(total, 'byte')} unpacked", f"at most {UNPACKED_LIMIT:,}")
    if total > _RATIO_FLOOR and total / min(packed, size) > RATIO_LIMIT:
        _refuse_bomb(
            name, f"it unpacks to {many(round(total / packed), 'time')} its size", f"at most {RATIO_LIMIT} times"
        )
    if any(e.flag_bits & 1 for e in entries):
        _refuse(name, "is an encrypted archive", "an encrypted zip file", "save the model without a password")


def _again(name: str) -> str:
    return f"save or copy {name!r} again; compare its size with the original's"


def _sample(head: bytes) -> str:
    text = head[:60]
    if all(32 <= b < 127 or b in b"\t\r\n" for b in text):
        return "text that starts with " + repr(text.decode("ascii").split("\n")[0])
    return "bytes that start with " + text[:8].hex(" ")


def _refuse(name: str, problem: str, got: str, todo: str) -> NoReturn:
    raise ModelError(f"the file {name!r} {problem}", got=got, expected=EXPECTED, todo=todo)


def _refuse_bomb(name: str, got: str, expected: str) -> NoReturn:
    raise ModelError(
        f"the archive {name!r} unpacks to more than a model does",
        got=got,
        expected=expected,
        todo="save the model again with skops.io.dump; if it really is this large, audit a column of its scores",
    )
