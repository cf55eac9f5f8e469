"""The table of methods. Offering one more is adding a row and its function in debias/candidate.py."""

from __future__ import annotations

from dataclasses import dataclass

from audit.errors import InputError, nearest
from audit.metrics import EQUAL_OPPORTUNITY, EQUALIZED_ODDS

DEMOGRAPHIC_PARITY = "demographic_parity"
EQUAL_OPPORTUNITY = EQUAL_OPPORTUNITY
EQUALIZED_ODDS = EQUALIZED_ODDS
BOUNDED_LOSS = "bounded_loss"
"""No group's error is above the original's error of everyone by more than the tolerance (Agarwal, Dudik & Wu 2019)."""
CONSTRAINTS = (DEMOGRAPHIC_PARITY, EQUAL_OPPORTUNITY, EQUALIZED_ODDS, BOUNDED_LOSS)

SENSITIVE_NOTICE = (
    "This method reads the sensitive value of a person at the moment of the decision and applies another rule to each "
    "group. In many settings that is unlawful disparate treatment, whatever it does to the gap; ask counsel before use."
)
"""To be shown on every screen and page where a method with needs_sensitive_at_decision is offered or reported."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to mitigate.

    stage: "pre" (the data), "in" (the learning) or "post" (the decision). models: what it starts from: "original"
    (a fresh copy of the audited estimator, fitted again), "own" (a learner of Assay's own) or "scores" (the audited
    model stays as it is). constraints: what it can be asked to bring about. words: one sentence for a person.
    """

    name: str
    title: str
    stage: str
    needs_sensitive_at_decision: bool
    models: tuple[str, ...]
    constraints: tuple[str, ...]
    words: str
    source: str

    @property
    def notice(self) -> str | None:
        """What must stand beside this method wherever it is offered, or None."""
        return SENSITIVE_NOTICE if self.needs_sensitive_at_decision else None


METHODS: dict[str, Method] = {
    row.name: row
    for row in (
        Method(
            "reweighing", "Reweighing", "pre", False, ("original", "own"), (DEMOGRAPHIC_PARITY,),
            "Weights the training rows so that outcome and group are independent, and fits the same model again.",
            "Kamiran & Calders 2012, Knowledge and Information Systems 33",
        ),
        Method(
            "resampling", "Resampling", "pre", False, ("original", "own"), (DEMOGRAPHIC_PARITY,),
            "Draws training rows with the weights of reweighing, for models that take no weights.",
            "Kamiran & Calders 2012, uniform sampling",
        ),
        Method(
            "correlation_remover", "Correlation remover", "pre", True, ("own",), (DEMOGRAPHIC_PARITY,),
            "Takes out of every feature what a straight line on the sensitive columns foretells of it, and fits a "
            "model on the rest. What is not a straight line stays; the tolerance has no part in it.",
            "fairlearn CorrelationRemover (Bird et al. 2020)",
        ),
        Method(
            "constrained_boosting", "Constrained boosting", "in", False, ("own",), CONSTRAINTS,
            "Grows one boosted model whose gap between groups is held within a tolerance while it learns.",
            "proxy-Lagrangian: Cotter et al. 2019; in boosting: Cruz et al. 2023",
        ),
        Method(
            "exponentiated_gradient", "Exponentiated gradient", "in", False, ("own",), CONSTRAINTS,
            "Fits many weighted models and takes their weighted mean, so that one person gets one answer.",
            "Agarwal et al. 2018, as in fairlearn",
        ),
        Method(
            "grid_search", "Grid search", "in", False, ("own",), CONSTRAINTS,
            "Fits one weighted model for each point of a grid of prices and keeps the best.",
            "Agarwal et al. 2018, as in fairlearn",
        ),
        Method(
            "group_thresholds", "Group thresholds", "post", True, ("scores",), (DEMOGRAPHIC_PARITY, EQUAL_OPPORTUNITY),
            "Leaves the model as it is and decides each group by a threshold of its own.",
            "after Hardt, Price & Srebro 2016, without randomisation",
        ),
    )
}  # fmt: skip


def method_named(name: str) -> Method:
    """The row. Raises InputError with the nearest known name."""
    if name not in METHODS:
        raise InputError(
            "there is no such method",
            got=repr(name),
            expected=", ".join(METHODS),
            todo=f"choose one of them; {nearest(name, METHODS)}",
        )
    return METHODS[name]


def constraint_for(method: Method, wanted: str | None) -> str:
    """The constraint to aim at: the one asked for, or the method's first. Raises InputError where it serves another."""
    if wanted is None:
        return method.constraints[0]
    if wanted not in CONSTRAINTS:
        raise InputError(
            "there is no such constraint",
            got=repr(wanted),
            expected=", ".join(CONSTRAINTS),
            todo=f"choose one of them; {nearest(wanted, CONSTRAINTS)}",
        )
    if wanted not in method.constraints:
        others = ", ".join(m.name for m in METHODS.values() if wanted in m.constraints)
        raise InputError(
            f"{method.title} does not aim at {wanted.replace('_', ' ')}",
            got=wanted,
            expected=" or ".join(method.constraints),
            todo=f"choose another constraint, or another method: {others}",
        )
    return wanted
