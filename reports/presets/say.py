"""Sentences that a form takes from the evidence, by name. None where there is nothing to say: the item is lacking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.documents.mitigation import Choice
from audit.metrics import ACCURACY, SELECTION_RATE
from audit.numbers import are, brief, many, points
from audit.sizes import measured, unit
from reports import words
from reports.blocks import Sources


def decision(s: Sources) -> str | None:
    """What is decided, and how many were measured."""
    return f"{s.evidence.case.purpose.rstrip('.')}. {measured(s.evidence.data)} were measured."


def data(s: Sources) -> str | None:
    """Which data, by their fingerprint."""
    d = s.evidence.data
    return f"{words.rows_in(d)} rows with {many(len(d.columns), 'column')}, SHA-256 {d.sha256}."


def unknown(s: Sources) -> str | None:
    """How many people are of unknown group, attribute by attribute."""
    out = []
    for attribute in s.evidence.data.sensitive:
        counts = [c for c in s.evidence.counts if c.attribute == (attribute,) and "(unknown)" in c.group]
        n = sum(c.rows for c in counts if not c.suppressed)
        out.append(f"{words.by([attribute])}: {n:,}" if not any(c.suppressed for c in counts) else f"{attribute}: few")
    return f"People of unknown group, by {'; by '.join(out)}." if out else None


def metrics(s: Sources) -> str | None:
    """Which measures stand behind the policy's norms, and since when."""
    names = list(dict.fromkeys(words.metric(n.metric) for n in s.evidence.norms))
    if not names:
        return None
    return f"Policy {s.evidence.policy.version} is about {', '.join(names)}; {many(s.evidence.family, 'comparison')}."


def accuracy(s: Sources) -> str | None:
    """How often decisions were right, over everyone."""
    from reports.sections import find

    rate = find.rate(s.evidence, ACCURACY, (), ())
    if rate is None or not rate.estimable:
        return None
    return f"{words.share(rate.value)} of decisions were right ({words.interval(rate.low, rate.high)})."


def gaps(s: Sources) -> str | None:
    """The widest gap in selection of each single attribute."""
    from reports.sections import find

    out = []
    for attribute in find.attributes(s.evidence, alone=True):
        gap = find.gap(s.evidence, SELECTION_RATE, attribute)
        if gap is not None and gap.value is not None:
            out.append(f"by {words.by(attribute)} {words.width(gap)} [{words.span(gap)}]")
    return f"Widest gaps in the selection rate: {'; '.join(out)}." if out else None


def norms(s: Sources) -> str | None:
    """How the norms stand."""
    all_of = s.evidence.norms
    if not all_of:
        return None
    outside, inside = (sum(x.status == status for x in all_of) for status in ("outside", "inside"))
    return (
        f"Of {len(all_of)} {words.are(len(all_of), 'norm', 'norms')} of policy {s.evidence.policy.version}, {outside} "
        f"{words.are(outside)} outside over the whole interval, {inside} inside; for {len(all_of) - outside - inside} "
        "the data cannot tell."
    )


def tested_apart(s: Sources) -> str | None:
    """Whether measured rows are such as the model did not learn from."""
    d, model = s.evidence.data, s.evidence.model
    if model.kind not in ("path", "endpoint"):
        return "Decisions were taken as they stand in the data; no model was run."
    return f"On rows that “{d.split}” keeps from learning." if d.split else None


def bias_found(s: Sources) -> str | None:
    """What was examined for bias in the data."""
    return (
        f"{many(len(s.evidence.dataset), 'measure')} of imbalance of the data; {many(len(s.evidence.rates), 'rate')}."
    )


def mitigation(s: Sources) -> str | None:
    """What was tried."""
    if s.mitigation is None:
        return None
    chosen = s.mitigation.decision
    text = f"{s.mitigation.title} was tried and compared with the decision as it is."
    return text + (
        f" {chosen.by} {'accepted' if chosen.accepted else 'rejected'} it: {chosen.reason}" if chosen else ""
    )


def monitoring(s: Sources) -> str | None:
    """What the loop has watched so far."""
    m = s.said.monitoring
    return None if not m else f"{many(m.batches, 'batch')} with {many(m.people, 'person')}, up to {m.time[:10]}."


def changes(s: Sources) -> str | None:
    """Changes of the model over its life, as the loop recorded them."""
    m = s.said.monitoring
    return None if not m else f"{many(m.changes, 'change')} of the model in use, {many(m.incidents, 'incident')}."


def issued(s: Sources) -> str | None:
    """The date of the audit."""
    return words.date(s.manifest.issued)


def signers(s: Sources) -> str | None:
    """Who signs."""
    return ", ".join([f"{s.manifest.auditor.name} (auditor)", *(m.name for m in s.manifest.members)])


def leans_on(s: Sources) -> str | None:
    """What the model leans on most."""
    if not s.explain or not s.explain.overall:
        return None
    return "Most weight: " + ", ".join(e.feature for e in s.explain.overall[:4]) + "."


def sensitive_used(s: Sources) -> str | None:
    """Whether a sensitive attribute is among what the model is given: a finding for the board."""
    d = s.evidence.data
    if s.evidence.model.kind not in ("path", "endpoint"):
        return None
    used = [a for a in d.sensitive if a in d.features]
    if not used:
        return "No sensitive attribute of this case is among the columns that the model is given."
    return (
        f"FINDING: the model is given {', '.join(used)}. It cannot be told to a person as an ordinary reason; the "
        "board has to decide whether it may count at all."
    )


def limits(s: Sources) -> str | None:
    """What the figures cannot show."""
    few = [words.name_of(c.group) for c in s.evidence.counts
           if len(c.attribute) == 1 and not c.suppressed and 0 < c.rows < 100]  # fmt: skip
    text = "Figures are of the rows measured; a gap does not say what caused it."
    return text + (f" Least certain, with under 100 {unit(s.evidence.data)}: {', '.join(few[:8])}." if few else "")


def worst_off(s: Sources) -> str | None:
    """Who receives the favourable decision least often."""
    from reports.sections import find

    out = []
    for attribute in find.attributes(s.evidence, alone=True):
        gap = find.gap(s.evidence, SELECTION_RATE, attribute)
        if gap is not None and gap.value is not None:
            out.append(f"by {words.by(attribute)}: {words.name_of(gap.lowest)}")
    return f"Receives the favourable decision least often, {'; '.join(out)}." if out else None


class Stale(str):
    """Said, but too late: the item is stale."""

    __slots__ = ()


def asked_of_search(s: Sources) -> Mapping[str, Any]:
    """What was asked of the search, as it stands in its file: need and acceptable loss among it."""
    request = s.documents.plain("search.json").get("asked") if s.search is not None else None
    return request if isinstance(request, Mapping) else {}


def fixed_beforehand(s: Sources) -> str | None:
    """Since when the log has known what was fixed before the results; Stale where that was later than the search."""
    p, choice = s.said.protocol, s.mitigation.choice if s.mitigation else None
    if s.search is not None:
        return _before_search(s, choice)
    if not p or not p.logged or (choice and str(choice.time)[:19] <= p.logged[:19]):
        return None
    return f"{p.file}, in the log since {p.logged[:10]}." + _choice(choice)


def _before_search(s: Sources, choice: Choice | None) -> str | None:
    p, begun, asked = s.said.protocol, s.said.search, asked_of_search(s)
    if begun is None:
        return None
    since = f"{begun.logged[:10]} {begun.logged[11:16]}"
    if begun.tried:
        return Stale(
            f"The log has known the search since {since} only, when {many(begun.tried, 'candidate')} had been tried."
        )
    if choice and str(choice.time)[:19] < begun.logged[:19]:
        return Stale(f"The choice was made on {choice.time[:10]}; the log has known the search since {since} only.")
    need, loss = asked.get("need"), asked.get("acceptable_loss")
    parts = []
    if need and loss is not None:
        parts.append(f"with the need (“{need}”) and the acceptable loss ({words.share(float(loss))})")
    if p is not None and begun.after_protocol:
        parts.append(f"after {p.file}")
    if parts:
        return (
            f"The search has been in the log since {since}, before its first candidate, {', '.join(parts)}."
            + _choice(choice)
        )
    if p is not None and p.logged:
        return Stale(
            f"{p.file} has been in the log since {p.logged[:10]} {p.logged[11:16]}; the search began before, {since}."
        )
    return None


def _choice(choice: Choice | None) -> str:
    return f" The choice was made on {choice.time[:10]}." if choice else ""


def search_made(s: Sources) -> str | None:
    """How many alternatives were tried, and on how many rows they were weighed."""
    if s.search is None:
        return None
    t = s.search.trials
    on = sum(bool(x.front) for x in t)
    tried = f"{len(t)} {words.are(len(t), 'candidate was', 'candidates were')} tried"
    return f"{tried}; {on} {words.are(on)} on the front. Seed {s.search.asked.seed}."


def search_bound(s: Sources) -> str | None:
    """How much more search could still gain, where candidates were drawn at random."""
    from debias.search_bound import bound_of

    b = None if s.search is None else bound_of(s.documents.plain("search.json"))
    if b is None:
        return None
    return (
        f"{many(b.n, 'candidate')} {are(b.n, 'was', 'were')} drawn at random. With at most {words.share(b.loss)} "
        f"of decisions wrong, the least gap was {points(b.best)}. At most {words.share(b.share)} of further candidates "
        f"drawn in the same way are better: a better one takes {b.more} more on average, at least, and one more "
        f"lessens the gap by {points(b.gain)} on average, at most. That holds in 95 of 100 searches, whenever they are "
        "stopped, and for the figures on these rows."
    )


def chosen(s: Sources) -> str | None:
    """Who picked which, and why."""
    choice = s.mitigation.choice if s.mitigation else None
    return None if not choice else f"{choice.by} picked candidate {choice.trial}: {choice.reason}"


SENTENCES: Mapping[str, Callable[[Sources], str | None]] = {
    f.__name__: f
    for f in (
        decision, data, unknown, metrics, accuracy, gaps, norms, tested_apart, bias_found, mitigation, monitoring,
        changes, issued, signers, leans_on, sensitive_used, limits, worst_off, fixed_beforehand, search_made,
        search_bound, chosen,
    )
}  # fmt: skip


def spoken(value: Any) -> str | None:
    """A value of a file as text; None where it says nothing."""
    if value is None or value == "" or value == [] or value == {}:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return brief(value, 6)
    if isinstance(value, list):
        return (
            ", ".join(str(v) for v in value)
            if all(isinstance(v, (str, int, float)) for v in value)
            else f"{len(value):,}"
        )
    return str(value) if isinstance(value, str) else many(len(value), "entry")
