"""An age file of a tar: a folder packed for those who may open it, and unpacked with the key that is here."""

from __future__ import annotations

import os
import tarfile
import threading
from pathlib import Path
from typing import Any, BinaryIO

from audit.errors import DataError, InputError

RECIPIENT, IDENTITY = "ASSAY_RECIPIENT", "ASSAY_IDENTITY"


def pyrage_here() -> Any:
    """The package, which is optional. Raises InputError where it is not installed."""
    try:
        import pyrage
    except ImportError as error:
        raise InputError(
            "cases are to be sealed, and what seals them is not installed", got="no package pyrage",
            expected="pyrage, as in requirements/sealed.in", todo="pip install pyrage",
        ) from error  # fmt: skip
    return pyrage


def identities() -> list[Any]:
    """The secret keys in the file that IDENTITY names. Raises InputError where there is none, or others can read it."""
    pyrage, path = pyrage_here(), Path(os.environ.get(IDENTITY, ""))
    if not os.environ.get(IDENTITY) or not path.is_file():
        raise InputError("this case is sealed, and its key is not here", got=f"no file in {IDENTITY}",
                         expected=f"{IDENTITY}=/path/keys.txt", todo="ask who looks after this server")  # fmt: skip
    if path.stat().st_mode & 0o077:
        raise InputError("others can read the key of sealed cases", got=oct(path.stat().st_mode & 0o777),
                         expected="0o600", todo=f"chmod 600 {path}")  # fmt: skip
    lines = [w for w in path.read_text().split() if w.startswith("AGE-SECRET-KEY-")]
    try:
        return [pyrage.x25519.Identity.from_str(w) for w in lines]
    except pyrage.IdentityError as error:
        raise InputError("the key of sealed cases cannot be read", got=path.name, expected="AGE-SECRET-KEY-...",
                         todo="make one with age-keygen") from error  # fmt: skip


def extract(sealed: Path, inner: Path) -> None:
    """Unpack an age file into a folder. Raises InputError without a key, DataError where it is broken or another's."""
    pyrage, keys = pyrage_here(), identities()
    read, write = os.pipe()
    failed: list[BaseException] = []

    def decrypt() -> None:
        try:
            with open(sealed, "rb") as source, os.fdopen(write, "wb") as sink:
                pyrage.decrypt_io(source, sink, keys)
        except BaseException as error:  # read by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=decrypt, daemon=True)
    thread.start()
    try:
        with os.fdopen(read, "rb") as source, tarfile.open(fileobj=source, mode="r|") as tar:
            tar.extractall(inner, filter="data")
            while source.read(1 << 20):
                pass
    except (tarfile.TarError, OSError) as error:
        failed.append(error)
    thread.join()
    if failed:
        raise DataError("the sealed case cannot be opened", got=f"{type(failed[0]).__name__}: {failed[0]}",
                        expected="a file sealed for the key that is here", todo="bring the other key, or a copy",
                        ) from failed[0]  # fmt: skip


def encrypt(inner: Path, sink: BinaryIO, whom: list[Any]) -> None:
    """Pack what is in a folder for these recipients (of pyrage)."""
    read, write = os.pipe()
    failed: list[BaseException] = []

    def pack() -> None:
        try:
            with os.fdopen(write, "wb") as stream, tarfile.open(fileobj=stream, mode="w|") as tar:
                for path in sorted(inner.iterdir()):
                    tar.add(path, arcname=path.name)
        except BaseException as error:  # read by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=pack, daemon=True)
    thread.start()
    with os.fdopen(read, "rb") as source:
        pyrage_here().encrypt_io(source, sink, whom)
    thread.join()
    if failed:
        raise failed[0]
