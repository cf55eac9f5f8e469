"""A norm, and a check of the contract, in words for every format alike."""

from __future__ import annotations

from audit.documents.contract import CheckHeld
from audit.documents.evidence import Evidence
from audit.findings import NormResult
from audit.numbers import are, brief, fixed, many

STANDS = {
    "inside": "inside the norm",
    "outside": "outside the norm",
    "undecided": "undecided: the interval spans the limit",
    "not_estimable": "not estimable",
}


def title(norm: NormResult) -> str:
    """ "selection rate difference by sex and race" """
    return f"{norm.metric.replace('_', ' ')} {norm.kind} by {' and '.join(norm.attribute)}"


def stands(norm: NormResult) -> str:
    """Where a norm stands. A value beyond the limit breaks the gate also where its interval still spans the limit."""
    if norm.status == "undecided" and norm.breached:
        return "beyond the limit, not clearly: the interval spans it"
    return STANDS[norm.status]


def figure(norm: NormResult) -> str:
    """Value, interval, limit and where it stands; or why there is no value."""
    if norm.value is None:
        return f"not estimable: {norm.reason}"
    interval = f"[{fixed(norm.low, 3)}, {fixed(norm.high, 3)}]"
    return f"{fixed(norm.value, 3)} {interval}, limit {brief(norm.limit)}: {stands(norm)}"


def checks(evidence: Evidence) -> tuple[CheckHeld, ...]:
    """What the contract of the data asks; nothing where the case has none."""
    return () if evidence.contract is None else evidence.contract.checks


def check_result(check: CheckHeld) -> str:
    """How many rows fail, or why it could not be checked."""
    if check.reason is not None:
        return f"{check.words}: not checked, {check.reason}"
    if check.share is None:
        return f"{check.words}: {'kept' if check.passed else 'not kept'}"
    return f"{check.words}: {check.failed:,} of {many(check.rows, 'row')} {are(check.failed, 'fails', 'fail')}"
