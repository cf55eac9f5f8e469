"""The table of methods: a row holds what there is to say of one, its function, and what a search may try of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from audit.errors import InputError, nearest
from audit.metrics import EQUAL_OPPORTUNITY
from debias.methods.method import (
    CONSTRAINED_BOOSTING,
    CONSTRAINTS,
    CORRELATION_REMOVER,
    DEMOGRAPHIC_PARITY,
    EXPONENTIATED_GRADIENT,
    GRID_SEARCH,
    GROUP_THRESHOLDS,
    RESAMPLING,
    REWEIGHING,
    Method,
    Span,
)

if TYPE_CHECKING:  # whoever checks a report reads this table, and fits nothing
    from debias.candidate import Candidate, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRow(Method):
    """A method with its function. space: the parameters that a search tries, starts: where it begins.

    not_searched: why a search leaves it out unless it is named. One that decides by the sensitive value needs naming
    too.
    """

    fit: Callable[[Request], Candidate]
    space: Mapping[str, Span]
    starts: tuple[Mapping[str, float], ...]
    not_searched: str = ""


# Imported where they are called: a list of methods starts no learner.


def _reweighing(asked: Request) -> Candidate:
    from debias.fit_weights import by_weights

    return by_weights(asked, weighted=True)


def _resampling(asked: Request) -> Candidate:
    from debias.fit_weights import by_weights

    return by_weights(asked, weighted=False)


def _removing(asked: Request) -> Candidate:
    from debias.fit_remover import by_removing

    return by_removing(asked)


def _boosting(asked: Request) -> Candidate:
    from debias.fit_boost import by_boosting

    return by_boosting(asked)


def _gradient(asked: Request) -> Candidate:
    from debias.fit_reductions import by_reduction

    return by_reduction(asked, grid=False)


def _grid(asked: Request) -> Candidate:
    from debias.fit_reductions import by_reduction

    return by_reduction(asked, grid=True)


def _thresholds(asked: Request) -> Candidate:
    from debias.fit_thresholds import by_thresholds

    return by_thresholds(asked)


STRENGTH = {"strength": Span(0.0, 1.0, digits=3)}
TOLERANCE = {"tolerance": Span(0.002, 0.3, log=True)}
BOOSTING = TOLERANCE | {
    "trees": Span(40, 300, whole=True),
    "learning_rate": Span(0.03, 0.3, log=True),
    "leaves": Span(4, 64, log=True, whole=True),
    "least_in_leaf": Span(5, 200, log=True, whole=True),
}
AS_THEY_STAND = {"trees": 100, "learning_rate": 0.1, "leaves": 31, "least_in_leaf": 20}

METHODS: dict[str, MethodRow] = {
    row.name: row
    for row in (
        MethodRow(
            REWEIGHING, "Reweighing", "pre", False, ("original", "own"), (DEMOGRAPHIC_PARITY,),
            "Weights the training rows so that outcome and group are independent, and fits the same model again.",
            "Kamiran & Calders 2012, Knowledge and Information Systems 33",
            fit=_reweighing, space=STRENGTH, starts=({"strength": 1.0},),
        ),
        MethodRow(
            RESAMPLING, "Resampling", "pre", False, ("original", "own"), (DEMOGRAPHIC_PARITY,),
            "Draws training rows with the weights of reweighing, for models that take no weights.",
            "Kamiran & Calders 2012, uniform sampling",
            fit=_resampling, space=STRENGTH, starts=({"strength": 1.0},),
            not_searched="reweighing draws rows itself where an estimator takes no weights",
        ),
        MethodRow(
            CORRELATION_REMOVER, "Correlation remover", "pre", True, ("own",), (DEMOGRAPHIC_PARITY,),
            "Takes out of every feature what a straight line on the sensitive columns foretells of it, and fits a "
            "model on the rest. What is not a straight line stays; the tolerance has no part in it.",
            "fairlearn CorrelationRemover (Bird et al. 2020)",
            fit=_removing, space={}, starts=({},),
        ),
        MethodRow(
            CONSTRAINED_BOOSTING, "Constrained boosting", "in", False, ("own",), tuple(CONSTRAINTS),
            "Grows one boosted model whose gap between groups is held within a tolerance while it learns.",
            "proxy-Lagrangian: Cotter et al. 2019; in boosting: Cruz et al. 2023",
            fit=_boosting, space=BOOSTING, starts=tuple({"tolerance": t, **AS_THEY_STAND} for t in (0.02, 0.1)),
        ),
        MethodRow(
            EXPONENTIATED_GRADIENT, "Exponentiated gradient", "in", False, ("own",), tuple(CONSTRAINTS),
            "Fits many weighted models and takes their weighted mean, so that one person gets one answer.",
            "Agarwal et al. 2018, as in fairlearn",
            fit=_gradient, space=TOLERANCE, starts=({"tolerance": 0.02},),
            not_searched="one point takes dozens of fits",
        ),
        MethodRow(
            GRID_SEARCH, "Grid search", "in", False, ("own",), tuple(CONSTRAINTS),
            "Fits one weighted model for each point of a grid of multipliers and keeps the best.",
            "Agarwal et al. 2018, as in fairlearn",
            fit=_grid, space=TOLERANCE, starts=({"tolerance": 0.02},),
            not_searched="one point takes dozens of fits",
        ),
        MethodRow(
            GROUP_THRESHOLDS, "Group thresholds", "post", True, ("scores",), (DEMOGRAPHIC_PARITY, EQUAL_OPPORTUNITY),
            "Leaves the model as it is and decides each group by a threshold of its own.",
            "after Hardt, Price & Srebro 2016, without randomisation",
            fit=_thresholds, space=TOLERANCE, starts=({"tolerance": 0.02},),
        ),
    )
}  # fmt: skip


def method_named(name: str) -> MethodRow:
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
