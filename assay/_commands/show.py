"""`assay show`: the report's chapters in a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from assay._commands.options import RUN
from assay._commands.parsing import OneOf, Option, Result, command
from audit.errors import InputError, nearest


@command(
    RUN,
    Option("--chapter", multiple=True, metavar="NAME", help="Only this chapter, by the name that stands before it."),
    Option("--annex", type=OneOf("none", "short", "full"), default="none", help="How much of the annex, as in print."),
    Option("--people", is_flag=True, help="With explanations of single persons too."),
)
def show(dir: Path, chapter: Sequence[str], annex: str, people: bool) -> Result:
    from reports.draft import draft_of
    from reports.inline import plain_of, text_of

    draft = draft_of(dir, annex="full" if chapter else annex, people=people)
    known = [s.id for s in draft.sections]
    for name in chapter:
        if name not in known:
            raise InputError("there is no such chapter", got=name, expected=", ".join(known), todo=nearest(name, known))
    chosen = [s for s in draft.sections if not chapter or s.id in chapter]
    width = shutil.get_terminal_size((100, 24)).columns
    words = [f"{draft.title}\nNot signed: what a report would say now."]
    words += [
        f"[{s.id}] {s.title}\n{'=' * (len(s.id) + len(s.title) + 3)}\n\n{text_of(s.blocks, width)}" for s in chosen
    ]
    document = {
        "title": draft.title,
        "signed": False,
        "chapters": [{"id": s.id, "title": s.title, "blocks": plain_of(s.blocks)} for s in chosen],
    }
    return Result(document, "\n\n\n".join(words))
