"""What each signature says of itself, and what signing refuses."""

from __future__ import annotations

import pytest

from audit.errors import InputError, VerificationError
from reports.approve import approve, embedded_manifest
from reports.decision import Decision
from reports.manifest import Manifest
from reports.sign import SignedLevel, Validation, certify, seal, timestamp_authority
from reports.verify import verify_or_raise
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


def levels(pdf: bytes, pki: Pki) -> list[tuple[str, str]]:
    verification = verify_or_raise(pdf, printer=kit.page, trust=pki.root_pem, contents=False)
    return [(s.level, s.time_from) for s in verification.signers]


def test_each_level_is_told_as_it_is(small: Reports, pki: Pki) -> None:
    stamper, validation = pki.timestamper(), Validation(pki.root_pem, (pki.revoke(),))
    plain = certify(small.draft, pki.auditor, field="Auditor", reason="x")
    timed = certify(small.draft, pki.auditor, field="Auditor", reason="x", timestamper=stamper)
    kept = certify(small.draft, pki.auditor, field="Auditor", reason="x", timestamper=stamper, validation=validation)
    assert [s.level for s in (plain, timed, kept)] == [SignedLevel.B_B, SignedLevel.B_T, SignedLevel.B_LT]
    assert levels(plain.pdf, pki) == [("B-B", "the signer's own clock")]
    assert levels(timed.pdf, pki) == [("B-T", "timestamp authority")]
    assert levels(kept.pdf, pki) == [("B-LT", "timestamp authority")]
    archived = seal(kept.pdf, stamper, field="ArchiveTimestamp")
    assert [level for level, _ in levels(archived, pki)] == ["B-LTA", "archive timestamp"]
    assert "signer's own statement" in plain.level.meaning
    assert f"{plain.level}" == "B-B"


def test_validation_data_shows_the_revocation_that_is_in_the_file(small: Reports, pki: Pki) -> None:
    """Without lists from the reader, those that were embedded at signing are used."""
    validation = Validation(pki.root_pem, (pki.revoke(),))
    kept = certify(
        small.draft, pki.auditor, field="Auditor", reason="x", timestamper=pki.timestamper(), validation=validation
    )
    verification = verify_or_raise(kept.pdf, printer=kit.page, trust=pki.root_pem, contents=False)
    assert "revocation lists checked" in next(c.detail for c in verification.checks if c.name == "identity")


def test_signing_refuses_what_it_cannot_sign(small: Reports, pki: Pki) -> None:
    with pytest.raises(InputError, match="signed already"):
        certify(small.certified, pki.auditor, field="Auditor", reason="x")
    with pytest.raises(InputError, match="no such signature field"):
        certify(small.draft, pki.auditor, field="Nobody", reason="x")
    with pytest.raises(InputError, match="not a PDF"):
        certify(b"hello", pki.auditor, field="Auditor", reason="x")
    with pytest.raises(InputError, match="too long"):
        certify(small.draft, pki.auditor, field="Auditor", reason="x" * 2001)
    with pytest.raises(InputError, match="not a web address"):
        timestamp_authority("ftp://example.org")


def test_an_authority_that_does_not_answer_is_said_plainly(small: Reports, pki: Pki) -> None:
    with pytest.raises(InputError, match="did not answer") as caught:
        certify(
            small.draft, pki.auditor, field="Auditor", reason="x",
            timestamper=timestamp_authority("http://127.0.0.1:9/tsa", timeout=2),
        )  # fmt: skip
    assert "sign without it" in caught.value.todo


def test_approving_refuses_the_wrong_person_and_the_second_time(small: Reports, pki: Pki) -> None:
    with pytest.raises(InputError, match="no decision of this person"):
        approve(small.certified, pki.auditor, decision="approve", reason="x", printer=kit.page)
    with pytest.raises(InputError, match="not that of Bo Board"):
        approve(small.certified, pki.cy, decision="approve", reason="x", member="Bo Board", printer=kit.page)
    with pytest.raises(InputError, match="signed already"):
        approve(small.approved, pki.bo, decision="reject", reason="x", printer=kit.page)
    with pytest.raises(InputError, match="not known"):
        approve(small.certified, pki.bo, decision="aprove", reason="x", printer=kit.page)
    with pytest.raises(InputError, match="needs a reason"):
        approve(small.certified, pki.bo, decision="approve", reason="  ", printer=kit.page)
    with pytest.raises(VerificationError, match="seal"):
        approve(small.certified + b" ", pki.bo, decision="approve", reason="x", printer=kit.page)


@pytest.mark.parametrize(
    "made",
    [
        Decision("approve", "Fine."),
        Decision("reject", "Too wide: 12 % \u2013 see page 3", "Only until May"),
    ],
)
def test_a_decision_reads_back_as_it_was_signed(made: Decision) -> None:
    assert Decision.from_text(made.to_text()) == made


@pytest.mark.parametrize("text", ["", "approve: x", "APPROVED: x", "REJECT:x", "APPROVE: ", "APPROVE: a\nb"])
def test_a_text_that_is_no_decision_is_not_guessed(text: str) -> None:
    with pytest.raises(InputError):
        Decision.from_text(text)


def test_the_reason_may_not_hide_conditions_or_the_decision() -> None:
    """Text that would read back as something else is refused, so that what is signed has one reading."""
    with pytest.raises(InputError):
        Decision("approve", "fine CONDITIONS: none")


def test_the_manifest_reads_back(small: Reports, pki: Pki) -> None:
    built = kit.manifest_of(small.files, pki.auditor)
    assert Manifest.from_bytes(built.to_bytes()) == built
    assert embedded_manifest(small.rejected) == built
    assert Manifest.from_bytes(built.to_bytes()).to_bytes() == built.to_bytes()
