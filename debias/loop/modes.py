"""The states of the loop and every way from one to another: a table, and nothing else changes the state.

    check(Mode.SHADOW, Mode.APPROVAL, "gate")       # raises LookupError for a way that is not in the table

docs/watch.md draws the table; a test holds the drawing to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """Where the loop stands. The values are what trails hold."""

    HEALTHY = "HEALTHY"
    SUSPECT = "SUSPECT"
    CONFIRMED = "CONFIRMED"
    BUILD = "BUILD"
    SHADOW = "SHADOW"
    APPROVAL = "APPROVAL"
    PROBATION = "PROBATION"
    DATA_INCIDENT = "DATA_INCIDENT"
    ROLLED_BACK = "ROLLED_BACK"
    FROZEN = "FROZEN"
    UNDECIDABLE = "UNDECIDABLE"


QUIET = (Mode.HEALTHY, Mode.SUSPECT, Mode.UNDECIDABLE, Mode.ROLLED_BACK)
"""States in which nothing is under way."""
EVERY = tuple(m for m in Mode if m is not Mode.DATA_INCIDENT)


STANDS: dict[str, str] = {
    Mode.UNDECIDABLE: "It cannot be told yet whether a norm is kept: too few people, or no outcomes. No good news.",
    Mode.HEALTHY: "The norms can be judged, and none is found broken.",
    Mode.SUSPECT: "The data have changed. That is a reason to look; nothing is retrained for it.",
    Mode.CONFIRMED: "A norm is broken or a group is harmed. A challenger is built once enough later people have "
    "outcomes.",
    Mode.BUILD: "A challenger is being built from people who came after the alarm.",
    Mode.SHADOW: "A challenger decides beside the running model, for the record only, until the gate can judge it.",
    Mode.APPROVAL: "A challenger meets every condition. A person must approve or reject it.",
    Mode.PROBATION: "A promoted model runs; its predecessor decides beside it and can come back.",
    Mode.ROLLED_BACK: "The promoted model was taken back; its predecessor runs again.",
    Mode.FROZEN: "The loop has stopped trying. A person must look before it goes on.",
    Mode.DATA_INCIDENT: "The last batch could not be used. Nothing is learned from broken data.",
}
"""What it means that the loop stands there."""
URGENT = (Mode.FROZEN, Mode.DATA_INCIDENT, Mode.CONFIRMED, Mode.UNDECIDABLE, Mode.SUSPECT)
"""States that a person looks at first, in this order."""


@dataclass(frozen=True, slots=True)
class Transition:
    """One way: from any of `sources` to `target`, told by an event of this kind. when: the condition, in words."""

    sources: tuple[Mode, ...]
    event: str
    target: Mode
    when: str


TRANSITIONS = (
    Transition((Mode.UNDECIDABLE, Mode.ROLLED_BACK, Mode.SUSPECT), "healthy", Mode.HEALTHY,
               "a norm can be judged and none is broken; after a suspicion, three batches without drift or change"),
    Transition((Mode.HEALTHY, Mode.UNDECIDABLE, Mode.ROLLED_BACK), "suspect", Mode.SUSPECT,
               "drift, a change of who comes or what is decided, or scores that foretell more errors"),
    Transition(QUIET, "undecidable", Mode.UNDECIDABLE, "no norm can be judged"),
    Transition(QUIET, "empty", Mode.UNDECIDABLE, "a batch of nobody"),
    Transition((*QUIET, Mode.PROBATION), "confirmed", Mode.CONFIRMED,
               "an e-process or detector says that a norm is broken, a group is harmed, or a new norm is broken"),
    Transition((Mode.CONFIRMED,), "build", Mode.BUILD, "enough people since the alarm have known outcomes"),
    Transition((Mode.BUILD,), "not_built", Mode.CONFIRMED, "the method gave no challenger"),
    Transition((Mode.BUILD,), "shadow", Mode.SHADOW, "a challenger was built"),
    Transition((Mode.SHADOW,), "gate", Mode.APPROVAL, "every condition holds on later people"),
    Transition((Mode.APPROVAL,), "reopened", Mode.SHADOW, "a condition that held is open again"),
    Transition((Mode.SHADOW, Mode.APPROVAL), "rejected", Mode.CONFIRMED,
               "a condition failed, the time is over, the challenger could not decide, or a person says no"),
    Transition((Mode.SHADOW, Mode.APPROVAL), "promoted", Mode.PROBATION,
               "a person approves (or the policy promotes by itself)"),
    Transition((Mode.PROBATION,), "settled", Mode.HEALTHY, "nothing was found broken while on probation"),
    Transition((Mode.PROBATION,), "rolled_back", Mode.ROLLED_BACK,
               "a norm broke, and the predecessor does not break the same"),
    Transition((Mode.PROBATION,), "frozen", Mode.FROZEN, "two promotions in a row were rolled back"),
    Transition((Mode.CONFIRMED,), "frozen", Mode.FROZEN, "every method, or every attempt, is used up"),
    Transition((Mode.FROZEN,), "unfrozen", Mode.CONFIRMED, "a person has looked and lets it go on"),
    Transition(EVERY, "incident", Mode.DATA_INCIDENT, "a batch cannot be used"),
    *(Transition((Mode.DATA_INCIDENT,), "restored", m, f"a batch can be used again, and it was {m} before")
      for m in EVERY),
)  # fmt: skip

_WAYS = {(source, t.event, t.target) for t in TRANSITIONS for source in t.sources}


def check(source: str, target: str, event: str) -> Mode:
    """`target` as a Mode, where the table has this way. Raises LookupError: the loop never goes another."""
    way = (Mode(source), event, Mode(target))
    if way not in _WAYS:
        raise LookupError(f"the loop has no way from {source} to {target} by {event!r}")
    return way[2]


def table() -> str:
    """The table in Markdown, as docs/watch.md shows it; the ways back from an incident are one line."""
    lines = ["| from | event | to | when |", "|---|---|---|---|"]
    for t in TRANSITIONS:
        if t.event == "restored":
            continue
        source = "any" if t.sources == EVERY else ", ".join(t.sources)
        lines.append(f"| {source} | `{t.event}` | {t.target} | {t.when} |")
    lines.append("| DATA_INCIDENT | `restored` | where it was before | a batch can be used again |")
    return "\n".join(lines)
