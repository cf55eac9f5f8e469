"""Forgeries that bring signatures of their own, by the auditor or by a member with a key of their own; what this viewer
does not show; and a dozen of all forgeries through the command itself, whose judge is a process with limits. What is
honest goes through a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cli
from reports.verify import verify
from tests.reports import forged_signed, forged_words
from tests.reports.forge import DONE, FAILED, PART, SIGNED, Real, certified, check_refused, exit_code, made, pages_line

STEPS = forged_signed.STEPS
ROOT = Path(__file__).resolve().parent.parent.parent
BY_COMMAND = (
    "another_digit", "a_white_square_is_stuck_on", "the_outlines_of_two_figures_change_places",
    "the_document_runs_a_script", "a_layer_hides_a_sentence", "the_same_in_another_packing",
    "page_replaced_by_the_step_that_certifies", "object_hidden_by_a_member", "a_rejection_that_shows_approved",
    "bytes_behind_the_first_end", "validation_data_stuffed_by_a_member",
    "a_white_patch_lies_over_a_value_and_a_lie_about_versions",
)  # fmt: skip


@pytest.mark.parametrize("name", SIGNED)
def test_no_signed_forgery_is_verified(name: str, real: Real, here: None) -> None:
    check_refused(made(real, name), real, name)


@pytest.mark.parametrize("name", forged_words.ELSEWHERE)
def test_what_this_viewer_does_not_show_is_named(name: str, real: Real, here: None) -> None:
    """Pages "of other versions" that look right to PDFium: another viewer, or a screen reader, gets something else."""
    found = verify(forged_words.lied(real, name))
    named = forged_words.ELSEWHERE[name][1]
    assert exit_code(found) == (PART if named else FAILED)
    if named:
        line = pages_line(found).detail
        assert named in line
        if named in ("operators", "colour profiles", "fonts"):
            assert line.startswith("the pages are not checked")


@pytest.mark.parametrize("cut", [0, 1000, None], ids=["nothing", "a beginning", "the unsigned printing"])
def test_an_earlier_copy_that_is_no_signed_report_settles_nothing(cut: int | None, real: Real, here: None) -> None:
    pdf = certified(real, real.pdf)
    found = verify(pdf, since=real.pdf if cut is None else pdf[:cut])
    assert exit_code(found) == FAILED
    assert found.failed is not None
    assert found.failed.name == "continuation"
    assert exit_code(verify(pdf, since=pdf)) == DONE


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
    code, said = command(certified(real, real.pdf), tmp_path)
    assert code == DONE, said
    assert f"made again from the embedded evidence: {len(real.pdf):,} bytes, the same" in said
