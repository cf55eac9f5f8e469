"""No p-value is 0: not where a formula underflows, not where no draw reaches what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.watch.drift import drifted, reference_of
from cli import main

POPULATION = '[population]\nsource = "a census"\n[population.shares]\nsex = { f = 0.001, m = 0.999 }\n'


def p_values(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every number in the evidence that is a p-value, by its name."""
    if isinstance(value, dict):
        for k, v in value.items():
            yield from p_values(v, k)
    elif isinstance(value, list):
        for v in value:
            yield from p_values(v, key)
    elif isinstance(value, float | int) and key in (
        "p_value", "p_adjusted", "p_explore", "pair_p_value", "pair_p_adjusted",
    ):  # fmt: skip
        yield key, float(value)


@pytest.mark.parametrize("kind", ["decision", "score", "regression"])
def test_groups_wholly_apart_have_a_small_p_and_none_of_0(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    n = 6000
    sex = np.repeat(["f", "m"], n // 2)
    y = np.where(sex == "m", rng.random(n) < 0.99, rng.random(n) < 0.01)
    frame = pd.DataFrame({"sex": sex, "y": np.where(y, "yes", "no"), "echo": np.where(sex == "m", "a", "b")})
    frame["d"] = frame["y"]
    frame["p"] = np.round(np.where(sex == "m", 0.9, 0.1) + 0.05 * rng.random(n), 3)
    frame["amount"] = np.where(sex == "m", 100.0, 1.0) + rng.normal(size=n)
    about = 'label = "y"\npositive = "yes"\n'
    model = {"decision": 'decision = "d"', "score": 'score = "p"', "regression": 'score = "amount"'}[kind]
    if kind == "regression":
        about = 'label = "p"\ntask = "regression"\n'
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "case.toml").write_text(
        f'[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\n{about}sensitive = ["sex"]\n'
        f"[model]\n{model}\n{POPULATION}"
    )
    assert main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    content = list(p_values(json.loads((tmp_path / "run" / "evidence.json").read_bytes())))
    assert min(p for _, p in content) < 1e-50
    assert not [k for k, p in content if p <= 0]


@pytest.mark.parametrize("column", [np.arange(60_000) % 997 / 1.0, np.array(["a", "b", "c"])[np.arange(60_000) % 3]])
def test_drift_of_many_rows_has_a_p_above_0(column: np.ndarray) -> None:
    before = pd.DataFrame({"x": column})
    after = pd.DataFrame({"x": np.full(len(column), column[0])})
    result = drifted(reference_of(before, ["x"], {}), after, {}, alpha=0.05)
    assert result[0].shifted
    assert 0 < result[0].p < 1e-100
    assert result[0].q > 0
