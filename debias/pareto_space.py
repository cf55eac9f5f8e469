"""What a search tries: the parameters of each method, where to begin, and Optuna's next proposal.

Optuna proposes from the trials on record alone, with a seed for each trial, so a search that was stopped goes on as
if it had not been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit.errors import InputError
from debias.methods.method import CONSTRAINTS
from debias.methods.table import METHODS, MethodRow, method_named


@dataclass(frozen=True, slots=True)
class Point:
    """A method and its parameters, such as its tolerance."""

    method: str
    parameters: Mapping[str, float]


AGAIN = 12
"""How often another proposal is asked for where one has been tried already."""
STARTUP = 8
"""Trials before the sampler learns from them."""


def methods_to_search(constraint: str, methods: Sequence[str] | None) -> tuple[MethodRow, ...]:
    """The methods named, or those a search takes by itself. Raises InputError where one does not serve the aim."""
    from audit.errors import nearest

    if constraint not in CONSTRAINTS:
        raise InputError(
            "a search cannot aim at this",
            got=repr(constraint),
            expected=", ".join(CONSTRAINTS),
            todo=f"choose one of them; {nearest(constraint, CONSTRAINTS)}",
        )
    if methods is None:
        return tuple(
            m
            for m in METHODS.values()
            if not m.not_searched and not m.needs_sensitive_at_decision and constraint in m.constraints
        )
    chosen = tuple(method_named(name) for name in dict.fromkeys(methods))
    for method in chosen:
        if constraint not in method.constraints:
            raise InputError(
                f"{method.title} cannot be searched for {constraint.replace('_', ' ')}",
                got=method.name,
                expected=", ".join(m.name for m in METHODS.values() if constraint in m.constraints),
                todo="name other methods, or another constraint",
            )
    if not chosen:
        raise InputError("no method was named", expected="at least one", todo="name one, or leave it out")
    return chosen


def starts(methods: Sequence[MethodRow]) -> list[Point]:
    """Where to begin: every method as it stands."""
    longest = max(len(m.starts) for m in methods)
    points = []
    for place in range(longest):
        points += [Point(m.name, dict(m.starts[place])) for m in methods if place < len(m.starts)]
    return points


def propose(
    tried: Sequence[tuple[Point, tuple[float, float]]], methods: Sequence[str], number: int, seed: int
) -> Point | None:
    """The next point by Optuna's multi-objective TPE (Ozaki et al. 2022), from the points tried and their objectives.

    None where nothing new comes up. One generator a trial number: the same record gives the same proposal.
    """
    import optuna
    from optuna.trial import create_trial

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        known = [p for p, _ in tried]
        for attempt in range(AGAIN):
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=STARTUP, seed=(seed * 1_000_003 + number * 101 + attempt) % 2**32
            )
            study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
            for point, values in tried:
                if point.method in methods:
                    study.add_trial(
                        create_trial(params=_params(point), distributions=_kinds(point, methods), values=list(values))
                    )
            point = _suggested(study.ask(), methods)
            if point not in known:
                return point
        return None
    finally:
        optuna.logging.set_verbosity(before)


def draw(methods: Sequence[str], number: int, seed: int) -> Point:
    """A point drawn at random, whatever was tried before: a method, then its parameters, by the trial's own seed."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.RandomSampler(seed=(seed * 1_000_003 + number * 101) % 2**32)
        return _suggested(optuna.create_study(sampler=sampler).ask(), methods)
    finally:
        optuna.logging.set_verbosity(before)


def _params(point: Point) -> dict[str, Any]:
    # Each method's parameters are its own: the tolerance of one is not that of another.
    return {"method": point.method} | {f"{point.method}.{k}": v for k, v in point.parameters.items()}


def _kinds(point: Point, methods: Sequence[str]) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    out: dict[str, Any] = {"method": CategoricalDistribution(list(methods))}
    for name, span in METHODS[point.method].space.items():
        kind = (
            IntDistribution(int(span.low), int(span.high), log=span.log)
            if span.whole
            else FloatDistribution(span.low, span.high, log=span.log)
        )
        out[f"{point.method}.{name}"] = kind
    return out


def _suggested(trial: Any, methods: Sequence[str]) -> Point:
    name = str(trial.suggest_categorical("method", list(methods)))
    parameters: dict[str, float] = {}
    for key, span in METHODS[name].space.items():
        label = f"{name}.{key}"
        if span.whole:
            value: float = trial.suggest_int(label, int(span.low), int(span.high), log=span.log)
        else:
            value = trial.suggest_float(label, span.low, span.high, log=span.log)
        parameters[key] = span.rounded(value)
    return Point(name, parameters)
