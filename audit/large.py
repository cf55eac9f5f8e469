"""Evidence beside the cube of a table whose rows stay where they are: missing values counted, repeated rows by a
sketch, and what needs rows from a sample, each said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audit.by_person import by_person
from audit.case import Case
from audit.classes.code import classes_of
from audit.code import code_rows
from audit.decide import decide
from audit.documents import record_in
from audit.documents.rows import Drawn
from audit.errors import AssayError
from audit.gaps import Settings
from audit.load import Rows
from audit.quality import groups_of
from audit.quality.leaks import leaks_of
from audit.quality.missing import missing_of
from audit.quality.proxies import proxies
from audit.scale.beside import Beside, Kinds
from audit.scale.typed import Counted

WIDE = 1.96
"""Standard errors of a 95 % interval."""


def examined(
    case: Case, looked: Beside, found: Counted, engine: str, settings: Settings, allow: Sequence[str] = ()
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Keys of evidence.json, and notes."""
    quality: dict[str, Any] = {}
    notes = [f"The rows were counted by {engine}, and stayed there."]
    label = case.data.label
    if looked.counts is not None:
        counts = looked.counts
        names = [c for c in (*found.features, label, *case.data.sensitive) if c in counts.missing]
        columns = tuple(dict.fromkeys(names))
        groups = groups_of(case, counts.frame)
        quality["missing"] = missing_of(
            {c: counts.missing[c] for c in columns}, {c: counts.written[c] for c in columns}, counts.rows, groups,
            settings,
        )  # fmt: skip
    else:
        notes.append("Missing values and repeated rows were not counted: sensitive values have too many combinations.")
    if looked.kinds is not None and looked.counts is not None:
        quality["duplicates"] = _repeated(case, looked, looked.kinds)
    more, said = _of_sample(case, looked, found, settings, allow)
    quality |= more.pop("quality", {})
    return ({"quality": quality} if quality else {}) | more, (*notes, *said)


def _repeated(case: Case, looked: Beside, kinds: Kinds) -> dict[str, Any]:
    """The entry `duplicates`. within: half the width of a 95 % interval, in rows."""
    assert looked.counts is not None
    counts = looked.counts
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
        "columns": list(looked.columns),
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
    case: Case, looked: Beside, found: Counted, settings: Settings, allow: Sequence[str]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What needs rows, of those drawn."""
    if looked.sample is None or not len(looked.sample):
        why = looked.how if looked.sample is None else "none was drawn"
        return {}, (f"Proxies, slices and neighbours were not looked at: {why}.",)
    frame = looked.sample
    features = tuple(f for f in found.features if f in frame.columns)
    every = np.ones(len(frame), dtype=bool)
    plain = replace(case, data=replace(case.data, split=None, weight=None, cluster=None, id=None, time=None))
    try:
        groups = groups_of(case, frame)
        decisions, _ = decide(plain, frame, features, allow=allow, classes=classes_of(plain, frame))
        coded = code_rows(plain, frame, decisions)
        rows = Rows(frame, found.sha256, every, None, features, found.columns)
        entries = by_person(frame, features, groups, coded, settings, None)
        near = proxies(frame, features, groups, settings)
        leaks = tuple(leak.sentence for leak in leaks_of(plain, rows.frame, features))
    except AssayError as error:
        return {}, (f"Proxies, slices and neighbours were not looked at in the {len(frame):,} rows drawn: {error}",)
    if len(frame) == found.people:
        return {"quality": {"proxies": near}, **entries}, leaks
    drawn = {
        "rows": len(frame),
        "of_rows": found.people,
        "within": WIDE / 2 * math.sqrt((1 - len(frame) / found.people) / len(frame)),
        "how": looked.how,
        "seed": settings.seed,
    }
    beside = entries["individual"]["neighbours"]
    for entry, of in ((near, "of_rows"), (entries["slices"], "of_rows"), (beside, "of_people")):
        entry |= {"drawn": drawn} | ({of: found.people} if of in entry else {})
    said = f"Proxies, slices and neighbours: {record_in(Drawn, drawn, 'evidence.json').sentence}"
    return {"quality": {"proxies": near}, **entries}, (said, *leaks)
