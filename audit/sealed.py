"""A case encrypted at rest with age, and opened into a private folder while it is used.

    ASSAY_RECIPIENT="age1... age1..."     who can open what is sealed: two, so that a lost key loses nothing
    ASSAY_IDENTITY=/path/keys.txt         the secret key (mode 0600), where cases have to be opened

    cases/ID/case.age                     data, model, case file and run folder, as one age file of a tar
    cases/ID/.open -> PRIVATE/case        while it is open, and a link to each thing in it; PRIVATE has mode 0700 and
                                          lies in memory (/dev/shm) where there is such a place, or in ASSAY_PRIVATE

Who uses a case takes hold of it: a shared lock on cases/ID/.use, which the kernel lets go of when its holder ends,
however it ends. A guardian, a process of its own, waits for the last one, seals what is there now, and removes the
private folder; so a killed job, or a killed server, leaves nothing open. Sealing needs no secret.

In clear beside it stay whose the case is, holds, notes of what was purged, and the signed report, which names nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from audit.age import RECIPIENT, encrypt, extract, pyrage_here
from audit.errors import InputError
from audit.files import canonical, write_whole

PRIVATE = "ASSAY_PRIVATE"
SEALED, OPEN, OPENING, WHOM = "case.age", ".open", ".opening", "sealed.json"
USE, DOOR, GUARD = ".use", ".door", ".guard"
CLEAR = frozenset({"owner.json", "hold.json", "purged.json", SEALED, OPEN, OPENING, WHOM, USE, DOOR, GUARD})
REPORT = "report.pdf"
ROOT = Path(__file__).resolve().parents[1]
_ID = re.compile(r"[0-9a-f]{32}")
_PRIVATE_NAME = re.compile(r"assay-(?:[0-9a-f]{16}|[0-9a-z_]{8})")
"""The shorter ones are of version 0.8.0 and before."""
BEFORE: list[Callable[[Path], object]] = []
"""Called with the run folder of a case in clear that is to be sealed: what was kept of it outside goes."""


def recipients() -> tuple[str, ...]:
    """Whom cases are sealed for, as the environment says; () where nothing is sealed."""
    return tuple(re.split(r"[\s,]+", value)) if (value := os.environ.get(RECIPIENT, "").strip()) else ()


def is_sealed(place: Path) -> bool:
    """Whether the case in this folder is kept sealed (it may be open now)."""
    return (place / WHOM).exists()


def is_open(place: Path) -> bool:
    """Whether its private folder is there."""
    return (place / OPEN).exists()


def kept_sealed(path: Path) -> bool:
    """Whether what is written of this run folder has to be sealed: cases are, or the one that it lies in is."""
    path = outer(path)
    return bool(recipients()) or any(is_sealed(p) for p in (path, *path.parents) if p.parent.name == "cases")


def outer(path: Path) -> Path:
    """The path with links resolved down to the folder of a case, and none within it: what is open lies elsewhere."""
    path = Path(os.path.abspath(path))
    for place in (path, *path.parents):
        if place.parent.name == "cases" and _ID.fullmatch(place.name):
            return place.parent.resolve() / place.name / path.relative_to(place)
    return path.resolve()


class Hold:
    """Keeps a case open until `close`, or until this process and those that were handed `fd` have ended."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Let go. The guardian seals the case when the last one has."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def hold(place: Path) -> Hold | None:
    """Open the case in this folder where it is sealed, or seal it from now on where ASSAY_RECIPIENT is set; None for
    neither. Raises InputError where the key or pyrage is not here, DataError where the file was changed."""
    if not is_sealed(place) and not recipients():
        return None
    with _locked(place / DOOR):
        if not is_open(place):
            _open(place)
        elif (place / OPENING).is_symlink():  # who opened or closed it was killed between two links
            _lay_out(place)
        _guard(place)
        fd = _lock_file(place / USE)
        fcntl.flock(fd, fcntl.LOCK_SH)
        return Hold(fd)


def inside(place: Path, name: str) -> Path:
    """Where a new file of this case is to be written, so that it is nowhere in clear; a link leads there."""
    if not is_open(place):
        return place / name
    with contextlib.suppress(FileExistsError):
        (place / name).symlink_to(Path(OPEN) / name)
    return place / OPEN / name


def save(place: Path) -> None:
    """Seal what an open case holds now, and leave it open: a power cut loses nothing that was there before."""
    with _locked(place / DOOR):
        if is_open(place):
            _seal(place)
            _link(place, (place / OPEN).resolve())


def private_tmp(place: Path) -> Path | None:
    """A folder for what work on an open case spills; it goes with the rest."""
    if not is_open(place):
        return None
    folder = (place / OPEN).resolve().parent / "tmp"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def drop(place: Path) -> None:
    """Before the case is deleted: remove its private folder. Raises InputError while somebody has hold of it."""
    if not any((place / name).is_symlink() for name in (OPEN, OPENING)):
        return
    with _locked(place / DOOR), _alone(place) as free:
        if not free:
            raise InputError("this case is in use", got=place.name[:8], expected="nobody who works on it",
                             todo="wait until it has ended; nothing was deleted")  # fmt: skip
        _remove_half_open(place)
        _remove(place)


def lock(place: Path) -> None:
    """Seal a case now. Raises InputError without ASSAY_RECIPIENT, or while somebody has hold of it."""
    if not is_sealed(place) and not recipients():
        raise InputError("nobody is named who could open it again", got=f"no {RECIPIENT}",
                         expected=f'{RECIPIENT}="age1..."', todo="make a key with age-keygen")  # fmt: skip
    with _locked(place / DOOR), _alone(place) as free:
        if not free:
            raise InputError("this case is in use", got=place.name[:8], todo="wait until it has ended")
        if not is_open(place) and not (place / SEALED).exists():
            _open(place)
        if is_open(place):
            _close(place)


def unlock(place: Path) -> None:
    """Write a case back in clear and keep it so. Raises as `hold`, and InputError while somebody has hold of it."""
    if not is_sealed(place):
        raise InputError("this case is not sealed", got=place.name[:8], todo="nothing has to be done")
    with _locked(place / DOOR), _alone(place) as free:
        if not free:
            raise InputError("this case is in use", got=place.name[:8], todo="wait until it has ended")
        if not is_open(place):
            _open(place)
        _seal(place)  # who is killed from here on loses nothing
        private = (place / OPEN).resolve()
        _name_private(place, private.parent)
        _unlink(place)
        for path in sorted(private.iterdir()):
            _move(path, place / path.name)
        for name in (SEALED, WHOM):
            (place / name).unlink(missing_ok=True)
        _remove_half_open(place)


def leftover(cases: Path) -> int:
    """At the start of a server: send a guardian to each case that was left open. How many there were."""
    for half in cases.glob(f"*/{OPENING}"):
        with _locked(half.parent / DOOR):
            _remove_half_open(half.parent)
    places = [p.parent for p in cases.glob(f"*/{OPEN}")]
    for place in places:
        _guard(place)
    return len(places)


class _Recipients(msgspec.Struct, frozen=True):
    recipients: tuple[str, ...]


def _whom(place: Path) -> list[Any]:
    pyrage = pyrage_here()
    try:
        named = recipients() or msgspec.json.decode((place / WHOM).read_bytes(), type=_Recipients).recipients
        return [pyrage.x25519.Recipient.from_str(name) for name in named]
    except (OSError, ValueError, msgspec.MsgspecError, pyrage.RecipientError) as error:
        raise InputError(f"{RECIPIENT} names nobody that age knows", got=str(error), expected="age1...",
                         todo="make a key with age-keygen") from error  # fmt: skip


def _base() -> str | None:
    if named := os.environ.get(PRIVATE):
        return named
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _open(place: Path) -> None:
    """A private folder with what is sealed, or with what lies here in clear; the door is locked."""
    whom = _whom(place)
    _remove_half_open(place)
    private = _new_name(Path(_base() or tempfile.gettempdir()))
    _name_private(place, private.absolute())  # first: who is killed from here on is swept by it
    private.mkdir(mode=0o700)
    inner = private / "case"
    inner.mkdir(mode=0o700)
    try:
        if (place / SEALED).exists():
            extract(place / SEALED, inner)
            with contextlib.suppress(OSError):
                shutil.rmtree(place / "run")
        else:
            assert whom
            for forget in BEFORE:
                forget(place / "run")
            write_whole(place / WHOM, canonical({"recipients": list(recipients())}), mode=0o600)
    except BaseException:
        _remove_half_open(place)
        raise
    (place / OPEN).unlink(missing_ok=True)
    (place / OPEN).symlink_to(inner)
    _lay_out(place)
    if not (place / SEALED).exists():
        _seal(place)


def _lay_out(place: Path) -> None:
    """What lies in clear goes in, and a link to each thing that is in the private folder comes out."""
    inner = (place / OPEN).resolve()
    _take_in(place, inner)
    (inner / "run").mkdir(mode=0o700, exist_ok=True)
    _link(place, inner)
    (place / OPENING).unlink()


def _name_private(place: Path, private: Path) -> None:
    """Note which folder has to go where nothing else leads to it: it is half opened, or half closed."""
    (place / OPENING).unlink(missing_ok=True)
    (place / OPENING).symlink_to(private)


def _remove_half_open(place: Path) -> None:
    """What was left in clear by who was killed while it opened or closed; the door is locked."""
    if not (place / OPENING).is_symlink():
        return
    private = Path(os.readlink(place / OPENING))
    if is_open(place) and private.resolve() == (place / OPEN).resolve().parent:
        return  # in use, perhaps; its links are laid by who takes hold of it
    if _is_private(private):
        shutil.rmtree(private, ignore_errors=True)
    (place / OPENING).unlink()


def _new_name(base: Path) -> Path:
    return base / f"assay-{secrets.token_hex(8)}"


def _is_private(folder: Path) -> bool:
    """Whether it is such a folder as is made here: who may write the case may have written what names it."""
    try:
        state = folder.lstat()
    except OSError:
        return False
    own = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o077
    return own and folder.is_absolute() and _PRIVATE_NAME.fullmatch(folder.name) is not None


def _link(place: Path, inner: Path) -> None:
    for path in inner.iterdir():
        with contextlib.suppress(FileExistsError):
            (place / path.name).symlink_to(Path(OPEN) / path.name)


def _take_in(place: Path, inner: Path) -> None:
    """What lies in clear in the folder of the case goes into the private one."""
    for path in sorted(place.iterdir()):
        if path.name in CLEAR or path.is_symlink():
            continue
        if path.name.startswith(f".{SEALED}."):  # half an age file, of who was killed while it wrote
            path.unlink()
        else:
            _move(path, inner / path.name)


def _move(path: Path, to: Path) -> None:
    if to.is_dir() and path.is_dir():
        for inner in sorted(path.iterdir()):
            _move(inner, to / inner.name)
        shutil.rmtree(path)
        return
    with contextlib.suppress(FileNotFoundError):
        to.unlink()
    shutil.move(path, to)


def _close(place: Path) -> None:
    """Seal what is open and remove it; the door is locked and nobody has hold of the case."""
    _seal(place)
    report = (place / OPEN).resolve() / "run" / REPORT
    content, when = (report.read_bytes(), report.stat().st_mtime) if report.is_file() else (None, 0.0)
    _remove(place)
    if content is not None:
        write_whole(place / "run" / REPORT, content, mode=0o600)
        os.utime(place / "run" / REPORT, (when, when))


def _seal(place: Path) -> None:
    """Write the age file anew from what is open, whole or not at all."""
    inner = (place / OPEN).resolve()
    _take_in(place, inner)
    newest = max([p.lstat().st_mtime for p in inner.rglob("*") if p.is_file()], default=None)
    handle, temporary = tempfile.mkstemp(dir=place, prefix=f".{SEALED}.")
    try:
        with os.fdopen(handle, "wb") as sink:
            encrypt(inner, sink, _whom(place))
            sink.flush()
            os.fsync(sink.fileno())
        if newest is not None:
            os.utime(temporary, (newest, newest))  # how long it is kept counts from its last change
        os.replace(temporary, place / SEALED)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _unlink(place: Path) -> None:
    for path in sorted(place.iterdir(), key=lambda p: p.name == OPEN):  # last: it says that the case is open
        if path.is_symlink() and path.name != OPENING:
            path.unlink()


def _remove(place: Path) -> None:
    """The private folder gets another name first: half of one that a link calls open would be sealed over the whole."""
    private = (place / OPEN).resolve().parent
    if is_open(place) and _is_private(private):
        other = _new_name(private.parent)
        _name_private(place, other)
        private.rename(other)
    _remove_half_open(place)
    _unlink(place)


def _lock_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    fd = _lock_file(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[bool]:
    """Whether nobody has hold of the case; while this lasts nobody takes hold of it."""
    fd = _lock_file(place / USE)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def _guard(place: Path) -> None:
    """Start a guardian where none is there. In a session of its own, so that what ends its starter does not end it."""
    guardian = subprocess.Popen(
        [sys.executable, "-m", "audit.sealed", str(place.absolute())],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    threading.Thread(target=guardian.wait, name="guardian", daemon=True).start()


def main(place: Path) -> None:
    """The guardian of one case: wait until nobody has hold of it, seal it, end."""
    if not place.is_dir():
        return
    guard = _lock_file(place / GUARD)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    while (place / OPEN).is_symlink():
        with _locked(place / USE):
            pass
        if not place.is_dir():
            return
        with _locked(place / DOOR), _alone(place) as free:
            if free:
                if is_open(place):
                    _close(place)
                else:
                    _unlink(place)
                return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
