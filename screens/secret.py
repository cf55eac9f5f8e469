"""Keys and passwords that a person brings: in memory, handed to the work through a pipe, and gone.

Nothing here writes. A key that is made in the app is the one exception: it is kept under its fingerprint, with its
password on it, mode 0600, because who loses it cannot sign with it again (`keep_made`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from screens.workspace import CaseFolder

STDIN = ("--key", "-", "--password-file", "-")
"""Options of `assay report` and `assay approve` that read what `Brought.piped` writes."""
MOST_MB = 1


@dataclass(frozen=True, slots=True)
class Brought:
    """A key file's bytes and its password; never shown, never in a message."""

    name: str
    content: bytes = field(repr=False)
    password: str = field(repr=False)

    @property
    def piped(self) -> bytes:
        """The password on a line, then the key: what STDIN says will come."""
        return self.password.encode() + b"\n" + self.content


def key_upload(label: str, key: str) -> Any:
    """An uploader for one key file, emptied by `forget_upload`."""
    return upload(label, key, ["p12", "pfx"], most=MOST_MB)


def upload(label: str, key: str, types: list[str], *, most: int | None = None) -> Any:
    """An uploader that `forget_upload` empties. most: in MB."""
    return st.file_uploader(label, type=types, key=_turn(key), max_upload_size=most)


def forget_upload(key: str) -> None:
    """Take an uploaded file out of this session: Streamlit keeps files until the session ends."""
    ctx, held = get_script_run_ctx(), st.session_state.get(_turn(key))
    if ctx is not None and held is not None:
        ctx.uploaded_file_mgr.remove_file(ctx.session_id, held.file_id)
    st.session_state[f"{key}-turn"] = st.session_state.get(f"{key}-turn", 0) + 1


def _turn(key: str) -> str:
    turn = st.session_state.get(f"{key}-turn", 0)
    return f"{key}-{turn}" if turn else key


def empty_later(fields: Mapping[str, object]) -> None:
    """Give these fields, by key, their empty value before the next run draws them: the run that drew them cannot."""
    st.session_state["to-empty"] = {**st.session_state.get("to-empty", {}), **fields}


def empty_now() -> None:
    """Do what `empty_later` asked for; at the start of a screen, before any field is drawn."""
    for key, value in st.session_state.pop("to-empty", {}).items():
        st.session_state[key] = value


def keep_made(folder: CaseFolder, fingerprint: str, content: bytes) -> None:
    """Keep a key made here, for its owner to take away. Raises OutputError."""
    from audit.files import private_folder, write_new

    private_folder(_keys_folder(folder))
    write_new(_keys_folder(folder) / f"{fingerprint}.p12", content)


def made_keys(folder: CaseFolder) -> list[Path]:
    """The keys made here for this case, the newest first. What people bring is never among them."""
    place = _keys_folder(folder)
    paths = [p for p in place.glob("*.p12") if len(p.stem) == 64] if place.is_dir() else []
    return sorted(paths, key=lambda p: p.stat().st_mtime_ns, reverse=True)


def _keys_folder(folder: CaseFolder) -> Path:
    return folder.place / "keys"
