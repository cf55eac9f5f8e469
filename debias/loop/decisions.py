"""What a person asks of a loop from outside: where it stands, whether its trail is whole, yes or no to a challenger."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from audit.case import Case
from audit.documents.watch import GateVerdict, ShadowNow
from audit.errors import InputError, OutputError
from audit.numbers import are, brief, fixed, many
from debias.loop import anchor, inbox
from debias.loop.alerts import noted
from debias.loop.approver import Open, Sign, facts_to_sign
from debias.loop.document import Judged, Summary, about
from debias.loop.norms import in_force
from debias.loop.quarantine import decide_rows, let_in
from debias.loop.run import url_of
from debias.loop.sentences import change_words, groups_words
from debias.loop.snapshot import SUMMED, Board
from debias.loop.trail import Entry, Trail
from debias.loop.versions import state_in
from debias.loop.watcher import Watcher

LINES = 40
STANDS = {"inside": "inside the norm", "outside": "clearly outside the norm", "undecided": "undecided"}


def check_trail(out: Path, trail_url: str | None = None, elsewhere: Mapping[int, str] | None = None) -> dict[str, Any]:
    """Follow both chains, and hold them against the hashes that alerts noted, and OUT/head.json. Needs no lock.

    elsewhere: seq -> hash as noted outside OUT, in place of OUT's head.json. Raises VerificationError at the first
    entry that does not fit.
    """
    trail = Trail.open(url_of(out, trail_url), write=False)
    try:
        end = anchor.end_in(out / anchor.FILE) if elsewhere is None else None
        known = noted(out) | ({} if end is None else {end.seq: end.hash}) | dict(elsewhere or {})
        return {"schema": "assay/watch-check/1", **trail.check(known)}
    finally:
        trail.close()


def entries_of(out: Path, trail_url: str | None = None) -> Iterator[Entry]:
    """Every entry of the trail, in order. Needs no lock."""
    trail = Trail.open(url_of(out, trail_url), write=False)
    try:
        yield from trail.entries()
    finally:
        trail.close()


def state_of(case: Case, out: Path, trail_url: str | None = None) -> dict[str, Any]:
    """Where the loop stands, and every sentence of its trail but those of quiet batches. Needs no lock.

    Judged by the policy that the loop was last run with.
    """
    trail = Trail.open(url_of(out, trail_url), write=False)
    try:
        case = in_force(case, trail.kept("policy"))
        state, board = state_in(trail, case.policy), Board()
        if state is None:
            raise InputError("the loop has not begun yet", got="an empty trail", todo="run `assay watch` first")
        for entry in trail.entries():
            board.add(entry)
        document = board.document(case, case.policy, state, case.data.sensitive)
        head = trail.head()
    finally:
        trail.close()
    return {
        "schema": "assay/watch-summary/1",
        "case": case.name,
        **{k: document[k] for k in SUMMED},
        "taken": 0,
        "said": board.sentences(),
        "trail": {"entries": head.seq, "head": head.hash},
    }


def decide_challenger(
    case: Case,
    out: Path,
    challenger: str,
    approve: bool,
    reason: str,
    by: str | None = None,
    trail_url: str | None = None,
    sign: Sign | None = None,
    opened: Open | None = None,
) -> dict[str, Any]:
    """A person's decision: taken at once, or left for the watcher that holds the trail. The summary.

    challenger: the id that waits, or its first eight characters or more. The policy is the one that the loop was last
    run with. sign, opened: how it is signed, and how that is opened again (approver.py). Raises InputError where
    nothing waits.
    """
    url = url_of(out, trail_url)
    reader = Trail.open(url, write=False)
    try:
        case = in_force(case, reader.kept("policy"))
        state = state_in(reader, case.policy)
        if state is None:
            raise InputError("the loop has not begun yet", got="an empty trail", todo="run `assay watch` first")
        decision = inbox.named(state, challenger, approve, reason, by or whoami())
        if sign is not None:
            signed = sign(facts_to_sign(case.name, decision, case.policy, state.running, reader))
            decision = replace(decision, signed=signed)
    finally:
        reader.close()
    try:
        trail = Trail.open(url)
    except OutputError as error:
        if not error.problem.startswith("another watcher"):
            raise
        inbox.leave(out, decision)
        document = state_of(case, out, trail_url)
        message = "Left for the watcher that is running: it takes the decision before its next batch."
        return document | {"said": [message]}
    with trail, Watcher(case, out, trail, (), opened) as watcher:
        problem = watcher.problem_with(decision)
        if problem is not None:
            raise InputError("the decision cannot be taken", got=problem, todo="look at --state and decide again")
        refused = watcher.decide(decision)
        watcher.show()
        if refused is not None:
            raise InputError(
                "the challenger is not approved", got=refused, expected="every condition of the gate to hold now",
                todo="wait for more people, or --reject it; it is judged again with every batch",
            )  # fmt: skip
        return watcher.summary(0)


def release_batch(
    out: Path, batch: str, reason: str, by: str | None = None, trail_url: str | None = None
) -> dict[str, Any]:
    """Let a batch in, when it comes again, that was put aside; or the rows of one that were. Needs no lock.

    Raises InputError."""
    rows = decide_rows(out, batch, reason, by or whoami(), drop=False)
    if rows is not None:
        return rows
    trail = Trail.open(url_of(out, trail_url), write=False)
    try:
        entries = list(trail.entries())
    finally:
        trail.close()
    return let_in(out, entries, batch, reason, by or whoami())


def drop_rows(out: Path, batch: str, reason: str, by: str | None = None) -> dict[str, Any]:
    """Remove the rows of a batch that were put aside. Needs no lock. Raises InputError where there are none."""
    dropped = decide_rows(out, batch, reason, by or whoami(), drop=True)
    if dropped is None:
        raise InputError(
            "no rows of this batch wait", got=repr(batch), expected="a batch of which rows were put aside",
            todo="look at --state",
        )  # fmt: skip
    return dropped


def whoami() -> str:
    """The name one is logged in by."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "a person without a login name"


def words_of(document: dict[str, Any]) -> list[str]:
    """A summary in lines for a terminal."""
    summary = msgspec.convert(document, Summary)
    lines = [f"{summary.case}: {many(summary.rows, 'person')} in {many(summary.batches, 'batch')}."]
    lines += ["", *(f"- {s}" for s in summary.said[-LINES:])]
    if len(summary.said) > LINES:
        lines.insert(
            1, f"({many(len(summary.said) - LINES, 'earlier sentence')} {are(len(summary.said) - LINES)} in the trail.)"
        )
    lines += ["", f"Policy {summary.policy.version}:"]
    for n in summary.norms:
        if n.value is None:
            lines.append(f"- {about(n)}: not estimable ({n.reason})")
        else:
            shown = f"{fixed(n.value, 3)} [{fixed(n.low, 3)}, {fixed(n.high, 3)}], limit {brief(n.limit)}"
            lines.append(f"- {about(n)}: {shown}: {STANDS[str(n.status)]}")
    waiting = [g for g in summary.groups if g.status == "undecided"]
    if waiting:
        lines += ["", groups_words(waiting).strip()]
    if summary.changes:
        lines += ["", "Open changes, which a person should look at:"]
        lines += [f"- {change_words(c)}" for c in summary.changes]
        lines.append(f'Say --approve {summary.running[:12]} --reason "..." where they are known and meant.')
    lines += ["", f"The loop is {summary.state}; the model that runs is {summary.running[:12]}."]
    return lines + ([] if summary.pending is None else _waits(summary.pending))


def _waits(pending: ShadowNow) -> list[str]:
    """A challenger and each condition of its gate."""
    lines = [f"A challenger waits for a person: {pending.model[:12]} ({pending.method.replace('_', ' ')})."]
    answers = {True: "yes", False: "no", None: "not yet"}
    gate = pending.gate or GateVerdict(())
    left = {c.name for c in gate.undecided}
    lines += [f"- {'need not show it' if c.name in left else answers[c.holds]}: {c.words}" for c in gate.checks]
    return [*lines, f'Say --approve {pending.model[:12]} --reason "...", or --reject.']


def gate_broken(document: dict[str, Any]) -> list[str]:
    """Norms that the running model clearly breaks, in words."""
    norms = msgspec.convert(document, Judged).norms
    return [f"{about(n)}: {fixed(n.value, 3)}, limit {brief(n.limit)}" for n in norms if n.status == "outside"]
