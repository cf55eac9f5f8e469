"""Tables that cannot be used: each is refused in one message with what was got, what is expected and what to do."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from audit.errors import AssayError, CaseError, DataError
from audit.load import limits, load_case, load_rows, read_noted, read_table

Write = Callable[[Path], Path]


def refusal(work: Callable[[], object], *words: str, kind: type[AssayError] = DataError) -> AssayError:
    """The error that `work` raises, with all four parts, exit code 2 and these words."""
    with pytest.raises(kind) as caught:
        work()
    error = caught.value
    assert error.exit_code == 2
    assert error.problem
    assert error.got
    assert error.expected
    assert error.todo
    for word in words:
        assert word in error.message, error.message
    assert "Traceback" not in error.message
    return error


def put(name: str, content: bytes) -> Write:
    def write(folder: Path) -> Path:
        file = folder / name
        file.write_bytes(content)
        return file

    return write


def cut(kind: str, share: float) -> Write:
    def write(folder: Path) -> Path:
        file = folder / f"t.{kind}"
        frame = pd.DataFrame({"a": range(1000), "b": ["x", "y"] * 500})
        if kind == "parquet":
            frame.to_parquet(file)
        elif kind == "feather":
            frame.to_feather(file)
        else:
            file.write_bytes(gzip.compress(os.urandom(3000).hex().encode()))
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * share)])
        return file

    return write


BAD: dict[str, tuple[Write, tuple[str, ...]]] = {
    "empty": (put("t.csv", b""), ("is empty", "no text at all")),
    "only blank lines": (put("t.csv", b"\n \n\n"), ("is empty",)),
    "a mark and nothing": (put("t.csv", b"\xef\xbb\xbf"), ("is empty",)),
    "header only": (put("t.csv", b"a,b,c\n"), ("a header and no rows", "3 column names")),
    "header only, no line end": (put("t.csv", b"a,b,c"), ("a header and no rows",)),
    "one column": (put("t.csv", b"a b c\n1 2 3\n"), ("one column only", "'a b c'", "delimiter")),
    "titles and nothing else": (put("t.csv", b"Report\n\nof 2026\n"), ("one column only", "without a title")),
    "duplicate names that differ": (
        put("t.csv", b"sex,age,sex\nf,1,f\nf,1,m\nf,2,x\n"),
        ("more than one column called 'sex'", "2 rows", "row 2: 'f' and 'm'"),
    ),
    "names missing": (put("t.csv", b"a,,\n1,2,3\n"), ("without a name", "column 2, 3")),
    "a name missing": (put("t.csv", b"a,,c\n1,2,3\n5,7,9\n"), ("without a name", "column 2")),
    "ragged rows": (put("t.csv", b"a,b,c\n1,2,3\n1,2\n1,2,3\n1,2,3,4\n"), ("2 of them", "line 3, 5", "2 values")),
    "a quotation mark never closed": (put("t.csv", b'a,b\n1,"x\n2,y\n3,z\n'), ("never closed", "over 3 lines")),
    "UTF-32": (put("t.csv", "a,b\n1,2\n".encode("utf-32")), ("UTF-32",)),
    "UTF-16 cut in half": (put("t.csv", "a,b\n1,ü\n".encode("utf-16")[:-1]), ("UTF-16 but is broken",)),
    "zero bytes": (put("t.csv", b"a,b\n1,\0\0\0\n"), ("is no text",)),
    "two encodings": (put("t.csv", "ä,ö\né,ü\nß,".encode() + b"\xe4\n"), ("broken bytes",)),
    "Excel": (put("t.csv", b"PK\x03\x04rest"), ("cannot be read as a workbook",)),
    "old Excel": (put("t.csv", b"\xd0\xcf\x11\xe0rest"), ("cannot be read as a workbook",)),
    "a web page": (put("t.csv", b"<!doctype html><p>Not found"), ("web page",)),
    "a PDF": (put("t.csv", b"%PDF-1.7"), ("PDF",)),
    "a pickle": (put("t.csv", b"\x80\x04rest"), ("pickle",)),
    "CSV named Parquet": (put("t.parquet", b"a,b\n1,2\n"), ("named as Parquet and is not",)),
    "CSV named gz": (put("t.csv.gz", b"a,b\n1,2\n"), ("named as CSV.gz and is not",)),
    "no Parquet at all": (put("t.parquet", b"PAR1" + b"x" * 50 + b"PAR1"), ("cannot be read as Parquet",)),
    "Parquet cut in half": (cut("parquet", 0.5), ("cannot be read as Parquet", "cut off")),
    "Feather cut in half": (cut("feather", 0.5), ("cannot be read as Feather", "cut off")),
    "gzip cut in half": (cut("csv.gz", 0.5), ("cannot be unpacked", "in the middle")),
    "gzip with a broken byte": (put("t.csv.gz", gzip.compress(b"a,b\n1,2\n")[:-8] + b"12345678"), ("unpacked",)),
}


@pytest.mark.parametrize("name", BAD)
def test_refused_with_a_reason(tmp_path: Path, name: str) -> None:
    write, words = BAD[name]
    file = write(tmp_path)
    before = file.read_bytes()
    error = refusal(lambda: read_table(file), *words)
    assert file.name in error.message
    assert file.read_bytes() == before


def test_no_rows_in_parquet_and_feather(tmp_path: Path) -> None:
    empty = pd.DataFrame({"a": pd.Series(dtype="int64"), "b": pd.Series(dtype="str")})
    empty.to_parquet(tmp_path / "t.parquet")
    empty.to_feather(tmp_path / "t.feather")
    refusal(lambda: read_table(tmp_path / "t.parquet"), "no rows", "2 columns")
    refusal(lambda: read_table(tmp_path / "t.feather"), "no rows", "2 columns")


def test_parquet_with_duplicate_or_empty_names(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), file)
    refusal(lambda: read_table(file), "same name", "'a' in columns 1, 2")
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", ""]), file)
    refusal(lambda: read_table(file), "without a name")


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "adult.csv").write_text("a,b\n1,2\n")
    refusal(lambda: read_table(tmp_path / "adlut.csv"), "does not exist", "did you mean 'adult.csv'?")
    refusal(lambda: read_table(tmp_path / "nowhere" / "adult.csv"), "does not exist")
    refusal(lambda: read_table(tmp_path / "*.parquet"), "no file matches '*.parquet'")
    refusal(lambda: read_table(tmp_path), "a folder")


def test_glob_with_other_columns_or_kinds(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")
    refusal(lambda: read_table(tmp_path / "*.csv"), "'2.csv' has other columns", "without b", "with c")
    pd.DataFrame({"a": [1], "b": [2]}).to_parquet(tmp_path / "3.parquet")
    (tmp_path / "2.csv").unlink()
    refusal(lambda: read_table(tmp_path / "[13].*"), "different kinds")


def test_no_such_column_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("gender,b\nf,2\n")
    refusal(lambda: read_table(file, ["gendr"]), "no column 'gendr'", "did you mean 'gender'?")


def test_more_than_ten_thousand_columns(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(limits.MAX_COLUMNS + 1)]
    file = tmp_path / "t.csv"
    file.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    refusal(lambda: read_table(file), "too many columns", "10,001", "at most 10,000")
    wide = tmp_path / "t.parquet"
    pq.write_table(pa.table({n: [1] for n in names}), wide)
    refusal(lambda: read_table(wide), "too many columns", "10,001")


def test_gzip_bomb_is_stopped_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "t.csv.gz"
    file.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 2_000_000))
    monkeypatch.setattr(limits, "RATIO_FROM", 1 << 20)
    refusal(lambda: read_table(file), "unpacks to far more")
    monkeypatch.setattr(limits, "MAX_BYTES", 1 << 19)
    refusal(lambda: read_table(file), "too large", "524,288")


def test_parquet_says_its_size_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": np.random.default_rng(0).random(5000), "b": np.arange(5000)}), file)
    monkeypatch.setattr(limits, "MAX_BYTES", 50_000)
    refusal(lambda: read_table(file), "too large", "at most 50,000 bytes")
    assert len(read_table(file, ["b"])) == 5000  # what is not asked for does not count
    monkeypatch.setattr(limits, "MAX_CELLS", 4999)
    refusal(lambda: read_table(file, ["b"]), "5,000 rows of 1 column")


def test_one_long_text_repeated_in_every_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 20 kB on disk, 1 GB as texts: only the dictionary's size times the rows tells
    file = tmp_path / "t.parquet"
    text = pa.array(["x" * 20_000]).dictionary_encode().dictionary
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(50_000, dtype=np.int32)), text)
    pq.write_table(pa.table({"a": column, "b": np.arange(50_000)}), file)
    assert file.stat().st_size < 500_000
    monkeypatch.setattr(limits, "MAX_BYTES", 900_000_000)
    refusal(lambda: read_table(file), "too large", "1,000,000,000 bytes")


def test_large_csv_and_feather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": range(1000), "b": range(1000)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_feather(tmp_path / "t.feather")
    monkeypatch.setattr(limits, "MAX_BYTES", 5000)
    refusal(lambda: read_table(tmp_path / "t.csv"), "too large")
    refusal(lambda: read_table(tmp_path / "t.feather"), "too large")


def careless(seed: int) -> bytes:
    """A file as careless exports make them: a small table, then a few things done to its bytes."""
    rng = np.random.default_rng(seed)
    delimiter = rng.choice([",", ";", "\t", "|", " "])
    rows = [["id", "sex", "age", "out"]]
    rows += [[str(i), rng.choice(["f", "m", "", "NA", "ü"]), str(rng.integers(90)), "1"] for i in range(20)]
    text = str(rng.choice(["\n", "\r\n", "\r"])).join(delimiter.join(r) for r in rows)
    content = text.encode(str(rng.choice(["utf-8", "utf-16", "utf-8-sig", "cp1252", "utf-32"])))
    for _ in range(rng.integers(4)):
        at = int(rng.integers(len(content) + 1))
        what = rng.integers(5)
        if what == 0:
            content = content[:at]
        elif what == 1:
            content = content[:at] + bytes([rng.integers(256)]) + content[at:]
        elif what == 2:
            content = content[:at] + b'"' + content[at:]
        elif what == 3:
            content = content[:at] + content[at + 7 :]
        else:
            content = content[:at] + content[at // 2 : at] + content[at:]
    return content


def test_careless_files_are_read_or_refused(tmp_path: Path) -> None:
    read, refused = [], []
    for seed in range(400):
        file = tmp_path / "t.csv"
        file.write_bytes(careless(seed))
        try:
            read.append(read_noted(file))
        except DataError as error:
            refused.append(error)
    assert all(e.got and e.expected and e.todo for e in refused)
    assert all(len(t.frame) > 0 and list(t.frame.columns) == list(t.columns) for t in read)
    assert len(read) > 50
    assert len(refused) > 50


@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_damaged_files_are_read_or_refused(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"a": range(300), "b": ["x", "y", "zz"] * 100, "c": np.linspace(0, 1, 300)})
    file = tmp_path / f"t.{kind}"
    frame.to_parquet(file) if kind == "parquet" else frame.to_feather(file)
    whole, rng = file.read_bytes(), np.random.default_rng(1)
    refused = []
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        file.write_bytes(damaged)
        try:
            read_table(file)
        except DataError as error:
            refused.append(error)
    assert len(refused) > 20
    assert all(e.got and e.expected and e.todo for e in refused)


# Roles that a table cannot fill


def case_of(
    folder: Path, frame: pd.DataFrame, model: str = 'decision = "decided"', data: str = ""
) -> Callable[[], object]:
    """Loads the rows of a case over `frame`, with the outcome `out` and the sensitive column `sex`."""
    frame.to_csv(folder / "t.csv", index=False)
    if "sensitive =" not in data:
        data += '\nsensitive = ["sex"]'
    if "positive =" not in data:
        data += '\npositive = "yes"'
    if "label =" not in data:
        data += '\nlabel = "out"'
    text = f'[case]\nname = "n"\npurpose = "p"\n[data]\npath = "t.csv"\n{data}\n[model]\n{model}\n'
    (folder / "case.toml").write_text(text)
    return lambda: load_rows(load_case(folder / "case.toml"))


@pytest.fixture
def good() -> pd.DataFrame:
    n = 120
    return pd.DataFrame(
        {
            "sex": ["f", "m"] * (n // 2),
            "out": ["yes", "no", "no"] * (n // 3),
            "decided": ["no", "yes", "no"] * (n // 3),
            "p": np.linspace(0.01, 0.99, n),
            "w": 1.5,
            "use": ["train", "train", "test", "test"] * (n // 4),
            "day": ["2026-01-02"] * n,
            "n": range(n),
        }
    )


def test_the_good_table_is_read(tmp_path: Path, good: pd.DataFrame) -> None:
    data = 'weight = "w"\nsplit = "use"\ntrain = "train"\naudit = "test"\ntime = "day"'
    rows = case_of(tmp_path, good, data=data)()
    assert rows.audit.sum() == rows.train.sum() == 60  # type: ignore[attr-defined]


def test_no_such_column_in_each_role(tmp_path: Path, good: pd.DataFrame) -> None:
    for role, line in {
        "label": 'label = "outt"',
        "sensitive": 'sensitive = ["outt"]',
        "weight": 'weight = "outt"',
        "id": 'id = "outt"',
        "time": 'time = "outt"',
        "split": 'split = "outt"\naudit = "test"',
        "features": 'features = ["outt"]',
        "exclude": 'exclude = ["outt"]',
    }.items():
        work = case_of(tmp_path, good, data=line)
        refusal(work, "no column 'outt'", f"`{role}`", "did you mean 'out'?", kind=CaseError)
    work = case_of(tmp_path, good, model='decision = "decide"')
    refusal(work, "`decision`", "did you mean 'decided'?", kind=CaseError)


def test_label_without_a_value(tmp_path: Path, good: pd.DataFrame) -> None:
    refusal(case_of(tmp_path, good.assign(out=np.nan)), "no values", "120 empty")


def test_label_with_more_values_than_classes(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good.assign(out=["yes", "no", *(f"v{i}" for i in range(118))]))
    refusal(work, "120 different values", "'yes', 'no', 'v0'", "up to 50 classes", "put values together")


def test_label_that_is_a_quantity(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good, data='label = "n"\npositive = 1')
    refusal(work, "120 different values", "at or above a number you choose")


def test_missing_labels_are_kept_and_counted(tmp_path: Path, good: pd.DataFrame) -> None:
    good.loc[3:5, "out"] = np.nan
    rows = case_of(tmp_path, good)()
    assert len(rows.frame) == 120  # type: ignore[attr-defined]
    assert any("3 of 120 measured rows have no label" in n for n in rows.notes)  # type: ignore[attr-defined]


def test_positive_is_no_value_of_the_label(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good, data='positive = "Yes"')
    refusal(work, "`positive`", "'Yes'", "'yes' or 'no'", "did you mean 'yes'?", kind=CaseError)
    work = case_of(tmp_path, good, data='favourable = "nope"')
    refusal(work, "`favourable`", "'nope'", kind=CaseError)


def test_sensitive_with_one_group(tmp_path: Path, good: pd.DataFrame) -> None:
    refusal(case_of(tmp_path, good.assign(sex="f")), "one group only", "'f' in 120 measured rows")
    refusal(case_of(tmp_path, good.assign(sex=np.nan)), "no values", "120 unknown")


def test_sensitive_with_one_group_among_the_measured(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good.assign(sex=good["use"]), data='split = "use"\naudit = "test"\nsensitive = ["sex"]')
    refusal(work, "one group only", "60 measured rows")


def test_sensitive_with_five_thousand_groups(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sex": [f"town {i}" for i in range(5000)], "out": ["yes", "no"] * 2500, "decided": "no"})
    refusal(case_of(tmp_path, frame), "5,000 groups", "at most 1,500 groups", "coarser column")
    # A name that nearly everyone has for himself is no group either.
    frame = frame.head(400).assign(sex=[f"town {i % 150}" for i in range(400)])
    refusal(case_of(tmp_path, frame), "150 groups", "in 400 measured rows", "at least 3 rows a group")


def test_sensitive_quantity_without_bins(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good.assign(sex=range(18, 138)))
    refusal(work, "120 different values", "bins = { sex = [48, 78, 110] }")
    work = case_of(tmp_path, good.assign(sex=[20, 50, 70] * 39 + [21, 22, 23]), data='sensitive = ["sex"]\n')
    assert len(work().frame) == 120  # type: ignore[attr-defined]  # few numbers are groups


def test_bins_for_words(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good, data="bins = { sex = [25, 40] }")
    refusal(work, "'sex' has bins", "'f', 'm'", "take 'sex' out of `bins`")


def test_sensitive_with_missing_values_is_counted(tmp_path: Path, good: pd.DataFrame) -> None:
    good["sex"] = ["f", "m", "nan", " ", "(unknown)", None] * 20
    rows = case_of(tmp_path, good)()
    assert rows.frame["sex"].isna().sum() == 60  # type: ignore[attr-defined]
    notes = " ".join(rows.notes)  # type: ignore[attr-defined]
    assert "40 values written as 'nan', ' '" in notes
    assert "20 rows say '(unknown)' themselves" in notes


def test_reference_that_is_no_group(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good, data='reference = { sex = "male" }')
    refusal(work, "reference group of 'sex'", "'male'", kind=CaseError)


def test_decisions_in_other_words(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good.assign(decided=["granted", "refused"] * 60))
    refusal(
        work,
        "'granted', 'refused'",
        "'yes' or 'no'",
        "in 120 of 120 measured rows",
        'classes = { granted = "yes", refused',
    )


def test_decisions_missing(tmp_path: Path, good: pd.DataFrame) -> None:
    good.loc[:6, "decided"] = np.nan
    refusal(case_of(tmp_path, good), "7 of 120 measured rows without a decision")


def test_decisions_without_a_label(tmp_path: Path, good: pd.DataFrame) -> None:
    good.to_csv(tmp_path / "t.csv", index=False)
    text = (
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "t.csv"\npositive = "{}"\nsensitive = ["sex"]\n'
        '[model]\ndecision = "{}"\n'
    )
    file = tmp_path / "case.toml"
    file.write_text(text.format("YES", "decided"))
    refusal(lambda: load_rows(load_case(file)), "`positive`", "'no' or 'yes'", kind=CaseError)
    file.write_text(text.format("yes", "n"))
    refusal(lambda: load_rows(load_case(file)), "120 different values", "two decisions")
    file.write_text(text.format("yes", "decided"))
    assert load_rows(load_case(file)).features == ("sex", "out", "p", "w", "use", "day", "n")


def test_scores_missing_or_text(tmp_path: Path, good: pd.DataFrame) -> None:
    scores = good["p"].astype(object)
    scores[[4, 9]] = None
    scores[11] = "high"
    work = case_of(tmp_path, good.assign(p=scores), model='score = "p"')
    refusal(work, "3 of 120 measured rows, 1 of them text", "rows 5, 10, 12")
    refusal(case_of(tmp_path, good.assign(p=[np.inf, 0.2] * 60), model='score = "p"'), "60 of 120", "finite")


def test_scores_outside_0_to_1_need_a_threshold(tmp_path: Path, good: pd.DataFrame) -> None:
    far = good.assign(p=np.linspace(-3, 3, 120))
    refusal(case_of(tmp_path, far, model='score = "p"'), "outside 0 to 1", "from -3 to 3", "add `threshold`")
    rows = case_of(tmp_path, far, model='score = "p"\nthreshold = 0.5')()
    assert len(rows.frame) == 120  # type: ignore[attr-defined]


@pytest.mark.parametrize("weight", [-1.0, np.nan, np.inf, "heavy"])
def test_weights_that_are_none(tmp_path: Path, good: pd.DataFrame, weight: object) -> None:
    column = good["w"].astype(object)
    column[7] = weight
    work = case_of(tmp_path, good.assign(w=column), data='weight = "w"')
    refusal(work, "'w' has values that are no weights", "1 of 120 rows; row 8")


@pytest.mark.parametrize("engine", ["", 'engine = "duckdb"'])
@pytest.mark.parametrize("weight", [1e200, 1e-200])
def test_weights_that_cannot_be_added_up(
    tmp_path: Path, good: pd.DataFrame, weight: float, engine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their squares are no numbers any more: said at the door, whoever counts, and no fault of ours."""
    case_of(tmp_path, good.assign(w=weight), data=f'weight = "w"\n{engine}')
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) == 2
    assert "the weights in 'w' cannot be added up" in capsys.readouterr().err


def test_weights_of_zero(tmp_path: Path, good: pd.DataFrame) -> None:
    refusal(case_of(tmp_path, good.assign(w=0), data='weight = "w"'), "all 0")


def test_split_without_rows(tmp_path: Path, good: pd.DataFrame) -> None:
    work = case_of(tmp_path, good, data='split = "use"\naudit = "tests"')
    refusal(work, "no row is for measuring", "'train', 'test'", "did you mean 'test'?")
    work = case_of(tmp_path, good, data='split = "use"\naudit = "test"\ntrain = "learn"')
    refusal(work, "no row is for learning", "'learn'")


def test_times_that_are_none(tmp_path: Path, good: pd.DataFrame) -> None:
    good.loc[3, "day"] = "last spring"
    refusal(case_of(tmp_path, good, data='time = "day"'), "1 of 120 rows; row 4 says 'last spring'", "2026-11-01")


def test_side_table(tmp_path: Path, good: pd.DataFrame) -> None:
    data = 'id = "n"\nsensitive_path = "people.csv"\nsensitive = ["sex"]'
    people = good[["n", "sex"]]
    main = good.drop(columns="sex")
    people.assign(n=people["n"] + 5000).to_csv(tmp_path / "people.csv", index=False)
    refusal(case_of(tmp_path, main, data=data), "no id of 't.csv' is in the side table")
    people.rename(columns={"n": "nr"}).to_csv(tmp_path / "people.csv", index=False)
    refusal(case_of(tmp_path, main, data=data), "no column 'n'", kind=CaseError)
    people.rename(columns={"sex": "gender"}).to_csv(tmp_path / "people.csv", index=False)
    refusal(case_of(tmp_path, main, data=data), "no column 'sex'", "`sensitive`", kind=CaseError)
    people.to_csv(tmp_path / "people.csv", index=False)
    refusal(case_of(tmp_path, good, data=data), "in the table and in the side table", kind=CaseError)
    rows = case_of(tmp_path, main, data=data)()
    assert rows.frame["sex"].tolist() == good["sex"].tolist()  # type: ignore[attr-defined]
