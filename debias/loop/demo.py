"""`assay demo --watch`: the loop on people of Adult with shifts planted at known batches, and what it made of each.

The harmful replay is shown whole: where the loop asks for a person, the demonstration itself says yes, and says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from audit import progress
from audit.documents.series import LoopEvent
from audit.documents.watch import Watch
from audit.files import canonical, read_json, write_whole
from audit.load import load_case, load_policy
from audit.numbers import many
from debias.loop import events
from debias.loop.decisions import decide_challenger
from debias.loop.run import run_watch
from debias.loop.snapshot import FILE

PLANTED = 12
TIGHTER_FROM = 26
ASKED_BY = 42


@dataclass(frozen=True, slots=True)
class Replay:
    """What is planted from batch 12 on, and what a loop should make of it."""

    name: str
    planted: str
    wanted: str


class Did(msgspec.Struct, frozen=True):
    """What a loop did, and during which batch."""

    batch: int | None
    kind: str
    words: str


class Played(msgspec.Struct, frozen=True):
    """What a loop made of a replay."""

    replay: str
    planted: str
    wanted: str
    batches: int
    people: int
    state: str
    did: tuple[Did, ...]
    suspicions: int
    challengers: int
    promoted: int


REPLAYS = (
    Replay("quiet", "nothing", "nothing"),
    Replay("benign", "older people, more of them born abroad", "nothing"),
    Replay("mix", "half of them women, where a third was", "nothing"),
    Replay("feed", "hours a week in minutes, for three batches", "a data incident"),
    Replay("noise", "a quarter of the outcomes of Black people wrong", "see the harm, learn nothing wrong"),
    Replay("tighter", f"nothing; a stricter policy from batch {TIGHTER_FROM} on", "find the norm broken at once"),
    Replay("harm", "clerical work is well paid, which the model does not know", "ask a person for another model"),
)


def run_replays(samples: Path, out: Path, replays: Sequence[Replay] = REPLAYS) -> tuple[dict[str, Any], str]:
    """Each replay into a folder of its own under `out`; the document of --json and the same in words."""
    played = []
    for replayed in replays:
        progress.stage(f"Replay {replayed.name}")
        played.append(_one(samples, out / replayed.name, replayed))
    document = {"schema": "assay/watch-demo/1", "planted_at": PLANTED, "replays": msgspec.to_builtins(played)}
    write_whole(out / "watch-demo.json", canonical(document))
    return document, _words(played)


def _one(samples: Path, out: Path, replayed: Replay) -> Played:
    tighter = replayed.name == "tighter"
    case = load_case(samples / f"{'quiet' if tighter else replayed.name}.toml")
    run_watch(case, out, max_batches={"tighter": TIGHTER_FROM, "harm": ASKED_BY}.get(replayed.name))
    if tighter:
        case = replace(case, policy=load_policy(samples / "tight.toml"))
        run_watch(case, out, max_batches=4)
    asked = read(out).pending
    if asked is not None:
        reason = "Said by the demonstration, by nobody: every condition of the gate is met."
        decide_challenger(case, out, asked.model, True, reason, "assay demo", None)
    if replayed.name == "harm":
        run_watch(case, out)
    watch = read(out)
    kinds = Counter(e.kind for e in watch.events)
    did = tuple(Did(_batch(watch, e), e.kind, e.words) for e in watch.events if events.row(e.kind).played)
    about = (replayed.name, replayed.planted, replayed.wanted, watch.batches, watch.rows, watch.state)
    return Played(*about, did, kinds.get("suspect", 0), kinds.get("shadow", 0), kinds.get("promoted", 0))


def read(out: Path) -> Watch:
    """What a loop has written."""
    return msgspec.convert(read_json(out / FILE), Watch)


def _batch(document: Watch, event: LoopEvent) -> int | None:
    """The batch during which something happened: the first one written no earlier."""
    later = (b.number for b in document.timeline if b.time >= event.time and b.number is not None)
    return next(later, None)


def _words(played: Sequence[Played]) -> str:
    lines = [f"Shifts are planted at batch {PLANTED}; the loop is not told.", ""]
    for one in played:
        lines.append(f"{one.replay}: {one.planted}. Wanted: {one.wanted}.")
        for e in one.did:
            where = "" if e.batch is None else f"batch {e.batch}: "
            lines.append(f"  {where}{e.words}")
        if not one.did:
            after = f", {many(one.suspicions, 'time')} suspicious and nothing done" if one.suspicions else ""
            lines.append(f"  Nothing was done{after}; at the end it is {one.state}.")
        lines.append("")
    quiet = [o for o in played if o.wanted == "nothing"]
    built = sum(o.challengers for o in quiet)
    lines.append(f"{many(len(quiet), 'replay')} in which nothing should be done: {many(built, 'challenger')} built.")
    return "\n".join(lines)
