"""DSSE envelopes (github.com/secure-systems-lab/dsse) around in-toto statements, signed by RSA.

    line = seal(statement, key)             # one line of JSON, RFC 8785
    payload = opened(line, certificate)     # the bytes that were signed; raises InputError

The payload is RFC 8785 JSON. The signature is PKCS #1 v1.5 with SHA-256: the same statement and key give the same
bytes, which PSS would not. The key id is the SHA-256 of the signer's certificate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from audit.errors import InputError
from reports.manifest import strict_json
from reports.signing_key import SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
SCHEME = "rsa-pkcs1v15-sha256"


def seal(statement: Mapping[str, Any], key: SigningKey) -> bytes:
    """The envelope around this statement, one line without its newline."""
    import rfc8785
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import Signature  # type: ignore[attr-defined]

    envelope = Envelope(rfc8785.dumps(dict(statement)), PAYLOAD_TYPE, {})
    signed = key.private_key.sign(envelope.pae(), padding.PKCS1v15(), hashes.SHA256())
    envelope.signatures[key.fingerprint] = Signature(key.fingerprint, signed.hex())
    line: bytes = rfc8785.dumps(envelope.to_dict())
    return line


def opened(line: bytes, certificate: bytes) -> bytes:
    """The payload of an envelope that the holder of this certificate (DER) has signed, alone.

    Raises InputError where it is no envelope, holds more than it should, or is signed by someone else.
    """
    import rfc8785
    from cryptography import x509
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import Error
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    fingerprint = hashlib.sha256(certificate).hexdigest()
    document = strict_json(line, "the envelope")
    try:
        if rfc8785.dumps(document) != line:
            raise ValueError("not in canonical form")
        envelope = Envelope.from_dict(strict_json(line, "the envelope"))
        if rfc8785.dumps(envelope.to_dict()) != line or len(envelope.signatures) != 1:
            raise ValueError("more in it than payload, payloadType and one signature")
        if envelope.payload_type != PAYLOAD_TYPE:
            raise ValueError(f"payloadType {envelope.payload_type}")
    except (KeyError, TypeError, ValueError, AttributeError, Error) as error:
        raise InputError(
            "an envelope cannot be read",
            got=f"{type(error).__name__}: {error}"[:200],
            expected="one DSSE envelope a line",
        ) from error
    try:
        public = x509.load_der_x509_certificate(certificate).public_key()
        envelope.verify([SSlibKey.from_crypto(public, fingerprint, SCHEME)], 1)
    except (Error, ValueError) as error:
        raise InputError(
            "a statement is not signed by the person that it is said to be of",
            got=f"a signature of {', '.join(envelope.signatures)[:64]}",
            expected=f"one by the certificate {fingerprint}",
        ) from error
    payload: bytes = envelope.payload
    return payload


def statement_of(payload: bytes) -> dict[str, Any]:
    """The statement in a payload. Raises InputError where it is none, or not in RFC 8785 form."""
    import rfc8785

    statement = strict_json(payload, "the statement")
    try:
        canonical = isinstance(statement, dict) and rfc8785.dumps(statement) == payload
    except (rfc8785.CanonicalizationError, RecursionError):
        canonical = False
    if not canonical:
        raise InputError("a statement is not in RFC 8785 form", got=payload[:80].decode("utf-8", "replace"))
    return dict(statement)


__all__ = ["PAYLOAD_TYPE", "SCHEME", "opened", "seal", "statement_of"]
