"""What a screen needs to know: which case is open, and what has been measured on it.

The case's id lives in the address (?case=...), so that a reload, a bookmark and a second window find it again; results
are read from the run folder and cached by the bytes' own hash.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from audit import access
from audit.case import Case
from audit.errors import AssayError
from audit.files import read_json
from screens.workspace import CaseFolder, open_case

if TYPE_CHECKING:
    from audit.documents import Documents
    from audit.documents.evidence import Evidence

KEYS = ("case", "job")


def current() -> CaseFolder | None:
    """The case in the address, or of this session where a page change dropped it from the address."""
    wanted = st.query_params.get("case") or st.session_state.get("case")
    if not wanted:
        return None
    try:
        folder = open_case(wanted)
    except AssayError as error:
        st.session_state.pop("case", None)
        st.query_params.clear()
        show_error(error)
        return None
    remember(folder.id)
    return folder


def remember(case_id: str) -> None:
    """Make this the open case, here and in the address."""
    st.session_state.case = case_id
    if st.query_params.get("case") != case_id:
        st.query_params.case = case_id


def case_of(folder: CaseFolder) -> Case:
    """The case itself; read anew when its file changes."""
    return _load(str(folder.file), digest(folder.file))


@st.cache_resource(max_entries=32, show_spinner=False)
def _load(path: str, sha256: str) -> Case:
    from audit.load import load_case

    return load_case(Path(path))


def digest(path: Path) -> str:
    """sha256 of a file, "" where there is none: the key of what is cached of it."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def documents(folder: CaseFolder) -> Documents:
    """The documents of the run folder, each parsed once while its bytes are the same.

    Explanations of single persons are left out for those who may not see them. Raises AccessError where the case's
    figures are not for who is acting.
    """
    access.demand("figures", folder.place)
    files = tuple((str(path), digest(path)) for path in sorted(folder.run.glob("*.json")))
    return _documents(files, access.may("rows", folder.place))


@st.cache_resource(max_entries=8, show_spinner=False)
def _documents(files: tuple[tuple[str, str], ...], rows: bool) -> Documents:
    from audit.documents import Documents

    content = {Path(path).name: Path(path).read_bytes() for path, _ in files}
    if not rows and "explain.json" in content:
        content["explain.json"] = json.dumps({**json.loads(content["explain.json"]), "people": []}).encode()
    return Documents(content)


def evidence(folder: CaseFolder) -> Evidence | None:
    """What the audit measured, or None while there is none."""
    from audit.documents.read import EVIDENCE

    run_documents = documents(folder)
    return run_documents.evidence if EVIDENCE in run_documents else None


def result(folder: CaseFolder, name: str) -> dict[str, Any] | None:
    """A document of the run folder, or None while it has not been made."""
    access.demand("rows" if name == "explain.json" else "figures", folder.place)
    path = folder.run / name
    if not path.exists():
        return None
    return _document(str(path), digest(path))


@st.cache_data(max_entries=32, show_spinner=False)
def _document(path: str, sha256: str) -> dict[str, Any]:
    document: dict[str, Any] = read_json(Path(path))
    return document


def show_error(error: AssayError) -> None:
    """One message in its parts: what was wrong, what was got and expected, what to do."""
    problem = error.problem.rstrip(".")
    lines = [f"**{escape(problem[:1].upper() + problem[1:])}.**"]
    if error.got:
        lines.append(f"Got: {escape(error.got)}")
    if error.expected:
        lines.append(f"Expected: {escape(error.expected)}")
    if error.todo:
        lines.append(f"What to do: {escape(error.todo)}")
    st.error("\n\n".join(lines))


_MARKUP = str.maketrans({c: "\\" + c for c in "\\`*_{}[]()<>#+-.!|~$:"})


def escape(text: object) -> str:
    """A person's own words as they are, never as markup."""
    return str(text).translate(_MARKUP)


@dataclass(frozen=True, slots=True)
class Selection:
    """What the whole app looks at; it survives a change of screen."""

    attribute: tuple[str, ...]
    metric: str


def selection(attributes: list[tuple[str, ...]], metrics: list[str]) -> Selection:
    """The chosen attribute and metric, or the first of each."""
    attribute = st.session_state.get("attribute", attributes[0])
    metric = st.session_state.get("metric", metrics[0])
    return Selection(
        attribute if attribute in attributes else attributes[0], metric if metric in metrics else metrics[0]
    )
