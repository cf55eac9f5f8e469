"""What the loop says of what happened: one sentence a kind of event. The step itself makes figures, never text.

Each function takes by name the facts of the event and what is known beside them; which kind of event has which stands
in events.py. A fact that lacks is a fault of ours (TypeError).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audit.documents.watch import GroupNow
from audit.numbers import are, brief, fixed, grouped, many, percent
from audit.watch.counted import Counted
from audit.watch.drift import Drift
from audit.watch.watched import Watched
from debias.loop.sift import shown

Facts = Mapping[str, Any]


def method_words(method: str) -> str:
    return method.replace("_", " ")


def why_broken(broken: Sequence[Watched], harmed: Sequence[tuple[str, str]]) -> str:
    """One sentence on what raised the alarm."""
    parts = []
    for w in broken[:3]:
        by = " and ".join(w.attribute)
        who = "; ".join(f"{a} and {b}" for a, b in w.named()[:3])
        how = (
            f"evidence {grouped(np.exp(min(w.peak_e, 50.0)))} to 1 at most {grouped(1 / w.norm.alpha)} by chance"
            if w.crossed_at is not None
            else "the detector of changes has spoken"
        )
        parts.append(
            f"the {w.norm.metric.replace('_', ' ')} {w.norm.kind} by {by} breaks {brief(w.norm.limit)} ({how}"
            + (f"; between {who})" if who else ")")
        )
    if harmed:
        parts.append("decisions are wrong more often than is tolerated for " + ", ".join(g for _, g in harmed[:4]))
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "." if text else ""


# -- one function a kind: its facts by name -------------------------------------------------------------------


def of_batch(
    batch: str, rows: int, judged: Sequence[Counted], mode: str, again: int = 0,
    poor: Mapping[str, int] | None = None, **_: Any,
) -> str:  # fmt: skip
    outside = [c for c in judged if c.status == "outside"]
    known = [c for c in judged if c.value is not None]
    who = many(rows, "person")
    if again:
        who += f" ({many(again, 'row')} of people who were counted before {are(again)} left out)"
    if poor:
        who += f" (left out: {shown(poor)})"
    if not known:
        return f"Batch {batch}, {who}: no norm can be judged yet."
    stand = (
        f"{len(outside)} of {many(len(known), 'norm')} clearly outside"
        if outside
        else f"no norm of {len(known)} clearly outside"
    )
    return f"Batch {batch}, {who}: {stand} its limit; the loop is {mode}."


def of_duplicate(batch: str, same_as: str | None, again: int = 0, **_: Any) -> str:
    if same_as is None:
        who = "its one row is of a person who was" if again == 1 else f"all its {again:,} rows are of people who were"
        return f"Batch {batch} is not counted: {who} counted before."
    return f"Batch {batch} has the same bytes as batch {same_as}: it was counted once already."


def of_reference(bounds: Mapping[str, float], **_: Any) -> str:
    shares = ", ".join(f"{k.partition('=')[2]} {percent(v)}" for k, v in bounds.items())
    return f"The share of wrong decisions is held against what it was at first: harm is more than {shares}."


def served_words(
    rows: int, running: str, threshold: float = 0.0, model: str | None = None, by: int = 0, differ: int | None = None,
    at_first: float | None = None, usual: float | None = None, **_: Any,
) -> str:  # fmt: skip
    parts = []
    if model is not None:
        parts.append(
            f"the service still runs model {model[:12]} ({by:,} of {many(rows, 'row')}), the pointer says "
            f"{running[:12]}"
        )
    if differ is not None:
        parts.append(f"{differ:,} of {many(rows, 'served decision')} {are(differ)} not the running model's")
    if at_first is not None:
        parts.append(f"decisions turn at a score of {brief(threshold)}, at first at {brief(at_first)}")
    elif usual is not None:
        parts.append(f"the service decides from {brief(threshold)} on, the model from {brief(usual)}")
    return "; ".join(parts)


def _share_words(
    what: str, attribute: str | None, group: str | None, before: float, after: float, people: int, since: int,
    **more: Any,
) -> str:  # fmt: skip
    who = "everyone" if group is None else group
    by = "" if attribute is None else f" ({attribute})"
    points = f"from {fixed(100 * before, 1)} to {percent(after)}"
    text = {
        "gone": f"nobody of {who}{by} comes any more, {percent(before)} were at first",
        "new": f"{who}{by} comes, who did not at first: {percent(after)}",
        "share": f"the share of {who}{by} went {points}",
        "missing": f"those whose {attribute} is not known went {points}",
        "accepted": f"the share with the favourable decision of {who}{by} went {points}",
        "scores": f"the share of {who}{by} with a score of {brief(more.get('from', 0), 3)} or more went {points}",
    }[what]
    return f"{text}, among {many(people, 'person')} since batch number {since + 2}"


def change_words(change: Facts) -> str:
    """What has changed about who comes or what is decided, as part of a sentence."""
    return served_words(**change) if change.get("what") == "served" else _share_words(**change)


def of_changed(what: str, **more: Any) -> str:
    head = {"accepted": "What is decided has changed", "scores": "Scores have changed"}.get(
        what, "Who comes has changed"
    )
    text = change_words({"what": what, **more})
    return f"{head}: {text}. A reason to look until it is as before, or a person says that it is known."


def of_back(attribute: str | None, group: str | None, now: float, **_: Any) -> str:
    who = group or ("everyone" if attribute is None else f"those whose {attribute} is not known")
    return f"As before again, about {percent(now)}: {who}" + (f" ({attribute})." if group else ".")


def of_known(by: str, reason: str, changes: Sequence[Facts], **_: Any) -> str:
    text = "; ".join(change_words(c) for c in changes[:3])
    return f"{by} has looked: {reason} Known from now on: {text}. The next batches are the new reference."


def of_suspect(
    moved: Sequence[Facts] | None = None, worst: Sequence[Drift] = (), shifted: int = 0, tests: int = 0,
    poor: bool = False, **_: Any,
) -> str:  # fmt: skip
    if moved is not None:
        text = "; ".join(change_words(c) for c in moved[:3])
        return f"Changed since the first batches: {text}. Nothing is retrained for that: a person should look."
    names = "; ".join(f"{d.feature} ({d.group}, PSI {fixed(d.psi, 2)})" for d in worst)
    text = (
        (f"{shifted} of {many(tests, 'test')} {are(shifted, 'sees', 'see')} drift, most in {names}. ")
        if shifted
        else ""
    )
    text += "By its own scores the model is expected to be wrong more often than before. " if poor else ""
    return text + "Nothing is retrained for that: the norms and the harm decide."


def of_confirmed(why: str, build_rows: int, **_: Any) -> str:
    return (
        f"{why} A challenger is built once {many(build_rows, 'person')} who came after the alarm have known "
        "outcomes; nothing is learned from the rows that raised it."
    )


def of_healthy(known: int, unsure: Sequence[Counted], groups: Sequence[GroupNow], **_: Any) -> str:
    return (
        f"{many(known, 'norm')} can be judged and none is found broken"
        + (f"; {len(unsure)} cannot be judged yet ({unsure[0].reason})." if unsure else ".")
        + groups_words(groups)
    )


def groups_words(groups: Sequence[GroupNow]) -> str:
    """Who is not judged yet, with counts; nothing where everyone is."""
    if not groups:
        return ""
    who = ", ".join(f"{g.group} ({g.attribute}: {g.outcomes:,} of {g.people:,} with outcomes)" for g in groups[:5])
    more = f" and {len(groups) - 5} more" if len(groups) > 5 else ""
    return f" UNDECIDED whether these are wronged more often than before: {who}{more}."


def of_frozen(rollbacks: int | None = None, attempts: int = 0, tried: Sequence[str] = (), **_: Any) -> str:
    if rollbacks is not None:
        return "Two promotions in a row were rolled back. The loop stops: a person must look."
    none = len(tried) - attempts
    if attempts == 0:
        text = f"{many(none, 'method')} tried, and none gave a challenger."
    else:
        text = f"{many(attempts, 'challenger')} tried on people, and none earned its place"
        text += f"; {many(none, 'more method')} gave none." if none else "."
    return f"{text} The loop stops trying: a person must look."


def of_rejected(
    by: str | None = None, reason: str = "", failure: str | None = None, against: str = "", failed: bool = False,
    batches: int = 0, **_: Any,
) -> str:  # fmt: skip
    if by is not None:
        return f"{by} rejects the challenger: {reason}"
    if failure is not None:
        return f"The challenger could not decide this batch: {failure}"
    still = "" if failed else f" after {many(batches, 'batch')} it is still open."
    return f"The challenger did not earn its place: {against}{still}"


def of_gate(method: str, batches: int, automatic: bool, gate: Facts, **_: Any) -> str:
    text = f"The challenger by {method_words(method)} meets every condition on {many(batches, 'later batch')}."
    more = " The policy lets the loop promote without a person." if automatic else " A person must approve."
    return text + more + "".join(f" {c.get('words')}" for c in gate.get("undecided") or ())


def of_reopened(against: str, by: str | None = None, **_: Any) -> str:
    text = "It waits for a person no longer: " if by is None else f"{by} approves, and it is not done: "
    return f"{text}a condition of the gate is open. {against}"


def of_both_hurt(norms: Sequence[str], why: str, **_: Any) -> str:
    if not norms:
        return f"{why} There is no predecessor left to go back to."
    return f"{why} The predecessor breaks the same on the same people: rolling back would not help."


def of_policy(given: str, shown: str, **_: Any) -> str:
    return f"{given} The running model is judged on the new norms at once, from stored counts: " + (
        f"broken: {shown}." if shown else "none is clearly broken."
    )


def of_restored(batch: str, released: Facts | None = None, **_: Any) -> str:
    text = f"Batch {batch} can be used; the data incident is over."
    return text + ("" if released is None else _let_in(**released))


def _let_in(by: str, reason: str) -> str:
    return f" {by} let it in although it does not keep the contract: {reason}"


def of_rows_released(by: str, rows: int, batch: str, reason: str, **_: Any) -> str:
    return f"{by} releases {many(rows, 'row')} of batch {batch}, to be sent again: {reason}"


def of_rows_dropped(by: str, rows: int, batch: str, reason: str, **_: Any) -> str:
    return f"{by} drops {many(rows, 'row')} of batch {batch}: {reason}"


def of_late(outcomes: int, batch: str, missing: int, **_: Any) -> str:
    more = f"; {missing:,} may still come." if missing else "."
    return f"{many(outcomes, 'outcome')} of batch {batch} came late and {are(outcomes)} counted{more}"


def of_no_outcomes(
    batches: int, group: str | None = None, attribute: str = "", people: int = 0, problem: str = "", **_: Any
) -> str:
    if group:
        return (
            f"Outcomes of {group} ({attribute}) have stopped: in {many(batches, 'due batch')} none came for "
            f"{many(people, 'person')}, though those of others did. Whether {group} is wronged is not known."
        )
    return (
        f"{many(batches, 'batch')} in a row came due without outcomes that can be used: whether anybody is wronged "
        f"is not known. The last: {problem}"
    )


def of_build(method: str, rows: int, **_: Any) -> str:
    return (
        f"{many(rows, 'person')} since the alarm {are(rows, 'has a known outcome', 'have known outcomes')}: a "
        f"challenger is built by {method_words(method)}."
    )


def of_promoted(by: str, reason: str, **_: Any) -> str:
    return f"Promoted by {by}: {reason} The predecessor stays warm and decides beside it."


def of_went_back(noted: int, noted_at: str, found: int, **_: Any) -> str:
    if found == 1:
        return (
            f"The database begins anew, and entry {noted:,} of another was noted at {noted_at}: that one was removed. "
            "Its people are counted again from the feed; its alarms, and decisions by people, are lost."
        )
    return (
        f"The database is older than what was noted of it: entry {noted:,} was written at {noted_at}, and it ends "
        f"with entry {found:,}, or has another one there. A copy was put back; what it lacks is counted again from "
        "the feed, and decisions by people since then are lost."
    )


def of_migrated(to: int, **more: Any) -> str:
    return (
        f"This trail was written by an older version of Assay ({more.get('from')}): it goes on in form {to}, and every "
        "entry before this one stays as it is."
    )
