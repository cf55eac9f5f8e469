"""The kinds of event that the loop's trail holds: a row each, and nothing else lists them.

    words("shadow", {"method": "reweighing"})       # its sentence (sentences.py)

Whether a person is told at once and in which words, what an OpenLineage event says of it, what watch.json and a report
hold of it, and its mark on the chart follow. Two kinds are told of and stand in no trail: they have no sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.numbers import many
from debias.loop import sentences as say

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """One kind. sentence: takes the facts by name; None: no entry of a trail.

    told: a person is told at once. general: what leaves the machine in place of the trail's words, where those may
    quote a value, a file's name or a person. batch, model: how an OpenLineage event about a batch, or about a model,
    ends; every batch has one entry of those with `batch`. decides: about who decides with which model, so that a report
    embeds it whole. incident: the feed was at fault, or is well again. mark: its shape on the chart of a norm. played:
    told of in a replay.
    """

    kind: str
    sentence: Callable[..., str] | None
    told: bool = False
    general: str = ""
    batch: str = ""
    model: str = ""
    decides: bool = False
    incident: bool = False
    mark: str = ""
    played: bool = False


EVENTS: dict[str, Event] = {
    e.kind: e
    for e in (
        Event("batch", say.of_batch, batch="COMPLETE"),
        Event("duplicate", say.of_duplicate, batch="ABORT"),
        Event(
            "incident",
            lambda batch, incident, **_: f"Batch {batch} is not used: {incident}",
            told=True,
            general="A batch is not used because of what is wrong with it. The reason is in the trail.",
            batch="FAIL",
            incident=True,
            mark="x",
            played=True,
        ),
        Event(
            "empty",
            lambda batch, **_: (
                f"Batch {batch} is empty: nobody was decided, so nothing is known; this says nothing good."
            ),
            told=True,
            general="A batch is empty: nobody was decided, so nothing is known.",
            batch="COMPLETE",
        ),
        Event(
            "restored",
            say.of_restored,
            told=True,
            general="A batch can be used again; the data incident is over.",
            incident=True,
            played=True,
        ),
        Event(
            "outcomes",
            lambda batch, problem, **_: f"The outcomes of batch {batch} are not used: {problem}",
            incident=True,
        ),
        Event("rows_released", say.of_rows_released),
        Event("rows_dropped", say.of_rows_dropped),
        Event("reference", say.of_reference),
        Event(
            "composition",
            say.of_changed,
            told=True,
            general="Who comes has changed: a group's share, or a group that is gone or new. Which is in the trail.",
        ),
        Event("composition_back", say.of_back),
        Event(
            "decisions",
            say.of_changed,
            told=True,
            general="Decisions or scores have changed, for everyone or for a group. Which is in the trail.",
        ),
        Event("decisions_back", say.of_back),
        Event("known", say.of_known),
        Event("late", say.of_late),
        Event(
            "no_outcomes",
            say.of_no_outcomes,
            told=True,
            general="Batches come due without outcomes that can be used: whether anybody is wronged is not known.",
            incident=True,
        ),
        Event("suspect", say.of_suspect),
        Event("confirmed", say.of_confirmed, told=True, mark="triangle-up", played=True),
        Event("undecidable", lambda reasons, **_: f"Not decidable: {'; '.join(reasons)}."),
        Event("healthy", say.of_healthy),
        Event("frozen", say.of_frozen, told=True, decides=True, mark="octagon"),
        Event("build", say.of_build, played=True),
        Event(
            "not_built",
            lambda method, problem, **_: f"No challenger by {say.method_words(method)}: {problem}",
            told=True,
            general="A challenger could not be built. The reason is in the trail.",
            model="FAIL",
        ),
        Event(
            "shadow",
            lambda method, **_: (
                f"A challenger by {say.method_words(method)} decides beside the running model, on later people only."
            ),
            model="COMPLETE",
            mark="diamond",
            played=True,
        ),
        Event(
            "predecessor_failed",
            lambda failure, **_: f"The predecessor could not decide this batch and is not asked again: {failure}",
        ),
        Event(
            "rejected",
            say.of_rejected,
            told=True,
            general="The challenger was rejected. The reason is in the trail.",
            model="ABORT",
            decides=True,
        ),
        Event(
            "gate",
            say.of_gate,
            told=True,
            general="A challenger meets every condition of the gate. Groups that are undecided are named in the trail.",
            played=True,
        ),
        Event(
            "reopened",
            say.of_reopened,
            told=True,
            general="A challenger waits for a person no longer: a condition of the gate is open again.",
        ),
        Event(
            "unfrozen",
            lambda by, reason, **_: f"{by} has looked and lets the loop go on: {reason}",
            told=True,
            general="A person has looked and lets the loop go on. The reason is in the trail.",
            decides=True,
        ),
        Event(
            "promoted",
            say.of_promoted,
            told=True,
            general="The challenger was promoted. Who approved it and why is in the trail.",
            model="COMPLETE",
            decides=True,
            mark="star",
            played=True,
        ),
        Event(
            "settled",
            lambda batches, **_: (
                f"No norm was found broken in {many(batches, 'batch')} since the promotion: the promoted model stays."
            ),
            told=True,
            decides=True,
            played=True,
        ),
        Event("both_hurt", say.of_both_hurt, told=True),
        Event(
            "rolled_back",
            lambda why, **_: f"{why} The predecessor decides again.",
            told=True,
            model="COMPLETE",
            decides=True,
            mark="triangle-down",
            played=True,
        ),
        Event("policy", say.of_policy, told=True, mark="square", played=True),
        Event(
            "went_back",
            say.of_went_back,
            told=True,
            general="The loop's database is older than what was noted of it: a copy was put back.",
        ),
        Event(
            "served",
            lambda **f: (
                f"What was served is not what should run: {say.served_words(**f)}. The served decisions are judged."
            ),
            told=True,
            general="What was served is not what should run: another model, threshold or decisions. Which is in the "
            "trail.",
        ),
        Event("served_back", lambda **_: "What is served is what should run again."),
        Event("migrated", say.of_migrated),
        Event("started", lambda said, **_: str(said)),
        Event("why", lambda said, **_: str(said)),
        Event(
            "trouble",
            None,
            general="The loop cannot write its record. It goes on when it can; until then nothing is counted.",
        ),
        Event(
            "silent",
            None,
            general="No batch came for longer than the case expects. Whether anybody is decided is not known.",
        ),
    )
}


def words(kind: str, facts: Facts) -> str:
    """The sentence of an event of this kind. Raises KeyError."""
    sentence = EVENTS[kind].sentence
    if sentence is None:
        raise KeyError(kind)
    return sentence(**facts)


def row(kind: str) -> Event:
    """The row of a kind; of one that a newer version wrote, a row that says nothing of it."""
    return EVENTS.get(kind, Event(kind, None))


def kinds(which: Callable[[Event], object]) -> tuple[str, ...]:
    """The kinds of which this is true."""
    return tuple(e.kind for e in EVENTS.values() if which(e))
