"""`assay demo --watch`: the loop on people of Adult with shifts planted at known batches, and what it made of each.

The harmful replay is shown whole: where the loop asks for a person, the demonstration itself says yes, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audit import progress
from audit.files import canonical, read_json, write_whole
from audit.load import load_case, load_policy
from debias.loop.decisions import decide_challenger
from debias.loop.run import run_watch

PLANTED = 12
TIGHTER_FROM = 26
ASKED_BY = 42
ACTS = ("confirmed", "build", "shadow", "gate", "promoted", "rolled_back", "settled", "incident", "restored", "policy")


@dataclass(frozen=True, slots=True)
class Replay:
    """What is planted from batch 12 on, and what a loop should make of it."""

    name: str
    planted: str
    wanted: str


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
    found = []
    for replayed in replays:
        progress.stage(f"Replay {replayed.name}")
        found.append(_one(samples, out / replayed.name, replayed))
    document = {"schema": "assay/watch-demo/1", "planted_at": PLANTED, "replays": found}
    write_whole(out / "watch-demo.json", canonical(document))
    return document, _words(found)


def _one(samples: Path, out: Path, replayed: Replay) -> dict[str, Any]:
    tighter = replayed.name == "tighter"
    case = load_case(samples / f"{'quiet' if tighter else replayed.name}.toml")
    run_watch(case, out, max_batches={"tighter": TIGHTER_FROM, "harm": ASKED_BY}.get(replayed.name))
    if tighter:
        case = replace(case, policy=load_policy(samples / "tight.toml"))
        run_watch(case, out, max_batches=4)
    asked = read_json(out / "watch.json")["pending"]
    if asked is not None:
        reason = "Said by the demonstration, by nobody: every condition of the gate is met."
        decide_challenger(case, out, asked["model"], True, reason, "assay demo", None)
    if replayed.name == "harm":
        run_watch(case, out)
    document = read_json(out / "watch.json")
    events = [e for e in document["events"] if e["kind"] in ACTS]
    return {
        "replay": replayed.name,
        "planted": replayed.planted,
        "wanted": replayed.wanted,
        "batches": document["batches"],
        "people": document["rows"],
        "state": document["state"],
        "did": [{"batch": _batch(document, e), "kind": e["kind"], "words": e["words"]} for e in events],
        "suspicions": sum(e["kind"] == "suspect" for e in document["events"]),
        "challengers": sum(e["kind"] == "shadow" for e in document["events"]),
        "promoted": sum(e["kind"] == "promoted" for e in document["events"]),
    }


def _batch(document: dict[str, Any], event: dict[str, Any]) -> int | None:
    """The batch during which something happened: the first one written no earlier."""
    later = [b["number"] for b in document["timeline"] if b["time"] >= event["time"] and b["number"] is not None]
    return later[0] if later else None


def _words(found: Sequence[dict[str, Any]]) -> str:
    lines = [f"Shifts are planted at batch {PLANTED}; the loop is not told.", ""]
    for one in found:
        lines.append(f"{one['replay']}: {one['planted']}. Wanted: {one['wanted']}.")
        for e in one["did"]:
            where = "" if e["batch"] is None else f"batch {e['batch']}: "
            lines.append(f"  {where}{e['words']}")
        if not one["did"]:
            after = f", {one['suspicions']} times suspicious and nothing done" if one["suspicions"] else ""
            lines.append(f"  Nothing was done{after}; at the end it is {one['state']}.")
        lines.append("")
    quiet = [o for o in found if o["wanted"] == "nothing"]
    built = sum(o["challengers"] for o in quiet)
    lines.append(f"{len(quiet)} replays in which nothing should be done: {built} challengers built.")
    return "\n".join(lines)
