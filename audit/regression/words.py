"""A regression in words: findings, and numbers in the label's own unit."""

from __future__ import annotations

from audit.documents.evidence import PredictionGap, Regression
from audit.findings import interval_words, name_of, significance
from audit.numbers import grouped, points, power
from audit.sizes import behind


def four_digits(value: float | None) -> str:
    """Four significant digits, without an exponent where that is short: 1,234, 0.01234; "n/a" for None."""
    if value is None:
        return "n/a"
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e12:
        digits = max(0, 3 - int(power(value, 6).split("e")[1]))
        return grouped(value, min(digits, 8))
    return power(value, 3)


def regression_findings(regression: Regression) -> tuple[str, ...]:
    """Residuals, then absolute errors, then distributions, by single attribute; intervals in each."""
    out = []
    for metric in ("mean_residual", "mean_absolute_error", "kolmogorov_smirnov"):
        for gap in regression.gaps:
            if gap.metric == metric and gap.kind == "difference" and len(gap.attribute) == 1:
                out.append(_sentence(regression, gap))
    return tuple(out)


_LEADS = {
    "mean_residual": "the prediction less the outcome is on average",
    "mean_absolute_error": "the prediction is off by on average",
}


def _sentence(regression: Regression, gap: PredictionGap) -> str:
    by = " and ".join(gap.attribute)
    if gap.value is None:
        return f"By {by}: the gap in {gap.metric.replace('_', ' ')} cannot be estimated: {gap.reason}."
    p = significance(gap)
    if gap.metric == "kolmogorov_smirnov":
        pair = f"{name_of(gap.highest)} and {name_of(gap.lowest)}"
        return (
            f"By {by}: the predictions of {pair} lie farthest apart: up to {points(gap.value)} of people "
            f"at one value ({interval_words(gap)}; {p})."
        )
    rates = {r.group: r for r in regression.rates if (r.metric, r.attribute) == (gap.metric, gap.attribute)}
    high, low = rates[gap.highest or ()], rates[gap.lowest or ()]
    sentence = (
        f"By {by}: {_LEADS[gap.metric]} {four_digits(high.value)} for {name_of(gap.highest)} ({behind(high)}) and "
        f"{four_digits(low.value)} for {name_of(gap.lowest)} ({behind(low)}); the gap is {four_digits(gap.value)} "
        f"({interval_words(gap, say=four_digits)}; {p})."
    )
    if gap.worse_off:
        sentence += (
            f" A {regression.favourable} prediction is good for a person: the worse side is {name_of(gap.worse_off)}."
        )
    return sentence
