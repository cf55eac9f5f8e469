"""Policies: dated lists of norms, read from TOML. One ships as audit/policy.toml."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from audit.errors import PolicyError
from audit.load.toml import Reader, parse
from audit.metrics import norm_metrics
from audit.policy import LOOP_METHODS, LoopRules, Norm, Policy

DEFAULT = Path(__file__).resolve().parents[1] / "policy.toml"

KINDS = ("difference", "ratio")


def load_policy(path: Path | None = None) -> Policy:
    """The policy in `path`, or the one that ships. Raises PolicyError where it cannot be used."""
    file = DEFAULT if path is None else Path(path)
    document, content = parse(file, PolicyError, "policy")
    top = Reader(document, "the policy", PolicyError)
    top.allow("version", "norm", "loop")
    version = top.text("version", required=True)
    listed = top.tables("norm")
    if not listed:
        raise PolicyError(
            "the policy has no norm",
            got=f"{file.name} without [[norm]]",
            expected="at least one [[norm]]",
            todo="add one, or leave [policy] out of the case file to use the norms that ship",
        )
    norms = tuple(_norm(table, n) for n, table in enumerate(listed, start=1))
    source = None if path is None else file.resolve()
    return Policy(str(version), norms, hashlib.sha256(content).hexdigest(), source, _loop(top.section("loop")))


def _loop(table: dict[str, Any]) -> LoopRules:
    """[loop]: every key is optional and of the type of its default."""
    at = Reader(table, "[loop] of the policy", PolicyError)
    at.allow(*(f.name for f in fields(LoopRules)))
    return LoopRules(**{f.name: _rule(at, f.name, f.default) for f in fields(LoopRules) if f.name in table})


def _rule(at: Reader, name: str, default: Any) -> Any:
    if name in _LISTS:
        return _LISTS[name](at)
    value = at.table[name]
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise at.wrong(name, "true or false")
        return value
    if isinstance(default, int):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise at.wrong(name, "a whole number from 1 on")
        return value
    number = at.number(name, low=0.0, high=1e12 if name == "average_run" else 1.0)
    if name in ("alpha", "drift_alpha") and not 0 < (number or 0) < 1:
        raise at.wrong(name, "a number between 0 and 1, such as 0.05")
    return number


def _methods(at: Reader) -> tuple[str, ...]:
    value = at.texts("methods") or ()
    if not value or not set(value) <= set(LOOP_METHODS):
        raise at.wrong("methods", "a list of " + ", ".join(LOOP_METHODS))
    if LOOP_METHODS[-1] in value and not at.table.get("sensitive_at_decision"):
        raise at.wrong("methods", f"{LOOP_METHODS[-1]} only with sensitive_at_decision = true")
    return value


def _approvers(at: Reader) -> tuple[str, ...]:
    value = tuple(v.lower().replace(":", "") for v in at.texts("approvers") or ())
    if not value or not all(re.fullmatch("[0-9a-f]{64}", v) for v in value):
        raise at.wrong("approvers", "a list of fingerprints: 64 hexadecimal digits each, as `keys` prints them")
    return value


_LISTS: dict[str, Callable[[Reader], tuple[str, ...]]] = {"methods": _methods, "approvers": _approvers}


def _norm(table: dict[str, Any], number: int) -> Norm:
    at = Reader(table, f"norm {number} of the policy", PolicyError)
    at.allow("metric", "kind", "attribute", "limit", "promote", "alpha")
    kind = at.choice("kind", KINDS)
    limit = at.number("limit", low=0.0, high=1.0, required=True)
    promote = at.number("promote", low=0.0, high=1.0)
    alpha = at.number("alpha", low=0.0, high=1.0)
    assert limit is not None
    promote = limit if promote is None else promote
    if (promote > limit) if kind == "difference" else (promote < limit):
        raise PolicyError(
            f"norm {number} of the policy promotes what it would itself trigger on",
            got=f"limit = {limit:g}, promote = {promote:g}",
            expected=f"promote at or {'under' if kind == 'difference' else 'over'} limit for a {kind}",
            todo="make `promote` the stricter of the two",
        )
    if alpha is not None and not 0 < alpha < 1:
        raise PolicyError(
            f"norm {number} of the policy has an alpha that decides nothing",
            got=f"alpha = {alpha:g}",
            expected="a number between 0 and 1, such as 0.05",
            todo="correct `alpha`",
        )
    return Norm(
        metric=at.choice("metric", norm_metrics()),
        kind=kind,
        attribute=at.texts("attribute") or (),
        limit=limit,
        promote=promote,
        alpha=0.05 if alpha is None else alpha,
    )
