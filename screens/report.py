"""Report: sign what was measured, look at the exact PDF, countersign, and verify any report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from audit import access
from audit.errors import AssayError
from audit.numbers import are, many
from reports.conditions import OPEN, Condition
from screens import board, parts, people, removal, secret, sign, state
from screens.workspace import CaseFolder, entries_seen, log_home

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from reports.manifest import Manifest
    from reports.register import Line, Standing
    from reports.verify import Verification


def show() -> None:
    """The screen."""
    secret.empty_now()
    folder = parts.need_case("Report")
    if folder is not None:
        parts.job_panel("The report")
        signed_report(folder)
        sign.issue(folder)
        people.panel(folder)
        if access.may("delete", folder.place):
            removal.panel(folder)
    st.divider()
    decided()
    people.acts()
    parts.help_on("report")


def signed_report(folder: CaseFolder) -> None:
    """The signed report: download, the key made for it, pages to look at."""
    report = folder.run / "report.pdf"
    if not report.exists():
        return
    content = report.read_bytes()
    st.header("The signed report")
    left, right = st.columns(2)
    left.download_button(
        "Download the report", content, file_name="report.pdf", mime="application/pdf", key="download-report",
        type="primary", on_click="ignore",
    )  # fmt: skip
    manifest = manifest_of(content)
    if manifest is not None:
        hand_on(manifest, folder, right)
    states_log = manifest is not None and manifest.extra.get("checkpoint") is not None
    verified(content, log=logged() if states_log else None)
    if st.toggle("Look at the pages", key="look"):
        st.pdf(content, height=820, key="pages", alt="The signed report, page by page")
    if manifest is not None:
        board.countersign(folder, report, manifest)


@st.cache_data(max_entries=4, show_spinner="Reading the report", scope="session")
def manifest_of(content: bytes) -> Manifest | None:
    """What the report says of itself, read behind walls; None where it does not hold so far, which the checks tell."""
    from reports.approve import embedded_manifest

    try:
        return embedded_manifest(content)
    except AssayError:
        return None


def hand_on(manifest: Manifest, folder: CaseFolder, place: DeltaGenerator) -> None:
    """Who signed, the line for those who will check it, and the key, where this report was signed by one made here."""
    from reports.document import report_number

    print_ = manifest.auditor.certificate or ""
    own = next((k for k in secret.made_keys(folder) if k.stem == print_), None)
    if own is not None and access.may("publish", folder.place):
        place.download_button(
            "Download the key made here", own.read_bytes(), file_name="key.p12", key="download-key", on_click="ignore",
            help="Keep it with its password: the next report can be signed with it.",
        )  # fmt: skip
    st.caption(f"Signed by {state.escape(manifest.author)}. Hand this line on with the report, by another way than it:")
    st.code(f"Report {report_number(manifest)}, signed by {manifest.author}, certificate SHA-256 {print_}",
            language=None, wrap_lines=True)  # fmt: skip


@st.cache_data(max_entries=4, show_spinner="Checking every figure")
def _verify(content: bytes, trust: bytes | None, log: tuple[bytes, bytes, bytes] | None) -> Verification:
    from reports.log import LogCopy
    from reports.verify import verify

    return verify(content, trust=trust, log=None if log is None else LogCopy(*log))


def logged() -> tuple[bytes, bytes, bytes] | None:
    """The bytes of the workspace's log, or None where nothing has been entered yet."""
    from reports.log import read_copy

    try:
        copy = read_copy(log_home())
    except AssayError:
        return None
    return copy.entries, copy.note, copy.public


def verified(content: bytes, trust: bytes | None = None, log: tuple[bytes, bytes, bytes] | None = None) -> None:
    """Each check as a line; the failed one is named first. With a log, where in it the report stands."""
    try:
        verification = _verify(content, trust, log)
    except AssayError as error:
        state.show_error(error)
        return
    if verification.failed is not None:
        st.error(f"**Verification failed.** {state.escape(verification.error().message)}")
    elif verification.partial:
        st.warning(f"**Verified in part.** {state.escape(verification.error().message)}")
    else:
        passed = sum(c.status == "ok" for c in verification.checks)
        st.success(
            f"{state.escape(verification.verdict[0].upper() + verification.verdict[1:])}. {many(passed, 'check')} "
            f"{are(passed, 'was', 'were')} made."
        )
        place = next((c for c in verification.checks if c.name == "log inclusion" and c.status == "ok"), None)
        if place is not None:
            st.caption(f"In the log of reports: {state.escape(place.detail)}.")
    rows = [{"Check": c.name, "Result": c.status, "What was compared": c.detail} for c in verification.checks]
    with st.expander("Every check", expanded=not verification.ok):
        parts.table(pd.DataFrame(rows), alt="Checks of the report, one a line")
        st.caption(f"The file was read behind: {state.escape(', '.join(verification.isolation)) or 'nothing'}.")


def check() -> None:
    """Verify any report, also one that was made elsewhere."""
    st.header("Verify a report")
    left, right = st.columns(2)
    report = left.file_uploader("Report (PDF)", type=["pdf"], key="verify-file")
    trust = right.file_uploader("Root certificate to trust (optional)", type=["pem", "crt", "cer"], key="trust-file")
    log = logged()
    against = log is not None and st.checkbox(
        "Compare with this workspace's log of reports", key="verify-log",
        help="The report has to be in it, with every decision that was logged.",
    )  # fmt: skip
    if report is not None:
        verified(report.getvalue(), None if trust is None else trust.getvalue(), log if against else None)


STAND = {"approve": "approved", "reject": "rejected", "issued": "issued"}


def decided() -> None:
    """The register: who decided what, on which report, when, and until when; as a table and to take away."""
    from reports import register as registered
    from reports.log import Log

    st.header("Register of reports and decisions")
    try:
        view = None if logged() is None else Log(log_home()).read()
    except AssayError as error:
        state.show_error(error)
        return
    seen = [] if view is None else entries_seen(view.entries)
    lines = registered.register(seen)
    if view is None or not lines:
        st.write("No report has been signed here yet.")
        return
    stands = registered.standings(seen, dt.datetime.now(dt.UTC).date())
    parts.table(standing_rows(stands), alt="Reports and how each stands with the board")
    if (set_ := condition_rows(registered.conditions_of(seen), dt.datetime.now(dt.UTC).date())) is not None:
        parts.table(set_, alt="Conditions that boards have set, and how each stands")
    parts.table(register_rows(lines), alt="Who issued or decided what, when, and until when")
    st.download_button(
        "Download the register (CSV)", registered.to_csv(lines), file_name="register.csv", mime="text/csv",
        key="download-register", on_click="ignore",
    )  # fmt: skip
    with st.expander("The log behind it"):
        st.write(f"{many(view.checkpoint.size, 'entry')}. Give this key to those who check reports against the log:")
        st.code(view.verifier.text, language=None)


def standing_rows(stands: Sequence[Standing]) -> pd.DataFrame:
    """One row a report."""
    columns = ["Report", "Case", "Issued", "Approved", "Rejected", "Needed", "Until", "Standing"]
    rows = [
        (
            s.number,
            s.case,
            s.issued[:10],
            f"{s.approved} of {s.members}",
            s.rejected,
            s.quorum,
            s.until or "–",
            s.standing,
        )
        for s in stands
    ]
    return pd.DataFrame(rows, columns=columns)


def condition_rows(conditions: Mapping[str, Sequence[Condition]], today: dt.date) -> pd.DataFrame | None:
    """One row a condition, open ones first; None where no board has set one."""

    def stands(c: Condition) -> str:
        late = c.state == OPEN and c.due and dt.date.fromisoformat(c.due) < today
        return "open, overdue" if late else c.state

    rows = [
        (case, c.number, c.text, c.owner or "–", c.due or "–", stands(c))
        for case, all_ in conditions.items()
        for c in all_
    ]
    rows.sort(key=lambda r: (not r[5].startswith(OPEN), r[0], r[1]))
    columns = ["Case", "No.", "Condition", "Owner", "Until", "Stands"]
    return pd.DataFrame(rows, columns=columns) if rows else None


def register_rows(lines: Sequence[Line]) -> pd.DataFrame:
    """One row a decision or issue, the last first."""
    columns = ["When", "Who", "What", "Report", "Case", "Reason", "Conditions", "Until"]
    rows = [
        (x.when[:16].replace("T", " "), x.who, STAND[x.decision], x.number, x.case, x.reason or "–",
         x.conditions or "–", x.until or "–")
        for x in reversed(lines)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
