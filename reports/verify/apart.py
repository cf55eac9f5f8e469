"""A report judged in a process of its own, with the limits and walls that models run in (`audit.models.process`).

    judged_apart(pdf, asked, rerun) -> Verification
    parts_apart(pdf) -> signatures and embedded files, where the file holds as far as its manifest

Bytes and options go in as one frame; lines come back as data. Where there are two processors, a second such process
sets faces and pages again meanwhile; its lines count only where every figure held in the first. What the file does to
its reader (a loop, a bomb, a crash) ends that process, and is a check that failed. A new run needs the model and the
data, so it is made by the caller; only comparing it is done in there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from audit import progress
from audit.errors import AssayError, OutputError
from audit.models.process import Limits, processors
from audit.sandbox.call import PRINTING, Enclosed
from reports.attest.statements import LOCK_FILE
from reports.known import remember
from reports.log.store import LogCopy
from reports.signature import Signature
from reports.verify.asked import OPTIONS, Answer, ProofOf, Question, VerifyRequest
from reports.verify.result import FAILED, Check, Verification
from reports.verify.seal import MOST_BYTES

if TYPE_CHECKING:
    from reports.verify.printed import Printer

LIMITS = Limits(memory_bytes=1000 * 2**20, cpu_seconds=180, wall_seconds=600.0, file_size_bytes=2**20)
"""Of address space, of which libraries that are mapped and hardly used take a third. The largest reports measured
(docs/report.md) need a tenth of the time."""
A_BYTE, MOST_MEMORY = 400, 4 * 2**30
"""Address space beside that for each byte of the file, up to so much in all: what is embedded is packed, and what is
measured from it again takes many times its size (a report of 1,000 groups is 4 MB, one with a mitigation by five
attributes 7.5 MB)."""


def limits_for(*content: bytes) -> Limits:
    """LIMITS, with the memory that a report of this size may need, or one that embeds these files; what is padded gets
    MOST_MEMORY."""
    return replace(LIMITS, memory_bytes=min(LIMITS.memory_bytes + A_BYTE * sum(map(len, content)), MOST_MEMORY))


FILE = "file/"
COMPARED = "what the file does to its reader with the limits of the process that reads it"
UNREADABLE = "the report's process gave an answer that cannot be read"
# Pages are set without a file being written, and one thread does it: each more takes address space.
_PROFILE = replace(PRINTING, scratch=False)
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class _Stopped(AssayError):
    """The process that reads the file ended, or a check broke off in it."""


class Ready:
    """Two processes that read a report, begun before there is one: while it is printed they make what follows from its
    files, each for itself as ever. A context manager; it serves one report.

    What was made is found again by all that it follows from: of a report with other files everything is made anew.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._pool: ThreadPoolExecutor | None = None
        self._begun: list[tuple[Enclosed, Future[bool]]] = []

    def __enter__(self) -> Ready:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def figures(self, files: Mapping[str, bytes]) -> None:
        """Start both: one on the figures of these files, the other on loading what sets pages. At once back; nothing
        with one processor."""
        if processors() < 2:
            return
        self._pool = self._stack.enter_context(ThreadPoolExecutor(2))
        for elsewhere in (True, False):
            try:
                child = self._stack.enter_context(_enclosed(limits_for(*files.values())))
            except OutputError:
                return
            self._begun.append((child, self._pool.submit(_ahead, child, elsewhere, files if elsewhere else {})))

    def pages(self, files: Mapping[str, bytes]) -> None:
        """Set the pages of these files, the manifest among them. At once back."""
        if self._pool is not None and len(self._begun) == 2:
            child = self._begun[1][0]
            self._begun[1] = (child, self._pool.submit(_ahead, child, False, files))

    def taken(self, elsewhere: bool) -> tuple[Enclosed, Future[bool]] | None:
        """The process for the figures (elsewhere: another sets the pages) or for the pages, and whether it works."""
        return self._begun[0 if elsewhere else 1] if len(self._begun) == 2 else None


def _ahead(child: Enclosed, elsewhere: bool, files: Mapping[str, bytes]) -> bool:
    arrays = {f"{FILE}{name}": _array(data) for name, data in files.items()}
    try:
        child.call({"do": "ahead", "elsewhere": elsewhere}, seconds=None, **arrays)
    except AssayError:
        return False  # a new process then reads the report, and says what ails it
    return True


def judged_apart(
    pdf: bytes, asked: VerifyRequest, rerun: Any = None, limits: Limits | None = None, ready: Ready | None = None
) -> Verification:
    """Every check, made in a child. rerun: files, or a function from the embedded files to them, or None."""
    verification = _judged_apart(pdf, asked, rerun, limits, ready)
    if verification.failed is None:
        remember(pdf)
    return verification


def _judged_apart(
    pdf: bytes, asked: VerifyRequest, rerun: Any, limits: Limits | None, ready: Ready | None
) -> Verification:
    if len(pdf) > MOST_BYTES:  # nothing of it is read
        return _stopped(pdf, "the file is too large", f"at most {MOST_BYTES:,} bytes", "more than that")
    progress.stage("Checking the report")
    within = limits or limits_for(pdf)
    with _reader(within, ready) as child, _pages(pdf, asked, within, ready) as pages:
        try:
            fields, arrays = _packed(pdf, asked, rerun is not None)
            reply, reply_arrays = child.call(fields | {"elsewhere": pages is not None}, seconds=None, **arrays)
            isolation = child.isolation
            if pages is not None and _answer(reply).waits:
                progress.stage("Making the pages again")
                lines, walls = pages.result()
                printed = Question("printed", rerun=rerun is not None, lines=lines)
                reply, reply_arrays = child.call(msgspec.to_builtins(printed), seconds=None)
                isolation = isolation if not lines else tuple(w for w in isolation if w in walls)
            verification = _read(reply, reply_arrays, isolation)
            if rerun is None:
                return verification
            new_files: Mapping[str, bytes] | None = None
            if not callable(rerun):
                new_files = rerun
            elif verification.failed is None:
                # What is parsed here was parsed in there under its limits, and follows from the cube.
                new_files = rerun(
                    {n.removeprefix(FILE): a.tobytes() for n, a in reply_arrays.items() if n.startswith(FILE)}
                )
            progress.stage("Comparing")
            again = {f"{FILE}{n}": _array(d) for n, d in (new_files or {}).items()}
            reply, reply_arrays = child.call({"do": "rerun", "made": new_files is not None}, seconds=None, **again)
            return replace(_read(reply, reply_arrays, isolation), again=verification.again)
        except _Stopped as error:
            if ready is None:
                return _stopped(pdf, error.problem, error.expected)
    # A process that was begun before the report may have ended since: new ones read it, and say what ails it.
    return _judged_apart(pdf, asked, rerun, limits, None)


def judged_here(pdf: bytes, asked: VerifyRequest, rerun: Any, printer: Printer | None) -> Verification:
    """The same in this process, where the caller's own code makes the pages. For tests."""
    from reports.verify.judge import Judge

    judge = Judge(pdf, asked, printer)
    judge.work()
    if rerun is None:
        judge.no_rerun()
    else:
        judge.rerun(rerun(judge.files) if callable(rerun) else rerun)
    if judge.result().failed is None:
        remember(pdf)
    return replace(judge.result(), again=judge.printed_again(), isolation=("none: read in the caller's own process",))


def parts_apart(pdf: bytes, limits: Limits | None = None) -> tuple[tuple[Signature, ...], dict[str, bytes]]:
    """The signatures, without what a parser holds of them, and the embedded files by name, read in a child.

    Figures and pages are not checked. Raises VerificationError where a check before them fails.
    """
    if len(pdf) > MOST_BYTES:
        raise _stopped(pdf, "the file is too large", f"at most {MOST_BYTES:,} bytes", "more than that").error()
    with _enclosed(limits or limits_for(pdf)) as child:
        try:
            reply, reply_arrays = child.call({"do": "parts"}, seconds=None, pdf=_array(pdf))
            verification = _read(reply, {}, child.isolation)
            if verification.failed is not None:
                raise verification.error()
            signatures = msgspec.convert(reply, Answer).signatures
            if signatures is None:
                raise _Stopped(UNREADABLE)
        except (_Stopped, msgspec.ValidationError) as error:
            expected = error.expected if isinstance(error, _Stopped) else ""
            raise _stopped(
                pdf, error.problem if isinstance(error, _Stopped) else UNREADABLE, expected
            ).error() from error
    return signatures, {name.removeprefix(FILE): array.tobytes() for name, array in reply_arrays.items()}


@contextmanager
def _enclosed(limits: Limits) -> Iterator[Enclosed]:
    lock = Path(__file__).resolve().parents[2] / LOCK_FILE
    readable = (str(lock),) if lock.is_file() else ()
    enclosed = Enclosed(
        "reports.verify.inside:serve", _PROFILE, readable=readable, variables=_ONE_THREAD, limits=limits,
        what="the report", error=_Stopped,
    )  # fmt: skip
    with ExitStack() as stack:
        try:
            stack.enter_context(enclosed)
        except _Stopped as error:
            raise OutputError(error.problem, got=error.got, expected=error.expected, todo=error.todo) from error
        yield enclosed


@contextmanager
def _reader(limits: Limits, ready: Ready | None) -> Iterator[Enclosed]:
    """The process that was begun where it works, or a new one."""
    begun = None if ready is None else ready.taken(True)
    if begun is not None and begun[1].result():
        yield begun[0]
        return
    with _enclosed(limits) as child:
        yield child


@contextmanager
def _pages(
    pdf: bytes, asked: VerifyRequest, limits: Limits, ready: Ready | None
) -> Iterator[Future[tuple[tuple[Check, ...], tuple[str, ...]]] | None]:
    """The lines on faces and pages, from a process of its own, and its walls; no line where it found none.

    None where the first process makes them: where it is to hand out what it made, with one processor, and where there
    is no room for a second process.
    """
    if not asked.contents or asked.print_again or processors() < 2:
        yield None
        return

    begun = None if ready is None else ready.taken(False)

    def ask() -> tuple[tuple[Check, ...], tuple[str, ...]]:
        if begun is not None and not begun[1].result():
            return (), ()
        try:
            reply, _ = child.call({"do": "pages"}, seconds=None, pdf=_array(pdf))
            return _answer(reply).verification.checks, child.isolation
        except AssayError:
            return (), ()  # the first process then tries itself, and says what the file does to it

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        try:
            child = begun[0] if begun is not None else stack.enter_context(_enclosed(limits))
        except OutputError:
            future = None
        else:
            future = pool.submit(ask)
        yield future


def _array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)


def _packed(pdf: bytes, asked: VerifyRequest, rerun: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    proof = None
    arrays = {"pdf": pdf}
    arrays |= {name: data for name in ("trust", "since") if (data := getattr(asked, name)) is not None}
    arrays |= {f"crl{i}": crl for i, crl in enumerate(asked.crls)}
    if isinstance(asked.log, LogCopy):
        arrays |= {f"log.{name}": data for name, data in asdict(asked.log).items()}
    elif asked.log is not None:
        proof = ProofOf(asked.log.index, tuple(h.hex() for h in asked.log.path))
        arrays |= {"proof.line": asked.log.line, "proof.note": asked.log.note}
    question = Question(
        "verify", rerun=rerun, pins=asked.pins, crls=len(asked.crls), log=isinstance(asked.log, LogCopy), proof=proof,
        **{name: getattr(asked, name) for name in OPTIONS},
    )  # fmt: skip
    return msgspec.to_builtins(question), {name: _array(data) for name, data in arrays.items()}


def _read(reply: Mapping[str, Any], arrays: Mapping[str, np.ndarray], isolation: tuple[str, ...]) -> Verification:
    verification = _answer(reply).verification
    page = arrays.get("again")
    again = None if page is None else page.tobytes()
    return replace(verification, again=again, isolation=isolation)


def _answer(reply: Mapping[str, Any]) -> Answer:
    try:
        return msgspec.convert(reply, Answer)
    except msgspec.ValidationError as error:
        raise _Stopped(UNREADABLE) from error


def _stopped(pdf: bytes, problem: str, expected: str, got: str = "") -> Verification:
    """A failure whose sentence is ours; what the process said in ending may be the file's, and is not told."""
    todo = "do not rely on this file, and do not open it elsewhere; ask the auditor for the report again"
    line = Check("limits", COMPARED, FAILED, problem, got, expected, todo)
    return Verification((line,), sha256=hashlib.sha256(pdf).hexdigest())
