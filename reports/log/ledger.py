"""The ledger: what each report in the log has published, so that the next one does not give people away beside it.

    LOG/published/HASH.json.gz      the counts of one report, as they are embedded in it; mode 0600 in a folder 0700

HASH is the report's name in the log (the SHA-256 of its certified revision), and only what the log knows counts: a file
that a killed process left behind is passed over. Nothing is kept that the report does not publish itself.

Two reports are of one lineage where the case has the same name, the data are the same, at least half of the columns
are, or nearly all counts are: a renamed case with renamed columns still counts the same people.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from audit.cube import Margin
from audit.cube_json import margins_from_json
from audit.documents import Documents, FormError, record_in
from audit.documents.base import Names, Record
from audit.documents.evidence import Subject
from audit.documents.log import ReportEntry, logged_as
from audit.documents.series import CountsTable
from audit.errors import PublicationError
from audit.files import private_folder, write_whole
from audit.numbers import many
from audit.publish_beside import Apart, Facts, people_changed, sides_apart, tables_apart
from audit.suppress import FLOOR
from reports.about import about_of
from reports.compare import EARLIER
from reports.log.store import Entry
from reports.series_counts import margins_in

FOLDER = "published"
SCHEMA = "assay/published/1"
LEAST_SHARED = 0.5
NEARLY = 0.05
LEAST_PEOPLE = 50
_SIDES = ("quality", "slices", "individual")
_EXPLAINED = ("groups", "fidelity", "recourse")


class _DataCounted(Record, frozen=True):
    rows: int
    columns: Names
    label: str | None = None
    weight: str | None = None
    bins: dict[str, Any] | None = None
    sensitive_sha256: str | None = None
    rows_at_most: bool = False


class _Counted(Record, frozen=True):
    """Of evidence.json, whose counts are kept."""

    data: _DataCounted


class AboutPeople(Record, frozen=True):
    """What an audit is about (reports.about), and the sha256 of its sensitive columns."""

    model: str
    data: str
    people: str


class AuditCounts(Record, frozen=True):
    """What one audit publishes: what it is about, its tables, and the counts that stand beside them."""

    about: AboutPeople
    columns: Names
    label: str | None
    weight: str | None
    bins: dict[str, Any]
    cube: dict[str, Any]
    sides: dict[str, Any]

    @property
    def margins(self) -> tuple[Margin, ...]:
        return margins_from_json(self.cube)

    @property
    def facts(self) -> Facts:
        return Facts(f"{self.about.data} {self.about.people}", self.label, self.weight, self.bins)


class ArmCounts(Record, frozen=True):
    """Tables of a mitigation or a search, of its own rows. made: sha256 of the candidate."""

    made: str | None
    cubes: dict[str, dict[str, Any]]


class Published(Record, frozen=True):
    """What one report publishes in counts: schema assay/published/1."""

    schema: str
    case: str
    audits: tuple[AuditCounts, ...]
    arms: ArmCounts
    series: tuple[CountsTable, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """An earlier report beside which this one would give people away. lacking: its counts are not known here."""

    report: str
    number: str
    issued: str
    akin: str
    places: tuple[Apart, ...] = ()
    lacking: bool = False


class Ledger:
    """The counts of the reports of the log in `log`."""

    def __init__(self, log: Path) -> None:
        self.folder = Path(log) / FOLDER

    def keep(self, report: str, record: Published) -> None:
        """Keep what a report publishes. Raises OutputError."""
        if self.read(report) is None:
            private_folder(self.folder)
            body = json.dumps(msgspec.to_builtins(record), ensure_ascii=False, separators=(",", ":")).encode()
            write_whole(self._path(report), gzip.compress(body, mtime=0), mode=0o600)

    def read(self, report: str) -> Published | None:
        """What a report published; None where that is not known here, or cannot be read."""
        try:
            plain = json.loads(gzip.decompress(self._path(report).read_bytes()))
            published = record_in(Published, plain, self._path(report).name)
        except (OSError, EOFError, ValueError, FormError):
            return None
        return published if published.schema == SCHEMA else None

    def _path(self, report: str) -> Path:
        return self.folder / f"{report}.json.gz"

    def held_against(self, entries: Sequence[Entry], record: Published) -> tuple[int, tuple[Conflict, ...]]:
        """How many logged reports are on these people, and those beside which `record` would give some of them away."""
        out, akin_reports = [], 0
        for entry in logged_as(ReportEntry, entries):
            head = entry.report, entry.number, entry.issued[:10]
            earlier = self.read(head[0])
            if earlier is None:
                if (akin := _akin_by_name(record, entry)) is not None:
                    akin_reports += 1
                    out.append(Conflict(*head, akin, lacking=True))
            elif (akin := lineage(record, earlier)) is not None:
                akin_reports += 1
                if places := tuple(_places(record, earlier)):
                    out.append(Conflict(*head, akin, places))
        return akin_reports, tuple(out)


def record_of(files: Mapping[str, bytes], case: str) -> Published:
    """What these published files, by name, say in counts: a report's attachments, or what is about to be attached."""
    documents = Documents.of(files)
    audits = [_audit(documents, "evidence.json", "cube.json")]
    earlier = tuple(EARLIER.values())
    if set(earlier) <= documents.keys():
        audits.append(_audit(documents, *earlier))
    cubes, model_digest = {}, None
    if (mitigation := documents.mitigation) is not None:
        plain = documents.plain("mitigation.json")
        audits[0].sides.update({k: plain[k] for k in ("splits", "flips") if plain.get(k)})
        cubes, model_digest = {k: v for k, v in mitigation.cubes.items() if v is not None}, mitigation.model.sha256
    if "explain.json" in documents:
        plain = documents.plain("explain.json")
        audits[0].sides.update({f"explained, {k}": plain[k] for k in _EXPLAINED if plain.get(k)})
    if (search := documents.search) is not None:
        cubes |= {"rows of the search": {**search.counts, "margins": search.original.counts}}
    series = documents.series
    return Published(
        SCHEMA, case, tuple(audits), ArmCounts(model_digest, cubes), () if series is None else series.counts.tables
    )


def _audit(documents: Documents, evidence: str, cube: str) -> AuditCounts:
    plain = documents.plain(evidence)
    data = record_in(_Counted, plain, evidence).data
    sides = {k: plain[k] for k in _SIDES if plain.get(k)}
    if not data.rows_at_most:
        sides |= {"data": {"rows": data.rows}}
    about = about_of(record_in(Subject, plain, evidence))
    return AuditCounts(
        record_in(AboutPeople, about | {"people": str(data.sensitive_sha256)}, evidence),
        data.columns,
        data.label,
        data.weight,
        data.bins or {},
        documents.plain(cube),
        sides,
    )


def refuse(conflicts: Sequence[Conflict]) -> None:
    """Raise PublicationError for the first of the conflicts, with what they are; nothing where there are none."""
    if not conflicts:
        return
    first = conflicts[0]
    more = f"; and {many(len(conflicts) - 1, 'earlier report')} more" if len(conflicts) > 1 else ""
    if first.lacking:
        raise PublicationError(
            "what an earlier report has published is not known here, so nothing shows that the two give nobody away",
            got=f"report {first.number} of {first.issued} ({first.akin}), without counts in the ledger{more}",
            expected="the counts of each report in the log that is of the same case or data",
            todo="enter that report with `assay register LOG --add REPORT.pdf`, or say why this one may go out all the "
            'same: --allow-difference "REASON"; the reason is printed in the report',
        )
    places = ", ".join(map(str, first.places[:3]))
    rest = f", and {len(first.places) - 3} counts more" if len(first.places) > 3 else ""
    raise PublicationError(
        f"beside an earlier report this one would give people away: counts differ by fewer than {FLOOR} people",
        got=f"{places}{rest}, from report {first.number} of {first.issued} ({first.akin}){more}",
        expected=f"each published count equal to the earlier one, or apart by at least {FLOOR} people",
        todo="issue it when more people have changed, or say why it may go out all the same: "
        '--allow-difference "REASON"; the reason is printed in the report',
    )


def compared_closely(record: Published) -> PublicationError | None:
    """What to raise where the two audits of one report (--compare) are of all but the same people."""
    if len(record.audits) < 2:
        return None
    now, before = record.audits[:2]
    if now.facts.data == before.facts.data:
        return None
    changed = people_changed(now.margins, before.margins)
    if changed is None or not any(changed) or max(changed) >= FLOOR:
        return None
    return PublicationError(
        "the two audits in this report are of all but the same people, so their difference gives those few away",
        got=f"{changed[0]} came and {changed[1]} went, at the least",
        expected=f"the same data, or at least {FLOOR} people who changed",
        todo="compare with an audit that is further back, or say why it may go out all the same: "
        '--allow-difference "REASON"; the reason is printed in the report',
    )


def lineage(new: Published, old: Published) -> str | None:
    """Why two publications are of the same people, in words; None where they are not."""
    if _normalised(new.case) == _normalised(old.case):
        return "the same case"
    for a in new.audits:
        for b in old.audits:
            if a.about.data == b.about.data:
                return "the same data"
            mine, yours = ({_normalised(c) for c in x.columns} for x in (a, b))
            if len(mine & yours) >= LEAST_SHARED * len(mine | yours):
                return "the same columns"
            if _nearly(a, b):
                return "almost the same counts"
    return None


def _akin_by_name(record: Published, entry: ReportEntry) -> str | None:
    if _normalised(record.case) == _normalised(entry.case):
        return "the same case"
    data = (entry.about or {}).get("data")
    return "the same data" if data and any(a.about.data == data for a in record.audits) else None


def _normalised(text: str) -> str:
    return " ".join(str(text).casefold().split())


def _nearly(a: AuditCounts, b: AuditCounts) -> bool:
    """Whether everyone is counted almost alike, cell by cell, by outcome and decision."""
    n, m = (next((x.n for x in d.margins if not x.attribute), None) for d in (a, b))
    if n is None or m is None or n.sum() < LEAST_PEOPLE:
        return False
    d = np.abs(n - m)
    return bool(d.max() < FLOOR and d.sum() <= NEARLY * n.sum())


def _places(new: Published, old: Published) -> Iterator[Apart]:
    for a, b in ((a, b) for a in new.audits for b in old.audits):
        unchanged = set()
        for place in tables_apart(a.margins, b.margins, (a.facts, b.facts)):
            if isinstance(place, Apart):
                yield place
            else:
                unchanged.add(place)
        if a.facts.data != b.facts.data:
            yield from sides_apart(a.sides, b.sides, unchanged)
    yield from _arms(new, old)
    yield from _series(new.series, old.series)


def _arms(new: Published, old: Published) -> Iterator[Apart]:
    """The tables of a mitigation, of its test rows. Another candidate decides otherwise on the same people."""
    facts = new.audits[0].facts, old.audits[0].facts
    for name in new.arms.cubes.keys() & old.arms.cubes.keys():
        if name == "candidate" and new.arms.made != old.arms.made:
            continue
        mine, yours = (margins_from_json(x.arms.cubes[name]) for x in (new, old))
        for place in tables_apart(mine, yours, facts):
            if isinstance(place, Apart):
                yield Apart(f"{place.where} (mitigation, {name})", place.by)


def _series(new: Sequence[CountsTable], old: Sequence[CountsTable]) -> Iterator[Apart]:
    """Sums of a watched model: each against each, as within one report (reports.series_counts)."""
    for a in new:
        for b in old:
            if (a.running, a.first, a.attribute) != (b.running, b.first, b.attribute):
                continue
            mine, yours = _sums(a), _sums(b)
            for (at, stream, m), (before, other, n) in ((x, y) for x in mine for y in yours):
                for group in {**m, **n}:
                    by = abs(m.get(group, 0) - n.get(group, 0))
                    if 0 < by < FLOOR:
                        who = " and ".join(f"{c} = {v}" for c, v in zip(a.attribute, group, strict=True))
                        yield Apart(f"{who or 'everyone'}, {stream} up to batch {at} and {other} to {before},", by)


def _sums(table: CountsTable) -> list[tuple[int, str, dict[tuple[str, ...], int]]]:
    out = []
    for number, streams in margins_in(table).items():
        for stream, margin in streams.items():
            people = margin.n.sum(axis=(1, 2)).tolist()
            out.append((number, stream, dict(zip(margin.groups, people, strict=True))))
    return out
