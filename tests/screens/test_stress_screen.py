"""The screen "What could go wrong": what was found in words and numbers, and the commands that it starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from debias import jobs
from screens import workspace
from screens.workspace import CaseFolder

ENTRY = {
    "question": "serving", "metric": "accuracy", "attribute": [], "figure": "rate", "limit": None, "kind": "tenth",
    "column": "age", "predicate": [{"column": "sex", "how": "is", "value": "*Female*", "personal": True}],
    "names_person": True, "rows": 12, "of": 200, "share_of_them": 0.5, "before": 0.8, "after": 0.6, "change": -0.2,
    "low": -0.3, "high": -0.1, "random_mean": 0.79, "random_worst": 0.75, "worse": True,
    "counts": {"groups": ["everyone"], "before": [[[160.0, 200.0]]], "after": [[[120.0, 200.0]]]},
    "caught": {"words": "'age' lies from 13 to 94", "line": {"column": "age", "between": [13, 94]}, "proposed": True},
    "watch": {"how": "drift", "batches": 2}, "watched": {"batch": 100, "batches": 12},
}  # fmt: skip
STRESS = {
    "schema": "assay/stress/1",
    "asked": {"budget": 0.05, "seed": 0},
    "serving": {
        "candidates": 1000, "searched_rows": 200, "reported_rows": 200, "notes": ["A note."],
        "entries": [ENTRY,
                    ENTRY | {"metric": "selection_rate", "figure": "difference", "attribute": ["sex"], "worse": False}],
    },
    "training": {"measured": False, "reason": "it was not asked for", "entries": [], "notes": []},
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    place = workspace.sample_case("german_credit.toml")
    place.run.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    asked: list[list[str]] = []

    def start(args: list[str], home: Path, **_: Any) -> jobs.Job:
        asked.append(list(args))
        return jobs.Job("0" * 32, tuple(args), 0, "", 0.0)

    monkeypatch.setattr(jobs, "start", start)
    return asked


def page(case_id: str, part: str) -> None:
    from screens import stress, workspace

    getattr(stress, part)(workspace.open_case(case_id))


def run(folder: CaseFolder, part: str) -> AppTest:
    app = AppTest.from_function(page, kwargs={"case_id": folder.id, "part": part}, default_timeout=60).run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.warning, app.error, app.info)
    return "\n".join(str(e.value) for kind in kinds for e in kind).replace("\\", "")


def test_what_was_found_is_told_with_who_would_have_noticed(folder: CaseFolder) -> None:
    (folder.run / "stress.json").write_text(json.dumps(STRESS))
    app = run(folder, "corrupted")
    report = words(app)
    assert "1,000 combinations" in report
    assert (
        "Nothing worse than chance and random errors explain was found for: selection rate difference by sex" in report
    )
    assert "Noticed by: the contract's between of age (proposed); the watch after 2 batches of 100." in report
    assert "12 of 200 rows" in report
    assert "not the worst there is" in report
    assert "between = [13, 94]" in app.code[0].value
    label = app.expander[0].label
    assert "if 'age' were recorded in tens, for 50.0 % of the people with sex is *Female*" in label.replace("\\", "")
    assert "\\*Female" in label, "a person's words are no markup"


def test_the_search_is_started_as_the_command_that_a_person_would_type(folder: CaseFolder, started) -> None:
    app = run(folder, "corrupted")
    app.checkbox(key="stress-train").uncheck()
    app.button(key="stress-go").click().run()
    assert started[0][:2] == ["stress", str(folder.file)]
    assert started[0][started[0].index("--budget") + 1] == "0.05"
    assert "--no-train" in started[0]
    from assay._commands.parsing import parsed

    assert parsed(started[0]) is not None
    app = run(folder, "pipelines")
    app.selectbox(key="whatif-learner").select("boosting")
    app.button(key="whatif-go").click().run()
    assert started[1][:2] == ["whatif", str(folder.file)]
    assert started[1][-2:] == ["--learner", "boosting"]
    assert parsed(started[1]) is not None


def test_a_case_without_a_contract_is_offered_one(folder: CaseFolder) -> None:
    app = run(folder, "contract")
    assert "names no contract" in words(app)
    app.button(key="contract-go").click().run()
    assert not app.exception
    assert '[[check]]\ncolumn = "duration"' in app.code[0].value
