"""A standard stream that the caller closed, or that takes nothing more, through the command itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reports.sign import certify
from tests.reports.forge import Real
from tests.shared import forty_rows

ROOT = Path(__file__).parents[2]
NO_ROOM = "No space left on device"
needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")


def assay(*words: object, streams: str = "") -> subprocess.CompletedProcess[str]:
    """The command with its streams changed as a shell writes it: `<&-`, `> /dev/full`."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", sys.executable, "-m", "cli", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines on stderr but those of progress, which depend on how long it takes."""
    return [line for line in done.stderr.splitlines() if not line.endswith(" ...")]


@pytest.fixture(scope="module")
def report(real: Real, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("streams") / "report.pdf"
    path.write_bytes(certify(real.pdf, real.pki.auditor, field=real.manifest.auditor.field, reason="Issued.").pdf)
    return path


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return forty_rows(tmp_path_factory) / "case.toml"


@pytest.fixture(scope="module")
def verified(report: Path) -> subprocess.CompletedProcess[str]:
    return assay("verify", report, "--json")


@pytest.mark.parametrize("closed", ["<&- 2>&-", ">&-", "<&- >&- 2>&-"])
def test_a_report_is_judged_alike_whichever_stream_is_closed(
    report: Path, verified: subprocess.CompletedProcess[str], closed: str
) -> None:
    done = assay("verify", report, "--json", streams=closed)
    assert (done.returncode, verified.returncode) == (0, 0), (done.stderr, verified.stdout)
    assert said(done) == []
    assert done.stdout == ("" if ">&-" in closed.split() else verified.stdout)


def test_what_is_meant_for_a_closed_stderr_is_not_among_the_results(tmp_path: Path) -> None:
    done = assay("audit", tmp_path / "none.toml", "--out", tmp_path / "run", "--json", streams="2>&-")
    assert done.returncode == 2
    assert "none.toml" in json.loads(done.stdout)["problem"]


def test_a_password_that_would_come_from_a_closed_stdin_is_asked_for_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ASSAY_KEY_PASSWORD", raising=False)
    done = assay("keys", "new", "--name", "Ada", "--out", tmp_path / "k.p12", streams="<&-")
    assert done.returncode == 2
    assert "no terminal to ask on" in done.stderr


@needs_full
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_results_that_a_full_disk_does_not_take_are_said_to_be_lost_and_files_are_whole(
    case: Path, tmp_path: Path, form: list[str]
) -> None:
    done = assay("audit", case, "--out", tmp_path / "run", *form, streams="> /dev/full")
    (line,) = said(done)
    assert done.returncode == 1
    assert line.startswith("assay audit: what was to be printed could not be written to standard output")
    assert NO_ROOM in line
    json.loads((tmp_path / "run" / "evidence.json").read_bytes())


@needs_full
@pytest.mark.parametrize("words", [["--help"], ["audit", "--help"]])
def test_help_that_a_full_disk_does_not_take_is_one_line(words: list[str]) -> None:
    done = assay(*words, streams="> /dev/full")
    (line,) = said(done)
    assert done.returncode == 1
    assert "could not be written to standard output" in line
    assert NO_ROOM in line


@needs_full
def test_an_error_keeps_its_code_and_words_where_its_document_is_lost(tmp_path: Path) -> None:
    done = assay("audit", tmp_path / "none.toml", "--out", tmp_path / "run", "--json", streams="> /dev/full")
    first, second = said(done)
    assert done.returncode == 2
    assert "none.toml" in first
    assert NO_ROOM in second


@needs_full
def test_a_broken_norm_ends_with_its_code_where_the_results_are_lost(case: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'version = "1"\n[[norm]]\nmetric = "selection_rate"\nkind = "difference"\nattribute = ["sex"]\nlimit = 0.0001\n'
    )
    strict = tmp_path / "case.toml"
    strict.write_text(
        case.read_text().replace('"rows.csv"', f'"{case.parent / "rows.csv"}"') + f'[policy]\nfile = "{policy}"\n'
    )
    plain = assay("audit", strict, "--out", tmp_path / "run", "--gate")
    lost = assay("audit", strict, "--out", tmp_path / "run", "--gate", streams="> /dev/full")
    assert (plain.returncode, lost.returncode) == (3, 3), plain.stderr
    assert NO_ROOM in lost.stderr
    assert said(lost)[1:] == said(plain)


@needs_full
def test_progress_and_errors_that_nobody_can_read_stop_nothing(case: Path, tmp_path: Path) -> None:
    stderr = "2> /dev/full"
    done = assay("audit", case, "--out", tmp_path / "run", "--json", streams=stderr)
    assert done.returncode == 0
    json.loads(done.stdout)
    assert assay("audit", tmp_path / "none.toml", "--out", tmp_path / "x", streams=stderr).returncode == 2


CHILD = """
import subprocess, sys, cli
look = "import os; [os.fstat(n) for n in range(3)]"
cli.main = lambda: subprocess.run([sys.executable, "-c", look]).returncode
cli.start()
"""


def test_the_children_of_a_command_have_streams_where_it_has_none() -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", CHILD], cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 0
