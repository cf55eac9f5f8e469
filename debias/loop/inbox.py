"""A person's word on a challenger, or on a frozen loop: at once, or left for the watcher that holds the trail.

OUT/decisions/*.json    one decision each, put in place whole; the watcher takes them before its next batch
"""

from __future__ import annotations

import uuid
from dataclasses import asdict
from pathlib import Path

import msgspec

from audit import progress
from audit.errors import InputError
from audit.files import canonical, write_whole
from debias.loop.modes import Mode
from debias.loop.state import Decision, State
from debias.loop.transitions import open_changes

FOLDER = "decisions"


def leave(out: Path, decision: Decision) -> Path:
    """Leave a decision for whoever holds the trail."""
    path = out / FOLDER / f"{uuid.uuid4().hex}.json"
    document = asdict(decision)
    write_whole(path, canonical(document))
    return path


def waiting(out: Path) -> list[tuple[Path, Decision]]:
    """Decisions that were left. One that cannot be read is put aside under the name *.unreadable."""
    decisions = []
    for path in sorted((out / FOLDER).glob("*.json")) if (out / FOLDER).is_dir() else []:
        try:
            decision = msgspec.json.decode(path.read_bytes(), type=Decision)
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError):
            put_by(path, "a decision")
            continue
        decisions.append((path, decision))
    return decisions


def put_by(path: Path, what: str) -> None:
    """A file that cannot be read waits under another name, so that it keeps nothing else waiting."""
    aside = path.with_suffix(".unreadable")
    path.rename(aside)
    progress.say(f"assay watch: {what} could not be read, and lies in {aside}; say it again, then remove that file.")


def problem_with(state: State, decision: Decision) -> str | None:
    """Why a decision cannot be taken now, or None."""
    if not decision.reason.strip() or not decision.by.strip():
        return "a decision needs a reason and a name."
    if state.mode == Mode.FROZEN or (state.mode == Mode.SUSPECT and open_changes(state) and decision.approve):
        return None if decision.model == state.running else _other(decision, state.running)
    if state.mode != Mode.APPROVAL and not (state.mode == Mode.SHADOW and not decision.approve):
        return f"nothing waits for a decision: the loop is {state.mode}."
    assert state.beside is not None
    return None if decision.model == state.beside.model else _other(decision, state.beside.model)


def _other(decision: Decision, wanted: str) -> str:
    return f"the decision is about {decision.model[:12]}, and what waits is {wanted[:12]}."


def named(state: State, model_id: str, approve: bool, reason: str, by: str) -> Decision:
    """A decision on what waits, by the model's id or its first eight characters or more. Raises InputError.

    A frozen loop is let go on by approving the model that runs; so is a change said to be known, of who comes or of
    what is decided, while the loop is SUSPECT for it.
    """
    waits = state.running if state.mode in (Mode.FROZEN, Mode.SUSPECT) else state.beside.model if state.beside else None
    model = waits if waits is not None and len(model_id) >= 8 and waits.startswith(model_id) else model_id
    decision = Decision(model, approve, reason.strip(), by.strip())
    problem = problem_with(state, decision)
    if problem is not None:
        raise InputError(
            "the decision cannot be taken",
            got=problem,
            expected="the id of the challenger that waits, and a reason"
            if waits is None
            else f"{waits[:12]}..., and a reason",
            todo="look at what waits: `assay watch CASE.toml --out DIR --state`",
        )
    return decision
