"""Reading tables: what was written comes back, whatever the careless export."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.load import columns_of, read_noted, read_table

FRAME = pd.DataFrame(
    {
        "name": ["Ana, B.", 'He said "no"', "Łódź", "two\nlines"],
        "age": [31, 44, 27, 60],
        "share": [0.5, -1.25, 3e10, 0.1],
        "ok": [True, False, True, True],
        "land": ["NA", "DE", "FR", "NA"],
    }
)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_csv_in_any_delimiter_and_unicode(tmp_path: Path, delimiter: str, encoding: str) -> None:
    file = tmp_path / "t.csv"
    FRAME.to_csv(file, sep=delimiter, encoding=encoding, index=False)
    table = read_noted(file)
    pd.testing.assert_frame_equal(table.frame, FRAME)
    assert table.notes == ()
    assert columns_of(file) == tuple(FRAME.columns)


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "feather"])
def test_other_formats(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"t.{kind}"
    if kind == "csv.gz":
        file.write_bytes(gzip.compress(FRAME.to_csv(index=False).encode()))
    elif kind == "parquet":
        FRAME.to_parquet(file)
    else:
        FRAME.to_feather(file)
    pd.testing.assert_frame_equal(read_table(file), FRAME)
    assert columns_of(file) == tuple(FRAME.columns)
    chosen = read_table(file, ["land", "age"])
    pd.testing.assert_frame_equal(chosen, FRAME[["land", "age"]])


def test_gzip_members_follow_one_another(tmp_path: Path) -> None:
    file = tmp_path / "t.csv.gz"
    file.write_bytes(gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"))
    assert read_table(file).to_numpy().tolist() == [[1, 2], [3, 4]]


def test_reading_does_not_touch_the_file(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b"a;b\n1,5;x\n\n2,5;y\n")
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    read_noted(file)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    assert list(tmp_path.iterdir()) == [file]


def test_na_in_text_is_a_value_and_in_numbers_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("land,n,gone\nNA,1,\nDE,NA,\n,3,\n")
    table = read_noted(file)
    assert table.frame["land"].tolist()[:2] == ["NA", "DE"]
    assert table.frame["land"].isna().tolist() == [False, False, True]
    assert table.frame["n"].isna().tolist() == [False, True, False]
    assert table.frame["n"].dtype == np.float64
    assert table.frame["gone"].isna().all()
    assert any("'n'" in n and "1 value ('NA')" in n for n in table.notes)


def test_a_column_of_markers_only_stays_text(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n?,1\nNA,2\n")
    assert read_table(file)["a"].tolist() == ["?", "NA"]


def test_a_late_word_makes_the_whole_column_text_and_is_said(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    values = [str(i) for i in range(5000)] + ["unknown"]
    file.write_text("a,b\n" + "".join(f"{v},x\n" for v in values))
    table = read_noted(file)
    assert table.frame["a"].tolist() == values
    assert any("1 of 5,001 values is no number, such as 'unknown'" in n for n in table.notes)


def test_a_late_fraction_makes_the_whole_column_broken_numbers(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n" + "".join(f"{i},x\n" for i in range(5000)) + "0.5,x\n")
    column = read_table(file)["a"]
    assert column.dtype == np.float64
    assert column.iloc[-1] == 0.5


def test_decimal_comma_is_read_and_said(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("p;q;r\n0,5;1,250;x\n12;2,000;y\n")
    table = read_noted(file)
    assert table.frame["p"].tolist() == [0.5, 12.0]
    assert table.frame["q"].tolist() == ["1,250", "2,000"]  # may be thousands
    assert any("'p'" in n and "decimal commas" in n for n in table.notes)
    assert any("'q'" in n and "thousands or decimals" in n for n in table.notes)


def test_long_numbers_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("id,b\n12345678901234567890,1\n12345678901234567891,2\n")
    assert read_table(file)["id"].tolist() == ["12345678901234567890", "12345678901234567891"]


def test_numbers_that_are_names(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("id,zip\n0x1F,01234\n0x2A,00501\n")
    table = read_noted(file)
    assert table.frame["id"].tolist() == ["0x1F", "0x2A"]
    assert table.frame["zip"].tolist() == [1234, 501]
    assert any("'zip'" in n and "zeros in front" in n for n in table.notes)


def test_the_line_with_which_excel_names_its_delimiter(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(b"\xef\xbb\xbfsep=;\r\na;b\r\n1;2\r\n")
    assert read_table(file).to_dict("list") == {"a": [1], "b": [2]}


def test_windows_1252_is_read_and_said(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes("ort,n\nKöln,1\nZürich,2\n".encode("cp1252"))
    table = read_noted(file)
    assert table.frame["ort"].tolist() == ["Köln", "Zürich"]
    assert any("Windows-1252" in n for n in table.notes)


def test_a_row_number_without_a_name_is_left_out_and_said(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    FRAME.to_csv(file)
    table = read_noted(file)
    pd.testing.assert_frame_equal(table.frame, FRAME)
    assert any("only numbers the rows" in n for n in table.notes)


def test_a_delimiter_at_the_end_of_each_line(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b,\n1,x,\n2,y,\n")
    assert list(read_table(file).columns) == ["a", "b"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_line_ends_and_blank_lines(tmp_path: Path, line_end: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(line_end.join(["a,b", "1,x", "", "2,y", ""]).encode())
    assert read_table(file).to_numpy().tolist() == [[1, "x"], [2, "y"]]


def test_a_first_line_of_numbers_is_doubted(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("39,Male,40\n50,Female,13\n")
    assert any("add a header" in n for n in read_noted(file).notes)


def test_categories_of_arrow_become_plain(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    frame = pd.DataFrame(
        {"sex": pd.Categorical(["f", "m", None]), "n": [1, 2, 3], "when": pd.to_datetime(["2026"] * 3)}
    )
    frame.to_parquet(file)
    got = read_table(file)
    assert got["sex"].dtype == "str"
    assert got["sex"].isna().tolist() == [False, False, True]
    assert got["when"].dt.year.tolist() == [2026] * 3


def test_lists_and_raw_bytes_are_left_out_and_said(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    table = pa.table({"a": [1, 2], "many": [[1], [2, 3]], "raw": [b"\xff\xfe", b"\x00\xff"], "text": [b"x", b"y"]})
    pq.write_table(table, file)
    got = read_noted(file)
    assert got.columns == ("a", "text")
    assert got.frame["text"].tolist() == ["x", "y"]
    assert any("many, raw" in n for n in got.notes)


def test_the_index_of_pandas_is_no_column(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    FRAME[FRAME["age"] > 30].to_parquet(file)
    got = read_table(file)
    assert list(got.columns) == list(FRAME.columns)
    assert got.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", ["csv", "parquet", "feather"])
def test_a_glob_is_one_data_set(tmp_path: Path, kind: str) -> None:
    parts = [FRAME.iloc[:2].reset_index(drop=True), FRAME.iloc[2:].reset_index(drop=True)[FRAME.columns[::-1]]]
    for n, part in enumerate(parts):
        if kind == "csv":
            part.to_csv(tmp_path / f"part{n}.csv", index=False)
        elif kind == "parquet":
            part.to_parquet(tmp_path / f"part{n}.parquet")
        else:
            part.to_feather(tmp_path / f"part{n}.feather")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"part*.{kind}"), FRAME)


def test_types_are_decided_over_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("zip,b\n123,1\n")
    (tmp_path / "b.csv").write_text("zip,b\nAB1,2\n")
    assert read_table(tmp_path / "*.csv")["zip"].tolist() == ["123", "AB1"]


def test_ten_thousand_columns_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    names = [f"column number {i}" for i in range(10_000)]
    file.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    assert read_table(file).shape == (1, 10_000)


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=8)


@settings(max_examples=60)
@given(
    rows=st.lists(st.tuples(CELL, st.integers(-(10**14), 10**14), CELL), min_size=1, max_size=8),
    delimiter=st.sampled_from(",;\t|"),
)
def test_pandas_and_we_agree_on_numbers_and_texts(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int, str]], delimiter: str
) -> None:
    file = tmp_path_factory.mktemp("t") / "t.csv"
    frame = pd.DataFrame(rows, columns=["first word", "n", "last"])
    frame["first word"] = "x" + frame["first word"]
    frame["last"] = "y" + frame["last"]
    frame.to_csv(file, sep=delimiter, index=False, encoding="utf-8")
    got = read_table(file)
    assert got["first word"].tolist() == frame["first word"].tolist()
    assert got["last"].tolist() == frame["last"].tolist()
    assert got["n"].tolist() == frame["n"].tolist()
