"""The trail on SQLite: the shared cases, and what only a file can do."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.errors import CaseError, DataError, OutputError, VerificationError
from debias.loop.trail import Trail
from tests.debias.loop.trail_cases import ROOT, THEN, TrailCases, fill


class TestSqlite(TrailCases):
    unlock = (
        "DROP TRIGGER trail_no_update",
        "DROP TRIGGER trail_no_delete",
        "DROP TRIGGER trail_no_replace",
    )

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/a folder/watch.db"

    def tamper(self, url: str, *statements: str) -> None:
        # The triggers may be gone already from an earlier statement of the same test.
        self.unlock = tuple(s.replace("TRIGGER trail", "TRIGGER IF EXISTS trail") for s in type(self).unlock)
        super().tamper(url, *statements)

    def test_replacing_an_entry_is_refused_too(self, ten: str) -> None:
        engine = sa.create_engine(ten)
        for seq in (4, 10):
            with engine.connect() as c, pytest.raises(sa.exc.DBAPIError, match="append-only"), c.begin():
                c.exec_driver_sql(
                    f"INSERT OR REPLACE INTO trail SELECT seq, prev, hash, '', seal, body FROM trail WHERE seq = {seq}"
                )
        engine.dispose()
        with Trail.open(ten, write=False) as trail:
            assert trail.check()["entries"] == 10


def at(folder: Path) -> str:
    return f"sqlite:///{folder}/watch.db"


def test_the_file_is_in_wal_mode_and_readers_never_wait(tmp_path: Path) -> None:
    with Trail.open(at(tmp_path)) as trail, trail.write() as page:
        fill(page, 1)
    engine = sa.create_engine(at(tmp_path))
    with engine.connect() as c:
        assert c.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()


FULL = """
import resource, signal, sys
from audit.errors import OutputError
from debias.loop.trail import Trail
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
trail = Trail.open(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
kept = 0
try:
    while kept < 10_000:
        with trail.write() as page:
            page.keep("state", {"n": kept})
            page.append("batch", "x" * 2000, {"i": kept})
        kept += 1
except OutputError as error:
    print(kept, error.message, sep="|")
"""


def test_a_full_disk_gives_one_message_and_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files does what a full disk does: the write fails in the middle."""
    with Trail.open(at(tmp_path)) as trail, trail.write() as page:
        fill(page, 5)
    done = subprocess.run(
        [sys.executable, "-c", FULL, at(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    kept, message = done.stdout.strip().split("|")
    assert message.startswith("the trail could not be written. Got: ")
    assert "make room" in message
    assert "Traceback" not in message
    assert int(kept) > 2
    with Trail.open(at(tmp_path)) as trail:
        assert trail.check()["entries"] == 5 + int(kept)
        assert trail.kept("state") == {"n": int(kept) - 1}
        with trail.write() as page:
            fill(page, 1, 5)
        assert trail.check()["entries"] == 6 + int(kept)


def test_a_lost_database_is_not_begun_anew(tmp_path: Path) -> None:
    with Trail.open(at(tmp_path)) as trail:
        with trail.write() as page:
            fill(page, 5)
        for path in tmp_path.glob("watch.db*"):
            if path.suffix != ".lock":
                path.rename(tmp_path / f"kept-{path.name}")
        with pytest.raises(OutputError, match="the database file is gone"), trail.write() as page:
            fill(page, 1)
        with pytest.raises(DataError, match="the database file is gone"):
            trail.head()
        assert not (tmp_path / "watch.db").exists()
        for path in tmp_path.glob("kept-*"):
            path.rename(tmp_path / path.name.removeprefix("kept-"))
        with trail.write() as page:
            fill(page, 1, 5)
        assert trail.check()["entries"] == 6


def test_another_database_in_the_place_of_ours_is_not_written_on(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with Trail.open(at(tmp_path / "other")) as other, other.write(THEN) as page:
        fill(page, 2)
    with Trail.open(at(tmp_path)) as trail:
        with trail.write(THEN) as page:
            fill(page, 5)
        os.replace(tmp_path / "other" / "watch.db", tmp_path / "watch.db")
        for rest in ("watch.db-wal", "watch.db-shm"):
            (tmp_path / rest).unlink(missing_ok=True)
        with pytest.raises(OutputError, match="another end"), trail.write() as page:
            fill(page, 1)


@pytest.mark.parametrize("content", [b"no database at all, only text that is long enough to be read" * 40, b"short"])
def test_a_file_that_is_no_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "watch.db").write_bytes(content)
    with pytest.raises(OutputError, match="not a database") as caught:
        Trail.open(at(tmp_path))
    assert "\n" not in caught.value.message
    with pytest.raises(DataError, match="not a database"):
        Trail.open(at(tmp_path), write=False)
    assert (tmp_path / "watch.db").read_bytes() == content


def test_an_empty_file_is_no_trail_to_read(tmp_path: Path) -> None:
    (tmp_path / "watch.db").touch()
    with pytest.raises(DataError, match="no trail here yet"):
        Trail.open(at(tmp_path), write=False)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="could not be written"):
        Trail.open(at(tmp_path / "file" / "deeper"))
    (tmp_path / "watch.db.lock").mkdir()
    with pytest.raises(OutputError, match="could not be written"):
        Trail.open(at(tmp_path))


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "mysql://me:secret@localhost/x", "not a url, secret", "nothing+of://x"]
)
def test_a_url_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(CaseError, match="the trail's database cannot be used") as caught:
        Trail.open(url)
    assert "secret" not in caught.value.message


def test_postgresql_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(CaseError, match="make extra") as caught:
        Trail.open("postgresql://me:secret@localhost/x")
    assert "secret" not in caught.value.message


def test_only_the_lock_file_says_who_holds_it_and_a_torn_one_is_no_trouble(tmp_path: Path) -> None:
    with Trail.open(at(tmp_path)):
        lock = tmp_path / "watch.db.lock"
        who = json.loads(lock.read_text())
        assert who["pid"] == os.getpid()
        assert stat.S_ISREG(lock.stat().st_mode)
        lock.write_text('{"pid": 1')
        with pytest.raises(OutputError, match="another process"):
            Trail.open(at(tmp_path))
    with Trail.open(at(tmp_path)):
        pass


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FACTS = st.dictionaries(
    TEXT, st.one_of(st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False), TEXT)
)


@settings(max_examples=20)
@given(
    bodies=st.lists(st.tuples(TEXT, FACTS), min_size=1, max_size=6),
    data=st.data(),
)
def test_any_change_to_any_entry_is_named(bodies: list[tuple[str, dict[str, object]]], data: st.DataObject) -> None:
    """Whatever was written comes back the same; any one field of any one entry changed is found at that entry."""
    with tempfile.TemporaryDirectory() as folder:
        with Trail.open(at(Path(folder))) as trail:
            with trail.write(THEN) as page:
                for words, facts in bodies:
                    page.append("batch", words, facts)
            assert trail.check()["entries"] == len(bodies)
            assert [(e.body["words"], e.body["facts"]) for e in trail.entries()] == bodies
        seq = data.draw(st.integers(1, len(bodies)))
        column = data.draw(st.sampled_from(["prev", "hash", "time", "seal", "body"]))
        engine = sa.create_engine(at(Path(folder)))
        with engine.begin() as c:
            c.exec_driver_sql("DROP TRIGGER trail_no_update")
            old = str(c.exec_driver_sql(f"SELECT {column} FROM trail WHERE seq = {seq}").scalar())
            place = data.draw(st.integers(0, len(old) - 1))
            new = old[:place] + chr(ord(old[place]) ^ 1) + old[place + 1 :]
            c.execute(sa.text(f"UPDATE trail SET {column} = :new WHERE seq = {seq}"), {"new": new})
        engine.dispose()
        with Trail.open(at(Path(folder)), write=False) as trail:
            with pytest.raises(VerificationError) as caught:
                trail.check()
            assert caught.value.problem == f"entry {seq} of the trail does not fit"
