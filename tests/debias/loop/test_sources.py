"""Where batches come from: a table by time, a folder that fills, standard input; outcomes that come later."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from audit.case import Case
from audit.errors import CaseError, DataError, OutputError
from audit.load import dump_case, load_case
from debias.loop import file_ready, run, watcher
from debias.loop.folder import Folder
from debias.loop.page import Page
from debias.loop.sources import Arrival, Source, Table, open_source
from debias.loop.stdin import Stdin, object_of, rows_of
from tests.debias.loop import fed

ROOT = Path(__file__).resolve().parents[3]
OLD = time.time() - 3600

Make = Callable[..., Case]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A case on a small table of people, its [watch] as given."""

    def case(data: str = "", *, label: bool = True, rows: int = 12, **watch: Any) -> Case:
        people(rows).to_csv(tmp_path / "table.csv", index=False)
        lines = ["[case]", 'name = "x"', 'purpose = "y"', "[data]", 'path = "table.csv"', 'positive = "yes"']
        lines += ['sensitive = ["sex"]', 'time = "day"', 'id = "who"', *(['label = "paid"'] if label else []), data]
        lines += ["[model]", 'decision = "said"', "[watch]"]
        lines += [f"{k} = {json.dumps(v)}" for k, v in watch.items()]
        path = tmp_path / "case.toml"
        path.write_text("\n".join(lines) + "\n")
        return load_case(path)

    return case


def people(n: int, start: int = 0) -> pd.DataFrame:
    at = range(start, start + n)
    return pd.DataFrame(
        {
            "who": list(at),
            "day": [f"2026-11-{1 + i // 4:02d}" for i in at],
            "sex": [("a", "b")[i % 2] for i in at],
            "age": [20 + i for i in at],
            "said": [("yes", "no")[i % 3 == 0] for i in at],
            "paid": [("yes", "no")[i % 4 == 0] for i in at],
        }
    )


def put(path: Path, content: pd.DataFrame | str | bytes, *, age: float = 3600) -> Path:
    """A file that is whole: nobody has written in it for an hour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pd.DataFrame):
        content.to_csv(path, index=False) if path.suffix == ".csv" else content.to_parquet(path, index=False)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def counted(source: Source) -> list[tuple[int, str, str]]:
    """What the trail keeps of the batches of a source."""
    read = [source.read(n) for n in range(source.total())]
    return [(a.number, a.id, a.sha256) for a in read]


# -- a table --------------------------------------------------------------------------------------------------


def test_a_table_comes_in_the_order_of_time(make: Make, tmp_path: Path) -> None:
    case = make(batch=5)
    people(12).sample(frac=1, random_state=3).to_csv(tmp_path / "table.csv", index=False)
    table = open_source(case, (), tmp_path)
    assert isinstance(table, Table)
    batches = [table.read(n) for n in range(table.total())]
    assert [len(b.frame) for b in batches] == [5, 5, 2]
    assert pd.concat([b.frame for b in batches])["day"].is_monotonic_increasing
    assert (batches[0].first, batches[0].last) == ("2026-11-01", "2026-11-02")
    assert table.features == ("sex", "age")
    assert not table.more()
    again = open_source(case, counted(table), tmp_path)
    assert [again.read(n).sha256 for n in (2, 0, 1)] == [batches[n].sha256 for n in (2, 0, 1)]


def test_a_table_by_time_has_a_batch_for_each_time_whatever_its_spelling(make: Make, tmp_path: Path) -> None:
    case = make(batch="time")
    frame = people(12)
    frame.loc[0, "day"] = "2026-11-01T00:00"
    frame.to_csv(tmp_path / "table.csv", index=False)
    table = Table(case)
    assert [len(table.read(n).frame) for n in range(table.total())] == [4, 4, 4]


def test_rows_that_are_alike_in_one_table_are_still_different_people(make: Make, tmp_path: Path) -> None:
    """The same values a second time in a table are not the same batch sent again."""
    case = make(batch=2)
    pd.concat([people(2)] * 3).assign(day="2026-11-01").to_csv(tmp_path / "table.csv", index=False)
    assert len({sha for _, _, sha in counted(Table(case))}) == 3


def test_a_table_without_time_is_refused(make: Make, tmp_path: Path) -> None:
    case = make()
    text = (tmp_path / "case.toml").read_text().replace('time = "day"\n', "")
    (tmp_path / "case.toml").write_text(text)
    with pytest.raises(CaseError, match="puts rows in order"):
        open_source(load_case(tmp_path / "case.toml"), (), tmp_path)
    assert case.watch.batch == 1000


def test_a_time_that_is_none_is_refused(make: Make, tmp_path: Path) -> None:
    case = make()
    people(12).assign(day=["2026-11-01"] * 11 + ["soon"]).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(DataError, match="cannot be put in order"):
        Table(case)


# -- a folder -------------------------------------------------------------------------------------------------


def test_a_folder_fills_and_numbers_stay(make: Make, tmp_path: Path) -> None:
    case = make(source="in/*.csv")
    source = open_source(case, (), tmp_path)
    assert isinstance(source, Folder)
    assert source.total() == 0
    put(tmp_path / "in/b.csv", people(4))
    assert source.total() == 1
    source.read(0)  # while one waits to be taken, nothing else is looked for
    put(tmp_path / "in/a.csv", people(4, 4))
    put(tmp_path / "in/c.csv", people(4, 8))
    assert source.total() == 3
    assert [i for _, i, _ in counted(source)] == ["b.csv", "a.csv", "c.csv"]
    arrival = source.read(1)
    assert arrival.sha256 == hashlib.sha256((tmp_path / "in/a.csv").read_bytes()).hexdigest()
    assert list(arrival.frame["who"]) == [4, 5, 6, 7]
    assert (arrival.first, arrival.last) == ("2026-11-02", "2026-11-02")
    # A run that goes on knows what was counted, and takes what is new after it.
    put(tmp_path / "in/0.csv", people(4, 12))
    resumed = open_source(case, counted(source), tmp_path)
    assert resumed.total() == 4
    assert [resumed.read(n).id for n in range(4)] == ["b.csv", "a.csv", "c.csv", "0.csv"]


def test_a_folder_whose_name_has_brackets(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in [new]/1.csv", people(4))
    source = open_source(make(source="in [new]/*.csv"), (), tmp_path)
    assert [i for _, i, _ in counted(source)] == ["1.csv"]


@pytest.mark.parametrize("pattern", ["in", "in/**/*.csv"])
def test_files_of_one_name_in_several_folders_are_several_batches(make: Make, tmp_path: Path, pattern: str) -> None:
    for day in ("1", "2"):
        put(
            tmp_path / ("in" if pattern == "in" else f"in/day {day}") / f"{day if pattern == 'in' else 'x'}.csv",
            people(4),
        )
    source = open_source(make(source=pattern), (), tmp_path)
    assert source.total() == 2
    assert [source.read(n).id for n in range(2)] == (
        ["1.csv", "2.csv"] if pattern == "in" else ["day 1/x.csv", "day 2/x.csv"]
    )


def test_a_file_that_is_being_written_is_not_taken(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody writes a file slowly, in place; it is a batch once it is whole, and then it is the whole."""
    monkeypatch.setattr(file_ready, "SECONDS", 1.0)
    source = open_source(make(source="in/*.csv"), (), tmp_path)
    (tmp_path / "in").mkdir()
    lines = people(8).to_csv(index=False).splitlines(keepends=True)
    whole = threading.Event()

    def write() -> None:
        with (tmp_path / "in/slow.csv").open("w") as stream:
            for line in lines:
                stream.write(line)
                stream.flush()
                time.sleep(0.02)
        whole.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not whole.is_set():
        assert source.total() == 0 or whole.is_set()
    writer.join()
    assert source.total() == 1
    assert len(source.read(0).frame) == 8


def test_names_of_unfinished_files_are_never_taken(make: Make, tmp_path: Path) -> None:
    for name in (".hidden.csv", "x.csv.part", "x.csv.tmp", "x.csv~", ".x.csv.swp"):
        put(tmp_path / "in" / name, people(4))
    (tmp_path / "in/folder.csv").mkdir()
    source = open_source(make(source="in"), (), tmp_path)
    assert source.total() == 0


def test_a_clock_that_runs_ahead_does_not_stop_the_feed(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_ready, "SECONDS", 0.1)
    put(tmp_path / "in/x.csv", people(4), age=-3600)
    assert open_source(make(source="in"), (), tmp_path).total() == 1


def test_an_empty_batch_is_empty_and_a_file_without_a_header_is_broken(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/a.csv", "who,day,sex,age,said,paid\n")
    put(tmp_path / "in/b.csv", "")
    put(tmp_path / "in/c.parquet", people(4).iloc[:0])
    source = open_source(make(source="in"), (), tmp_path)
    a, b, c = (source.read(n) for n in range(source.total()))
    assert (a.problem, len(a.frame), c.problem, len(c.frame)) == (None, 0, None, 0)
    assert b.problem is not None
    assert "empty" in b.problem


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("who,day,sex,age,said\n1,2026-11-01,a,3\n1,2026-11-01,a,3\n", "another number of values"),
        ("who,day,age,said\n1,2026-11-01,3,yes\n", "the column 'sex' is missing"),
        ("who,day,sex,age\n1,2026-11-01,a,3\n", "the column 'said' is missing"),
        ("who,sex,age,said\n1,a,3,yes\n", "the column 'day' is missing"),
        ("who,day,sex,age,said\n1,someday,a,3,yes\n", "cannot be put in order"),
        (b"PAR1 this is no parquet file PAR1", "Parquet"),
        (b"\x89PNG\r\n\x1a\n....", "one column only"),
        ("who,day,sex,age,said\n" + "".join(f"{i},2026-11-01,x{i},3,yes\n" for i in range(200)), "too many groups"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_the_next_one_comes(
    make: Make, tmp_path: Path, content: str | bytes, said: str
) -> None:
    put(tmp_path / "in/1.csv", content)
    put(tmp_path / "in/2.csv", people(4))
    source = open_source(make(source="in"), (), tmp_path)
    assert source.total() == 2
    bad, good = source.read(0), source.read(1)
    assert bad.problem is not None
    assert said in bad.problem
    assert said != "too many groups" or "at most 100 to watch (`assay audit` takes up to 1,500)" in bad.problem
    assert bad.frame.empty
    assert bad.id == "1.csv"
    assert bad.sha256 != ""
    assert good.problem is None


def test_weights_that_are_none(make: Make, tmp_path: Path) -> None:
    case = make('weight = "w"\nfeatures = ["age"]', source="in")
    put(tmp_path / "in/1.csv", people(4).assign(w=[1, 1, -1, 1]))
    put(tmp_path / "in/2.csv", people(4).assign(w=[1, 1, 0, 1]))
    source = open_source(case, (), tmp_path)
    assert source.total() == 2
    assert source.read(0).problem is None
    assert source.read(0).poor == {"no weight of 0 or more in 'w'": 1}
    assert source.read(0).frame["who"].tolist() == [0, 1, 3]
    assert source.read(1).problem is None


def test_a_file_that_goes_or_cannot_be_opened(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(4))
    source = open_source(make(source="in"), (), tmp_path)
    assert source.total() == 1
    (tmp_path / "in/1.csv").unlink()
    assert "does not exist" in (source.read(0).problem or "")


def test_one_group_one_outcome_or_a_new_group_are_for_the_loop_to_judge(make: Make, tmp_path: Path) -> None:
    """An audit refuses such a table; a batch of it is a batch."""
    put(tmp_path / "in/1.csv", people(4).assign(sex="a", paid="yes"))
    put(tmp_path / "in/2.csv", people(4).assign(sex=["a", "b", "new", None]))
    source = open_source(make(source="in"), (), tmp_path)
    assert source.total() == 2
    one, new = source.read(0), source.read(1)
    assert one.problem is None
    assert set(one.frame["paid"]) == {"yes"}
    assert new.problem is None
    assert list(new.frame["sex"].fillna("-")) == ["a", "b", "new", "-"]


def test_rows_of_a_file_come_in_the_order_of_time(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(12).iloc[::-1])
    source = open_source(make(source="in"), (), tmp_path)
    assert source.total() == 1
    assert source.read(0).frame["day"].is_monotonic_increasing


def test_a_batch_sent_twice_is_known_by_its_bytes(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(4))
    put(tmp_path / "in/2.csv", people(4))
    put(tmp_path / "in/3.csv", people(4, 4))
    shas = [sha for _, _, sha in counted(open_source(make(source="in"), (), tmp_path))]
    assert shas[0] == shas[1] != shas[2]


def test_the_features_are_the_same_wherever_a_run_goes_on(make: Make, tmp_path: Path) -> None:
    case = make(source="in")
    put(tmp_path / "in/1.csv", people(4))
    put(tmp_path / "in/2.csv", people(4, 4).assign(more=1))
    (tmp_path / "table.csv").unlink()  # then the first batch that can be read says which they are
    source = open_source(case, (), tmp_path)
    known = counted(source)
    assert source.features == ("sex", "age")
    resumed = open_source(case, known[:1], tmp_path)
    assert resumed.total() == 2
    assert resumed.read(1).problem is None
    assert resumed.features == ("sex", "age")
    assert "more" not in resumed.read(1).frame


# -- outcomes that come later ---------------------------------------------------------------------------------


def outcomes(ids: list[Any], labels: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"who": ids, "paid": labels, "clerk": "nobody"})


def labels_in(source: Source, number: int = 0) -> list[str]:
    return list(source.read(number).frame["paid"].fillna("-"))


def test_late_outcomes_join_by_id_as_their_files_come(make: Make, tmp_path: Path) -> None:
    source = open_source(make(source="in", labels="late/*.csv"), (), tmp_path)
    put(tmp_path / "in/1.csv", people(4).drop(columns="paid"))
    assert source.total() == 1
    before = source.read(0).sha256
    assert labels_in(source) == ["-", "-", "-", "-"]
    put(tmp_path / "late/1.csv", outcomes([2, 0], ["yes", "no"]))
    assert labels_in(source) == ["no", "-", "yes", "-"]
    put(tmp_path / "late/2.csv", outcomes([3, 1, 99], ["yes", None, "yes"]))
    assert labels_in(source) == ["no", "-", "yes", "yes"]
    put(tmp_path / "late/0.csv", outcomes([1], ["no"]))
    assert labels_in(source) == ["no", "no", "yes", "yes"]
    assert source.said() == []
    assert source.read(0).sha256 == before


def test_ids_are_names_so_that_7_and_7_0_are_one(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(4).drop(columns="paid"))
    put(tmp_path / "late/1.csv", "who,paid\n0.0,yes\n1.0,no\n,yes\n")
    put(tmp_path / "late/2.csv", 'who,paid\n"2",yes\n"x",no\n')
    source = open_source(make(source="in", labels="late/*.csv"), (), tmp_path)
    assert source.total() == 1
    assert labels_in(source) == ["yes", "no", "yes", "-"]


def test_late_outcomes_tell_007_and_7_apart(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(4).drop(columns="paid").assign(who=["007", "7", "08", "9"]))
    put(tmp_path / "late/1.csv", "who,paid\n007,yes\n7,no\n08,no\n8,yes\n")
    source = open_source(make(source="in", labels="late/*.csv"), (), tmp_path)
    assert source.total() == 1
    assert labels_in(source) == ["yes", "no", "no", "-"]


def test_an_outcome_in_the_rows_is_kept(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(3).assign(paid=["yes", None, "no"]))
    put(tmp_path / "late/1.csv", outcomes([0, 1, 2], ["no", "no", "no"]))
    source = open_source(make(source="in", labels="late/*.csv"), (), tmp_path)
    assert source.total() == 1
    assert labels_in(source) == ["yes", "no", "no"]


def test_outcomes_that_differ_the_last_one_counts_and_it_is_said_once(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(4).drop(columns="paid"))
    put(tmp_path / "late/1.csv", outcomes([0, 0, 1, 2, 2], ["no", "yes", "no", "no", "no"]))
    put(tmp_path / "late/2.csv", outcomes([1], ["yes"]))
    source = open_source(make(source="in", labels="late/*.csv"), (), tmp_path)
    assert source.total() == 1
    assert labels_in(source) == ["yes", "yes", "no", "-"]
    assert labels_in(source) == ["yes", "yes", "no", "-"]
    (said,) = source.said()
    assert said.startswith("2 ids have outcomes that differ")
    assert source.said() == []


def test_a_file_of_outcomes_that_is_broken_is_left_out_said_and_read_once_it_is_mended(
    make: Make, tmp_path: Path
) -> None:
    put(tmp_path / "in/1.csv", people(4).drop(columns="paid"))
    put(tmp_path / "late/1.csv", outcomes([0], ["yes"]))
    put(tmp_path / "late/2.csv", "who,outcome\n1,yes\n")
    put(tmp_path / "late/3.csv", "who,paid\n")
    source = open_source(make(source="in", labels="late/*.csv"), (), tmp_path)
    assert source.total() == 1
    assert labels_in(source) == ["yes", "-", "-", "-"]
    (said,) = source.said()
    assert "2.csv" in said
    assert "no column 'paid'" in said
    labels_in(source)
    assert source.said() == []
    put(tmp_path / "late/2.csv", outcomes([1], ["no"]))
    assert labels_in(source) == ["yes", "no", "-", "-"]


def test_a_file_of_outcomes_that_is_being_written_waits(make: Make, tmp_path: Path) -> None:
    put(tmp_path / "in/1.csv", people(2).drop(columns="paid"))
    late = put(tmp_path / "late/1.csv", outcomes([0, 1], ["yes", "no"]), age=0)
    source = open_source(make(source="in", labels="late/*.csv"), (), tmp_path)
    assert source.total() == 1
    assert labels_in(source) == ["-", "-"]
    os.utime(late, (OLD, OLD))
    assert labels_in(source) == ["yes", "no"]


def test_late_outcomes_of_a_table(make: Make, tmp_path: Path) -> None:
    case = make(batch=4, labels="late/*.csv")
    people(12).assign(paid=["yes", "no", *[None] * 10]).to_csv(tmp_path / "table.csv", index=False)
    put(tmp_path / "late/1.csv", outcomes([2, 7], ["no", "yes"]))
    source = open_source(case, (), tmp_path)
    assert labels_in(source, 0) == ["yes", "no", "no", "-"]
    assert labels_in(source, 1) == ["-", "-", "-", "yes"]


def test_late_outcomes_need_an_id(make: Make, tmp_path: Path) -> None:
    make(source="in", labels="late/*.csv")
    text = (tmp_path / "case.toml").read_text().replace('id = "who"\n', "")
    (tmp_path / "case.toml").write_text(text)
    with pytest.raises(CaseError, match="late outcomes cannot be joined"):
        open_source(load_case(tmp_path / "case.toml"), (), tmp_path)


# -- standard input -------------------------------------------------------------------------------------------


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
    made = Pipe()
    yield made
    made.end()
    os.close(made.out)


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
    *said, rows = done.stdout.splitlines()
    assert rows == "[20, 20, 10]"
    assert len(said) == 3
    assert all(s.startswith("what came in could not be kept.") or "could not be written" in s for s in said)


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
        monkeypatch.setattr(watcher, "open_source", lambda *given: open_source(*given, pipe.out))

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
    found = fed.bodies(tmp_path / "whole")
    assert "incident" not in {b["kind"] for b in found}
    assert [b["facts"]["rows"] for b in found if b["kind"] == "batch"] == [150] * 8


@pytest.mark.parametrize("fails", [False, True])
def test_following_standard_input_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    """What comes while one waits is taken; after the end there is nothing to wait for, unless something is not kept."""
    frame = fed.people(4)
    case = fed.write_case(tmp_path, frame, more='source = "-"')
    lines = as_lines(frame).encode().splitlines(keepends=True)
    pipe, slept, failed = Pipe(), [], []
    monkeypatch.setattr(watcher, "open_source", lambda *given: open_source(*given, pipe.out))
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
