"""A dozen of all forgeries through the command itself, whose judge is a process with limits; what is honest through a
process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cli
from tests.reports import forged_signed, forged_words
from tests.reports.forge import DONE, FAILED, PART, Real, certified, made

ROOT = Path(__file__).resolve().parent.parent.parent
TABLES = (forged_signed, forged_words)
"""Each enters its own where it is loaded."""
BY_COMMAND = (
    "another_digit", "a_white_square_is_stuck_on", "the_outlines_of_two_figures_change_places",
    "the_document_runs_a_script", "a_layer_hides_a_sentence", "the_same_in_another_packing",
    "page_replaced_by_the_step_that_certifies", "object_hidden_by_a_member", "a_rejection_that_shows_approved",
    "bytes_behind_the_first_end", "validation_data_stuffed_by_a_member",
    "a_white_patch_lies_over_a_value_and_a_lie_about_versions",
)  # fmt: skip


def command(pdf: bytes, folder: Path, *options: str) -> tuple[int, str]:
    """`assay verify` as a process: its exit code and what it says."""
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    line = [sys.executable, str(ROOT / "cli.py"), "verify", str(path), *options]
    done = subprocess.run(line, capture_output=True, text=True, cwd=folder, timeout=300, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", BY_COMMAND)
def test_the_command_refuses_it_too(
    name: str, real: Real, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    path = tmp_path / "report.pdf"
    path.write_bytes(made(real, name))
    code = cli.main(["verify", str(path)])
    assert code == (PART if "lie_about_versions" in name else FAILED), capsys.readouterr()


def test_the_command_verifies_what_assay_printed_and_says_how_far_it_is(real: Real, tmp_path: Path) -> None:
    """Another process, which has set nothing before, makes the same bytes."""
    code, message = command(certified(real, real.pdf), tmp_path)
    assert code == DONE, message
    assert f"made again from the embedded evidence: {len(real.pdf):,} bytes, the same" in message
