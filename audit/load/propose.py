"""Roles proposed from the names of columns and what is in them. A person confirms them; nothing is decided here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from audit.load import limits
from audit.load.check import suggested_bins
from audit.load.values import names_of

ROWS = 50_000
_LEAST_ROWS_FOR_ID = 20

# Words as they are in column names, without accents: English, German, French, Spanish, Italian, Dutch, Portuguese.
SENSITIVE = {
    "sex or gender": "sex gender geschlecht sexe genre sexo genero sesso genere geslacht anrede salutation female male",
    "age": "age alter edad eta leeftijd idade birthyear birthdate dob geburtsjahr geburtsdatum naissance",
    "race or ethnicity": (
        "race ethnicity ethnic ethnie etnia etnicidad raza razza raca hispanic latino ethnische ethnischen herkunft "
        "etniciteit skin tribe caste"
    ),
    "origin or nationality": (
        "nationality nationalitat nationalite nacionalidad nazionalita nationaliteit nacionalidade citizenship citizen "
        "foreign foreigner foreignworker immigrant migrant auslander staatsangehorigkeit"
    ),
    "religion": "religion religious konfession confession religione religiao faith godsdienst",
    "disability or health": "disability disabled behinderung handicap discapacidad disabilita pregnant pregnancy",
    "sexual orientation": "sexualorientation lgbt lgbtq",
}
POSSIBLE = {
    "marital or family status": (
        "marital maritalstatus married familienstand civilstatus matrimonial statocivile estadocivil relationship"
    ),
    "origin": "country birthplace nativecountry land pays pais paese",
    "language": "language sprache langue idioma lingua mothertongue",
}
"""Named, but not chosen: a person may add them."""

MOST_SENSITIVE = 4
MOST_GROUPS = 3000

LABEL = (
    "label target y outcome class income default approved approval granted hired recidivism recid twoyearrecid "
    "creditrisk risk churn bad good result ziel zielvariable ergebnis resultat objetivo esito risultato defaulted "
    "loanstatus status accepted admitted readmitted fraud"
).split()
DECISION = "decision decided predicted prediction pred yhat entscheidung decisione decisao predict".split()
SCORE = "score probability prob proba p yscore predproba risk_score riskscore pd wahrscheinlichkeit probabilite".split()
WEIGHT = "weight weights fnlwgt wgt pweight sampleweight instanceweight gewicht poids peso perwt finalweight".split()
SPLIT = "split fold partition subset dataset isaudit istest traintest stichprobe".split()
ID = (
    "id uid uuid key personid customerid clientid applicantid caseid recordid userid rowid number ssn name index "
    "kundennummer personalnummer"
).split()
TIME = "time date year month timestamp datetime datum jahr monat annee fecha anno ano day decidedat createdat".split()
GOOD = (
    "yes true 1 good approved granted accepted hired paid admitted >50k positive pass ja oui si sim gut bewilligt "
    "50000+. y t success repaid".split()
)
TRAIN = "train training learn fit dev".split()
AUDIT = "test audit holdout testing eval evaluation valid validation oot".split()


@dataclass(frozen=True, slots=True)
class Roles:
    """What each column seems to be. None and () where nothing fits.

    `sensitive` are the columns to begin with; `possible` are further ones whose names speak of a protected ground.
    `reasons` says why in plain words, keyed by role ("label", "positive", "weight", ...) and, for each column of
    `sensitive` and `possible`, "sensitive:NAME".
    """

    label: str | None = None
    positive: str | None = None
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
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Column:
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


def propose_roles(frame: pd.DataFrame) -> Roles:
    """Proposed roles of the columns of `frame`, of which at most 50,000 rows, evenly spread, are looked at."""
    frame = frame.iloc[:: max(1, -(-len(frame) // ROWS))]
    seen = [_look(frame[c], str(c), place) for place, c in enumerate(frame.columns)]
    reasons: dict[str, str] = {}
    taken: set[str] = set()

    def pick(role: str, rank: Callable[[_Column], tuple[float, str]]) -> _Column | None:
        """The free column of the highest rank above 0; the first of those that are alike."""
        best: tuple[float, str] = (0.0, "")
        chosen = None
        for column in seen:
            if column.name not in taken and (mark := rank(column))[0] > best[0]:
                best, chosen = mark, column
        if chosen is not None:
            taken.add(chosen.name)
            reasons[role] = best[1]
        return chosen

    split = pick("split", _rank_split)
    weight = pick("weight", _rank_weight)
    identity = pick("id", _rank_id)
    sensitive, possible = _sensitive_ones([c for c in seen if c.name not in taken])
    reasons |= {f"sensitive:{c.name}": why for c, why in (*sensitive, *possible)}
    taken |= {c.name for c, _ in (*sensitive, *possible)}
    score = pick("score", _rank_score)
    decision = pick("decision", _rank_decision)
    last = seen[-1].name if seen else ""
    label = pick("label", lambda c: _rank_label(c, last))
    time = pick("time", _rank_time)
    bins = {}
    for column, _ in sensitive:
        if column.number and column.distinct > limits.MAX_NUMBERS:
            bins[column.name] = tuple(float(e) for e in suggested_bins(frame[column.name]))
    positive = None
    if (outcome := label or decision) is not None:
        positive, reasons["positive"] = _positive(outcome)
    train = None if split is None else _first(split.values, TRAIN)
    audit = None if split is None else _first(split.values, AUDIT)
    return Roles(
        label=_name(label),
        positive=positive,
        sensitive=tuple(c.name for c, _ in sensitive),
        possible=tuple(c.name for c, _ in possible),
        bins=bins,
        id=_name(identity),
        weight=_name(weight),
        time=_name(time),
        split=_name(split),
        train=train,
        audit=audit,
        decision=_name(decision),
        score=_name(score),
        reasons=reasons,
    )


def _name(column: _Column | None) -> str | None:
    return None if column is None else column.name


def _plain(text: str) -> str:
    """Lower case, no accents, words apart."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    letters = unicodedata.normalize("NFKD", apart.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z0-9]+", letters))


def _look(column: pd.Series, name: str, place: int) -> _Column:
    counts = column.value_counts()
    number = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    low = float(column.min()) if number and len(counts) else np.nan
    high = float(column.max()) if number and len(counts) else np.nan
    whole = number and bool((column.dropna() % 1 == 0).all())
    plain = _plain(name)
    words = plain.split()
    pairs = ["".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, min(i + 4, len(words)) + 1)]
    is_time = pd.api.types.is_datetime64_any_dtype(column)
    if not number and not is_time and len(counts):
        head = names_of(counts.index[:50])
        is_time = all(re.match(r"\d{4}-\d{2}(-\d{2})?([T ]\d{2}:\d{2}.*)?$", v) for v in head)
    return _Column(
        name, place, plain, frozenset(pairs), len(counts), names_of(counts.index[:30]), len(column),
        int(column.isna().sum()), number, whole, low, high, is_time,
    )  # fmt: skip


def _named(column: _Column, words: Iterable[str]) -> str | None:
    """The word of the list that the column's name holds, the whole name first."""
    joined = column.plain.replace(" ", "")
    listed = [w.replace("_", "") for w in words]
    return joined if joined in listed else next((w for w in listed if len(w) > 1 and w in column.words), None)


def _exact(column: _Column, words: Iterable[str]) -> bool:
    return column.plain.replace(" ", "") in {w.replace("_", "") for w in words}


Found = list[tuple[_Column, str]]


def _sensitive_ones(free: Iterable[_Column]) -> tuple[Found, Found]:
    """The columns to begin with, and others. One column a ground, and few enough groups to count intersections."""
    sure: Found = []
    rest: Found = []
    grounds: dict[str, int] = {}
    for column in sorted(free, key=lambda c: (_ground(c) is not None and not _exact(c, _all_words()), c.place)):
        ground = _ground(column)
        if ground is None:
            continue
        what, why = ground
        grounds[what] = grounds.get(what, 0) + 1
        (sure if grounds[what] == 1 and what in SENSITIVE else rest).append((column, why))
    order = {what: n for n, what in enumerate(SENSITIVE)}
    sure.sort(key=lambda found: order[_ground(found[0])[0]])  # type: ignore[index]
    chosen: Found = []
    groups = 1
    for column, why in sure:
        size = 4 if column.number and column.distinct > limits.MAX_NUMBERS else column.distinct
        if len(chosen) < MOST_SENSITIVE and groups * size <= MOST_GROUPS:
            groups *= size
            chosen.append((column, why))
        else:
            rest.append((column, why))
    return chosen, sorted(rest, key=lambda found: found[0].place)


def _all_words() -> list[str]:
    return [w for words in SENSITIVE.values() for w in words.split()]


def _ground(column: _Column) -> tuple[str, str] | None:
    """Which protected ground a column speaks of, and why."""
    if column.distinct < 2:
        return None
    for what, words in (SENSITIVE | POSSIBLE).items():
        too_many = column.distinct > limits.MAX_GROUPS and not column.number
        ages = what != "age" or column.number or column.distinct <= 30
        if _named(column, words.split()) is not None and not too_many and ages:
            return what, f"its name speaks of {what} ({column.distinct} values)"
    values = {_plain(v) for v in column.values}
    for pair in _PAIRS:
        if set(pair) <= values and column.distinct <= 6:
            return "sex or gender", f"its values are {pair[0]!r} and {pair[1]!r}"
    return None


_PAIRS = (
    ("male", "female"), ("m", "f"), ("man", "woman"), ("mannlich", "weiblich"), ("homme", "femme"), ("hombre", "mujer"),
    ("maschio", "femmina"), ("m", "w"), ("mr", "mrs"),
)  # fmt: skip


def _rank_split(c: _Column) -> tuple[float, str]:
    values = set(map(_plain, c.values))
    both = bool(values & set(TRAIN)) and bool(values & set(AUDIT))
    if both and c.distinct <= 4:
        return 2.0 + bool(_named(c, SPLIT)), f"its values are {', '.join(repr(v) for v in c.values)}"
    return 0.0, ""


def _rank_weight(c: _Column) -> tuple[float, str]:
    word = _named(c, WEIGHT)
    body = c.words & {"kg", "lb", "lbs", "body", "birth", "pounds"}
    if word is not None and c.number and c.low >= 0 and c.distinct > 2 and not body:
        return 1.0 + _exact(c, WEIGHT), f"it is a number of 0 or more and its name speaks of a weight ({word})"
    return 0.0, ""


def _rank_id(c: _Column) -> tuple[float, str]:
    # One row each, and no quantity: a fraction is no id, and a number must be whole.
    unique = c.distinct == c.rows - c.missing and c.missing == 0 and c.rows >= _LEAST_ROWS_FOR_ID
    if not unique or (c.number and not c.whole) or c.time:
        return 0.0, ""
    word = _named(c, ID)
    if word is not None:
        return 2.0 + _exact(c, ID), f"each row has its own value and its name says {word}"
    return (1.0, "each row has a text of its own") if not c.number else (0.0, "")


def _rank_score(c: _Column) -> tuple[float, str]:
    word = _named(c, SCORE)
    if word is not None and c.number and c.low >= 0 and c.high <= 1 and c.distinct > 2:
        return 1.0 + _exact(c, SCORE), f"its numbers lie between 0 and 1 and its name says {word}"
    return 0.0, ""


def _rank_decision(c: _Column) -> tuple[float, str]:
    word = _named(c, DECISION)
    if word is not None and c.distinct == 2:
        return 1.0 + _exact(c, DECISION), f"it has two values and its name says {word}"
    return 0.0, ""


def _rank_label(c: _Column, last: str) -> tuple[float, str]:
    if c.distinct != 2:
        return 0.0, ""
    word = _named(c, LABEL)
    shown = f"it has two values ({', '.join(repr(v) for v in c.values)})"
    mark = 2.0 * (word is not None) + 1.0 * _exact(c, LABEL) + 0.5 * (c.name == last)
    if word is not None:
        return mark, f"{shown} and its name says {word}"
    return (mark, f"{shown} and is the last column") if c.name == last else (0.1, shown)


def _rank_time(c: _Column) -> tuple[float, str]:
    word = _named(c, TIME)
    if c.time and c.distinct > 1:
        return 2.0 + (word is not None), "its values are dates"
    dated = 1900 <= c.low <= c.high <= 2100 or _exact(c, ("year", "jahr"))
    year = c.number and c.whole and c.distinct > 1 and dated
    if word is not None and year:
        return 1.0, f"its name says {word} and its values can be put in order"
    return 0.0, ""


def _positive(column: _Column) -> tuple[str, str]:
    for good in GOOD:
        for value in column.values:
            if value.casefold().strip(" -") == good or _plain(value) == good:
                return value, f"{value!r} reads like the outcome a model looks for; check it"
    least = column.values[-1]
    return least, f"{least!r} is the rarer of the two; check it"


def _first(values: Iterable[str], known: Iterable[str]) -> str | None:
    listed = tuple(known)
    found = sorted((listed.index(_plain(v)), v) for v in values if _plain(v) in listed)
    return found[0][1] if found else None
