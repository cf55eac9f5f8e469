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
        "nationality nationalitat nationalite nacionalidad nazionalita nationaliteit citizenship citizen foreign foreigner "
        "foreignworker immigrant migrant migration country birthplace auslander staatsangehorigkeit nacionalidade"
    ),
    "religion": "religion religious konfession confession religione religiao faith godsdienst",
    "disability or health": "disability disabled behinderung handicap discapacidad disabilita pregnant pregnancy",
    "marital or family status": (
        "marital maritalstatus married familienstand civilstatus matrimonial statocivile estadocivil relationship pregnancy"
    ),
    "sexual orientation": "orientation lgbt lgbtq",
    "language": "language sprache langue idioma lingua mothertongue",
}
_FEATURE_LIKE = {"country", "relationship", "migration", "citizenship", "language", "eta", "orientation"}

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
    "id uid uuid key personid customerid clientid applicantid caseid recordid userid rowid number ssn name kundennummer "
    "personalnummer index"
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

    `reasons` says why in plain words, keyed by role ("label", "positive", "weight", ...) and, for each sensitive
    column, "sensitive:NAME".
    """

    label: str | None = None
    positive: str | None = None
    sensitive: tuple[str, ...] = ()
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
    """Proposed roles of the columns of `frame`, whose first 50,000 rows are looked at."""
    seen = [_look(frame[c].iloc[:ROWS], str(c)) for c in frame.columns]
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
    sensitive = [(c, why) for c in seen if c.name not in taken and (why := _sensitive(c)) is not None]
    taken |= {c.name for c, _ in sensitive}
    score = pick("score", _rank_score)
    decision = pick("decision", _rank_decision)
    last = seen[-1].name if seen else ""
    label = pick("label", lambda c: _rank_label(c, last))
    time = pick("time", _rank_time)
    bins = {}
    for column, why in sensitive:
        reasons[f"sensitive:{column.name}"] = why
        if column.number and column.distinct > limits.MAX_NUMBERS:
            bins[column.name] = tuple(float(e) for e in suggested_bins(frame[column.name].iloc[:ROWS]))
    positive = None
    if (outcome := label or decision) is not None:
        positive, reasons["positive"] = _positive(outcome)
    train = None if split is None else _first(split.values, TRAIN)
    audit = None if split is None else _first(split.values, AUDIT)
    return Roles(
        label=_name(label),
        positive=positive,
        sensitive=tuple(c.name for c, _ in sensitive),
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


def _look(column: pd.Series, name: str) -> _Column:
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
        name, plain, frozenset(pairs), len(counts), names_of(counts.index[:30]), len(column), int(column.isna().sum()),
        number, whole, low, high, is_time,
    )  # fmt: skip


def _named(column: _Column, words: Iterable[str]) -> str | None:
    """The word of the list that the column's name holds, the whole name first."""
    joined = column.plain.replace(" ", "")
    listed = [w.replace("_", "") for w in words]
    return joined if joined in listed else next((w for w in listed if len(w) > 1 and w in column.words), None)


def _exact(column: _Column, words: Iterable[str]) -> bool:
    return column.plain.replace(" ", "") in {w.replace("_", "") for w in words}


def _sensitive(column: _Column) -> str | None:
    if column.distinct < 2:
        return None
    for what, words in SENSITIVE.items():
        word = _named(column, words.split())
        if word is None:
            continue
        if column.distinct > limits.MAX_GROUPS and not column.number:
            continue
        if word in _FEATURE_LIKE and not _exact(column, words.split()) and len(column.words) > 3:
            continue
        if what == "age" and not column.number and column.distinct > 30:
            continue
        return f"its name speaks of {what} ({column.distinct} values)"
    values = {_plain(v) for v in column.values}
    for pair in (("male", "female"), ("m", "f"), ("man", "woman"), ("mannlich", "weiblich"), ("homme", "femme"),
                 ("hombre", "mujer"), ("maschio", "femmina"), ("m", "w"), ("mr", "mrs")):  # fmt: skip
        if set(pair) <= values and column.distinct <= 6:
            return f"its values are {pair[0]!r} and {pair[1]!r}"
    return None


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
    if word is not None and c.number and 0 <= c.low and c.high <= 1 and c.distinct > 2:
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
    year = c.number and c.whole and 1 < c.distinct and (1900 <= c.low <= c.high <= 2100 or _exact(c, ("year", "jahr")))
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
