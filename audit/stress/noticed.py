"""What would have caught a corruption: a line of the contract, and the watch of a feed, after how many batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.contract.check import check, words_of
from audit.contract.propose import propose
from audit.contract.read import to_table
from audit.contract.records import Contract
from audit.cube import CodedRows
from audit.stress.confirm import take
from audit.stress.corrupt import Corruption
from audit.stress.serving import Entry
from audit.watch.drift import EVERYONE, drifted, reference_of, spend
from audit.watch.quality import feed_problem

BATCH = 1000
MOST_BATCHES = 12


@dataclass(frozen=True, slots=True)
class Noticed:
    """contract: the line that fails under the corruption and not without it: {words, line, proposed}; None where none
    does. watch: {how, batches} or None where nothing was seen in `batches_tried` batches of `batch` rows."""

    contract: Mapping[str, Any] | None
    watch: Mapping[str, Any] | None
    batch: int
    batches_tried: int


class Watchers:
    """A contract proposed from `reference` (rows the model learned from, or the searching half), and a reference of the
    watch made of the same rows."""

    def __init__(
        self, case: Case, reference: pd.DataFrame, groups: CodedRows, features: Sequence[str], seed: int
    ) -> None:
        self.case, self.features, self.seed = case, list(features), seed
        self.proposal = propose(reference, self.features)
        self.known = reference_of(reference, self.features, groups)
        self.loop = case.policy.loop
        self._known: dict[object, Noticed] = {}

    def of(self, entry: Entry, frame: pd.DataFrame, coded: CodedRows, report: npt.NDArray[np.bool_]) -> Noticed:
        """frame, coded: all audited rows as they are; report (n,): the reporting half. Once a corruption."""
        key = (entry.tried.kind.name, entry.tried.column, entry.predicate)
        if key not in self._known:
            self._known[key] = self._look(entry, frame, coded, report)
        return self._known[key]

    def _look(self, entry: Entry, frame: pd.DataFrame, coded: CodedRows, report: npt.NDArray[np.bool_]) -> Noticed:
        hit, tried = entry.hit, entry.tried
        clean = frame[report].reset_index(drop=True)
        broken = _corrupted(frame, tried.column, tried.altered, tried.kind, hit)
        dirty = broken[report[broken.index]].reset_index(drop=True)
        line = self._line(self.case.contract, clean, dirty, False) if self.case.contract else None
        line = line or self._line(self.proposal, clean, dirty, True)
        size = min(BATCH, max(50, int(report.sum()) // 2))
        if tried.kind.turns:
            return Noticed(line, None, size, 0)
        return Noticed(line, self._watch(broken, coded, report, size), size, MOST_BATCHES)

    def _line(
        self, contract: Contract, clean: pd.DataFrame, dirty: pd.DataFrame, proposed: bool
    ) -> dict[str, Any] | None:
        """The first check that fails on corrupted rows and holds without."""
        before = check(clean, contract, compare=False)
        after = check(dirty, contract, compare=False)
        for good, bad in zip(before.outcomes, after.outcomes, strict=True):
            if good.passed and not bad.passed:
                return {"words": words_of(bad.check), "line": to_table(bad.check), "proposed": proposed}
        return None

    def _watch(
        self, broken: pd.DataFrame, coded: CodedRows, report: npt.NDArray[np.bool_], size: int
    ) -> dict[str, Any] | None:
        """Batches drawn from the corrupted reporting half, as the loop takes them; the first that is noticed."""
        rows = np.flatnonzero(report[broken.index])
        rng = np.random.default_rng(self.seed)
        for number in range(1, MOST_BATCHES + 1):
            at = rng.choice(rows, size=size)
            batch = broken.iloc[at].reset_index(drop=True)
            problem = feed_problem(self.known, batch, self.case.data.sensitive)
            if problem is not None and "copies" not in problem:  # drawn with replacement here
                return {"how": f"the check of the feed: {problem}", "batches": number}
            alpha = spend(self.loop.drift_alpha, number)
            mine = take(coded, np.asarray(broken.index.to_numpy()[at]))
            shifts = [d for d in drifted(self.known, batch, mine, alpha=alpha, people=self.loop.people) if d.shifted]
            if shifts:
                worst = min(shifts, key=lambda d: d.q)
                where = "everyone" if worst.group == EVERYONE else worst.group
                return {"how": f"drift of {worst.feature} among {where}", "batches": number}
        return None


def _corrupted(
    frame: pd.DataFrame,
    column: str | None,
    altered: pd.Series | None,
    kind: Corruption,
    hit: npt.NDArray[np.bool_],
) -> pd.DataFrame:
    """All rows with the corruption done to those that are hit; the index says which row of `frame` each is."""
    if column is not None:
        assert altered is not None
        out = frame.copy(deep=False)
        out[column] = frame[column].astype(altered.dtype).where(~hit, altered)
        return out
    return frame[~hit] if kind.copies < 0 else pd.concat([frame, *[frame[hit]] * kind.copies])
