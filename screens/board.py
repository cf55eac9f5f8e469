"""The board on the screen Report: a member approves or rejects with a key of their own, which is not kept."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import streamlit as st

from audit import access
from audit.errors import AssayError
from reports.manifest import Manifest
from screens import parts, secret, sign, state
from screens.secret import Brought
from screens.workspace import CaseFolder, log_home

FIELDS = {
    "approve-member": None, "approve-decision": None, "approve-reason": "", "approve-conditions": "",
    "approve-until": None, "approve-password": "",
}  # fmt: skip


def countersign(folder: CaseFolder, report: Path, manifest: Manifest) -> None:
    """A board member approves or rejects, with a reason, by their own key."""
    from reports.keys import open_key

    members = manifest.members
    if not members or not access.may("countersign", folder.place):
        return
    st.markdown("### The board decides")
    with st.form("approve"):
        member = st.selectbox(
            "Member", [m.name for m in members], index=None, key="approve-member", placeholder="Choose who decides"
        )
        decision = st.radio("Decision", ["approve", "reject"], index=None, horizontal=True, key="approve-decision")
        reason = st.text_area("Reason", key="approve-reason", height=80, max_chars=1000)
        conditions = st.text_area("Conditions (optional)", key="approve-conditions", height=80, max_chars=500)
        until = st.date_input(
            "Look at it again after (optional)", value=None, min_value=dt.datetime.now(dt.UTC).date(),
            key="approve-until", format="YYYY-MM-DD",
        )  # fmt: skip
        brought = secret.key_upload("The member's key (.p12)", "approve-key")
        st.caption("The key is used in memory and is not kept.")
        password = st.text_input("Password", type="password", key="approve-password")
        go = st.form_submit_button("Countersign")
        lacks = [] if not go else lacking(member, decision, reason, brought is not None, password)
        if lacks:
            st.warning(f"Not signed yet. Still missing: {', '.join(lacks)}.")
    if not go or lacks or brought is None or parts.busy():
        return
    try:
        content = brought.getvalue()
        key = Brought(open_key(content, brought.name, password.encode()).name, content, password)
    except AssayError as error:
        state.show_error(error)
        return
    # As one word each: a reason may begin with a dash.
    args = ["approve", str(report), *secret.STDIN, f"--decision={decision}", f"--reason={' '.join(reason.split())}"]
    args += [f"--conditions={' '.join(conditions.split())}", "--log", str(log_home()), f"--member={member}"]
    args += ["--until", until.isoformat()] if isinstance(until, dt.date) else []
    sign.sign(folder, args, key, "approve-key", FIELDS)


def lacking(member: str | None, decision: str | None, reason: str, file: bool, password: str) -> list[str]:
    """What is still missing, in words, in the order of the form."""
    wanted = (
        (not member, "who decides"),
        (not decision, "the decision"),
        (not reason.strip(), "the reason"),
        (not file, "the member's key"),
        (not password, "the password of the key"),
    )
    return [words for missing, words in wanted if missing]
