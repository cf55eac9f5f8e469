"""Rows of a CSV drawn by the lines they stand in, and equal rows kept as one: found is what asking the text finds."""

from __future__ import annotations

import gzip
import shutil
import threading
import tracemalloc
from collections import namedtuple
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb
import numpy as np
import pytest

import cli
from audit.scale import beside, lines, opened, source

ROWS = 3000


def rows_of(*, few: bool) -> list[str]:
    """Rows of sex, note, score and label: of a few kinds, or each another."""
    rng = np.random.default_rng(0)
    sex, note = rng.choice(["f", "m", ""], ROWS), rng.choice(["x", "ü y", '"a,b"', '"say ""no"""', "?"], ROWS)
    score = rng.choice([0.25, 0.5, 0.75], ROWS) if few else rng.permutation(ROWS) / ROWS
    label = np.where(rng.random(ROWS) < score, "yes", "no")
    return [",".join(map(str, r)) for r in zip(sex, note, score.tolist(), label, strict=True)]


FEW, MANY = rows_of(few=True), rows_of(few=False)
NAMES = "sex,note,p,y"
LONG = [r.replace(",0.", f",0.{300 * '0'}", 1) for r in [*MANY, *MANY]]
"""Of which DuckDB takes fewer at once than a group of rows in a copy holds."""
TOO = ',"two\nlines",0.5,no'


def text(rows: list[str], end: str = "\n", last: bool = True) -> bytes:
    return (end.join([NAMES, *rows]) + (end if last else "")).encode()


def turned(rows: list[str]) -> bytes:
    """The same columns in another order."""
    parts = [r.rsplit(",", 1) for r in rows]
    return ("\n".join(["y,sex,note,p", *(f"{y},{rest}" for rest, y in parts)]) + "\n").encode()


FILES: dict[str, tuple[dict[str, bytes], bool, bool]] = {
    "few kinds": ({"a.csv": text(FEW)}, True, True),
    "many kinds": ({"a.csv": text(MANY)}, True, False),
    "CR LF": ({"a.csv": text(MANY, "\r\n")}, True, False),
    "CR LF, few kinds, no last line end": ({"a.csv": text(FEW, "\r\n", False)}, True, True),
    "no last line end": ({"a.csv": text(MANY, last=False)}, True, False),
    "a mark of UTF-8": ({"a.csv": b"\xef\xbb\xbf" + text(MANY)}, True, False),
    "packed": ({"a.csv.gz": gzip.compress(text(FEW))}, True, False),
    "packed, but not smaller": ({"a.csv.gz": gzip.compress(text(FEW), 0)}, True, False),
    "two files": ({"a.csv": text(MANY[:900], last=False), "b.csv": turned(MANY[900:])}, True, False),
    "one of two files packed": ({"a.csv": text(FEW[:900]), "b.csv.gz": gzip.compress(turned(FEW[900:]))}, True, False),
    "few kinds at first, many then": ({"a.csv": text([*FEW[:2000], *MANY[2000:]])}, True, False),
    "many kinds at first, few then": ({"a.csv": text([*MANY[:1000], *FEW[1000:]])}, True, False),
    "a line end in a value far down": ({"a.csv": text([*MANY[:2000], TOO, *MANY[2000:]])}, False, False),
    "an empty line far down": ({"a.csv": text([*FEW[:2000], "", *FEW[2000:]])}, False, True),
    "an empty line at the end": ({"a.csv": text(FEW) + b"\n"}, False, True),
}  # fmt: skip
"""Files; whether rows are drawn by lines; whether equal rows are one."""


@dataclass
class Seen:
    held: list[bool] = field(default_factory=list)
    together: list[bool] = field(default_factory=list)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What was done: files of this size are large, samples are small, and pieces and steps are shorter than them."""
    result = Seen()
    holds: Callable[[lines.Early, int], bool] = lines.Early.holds
    copied = opened._copied

    def noted(self: lines.Early, rows: int) -> bool:
        result.held.append(holds(self, rows))
        return result.held[-1]

    def copy(*args: object) -> source.Source:
        built: source.Source = copied(*args)  # type: ignore[arg-type]
        result.together.append(built.together)
        return built

    monkeypatch.setattr(lines.Early, "holds", noted)
    monkeypatch.setattr(opened, "_copied", copy)
    monkeypatch.setattr(lines, "HEAD", 8000)
    monkeypatch.setattr(source, "HEAD", 8000)
    monkeypatch.setattr(lines, "PIECE", 4000)
    monkeypatch.setattr(lines, "STEP", 777)
    monkeypatch.setattr(source, "AT_ONCE", 7)
    monkeypatch.setattr(source, "BUFFER", 9000)
    monkeypatch.setattr(beside, "SAMPLE", 700)
    return result


def case_in(folder: Path, files: dict[str, bytes], more: str = "") -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "case.toml").write_text(
        f'[case]\nname = "c"\npurpose = "p"\n[data]\npath = "*.csv*"\nengine = "duckdb"\nlabel = "y"\n'
        f'positive = "yes"\nfavourable = "yes"\nsensitive = ["sex"]\n{more}[model]\nscore = "p"\n'
    )
    return folder / "case.toml"


def audited(case: Path, name: str) -> tuple[bytes, ...]:
    assert cli.main(["audit", str(case), "--out", str(case.parent / name), "--draws", "50"]) == 0
    return tuple((case.parent / name / f).read_bytes() for f in ("evidence.json", "cube.json"))


def without_room(monkeypatch: pytest.MonkeyPatch) -> None:
    room = namedtuple("room", "total used free")(10**9, 10**9, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: room)


@pytest.mark.parametrize("what", FILES)
def test_what_is_drawn_by_lines_and_counted_together_is_what_the_text_says(
    what: str, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, by_lines, together = FILES[what]
    case = case_in(tmp_path, files)
    result = audited(case, "found")
    assert (seen.held, seen.together) == ([by_lines], [together])
    without_room(monkeypatch)
    monkeypatch.setattr(opened, "in_lines", lambda _: False)
    assert audited(case, "text") == result
    assert len(seen.held) == 1, "the text itself was asked"


@pytest.mark.parametrize(
    ("more", "files"),
    [
        ("", {"a.csv": text([TOO, *MANY])}),
        ("", {"a.csv": text(["", *MANY])}),
        ('split = "note"\naudit = "x"\n', {"a.csv": text(MANY)}),
        ("", {"a.csv": text([TOO, *MANY, *LONG])}),
        ('split = "note"\naudit = "x"\n', {"a.csv": text([*MANY, *LONG])}),
    ],
)
def test_rows_are_kept_in_their_order_where_lines_cannot_be_drawn(
    more: str, files: dict[str, bytes], seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the beginning shows, or since not all rows are measured."""
    case = case_in(tmp_path, files, more)
    result = audited(case, "found")
    assert (seen.held, seen.together) == ([], [False])
    without_room(monkeypatch)
    assert audited(case, "text") == result


def test_a_disk_that_is_full_when_rows_are_drawn_costs_time_alone(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = case_in(tmp_path, {"a.csv": text(FEW)})
    result = audited(case, "found")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lines, "_write", full)
    assert audited(case, "full") == result
    assert seen.held == [True, False]


@pytest.mark.skipif(not source.OWN_HANDLES.is_dir(), reason="what a process has open is seen on Linux alone")
def test_rows_are_drawn_of_one_file_at_a_time(seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have so many files open: with two for each, DuckDB could not read them."""
    own: Callable[..., Path] = lines.nameless
    held: list[set[str]] = []

    def noted(folder: Path, copies: ExitStack, name: str) -> Path:
        result = own(folder, copies, name)
        held.append({f for f in map(linked, source.OWN_HANDLES.iterdir()) if f.startswith(f"{folder}/")})
        return result

    monkeypatch.setattr(lines, "nameless", noted)
    audited(case_in(tmp_path, {f"{i}.csv": text(MANY[i * 600 : i * 600 + 600]) for i in range(5)}), "found")
    assert seen.held == [True]
    assert len(held) == 5
    assert max(map(len, held)) <= 2, "the rows drawn, and the copy"


def linked(handle: Path) -> str:
    try:
        return str(handle.readlink())
    except OSError:
        return ""


def test_what_is_known_of_many_files_takes_no_more_memory_than_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their beginnings are not held together, nor a piece of each."""
    content = text(MANY)
    monkeypatch.setattr(lines, "HEAD", 8000)
    monkeypatch.setattr(source, "HEAD", len(content))
    names = tuple(tmp_path / f"{i}.csv" for i in range(8 * lines.PLACES))
    for file in names:
        file.write_bytes(content)
    result = source.Source(names, "csv", tuple(NAMES.split(",")), ((0, 1, 2, 3),) * len(names), ",")
    tracemalloc.start()
    try:
        assert lines.in_lines(result)
        assert tracemalloc.get_traced_memory()[1] < 16 * len(content)
        tracemalloc.reset_peak()
        assert not lines.alike(replace(result, files=names[:1]))
        one = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        lines.alike(result)
        assert tracemalloc.get_traced_memory()[1] < lines.PLACES * 2 * one
    finally:
        tracemalloc.stop()


def test_what_was_begun_and_nobody_waits_for_is_not_done(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the audit is stopped, or ends with a refusal, while the text is still looked through."""
    ended, done = threading.Event(), []
    through: Callable[[source.Source], int | None] = source.look_through

    def slowly(result: source.Source) -> int | None:
        assert ended.wait(60)
        return through(result)

    def stopped(*_: object) -> None:
        threading.Timer(0.5, ended.set).start()  # once the command waits for it
        raise RuntimeError("Query interrupted")  # as DuckDB says it

    monkeypatch.setattr(opened, "look_through", slowly)
    monkeypatch.setattr(opened, "_copied", stopped)
    monkeypatch.setattr(lines, "_write", lambda *a: done.append(a))
    assert cli.main(["audit", str(case_in(tmp_path, {"a.csv": text(MANY)})), "--out", str(tmp_path / "found")]) == 1
    assert "stopped after" in capsys.readouterr().err
    assert not done


def test_rows_that_only_looked_alike_are_kept_one_by_one(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB would put them aside, in files that stay where the process is killed."""
    rows = [f"{'fm'[i % 2]},{i:0200d},0.{i % 7},{('yes', 'no')[i % 3 > 0]}" for i in range(150_000)]
    case = case_in(tmp_path, {"a.csv": text(rows)}, 'features = ["note"]\n')
    (tmp_path / "rows").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "rows"))
    monkeypatch.setattr(opened, "alike", lambda _: True)
    monkeypatch.setattr(opened, "COPYING", 40)
    own: Callable[..., Path] = opened.nameless
    put_aside, copies = [], []

    def noted(*args: object) -> Path:
        copies.append(1)
        put_aside.extend(f.name for f in (tmp_path / "rows").rglob("duckdb_temp*"))
        return own(*args)

    monkeypatch.setattr(opened, "nameless", noted)
    audited(case, "found")
    assert (len(copies), seen.together) == (2, [False])
    assert not put_aside


def test_weights_and_ids_of_rows_that_are_kept_as_one(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row counts, however many are alike."""
    case = case_in(tmp_path, {"a.csv": text(FEW)}, 'weight = "w"\nid = "note"\n')
    (tmp_path / "a.csv").write_text(
        "\n".join(["w," + NAMES, *(f"{1.1 if r.startswith('f') else 3},{r}" for r in FEW)]), encoding="utf-8"
    )
    result = audited(case, "found")
    assert seen.together == [True]
    without_room(monkeypatch)
    assert audited(case, "text") == result


@pytest.mark.parametrize("most", [700, ROWS])
@pytest.mark.parametrize("end", [True, False])
def test_the_same_rows_are_drawn_in_the_same_order(seen: Seen, end: bool, most: int, tmp_path: Path) -> None:
    """Of lines as of the text; the last row too."""
    (tmp_path / "a.csv").write_bytes(text(MANY, last=end))
    result = source.Source((tmp_path / "a.csv",), "csv", tuple(NAMES.split(",")), ((0, 1, 2, 3),), ",")
    names = ["p", "y"]
    by_lines = lines.drawn(result, names, most, ROWS, 5, tmp_path)
    with duckdb.connect(config={**source.SAFE, "threads": 1}) as database:
        of_text = lines.drawn_of_rows(database, result.sql, [result.column(n) for n in names], most, ROWS, 5)
    assert by_lines is not None
    assert by_lines.to_pylist() == of_text.rename_columns(names).to_pylist()
    assert len(set(by_lines.column("p").to_pylist())) == most


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"a,b\n1,2\n3,4\n", 2),
        (b"a,b\n1,2\n3,4", 2),
        (b"a,b\r\n1,2\r\n3,4\r\n", 2),
        (b"a,b\n1,2\r3,4\n\n", None),  # as many line feeds as rows
        (b"a,b\n1,2\n3,4\r", None),
    ],
)
@pytest.mark.parametrize("step", [1, 2, 3, 5, 1000])
def test_lines_are_counted_where_line_feeds_alone_end_them(
    content: bytes, count: int | None, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the text is cut into steps."""
    (tmp_path / "a.csv").write_bytes(content)
    result = source.Source((tmp_path / "a.csv",), "csv", ("a", "b"), ((0, 1),), ",")
    monkeypatch.setattr(source, "STEP", step)
    assert source.look_through(result) == count
