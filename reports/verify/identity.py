"""Who signed: each signer's certificate has to lead to a root that the reader trusts (RFC 5280).

The moment of judgement is the timestamp where its authority leads to the same roots, and otherwise now: the signer's
own clock proves nothing, so an expired certificate is refused unless a trusted authority confirms that it was valid at
signing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Any

from reports.sign import read_certificates, read_crl
from reports.verify.container import Container
from reports.verify.result import Broken
from reports.verify.signatures import Signature


def check_identity(
    signatures: Sequence[Signature],
    trust: bytes,
    crls: Sequence[bytes],
    embedded_crls: Sequence[bytes],
    embedded_certificates: Sequence[bytes] = (),
) -> tuple[str, dict[str, bool | None]]:
    """The line, and field -> trusted. Raises Broken for the first signer who does not lead to a root, or is revoked.

    embedded_certificates : from the file's validation data. They only help to find the way to a root.
    """
    roots = read_certificates(trust)
    given = [read_crl(c) for c in crls]
    lists = given + [read_crl(c) for c in embedded_crls]
    found: dict[str, bool | None] = {}
    words = []
    for signature in signatures:
        container = signature.container
        if signature.kind == "/DocTimeStamp":
            found[signature.field] = _authority(container, roots, lists, embedded_certificates)
            continue
        moment, source = dt.datetime.now(dt.UTC), "now"
        stamp = container.stamp
        if stamp is not None and stamp.time is not None and _authority(stamp, roots, lists, embedded_certificates):
            moment, source = stamp.time, "at its timestamp"
        problem = _path(container, roots, lists, moment, bool(given), embedded_certificates, usage={"non_repudiation"})
        if problem is not None:
            raise Broken(
                f"the signature in {signature.field} does not lead to the root given",
                got=f"{signature.signer_name}: {problem}"[:300],
                expected=", ".join(r.subject.human_friendly for r in roots),
                todo="check that this is the right root; if it is, do not accept the signature",
            )
        found[signature.field] = True
        words.append(f"{signature.signer_name} (valid {source})")
    revocation = "revocation lists checked" if lists else "revocation not checked: no list was given"
    return f"{', '.join(words)}: leading to the root given; {revocation}", found


def _authority(container: Container, roots: list[Any], lists: list[Any], more: Sequence[bytes]) -> bool:
    moment = container.time or dt.datetime.now(dt.UTC)
    return _path(container, roots, lists, moment, False, more, usage=set(), extended={"time_stamping"}) is None


def _path(
    container: Container,
    roots: list[Any],
    lists: list[Any],
    moment: dt.datetime,
    require: bool,
    more: Sequence[bytes],
    *,
    usage: set[str],
    extended: set[str] | None = None,
) -> str | None:
    """None where the certificate leads to a root at `moment`, else why not."""
    from asn1crypto import x509
    from pyhanko_certvalidator import CertificateValidator, ValidationContext

    certificate = x509.Certificate.load(container.certificate)
    others = [x509.Certificate.load(c) for c in (*container.others, *more)]
    if certificate.dump() in {r.dump() for r in roots}:
        # The reader trusts this very certificate; there is no issuer who could revoke it.
        validity = certificate["tbs_certificate"]["validity"]
        if not validity["not_before"].native <= moment <= validity["not_after"].native:
            return "the certificate has expired or is not valid yet"
        return None
    context = ValidationContext(
        trust_roots=roots,
        crls=lists,
        allow_fetching=False,
        revocation_mode="require" if require else "soft-fail",
        moment=moment,
        # A list is newer than the signature that it is asked about; that is what makes it useful.
        time_tolerance=dt.timedelta(seconds=1),
        retroactive_revinfo=True,
    )
    validator = CertificateValidator(certificate, intermediate_certs=others, validation_context=context)
    try:
        check = validator.async_validate_usage(usage, extended_key_usage=extended)  # type: ignore[no-untyped-call]
        asyncio.run(check)
    except Exception as error:  # certvalidator's errors have several bases
        return str(error) or type(error).__name__
    return None


def embedded_lists(reader: Any) -> list[bytes]:
    """The revocation lists in the file's own validation data (/DSS). Raises Broken where they cannot be read."""
    return _embedded(reader, "/CRLs")


def embedded_certificates(reader: Any) -> list[bytes]:
    """The certificates (DER) in the file's own validation data. Raises Broken where they cannot be read."""
    from asn1crypto import x509

    found = _embedded(reader, "/Certs")
    try:
        for der in found:
            _ = x509.Certificate.load(der, strict=True).subject.native
    except (ValueError, TypeError) as error:
        raise Broken("a certificate in the file's validation data cannot be read", got=str(error)[:200]) from error
    return found


def _embedded(reader: Any, kind: str) -> list[bytes]:
    try:
        if "/DSS" not in reader.root or kind not in reader.root["/DSS"]:
            return []
        return [bytes(item.get_object().data) for item in reader.root["/DSS"][kind]]
    except Exception as error:
        raise Broken(
            "the validation data in the file cannot be read", got=f"{type(error).__name__}: {error}"
        ) from error
