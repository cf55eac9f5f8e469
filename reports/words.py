"""Numbers and names in words, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audit.findings import name_of, p_words, percent

__all__ = ["by", "capital", "count", "interval", "metric", "name_of", "number", "p_words", "percent", "points", "share"]

METRICS = {
    "selection_rate": "selection rate",
    "base_rate": "base rate",
    "accuracy": "accuracy",
    "true_positive_rate": "true positive rate",
    "false_negative_rate": "false negative rate",
    "false_positive_rate": "false positive rate",
    "true_negative_rate": "true negative rate",
    "positive_predictive_value": "positive predictive value",
    "negative_predictive_value": "negative predictive value",
    "false_discovery_rate": "false discovery rate",
    "false_omission_rate": "false omission rate",
    "roc_auc": "area under the ROC curve",
    "mean_score": "mean score",
    "calibration_error": "calibration error",
    "equalized_odds": "equalized odds",
    "equal_opportunity": "equal opportunity",
}

GLOSSARY = (
    ("Base rate", "The share of a group that truly has the favourable outcome, according to the labels."),
    ("Calibration error", "How far scores are, on average, from the shares that came true. 0 is best."),
    ("Confidence interval", "A range made so that, in 95 of 100 such audits, it holds the true value."),
    ("Cube", "A table of counts: people by group, outcome and decision. It names no one. All rates follow from it."),
    ("Equal opportunity", "Compares how often people who merit the favourable decision receive it."),
    ("Equalized odds", "The larger of two gaps: in the true positive rate and in the false positive rate."),
    ("False negative rate", "Of those whose outcome is positive, the share that the decision misses."),
    ("False positive rate", "Of those whose outcome is not positive, the share that is called positive all the same."),
    ("Favourable", "The decision or outcome that is good for the person."),
    ("Holm adjustment", "Makes a p-value larger to allow for the number of comparisons made."),
    ("LIME", "Explains one decision by a simple model fitted to answers for people much like this one."),
    ("p-value", "How often a gap this wide would appear by chance if all groups were alike."),
    ("Positive", "The value that the model predicts or scores; not always the one that is good for the person."),
    ("Positive predictive value", "Of those called positive, the share that truly is."),
    ("Selection rate", "The share of a group that receives the favourable decision."),
    ("SHAP", "Divides the difference between one decision and the average one fairly over the columns used."),
    ("True positive rate", "Of those whose outcome is positive, the share that the decision finds."),
)


def metric(name: str) -> str:
    """The name as printed."""
    return METRICS.get(name, name.replace("_", " "))


def capital(text: str) -> str:
    """The first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def count(value: float | None) -> str:
    """5,421; weights with one decimal."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def share(value: float | None) -> str:
    """9.1 %."""
    return "not estimable" if value is None else percent(value)


def number(value: float | None, digits: int = 3) -> str:
    """0.321."""
    return "–" if value is None else f"{value:.{digits}f}"


def interval(low: float | None, high: float | None) -> str:
    """8.4 % to 9.9 %."""
    return "–" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def points(gap: dict[str, Any] | Any) -> str:
    """17.1 points (95 % interval 16.0 to 18.2)."""
    def get(name: str) -> Any:
        return gap.get(name) if isinstance(gap, dict) else getattr(gap, name)

    if get("value") is None:
        return f"not estimable ({get('reason')})"
    low, high = get("low"), get("high")
    said = "" if low is None or high is None else f" (95 % interval {100 * low:.1f} to {100 * high:.1f})"
    value = float(get("value"))
    return f"{100 * value:.1f} points{said}"


def by(attribute: Sequence[str]) -> str:
    """sex and race."""
    return " and ".join(attribute)
