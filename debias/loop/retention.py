"""Rows that OUT holds no longer than they are needed: `keep` under [watch], so many of the newest batches.

    OUT/incoming      batches as they came on standard input, from a store or a database
    OUT/quarantine    rows that were put aside

Counts, hashes of people and the trail stay: they hold no values. What still waits for its outcomes to be due
stays, and so do the first batches, with which later ones are compared where an alarm asks why. Outcomes that come
for a batch whose rows are gone are counted by nobody. Files of a folder that others fill are theirs to remove.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from debias.loop.quarantine import ASIDE
from debias.loop.sources import INCOMING


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
    found = [incoming / f"{number:05d}.jsonl", out / ASIDE / f"{number:05d}.csv", out / ASIDE / f"{number:05d}.json"]
    if Path(batch).name == batch:
        found.append(incoming / batch)
    for path in found:
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
