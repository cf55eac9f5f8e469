"""A report judged in a process of its own, with the limits and walls that models run in (`audit.models.process`).

    judged_apart(pdf, asked, rerun) -> Verification
    attached_apart(pdf) -> the embedded files, unchecked

Bytes and options go in as one frame; lines come back as data. What the file does to its reader (a loop, a bomb, a
crash) ends that process, and is a check that failed. A new run needs the model and the data, so it is made by the
caller; only comparing it is done in there.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from audit import progress
from audit.errors import InputError, ModelError, OutputError
from audit.models import wire
from audit.models.process import Child, Limits, Task
from reports.attest.statements import LOCK_FILE
from reports.log.store import LogCopy
from reports.verify.asked import Asked
from reports.verify.result import FAILED, Check, Verification
from reports.verify.seal import MOST_BYTES

if TYPE_CHECKING:
    from reports.verify.printed import Printer

LIMITS = Limits(memory_bytes=1280 * 2**20, cpu_seconds=180, wall_seconds=600.0, file_size_bytes=2**20)
"""Address space, of which about 370 MiB are libraries that are mapped and hardly used: so under 1 GiB is taken. The
largest reports measured (docs/report.md) need a tenth of the time."""
COMPARED = "what the file does to its reader with the limits of the process that reads it"
_FONTS = ("/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/fontconfig", "/etc/fonts", "/var/cache/fontconfig",
          "/usr/share/libthai", "/usr/share/xml/fontconfig")  # fmt: skip
_HOME_FONTS = (".fonts", ".local/share/fonts", ".config/fontconfig", ".fonts.conf")


def judged_apart(pdf: bytes, asked: Asked, rerun: Any = None, limits: Limits = LIMITS) -> Verification:
    """Every check, made in a child. rerun: files, or a function from the embedded files to them, or None."""
    if len(pdf) > MOST_BYTES:  # nothing of it is read; the line is the same as the one made in there
        return _stopped(pdf, "the file is too large", f"at most {MOST_BYTES:,} bytes", f"{len(pdf):,} bytes")
    progress.stage("Checking the report")
    with _child(limits) as child:
        try:
            told = child.ask(_packed(pdf, asked, rerun is not None), limits.wall_seconds)
            found = _read(told)
            if rerun is None:
                return found
            if not callable(rerun):
                made = rerun
            elif found.failed is None:
                # What is parsed here was parsed in there under its limits, and follows from the cube.
                made = rerun({n.removeprefix("file/"): a.tobytes() for n, a in told.arrays.items() if n != "again"})
            else:
                made = None
            progress.stage("Comparing")
            told = child.ask(_pack_rerun(made), limits.wall_seconds)
            return replace(_read(told), again=found.again)
        except ModelError as error:
            return _ended(pdf, child, limits, error)


def judged_here(pdf: bytes, asked: Asked, rerun: Any, printer: Printer | None) -> Verification:
    """The same in this process, where the caller's own code makes the pages. For tests."""
    from reports.verify.judge import Judge

    judge = Judge(pdf, asked, printer)
    judge.work()
    if rerun is None:
        judge.no_rerun()
    else:
        judge.rerun(rerun(judge.files) if callable(rerun) else rerun)
    return replace(judge.result(), again=judge.printed_again(), isolation=("none: read in the caller's own process",))


def attached_apart(pdf: bytes, limits: Limits = LIMITS) -> dict[str, bytes]:
    """The embedded files by name; checks no signature. Raises InputError where the file cannot be read."""
    with _child(limits) as child:
        try:
            told = child.ask(wire.pack({"do": "attachments"}, {"pdf": _array(pdf)}), limits.wall_seconds)
        except ModelError as error:
            if child.failure == "input":
                raise InputError(error.problem, got=error.got, expected=error.expected, todo=error.todo) from error
            problem, expected = _why(child, limits)
            raise InputError(problem, expected=expected, todo="do not open this file elsewhere either") from error
    return {name.removeprefix("file/"): array.tobytes() for name, array in told.arrays.items()}


@contextmanager
def _child(limits: Limits) -> Iterator[Child]:
    try:
        child = Child(limits, (), _task())
    except ModelError as error:
        raise OutputError(
            "the process that reads the report could not be started", got=error.got, expected=error.expected,
            todo=error.todo,
        ) from error  # fmt: skip
    try:
        yield child
    finally:
        child.stop()
        child.close()


def _task() -> Task:
    """The judge, what it is made of, and what it needs to set pages: fonts and how they are chosen, to be read only."""
    root = Path(__file__).resolve().parent.parent.parent
    home = Path(os.path.expanduser("~"))
    readable = [str(root / LOCK_FILE)] + [
        p for p in (*_FONTS, *mimetypes.knownfiles, *(str(home / f) for f in _HOME_FONTS)) if os.path.exists(p)
    ]
    environment = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
    environment["HOME"] = str(home)
    for name in ("FONTCONFIG_FILE", "FONTCONFIG_PATH", "XDG_DATA_HOME"):
        if name in os.environ:
            environment[name] = os.environ[name]
            if name != "XDG_DATA_HOME":
                readable.append(os.environ[name])
            else:
                readable.append(os.path.join(os.environ[name], "fonts"))
    packages = tuple(str(root / name) for name in ("debias", "reports"))
    return Task("reports.verify.inside:serve", packages, tuple(readable), environment)


def _array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)


def _packed(pdf: bytes, asked: Asked, rerun: bool) -> list[Any]:
    fields: dict[str, Any] = {
        "do": "verify", "rerun": rerun, "pins": list(asked.pins), "crls": len(asked.crls), "proof": None, "log": False,
    }  # fmt: skip
    fields |= {
        name: getattr(asked, name) for name in ("require_quorum", "contents", "second_opinion", "exact", "print_again")
    }
    arrays = {"pdf": pdf}
    arrays |= {name: data for name in ("trust", "since") if (data := getattr(asked, name)) is not None}
    arrays |= {f"crl{i}": crl for i, crl in enumerate(asked.crls)}
    if isinstance(asked.log, LogCopy):
        fields["log"] = True
        arrays |= {f"log.{name}": data for name, data in asdict(asked.log).items()}
    elif asked.log is not None:
        fields["proof"] = {"index": asked.log.index, "path": [h.hex() for h in asked.log.path]}
        arrays |= {"proof.line": asked.log.line, "proof.note": asked.log.note}
    return wire.pack(fields, {name: _array(data) for name, data in arrays.items()})


def _pack_rerun(made: Mapping[str, bytes] | None) -> list[Any]:
    return wire.pack(
        {"do": "rerun", "made": made is not None}, {f"file/{n}": _array(d) for n, d in (made or {}).items()}
    )


def _read(told: wire.Frame) -> Verification:
    try:
        found = msgspec.convert(told.fields["verification"], Verification)
    except (KeyError, msgspec.ValidationError) as error:
        raise ModelError("the answer is none") from error
    return replace(found, again=told.arrays["again"].tobytes()) if "again" in told.arrays else found


def _why(child: Child, limits: Limits) -> tuple[str, str]:
    """What happened to the process, and what was expected."""
    memory = f"a report that is checked in {limits.memory_bytes / 2**20:,.0f} MiB of address space"
    return {
        "time": ("the file was not checked in time", f"an end within {limits.wall_seconds:,.0f} seconds"),
        "processor": ("the file takes too long to check", f"at most {limits.cpu_seconds:,} seconds of processor time"),
        "memory": ("the file needs more memory than a report may", memory),
        "crash": ("the file broke the process that reads it", "a file that its readers can read"),
        "raised": ("a check broke off on this file", "a file that every check can be made on"),
    }.get(child.failure, ("the process that reads the file gave no answer that can be read", "the lines of a check"))


def _ended(pdf: bytes, child: Child, limits: Limits, error: ModelError) -> Verification:
    if child.failure == "input":
        return _stopped(pdf, error.problem, error.expected)
    problem, expected = _why(child, limits)
    return _stopped(pdf, problem, expected)


def _stopped(pdf: bytes, problem: str, expected: str, got: str = "") -> Verification:
    todo = "do not rely on this file, and do not open it elsewhere; ask the auditor for the report again"
    line = Check("limits", COMPARED, FAILED, problem, got, expected, todo)
    return Verification((line,), sha256=hashlib.sha256(pdf).hexdigest())
