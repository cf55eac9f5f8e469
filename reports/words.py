"""Numbers and names in words, in one place: what the pages, the charts and their alternative texts print."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from audit import numbers
from audit.documents.evidence import Data
from audit.findings import name_of, p_words, percent
from audit.load.forms import BY
from audit.metrics import METRICS, SCORE_METRICS
from audit.metrics import title as metric
from audit.numbers import are, many
from audit.suppress import ROUNDED
from audit.values import Gap, Rate

__all__ = [
    "apart",
    "are",
    "attribute",
    "bracket",
    "by",
    "capital",
    "compared",
    "count",
    "date",
    "day",
    "ends",
    "interval",
    "metric",
    "name_of",
    "number",
    "p_words",
    "pair_p",
    "percent",
    "points",
    "rate_cell",
    "share",
    "signed",
    "span",
    "told_apart",
    "truncate",
    "unquoted",
    "why",
    "width",
]

MINUS = "\u2212"
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
SCORES = SCORE_METRICS
"""On a scale of their own, and printed as they are."""

TERMS = (
    (
        "Confidence interval",
        "A range that holds the true value in 95 of 100 such audits. Few people make it wide.",
    ),
    ("Cube", "A table of counts: people by group, outcome and decision. It names no one. All rates follow from it."),
    ("Favourable", "The decision or outcome that is good for the person."),
    (
        "Floor",
        "The least number of people in a group that is shown. It keeps single people from being found.",
    ),
    ("Gap", "How far apart two groups are in one rate: the highest minus the lowest, in points."),
    ("Holm adjustment", "Makes a p-value larger to allow for the number of comparisons made."),
    ("Impact ratio", "The selection rate of a group divided by the highest selection rate of any group."),
    ("Intersection", "A group by two attributes or more at once, such as women of one age."),
    ("LIME", "Explains one decision by a simple model fitted to answers for people much like this one."),
    (
        "Matched baseline",
        "The original model with only its threshold moved, so that it selects as many people as the candidate.",
    ),
    ("Norm", "A limit on a gap that the institution has set itself, in a dated policy."),
    (
        "p-value",
        "How often a gap this wide would appear by chance if the groups compared were alike: two groups, or all of "
        "them where they are tested together. An adjusted p-value is larger and is no such share.",
    ),
    ("Point", "A hundredth: from 8 % to 26 % is 18 points."),
    ("Positive", "The value that the model predicts or scores; not always the one that is good for the person."),
    ("Proxy", "A column that goes along with a sensitive attribute, so that a model can use it in its place."),
    ("SHA-256", "A fingerprint of a file. Another file has another one."),
    ("SHAP", "Divides the difference between one decision and the average one over the columns used."),
    ("Threshold", "The score from which the decision is positive."),
)


def glossary() -> tuple[tuple[str, str], ...]:
    """Every term that a report uses, in order: the metrics' from their table, and TERMS."""
    ours = ((capital(row.title), row.glossary) for row in METRICS.values() if row.glossary)
    return tuple(sorted((*ours, *TERMS), key=lambda term: term[0].lower()))


def day(when: object) -> str:
    """2023-01-11, where a time is given to the day."""
    return str(when).removesuffix("T00:00:00+00:00")


def unquoted(text: str) -> str:
    """A note that was written for the command line, for print: `exclude` becomes “exclude”."""
    return re.sub(r"`([^`]*)`", "“\\1”", text)


def capital(text: str) -> str:
    """The first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def count(value: float | None) -> str:
    """5,421; weights with one decimal."""
    return numbers.grouped(value, 0 if value is None or float(value).is_integer() else 1)


def share(value: float | None) -> str:
    """9.1 %."""
    return "not estimable" if value is None else percent(value)


def number(value: float | None, digits: int = 3) -> str:
    """0.321; a real minus sign before what is below zero."""
    return _minus(numbers.fixed(value, digits))


def signed(value: float | None, digits: int = 3) -> str:
    """+0.321."""
    return _minus(numbers.signed(value, digits))


def _minus(text: str) -> str:
    """A real minus sign, and none before zero."""
    zero = not text.strip("+-0.")
    return text.lstrip("+-") if zero else text.replace("-", MINUS)


def interval(low: float | None, high: float | None) -> str:
    """8.4 to 9.9 %."""
    if low is None or high is None:
        return numbers.DASH
    return f"{numbers.fixed(100 * low, 1)} to {numbers.percent(high)}".replace("-", MINUS)


def bracket(low: float | None, high: float | None, *, percent: bool = True) -> str:
    """[8.4, 9.9] in percent or points; [0.084, 0.099] otherwise. Empty where there is no interval."""
    if low is None:
        return ""
    scale, digits = (100, 1) if percent else (1, 3)
    start, end = (numbers.fixed(None if v is None else scale * v, digits).replace("-", MINUS) for v in (low, high))
    return f"[{start}, {end}]"


def standing(r: Rate) -> bool:
    """Whether the denominator is no count of rows but of the population that they stand for."""
    rows = r.rows
    return rows is not None and abs(rows - r.denominator) > 1e-9 * max(rows, 1)


def behind(r: Rate) -> str:
    """5,421; with weights 1,234 (for 5,421): rows measured, and the population they stand for."""
    return f"{count(r.rows)} (for {count(r.denominator)})" if standing(r) else count(r.denominator)


def rate_cell(r: Rate | None, *, percent: bool = True) -> str:
    """The two lines of a table cell: value with interval, count. Says so where the rate is not estimable."""
    if r is None or not r.estimable:
        return "not estimable"
    value = share(r.value) if percent else number(r.value)
    of = f"of {behind(r)}"
    if percent and r.numerator is not None and not standing(r):
        of = f"{count(r.numerator)} {of}"
    return f"{value} {bracket(r.low, r.high, percent=percent)}".rstrip() + f"\n{of}"


class Measured(Protocol):
    """A gap, a norm or a bound: something with a value and an interval."""

    @property
    def value(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def on_own_scale(gap: Measured) -> bool:
    """Whether it is a bare number: a ratio, or a gap in scores."""
    return getattr(gap, "kind", None) == "ratio" or getattr(gap, "metric", None) in SCORES


def points(gap: Gap) -> str:
    """17.1 points (95 % interval 16.0 to 18.2)."""
    if gap.value is None:
        return f"not estimable ({why(gap.reason)})"
    range_text = "" if ends(gap)[0] is None else f" (95 % interval {span(gap)})"
    return f"{width(gap)}{range_text}"


def width(gap: Measured) -> str:
    """17.1 points; for scores and ratios the bare number."""
    if gap.value is None:
        return "not estimable"
    if on_own_scale(gap):
        return number(gap.value)
    return numbers.points(gap.value).replace("-", MINUS)


def ends(gap: Measured) -> tuple[float | None, float | None]:
    """The interval of the two groups that a gap names where pairs were compared, else of the widest gap."""
    if isinstance(gap, Gap) and gap.pairs and gap.pair_low is not None:
        return gap.pair_low, gap.pair_high
    return gap.low, gap.high


def pair_p(gap: Gap) -> str:
    """The adjusted p-value of the two groups named."""
    return numbers.DASH if gap.pair_p_adjusted is None else p_words(gap.pair_p_adjusted)


def span(gap: Measured) -> str:
    """16.0 to 18.2; of the two groups that a gap names where pairs were compared."""
    low, high = ends(gap)
    if low is None:
        return numbers.DASH
    if high is None:
        return f"from {number(low)}"
    if on_own_scale(gap):
        return f"{number(low)} to {number(high)}"
    return f"{numbers.fixed(100 * low, 1)} to {numbers.fixed(100 * high, 1)}".replace("-", MINUS)


def compared(family: int, here: str = "") -> str:
    """How many comparisons were made (here: in this part), and that p-values allow for them."""
    return (
        f"{many(family, 'comparison')} {are(family, 'was', 'were')} made{here}, and p-values are adjusted for "
        "all of them."
    )


def by(attribute: Sequence[str]) -> str:
    """sex and race."""
    return " and ".join(attribute)


PLAIN = frozenset("age disability ethnicity gender language nationality origin race region religion sex".split())
"""Names of columns that are words of every day."""


def attribute(stated: Mapping[str, str], names: Sequence[str], most: int) -> str:
    """sex; “born_at”; where people were born: the code book's words, or the name, quoted unless it is plain."""
    out = []
    for name in names:
        text = stated.get(BY + name)
        out.append(truncate(text, most) if text else name if name.lower() in PLAIN else f"“{truncate(name, most)}”")
    return " and ".join(out)


def apart(a: str, b: str, most: int) -> tuple[str, str]:
    """Two names cut so that each can still be told from the other: where they first differ is kept."""
    if truncate(a, most) != truncate(b, most) or a == b:
        return truncate(a, most), truncate(b, most)
    first = next(i for i in range(len(max(a, b, key=len))) if a[i : i + 1] != b[i : i + 1])
    return _around(a, first, most, 3), _around(b, first, most, 3)


def told_apart(names: Sequence[str], most: int) -> list[str]:
    """Names cut to `most` letters so that no two that differ come out alike: what they have in common goes first."""
    cut = {n: truncate(n, most) for n in names}
    for _ in range(8):  # names that differ in several places are told apart place by place
        alike = [s for s, n in Counter(cut.values()).items() if n > 1]
        for s in alike:
            group = [n for n in cut if cut[n] == s]
            first, last = min(group), max(group)  # between these two lie all: what they share, all share
            shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
            for n in group:
                cut[n] = _around(n, shared, most, 4)
        if not alike:
            break
    seen: Counter[str] = Counter()
    for n, s in cut.items():
        seen[s] += 1
        if seen[s] > 1:
            cut[n] = f"{truncate(s, most - 5)} ({seen[s]})"
    return [cut[n] for n in names]


def _around(text: str, place: int, most: int, part: int) -> str:
    """The beginning of a name, and from a little before `place` on: one `part` of the letters each."""
    head = text[: _whole(text, most // part)].rstrip() + "…"
    start = _whole(text, max(most // part, place - most // part))
    return head + truncate(text[start:].strip(), most - len(head))


def _whole(text: str, at: int) -> int:
    """The last place up to `at` where a text can be cut without parting a letter from its accents or its joiners."""
    while 0 < at < len(text) and (unicodedata.combining(text[at]) or "\u200d" in text[at - 1 : at + 1]):
        at -= 1
    return at


def truncate(text: str, most: int = 48) -> str:
    """Cut, with an ellipsis, where a sentence has to stay on its page; tables carry the whole name."""
    return text if len(text) <= most else text[: _whole(text, most - 1)].rstrip() + "…"


def why(reason: str | None) -> str:
    """Why there is no figure: the reason names each group with too few people, and of many that is a page of names."""
    return truncate(str(reason), 150)


def date(when: dt.datetime) -> str:
    """22 November 2026, whatever the machine's language."""
    return f"{when.day} {MONTHS[when.month - 1]} {when.year}"


def rows_in(data: Data) -> str:
    """How many rows the data have; only a bound where the number would tell how many people are withheld."""
    return ("at most " if data.rows_at_most else "") + f"{data.rows:,}"


def part(rows: int, notes: Sequence[str]) -> str:
    """How many rows a part has; "up to" so many where publishing rounded it up (audit/publish.py)."""
    return f"{'up to ' if ROUNDED in notes else ''}{rows:,}"
