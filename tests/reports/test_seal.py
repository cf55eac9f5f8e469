"""The archive timestamp by command, an authority whose chain has a certificate between, and what is kept for later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from asn1crypto import keys as asn1_keys
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from pyhanko.sign.timestamps import DummyTimeStamper

import cli
from audit.errors import InputError, VerificationError
from reports.archive import archive
from reports.sign import Validation, certify
from reports.verify import verify_or_raise
from tests.reports import kit
from tests.reports import pki as tests_pki
from tests.reports.conftest import Reports
from tests.reports.pki import NOW, Pki

PASSWORD = b"a long password"


class Between:
    """An authority under an intermediate, which it leaves out of its tokens, as some do."""

    def __init__(self, pki: Pki) -> None:
        self.middle_key = tests_pki.private_key("middle")
        self.middle = tests_pki.certificate(
            "Middle CA", "middle", issuer=pki.root, issuer_key=pki.root_key, ca=True
        )  # fmt: skip
        own = tests_pki.certificate(
            "Far TSA", "far", issuer=self.middle, issuer_key=self.middle_key, stamping=True
        )  # fmt: skip
        private = tests_pki.private_key("far").private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self.stamper = DummyTimeStamper(
            asn1_x509.Certificate.load(own.public_bytes(Encoding.DER)), asn1_keys.PrivateKeyInfo.load(private)
        )
        self.bundle = pki.root_pem + self.middle.public_bytes(Encoding.PEM)
        self.crls = (pki.revoke(), self._list())

    def _list(self) -> bytes:
        built = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.middle.subject)
            .last_update(NOW - tests_pki.DAY)
            .next_update(NOW + 30 * tests_pki.DAY)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.middle_key.public_key()), critical=False
            )
            .add_extension(x509.CRLNumber(1), critical=False)
            .sign(self.middle_key, hashes.SHA256())
        )
        return built.public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def between(pki: Pki) -> Between:
    return Between(pki)


@pytest.fixture
def authority(between: Between) -> Iterator[str]:
    """The same authority as a web address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = tsp.TimeStampReq.load(self.rfile.read(int(self.headers["Content-Length"])))
            body = between.stamper.request_tsa_response(asked).dump()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/tsa"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_certificate_between_is_carried_in_the_file(small: Reports, pki: Pki, between: Between) -> None:
    """The reader has the root alone. Without the certificate between, the authority would lead nowhere."""
    validation = Validation(between.bundle, between.crls)
    signed = certify(
        small.draft, pki.auditor, field="Auditor", reason="x", timestamper=between.stamper, validation=validation
    )
    verification = verify_or_raise(signed.pdf, printer=kit.page, trust=pki.root_pem, contents=False)
    assert "Ada Auditor (valid at its timestamp)" in next(c.detail for c in verification.checks if c.name == "identity")
    bare = certify(small.draft, pki.auditor, field="Auditor", reason="x", timestamper=between.stamper)
    verification = verify_or_raise(bare.pdf, printer=kit.page, trust=pki.root_pem, contents=False)
    assert "Ada Auditor (valid now)" in next(c.detail for c in verification.checks if c.name == "identity")


def test_the_seal_brings_what_its_own_authority_needs(small: Reports, pki: Pki, between: Between) -> None:
    """Certified without any validation data; the archive timestamp is the first to need some, and covers it."""
    sealed = archive(
        small.approved, between.stamper, validation=Validation(between.bundle, between.crls), printer=kit.page
    )  # fmt: skip
    verification = verify_or_raise(sealed, printer=kit.page, trust=pki.root_pem)
    assert verification.signers[-1].level == "archive timestamp"
    assert verification.signers[-1].trusted is True
    plain = verify_or_raise(archive(small.approved, between.stamper, printer=kit.page), printer=kit.page,
                            trust=pki.root_pem)  # fmt: skip
    assert plain.signers[-1].trusted is False
    with pytest.raises(InputError, match="signed already"):
        archive(sealed, between.stamper, printer=kit.page)


def test_a_broken_report_is_not_sealed(small: Reports, between: Between) -> None:
    with pytest.raises(VerificationError, match="seal"):
        archive(small.certified[:-1], between.stamper, printer=kit.page)


def test_the_whole_way_by_command(
    small: Reports, pki: Pki, between: Between, authority: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """report --timestamp --trust --crl, approve, seal, verify --trust --crl --since --require-quorum."""
    kit.judge_here(monkeypatch)
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", PASSWORD.decode())
    (tmp_path / "run").mkdir()
    for name, data in small.files.items():
        (tmp_path / "run" / name).write_bytes(data)
    for name, key in (("ada", pki.auditor), ("bo", pki.bo)):
        blob = pkcs12.serialize_key_and_certificates(
            name.encode(), key.private_key, key.certificate, key.chain, BestAvailableEncryption(PASSWORD)  # type: ignore[arg-type]
        )  # fmt: skip
        (tmp_path / f"{name}.p12").write_bytes(blob)
    (tmp_path / "bundle.pem").write_bytes(between.bundle)
    (tmp_path / "root.pem").write_bytes(pki.root_pem)
    for number, crl in enumerate(between.crls):
        (tmp_path / f"{number}.crl").write_bytes(crl)
    report = tmp_path / "r.pdf"
    kept = ["--timestamp", authority, "--trust", tmp_path / "bundle.pem"]
    kept += ["--crl", tmp_path / "0.crl", "--crl", tmp_path / "1.crl"]

    def run(*words: object) -> tuple[int, str]:
        code = cli.main([str(w) for w in words])
        output = capsys.readouterr()
        return code, output.out + output.err

    code, output = run(
        "report", tmp_path / "run", "--key", tmp_path / "ada.p12", "--out", report, "--member", "Bo Board",
        "--annex", "none", *kept,
    )  # fmt: skip
    assert code == 0, output
    assert "(B-LT)" in output
    certified = report.read_bytes()
    asked = ["verify", report, "--trust", tmp_path / "root.pem", "--crl", tmp_path / "0.crl"]
    assert run(*asked)[0] == 0
    code, output = run(*asked, "--require-quorum")
    assert code == 4
    assert "the quorum is not reached" in output
    (tmp_path / "early.pdf").write_bytes(certified)
    code, output = run(
        "approve", report, "--key", tmp_path / "bo.p12", "--decision", "approve", "--reason", "Fine.", *kept
    )
    assert code == 0, output
    code, output = run("seal", report, *kept)
    assert code == 0, output
    code, output = run(*asked, "--require-quorum", "--since", tmp_path / "early.pdf")
    assert code == 0, output
    assert "valid at its timestamp" in output
    assert [s.level for s in verify_or_raise(report.read_bytes(), trust=pki.root_pem).signers] == [
        "B-LTA", "B-LTA", "archive timestamp",
    ]  # fmt: skip
    (tmp_path / "revoked.crl").write_bytes(pki.revoke(pki.bo))
    code, output = run("verify", report, "--trust", tmp_path / "root.pem", "--crl", tmp_path / "revoked.crl")
    assert code == 4
    assert "identity" in output
    (tmp_path / "late.pdf").write_bytes(report.read_bytes())
    report.write_bytes(certified)
    code, output = run(*asked, "--since", tmp_path / "late.pdf")
    assert code == 4
    assert "continuation" in output
    code, output = run("seal", report, "--timestamp", authority, "--crl", tmp_path / "0.crl")
    assert code == 2
    assert "--trust CA.pem" in output
