"""TOML in and out: a reader that names what is wrong, and a small writer."""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from audit.errors import CaseError, InputError, nearest
from audit.numbers import brief, many
from audit.places import no_name

MAX_BYTES = 1_000_000

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def parse(file: Path, error: type[InputError], what: str) -> tuple[dict[str, Any], bytes]:
    """The document in `file` and its bytes. Raises `error` where it is missing or is no TOML."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise error(
                f"the {what} file {file.name!r} is too large",
                got=many(file.stat().st_size, "byte"),
                expected=f"TOML text of at most {MAX_BYTES:,} bytes",
                todo="name the case file, not the data",
            )
        content = file.read_bytes()
    except FileNotFoundError:
        known = sorted(p.name for p in file.parent.glob("*.toml")) if file.parent.is_dir() else []
        raise error(
            f"the {what} file {file.name!r} does not exist",
            got=f"nothing at {file}",
            expected="a TOML file",
            todo=f"check the path; {nearest(file.name, known)}" if known else "check the path",
        ) from None
    except OSError as problem:
        raise error(
            f"the {what} file {file.name!r} cannot be read",
            got=problem.strerror or str(problem),
            expected="a TOML file that this user may read",
            todo="check the path and the permissions",
        ) from problem
    try:
        return tomllib.loads(content.decode("utf-8-sig")), content
    except UnicodeDecodeError:
        raise error(
            f"the {what} file {file.name!r} is not text in UTF-8",
            got="UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "bytes that are not UTF-8",
            expected="TOML in UTF-8",
            todo="save it again as UTF-8",
        ) from None
    except (tomllib.TOMLDecodeError, RecursionError) as problem:
        raise error(
            f"the {what} file {file.name!r} is not valid TOML",
            got=str(problem) or type(problem).__name__,
            expected='lines such as name = "Adult income" under [case]',
            todo="correct that line; text needs quotation marks, and a name stands only once",
        ) from problem


class Reader:
    """Takes values out of one TOML table by name and type, and refuses what is wrong."""

    def __init__(self, table: Mapping[str, Any], where: str, error: type[InputError]) -> None:
        self.table = table
        self.where = where
        self.error = error

    def allow(self, *names: str) -> None:
        """Refuse every key that is not one of `names`."""
        for key in self.table:
            if key not in names:
                raise self.error(
                    f"{self.where} has an unknown key {key!r}",
                    got=repr(key),
                    expected="one of " + ", ".join(names),
                    todo=f"{nearest(key, names)} Correct the name or remove the line",
                )

    def missing(self, key: str) -> InputError:
        """The refusal for a key that is not there."""
        return self.error(
            f"{self.where} lacks the key {key!r}",
            got="the keys " + ", ".join(repr(k) for k in self.table) if self.table else "no keys",
            expected=f"{key} = ...",
            todo=f"add `{key}`; docs/case-file.md says what it means",
        )

    def wrong(self, key: str, expected: str) -> InputError:
        """The refusal for a value of the wrong type or range."""
        return self.error(
            f"{key!r} in {self.where} cannot be used",
            got=f"{key} = {self.table[key]!r}",
            expected=expected,
            todo=f"correct `{key}`",
        )

    def text(self, key: str, *, required: bool = False) -> str | None:
        """A text that is not empty, or None where the key is not there."""
        if key not in self.table:
            if required:
                raise self.missing(key)
            return None
        value = self.table[key]
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(key, "text in quotation marks, not empty")
        return value

    def value(self, key: str, *, required: bool = False) -> str | None:
        """A value of a column: text, a number or true/false, as its name."""
        from audit.load.values import name_of

        if key not in self.table:
            if required:
                raise self.missing(key)
            return None
        value = self.table[key]
        if isinstance(value, (dict, list)) or value == "" or (isinstance(value, float) and not math.isfinite(value)):
            raise self.wrong(key, "one value: text in quotation marks, a number, true or false")
        return name_of(value)

    def texts(self, key: str, *, required: bool = False) -> tuple[str, ...] | None:
        """A list of different texts, or None where the key is not there."""
        if key not in self.table:
            if required:
                raise self.missing(key)
            return None
        value = self.table[key]
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.wrong(key, f'a list of column names, such as {key} = ["sex", "race"]')
        if len(set(value)) < len(value):
            raise self.wrong(key, "each name once")
        return tuple(value)

    def number(
        self, key: str, *, low: float = -math.inf, high: float = math.inf, required: bool = False
    ) -> float | None:
        """A finite number from low to high, or None where the key is not there."""
        if key not in self.table:
            if required:
                raise self.missing(key)
            return None
        value = self.table[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.wrong(key, "a number")
        if not low <= value <= high:
            raise self.wrong(key, f"a number from {brief(low)} to {brief(high)}")
        return float(value)

    def choice(self, key: str, known: Iterable[str]) -> str:
        """One of `known`."""
        value = self.text(key, required=True)
        if value not in (names := tuple(known)):
            raise self.error(
                f"{key!r} in {self.where} is not known",
                got=repr(value),
                expected="one of " + ", ".join(names),
                todo=nearest(str(value), names),
            )
        return value

    def section(self, key: str, *, required: bool = False) -> dict[str, Any]:
        """A table; an empty one where it is not there."""
        if key not in self.table:
            if required:
                raise self.missing(key)
            return {}
        value = self.table[key]
        if not isinstance(value, dict):
            raise self.wrong(key, f"a section [{key}] with keys of its own")
        return value

    def tables(self, key: str) -> list[dict[str, Any]]:
        """A list of tables ([[key]]); empty where it is not there."""
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.wrong(key, f"sections that begin with [[{key}]]")
        return value


def quote(text: str) -> str:
    """A TOML basic string. Raises ValueError for a lone surrogate, which no TOML file can hold."""
    text.encode()
    out = []
    for char in text:
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif ord(char) < 0x20 or ord(char) == 0x7F:
            out.append(f"\\u{ord(char):04X}")
        else:
            out.append(char)
    return '"' + "".join(out) + '"'


def key(name: str) -> str:
    """A TOML key, bare where it may be."""
    return name if _BARE.fullmatch(name) else quote(name)


def write(value: Any) -> str:
    """One TOML value: text, whole or broken number, boolean, list, or inline table."""
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("a number that is not finite")
        return str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key(k)} = {write(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(write(v) for v in value) + "]"


def resolve_path(folder: Path, name: str) -> Path:
    """The absolute path of `name`, read beside the file that names it. Raises CaseError for what can be no name."""
    path = Path(os.path.abspath(folder / name))
    if (why := no_name(path)) is not None:
        raise CaseError(
            "a path names no file", got=f"{why}: {name[:60]!r}", expected="a name that files can have",
            todo="correct the path",
        )  # fmt: skip
    return path


def relative(path: Path, folder: Path) -> str:
    """The path as it is written in a file of `folder`."""
    return Path(os.path.relpath(path, folder)).as_posix()
