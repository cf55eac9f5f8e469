"""Signing a report, on the screen Report: by a key made here or brought along, and held against earlier reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from audit import access
from audit.errors import AssayError, KeyFileError, PublicationError
from screens import parts, secret, state
from screens.secret import Brought
from screens.workspace import CaseFolder, keep_upload, log_home

MAKE, AGAIN, OWN = "Make a key", "Use the key made here", "Use my .p12 file"
FIELDS = {"key-password": "", "key-name": "", "deviations": "", "allow-difference": ""}


def issue(folder: CaseFolder) -> None:
    """Sign with a key made here or brought along."""
    if not (folder.run / "evidence.json").exists():
        st.write("Nothing has been measured yet.")
        st.page_link(parts.page("data"), label="Run the audit first")
        return
    if not access.may("publish", folder.place):
        return
    refused = st.session_state.get(f"refused-{folder.id}")
    if (folder.run / "report.pdf").exists():
        with st.expander("Sign again", expanded=bool(refused)):
            form(folder, refused)
    else:
        st.header("Sign")
        form(folder, refused)


def form(folder: CaseFolder, refused: dict[str, str] | None) -> None:
    """The fields and the button. refused: why the counts may not go out as they are, where they were held already."""
    parts_of_it = (("explain.json", "explanations"), ("mitigation.json", "mitigation"))
    missing = [words for name, words in parts_of_it if not (folder.run / name).exists()]
    if missing:
        st.info(f"The report will say that it has no {' and no '.join(missing)}.")
    key_files = secret.made_keys(folder)
    kinds = [MAKE, *([AGAIN] if key_files else []), OWN]
    kind = st.radio("Key", kinds, horizontal=True, key="key-kind")
    with st.form("sign"):
        name, brought = "", None
        if kind == MAKE:
            name = st.text_input("Your name, as it will be printed", key="key-name", max_chars=120)
        elif kind == OWN:
            brought = secret.key_upload("Key file", "key-file")
            st.caption("The key is used in memory and is not kept.")
        password = st.text_input("Password of the key", type="password", key="key-password")
        members = st.text_input("Board members who are to decide, separated by commas (optional)", key="members")
        quorum = st.number_input("How many of them must approve (0: more than half)", 0, 99, 0, key="quorum")
        people = st.checkbox("Print explanations of single persons too", key="print-people")
        protocol = st.file_uploader("What was fixed before the results (optional)", key="protocol-file")
        deviations = st.text_area(
            "What was done otherwise than that, one a line (optional)", key="deviations", height=80, max_chars=2000
        )
        why = ""
        if refused:
            state.show_error(PublicationError(**refused))
            why = st.text_area(
                "Why it may be published (printed in the report)", key="allow-difference", height=80,
                max_chars=500,
            )  # fmt: skip
        go = st.form_submit_button("Sign the report", type="primary")
        lacks = [] if not go else lacking(kind, name, brought is not None, password, bool(refused) and not why.strip())
        if lacks:
            st.warning(f"Not signed yet. Still missing: {', '.join(lacks)}.")
    if not go or lacks or parts.busy():
        return
    try:
        access.demand("publish", folder.place)
        held = hold(folder, people, why)
        if held is not None:
            st.session_state[f"refused-{folder.id}"] = held
            st.rerun()
        key = key_of(folder, kind, name, password, brought)
    except AssayError as error:
        state.show_error(error)
        return
    args = ["report", str(folder.run), *secret.STDIN, "--out", str(folder.run / "report.pdf")]
    args += board(members, int(quorum)) + (["--people"] if people else [])
    args += ["--log", str(log_home())] + ([f"--allow-difference={why}"] if why.strip() else [])
    if protocol is not None:
        args += ["--protocol", str(keep_upload(folder, protocol.name, protocol.getvalue()))]
    args += [f"--deviation={line.strip()}" for line in deviations.splitlines() if line.strip()]
    st.session_state.pop(f"refused-{folder.id}", None)
    sign(folder, args, key, "key-file", FIELDS)


def board(members: str, quorum: int) -> list[str]:
    """Who is to decide, and how many of them, as options of `assay report`."""
    args = []
    for member in filter(None, (m.strip() for m in members.split(","))):
        args += ["--member", member]
    return args + (["--quorum", str(quorum)] if quorum else [])


def sign(folder: CaseFolder, args: Sequence[str], key: Brought, upload: str, fields: Mapping[str, object]) -> None:
    """Start the work with the key on its standard input; nothing of it stays here, and the fields are emptied."""
    secret.forget_upload(upload)
    secret.empty_later(fields)
    parts.start(folder, list(args), secret=key.piped)


def lacking(kind: str, name: str, file: bool, password: str, reason: bool) -> list[str]:
    """What is still missing, in words, in the order of the form."""
    wanted = (
        (kind == MAKE and not name.strip(), "your name"),
        (kind == OWN and not file, "the key file"),
        (not password, "the password of the key"),
        (reason, "the reason why it may go out"),
    )
    return [words for missing, words in wanted if missing]


def key_of(folder: CaseFolder, kind: str, name: str, password: str, brought: object) -> Brought:
    """The key to sign with, opened once to see that the password fits. Only one that is made here is written."""
    from reports.keys import make_key, open_key

    if kind == MAKE:
        key, content = make_key(name, password.encode())
        secret.keep_made(folder, key.fingerprint, content)
        return Brought(key.name, content, password)
    if kind == AGAIN:
        kept = secret.made_keys(folder)
        if not kept:
            raise KeyFileError("there is no key made here", todo="make one, or use your own file")
        content, file = kept[0].read_bytes(), "the key made here"
    else:
        content, file = brought.getvalue(), brought.name  # type: ignore[attr-defined]
    return Brought(open_key(content, file, password.encode()).name, content, password)


def hold(folder: CaseFolder, people: bool, why: str) -> dict[str, str] | None:
    """Where the report would give people away beside an earlier one and no reason is given: the message's parts."""
    from reports.issue import collect
    from reports.issue import hold as held_against
    from reports.log import Log
    from reports.log.store import CHECKPOINT

    book = Log(log_home()) if (log_home() / CHECKPOINT).exists() else None
    with st.spinner("Holding the counts against those of earlier reports"):
        try:
            files = collect(folder.run, people=people)
            held_against(files, book, book.read() if book else None, why or None)
        except PublicationError as error:
            return {
                "problem": error.problem, "got": error.got, "expected": error.expected,
                "todo": str(error.todo).partition(": --")[0],  # what a terminal would be given; here it is the field
            }  # fmt: skip
    return None
