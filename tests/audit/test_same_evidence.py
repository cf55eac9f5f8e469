"""The same people give the same evidence: re-sorted, in another kind of file, counted by the database, renamed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit

pytestmark = pytest.mark.usefixtures("coarse_calibration")

CASE = """[case]
name = "t"
purpose = "p"
[data]
path = "{path}"
{data}
sensitive = ["sex", "team"]
[model]
{model}
"""
OWN = ("sha256", "engine", "tool", "cube", "data")
"""What is of the file or the program, not of the people."""


def people(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    """One subgroup is served badly, some values are missing, many rows are alike."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], n, p=[0.4, 0.6]),
            "team": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
            "town": rng.choice(["north", "south", "west"], n),
            "job": rng.choice(["clerk", "cook", "driver", "nurse"], n),
            "years": rng.integers(0, 9, n),
            "truth": rng.choice(["yes", "no"], n),
            "score": np.round(rng.random(n), 2),
        }
    )
    right = rng.random(n) < np.where((frame["town"] == "north") & (frame["job"] == "cook"), 0.35, 0.8)
    frame["decided"] = np.where(right, frame["truth"], np.where(frame["truth"] == "yes", "no", "yes"))
    frame.loc[rng.random(n) < 0.03, "years"] = np.nan
    frame.loc[rng.random(n) < 0.02, "sex"] = None
    return frame


def audited(
    folder: Path,
    frame: pd.DataFrame,
    kind: str = "csv",
    *,
    model: str = 'decision = "decided"',
    data: str = "",
    **more: Any,
) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    about = data if "label" in data else f'label = "truth"\npositive = "yes"\n{data}'
    path = folder / f"rows.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
    (folder / "case.toml").write_text(CASE.format(path=path.name, model=model, data=about))
    run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=200), **more)
    document: dict[str, Any] = json.loads((folder / "run" / "evidence.json").read_bytes())
    return document


def alike(a: Any, b: Any, where: str = "") -> None:
    """Numbers to 1e-9, all else equal. Lists are put in one order first: groups come in that of their names."""
    if isinstance(a, dict):
        assert isinstance(b, dict), where
        assert a.keys() == b.keys(), where
        for key in a:
            if key not in OWN:
                alike(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list):
        assert len(a) == len(b), (where, a, b)
        for x, y in zip(sorted(a, key=_text), sorted(b, key=_text), strict=True):
            alike(x, y, f"{where}[{_text(x)[:80]}]")
    elif isinstance(a, float) and isinstance(b, float):
        assert math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9), (where, a, b)
    else:
        assert a == b, (where, a, b)


def _text(value: Any) -> str:
    """A record without its fractions, which may differ in the last place."""
    if isinstance(value, dict):
        return json.dumps({k: v for k, v in value.items() if not isinstance(v, float)}, default=str, sort_keys=True)
    return json.dumps(value, sort_keys=True)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, frame: pd.DataFrame) -> dict[str, Any]:
    result = audited(tmp_path_factory.mktemp("first"), frame)
    assert result["slices"]["found"]  # what is compared below is not empty
    return result


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_a_resorted_file_gives_the_same_evidence(
    seed: int, tmp_path: Path, frame: pd.DataFrame, first: dict[str, Any]
) -> None:
    """Subgroups that are named, proxies, neighbours: drawn by what stands in the rows."""
    alike(audited(tmp_path / str(seed), frame.sample(frac=1, random_state=seed)), first)


def test_parquet_and_csv_give_the_same_evidence(tmp_path: Path, frame: pd.DataFrame, first: dict[str, Any]) -> None:
    alike(audited(tmp_path, frame, "parquet"), first)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_database_counts_the_same(kind: str, tmp_path: Path, frame: pd.DataFrame, first: dict[str, Any]) -> None:
    result = audited(tmp_path, frame.sample(frac=1, random_state=1), kind, large=True)
    for key in ("rates", "gaps", "pairs", "dataset", "counts", "conformance", "norms", "findings"):
        alike(result[key], first[key], key)


RENAMED: Mapping[str, Mapping[str, str]] = {
    "sex": {"f": "zz", "m": "aa"},
    "team": {"a": "k3", "b": "k2", "c": "k1"},
}


def renamed(value: Any, back: Mapping[str, str]) -> Any:
    """Every group's name put back, in records as in sentences."""
    if isinstance(value, dict):
        return {k: renamed(v, back) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(v, back) for v in value]
    if isinstance(value, str):
        for new, old in back.items():
            value = value.replace(new, old)
        return value
    return value


def several() -> pd.DataFrame:
    """Three outcomes, six groups of one size, a weight and a number that is predicted."""
    frame, rng = people(900, 4), np.random.default_rng(3)
    frame["team"] = np.repeat(list("abcdef"), 150)
    frame["wt"] = np.round(rng.random(900) + 0.5, 2)
    frame["amount"] = rng.normal(size=900).round(4)
    frame["guess"] = (frame["amount"] + rng.normal(size=900)).round(4)
    frame["truth"] = rng.choice(["yes", "no", "later"], 900)
    frame["decided"] = np.where(rng.random(900) < 0.6, frame["truth"], "no")
    return frame


SIX = {"sex": {"f": "zz", "m": "aa"}, "team": dict(zip("abcdef", ("k6", "k3", "k1", "k5", "k2", "k4"), strict=True))}


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ('decision = "decided"', 'weight = "wt"'),
        ('score = "guess"', 'label = "amount"\ntask = "regression"'),
    ],
)
def test_many_groups_renamed_move_no_number(model: str, data: str, tmp_path: Path) -> None:
    """Several classes with weights; a regression."""
    frame = several()
    other = frame.assign(**{c: frame[c].map(names) for c, names in SIX.items()})
    back = {new: old for names in SIX.values() for old, new in names.items()}
    before = audited(tmp_path / "a", frame, model=model, data=data)
    after = renamed(audited(tmp_path / "b", other, model=model, data=data), back)
    for result in (before, after):
        result["findings"].sort()
        result["notes"] = [sorted(n.replace(",", " ").split()) for n in result["notes"]]
    alike(after, before)


@pytest.mark.parametrize("model", ['decision = "decided"', 'score = "score"'])
def test_groups_renamed_move_no_number(model: str, tmp_path: Path, frame: pd.DataFrame) -> None:
    before = audited(tmp_path / "a", frame, model=model)
    other = frame.assign(**{c: frame[c].map(names) for c, names in RENAMED.items()})
    back = {new: old for names in RENAMED.values() for old, new in names.items()}
    after = renamed(audited(tmp_path / "b", other, model=model), back)
    for result in (before, after):
        result["findings"].sort()
        # Lists inside sentences come in the order of names.
        result["notes"] = [sorted(n.replace(",", " ").split()) for n in result["notes"]]
    alike(after, before)


def weighed(n: int = 1400) -> pd.DataFrame:
    """Unequal weights, one to six rows a person, and more scores than are counted one by one."""
    frame, rng = people(n, 7).drop(columns=["years", "town", "job"]), np.random.default_rng(8)
    frame["who"] = rng.integers(0, n // 3, n)
    frame["team"] = np.array(list("abc"))[frame["who"] % 3]
    frame["wt"] = np.round(rng.lognormal(0, 0.7, n), 4)
    frame["p"] = rng.beta(0.6, 2, n)
    return frame


@pytest.fixture(scope="module")
def heavy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return audited(tmp_path_factory.mktemp("heavy"), weighed(), **HEAVY)


HEAVY = {"model": 'score = "p"', "data": 'weight = "wt"\ncluster = "who"'}


@pytest.mark.parametrize("way", ["parquet", "database, csv", "database, parquet", "shuffled", "renamed"])
def test_weights_people_with_several_rows_and_scores_give_the_same_numbers(
    way: str, tmp_path: Path, heavy: dict[str, Any]
) -> None:
    frame, back = weighed(), {}
    if way == "renamed":
        frame = frame.assign(**{c: frame[c].map(names) for c, names in RENAMED.items()})
        back = {new: old for names in RENAMED.values() for old, new in names.items()}
    if way != "parquet":
        frame = frame.sample(frac=1, random_state=5)
    kind = "parquet" if "parquet" in way else "csv"
    result = renamed(audited(tmp_path, frame, kind, large="database" in way, **HEAVY), back)
    assert {r["metric"] for r in result["rates"]} >= {"selection_rate", "roc_auc", "mean_score", "calibration_error"}
    for key in ("rates", "gaps", "pairs", "dataset", "counts", "norms", "power"):
        alike(result[key], heavy[key], key)
