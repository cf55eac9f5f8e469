"""`assay forget`: a case goes, with its data. What is ours is deleted; what a person brought stays, and is named.

Three things can be forgotten: a case of the app's workspace (its folder is ours, with the copies of data and model in
it), a run folder (only what Assay writes; other files in it stay), and uploads that nobody came back to.
A deletion unlinks. It does not overwrite: what a disk gives back is a matter of the disk's encryption.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import access, answers
from audit.case import COPIES, Case
from audit.errors import InputError, OutputError
from audit.files import private_folder
from audit.numbers import many
from audit.sealed import drop, is_sealed, outer
from debias import jobs

ABANDONED_DAYS = 7
"""Uploads that were never made a case, and what is left of unfinished work, go after so many days without a change."""
_FILES = frozenset(
    "search.part.json watch.json watch-demo.json demo.json demo-key.p12 running.json head.json alerts.jsonl "
    "answers.jsonl modelcard.md provenance.json mlbom.cdx.json mitigated.json mitigated.onnx mitigated.skops "
    "mitigated.txt watch.db watch.db-wal watch.db-shm watch.db-journal".split()
)
CASE = "case.toml"
_FOLDERS = frozenset((".store", "models", "incoming"))
_GOING = ".going"
_OURS = b'"assay/'
_ID = re.compile(r"[0-9a-f]{32}")
_HALF = re.compile(r"\.(.+)\.[a-z0-9_]{8}")
_KEYS = (".p12", ".pfx")
_NOTES = {".json", ".txt"}
HOLD = "hold.json"
"""Beside a case that has to be kept: by whom, since when, why (reports/purge.py)."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """deleted: each file that is gone; kept: what stays and why; size: bytes that were deleted."""

    deleted: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    size: int = 0

    def __add__(self, other: Forgotten) -> Forgotten:
        return Forgotten(self.deleted + other.deleted, self.kept + other.kept, self.size + other.size)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        kept = [{"path": p, "why": why} for p, why in self.kept]
        return {"deleted": list(self.deleted), "kept": kept, "bytes": self.size}

    def lines(self, most: int = 40) -> list[str]:
        """The same in words."""
        out = [f"Deleted: {p}" for p in self.deleted[:most]]
        if len(self.deleted) > most:
            out.append(f"... and {many(len(self.deleted) - most, 'file')} more")
        out += [f"Kept: {p}: {why}" for p, why in self.kept]
        return [*out, f"{many(len(self.deleted), 'file')} deleted, {many(self.size, 'byte')}."]


def forget(
    target: str,
    home: Path,
    *,
    runs: Sequence[Path] = (),
    originals: bool = False,
    keep_reports: bool = False,
    dry: bool = False,
) -> Forgotten:
    """Forget the case that `target` names: an id or folder of the workspace `home`, a run folder, or a case file.

    Of a case file outside the workspace the run folders beside it go, and `runs`; the case file, the data and the model
    are the person's own and go only with `originals`. Raises InputError where there is nothing of the case.
    """
    cases, work = home / "cases", home / "jobs"
    place = _in_workspace(target, cases)
    if place is not None:
        return forget_folder(place, work, reports_to=home / "reports" if keep_reports else None, dry=dry)
    path = Path(target)
    if path.name == CASE and _copies(path.parent):
        path = path.parent
    if path.is_dir() and ((path / "evidence.json").is_file() or _copies(path)):
        return forget_run(path, work, keep_reports=keep_reports, dry=dry)
    if not path.is_file():
        raise InputError(
            "there is no such case", got=target, expected="a case file, a run folder, or the id of a case in the app",
            todo="look for it with `ls`, or in the app under the recent cases",
        )  # fmt: skip
    from audit.load import load_case

    case = load_case(path, fetch=False)
    run_folders = list(dict.fromkeys(p.resolve() for p in (*runs, *runs_of(case, path.resolve().parent))))
    for run in run_folders:
        if not (run / "evidence.json").is_file():
            raise InputError("this is no run folder", got=str(run), expected="a folder that `assay audit` wrote")
    if not run_folders and not originals:
        raise InputError(
            "nothing of this case is here but your own files", got=f"no run folder beside {path.name}",
            expected="the folder that `assay audit --out` wrote",
            todo="name it with --run DIR; --originals deletes the case file, the data and the model too",
        )  # fmt: skip
    _jobs_of(run_folders, work)
    out = Forgotten()
    for run in run_folders:
        out += forget_run(run, work, keep_reports=keep_reports, dry=dry)
    return out + forget_originals(originals_of(case, path.resolve()), really=originals, dry=dry)


def _in_workspace(target: str, cases: Path) -> Path | None:
    """The folder of the workspace that an id, the folder itself or the case file in it names."""
    if _ID.fullmatch(target):
        return cases / target
    path = Path(target).resolve()
    folder = path if path.is_dir() else path.parent
    return folder if folder.parent == cases.resolve() and _ID.fullmatch(folder.name) else None


def forget_folder(place: Path, jobs_home: Path, *, reports_to: Path | None = None, dry: bool = False) -> Forgotten:
    """A case of the workspace: its folder with everything in it, and the records of its work.

    reports_to : where its reports go instead (None: they go too). dry: only say what would go. Raises InputError while
    work on it runs, or where `place` is a link; OutputError where a file cannot be deleted.
    """
    place = Path(place)
    access.demand("delete", place)
    if place.is_symlink() or not place.is_dir():
        raise InputError("this case is not a folder of the workspace", got=str(place), expected="a folder")
    if on_hold := held(place):
        raise InputError(
            "this case is on hold", got=f"{on_hold.by}, {on_hold.time[:10]}: {on_hold.reason}",
            expected="a case that may go", todo="end the hold first: assay purge --release ID; nothing was deleted",
        )  # fmt: skip
    done = _jobs_of((place,), jobs_home)
    if not dry:
        drop(place)
    kept: list[tuple[str, str]] = []
    reports = sorted((place / "run").glob("*.pdf")) if reports_to is not None else []
    for path in reports:
        assert reports_to is not None
        to = reports_to / f"{place.name[:8]}-{path.name}"
        kept.append((str(to), "the signed report"))
        if not dry:
            private_folder(reports_to)
            _do(lambda path=path, to=to: os.replace(path, to), path)  # type: ignore[misc]
    out = Forgotten((), tuple(kept))
    out += _answers(place / "run", dry)
    out += _tree(place, dry, skip=reports if dry else ())
    for job in done:
        out += _tree(job, dry)
    return out


@dataclass(frozen=True, slots=True)
class Held:
    """Who keeps a case whatever the rules say, since when, and why."""

    by: str
    time: str
    reason: str


def held(place: Path) -> Held | None:
    """The hold on a case; None where there is none. One that cannot be read holds all the same."""
    if not (place / HOLD).exists():
        return None
    document = _document(place / HOLD)
    return Held(*(str(document.get(k, "not known")) for k in ("by", "time", "reason")))


def forget_run(run: Path, jobs_home: Path, *, keep_reports: bool = False, dry: bool = False) -> Forgotten:
    """What Assay has written into a run folder that a person named; anything else in it stays and is listed."""
    run = Path(run)
    done = _jobs_of((run,), jobs_home)
    out, copies = _answers(run, dry), _copies(run)
    for path in sorted(run.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name in _FOLDERS:
            out += _tree(path, dry)
        elif path.is_dir() or path.is_symlink():
            out += Forgotten((), ((str(path), "not known to be Assay's"),))
        elif _is_report(path):
            if keep_reports:
                out += Forgotten((), ((str(path), "the signed report"),))
            else:
                out += _file(path, dry)
        elif path.name in _names() or path.name in copies or _is_ours(path):
            out += _file(path, dry)
        else:
            out += Forgotten((), ((str(path), "not known to be Assay's"),))
    if not dry and not any(run.iterdir()):
        run.rmdir()
    for job in done:
        out += _tree(job, dry)
    return out


_COPY = re.compile(r"data\.parquet|model\.[a-z]{3,6}")
"""The names that assay.audit gives."""


def _copies(run: Path) -> frozenset[str]:
    """What a notebook's audit put into its run folder: the case file, and the copies that it names. A person's own file
    it names from the root on."""
    try:
        text = (run / CASE).read_text(encoding="utf-8")
        tables = tomllib.loads(text) if text.startswith(COPIES) else {}
    except (OSError, ValueError):
        return frozenset()
    named = [str(table.get("path", "")) for table in tables.values() if isinstance(table, dict)]
    return frozenset((CASE, *(n for n in named if _COPY.fullmatch(n))) if tables else ())


def runs_of(case: Case, near: Path) -> list[Path]:
    """Run folders under `near` (two levels down) whose evidence names this case and this decision."""
    run_folders = []
    for path in sorted({*near.glob("*/evidence.json"), *near.glob("*/*/evidence.json")}):
        document = _document(path)
        if document.get("case") == {"name": case.name, "purpose": case.purpose}:
            run_folders.append(path.parent)
    return run_folders


def originals_of(case: Case, file: Path) -> list[tuple[Path, str]]:
    """The files that the person brought: the case file, and what it names."""
    named = [(file, "the case file"), (case.data.path, "the data"), (case.model.path, "the model")]
    named.append((getattr(case.data, "sensitive_path", None), "the side table"))
    return [(Path(p), what) for p, what in named if p is not None and Path(p).is_file()]


def forget_originals(paths: Sequence[tuple[Path, str]], *, really: bool, dry: bool = False) -> Forgotten:
    """The person's own files: deleted only if they said so."""
    out = Forgotten()
    for path, what in paths:
        why = f"{what}, your own file; --originals deletes it too"
        out += _file(path, dry) if really else Forgotten((), ((str(path), why),))
    return out


def abandoned(
    cases: Path, jobs_home: Path, *, days: float = ABANDONED_DAYS, now: float | None = None, dry: bool = False
) -> Forgotten:
    """Uploads that nobody made a case of for `days`, uploads that a case does not name, half deletions.

    A folder under `cases` without a case holds uploads that were never confirmed. Work that runs keeps its case.
    """
    before = (time.time() if now is None else now) - days * 86_400
    busy = {job.id for job in _running(jobs_home)}
    out = Forgotten()
    for place in sorted(cases.iterdir()) if cases.is_dir() else []:
        if place.is_symlink() or not place.is_dir():
            continue
        if place.name.endswith(_GOING):
            out += _tree(place, dry)
        elif is_sealed(place) or any(str(place) in a for j in jobs.find(jobs_home) if j.id in busy for a in j.args):
            continue
        elif not (place / "case.toml").exists() and not (place / "sample").exists():
            if _newest(place) < before:
                out += _tree(place, dry)
        elif (place / "case.toml").exists():
            for path in _unnamed(place):
                if path.stat().st_mtime < before:
                    out += _file(path, dry)
    return out


def _unnamed(place: Path) -> Iterator[Path]:
    """Uploads beside a case file that does not name them: replaced by another before it was confirmed."""
    from audit.errors import AssayError
    from audit.load import load_case

    try:
        case = load_case(place / "case.toml", fetch=False)
    except AssayError:  # a case that cannot be read names nothing; nothing of it is deleted
        return
    named = {p.resolve() for p, _ in originals_of(case, place / "case.toml")}
    for path in sorted(place.iterdir()):
        if path.is_file() and not path.is_symlink() and path.resolve() not in named and is_upload(path):
            yield path


def is_upload(path: Path) -> bool:
    """Whether a person uploaded this file, and no screen wrote it: by the ending of its name. Where notes of screens
    end as some models do, by what is in it too."""
    from audit.load import kinds  # what is looked at when the app starts loads no table of records
    from audit.models import formats

    ending = whole(path).suffix.lower()
    models = formats.endings()
    if ending in {*kinds.endings(), *models, *formats.PICKLES, *_KEYS} - _NOTES:
        return True
    try:
        return ending in models and any(f.known(path.read_bytes()) for f in formats.FORMATS.values())
    except OSError:
        return False


def whole(path: Path) -> Path:
    """The file that one was to be which was left half written (audit.files.write_whole); any other as it is."""
    half = _HALF.fullmatch(path.name)
    return path.with_name(half[1]) if half else path


def _running(jobs_home: Path) -> list[jobs.Job]:
    return [job for job in jobs.find(jobs_home) if not jobs.state(jobs_home, job.id).over]


def _jobs_of(places: Sequence[Path], jobs_home: Path) -> list[Path]:
    """The records of work on these places. Raises InputError where some of it is not over."""
    out = []
    wanted = [str(outer(p)) for p in places]
    for job in jobs.find(jobs_home):
        args = [str(outer(Path(a))) for a in job.args if os.sep in a]
        if any(a == w or a.startswith(w + os.sep) for a in args for w in wanted):
            if not jobs.state(jobs_home, job.id).over:
                raise InputError(
                    "work on this case is not finished", got=f"{job.args[0]}, job {job.id[:8]}",
                    expected="nothing that still reads or writes it",
                    todo="wait until it has ended, or cancel it; nothing was deleted",
                )  # fmt: skip
            out.append(jobs.folder(jobs_home, job.id))
    return out


def _answers(run: Path, dry: bool) -> Forgotten:
    """What is kept for this run in the store that all cases of a workspace share (audit/answers)."""
    place = answers.shared()
    if place is None:
        return Forgotten()
    before = place.parent / "explanations"  # where explanations were kept once
    return kept_answers(place, *answers.forget_run(run, dry=dry)) + (
        _tree(before, dry) if before.is_dir() else Forgotten()
    )


def kept_answers(place: Path, entries: int, size: int) -> Forgotten:
    """Entries of the store in this folder, in words."""
    return Forgotten((f"{place / 'answers.db'} ({many(entries, 'answer')})",), (), size) if entries else Forgotten()


def _is_report(path: Path) -> bool:
    from audit.errors import AssayError
    from reports.approve import embedded_manifest

    if path.suffix != ".pdf":
        return False
    try:
        return bool(embedded_manifest(path.read_bytes()).case)
    except (AssayError, OSError):
        return False


def _names() -> frozenset[str]:
    """Of the files that Assay writes into a run folder."""
    from audit.documents.table import DOCUMENTS

    return _FILES | DOCUMENTS.keys()


def _is_ours(path: Path) -> bool:
    """Whether a JSON document says that it is one of Assay's, or a file was left half written by it."""
    if path.name.startswith(".") and any(f".{name}." in path.name for name in (*_names(), "report.pdf")):
        return True
    if path.suffix not in (".json", ".jsonl"):
        return False
    try:
        with path.open("rb") as stream:
            return _OURS in stream.read(200)
    except OSError:
        return False


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _newest(place: Path) -> float:
    return max([place.stat().st_mtime, *(p.lstat().st_mtime for p in place.rglob("*"))])


def _file(path: Path, dry: bool) -> Forgotten:
    size = path.lstat().st_size
    if not dry:
        _do(path.unlink, path)
    return Forgotten((str(path),), (), size)


def _tree(place: Path, dry: bool, skip: Sequence[Path] = ()) -> Forgotten:
    """A folder of ours with all in it. Links in it are removed, never followed. It is out of sight before it goes."""
    files = [p for p in sorted(place.rglob("*")) if (p.is_symlink() or p.is_file()) and p not in skip]
    out = Forgotten(tuple(map(str, files)), (), sum(p.lstat().st_size for p in files))
    if not dry:
        going = place if place.name.endswith(_GOING) else place.with_name(f".{place.name}{_GOING}")
        if going != place:
            _do(lambda: os.replace(place, going), place)
        _do(lambda: shutil.rmtree(going), place)
    return out


def _do(act: Callable[[], Any], path: Path) -> None:
    try:
        act()
    except OSError as error:
        raise OutputError(
            f"{path.name} could not be deleted", got=error.strerror or str(error),
            expected=f"permission in {path.parent}",
            todo="look at the folder's permissions, and run it again: what is gone is gone, the rest is still there",
        ) from error  # fmt: skip
