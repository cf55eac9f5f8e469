"""Where batches come from: a table by time, a folder that fills; outcomes that come later."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from audit.errors import CaseError, DataError
from audit.load import load_case
from debias.loop import file_ready
from debias.loop.arrival import SourceAway
from debias.loop.folder import Folder
from debias.loop.sources import TableSource, open_source
from tests.debias.loop.feeding import OLD, Make, counted, labels_in, outcomes, people, put

# -- a table --------------------------------------------------------------------------------------------------


def test_a_table_comes_in_the_order_of_time(make: Make, tmp_path: Path) -> None:
    case = make(batch=5)
    people(12).sample(frac=1, random_state=3).to_csv(tmp_path / "table.csv", index=False)
    table = open_source(case, (), tmp_path)
    assert isinstance(table, TableSource)
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
    table = TableSource(case)
    assert [len(table.read(n).frame) for n in range(table.total())] == [4, 4, 4]


def test_rows_that_are_alike_in_one_table_are_still_different_people(make: Make, tmp_path: Path) -> None:
    """The same values a second time in a table are not the same batch sent again."""
    case = make(batch=2)
    pd.concat([people(2)] * 3).assign(day="2026-11-01").to_csv(tmp_path / "table.csv", index=False)
    assert len({sha for _, _, sha in counted(TableSource(case))}) == 3


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
        TableSource(case)


# -- a folder -------------------------------------------------------------------------------------------------


def test_a_folder_fills_and_numbers_stay(make: Make, tmp_path: Path) -> None:
    case = make(source="in/*.csv")
    source = open_source(case, (), tmp_path)
    assert isinstance(source, Folder)
    with pytest.raises(SourceAway):  # a folder that is not there is no folder without batches
        source.total()
    (tmp_path / "in").mkdir()
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
    assert source.notes() == []
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
    (message,) = source.notes()
    assert message.startswith("2 ids have outcomes that differ")
    assert source.notes() == []


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
    (message,) = source.notes()
    assert "2.csv" in message
    assert "no column 'paid'" in message
    labels_in(source)
    assert source.notes() == []
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
