"""A key that can sign, wherever its private half is: in a file (reports.keys) or on a token (reports.token)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from audit.errors import KeyFileError

if TYPE_CHECKING:
    from cryptography import x509

PASSWORD_VARIABLE = "ASSAY_KEY_PASSWORD"
LEAST_BITS = 2048


class PrivateKey(Protocol):
    """What signing needs of cryptography's RSA keys; key_size in bits."""

    @property
    def key_size(self) -> int: ...

    def sign(self, data: bytes, padding: Any, algorithm: Any) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key that can sign, its certificate, and the certificates between it and its root (may be empty)."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False)

    @property
    def name(self) -> str:
        """The certificate's common name, or its whole subject."""
        return common_name(self.certificate)

    @property
    def fingerprint(self) -> str:
        """sha256 of the certificate (DER), lower-case hex."""
        return fingerprint(self.certificate)

    @property
    def not_after(self) -> dt.datetime:
        """The last moment at which the certificate is valid, UTC."""
        return self.certificate.not_valid_after_utc

    @property
    def self_signed(self) -> bool:
        """Whether nobody but the holder vouches for the name."""
        return self.certificate.subject == self.certificate.issuer


def issuer_name(certificate: x509.Certificate) -> str:
    """The common name of who vouches for the certificate, or the whole issuer where there is none."""
    from cryptography.x509.oid import NameOID

    names = certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.issuer.rfc4514_string()


def common_name(certificate: x509.Certificate) -> str:
    """The common name of the certificate's subject, or the whole subject where there is none."""
    from cryptography.x509.oid import NameOID

    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


def fingerprint(certificate: x509.Certificate) -> str:
    """sha256 of the certificate (DER), lower-case hex."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()


def check_fit(key: SigningKey, name: str, now: dt.datetime) -> None:
    """Whether the certificate is valid at `now` and for signing documents. Raises KeyFileError; `name` is its place."""
    from cryptography import x509

    cert = key.certificate
    span = f"{cert.not_valid_before_utc:%Y-%m-%d %H:%M} to {cert.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if not cert.not_valid_before_utc <= now <= cert.not_valid_after_utc:
        state = "is not valid yet" if now < cert.not_valid_before_utc else "has expired"
        raise KeyFileError(
            f"the certificate in {name} {state}",
            got=f"{now:%Y-%m-%d %H:%M} UTC",
            expected=span,
            todo="sign with a key that is valid today",
        )
    try:
        usage = cert.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.content_commitment:
        raise KeyFileError(
            f"the certificate in {name} is not for signing documents",
            got="key usage without nonRepudiation (contentCommitment)",
            expected="nonRepudiation",
            todo="use a signing certificate",
        )
