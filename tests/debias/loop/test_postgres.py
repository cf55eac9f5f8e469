"""The trail on PostgreSQL: Debian's server on loopback, in a folder of its own, stopped by its process id."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from audit.errors import DataError, OutputError
from debias.loop import run
from debias.loop.database import open_engine
from debias.loop.page import Page
from debias.loop.run import run_watch
from debias.loop.trail import Trail
from debias.loop.watcher import Watcher
from tests.debias.loop import fed
from tests.debias.loop.trail_cases import TrailCases, fill, watcher


def programs() -> Path:
    """The folder with initdb and postgres: of the newest version that Debian installed, or on the PATH."""

    def version(path: Path) -> tuple[int, ...]:
        return tuple(int(p) for p in path.parent.parent.name.split(".") if p.isdigit())

    items = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=version)
    on_path = shutil.which("initdb")
    if items:
        return items[-1].parent
    if on_path is not None:
        return Path(on_path).resolve().parent
    pytest.fail("these tests need PostgreSQL's initdb: run `make setup-test`, or `sudo apt-get install postgresql`")


class Server:
    """A PostgreSQL server that only this test can reach: loopback, a free port, a password made for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = programs()
        self.password = secrets.token_hex(8)
        self.who: dict[str, Any] = {}
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root.
            names = [u.pw_name for u in pwd.getpwall()]
            user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
            self.who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(folder, user.pw_uid, user.pw_gid)
        secret = folder / "password"
        secret.write_text(self.password + "\n")
        if self.who:
            os.chown(secret, self.who["user"], self.who["group"])
        built = subprocess.run(
            [self.bin / "initdb", "--pgdata", folder / "data", "--username=assay", f"--pwfile={secret}", "--no-sync",
             "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"],
            cwd=folder, capture_output=True, text=True, timeout=120, **self.who,
        )  # fmt: skip
        assert built.returncode == 0, built.stderr
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port),
                 "-c", "unix_socket_directories=", "-c", "fsync=off"],
                cwd=self.folder, stdout=log, stderr=log, **self.who,
            )  # fmt: skip
        until = time.monotonic() + 60
        while True:
            try:
                engine, _, _ = open_engine(self.url(), write=True)
                with engine.connect():
                    return
            except sa.exc.OperationalError:
                if self.process.poll() is not None or time.monotonic() > until:
                    pytest.fail("PostgreSQL did not start: " + (self.folder / "log").read_text()[-800:])
                time.sleep(0.05)

    def stop(self) -> None:
        """At once, as when the machine is switched off."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(60)
            self.process = None

    def url(self, schema: str = "public") -> str:
        place = f"postgresql://assay:{self.password}@127.0.0.1:{self.port}/postgres"
        return f"{place}?options=-csearch_path%3D{schema}"

    def run(self, *statements: str) -> None:
        engine, _, _ = open_engine(self.url(), write=True)
        with engine.begin() as c:
            for statement in statements:
                c.exec_driver_sql(statement)
        engine.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="assay-postgres-"))
    running: Server | None = None
    try:
        running = Server(folder)
        yield running
    finally:
        if running is not None:
            running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def url(server: Server) -> str:
    """A schema of its own for each test, which is a store of its own."""
    schema = f"s{secrets.token_hex(6)}"
    server.run(f"CREATE SCHEMA {schema}")
    return server.url(schema)


class TestPostgres(TrailCases):
    blob = r"'\x0002'"
    unlock = ("ALTER TABLE trail DISABLE TRIGGER ALL",)

    @pytest.fixture
    def url(self, url: str) -> str:
        return url

    def test_emptying_the_table_is_refused_too(self, ten: str) -> None:
        engine, _, _ = open_engine(ten, write=True)
        with engine.connect() as c, pytest.raises(sa.exc.DBAPIError, match="append-only"):
            c.exec_driver_sql("TRUNCATE trail")
        engine.dispose()


def test_the_loop_writes_the_same_chain_on_postgresql_as_on_sqlite(url: str, tmp_path: Path) -> None:
    case = fed.write_case(tmp_path, fed.people(12))
    run_watch(case, tmp_path / "lite")
    run_watch(case, tmp_path / "server", trail_url=url, max_batches=5)
    run_watch(case, tmp_path / "server", trail_url=url)
    with Trail.open(url, write=False) as trail:
        trail.check()
        assert [e.hash for e in trail.entries()] == fed.hashes(tmp_path / "lite")


def test_a_loop_waits_for_a_server_that_is_away_and_counts_nothing_twice(
    server: Server, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The connection is cut after a page was kept and before the watcher hears of it; then the server goes away."""
    monkeypatch.setattr(run, "POLL_SECONDS", 0.05)
    case = fed.write_case(tmp_path, fed.people(12))
    run_watch(case, tmp_path / "lite")
    write, calls = Trail.write, []

    @contextmanager
    def cut(self: Trail, now: str | None = None) -> Iterator[Page]:
        calls.append(now)
        with write(self, now) as page:
            yield page
        if len(calls) == 4:
            server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            raise OutputError("the trail could not be written", got="the connection was lost")
        if len(calls) == 8:
            server.stop()
            threading.Timer(0.5, server.start).start()

    advance, asked = Watcher.advance, []

    def ask(self: Watcher) -> bool:
        asked.append(1)
        assert len(asked) < 1000, "it waits for batches that will not come"
        return advance(self)

    monkeypatch.setattr(Watcher, "advance", ask)
    monkeypatch.setattr(Trail, "write", cut)
    summary = run_watch(case, tmp_path / "server", trail_url=url, follow=True, max_batches=10)
    monkeypatch.undo()
    assert "could not be written" in capsys.readouterr().err
    with Trail.open(url, write=False) as trail:
        trail.check()
        assert [e.hash for e in trail.entries()] == fed.hashes(tmp_path / "lite")
        assert len(trail.batch_ids()) == 12
    assert summary["taken"] == 10  # two more were kept than were heard of


def test_each_schema_is_a_store_with_a_lock_of_its_own(server: Server) -> None:
    server.run("CREATE SCHEMA north", "CREATE SCHEMA south")
    with Trail.open(server.url("north")) as north, Trail.open(server.url("south")) as south:
        for trail, n in ((north, 2), (south, 3)):
            with trail.write() as page:
                fill(page, n)
        assert (north.check()["entries"], south.check()["entries"]) == (2, 3)
        with pytest.raises(OutputError, match="another watcher"):
            Trail.open(server.url("north"))


def test_a_lost_server_gives_one_message_and_the_trail_goes_on_when_it_is_back(server: Server, url: str) -> None:
    with Trail.open(url) as trail:
        with trail.write() as page:
            fill(page, 3)
        server.stop()
        try:
            for _ in range(2):
                with pytest.raises(OutputError, match="could not be written") as caught, trail.write() as page:
                    fill(page, 1, 3)
                assert server.password not in caught.value.message
                assert "\n" not in caught.value.message
            with pytest.raises(DataError, match="cannot be read") as unread:
                trail.head()
            assert server.password not in unread.value.message
            with pytest.raises(OutputError, match="could not be written") as unopened:
                Trail.open(url)
            assert server.password not in unopened.value.message
        finally:
            server.start()
        with trail.write() as page:
            fill(page, 2, 3)
        assert trail.check()["entries"] == 5


def test_a_connection_lost_in_the_middle_of_a_page_leaves_nothing(server: Server, url: str) -> None:
    def cut(trail: Trail) -> None:
        with trail.write() as page:
            fill(page, 1, 3)
            server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            fill(page, 1, 4)

    with Trail.open(url) as trail:
        with trail.write() as page:
            fill(page, 3)
        with pytest.raises(OutputError, match="could not be written"):
            cut(trail)
        assert trail.check()["entries"] == 3
        with trail.write() as page:
            fill(page, 1, 3)
        assert trail.check()["entries"] == 4


def test_who_lost_the_lock_writes_nothing_behind_the_back_of_who_has_it_now(server: Server, url: str) -> None:
    with Trail.open(url) as ours:
        with ours.write() as page:
            fill(page, 1)
        server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        with watcher(url) as say:
            assert say("") == "open"
            assert say("entry") == "kept"
            # First the write on the dead connection, then the lock asked for again.
            with pytest.raises(OutputError, match="could not be written"), ours.write() as page:
                fill(page, 1, 1)
            with pytest.raises(OutputError, match="another watcher holds") as caught, ours.write() as page:
                fill(page, 1, 1)
            assert f"process {say('pid')} on" in caught.value.got
        # The server notices that the other one ended.
        text = ""
        until = time.monotonic() + 30
        while "another end" not in text and time.monotonic() < until:
            with pytest.raises(OutputError) as refused, ours.write() as page:
                fill(page, 1, 1)
            text = refused.value.problem
            time.sleep(0.05)
        assert text == "the trail has another end than this watcher wrote"
        assert ours.check()["entries"] == 2


def test_a_table_that_grows_is_followed_and_a_server_that_is_away_is_waited_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Away when the run starts: it goes on once it is there. The password is asked of the environment."""
    monkeypatch.setattr(run, "POLL_SECONDS", 0.05)
    monkeypatch.setenv("PGPASSWORD", server.password)
    frame = fed.people(4, size=100)
    server.run("CREATE SCHEMA shop")
    engine, _, _ = open_engine(server.url(), write=True)
    frame[:200].to_sql("served", engine, schema="shop", index=False)
    url = f"postgresql://assay@127.0.0.1:{server.port}/postgres"
    source = f'source = {{ url = "{url}", table = "shop.served", key = "id" }}\nsettle = 0.1'
    case = fed.write_case(tmp_path, frame, more=source, batch="100", delay=0)
    server.stop()
    with pytest.raises(OutputError, match="cannot be read now") as caught:
        run_watch(case, tmp_path / "out")
    assert server.password not in caught.value.message

    def come() -> None:
        """The server is there; when the first two batches were taken, the others come."""
        server.start()
        shown = tmp_path / "out" / "watch.json"
        while not shown.exists() or json.loads(shown.read_bytes())["batches"] < 2:
            time.sleep(0.02)
        frame[200:].to_sql("served", engine, schema="shop", index=False, if_exists="append")

    later = threading.Timer(0.6, come)
    later.daemon = True
    later.start()
    summary = run_watch(case, tmp_path / "out", follow=True, max_batches=4)
    later.join()
    engine.dispose()
    assert (summary["taken"], summary["rows"]) == (4, 400)
    assert "cannot be read now" in capsys.readouterr().err
