"""Several classes in words: what is about all of them, what about one, and findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.case import Case
from audit.documents.base import Names
from audit.documents.evidence import Classes, ClassFigures
from audit.findings import interval_words, name_of, significance
from audit.metrics import ACCURACY, SELECTION_RATE
from audit.numbers import many, percent, points
from audit.values import Gap, Rate

if TYPE_CHECKING:
    from audit.code import Decisions

OF_CLASSES = "comparisons of the classes"


def classes_note(case: Case, names: Sequence[str], decisions: Decisions) -> tuple[str, ...]:
    """What a reader must know of a label with more than two values; nothing otherwise."""
    if not names:
        return ()
    positive = case.data.positive
    about = (
        f"Rates, gaps, norms, subgroups and neighbours are about {positive!r} or not ({positive!r} against the rest)"
    )
    if decisions.classes is None:
        return (
            f"The outcome has {many(len(names), 'class')} and the score is of {positive!r} alone. {about}; what "
            "else is decided is not known.",
        )
    classes = decisions.classes.names
    more = [n for n in classes if n not in names]
    added = f" The model also knows {', '.join(repr(n) for n in more[:8])}, which no row has." if more else ""
    notes = [f"The outcome has {many(len(classes), 'class')}. {about}; every class has its own table.{added}"]
    if len(classes_decided := np.unique(decisions.classes.decided)) == 1:
        notes.append(
            f"Nothing is decided between people: everyone who was measured is decided {classes[classes_decided[0]]!r}."
        )
    return tuple(notes)


def class_findings(record: Classes) -> tuple[str, ...]:
    """Overall accuracy by attribute, then the class whose share of decisions differs most; intervals in each."""
    out = []
    for gap in record.overall.gaps:
        if gap.metric == ACCURACY and gap.kind == "difference":
            lead = f"By {' and '.join(gap.attribute)}: over all {many(len(record.names), 'class')}"
            if gap.value is None:
                out.append(f"{lead} the gap in accuracy cannot be estimated: {gap.reason}.")
                continue
            (high, highest), (low, lowest) = _ends(record.overall.rates, gap)
            out.append(
                f"{lead} {_share(high)} of {highest} and {_share(low)} of {lowest} are "
                f"decided in line with their outcome; {_apart(gap)}."
            )
    for attribute in dict.fromkeys(g.attribute for g in record.overall.gaps):
        widest = _widest(record, attribute)
        if widest is not None:
            one, gap = widest
            (high, highest), (low, lowest) = _ends(one.rates, gap)
            out.append(
                f"By {' and '.join(attribute)}: the class whose share differs most is {one.label!r}, decided for "
                f"{_share(high)} of {highest} and {_share(low)} of {lowest}; {_apart(gap)}."
            )
    return tuple(out)


def _ends(rates: Sequence[Rate], gap: Gap) -> tuple[tuple[Rate, str], tuple[Rate, str]]:
    """The rates that a gap lies between, the highest first, each with the name of its group."""
    assert gap.highest is not None
    assert gap.lowest is not None
    mine = {r.group: r for r in rates if (r.metric, r.attribute) == (gap.metric, gap.attribute)}
    return (mine[gap.highest], name_of(gap.highest)), (mine[gap.lowest], name_of(gap.lowest))


def _widest(record: Classes, attribute: Names) -> tuple[ClassFigures, Gap] | None:
    shares = [
        (gap.value, one, gap)
        for one in record.classes
        for gap in one.gaps
        if gap.metric == SELECTION_RATE and gap.kind == "difference" and gap.attribute == attribute
    ]
    known = [(value, one, gap) for value, one, gap in shares if value is not None]
    return max(known, key=lambda k: k[0])[1:] if known else None


def _share(rate: Rate) -> str:
    return percent(rate.value or 0)


def _apart(gap: Gap) -> str:
    return f"the gap is {points(gap.value or 0)} ({interval_words(gap)}; {significance(gap, OF_CLASSES)})"
