"""The family of comparisons: counted from the outside, and adjusted as statsmodels adjusts it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

import cli


@pytest.fixture(scope="module")
def gaps(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], int]:
    """Two columns, of two and of three groups, with outcomes: the gaps and the family that the audit tells."""
    folder = tmp_path_factory.mktemp("family")
    rng = np.random.default_rng(4)
    n = 900
    sex, area = rng.choice(["f", "m"], n), rng.choice(["x", "y", "z"], n)
    truth = rng.random(n) < 0.45
    message = rng.random(n) < 0.25 + 0.4 * truth + 0.18 * (sex == "m") + 0.05 * (area == "x")
    pd.DataFrame({"sex": sex, "area": area, "truth": truth.astype(int), "said": message.astype(int)}).to_csv(
        folder / "rows.csv", index=False
    )
    (folder / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\n'
        'sensitive = ["sex", "area"]\n[model]\ndecision = "said"\n'
    )
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "run")]) == 0
    evidence = json.loads((folder / "run" / "evidence.json").read_text())
    return evidence["gaps"], evidence["family"]


def test_each_hypothesis_is_counted_once_and_none_is_left_out(gaps: tuple[list[dict[str, Any]], int]) -> None:
    """A difference and a ratio of one rate, and a rate and its complement, are one hypothesis; a column is another."""
    result, family = gaps
    tested = [g for g in result if g["p_value"] is not None]
    assert {tuple(g["attribute"]) for g in tested} == {("sex",), ("area",), ("sex", "area")}
    assert family == len({(tuple(g["attribute"]), g["p_value"]) for g in tested})
    names = {g["metric"] for g in tested}
    assert family < 3 * len(names) < len(tested) + 1
    assert {g["family"] for g in tested} == {family}


def test_claims_are_holms_and_exploring_is_benjamini_and_hochbergs(gaps: tuple[list[dict[str, Any]], int]) -> None:
    result, _ = gaps
    keys = sorted({(tuple(g["attribute"]), g["p_value"]) for g in result if g["p_value"] is not None})
    p = [value for _, value in keys]
    for field, method in (("p_adjusted", "holm"), ("p_explore", "fdr_bh")):
        right = dict(zip(keys, multipletests(p, method=method)[1], strict=True))
        for g in result:
            if g["p_value"] is not None:
                assert g[field] == pytest.approx(right[tuple(g["attribute"]), g["p_value"]], rel=1e-9)
    assert any(g["p_adjusted"] < 0.05 for g in result if g["p_adjusted"] is not None)
