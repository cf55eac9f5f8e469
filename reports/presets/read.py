"""A preset from its TOML text, strictly: what is wrong is refused by the name of the field."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from audit.errors import CaseError, nearest
from audit.load.toml import Reader
from audit.numbers import many
from reports.presets import say, tables
from reports.presets.paths import ROOTS, wrong_step
from reports.presets.records import Field, FormTableSpec, Letter, Preset, Reference

FOLDER = Path(__file__).resolve().parent
MOST_LINES = 120
KINDS = ("text", "date", "column")
LONGEST, MOST_DAYS = 1000, 36_500
"""Letters of one text; days of a duration."""
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
_NAME = re.compile(r"[^\W_][\w .-]{0,39}")
_PATH = re.compile(r"[a-z_]+(\.[A-Za-z0-9_]+)+")
_VERDICT = re.compile(r"\bcompl(?:y|ies|iant|iance)\b|\bcertif|\bunbiased\b|\bis fair\b|\bpasses\b", re.IGNORECASE)


def shipped() -> tuple[str, ...]:
    """The names of the presets that ship."""
    return tuple(sorted(p.stem for p in FOLDER.glob("*.toml")))


def shipped_text(name: str) -> str | None:
    """The text of one that ships, None where there is none of this name."""
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8") if name in shipped() else None


@lru_cache(maxsize=64)
def read_preset(text: str, where: str) -> Preset:
    """The preset in `text`; `where` names it in refusals. Raises CaseError by the name of the field."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise CaseError(
            f"the preset {where!r} is not valid TOML", got=str(error), expected="TOML text", todo="correct that line"
        ) from error
    top = Reader(table, f"the preset {where!r}", CaseError)
    top.allow(
        "name", "title", "intro", "as_read", "review_by", "lasts_days", "reference", "field", "table", "letter"
    )  # fmt: skip
    if len(text.splitlines()) > MOST_LINES:
        raise CaseError(
            f"the preset {where!r} is too long",
            got=many(len(text.splitlines()), "line"),
            expected=f"at most {MOST_LINES} lines",
            todo="make two of it",
        )
    name = _text(top, "name")
    if not _NAME.fullmatch(name):
        raise top.wrong("name", "a short name of letters, digits, spaces, dots, _ and -")
    fields = tuple(_field(t, where, n) for n, t in enumerate(top.tables("field"), 1))
    if not fields:
        raise _refused(
            where, "which asks for nothing", "no [[field]]", "at least one section that begins with [[field]]"
        )
    ids = [f.id for f in fields]
    if twice := next((i for i in ids if ids.count(i) > 1), None):
        raise _refused(where, f"field {twice!r}", "two fields have this id", "each id once")
    tables = tuple(_table(t, where, n, fields) for n, t in enumerate(top.tables("table"), 1))
    read_on, again_by = _day(top, "as_read"), _day(top, "review_by")
    if again_by <= read_on:
        raise top.wrong("review_by", f"a day after as_read ({read_on})")
    return Preset(
        name,
        _text(top, "title"),
        _text(top, "intro"),
        read_on,
        again_by,
        _whole(top, "lasts_days"),
        tuple(_reference(t, where, n) for n, t in enumerate(top.tables("reference"), 1)),
        fields,
        tables,
        _letter(top.section("letter"), where, fields) if "letter" in top.table else None,
    )


def _refused(where: str, what: str, got: str, expected: str) -> CaseError:
    return CaseError(f"the preset {where!r}, {what}, cannot be used", got=got, expected=expected, todo="correct it")


def _text(at: Reader, key: str) -> str:
    """A text that says no verdict. Raises CaseError."""
    text = " ".join(str(at.text(key, required=True)).split())
    if not text.isprintable() or len(text) > LONGEST:
        raise at.wrong(key, f"printable text of at most {LONGEST} characters")
    if match := _VERDICT.search(text):
        raise CaseError(
            f"{key!r} in {at.where} gives a verdict",
            got=repr(match.group()),
            expected="what is asked and what is here; whether a text is met is for people",
            todo=f"say it without {match.group()!r}",
        )
    return text


def _maybe(at: Reader, key: str) -> str | None:
    return _text(at, key) if key in at.table else None


def _day(at: Reader, key: str) -> dt.date:
    if key not in at.table:
        raise at.missing(key)
    value = at.table[key]
    if not isinstance(value, dt.date) or isinstance(value, dt.datetime):
        raise at.wrong(key, "a day without quotation marks, such as 2026-11-28")
    return value


def _whole(at: Reader, key: str) -> int | None:
    if key not in at.table:
        return None
    value = at.table[key]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_DAYS:
        raise at.wrong(key, f"a whole number from 1 to {MOST_DAYS}")
    return value


def _flag(at: Reader, key: str) -> bool:
    if not isinstance(at.table.get(key, False), bool):
        raise at.wrong(key, "true or false")
    return bool(at.table.get(key, False))


def _reference(table: Mapping[str, Any], where: str, number: int) -> Reference:
    at = Reader(table, f"the preset {where!r}, reference {number}", CaseError)
    at.allow("text", "source", "status")
    return Reference(_text(at, "text"), _text(at, "source"), _maybe(at, "status"))


def _field(table: Mapping[str, Any], where: str, number: int) -> Field:
    named = table.get("id") if isinstance(table.get("id"), str) else number
    at = Reader(table, f"the preset {where!r}, field {named!r}", CaseError)
    at.allow("id", "title", "cite", "ask", "from", "say", "kind", "stale_days", "optional", "todo", "proof")
    field = Field(
        _text(at, "id"),
        _text(at, "title"),
        _maybe(at, "cite"),
        _maybe(at, "ask"),
        _maybe(at, "from"),
        _maybe(at, "say"),
        at.choice("kind", KINDS) if "kind" in table else "text",
        _whole(at, "stale_days"),
        _flag(at, "optional"),
        _maybe(at, "todo"),
        _maybe(at, "proof"),
    )
    if not _ID.fullmatch(field.id):
        raise at.wrong("id", "lower-case letters, digits and _, beginning with a letter")
    sources = [k for k in ("ask", "from", "say") if k in table]
    if len(sources) != 1:
        raise _refused(
            where, f"field {field.id!r}", " and ".join(sources) or "none of ask, from and say", "exactly one of them"
        )
    if field.path is not None and (not _PATH.fullmatch(field.path) or field.path.split(".")[0] not in ROOTS):
        raise at.wrong("from", f"a path such as evidence.data.rows, beginning with one of {', '.join(ROOTS)}")
    if field.path is not None and (lost := wrong_step(field.path)) is not None:
        step, known = lost
        raise at.wrong("from", f"a path that leads somewhere: there is no {step!r} there; {nearest(step, known)}")
    if field.say is not None and field.say not in say.SENTENCES:
        raise at.wrong("say", f"one of {', '.join(say.SENTENCES)}; {nearest(field.say, say.SENTENCES)}")
    if field.proof is not None and (field.ask is None or field.proof not in say.SENTENCES):
        raise at.wrong("proof", f"in a field with `ask`, one of {', '.join(say.SENTENCES)}")
    if field.ask is None and "kind" in table and field.kind == "column":
        raise at.wrong("kind", "text or date: only a person says which column is meant")
    if field.stale_days is not None and field.kind != "date":
        raise at.wrong("stale_days", 'a field with kind = "date"')
    return field


def _table(table: Mapping[str, Any], where: str, number: int, fields: tuple[Field, ...]) -> FormTableSpec:
    at = Reader(table, f"the preset {where!r}, table {number}", CaseError)
    at.allow("make", "title", "by", "leave_out", "because", "limit", "note")
    make = at.choice("make", tables.MAKERS)
    by = at.texts("by") or ()
    columns = [f.id for f in fields if f.kind == "column"]
    if unknown := [b for b in by if b not in columns]:
        raise at.wrong("by", f'ids of fields with kind = "column" ({", ".join(columns) or "none here"}), not {unknown}')
    because = at.text("because")
    if because is not None and because not in [f.id for f in fields if f.ask is not None]:
        raise at.wrong("because", "the id of a field with `ask`, whose answer is the reason")
    share = at.number("leave_out", low=0.0, high=1.0)
    if (share is None) != (because is None):
        raise at.missing("because" if because is None else "leave_out")
    limit = at.number("limit", low=0.0, high=1.0, required=make == "rule_of_thumb")
    return FormTableSpec(make, _text(at, "title"), by, share, because, limit, _maybe(at, "note") or "")


def _letter(table: Mapping[str, Any], where: str, fields: tuple[Field, ...]) -> Letter:
    at = Reader(table, f"the preset {where!r}, letter", CaseError)
    at.allow("title", "before", "after", "most")
    before, after = (at.texts(k, required=True) or () for k in ("before", "after"))
    known = [f.id for f in fields]
    for text in (*before, *after):
        for name in re.findall(r"\{([^}]*)\}", text):
            if name not in known:
                raise _refused(where, "letter", f"{{{name}}}", f"one of the fields {', '.join(known)}")
    return Letter(_text(at, "title"), before, after, _whole(at, "most") or 4)
