"""Who is judged and who not yet, what has changed about who comes, and rows that wait for a person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from debias.loop.sentences import change_words
from debias.loop.sift import shown
from screens import parts, state

Record = dict[str, Any]
STATUS = {"harmed": "wronged more often", "undecided": "UNDECIDED", "watched": "judged with every batch"}


@dataclass(frozen=True, slots=True)
class Group:
    """One of `groups` in watch.json."""

    attribute: str
    group: str
    people: int
    outcomes: int
    wrong: int
    status: str
    reason: str | None
    first: float | None
    newest: float | None


def groups(document: Record) -> None:
    """Everyone who came, those of whom nothing is known first."""
    found = [Group(**g) for g in document.get("groups") or ()]
    if not found:
        return
    waiting = [g for g in found if g.status == "undecided"]
    st.markdown("### Is anybody wronged more often than before?")
    if waiting:
        who = ", ".join(f"{g.group} ({g.attribute}: {g.outcomes:,} people with outcomes)" for g in waiting[:8])
        more = f" and {len(waiting) - 8} more" if len(waiting) > 8 else ""
        st.warning(state.plain(f"UNDECIDED for {who}{more}: this is no good news about them."))
    order = tuple(STATUS)
    rows = [
        {
            "Group": f"{g.group} ({g.attribute})",
            "People": g.people,
            "With outcomes": g.outcomes,
            "Decided wrongly": g.wrong,
            "At first": _percent(g.first),
            "In the newest batches": _percent(g.newest),
            "Stands": STATUS.get(g.status, g.status) + (f": {g.reason}" if g.reason else ""),
        }
        for g in sorted(found, key=lambda g: (order.index(g.status), g.attribute, -g.people))
    ]
    parts.table(
        pd.DataFrame(rows), alt="Every group that came, and whether it is judged, those harmed or undecided first"
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def changes(document: Record) -> None:
    """Open changes of who comes, what is decided and what is served."""
    found = document.get("changes") or []
    if found:
        lines = "\n".join(f"- {state.plain(change_words(c))}" for c in found)
        st.warning(f"Changed, and not yet known to a person:\n\n{lines}")


def aside(document: Record) -> None:
    """Rows and batches that were put aside."""
    found = document.get("quarantine") or {}
    reasons, held = found.get("reasons"), found.get("held", 0)
    if reasons:
        st.caption(state.plain(f"Put aside or left out so far: {shown(reasons)}. Rows are in the folder quarantine."))
    if held:
        st.caption(f"{held:,} batches were put aside.")
