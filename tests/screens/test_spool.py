"""Large uploads lie on disk and not in memory, and go with their session; keys and reports are never written down."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from audit.errors import DataError
from screens import spool, workspace

BIG = b"a,b\n" + b"1,2\n" * 400_000


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[spool.Spooled]:
    import tempfile

    from streamlit.runtime import memory_uploaded_file_manager as streamlits

    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)
    monkeypatch.setattr(streamlits, "MemoryUploadedFileManager", streamlits.MemoryUploadedFileManager)
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    for left in ("4194305", "1"):  # of a server that was stopped, and of one that runs
        (tmp_path / "home" / "uploads" / left).mkdir(parents=True)
        (tmp_path / "home" / "uploads" / left / "x").write_bytes(b"a table")
    spool.install(workspace.home(), sealed=False)
    yield streamlits.MemoryUploadedFileManager("/up")  # type: ignore[misc]
    spool.Spooled.at.clear()


def upload(manager: spool.Spooled, name: str, data: bytes, session: str = "s") -> UploadedFileRec:
    manager.add_file(session, UploadedFileRec(name, name, "text/csv", data))
    return manager.get_files(session, [name])[0]


def on_disk() -> list[Path]:
    return sorted((workspace.home() / "uploads" / str(os.getpid())).iterdir())


def test_a_table_goes_to_disk_and_into_the_case(manager: spool.Spooled) -> None:
    assert on_disk() == []
    assert {p.name for p in (workspace.home() / "uploads").iterdir()} == {"1", str(os.getpid())}
    assert upload(manager, "people.csv", BIG).data == b""
    (path,) = on_disk()
    assert path.read_bytes() == BIG
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    folder = workspace.new_case()
    kept = workspace.keep_file(folder, "../people.csv", path)
    assert kept == folder.place / "people.csv"
    assert kept.read_bytes() == BIG
    assert on_disk() == []
    with pytest.raises(DataError, match="no longer here"):
        workspace.keep_file(folder, "people.csv", path)
    again = upload(manager, "people.csv", BIG)
    assert workspace.keep_file(folder, "people.csv", spool.Spooled.at["s", again.file_id]).name == "people-2.csv"


def test_it_goes_with_its_session(manager: spool.Spooled) -> None:
    upload(manager, "a.csv", BIG)
    upload(manager, "b.parquet", BIG)
    upload(manager, "c.csv", BIG, "another")
    manager.remove_file("s", "a.csv")
    assert len(on_disk()) == 2
    manager.remove_session_files("s")
    assert len(on_disk()) == 1
    manager.remove_session_files("another")
    assert on_disk() == []
    assert spool.Spooled.at == {}


@pytest.mark.parametrize(("name", "data"), [("key.p12", BIG), ("report.pdf", BIG), ("small.csv", b"a,b\n1,2\n")])
def test_keys_reports_and_small_files_stay_in_memory(manager: spool.Spooled, name: str, data: bytes) -> None:
    assert upload(manager, name, data).data == data
    assert on_disk() == []
