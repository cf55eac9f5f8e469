"""What a preset is made of: frozen records, read from TOML by `reports.presets.read`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """A text that the form follows: its name, where it was read, how it stood then."""

    text: str
    source: str
    status: str | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One item of a form. Exactly one of ask (a question for a person), path (into an embedded file) and say (a
    sentence made of the evidence, by name) is given.

    kind: of an answer: "text", "date" or "column" (a sensitive attribute of the case). stale_days: after how many days,
    at the date of issue, a date is stale. optional: its absence is not called lacking. todo: what to do where lacking.
    proof: the sentence that has to be here before the answer counts as fixed beforehand; else the answer is stale.
    """

    id: str
    title: str
    cite: str | None = None
    ask: str | None = None
    path: str | None = None
    say: str | None = None
    kind: str = "text"
    stale_days: int | None = None
    optional: bool = False
    todo: str | None = None
    proof: str | None = None


@dataclass(frozen=True, slots=True)
class FormTableSpec:
    """One table of a form. make: by name (reports.presets.tables). by: ids of fields of kind "column", whose answers
    say which attributes; none means every attribute of the case. leave_out: groups with a smaller share are left out,
    but only where the field `because` is answered. limit: a number that the table stands beside."""

    make: str
    title: str
    by: tuple[str, ...] = ()
    leave_out: float | None = None
    because: str | None = None
    limit: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter to one person that the form gives a frame for. most: principal reasons at most; before, after:
    paragraphs around them; ids of fields in braces are put in."""

    title: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    most: int = 4


@dataclass(frozen=True, slots=True)
class Preset:
    """See the module of the package. as_read: when the texts were read; review_by: until when that is recent.

    lasts_days: after how many days an audit by this form is outdated, where the text says so.
    """

    name: str
    title: str
    intro: str
    as_read: dt.date
    review_by: dt.date
    lasts_days: int | None
    references: tuple[Reference, ...]
    fields: tuple[Field, ...]
    tables: tuple[FormTableSpec, ...]
    letter: Letter | None = None

    @property
    def columns(self) -> tuple[Field, ...]:
        """The fields whose answer is an attribute of the case."""
        return tuple(f for f in self.fields if f.kind == "column")
