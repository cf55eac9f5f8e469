"""What cannot be stressed is one sentence; what was not done is said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from tests.shared import in_order, stages_told

N = 600
CASE = """{top}
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "outcome"
positive = "yes"
sensitive = ["sex", "race"]
split = "part"
train = "train"
audit = "test"
[model]
decision = "approved"
"""


@pytest.fixture
def case(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["Female", "Male"], N), "race": rng.choice(["A", "B", "Few"], N, p=[0.6, 0.37, 0.03]),
            "a": rng.normal(0, 1, N), "same": "one value", "part": rng.choice(["train", "test"], N),
            "approved": rng.choice(["yes", "no"], N), "outcome": rng.choice(["yes", "no"], N),
        }
    )  # fmt: skip
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE.format(top=""))
    return tmp_path / "case.toml"


@pytest.mark.parametrize(
    "options, words",
    [
        (["--budget", "2"], "this search cannot be made. Got: --budget 2"),
        (["--budget", "0"], "this search cannot be made. Got: --budget 0"),
        (["--fits", "0"], "this search cannot be made. Got: --fits 0"),
    ],
)
def test_a_search_that_cannot_be_made_is_one_sentence_and_2(case, capsys, options: list[str], words: str) -> None:
    assert cli.main(["stress", str(case), "--out", str(case.parent / "run"), *options]) == 2
    errors = capsys.readouterr().err
    assert words in " ".join(errors.split())
    assert not (case.parent / "run").exists()


def test_a_model_that_cannot_be_cloned_and_groups_within_the_budget_are_told(case, monkeypatch) -> None:
    out, seen = case.parent / "run", stages_told(monkeypatch)
    assert cli.main(["stress", str(case), "--out", str(out), "--fits", "1", "--budget", "0.1"]) == 0
    document = json.loads((out / "stress.json").read_text())
    serving, training = (" ".join(document[q]["notes"]) for q in ("serving", "training"))
    assert "brings decisions and no model to ask, so that no column was corrupted" in serving
    assert "at least all there are of race Few: every one of them may be hit" in serving
    assert "brings decisions and no model to fit again" in training
    assert all(e["column"] != "same" and e["worse"] in (True, False) for e in document["training"]["entries"])
    in_order(seen)


def test_a_figure_that_a_variant_leaves_without_people_is_none_and_not_nan(case, monkeypatch) -> None:
    """Where nobody is selected any more, a ratio is zero over zero."""
    out, seen = case.parent / "run", stages_told(monkeypatch)
    asked = ["--learner", "logistic", "--kind", "thresholds", "--kind", "people"]
    assert cli.main(["whatif", str(case), "--out", str(out), *asked]) == 0
    document = json.loads((out / "whatif.json").read_text())
    figures = [f for v in document["variants"] for f in v["figures"]]
    gone = [f for f in figures if f["value"] is None]
    assert gone
    assert all(f["p_value"] is None and f["p_adjusted"] is None for f in gone)
    assert all(f["p_adjusted"] is not None for f in figures if f["value"] is not None)
    in_order(seen)


def test_a_contract_that_refuses_every_row_says_so(case, capsys) -> None:
    case.write_text(CASE.format(top='contract = "contract.toml"'))
    (case.parent / "contract.toml").write_text('[[check]]\ncolumn = "a"\nbetween = [100, 200]\n')
    assert cli.main(["contract", str(case), "--check", "--gate"]) == 3
    output = capsys.readouterr()
    assert "that is every row: look at the check before the data" in output.out
    assert "Traceback" not in output.err
