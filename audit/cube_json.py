"""cube.json, schema `assay/cube/1`: the margins, sparse. Reading back what was written gives the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from audit.classes.table import ClassTable
from audit.clusters import Clusters
from audit.cube import ExtraCounts, Margin, Meaning
from audit.errors import DataError
from audit.numbers import brief
from audit.regression.moments import Moments
from audit.scores import PARTS, Floats, Scores, area_bounds

SCHEMA = "assay/cube/1"

_KINDS: dict[Any, str] = {ClassTable: "classes", Moments: "numbers"}
"""What may stand beside the two-valued counts of a margin, and under which name."""


def margins_to_json(margins: Sequence[Margin], floor: int) -> dict[str, Any]:
    """The document. `floor` is the size under which groups were withheld; 0 where nothing was."""
    meaning = margins[0].meaning
    out = {
        "schema": SCHEMA,
        "floor": floor,
        "positive": meaning.positive,
        "negative": meaning.negative,
        "favourable": meaning.favourable,
        "favourable_is_positive": meaning.favourable_is_positive,
        "labelled": meaning.labelled,
        "weighted": bool(margins[0].weighted),
        "axes": "cells are [group, label, decision, rows, sum of weights, sum of squared weights]; "
        "label 0 negative, 1 positive, 2 unknown; decision 0 negative, 1 positive",
        "margins": entries_of(margins, floor),
    }
    if not meaning.decides:
        out["decides"] = False
    if margins[0].clusters is not None:
        out["clusters"] = (
            "people: who has a row in each group; products are [cell, cell, sum over people of the product of their "
            "weights (rows) in the two]; a cell is group * 6 + label * 2 + decision"
        )
    return out


def entries_of(margins: Sequence[Margin], floor: int) -> list[dict[str, Any]]:
    """The entries `margins` alone."""
    return [_margin(m, floor) for m in margins]


def _margin(margin: Margin, floor: int) -> dict[str, Any]:
    where = np.argwhere(margin.n > 0)
    cells: list[list[float | int]] = []
    for g, label, decision in where.tolist():
        count = int(margin.n[g, label, decision])
        cell: list[float | int] = [g, label, decision, count]
        if margin.weighted:
            cell += [float(margin.w[g, label, decision]), float(margin.w2[g, label, decision])]
        cells.append(cell)
    out: dict[str, Any] = {
        "attribute": list(margin.attribute),
        "groups": [list(g) for g in margin.groups],
        "withheld": np.flatnonzero(margin.withheld).tolist(),
        "cells": cells,
    }
    if margin.scores is not None:
        out["scores"] = _scores(margin.scores, margin.weighted)
    if margin.beside is not None:
        out[_KINDS[type(margin.beside)]] = margin.beside.to_json(margin.weighted)
    if margin.clusters is not None:
        out["clusters"] = margin.clusters.to_json(whole=not floor)
    return out


def _scores(scores: Scores, weighted: bool) -> dict[str, Any]:
    where = np.argwhere(scores.n > 0)
    cells = []
    for g, label, s in where.tolist():
        cell: list[float | int] = [g, label, s, int(scores.n[g, label, s])]
        if weighted:
            cell += [float(scores.w[g, label, s]), float(scores.w2[g, label, s])]
        cells.append(cell)
    out: dict[str, Any] = {
        "exact": scores.exact,
        "at": scores.at.tolist(),
        "cells": cells,
        "total": scores.total.tolist(),
    }
    if not scores.exact:
        out["top"] = scores.top.tolist()
        if scores.parts is not None:
            out["parts"] = scores.parts.tolist()
        if scores.area is not None:
            out["area"] = [float(a) if np.isfinite(a) else None for a in scores.area]
    return out


def margins_from_json(document: dict[str, Any]) -> tuple[Margin, ...]:
    """The margins. Raises DataError on another schema or a damaged document."""
    if document.get("schema") != SCHEMA:
        raise DataError(
            "the cube cannot be read", got=f"schema {document.get('schema')!r}", expected=SCHEMA, todo="audit again"
        )
    try:
        meaning = Meaning(
            document["positive"], document["negative"], document["favourable"], bool(document["labelled"]),
            bool(document.get("decides", True)),
        )  # fmt: skip
        return tuple(_read_margin(m, meaning, bool(document["weighted"])) for m in document["margins"])
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            "the cube is damaged", got=f"{type(error).__name__}: {error}", expected=f"a complete {SCHEMA} document"
        ) from error


def _read_margin(entry: dict[str, Any], meaning: Meaning, weighted: bool) -> Margin:
    groups = tuple(tuple(str(v) for v in g) for g in entry["groups"])
    n = np.zeros((len(groups), 3, 2), dtype=np.int64)
    w = np.zeros(n.shape)
    w2 = np.zeros(n.shape)
    for cell in entry["cells"]:
        g, label, decision, count = cell[:4]
        if min(g, label, decision) < 0 or count < 0:
            raise ValueError(f"cell {cell}")
        n[g, label, decision] = count
        w[g, label, decision], w2[g, label, decision] = cell[4:6] if weighted else (count, count)
    withheld = np.zeros(len(groups), dtype=bool)
    withheld[entry["withheld"]] = True
    scores = _read_scores(entry["scores"], len(groups), weighted) if entry.get("scores") else None
    beside: ExtraCounts | None = None
    for kind, name in _KINDS.items():
        if entry.get(name):
            beside = kind.from_json(entry[name], len(groups), weighted)
    clusters = Clusters.from_json(entry["clusters"], len(groups)) if "clusters" in entry else None
    return Margin(tuple(entry["attribute"]), groups, n, w, w2, weighted, withheld, scores, meaning, beside, clusters)


def _read_scores(entry: dict[str, Any], groups: int, weighted: bool) -> Scores:
    at = np.asarray(entry["at"], dtype=np.float64)
    n = np.zeros((groups, 3, len(at)), dtype=np.int64)
    w = np.zeros(n.shape)
    w2 = np.zeros(n.shape)
    for cell in entry["cells"]:
        g, label, s, count = cell[:4]
        n[g, label, s] = count
        w[g, label, s], w2[g, label, s] = cell[4:6] if weighted else (count, count)
    total = np.asarray(entry["total"], dtype=np.float64).reshape(groups, 3)
    exact = bool(entry["exact"])
    top, parts, area = at, None, None
    if not exact:
        top = np.asarray(entry["top"], dtype=np.float64)
        if entry.get("parts") is not None:
            parts = np.asarray(entry["parts"], dtype=np.float64).reshape(groups, 3, PARTS)
        if entry.get("area") is not None:
            area = np.asarray(entry["area"], dtype=np.float64).reshape(groups)
    if top.shape != at.shape or not ((at[1:] > top[:-1]).all() and (top >= at).all()):
        raise ValueError("scores out of order")
    scores = Scores(at, top, exact, n, w, w2, total, parts, area)
    if area is not None:
        _check_areas(scores, area)
    return scores


def _check_areas(scores: Scores, area: Floats) -> None:
    """The exact areas lie where the counts allow. Raises ValueError."""
    for g in np.flatnonzero(~np.isnan(area)).tolist():
        low, high = area_bounds(scores, g)
        if np.isnan(low) and area[g] == 0:  # withheld, as it was written until 0.4
            area[g] = np.nan
            continue
        if not low - 1e-9 <= area[g] <= high + 1e-9:
            raise ValueError(f"an area of {brief(area[g])} where the counts allow {brief(low)} to {brief(high)}")
