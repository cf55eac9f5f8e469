"""A regression in words: findings, and numbers in the label's own unit."""

from __future__ import annotations

from collections.abc import Sequence

from audit.documents.evidence import PredictionGap, Regression
from audit.findings import p_words
from audit.sizes import behind


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


def regression_findings(found: Regression) -> tuple[str, ...]:
    """Residuals, then absolute errors, then distributions, by single attribute; intervals in each."""
    out = []
    for metric in ("mean_residual", "mean_absolute_error", "kolmogorov_smirnov"):
        for gap in found.gaps:
            if gap.metric == metric and gap.kind == "difference" and len(gap.attribute) == 1:
                out.append(_sentence(found, gap))
    return tuple(out)


_LEADS = {
    "mean_residual": "the prediction less the outcome is on average",
    "mean_absolute_error": "the prediction is off by on average",
}


def _sentence(found: Regression, gap: PredictionGap) -> str:
    by = " and ".join(gap.attribute)
    if gap.value is None:
        return f"By {by}: the gap in {gap.metric.replace('_', ' ')} cannot be estimated: {gap.reason}."
    p = f"all groups tested together: {p_words(gap.p_adjusted)} adjusted for {found.family} comparisons"
    if gap.metric == "kolmogorov_smirnov":
        assert gap.low is not None
        assert gap.high is not None
        return (
            f"By {by}: the predictions of {name(gap.highest)} and {name(gap.lowest)} lie farthest apart: up to "
            f"{100 * gap.value:.1f} points of people at one value (95 % interval of the widest gap "
            f"{100 * gap.low:.1f} to {100 * gap.high:.1f}; {p})."
        )
    rates = {r.group: r for r in found.rates if (r.metric, r.attribute) == (gap.metric, gap.attribute)}
    high, low = rates[gap.highest or ()], rates[gap.lowest or ()]
    said = (
        f"By {by}: {_LEADS[gap.metric]} {number(high.value)} for {name(gap.highest)} "
        f"({behind(high)}) and {number(low.value)} for {name(gap.lowest)} "
        f"({behind(low)}); the gap is {number(gap.value)} (95 % interval of the widest "
        f"gap {number(gap.low)} to {number(gap.high)}; {p})."
    )
    if gap.worse_off:
        said += f" A {found.favourable} prediction is good for a person: the worse side is {name(gap.worse_off)}."
    return said
