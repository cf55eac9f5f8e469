"""Bad input around reports: a PDF that is none, a wrong password, an incomplete run folder, a disk that is full.

Through the command line, as a user meets it: the exit code, one message, no traceback, nothing lost.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
from hashlib import sha256
from pathlib import Path

import pytest

import cli
from audit.errors import OutputError
from reports.issue import issue_report
from reports.keys import load_key, new_key
from tests.reports import kit

PASSWORD = "a long password"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder and a key."""
    folder = Path(tmp_path_factory.mktemp("reports"))
    kit.audited(folder)
    new_key("Ada Auditor", folder / "ada.p12", PASSWORD.encode())
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    code = cli.main([str(a) for a in args])
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    return code, errors


def report_args(place: Path, out: Path) -> list[object]:
    return ["report", place / "run", "--key", place / "ada.p12", "--out", out, "--annex", "none"]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the file is empty"),
        (b"hello", "not a PDF"),
        (b"PK\x03\x04rest", "a ZIP file"),
        (b"%PDF-1.7\n%%EOF\n", "no signature"),
        (b"%PDF-1.7\n" + b"/ByteRange [0 1 3 9999999999]" * 50, "no signature"),
        (b"\xff\xfe" + "%PDF-1.7".encode("utf-16-le"), "not a PDF"),
    ],
)
def test_a_pdf_that_is_no_report_fails_verification(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.pdf").write_bytes(content)
    code, message = run(capsys, "verify", tmp_path / "report.pdf")
    assert code == 4
    assert words in message


def test_a_report_that_is_not_there_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = run(capsys, "verify", tmp_path / "missing.pdf")
    assert code == 2


def test_a_wrong_password_is_one_message(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", "not the password")
    code, message = run(capsys, *report_args(place, tmp_path / "r.pdf"))
    assert code == 2
    assert "could not be opened" in message
    assert "not the password" not in message
    assert not list(tmp_path.iterdir())


def test_a_run_folder_without_evidence_is_said(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", PASSWORD)
    code, message = run(capsys, "report", tmp_path, "--key", place / "ada.p12", "--out", tmp_path / "r.pdf")
    assert code == 2
    assert "assay audit" in message


def test_approving_a_file_that_is_no_report_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", PASSWORD)
    path = tmp_path / "r.pdf"
    path.write_bytes(b"%PDF-1.7\nhello")
    args = ["approve", path, "--key", place / "ada.p12", "--decision", "approve", "--reason", "fine"]
    code, _ = run(capsys, *args)
    assert code == 4
    assert path.read_bytes() == b"%PDF-1.7\nhello"


def test_a_full_disk_leaves_the_earlier_report(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real limit of the system: no file of the process may pass 20,000 bytes, so the write itself fails half way."""
    out = tmp_path / "report.pdf"
    out.write_bytes(b"%PDF-1.7, the earlier report")
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", PASSWORD)
    limit, before = resource.RLIMIT_FSIZE, resource.getrlimit(resource.RLIMIT_FSIZE)
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN, "as Python begins"
    resource.setrlimit(limit, (20_000, before[1]))
    try:
        code, message = run(capsys, *report_args(place, out))
    finally:
        resource.setrlimit(limit, before)
    assert code == 2
    assert "report.pdf could not be written" in message
    assert out.read_bytes() == b"%PDF-1.7, the earlier report"
    assert [p.name for p in tmp_path.iterdir()] == ["report.pdf"]


def test_no_space_left_is_named_and_once_there_is_room_the_same_run_is_signed(place: Path, tmp_path: Path) -> None:
    """What is printed is a page of few words; that the real pages are verified is what tests of reports are about."""
    out = tmp_path / "report.pdf"
    out.write_bytes(b"%PDF-1.7, the earlier report")
    key = load_key(place / "ada.p12", PASSWORD.encode())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.issue.page_html", lambda files, manifest: "<title>t</title><p>before</p>")
        with pytest.MonkeyPatch.context() as disk:
            disk.setattr(os, "fsync", full)
            with pytest.raises(OutputError, match="No space left") as caught:
                issue_report(place / "run", key, out)
        assert caught.value.exit_code == 2
        assert out.read_bytes() == b"%PDF-1.7, the earlier report"
        assert [p.name for p in tmp_path.iterdir()] == ["report.pdf"]
        issued = issue_report(place / "run", key, out, members=["Bo Board"])
    assert sha256(out.read_bytes()).hexdigest() == issued.sha256
