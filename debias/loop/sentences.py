"""What the loop says of what happened: one sentence a kind of event. The step itself makes figures, never text.

    words("shadow", {"method": "reweighing"})

Each function takes the facts of the event and what is known beside them. A sentence of a kind that is not in the table
is a fault of ours (KeyError).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from audit.watch.watched import Watched
from debias.loop.sift import shown

Facts = Mapping[str, Any]


def words(kind: str, facts: Facts) -> str:
    """The sentence of an event of this kind. Raises KeyError."""
    return SENTENCES[kind](facts)


def counted(n: int, what: str) -> str:
    """ "1 norm", "2 norms"."""
    return f"{n:,} {what}" + ("" if n == 1 else "s")


def _method(f: Facts) -> str:
    return str(f["method"]).replace("_", " ")


def why_broken(broken: Sequence[Watched], harmed: Sequence[tuple[str, str]]) -> str:
    """One sentence on what raised the alarm."""
    parts = []
    for w in broken[:3]:
        by = " and ".join(w.attribute)
        who = "; ".join(f"{a} and {b}" for a, b in w.named()[:3])
        how = (
            f"evidence {np.exp(min(w.peak_e, 50.0)):,.0f} to 1 at most {1 / w.norm.alpha:,.0f} by chance"
            if w.crossed_at is not None
            else "the detector of changes has spoken"
        )
        parts.append(
            f"the {w.norm.metric.replace('_', ' ')} {w.norm.kind} by {by} breaks {w.norm.limit:g} ({how}"
            + (f"; between {who})" if who else ")")
        )
    if harmed:
        parts.append("decisions are wrong more often than is tolerated for " + ", ".join(g for _, g in harmed[:4]))
    said = "; ".join(parts)
    return said[0].upper() + said[1:] + "." if said else ""


def _batch(f: Facts) -> str:
    judged = f["judged"]
    outside = [c for c in judged if c.status == "outside"]
    known = [c for c in judged if c.value is not None]
    who = f"{f['rows']:,} people"
    if f.get("again"):
        who += f" ({f['again']:,} rows of people who were counted before are left out)"
    if f.get("poor"):
        who += f" (left out: {shown(f['poor'])})"
    if not known:
        return f"Batch {f['batch']}, {who}: no norm can be judged yet."
    stand = (
        f"{len(outside)} of {len(known)} norms clearly outside"
        if outside
        else f"no norm of {len(known)} clearly outside"
    )
    return f"Batch {f['batch']}, {who}: {stand} its limit; the loop is {f['mode']}."


def _duplicate(f: Facts) -> str:
    if f["same_as"] is None:
        return f"Batch {f['batch']} is not counted: all its {f['again']:,} rows are of people who were counted before."
    return f"Batch {f['batch']} has the same bytes as batch {f['same_as']}: it was counted once already."


def _reference(f: Facts) -> str:
    shown = ", ".join(f"{k.partition('=')[2]} {100 * v:.1f} %" for k, v in f["bounds"].items())
    return f"The share of wrong decisions is held against what it was at first: harm is more than {shown}."


def _points(f: Facts) -> str:
    """ "from 33.1 to 49.8 %"."""
    return f"from {100 * f['before']:.1f} to {100 * f['after']:.1f} %"


def _served_words(f: Facts) -> str:
    parts = []
    if "model" in f:
        parts.append(
            f"the service still runs model {f['model'][:12]} ({f['by']:,} of {f['rows']:,} rows), the pointer says "
            f"{f['running'][:12]}"
        )
    if "differ" in f:
        parts.append(f"{f['differ']:,} of {f['rows']:,} served decisions are not the running model's")
    if "at_first" in f:
        parts.append(f"decisions turn at a score of {f['threshold']:g}, at first at {f['at_first']:g}")
    elif "threshold" in f:
        parts.append(f"the service decides from {f['threshold']:g} on, the model from {f['usual']:g}")
    return "; ".join(parts)


def change_words(f: Facts) -> str:
    """What has changed about who comes or what is decided, as part of a sentence."""
    if f["what"] == "served":
        return _served_words(f)
    who = "everyone" if f["group"] is None else f["group"]
    by = "" if f["attribute"] is None else f" ({f['attribute']})"
    said = {
        "gone": f"nobody of {who}{by} comes any more, {100 * f['before']:.1f} % were at first",
        "new": f"{who}{by} comes, who did not at first: {100 * f['after']:.1f} %",
        "share": f"the share of {who}{by} went {_points(f)}",
        "missing": f"those whose {f['attribute']} is not known went {_points(f)}",
        "accepted": f"the share with the favourable decision of {who}{by} went {_points(f)}",
        "scores": f"the share of {who}{by} with a score of {f.get('from', 0):.3g} or more went {_points(f)}",
    }[f["what"]]
    return f"{said}, among {f['people']:,} people since batch number {f['since'] + 2}"


def _changed(f: Facts) -> str:
    what = {"accepted": "What is decided has changed", "scores": "Scores have changed"}.get(
        f["what"], "Who comes has changed"
    )
    return f"{what}: {change_words(f)}. A reason to look until it is as before, or a person says that it is known."


def _back(f: Facts) -> str:
    who = f["group"] or ("everyone" if f["attribute"] is None else f"those whose {f['attribute']} is not known")
    return f"As before again, about {100 * f['now']:.1f} %: {who}" + (f" ({f['attribute']})." if f["group"] else ".")


def _known(f: Facts) -> str:
    said = "; ".join(change_words(c) for c in f["changes"][:3])
    return f"{f['by']} has looked: {f['reason']} Known from now on: {said}. The next batches are the new reference."


def _suspect(f: Facts) -> str:
    if "moved" in f:
        said = "; ".join(change_words(c) for c in f["moved"][:3])
        return f"Changed since the first batches: {said}. Nothing is retrained for that: a person should look."
    worst, shifted, tests = f["worst"], f["shifted"], f["tests"]
    names = "; ".join(f"{d.feature} ({d.group}, PSI {d.psi:.2f})" for d in worst)
    said = f"{shifted} of {tests} tests see drift, most in {names}. " if shifted else ""
    said += "By its own scores the model is expected to be wrong more often than before. " if f["poor"] else ""
    return said + "Nothing is retrained for that: the norms and the harm decide."


def _confirmed(f: Facts) -> str:
    return (
        f"{f['why']} A challenger is built once {f['build_rows']:,} people who came after the alarm have known "
        "outcomes; nothing is learned from the rows that raised it."
    )


def _healthy(f: Facts) -> str:
    unsure = f["unsure"]
    return (
        f"{counted(f['known'], 'norm')} can be judged and none is found broken"
        + (f"; {len(unsure)} cannot be judged yet ({unsure[0].reason})." if unsure else ".")
        + groups_words(f["groups"])
    )


def groups_words(groups: Sequence[Mapping[str, Any]]) -> str:
    """Who is not judged yet, with counts; nothing where everyone is."""
    if not groups:
        return ""
    shown = ", ".join(
        f"{g['group']} ({g['attribute']}: {g['outcomes']:,} of {g['people']:,} with outcomes)" for g in groups[:5]
    )
    more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
    return f" UNDECIDED whether these are wronged more often than before: {shown}{more}."


def _frozen(f: Facts) -> str:
    if "rollbacks" in f:
        return "Two promotions in a row were rolled back. The loop stops: a person must look."
    n, none = f["attempts"], len(f["tried"]) - f["attempts"]
    if n == 0:
        said = f"{counted(none, 'method')} tried, and none gave a challenger."
    else:
        said = f"{counted(n, 'challenger')} tried on people, and none earned its place"
        said += f"; {counted(none, 'more method')} gave none." if none else "."
    return f"{said} The loop stops trying: a person must look."


def _rejected(f: Facts) -> str:
    if "by" in f:
        return f"{f['by']} rejects the challenger: {f['reason']}"
    if "failure" in f:
        return f"The challenger could not decide this batch: {f['failure']}"
    still = "" if f["failed"] else f" after {f['batches']} batches it is still open."
    return f"The challenger did not earn its place: {f['against']}{still}"


def _gate(f: Facts) -> str:
    said = f"The challenger by {_method(f)} meets every condition on {f['batches']} later batches."
    more = " The policy lets the loop promote without a person." if f["automatic"] else " A person must approve."
    left = f["gate"].get("undecided") or ()
    return said + more + "".join(f" {c['words']}" for c in left)


def _reopened(f: Facts) -> str:
    said = f"{f['by']} approves, and it is not done: " if "by" in f else "It waits for a person no longer: "
    return f"{said}a condition of the gate is open. {f['against']}"


def _both_hurt(f: Facts) -> str:
    if not f["norms"]:
        return f"{f['why']} There is no predecessor left to go back to."
    return f"{f['why']} The predecessor breaks the same on the same people: rolling back would not help."


def _policy(f: Facts) -> str:
    return f"{f['given']} The running model is judged on the new norms at once, from stored counts: " + (
        f"broken: {f['shown']}." if f["shown"] else "none is clearly broken."
    )


def _released(f: Facts) -> str:
    let_in = f.get("released")
    return f" {let_in['by']} let it in although it does not keep the contract: {let_in['reason']}" if let_in else ""


SENTENCES: dict[str, Callable[[Facts], str]] = {
    "batch": _batch,
    "duplicate": _duplicate,
    "incident": lambda f: f"Batch {f['batch']} is not used: {f['incident']}",
    "empty": lambda f: f"Batch {f['batch']} is empty: nobody was decided, so nothing is known; this says nothing good.",
    "restored": lambda f: f"Batch {f['batch']} can be used; the data incident is over.{_released(f)}",
    "outcomes": lambda f: f"The outcomes of batch {f['batch']} are not used: {f['problem']}",
    "rows_released": lambda f: (
        f"{f['by']} releases {counted(f['rows'], 'row')} of batch {f['batch']}, to be sent again: {f['reason']}"
    ),
    "rows_dropped": lambda f: f"{f['by']} drops {counted(f['rows'], 'row')} of batch {f['batch']}: {f['reason']}",
    "reference": _reference,
    "composition": _changed,
    "composition_back": _back,
    "decisions": _changed,
    "decisions_back": _back,
    "known": _known,
    "late": lambda f: (
        f"{f['outcomes']:,} outcomes of batch {f['batch']} came late and are counted"
        + (f"; {f['missing']:,} may still come." if f["missing"] else ".")
    ),
    "no_outcomes": lambda f: (
        f"Outcomes of {f['group']} ({f['attribute']}) have stopped: in {f['batches']} due batches none came for "
        f"{f['people']:,} people, though those of others did. Whether {f['group']} is wronged is not known."
        if f.get("group")
        else f"{f['batches']} batches in a row came due without outcomes that can be used: whether anybody is "
        f"wronged is not known. The last: {f['problem']}"
    ),
    "suspect": _suspect,
    "confirmed": _confirmed,
    "undecidable": lambda f: f"Not decidable: {'; '.join(f['reasons'])}.",
    "healthy": _healthy,
    "frozen": _frozen,
    "build": lambda f: (
        f"{f['rows']:,} people since the alarm have known outcomes: a challenger is built by {_method(f)}."
    ),
    "not_built": lambda f: f"No challenger by {_method(f)}: {f['problem']}",
    "shadow": lambda f: f"A challenger by {_method(f)} decides beside the running model, on later people only.",
    "predecessor_failed": lambda f: (
        f"The predecessor could not decide this batch and is not asked again: {f['failure']}"
    ),
    "rejected": _rejected,
    "gate": _gate,
    "reopened": _reopened,
    "unfrozen": lambda f: f"{f['by']} has looked and lets the loop go on: {f['reason']}",
    "promoted": lambda f: f"Promoted by {f['by']}: {f['reason']} The predecessor stays warm and decides beside it.",
    "settled": lambda f: (
        f"No norm was found broken in {f['batches']} batches since the promotion: the promoted model stays."
    ),
    "both_hurt": _both_hurt,
    "rolled_back": lambda f: f"{f['why']} The predecessor decides again.",
    "policy": _policy,
    "went_back": lambda f: (
        f"The database is older than what was noted of it: entry {f['noted']:,} was written at {f['noted_at']}, and it "
        f"ends with entry {f['found']:,}, or has another one there. A copy was put back; what it lacks is counted "
        "again from the feed, and decisions by people since then are lost."
    ),
    "served": lambda f: f"What was served is not what should run: {_served_words(f)}. The served decisions are judged.",
    "served_back": lambda f: "What is served is what should run again.",
    "migrated": lambda f: (
        f"This trail was written by an older version of Assay ({f['from']}): it goes on in form {f['to']}, and every "
        "entry before this one stays as it is."
    ),
    "started": lambda f: str(f["said"]),
    "why": lambda f: str(f["said"]),
}
