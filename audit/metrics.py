"""The table of rates. A rate is two masks over the six cells label x decision.

A new metric is a row here; where a norm may be about it, its name stands in `audit.load.policies` too.

Sources: Hardt, Price & Srebro (2016) for true and false positive rates as criteria of fairness; Chouldechova (2017)
for predictive values; Verma & Rubin (2018) for the names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.cube import Meaning

Mask = npt.NDArray[np.bool_]

TN, FP, FN, TP = (0, 0), (0, 1), (1, 0), (1, 1)
_KNOWN = (TN, FP, FN, TP)
_ALL = (*_KNOWN, (2, 0), (2, 1))


@dataclass(frozen=True, slots=True)
class Metric:
    """One rate: which cells are counted, out of which.

    better: "higher", "lower" or "neither" for the person or the institution; a smaller gap between groups is better
    for every metric. hypothesis: metrics that share it (a rate and its complement) are one comparison. among: who the
    denominator is, for the reason of a value that cannot be estimated.
    """

    name: str
    numerator: Mask
    denominator: Mask
    better: str
    hypothesis: str
    question: str
    among: str
    source: str

    @property
    def needs_label(self) -> bool:
        return not bool(self.denominator[2].any())


def _mask(cells: tuple[tuple[int, int], ...]) -> Mask:
    out = np.zeros((3, 2), dtype=bool)
    for cell in cells:
        out[cell] = True
    return out


def metrics_for(meaning: Meaning) -> tuple[Metric, ...]:
    """The rates of the contract, with questions in the case's own words.

    The confusion matrix is about `positive`; selection_rate and base_rate are about the favourable value.
    """
    yes, no, good = repr(meaning.positive), repr(meaning.negative), repr(meaning.favourable)
    decided_good = 1 if meaning.favourable_is_positive else 0
    chosen = tuple((label, decided_good) for label in range(3))
    merit = ((decided_good, 0), (decided_good, 1))
    rows: tuple[tuple[str, tuple[tuple[int, int], ...], tuple[tuple[int, int], ...], str, str, str, str, str], ...] = (
        ("selection_rate", chosen, _ALL, "neither", "selection_rate",
         f"How many receive the favourable decision {good}?", "people",
         "Uniform Guidelines, 29 CFR 1607.4(D)"),
        ("base_rate", merit, _KNOWN, "neither", "base_rate",
         f"How many truly have the favourable outcome {good}?", "people whose outcome is known",
         "prevalence; Chouldechova 2017"),
        ("accuracy", (TP, TN), _KNOWN, "higher", "accuracy",
         "For how many is the decision the same as the outcome?", "people whose outcome is known",
         "overall accuracy equality; Verma & Rubin 2018"),
        ("true_positive_rate", (TP,), (TP, FN), "higher", "positives",
         f"Of those whose outcome is {yes}, how many are found?", f"people whose outcome is {yes}",
         "Hardt, Price & Srebro 2016"),
        ("false_negative_rate", (FN,), (TP, FN), "lower", "positives",
         f"Of those whose outcome is {yes}, how many are missed?", f"people whose outcome is {yes}",
         "complement of true_positive_rate"),
        ("false_positive_rate", (FP,), (FP, TN), "lower", "negatives",
         f"Of those whose outcome is {no}, how many are called {yes} all the same?",
         f"people whose outcome is {no}", "Hardt, Price & Srebro 2016"),
        ("true_negative_rate", (TN,), (FP, TN), "higher", "negatives",
         f"Of those whose outcome is {no}, how many are rightly called {no}?", f"people whose outcome is {no}",
         "complement of false_positive_rate"),
        ("positive_predictive_value", (TP,), (TP, FP), "higher", "called_positive",
         f"Of those called {yes}, how many are?", f"people decided {yes}", "predictive parity; Chouldechova 2017"),
        ("false_discovery_rate", (FP,), (TP, FP), "lower", "called_positive",
         f"Of those called {yes}, how many are not?", f"people decided {yes}",
         "complement of positive_predictive_value"),
        ("negative_predictive_value", (TN,), (TN, FN), "higher", "called_negative",
         f"Of those called {no}, how many are?", f"people decided {no}", "conditional use accuracy; Berk et al. 2018"),
        ("false_omission_rate", (FN,), (TN, FN), "lower", "called_negative",
         f"Of those called {no}, how many are not?", f"people decided {no}",
         "complement of negative_predictive_value"),
    )  # fmt: skip
    return tuple(
        Metric(name, _mask(numerator), _mask(denominator), better, hypothesis, question, among, source)
        for name, numerator, denominator, better, hypothesis, question, among, source in rows
    )


SCORE_METRICS = ("roc_auc", "mean_score", "calibration_error")

SCORE_QUESTIONS = {
    "roc_auc": "How often does a person with the positive outcome score above one without it?",
    "mean_score": "What score do people get on average?",
    "calibration_error": "How far are the scores from the shares that come true?",
}


def opportunity(meaning: Meaning) -> str:
    """The rate that equal opportunity compares: being given the favourable decision when one merits it.

    True positive rate where the favourable value is the positive one, else true negative rate (Hardt et al. 2016 call
    the advantaged outcome Y = 1).
    """
    return "true_positive_rate" if meaning.favourable_is_positive else "true_negative_rate"
