"""A byte changed anywhere in a report fails verification."""

from __future__ import annotations

import random

import pytest

from audit.errors import VerificationError
from reports.sign import Validation, certify, seal
from reports.verify import verify, verify_or_raise
from reports.verify.container import hex_contents, open_container
from reports.verify.result import Broken
from reports.verify.seal import Span, container_of, spans
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


@pytest.fixture(scope="module")
def archived(small: Reports, pki: Pki) -> bytes:
    """Certified with a timestamp and validation data, then sealed by an archive timestamp (B-LTA)."""
    stamper = pki.timestamper()
    validation = Validation(pki.root_pem, (pki.revoke(),))
    manifest_ready = kit.draft(small.files, pki.auditor)
    signed = certify(
        manifest_ready, pki.auditor, field="Auditor", reason="mine", timestamper=stamper, validation=validation
    )
    return seal(signed.pdf, stamper, field="ArchiveTimestamp")


def test_a_byte_changed_anywhere_fails(small: Reports) -> None:
    """A thirtieth of all bytes, each replaced by another value drawn by seed, of a report with three signatures."""
    pdf = small.rejected
    assert verify_or_raise(pdf, printer=kit.page).ok
    draw = random.Random(20261122)
    for at in draw.sample(range(len(pdf)), len(pdf) // 30):
        changed = bytearray(pdf)
        changed[at] ^= draw.randrange(1, 256)
        with pytest.raises(VerificationError):
            verify_or_raise(bytes(changed), printer=kit.page)


def test_a_byte_changed_in_an_archived_report_fails(archived: bytes) -> None:
    """The same for a fiftieth of a B-LTA report, two of whose containers hold timestamps."""
    assert verify_or_raise(archived, printer=kit.page).ok
    draw = random.Random(7)
    for at in draw.sample(range(len(archived)), len(archived) // 50):
        changed = bytearray(archived)
        changed[at] ^= draw.randrange(1, 256)
        with pytest.raises(VerificationError):
            verify_or_raise(bytes(changed), printer=kit.page)


def _survivors(pdf: bytes, span: Span, values: tuple[int, ...], step: int = 1) -> list[tuple[int, int]]:
    gap = pdf[span.start : span.stop]
    whole = Span(0, len(gap), len(gap))
    out = []
    for at in range(0, len(gap), step):
        for value in values:
            changed = bytearray(gap)
            changed[at] ^= value
            open_container.cache_clear()
            try:
                container_of(bytes(changed), whole)
            except Broken:
                continue
            out.append((at, value))
    return out


def test_every_byte_of_the_unsigned_gap_counts(small: Reports) -> None:
    """The container is what no digest covers: every position of it with its lowest bit changed, every
    third with its case changed."""
    last = spans(small.certified)[-1]
    assert _survivors(small.certified, last, (1,)) == []
    assert _survivors(small.certified, last, (0x20,), 3) == []


def test_the_unused_bits_of_a_certificates_signature_count(small: Reports) -> None:
    """A certificate's own signature ends in a bit string; parsers forgive a wrong count of unused bits."""
    last = spans(small.certified)[-1]
    der = bytearray(hex_contents(small.certified[last.start : last.stop]))
    for at in range(len(der) - 5):
        if der[at : at + 5] == b"\x03\x82\x01\x01\x00":
            changed = bytes(der[: at + 4]) + b"\x01" + bytes(der[at + 5 :])
            with pytest.raises(Broken):
                open_container(changed, "signature")


def test_every_byte_of_a_timestamped_gap_counts(archived: bytes) -> None:
    """The certification's container (timestamp inside) and the archive timestamp's: one bit at every 23rd position.

    Its content is the digest that the file is then compared with: such changes are caught one step later.
    """
    for span in spans(archived):
        left = _survivors(archived, span, (2,), 23)
        for at, value in left:
            changed = bytearray(archived)
            changed[span.start + at] ^= value
            assert not verify(bytes(changed), printer=kit.page, contents=False).ok
