"""Whose norms a case is held to: the example that ships is nobody's until somebody adopts it by name."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from audit.load.policies import DEFAULT
from cli import main

CASE = """
[case]
name = "Loans"
purpose = "Who is offered a loan"
[data]
path = "loans.csv"
label = "repaid"
positive = "yes"
favourable = "yes"
sensitive = ["sex"]
[model]
decision = "granted"
"""


@pytest.mark.parametrize(
    "lines, standing, said",
    [
        ("", "example", "is Assay's example policy, not yours: nobody has adopted it"),
        ('[policy]\nadopted_by = "R. Reviewer"\n', "adopted", "is Assay's example policy; R. Reviewer adopted it"),
        ('[policy]\nfile = "own.toml"\n', "own", "is the institution's own"),
    ],
)
def test_the_audit_says_whose_norms_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, standing: str, said: str
) -> None:
    sexes, answers = ["f", "m"] * 60, ["yes", "no", "yes"] * 40
    pd.DataFrame({"sex": sexes, "repaid": answers, "granted": answers}).to_csv(tmp_path / "loans.csv", index=False)
    (tmp_path / "own.toml").write_bytes(DEFAULT.read_bytes())
    (tmp_path / "case.toml").write_text(CASE + lines)
    assert main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) == 0
    assert said in capsys.readouterr().out
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_bytes())
    assert evidence["policy"]["standing"] == standing
