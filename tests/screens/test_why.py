"""The screen's explanations: what must be read first is there, and people's words are no markup."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from audit.explain import Settings, run_explain
from audit.load import load_case

SAMPLES = Path(__file__).parents[2] / "sample_data"
FEW = Settings(
    rows=100, least=20, background=30, samples=300, seeds=2, fidelity_rows=15, draws=2, hiding_rows=40,
    recourse_rows=10, recourse_tries=50, recourse_tries_person=500, friedman_rows=8,
)  # fmt: skip


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_explain(load_case(SAMPLES / "german_credit.toml"), tmp_path_factory.mktemp("run"), settings=FEW)


def page(result: dict) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.explanations import Explanations
    from screens import why

    explained = record_in(Explanations, result, "explain.json")
    why.alarm(explained)
    why.overall(explained)
    why.dependence(explained)
    why.trust(explained)
    why.recourse_gap(explained)
    why.person(explained)


def shown(result: dict[str, Any]) -> AppTest:
    app = AppTest.from_function(page, kwargs={"result": result}, default_timeout=60).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for kind in (app.markdown, app.caption, app.info) for e in kind).replace("\\", "")


def test_everything_is_on_the_screen(explained: dict[str, Any]) -> None:
    app = shown(explained)
    report = texts(app)
    assert not app.error
    for words in (
        "How a column's values count",
        "How far these explanations can be trusted",
        "add up to the model's answer on all",
        "No sign that the model tells real people from made-up rows",
        "What it takes to turn a refusal, by group",
        "Changes allowed by the case: duration, credit_amount, savings, other_debtors",
        "One person's decision",
        "What counted most against the person",
        "What would turn the decision",
        "LIME's stability: over 2 seeds",
        "Columns that work together",
    ):
        assert words in report, words
    one = explained["people"][0]
    assert one["recourse"]["words"] in report
    assert one["reasons"][0] in report
    assert all(n in report for n in explained["recourse"]["notice"])


def test_the_column_chosen_is_shown(explained: dict[str, Any]) -> None:
    app = shown(explained)
    second = explained["dependence"][1]["feature"]
    app.selectbox(key="dependence-column").select(second).run()
    assert not app.exception
    assert f"{second}" in texts(app)


def test_an_alarm_stands_first(explained: dict[str, Any]) -> None:
    result = copy.deepcopy(explained)
    result["hiding"] |= {"alarm": True, "notice": "Alarm: changing x alone moves real people"}
    result["additivity"]["passed"] = False
    result["rerouted"] = "TreeSHAP failed"
    app = shown(result)
    assert "Alarm: changing x alone" in app.error[0].value.replace("\\", "")
    assert "Do not rely on them" in app.error[1].value
    assert "TreeSHAP failed" in app.warning[0].value


def test_without_the_table_the_screen_says_what_is_needed(explained: dict[str, Any]) -> None:
    result = copy.deepcopy(explained)
    result["recourse"] = {"sought": False, "reason": "No recourse was sought: no [recourse] table", "groups": []}
    for p in result["people"]:
        p["recourse"] = None
    report = texts(shown(result))
    assert "no [recourse] table" in report
    assert "What would turn the decision" not in report


def test_an_explanation_from_before_is_still_shown(explained: dict[str, Any]) -> None:
    """Files without the newer keys stay readable."""
    result = copy.deepcopy(explained)
    for key in ("recourse", "dependence", "interactions", "hiding"):
        del result[key]
    for p in result["people"]:
        del p["recourse"]
    assert "One person's decision" in texts(shown(result))
