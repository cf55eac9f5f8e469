"""Who signed: each signer's certificate has to be fit for signing documents, and lead to a root that the reader trusts
(RFC 5280), or be one whose fingerprint the reader knows.

The moment of judgement is the timestamp where its authority leads to the same roots, and otherwise now: the signer's
own clock proves nothing, so an expired certificate is refused unless a trusted authority confirms that it was valid at
signing. What a certificate may be used for: RFC 5280, 4.2.1.3 and 4.2.1.12; RFC 9336 (document signing); RFC 3161, 2.3
(timestamping).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from reports.sign import read_certificates, read_crl
from reports.signature import Container, Signature
from reports.verify.result import Broken

SIGNS = {
    "any_extended_key_usage",
    "email_protection",
    "1.3.6.1.5.5.7.3.36",  # id-kp-documentSigning
    "microsoft_document_signing",
    "1.2.840.113583.1.1.5",  # Adobe, authentic documents
    "adobe_authentic_documents_trust",
}
"""Uses of a certificate under which a person signs documents; one without any list may be used for all."""

STORE = "/DSS"
"""The name of a PDF's validation data (ETSI EN 319 142-1)."""
KNOWN = {"basic_constraints", "key_usage", "extended_key_usage", "certificate_policies", "subject_alt_name"}
"""Critical extensions that are looked at, or say nothing that is relied on; any other is refused (RFC 5280, 4.2)."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What could be established. trusted: field -> its signer leads to what the reader gave. stamped: fields whose
    timestamp is by an authority that does."""

    line: str
    trusted: dict[str, bool | None]
    stamped: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reader:
    """What the reader trusts and knows. crls: those given; embedded: those in the file, and its certificates, which
    only help to find the way to a root."""

    roots: list[Any]
    pins: tuple[str, ...]
    given: list[Any]
    embedded: list[Any]
    more: Sequence[bytes]

    @classmethod
    def of(
        cls,
        trust: bytes | None,
        pins: Sequence[str],
        crls: Sequence[bytes],
        embedded_crls: Sequence[bytes] = (),
        embedded_certificates: Sequence[bytes] = (),
    ) -> Reader:
        """Raises InputError where something cannot be read."""
        roots = [] if trust is None else read_certificates(trust)
        lists = [read_crl(c) for c in embedded_crls]
        return cls(roots, tuple(pins), [read_crl(c) for c in crls], lists, embedded_certificates)

    @property
    def lists(self) -> list[Any]:
        return self.given + self.embedded


def check_identity(signatures: Sequence[Signature], reader: Reader) -> Identity:
    """Who signed. Raises Broken for the first signer who is not known, not fit to sign, or revoked."""
    trusted: dict[str, bool | None] = {}
    stamped = set()
    words = []
    for signature in signatures:
        container = signature.container
        if signature.kind == "/DocTimeStamp":
            trusted[signature.field] = _authority(container, reader)
            if trusted[signature.field]:
                stamped.add(signature.field)
            continue
        moment, source = dt.datetime.now(dt.UTC), "now"
        stamp = container.stamp
        if stamp is not None and stamp.time is not None and _authority(stamp, reader):
            moment, source = stamp.time, "at its timestamp"
            stamped.add(signature.field)
        problem = unfit(container.certificate) or _path(container, reader, moment, bool(reader.given))
        if problem is not None:
            raise Broken(
                f"signature {len(trusted) + 1} of {len(signatures)} is by nobody whom the reader can know",
                got=problem,
                expected="a certificate for signing documents that leads to a root given, or is one of those given",
                todo="check that this is the right root; if it is, do not accept the signature",
            )
        trusted[signature.field] = True
        words.append(f"{signature.signer_name} (valid {source})")
    how = "leading to the root given" if reader.roots else "by the fingerprints given"
    revocation = "revocation lists checked" if reader.lists else "revocation not checked: no list was given"
    return Identity(f"{', '.join(words)}: {how}; {revocation}", trusted, frozenset(stamped))


def unfit(der: bytes) -> str | None:
    """Why a certificate is not one by which a person signs documents, or None."""
    from asn1crypto import x509

    try:
        certificate = x509.Certificate.load(der)
        _, usage = certificate.basic_constraints_value, certificate.key_usage_value
        extended, critical = certificate.extended_key_usage_value, set(certificate.critical_extensions)
    except (ValueError, TypeError, KeyError):
        return "a certificate whose extensions cannot be read"
    if critical - KNOWN:
        return "a certificate with a critical extension that is not known here"
    if certificate.ca:
        return "a certificate of an authority, which vouches for others and signs no documents"
    if usage is not None and "key_cert_sign" in usage.native:
        return "a certificate for signing certificates"
    if usage is None or "non_repudiation" not in usage.native:
        return "a certificate that is not for signing documents: key usage without nonRepudiation"
    if extended is not None and not SIGNS.intersection(extended.native):
        return "a certificate for another use than signing documents: its extended key usage"
    return None


def _authority(container: Container, reader: Reader) -> bool:
    """Whether a timestamp is by an authority that leads to a root given, at its own time."""
    from asn1crypto import x509

    try:
        certificate = x509.Certificate.load(container.certificate)
        _, extended = certificate.basic_constraints_value, certificate.extended_key_usage_value
    except (ValueError, TypeError, KeyError):
        return False
    if certificate.ca or extended is None or extended.native != ["time_stamping"]:
        return False
    return _path(container, reader, container.time or dt.datetime.now(dt.UTC), False) is None


def _path(container: Container, reader: Reader, moment: dt.datetime, require: bool) -> str | None:
    return leads(container.certificate, container.others, reader, moment, require=require)


def leads(
    der: bytes, between: Sequence[bytes], reader: Reader, moment: dt.datetime, *, require: bool = False
) -> str | None:
    """None where the certificate leads to a root at `moment`, or its fingerprint is known; else why not."""
    from asn1crypto import x509
    from pyhanko_certvalidator import CertificateValidator, ValidationContext

    certificate = x509.Certificate.load(der)
    known = hashlib.sha256(der).hexdigest() in reader.pins
    if known or certificate.dump() in {r.dump() for r in reader.roots}:
        # The reader trusts this very certificate; there is no issuer who could revoke it.
        if not certificate.not_valid_before <= moment <= certificate.not_valid_after:
            return "a certificate that has expired or is not valid yet"
        return None
    if not reader.roots:
        return "a certificate whose fingerprint is none of those given"
    context = ValidationContext(
        trust_roots=reader.roots,
        crls=reader.lists,
        allow_fetching=False,
        revocation_mode="require" if require else "soft-fail",
        moment=moment,
        # A list is newer than the signature that it is asked about; that is what makes it useful.
        time_tolerance=dt.timedelta(seconds=1),
        retroactive_revinfo=True,
    )
    others = [x509.Certificate.load(c) for c in (*between, *reader.more)]
    validator = CertificateValidator(certificate, intermediate_certs=others, validation_context=context)
    try:
        _finish(validator.async_validate_path())
    except Exception as error:  # certvalidator's errors have several bases
        return _REASONS.get(type(error).__name__, "a certificate that does not lead to a root given")
    return None


_REASONS = {
    "RevokedError": "a certificate that was revoked",
    "ExpiredError": "a certificate that has expired, or one on its way to the root has",
    "NotYetValidError": "a certificate that is not valid yet",
    "InsufficientRevinfoError": "a certificate that no revocation list given is about",
    "InsufficientCRLError": "a certificate that no revocation list given is about",
    "StaleRevinfoError": "a certificate about which the revocation list given is out of date",
}


def _finish(work: Coroutine[Any, Any, Any]) -> None:
    """Run what waits for nothing, since nothing is fetched. An event loop needs sockets, and there are none here."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("the path was not found without waiting")


def embedded_lists(reader: Any) -> list[bytes]:
    """The revocation lists in the file's own validation data (/DSS)."""
    return _embedded(reader, "/CRLs")


def embedded_certificates(reader: Any) -> list[bytes]:
    """The certificates (DER) in the file's own validation data. Raises Broken where they cannot be read."""
    from asn1crypto import x509

    certificates = _embedded(reader, "/Certs")
    try:
        for der in certificates:
            _ = x509.Certificate.load(der, strict=True).subject.native
    except (ValueError, TypeError) as error:
        raise Broken("a certificate in the file's validation data cannot be read", got=type(error).__name__) from error
    return certificates


def _embedded(reader: Any, kind: str) -> list[bytes]:
    """`reports.verify.allowed` took nothing but streams here, before."""
    if STORE not in reader.root or kind not in reader.root[STORE]:
        return []
    return [bytes(item.get_object().data) for item in reader.root[STORE][kind]]
