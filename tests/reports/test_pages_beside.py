"""The pages are made again in a second process beside the other checks: the same lines as in one, whatever it does."""

from __future__ import annotations

import hashlib
import os
import signal
from typing import Any

import pytest

from audit.models import process
from reports.document import build_document
from reports.issue import assemble
from reports.manifest import NAME
from reports.render import render_html
from reports.sign import certify
from reports.verify import Verification, apart, verify
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[process.Child]:
    items: list[process.Child] = []
    begin = process.Child.__init__

    def counted(self: process.Child, *inputs: Any, **named: Any) -> None:
        begin(self, *inputs, **named)
        items.append(self)

    monkeypatch.setattr(process.Child, "__init__", counted)
    return items


@pytest.fixture(scope="module")
def real(small: Reports, pki: Pki) -> bytes:
    """A certified report with the pages that Assay prints."""
    manifest = kit.manifest_of(small.files, pki.auditor, annex="none")
    draft = assemble(render_html(build_document(small.files, manifest=manifest)), small.files, manifest)
    return certify(draft, pki.auditor, field="Auditor", reason="I issued this report").pdf


def judged(pdf: bytes, monkeypatch: pytest.MonkeyPatch, processors: int) -> Verification:
    monkeypatch.setattr(apart, "processors", lambda: processors)
    return verify(pdf)


@pytest.fixture(scope="module")
def alone(real: bytes) -> Verification:
    """What one process says."""
    with pytest.MonkeyPatch.context() as patch:
        return judged(real, patch, 1)


def pages(result: Verification) -> str:
    return next(c.status for c in result.checks if c.name == "printed pages")


def test_two_processes_say_what_one_says(
    real: bytes, alone: Verification, small: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch,
    started: list[process.Child],
) -> None:  # fmt: skip
    other = kit.report(small.files, pki.auditor, annex="none")
    refused = judged(other, monkeypatch, 1)
    assert len(started) == 1
    for pdf, one, status in ((other, refused, "failed"), (real, alone, "ok")):
        del started[:]
        beside = judged(pdf, monkeypatch, 2)
        assert len(started) == 2
        assert beside == one
        assert pages(beside) == status
        assert not [c for c in started if os.path.exists(f"/proc/{c.pid}")]


def test_where_the_second_ends_the_first_makes_the_pages(
    real: bytes, monkeypatch: pytest.MonkeyPatch, started: list[process.Child]
) -> None:
    ask = process.Child.ask

    def asked(self: process.Child, *inputs: Any) -> Any:
        if self is started[1]:
            os.kill(self.pid, signal.SIGKILL)
        return ask(self, *inputs)

    monkeypatch.setattr(process.Child, "ask", asked)
    result = judged(real, monkeypatch, 2)
    assert len(started) == 2
    assert result.failed is None
    assert pages(result) == "ok"


def test_where_the_figures_fail_no_page_is_believed(small: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    files = kit.edited(small.files, "evidence.json", lambda e: e["rates"][0].update(numerator=0))
    pdf = kit.report(files, pki.auditor, annex="none")
    result = judged(pdf, monkeypatch, 2)
    assert result == judged(pdf, monkeypatch, 1)
    assert [c.status for c in result.checks if c.name == "printed pages"] == ["not checked"]
    assert result.failed is not None
    assert result.failed.name == "figures"


def test_where_there_is_no_room_for_a_second_the_first_makes_the_pages(
    real: bytes, alone: Verification, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, begun = process.subprocess.Popen, []

    def one(*inputs: Any, **named: Any) -> Any:
        begun.append(1)
        if len(begun) > 1:
            raise OSError(11, "Resource temporarily unavailable")
        return begin(*inputs, **named)

    monkeypatch.setattr(process.subprocess, "Popen", one)
    result = judged(real, monkeypatch, 2)
    assert len(begun) == 2
    assert result.checks == alone.checks
    assert pages(result) == "ok"


def more_people(cube: dict[str, Any]) -> None:
    """One more in each cell of the groups."""
    for cell in cube["margins"][1]["cells"]:
        cell[3:] = [n + 1 for n in cell[3:]]


def begin(files: dict[str, bytes], pki: Pki, ready: apart.Ready) -> None:
    """Two processes make what follows from these files, before there is a report."""
    ready.figures(files)
    ready.pages({**files, NAME: kit.manifest_of(files, pki.auditor, annex="none").to_bytes()})


def begun(files: dict[str, bytes], pki: Pki, ready: apart.Ready) -> None:
    """They have made it."""
    begin(files, pki, ready)
    assert all(done.result() for _, done in (ready.taken(True), ready.taken(False)))


def test_what_is_made_ahead_is_believed_of_that_report_alone(
    real: bytes, small: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch, started: list[process.Child]
) -> None:
    """Another figure and page, another cube: the same lines as by processes that knew nothing before."""
    figure = kit.edited(small.files, "evidence.json", lambda e: e["rates"][0].update(numerator=0))
    counts = kit.edited(small.files, "cube.json", more_people)
    counts = kit.edited(
        counts, "evidence.json",
        lambda e: e["cube"].update(sha256=hashlib.sha256(counts["cube.json"]).hexdigest()),
    )  # fmt: skip
    monkeypatch.setattr(apart, "processors", lambda: 2)
    with apart.Ready() as ready:
        begun(small.files, pki, ready)
        assert len(started) == 2
        for pdf in (real, *(kit.report(f, pki.auditor, annex="none") for f in (figure, counts))):
            verification = verify(pdf, ready=ready)
            assert len(started) == 2
            assert verification == verify(pdf)
            assert (verification.failed is None) == (pdf == real)
            del started[2:]
    assert not [c for c in started if os.path.exists(f"/proc/{c.pid}")]


@pytest.mark.parametrize("made", [begin, begun])
def test_processes_that_ended_before_the_report_came_are_not_needed(
    made: Any, real: bytes, small: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch, started: list[process.Child]
) -> None:
    """While they worked, and after they had answered."""
    monkeypatch.setattr(apart, "processors", lambda: 2)
    with apart.Ready() as ready:
        made(small.files, pki, ready)
        for child in started:
            os.kill(child.pid, signal.SIGKILL)
        verification = verify(real, ready=ready)
    assert verification.failed is None
    assert pages(verification) == "ok"
    assert [c.status for c in verification.checks if c.name == "faces"] == ["ok"]


def test_with_one_processor_nothing_is_begun(
    small: Reports, real: bytes, pki: Pki, monkeypatch: pytest.MonkeyPatch, started: list[process.Child]
) -> None:
    monkeypatch.setattr(apart, "processors", lambda: 1)
    with apart.Ready() as ready:
        ready.figures(small.files)
        ready.pages(small.files)
        assert not started
        assert verify(real, ready=ready).failed is None
