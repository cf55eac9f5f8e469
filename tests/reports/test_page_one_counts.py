"""Page 1 counts what stands behind it, says what an option makes worse, and nothing where nobody goes without."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import assay
import cli


def applicants() -> pd.DataFrame:
    """Women are seen less often; who is kept was seen before."""
    rng = np.random.default_rng(11)
    sex, town = rng.choice(["f", "m"], 900), rng.choice(["a", "b"], 900)
    seen = rng.random(900) < np.where(sex == "m", 0.6, 0.3)
    kept = seen & (rng.random(900) < 0.5)
    words = {True: "yes", False: "no"}
    return pd.DataFrame({"sex": sex, "town": town, "seen": seen, "kept": kept, "x": rng.random(900)}).replace(words)


def board(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert cli.main(["show", str(run), "--chapter", "board"]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_limits_behind_are_counted_and_nobody_goes_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    roles = {"label": "kept", "decision": "seen", "positive": "yes", "favourable": "yes", "sensitive": ["sex", "town"]}
    assay.audit(applicants(), out=tmp_path, draws=200, **roles)
    page = board(tmp_path, capsys)
    norms = json.loads((tmp_path / "evidence.json").read_bytes())["norms"]
    outside = sum(n["status"] == "outside" for n in norms) - page.split("Policy ")[0].count("OUTSIDE")
    left = re.search(r"(\d+) more limits?, (none|\d+) of them OUTSIDE today: see the chapters behind\.", page)
    assert left is not None
    assert left[1] == str(len(norms) - 5)
    assert left[2] == (str(outside) if outside else "none")
    assert "who merit it, " not in page, "everybody who was kept had been seen"


def test_a_gap_that_grows_is_said_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The comparison on disk, with the signs of one change turned: what page 1 says follows from the record."""
    frame = applicants().assign(split=np.where(np.arange(900) % 3, "train", "test"))
    parts = {"split": "split", "train": "train", "audit": "test"}
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame[["sex", "town"]], frame["seen"])
    result = assay.audit(
        frame[["sex", "town", "seen", "split"]], label="seen", positive="yes", favourable="yes", sensitive=["sex"],
        model=model, features=["sex", "town"], case={"data": parts}, out=tmp_path, draws=200,
    )  # fmt: skip
    result.mitigate("reweighing")
    document = json.loads((tmp_path / "mitigation.json").read_bytes())
    for change in document["changes"]:
        if (change["metric"], change["kind"], change["group"]) == ("selection_rate", "difference", None):
            change |= {"before": 0.118, "after": 0.216, "worse": True, "clear": True}
    (tmp_path / "mitigation.json").write_text(json.dumps(document))
    assert "The gap by sex in who gets it would grow from 11.8 to 21.6 points." in board(tmp_path, capsys)
