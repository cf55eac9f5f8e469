"""Roles proposed from the names of columns and what is in them. A person confirms them; nothing is decided here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from audit.load import limits
from audit.load.check import suggested_bins
from audit.load.grounds import (
    SENSITIVE,
    all_words,
    apart_from,
    ground_of,
    indicators,
    is_birth,
    member_of,
    named,
    of_area,
)
from audit.load.sign import normalize_text, sign_of, speaks
from audit.load.values import names_of
from audit.numbers import are, brief, many

ROWS = 50_000
_LEAST_ROWS_FOR_ID = 20

MOST_SENSITIVE = 4
MOST_GROUPS = 3000

LABEL = (
    "label target y outcome class income default approved approval granted hired recidivism recid twoyearrecid isrecid "
    "creditrisk risk churn bad good result ziel zielvariable ergebnis resultat objetivo esito risultato defaulted "
    "loanstatus status accepted admitted readmitted fraud labelvalue actiontaken attrition response esr passbar dlqin"
).split()
DECISION = (
    "decision decided predicted prediction pred preds yhat ypred entscheidung decisione decisao predict score dnn model"
).split()
SCORE = (
    "score scores probability prob proba p yscore predproba riskscore pd wahrscheinlichkeit probabilite predicted "
    "prediction pred points scorepoints decile decilescore rating logit dnn"
).split()
WEIGHT = (
    "weight weights fnlwgt wgt pweight sampleweight instanceweight gewicht poids peso perwt finalweight pwgtp wgtp "
    "perwt15f perwt16f samplingweight wt wtmec2yr hhweight"
).split()
SPLIT = "split fold partition subset dataset isaudit istest traintest stichprobe".split()
ID = (
    "id uid uuid key personid customerid clientid applicantid caseid recordid userid rowid number ssn name index "
    "kundennummer personalnummer entityid employeeid employeenumber patientnbr patientid encounterid loanid memberid "
    "studentid"
).split()
PERSON = (
    "person customer client applicant user patient employee student member entity household defendant candidate "
    "borrower"
).split()
TIME = (
    "time date year month timestamp datetime datum jahr monat annee fecha anno ano day decidedat createdat period "
    "quarter asofdate"
).split()
TRAIN = "train training learn fit dev".split()
AUDIT = "test audit holdout testing eval evaluation valid validation oot".split()
MOST_CLASSES = 12


@dataclass(frozen=True, slots=True)
class Roles:
    """What each column seems to be. None and () where nothing fits.

    `sensitive` are the columns to begin with; `possible` are further ones whose names speak of a protected ground.
    `reasons` says why in plain words, keyed by role ("label", "positive", "weight", ...) and, for each column of
    `sensitive` and `possible`, "sensitive:NAME". `favourable` is None where nobody can read off which value is good
    for a person. `asked` are the roles that rest on a guess, with the question for a person: they are asked, not
    preset. `indicators`: attribute -> the 0/1 columns that make it. `cluster` says who a row belongs to where people
    stand in several rows. `examples`: three values of each column named, the most frequent first.
    """

    label: str | None = None
    positive: str | None = None
    favourable: str | None = None
    sensitive: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    id: str | None = None
    weight: str | None = None
    time: str | None = None
    split: str | None = None
    train: str | None = None
    audit: str | None = None
    decision: str | None = None
    score: str | None = None
    cluster: str | None = None
    indicators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def reason(self, role: str) -> str:
        """Why, in plain words."""
        return self.reasons[role]

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one column: its name in plain letters, its words, its values by how often they occur."""

    name: str
    place: int
    plain: str
    words: frozenset[str]
    distinct: int
    values: tuple[str, ...]
    rows: int
    missing: int
    number: bool
    whole: bool
    low: float
    high: float
    time: bool


class _Picker:
    """Columns given to roles one after another; each column takes one."""

    def __init__(self, seen: Sequence[Seen]) -> None:
        self.seen = seen
        self.taken: set[str] = set()
        self.reasons: dict[str, str] = {}
        self.asked: dict[str, str] = {}

    def pick(self, role: str, rank: Callable[[Seen], tuple[float, str]]) -> Seen | None:
        """The free column of the highest rank above 0; the first of those that are alike."""
        best: tuple[float, str] = (0.0, "")
        chosen = None
        for column in self.free():
            if (mark := rank(column))[0] > best[0]:
                best, chosen = mark, column
        if chosen is not None:
            self.taken.add(chosen.name)
            self.reasons[role] = best[1]
            if best[0] < _SURE:
                self.asked[role] = f"Is {chosen.name} the {role}?"
        return chosen

    def ask(self, role: str, question: str) -> None:
        """A question that nobody but a person can answer."""
        self.asked[role] = question

    def free(self) -> list[Seen]:
        return [c for c in self.seen if c.name not in self.taken]

    def label(self, decision: Seen | None) -> tuple[Seen | None, Seen | None]:
        """(label, decision), where one column may turn out to be what was done and another what happened."""
        last = self.seen[-1].name if self.seen else ""
        label = self.pick("label", lambda c: _rank_label(c, last))
        if label is None or decision is not None or not _DECIDED.search(label.plain) or "label" in self.asked:
            return label, decision
        # Approved and defaulted in one table: the first is what was done, the second what happened.
        other = self.pick("outcome", lambda c: _rank_label(c, last) if _rank_label(c, last)[0] >= 1.5 else (0.0, ""))
        if other is None:
            return label, None
        if _DECIDED.search(other.plain):
            # Interviewed and offered: two steps of one process, and neither is what happened in the end.
            self.ask(
                "label",
                f"{label.name} and {other.name} both look like decisions. Which one is audited? (`stages` takes both.)",
            )
            self.taken.discard(other.name)
            self.reasons.pop("outcome")
            return label, None
        done, happened = self.reasons.pop("label"), self.reasons.pop("outcome")
        self.reasons |= {"decision": done, "label": happened}
        return other, label


def propose_roles(frame: pd.DataFrame) -> Roles:
    """Proposed roles of the columns of `frame`, of which at most 50,000 rows, evenly spread, are looked at."""
    frame = frame.iloc[:: max(1, -(-len(frame) // ROWS))]
    seen = [_look(frame[c], str(c), place) for place, c in enumerate(frame.columns)]
    roles = _Picker(seen)
    reasons, asked, taken = roles.reasons, roles.asked, roles.taken
    split = roles.pick("split", _rank_split)
    weight = roles.pick("weight", _rank_weight)
    identity = roles.pick("id", _rank_id)
    one_hot = _indicators(frame, seen, taken)
    taken.update(n for names in one_hot.values() for n in names)
    sensitive, possible = _sensitive_ones(roles.free(), one_hot)
    reasons.update({f"sensitive:{c.name}": why for c, why in (*sensitive, *possible)})
    reasons.update({f"sensitive:{a}": f"{', '.join(n)} say 0 or 1 each; a person has one" for a, n in one_hot.items()})
    taken.update(c.name for c, _ in (*sensitive, *possible))
    decision = roles.pick("decision", _rank_decision)
    score = roles.pick("score", _rank_score)
    label, decision = roles.label(decision)
    time = roles.pick("time", _rank_time)
    cluster = roles.pick("cluster", _rank_cluster)
    if label is None and score is not None and decision is None:
        roles.ask("label", "No outcome column was found. Is what happened to these people recorded?")
    positive = favourable = None
    if (outcome := label or decision) is not None:
        sign = sign_of(outcome.name, outcome.values)
        positive, favourable = sign.positive, sign.favourable
        reasons |= {"positive": sign.reason}
        if favourable is None:
            roles.ask("favourable", sign.question)
    return Roles(
        label=_name(label),
        positive=positive,
        favourable=favourable,
        sensitive=(*one_hot, *(c.name for c, _ in sensitive))[:MOST_SENSITIVE],
        possible=tuple(c.name for c, _ in possible),
        bins=_bins(frame, [c for c, _ in sensitive]),
        id=_name(identity),
        weight=_name(weight),
        time=_name(time),
        split=_name(split),
        train=None if split is None else _first(split.values, TRAIN),
        audit=None if split is None else _first(split.values, AUDIT),
        decision=_name(decision),
        score=_name(score),
        cluster=_name(cluster),
        indicators=one_hot,
        reasons=reasons,
        asked=asked,
        examples={c.name: c.values[:3] for c in seen if c.name in taken},
    )


def _bins(frame: pd.DataFrame, columns: Sequence[Seen]) -> dict[str, tuple[float, ...]]:
    """Bands for the numbers among these that have too many values to be groups."""
    return {
        c.name: tuple(float(e) for e in suggested_bins(frame[c.name]))
        for c in columns
        if c.number and c.distinct > limits.MAX_NUMBERS
    }


_DECIDED = re.compile(
    r"approv|grant|denied|reject|accept|admi[ts]|hired?$|offer|declin|refus|interview|invit|shortlist|screened|callback"
)
_SURE = 1.0
"""A rank from here on rests on a name or a coding; below it is a guess, and asked."""


def _indicators(frame: pd.DataFrame, seen: Sequence[Seen], taken: set[str]) -> dict[str, tuple[str, ...]]:
    """Attribute -> its 0/1 columns, where no column of the table holds the attribute itself."""
    free = [c for c in seen if c.name not in taken]
    whole = {g[0] for c in free if member_of(c) is None and (g := ground_of(c)) is not None}
    numbers = {
        c.name: frame[c.name].map({"0": 0.0, "1": 1.0, "True": 1.0, "False": 0.0, 0: 0.0, 1: 1.0})
        for c in free
        if member_of(c) is not None
    }
    one_hot = indicators(free, numbers)
    names = {c.name for c in seen}
    out = {}
    for what, columns in one_hot.items():
        if what not in whole:
            short = what.split(" or ")[0]
            out[short if short not in names else f"{short}_of_indicators"] = columns
    return out


def _name(column: Seen | None) -> str | None:
    return None if column is None else column.name


def _look(column: pd.Series, name: str, place: int) -> Seen:
    counts = column.value_counts()
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    low = float(column.min()) if number and len(counts) else np.nan
    high = float(column.max()) if number and len(counts) else np.nan
    whole = number and bool((column.dropna() % 1 == 0).all())
    letters = normalize_text(name)
    words = letters.split()
    pairs = ["".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, min(i + 4, len(words)) + 1)]
    pairs += [w.rstrip("0123456789") for w in words if w[-1].isdigit() and not w.isdigit()]  # race1 is a race
    is_time = pd.api.types.is_datetime64_any_dtype(column)
    if not number and not is_time and len(counts):
        head = names_of(counts.index[:50])
        is_time = all(re.match(r"\d{4}-\d{2}(-\d{2})?([T ]\d{2}:\d{2}.*)?$", v) for v in head)
    return Seen(
        name, place, letters, frozenset(pairs), len(counts), names_of(counts.index[:30]), len(column),
        int(column.isna().sum()), number, whole, low, high, is_time,
    )  # fmt: skip


def _exact(column: Seen, words: Iterable[str]) -> bool:
    return column.plain.replace(" ", "") in {w.replace("_", "") for w in words}


Candidates = list[tuple[Seen, str]]


def _sensitive_ones(free: Iterable[Seen], one_hot: Iterable[str]) -> tuple[Candidates, Candidates]:
    """The columns to begin with, and others. One column a ground, and few enough groups to count intersections."""
    sure: Candidates = []
    rest: Candidates = []
    exact = all_words()
    grounds: dict[str, int] = {}
    for column in sorted(free, key=lambda c: (ground_of(c) is not None and not _exact(c, exact), c.place)):
        ground = ground_of(column)
        if ground is None:
            continue
        what, why = ground
        if any(what.startswith(m.removesuffix("_of_indicators")) for m in one_hot):
            continue
        asked_as = apart_from(column, what)
        grounds[asked_as] = grounds.get(asked_as, 0) + 1
        (sure if grounds[asked_as] == 1 and what in SENSITIVE else rest).append((column, why))
    order = {what: n for n, what in enumerate(SENSITIVE)}
    sure.sort(key=lambda pair: order[ground_of(pair[0])[0]])  # type: ignore[index]
    chosen: Candidates = []
    groups = 1
    for column, why in sure:
        size = 4 if column.number and column.distinct > limits.MAX_NUMBERS else column.distinct
        if len(chosen) < MOST_SENSITIVE and groups * size <= MOST_GROUPS:
            groups *= size
            chosen.append((column, why))
        else:
            rest.append((column, why))
    return chosen, sorted(rest, key=lambda pair: pair[0].place)


def _rank_split(c: Seen) -> tuple[float, str]:
    values = set(map(normalize_text, c.values))
    both = bool(values & set(TRAIN)) and bool(values & set(AUDIT))
    if both and c.distinct <= 4:
        return 2.0 + bool(named(c, SPLIT)), f"its values are {', '.join(repr(v) for v in c.values)}"
    return 0.0, ""


def _rank_weight(c: Seen) -> tuple[float, str]:
    word = named(c, WEIGHT)
    body = c.words & {"kg", "lb", "lbs", "body", "birth", "pounds"}
    if word is not None and c.number and c.low >= 0 and c.distinct > 2 and not body:
        return 1.0 + _exact(c, WEIGHT), f"it is a number of 0 or more and its name speaks of a weight ({word})"
    return 0.0, ""


def _rank_id(c: Seen) -> tuple[float, str]:
    # One row each, and no quantity: a fraction is no id, and a number must be whole.
    unique = c.distinct == c.rows - c.missing and c.missing == 0 and c.rows >= _LEAST_ROWS_FOR_ID
    if not unique or (c.number and not c.whole) or c.time:
        return 0.0, ""
    word = named(c, ID)
    if word is not None:
        return 2.0 + _exact(c, ID), f"each row has its own value and its name says {word}"
    return (1.0, "each row has a text of its own") if not c.number else (0.0, "")


def _rank_cluster(c: Seen) -> tuple[float, str]:
    """A person who stands in several rows: the name says who, and the values repeat."""
    repeated = 2 < c.distinct < c.rows - c.missing and c.distinct > 0.02 * c.rows
    word = named(c, [w + "id" for w in PERSON] + [w for w in ID if w.endswith("id") or w in ("ssn", "patientnbr")])
    if word is None or not repeated or (c.number and not c.whole):
        return 0.0, ""
    return 1.0, (
        f"its name says {c.plain} and {many(c.distinct, 'value')} {are(c.distinct, 'stands', 'stand')} in "
        f"{many(c.rows, 'row')}"
    )


def _rank_score(c: Seen) -> tuple[float, str]:
    word = named(c, SCORE)
    if word is None or not c.number or c.distinct <= 2 or of_area(c):
        return 0.0, ""
    if c.low >= 0 and c.high <= 1:
        return 2.0 + _exact(c, SCORE), f"its numbers lie between 0 and 1 and its name says {word}"
    # Points have no natural threshold, and a column of test scores is a feature: asked.
    sure = bool({"predicted", "prediction", "pred", "decile", "decilescore", "riskscore", "dnn"} & {word, *c.words})
    where = f"its numbers run from {brief(c.low)} to {brief(c.high)}: they need a threshold"
    return (1.0 if sure else 0.6) + 0.1 * _exact(c, SCORE), f"its name says {word} and {where}"


def _rank_decision(c: Seen) -> tuple[float, str]:
    word = named(c, DECISION)
    if word is not None and c.distinct == 2:
        return 1.0 + _exact(c, DECISION), f"it has two values and its name says {word}"
    return 0.0, ""


def _rank_label(c: Seen, last: str) -> tuple[float, str]:
    word = named(c, LABEL)
    shown = (
        f"it has {many(c.distinct, 'value')} ({', '.join(repr(v) for v in c.values[:4])}{', ...' * (c.distinct > 4)})"
    )
    if c.distinct != 2:
        fits = 2 < c.distinct <= MOST_CLASSES and _exact(c, LABEL)
        return (1.2, f"{shown} and its name says {word}") if fits else (0.0, "")
    mark = 0.5 * (c.name == last)
    if word is not None:
        return 2.0 + _exact(c, LABEL) + mark, f"{shown} and its name says {word}"
    if speaks(c.name) or {"label", "target", "outcome"} & set(c.plain.split()):
        return 1.5 + mark, f"{shown} and its name says what happened"
    # The mark of a guess stays under _SURE.
    return (0.6, f"{shown} and is the last column") if c.name == last else (0.1, shown)


def _rank_time(c: Seen) -> tuple[float, str]:
    word = named(c, TIME)
    if is_birth(c):
        return 0.0, ""
    if c.time and c.distinct > 1:
        return 2.0 + (word is not None), "its values are dates"
    dated = 1900 <= c.low <= c.high <= 2100 or _exact(c, ("year", "jahr"))
    year = c.number and c.whole and c.distinct > 1 and dated
    if word is not None and year:
        return 1.0, f"its name says {word} and its values can be put in order"
    return 0.0, ""


def _first(values: Iterable[str], known: Iterable[str]) -> str | None:
    listed = tuple(known)
    ranked = sorted((listed.index(normalize_text(v)), v) for v in values if normalize_text(v) in listed)
    return ranked[0][1] if ranked else None
