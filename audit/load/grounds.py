"""Protected grounds as they stand in column names, in seven languages and in the codings of surveys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from audit.load import limits
from audit.load.sign import normalize_text
from audit.numbers import many

# Words as they are in column names, without accents: English, German, French, Spanish, Italian, Dutch, Portuguese.
SENSITIVE = {
    "sex or gender": "sex gender geschlecht sexe genre sexo genero sesso genere geslacht anrede salutation female male",
    "age": "age alter edad eta leeftijd idade birthyear dobyr geburtsjahr agecat agegroup ageband seniorcitizen",
    "race or ethnicity": (
        "race ethnicity ethnic ethnie etnia etnicidad raza razza raca hispanic latino ethnische ethnischen herkunft "
        "etniciteit skin tribe caste raceth racethnicity"
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
        "marital maritalstatus married marriage familienstand civilstatus matrimonial statocivile estadocivil "
        "relationship"
    ),
    "origin": "country birthplace nativecountry land pays pais paese",
    "veteran status": "veteran veterans military",
    "language": "language sprache langue idioma lingua mothertongue",
}
"""Named, but not chosen: a person may add them."""

CODES = {
    "agep": "age", "daysbirth": "age", "age31x": "age", "agelast": "age", "ridageyr": "age",
    "rac1p": "race or ethnicity", "rac2p": "race or ethnicity", "rac3p": "race or ethnicity",
    "hisp": "race or ethnicity", "racev2x": "race or ethnicity", "racethx": "race or ethnicity",
    "hispanx": "race or ethnicity", "ridreth1": "race or ethnicity", "ridreth3": "race or ethnicity",
    "nativity": "origin or nationality", "cit": "origin or nationality", "riagendr": "sex or gender",
    "dis": "disability or health", "mar": "marital or family status", "pobp": "origin", "anc1p": "origin",
    "lanp": "language", "lanx": "language",
}  # fmt: skip
"""Whole names of variables in the American Community Survey, MEPS, NHANES and like files."""

MEMBERS = {
    "race or ethnicity": (
        "black white asian hispanic hisp latino latina latinx native amerindian indigenous pacific islander hawaiian "
        "african caucasian mixed multiracial biracial roma arab"
    ),
    "sex or gender": "female male woman man women men nonbinary",
    "religion": "christian catholic protestant muslim jewish hindu buddhist sikh atheist orthodox",
}
LEADING = frozenset("is race raceth ethnicity ethnic eth dem demographic flag ind sex gender religion cat has".split())
_PAIRS = (
    ("male", "female"), ("m", "f"), ("man", "woman"), ("mannlich", "weiblich"), ("homme", "femme"), ("hombre", "mujer"),
    ("maschio", "femmina"), ("m", "w"), ("mr", "mrs"), ("masculino", "femenino"), ("masculino", "feminino"),
)  # fmt: skip
_AREA = ("pct", "percent", "share", "prop", "rate", "ratio", "avg", "average", "mean", "median", "num", "count", "per")
_UMLAUT = re.compile(r"([aou])e")  # as German is written without its dots: staatsangehoerigkeit
_DATES = frozenset("birthdate dateofbirth dob geburtsdatum naissance nacimiento bday birthday".split())


class Column(Protocol):
    """What is asked of a column: see `propose.Seen`."""

    @property
    def name(self) -> str: ...
    @property
    def plain(self) -> str: ...
    @property
    def words(self) -> frozenset[str]: ...
    @property
    def distinct(self) -> int: ...
    @property
    def values(self) -> tuple[str, ...]: ...
    @property
    def number(self) -> bool: ...
    @property
    def whole(self) -> bool: ...


def all_words() -> list[str]:
    """Every word of a ground to begin with, and every code."""
    return [w for words in SENSITIVE.values() for w in words.split()] + list(CODES)


def named(column: Column, words: Iterable[str]) -> str | None:
    """The word of the list that the column's name holds, the whole name first."""
    joined = column.plain.replace(" ", "")
    listed = [w.replace("_", "") for w in words]
    names, parts = {joined, _UMLAUT.sub(r"\1", joined)}, column.words | {_UMLAUT.sub(r"\1", w) for w in column.words}
    whole = next((w for w in listed if w in names), None)
    return whole or next((w for w in listed if len(w) > 1 and w in parts), None)


def apart_from(column: Column, what: str) -> str:
    """The ground under which one column is proposed; a Hispanic origin is asked beside race (OMB directive 15)."""
    values = {w for v in column.values for w in normalize_text(v).split()}
    hispanic = {"hispanic", "hisp", "hispanx", "latino", "latinx"}
    beside = what == "race or ethnicity" and column.distinct <= 4 and not column.words & {"race", "raceth"}
    return "hispanic origin" if beside and hispanic & (values | column.words) else what


def of_area(column: Column) -> bool:
    """Whether a number describes a place or a household (a share of men, a count), not a person."""
    first = column.plain.split()
    return column.number and any(w.startswith(_AREA) or "pct" in w for w in first)


def is_birth(column: Column) -> bool:
    """A date of birth: neither an order of events nor groups by itself."""
    return bool(_DATES & (column.words | {column.plain.replace(" ", "")}))


def ground_of(column: Column) -> tuple[str, str] | None:
    """Which protected ground a column speaks of, and why; None where it speaks of none."""
    if column.distinct < 2 or of_area(column) or is_birth(column):
        return None
    quantity = column.number and (not column.whole or column.distinct > limits.MAX_NUMBERS)
    code = CODES.get(column.plain.replace(" ", ""))
    if code is not None and (code == "age" or not quantity or code in POSSIBLE):
        return code, f"surveys code {code} under this name ({many(column.distinct, 'value')})"
    for what, words in (SENSITIVE | POSSIBLE).items():
        too_many = column.distinct > limits.MANY_GROUPS and not column.number
        fits = column.number or column.distinct <= 30 if what == "age" else not quantity or what in POSSIBLE
        if named(column, words.split()) is not None and not too_many and fits:
            return what, f"its name speaks of {what} ({many(column.distinct, 'value')})"
    values = {normalize_text(v) for v in column.values}
    for pair in _PAIRS:
        if set(pair) <= values and column.distinct <= 6:
            return "sex or gender", f"its values are {pair[0]!r} and {pair[1]!r}"
    return None


def member_of(column: Column) -> str | None:
    """The ground of which a 0/1 column names one group (is_black, race_asian, hisp), or None."""
    if column.distinct != 2 or not {v.casefold() for v in column.values} <= {"0", "1", "true", "false"}:
        return None
    words = [w for w in column.plain.split() if w not in LEADING]
    for what, members in MEMBERS.items():
        if words and all(w in members.split() for w in words):
            return what
    led = set(column.plain.split()) & {"race", "ethnicity", "ethnic", "eth"}
    return "race or ethnicity" if led and words in (["other"], ["unknown"]) else None


def indicators(columns: Iterable[Column], alone: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Ground -> the 0/1 columns that together make one attribute: two or more, of which a person has at most one.

    alone: name -> the column as 0/1 numbers (n,), asked only for candidates.
    """
    members: dict[str, list[str]] = {}
    for column in columns:
        if (what := member_of(column)) is not None:
            members.setdefault(what, []).append(column.name)
    out = {}
    for what, names in members.items():
        if len(names) < 2:
            continue
        total = sum(alone[n].astype("float64").fillna(0) for n in names)
        if float((total <= 1).mean()) >= 0.95:
            out[what] = tuple(names)
    return out
