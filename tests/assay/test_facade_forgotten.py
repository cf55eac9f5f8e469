"""What `assay.audit` copies into a folder that was named goes with the run, and a person's own files do not."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

import assay
import cli
from audit.errors import AssayError


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame({"age": range(40), "sex": ["f", "m"] * 20, "paid": [0, 1, 1, 0] * 10})


@pytest.fixture
def model(rows: pd.DataFrame) -> KNeighborsClassifier:
    """A model that is the rows that it learned from."""
    return KNeighborsClassifier(3).fit(rows[["age"]], rows["paid"])


@pytest.mark.parametrize("named", ["run", "run/case.toml"])
def test_a_notebooks_run_goes_with_its_copies(
    rows: pd.DataFrame, model: KNeighborsClassifier, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    assay.audit(
        rows, model=model, features=["age"], label="paid", sensitive=["sex"], favourable=1, out=tmp_path / "run"
    )
    assert {"data.parquet", "model.skops", "case.toml"} <= {p.name for p in (tmp_path / "run").iterdir()}
    (tmp_path / "run" / "mine.csv").write_text("mine")
    assert cli.main(["forget", str(tmp_path / named)]) == 0
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["mine.csv"]


def test_so_does_one_that_was_refused(rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    with pytest.raises(AssayError):
        assay.audit(rows, score="age", label="paid", sensitive=["sex"], favourable=1, out=tmp_path / "run")
    assert (tmp_path / "run" / "data.parquet").exists()
    assert cli.main(["forget", str(tmp_path / "run")]) == 0
    assert not (tmp_path / "run").exists()


def test_a_model_of_ones_own_beside_them_stays(
    rows: pd.DataFrame, model: KNeighborsClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import skops.io

    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    skops.io.dump(model, "mine.skops")
    assay.audit(
        rows, model="mine.skops", features=["age"], label="paid", sensitive=["sex"], favourable=1, out=tmp_path / "run"
    )
    assert cli.main(["forget", str(tmp_path / "run")]) == 0
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["mine.skops"]


def test_a_persons_own_model_stays_though_its_case_file_was_edited(
    rows: pd.DataFrame, model: KNeighborsClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Named from the root on by the notebook, and by its name alone since: no name that the notebook gives."""
    import skops.io

    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    run = tmp_path / "run"
    run.mkdir()
    skops.io.dump(model, run / "mine.skops")
    assay.audit(
        rows, model=run / "mine.skops", features=["age"], label="paid", sensitive=["sex"], favourable=1, out=run
    )
    text = (run / "case.toml").read_text()
    assert str(run / "mine.skops") in text
    (run / "case.toml").write_text(text.replace(str(run / "mine.skops"), "mine.skops"))
    assert cli.main(["forget", str(run)]) == 0
    assert [p.name for p in run.iterdir()] == ["mine.skops"]
