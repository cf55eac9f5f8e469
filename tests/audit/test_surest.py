"""The widest gap is often that of a small group: where chance could make it, a surer one is named beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportions_ztest

import assay
import cli


def people(small: int, others: tuple[int, int] = (420, 300)) -> pd.DataFrame:
    """`others` of 700 men and 700 women are chosen, and 45 % of a small group."""
    parts = [("men", 700, others[0]), ("women", 700, others[1]), ("few", small, round(0.3 * small))]
    return pd.DataFrame([(g, "yes" if i < k else "no") for g, n, k in parts for i in range(n)], columns=["g", "d"])


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("surest")
    assay.audit(people(12), decision="d", favourable="yes", sensitive="g", out=folder)
    return folder, json.loads((folder / "evidence.json").read_bytes())


def test_the_surer_pair_is_named(told: tuple[Path, dict[str, Any]]) -> None:
    sentence = told[1]["findings"][0]
    assert "60.0 % of men (700) and 33.3 % of few (12)" in sentence
    assert "Surer is the gap between 60.0 % of men and 42.9 % of women: 17.1 points" in sentence
    assert sentence.endswith("p < .001 for these two).")
    assert "may be chance" not in sentence
    pair = next(p for p in told[1]["pairs"] if {p["higher"][0], p["lower"][0]} == {"men", "women"})
    assert proportions_ztest([420, 300], [700, 700])[1] < pair["p_adjusted"] < 1e-6


def test_the_board_reads_it_too(told: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["show", str(told[0]), "--chapter", "board"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "of 100 in “few”, 33 get it; of 100 in “men”, 60." in page
    assert "It may be chance. Surer: of 100 in “women”, 43 get it; of 100 in “men”, 60. Chance alone would" in page


@pytest.mark.parametrize("frame", [people(400), people(12, (420, 400))], ids=["the widest is sure", "none is sure"])
def test_where_there_is_none_nothing_is_added(frame: pd.DataFrame) -> None:
    result = assay.audit(frame, decision="d", favourable="yes", sensitive="g")
    assert not any("Surer" in f for f in result.findings)
    assert np.all([f.startswith("By g") for f in result.findings])
