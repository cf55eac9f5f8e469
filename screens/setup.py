"""Set up: try a sample, or load a data set and a model and confirm what each column is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from audit import access
from audit.errors import AssayError
from audit.load import kinds
from audit.models import formats
from audit.numbers import many
from screens import parts, questions, spool, state
from screens.answers import Answers, Files, complete, write
from screens.model_lines import usable
from screens.samples import open_and_audit
from screens.workspace import CaseFolder, apart, keep_file, keep_upload, new_case, open_case

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

    from audit.load.glance import Glance


def show() -> None:
    """The screen."""
    st.title("Set up")
    parts.job_panel("The audit")
    own()
    parts.help_on("setup")


def own() -> None:
    """A data set of one's own. What is uploaded is written to disk first; its id goes into the address."""
    st.caption(
        f"The files stay on this machine. Data: {kinds.in_words()}. Model: {formats.in_words()}; or a column of "
        "decisions or scores in the data."
    )
    left, right = st.columns(2)
    data = left.file_uploader("Data set", type=types(kinds.endings()), key="data-file")
    model = right.file_uploader(
        "Model (optional)", type=types((*formats.endings(), *formats.PICKLES)), key="model-file"
    )
    folder = loading()
    try:
        if data is not None:
            folder = folder or new_case()
            st.query_params.loading = folder.id
            remember_file(folder, "data", kept_of(folder, data))
        if model is not None:
            folder = folder or new_case()
            st.query_params.loading = folder.id
            kept = kept_of(folder, model)
            if not usable(folder, kept):
                return
            remember_file(folder, "model", kept)
        files = Files(None, None) if folder is None else files_of(folder)
        if folder is not None and files.data is not None:
            confirm(folder, files)
        elif files.model is not None:
            st.info(f"The model {state.escape(files.model.name)} is kept. Now the data that it decided about.")
    except AssayError as error:
        state.show_error(error)


def types(endings: Iterable[str]) -> list[str]:
    """As an uploader has the ends of names."""
    return [e.lstrip(".") for e in endings]


def kept_of(folder: CaseFolder, uploaded: UploadedFile) -> Path:
    """Where this upload is kept in the case: written once, however often the screen is drawn."""
    before: dict[str, tuple[str, Path]] = st.session_state.setdefault("kept-uploads", {})
    case, path = before.get(uploaded.file_id, ("", Path()))
    if case != folder.id or not path.exists():
        at = spool.path_of(uploaded)
        path = (
            keep_upload(folder, uploaded.name, uploaded.getvalue())
            if at is None
            else keep_file(folder, uploaded.name, at)
        )
        before[uploaded.file_id] = folder.id, path
    return path


def remember_file(folder: CaseFolder, role: str, path: Path) -> None:
    (folder.place / f".{role}").write_text(path.name)


def files_of(folder: CaseFolder) -> Files:
    """The uploaded files, found again after a reload."""

    def named(role: str) -> Path | None:
        pointer = folder.place / f".{role}"
        return folder.place / pointer.read_text() if pointer.exists() else None

    return Files(named("data"), named("model"))


def loading() -> CaseFolder | None:
    """The case being set up, from the address."""
    wanted = st.query_params.get("loading")
    if not wanted:
        return None
    try:
        folder = open_case(wanted)
        access.demand("work", folder.place)
        access.demand("rows", folder.place)
        return folder
    except AssayError:
        del st.query_params.loading
        return None


@st.cache_resource(max_entries=16, show_spinner="Reading the data", ttl=3600)
def _peek(path: str, size: int) -> Glance:
    from audit.load.glance import glance

    return apart(glance, Path(path), size=size)


def confirm(folder: CaseFolder, files: Files) -> None:
    """One question after the other, each with a proposal and its reason; then the whole, to look over."""
    assert files.data is not None
    seen = _peek(str(files.data), files.data.stat().st_size)
    st.success(f"{many(seen.rows, 'row')}, {many(len(seen.columns), 'column')}, kept on this machine.")
    for note in seen.notes:
        st.caption(state.escape(note))
    with st.expander("First rows"):
        st.dataframe(seen.head, hide_index=True, alt="The first rows of the data set")
    asked = questions.SetupState(folder, files, seen)
    if questions.ask(asked) and (case_answers := questions.look_over(asked)) is not None:
        save(folder, files, case_answers)


def save(folder: CaseFolder, files: Files, case_answers: Answers) -> None:
    """Write the case file, check it against the data, start the audit. Raises CaseError where an answer is missing."""
    from audit.load.glance import can_be_read

    complete(case_answers)
    write(folder, files, case_answers, folder.place / "case.toml")
    apart(can_be_read, folder.place / "case.toml", size=0 if files.data is None else files.data.stat().st_size)
    if "loading" in st.query_params:
        del st.query_params.loading
    open_and_audit(folder)
