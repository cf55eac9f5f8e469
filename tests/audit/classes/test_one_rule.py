"""Several classes: audit, explanation and mitigation decide by one rule, the class that the model itself takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from audit.explain import Settings, run_explain
from audit.explain.outputs import Rule, transform
from audit.gaps import Settings as Measuring
from audit.load import load_case, load_rows
from audit.models.write import skops_bytes
from audit.run import run_audit
from debias.candidate import open_original
from debias.task import task_of

SMALL = Settings(
    rows=150, background=30, draws=2, samples=200, seeds=1, fidelity_rows=10, hiding_rows=20, recourse_rows=10,
    recourse_tries=5, recourse_tries_person=20, interaction_rows=10, friedman_rows=10, people=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, Any]:
    """Three classes of which the likeliest often has less than one half."""
    folder = Path(tmp_path_factory.mktemp("c"))
    rng = np.random.default_rng(3)
    n = 420
    frame = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    frame["sex"] = rng.choice(["f", "m"], n)
    frame["a"] += 0.4 * (frame["sex"] == "f")
    pull = np.column_stack([frame["a"], 0.9 * frame["b"], 0.9 * frame["c"]]) + rng.gumbel(size=(n, 3))
    frame["y"] = np.array(["hire", "hold", "reject"])[pull.argmax(axis=1)]
    model = LogisticRegression().fit(frame[["a", "b", "c"]], frame["y"])
    frame.to_csv(folder / "rows.csv", index=False)
    (folder / "m.skops").write_bytes(skops_bytes(model))
    (folder / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\nlabel = "y"\npositive = "hire"\n'
        'sensitive = ["sex"]\nexclude = ["sex"]\n[model]\npath = "m.skops"\n'
    )
    return folder, frame, model


def test_the_parts_add_up_to_the_gap_that_the_audit_has(made: tuple[Path, pd.DataFrame, Any]) -> None:
    folder, frame, model = made
    case = load_case(folder / "case.toml")
    run_audit(case, folder / "run", Measuring(draws=100))
    evidence = json.loads((folder / "run" / "evidence.json").read_bytes())
    explained = run_explain(case, folder / "run", settings=SMALL)
    gap = next(g for g in evidence["gaps"] if (g["metric"], g["kind"]) == ("selection_rate", "difference"))
    split = next(d for d in explained["decomposition"] if (d["kind"], d["output"]) == ("extreme", "decision"))
    assert split["total"] == pytest.approx(gap["value"], abs=1e-9)
    assert sum(p["value"] for p in split["features"]) == pytest.approx(gap["value"], abs=1e-9)
    decided = model.predict(frame[["a", "b", "c"]])
    share = model.predict_proba(frame[["a", "b", "c"]])[:, list(model.classes_).index(case.data.positive)]
    # The cut at one half would have said otherwise of many.
    assert ((share >= 0.5) != (decided == case.data.positive)).sum() > 20
    # The probability is explained beside the decision, and people are told what the model decides of them.
    assert explained["output"] == "probability"
    assert explained["additivity"]["passed"]
    for person in explained["people"]:
        assert person["score"] == pytest.approx(share[person["row"]], abs=1e-9)
        assert (person["decision"] == case.data.positive) == (decided[person["row"]] == case.data.positive)
        assert not person["favourable"]
    means = {
        g: sum(x["mean"] for x in explained["groups"] if x["group"] == [g]) + explained["people"][0]["base"]
        for g in "fm"
    }
    assert means["f"] - means["m"] == pytest.approx(
        share[frame.sex == "f"].mean() - share[frame.sex == "m"].mean(), abs=1e-9
    )


@pytest.mark.parametrize("favourable_is_positive", [True, False])
def test_an_answer_carries_score_and_decision(favourable_is_positive: bool) -> None:
    """Of three people the second is decided positive with less than one half, the third not with more."""
    answers, rule = np.array([-0.2, 0.4, -0.55, 0.9]), Rule(0.5, favourable_is_positive, signed=True)
    np.testing.assert_array_equal(transform("probability", rule)(answers), [0.2, 0.4, 0.55, 0.9])
    good = np.array([0, 1, 0, 1]) if favourable_is_positive else np.array([1, 0, 1, 0])
    np.testing.assert_array_equal(transform("decision", rule)(answers), good)
    np.testing.assert_allclose(transform("log-odds", rule)(answers), np.log([0.25, 2 / 3, 11 / 9, 9.0]))


def test_mitigation_starts_from_the_same_decisions(made: tuple[Path, pd.DataFrame, Any]) -> None:
    folder, frame, model = made
    case = load_case(folder / "case.toml")
    task = task_of(case, load_rows(case, everything=True), 0)
    original = open_original(task)
    known = np.flatnonzero(original.positive >= 0)
    assert len(known) > 100
    decided = model.predict(frame[["a", "b", "c"]]) == case.data.positive
    np.testing.assert_array_equal(original.positive[known] == 1, decided[known])
