"""Signing keys: made, kept private, opened again; every way in which a file is no key gets one message."""

from __future__ import annotations

import datetime as dt
import io
import os
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12

from audit.errors import KeyFileError, OutputError
from cli import main
from reports.keys import SigningKey, load_key, new_key
from tests.reports import pki as tests_pki

PASSWORD = b"a long password"
NOW = dt.datetime(2026, 11, 22, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SigningKey]:
    path = Path(tmp_path_factory.mktemp("keys")) / "ada.p12"
    return path, new_key(" Ada Auditor ", path, PASSWORD, days=30, now=NOW)


def test_a_new_key_is_rsa_3072_for_signing_and_private(made: tuple[Path, SigningKey]) -> None:
    path, key = made
    assert key.private_key.key_size == 3072
    assert key.name == "Ada Auditor"
    assert key.self_signed
    usage = key.certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert usage.value.content_commitment
    assert not usage.value.key_cert_sign
    assert key.not_after == NOW + dt.timedelta(days=30)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"PRIVATE" not in path.read_bytes()


def test_a_key_is_opened_again_as_it_was(made: tuple[Path, SigningKey]) -> None:
    path, key = made
    again = load_key(path, PASSWORD, now=NOW)
    assert again.fingerprint == key.fingerprint
    assert again.private_key.private_numbers() == key.private_key.private_numbers()
    assert "private" not in repr(again)


def test_an_existing_key_is_never_overwritten(made: tuple[Path, SigningKey]) -> None:
    path, _ = made
    before = path.read_bytes()
    with pytest.raises(OutputError, match="exists already"):
        new_key("Someone Else", path, PASSWORD)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "name, password, days, words",
    [
        ("", PASSWORD, 30, "name"),
        ("x" * 65, PASSWORD, 30, "name"),
        ("a\nb", PASSWORD, 30, "name"),
        ("Ada", b"short", 30, "too short"),
        ("Ada", PASSWORD, 0, "never be valid"),
    ],
)
def test_a_key_that_would_be_no_use_is_refused(
    name: str, password: bytes, days: int, words: str, tmp_path: Path
) -> None:
    with pytest.raises(KeyFileError, match=words):
        new_key(name, tmp_path / "k.p12", password, days=days)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "now, state", [(NOW - dt.timedelta(days=1), "not valid yet"), (NOW + dt.timedelta(days=31), "expired")]
)
def test_a_key_outside_its_time_is_refused(now: dt.datetime, state: str, made: tuple[Path, SigningKey]) -> None:
    with pytest.raises(KeyFileError, match=state) as caught:
        load_key(made[0], PASSWORD, now=now)
    assert "2026-11-21 23:00 to 2026-12-22 00:00 UTC" in caught.value.expected


def store(path: Path, key: object, certificate: x509.Certificate | None, password: bytes = PASSWORD) -> Path:
    blob = pkcs12.serialize_key_and_certificates(
        b"k", key, certificate, None, serialization.BestAvailableEncryption(password)  # type: ignore[arg-type]
    )  # fmt: skip
    path.write_bytes(blob)
    return path


def test_what_is_no_key_gets_one_message(made: tuple[Path, SigningKey], tmp_path: Path) -> None:
    auditor = tests_pki.certificate("Ada", "auditor")
    reader = tests_pki.certificate("Ada", "auditor", signs=False)
    private = tests_pki.private_key("auditor")
    text, empty, cut, pem = (tmp_path / n for n in ("text.p12", "empty.p12", "cut.p12", "pem.p12"))
    text.write_bytes(b"hello")
    empty.write_bytes(b"")
    cut.write_bytes(made[0].read_bytes()[:400])
    pem.write_bytes(auditor.public_bytes(serialization.Encoding.PEM))
    curve = ec.generate_private_key(ec.SECP256R1())
    cases = [
        (tmp_path / "missing.p12", PASSWORD, "cannot be read"),
        (tmp_path, PASSWORD, "cannot be read"),
        (text, PASSWORD, "not a PKCS#12"),
        (empty, PASSWORD, "not a PKCS#12"),
        (cut, PASSWORD, "not a PKCS#12"),
        (pem, PASSWORD, "not a PKCS#12"),
        (made[0], b"wrong password", "could not be opened"),
        (made[0], b"", "could not be opened"),
        (made[0], None, "could not be opened"),
        (store(tmp_path / "nokey.p12", None, auditor), PASSWORD, "no private key"),
        (store(tmp_path / "curve.p12", curve, None), PASSWORD, "no certificate"),
        (store(tmp_path / "reader.p12", private, reader), PASSWORD, "not for signing"),
    ]
    for path, password, words in cases:
        with pytest.raises(KeyFileError, match=words) as caught:
            load_key(path, password)
        assert caught.value.exit_code == 2
        assert caught.value.expected or caught.value.todo, words


def test_an_elliptic_curve_is_refused_with_the_reason(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import hashes

    curve = ec.generate_private_key(ec.SECP256R1())
    name = tests_pki.subject("Ada")
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(curve.public_key())
        .serial_number(1).not_valid_before(tests_pki.NOW).not_valid_after(tests_pki.NOW + tests_pki.DAY)
        .sign(curve, hashes.SHA256())
    )  # fmt: skip
    with pytest.raises(KeyFileError, match="cannot sign a report") as caught:
        load_key(store(tmp_path / "ec.p12", curve, certificate), PASSWORD)
    assert "PDF 2.0" in caught.value.expected


def test_a_key_on_standard_input_is_used_and_never_on_disk(
    made: tuple[Path, SigningKey], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--key - --password-file -`: the password on a line, then the .p12."""
    blob = made[0].read_bytes()
    for inputs, message in (
        (PASSWORD + b"\n" + blob, "the run folder is incomplete"),
        (b"another word\n" + blob, "the key on standard input could not be opened"),
        (PASSWORD + b"\n", "is not a PKCS#12 key file"),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(inputs)))
        args = ["report", str(tmp_path), "--key", "-", "--password-file", "-", "--out", str(tmp_path / "r.pdf")]
        monkeypatch.setattr("reports.keys.check_fit", lambda *a: None)  # made for a day of its own
        assert main(args) == 2
        assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_key_is_for_its_owner_alone_from_the_first_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the umask is; folders that were missing too, and on a file system without links."""
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", "a long password")
    before = os.umask(0)
    try:
        assert main(["keys", "new", "--name", "Ada", "--out", str(tmp_path / "a" / "b" / "ada.p12")]) == 0
        monkeypatch.setattr(os, "link", lambda *a: (_ for _ in ()).throw(OSError("no links here")))
        assert main(["keys", "new", "--name", "Ada", "--out", str(tmp_path / "a" / "b" / "bo.p12")]) == 0
    finally:
        os.umask(before)
    for path in (tmp_path / "a").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert sorted(p.name for p in (tmp_path / "a" / "b").iterdir()) == ["ada.p12", "bo.p12"]


def test_two_keys_made_at_once_under_one_name_do_not_replace_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process was faster, after this one had looked."""
    path = tmp_path / "ada.p12"
    monkeypatch.setattr(Path, "exists", lambda self, **_: False)
    path.write_bytes(b"somebody's only key")
    with pytest.raises(OutputError, match="exists already"):
        new_key("Ada", path, PASSWORD)
    assert path.read_bytes() == b"somebody's only key"
    assert [p.name for p in tmp_path.iterdir()] == ["ada.p12"]
