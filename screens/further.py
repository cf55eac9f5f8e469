"""What a case may say beside what it needs: whom the data should stand for, what a person could change, which forms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import streamlit as st

from audit.case import Population, Recourse
from audit.errors import CaseError
from screens.said import Change, SetupAnswers

if TYPE_CHECKING:
    from audit.load.glance import Glance


class SetupView(Protocol):
    """What the questions are about (screens/questions.py)."""

    @property
    def seen(self) -> Glance: ...

    @property
    def answers(self) -> SetupAnswers: ...

    @property
    def columns(self) -> list[str]: ...

    def get(self, name: str, proposed: Any) -> Any: ...


WAYS = {"either way": None, "only up": "increase", "only down": "decrease"}
_SHARE = re.compile(r"\s*(?P<group>.+?)\s*:\s*(?P<share>\d+(?:\.\d+)?)\s*%?\s*")
_RANGE = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*(?:to|,|;)\s*(-?\d+(?:\.\d+)?)\s*")


def ask(a: SetupView, kind_is_model: bool) -> dict[str, Any]:
    """The three parts, none of which has to be answered."""
    from reports.presets import shipped

    known = shipped()
    forms = st.multiselect(
        "Forms of law and custom to fill in (optional)", known, default=[f for f in a.get("forms", []) if f in known],
        key="role-forms", help="What a form asks for beyond the figures is answered on the screen What the model does",
    )  # fmt: skip
    wrong: list[str] = []
    shares: dict[str, str] = {}
    columns = [c for c in a.answers.sensitive if c in a.seen.columns and not a.seen.columns[c].numbers]
    if columns:
        st.caption("Whom should the data stand for? Numbers of people, or percent, of the population decided about.")
    for column in columns:
        example = "; ".join(f"{v}: ..." for v in a.seen.values(column)[:3])
        shares[column] = st.text_input(
            f"The population by {column} (optional)", a.get("shares", {}).get(column, ""), placeholder=example,
            key=f"role-population-{column}", max_chars=600,
        )  # fmt: skip
    filled_shares = {c: t for c, t in shares.items() if t.strip()}
    source = ""
    if filled_shares:
        source = st.text_input("Where these numbers are from", a.get("source", ""), key="role-source", max_chars=300)
    try:
        population_of(filled_shares, source, a.answers.sensitive)
    except CaseError as error:
        wrong.append(f"the population, as it can be read ({error.problem}: {error.expected})")
    change = _change(a) if kind_is_model else {}
    try:
        recourse_of(change)
    except CaseError as error:
        wrong.append(f"a range that can be read ({error.expected})")
    return {"forms": forms, "shares": filled_shares, "source": source, "change": change, "wrong": "; ".join(wrong)}


def _change(a: SetupView) -> dict[str, Change]:
    """What a person could change, which way, and how far."""
    v, before = a.answers, a.get("change", {})
    never = {v.label, v.column, *v.sensitive, *v.exclude, v.id, v.cluster, v.weight, v.time, v.split}
    free = [c for c in a.columns if c not in never]
    picked = st.multiselect(
        "What could a person change to get another decision? (optional)", free,
        default=[c for c in before if c in free], key="role-actionable",
        help="Nobody is told to change what they cannot: never age, origin or a past that is over",
    )  # fmt: skip
    out: dict[str, Change] = {}
    ways = list(WAYS)
    for column in picked:
        out[column] = Change()
        if a.seen.columns[column].numbers:
            left, right = st.columns(2)
            old = before.get(column, Change())
            way = left.selectbox(f"{column} can go", ways, index=ways.index(old.way or ways[0]),
                                 key=f"role-way-{column}")  # fmt: skip
            span = right.text_input(f"{column} lies plausibly within (optional)", old.range,
                                    placeholder="20 to 60", key=f"role-range-{column}")  # fmt: skip
            out[column] = Change(way=str(way), range=span)
    return out


def population_of(shares: Mapping[str, str], source: str, sensitive: Sequence[str]) -> Population | None:
    """`Female: 51; Male: 49` by column, as the case has it. Raises CaseError."""
    from audit.load.population import check

    proportions: dict[str, dict[str, float]] = {}
    for column, text in shares.items():
        parts = [p for p in text.split(";") if p.strip()]
        read = [_SHARE.fullmatch(p) for p in parts]
        if not parts or not all(read):
            raise CaseError(f"{column}", got=text, expected="group: number; group: number")
        numbers = {m.group("group"): float(m.group("share")) for m in read if m}
        percent = abs(sum(numbers.values()) - 100) <= 0.5
        proportions[column] = {g: n / 100 for g, n in numbers.items()} if percent else numbers
    if not proportions:
        return None
    population = Population(proportions, source.strip() or None)
    check(population, tuple(sensitive))
    return population


def recourse_of(change: Mapping[str, Change]) -> Recourse | None:
    """What a person could change, as the case has it. Raises CaseError."""
    if not change:
        return None
    ranges: dict[str, tuple[float, float]] = {}
    for column, answer in change.items():
        if text := answer.range.strip():
            read = _RANGE.fullmatch(text)
            if read is None or float(read[1]) > float(read[2]):
                raise CaseError(f"the range of {column}", got=text, expected=f"{column}: 20 to 60")
            ranges[column] = float(read[1]), float(read[2])
    direction = {c: way for c, answer in change.items() if (way := WAYS.get(answer.way)) is not None}
    return Recourse(tuple(change), ranges, {}, direction)


def summary(v: SetupAnswers) -> str:
    """The answer in a line."""
    phrases = [f"forms: {', '.join(v.forms)}"] if v.forms else []
    phrases += [f"population by {' and '.join(v.shares)}"] if v.shares else []
    phrases += [f"can be changed: {', '.join(v.change)}"] if v.change else []
    return "; ".join(phrases) or "nothing more"
