"""The member's door: a report that came by mail is opened, checked, read and countersigned, without a case and without
a file being kept. What is shown of it is what its checked evidence says, never what its pages say.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import streamlit as st

from audit import access
from audit.errors import AssayError
from audit.numbers import are, many
from reports.keys import SigningKey
from reports.manifest import Manifest
from screens import secret, state
from screens.board import lacking
from screens.workspace import cases_of_report, log_home

OWN, MAKE = "I have a key (.p12)", "Make a key for me"
FIELDS = {
    "door-member": None, "door-decision": None, "door-reason": "", "door-conditions": "", "door-until": None,
    "door-password": "",
}  # fmt: skip
DONE = "door-done"


@dataclass(frozen=True, slots=True)
class Done:
    """What was signed just now; kept in the session until it is taken away. key: the .p12 of a key made here."""

    report: bytes = field(repr=False)
    key: bytes = field(repr=False)
    member: str = ""
    decision: str = ""
    number: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A report that was checked: what its manifest and evidence say, and which members have decided."""

    manifest: Manifest
    findings: tuple[str, ...]
    checks: int
    decided: tuple[tuple[str, str, str], ...]


def show() -> None:
    """Open a report that was received; then decide."""
    st.header("Decide on a report that you received")
    st.caption(
        "For members of a board. The report and your key are used in memory and not kept on this machine. Where its "
        "log of reports knows the report, your decision is entered there."
    )
    if finished():
        return
    file = secret.upload("The report you received (PDF)", "door-file", ["pdf"])
    if file is None or not access.may("answer"):
        return
    content = file.getvalue()
    try:
        read = checked(content)
    except AssayError as error:
        st.error("**This report does not hold, so nobody should decide on it.**")
        state.show_error(error)
        return
    says(read)
    open_ = [m.name for m in read.manifest.members if m.name not in {who for who, _, _ in read.decided}]
    if not read.manifest.members:
        st.info("This report asks for nobody's decision.")
    elif not open_:
        st.info("Every member that this report names has decided.")
    else:
        decide(content, read, open_)


@st.cache_data(max_entries=4, show_spinner="Checking every figure", scope="session")
def checked(content: bytes) -> Read:
    """The report, where every check holds. Raises VerificationError, or InputError for what is no report."""
    from reports.approve import embedded_manifest
    from reports.log.record import read_report, steps_of
    from reports.manifest import strict_json
    from reports.verify import verify_or_raise

    result = verify_or_raise(content)
    manifest, signatures, files = read_report(content)
    evidence = strict_json(files["evidence.json"], "evidence.json")
    steps = [s.decided for s in steps_of(content, manifest, signatures)]
    return Read(
        embedded_manifest(content), tuple(map(str, evidence["findings"])), sum(c.status == "ok" for c in result.checks),
        tuple((d.member, d.decision, d.reason) for d in steps),
    )  # fmt: skip


def says(read: Read) -> None:
    """What the checked evidence says, and who has decided so far."""
    m = read.manifest
    st.success(
        f"{many(read.checks, 'check')} {are(read.checks, 'was', 'were')} made, none failed. Signed by "
        f"{state.escape(m.author)}, {m.issued:%Y-%m-%d}."
    )
    st.markdown(f"**{state.escape(m.case)}**")
    for line in read.findings:
        st.markdown(f"- {state.escape(line)}")
    for who, what, why in read.decided:
        st.write(f"{state.escape(who)}: {what}. {state.escape(why)}")
    st.caption(
        "These sentences follow from the counts in the report. Who signed is established only by a certificate that "
        "you trust, or by its fingerprint, given to you by another way."
    )
    st.code(
        f"Certificate SHA-256 {m.auditor.certificate}" if m.auditor.certificate else "no fingerprint is named",
        language=None,
        wrap_lines=True,
    )


def decide(content: bytes, read: Read, members: list[str]) -> None:
    """The member's decision, with their own key."""
    kind = st.radio("Your key", [OWN, MAKE], index=None, horizontal=True, key="door-kind")
    if kind is None:
        st.caption("Choose how you sign. A key made here is yours to take away, with its password.")
        return
    with st.form("door"):
        member = st.selectbox("You are", members, index=None, key="door-member", placeholder="Choose your name")
        decision = st.radio("Decision", ["approve", "reject"], index=None, horizontal=True, key="door-decision")
        reason = st.text_area("Reason", key="door-reason", height=80, max_chars=1000)
        conditions = st.text_area("Conditions (optional)", key="door-conditions", height=80, max_chars=500)
        until = st.date_input(
            "Look at it again after (optional)", value=None, min_value=dt.datetime.now(dt.UTC).date(),
            key="door-until", format="YYYY-MM-DD",
        )  # fmt: skip
        brought = secret.key_upload("Your key (.p12)", "door-key") if kind == OWN else None
        password = st.text_input("Password of the key", type="password", key="door-password")
        go = st.form_submit_button("Sign the decision", type="primary")
        file = kind == MAKE or brought is not None
        lacks = [] if not go else lacking(member, decision, reason, file, password)
        if lacks:
            st.warning(f"Not signed yet. Still missing: {', '.join(lacks)}.")
    if not go or lacks:
        return
    key_file = None if brought is None else (brought.getvalue(), brought.name)
    try:
        with st.spinner("Checking and signing"):
            day = until.isoformat() if isinstance(until, dt.date) else None
            done = signed(content, str(member), str(decision), (reason, conditions, day), key_file, password)
    except AssayError as error:
        state.show_error(error)
        return
    secret.forget_upload("door-key")
    secret.forget_upload("door-file")
    secret.empty_later(FIELDS)
    st.session_state[DONE] = done
    st.rerun()


def signed(
    content: bytes,
    member: str,
    decision: str,
    words: tuple[str, str, str | None],
    key_file: tuple[bytes, str] | None,
    password: str,
) -> Done:
    """Countersign in this process. words: reason, conditions, until. key_file: the key brought, and its file's name."""
    from reports.approve import approve
    from reports.document import report_number
    from reports.keys import make_key, open_key
    from reports.log.record import certified_of, read_report

    access.demand("answer")
    signatures = read_report(content)[1]
    places = cases_of_report(certified_of(content, signatures), signatures[0].span.end)
    if decision == "approve":
        for place in places:
            access.no_second_look(place)
    p12 = b""
    if key_file is None:
        key, p12 = make_key(member, password.encode())
    else:
        key = open_key(key_file[0], key_file[1], password.encode())
    reason, conditions, until = (" ".join(w.split()) if w else w for w in words)
    pdf = approve(
        content, key, decision=decision, reason=reason or "", conditions=conditions or "", until=until, member=member
    ).pdf
    entered(pdf, key)
    return Done(pdf, p12, key.name, decision, report_number(read_report(pdf)[0]), key.fingerprint)


def entered(pdf: bytes, key: SigningKey) -> None:
    """Enter the decision into this workspace's log where that knows the report; another's log is not ours to write."""
    from reports.approve import decision_envelope
    from reports.log import Log
    from reports.log.record import REPORT, certified_of, new_entries, of_report, read_report
    from reports.log.store import CHECKPOINT

    if not (log_home() / CHECKPOINT).exists():
        return
    book = Log(log_home())
    report = certified_of(pdf, read_report(pdf)[1])
    if of_report(book.read().entries, report, REPORT):
        book.append(lambda view: new_entries(view, pdf, dict([decision_envelope(pdf, key)])))


def finished() -> bool:
    """What was signed just now: the report, the key where one was made, and the line to hand on. Whether there is."""
    done = st.session_state.get(DONE)
    if not isinstance(done, Done):
        return False
    what = {"approve": "approved", "reject": "rejected"}[done.decision]
    with st.container(border=True):
        st.success(f"Signed: {state.escape(done.member)} {what} report {done.number}.")
        left, right = st.columns(2)
        left.download_button(
            "Download the countersigned report", done.report, file_name="report.pdf", mime="application/pdf",
            key="door-download", type="primary", on_click="ignore",
        )  # fmt: skip
        if done.key:
            right.download_button(
                "Download your key", done.key, file_name="key.p12", key="door-key-download", on_click="ignore",
                help="It is nowhere else. Keep it with its password.",
            )  # fmt: skip
        st.caption("Send the report back, and hand this line on by another way:")
        st.code(f"Report {done.number}, {what} by {done.member}, certificate SHA-256 {done.fingerprint}",
                language=None, wrap_lines=True)  # fmt: skip
        if st.button("Done: forget it here", key="door-forget"):
            del st.session_state[DONE]
            st.rerun()
    return True
