"""Cubes as JSON: the counts of one batch or one window, whole and without scores, for the store of the loop."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from audit.cube import Cube, Meaning

Number = int | float
"""What is kept of a setting or a figure: a whole number stays one, so that it is written again as it was read."""


def cube_to_json(cube: Cube) -> dict[str, Any]:
    """Cells as [place, rows], and [place, rows, weights, squares] where weighted; place counts in C order."""
    flat = cube.n.ravel()
    at = np.flatnonzero(flat)
    cells: list[list[float | int]] = [[int(i), int(flat[i])] for i in at]
    if cube.weighted:
        w, w2 = cube.w.ravel(), cube.w2.ravel()
        cells = [[*c, float(w[i]), float(w2[i])] for c, i in zip(cells, at, strict=True)]
    m = cube.meaning
    return {
        "attributes": list(cube.attributes),
        "levels": [list(v) for v in cube.levels],
        "meaning": [m.positive, m.negative, m.favourable, m.labelled, m.decides],
        "weighted": cube.weighted,
        "cells": cells,
    }


class _Kept(msgspec.Struct):
    """A cube as it is kept."""

    attributes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    meaning: list[Any]
    weighted: bool
    cells: list[list[Number]]


def cube_from_json(data: dict[str, Any]) -> Cube:
    """The cube that `cube_to_json` wrote."""
    kept = msgspec.convert(data, _Kept)
    levels = kept.levels
    shape = (*(len(v) for v in levels), 3, 2)
    n = np.zeros(int(np.prod(shape)), dtype=np.int64)
    w, w2 = np.zeros(len(n)), np.zeros(len(n))
    for at, rows, *weights in kept.cells:
        n[int(at)] = rows
        w[int(at)], w2[int(at)] = weights if kept.weighted else (rows, rows)
    positive, negative, favourable, labelled, *decides = kept.meaning
    return Cube(
        kept.attributes,
        levels,
        n.reshape(shape),
        w.reshape(shape),
        w2.reshape(shape),
        kept.weighted,
        None,
        Meaning(positive, negative, favourable, labelled, *decides),
    )
