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

from audit.by_proxy import keep_published
from audit.cube import Cube, Margin, order_levels
from audit.cube_json import margins_from_json, margins_to_json
from audit.derived import FROM_ROWS, derived, further_findings
from audit.documents import Documents
from audit.evidence import measures_to_json, sha256
from audit.files import canonical
from audit.findings import findings, judge, model_findings
from audit.funnel import figures
from audit.gaps import Settings
from audit.measure import measure
from audit.policy import Norm, Policy
from audit.publish_rows import thin
from audit.suppress import FLOOR, publish, publish_margins, small_values
from audit.values import to_json
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
ROUNDED = f"Numbers of rows are rounded up to {FLOOR}s: people of rare values are left out of every table."


def publish_files(files: Mapping[str, bytes], *, floor: int = FLOOR, people: bool = False) -> dict[str, bytes]:
    """The published files by name; `people` keeps explanations of single persons.

    Raises DataError on a damaged cube.
    """
    return dict(publish_documents(Documents.of(files), floor=floor, people=people))


def publish_documents(files: Documents, *, floor: int = FLOOR, people: bool = False) -> Documents:
    """The same; what keeps its bytes is not parsed again."""
    out: dict[str, bytes] = {}
    if "explain.json" in files and (explained := _explained(files.plain("explain.json"), people)) is not None:
        out["explain.json"] = canonical(explained)
    margins = margins_from_json(files.plain("cube.json"))
    evidence = files.plain("evidence.json")
    cube = joint(margins, tuple(evidence["data"]["sensitive"]))
    settings = Settings.from_json(evidence["settings"])
    if _any_small(margins, floor):
        safe, notes = publish(cube, floor, settings.order) if cube else (publish_margins(margins, floor), ())
        return _without_small(files, out, copy.deepcopy(evidence), cube, safe, notes, settings, floor)
    if "quality" in evidence and (thinned := thin(evidence["quality"], floor)) != evidence["quality"]:
        out["evidence.json"] = written(evidence | {"quality": thinned})
    return files.plus(out)


def _explained(explained: dict[str, Any], people: bool) -> dict[str, Any] | None:
    """explain.json as published, or None where it stays as it is."""
    if not ((explained.get("people") and not people) or explained.get("published")):
        return None
    explained = explained | ({} if people else {"people": []}) | explained.get("published", {})
    if "published" in explained:
        explained["published"] = {}
    return explained


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
    settings = _keep_settings(evidence, settings, safe)
    _round_compared(evidence["model"], int(safe[0].rows.sum()))
    table = {"sha256": sha256(cube_bytes), "file": "cube.json", "floor": floor}
    evidence = _measure_again(evidence, table, safe, settings, notes)
    small = {m.attribute for m in safe if m.withheld.any()}
    most = _most_rows(cube, evidence, safe, floor)
    spare = evidence.pop("published", {})
    _withhold_rows(evidence, spare, small, _hidden(small, safe), known=not most)
    _thin_the_rest(evidence, settings, floor)
    evidence["data"]["audited_rows"] = int(safe[0].rows.sum())
    if "people" in evidence["data"]:
        evidence["data"]["people"] = int(safe[0].people.sum())
    if most:
        evidence["notes"].append(COUNTED_WITHOUT if spare else LEFT_OUT)
        evidence["data"] |= {"rows": most, "rows_at_most": True}
        _blur(files, out, most, evidence["data"]["audited_rows"])
        files = _without_counts_of_all(files, evidence["notes"])
    out["cube.json"], out["evidence.json"] = cube_bytes, written(evidence)
    return files.plus(out)


def _keep_settings(evidence: dict[str, Any], settings: Settings, safe: Sequence[Margin]) -> Settings:
    if settings.repeated is not None:
        # Their exact numbers would give those left out away by subtraction.
        tens = int(safe[0].people.sum()), settings.repeated[1] // FLOOR * FLOOR
        settings = replace(settings, repeated=tens)
        evidence["settings"] = settings.to_json()
    return settings


def _round_compared(model: dict[str, Any], rows: int) -> None:
    """Counts of all rows, those left out among them: exact numbers would tell how many these are."""
    if told := model.get("compared"):
        rounded = {k: min(_up(v), rows) if type(v) is int else v for k, v in told.items()}
        model["compared"] = rounded | {"rows": rows}


def _measure_again(
    evidence: dict[str, Any], table: dict[str, Any], safe: Sequence[Margin], settings: Settings, notes: Sequence[str]
) -> dict[str, Any]:
    """With everything that follows from the tables made of the published ones. table: the entry `cube`."""
    measures = measure(safe, settings)
    own = [n for n in evidence["notes"] if not n.startswith("By ") and not any(w in n for w in OF_ALL_ROWS)]
    norms = [to_json(n) for n in judge(_policy(evidence), measures, evidence["data"]["sensitive"])]
    left = left_to_cube(safe, measures.gaps, norms)
    made = derived(safe, settings, evidence.get("population"), norms, left)
    evidence = evidence | {
        **measures_to_json(told_of(measures, left)),
        "family": measures.family,
        "cube": table,
        "norms": norms,
        "findings": [*model_findings(evidence["model"]), *findings(measures), *further_findings(made)],
        **made,
        "notes": [*measures.notes, *own, *notes],
    }
    return with_left(evidence, left, made)


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
    if served := evidence["model"].get("served"):
        served["latency"]["by_group"] = _without_groups(served["latency"]["by_group"], hidden)
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
    if "quality" in evidence:
        evidence["quality"] = thin(evidence["quality"], floor)
    if "by_proxy" in evidence:
        evidence["by_proxy"] = keep_published(evidence["by_proxy"], floor)
    if "funnel" in evidence:
        kept = evidence["funnel"]
        kept["figures"] = figures(kept["counts"], kept["stages"], settings)


def _without_counts_of_all(files: Documents, notes: list[str]) -> Documents:
    """Counts of corrupted rows and of variants are of all people: those in no table would follow by subtraction."""
    gone = [name for name in ("stress.json", "whatif.json") if name in files]
    for name in gone:
        files = files.without(name)
    if gone:
        notes.append(f"{' and '.join(gone)} left out: with the tables they would give people away.")
    return files


def _most_rows(cube: Cube | None, evidence: Mapping[str, Any], safe: Sequence[Margin], floor: int) -> int | None:
    """The most rows that the data can have by what is published; None where nobody is in no table.

    Rows less people in tables would be how many share the one value that a note names.
    """
    values = small_values(cube, floor) if cube is not None else 0
    if cube is None or not values:
        return None
    rows, gone = int(evidence["data"]["rows"]), int(cube.n.sum()) - int(safe[0].rows.sum())
    step = values * floor
    return rows - gone + max(step, -(-gone // step) * step)


def _blur(files: Documents, out: dict[str, bytes], most: int, measured: int) -> None:
    """Numbers of rows in what was made beside the audit: none from which those left out follow."""
    for name in ("explain.json", "mitigation.json", "search.json"):
        if name not in files:
            continue
        document = json.loads(out.get(name, files[name]))
        data = document.get("data") or {}
        data |= {k: most for k in ("rows", "audited_rows") if k in data}
        if "additivity" in document and "rows" in (document["additivity"] or {}):
            document["additivity"]["rows"] = min(document["additivity"]["rows"], measured)
        if "splits" in document:
            document["splits"] = {k: _up(v) if type(v) is int else v for k, v in document["splits"].items()}
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


def _policy(evidence: Mapping[str, Any]) -> Policy:
    """The norms as they were judged; each already names its attribute."""
    norms = tuple(
        Norm(n["metric"], n["kind"], tuple(n["attribute"]), n["limit"], n["limit"]) for n in evidence["norms"]
    )
    return Policy(evidence["policy"]["version"], norms, evidence["policy"]["sha256"])


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
    areas = {m.attribute: found for m in margins if (found := _areas(m, whole.attribute, levels)) is not None}
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
