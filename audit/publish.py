"""From the files of a run folder to the files that may leave the machine: small groups withheld, single persons out.

Where no group is small and nobody was explained, the files are the same bytes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from msgspec.structs import asdict

from audit.by_proxy import keep_published
from audit.cube import Cube, Margin, order_levels
from audit.cube_json import margins_from_json, margins_to_json
from audit.derived import FROM_ROWS, derived
from audit.documents import Documents, record_in
from audit.documents.base import Names, Record
from audit.documents.evidence import Evidence
from audit.documents.table import Published, published
from audit.evidence import measures_to_json, sha256
from audit.files import canonical
from audit.findings import judge
from audit.found import finding_sentences
from audit.funnel import figures
from audit.gaps import Settings
from audit.measure import measure
from audit.policy import Norm, Policy
from audit.quality.table import thin
from audit.suppress import FLOOR, ROUNDED, publish, publish_margins, small_values
from audit.values import Measures, to_json
from audit.wide import left_to_cube, told_of, with_left, written

LEFT_OUT = (
    "What was counted on all rows (missing values, duplicates, periods, subgroups found, people alike) is left out of "
    "the report, and the number of rows is an upper bound: each would give these people away by subtraction."
)
COUNTED_WITHOUT = (
    "What is counted on rows (missing values, duplicates, periods, subgroups found, people alike) is counted without "
    "these people, flips are left out, and the number of rows is an upper bound: each would give them away by "
    "subtraction."
)
OF_ALL_ROWS = ("measured rows are of", "measured rows have", " differ for ")
"""Of notes with exact numbers of all measured rows and people (audit/load/check.py)."""


def publish_files(files: Mapping[str, bytes], *, floor: int = FLOOR, people: bool = False) -> dict[str, bytes]:
    """The published files by name; `people` keeps explanations of single persons.

    Raises DataError on a damaged cube.
    """
    return dict(publish_documents(Documents.of(files), floor=floor, people=people))


def publish_documents(files: Documents, *, floor: int = FLOOR, people: bool = False) -> Documents:
    """The same; what keeps its bytes is not parsed again."""
    out: dict[str, bytes] = {}
    if "explain.json" in files and (explained := _explained(files.plain("explain.json"), people)) is not None:
        out |= {"explain.json": canonical(explained)}
    margins = margins_from_json(files.plain("cube.json"))
    evidence, record = files.plain("evidence.json"), files.evidence
    cube = joint(margins, record.data.sensitive)
    settings = Settings.from_json(asdict(record.settings))
    if _any_small(margins, floor):
        safe, notes = publish(cube, floor, settings.order) if cube else (publish_margins(margins, floor), ())
        return _without_small(files, out, copy.deepcopy(evidence), cube, safe, notes, settings, floor)
    if (quality := evidence.get("quality")) is not None and (thinned := thin(quality, floor)) != quality:
        out |= {"evidence.json": written(evidence | {"quality": thinned})}
    return files.plus(out)


def _explained(explained: dict[str, Any], people: bool) -> dict[str, Any] | None:
    """explain.json as published, or None where it stays as it is."""
    if not ((explained.get("people") and not people) or explained.get("published")):
        return None
    explained = explained | ({} if people else {"people": []}) | explained.get("published", {})
    return explained | {"published": {}} if "published" in explained else explained


def _without_small(
    files: Documents,
    out: dict[str, bytes],
    evidence: dict[str, Any],
    cube: Cube | None,
    safe: Sequence[Margin],
    notes: Sequence[str],
    settings: Settings,
    floor: int,
) -> Documents:
    """The files where a group is small. out: those made already; evidence: a copy of its own, changed here; cube: of
    everyone; safe: the tables as published, and the notes on them."""
    cube_bytes = canonical(margins_to_json(safe, floor), compact=True)
    record, parts = files.evidence, record_in(_Parts, evidence, "evidence.json")
    measured = int(safe[0].rows.sum())
    if settings.repeated is not None:
        # Their exact numbers would give those left out away by subtraction.
        tens = int(safe[0].people.sum()), settings.repeated[1] // FLOOR * FLOOR
        settings = replace(settings, repeated=tens)
        evidence |= {"settings": settings.to_json()}
    model = _rounded(parts.model, measured)
    table = {"sha256": sha256(cube_bytes), "file": "cube.json", "floor": floor}
    measures = measure(safe, settings)
    own = [n for n in parts.notes if not n.startswith("By ") and not any(w in n for w in OF_ALL_ROWS)]
    evidence |= {"notes": [*measures.notes, *own, *notes]}
    evidence = _measured_again(evidence, measures, record, model, table, safe, settings)
    all_notes = list(evidence.get("notes", ()))
    small = {m.attribute for m in safe if m.withheld.any()}
    most = _most_rows(cube, record.data.rows, safe, floor)
    spare = evidence.pop("published", {})
    hidden = _hidden(small, safe)
    _withhold_rows(evidence, spare, small, hidden, known=not most)
    _thin_the_rest(evidence, settings, floor)
    data = parts.data | {"audited_rows": measured}
    data |= {"people": int(safe[0].people.sum())} if "people" in data else {}
    if most:
        all_notes.append(COUNTED_WITHOUT if spare else LEFT_OUT)
        data |= {"rows": most, "rows_at_most": True}
        _blur(files, out, most, measured)
        files = _without_counts_of_all(files, all_notes)
    evidence |= {"model": _served_without(model, hidden), "data": data, "notes": all_notes}
    return files.plus(out | {"cube.json": cube_bytes, "evidence.json": written(evidence)})


class _Parts(Record, frozen=True):
    """Entries of evidence.json as they stand: what a record does not name leaves the machine with the rest."""

    model: dict[str, Any]
    data: dict[str, Any]
    notes: list[str]


def _rounded(model: dict[str, Any], rows: int) -> dict[str, Any]:
    """Counts of all rows, those left out among them: exact numbers would tell how many these are."""
    if not (compared := model.get("compared")):
        return model
    rounded = {k: min(_up(v), rows) if type(v) is int else v for k, v in compared.items()}
    return model | {"compared": rounded | {"rows": rows}}


def _served_without(model: dict[str, Any], hidden: set[tuple[str, ...]]) -> dict[str, Any]:
    """The model without how long people of hidden attributes waited."""
    if not (served := model.get("served")):
        return model
    latency = served.get("latency", {})
    by_group = _without_groups(latency.get("by_group", []), hidden)
    return model | {"served": served | {"latency": latency | {"by_group": by_group}}}


def _measured_again(
    evidence: dict[str, Any],
    measures: Measures,
    record: Evidence,
    model: Mapping[str, Any],
    table: dict[str, Any],
    safe: Sequence[Margin],
    settings: Settings,
) -> dict[str, Any]:
    """With everything that follows from the tables made of the published ones. table: the entry `cube`."""
    norms = [to_json(n) for n in judge(_policy(record), measures, record.data.sensitive)]
    left = left_to_cube(safe, measures.gaps, norms)
    entries = derived(safe, settings, evidence.get("population"), norms, left)
    evidence = evidence | {
        **measures_to_json(told_of(measures, left)),
        "family": measures.family,
        "cube": table,
        "norms": norms,
        "findings": finding_sentences(model, measures, entries),
        **entries,
    }
    return with_left(evidence, left, tuple(entries))


def _hidden(small: set[tuple[str, ...]], safe: Sequence[Margin]) -> set[tuple[str, ...]]:
    """Attributes of which nothing counted on rows may be told."""
    if any(len(a) == 1 for a in small):
        # These people are in no table of the cube, but still among the rows: of any group, one less the other is them.
        return {m.attribute for m in safe if m.attribute}
    return small


def _withhold_rows(
    evidence: dict[str, Any],
    spare: Mapping[str, Any],
    small: set[tuple[str, ...]],
    hidden: set[tuple[str, ...]],
    *,
    known: bool,
) -> None:
    """What was counted on rows: without records of hidden attributes. Where the number of rows is not known (people
    are in no table), what was counted without these people, `spare`, stands in, or nothing."""
    for key in FROM_ROWS:
        if key not in evidence:
            continue
        if known:
            evidence[key] = _without_groups(evidence[key], hidden)
            continue
        del evidence[key]
        if key in spare:
            evidence[key] = _without_groups(spare[key], {a for a in small if len(a) > 1})


def _thin_the_rest(evidence: dict[str, Any], settings: Settings, floor: int) -> None:
    if (quality := evidence.get("quality")) is not None:
        evidence |= {"quality": thin(quality, floor)}
    if (by_proxy := evidence.get("by_proxy")) is not None:
        evidence |= {"by_proxy": keep_published(by_proxy, floor)}
    if (funnel := evidence.get("funnel")) is not None:
        kept = record_in(_Funnel, funnel, "evidence.json")
        evidence |= {"funnel": funnel | {"figures": figures(kept.counts, kept.stages, settings)}}


class _Funnel(Record, frozen=True):
    counts: list[dict[str, Any]]
    stages: Names


def _without_counts_of_all(files: Documents, notes: list[str]) -> Documents:
    """Counts of corrupted rows and of variants are of all people: those in no table would follow by subtraction."""
    gone = [name for name in published(Published.WITHHELD) if name in files]
    for name in gone:
        files = files.without(name)
    if gone:
        notes.append(f"{' and '.join(gone)} left out: with the tables they would give people away.")
    return files


def _most_rows(cube: Cube | None, rows: int, safe: Sequence[Margin], floor: int) -> int | None:
    """The most rows that the data can have by what is published; None where nobody is in no table.

    Rows less people in tables would be how many share the one value that a note names.
    """
    values = small_values(cube, floor) if cube is not None else 0
    if cube is None or not values:
        return None
    gone = int(cube.n.sum()) - int(safe[0].rows.sum())
    step = values * floor
    return rows - gone + max(step, -(-gone // step) * step)


def _blur(files: Documents, out: dict[str, bytes], most: int, measured: int) -> None:
    """Numbers of rows in what was made beside the audit: none from which those left out follow."""
    for name in published(Published.BLURRED):
        if name not in files:
            continue
        document = json.loads(out.get(name, files[name]))
        data = document.get("data") or {}
        data |= {k: most for k in ("rows", "audited_rows") if k in data}
        if (gate := document.get("additivity")) and "rows" in gate:
            document |= {"additivity": gate | {"rows": min(gate.get("rows"), measured)}}
        if (splits := document.get("splits")) is not None:
            document |= {"splits": {k: _up(v) if type(v) is int else v for k, v in splits.items()}}
            document.setdefault("notes", []).append(ROUNDED)
        out[name] = canonical(document)


def _up(rows: int) -> int:
    return -(-rows // FLOOR) * FLOOR


def _without_groups(entry: Any, attributes: set[tuple[str, ...]]) -> Any:
    """What was counted on rows, without any record about an attribute in which a group is withheld.

    All of its records go, since the others and the total would give the withheld one away.
    """
    if isinstance(entry, dict):
        return {k: _without_groups(v, attributes) for k, v in entry.items()}
    if isinstance(entry, list):
        kept = [v for v in entry if not (isinstance(v, dict) and tuple(v.get("attribute") or ()) in attributes)]
        return [_without_groups(v, attributes) for v in kept]
    return entry


def _any_small(margins: tuple[Margin, ...], floor: int) -> bool:
    if any(m.clusters is not None and any(len(s) > 1 for s in m.clusters.sets) for m in margins):
        return True  # who is in which groups together stays here
    return any(bool(((m.people > 0) & (m.people < floor)).any()) for m in margins if m.attribute)


def _policy(record: Evidence) -> Policy:
    """The norms as they were judged; each already names its attribute."""
    norms = tuple(Norm(n.metric, n.kind, n.attribute, n.limit, n.limit) for n in record.norms)
    return Policy(record.policy.version, norms, record.policy.sha256)


def joint(margins: tuple[Margin, ...], attributes: tuple[str, ...]) -> Cube | None:
    """The cube from the margin of all attributes together, or None where there is none (too wide to audit)."""
    whole = next((m for m in margins if set(m.attribute) == set(attributes)), None)
    if whole is None:
        return None
    levels = tuple(order_levels({g[i] for g in whole.groups}) for i in range(len(whole.attribute)))
    place = np.array([[levels[i].index(v) for i, v in enumerate(g)] for g in whole.groups], dtype=np.int64)
    index = tuple(place.T)
    shape = tuple(len(v) for v in levels)

    def spread(a: np.ndarray) -> np.ndarray:
        out = np.zeros((*shape, *a.shape[1:]), dtype=a.dtype)
        out[index] = a
        return out

    s = whole.scores.mapped(spread) if whole.scores is not None else None
    more = whole.beside.mapped(spread) if whole.beside is not None else None
    clusters = whole.clusters
    if clusters is not None:
        clusters = clusters.moved(np.ravel_multi_index(index, shape), int(np.prod(shape)))
    areas = {m.attribute: area for m in margins if (area := _areas(m, whole.attribute, levels)) is not None}
    return Cube(
        whole.attribute, levels, spread(whole.n), spread(whole.w), spread(whole.w2), whole.weighted, s, whole.meaning,
        more, clusters, areas,
    )  # fmt: skip


def _areas(margin: Margin, attributes: tuple[str, ...], levels: tuple[tuple[str, ...], ...]) -> np.ndarray | None:
    """The exact areas of a margin over all combinations of levels, as Cube.areas has them."""
    if margin.scores is None or margin.scores.area is None:
        return None
    known = dict(zip(margin.groups, margin.scores.area.tolist(), strict=True))
    groups = product(*(levels[attributes.index(a)] for a in margin.attribute))
    return np.array([known.get(g, np.nan) for g in groups])
