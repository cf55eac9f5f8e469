"""Whose word counts: a decision may be signed by a key as a report is, and a policy may name the keys that may approve.

[loop] approvers = ["9f86d081..."]     fingerprints (sha256 of the certificate); without it anybody who can run the
                                       command decides, and the trail says by which name

Signing and opening are of the room that signs reports: `sign` and `opened` come from there. Where a decision is signed
and nobody can open it here, it is not taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from audit.errors import VerificationError
from audit.policy import Policy
from debias.loop.state import Decision
from debias.loop.trail import Trail

SIGNED_FACTS = ("case", "model", "approve", "reason", "by", "policy", "running", "trail")
"""What is signed: the decision, under which policy and beside which running model, and the end of the trail (seq, hash)
as the person saw it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What was signed, by the holder of a certificate. fingerprint: sha256 of it; certificates: DER, its own first."""

    facts: Mapping[str, Any]
    name: str
    fingerprint: str
    certificates: tuple[bytes, ...]


Sign = Callable[[Mapping[str, Any]], Mapping[str, Any]]
Open = Callable[[Mapping[str, Any]], Opened]


def facts_to_sign(case: str, decision: Decision, policy: Policy, running: str, trail: Trail) -> dict[str, Any]:
    """SIGNED_FACTS of a decision that is to be made now."""
    head = trail.head()
    return {
        "case": case, "model": decision.model, "approve": decision.approve, "reason": decision.reason,
        "by": decision.by, "policy": policy.sha256, "running": running,
        "trail": {"seq": head.seq, "hash": head.hash},
    }  # fmt: skip


def problem_with_signature(
    decision: Decision, case: str, policy: Policy, running: str, trail: Trail, opened: Open | None
) -> str | None:
    """Why a person's word is not taken as theirs, or None."""
    wanted = policy.loop.approvers
    if decision.signed is None:
        if wanted and decision.approve:
            return "this policy names whose keys may approve, and the decision is not signed (--key)."
        return None
    if opened is None:
        return "the decision is signed, and signatures cannot be checked here."
    try:
        signature = opened(decision.signed)
    except VerificationError as error:
        return error.message
    if signature.name != decision.by:
        return f"it is signed by {signature.name}, and said to be by {decision.by}."
    seen = signature.facts.get("trail")
    mine = facts_to_sign(case, decision, policy, running, trail) | {"trail": seen}
    if dict(signature.facts) != mine:
        return "what was signed is another decision: about another model, policy or reason."
    problem = _problem_with_trail(seen, decision.signed, trail)
    if problem is not None:
        return problem
    if wanted and decision.approve and signature.fingerprint not in wanted:
        return f"the key of {signature.name} ({signature.fingerprint[:12]}...) is none of those that may approve."
    return None


class _End(msgspec.Struct):
    """The end of the trail as the person saw it."""

    seq: int
    hash: str


def _problem_with_trail(seen: Any, signed: Mapping[str, Any], trail: Trail) -> str | None:
    """Whether the end of the trail that a person saw is one of this trail, and nothing was signed so since."""
    try:
        end = msgspec.convert(seen, _End)
    except msgspec.ValidationError:
        return "what was signed names no trail."
    there = next((e.hash for e in trail.entries(after=end.seq - 1, limit=1)), None)
    if there is None or there != end.hash:
        return "what was signed is about another trail."
    used = (e.facts.get("signed", {}).get("envelope") for e in trail.entries(end.seq))
    if any(envelope == signed.get("envelope") for envelope in used):
        return "this signature was used before."
    return None
