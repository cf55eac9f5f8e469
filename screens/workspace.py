"""Where the app keeps what people load and make: one folder a case, on disk before anything can fail.

    ASSAY_HOME/cases/ID/case.toml, data, model, run/...     ASSAY_HOME/jobs/ID/...

ASSAY_HOME defaults to `runs` beside app.py in a checkout, and to the person's data folder where Assay was installed.
Only ids go into addresses; an id that no case can have is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from audit import access
from audit.elsewhere import elsewhere
from audit.errors import DataError, InputError
from audit.files import private_folder, write_whole
from audit.sealed import inside, is_open, is_sealed, leftover, save
from screens import held

if TYPE_CHECKING:
    from reports.forget import Forgotten
    from reports.log.store import Entry

Result = TypeVar("Result")
ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "sample_data"
_ID = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[^\w.-]+")
"""Letters of any script stay in the names of files; blanks, signs and what a terminal obeys do not."""
LONGEST_NAME = 120
"""Bytes of a file's name: file systems take 255, and a number may follow."""


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """One case on disk. `sample` is the sample's case file where the case is one of ours."""

    id: str
    place: Path

    @property
    def file(self) -> Path:
        """The case file: the sample's own, or the one made on the set-up screen."""
        pointer = self.place / "sample"
        if pointer.exists():
            return SAMPLES / pointer.read_text().strip()
        return self.place / "case.toml"

    @property
    def run(self) -> Path:
        return self.place / "run"

    @property
    def allow(self) -> list[str]:
        """Command-line options for the model types that a person has allowed."""
        path = self.place / "allow"
        names = path.read_text().split() if path.exists() else []
        return [part for name in names for part in ("--allow", name)]

    @property
    def ready(self) -> bool:
        return self.file.exists() or self.sealed

    @property
    def sealed(self) -> bool:
        """Whether it is encrypted, and closed now."""
        return is_sealed(self.place) and not is_open(self.place)


def home() -> Path:
    """The folder of all cases and jobs."""
    if named := os.environ.get("ASSAY_HOME"):
        return Path(named)
    if (ROOT / "Makefile").exists():
        return ROOT / "runs"
    # Installed by pip: what people make does not belong beside the program.
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "assay"


def log_home() -> Path:
    """The folder of the log of issued reports: one for all cases of this workspace."""
    return home() / "log"


def acts_home() -> Path:
    """The folder of the log of who did what, where there are logins."""
    return home() / "acts"


def jobs_home() -> Path:
    return home() / "jobs"


def open_case(case_id: str) -> CaseFolder:
    """The case of this id. Raises InputError for an id that cannot be, or is gone, or is not for who is acting."""
    place = home() / "cases" / case_id
    # One answer for all three: who guesses an id does not learn whether it is somebody's.
    if _ID.fullmatch(case_id) is None or not place.is_dir() or not access.may("report", place):
        raise InputError(
            "this case is not on this machine",
            got=repr(case_id)[:60],
            expected="the address of a case that was loaded here",
            todo="start from the screen Set up",
        )
    held.keep(place)
    return CaseFolder(case_id, place)


def new_case() -> CaseFolder:
    """An empty folder for a new case."""
    case_id = secrets.token_hex(16)
    place = home() / "cases" / case_id
    access.demand("make")
    private_folder(place)
    access.claim(place)
    held.keep(place)
    return CaseFolder(case_id, place)


def sample_case(name: str) -> CaseFolder:
    """A new case that points at one of the samples, so that its folder holds results only."""
    known = {p.relative_to(SAMPLES).as_posix() for p in SAMPLES.rglob("*.toml") if "[case]" in p.read_text()}
    if name not in known:
        raise InputError("this is no sample", got=name, expected="a case file in sample_data")
    folder = new_case()
    write_whole(folder.place / "sample", name.encode())
    return folder


def keep_upload(folder: CaseFolder, name: str, content: bytes) -> Path:
    """Write an uploaded file into the case under a safe name; never over another."""
    access.demand("work", folder.place)
    safe = _safe(name)
    if not content:
        raise DataError(
            f"{name} is empty",
            got="0 bytes",
            expected="a table with a header line and rows",
            todo="choose another file",
        )
    path = folder.place / safe
    if path.exists() and path.read_bytes() == content:
        return path
    path = _free(path)
    write_whole(inside(folder.place, path.name), content)
    save(folder.place)
    return path


def keep_file(folder: CaseFolder, name: str, at: Path) -> Path:
    """Move an upload that lies on disk into the case under a safe name; never over another."""
    access.demand("work", folder.place)
    if not at.exists():
        raise DataError(f"{name} is no longer here", expected="an upload of this window", todo="choose the file again")
    path = _free(folder.place / _safe(name))
    shutil.move(at, inside(folder.place, path.name))
    save(folder.place)
    return path


def _safe(name: str) -> str:
    safe = _NAME.sub("_", Path(name).name).encode()[-LONGEST_NAME:].decode(errors="ignore")
    return safe.lstrip(".") or "upload"


def _free(path: Path) -> Path:
    """This path, or the next that nothing stands at."""
    stem, suffix = path.name.split(".", 1) if "." in path.name else (path.name, "")
    count = 1
    while path.exists():
        count += 1
        path = path.with_name(f"{stem}-{count}{'.' + suffix if suffix else ''}")
    return path


LARGE_BYTES = 8 << 20


def apart(function: Callable[..., Result], *args: Any, size: int) -> Result:
    """`function(*args)`; where the file of `size` bytes is large, in a process that gives its memory back."""
    return function(*args) if size < LARGE_BYTES else elsewhere(function, *args)


def forget_case(folder: CaseFolder, *, keep_reports: bool = False, dry: bool = False) -> Forgotten:
    """Remove a case and everything measured on it. Raises InputError while work on it runs."""
    from reports.forget import forget_folder

    to = home() / "reports" if keep_reports else None
    if not dry:
        held.let_go(folder.place)
    return forget_folder(folder.place, jobs_home(), reports_to=to, dry=dry)


def sweep() -> Forgotten:
    """Remove uploads that nobody came back to (reports.forget.ABANDONED_DAYS)."""
    from reports.forget import abandoned

    leftover(home() / "cases")
    return abandoned(home() / "cases", jobs_home())


def all_cases() -> list[CaseFolder]:
    """Every case on this machine that is for who is acting, the newest first."""
    base = home() / "cases"
    entries = base.iterdir() if base.is_dir() else ()
    places = [p for p in entries if _ID.fullmatch(p.name) and access.may("report", p)]
    places.sort(key=lambda p: p.stat().st_mtime, reverse=True)
    return [CaseFolder(p.name, p) for p in places]


def cases_of_report(certified: str, size: int) -> list[Path]:
    """The folders of this workspace that gave out the report with this certified revision, whoever asks, also where it
    was signed again since. size: its bytes."""
    from reports.issued import given_out

    base, folders = home() / "cases", []
    for place in sorted(base.iterdir()) if base.is_dir() else []:
        if _ID.fullmatch(place.name) and certified in given_out(place / "run"):
            folders.append(place)
            continue
        try:
            with (place / "run" / "report.pdf").open("rb") as stream:
                same = _ID.fullmatch(place.name) and hashlib.sha256(stream.read(size)).hexdigest() == certified
        except OSError:
            continue
        folders += [place] if same else []
    return folders


def entries_seen(entries: Sequence[Entry]) -> list[Entry]:
    """The entries of the log about reports that are for who is acting; all of them for who may read the log."""
    if access.may("log"):
        return list(entries)
    mine = {
        e["report"]
        for e in entries
        if e["type"] == "report" and any(access.may("report", p) for p in cases_of_report(e["report"], e["size"]))
    }
    return [e for e in entries if e.get("report") in mine]
