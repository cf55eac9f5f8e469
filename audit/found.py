"""The kinds of findings, a row each, in the order in which they stand in evidence.json. An audit, publishing and
verification say them by this table, and docs/metrics.md lists it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from audit import findings
from audit.classes.words import class_findings
from audit.documents import record_in
from audit.documents.base import Record
from audit.documents.evidence import Classes, Regression
from audit.regression.words import regression_findings
from audit.values import Measures


class Derived(Record, frozen=True):
    """What follows from the cube beside rates and gaps, as far as findings tell of it."""

    classes: Classes | None = None
    regression: Regression | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What an audit knows. model: the entry of evidence.json."""

    model: Mapping[str, Any]
    measures: Measures
    derived: Derived


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of findings. tells: of what, in docs."""

    name: str
    tells: str
    say: Callable[[Known], Sequence[str]]


KINDS: dict[str, Kind] = {
    row.name: row
    for row in (
        Kind("two rules", "the model's own decision and the rule named beside it differ on some people",
             lambda k: findings.of_two_rules(k.model)),
        Kind("served", "a model that is served answers otherwise one by one than in a batch",
             lambda k: findings.of_serving(k.model)),
        Kind("turned", "the scores rank people the wrong way round", lambda k: findings.of_ranks(k.measures)),
        Kind("gaps", "the widest gap of each sensitive column: selection, base rate, errors, accuracy",
             lambda k: findings.of_gaps(k.measures)),
        Kind("classes", "gaps where more than two values are decided between",
             lambda k: () if k.derived.classes is None else class_findings(k.derived.classes)),
        Kind("regression", "gaps where a number is predicted",
             lambda k: () if k.derived.regression is None else regression_findings(k.derived.regression)),
    )
}  # fmt: skip


def finding_sentences(model: Mapping[str, Any], measures: Measures, derived: Mapping[str, Any]) -> list[str]:
    """The findings of an audit, in sentences. derived: what `audit.derived` made."""
    known = Known(model, measures, record_in(Derived, derived, "evidence.json"))
    return [sentence for kind in KINDS.values() for sentence in kind.say(known)]
