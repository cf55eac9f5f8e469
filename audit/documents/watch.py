"""watch.json, schema assay/watch/1, and the entries of the trail beside it, as records: what the loop did."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from audit.documents.base import CaseNamed, Names, Record
from audit.documents.series import LoopEvent, WatchPolicy


class NormNow(Record, frozen=True):
    """Where one norm stands by the counts (audit.watch.counted.Counted); alpha, log_e: of its sequence."""

    key: str
    metric: str
    kind: str
    attribute: Names
    limit: float
    value: float | None = None
    low: float | None = None
    high: float | None = None
    highest: str | None = None
    lowest: str | None = None
    status: str | None = None
    people: int | None = None
    reason: str | None = None
    alpha: float | None = None
    log_e: float | None = None
    pair_low: float | None = None
    pair_high: float | None = None
    pair_p: float | None = None


class BatchPoint(Record, frozen=True):
    """One batch, or what came in its place. first, last: times in it; window: column -> group -> share in it alone."""

    number: int | None
    kind: str
    time: str
    state: str
    running: str
    norms: tuple[NormNow, ...] = ()
    rows: int | None = None
    first: str | None = None
    last: str | None = None
    window: dict[str, dict[str, float | None]] | None = None


class GateCheck(Record, frozen=True):
    """A condition of the gate. holds: None where it is too early to say."""

    words: str
    holds: bool | None = None
    name: str = ""


class GateVerdict(Record, frozen=True):
    """undecided: checks that hold, or do not, only so far."""

    checks: tuple[GateCheck, ...]
    undecided: tuple[GateCheck, ...] = ()


class ShadowNow(Record, frozen=True):
    """A model that decides beside the running one; ours, theirs: norms of both on the same people."""

    model: str
    method: str
    batches: int
    gate: GateVerdict | None = None
    ours: tuple[NormNow, ...] = ()
    theirs: tuple[NormNow, ...] = ()


class Noticed(Record, frozen=True):
    """What went wrong beside the feed, how often, and when last."""

    words: str
    last: str
    times: int


class GroupNow(Record, frozen=True):
    """How often a group is decided wrongly. status: "harmed", "undecided" or "watched"; first, newest: shares."""

    attribute: str
    group: str
    people: int
    outcomes: int
    wrong: int
    status: str
    reason: str | None = None
    first: float | None = None
    newest: float | None = None


class PutAside(Record, frozen=True):
    """Batches that were held back, and rows by the reason for which they were left out."""

    held: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


class Promotion(Record, frozen=True):
    """A decision on a model, as LoopEvent; what its entry does not say is UNSET."""

    seq: int
    kind: str
    words: str
    before: str | None
    after: str | None
    running: str | None
    time: str
    model: str | UnsetType | None = UNSET
    predecessor: str | UnsetType | None = UNSET
    method: str | UnsetType | None = UNSET
    by: str | UnsetType | None = UNSET
    reason: str | UnsetType | None = UNSET


class TrailEnd(Record, frozen=True):
    entries: int
    time: str = ""


class KindOf(Record, frozen=True):
    kind: str


class TrailTime(Record, frozen=True):
    time: str = ""


class Monitored(Record, frozen=True):
    """watch.json, as far as a report says that there is one."""

    batches: int
    rows: int = 0
    promotions: tuple[KindOf, ...] = ()
    incidents: tuple[KindOf, ...] = ()
    trail: TrailTime = TrailTime()


class Watch(Record, frozen=True):
    """The whole of it. running, state: as after the last batch; promotions: decisions on models."""

    schema: str
    case: CaseNamed
    policy: WatchPolicy
    running: str
    since: int
    state: str
    batches: int
    matured: int
    rows: int
    label_delay: int
    norms: tuple[NormNow, ...]
    timeline: tuple[BatchPoint, ...]
    events: tuple[LoopEvent, ...]
    promotions: tuple[Promotion, ...]
    trail: TrailEnd
    incidents: tuple[LoopEvent, ...] = ()
    notices: tuple[Noticed, ...] = ()
    groups: tuple[GroupNow, ...] = ()
    changes: Any = None
    quarantine: PutAside = PutAside()
    pending: ShadowNow | None = None
    beside: ShadowNow | None = None


class StreamAlpha(Record, frozen=True):
    key: str
    alpha: float | None = None


class PolicyPeople(Record, frozen=True):
    people: int


class PolicyKept(Record, frozen=True):
    """The policy as it is kept beside the trail: how many people a group needs to be judged."""

    loop: PolicyPeople


class BatchFacts(Record, frozen=True):
    """Of a batch's entry. due: the counts whose outcomes came of age; UNSET where the trail did not say so yet."""

    number: int | None = None
    running: str | None = None
    norms: tuple[NormNow, ...] = ()
    streams: tuple[StreamAlpha, ...] = ()
    due: Any = UNSET


class BatchBody(Record, frozen=True):
    """One entry of the trail that is a batch, or stands for one that could not be used."""

    kind: str
    running: str
    facts: BatchFacts

    @property
    def number(self) -> int | None:
        return self.facts.number

    @property
    def counted_for(self) -> str:
        """The model that the batch was counted for."""
        return self.facts.running or self.running


class DecisionFacts(Record, frozen=True):
    """Of an entry on a model: which, by whom and why. signed: a person's signature of it (reports.loop_decision)."""

    model: Any = None
    predecessor: Any = None
    method: Any = None
    by: Any = None
    reason: Any = None
    signed: Any = None


class TrailHead(Record, frozen=True):
    """Where a trail ends."""

    seq: int
    hash: str
    seal: str = ""


class SignedFacts(Record, frozen=True, forbid_unknown_fields=True):
    """What a person signs of a decision on a model; trail: where it ended as the person saw it."""

    case: str
    model: str
    approve: bool
    reason: str
    by: str
    policy: str
    running: str
    trail: TrailHead


class SignedEnvelope(Record, frozen=True):
    """A decision's statement in its DSSE envelope, as text, and the certificates (DER, base64), the signer's first."""

    envelope: str
    certificates: Names


class SignedBody(Record, frozen=True):
    """One entry of the trail, of which the signature is read."""

    kind: str
    facts: DecisionFacts = DecisionFacts()
    policy: str | None = None


class EntryBody(Record, frozen=True):
    """One entry of the trail: what its hash is of."""

    seq: int
    kind: str
    words: str
    before: str | None
    after: str | None
    running: str
    facts: DecisionFacts
    policy: str | None = None
