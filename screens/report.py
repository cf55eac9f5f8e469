"""Report: sign what was measured, look at the exact PDF, countersign, and verify any report."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from audit.errors import AssayError
from screens import parts, state
from screens.workspace import CaseFolder, keep_upload, log_home

if TYPE_CHECKING:
    from reports.register import Line, Standing

PASSWORD = "ASSAY_KEY_PASSWORD"


def show() -> None:
    """The screen."""
    folder = parts.need_case("Report")
    if folder is not None:
        parts.job_panel("The report")
        issue(folder)
    st.divider()
    check()
    decided()


def issue(folder: CaseFolder) -> None:
    """Sign with a key made here or brought along; then the report itself."""
    if not (folder.run / "evidence.json").exists():
        st.write("Nothing has been measured yet.")
        st.page_link(parts.PAGES["data"], label="Run the audit first")
        return
    parts_of_it = (("explain.json", "explanations"), ("mitigation.json", "mitigation"))
    missing = [words for name, words in parts_of_it if not (folder.run / name).exists()]
    if missing:
        st.info(f"The report will say that it has no {' and no '.join(missing)}.")
    st.subheader("Sign")
    own_key = st.radio("Key", ["Make a key", "Use my .p12 file"], horizontal=True, key="key-kind")
    with st.form("sign"):
        if own_key == "Make a key":
            name = st.text_input("Your name, as it will be printed", key="key-name", max_chars=120)
            brought = None
        else:
            name = ""
            brought = st.file_uploader("Key file", type=["p12", "pfx"], key="key-file")
        password = st.text_input("Password of the key", type="password", key="key-password")
        members = st.text_input("Board members who are to decide, separated by commas (optional)", key="members")
        quorum = st.number_input("How many of them must approve (0: more than half)", 0, 99, 0, key="quorum")
        people = st.checkbox("Print explanations of single persons too", key="print-people")
        protocol = st.file_uploader("What was fixed before the results (optional)", key="protocol-file")
        deviations = st.text_area(
            "What was done otherwise than that, one a line (optional)", key="deviations", height=80, max_chars=2000
        )
        go = st.form_submit_button("Sign the report", type="primary")
    if go and not parts.busy():
        try:
            key = key_file(folder, name, password, brought)
        except AssayError as error:
            state.show_error(error)
        else:
            args = ["report", str(folder.run), "--key", str(key), "--out", str(folder.run / "report.pdf")]
            for member in filter(None, (m.strip() for m in members.split(","))):
                args += ["--member", member]
            args += (["--quorum", str(quorum)] if quorum else []) + (["--people"] if people else [])
            args += ["--log", str(log_home())]
            if protocol is not None:
                args += ["--protocol", str(keep_upload(folder, protocol.name, protocol.getvalue()))]
            for line in filter(None, (d.strip() for d in deviations.splitlines())):
                args.append(f"--deviation={line}")
            parts.start(folder, args, env={PASSWORD: password})
    made(folder)


def key_file(folder: CaseFolder, name: str, password: str, brought: object) -> Path:
    """The key on disk: a new one, or the one uploaded, opened once to see that the password fits."""
    from reports.keys import load_key, new_key

    if brought is not None:
        path = keep_upload(folder, brought.name, brought.getvalue())  # type: ignore[attr-defined]
    else:
        path = folder.place / "key.p12"
        count = 1
        while path.exists():
            count += 1
            path = folder.place / f"key-{count}.p12"
        new_key(name, path, password.encode())
    load_key(path, password.encode())
    return path


def made(folder: CaseFolder) -> None:
    """The signed report: download, the key made for it, pages to look at."""
    report = folder.run / "report.pdf"
    if not report.exists():
        return
    content = report.read_bytes()
    st.subheader("The signed report")
    left, right = st.columns(2)
    left.download_button(
        "Download the report", content, file_name="report.pdf", mime="application/pdf", key="download-report",
        type="primary", on_click="ignore",
    )  # fmt: skip
    keys = sorted(folder.place.glob("key*.p12"))
    if keys:
        right.download_button(
            "Download the key made here",
            keys[-1].read_bytes(),
            file_name="key.p12",
            key="download-key",
            on_click="ignore",
            help="Keep it with its password: the next report can be signed with it.",
        )
    verified(content, log=logged() if states_log(content) else None)
    if st.toggle("Look at the pages", key="look"):
        st.pdf(content, height=820, key="pages", alt="The signed report, page by page")
    countersign(folder, report)


def countersign(folder: CaseFolder, report: Path) -> None:
    """A board member approves or rejects, with a reason, by their own key."""
    from reports.approve import embedded_manifest

    try:
        members = embedded_manifest(report.read_bytes()).members
    except AssayError as error:
        state.show_error(error)
        return
    if not members:
        return
    st.markdown("##### The board decides")
    with st.form("approve"):
        member = st.selectbox("Member", [m.name for m in members], key="approve-member")
        decision = st.radio("Decision", ["approve", "reject"], horizontal=True, key="approve-decision")
        reason = st.text_area("Reason", key="approve-reason", height=80, max_chars=1000)
        conditions = st.text_area("Conditions (optional)", key="approve-conditions", height=80, max_chars=500)
        until = st.date_input(
            "Look at it again after (optional)", value=None, min_value=dt.datetime.now(dt.UTC).date(),
            key="approve-until", format="YYYY-MM-DD",
        )  # fmt: skip
        brought = st.file_uploader("The member's key (.p12)", type=["p12", "pfx"], key="approve-key")
        password = st.text_input("Password", type="password", key="approve-password")
        go = st.form_submit_button("Countersign")
    if go and brought is not None and not parts.busy():
        try:
            key = key_file(folder, "", password, brought)
        except AssayError as error:
            state.show_error(error)
        else:
            args = ["approve", str(report), "--key", str(key), "--decision", decision]
            # As one word each: a reason may begin with a dash.
            args += [f"--reason={reason}", f"--conditions={conditions}"]
            args += ["--log", str(log_home())]
            args += ["--until", until.isoformat()] if isinstance(until, dt.date) else []
            parts.start(folder, [*args, "--member", str(member)], env={PASSWORD: password})


@st.cache_data(max_entries=4, show_spinner="Checking every figure")
def _verify(
    content: bytes, trust: bytes | None, log: tuple[bytes, bytes, bytes] | None
) -> tuple[list[dict[str, str]], str | None]:
    from reports.log import LogCopy
    from reports.verify import verify

    found = verify(content, trust=trust, log=None if log is None else LogCopy(*log))
    rows = [{"Check": c.name, "Result": c.status, "What was compared": c.detail} for c in found.checks]
    return rows, None if found.failed is None else found.error().message


def logged() -> tuple[bytes, bytes, bytes] | None:
    """The bytes of the workspace's log, or None where nothing has been entered yet."""
    from reports.log import read_copy

    try:
        copy = read_copy(log_home())
    except AssayError:
        return None
    return copy.entries, copy.note, copy.public


def states_log(content: bytes) -> bool:
    """Whether the report was issued with a log at hand; one from before that is in none."""
    from reports.approve import embedded_manifest

    try:
        return embedded_manifest(content).extra.get("checkpoint") is not None
    except AssayError:
        return False


def verified(content: bytes, trust: bytes | None = None, log: tuple[bytes, bytes, bytes] | None = None) -> None:
    """Each check as a line; the failed one is named first. With a log, where in it the report stands."""
    try:
        rows, failed = _verify(content, trust, log)
    except AssayError as error:
        state.show_error(error)
        return
    if failed:
        st.error(f"**Verification failed.** {state.plain(failed)}")
    else:
        st.success(f"Verified: {len(rows)} checks, none failed.")
        place = next((r for r in rows if r["Check"] == "log inclusion" and r["Result"] == "ok"), None)
        if place is not None:
            st.caption(f"In the log of reports: {place['What was compared']}.")
    with st.expander("Every check", expanded=bool(failed)):
        parts.table(pd.DataFrame(rows), alt="Checks of the report, one a line")


def check() -> None:
    """Verify any report, also one that was made elsewhere."""
    st.subheader("Verify a report")
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

    st.subheader("Register of reports and decisions")
    if logged() is None:
        st.write("No report has been signed here yet.")
        return
    try:
        view = Log(log_home()).read()
    except AssayError as error:
        state.show_error(error)
        return
    lines = registered.register(view.entries)
    stands = registered.standings(view.entries, dt.datetime.now(dt.UTC).date())
    parts.table(standing_rows(stands), alt="Reports and how each stands with the board")
    parts.table(register_rows(lines), alt="Who issued or decided what, when, and until when")
    st.download_button(
        "Download the register (CSV)", registered.to_csv(lines), file_name="register.csv", mime="text/csv",
        key="download-register", on_click="ignore",
    )  # fmt: skip
    with st.expander("The log behind it"):
        st.write(f"{view.checkpoint.size:,} entries. Give this key to those who check reports against the log:")
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


def register_rows(lines: Sequence[Line]) -> pd.DataFrame:
    """One row a decision or issue, the last first."""
    columns = ["When", "Who", "What", "Report", "Case", "Reason", "Conditions", "Until"]
    rows = [
        (x.when[:16].replace("T", " "), x.who, STAND[x.decision], x.number, x.case, x.reason or "–",
         x.conditions or "–", x.until or "–")
        for x in reversed(lines)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
