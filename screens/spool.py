"""Uploads of tables and models go to disk: Streamlit keeps what is uploaded in memory until the session is gone.

A large file is written into a private folder as soon as it is here, and only its name stays in memory; set-up moves it
into the case. Small files, and keys and reports of any size, stay in memory and are never written down.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any, ClassVar

from streamlit.runtime import memory_uploaded_file_manager as streamlits
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from audit.load import kinds
from audit.models import formats

LEAST_BYTES = 1 << 20
UPLOADS = "uploads"


class Spooled(MemoryUploadedFileManager):
    """As Streamlit's, with the bytes of large files on disk."""

    folder: ClassVar[Path] = Path()
    at: ClassVar[dict[tuple[str, str], Path]] = {}
    guard = threading.Lock()

    def add_file(self, session_id: str, file: UploadedFileRec) -> None:
        if len(file.data) >= LEAST_BYTES and file.name.lower().endswith(
            (*kinds.endings(), *formats.endings(), *formats.PICKLES)
        ):
            handle, name = tempfile.mkstemp(dir=self.folder)
            with os.fdopen(handle, "wb") as stream:
                stream.write(file.data)
            file = file._replace(data=b"")
            with self.guard:
                self.at[session_id, file.file_id] = Path(name)
        super().add_file(session_id, file)

    def remove_file(self, session_id: str, file_id: str) -> None:
        super().remove_file(session_id, file_id)
        self._forget([(session_id, file_id)])

    def remove_session_files(self, session_id: str) -> None:
        super().remove_session_files(session_id)
        self._forget([key for key in list(self.at) if key[0] == session_id])

    def _forget(self, keys: list[tuple[str, str]]) -> None:
        for key in keys:
            with self.guard:
                path = self.at.pop(key, None)
            if path is not None:
                path.unlink(missing_ok=True)


def install(home: Path, *, sealed: bool) -> None:
    """For the server, before its runtime is made. sealed: nothing of it may be written to a disk in clear."""
    shared = Path(os.environ.get("ASSAY_PRIVATE") or "/dev/shm")
    base = shared / f"assay-{os.getuid()}-{UPLOADS}" if sealed else home / UPLOADS
    for left in base.glob("*"):
        if not left.name.isdecimal() or not _lives(int(left.name)):  # of a server that was stopped
            shutil.rmtree(left, ignore_errors=True)
    folder = base / str(os.getpid())
    for place in (folder.parent, folder):
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.tempdir = str(folder)  # where a form is kept while it comes in
    Spooled.folder = folder
    streamlits.MemoryUploadedFileManager = Spooled  # type: ignore[misc]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def path_of(uploaded: Any) -> Path | None:
    """Where this upload of the session lies; None where it is in memory."""
    ctx = get_script_run_ctx(suppress_warning=True)
    return None if ctx is None else Spooled.at.get((ctx.session_id, uploaded.file_id))
