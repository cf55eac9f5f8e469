"""A candidate by the method named in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from debias.candidate import Candidate, Original, Request, error_of
from debias.methods.method import BOUNDED_LOSS
from debias.methods.table import MethodRow
from debias.task import Task


def fit_candidate(
    task: Task,
    original: Original,
    method: MethodRow,
    constraint: str,
    tolerance: float,
    attributes: tuple[str, ...],
    seed: int,
    allow: Sequence[str] = (),
    hyper: Mapping[str, float] | None = None,
) -> Candidate:
    """Fit by the row's function. Raises ModelError where the fitted model cannot be used; the rest is as in Request."""
    loss_from = error_of(task, original) if constraint == BOUNDED_LOSS else None
    return method.fit(
        Request(task, original, method, constraint, tolerance, attributes, seed, tuple(allow), hyper, loss_from)
    )
