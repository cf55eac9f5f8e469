"""Policies: dated lists of norms, read from TOML by the sections declared here (docs/schemas/policy-file.json).

One ships as audit/policy.toml.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, structs

from audit.errors import PolicyError
from audit.load.schema import Count, Flag, Names, Section, Share, Text, choice, finite_number, read
from audit.load.toml import Reader, parse
from audit.metrics import norm_metrics
from audit.numbers import brief
from audit.policy import LOOP_METHODS, LoopRules, Norm, Policy

DEFAULT = Path(__file__).resolve().parents[1] / "policy.toml"


BETWEEN = "a number between 0 and 1, such as 0.05"
Alpha = Annotated[float, finite_number(0, 1, strictly=BETWEEN)]


class NormSection(Section, frozen=True, kw_only=True):
    """[[norm]]."""

    metric: Annotated[str, choice(norm_metrics)]
    kind: Literal["difference", "ratio"]
    attribute: Names = ()
    limit: Share
    promote: Share | None = None
    alpha: Share = 0.05


def _methods(at: Reader, key: str) -> None:
    value = at.texts(key) or ()
    if not value or not set(value) <= set(LOOP_METHODS):
        raise at.wrong(key, "a list of " + ", ".join(LOOP_METHODS))
    if LOOP_METHODS[-1] in value and not at.table.get("sensitive_at_decision"):
        raise at.wrong(key, f"{LOOP_METHODS[-1]} only with sensitive_at_decision = true")


def fingerprint(text: str) -> str:
    """A sha256 as `keys` prints it, without colons and in lower case."""
    return text.lower().replace(":", "")


def _approvers(at: Reader, key: str) -> None:
    value = at.texts(key)
    if not value or not all(re.fullmatch("[0-9a-f]{64}", fingerprint(v)) for v in value):
        raise at.wrong(key, "a list of fingerprints: 64 hexadecimal digits each, as `keys` prints them")


_USUAL = LoopRules()


class LoopSection(Section, frozen=True):
    """[loop] of a policy: the fields of audit.policy.LoopRules."""

    average_run: Annotated[float, finite_number(0, 1e12)] = _USUAL.average_run
    drift_alpha: Alpha = _USUAL.drift_alpha
    harm: Share = _USUAL.harm
    people: Count = _USUAL.people
    enough: Count = _USUAL.enough
    reference_batches: Count = _USUAL.reference_batches
    build_rows: Count = _USUAL.build_rows
    shadow_batches: Count = _USUAL.shadow_batches
    poor_rows: Share = _USUAL.poor_rows
    loss: Share = _USUAL.loss
    group_loss: Share = _USUAL.group_loss
    alpha: Alpha = _USUAL.alpha
    probation_batches: Count = _USUAL.probation_batches
    cooldown_batches: Count = _USUAL.cooldown_batches
    attempts: Count = _USUAL.attempts
    automatic: Flag = _USUAL.automatic
    sensitive_at_decision: Flag = _USUAL.sensitive_at_decision
    methods: Annotated[Names, Meta(min_length=1, extra={"read": _methods})] = _USUAL.methods
    approvers: Annotated[Names, Meta(extra={"read": _approvers})] = _USUAL.approvers


class PolicyFile(Section, frozen=True):
    """A policy file."""

    version: Text
    norm: Annotated[tuple[NormSection, ...], Meta(extra={"where": "norm {n} of the policy"})] = ()
    loop: Annotated[LoopSection, Meta(extra={"where": "[loop] of the policy"})] = LoopSection()


def load_policy(path: Path | None = None) -> Policy:
    """The policy in `path`, or the one that ships. Raises PolicyError where it cannot be used."""
    file = DEFAULT if path is None else Path(path)
    document, content = parse(file, PolicyError, "policy")
    policy_file = read(Reader(document, "the policy", PolicyError), PolicyFile)
    if not policy_file.norm:
        raise PolicyError(
            "the policy has no norm",
            got=f"{file.name} without [[norm]]",
            expected="at least one [[norm]]",
            todo="add one, or leave [policy] out of the case file to use the norms that ship",
        )
    norms = tuple(_norm(norm, n) for n, norm in enumerate(policy_file.norm, start=1))
    loop = LoopRules(**structs.asdict(policy_file.loop))
    loop = replace(loop, approvers=tuple(fingerprint(v) for v in loop.approvers))
    source = None if path is None else file.resolve()
    return Policy(policy_file.version, norms, hashlib.sha256(content).hexdigest(), source, loop)


def _norm(norm: NormSection, number: int) -> Norm:
    limit, kind = norm.limit, norm.kind
    promote = limit if norm.promote is None else norm.promote
    if (promote > limit) if kind == "difference" else (promote < limit):
        raise PolicyError(
            f"norm {number} of the policy promotes what it would itself trigger on",
            got=f"limit = {brief(limit)}, promote = {brief(promote)}",
            expected=f"promote at or {'under' if kind == 'difference' else 'over'} limit for a {kind}",
            todo="make `promote` the stricter of the two",
        )
    if not 0 < norm.alpha < 1:
        raise PolicyError(
            f"norm {number} of the policy has an alpha that decides nothing",
            got=f"alpha = {brief(norm.alpha)}",
            expected="a number between 0 and 1, such as 0.05",
            todo="correct `alpha`",
        )
    return Norm(norm.metric, kind, norm.attribute, limit, promote, norm.alpha)
