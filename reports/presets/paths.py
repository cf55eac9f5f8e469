"""Where a path of a form leads: held against the records of the documents, so that a misspelt one is not lacking for
ever. What no record describes (a free table of names and values) may hold anything."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec.inspect as types

from audit.documents.evidence import Evidence
from audit.documents.explanations import Explanations
from audit.documents.mitigation import Mitigation
from audit.documents.search import Search
from reports.extra import Extra

ROOTS: Mapping[str, type] = {
    "evidence": Evidence, "explain": Explanations, "mitigation": Mitigation, "search": Search, "report": Extra,
}  # fmt: skip
"""Where a path may begin: an embedded file, or what the manifest says (`report`)."""


def wrong_step(path: str) -> tuple[str, tuple[str, ...]] | None:
    """The first step that leads nowhere, and what stands there instead; None where the path may be right."""
    root, *steps = path.split(".")
    at: list[types.Type] = [types.type_info(ROOTS[root])]
    for step in steps:
        at = [inner for t in at for inner in _choices(t)]
        reached = [inner for t in at for inner in _into(t, step)]
        if not reached:
            names = [f.encode_name for t in at if isinstance(t, types.StructType) for f in t.fields]
            return step, tuple(names) or (("a number, from 0 on",) if any(map(_is_list, at)) else ())
        at = reached
    return None


def _choices(t: types.Type) -> tuple[types.Type, ...]:
    if isinstance(t, types.UnionType):
        return t.types
    return (t.type,) if isinstance(t, types.Metadata) else (t,)


def _is_list(t: types.Type) -> bool:
    return isinstance(t, types.CollectionType | types.TupleType)


def _into(t: types.Type, step: str) -> list[types.Type]:
    if isinstance(t, types.AnyType):
        return [t]
    if isinstance(t, types.StructType):
        return [f.type for f in t.fields if f.encode_name == step]
    if isinstance(t, types.DictType):
        return [t.value_type]
    if isinstance(t, types.CollectionType):
        return [t.item_type] if step.isdigit() else []
    if isinstance(t, types.TupleType):
        return [t.item_types[int(step)]] if step.isdigit() and int(step) < len(t.item_types) else []
    return []
