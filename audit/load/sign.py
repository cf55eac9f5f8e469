"""Which value of an outcome is good for the person: proposed from words and codings, else asked.

    sign = sign_of("default", ("0", "1"))
    sign.positive, sign.favourable      # "1", "0": a model predicts default, and not to default is good
    sign_of("y", ("no", "yes")).favourable is None      # nobody can know; a person is asked

A wrong sign turns every finding round, so a value is proposed only where the column's name or its values say it in
words. The name says what happens (default, hired); the coding says which value means that it happened.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from audit.numbers import are, many

BAD = re.compile(
    r"default|delinq|dlq|recid|reoffend|rearrest|arrest|fraud|attrit|churn|deny$|denied|denial|reject|refus|declin"
    r"|charge(d)?off|overdue|foreclos|bankrupt|stroke|disease|diabet|cancer|tumou?r|mortal|death|died?$|dead|deceas"
    r"|readmi|dropout|dropped|fail|frisk|sanction|evict|terminat|fired|expel|suspen|guilt|convict|jail|prison|detain"
    r"|detention|incarcerat|malignan|complicat|relaps|violat|violen|crim|bad$|risk|late$|abus|quit$|turnover|layoff"
    r"|laidoff|dismiss|unemploy|lapse|cancel|exited|breach|revok|revoc|suspicio|investigat|penal|fined|withdraw"
    r"|noshow|absent|offen[cds]|felon|hospitali|infect|sepsis|bounced|repossess|removed|removal|deport|blocked|banned"
    r"|arrear|accident|injur|complain|missed|pastdue|writeoff|unpaid|unsuccess|ineligib|disqualif|noncompl|nonpay"
    r"|overdos|demot|homeless|foreclos|disapprov|unapprov|ausfall|zahlungsverzug|gekue?ndigt|betrug|abgelehnt|absage|kue?ndigung|impago|morosidad|mora$|impaye|refuse|insolv|defaut"
)
GOOD = re.compile(
    r"approv|grant|hire|hiring|accept|admit|admission|promot|pass$|passed|paid$|repaid|repay|graduat|select|shortlist"
    r"|interview|invite|offer|eligib|enroll?ed|bonus|succe|surviv|employed|qualif|retain|retention|award|good$|income"
    r"|salary|wages?$|earn|placed|placement|callback|licen[cs]ed|pincp|bewilligt|zusage|eingestellt|bestanden|aprobad|aprovad"
    r"|accord|accett|contratad|admis$|embauch"
)
PLAIN = frozenset(
    "is are be been being was were will would has have had did does do got get gets can may should could to of "
    "the a an at by on in within over after before during next last past future ever any once again still now "
    "this that flag flagged ind indicator dummy binary bin label target outcome outcomes result results status "
    "state final actual true real observed recorded known y yes cat category class classes code coded value val "
    "var num number type kind group numeric int bool boolean encoded prediction predicted pred decision decided "
    "event happened person people individual customer client consumer user member applicant candidate employee "
    "worker staff student pupil borrower suspect defendant defendants prisoner tenant citizen program programme "
    "bail parole respondent loan loans credit mortgage bank card account application app request job position "
    "post role school college university course study degree exam test bar benefit benefits claim claims policy "
    "insurance month months monthly day days daily week weeks weekly year years yearly annual quarter yr yrs mo "
    "mth d m one two three four five six seven eight nine ten twelve first second high higher very serious severe "
    "general fully full paid amount level kredit darlehen kunde wurde ist hat nach pret credito prestamo cliente "
    "il la le el payment payments reported made given received issued sent".split()
)
"""Words that leave what the others say as it is."""
NOT = frozenset("no not non never without un nicht kein sin sans nao nunca".split())

_GOOD_VALUE = re.compile(
    r"approv|grant|hire[ds]?$|accept|admit|promot|pass$|passed|paid$|repaid|good$|succe|eligib|select|graduat|employed"
    r"|surviv|alive|retain|stayed|qualif|offered|enroll?ed|completed|invited|licen[cs]ed|gut$|bewilligt|bestanden"
    r"|aprobad|aprovad|accord"
)
_BAD_VALUE = re.compile(
    r"den(y|ied)|reject|declin|refus|default|charged(off)?|chargeoff|late$|bad$|fail|fraud|recid|reoffend|dropout|dropped|died"
    r"|dead|deceas|terminat|fired|guilty|convict|churn|attrit|left$|quit$|unemploy|overdue|delinq|malignan|arrest"
    r"|readmit|ineligib|schlecht|abgelehnt"
)
_TRUE = frozenset("1 yes y true t + ja j oui o si s sim vrai verdadero wahr vero".split())
_FALSE = frozenset("0 -1 no n false f - nein non nao faux falso".split())
_HIGH = re.compile(r"^>|\+\.?$|^(above|over|high|higher|more)\b", re.I)
_LOW = re.compile(r"^<|^-\s*\d|^(below|under|low|lower|less)\b", re.I)
_MONEY = re.compile(r"(\d\s*k\b|\$|€|£|\d{4,})", re.I)
_DECIDED_TWICE = re.compile(r"^(credit ?)?risk( class| status| label)?$")


@dataclass(frozen=True, slots=True)
class Sign:
    """positive: the value that a model would predict; favourable: the one good for a person, None where it is asked.

    reason: why, in plain words; question: what a person is asked where favourable is None.
    """

    positive: str
    favourable: str | None
    reason: str
    question: str = ""


def normalize_text(text: str) -> str:
    """Lower case, no accents, words apart: "TwoYear_récid" is "two year recid"."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", text)
    letters = unicodedata.normalize("NFKD", apart.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
    return " ".join(re.findall(r"[a-z0-9]+", letters))


def direction(name: str) -> int:
    """+1 where what the name says is good for a person, -1 where it is bad, 0 where it says neither or both, or holds
    a word of which nobody knows here what it does to the others (selected for search, low risk)."""
    signs, whole = _directions(normalize_text(name).split(), BAD, GOOD)
    return signs.pop() if whole and len(signs) == 1 else 0


def speaks(name: str) -> bool:
    """Whether a name says anything good or bad at all, so that it may be an outcome."""
    return bool(_directions(normalize_text(name).split(), BAD, GOOD)[0])


def says_bad(name: str) -> bool:
    """Whether any word of a name says something bad for a person."""
    return -1 in _directions(normalize_text(name).split(), BAD, GOOD)[0]


def _directions(words: Sequence[str], bad: re.Pattern[str], good: re.Pattern[str]) -> tuple[set[int], bool]:
    """What the words say, +1 and -1; and whether every one of them is known."""
    signs = set()
    known = {place for place, word in enumerate(words) if word in PLAIN | NOT or not word.isalpha() or len(word) == 1}
    pairs = [a + b for a, b in pairwise(words)]
    for place, word in enumerate([*words, *pairs]):
        paired = place >= len(words)
        least = len(words[place - len(words)]) if paired else 0  # two words say more than the first of them alone
        side = next((s for s, words_of in ((-1, bad), (1, good)) if (m := words_of.match(word)) and m.end() > least), 0)
        before = place - 1 if not paired else place - len(words) - 1
        if side and before >= 0 and words[before] in NOT:
            side = -side
        if not paired and not side and (rest := _without_not(word)):
            side = 1 if bad.match(rest) else -1 if good.match(rest) else 0
        if side:
            signs.add(side)
            known |= {place} if not paired else {place - len(words), place - len(words) + 1}
    return signs, len(known) == len(words)


def _without_not(word: str) -> str:
    """ "nondefault" is "default"; "" where no such word leads it. "no" and "un" lead too many other words."""
    return word[3:] if word.startswith(("non", "not")) and len(word) > 6 else ""


def sign_of(name: str, values: Sequence[str]) -> Sign:
    """The sign of the column `name` with these values, most frequent first (two or more). See the module's text."""
    side = direction(name)
    words = {v: _value_side(v) for v in values}
    if any(_half_known(v) for v in values):
        return _undecided(name, values[-1], "of its values nobody knows here what they mean")
    good = [v for v in values if words[v] > 0]
    bad = [v for v in values if words[v] < 0]
    if good or bad:
        return _by_words(name, values, side, good, bad)
    if len(values) == 2:
        if (event := _event(values)) is not None:
            return _by_event(name, values, side, event)
        if (high := _high(values)) is not None:
            money = side > 0 or (side == 0 and all(_MONEY.search(v) for v in values))
            if money or side < 0:
                other = next(v for v in values if v != high)
                chosen = high if money else other
                return Sign(high, chosen, f"{chosen!r} reads like the better of the two for a person")
            return _undecided(name, high, f"{high!r} is the higher of the two")
    none = [v for v in values if _bare(v) in _FALSE]
    if len(none) == 1 and side < 0 and not any(_bare(v) in _TRUE for v in values):
        return Sign(
            none[0], none[0], f"{none[0]!r} means that it did not happen, and by its name it is bad for a person"
        )
    for value in values:
        if _bare(value) in _TRUE:
            return _undecided(name, value, f"{value!r} reads like yes, and there are {many(len(values), 'value')}")
    return _undecided(name, values[-1], f"{values[-1]!r} is the rarest value")


def _value_side(value: str) -> int:
    words = normalize_text(value).split()
    if not words or _bare(value) in _TRUE | _FALSE:
        return 0
    signs, whole = _directions(words, _BAD_VALUE, _GOOD_VALUE)
    return signs.pop() if whole and len(signs) == 1 else 0


def _half_known(value: str) -> bool:
    """A value with a word that is good or bad by itself, beside one that may change it (selected for search)."""
    signs, whole = _directions(normalize_text(value).split(), _BAD_VALUE, _GOOD_VALUE)
    return bool(signs) and not whole and _bare(value) not in _TRUE | _FALSE


def _by_words(name: str, values: Sequence[str], side: int, good: list[str], bad: list[str]) -> Sign:
    """The values say it themselves."""
    if len(values) == 2:
        best = good[0] if good else next(v for v in values if v != bad[0])
        if (len(good), len(bad)) in ((2, 0), (0, 2)):
            return _undecided(name, values[-1], "both of its values read alike")
        denied = [v for v in values if NOT & set(normalize_text(v).split())]
        event = next(v for v in values if v != denied[0]) if len(denied) == 1 else None
        positive = event or (next(v for v in values if v != best) if side < 0 else best)
        word = good[0] if good else bad[0]
        return Sign(positive, best, f"{word!r} says by itself what is {'good' if good else 'bad'} for a person")
    if len(good) == 1:
        return Sign(good[0], good[0], f"of its {many(len(values), 'value')}, {good[0]!r} alone says something good")
    return _undecided(
        name,
        (good or bad)[0],
        f"{len(good)} of its {many(len(values), 'value')} {are(len(good), 'reads', 'read')} well",
    )


def _by_event(name: str, values: Sequence[str], side: int, event: str) -> Sign:
    """Yes and no: the name says whether what happens is good."""
    other = next(v for v in values if v != event)
    if _DECIDED_TWICE.match(normalize_text(name)) and "credit" in normalize_text(name):
        return _undecided(name, event, "published tables code a credit risk both ways")
    if side == 0:
        return _undecided(name, event, f"{event!r} means that it happened")
    chosen = event if side > 0 else other
    what = "good" if side > 0 else "bad"
    return Sign(event, chosen, f"{event!r} means that it happened, and by its name that is {what} for a person")


def _event(values: Sequence[str]) -> str | None:
    """The value that means yes, where the two are a coding of yes and no. 1 and 2 are none: both orders are in use."""
    yes = [v for v in values if _bare(v) in _TRUE]
    no = [v for v in values if _bare(v) in _FALSE]
    return yes[0] if len(yes) == 1 and len(no) == 1 else None


def _bare(value: str) -> str:
    """ "Sí" is "si", "1.0" is "1"; a sign is kept: -1 is not 1."""
    text = re.sub(r"\.0+$", "", value.strip().casefold())
    return normalize_text(text) if text[:1].isalpha() else text


def _high(values: Sequence[str]) -> str | None:
    high = [v for v in values if _HIGH.search(v.strip())]
    low = [v for v in values if v not in high and _LOW.search(v.strip())]
    return high[0] if len(high) == 1 and len(low) == 1 else None


def _undecided(name: str, positive: str, why: str) -> Sign:
    question = f"Is {name} = {positive} good for the person?"
    return Sign(positive, None, f"{why}; which value is good for a person cannot be read off and is asked", question)
