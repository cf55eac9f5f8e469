"""Keys on a PKCS#11 token: SoftHSM stands in for the card. What signs is the token; each fault has one message."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit.errors import KeyFileError
from reports.attest.dsse import opened, seal
from reports.keys import SigningKey, load_key
from reports.sign import certify
from reports.token import read_address
from reports.verify import verify_or_raise
from tests.reports import kit
from tests.reports import pki as tests_pki
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

PIN = "246810"
PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
)


@dataclass(frozen=True)
class Card:
    """A SoftHSM token with the auditor's key and certificate, and what else a card may hold."""

    module: str
    uri: str


@pytest.fixture(scope="module")
def card(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Card]:
    module = next(p for p in PLACES if Path(p).exists())  # Debian: softhsm2, which `make setup-test` installs
    folder = Path(tmp_path_factory.mktemp("softhsm"))
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    for label in ("Board room", "Twin", "Twin"):
        _softhsm("--init-token", "--free", "--label", label, "--so-pin", "13579111", "--pin", PIN)
    for label, number in (("auditor", "a1"), ("bo", "b2")):
        pem = tests_pki.private_key(label).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "key.pem").write_bytes(pem)
        _softhsm(
            "--import", str(folder / "key.pem"), "--token", "Board room", "--label", f"{label} key", "--id", number,
            "--pin", PIN,
        )  # fmt: skip
    _write_certificates(module, pki)
    yield Card(module, f"pkcs11:token=Board%20room;object=auditor%20key?module-path={module}")
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def _softhsm(*words: str) -> None:
    tool = shutil.which("softhsm2-util")
    assert tool is not None, "softhsm2-util is not installed: run `make setup-test`"
    subprocess.run([tool, *words], check=True, capture_output=True, timeout=60)


def _write_certificates(module: str, pki: Pki) -> None:
    """The auditor's and the root's; the key of Bo has none."""
    import pkcs11
    from pkcs11.util.x509 import decode_x509_certificate

    token = pkcs11.lib(module).get_token(token_label="Board room")
    with token.open(rw=True, user_pin=PIN) as session:
        for certificate, number in ((pki.auditor.certificate, 0xA1), (pki.root, 0xC3)):
            entry = decode_x509_certificate(certificate.public_bytes(Encoding.DER))
            entry |= {pkcs11.Attribute.TOKEN: True, pkcs11.Attribute.ID: bytes([number])}
            session.create_object(entry)


@pytest.fixture(scope="module")
def key(card: Card) -> SigningKey:
    return load_key(card.uri, PIN.encode())


def test_the_key_is_found_with_its_certificate_and_chain(key: SigningKey, pki: Pki) -> None:
    assert key.name == "Ada Auditor"
    assert key.fingerprint == pki.auditor.fingerprint
    assert key.chain == (pki.root,)
    assert key.private_key.key_size == 2048
    assert PIN not in repr(key.private_key)
    assert PIN not in repr(key)


def test_a_report_signed_on_the_token_verifies_here_and_by_pdfsig(
    key: SigningKey, small: Reports, pki: Pki, tmp_path: Path
) -> None:
    signed = certify(small.draft, key, field="Auditor", reason="I issued this report")
    verification = verify_or_raise(signed.pdf, printer=kit.page, trust=pki.root_pem)
    assert verification.signers[0].trusted is True
    assert verification.signers[0].fingerprint == pki.auditor.fingerprint
    (tmp_path / "r.pdf").write_bytes(signed.pdf)
    tool = shutil.which("pdfsig")
    assert tool is not None
    done = subprocess.run([tool, "-nocert", "r.pdf"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "Signature Validation: Signature is Valid." in done.stdout
    assert "Total document signed" in done.stdout


def test_the_token_signs_statements_too(key: SigningKey, pki: Pki) -> None:
    line = seal({"hello": 1}, key)
    assert opened(line, pki.auditor.certificate.public_bytes(Encoding.DER)) == b'{"hello":1}'


def test_the_module_may_come_from_the_environment(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_PKCS11_MODULE", card.module)
    assert load_key("pkcs11:token=Board%20room;id=%A1", PIN.encode()).name == "Ada Auditor"
    monkeypatch.delenv("ASSAY_PKCS11_MODULE")
    with pytest.raises(KeyFileError, match="module is not named"):
        load_key("pkcs11:token=Board%20room;id=%A1", PIN.encode())


FAULTS = [
    ("pkcs11:token=Board%20room;object=auditor%20key{}", b"000000", "refused the PIN"),
    ("pkcs11:token=Board%20room;object=auditor%20key{}", b"1", "refused the PIN"),
    ("pkcs11:token=Board%20room;object=auditor%20key{}", b"", "needs its PIN"),
    ("pkcs11:token=Elsewhere;object=auditor%20key{}", PIN.encode(), "no such token"),
    ("pkcs11:token=Twin;object=auditor%20key{}", PIN.encode(), "several tokens"),
    ("pkcs11:token=Board%20room;object=nothing{}", PIN.encode(), "no such private key"),
    ("pkcs11:token=Board%20room;object=bo%20key{}", PIN.encode(), "no certificate of this key"),
    ("pkcs11:token=Board%20room;object=x?module-path=/nowhere/x.so", PIN.encode(), "module cannot be loaded"),
    ("pkcs11:token=Board%20room{}", PIN.encode(), "does not name a token and a key"),
    ("pkcs11:object=auditor%20key{}", PIN.encode(), "does not name a token and a key"),
    ("pkcs11:token=a;token=b;object=c{}", PIN.encode(), "cannot be read"),
    ("pkcs11:token=a;object=c;colour=red{}", PIN.encode(), "not known"),
    ("pkcs11:token=a;object=c{}&pin-value=1234", PIN.encode(), "holds a PIN"),
]


@pytest.mark.parametrize("uri, pin, words", FAULTS)
def test_each_fault_has_one_message(uri: str, pin: bytes, words: str, card: Card) -> None:
    with pytest.raises(KeyFileError, match=words) as caught:
        load_key(uri.format(f"?module-path={card.module}"), pin)
    assert caught.value.exit_code == 2
    assert PIN not in caught.value.message


def test_a_module_that_is_no_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_bytes(b"hello")
    with pytest.raises(KeyFileError, match="module cannot be loaded"):
        load_key(f"pkcs11:token=a;object=b?module-path={tmp_path / 'x.so'}", PIN.encode())


def test_an_expired_certificate_on_the_token_is_refused(card: Card) -> None:
    with pytest.raises(KeyFileError, match="has expired"):
        load_key(card.uri, PIN.encode(), now=tests_pki.NOW + dt.timedelta(days=400))


def test_an_address_is_decoded_as_the_standard_says() -> None:
    read = read_address("pkcs11:token=A%3Bb;serial=12;id=%01%ff;type=private?module-path=/m%20m.so")
    assert (read.token, read.label, read.id, read.module) == (
        (("token", "A;b"), ("serial", "12")), None, b"\x01\xff", "/m m.so",
    )  # fmt: skip
