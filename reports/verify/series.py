"""series.json: the trail's seals followed again, and what is printed of it held against the entries."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from audit.documents import FormError, record_in
from audit.documents.series import Link, LoopEvent, Series
from audit.documents.watch import EntryBody
from audit.numbers import are, many
from reports.verify.counts import check_counts, not_as_last
from reports.verify.figures import check_figures, load
from reports.verify.result import Broken, digest, shown

FIRST = "0" * 64
KEPT = 2000
"""So many events are in watch.json at most."""
_STOOD = ("before", "after", "running")
AFRESH = {"policy", "promoted", "rolled_back", "settled"}


def check_series(files: Mapping[str, bytes]) -> str:
    """The trail from its first entry to the last; events, decisions and norms against it. Raises Broken."""
    plain = load(files, "series.json")
    try:
        series = record_in(Series, plain, "series.json")
        return f"{_check(series)}; {check_counts(series)}"
    except (FormError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise Broken("the loop's history cannot be read", got=type(error).__name__) from error


def check_comparison(files: Mapping[str, bytes]) -> str:
    """The earlier evidence against the earlier cube; what is printed of the change follows from both. Raises Broken."""
    from reports.compare import EARLIER

    return check_figures({name: files[other] for name, other in EARLIER.items() if other in files})


def _check(series: Series) -> str:
    last = next((p for p in reversed(series.timeline) if p.norms), None)
    kinds = [e.kind for e in series.trail.links]
    # A change of model or policy after the last batch starts the counts, or the limits, afresh.
    since = kinds[-kinds[::-1].index("batch") :] if "batch" in kinds[:-1] and kinds[-1] != "batch" else []
    quiet = not AFRESH.intersection(since)
    if quiet and last is not None and series.timeline[-1] is last and last.running == series.running:
        known = {n.key: n for n in last.norms}
        for mine in series.norms:
            right = known.get(mine.key, mine)
            if mine != right:
                raise not_as_last(mine, right)
    entries, links = series.trail.entries, series.trail.links
    if not links:
        return "the norms stand as after the last batch; the trail was not beside the run and is not embedded"
    if [e.seq for e in links] != list(range(1, entries + 1)):
        raise Broken("entries of the trail are missing", got=len(links), expected=entries)
    _follow(links)
    by_seq = {e.seq: e for e in links}
    for event in (*series.events, *series.decisions):
        entry = by_seq.get(event.seq)
        if entry is None or (entry.kind, entry.time) != (event.kind, event.time):
            raise Broken("an event is not in the trail as it is told", got="an event of another kind or time, or none")
        if entry.body is not None:
            _check_event(event, record_in(EntryBody, json.loads(entry.body), "an entry of the trail"))
    numbers = {e.seq for e in series.events}
    expected = [e.seq for e in links if e.kind != "batch"][-KEPT:]
    silent = [seq for seq in expected if seq not in numbers]
    if silent:
        raise Broken("an event of the trail is left out", got=f"entry {silent[0]:,}")
    return (
        f"{many(entries, 'entry')} of the trail {are(entries, 'follows', 'follow')} from each other; "
        f"{many(len(numbers), 'event')} {are(len(numbers))} told as they stand there"
    )


def _follow(links: Sequence[Link]) -> None:
    before, seal = FIRST, FIRST
    for entry in links:
        if entry.body is not None:
            again = hashlib.sha256(before.encode() + b"\n" + entry.body.encode()).hexdigest()
            if again != entry.hash:
                raise Broken(f"entry {entry.seq} of the trail was changed", got=again, expected=digest(entry.hash))
        again = hashlib.sha256(f"{seal}\n{entry.hash}\n{entry.time}".encode()).hexdigest()
        if again != entry.seal:
            raise Broken(f"the trail breaks at entry {entry.seq}", got=again, expected=digest(entry.seal))
        before, seal = entry.hash, again


def _check_event(event: LoopEvent, body: EntryBody) -> None:
    from reports.series import DECIDED, plain_words

    pairs: list[tuple[str, Any, Any]] = [(k, getattr(event, k), getattr(body, k)) for k in _STOOD]
    pairs.append(("words", event.words, plain_words(body.words)))
    stated = {k: getattr(event, k) for k in DECIDED}
    pairs += [(k, got, getattr(body.facts, k)) for k, got in stated.items() if got is not None]
    for name, got, expected in pairs:
        if got != expected:
            raise Broken(
                f"entry {body.seq} of the trail says otherwise, {name}",
                got=shown(got),
                expected=shown(expected),
            )
