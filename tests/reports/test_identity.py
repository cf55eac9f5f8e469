"""Who signed: what a certificate has to be for, whose timestamps count, and a quorum of people whom somebody knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID as Use

import cli
from reports.approve import approve
from reports.keys import SigningKey
from reports.sign import Validation, certify, seal
from reports.verify import Verification, verify
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import DAY, NOW, Pki, certificate

DOCUMENTS = ObjectIdentifier("1.3.6.1.5.5.7.3.36")


def judged(pdf: bytes, **options: Any) -> Verification:
    return verify(pdf, printer=kit.page, contents=False, **options)


def signed(small: Reports, key: SigningKey, **options: Any) -> bytes:
    """Certified by a key that the manifest does not pin."""
    draft = kit.draft(small.files, key)
    return certify(draft, key, field="Auditor", reason="I issued this report", **options).pdf


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "server": ({"extended": (Use.SERVER_AUTH,)}, "another use than signing documents"),
    "client": ({"extended": (Use.CLIENT_AUTH,)}, "another use than signing documents"),
    "code": ({"extended": (Use.CODE_SIGNING, Use.SERVER_AUTH)}, "another use than signing documents"),
    "stamper": ({"stamping": True}, "not for signing documents"),
    "no usage": ({"signs": False}, "key usage without nonRepudiation"),
    "authority": ({"ca": True}, "a certificate of an authority"),
    "critical": ({"critical": True}, "a critical extension that is not known"),
    "expired": ({"start": NOW - 20 * DAY, "end": NOW - DAY}, "expired"),
    "not yet": ({"start": NOW + DAY}, "not valid yet"),
}


@pytest.mark.parametrize("name", list(UNFIT))
def test_a_certificate_for_another_use_is_no_signer(name: str, small: Reports, pki: Pki) -> None:
    """All of them lead to the root given. The check is named, and its sentence."""
    options, words = UNFIT[name]
    result = judged(signed(small, pki.issue("Ada Auditor", "unfit", **options)), trust=pki.root_pem)
    assert result.failed is not None
    assert (result.failed.name, result.failed.detail) == (
        "identity", "signature 1 of 1 is by nobody whom the reader can know",
    )  # fmt: skip
    assert words in result.failed.got
    assert (result.identity, result.established) == ("refused", False)


@pytest.mark.parametrize("use", [DOCUMENTS, Use.EMAIL_PROTECTION, Use.ANY_EXTENDED_KEY_USAGE])
def test_a_certificate_for_documents_is_a_signer(use: ObjectIdentifier, small: Reports, pki: Pki) -> None:
    result = judged(signed(small, pki.issue("Ada Auditor", "fit", extended=(use,))), trust=pki.root_pem)
    assert result.failed is None
    assert result.verdict == "verified: every check held, and the signers lead to the root given"


def test_a_member_by_a_server_certificate_counts_for_nothing(small: Reports, pki: Pki) -> None:
    bo = pki.issue("Bo Board", "bo-server", extended=(Use.SERVER_AUTH,))
    pdf = approve(small.certified, bo, decision="approve", reason="Fine.", printer=kit.page).pdf
    failed = judged(pdf, trust=pki.root_pem).failed
    assert failed is not None
    assert failed.detail == "signature 2 of 2 is by nobody whom the reader can know"


def test_the_root_itself_signs_no_report(small: Reports, pki: Pki) -> None:
    root = SigningKey(pki.root, (), pki.root_key)
    failed = judged(signed(small, root), trust=pki.root_pem).failed
    assert failed is not None
    assert failed.name == "identity"
    assert "a certificate of an authority" in failed.got


# --- timestamps ---


def test_a_timestamp_by_an_authority_that_nobody_trusts_is_said_to_be_that(small: Reports, pki: Pki) -> None:
    stamper, kept = pki.timestamper(), Validation(pki.root_pem, (pki.revoke(),))
    pdf = seal(signed(small, pki.auditor, timestamper=stamper, validation=kept), stamper, field="ArchiveTimestamp")
    other = certificate("Other Root", "other-root", ca=True).public_bytes(Encoding.PEM)
    alone = pki.auditor.certificate.public_bytes(Encoding.PEM)
    for trust in (None, alone, alone + other):
        signers = judged(pdf, trust=trust).signers
        assert [s.level for s in signers] == ["B-B", "archive timestamp, not established"]
        assert {s.time_from for s in signers} == {"a timestamp authority that does not lead to a root given"}
    signers = judged(pdf, trust=pki.root_pem).signers
    assert [s.level for s in signers] == ["B-LTA", "archive timestamp"]


def test_an_expired_certificate_needs_a_timestamp_that_is_trusted(small: Reports, pki: Pki) -> None:
    """By an own clock, or an authority under no root given, it counts as signed now."""
    import datetime as dt
    from unittest import mock

    ada = pki.issue("Ada Auditor", "short", end=NOW + DAY)
    stamped, plain = (signed(small, ada, timestamper=t) for t in (pki.timestamper(), None))
    later = NOW + 2 * DAY

    class Later(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return later

    with mock.patch("reports.verify.identity.dt.datetime", Later):
        assert judged(stamped, trust=pki.root_pem).failed is None
        for pdf, trust in ((plain, pki.root_pem), (stamped, ada.certificate.public_bytes(Encoding.PEM))):
            failed = judged(pdf, trust=trust).failed
            assert failed is not None
            assert (failed.name, "expired" in failed.got) == ("identity", True)


# --- pins, and the quorum ---


def test_a_fingerprint_that_the_reader_knows_stands_for_a_root(small: Reports, pki: Pki) -> None:
    own = pki.alone  # self-signed, as `assay keys new` makes them
    pdf = signed(small, own)
    colons = ":".join(own.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    for pin in (own.fingerprint, colons):
        assert judged(pdf, pins=[pin]).identity == "established by the fingerprints given"
    failed = judged(pdf, pins=["0" * 64]).failed
    assert failed is not None
    assert failed.got == "a certificate whose fingerprint is none of those given"


def test_a_quorum_of_people_whom_nobody_knows_is_refused(
    small: Reports, pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kit.judge_here(monkeypatch, kit.page)
    report = tmp_path / "report.pdf"
    report.write_bytes(small.approved)
    assert cli.main(["verify", str(report), "--require-quorum"]) == 2
    assert "without a root or a fingerprint nobody is known" in capsys.readouterr().err
    known = [w for k in (pki.auditor, pki.bo) for w in ("--pin", k.fingerprint)]
    assert cli.main(["verify", str(report), "--require-quorum", *known]) == 4  # one of two, and two are needed
    assert "decisions: the quorum is not reached" in capsys.readouterr().err
    assert cli.main(["verify", str(report), *known]) == 0
    assert cli.main(["verify", str(report), "--pin", "abc"]) == 2
    assert "64 hexadecimal digits" in capsys.readouterr().err


def test_without_a_root_the_last_line_never_says_verified(
    small: Reports, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    kit.judge_here(monkeypatch, kit.page)
    report = tmp_path / "report.pdf"
    report.write_bytes(small.certified)
    assert cli.main(["verify", str(report)]) == 0
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == "intact and consistent; who signed is not established"
    assert "verified" not in output
    assert cli.main(["verify", str(report), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "intact and consistent; who signed is not established"


def test_a_root_that_cannot_be_read_is_the_readers_fault(
    small: Reports, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.pdf").write_bytes(small.certified)
    (tmp_path / "root.pem").write_text("no certificate")
    assert cli.main(["verify", str(tmp_path / "report.pdf"), "--trust", str(tmp_path / "root.pem")]) == 2
    assert "the trusted certificate cannot be read" in capsys.readouterr().err
