"""The detectors of the data: one table. Adding one is adding a row.

A detector looks at the rows before any model is believed. It makes an entry of `quality` in evidence.json, or sentences
that stand among the notes of an audit (on the screen, in the terminal and in the report), or both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from audit.case import Case
from audit.contract.leakage import split_leaks
from audit.gaps import Settings
from audit.load import Rows
from audit.publish_rows import thin_duplicates, thin_missing, thin_periods
from audit.quality import groups_of
from audit.quality.codes import Group
from audit.quality.duplicates import duplicates
from audit.quality.leaks import leaks_of
from audit.quality.missing import missing
from audit.quality.periods import periods
from audit.quality.proxies import proxies

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What a detector looks at. frame: the audited rows of `rows`; groups: of each sensitive column, in `frame`."""

    case: Case
    rows: Rows
    frame: pd.DataFrame
    groups: tuple[Group, ...]
    settings: Settings

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(f for f in self.rows.features if f in self.frame.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """name: the key under `quality`. asks: what is looked for, in words. source: of the measure.

    look: the entry. publish: the entry as it may leave the machine, given the least people that are shown; without it
    no entry leaves where it is asked for. sentences: for the notes; at_once: told while the audit runs, too.
    """

    name: str
    asks: str
    source: str
    look: Callable[[Looked], Any] | None = None
    publish: Callable[[Any, int], Any] | None = None
    sentences: Callable[[Looked], Sequence[str]] | None = None
    at_once: bool = False


def _missing(at: Looked) -> Entry:
    label = (at.case.data.label,) if at.case.data.label is not None else ()
    columns = tuple(dict.fromkeys((*at.features, *label, *at.case.data.sensitive)))
    return missing(at.frame, columns, at.groups, at.settings)


DETECTORS: dict[str, Detector] = {
    row.name: row
    for row in (
        Detector(
            name="missing",
            asks="Which values are missing, and of whom more often?",
            source="Wilson 1927; Newcombe 1998; Holm 1979",
            look=_missing,
            publish=thin_missing,
        ),
        Detector(
            name="duplicates",
            asks="Which rows repeat, were learned from, or have another outcome than their like?",
            source="counted",
            look=lambda at: duplicates(at.case, at.rows, at.features, at.groups),
            publish=thin_duplicates,
        ),
        Detector(
            name="periods",
            asks="Do outcomes change over time, within groups or by their mix?",
            source="Kitagawa 1955",
            look=lambda at: periods(at.case, at.frame, at.groups),
            publish=thin_periods,
        ),
        Detector(
            name="proxies",
            asks="Which features tell a sensitive attribute, alone and together?",
            source="Cramer 1946, corrected by Bergsma 2013; DeLong et al. 1988; Benjamini & Hochberg 1995",
            look=lambda at: proxies(at.frame, at.features, at.groups, at.settings),
            publish=lambda entry, floor: entry,
        ),
        Detector(
            name="leaks",
            asks="Does one feature alone give the outcome away?",
            source="cross-fitted AUC",
            sentences=lambda at: [leak.sentence for leak in leaks_of(at.case, at.frame, at.rows.features)],
            at_once=True,
        ),
        Detector(
            name="split",
            asks="Does the split let the future, or the same people, into what was learned?",
            source="Kapoor & Narayanan 2023",
            sentences=lambda at: split_leaks(at.case, at.rows),
        ),
    )
}


def look_at(case: Case, rows: Rows, settings: Settings) -> Looked:
    """What the detectors are given."""
    frame = rows.audited
    return Looked(case, rows, frame, groups_of(case, frame), settings)


def examine(at: Looked) -> Entry:
    """The `quality` entry of evidence.json."""
    return {row.name: row.look(at) for row in DETECTORS.values() if row.look is not None}


def thin(quality: Entry, floor: int) -> Entry:
    """The `quality` entry as it may leave the machine; the argument is left alone. What no row knows stays here."""
    entries = {n: (entry, row) for n, entry in quality.items() if (row := DETECTORS.get(n)) and row.publish is not None}
    return {n: row.publish(entry, floor) for n, (entry, row) in entries.items() if row.publish is not None}
