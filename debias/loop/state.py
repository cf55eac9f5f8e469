"""What the loop knows between two batches. Frozen; its JSON is exact, so that a resumed run is the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import msgspec
from msgspec import structs

from audit.cube import CodedRows, Cube, Floats, Meaning
from audit.watch.cells import cube_from_json, cube_to_json
from audit.watch.drift import Drift
from audit.watch.harm import Harm
from audit.watch.moves import Moves
from audit.watch.watched import Monitor
from debias.loop import events
from debias.loop.heard import Heard
from debias.loop.modes import Mode


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts of one model: arrived (decisions as they were made) and matured (rows whose outcomes are due)."""

    arrived: Cube | None = None
    matured: Cube | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "arrived": None if self.arrived is None else cube_to_json(self.arrived),
            "matured": None if self.matured is None else cube_to_json(self.matured),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Tally:
        kept = msgspec.convert(data, _Tally)
        return Tally(_cube(kept.arrived), _cube(kept.matured))


class _Tally(msgspec.Struct):
    """A tally as it is kept."""

    arrived: dict[str, Any] | None
    matured: dict[str, Any] | None


def _cube(kept: Mapping[str, Any] | None) -> Cube | None:
    return None if kept is None else cube_from_json(dict(kept))


@dataclass(frozen=True, slots=True, eq=False)
class ShadowModel:
    """A model that is scored beside the running one: a challenger in shadow, or the predecessor in probation.

    ours, theirs: both models on the same rows. paired: a cube whose "label" is whether the running model was right
    and whose "decision" is whether the other one was. since: the first batch it saw. planned: how many people with
    outcomes each group was expected to bring when a trial began (gate.plan); None where nobody has to show anything
    by a plan.
    """

    model: str
    method: str
    since: int
    ours: Tally = Tally()
    theirs: Tally = Tally()
    paired: Cube | None = None
    batches: int = 0
    planned: Mapping[tuple[str, str], int] | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "method": self.method,
            "since": self.since,
            "ours": self.ours.to_json(),
            "theirs": self.theirs.to_json(),
            "paired": None if self.paired is None else cube_to_json(self.paired),
            "batches": self.batches,
            "planned": None if self.planned is None else [[*k, n] for k, n in self.planned.items()],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ShadowModel:
        kept = msgspec.convert(data, _Shadow)
        ours, theirs, paired = Tally.from_json(kept.ours), Tally.from_json(kept.theirs), _cube(kept.paired)
        planned = None if kept.planned is None else {(a, g): n for a, g, n in kept.planned}
        return ShadowModel(kept.model, kept.method, kept.since, ours, theirs, paired, kept.batches, planned)


class _Shadow(msgspec.Struct):
    """A model beside the running one, as it is kept."""

    model: str
    method: str
    since: int
    ours: dict[str, Any]
    theirs: dict[str, Any]
    paired: dict[str, Any] | None
    batches: int
    planned: list[tuple[str, str, int]] | None = None
    """None too in a trail that was last written before plans were kept."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """The loop between two inputs.

    mode: where it stands; before: the mode to return to after a data incident. batch: how many batches were taken;
    matured: how many have come of age. running: the model that decides; since: the batch from which it does.
    trigger: batches whose rows raised the alarm, (first, last); nothing is learned from these. fresh: matured rows
    since then. reason: which norms and groups raised it. left_out: batches whose rows or outcomes cannot be used.
    challengers: how many were ever tried (each spends alpha); attempts: of these, since the last alarm; tried: methods
    that had their turn since then, also those that gave no challenger. people: who comes; decisions: what the running
    model decides; barren: how many batches in a row came due without outcomes that can be used;
    served: what of the last batch was not as the running model decides (served.py);
    waiting: batches some of whose outcomes may still come.
    """

    mode: Mode
    running: str
    policy: str
    monitor: Monitor
    harm: Harm | None = None
    before: Mode | None = None
    batch: int = 0
    matured: int = 0
    rows: int = 0
    since: int = 0
    entered: int = 0
    live: Tally = Tally()
    source: Cube | None = None
    trigger: tuple[int, int] | None = None
    reason: tuple[str, ...] = ()
    left_out: tuple[int, ...] = ()
    fresh: int = 0
    fresh_from: int = 0
    challengers: int = 0
    attempts: int = 0
    tried: tuple[str, ...] = ()
    beside: ShadowModel | None = None
    rollbacks: int = 0
    cooldown: int = 0
    drift_tests: int = 0
    estimate: Mapping[str, Any] | None = None
    people: Moves | None = None
    decisions: Moves | None = None
    barren: int = 0
    waiting: tuple[int, ...] = ()
    served: Mapping[str, Any] | None = None
    cut: tuple[float, float] | None = None
    heard: Heard = field(default_factory=Heard)

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, Cube):
                value = cube_to_json(value)
            elif hasattr(value, "to_json"):
                value = value.to_json()
            elif isinstance(value, tuple):
                value = list(value)
            out[f.name] = value
        return out

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> State:
        kept = msgspec.convert(data, _State)
        parsed = {
            "monitor": Monitor.from_json(kept.monitor),
            "harm": None if kept.harm is None else Harm.from_json(kept.harm),
            "people": None if kept.people is None else Moves.from_json(kept.people),
            "decisions": None if kept.decisions is None else Moves.from_json(kept.decisions),
            "live": Tally.from_json(kept.live),
            "source": _cube(kept.source),
            "heard": Heard.from_json(kept.heard),
            "beside": None if kept.beside is None else ShadowModel.from_json(kept.beside),
        }
        return State(**(structs.asdict(kept) | parsed))


class _State(msgspec.Struct, kw_only=True):
    """The state as it is kept."""

    mode: Mode
    running: str
    policy: str
    monitor: dict[str, Any]
    harm: dict[str, Any] | None
    before: Mode | None
    batch: int
    matured: int
    rows: int
    since: int
    entered: int
    live: dict[str, Any]
    source: dict[str, Any] | None
    trigger: tuple[int, int] | None
    reason: tuple[str, ...]
    left_out: tuple[int, ...]
    fresh: int
    fresh_from: int
    challengers: int
    attempts: int
    tried: tuple[str, ...]
    beside: dict[str, Any] | None
    rollbacks: int
    cooldown: int
    drift_tests: int
    estimate: dict[str, Any] | None
    people: dict[str, Any] | None
    decisions: dict[str, Any] | None
    barren: int = 0
    waiting: tuple[int, ...] = ()
    served: dict[str, Any] | None = None
    cut: tuple[float, float] | None = None
    heard: list[Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Matured:
    """A batch whose outcomes are due: each model's decisions on it, with outcomes. problem: why it cannot be used.

    late: it was due before, and these are outcomes that came since. missing: rows whose outcomes may still come.
    """

    id: str
    index: int
    decided: Mapping[str, CodedRows]
    problem: str | None = None
    late: bool = False
    missing: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """What one batch brings, made from its rows. decided: model -> rows with that model's decisions, outcomes hidden.

    incident: what is wrong with the feed; then nothing else of the batch is used. same_as: the batch with the same
    bytes that was counted before. again: rows left out, of people who were counted before. failed: why the model beside
    the running one could not decide. released: who let it in although it does not keep the
    contract, and why. poor: rows that were put aside, and outcomes taken as not known, by reason. score: the scores
    that were served, else the running model's, (n,). cut: between which scores the decisions of a column turn.
    """

    id: str
    rows: int
    first: str = ""
    last: str = ""
    sha256: str = ""
    again: int = 0
    incident: str | None = None
    same_as: str | None = None
    failed: str | None = None
    decided: Mapping[str, CodedRows] | None = None
    matured: tuple[Matured, ...] = ()
    drift: tuple[Drift, ...] = ()
    estimate: Mapping[str, Any] | None = None
    released: Mapping[str, Any] | None = None
    served: Mapping[str, Any] | None = None
    poor: Mapping[str, int] | None = None
    score: Floats | None = None
    cut: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A challenger was made, or could not be (model None and a problem)."""

    method: str
    model: str | None
    problem: str | None = None
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A person's word on the challenger, or on a frozen loop. `by` a rule of the policy where it says so.

    signed: the envelope and its certificates, where it was signed by a key (approver.py).
    """

    model: str
    approve: bool
    reason: str
    by: str
    signed: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class NewPolicy:
    """The policy has changed; `words`: from which version to which."""

    words: str
    meaning: Meaning


Input = Batch | Built | Decision | NewPolicy


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened, for the trail. kind: a word for programs; facts: the figures that the trail keeps.

    about: what the sentence needs beside them, kept nowhere.
    """

    kind: str
    facts: Mapping[str, Any]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """The sentence."""
        return events.words(self.kind, {**self.facts, **self.about})
