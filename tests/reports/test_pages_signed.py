"""Forgeries that bring signatures of their own, by the auditor or by a member with a key of their own, and what this
viewer does not show."""

from __future__ import annotations

import pytest

from reports.verify import verify
from tests.reports import forged_signed, forged_words
from tests.reports.forge import (
    DONE,
    FAILED,
    OTHER_PAGES,
    PART,
    SIGNED,
    Real,
    certified,
    check_refused,
    exit_code,
    made,
    pages_line,
)

STEPS = forged_signed.STEPS

pytestmark = pytest.mark.usefixtures("printed_once")


@pytest.mark.parametrize("name", SIGNED)
def test_no_signed_forgery_is_verified(name: str, real: Real, here: None) -> None:
    check_refused(made(real, name), real, name)


@pytest.mark.parametrize("name", ["another_digit", "the_same_in_another_packing"])
def test_how_other_pages_are_refused_is_known(name: str, real: Real, here: None) -> None:
    """`check_refused` takes it for no refusal of what is embedded."""
    verification = verify(made(real, name))
    assert [c.name for c in verification.checks if c.status == "failed"] == ["printed pages"]
    assert OTHER_PAGES.match(pages_line(verification).detail)


@pytest.mark.parametrize("name", forged_words.ELSEWHERE)
def test_what_this_viewer_does_not_show_is_named(name: str, real: Real, here: None) -> None:
    """Pages "of other versions" that look right to PDFium: another viewer, or a screen reader, gets something else."""
    verification = verify(forged_words.lied(real, name))
    named = forged_words.ELSEWHERE[name][1]
    assert exit_code(verification) == (PART if named else FAILED)
    if named:
        line = pages_line(verification).detail
        assert named in line
        if named in ("operators", "colour profiles", "fonts"):
            assert line.startswith("the pages are not checked")


@pytest.mark.parametrize("cut", [0, 1000, None], ids=["nothing", "a beginning", "the unsigned printing"])
def test_an_earlier_copy_that_is_no_signed_report_settles_nothing(cut: int | None, real: Real, here: None) -> None:
    pdf = certified(real, real.pdf)
    verification = verify(pdf, since=real.pdf if cut is None else pdf[:cut])
    assert exit_code(verification) == FAILED
    assert verification.failed is not None
    assert verification.failed.name == "continuation"
    assert exit_code(verify(pdf, since=pdf)) == DONE
