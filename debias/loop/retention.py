"""Rows that OUT holds no longer than they are needed: `keep` under [watch], so many of the newest batches.

    OUT/incoming      batches as they came on standard input, from a store or a database
    OUT/quarantine    rows that were put aside

Counts, hashes of people and the trail stay: they hold no values. What still waits for its outcomes to be due
stays, and so do the first batches, with which later ones are compared where an alarm asks why. Outcomes that come
for a batch whose rows are gone are counted by nobody. Files of a folder that others fill are theirs to remove.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path

from audit.case import Case
from debias.loop.quarantine import ASIDE
from debias.loop.sources import INCOMING
from debias.loop.state import Batch, State
from debias.loop.trail import Entry


class Retention:
    """What OUT keeps of one loop's rows, and how new the newest are that were counted."""

    def __init__(self, case: Case, out: Path) -> None:
        self._case, self._out = case, out
        self._done, self._newest = 0, ""

    def entry(self, entry: Entry) -> None:
        """An entry of the trail, as a run that goes on reads it again."""
        if entry.kind == "batch":
            self._comes(str(entry.facts.get("last") or ""))

    def _comes(self, last: str) -> bool:
        if last and self._newest and older(last, self._newest):
            return True
        self._newest = last or self._newest
        return False

    def batch(self, batch: Batch) -> str | None:
        """What is to be said of a batch that is all older than what was counted before."""
        if batch.incident is not None or not self._comes(batch.last):
            return None
        words = f"{batch.id} holds rows from {batch.first} to {batch.last}, older than others counted before."
        return f"{words} They are counted now, as a batch of their own."

    def after(self, state: State, known: Sequence[tuple[int, str, str]], first: Collection[int]) -> None:
        """Remove rows that are older than the case keeps, and are not needed any more."""
        keep = self._case.watch.keep
        if keep is None:
            return
        matured = state.batch if self._case.data.label is None else state.matured
        building = None if state.trigger is None else state.fresh_from
        for number in removable(self._done, state.batch, matured, building, keep, first):
            remove(self._out, number, known[number][1])
            self._done = number + 1


def removable(
    done: int, taken: int, matured: int, building_from: int | None, keep: int, first: Collection[int]
) -> list[int]:
    """Numbers of the batches from `done` on whose rows are not needed any more. building_from: where a challenger is to
    be built, the first batch that it may learn from.
    """
    before = min(taken - keep, matured if building_from is None else min(matured, building_from))
    return [n for n in range(done, before) if n not in first]


def remove(out: Path, number: int, batch: str) -> int:
    """Remove the rows of one batch from OUT; how many files."""
    gone = 0
    incoming = out / INCOMING
    paths = [incoming / f"{number:05d}.jsonl", out / ASIDE / f"{number:05d}.csv", out / ASIDE / f"{number:05d}.json"]
    if Path(batch).name == batch:
        paths.append(incoming / batch)
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            gone += 1
    return gone


def older(last: str, newest: str) -> bool:
    """Whether a batch that ends at `last` is all older than what was counted before; times as text, or numbers."""
    try:
        return float(last) < float(newest)
    except ValueError:
        return last < newest
