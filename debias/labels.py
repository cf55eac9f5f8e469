"""Outcomes for people to look at again: those that look wrong, and a random sample of each group.

    document, words = look_again(case, Path("again.csv"), within=0.02, seed=0)

The first list is where mistakes are likely; it says nothing about how often (audit/contract/labels.py). The second,
when people have labelled it again without seeing what is recorded, gives the share of wrong outcomes of each group.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.case import Case
from audit.contract.labels import NOT_A_RATE, sample_size
from audit.errors import CaseError, InputError
from audit.files import write_once
from audit.load import load_rows
from audit.numbers import are, brief, many, percent
from audit.values import UNKNOWN, to_json
from debias.task import task_of
from debias.whatif.run import flags


@dataclass(frozen=True, slots=True)
class Drawn:
    """A random sample of one group: rows of it, and how many were drawn."""

    attribute: tuple[str, ...]
    group: tuple[str, ...]
    rows: int
    sample: int


EXPECTED = 0.05
"""The share of wrong outcomes that the size of a sample is planned for."""


def look_again(case: Case, out: Path, within: float = 0.02, seed: int = 0) -> tuple[dict[str, Any], str]:
    """Write a CSV of rows (their numbers in the data, ids where the case names them, and why), never over a file.

    within: half the width of the 95 % interval that each group's rate is to have.

    Raises CaseError, DataError, InputError.
    """
    if not 0.001 <= within <= 0.2:
        raise InputError(
            "an interval of this width cannot be planned",
            got=f"--within {brief(within)}",
            expected="half its width, from 0.001 to 0.2",
            todo="take 0.02 for 2 points on both sides",
        )
    task = task_of(case, load_rows(case, everything=True), seed)
    everyone = np.flatnonzero(task.label < 2)  # an outcome that is not known cannot look wrong
    rows, label = task.part(everyone).reset_index(drop=True), task.label[everyone]
    flagged, _ = flags(rows, rows, label, label, seed)
    if flagged is None:
        raise CaseError(
            "there are too few rows to say which outcomes look wrong",
            got=many(len(everyone), "row"),
            expected="50 rows, and 8 of each outcome",
            todo="bring more rows, or look at all of them",
        )
    wanted = sample_size(within, EXPECTED)
    lists = [("looks wrong", everyone[flagged])]
    plan: list[Drawn] = []
    rng = np.random.default_rng(seed)
    for i, attribute in enumerate(case.data.sensitive):
        for g, name in enumerate(task.levels[i]):
            mine = everyone[task.codes[everyone, i] == g]
            if name == UNKNOWN or not len(mine):
                continue
            drawn = np.sort(rng.permutation(mine)[:wanted])
            lists.append((f"random sample of {attribute} {name}", drawn))
            plan.append(Drawn((attribute,), (name,), len(mine), len(drawn)))
    frame = pd.concat([pd.DataFrame({"row": rows + 1, "list": name}) for name, rows in lists], ignore_index=True)
    if case.data.id is not None:
        frame.insert(1, case.data.id, task.frame[case.data.id].to_numpy()[frame.row - 1])
    write_once(out, frame.to_csv(index=False).encode())
    document = {
        "looks_wrong": int(flagged.sum()),
        "rows": len(everyone),
        "within": within,
        "samples": [to_json(p) for p in plan],
    }
    words = [
        f"{int(flagged.sum()):,} of {many(len(everyone), 'outcome')} {are(int(flagged.sum()), 'looks', 'look')} wrong. "
        f"{NOT_A_RATE}",
        f"For the share of wrong outcomes of a group within {percent(within, 1)} (at about {percent(EXPECTED, 0)}), "
        f"{wanted:,} of its rows {are(wanted)} drawn at random, or all where there are fewer:",
        *(f"- {p.attribute[0]} {p.group[0]}: {p.sample:,} of {many(p.rows, 'row')}" for p in plan),
        f"Written: {out}. Label the samples again without looking at what is recorded.",
    ]
    return document, "\n".join(words)
