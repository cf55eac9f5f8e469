"""What holds of a trail on every database; test_trail.py runs it on SQLite, test_postgres.py on PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from audit.errors import DataError, OutputError, VerificationError
from debias.loop.database import open_engine
from debias.loop.page import FIRST, Head, Page, link, sealed
from debias.loop.trail import Trail

ROOT = Path(__file__).resolve().parents[3]
THEN = "2026-11-01T09:30:00.000+00:00"

# Opens the trail, then does a word a line: "entry" keeps one, "page" begins one and stays in it.
WATCHER = """
import sys, time
from audit.errors import AssayError
from debias.loop.trail import Trail
trail = Trail.open(sys.argv[1])
print("open", flush=True)
for line in sys.stdin:
    if line.strip() == "page":
        with trail.write() as page:
            page.keep("state", {"n": -1})
            page.append("batch", "never kept", {})
            print("in the page", flush=True)
            time.sleep(600)
    with trail.write() as page:
        page.append("batch", "from the first", {})
    print("kept", flush=True)
"""


@contextmanager
def watcher(url: str) -> Iterator[Callable[[str], str]]:
    """A watcher in a process of its own; a word in, a line out. The word "kill" ends it without a word of its own."""
    child = subprocess.Popen(
        [sys.executable, "-c", WATCHER, url], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    stdin, stdout = child.stdin, child.stdout

    def say(word: str) -> str:
        if word == "kill":
            child.kill()
            child.wait()
            return ""
        if word == "pid":
            return str(child.pid)
        if word:
            stdin.write(word + "\n")
            stdin.flush()
        return stdout.readline().strip()

    try:
        yield say
    finally:
        child.kill()
        child.wait()
        stdin.close()
        stdout.close()


def fill(page: Page, n: int, start: int = 0) -> None:
    for i in range(start, start + n):
        page.append("batch", f"Batch {i}: Zürich, 5 %.", {"n": i, "gap": i / 7}, before="HEALTHY", after="HEALTHY")


def rehash(rows: list[dict[str, str]], start: int, end: int) -> None:
    """Entries start..end (numbers from 1) with hashes and seals that follow from what they now say."""
    for i in range(start - 1, end):
        before = rows[i - 1] if i else {"hash": FIRST, "seal": FIRST}
        rows[i]["prev"] = before["hash"]
        rows[i]["hash"] = link(before["hash"], rows[i]["body"].encode())
        rows[i]["seal"] = sealed(before["seal"], rows[i]["hash"], rows[i]["time"])


class TrailCases:
    """`url` is a fixture of the subclass: a database that is empty. `unlock`: what takes the triggers away."""

    unlock: tuple[str, ...] = ()
    blob = "x'0002'"
    """How the database writes the bytes 0 and 2."""

    @pytest.fixture
    def ten(self, url: str) -> str:
        """A trail with ten entries."""
        with Trail.open(url) as trail, trail.write(THEN) as page:
            fill(page, 10)
        return url

    def tamper(self, url: str, *statements: str) -> None:
        engine, _, _ = open_engine(url, write=True)
        with engine.connect().execution_options(assay_writes=True) as c, c.begin():
            for statement in (*self.unlock, *statements):
                c.exec_driver_sql(statement)
        engine.dispose()

    def rows(self, url: str) -> list[dict[str, str]]:
        engine, _, _ = open_engine(url, write=False)
        with engine.connect() as c:
            items = [dict(r._mapping) for r in c.execute(sa.text("SELECT * FROM trail ORDER BY seq"))]
        engine.dispose()
        return items

    def put(self, url: str, rows: list[dict[str, str]]) -> None:
        """These rows in place of what is there."""
        self.tamper(url, "DELETE FROM trail")
        engine, _, _ = open_engine(url, write=True)
        into = sa.text(
            "INSERT INTO trail (seq, prev, hash, time, seal, body) VALUES (:seq,:prev,:hash,:time,:seal,:body)"
        )
        with engine.connect().execution_options(assay_writes=True) as c, c.begin():
            for row in rows:
                c.execute(into, row)
        engine.dispose()

    def broken(self, url: str, noted: dict[int, str] | None = None) -> VerificationError:
        with Trail.open(url, write=False) as trail, pytest.raises(VerificationError) as caught:
            trail.check(noted)
        assert caught.value.check == "trail"
        return caught.value

    # -- what is kept ------------------------------------------------------------------------------------------

    def test_entries_come_back_as_they_were_written_and_the_chain_follows(self, ten: str) -> None:
        with Trail.open(ten, write=False) as trail:
            entries = list(trail.entries())
            result = trail.check()
        assert [e.seq for e in entries] == list(range(1, 11))
        assert entries[3].body["words"] == "Batch 3: Zürich, 5 %."
        assert entries[3].body["facts"] == {"n": 3, "gap": 3 / 7}
        assert entries[3].time == THEN
        assert entries[0].prev == FIRST
        assert all(b.prev == a.hash for a, b in pairwise(entries))
        assert result == {"entries": 10, "head": entries[-1].hash, "seal": entries[-1].seal}

    def test_the_same_inputs_give_the_same_hashes_whatever_the_time(self, url: str) -> None:
        with Trail.open(url) as trail:
            with trail.write("2026-01-01T00:00:00.000+00:00") as page:
                first = page.append("batch", "words", {"x": 0.1})
            with trail.write("2027-01-01T00:00:00.000+00:00") as page:
                second = page.append("batch", "words", {"x": 0.1})
            seals = [e.seal for e in trail.entries()]
        # By hand, from the documented form.
        one = b'{"seq":1,"kind":"batch","words":"words","facts":{"x":0.1}}\n'
        assert first == link(FIRST, one)
        assert second == link(first, one.replace(b":1,", b":2,", 1))
        assert seals[0] == sealed(FIRST, first, "2026-01-01T00:00:00.000+00:00")

    def test_pages_of_entries(self, ten: str) -> None:
        with Trail.open(ten, write=False) as trail:
            assert [e.seq for e in trail.entries(after=4, limit=3)] == [5, 6, 7]
            assert [e.seq for e in trail.latest(3)] == [8, 9, 10]
            assert [e.seq for e in trail.latest(99)] == list(range(1, 11))
            assert trail.head().seq == 10
            half = trail.entries()
            next(half)
            half.close()  # a reader that stops early leaves nothing open

    def test_an_empty_trail_is_whole(self, url: str) -> None:
        with Trail.open(url) as trail:
            assert trail.check() == {"entries": 0, "head": FIRST, "seal": FIRST}
            assert trail.latest(5) == []
            assert trail.kept("state") is None

    def test_documents_take_the_place_of_older_ones(self, url: str) -> None:
        with Trail.open(url) as trail:
            for value in ({"n": 1}, {"n": 2, "wealth": 0.1 + 0.2}, {"n": 3, "wealth": 1e-300}):
                with trail.write() as page:
                    page.keep("state", value)
                    page.append("batch", "words", {})
                assert trail.kept("state") == value

    def test_batches_and_their_pending_decisions(self, url: str) -> None:
        name = "a" * 250 + ".csv"
        with Trail.open(url) as trail:
            with trail.write() as page:
                page.add_batch(0, "one.csv", "ab" * 32, {"cells": [[0, 3]]}, b"\x00\x01\xff")
                page.append("batch", "words", {})
                for row in ((1, name, "cd" * 32), (2, "again.csv", "ab" * 32), (3, "broken.csv", "")):
                    page.add_batch(*row, None, None)
                    page.append("batch", "words", {})
            assert trail.batch_ids()[1] == (1, name, "cd" * 32)
            assert trail.seen("ab" * 32) == "one.csv"
            assert trail.seen("ef" * 32) is None
            assert trail.seen("") is None
            assert trail.pending(0) == b"\x00\x01\xff"
            assert trail.pending(1) is None
            assert trail.pending(77) is None
            assert trail.cubes() == [(0, {"cells": [[0, 3]]}), (1, None), (2, None), (3, None)]
            with trail.write() as page:
                page.forget_pending(0)
                page.append("batch", "words", {})
            assert trail.pending(0) is None
            assert trail.check()["entries"] == 5

    def test_a_batch_number_is_taken_once(self, url: str) -> None:
        with Trail.open(url) as trail:
            with trail.write() as page:
                page.add_batch(0, "one", "ab" * 32, None, None)
                page.append("batch", "one", {})

            def again() -> None:
                with trail.write() as page:
                    page.append("batch", "again", {})
                    page.add_batch(0, "one", "ab" * 32, None, None)

            with pytest.raises(OutputError, match="could not be written"):
                again()
            assert trail.check()["entries"] == 1

    def test_a_page_that_fails_leaves_nothing(self, ten: str) -> None:
        def keep(trail: Trail, gap: float) -> None:
            with trail.write() as page:
                fill(page, 3, 10)
                page.keep("state", {"n": 1})
                page.add_batch(0, "one", "ab" * 32, None, None)
                page.append("batch", "no number", {"gap": gap})
                raise RuntimeError("in the middle")

        with Trail.open(ten) as trail:
            with pytest.raises(RuntimeError):
                keep(trail, 0.1)
            with pytest.raises(ValueError):
                keep(trail, float("nan"))
            assert trail.check()["entries"] == 10
            assert trail.kept("state") is None
            assert trail.batch_ids() == []
            with trail.write(THEN) as page:
                fill(page, 1, 10)
            assert trail.check()["entries"] == 11

    def test_a_trail_opened_to_read_is_never_written(self, ten: str) -> None:
        with Trail.open(ten, write=False) as trail:
            with pytest.raises(OutputError, match="reading only"), trail.write() as page:
                page.append("batch", "no", {})
            assert trail.check()["entries"] == 10

    def test_where_there_is_no_trail(self, url: str) -> None:
        with pytest.raises(DataError, match="no trail here yet"):
            Trail.open(url, write=False)

    # -- what the database refuses -----------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE trail SET body = '{}' WHERE seq = 4",
            "UPDATE trail SET time = '' WHERE seq = 10",
            "DELETE FROM trail WHERE seq = 10",
            "DELETE FROM trail",
        ],
    )
    def test_the_database_refuses_to_change_or_remove(self, ten: str, statement: str) -> None:
        engine, _, _ = open_engine(ten, write=True)
        with (
            engine.connect().execution_options(assay_writes=True) as c,
            pytest.raises(sa.exc.DBAPIError, match="append-only"),
            c.begin(),
        ):
            c.exec_driver_sql(statement)
        engine.dispose()
        with Trail.open(ten, write=False) as trail:
            assert trail.check()["entries"] == 10

    # -- what the check finds ----------------------------------------------------------------------------------

    def test_a_changed_body(self, ten: str) -> None:
        self.tamper(ten, "UPDATE trail SET body = replace(body, 'rich', 'roch') WHERE seq = 4")
        error = self.broken(ten)
        assert error.problem == "entry 4 of the trail does not fit"
        assert "content" in error.got

    def test_a_changed_time(self, ten: str) -> None:
        self.tamper(ten, "UPDATE trail SET time = '2026-11-01T09:30:00.001+00:00' WHERE seq = 6")
        error = self.broken(ten)
        assert error.problem == "entry 6 of the trail does not fit"
        assert "time" in error.got

    def test_a_changed_time_with_its_seal_made_anew(self, ten: str) -> None:
        rows = self.rows(ten)
        rows[5]["time"] = "2026-11-02T00:00:00.000+00:00"
        rehash(rows, 6, 6)
        self.put(ten, rows)
        assert self.broken(ten).problem == "entry 7 of the trail does not fit"

    def test_a_changed_order(self, ten: str) -> None:
        rows = self.rows(ten)
        rows[2]["seq"], rows[3]["seq"] = rows[3]["seq"], rows[2]["seq"]
        self.put(ten, rows)
        assert self.broken(ten).problem == "entry 3 of the trail does not fit"

    def test_a_removed_beginning(self, ten: str) -> None:
        self.tamper(ten, "DELETE FROM trail WHERE seq = 1")
        assert self.broken(ten).problem == "entry 1 of the trail does not fit"

    def test_a_removed_middle(self, ten: str) -> None:
        self.tamper(ten, "DELETE FROM trail WHERE seq = 5")
        error = self.broken(ten)
        assert error.problem == "entry 5 of the trail does not fit"
        assert "missing" in error.got

    def test_a_removed_middle_closed_up(self, ten: str) -> None:
        rows = self.rows(ten)
        del rows[4]
        for i, row in enumerate(rows, 1):
            row["seq"] = i  # type: ignore[assignment]
        self.put(ten, rows)
        assert self.broken(ten).problem == "entry 5 of the trail does not fit"

    def test_a_removed_end(self, ten: str) -> None:
        self.tamper(ten, "DELETE FROM trail WHERE seq > 7")
        error = self.broken(ten)
        assert error.problem == "entry 8 of the trail does not fit"
        assert "7 of 10" in error.got

    def test_everything_removed(self, ten: str) -> None:
        self.tamper(ten, "DELETE FROM trail")
        assert self.broken(ten).problem == "entry 1 of the trail does not fit"

    def test_some_entries_written_anew_with_hashes_that_follow(self, ten: str) -> None:
        rows = self.rows(ten)
        rows[3]["body"] = rows[3]["body"].replace("5 %", "4 %")
        rehash(rows, 4, 8)
        self.put(ten, rows)
        assert self.broken(ten).problem == "entry 9 of the trail does not fit"

    def test_all_that_follows_written_anew_with_the_head_kept(self, ten: str) -> None:
        noted = {i + 1: r["hash"] for i, r in enumerate(self.rows(ten))}
        rows = self.rows(ten)
        rows[3]["body"] = rows[3]["body"].replace("5 %", "4 %")
        rehash(rows, 4, 10)
        self.put(ten, rows)
        error = self.broken(ten)
        assert error.problem == "entry 10 of the trail does not fit"
        assert "anew" in error.got
        # With hashes that a report or an alert holds, the first of them names the place.
        assert self.broken(ten, {2: noted[2], 5: noted[5]}).problem == "entry 5 of the trail does not fit"

    def test_the_head_written_anew_too_is_found_by_what_was_noted_elsewhere(self, ten: str) -> None:
        rows = self.rows(ten)
        noted = {6: rows[5]["hash"]}
        rows[3]["body"] = rows[3]["body"].replace("5 %", "4 %")
        rehash(rows, 4, 10)
        self.put(ten, rows)
        head = json.dumps({"seq": 10, "hash": rows[9]["hash"], "seal": rows[9]["seal"]})
        self.tamper(ten, f"UPDATE kept SET value = '{head}' WHERE name = 'head'")
        with Trail.open(ten, write=False) as trail:
            assert trail.check()["entries"] == 10
        assert self.broken(ten, noted).problem == "entry 6 of the trail does not fit"
        rows = rows[:5]
        self.put(ten, rows)
        head = json.dumps({"seq": 5, "hash": rows[4]["hash"], "seal": rows[4]["seal"]})
        self.tamper(ten, f"UPDATE kept SET value = '{head}' WHERE name = 'head'")
        assert self.broken(ten, noted).problem == "entry 6 of the trail does not fit"

    def test_an_entry_that_no_watcher_wrote(self, ten: str) -> None:
        rows = self.rows(ten)
        rows.append(dict(rows[-1], seq=11, body='{"seq":11}\n'))  # type: ignore[arg-type]
        rehash(rows, 11, 11)
        self.put(ten, rows)
        error = self.broken(ten)
        assert error.problem == "entry 11 of the trail does not fit"
        assert "no watcher" in error.got

    @pytest.mark.parametrize("head", ["no json", "[]", '{"seq": 10}'])
    def test_a_head_that_is_none(self, ten: str, head: str) -> None:
        self.tamper(ten, f"UPDATE kept SET value = '{head}' WHERE name = 'head'")
        assert "kept end" in self.broken(ten).problem

    # -- what is kept beside the entries -----------------------------------------------------------------------

    @pytest.fixture
    def beside(self, url: str) -> str:
        """A trail of three batches with a state; the outcomes of the first were counted."""
        with Trail.open(url) as trail:
            for i in range(3):
                with trail.write(THEN) as page:
                    page.keep("state", {"n": i})
                    page.add_batch(i, f"{i}.csv", f"{i:064d}", {"cells": [[0, 3]]}, b"\x00" + bytes([i]))
                    if i == 2:
                        page.forget_pending(0)
                    page.append("batch", f"Batch {i}.", {"n": i})
            assert trail.check()["entries"] == 3
        return url

    @pytest.mark.parametrize(
        ("statement", "what", "got"),
        [
            ("UPDATE kept SET value = '{\"n\":1}' WHERE name = 'state'", "the state of the loop (kept.state)", "other"),
            ("UPDATE kept SET value = NULL WHERE name = 'state'", "the state of the loop (kept.state)", "other"),
            ("DELETE FROM kept WHERE name = 'state'", "the state of the loop (kept.state)", "removed"),
            ("INSERT INTO kept VALUES ('about', '{}')", "what the loop began with (kept.about)", "no entry"),
            (
                "UPDATE batches SET cube = '{\"cells\":[[0,4]]}' WHERE number = 1",
                "the counts of batch 1.csv (batches.cube)",
                "other",
            ),
            ("UPDATE batches SET cube = NULL WHERE number = 0", "the counts of batch 0.csv (batches.cube)", "other"),
            (
                "UPDATE batches SET pending = NULL WHERE number = 1",
                "the decisions that wait for outcomes of batch 1.csv (batches.pending)",
                "other",
            ),
            (
                "UPDATE batches SET pending = (SELECT pending FROM batches WHERE number = 1) WHERE number = 0",
                "the decisions that wait for outcomes of batch 0.csv (batches.pending)",
                "other",
            ),
            ("UPDATE batches SET id = 'x' WHERE number = 2", "the name of batch 2.csv (batches.id)", "other"),
            ("UPDATE batches SET sha256 = '' WHERE number = 2", "the sha256 of batch 2.csv (batches.sha256)", "other"),
            ("DELETE FROM batches WHERE number = 2", "the row of batch 2.csv (batches)", "removed"),
            (
                "INSERT INTO batches (number, id, sha256) VALUES (3, 'x', '')",
                "the row of batch number 3 (batches)",
                "no entry",
            ),
        ],
    )
    def test_what_was_changed_beside_the_entries_is_named(
        self, beside: str, statement: str, what: str, got: str
    ) -> None:
        self.tamper(beside, statement)
        error = self.broken(beside)
        assert error.problem == f"{what}: not what the trail says"
        assert got in error.got
        assert "who had access" in error.todo

    def test_decisions_that_are_changed_while_a_watcher_runs_are_not_counted(self, beside: str) -> None:
        with Trail.open(beside) as trail:
            trail.check()
            assert trail.pending(2) == b"\x00\x02"
            self.tamper(beside, "UPDATE batches SET pending = NULL WHERE number = 2")
            with pytest.raises(VerificationError, match="decisions that wait for outcomes of batch 2"):
                trail.pending(2)
            with trail.write() as page:
                page.add_batch(3, "3.csv", "ef" * 32, None, b"\x01")
                page.forget_pending(1)
                page.append("batch", 'the word "kept":', {"x": 1})
                page.append("batch", 'the word "kept":', {"deep": {"kept": {"documents": {"state": "no"}}}})
            assert (trail.pending(1), trail.pending(3)) == (None, b"\x01")
            with pytest.raises(VerificationError, match=r"batches\.pending"):
                trail.check()
            self.tamper(beside, f"UPDATE batches SET pending = {self.blob} WHERE number = 2")
            assert trail.check()["entries"] == 5

    def test_nothing_is_kept_beside_the_entries_without_one(self, beside: str) -> None:
        def alone(trail: Trail) -> None:
            with trail.write() as page:
                page.append("batch", "before", {})
                page.keep("state", {"n": 9})

        with Trail.open(beside) as trail:
            with pytest.raises(ValueError, match="needs an entry"):
                alone(trail)
            assert trail.kept("state") == {"n": 2}
            assert trail.check()["entries"] == 3

    # -- two at a time -----------------------------------------------------------------------------------------

    def test_the_second_watcher_is_told_who_holds_it_and_the_first_goes_on(self, ten: str) -> None:
        with watcher(ten) as say:
            assert say("") == "open"
            with pytest.raises(OutputError, match="another watcher holds this trail") as caught:
                Trail.open(ten)
            assert f"process {say('pid')} on " in caught.value.got
            assert ", since 20" in caught.value.got
            assert say("entry") == "kept"
            with Trail.open(ten, write=False) as reader:
                assert reader.check()["entries"] == 11
            # Killed without a word: the lock ends with it.
            say("kill")
            with Trail.open(ten) as trail:
                with trail.write() as page:
                    page.append("batch", "from the second", {})
                assert trail.check()["entries"] == 12

    def test_killed_in_the_middle_of_a_page(self, ten: str) -> None:
        with watcher(ten) as say:
            assert say("") == "open"
            assert say("page") == "in the page"
            with Trail.open(ten, write=False) as reader:
                assert reader.check()["entries"] == 10
            say("kill")
        with Trail.open(ten) as trail:
            assert trail.check()["entries"] == 10
            assert trail.kept("state") is None

    def test_the_lock_is_given_back(self, url: str) -> None:
        for _ in range(3):
            with Trail.open(url) as trail, trail.write() as page:
                page.append("batch", "once more", {})
        with Trail.open(url, write=False) as trail:
            assert trail.check()["entries"] == 3

    def test_readers_and_writers_in_threads_see_whole_pages(self, url: str) -> None:
        with Trail.open(url) as trail, Trail.open(url, write=False) as reader:
            problems: list[BaseException] = []
            done = threading.Event()

            def write(who: int) -> None:
                try:
                    for i in range(15):
                        with trail.write() as page:
                            page.append("batch", "one", {"who": who, "i": i})
                            page.append("batch", "two", {"who": who, "i": i})
                except BaseException as error:
                    problems.append(error)

            def read() -> None:
                try:
                    while not done.is_set():
                        assert reader.check()["entries"] % 2 == 0
                        assert trail.check()["entries"] % 2 == 0
                except BaseException as error:
                    problems.append(error)

            writers = [threading.Thread(target=write, args=(k,)) for k in range(3)]
            watching = threading.Thread(target=read)
            for t in (watching, *writers):
                t.start()
            for t in writers:
                t.join()
            done.set()
            watching.join()
            assert problems == []
            assert trail.check()["entries"] == 90

    def test_reading_in_the_middle_of_a_page_waits_for_nobody(self, ten: str) -> None:
        with Trail.open(ten) as trail:
            with trail.write() as page:
                page.append("batch", "more", {})
                assert trail.check()["entries"] == 10
                assert len(list(trail.entries())) == 10
            slow = trail.entries()
            next(slow)
            with trail.write() as page:
                page.append("batch", "more", {})
            assert len(list(slow)) == 10  # the snapshot of eleven, one taken already

    def test_another_end_than_ours_is_not_written_on(self, ten: str) -> None:
        with Trail.open(ten) as trail:
            head = msgspec.to_builtins(trail.head()) | {"seq": 9}
            self.tamper(ten, f"UPDATE kept SET value = '{json.dumps(head)}' WHERE name = 'head'")
            with pytest.raises(OutputError, match="another end"), trail.write() as page:
                page.append("batch", "no", {})

    def test_after_a_failed_write_the_watcher_goes_on_from_the_end_that_is_there(self, ten: str) -> None:
        with Trail.open(ten) as trail:
            assert not trail.catch_up()
            # As when a page was kept and the word of it was lost: the trail has an entry more than the watcher knows.
            trail._seen = Head(9, "ab" * 32, "cd" * 32)
            with pytest.raises(OutputError, match="another end"), trail.write() as page:
                page.append("batch", "no", {})
            assert trail.catch_up()
            with trail.write() as page:
                page.append("batch", "yes", {})
            assert trail.check()["entries"] == 11
