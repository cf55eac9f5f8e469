"""Rows of a case: masks, features, side tables, hashes, names of values and bands."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.case import Case, DataSpec, ModelSpec
from audit.code import code_label, group_codes
from audit.errors import DataError
from audit.load import load_policy, load_rows, sha256_of
from audit.load.check import suggested_bins, times_of
from audit.load.values import band, band_names, coded, name_of

FRAME = pd.DataFrame(
    {
        "id": [10, 11, 12, 13, 14, 15],
        "sex": ["f", "m", "f", "m", "f", "m"],
        "age": [24, 25, 39, 40, 60, 71],
        "job": ["a", "b", "a", "b", "a", "b"],
        "y": [1, 2, 1, 2, 1, 2],
        "w": [1.0, 2.0, 1.0, 2.0, 1.0, 2.0],
        "use": [0, 0, 1, 1, 1, 2],
        "d": [1, 1, 2, 2, 1, 2],
    }
)


def case_of(folder: Path, frame: pd.DataFrame = FRAME, kind: str = "decision", **data: object) -> Case:
    frame.to_parquet(folder / "t.parquet")
    spec: dict[str, object] = {"label": "y", "positive": "1", "favourable": "1", "sensitive": ("sex",), **data}
    model = ModelSpec("path", path=folder / "m.skops") if kind == "path" else ModelSpec(kind, column="d")
    return Case("n", "p", DataSpec(path=folder / "t.parquet", **spec), model, load_policy())  # type: ignore[arg-type]


def test_masks_follow_the_split(tmp_path: Path) -> None:
    rows = load_rows(case_of(tmp_path, split="use", train="0", audit="1"))
    assert rows.train is not None
    assert rows.train.tolist() == [True, True, False, False, False, False]
    assert rows.audit.tolist() == [False, False, True, True, True, False]


def test_without_a_split_all_rows_are_measured(tmp_path: Path) -> None:
    rows = load_rows(case_of(tmp_path))
    assert rows.audit.all()
    assert rows.train is None


def test_a_split_with_a_missing_value(tmp_path: Path) -> None:
    frame = FRAME.assign(use=[0, 0, 1, 1, 1, np.nan])  # now 0.0 and 1.0: the names stay "0" and "1"
    rows = load_rows(case_of(tmp_path, frame, split="use", train="0", audit="1"))
    assert rows.audit.tolist() == [False, False, True, True, True, False]
    assert any("1 row says nothing in the split column" in n for n in rows.notes)


def test_features_by_default_are_all_without_another_role(tmp_path: Path) -> None:
    case = case_of(tmp_path, kind="path", id="id", weight="w", split="use", audit="1", exclude=("job",))
    assert load_rows(case).features == ("sex", "age", "d")
    case = case_of(tmp_path, id="id", weight="w")
    assert load_rows(case).features == ("sex", "age", "job", "use")
    case = case_of(tmp_path, kind="path", features=("job", "age"))
    rows = load_rows(case)
    assert rows.features == ("job", "age")
    assert {"job", "age", "sex", "y"} == set(rows.frame.columns)


def test_decisions_need_no_features(tmp_path: Path) -> None:
    case = case_of(tmp_path, weight="w")
    rows = load_rows(case)
    assert set(rows.frame.columns) == {"sex", "y", "w", "d"}
    assert rows.columns == tuple(FRAME.columns)
    assert set(load_rows(case, everything=True).frame.columns) == set(FRAME.columns)


def test_the_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    assert load_rows(case).sha256 == hashlib.sha256((tmp_path / "t.parquet").read_bytes()).hexdigest()


def test_the_hash_of_a_glob_does_not_know_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    (tmp_path / "b.csv").write_text("a,b\n3,4\n")
    before = sha256_of(tmp_path / "*.csv")
    parts = sorted(hashlib.sha256((tmp_path / f"{n}.csv").read_bytes()).hexdigest() for n in "ab")
    assert before == hashlib.sha256("".join(p + "\n" for p in parts).encode()).hexdigest()
    (tmp_path / "a.csv").rename(tmp_path / "c.csv")
    assert sha256_of(tmp_path / "*.csv") == before
    (tmp_path / "c.csv").write_text("a,b\n1,3\n")
    assert sha256_of(tmp_path / "*.csv") != before


def test_whole_numbers_and_their_names(tmp_path: Path) -> None:
    case = case_of(tmp_path, FRAME.assign(y=[1, 2, np.nan, 2, 1, 2]))
    rows = load_rows(case)
    codes, meaning = code_label(case, rows.frame)
    assert codes.tolist() == [1, 0, 2, 0, 1, 0]
    assert (meaning.positive, meaning.negative) == ("1", "2")


def test_side_table(tmp_path: Path) -> None:
    people = pd.DataFrame(
        {
            "id": ["15", "14", "13", "12", "12", "11", "11", None, "99"],
            "race": ["A", "B", "A", "B", "B", "A", "B", "A", "A"],
        }
    )
    people.to_csv(tmp_path / "people.csv", index=False)
    case = case_of(tmp_path, sensitive=("sex", "race"), id="id", sensitive_path=tmp_path / "people.csv")
    rows = load_rows(case)
    # 10 is missing, 11 says two things, 12 says one thing twice
    assert rows.frame["race"].fillna("?").tolist() == ["?", "?", "B", "A", "B", "A"]
    assert rows.frame["id"].tolist() == FRAME["id"].tolist()
    assert "race" not in rows.features
    assert "race" not in rows.columns
    assert rows.sensitive_sha256 == hashlib.sha256((tmp_path / "people.csv").read_bytes()).hexdigest()
    notes = " ".join(rows.notes)
    assert "1 id stands there with different values" in notes
    assert "1 row has no id and was not used" in notes
    assert "2 of 6 rows have no match" in notes
    assert "1 id is not in the data" in notes


def test_groups_that_differ_in_capitals_are_noticed(tmp_path: Path) -> None:
    rows = load_rows(case_of(tmp_path, FRAME.assign(sex=["f", "F ", "m", "f", "m", "f"])))
    assert any("'f', 'F '" in n and "separate groups" in n for n in rows.notes)


def test_a_norm_on_a_column_that_is_not_audited_is_said(tmp_path: Path) -> None:
    case = case_of(tmp_path)
    norm = dataclasses.replace(case.policy.norms[0], attribute=("gender",))
    rows = load_rows(dataclasses.replace(case, policy=dataclasses.replace(case.policy, norms=(norm,))))
    assert any("'gender'" in n and "not judged" in n for n in rows.notes)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (2.0, "2"), (2.5, "2.5"), (-0.0, "0"), (np.int8(3), "3"), (np.float32(0.1), "0.1"), (True, "True"),
        (np.False_, "False"), ("2.0", "2.0"), (" f", " f"), (pd.Timestamp("2026-11-01"), "2026-11-01"),
        (pd.Timestamp("2026-11-01 09:30"), "2026-11-01T09:30:00"),
    ],
)  # fmt: skip
def test_names(value: object, name: str) -> None:
    assert name_of(value) == name


def test_one_name_for_one_value() -> None:
    codes, names = coded(pd.Series([1, "1", 1.0, None, "x"], dtype=object))
    assert names == ("1", "x")
    assert codes.tolist() == [0, 0, 0, -1, 1]


def test_bands_are_closed_on_the_left() -> None:
    codes, names = band(pd.Series([24, 24.9, 25, 39.5, 40, 59, 60, 1e9, np.nan, -5]), (25, 40, 60))
    assert names == ("<25", "25-39", "40-59", ">=60")
    assert codes.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1, 0]


@pytest.mark.parametrize(
    ("edges", "names"),
    [
        ((1,), ("<1", ">=1")),
        ((1, 2, 5), ("<1", "1", "2-4", ">=5")),
        ((0.5, 1.5), ("<0.5", "0.5 to <1.5", ">=1.5")),
        ((-10, 0, 10), ("<-10", "-10 to <0", "0-9", ">=10")),
    ],
)
def test_names_of_bands(edges: tuple[float, ...], names: tuple[str, ...]) -> None:
    assert band_names(edges) == names


@given(
    values=st.lists(st.floats(allow_infinity=False), min_size=1, max_size=30),
    edges=st.lists(st.integers(-50, 50), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_every_number_is_in_its_band_and_names_differ(values: list[float], edges: list[int]) -> None:
    codes, names = band(pd.Series(values), edges)
    assert len(set(names)) == len(edges) + 1
    bounds = [-np.inf, *edges, np.inf]
    for value, code in zip(values, codes, strict=True):
        assert (code == -1) if np.isnan(value) else (bounds[code] <= value < bounds[code + 1])


def test_an_empty_band_is_still_a_group() -> None:
    codes, levels = group_codes(pd.Series([30, 70]), (25, 40, 60))
    assert set(levels) == {"<25", "25-39", "40-59", ">=60"}
    assert [levels[c] for c in codes] == ["25-39", ">=60"]


def test_suggested_bins() -> None:
    assert suggested_bins(pd.Series(range(18, 90))) == [25, 40, 60]
    assert suggested_bins(pd.Series(range(1000))) == [250, 500, 750]
    assert suggested_bins(pd.Series([5.0, 5.0])) == [5.0]


def test_times() -> None:
    assert times_of(pd.Series([94, 95])).tolist() == [94, 95]
    parsed = times_of(pd.Series(["2026-01-02", "2026-01-02T03:04:05Z"]))
    assert parsed.dt.hour.tolist() == [0, 3]
    with pytest.raises(DataError, match=r"1 of 2 rows; row 2 says nothing"):
        times_of(pd.Series([1.0, np.nan]))


def test_loading_does_not_change_what_was_read(tmp_path: Path) -> None:
    case = case_of(tmp_path, kind="path")
    rows = load_rows(case)
    pd.testing.assert_frame_equal(rows.frame, FRAME)
    assert rows.frame.index.equals(pd.RangeIndex(len(FRAME)))


def test_adult(tmp_path: Path, sample_data: Path) -> None:
    data = DataSpec(
        path=sample_data / "adult.parquet", label="income", positive=">50K", favourable=">50K",
        sensitive=("sex", "race"), weight="fnlwgt", split="split", train="train", audit="test",
    )  # fmt: skip
    rows = load_rows(Case("Adult", "p", data, ModelSpec("path", path=tmp_path / "m.skops"), load_policy()))
    assert rows.train is not None
    assert (len(rows.frame), int(rows.train.sum()), int(rows.audit.sum())) == (48842, 32561, 16281)
    assert rows.sha256 == "60fcd3bcb7bb0da6d6ac5288a91152aaa48f699b2480b6ef752de240680ef1c0"
    assert rows.features[:2] == ("age", "workclass")
    assert len(rows.features) == 13
    assert rows.notes == ()
