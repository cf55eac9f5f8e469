"""Batches that come on standard input."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from audit.errors import CaseError, DataError, OutputError
from audit.load import dump_case, load_case
from debias.loop import run, watcher
from debias.loop.page import Page
from debias.loop.sources import Arrival, Source, open_source
from debias.loop.stdin import Stdin, object_of, rows_of
from tests.debias.loop import fed
from tests.debias.loop.feeding import ROOT, Make, counted, labels_in, outcomes, people, put


class Pipe:
    """A pipe into a source."""

    def __init__(self) -> None:
        self.out, self._into = os.pipe()
        self._open = True

    def send(self, text: str | bytes) -> None:
        os.write(self._into, text.encode() if isinstance(text, str) else text)

    def end(self) -> None:
        if self._open:
            os.close(self._into)
        self._open = False


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    built = Pipe()
    yield built
    built.end()
    os.close(built.out)


def as_lines(frame: pd.DataFrame) -> str:
    return str(frame.to_json(orient="records", lines=True)).rstrip("\n") + "\n"


def all_of(source: Source) -> list[Arrival]:
    """Every batch until the end of input."""
    out: list[Arrival] = []
    while source.total() > len(out) or source.more():
        while source.total() > len(out):
            out.append(source.read(len(out)))
    return out


def test_a_dash_is_standard_input_in_a_case_file_and_back(make: Make, tmp_path: Path) -> None:
    case = make(source="-")
    assert case.watch.source == Path("-")
    dump_case(case, tmp_path / "again.toml")
    assert 'source = "-"' in (tmp_path / "again.toml").read_text()
    assert load_case(tmp_path / "again.toml").watch == case.watch


def test_lines_become_batches(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    source = open_source(make(source="-", batch=5), (), tmp_path, pipe.out)
    assert isinstance(source, Stdin)
    assert source.total() == 0
    assert source.more()
    pipe.send(as_lines(people(7)))
    assert source.total() == 1
    first = source.read(0)
    assert list(first.frame["who"]) == [0, 1, 2, 3, 4]
    assert (first.first, first.last) == ("2026-11-01", "2026-11-02")
    assert str(first.frame["age"].dtype) == "int64"
    pipe.send("\n\n" + as_lines(people(2, 7)))
    pipe.end()
    batches = all_of(source)
    assert [list(b.frame["who"]) for b in batches] == [[0, 1, 2, 3, 4], [5, 6], [7, 8]]
    assert not source.more()
    kept = tmp_path / "incoming/00000.jsonl"
    assert kept.read_text() == as_lines(people(5))
    assert batches[0].sha256 == hashlib.sha256(kept.read_bytes()).hexdigest()
    assert batches[0].id == f"00000-{batches[0].sha256[:12]}"
    assert source.features == ("sex", "age")


def test_a_last_line_without_its_end_counts(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    source = open_source(make(source="-", batch=5), (), tmp_path, pipe.out)
    pipe.send(as_lines(people(3)).rstrip("\n"))
    pipe.end()
    assert [len(b.frame) for b in all_of(source)] == [3]


def test_nothing_at_all_is_no_batch(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    source = open_source(make(source="-"), (), tmp_path, pipe.out)
    pipe.send("\n\n  \n")
    pipe.end()
    assert all_of(source) == []


def test_batches_by_time(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    source = open_source(make(source="-", batch="time"), (), tmp_path, pipe.out)
    pipe.send(as_lines(people(10)))
    pipe.end()
    assert [len(b.frame) for b in all_of(source)] == [4, 4, 2]


def test_the_same_lines_again_are_the_same_batch(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    source = open_source(make(source="-", batch=4), (), tmp_path, pipe.out)
    pipe.send(as_lines(people(4)) + as_lines(people(4)) + as_lines(people(4, 4)))
    pipe.end()
    shas = [b.sha256 for b in all_of(source)]
    assert shas[0] == shas[1] != shas[2]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{who: 1}", "no JSON"),
        ('{"who": 1', "no JSON"),
        ("[1, 2]", "no object"),
        ('"secret"', "no object"),
        ('{"who": 1, "who": 2}', "one name twice"),
        ('{"who": [1]}', "'who' holds a list"),
        ('{"who": {"a": 1}}', "'who' holds a list or an object"),
        ('{"who": NaN}', "NaN"),
        ('{"who": 1e999}', "too large"),
        ('{"who": 123456789012345678901234567890}', "64 bits"),
        ('{"": 1}', "without a name"),
        ('{"who": "\\ud800"}', "half a character"),
        ('{"who": "x", "age": "old"}', "another kind of value in 'who' than most"),
        ("[" * 100_000, "too deep"),
    ],
)
def test_a_line_that_is_wrong_costs_that_line_and_says_why(
    make: Make, tmp_path: Path, pipe: Pipe, line: str, said: str
) -> None:
    source = open_source(make(source="-", batch=6), (), tmp_path, pipe.out)
    lines = as_lines(people(6)).splitlines()
    lines[3] = line
    sender = threading.Thread(target=pipe.send, args=("\n".join(lines) + "\n" + as_lines(people(6, 6)),))
    sender.start()
    while source.total() < 1:
        pass
    bad = source.read(0)
    sender.join()
    assert bad.problem is None
    assert bad.frame["who"].tolist() == [0, 1, 2, 4, 5]
    ((reason, count),) = bad.poor.items()
    assert (said in reason, count, "secret" in reason) == (True, 1, False)
    assert [a.row for a in bad.aside] == [4]
    # Nothing of it is lost, and the next batch is a batch.
    assert line.encode() in (tmp_path / "incoming/00000.jsonl").read_bytes()
    assert source.total() == 2
    assert source.read(1).problem is None


def test_several_wrong_lines_are_counted(make: Make) -> None:
    with pytest.raises(DataError) as caught:
        rows_of(b'{"a": 1}\nx\n{"a": 2}\ny\nz\n', "00007.jsonl")
    assert caught.value.problem == "line 2 of 00007.jsonl cannot be used"
    assert "3 lines are wrong" in caught.value.got


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        object_of(b'{"a": "\xff"}')


def test_values_are_typed_as_in_a_table() -> None:
    frame = rows_of(
        b'{"i": 1, "f": 1, "s": "x", "b": true, "n": null, "m": 1}\n'
        b'{"i": 2, "f": 2.5, "s": null, "b": false, "n": null}\n',
        "x",
    )
    assert [str(t) for t in frame.dtypes] == ["int64", "float64", "str", "bool", "float64", "float64"]
    assert frame["m"].isna().tolist() == [False, True]


def test_late_outcomes_of_standard_input(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    source = open_source(make(source="-", batch=4, labels="late/*.csv"), (), tmp_path, pipe.out)
    pipe.send(as_lines(people(4).assign(paid=None)))
    assert source.total() == 1
    assert labels_in(source) == ["-", "-", "-", "-"]
    put(tmp_path / "late/1.csv", outcomes([1, 3], ["yes", "no"]))
    assert labels_in(source) == ["-", "yes", "-", "no"]


@pytest.mark.parametrize("cut", range(0, 560, 70))
def test_killed_anywhere_the_next_run_goes_on_with_the_same_batches(
    make: Make, tmp_path: Path, pipe: Pipe, cut: int
) -> None:
    """The same pipe, another process: what the first one kept and what is still in the pipe make the same batches."""
    case = make(source="-", batch=3)
    text = as_lines(people(8)).encode()
    first = open_source(case, (), tmp_path, pipe.out)
    pipe.send(text[:cut])
    first.total()
    counted_before = counted(first)[:1]
    del first
    pipe.send(text[cut:])
    pipe.end()
    second = open_source(case, counted_before, tmp_path, pipe.out)
    batches = all_of(second)
    assert [list(b.frame["who"]) for b in batches] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert [(b.id, b.sha256) for b in batches[: len(counted_before)]] == [(i, s) for _, i, s in counted_before]
    assert b"".join((tmp_path / f"incoming/0000{n}.jsonl").read_bytes() for n in range(3)) == text


def test_a_crash_between_the_batch_and_its_journal(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    """The batch is whole and the journal still holds its lines: it is one batch, not two."""
    case = make(source="-", batch=3)
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    (incoming / "00000.jsonl").write_text(as_lines(people(3)))
    (incoming / "open-00000.jsonl").write_text(as_lines(people(5)))
    source = open_source(case, (), tmp_path, pipe.out)
    pipe.send(as_lines(people(1, 5)))
    pipe.end()
    assert [list(b.frame["who"]) for b in all_of(source)] == [[0, 1, 2], [3, 4, 5]]
    # And killed once the new journal was there, before the old one went.
    (incoming / "open-00000.jsonl").write_text(as_lines(people(5)))
    again = open_source(case, (), tmp_path, pipe.out)
    assert [len(b.frame) for b in all_of(again)] == [3, 3]
    assert sorted(p.name for p in incoming.iterdir()) == ["00000.jsonl", "00001.jsonl", "open-00002.jsonl"]


def test_what_was_counted_is_not_counted_again_where_its_copies_are_gone(
    make: Make, tmp_path: Path, pipe: Pipe
) -> None:
    case = make(source="-", batch=3)
    known = [(0, "00000-x", "ab" * 32), (1, "00001-y", "cd" * 32)]
    source = open_source(case, known, tmp_path, pipe.out)
    pipe.send(as_lines(people(3)))
    assert source.total() == 3
    assert "is gone" in (source.read(0).problem or "")
    assert list(source.read(2).frame["who"]) == [0, 1, 2]


FULL = """
import resource, signal, sys
from pathlib import Path
from audit.errors import OutputError
from audit.load import load_case
from debias.loop.sources import open_source
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source = open_source(load_case(Path(sys.argv[1])), (), Path(sys.argv[2]))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
for _ in range(3):
    try:
        source.total()
    except OutputError as error:
        print(error.message)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
rows = []
while source.total() > len(rows) or source.more():
    rows.append(len(source.read(len(rows)).frame))
print(rows)
"""


def test_a_full_disk_loses_nothing_that_came(make: Make, tmp_path: Path) -> None:
    make(source="-", batch=20)
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "case.toml"), str(tmp_path / "out")],
        cwd=ROOT, input=as_lines(people(50)), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stderr == ""
    *message, rows = done.stdout.splitlines()
    assert rows == "[20, 20, 10]"
    assert len(message) == 3
    assert all(s.startswith("what came in could not be kept.") or "could not be written" in s for s in message)


def test_standard_input_that_is_closed_gives_one_message(make: Make, tmp_path: Path) -> None:
    fd = os.open(tmp_path / "case.toml" if (tmp_path / "case.toml").exists() else os.devnull, os.O_WRONLY)
    try:
        source = open_source(make(source="-"), (), tmp_path, fd)
        with pytest.raises(CaseError, match="standard input cannot be read"):
            source.total()
    finally:
        os.close(fd)


def test_a_folder_for_what_comes_in_that_cannot_be_made(make: Make, tmp_path: Path, pipe: Pipe) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(OutputError):
        open_source(make(source="-"), (), tmp_path / "out", pipe.out)


def test_a_whole_loop_on_standard_input_in_pieces_is_the_loop_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One pipe and several processes one after another: nothing is lost between them, and the trail is the same."""
    frame = fed.people(8)
    case = fed.write_case(tmp_path, frame, more='source = "-"')
    text = as_lines(frame).encode()

    def run_pieces(name: str, pieces: list[int | None]) -> list[str]:
        pipe = Pipe()
        monkeypatch.setattr(watcher, "open_source", lambda *inputs: open_source(*inputs, pipe.out))

        def send() -> None:
            pipe.send(text)
            pipe.end()

        sender = threading.Thread(target=send)
        sender.start()
        for piece in pieces:
            run.run_watch(case, tmp_path / name, max_batches=piece)
        sender.join()
        os.close(pipe.out)
        return fed.hashes(tmp_path / name)

    whole = run_pieces("whole", [None])
    assert run_pieces("pieces", [1, 2, 1, None]) == whole
    result = fed.bodies(tmp_path / "whole")
    assert "incident" not in {b["kind"] for b in result}
    assert [b["facts"]["rows"] for b in result if b["kind"] == "batch"] == [150] * 8


@pytest.mark.parametrize("fails", [False, True])
def test_following_standard_input_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """What comes while one waits is taken; after the end there is nothing to wait for, unless something is not kept."""
    frame = fed.people(4)
    case = fed.write_case(tmp_path, frame, more='source = "-"')
    lines = as_lines(frame).encode().splitlines(keepends=True)
    pipe, slept, failed = Pipe(), [], []
    monkeypatch.setattr(watcher, "open_source", lambda *inputs: open_source(*inputs, pipe.out))
    real = Page.add_batch

    def wait(_: float) -> None:
        """One more part comes at each wait: half a batch, the rest but for the last line's end, then the end."""
        slept.append(1)
        if len(slept) == 2:
            pipe.send(b"".join(lines[:75]))
        elif len(slept) == 4:
            pipe.send(b"".join(lines[75:])[:-1])
        elif len(slept) == 6:
            pipe.end()
        assert len(slept) < 20, "it goes on for ever"

    def add(self: Page, number: int, *row: Any) -> None:
        if fails and number == 3 and not failed:
            failed.append(1)
            raise OutputError("the trail could not be written", got="No space left on device")
        real(self, number, *row)

    monkeypatch.setattr(run.time, "sleep", wait)
    monkeypatch.setattr(Page, "add_batch", add)
    summary = run.run_watch(case, tmp_path / "out", follow=True)
    os.close(pipe.out)
    assert (summary["batches"], summary["rows"]) == (4, 600)
    assert len(failed) == fails
    assert len(slept) == 6 + fails
