"""Where so many values are rare that nobody is left who may be shown, a report says so, and verifies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from audit.documents import Documents
from reports.issue import collect
from reports.sections.board.said import opening
from reports.verify import verify
from tests.reports import kit
from tests.reports.pki import Pki

pytestmark = pytest.mark.usefixtures("coarse_calibration")
CASE = """[case]
name = "E"
purpose = "p"
[data]
path = "d.csv"
label = "{label}"
{kind}
sensitive = ["town", "branch"]
{more}
[model]
{model}
"""
KINDS = {
    "scores": CASE.format(label="y", kind='positive = "yes"', more="", model='score = "sc"\nthreshold = 0.5'),
    "weights": CASE.format(
        label="y", kind='positive = "yes"', more='weight = "w"', model='score = "sc"\nthreshold = 0.5'
    ),
    "people in several rows": CASE.format(
        label="y", kind='positive = "yes"', more='cluster = "who"', model='score = "sc"\nthreshold = 0.5'
    ),
    "decisions": CASE.format(label="y", kind='positive = "yes"', more="", model='decision = "d"'),
    "numbers": CASE.format(label="pay", kind='task = "regression"', more="", model='score = "sc"'),
}


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_left_who_may_be_shown(kind: str, tmp_path: Path, pki: Pki) -> None:
    """11 towns of 12, nine of each in one branch; the other three are of a branch of their town's own."""
    rng = np.random.default_rng(1)
    people = [(f"t{t}", f"b{t}" if j < 3 else "main") for t in range(11) for j in range(12)]
    frame = pd.DataFrame(people, columns=["town", "branch"])
    x = rng.normal(size=len(frame))
    frame["d"] = np.where(x > 0, "yes", "no")
    frame["y"] = np.where(x + rng.normal(size=len(frame)) > 0, "yes", "no")
    frame["pay"], frame["sc"] = (x * 10).round(1), (1 / (1 + np.exp(-x))).round(2)
    frame["w"], frame["who"] = rng.integers(1, 4, len(frame)), np.arange(len(frame)) // 2
    frame.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "case.toml").write_text(KINDS[kind])
    asked = [str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]
    assert cli.main(["audit", *asked, "--draws", "50"]) == 0
    if kind in ("scores", "people in several rows"):
        assert cli.main(["mitigate", *asked, "--method", "group_thresholds"]) == 0
    files = collect(tmp_path / "run")
    assert b"ewer than 10 people have town = t0" in files["evidence.json"]
    assert opening(Documents.of(files).evidence).endswith("so that nobody is in a figure of this report.")
    verification = verify(kit.report(files, pki.auditor), printer=kit.page)
    assert [c.detail for c in verification.checks if c.status == "failed"] == []
