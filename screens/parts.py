"""Parts that several screens share: the line on top, a running job, the way on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from audit import access
from audit.errors import AccessError, AssayError
from audit.numbers import fixed, grouped
from debias import jobs
from screens import quiet, state, takeaway
from screens.workspace import CaseFolder, jobs_home

if TYPE_CHECKING:
    import pandas as pd
    from plotly.graph_objects import Figure

STAGES = (
    ("evidence.json", "measured"),
    ("explain.json", "explained"),
    ("mitigation.json", "mitigated"),
    ("report.pdf", "reported"),
)


def need_case(title: str) -> CaseFolder | None:
    """The screen's title and the line on top; without an open case, the way to one."""
    takeaway.clear()
    folder = state.current()
    if folder is not None and folder.ready:
        try:
            top_line(folder)
        except AssayError as error:
            state.show_error(error)
            return None
        st.title(title)
        return folder
    st.title(title)
    st.info("No case is open. Load a data set, or try a sample.")
    st.page_link(page("setup"), label="Go to Set up")
    return None


PAGES: dict[str, Any] = {}
"""The app's pages by name; app.py fills it, so that screens can point at each other."""


def page(name: str) -> Any:
    """One of the app's pages."""
    return PAGES[name]


def top_line(folder: CaseFolder) -> None:
    """Case, data hash, model hash, what has been done."""
    case = state.case_of(folder)
    evidence = state.evidence(folder) if access.may("figures", folder.place) else None
    done = [word for name, word in STAGES if (folder.run / name).exists()]
    parts = [f"**{state.escape(case.name)}**", state.escape(case.purpose)]
    if evidence:
        parts.append(f"data {evidence.data.sha256[:12]}")
        if evidence.model.sha256:
            parts.append(f"model {evidence.model.sha256[:12]}")
        else:
            parts.append(f"column {state.escape(evidence.model.column)}")
    parts.append(", ".join(done) if done else "not measured yet")
    st.caption(" · ".join(parts))


def start(folder: CaseFolder, args: Sequence[str], *, secret: bytes | None = None, go: str = "") -> None:
    """Start a command as a job and remember it in the address; `go` names the page to continue on.

    secret : what the command reads on standard input.
    """
    if args[0] in ("audit", "explain", "mitigate", "stress", "whatif"):
        args = [*args, *folder.allow]
    try:
        job = jobs.start(args, jobs_home(), secret=secret)
    except AssayError as error:
        state.show_error(error)
        return
    st.session_state.job = job.id
    if go:
        st.switch_page(PAGES[go], query_params={"case": folder.id, "job": job.id})
    st.query_params.job = job.id
    st.rerun()


def job_id() -> str | None:
    """The job in the address, or of this session where a page change dropped it from the address."""
    job: str | None = st.query_params.get("job") or st.session_state.get("job")
    if job and st.query_params.get("job") != job:
        st.query_params.job = job
    return job


def job_panel(words: str) -> None:
    """Progress of the job in the address, with Cancel; reruns the page when it ends."""
    running = job_id()
    if running is None:
        return
    try:
        now = jobs.shown(jobs_home(), running)
    except AssayError as error:
        forget_job()
        state.show_error(error)
        return
    if now.over:
        _ended(now, words)
        return
    with st.container(border=True, key="job"):
        _watch(running, words)
        st.caption("You can leave or reload this page; the work goes on, and its address finds it again.")
        if st.button("Cancel", key="cancel"):
            jobs.cancel(jobs_home(), running)
            st.rerun()


@st.fragment(run_every="1s")
def _watch(running: str, words: str) -> None:
    try:
        now = jobs.shown(jobs_home(), running)
    except AccessError:
        st.rerun()  # the login has ended: the whole page says so
    if now.over:
        st.rerun()
    quiet.until(lambda: jobs.state(jobs_home(), running), now)
    share = now.done / now.total if now.total else 0.0
    count = f" ({now.left})" if now.left else ""
    st.progress(min(share, 1.0), text=f"{words}: {now.stage or 'starting'}{count}")


def _ended(now: jobs.JobState, words: str) -> None:
    forget_job()
    if now.status == "done":
        st.toast(f"{words}: done")
    elif now.status == "cancelled":
        st.warning(f"{words}: cancelled. Nothing that was there before has changed.")
    else:
        st.error(f"**{words} did not finish.**\n\n{state.escape(now.error or now.message or 'no message')}")


def forget_job() -> None:
    """Take the ended job out of the address."""
    st.session_state.pop("job", None)
    if "job" in st.query_params:
        del st.query_params.job


def busy() -> bool:
    """Whether a job is running in this address."""
    running = job_id()
    if running is None:
        return False
    try:
        return not jobs.shown(jobs_home(), running).over
    except AssayError:
        return False


def sections(key: str, names: Sequence[str]) -> str:
    """The part of a long screen that is open; a person finds it again when they come back to the screen."""
    kept = f"{key}-kept"
    chosen = st.segmented_control(
        "Part of this screen", names, default=st.session_state.get(kept, names[0]), required=True, key=key,
        label_visibility="collapsed",
    )  # fmt: skip
    st.session_state[kept] = chosen or names[0]
    return str(st.session_state[kept])


HELP = {
    "start": (
        "An *audit* counts who receives which decision, by group, with how sure that is.",
        "A *case* is one decision about people: its data, its model, what was measured, and its reports.",
        "Everything stays on this machine. A case is deleted, with its data, at the foot of its screen Report.",
    ),
    "setup": (
        "An *outcome* is what really happened (a loan was repaid); a *decision* is what was done (a loan was granted); "
        "a *score* is a number that decisions are made from.",
        "Each answer can be changed until the audit is run. The case file that results can be copied, and "
        "`assay audit` on it gives the same figures.",
        "A *sensitive* column says to which groups people belong that could be treated otherwise: sex, age, origin.",
    ),
    "data": (
        "People are counted before any model is asked: who is there, who is missing, and how outcomes fall.",
        "A small group shows little: its intervals are wide, and where nothing can be said the reason stands there.",
    ),
    "model": (
        "A *gap* is the highest rate less the lowest. Its interval says how far it could be by chance alone.",
        "A *norm* is a limit that your institution sets. Inside and outside are said only where the whole interval is.",
        "No single number makes a model fair; the questions here differ, and they can disagree.",
    ),
    "mitigate": (
        "A *candidate* is another model or rule that narrows a gap. It is shown beside the original and beside the "
        "original with a moved threshold, on rows that none of them has seen.",
        "Nothing is put to use by Assay: a person decides, with a reason.",
    ),
    "stress": (
        "A *corruption* is an error in the data that could happen: a lost value, a wrong unit, people twice.",
        "What is shown was searched on one half of the people and measured on the other, so that luck in the search is "
        "not taken for a finding.",
        "A *contract* says what the data must be like. It is checked by group, before the audit and in a watched feed.",
    ),
    "report": (
        "The report is signed with a key. Who checks it needs the key's fingerprint, given by another way.",
        "Board members decide by countersigning, each with a key of their own.",
        "The log holds what was issued and decided; it can only grow.",
    ),
    "received": (
        "Every figure of a report is computed again from the counts within it, and every page is made again.",
        "Who signed is established only by a certificate that you trust, or by a fingerprint that reached you by "
        "another way.",
    ),
}  # fmt: skip


def help_on(screen: str) -> None:
    """What the words of this screen mean, closed until a person opens it."""
    takeaway.shelf()
    with st.expander("Help with this screen"):
        for sentence in HELP[screen]:
            st.markdown(f"- {sentence}")


def next_step(page: str, label: str) -> None:
    """Each screen ends in one next step."""
    st.divider()
    st.page_link(PAGES[page], label=f"Next: {label}", icon=None)


def table(frame: pd.DataFrame, alt: str, figures: pd.DataFrame | None = None) -> None:
    """A real table (readable by screen readers and copied as text); cells are a person's words, never markup.

    figures: what goes into its file in place of the text of its cells.
    """
    shown = frame.copy()
    for column in shown.columns:
        shown[column] = [_cell(v) for v in shown[column]]
    st.table(shown, hide_index=True, border="horizontal", alt=alt)
    takeaway.keep(alt, frame if figures is None else figures)


def chart(figure: Figure, *, key: str, alt: str, place: Any = st) -> None:
    """A chart that says in words what it shows, and can be saved as a picture."""
    place.plotly_chart(figure, config=takeaway.picture(figure, alt), key=key, alt=alt)


def _cell(value: object) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return grouped(value) if value.is_integer() and abs(value) >= 2 else fixed(value, 3)
    # A narrow column does not part a number from its sign.
    return state.escape(value).replace(" %", "\u00a0%")
