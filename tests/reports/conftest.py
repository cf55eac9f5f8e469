"""One small report and its later states, made once for all tests of reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

import pytest

from audit.models.process import Limits
from reports.approve import approve
from reports.verify import apart, figures, printed, said
from tests.reports import kit
from tests.reports.forge import Real, real_report
from tests.reports.pki import Pki
from tests.shared import forty_rows


@dataclass(frozen=True)
class Reports:
    """draft -> certified -> approved (Bo) -> rejected (Cy); files: what is embedded besides the manifest."""

    files: dict[str, bytes]
    draft: bytes
    certified: bytes
    approved: bytes
    rejected: bytes


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def small(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Reports:
    files = kit.files_of(forty_rows(tmp_path_factory))
    certified = kit.report(files, pki.auditor)
    approved = approve(certified, pki.bo, decision="approve", reason="Inside the norms.", printer=kit.page).pdf
    rejected = approve(
        approved, pki.cy, decision="reject", reason="Too few rows.", conditions="Audit again in May.", printer=kit.page
    ).pdf
    return Reports(files, kit.draft(files, pki.auditor), certified, approved, rejected)


_recompute = figures.recompute


@lru_cache(maxsize=32)
def _recomputed(read: str) -> figures.Recomputed:
    return _recompute(*json.loads(read))


@pytest.fixture(autouse=True)
def measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows from equal counts and settings is computed once: most forgeries leave them alone."""
    monkeypatch.setattr(figures, "recompute", lambda *inputs: _recomputed(json.dumps(inputs)))


_print_again, _said = printed.print_again, said.pdf_structure


@lru_cache(maxsize=4)
def _printed_again(files: tuple[tuple[str, bytes], ...]) -> bytes:
    return _print_again(dict(files))


_said_once = lru_cache(maxsize=4)(_said)


@pytest.fixture
def printed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed of equal files is printed once, and read once where a forgery is held against it. For tables of
    forgeries, in which nothing that prints is changed."""
    monkeypatch.setattr(printed, "print_again", lambda files, _: _printed_again(tuple(sorted(files.items()))))
    monkeypatch.setattr(said, "pdf_structure", _said_once)


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Limits:
    """Those of the command, with less time, since no bomb is to need it."""
    short = Limits(memory_bytes=apart.LIMITS.memory_bytes, cpu_seconds=30, wall_seconds=240.0)
    monkeypatch.setattr(apart, "LIMITS", short)
    return short


@pytest.fixture(scope="session")
def real(small: Reports, pki: Pki) -> Real:
    """A report with the pages that Assay prints, before it is signed.

    Without its annex, which is half of the time: all that a forger touches stands before it.
    """
    return real_report(small.files, pki, annex="none")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge in this process, which keeps the pages that it made last: a table of forgeries takes a minute, not
    ten."""
    kit.judge_here(monkeypatch)
