"""Which reports a run folder has given out: a later one takes the earlier one's place, and both stay its own."""

from __future__ import annotations

from pathlib import Path

from audit.errors import OutputError
from audit.files import write_whole

FILE = "issued.txt"
"""In the run folder: the SHA-256 of the certified revision of each report that was written into it, one a line."""


def given_out(run: Path) -> frozenset[str]:
    """The certified revisions of the reports that this run folder has given out."""
    try:
        return frozenset((run / FILE).read_text(encoding="ascii", errors="replace").split())
    except OSError:
        return frozenset()


def remember_issued(run: Path, pdf: bytes) -> None:
    """Keep that this report was given out. Raises OutputError where it cannot be written."""
    from reports.log.record import certified_of, read_report

    known = given_out(run)
    digest = certified_of(pdf, read_report(pdf)[1])
    if digest in known:
        return
    try:
        write_whole(run / FILE, "".join(f"{d}\n" for d in sorted({*known, digest})).encode())
    except OSError as error:
        raise OutputError(f"{FILE} could not be written", got=error.strerror or str(error)) from error
