"""Sign a report: PAdES (ETSI EN 319 142-1) B-B to B-LTA, as far as the means given reach.

    signed = certify(pdf, key, field="Auditor", reason="I issued this report")
    signed.level            # SignedLevel.B_B: no timestamp authority was given, so the time is the signer's own word

The auditor's signature certifies: DocMDP level 2, "form filling and signing only" (ISO 32000-1, 12.8.2.2). Every later
step is an incremental update; nothing before it changes.
"""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from audit.errors import AssayError, InputError
from audit.numbers import many
from reports.signing_key import SigningKey, common_name, fingerprint
from reports.stamp import CERTIFIED, face_lines, stamp_style

if TYPE_CHECKING:
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign.signers import Signer
    from pyhanko.sign.timestamps import TimeStamper
    from pyhanko_certvalidator import ValidationContext

MOST_REASON = 2000


class SignedLevel(StrEnum):
    """What a signature proves about its time and how long it can be checked (ETSI EN 319 142-1)."""

    B_B = "B-B"
    B_T = "B-T"
    B_LT = "B-LT"
    B_LTA = "B-LTA"

    @property
    def meaning(self) -> str:
        """One sentence for the reader."""
        return _MEANINGS[self]


_MEANINGS = {
    SignedLevel.B_B: "No timestamp authority was used: the time of signing is the signer's own statement.",
    SignedLevel.B_T: "A timestamp authority confirms that the signature existed at the time given.",
    SignedLevel.B_LT: "Timestamped, and the file holds the certificates and revocation lists needed to check it later.",
    SignedLevel.B_LTA: "Timestamped, with everything needed to check it later, sealed by an archive timestamp.",
}


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed file and what the new signature is worth. `fingerprint` is the signer certificate's sha256."""

    pdf: bytes
    field: str
    signer: str
    fingerprint: str
    level: SignedLevel


@dataclass(frozen=True, slots=True)
class Validation:
    """What shows later that a certificate was valid at signing.

    roots : PEM (or one DER) with trusted roots and, where a chain needs them, the certificates between (authorities
    often leave theirs out of a timestamp); crls: revocation lists (DER or PEM). What is used goes into the file.
    """

    roots: bytes
    crls: tuple[bytes, ...] = ()
    fetch: bool = False

    def context(self, moment: dt.datetime | None = None) -> ValidationContext:
        """pyHanko's form of it. Raises InputError where a root or a list cannot be read."""
        from pyhanko_certvalidator import ValidationContext

        certificates = read_certificates(self.roots)
        roots = [c for c in certificates if c.subject == c.issuer] or certificates
        return ValidationContext(
            trust_roots=roots,
            other_certs=[c for c in certificates if c not in roots],
            crls=[read_crl(c) for c in self.crls],
            allow_fetching=self.fetch,
            revocation_mode="hard-fail" if self.crls or self.fetch else "soft-fail",
            moment=moment,
        )


def certify(
    pdf: bytes,
    key: SigningKey,
    *,
    field: str,
    reason: str,
    timestamper: TimeStamper | None = None,
    validation: Validation | None = None,
) -> Signed:
    """The auditor's certification. The file must have the empty field, and no signature yet."""
    reader = _reader(pdf)
    if reader.embedded_signatures:
        raise InputError(
            "the report is signed already",
            got=many(len(reader.embedded_signatures), "signature"),
            expected="an unsigned report; a certification is always the first signature",
        )
    return _sign(reader, key, field, reason, CERTIFIED, True, timestamper, validation)


def countersign(
    pdf: bytes,
    key: SigningKey,
    *,
    field: str,
    reason: str,
    heading: str,
    timestamper: TimeStamper | None = None,
    validation: Validation | None = None,
) -> Signed:
    """One more signature, in an empty field of a certified report, as an incremental update."""
    return _sign(_reader(pdf), key, field, reason, heading, False, timestamper, validation)


def seal(pdf: bytes, timestamper: TimeStamper, *, field: str, validation: Validation | None = None) -> bytes:
    """Set the archive timestamp (PAdES B-LTA) in its field: the file as it is now existed at that time.

    Validation data of the authority (`validation`) is written with the timestamp and covered by it; after it, nobody
    would sign for it. Without `validation` the file keeps what the signatures before have brought.
    """
    from pyhanko.sign.signers import PdfTimeStamper
    from pyhanko.sign.signers.pdf_signer import TimestampDSSContentSettings

    reader = _reader(pdf)
    _empty_field(reader, field)
    out = io.BytesIO()
    try:
        PdfTimeStamper(timestamper, field_name=field).timestamp_pdf(
            _writer(reader),
            "sha256",
            validation_context=validation.context() if validation is not None else None,
            dss_settings=TimestampDSSContentSettings(include_vri=False, update_before_ts=True),
            output=out,
        )
    except AssayError:
        raise
    except Exception as error:
        raise _failed(error, "the archive timestamp could not be set") from error
    return out.getvalue()


def timestamp_authority(url: str, *, timeout: float = 20.0) -> TimeStamper:
    """An RFC 3161 authority by URL; nothing is asked of it before a signature is made."""
    if not url.lower().startswith(("https://", "http://")):
        raise InputError("the timestamp authority is not a web address", got=url, expected="https://...")
    from pyhanko.sign.timestamps.requests_client import RequestsHTTPTimeStamper

    return RequestsHTTPTimeStamper(url, timeout=timeout)  # type: ignore[no-untyped-call]


def _sign(
    reader: Any,
    key: SigningKey,
    field: str,
    reason: str,
    heading: str,
    certifies: bool,
    timestamper: TimeStamper | None,
    validation: Validation | None,
) -> Signed:
    from pyhanko.sign import fields
    from pyhanko.sign.signers import pdf_signer

    if len(reason) > MOST_REASON:
        raise InputError(
            "the reason is too long", got=many(len(reason), "character"), expected=f"at most {MOST_REASON}"
        )
    width, height = _empty_field(reader, field)
    keeps = validation is not None and timestamper is not None
    meta = pdf_signer.PdfSignatureMetadata(
        field_name=field,
        md_algorithm="sha256",
        subfilter=fields.SigSeedSubFilter.PADES,
        certify=certifies,
        docmdp_permissions=fields.MDPPerm.FILL_FORMS,
        reason=reason,
        name=key.name,
        embed_validation_info=keeps,
        validation_context=validation.context() if validation is not None else None,
        # With the signature, so that it is signed: a separate update after it would be bytes that nobody vouches for.
        dss_settings=pdf_signer.DSSContentSettings(
            include_vri=False, placement=pdf_signer.SigDSSPlacementPreference.TOGETHER_WITH_SIGNATURE
        ),
    )
    moment = dt.datetime.now(dt.UTC).replace(microsecond=0)

    class Dated(pdf_signer.PdfSigner):
        """States the moment that its face shows."""

        def init_signing_session(self, *args: Any, **named: Any) -> Any:
            session = super().init_signing_session(*args, **named)
            session.system_time = moment
            return session

    signer = Dated(
        meta,
        signer=_signer(key),
        timestamper=timestamper,
        stamp_style=stamp_style(face_lines(heading, key.certificate, reason, moment), width, height),
    )
    out = io.BytesIO()
    try:
        reserved = _room(key) if timestamper is None else None  # how long an authority's answer is nobody knows before
        signer.sign_pdf(_writer(reader), existing_fields_only=True, bytes_reserved=reserved, output=out)
    except AssayError:
        raise
    except Exception as error:
        raise _failed(error, "the report could not be signed") from error
    level = SignedLevel.B_LT if keeps else SignedLevel.B_T if timestamper is not None else SignedLevel.B_B
    return Signed(out.getvalue(), field, key.name, key.fingerprint, level)


def _failed(error: Exception, problem: str) -> InputError:
    from pyhanko.sign.timestamps.common_utils import TimestampRequestError

    if isinstance(error, TimestampRequestError):
        return InputError(
            "the timestamp authority did not answer",
            got=str(error),
            expected="an RFC 3161 reply",
            todo="check the address, or sign without it; the report then says that no authority confirms the time",
        )
    return InputError(problem, got=f"{type(error).__name__}: {error}", expected="a report made by Assay")


def _signer(key: SigningKey) -> Signer:
    """pyHanko's view of the key, in memory or on a token: RSASSA-PKCS1-v1_5 with SHA-256 either way."""
    from asn1crypto import x509 as asn1_x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.serialization import Encoding
    from pyhanko.sign.signers import Signer
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    class KeySigner(Signer):
        async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
            if dry_run:
                return bytes((key.private_key.key_size + 7) // 8)
            return key.private_key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    for certificate in key.chain:
        store.register(asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)))
    own = asn1_x509.Certificate.load(key.certificate.public_bytes(Encoding.DER))
    return KeySigner(signing_cert=own, cert_registry=store, embed_roots=True)


def _room(key: SigningKey) -> int:
    """Hex digits that hold a signature of this key; pyHanko would sign twice to know. It holds every certificate, the
    issuer and serial number twice, the raw signature, and less than 400 bytes of attributes; more than as much is to
    spare. One that does not fit is refused."""
    from cryptography.hazmat.primitives.serialization import Encoding

    certificates = sum(len(c.public_bytes(Encoding.DER)) for c in (key.certificate, *key.chain))
    named = len(key.certificate.issuer.public_bytes()) + 32
    return 2 * (certificates + 2 * named + key.private_key.key_size // 8 + 1024)


def _reader(pdf: bytes) -> Any:
    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader = PdfFileReader(io.BytesIO(pdf), strict=True)
        _ = reader.root
        _ = reader.embedded_signatures
        return reader
    except Exception as error:  # pyHanko raises many kinds on broken input
        raise InputError(
            "the file is not a PDF that can be signed",
            got=f"{type(error).__name__}: {error}",
            expected="a report made by `assay report`",
        ) from error


def _writer(reader: Any) -> IncrementalPdfFileWriter:
    """What adds to the file that was read: its table is long, and is not read again."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class Writer(IncrementalPdfFileWriter):
        """Leaves title, dates and XMP as they were certified: a changed one is then always an attack."""

        def _update_meta(self) -> None:
            return None

    return Writer.from_reader(reader)


def _empty_field(reader: Any, name: str) -> tuple[float, float]:
    """Width and height (points) of the empty signature field. Raises InputError where there is none to fill."""
    from pyhanko.sign.fields import enumerate_sig_fields

    fields = {str(n): (value, ref) for n, value, ref in enumerate_sig_fields(reader, filled_status=None)}
    if name not in fields:
        raise InputError(
            "the report has no such signature field",
            got=name,
            expected=", ".join(sorted(fields)) or "no field at all: this is not a report made by Assay",
        )
    value, ref = fields[name]
    if value is not None:
        raise InputError(f"the field {name} is signed already", expected="an empty field")
    x1, y1, x2, y2 = (float(v) for v in ref.get_object()["/Rect"])
    return abs(x2 - x1), abs(y2 - y1)


def read_certificates(data: bytes) -> list[Any]:
    """Certificates (asn1crypto) of a PEM or DER file. Raises InputError where there is none."""
    from asn1crypto import pem, x509

    try:
        if pem.detect(data):
            blobs = [der for kind, _, der in pem.unarmor(data, multiple=True) if kind == "CERTIFICATE"]
        else:
            blobs = [data]
        certificates = [x509.Certificate.load(blob, strict=True) for blob in blobs]
        for certificate in certificates:
            _ = certificate.subject.human_friendly
    except (ValueError, TypeError) as error:
        raise InputError("the trusted certificate cannot be read", got=str(error), expected="PEM or DER") from error
    if not certificates:
        raise InputError("there is no certificate to trust in the file", expected="-----BEGIN CERTIFICATE-----")
    return certificates


def read_crl(data: bytes) -> Any:
    """A certificate revocation list (asn1crypto) of PEM or DER bytes. Raises InputError where it is none."""
    from asn1crypto import crl, pem

    try:
        der = pem.unarmor(data)[2] if pem.detect(data) else data
        revocation_list = crl.CertificateList.load(der, strict=True)
        _ = revocation_list.native
        return revocation_list
    except (ValueError, TypeError) as error:
        raise InputError("the revocation list cannot be read", got=str(error), expected="an X.509 CRL") from error


__all__ = [
    "Signed",
    "SignedLevel",
    "Validation",
    "certify",
    "common_name",
    "countersign",
    "fingerprint",
    "read_certificates",
    "read_crl",
    "seal",
    "timestamp_authority",
]
