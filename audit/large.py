"""Evidence beside the cube of a table whose rows stay where they are: missing values counted, repeated rows by a
sketch, and what needs rows from a sample, each said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from audit import progress
from audit.by_person import entries_of
from audit.case import Case
from audit.classes.code import classes_of
from audit.code import code_rows
from audit.decide import decide
from audit.documents import record_in
from audit.documents.rows import Drawn
from audit.errors import AssayError
from audit.gaps import Settings
from audit.load import check
from audit.quality import groups_of
from audit.quality.leaks import leaks_of
from audit.quality.missing import missing_of
from audit.quality.proxies import proxies
from audit.scale.beside import DataProfile, Kinds
from audit.scale.missing import Counts
from audit.scale.typed import Counted

if TYPE_CHECKING:
    from audit.scale.frames import Held
    from audit.scale.opened import Opened
    from audit.scale.source import Source

WIDE = 1.96
"""Standard errors of a 95 % interval."""


Elsewhere = tuple[Counted, Mapping[str, str] | None, dict[str, Any], tuple[str, ...]]
"""What was counted, what is known of its source, keys of evidence.json, and notes."""


def in_duckdb(case: Case, held: Held | None, allow: Sequence[str], settings: Settings, name: str) -> Elsewhere:
    """Files, counted where they lie. name: as notes call it."""
    from audit.scale.beside import HOW, of_duckdb, of_lines
    from audit.scale.count import count
    from audit.scale.lines import Early
    from audit.scale.opened import opened

    def begin(source: Source, folder: Path, pool: Executor, lines: Future[int | None]) -> Early:
        """The sample drawn and looked at while the text is read for the counts."""
        sample = pool.submit(lambda: of_lines(case, source, lines.result(), settings.seed, folder))

        def look() -> Any:
            frame = sample.result()
            if frame is None:
                return None
            features = tuple(f for f in check.features_of(case, source.columns) if f in source.columns)
            return _of_sample(case, frame, HOW, features, lines.result() or 0, settings, allow)

        return Early(lines, sample, pool.submit(copy_context().run, look))

    with opened(case, begin) as base:
        counted = count(case, base)
        progress.stage(f"Looking at the data inside {name}")
        looked = of_duckdb(case, counted, settings.seed, base)
        more, notes = examined(case, looked, counted, name, settings, allow)
        return counted, None, more | _contracted(case, settings, base), notes


def _contracted(case: Case, settings: Settings, base: Opened) -> dict[str, Any]:
    if case.contract is None:
        return {}
    from audit.contract.check import to_document
    from audit.contract.large import check_large

    progress.stage("Holding the contract against the file")
    return {"contract": to_document(check_large(case, settings, base))}


def in_spark(case: Case, held: Held | None, allow: Sequence[str], settings: Settings, name: str) -> Elsewhere:
    """A table that lies in Spark, or one that was handed over. name: as notes call it."""
    from audit.scale.spark import count_in_spark

    counted, source, looked = count_in_spark(case, held, allow, settings.seed)
    assert looked is not None
    more, notes = examined(case, looked, counted, name, settings, allow)
    return counted, source, more, notes


def examined(
    case: Case, looked: DataProfile, counted: Counted, engine: str, settings: Settings, allow: Sequence[str] = ()
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Keys of evidence.json, and notes."""
    notes = [f"The rows were counted by {engine}, and stayed there."]
    quality: dict[str, Any] = {}
    data = case.data
    progress.stage("Examining a sample of the rows")
    if looked.looked is not None:
        near, more, sample_notes = looked.looked.result()
    else:
        near, more, sample_notes = _of_sample(
            case, looked.sample, looked.how, counted.features, counted.people, settings, allow
        )
    counts, kinds = looked.counted.result()
    if counts is None or kinds is None:
        notes.append("Missing values and repeated rows were not counted: sensitive values have too many combinations.")
    else:
        names = [c for c in (*counted.features, data.label, *data.sensitive) if c in counts.missing]
        empty, words = ({c: by[c] for c in dict.fromkeys(names)} for by in (counts.missing, counts.written))
        gone = missing_of(empty, words, counts.rows, groups_of(case, counts.frame), settings)
        quality = {"missing": gone, "duplicates": _repeated(case, looked.columns, counts, kinds)}
    quality |= {} if near is None else {"proxies": near}
    return ({"quality": quality} if quality else {}) | more, (*notes, *sample_notes)


def _repeated(case: Case, columns: Sequence[str], counts: Counts, kinds: Kinds) -> dict[str, Any]:
    """The entry `duplicates`. within: half the width of a 95 % interval, in rows."""
    rows = int(counts.rows.sum())
    total, single = int(kinds.kinds.sum()), int(kinds.singles.sum())
    of_kinds = {g.attribute: g for g in groups_of(case, kinds.frame)}
    by_group = []
    for group in groups_of(case, counts.frame):
        other = of_kinds[group.attribute]
        size = np.bincount(group.codes, counts.rows, minlength=len(group.levels))
        seen = np.bincount(other.codes, kinds.kinds, minlength=len(other.levels))
        each = dict(zip(other.levels, seen.tolist(), strict=True))
        for name, n in zip(group.levels, size.tolist(), strict=True):
            by_group.append(
                {
                    "attribute": [group.attribute],
                    "group": [name],
                    "rows": int(n),
                    "repeated": _rest(int(n), int(each.get(name, 0)), kinds.part),
                    "within": _within(int(each.get(name, 0)), kinds.part),
                    "learned_from": None,
                    "contradicted": None,
                }
            )
    return {
        "measured": True,
        "columns": list(columns),
        "rows": rows,
        "repeated": _rest(rows, total, kinds.part),
        "alike": _rest(rows, single, kinds.part),
        "within": _within(total, kinds.part),
        "sketch": None if kinds.part == 1 else f"the kinds of rows whose hash falls into one part in {kinds.part}",
        "learned_from": None,
        "contradicted": None,
        "by_group": by_group,
    }


def _rest(rows: int, kinds: int, part: int) -> int:
    return min(rows, max(0, rows - part * kinds))


def _within(kinds: int, part: int) -> int:
    """Of `part` times a binomial number: each kind is looked at with a chance of one in `part`. Where none was seen, as
    many as would be missed with a chance of 5 %."""
    return math.ceil(WIDE * math.sqrt(part * (part - 1) * kinds)) if kinds else 3 * (part - 1)


def _of_sample(
    case: Case,
    frame: pd.DataFrame | None,
    how: str,
    features: Sequence[str],
    people: int,
    settings: Settings,
    allow: Sequence[str],
) -> tuple[dict[str, Any] | None, dict[str, Any], tuple[str, ...]]:
    """What needs rows, of those drawn: the entry `proxies` of `quality`, further keys of evidence.json, notes. people:
    that they were drawn of."""
    if frame is None or not len(frame):
        why = how if frame is None else "none was drawn"
        return None, {}, (f"Proxies, slices and neighbours were not looked at: {why}.",)
    features = tuple(f for f in features if f in frame.columns)
    plain = replace(case, data=replace(case.data, split=None, weight=None, cluster=None, id=None, time=None))
    try:
        groups = groups_of(case, frame)
        decisions, _ = decide(plain, frame, features, allow=allow, classes=classes_of(plain, frame))
        slices, beside = entries_of(frame, features, groups, code_rows(plain, frame, decisions), settings)
        near = proxies(frame, features, groups, settings)
        leaks = tuple(leak.sentence for leak in leaks_of(plain, frame, features))
    except AssayError as error:
        note = f"Proxies, slices and neighbours were not looked at in the rows drawn ({len(frame):,}): {error}"
        return None, {}, (note,)
    if len(frame) < people:
        drawn = {
            "rows": len(frame),
            "of_rows": people,
            "within": WIDE / 2 * math.sqrt((1 - len(frame) / people) / len(frame)),
            "how": how,
            "seed": settings.seed,
        }
        for entry, of in ((near, "of_rows"), (slices, "of_rows"), (beside, "of_people")):
            entry |= {"drawn": drawn} | ({of: people} if of in entry else {})
        leaks = (f"Proxies, slices and neighbours: {record_in(Drawn, drawn, 'evidence.json').sentence}", *leaks)
    return near, {"slices": slices, "individual": {"neighbours": beside, "model_flips": None}}, leaks
