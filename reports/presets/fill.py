"""A form filled in from answers and evidence: each item here, lacking or stale, with its tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.cube_json import margins_from_json
from audit.documents.read import CUBE
from audit.documents.table import DOCUMENTS
from audit.numbers import many
from reports import words
from reports.blocks import Sources
from reports.blocks import Table as Printed
from reports.presets import say
from reports.presets.embed import asked_of
from reports.presets.records import Field, Preset
from reports.presets.tables import MAKERS, TableRequest, attributes_of

HERE, LACKING, STALE = "here", "lacking", "stale"


@dataclass(frozen=True, slots=True)
class Item:
    """One item as it stands. state: "here", "lacking", "stale", or "–" for an optional one that is not there."""

    field: Field
    state: str
    text: str


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it stands at the date of issue. ships: its text is the one that ships. old: read too long ago.

    without: tables that could not be made, and why.
    """

    preset: Preset
    ships: bool
    old: bool
    items: tuple[Item, ...]
    tables: tuple[Printed, ...]
    without: tuple[tuple[str, str], ...]

    def count(self, state: str) -> int:
        """How many items are in this state; a table that could not be made is lacking."""
        return sum(i.state == state for i in self.items) + (len(self.without) if state == LACKING else 0)

    def to_json(self) -> dict[str, Any]:
        """Name, days, and each item with its state, for programs."""
        return {
            "name": self.preset.name,
            "title": self.preset.title,
            "as_read": self.preset.as_read.isoformat(),
            "review_by": self.preset.review_by.isoformat(),
            "read_long_ago": self.old,
            "items": [{"id": i.field.id, "title": i.field.title, "state": i.state, "text": i.text} for i in self.items],
            "lacking_tables": [{"title": t, "reason": why} for t, why in self.without],
        }


FILES = {n.removesuffix(".json"): n for n in DOCUMENTS if n != CUBE} | {"report": None}
"""Where the first step of a path leads: an embedded document as it stands, or what the manifest says."""


def filled_forms(sources: Sources) -> tuple[Filled, ...]:
    """The forms that were asked for, in order."""
    return tuple(fill(preset, answers, sources, ships=ships) for preset, answers, ships in asked_of(sources.presets))


def fill(preset: Preset, answers: Mapping[str, str], sources: Sources, *, ships: bool = True) -> Filled:
    """The form as it stands. answers: id of a field -> what a person answered."""
    today = sources.manifest.issued.date()
    items = tuple(_item(f, answers, sources, today) for f in preset.fields)
    margins = {m.attribute: m for m in margins_from_json(sources.documents.plain("cube.json"))} if preset.tables else {}
    printed: list[Printed] = []
    without: list[tuple[str, str]] = []
    for table in preset.tables:
        asked = TableRequest(
            table,
            attributes_of([answers.get(b) for b in table.by], margins),
            sources,
            margins,
            answers.get(table.because) if table.because else None,
        )
        unnamed = [b for b in table.by if b not in answers]
        form_table = MAKERS[table.make](asked)
        printed += form_table.printed
        if unnamed or form_table.lacking:
            titles = [f.title for f in preset.fields if f.id in unnamed]
            why = form_table.lacking if not unnamed else f"nobody said which column is meant: {', '.join(titles)}"
            without.append((table.title, str(why)))
    return Filled(preset, ships, today > preset.review_by, items, tuple(printed), tuple(without))


def _item(field: Field, answers: Mapping[str, str], sources: Sources, today: dt.date) -> Item:
    text = _text(field, answers, sources)
    if text is None:
        return Item(
            field, "–" if field.optional else LACKING, field.todo or (field.ask and f"To answer: {field.ask}") or "–"
        )
    if isinstance(text, say.Stale):
        return Item(field, STALE, text)
    if field.proof is not None:
        return _proven(field, text, sources)
    if field.kind == "date":
        day = dt.date.fromisoformat(text[:10])
        old = field.stale_days is not None and (today - day).days > field.stale_days
        date_text = words.date(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC))
        return Item(
            field,
            STALE if old else HERE,
            date_text + (f", more than {many(field.stale_days, 'day')} ago" if old else ""),
        )
    return Item(field, HERE, text)


def _proven(field: Field, text: str, sources: Sources) -> Item:
    """An answer that had to be fixed before the search: here only where that is shown, and as it was written then."""
    written = say.asked_of_search(sources).get(field.id)
    if isinstance(written, str) and " ".join(text.split()) != written:
        return Item(field, STALE, f"{text} When the search began, it was written otherwise: “{written}”")
    shown = say.SENTENCES[str(field.proof)](sources)
    if shown is None or isinstance(shown, say.Stale):
        return Item(field, STALE, f"{text} It is not shown that this was written before the search.")
    return Item(field, HERE, text)


def _text(field: Field, answers: Mapping[str, str], sources: Sources) -> str | None:
    if field.ask is not None:
        written = say.asked_of_search(sources).get(field.id) if field.proof else None
        return answers.get(field.id) or (None if written is None else str(written))
    if field.say is not None:
        return say.SENTENCES[field.say](sources)
    return say.spoken(_at(str(field.path), sources))


def _at(path: str, sources: Sources) -> Any:
    root, *rest = path.split(".")
    file = FILES[root]
    if file is not None and file not in sources.documents:
        return None
    value: Any = sources.manifest.extra if file is None else sources.documents.plain(file)
    for step in rest:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


__all__ = ["HERE", "LACKING", "STALE", "Filled", "Item", "fill", "filled_forms"]
