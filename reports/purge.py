"""`assay purge`: what was kept long enough goes, by rules that stand in one file; an entry of the log stays.

    ASSAY_HOME/retention.toml, whose keys are those of RULES (days without a change, a whole number):

    uploads_days = 7          # uploads of the app that were never made a case
    jobs_days = 30            # records of work that has ended, with what it printed
    answers_days = 30         # answers of models that were kept
    explanations_days = 30    # explanations of single persons
    data_days = 90            # tables and models of a case; what was measured on them, and the report, stay
    cases_days = 730          # the whole case; its signed report moves to ASSAY_HOME/reports

A rule that is not there removes nothing. The logs of reports and of acts are never removed from, nor are signed
reports. A case on hold (`hold`), and one that is being worked on, is passed over and named. What goes is entered in the
log of acts before it goes: when, by whom, of which case, how much, by which rule; no names of files and no values.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import json
import os
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from audit import access
from audit.answers import old
from audit.errors import AssayError, CaseError, DataError, InputError, nearest
from audit.files import canonical, write_whole
from audit.numbers import brief, many
from audit.sealed import CLEAR, OPEN, SEALED, is_open, is_sealed, outer, save
from audit.sealed import hold as hold_open
from debias import jobs
from reports import forget
from reports.forget import Forgotten, Held
from reports.log.store import Log

RULES = {
    "uploads_days": "uploads that were never made a case",
    "jobs_days": "records of ended work",
    "answers_days": "kept answers of models",
    "explanations_days": "explanations of single persons",
    "data_days": "tables and models",
    "cases_days": "whole cases",
}
KINDS = {"answers_days": ("answer", "fit", "model"), "explanations_days": ("explanation",)}
"""What a rule removes from the store of answers."""
SETTINGS = "retention.toml"
PURGED = "purged.json"
PURGE = "purge"
DAY = 86_400.0
_ROWS = ("incoming", "poor", "models")
"""Folders of a run that hold people's rows, or models that were made of them."""


class PurgeEntry(msgspec.Struct, frozen=True, tag_field="type", tag=PURGE):
    """The line of the log of acts: when, by whom, of which case, how much, by which rule."""

    logged: str
    person: str
    name: str
    roles: tuple[str, ...]
    act: str
    case: str
    allowed: bool
    files: int
    bytes: int
    rule: str


@dataclass(slots=True)
class Purged:
    """What went, or would go. entries: the lines of the log; done: the files; its kept: what stops a rule."""

    entries: list[PurgeEntry] = field(default_factory=list)
    done: Forgotten = field(default_factory=Forgotten)

    def lines(self) -> list[str]:
        """In words."""
        out = [
            f"{RULES[e.rule.split()[0]].capitalize()}{' of case ' + e.case[:8] if e.case else ''}: "
            f"{many(e.files, 'file')}, {many(e.bytes, 'byte')} ({e.rule})"
            for e in self.entries
        ]
        out += [f"Kept: {place}: {why}" for place, why in self.done.kept]
        return [*out, f"{many(len(self.done.deleted), 'file')}, {many(self.done.size, 'byte')}."]


def rules_of(home: Path, overrides: Mapping[str, float | None] | None = None) -> dict[str, float]:
    """The rules of ASSAY_HOME/retention.toml, and `overrides` in their place. Raises CaseError naming what is wrong."""
    path = home / SETTINGS
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except (OSError, ValueError) as error:
        raise CaseError(f"{SETTINGS} cannot be read", got=str(error), expected="TOML", todo="mend it") from error
    for name, value in settings.items():
        if name not in RULES:
            raise CaseError(f"{SETTINGS} has no rule {name!r}", got=name, expected=", ".join(RULES),
                            todo=nearest(name, RULES))  # fmt: skip
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise CaseError(f"{name} cannot be used", got=value, expected="whole days, 0 or more", todo="change it")
    rules = {k: float(v) for k, v in settings.items()} | {k: v for k, v in (overrides or {}).items() if v is not None}
    if not rules:
        raise InputError(
            "there is no rule for how long anything is kept", got=f"no {SETTINGS} in {home}",
            expected="data_days = 90 or the like in it, or --data 90 beside the command",
            todo="docs/people.md has the rules; nothing was deleted",
        )  # fmt: skip
    return rules


def purge(home: Path, rules: Mapping[str, float], *, dry: bool = False, now: float | None = None) -> Purged:
    """Remove what the rules meet. Raises AccessError for who may not delete every case, OutputError where the log or a
    file refuses; then what has not been entered is still there."""
    who = access.person()
    if who is None or not (who.local or access.may("delete", home / "cases" / "nobody's")):
        access.demand("delete", home / "cases" / "nobody's")
    assert who is not None
    name, when = who.name, time.time() if now is None else now
    if who.local:
        name = getpass.getuser()
    run = _Purge(home, rules, when, dry, (who.id, name, who.roles))
    run.uploads()
    for place in sorted((home / "cases").iterdir()) if (home / "cases").is_dir() else []:
        if forget._ID.fullmatch(place.name) and place.is_dir() and not place.is_symlink():
            run.case(place)
    run.jobs()
    run.answers()
    return run.found


class _Purge:
    """One run over the workspace."""

    def __init__(
        self, home: Path, rules: Mapping[str, float], now: float, dry: bool, who: tuple[str, str, Sequence[str]]
    ) -> None:
        self.home, self.rules, self.now, self.dry, self.who = home, rules, now, dry, who
        self.found, self.log = Purged(), Log(home / "acts")

    def due(self, rule: str, paths: Sequence[Path]) -> bool:
        """Whether the rule is there and nothing of these has changed for so long."""
        days, known = self.rules.get(rule), [p.lstat().st_mtime for p in paths]
        return days is not None and bool(known) and max(known) <= self.now - days * DAY

    def go(self, rule: str, case: Path | None, would: Forgotten, do: Any) -> None:
        """Enter what would go, and then let it go. do(): deletes it and says what was deleted."""
        self.found.done += Forgotten((), would.kept)
        if not would.deleted:
            return
        entry = PurgeEntry(
            logged=self.at(), person=self.who[0], name=self.who[1], roles=tuple(self.who[2]), act=PURGE,
            case="" if case is None else case.name, allowed=True, files=len(would.deleted), bytes=would.size,
            rule=f"{rule} = {brief(self.rules[rule])}",
        )  # fmt: skip
        self.found.entries.append(entry)
        if not self.dry:
            self.log.append(lambda _: [msgspec.to_builtins(entry)])
            would = do()
        self.found.done += Forgotten(would.deleted, (), would.size)

    def at(self) -> str:
        return dt.datetime.fromtimestamp(self.now, dt.UTC).isoformat(timespec="seconds")

    def uploads(self) -> None:
        if (days := self.rules.get("uploads_days")) is not None:

            def gone(dry: bool) -> Forgotten:
                return forget.abandoned(self.home / "cases", self.home / "jobs", days=days, now=self.now, dry=dry)

            self.go("uploads_days", None, gone(True), lambda: gone(False))

    def jobs(self) -> None:
        over = [j for j in jobs.find(self.home / "jobs") if jobs.state(self.home / "jobs", j.id).over]
        places = [jobs.folder(self.home / "jobs", j.id) for j in over]
        due = [p for p in places if self.due("jobs_days", [p, *p.iterdir()])]

        def gone(dry: bool) -> Forgotten:
            return sum((forget._tree(p, dry) for p in due), Forgotten())

        self.go("jobs_days", None, gone(True), lambda: gone(False))

    def answers(self) -> None:
        """Of the store that the cases share: what nobody has used for so long."""
        place = self.home / "answers"
        for rule, kinds in KINDS.items():
            if (days := self.rules.get(rule)) is not None:

                def gone(dry: bool, kinds: Any = kinds, days: float = days) -> Forgotten:
                    return forget.kept_answers(place, *old(place, kinds, self.now - days * DAY, dry=dry))

                self.go(rule, None, gone(True), lambda gone=gone: gone(False))

    def case(self, place: Path) -> None:
        """One case; a sealed one is opened for it where anything in it may be due."""
        if not is_sealed(place) or self.due("cases_days", [place / SEALED]):
            self.inner(place)
            return
        inner = ("answers_days", "explanations_days", "data_days")
        if not any(self.due(rule, [place / SEALED]) for rule in inner):
            return
        try:
            opened = hold_open(place)
        except AssayError as error:
            self.found.done += Forgotten((), ((f"case {place.name[:8]}", error.problem),))
            return
        with opened or contextlib.nullcontext():
            self.inner(place)
            if not self.dry:
                save(place)

    def inner(self, place: Path) -> None:
        root = (place / OPEN).resolve() if is_open(place) else place
        every = [p for p in root.rglob("*") if p.is_file() and p.name not in CLEAR - {SEALED}]
        parts = {
            "cases_days": every,
            "answers_days": [p for p in every if _is_answers(forget.whole(p).name)],
            "explanations_days": [
                p for p in every if forget.whole(p) == root / "run" / "explain.json" or ".store" in p.parts
            ],
            "data_days": [p for p in every if _is_data(p, root)],
        }
        # The data is used as long as anything is done with the case; answers and explanations have ages of their own.
        age = {k: every if k in ("cases_days", "data_days") else v for k, v in parts.items()}
        due = [k for k in parts if parts[k] and self.due(k, age[k])]
        if not due:
            return
        if why := self.stops(place):
            self.found.done += Forgotten((), ((f"case {place.name[:8]}", why),))
            return
        if due[0] == "cases_days":

            def whole(dry: bool) -> Forgotten:
                return forget.forget_folder(place, self.home / "jobs", reports_to=self.home / "reports", dry=dry)

            self.go("cases_days", place, whole(True), lambda: whole(False))
            return
        for rule in due:
            self.part(rule, place, root, parts[rule])

    def part(self, rule: str, place: Path, root: Path, files: Sequence[Path]) -> None:
        """Some files of a case; a note stays in their place, so that who misses them is told."""

        def gone(dry: bool) -> Forgotten:
            if not dry:
                why = {"by": self.who[1], "time": self.at(), "rule": f"{rule} = {brief(self.rules[rule])}"}
                noted = [{"file": p.name, **why} for p in files]
                write_whole(root / PURGED, canonical([*purged_of(root), *noted]), mode=0o600)
            return sum((forget._file(p, dry) for p in files), Forgotten())

        self.go(rule, place, gone(True), lambda: gone(False))

    def stops(self, place: Path) -> str:
        """Why nothing of this case goes now; "" where nothing stops it."""
        if held := forget.held(place):
            return f"on hold since {held.time[:10]} by {held.by}: {held.reason}"
        wanted = str(outer(place))
        for job in jobs.find(self.home / "jobs"):
            named = any(str(outer(Path(a))).startswith(wanted) for a in job.args if os.sep in a)
            if named and not jobs.state(self.home / "jobs", job.id).over:
                return "work on it is not finished"
        return ""


def _is_answers(name: str) -> bool:
    return name.startswith("answers") and name.endswith(".jsonl")


def _is_data(path: Path, place: Path) -> bool:
    """Whether this file of a case holds people's rows or a model: the one that was brought, or one made of it (a model
    of nearest neighbours is the rows that it learned from)."""
    if path.parent == place:
        return forget.is_upload(path) or (path.suffix not in (".toml", ".json", "") and path.name[0] != ".")
    inner = path.relative_to(place).parts
    if inner[0] != "run":
        return False
    return inner[1] in _ROWS if len(inner) > 2 else forget.is_upload(path)


def purged_of(place: Path) -> Iterator[dict[str, Any]]:
    """What went from this case before."""
    try:
        entries = json.loads((place / PURGED).read_bytes())
    except (OSError, ValueError):
        return
    yield from (e for e in entries if isinstance(e, dict)) if isinstance(entries, list) else ()


def hold(place: Path, reason: str, *, now: dt.datetime | None = None) -> Held:
    """Keep a case, whatever the rules say, until it is released. Raises InputError without a reason."""
    who = access.demand("delete", place)
    if not place.is_dir():
        raise InputError("there is no such case", got=place.name[:40], expected="the id of a case of the workspace")
    if not reason.strip():
        raise InputError("a hold needs a reason", got="none", expected="why the case has to be kept", todo="say why")
    when = (now or dt.datetime.now(dt.UTC)).isoformat(timespec="seconds")
    note = Held(getpass.getuser() if who.local else who.name, when, reason.strip())
    write_whole(place / forget.HOLD, canonical(asdict(note)), mode=0o600)
    return note


def release(place: Path) -> Held:
    """End a hold; what it said. Raises DataError where there is none."""
    access.demand("delete", place)
    if not (held := forget.held(place)):
        raise DataError("this case is not on hold", got=place.name[:8], todo="nothing has to be done")
    (place / forget.HOLD).unlink()
    return held
