"""The corruptions: one table. Adding one is adding a row.

A corruption is of one column (the model is asked again about the altered values), or of whole rows (people twice,
people lost, outcomes turned: nothing is asked). Rows: Schelter et al. 2021 (Jenga) and SAVAGE (2025) name most of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audit.lazy import pandas as pd
from audit.load.values import coded

TYPO = "\u00d8"
"""Stands at the end of a value that nobody has written before."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """words: for `{column}`, a clause after "if". plausible: how it comes about. of: "number", "text" or "rows".

    change: the whole column, altered; (n,) in, (n,) out. savage: the kind of SAVAGE that it is, if any. training: the
    place in which it is tried on what a model learns from; 0 where it is not. incoming: the kind of what-if variants
    that tries it on what comes in ("" for none), and short: what the variant is called. Of whole rows, copies: how
    often more they count (-1: not at all); turns: their outcomes are turned.
    """

    name: str
    of: str
    words: str
    plausible: str
    savage: str | None = None
    change: Callable[[pd.Series], pd.Series] | None = None
    training: int = 0
    incoming: str = ""
    short: str = ""
    copies: int = 0
    turns: bool = False


GAPS, ERRORS = "incoming gaps", "incoming errors"
"""The kinds of what-if variants that try a corruption on what comes in (debias/whatif/table.py)."""


def _missing(column: pd.Series) -> pd.Series:
    if column.dtype.kind in "biu":
        return pd.Series(np.nan, index=column.index, name=column.name, dtype=np.float64)
    return column.where(pd.Series(False, index=column.index))


def _times(factor: float) -> Callable[[pd.Series], pd.Series]:
    return lambda column: column.astype(np.float64) * factor


def _shifted(column: pd.Series) -> pd.Series:
    values = column.astype(np.float64)
    return values + float(values.std(ddof=0) or 0.0)


def _usual(column: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return pd.Series(float(column.astype(np.float64).median()), index=column.index, name=column.name)
    counts = column.value_counts()
    if not len(counts):
        return column
    return _renamed(column, dict.fromkeys(counts.index, counts.index[0]))


def _swapped(column: pd.Series) -> pd.Series:
    """Each value becomes the next more usual one; the most usual becomes the second."""
    order = list(column.value_counts().index)
    if len(order) < 2:
        return column
    return _renamed(column, {**{v: order[max(i - 1, 0)] for i, v in enumerate(order)}, order[0]: order[1]})


def _typo(column: pd.Series) -> pd.Series:
    codes, names = coded(column)
    values = np.array([*(f"{n}{TYPO}" for n in names), None], dtype=object)
    return pd.Series(values[codes], index=column.index, name=column.name).astype(
        "str" if isinstance(column.dtype, pd.StringDtype) else object
    )


def _renamed(column: pd.Series, names: dict[object, object]) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.astype(object).map(names).astype(column.dtype)
    return column.map(names).astype(column.dtype)


KINDS: dict[str, Corruption] = {
    c.name: c
    for c in (
        Corruption(
            "missing",
            "any",
            "{column} were missing",
            "an interface that drops a field, a question people do not answer",
            "missing",
            _missing,
            training=4,
            incoming=GAPS,
            short="missing",
        ),
        Corruption(
            "tenth",
            "number",
            "{column} were recorded in tens",
            "a unit or a decimal point lost where two sources are joined",
            "outlier",
            _times(0.1),
            incoming=ERRORS,
            short="a tenth",
        ),
        Corruption(
            "tenfold",
            "number",
            "{column} were ten times what it is",
            "a unit or a decimal point lost where two sources are joined",
            "outlier",
            _times(10.0),
        ),
        Corruption(
            "fivefold",
            "number",
            "{column} were five times what it is",
            "values typed or read wrongly",
            "outlier",
            _times(5.0),
            training=6,
            incoming=ERRORS,
            short="fivefold",
        ),
        Corruption(
            "shifted",
            "number",
            "{column} were one standard deviation higher",
            "a changed scale or a changed date from which years are counted",
            None,
            _shifted,
        ),
        Corruption(
            "usual",
            "any",
            "{column} were filled in with the most usual value",
            "a form with a default, an import that fills gaps",
            "missing",
            _usual,
            training=5,
            incoming=ERRORS,
            short="the usual value",
        ),
        Corruption(
            "swapped",
            "text",
            "{column} were taken for the next more usual value",
            "codes that moved by one in a lookup table",
            None,
            _swapped,
        ),
        Corruption(
            "typo",
            "text",
            "{column} were spelled in a way never seen before",
            "another spelling, another encoding, a new version of a code book",
            None,
            _typo,
            incoming=ERRORS,
            short="never seen before",
        ),
        Corruption(
            "duplicate",
            "rows",
            "these people stood in the data twice",
            "two sources joined without a key",
            "duplicate",
            training=3,
            copies=1,
        ),
        Corruption(
            "dropped",
            "rows",
            "these people were not in the data",
            "a join that loses rows, people who do not answer",
            "selection",
            training=2,
            copies=-1,
        ),
        Corruption(
            "label",
            "rows",
            "the outcomes of these people were recorded the wrong way",
            "outcomes read from a proxy, follow-up that is not finished",
            "label",
            training=1,
            turns=True,
        ),
    )
}


def fits(kind: Corruption, column: pd.Series) -> bool:
    """Whether the corruption can be done to this column."""
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if kind.of == "rows" or pd.api.types.is_datetime64_any_dtype(column):
        return False
    if kind.name == "typo" and pd.api.types.infer_dtype(column, skipna=True) not in ("string", "categorical"):
        return False  # truth values, dates and the like are not spelled
    return kind.of == "any" or (kind.of == "number") == numeric
