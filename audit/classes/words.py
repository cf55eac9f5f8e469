"""Several classes in words: what is about all of them, what about one, and findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from audit.case import Case
from audit.findings import interval_words, significance
from audit.metrics import ACCURACY, SELECTION_RATE
from audit.values import Gap, from_json

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
            f"The outcome has {len(names)} classes and the score is of {positive!r} alone. {about}; what else is "
            "decided is not known.",
        )
    found = decisions.classes.names
    more = [n for n in found if n not in names]
    added = f" The model also knows {', '.join(repr(n) for n in more[:8])}, which no row has." if more else ""
    said = [f"The outcome has {len(found)} classes. {about}; every class has its own table.{added}"]
    if len(given := np.unique(decisions.classes.decided)) == 1:
        said.append(f"Nothing is decided between people: everyone who was measured is decided {found[given[0]]!r}.")
    return tuple(said)


def class_findings(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Overall accuracy by attribute, then the class whose share of decisions differs most; intervals in each."""
    out = []
    for gap in found["overall"]["gaps"]:
        if gap["metric"] == ACCURACY and gap["kind"] == "difference":
            lead = f"By {' and '.join(gap['attribute'])}: over all {len(found['names'])} classes"
            if gap["value"] is None:
                out.append(f"{lead} the gap in accuracy cannot be estimated: {gap['reason']}.")
                continue
            rates = {tuple(r["group"]): r for r in found["overall"]["rates"] if _same(r, gap)}
            high, low = rates[tuple(gap["highest"])], rates[tuple(gap["lowest"])]
            out.append(
                f"{lead} {_share(high)} of {_name(gap['highest'])} and {_share(low)} of {_name(gap['lowest'])} are "
                f"decided in line with their outcome; {_apart(gap)}."
            )
    for attribute in dict.fromkeys(tuple(g["attribute"]) for g in found["overall"]["gaps"]):
        widest = _widest(found, attribute)
        if widest is not None:
            name, gap, rates = widest
            high, low = rates[tuple(gap["highest"])], rates[tuple(gap["lowest"])]
            out.append(
                f"By {' and '.join(attribute)}: the class whose share differs most is {name!r}, decided for "
                f"{_share(high)} of {_name(gap['highest'])} and {_share(low)} of {_name(gap['lowest'])}; "
                f"{_apart(gap)}."
            )
    return tuple(out)


def _same(rate: Mapping[str, Any], gap: Mapping[str, Any]) -> bool:
    return bool(rate["metric"] == gap["metric"] and list(rate["attribute"]) == list(gap["attribute"]))


def _widest(found: Mapping[str, Any], attribute: tuple[str, ...]) -> tuple[str, Any, Any] | None:
    best = None
    for one in found["classes"]:
        for gap in one["gaps"]:
            wanted = gap["metric"] == SELECTION_RATE and gap["kind"] == "difference" and gap["value"] is not None
            if not wanted or tuple(gap["attribute"]) != attribute:
                continue
            if best is None or gap["value"] > best[1]["value"]:
                best = one["class"], gap, {tuple(r["group"]): r for r in one["rates"] if _same(r, gap)}
    return best


def _share(rate: Mapping[str, Any]) -> str:
    return f"{100 * rate['value']:.1f} %"


def _name(group: Sequence[str]) -> str:
    return " / ".join(group)


def _apart(gap: Mapping[str, Any]) -> str:
    g = from_json(Gap, dict(gap))
    return f"the gap is {100 * (g.value or 0):.1f} points ({interval_words(g)}; {significance(g, OF_CLASSES)})"
