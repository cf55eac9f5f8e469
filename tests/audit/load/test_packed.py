"""Features of text that come as categories make the same evidence as those that come as text, from any kind of file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import audit.models.worker
import audit.run
from audit.case import Case
from audit.errors import DataError
from audit.gaps import Settings
from audit.load import Rows, load_case, load_rows
from audit.models import table as tables
from audit.run import run_audit

ROWS = 600
FAST = Settings(draws=100)


def table() -> pd.DataFrame:
    """Few texts with missing ones, more texts than codes of a byte name, one text a row, and numbers."""
    rng = np.random.default_rng(7)
    sex = rng.choice(["f", "m"], ROWS)
    job = pd.Series(np.where(rng.random(ROWS) < 0.6, sex, rng.choice(["cook", "?", " ", "nurse"], ROWS)))
    return pd.DataFrame(
        {
            "sex": sex,
            "job": job.mask(rng.random(ROWS) < 0.1),
            "town": [f"t{k}" for k in rng.integers(0, 200, ROWS)],
            "name": [f"n{k}" for k in range(ROWS)],
            "pay": rng.normal(size=ROWS),
            "empty": pd.Series([None] * ROWS, dtype="str"),
            "label": rng.choice(["yes", "no"], ROWS),
            "decision": np.where(rng.random(ROWS) < 0.3 + 0.2 * (sex == "m"), "yes", "no"),
        }
    )


def categories(frame: pd.DataFrame) -> pd.DataFrame:
    """With a category that no row has, in another order than in the rows."""
    out = frame.copy()
    for name in ("sex", "job", "town", "decision"):
        kinds = sorted(out[name].dropna().unique(), reverse=True)
        out[name] = pd.Categorical(out[name], ["nobody", *kinds])
    return out


KINDS: dict[str, Callable[[Path], None]] = {
    "d.csv": lambda p: table().to_csv(p, index=False),
    "d.parquet": lambda p: table().to_parquet(p, index=False),
    "packed.parquet": lambda p: categories(table()).to_parquet(p, index=False, row_group_size=100),
    "packed.feather": lambda p: categories(table()).to_feather(p, chunksize=100),
}


def made(folder: Path, file: str, out: str, model: str = 'decision = "decision"') -> dict[str, object]:
    KINDS[file](folder / file)
    (folder / "case.toml").write_text(
        f'[case]\nname = "a"\npurpose = "b"\n[data]\npath = "{file}"\nlabel = "label"\npositive = "yes"\n'
        'sensitive = ["sex"]\nfeatures = ["sex", "job", "town", "name", "pay", "empty"]\n'
        f"[model]\n{model}\n"
    )
    run_audit(load_case(folder / "case.toml"), folder / out, FAST)
    document: dict[str, object] = json.loads((folder / out / "evidence.json").read_text())
    return {k: v for k, v in document.items() if k != "data"}


@pytest.mark.parametrize("file", KINDS)
def test_evidence_is_that_of_plain_text(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = made(tmp_path, file, "packed")
    read = load_rows(load_case(tmp_path / "case.toml"), everything=True, packed=True).frame
    assert [c for c in read if isinstance(read[c].dtype, pd.CategoricalDtype)][:2] == ["job", "town"]
    assert read["job"].isna().sum() == table()["job"].isna().sum()
    monkeypatch.setattr(audit.run, "load_rows", lambda case, **_: load_rows(case, everything=True))
    assert packed == made(tmp_path, file, "plain")


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = ["sex", "job", "town", "name"]
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), texts), ("drop", ["empty"]), remainder="passthrough"
    )
    data = table()
    model = make_pipeline(encode, LogisticRegression()).fit(data[[*texts, "empty", "pay"]], data["label"])
    path = tmp_path_factory.mktemp("learned") / "model.skops"
    skops.io.dump(model, path)
    return path


@pytest.mark.parametrize("file", KINDS)
def test_a_model_is_sent_texts(file: str, learned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And its evidence, neighbours with another sex among it, is that of plain texts."""
    sent: list[pd.DataFrame] = []

    real = tables.send

    def send(frame: pd.DataFrame) -> object:
        sent.append(frame)
        return real(frame)

    monkeypatch.setattr(tables, "send", send)
    monkeypatch.setattr(audit.models.worker, "CHUNK_ROWS", 250)
    asked = f'path = "{learned}"'
    packed, packed_sent = made(tmp_path, file, "packed", asked), list(sent)
    sent.clear()

    def plainly(case: Case, **how: bool) -> Rows:
        assert how["packed"]
        return load_rows(case, everything=True)

    monkeypatch.setattr(audit.run, "load_rows", plainly)
    assert packed == made(tmp_path, file, "plain", asked)
    assert packed["individual"]["model_flips"]  # type: ignore[index]
    for left, right in zip(packed_sent, sent, strict=True):
        pd.testing.assert_frame_equal(left, right)
        assert bytes(real(left)[0]) == bytes(real(right)[0])  # kept answers are found again


def test_a_model_that_names_a_column_of_texts_twice_is_refused(tmp_path: Path) -> None:
    data = table()[["job", "pay"]].astype({"job": "category"}).assign(twin=lambda d: d["job"])
    learned = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(data, table()["label"] == "yes"), 2)
    text = learned.model_to_string().replace("feature_names=job pay twin", "feature_names=job pay job")
    (tmp_path / "model.txt").write_text(text)
    with pytest.raises(DataError, match="columns of the same name"):
        made(tmp_path, "packed.parquet", "out", 'path = "model.txt"\nclasses = { 0 = "no", 1 = "yes" }')


def test_a_column_with_a_role_stays_as_it_is(tmp_path: Path) -> None:
    made(tmp_path, "packed.parquet", "out")
    read = load_rows(load_case(tmp_path / "case.toml"), everything=True, packed=True).frame
    for name in ("sex", "label", "decision"):
        assert isinstance(read[name].dtype, pd.StringDtype), name


NESTED: dict[str, tuple[Callable[[int], object], pa.DataType]] = {
    "texts": (lambda i: [f"n{i % 3}", "sex"], pa.list_(pa.string())),
    "numbers": (lambda i: [i], pa.list_(pa.int64())),
    "map": (lambda i: [("sex", f"v{i % 3}")], pa.map_(pa.string(), pa.string())),
    "parts": (lambda i: {"sex": f"p{i % 3}", "n": i}, pa.struct({"sex": pa.string(), "n": pa.int64()})),
    "deep": (lambda i: [{"a.b": [f"d{i % 3}"]}], pa.list_(pa.struct({"a.b": pa.list_(pa.string())}))),
}


@pytest.mark.parametrize("engine", ["", 'engine = "duckdb"\n'])
@pytest.mark.parametrize("files", [1, 2])
def test_lists_in_parquet_are_left_out(engine: str, files: int, tmp_path: Path) -> None:
    """Texts within them are packed in the file as other texts are."""
    whole = pa.Table.from_pandas(table().rename(columns={"sex": "the.sex"}), preserve_index=False)
    (tmp_path / "rows").mkdir()
    case = tmp_path / "case.toml"
    case.write_text(
        '[case]\nname = "a"\npurpose = "b"\n[data]\npath = "rows/*.parquet"\nlabel = "label"\npositive = "yes"\n'
        f'sensitive = ["the.sex"]\n{engine}[model]\ndecision = "decision"\n'
    )
    items = []
    for nested in (False, True):
        data = whole
        for name, (value, kind) in NESTED.items() if nested else ():
            data = data.append_column(name, pa.array([value(i) for i in range(ROWS)], kind))
        for i in range(files):
            part = data.slice(i * ROWS // files, ROWS // files)
            # In the second file no text is packed.
            pq.write_table(part, tmp_path / "rows" / f"{i}.parquet", use_dictionary=i == 0)
        run_audit(load_case(case), tmp_path / f"out{nested}", FAST)
        evidence = json.loads((tmp_path / f"out{nested}" / "evidence.json").read_text())
        items.append({k: v for k, v in evidence.items() if k not in ("data", "notes")})
    assert items[0] == items[1]
