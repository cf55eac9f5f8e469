"""The table of metrics: a row is all that there is to say of one, and every list of them is made from it.

A rate is who is counted out of whom, in the six cells label x decision. A new rate is a row: it is measured, has gaps
and tests, can stand in a policy, is asked about on the screen, and is explained in the glossary.

Sources: Hardt, Price & Srebro (2016) for true and false positive rates as criteria of fairness; Chouldechova (2017)
for predictive values; Verma & Rubin (2018) for the names.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from audit.cube import Meaning

Mask = npt.NDArray[np.bool_]

SELECTION_RATE = "selection_rate"
BASE_RATE = "base_rate"
ACCURACY = "accuracy"
TRUE_POSITIVE_RATE = "true_positive_rate"
FALSE_NEGATIVE_RATE = "false_negative_rate"
FALSE_POSITIVE_RATE = "false_positive_rate"
TRUE_NEGATIVE_RATE = "true_negative_rate"
POSITIVE_PREDICTIVE_VALUE = "positive_predictive_value"
FALSE_DISCOVERY_RATE = "false_discovery_rate"
NEGATIVE_PREDICTIVE_VALUE = "negative_predictive_value"
FALSE_OMISSION_RATE = "false_omission_rate"
ROC_AUC = "roc_auc"
MEAN_SCORE = "mean_score"
CALIBRATION_ERROR = "calibration_error"
EQUALIZED_ODDS = "equalized_odds"
EQUAL_OPPORTUNITY = "equal_opportunity"

CELLS = {"tn": (0, 0), "fp": (0, 1), "fn": (1, 0), "tp": (1, 1), "u0": (2, 0), "u1": (2, 1)}
"""The cells by name; u0 and u1: the outcome is unknown, decided negative and positive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """What is to say of a metric, in words of any case: {yes}, {no} and {good} stand for the case's values.

    formula: "counted / out of", in names of CELLS, or `known` (four of them), `all`, `chosen` (decided favourably) and
    `merit` (whose outcome is favourable); empty for what is made from scores. parts: for what compares other rates,
    these, where the favourable value is the positive one and where it is the other. better: "higher", "lower" or
    "neither" for the person or the institution. hypothesis: metrics that share it (a rate and its complement) are one
    comparison. among: who the denominator is, for the reason of a value that cannot be estimated. glossary: empty where
    it has no entry. complement: the rate that it is one less, and with which it is told. finding: how the first
    findings say it of a group. everyday: in the board's words. norm: whether a policy can be about it.
    """

    name: str
    title: str
    question: str
    source: str
    formula: str = ""
    parts: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    better: str = "neither"
    hypothesis: str = ""
    among: str = ""
    glossary: str = ""
    complement: str | None = None
    finding: str = ""
    everyday: str = ""
    norm: bool = True


METRICS: dict[str, MetricRow] = {
    row.name: row
    for row in (
        MetricRow(
            name=SELECTION_RATE,
            title="selection rate",
            formula="chosen / all",
            hypothesis=SELECTION_RATE,
            question="How many receive the favourable decision {good}?",
            among="people",
            source="Feldman et al. 2015",
            glossary="The share of a group that receives the favourable decision.",
            finding="receive the favourable decision",
            everyday="who gets it",
        ),
        MetricRow(
            name=BASE_RATE,
            title="base rate",
            formula="merit / known",
            hypothesis=BASE_RATE,
            question="How many truly have the favourable outcome {good}?",
            among="people whose outcome is known",
            source="prevalence; Chouldechova 2017",
            glossary="The share of a group that truly has the favourable outcome, according to the labels.",
            finding="have the favourable outcome",
        ),
        MetricRow(
            name=ACCURACY,
            title=ACCURACY,
            formula="tp tn / known",
            better="higher",
            hypothesis=ACCURACY,
            question="For how many is the decision the same as the outcome?",
            among="people whose outcome is known",
            source="overall accuracy equality; Verma & Rubin 2018",
            finding="are decided in line with their outcome",
            everyday="how often it is right",
        ),
        MetricRow(
            name=TRUE_POSITIVE_RATE,
            title="true positive rate",
            formula="tp / tp fn",
            better="higher",
            hypothesis="positives",
            question="Of those whose outcome is {yes}, how many are found?",
            among="people whose outcome is {yes}",
            source="Hardt, Price & Srebro 2016",
            glossary="Of those whose outcome is positive, the share that the decision finds.",
            finding="of those with the positive outcome are found",
            everyday="who is found",
        ),
        MetricRow(
            name=FALSE_NEGATIVE_RATE,
            title="false negative rate",
            formula="fn / tp fn",
            better="lower",
            hypothesis="positives",
            question="Of those whose outcome is {yes}, how many are missed?",
            among="people whose outcome is {yes}",
            source=f"complement of {TRUE_POSITIVE_RATE}",
            glossary="Of those whose outcome is positive, the share that the decision misses.",
            complement=TRUE_POSITIVE_RATE,
            everyday="who is missed",
        ),
        MetricRow(
            name=FALSE_POSITIVE_RATE,
            title="false positive rate",
            formula="fp / fp tn",
            better="lower",
            hypothesis="negatives",
            question="Of those whose outcome is {no}, how many are called {yes} all the same?",
            among="people whose outcome is {no}",
            source="Hardt, Price & Srebro 2016",
            glossary="Of those whose outcome is not positive, the share that is called positive all the same.",
            finding="of those without the positive outcome are called positive",
            everyday="false alarms",
        ),
        MetricRow(
            name=TRUE_NEGATIVE_RATE,
            title="true negative rate",
            formula="tn / fp tn",
            better="higher",
            hypothesis="negatives",
            question="Of those whose outcome is {no}, how many are rightly called {no}?",
            among="people whose outcome is {no}",
            source=f"complement of {FALSE_POSITIVE_RATE}",
            complement=FALSE_POSITIVE_RATE,
        ),
        MetricRow(
            name=POSITIVE_PREDICTIVE_VALUE,
            title="positive predictive value",
            formula="tp / tp fp",
            better="higher",
            hypothesis="called_positive",
            question="Of those called {yes}, how many are?",
            among="people decided {yes}",
            source="predictive parity; Chouldechova 2017",
            glossary="Of those called positive, the share that truly is.",
            everyday="how often a yes is right",
        ),
        MetricRow(
            name=FALSE_DISCOVERY_RATE,
            title="false discovery rate",
            formula="fp / tp fp",
            better="lower",
            hypothesis="called_positive",
            question="Of those called {yes}, how many are not?",
            among="people decided {yes}",
            source=f"complement of {POSITIVE_PREDICTIVE_VALUE}",
            complement=POSITIVE_PREDICTIVE_VALUE,
        ),
        MetricRow(
            name=NEGATIVE_PREDICTIVE_VALUE,
            title="negative predictive value",
            formula="tn / tn fn",
            better="higher",
            hypothesis="called_negative",
            question="Of those called {no}, how many are?",
            among="people decided {no}",
            source="conditional use accuracy; Berk et al. 2018",
        ),
        MetricRow(
            name=FALSE_OMISSION_RATE,
            title="false omission rate",
            formula="fn / tn fn",
            better="lower",
            hypothesis="called_negative",
            question="Of those called {no}, how many are not?",
            among="people decided {no}",
            source=f"complement of {NEGATIVE_PREDICTIVE_VALUE}",
            complement=NEGATIVE_PREDICTIVE_VALUE,
        ),
        MetricRow(
            name=ROC_AUC,
            title="area under the ROC curve",
            better="higher",
            question="How often does a person with the positive outcome score above one without it?",
            among="people with a known outcome",
            source="over the scores",
            glossary="How often a person with the positive outcome scores above one without. 0.5 is chance.",
        ),
        MetricRow(
            name=MEAN_SCORE,
            title="mean score",
            question="What score do people get on average?",
            among="people with a score",
            source="over the scores",
        ),
        MetricRow(
            name=CALIBRATION_ERROR,
            title="calibration error",
            better="lower",
            question="How far are the scores from the shares that come true?",
            among="people with a known outcome",
            source="over the scores",
            glossary="How far scores are, on average, from the shares that came true. 0 is best.",
        ),
        MetricRow(
            name=EQUALIZED_ODDS,
            title="equalized odds",
            parts=((TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE), (TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE)),
            hypothesis="odds",
            question="How far apart are groups in either kind of error?",
            among="people whose outcome is known",
            source="Hardt, Price & Srebro 2016",
            glossary="The larger of two gaps: in the true positive rate and in the false positive rate.",
            everyday="who wrongly gets it or goes without",
        ),
        MetricRow(
            name=EQUAL_OPPORTUNITY,
            title="equal opportunity",
            parts=((TRUE_POSITIVE_RATE,), (TRUE_NEGATIVE_RATE,)),
            question="How far apart are groups in receiving what they merit?",
            source="Hardt, Price & Srebro 2016, who call the advantaged outcome Y = 1",
            glossary="Compares how often people who merit the favourable decision receive it.",
            everyday="who gets it among those who merit it",
        ),
    )
}

SCORE_METRICS = (ROC_AUC, MEAN_SCORE, CALIBRATION_ERROR)
"""On a scale of their own, and made by audit.score_rates; all others are shares of people."""

ASKED_FIRST = (SELECTION_RATE, BASE_RATE, TRUE_POSITIVE_RATE, FALSE_POSITIVE_RATE, ACCURACY)
"""What the first findings tell of, in this order, and what an audit's power is said of."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A rate in one case's own words and cells: `numerator` out of `denominator`, (3, 2) over label x decision.

    A smaller gap between groups is better for every metric. The rest is as in `MetricRow`.
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


def metrics_for(meaning: Meaning) -> tuple[Metric, ...]:
    """The rates of the table, with questions in the case's own words.

    The confusion matrix is about `positive`; selection_rate and base_rate are about the favourable value.
    """
    case = {"yes": repr(meaning.positive), "no": repr(meaning.negative), "good": repr(meaning.favourable)}
    good = meaning.favourable_is_positive
    cells = {
        "known": "tp fp fn tn",
        "all": "tp fp fn tn u0 u1",
        "chosen": "tp fp u1" if good else "tn fn u0",
        "merit": "tp fn" if good else "tn fp",
    }

    def mask(names: str) -> Mask:
        out = np.zeros((3, 2), dtype=bool)
        for name in cells.get(names.strip(), names).split():
            out[CELLS[name]] = True
        return out

    return tuple(
        Metric(
            row.name,
            mask(row.formula.partition("/")[0]),
            mask(row.formula.partition("/")[2]),
            row.better,
            row.hypothesis,
            row.question.format(**case),
            row.among.format(**case),
            row.source,
        )
        for row in METRICS.values()
        if row.formula
    )


def title(name: str) -> str:
    """A metric's name as it is printed."""
    return METRICS[name].title if name in METRICS else name.replace("_", " ")


def norm_metrics() -> tuple[str, ...]:
    """What a norm can be about."""
    return tuple(row.name for row in METRICS.values() if row.norm)


def complements() -> dict[str, str]:
    """Rates that say the same as another one the other way round, and that other one."""
    return {row.name: row.complement for row in METRICS.values() if row.complement is not None}


def parts_of(name: str, meaning: Meaning) -> tuple[str, ...]:
    """The rates behind a name: itself, or those that it compares."""
    row = METRICS.get(name)
    return (row.parts[not meaning.favourable_is_positive] if row else ()) or (name,)


def opportunity(meaning: Meaning) -> str:
    """The rate that equal opportunity compares: being given the favourable decision when one merits it."""
    return parts_of(EQUAL_OPPORTUNITY, meaning)[0]
