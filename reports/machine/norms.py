"""A norm in words, for every format alike."""

from __future__ import annotations

from audit.findings import NormResult

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
    interval = f"[{norm.low:.3f}, {norm.high:.3f}]"
    return f"{norm.value:.3f} {interval}, limit {norm.limit:g}: {stands(norm)}"
