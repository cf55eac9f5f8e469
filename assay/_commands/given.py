"""What several commands read from the person who runs them: files, and the password of a key."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audit.errors import InputError, KeyFileError

if TYPE_CHECKING:
    from audit.case import Case
    from reports.sign import Validation


def password(file: Path | None, *, new: bool = False) -> bytes:
    """From --password-file, the variable ASSAY_KEY_PASSWORD, or a prompt."""
    if str(file) == "-":
        return sys.stdin.buffer.readline(4096).rstrip(b"\r\n")
    if file:
        return read(file).rstrip(b"\r\n")
    if "ASSAY_KEY_PASSWORD" in os.environ:
        return os.environ["ASSAY_KEY_PASSWORD"].encode()
    if not sys.stdin.isatty():
        raise KeyFileError(
            "the key needs its password",
            got="no terminal to ask on",
            expected="the variable ASSAY_KEY_PASSWORD, or --password-file FILE",
            todo="set one of them",
        )
    from getpass import getpass

    first = getpass("Password of the key: ")
    if new and getpass("Once more: ") != first:
        raise KeyFileError("the two passwords differ", todo="type the same password twice")
    return first.encode()


def case_of(path: Path, offline: bool) -> Case:
    """The case in a file; with --offline its endpoint is answered from what is kept."""
    from audit.case import offline as kept_only
    from audit.load import load_case

    return kept_only(load_case(path)) if offline else load_case(path)


def read(path: Path, most: int = -1) -> bytes:
    """The file, or its first `most` bytes."""
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read",
            got=error.strerror or str(error),
            expected="a readable file",
            todo="check the path",
        ) from error


def validation(trust: Path | None, crl: Sequence[Path]) -> Validation | None:
    """What keeps a signature checkable later (--trust, --crl), or None."""
    from reports.sign import Validation

    if crl and not trust:
        raise InputError("a revocation list needs the root it belongs to", expected="--trust CA.pem beside --crl FILE")
    return Validation(read(trust), tuple(read(c) for c in crl)) if trust else None
