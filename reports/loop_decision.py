"""A person's word on a challenger, signed by a key as a report is: an in-toto statement in a DSSE envelope.

    signed = sign_decision(facts, key)      # what the trail keeps beside the decision
    found = opened_decision(signed)         # facts, name, fingerprint; raises VerificationError
    check_decisions(entries, trust)         # every signed decision of a trail, offline

The statement names the model (a subject by its id, a sha256), what was decided and why, and the end of the trail as the
person saw it: a signature cannot be moved to another loop or another challenger, and each counts once.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import field

from audit.documents import FormError, record_in
from audit.documents.base import Record
from audit.documents.watch import SignedBody, SignedEnvelope, SignedFacts
from audit.errors import InputError, VerificationError
from debias.loop.approver import SIGNED_FACTS, Opened
from debias.loop.trail import Entry
from reports.attest.dsse import opened, seal, statement_of
from reports.attest.statements import STATEMENT, SVR
from reports.signing_key import SigningKey, common_name
from reports.verify.identity import Reader, leads, unfit

VERIFIER = "assay:watch/1"


class _Digest(Record, frozen=True):
    sha256: str


class _Subject(Record, frozen=True):
    name: str
    digest: _Digest


class _Predicate(Record, frozen=True):
    decision: dict[str, Any]


class _Statement(Record, frozen=True):
    """An in-toto statement on a decision, as `sign_decision` makes it."""

    type_: str = field(name="_type")
    predicate_type: str = field(name="predicateType")
    predicate: _Predicate
    subject: tuple[_Subject, ...]


def sign_decision(facts: Mapping[str, Any], key: SigningKey, now: dt.datetime | None = None) -> dict[str, Any]:
    """facts: SIGNED_FACTS of the decision (debias/loop/approver.py). The envelope with its certificates, as text."""
    from cryptography.hazmat.primitives.serialization import Encoding

    signed_facts = record_in(SignedFacts, dict(facts), "a decision")
    when = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    subjects = [
        {"name": "model", "digest": {"sha256": signed_facts.model}},
        {"name": "policy", "digest": {"sha256": signed_facts.policy}},
    ]
    predicate = {
        "verifier": {"id": VERIFIER},
        "timeCreated": when,
        "properties": ["ASSAY_MEMBER_APPROVED"] if signed_facts.approve else [],
        "decision": {k: facts[k] for k in SIGNED_FACTS},
    }
    line = seal({"_type": STATEMENT, "subject": subjects, "predicateType": SVR, "predicate": predicate}, key)
    certificates = [key.certificate, *key.chain]
    return {
        "envelope": line.decode(),
        "certificates": [base64.b64encode(c.public_bytes(Encoding.DER)).decode() for c in certificates],
    }


def opened_decision(signed: Mapping[str, Any]) -> Opened:
    """What was signed, and by whom. Raises VerificationError where it is not signed by a key that signs documents."""
    from cryptography import x509

    try:
        enveloped = record_in(SignedEnvelope, dict(signed), "a decision")
        certificates = [base64.b64decode(c, validate=True) for c in enveloped.certificates]
        line = enveloped.envelope.encode()
        mine = x509.load_der_x509_certificate(certificates[0])
    except (FormError, TypeError, IndexError, ValueError, binascii.Error) as error:
        raise _broken("a signature that cannot be read") from error
    problem = unfit(certificates[0])
    if problem is not None:
        raise _broken(problem)
    try:
        plain = statement_of(opened(line, certificates[0]))
    except InputError as error:
        raise _broken(error.message) from error
    try:
        statement = record_in(_Statement, dict(plain), "a statement")
        decision = statement.predicate.decision
        signed_facts = record_in(SignedFacts, decision, "a statement")
    except FormError as error:
        raise _broken("a statement about something else") from error
    known = [(s.name, s.digest.sha256) for s in statement.subject]
    right = (STATEMENT, SVR, [("model", signed_facts.model), ("policy", signed_facts.policy)])
    if (statement.type_, statement.predicate_type, sorted(known)) != right:
        raise _broken("a statement about something else")
    from cryptography.hazmat.primitives import hashes

    return Opened(decision, common_name(mine), mine.fingerprint(hashes.SHA256()).hex(), tuple(certificates))


def _broken(got: str, seq: int | None = None) -> VerificationError:
    where = "a signed decision" if seq is None else f"the signed decision of entry {seq}"
    return VerificationError(
        "decision",
        f"{where} cannot be believed",
        got=got,
        expected="a statement on this decision in this trail, signed by a key for signing documents",
        todo="find out who had access to the database; ask the person whether it is theirs",
    )


@dataclass(frozen=True, slots=True)
class SignedBy:
    """One signed decision of a trail. known: whether the signer leads to the root given; None where none was."""

    seq: int
    kind: str
    name: str
    fingerprint: str
    known: bool | None


def check_decisions(entries: Iterable[Entry], trust: bytes | None = None) -> list[SignedBy]:
    """Every signed decision among all entries of a trail, whose chains were checked. trust: roots, PEM.

    Raises VerificationError at the first that is not what it says, or whose signer does not lead to a root given.
    """
    reader = None if trust is None else Reader.of(trust, (), ())
    hashes: dict[int, str] = {}
    seen: set[str] = set()
    out = []
    for entry in entries:
        hashes[entry.seq] = entry.hash
        body = record_in(SignedBody, dict(entry.body), "an entry of the trail")
        facts = body.facts
        if facts.signed is None:
            continue
        decision = opened_decision(facts.signed)
        signed_facts = record_in(SignedFacts, dict(decision.facts), "a decision")
        stated = (signed_facts.model, signed_facts.reason, signed_facts.by, signed_facts.approve, signed_facts.policy)
        right = (facts.model, facts.reason, facts.by, body.kind != "rejected", body.policy)
        if stated != right or decision.name != facts.by:
            raise _broken("a statement that says something else than the entry", entry.seq)
        if not (1 <= signed_facts.trail.seq < entry.seq and hashes[signed_facts.trail.seq] == signed_facts.trail.hash):
            raise _broken("a statement about another trail", entry.seq)
        envelope = record_in(SignedEnvelope, facts.signed, "a decision").envelope
        if envelope in seen:
            raise _broken("a signature that was used before", entry.seq)
        seen.add(envelope)
        if reader is not None:
            problem = leads(
                decision.certificates[0], decision.certificates[1:], reader, dt.datetime.fromisoformat(entry.time)
            )
            if problem is not None:
                raise _broken(problem, entry.seq)
        out.append(
            SignedBy(entry.seq, body.kind, decision.name, decision.fingerprint, None if reader is None else True)
        )
    return out
