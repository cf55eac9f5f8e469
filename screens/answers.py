"""What a person answered on the screen Set up, and the case file that the answers make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from audit.case import Case, DataSpec, FormSpec, ModelSpec, Population, Recourse
from audit.numbers import brief
from screens import served, state
from screens.model_lines import spec_of
from screens.said import Endpoint
from screens.workspace import CaseFolder

if TYPE_CHECKING:
    from audit.load.glance import Glance

NONE = "(none)"


@dataclass(frozen=True, slots=True)
class Files:
    """What was uploaded into a case so far."""

    data: Path | None
    model: Path | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person confirmed."""

    name: str
    purpose: str
    label: str | None
    positive: str | None
    favourable: str | None
    sensitive: tuple[str, ...]
    bins: str
    kind: str
    column: str | None
    threshold: float
    exclude: tuple[str, ...]
    split: str | None
    train: str | None
    audit: str | None
    weight: str | None
    id: str | None
    cluster: str | None
    time: str | None
    number: bool = False
    indicators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classes: Mapping[str, str] | None = field(default_factory=dict)
    """Decisions in the label's words; None where nobody said which goes with which."""
    legitimate: Mapping[str, str] = field(default_factory=dict)
    reference: Mapping[str, str] = field(default_factory=dict)
    served: Endpoint | None = None
    """Of a model that another program serves: what screens/served.py asked."""
    policy: Path | None = None
    adopted_by: str | None = None
    population: Population | None = None
    recourse: Recourse | None = None
    forms: tuple[str, ...] = ()


def complete(answers: Answers) -> None:
    """Raises CaseError where an answer is missing that the case cannot do without."""
    from audit.errors import CaseError

    if not answers.sensitive:
        raise CaseError("no sensitive column is chosen", expected="at least one", todo="choose the groups to compare")
    if not answers.purpose.strip():
        raise CaseError(
            "the decision is not named", expected="what is decided about people, in words", todo="fill in the purpose"
        )
    if answers.favourable is None and not answers.number:
        raise CaseError(
            "it is not said which value is good for the person",
            expected="one of the values of the outcome or decision",
            todo="answer the question; every finding's direction rests on it",
        )
    if answers.classes is None:
        raise CaseError(
            f"it is not said which decision of {answers.column} is good for the person",
            expected="one of its two values",
            todo="answer the question: it says which decision goes with which outcome",
        )


def write(folder: CaseFolder, files: Files, answers: Answers, to: Path) -> None:
    """The case file that these answers make. Raises CaseError for answers that make none."""
    from audit.errors import CaseError
    from audit.load import dump_case, load_policy
    from audit.load.start import bins_of

    assert files.data is not None
    policy = replace(load_policy(answers.policy), adopted_by=answers.adopted_by)
    data = DataSpec(
        path=files.data,
        label=answers.label,
        positive=answers.positive,
        favourable=answers.favourable,
        sensitive=answers.sensitive,
        bins=bins_of([p for p in answers.bins.split(";") if p.strip()]),
        exclude=answers.exclude,
        split=answers.split,
        train=answers.train if answers.split else None,
        audit=answers.audit if answers.split else None,
        weight=answers.weight,
        id=answers.id,
        cluster=answers.cluster,
        time=answers.time,
        task="regression" if answers.number else "classification",
        indicators=answers.indicators,
        legitimate=answers.legitimate,
        reference=answers.reference,
    )
    if answers.kind == served.KIND:
        assert answers.served is not None
        model = served.spec_of(answers.served, to.parent)
        data = replace(data, features=tuple(answers.served.features))
    elif answers.kind == "The uploaded model":
        assert files.model is not None
        model = spec_of(folder, files.model)
        if not model.threshold_given:
            model = replace(model, threshold=answers.threshold)
    elif answers.column is None:
        what = "predicted numbers" if answers.number else "decisions or scores"
        raise CaseError(f"no column of {what} is chosen", todo="choose one, or upload a model")
    elif "decisions" in answers.kind:
        model = ModelSpec("decision", column=answers.column, classes=answers.classes)
    else:
        given_ = not answers.number
        model = ModelSpec("score", column=answers.column, threshold=answers.threshold, threshold_given=given_)
    case = Case(answers.name.strip() or "My case", answers.purpose.strip(), data, model, policy,
                population=answers.population, recourse=answers.recourse,
                forms=tuple(FormSpec(name) for name in answers.forms))  # fmt: skip
    dump_case(case, to)


def own_words(seen: Glance, label: str | None, column: str | None) -> list[str]:
    """The two decisions, where they are written in other words than the two outcomes; else nothing."""
    outcomes, decided = values_of(seen, label), values_of(seen, column)
    return decided if len(decided) == len(outcomes) == 2 and not set(decided) <= set(outcomes) else []


def in_label_words(
    decided: list[str], granted: str | None, outcomes: list[str], favourable: str | None
) -> dict[str, str] | None:
    """Which decision goes with which outcome: the good one with the good one. None where that was not answered."""
    if not decided:
        return {}
    if granted is None or favourable is None:
        return None
    other = next(o for o in outcomes if o != favourable)
    return {d: favourable if d == granted else other for d in decided}


def good_question(source: str | None) -> str:
    """Asked in words, and never answered beforehand."""
    what = "Which decision" if source is None else f"Which value of {state.escape(source)}"
    return f"{what} is good for the person?"


SIDES = {"a high number": "high", "a low number": "low", "neither": None}


def is_number(seen: Glance, label: str | None) -> bool:
    """Whether the outcome has so many numbers that it may be one to predict."""
    return label in seen.columns and seen.columns[label].numbers


def default_bins(bins: object) -> str:
    """The proposed bands as text."""
    items = dict(bins).items() if bins else ()  # type: ignore[call-overload]
    return "; ".join(f"{c}: {', '.join(brief(e) for e in edges)}" for c, edges in items)


def index_of(options: list[str], guess: str | None) -> int:
    """Where the guess stands among the options; 0 where it does not."""
    return options.index(guess) if guess in options else 0


def none_if_empty(value: str | None) -> str | None:
    """None for the option that says none."""
    return None if value in (NONE, None) else value


def choose(words: str, columns: list[str], guess: str | None, key: str) -> str | None:
    """One column or none."""
    options = [NONE, *columns]
    return none_if_empty(st.selectbox(words, options, index=index_of(options, guess), key=key))


def guess_kind(roles: object, files: Files) -> str:
    if files.model is not None:
        return "The uploaded model"
    return (
        "A column of scores"
        if getattr(roles, "score", None) and not getattr(roles, "decision", None)
        else ("A column of decisions")
    )


def values_of(seen: Glance, column: str | None) -> list[str]:
    """The names of a column's values, at most 50."""
    return seen.values(column)
