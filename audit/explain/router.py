"""From a model to its explainer, with the additivity gate on every row.

The library's own attributions are used where they are exact and of the output asked for. Base value plus attributions
must then give what the model answers, on every row, within the library's tolerance; where they do not, the permutation
method takes over and the result says so. The permutation method's walks pass the same gate against a second, separate
answer of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.explain.kinds import (
    DECISION,
    LOG_ODDS,
    PERMUTATION,
    TOLERANCES,
    Additivity,
    Attributions,
    Floats,
    Predict,
    Step,
    gate,
)
from audit.explain.outputs import Rule, transform
from audit.explain.sampled import Sampled, explain_people, explain_sampled
from audit.models.arrays import arrays_in
from audit.numbers import brief

Native = Callable[[pd.DataFrame, int, str], dict[str, Any]]
"""(rows then background, number of rows, output) -> what `native.attributions` returns."""


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """An explainer for one model and output: which method, and why not the model's own (None where it is).

    failed: the gate's finding on the library's attributions, where it was they that failed.
    """

    method: str
    why: str | None
    failed: Additivity | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Why the library's own values are not used."""

    refused: str


@dataclass(frozen=True, slots=True, eq=False)
class _Own:
    """The library's attributions (n, M), their base (n,), and the output as it computes it (n,)."""

    values: Floats
    base: Floats
    total: Floats
    method: str
    family: str


def native_attributions(
    native: Native, rows: pd.DataFrame, background: pd.DataFrame, scores: Floats, output: str
) -> tuple[Attributions | None, Route]:
    """The library's attributions where it has them and they pass the gate; else None and the reason.

    scores (n,): what the model itself answers for `rows`: the attributions must add up to them too.
    """
    if output == DECISION:
        return None, Route(PERMUTATION, "no library explains decisions; the permutation method does")
    try:
        answer = native(pd.concat([rows, background], ignore_index=True), len(rows), output)
    except ModelError as error:
        return None, Route(PERMUTATION, f"the model's library could not give attributions ({error.problem})")
    if "refused" in answer:
        return None, Route(PERMUTATION, arrays_in(Refused, answer).refused)
    own = arrays_in(_Own, answer)
    method, total, tolerance = own.method, own.total, TOLERANCES[own.family]
    additivity = gate(own.values, own.base, total, tolerance)
    if additivity.passed:
        # The library's own total must be what the model answered, or these are attributions of something else.
        reached = 1 / (1 + np.exp(-total)) if output == LOG_ODDS else total
        beside = gate(np.zeros((len(total), 1)), reached, scores, max(tolerance, 1e-6))
        additivity = Additivity(
            additivity.max_error if beside.passed else beside.max_error, tolerance, beside.passed, additivity.rows
        )
    if not additivity.passed:
        off = "not finite" if additivity.max_error is None else f"off by up to {brief(additivity.max_error, 2)}"
        why = (
            f"{method} failed the additivity check ({off}, tolerance {brief(tolerance)}): base and attributions do "
            "not add up to what the model answers"
        )
        return None, Route(PERMUTATION, why, additivity)
    names = tuple(str(c) for c in rows.columns)
    return Attributions(method, output, names, own.values, own.base, additivity), Route(method, None)


def explain(
    predict: Predict,
    rows: pd.DataFrame,
    background: pd.DataFrame,
    *,
    output: str,
    rule: Rule,
    native: Native | None = None,
    also: tuple[str, ...] = (),
    few: bool = False,
    draws: int = 4,
    rounds: int = 2,
    seed: int = 0,
    row_scores: Floats | None = None,
    back_scores: Floats | None = None,
    step: Step | None = None,
) -> Sampled:
    """Attributions of `rows` for `output`, and for the outputs named in `also` (from the same walks of the model).

    few: a handful of rows, each against the whole background; otherwise `draws` walks a row. rerouted is set on
    `output`'s result when the library's attributions were there and failed the gate.
    """
    row_scores = predict(rows) if row_scores is None else row_scores
    back_scores = predict(background) if back_scores is None else back_scores
    own, route = None, Route(PERMUTATION, None)
    if native is not None and len(rows):
        own, route = native_attributions(native, rows, background, row_scores, output)
    needed = [name for name in dict.fromkeys((output, *also)) if own is None or name != output]
    changes = {name: transform(name, rule) for name in needed}
    outputs: dict[str, Attributions] = {} if own is None else {output: own}
    asked = 0
    if changes:
        if few:
            sampled = explain_people(
                predict, rows, background, changes, rounds=rounds, seed=seed,
                row_scores=row_scores, back_scores=back_scores, step=step,
            )  # fmt: skip
        else:
            sampled = explain_sampled(
                predict, rows, background, changes, draws=draws, seed=seed,
                row_scores=row_scores, back_scores=back_scores, step=step,
            )  # fmt: skip
        outputs |= sampled.outputs
        asked = sampled.asked
    if route.failed is not None:
        outputs[output] = outputs[output].renamed(f"{route.why}; the permutation method was used instead")
    return Sampled(outputs, asked, route.why)
