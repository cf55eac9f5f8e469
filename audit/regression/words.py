"""A regression in words: findings, and numbers in the label's own unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audit.findings import interval_words, significance
from audit.sizes import behind
from audit.values import Gap, from_json


def number(value: float | None) -> str:
    """Four significant digits, without an exponent where that is short: 1,234, 0.01234; "n/a" for None."""
    if value is None:
        return "n/a"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e12:
        digits = max(0, 3 - int(f"{value:e}".split("e")[1]))
        return f"{value:,.{min(digits, 8)}f}"
    return f"{value:.3e}"


def name(group: Sequence[str] | None) -> str:
    """Female, or Female / Black."""
    return " / ".join(group) if group else "everyone"


def regression_findings(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Residuals, then absolute errors, then distributions, by single attribute; intervals in each."""
    out = []
    for metric in ("mean_residual", "mean_absolute_error", "kolmogorov_smirnov"):
        for gap in found["gaps"]:
            if gap["metric"] == metric and gap["kind"] == "difference" and len(gap["attribute"]) == 1:
                out.append(_sentence(found, gap))
    return tuple(out)


_LEADS = {
    "mean_residual": "the prediction less the outcome is on average",
    "mean_absolute_error": "the prediction is off by on average",
}


def _sentence(found: Mapping[str, Any], gap: Mapping[str, Any]) -> str:
    by = " and ".join(gap["attribute"])
    what = gap["metric"].replace("_", " ")
    if gap["value"] is None:
        return f"By {by}: the gap in {what} cannot be estimated: {gap['reason']}."
    known = from_json(Gap, dict(gap))
    p = significance(known)
    pair = f"{name(gap['highest'])} and {name(gap['lowest'])}"
    if gap["metric"] == "kolmogorov_smirnov":
        return (
            f"By {by}: the predictions of {pair} lie farthest apart: up to {100 * gap['value']:.1f} points of people "
            f"at one value ({interval_words(known)}; {p})."
        )
    rates = {tuple(r["group"]): r for r in found["rates"] if _same(r, gap)}
    high, low = rates[tuple(gap["highest"])], rates[tuple(gap["lowest"])]
    said = (
        f"By {by}: {_LEADS[gap['metric']]} {number(high['value'])} for {name(gap['highest'])} "
        f"({behind(high)}) and {number(low['value'])} for {name(gap['lowest'])} "
        f"({behind(low)}); the gap is {number(gap['value'])} "
        f"({interval_words(known, say=number)}; {p})."
    )
    worse = gap.get("worse_off")
    if worse:
        said += f" A {found['favourable']} prediction is good for a person: the worse side is {name(worse)}."
    return said


def _same(rate: Mapping[str, Any], gap: Mapping[str, Any]) -> bool:
    return bool(rate["metric"] == gap["metric"] and list(rate["attribute"]) == list(gap["attribute"]))
