"""What is and is not served where a case has more than two classes, or predicts a number."""

from __future__ import annotations

import pandas as pd

from audit.case import Case
from audit.classes.code import classes_of
from audit.errors import CaseError
from audit.numbers import many


def refuse_regression(case: Case, what: str) -> None:
    """`what` is about decisions. Raises CaseError where a number is predicted."""
    if case.data.task == "regression":
        raise CaseError(
            f"a regression cannot be {what}",
            got='task = "regression": numbers are predicted and nothing is decided',
            expected="a case about a decision",
            todo="audit the predictions (`assay audit`), or make a case about the decisions that rest on them",
        )


def refuse_several(case: Case, frame: pd.DataFrame, what: str) -> None:
    """`what` is about two outcomes. Raises CaseError where a model decides among more."""
    names = classes_of(case, frame)
    if names and case.model.is_asked:
        raise CaseError(
            f"a model of several classes cannot be {what}",
            got=f"{many(len(names), 'class')}: {', '.join(repr(n) for n in names[:8])}",
            expected="two outcomes",
            todo=f"make a label that says {case.data.positive!r} or not, and name a model of that; or name a column of "
            "its decisions",
        )


def threshold_note(case: Case, frame: pd.DataFrame) -> tuple[str, ...]:
    """What decides here where a model decides among several classes and one of them is looked at."""
    names = classes_of(case, frame)
    if not names or not case.model.is_asked:
        return ()
    return (
        f"The outcome has {many(len(names), 'class')}. Here the question is {case.data.positive!r} or not, as the "
        "model itself decides. The other classes are not looked at.",
    )
