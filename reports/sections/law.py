"""The forms of law and custom that the case asked for, filled in: what is here, what is lacking, what is stale."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from audit.numbers import are, many
from reports import words
from reports.blocks import Block, Lead, Notice, Paragraph, Points, Section, Sources, Table

if TYPE_CHECKING:
    from reports.presets import Filled


def sections(sources: Sources) -> tuple[Section, ...]:
    """One chapter for each form; none where the case asks for none."""
    from reports.presets import filled_forms

    return tuple(_section(f, number) for number, f in enumerate(filled_forms(sources), 1))


def _section(form: Filled, number: int) -> Section:
    preset = form.preset
    lacking, stale, asked = form.count("lacking"), form.count("stale"), len(form.items)
    blocks: list[Block] = [
        Lead(preset.intro),
        Paragraph(
            f"{many(asked, 'item')} {are(asked)} asked for. {lacking} {are(lacking)} lacking, "
            f"{stale} {are(stale)} stale. Whether a text is met is not said here: that is for "
            "people."
        ),
    ]
    if form.old:
        blocks.append(
            Notice(
                f"READ LONG AGO: the texts behind this form were read on {_day(preset.as_read)} and were to be read "
                f"again by {_day(preset.review_by)}. They may have changed since."
            )
        )
    if not form.ships:
        blocks.append(Notice("This form is not one that ships with Assay. Whoever wrote it answers for what it asks."))
    rows = tuple((_title(i.field.title, i.field.cite), i.state, i.text) for i in form.items)
    blocks.append(Table("The form", ("Item", "State", "Here, or what to do"), rows, "", (30, 12, 58)))
    blocks += form.tables
    if form.without:
        blocks.append(Points(tuple(f"Lacking: {title}; {why}." for title, why in form.without)))
    read = f"Read on {_day(preset.as_read)}; to be read again by {_day(preset.review_by)}."
    references = [f"{r.text}. Read in: {r.source}.{f' {r.status}' if r.status else ''}" for r in preset.references]
    blocks.append(Points((*references, read)))
    return Section(f"form-{number}", preset.title, tuple(blocks))


def _title(title: str, cite: str | None) -> str:
    return title if cite is None else f"{title}\n({cite})"


def _day(day: dt.date) -> str:
    return words.date(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC))
