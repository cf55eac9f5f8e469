"""The signatures of a report as a whole: each intact, each over its whole revision, the first one a certification."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from audit.errors import AssayError
from audit.numbers import are, many
from reports.decision import Decision
from reports.manifest import Manifest
from reports.signature import AUTHORITY, Signature, Span, decisions_of
from reports.verify.result import Broken, SignatureInfo, digest, field_named
from reports.verify.seal import check_digest, container_of, spans

SUBFILTERS = {"/Sig": "/ETSI.CAdES.detached", "/DocTimeStamp": "/ETSI.RFC3161"}
UNKNOWN_AUTHORITY = "a timestamp authority that does not lead to a root given"
ROLL_BACK = (
    "A later signature that was cut off leaves no trace in the file. Compare the decisions with the board's register, "
    "or verify with an earlier copy at hand."
)


def read_signatures(data: bytes, reader: Any) -> tuple[Signature, ...]:
    """Every signature, by the end of what it covers. Raises Broken where one is damaged or covers too little."""
    by_span = _embedded(reader)
    raw = spans(data)
    if set(raw) != set(by_span):
        raise Broken(
            "a signature's field and its place in the file do not belong together",
            got=f"{many(len(raw), 'signature')} in the bytes, {len(by_span)} in the form",
            expected="the same ones",
        )
    return tuple(_read_one(data, span, by_span[span]) for span in raw)


def _embedded(reader: Any) -> dict[Span, Any]:
    """The signatures of the form by what they cover, each from byte 0. Raises Broken."""
    try:
        embedded = list(reader.embedded_signatures)
    except Exception as error:
        raise Broken("a signature cannot be read", got=type(error).__name__) from error
    by_span: dict[Span, Any] = {}
    for signature in embedded:
        numbers = [int(n) for n in signature.byte_range]
        if len(numbers) != 4 or numbers[0] != 0:
            raise Broken(
                "a signature covers other parts than it should",
                got=f"{many(len(numbers), 'number')}",
                expected="all from byte 0",
            )
        span = Span(numbers[1], numbers[2], numbers[2] + numbers[3])
        if span in by_span:
            raise Broken("two signature fields share a signature", got=f"signature {len(by_span) + 1}")
        by_span[span] = signature
    return by_span


def _read_one(data: bytes, span: Span, signature: Any) -> Signature:
    """Intact, over its whole revision, of a kind that is accepted. Raises Broken."""
    from pyhanko.pdf_utils import generic
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    container = container_of(data, span)
    check_digest(data, span, container)
    coverage = signature.evaluate_signature_coverage()
    if coverage not in (SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION):
        raise Broken("a signature does not cover its whole revision", got=coverage.name)
    entry = signature.sig_object
    kind = str(signature.sig_object_type)
    if SUBFILTERS.get(kind) != str(entry.get("/SubFilter")):
        raise Broken("a signature is of a kind that is not accepted", expected="ETSI.CAdES.detached, or ETSI.RFC3161")
    if (kind == "/DocTimeStamp") != (container.kind == "timestamp"):
        raise Broken("a signature is not what its field says", got=container.kind, expected="the other kind")
    reason = entry.get("/Reason")
    stated = generic.parse_pdf_date(entry["/M"], strict=True) if "/M" in entry else None
    return Signature(
        span,
        container,
        str(signature.field_name),
        kind,
        None if reason is None else str(reason),
        stated,
        signature,
    )


def check_certification(reader: Any, signatures: Sequence[Signature]) -> str:
    """The first signature certifies and allows nothing but filling fields and signing. Raises Broken."""
    from pyhanko.sign.fields import MDPPerm
    from pyhanko.sign.validation.pdf_embedded import read_certification_data

    first = signatures[0]
    certified = read_certification_data(reader)
    if certified is None or certified.author_sig.get_object() is not first.embedded.sig_object.get_object():
        raise Broken("the report is not certified by its first signature", got="no /DocMDP that names it")
    if certified.permission is not MDPPerm.FILL_FORMS:
        got = "nothing stated" if certified.permission is None else certified.permission.name
        raise Broken("the certification allows other changes than signing", got=got, expected="FILL_FORMS (level 2)")
    if any(s.embedded.docmdp_level is not None for s in signatures[1:]):
        raise Broken("a later signature certifies too", expected="one certification, the first")
    return f"certified in field {first.field} by {first.signer_name}: form filling and signing only"


def check_modifications(signatures: Sequence[Signature]) -> str:
    """pyHanko's difference analysis of everything after the certification, against its DocMDP. Raises Broken."""
    from pyhanko.sign.diff_analysis import SuspiciousModification

    signature = signatures[0]
    try:
        signature.embedded.compute_integrity_info()
        integrity = signature.embedded.summarise_integrity_info()
    except Exception as error:
        raise Broken("the changes cannot be analysed", got=type(error).__name__) from error
    result = integrity["diff_result"]
    if isinstance(result, SuspiciousModification) or not integrity["docmdp_ok"]:
        raise Broken(
            f"a change after the signature in {field_named(signature.field)} is not allowed",
            got=type(result).__name__,
            expected="nothing but signatures in the fields kept for them",
        )
    return "pyHanko's difference analysis allows every change"


def check_signers(manifest: Manifest, signatures: Sequence[Signature]) -> str:
    """Each signature is in the field and by the person that the certified manifest names. Raises Broken."""
    slots = {s.field: s for s in manifest.signers}
    if signatures[0].field != manifest.auditor.field:
        raise Broken("the auditor did not sign first", got="another field", expected="the auditor's")
    for number, signature in enumerate(signatures, 1):
        slot = slots.get(signature.field)
        if slot is None:
            raise Broken("a signature is in a field that the manifest does not name")
        if (slot.role == "timestamp") != (signature.kind == "/DocTimeStamp"):
            raise Broken("a field holds another kind of signature than the manifest says", expected=slot.role)
        if slot.role == "timestamp":
            continue
        if slot.certificate is not None and slot.certificate != signature.fingerprint:
            raise Broken(
                f"signer {number} did not sign: the certificate is another one",
                got=signature.fingerprint,
                expected=digest(slot.certificate),
            )
        if slot.name.casefold() != signature.signer_name.casefold():
            raise Broken(f"the field of signer {number} is signed by another name than the manifest gives")
    _check_one_each(manifest, signatures)
    return f"{len(signatures)} of {len(manifest.signers)} fields signed, each by the name the manifest gives"


def _check_one_each(manifest: Manifest, signatures: Sequence[Signature]) -> None:
    """A quorum counts people: no key decides in the fields of two members, under whatever names. Raises Broken."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    members = {s.field for s in manifest.members}
    seen: set[bytes] = set()
    for signature in signatures:
        if signature.field not in members:
            continue
        key = x509.load_der_x509_certificate(signature.container.certificate).public_key()
        public = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if public in seen:
            raise Broken(
                "one key decided in the fields of two members",
                got=f"field {signature.field}, signed with a key that signed before",
                expected="a key of each member's own",
            )
        seen.add(public)


def decisions(manifest: Manifest, signatures: Sequence[Signature]) -> dict[str, Decision]:
    """Field -> decision of each member who has signed. Raises Broken where one states none."""
    try:
        return decisions_of(manifest, signatures)
    except AssayError as error:
        raise Broken(error.problem, expected=error.expected) from error


def check_decisions(manifest: Manifest, signatures: Sequence[Signature], require_quorum: bool) -> str:
    """The board's decisions, and the quorum where it is required. Raises Broken."""
    votes = decisions(manifest, signatures)
    if not manifest.members:
        return "no board member was asked to decide"
    approved = sum(d.decision == "approve" for d in votes.values())
    rejected = len(votes) - approved
    words = (
        f"{approved} of {many(len(manifest.members), 'member')} approved, {rejected} rejected, "
        f"{len(manifest.members) - len(votes)} {are(len(manifest.members) - len(votes), 'has', 'have')} not decided "
        f"in this copy; quorum {manifest.quorum}"
    )
    reached = approved >= manifest.quorum
    if require_quorum and not reached:
        raise Broken(
            "the quorum is not reached", got=words, expected=f"{many(manifest.quorum, 'approval')}",
            todo="ask for the copy with the missing decisions: " + ROLL_BACK,
        )  # fmt: skip
    return words + (", reached" if reached and manifest.quorum else ", not reached" if manifest.quorum else "")


def described(
    manifest: Manifest | None,
    signatures: Sequence[Signature],
    reader: Any,
    trusted: Mapping[str, bool | None],
    stamped: Collection[str],
) -> tuple[SignatureInfo, ...]:
    """Who signed, for the reader. stamped: the fields whose timestamp is by an authority that leads to a root given.

    A timestamp by anybody else proves no time: such a signature is of level B-B (ETSI EN 319 142-1), and it is said.
    """
    roles = {s.field: s.role for s in manifest.signers} if manifest is not None else {}
    votes = {}
    if manifest is not None:
        try:
            votes = decisions(manifest, signatures)
        except Broken:
            votes = {}
    archived = any(s.kind == "/DocTimeStamp" and s.field in stamped for s in signatures)
    has_dss = "/DSS" in reader.root
    out = []
    for signature in signatures:
        time, source = signature.time
        decision = votes.get(signature.field)
        level = "B-B"
        if source == AUTHORITY and signature.field not in stamped:
            source = UNKNOWN_AUTHORITY
        elif signature.container.stamp is not None:
            level = "B-LTA" if has_dss and archived else "B-LT" if has_dss else "B-T"
        if signature.kind == "/DocTimeStamp":
            level = "archive timestamp" if signature.field in stamped else "archive timestamp, not established"
        out.append(
            SignatureInfo(
                field=signature.field,
                role=roles.get(signature.field, "unknown"),
                name=signature.signer_name,
                fingerprint=signature.fingerprint,
                time="" if time is None else time.astimezone(dt.UTC).isoformat(timespec="seconds"),
                time_from=source,
                level=level,
                trusted=trusted.get(signature.field),
                decision=decision.decision if decision else None,
                reason=decision.reason if decision else None,
                conditions=(decision.conditions or None) if decision else None,
                until=decision.until if decision else None,
            )
        )
    return tuple(out)
