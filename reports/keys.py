"""Signing keys: RSA-3072 with a certificate, in a password-protected PKCS#12 file (.p12).

    new_key("Ada Auditor", Path("ada.p12"), b"a long password")
    key = load_key(Path("ada.p12"), b"a long password")
    key.name, key.fingerprint, key.not_after

RSA-3072 keeps a signed report at PDF 1.7; elliptic curves raise it to PDF 2.0, and PDF/A-3 would be lost.
`load_key("pkcs11:token=...;object=...", pin)` takes a key on a token instead (reports.token).
A key made here is self-signed: it shows that one holder signed, and says nothing on who that is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from audit.errors import KeyFileError, OutputError
from audit.files import private_folder, write_new
from audit.numbers import many
from reports.signing_key import (
    LEAST_BITS,
    PASSWORD_VARIABLE,
    SigningKey,
    check_fit,
)

DAYS = 2 * 365
BITS = 3072
LEAST_PASSWORD = 8
MOST_BYTES = 1 << 20


def new_key(name: str, path: Path, password: bytes, *, days: int = DAYS, now: dt.datetime | None = None) -> SigningKey:
    """Make a key as `make_key` does and write it to `path`; an existing file is never replaced.

    The file has mode 0600 from its first byte on, whatever the umask is, and is there whole or not at all; folders that
    are missing above it are made for the owner alone. Raises OutputError where it cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise _exists(path)
    key, blob = make_key(name, password, days=days, now=now)
    private_folder(path.parent)
    try:
        write_new(path, blob)
    except FileExistsError as error:
        raise _exists(path) from error
    return key


def _exists(path: Path) -> OutputError:
    return OutputError(
        f"{path.name} exists already", got=str(path), expected="a new name",
        todo="choose another name: a key that is overwritten is lost, and nobody can sign with it again",
    )  # fmt: skip


def make_key(
    name: str, password: bytes, *, days: int = DAYS, now: dt.datetime | None = None
) -> tuple[SigningKey, bytes]:
    """A new key, and the bytes of its .p12 file under `password`. Nothing is written.

    The certificate is self-signed for `name`, valid from an hour before `now` (default: the present) for `days`, with
    key usage digitalSignature and nonRepudiation (RFC 5280; what PAdES verifiers ask for).
    Raises KeyFileError for an empty name, one over 64 characters (X.520) or a password under 8 characters.
    """
    name = name.strip()
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise KeyFileError("the name cannot be used", got=repr(name), expected="1 to 64 printable characters")
    if len(password) < LEAST_PASSWORD:
        raise KeyFileError(
            "the password is too short",
            got=many(len(password), "character"),
            expected=f"at least {LEAST_PASSWORD}",
            todo="choose a longer one; whoever has the file and the password signs in your name",
        )
    if days < 1:
        raise KeyFileError("the key would never be valid", got=many(days, "day"), expected="1 or more")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12
    from cryptography.x509.oid import NameOID

    start = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0)
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - dt.timedelta(hours=1))
        .not_valid_after(start + dt.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    blob = pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, None, serialization.BestAvailableEncryption(password)
    )
    return SigningKey(certificate, (), key), blob


def load_key(path: Path | str, password: bytes | None, *, now: dt.datetime | None = None) -> SigningKey:
    """The signing key in a .p12 file or at a `pkcs11:` address, fit to sign at `now` (default: the present).

    Raises KeyFileError, one message: no such file, not PKCS#12, a wrong password, no private key or no certificate in
    it, a key that is not RSA or under 2048 bits, a certificate that is expired, not yet valid or not for signing.
    """
    if str(path).startswith("pkcs11:"):
        from reports.token import load_token_key

        return load_token_key(str(path), password, now=now)
    path = Path(path)
    try:
        blob = path.read_bytes()
    except OSError as error:
        raise KeyFileError(
            "the key file cannot be read",
            got=f"{path}: {error.strerror}",
            expected="a .p12 file",
            todo="check the path, or make a key with `assay keys new --name NAME --out KEY.p12`",
        ) from error
    return open_key(blob, path.name, password, now=now)


def open_key(blob: bytes, name: str, password: bytes | None, *, now: dt.datetime | None = None) -> SigningKey:
    """The signing key in the bytes of a .p12 file, which is told as `name` in messages. Raises as `load_key` does."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import pkcs12

    if not _is_pkcs12(blob):
        raise KeyFileError(
            f"{name} is not a PKCS#12 key file",
            got=_looks_like(blob),
            expected="a .p12 or .pfx file with a private key and its certificate",
            todo="make one with `assay keys new --name NAME --out KEY.p12`, or export one from where the key is kept",
        )
    try:
        key, certificate, others = pkcs12.load_key_and_certificates(blob, password or None)
    except ValueError as error:
        raise KeyFileError(
            f"{name} could not be opened",
            got="no password" if not password else "a password that does not fit",
            expected="the password the file was made with",
            todo=f"give it at the prompt or in {PASSWORD_VARIABLE}",
        ) from error
    except Exception as error:  # unsupported ciphers and broken encodings have no common base
        raise KeyFileError(
            f"{name} could not be opened", got=str(error) or type(error).__name__, expected="a PKCS#12 file"
        ) from error
    if key is None or certificate is None:
        missing = "private key" if key is None else "certificate"
        raise KeyFileError(
            f"{name} holds no {missing}",
            expected="a private key with its certificate",
            todo="export it again with the private key included",
        )
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < LEAST_BITS:
        size = f" of {key.key_size} bits" if isinstance(key, rsa.RSAPrivateKey) else ""
        raise KeyFileError(
            f"{name} holds a key that cannot sign a report",
            got=type(key).__name__.lstrip("_") + size,
            expected=f"RSA of {LEAST_BITS} bits or more; other kinds raise the file to PDF 2.0, which PDF/A-3 forbids",
        )
    loaded = SigningKey(certificate, tuple(c for c in others if c != certificate), key)
    check_fit(loaded, name, now or dt.datetime.now(dt.UTC))
    return loaded


def key_of(source: str, password: Callable[[], bytes], stream: BinaryIO) -> SigningKey:
    """The key that `--key` names: a file, a `pkcs11:` address, or `-`, a .p12 on `stream` that is on no disk."""
    if source != "-":
        return load_key(source, password())
    word = password()  # before the key: with --password-file -, it is the first line of the same stream
    return open_key(stream.read(MOST_BYTES + 1)[:MOST_BYTES], "the key on standard input", word)


def _is_pkcs12(blob: bytes) -> bool:
    from asn1crypto import pkcs12

    try:
        return bool(pkcs12.Pfx.load(blob, strict=True)["version"].native == "v3")
    except (ValueError, TypeError):
        return False


def _looks_like(blob: bytes) -> str:
    if not blob:
        return "an empty file"
    if blob.startswith(b"-----BEGIN"):
        return "a PEM file: " + blob.splitlines()[0].decode("ascii", "replace")
    if blob.startswith(b"%PDF"):
        return "a PDF"
    return f"{many(len(blob), 'byte')} that are something else"
