"""Ways to mitigate: a table of them (table.py) and one file for each kind."""

from debias.methods.table import (
    BOUNDED_LOSS,
    CONSTRAINTS,
    METHODS,
    SENSITIVE_NOTICE,
    Method,
    constraint_for,
    method_named,
)
from debias.methods.weights import Reweighed, resample, reweigh

__all__ = [
    "BOUNDED_LOSS",
    "CONSTRAINTS",
    "METHODS",
    "SENSITIVE_NOTICE",
    "Method",
    "Reweighed",
    "constraint_for",
    "method_named",
    "resample",
    "reweigh",
]
