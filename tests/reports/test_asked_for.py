"""What a statistician of an authority asks for, in one audit: in the evidence, on paper and on the screen.

Pairs against a reference, like with like, unknown groups, no attribute, power, a funnel, small groups, points.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

import cli
from tests.reports import kit
from tests.shared import printed

CASE = """[case]
name = "Hiring"
purpose = "Who is hired"
[data]
path = "rows.csv"
label = "good"
positive = "yes"
favourable = "yes"
sensitive = ["sex", "team"]
reference = { sex = "m" }
legitimate = { years = "the work is learned by doing" }
proxy = { origin = { column = "surname", table = "surnames.csv" } }
stages = ["screened", "hired"]
[model]
score = "points"
threshold = 6
"""
# Where it stands in the evidence -> words of the paper, and the screen's question with words of its answer.
ASKED: dict[str, tuple[str, str, str]] = {
    "by_proxy": ("nobody is assigned to a group", "What can be said of an attribute that is not recorded?",
                 "nobody is assigned to a group"),
    "like_with_like": ("Like compared with like", "How large is the gap among people who are alike?",
                       "they say nothing of causes"),
    "funnel": ("The process, stage by stage", "Where in the process does a gap open?",
               "On the outcomes of those picked"),
    "smoothed": ("Smoothed rates borrow from the other groups", "What can be said of the smallest groups?",
                 "Smoothed rates borrow from the other groups"),
    "predictive_parity": ("predictive parity", "Do points mean the same for everyone?", "predictive parity"),
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng, n = tmp_path_factory.mktemp("asked"), np.random.default_rng(1), 900
    sex = rng.choice(["f", "m"], n)
    points = np.clip(np.round(rng.normal(np.where(sex == "m", 6, 5), 2)), 1, 10).astype(int)
    frame = pd.DataFrame(
        {
            "sex": np.where(rng.random(n) < 0.08, "", sex), "team": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
            "years": rng.integers(0, 4, n), "surname": rng.choice(["lee", "novak", "smith"], n), "points": points,
            "good": np.where(rng.random(n) < points / 12, "yes", "no"), "screened": np.where(points >= 4, "yes", "no"),
            "hired": np.where(points >= 6, "yes", "no"),
        }
    )  # fmt: skip
    frame.to_csv(folder / "rows.csv", index=False)
    (folder / "surnames.csv").write_text("surname,here,abroad\nlee,0.4,0.6\nnovak,0.2,0.8\nsmith,0.9,0.1\n")
    (folder / "case.toml").write_text(CASE)
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out"), "--draws", "100"]) == 0
    return folder


@pytest.fixture(scope="module")
def evidence(run: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((run / "out" / "evidence.json").read_bytes())
    return document


def test_the_evidence_holds_each(evidence: dict[str, Any]) -> None:
    assert all(evidence[key] for key in ASKED)
    mine = [p for p in evidence["pairs"] if p["attribute"] == ["sex"] and p["metric"] == "selection_rate"]
    assert len(mine) == 1
    assert {"p_adjusted", "ratio_low", "shortfall_low", "low"} <= mine[0].keys()
    assert any(g["reference"] == ["m"] for g in evidence["gaps"] if g["attribute"] == ["sex"])
    assert evidence["bounds"]["unknown_group"]
    assert all(r["detectable"] is None or 0 < r["detectable"] <= 1 for r in evidence["power"])
    assert {r["metric"] for r in evidence["power"]} >= {"selection_rate", "true_positive_rate"}


def test_the_report_prints_each(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.judge_here(monkeypatch)
    (run / "password").write_text("a long password")
    password, key, pdf = ["--password-file", str(run / "password")], str(run / "k.p12"), run / "r.pdf"
    assert cli.main(["keys", "new", "--name", "A. Auditor", "--out", key, *password]) == 0
    assert cli.main(["report", str(run / "out"), "--key", key, "--out", str(pdf), *password]) == 0
    text = printed(pdf)
    for words, _, _ in ASKED.values():
        assert words in text, words
    # An adjusted p-value is not how often chance does this.
    assert not re.search(r"(once|times) in 1(00|,000) such|in nearly every such audit", text)
    assert "What is not known, as bounds" in text
    assert "The smallest gap, in points, that would have been told from chance" in text
    assert "“Short” is how many more of the lower group would be counted" in text


def page(evidence: dict) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import beyond, model

    measured = record_in(Evidence, evidence, "evidence.json")
    model.by_question(measured)
    beyond.show(measured, ["sex"])


def test_the_screen_answers_each(evidence: dict[str, Any]) -> None:
    app = AppTest.from_function(page, kwargs={"evidence": evidence}, default_timeout=60).run()
    assert not app.exception
    columns = [set(t.value.columns) for t in app.table]
    assert any("Short" in " ".join(c) or "short" in " ".join(c) for c in columns), columns
    assert "What is not known, as bounds" in [e.label for e in app.expander]
    assert "The smallest gap, in points, that would have been told from chance" in _said(app)
    for _, question, words in ASKED.values():
        app = app.selectbox(key="beyond").select(question).run()
        assert not app.exception
        assert words in _said(app), question


def _said(app: AppTest) -> str:
    items = [str(e.value) for kind in (app.markdown, app.caption) for e in kind] + [str(t.value) for t in app.table]
    return "\n".join(items).replace("\\", "")
