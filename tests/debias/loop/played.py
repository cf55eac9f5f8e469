"""A loop without models and disks: people whose decisions by each model are made here, fed to the step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from audit.cube import UNLABELLED, CodedRows, Meaning
from audit.policy import LoopRules, Norm, Policy
from debias.loop.state import Batch, Built, Decision, Event, Input, Matured, NewPolicy, State
from debias.loop.step import first_state, step

MEANING = Meaning("yes", "not yes", "yes")
SEXES = ("F", "M")
GAP = Norm("selection_rate", "difference", ("sex",), 0.2, 0.12)
RULES = LoopRules(
    average_run=2000.0, people=30, enough=200, reference_batches=2, build_rows=500, shadow_batches=12, loss=0.05,
    group_loss=0.1, probation_batches=4, cooldown_batches=3, attempts=3, methods=("threshold", "reweighing", "search"),
)  # fmt: skip
POLICY = Policy("1", (GAP,), "a1" * 32, None, RULES)


@dataclass(frozen=True)
class Model:
    """miss: of the yeses of a group, the share that is turned into a no. noise: wrong decisions beside that."""

    miss: Mapping[str, float] = field(default_factory=dict)
    noise: float = 0.05


def people(
    seed: int, models: Mapping[str, Model], n: int = 400, women: float = 0.5, base: float = 0.5, known: bool = True
) -> dict[str, CodedRows]:
    """The same people decided by each model."""
    rng = np.random.default_rng(seed)
    sex = (rng.random(n) >= women).astype(np.int64)
    label = (rng.random(n) < base).astype(np.int64)
    flip, missed = rng.random(n), rng.random(n)
    out = {}
    for name, model in models.items():
        decision = np.where(flip < model.noise, 1 - label, label)
        share = np.array([model.miss.get(s, 0.0) for s in SEXES])[sex]
        decision = np.where((decision == 1) & (missed < share), 0, decision)
        shown = label if known else np.full(n, UNLABELLED)
        out[name] = CodedRows(("sex",), (SEXES,), sex[:, None], shown, decision, None, None, MEANING)
    return out


class Loop:
    """The step with its state; every event is kept."""

    def __init__(self, policy: Policy = POLICY, delay: int = 0) -> None:
        self.policy, self.delay = policy, delay
        self.state: State = first_state(policy, ("sex",), "old", MEANING)
        self.events: list[Event] = []
        self.waiting: list[tuple[int, dict[str, CodedRows]]] = []

    def give(self, inputs: Input) -> list[Event]:
        """One input; its events."""
        self.state, message = step(self.state, inputs, self.policy, ("sex",))
        self.events += message
        return list(message)

    def batch(self, models: Mapping[str, Model], seed: int | None = None, **how: float) -> list[Event]:
        """One batch of people, by the model that runs and the one beside it; older ones come of age."""
        number = self.state.batch
        wanted = [self.state.running] + ([self.state.beside.model] if self.state.beside else [])
        rows = people(number if seed is None else seed, {m: models[m] for m in wanted}, **how)  # type: ignore[arg-type]
        blind = people(
            number if seed is None else seed,
            {m: models[m] for m in wanted},
            known=False,
            **how,  # type: ignore[arg-type]
        )
        self.waiting.append((number, rows))
        due = [w for w in self.waiting if w[0] <= number - self.delay]
        self.waiting = [w for w in self.waiting if w[0] > number - self.delay]
        matured = tuple(Matured(str(i), i, r) for i, r in due)
        n = len(next(iter(rows.values())).label)
        return self.give(Batch(str(number), n, sha256=f"{number:064x}", decided=blind, matured=matured))

    def until(self, mode: str, models: Mapping[str, Model], most: int = 40, **how: float) -> list[Event]:
        """Batches until the loop is in `mode`."""
        items: list[Event] = []
        for _ in range(most):
            if self.state.mode == mode:
                return items
            items += self.batch(models, **how)
        assert self.state.mode == mode, (self.state.mode, self.words()[-3:])
        return items

    def build(self, model: str = "new") -> list[Event]:
        """The challenger that the loop asked for."""
        assert self.state.mode == "BUILD"
        method = next(m for m in self.policy.loop.methods if m not in self.state.tried)
        return self.give(Built(method, model))

    def say(self, approve: bool, reason: str = "Looked at.") -> list[Event]:
        """A person's word on what waits."""
        model = self.state.beside.model if self.state.beside else self.state.running
        return self.give(Decision(model, approve, reason, "Ada"))

    def turn(self, policy: Policy) -> list[Event]:
        """A new policy."""
        self.policy = policy
        return self.give(NewPolicy("1 -> 2.", MEANING))

    def kinds(self) -> list[str]:
        """The kinds of all events but those of batches."""
        return [e.kind for e in self.events if e.kind != "batch"]

    def words(self) -> list[str]:
        """The sentences of all events but those of batches."""
        return [e.words for e in self.events if e.kind != "batch"]
