"""The screen's search: the front and the baseline in words and numbers, and no pick without a name and a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from assay._commands.parsing import parsed
from debias import jobs
from debias.methods.method import CONSTRAINTS, SENSITIVE_NOTICE
from debias.pareto import run_search
from screens import charts, state, workspace
from screens.workspace import CaseFolder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from audit.load import load_case

    case = load_case(Path(__file__).parents[2] / "sample_data" / "german_credit.toml")
    return run_search(case, tmp_path_factory.mktemp("run"), trials=4, methods=["constrained_boosting"])


@pytest.fixture
def folder(found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    place = workspace.sample_case("german_credit.toml")
    place.run.mkdir(parents=True, exist_ok=True)
    (place.run / "search.json").write_text(json.dumps(found))
    return place


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that the screen would start."""
    asked: list[list[str]] = []

    def start(args: list[str], home: Path, **_: Any) -> jobs.Job:
        asked.append(list(args))
        return jobs.Job("0" * 32, tuple(args), 0, "", 0.0)

    monkeypatch.setattr(jobs, "start", start)
    return asked


def page(case_id: str) -> None:
    from screens import search, workspace

    search.panel(workspace.open_case(case_id))


def run(folder: CaseFolder) -> AppTest:
    app = AppTest.from_function(page, kwargs={"case_id": folder.id}, default_timeout=60).run()
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.warning, app.error, app.info)
    return "\n".join(str(e.value) for kind in kinds for e in kind).replace("\\", "")


def test_the_front_is_told_and_the_test_rows_wait(folder: CaseFolder, found: dict[str, Any]) -> None:
    app = run(folder)
    report = words(app)
    on = [t for t in found["trials"] if t["front"]]
    assert f"4 candidates tried, {len(on)} on the front" in report
    assert "400 test rows wait for the one that you pick" in report
    assert "flatters it" in report
    frame = app.table[0].value
    assert sorted(frame["No."]) == sorted([state.escape("–"), *(str(t["trial"]) for t in on)])
    assert all(n in report for n in found["notes"])
    options = app.selectbox(key="pick-trial").options
    assert len(options) == 4
    assert sum("not on the front" in o for o in options) == 4 - len(on)


def test_need_and_loss_are_fixed_in_the_log_before_the_search(folder: CaseFolder, started: list[list[str]]) -> None:
    app = run(folder)
    app.button(key="search-go").click().run()
    inputs = parsed(started[0]).given
    assert inputs["log"] == workspace.log_home()
    assert (inputs["need"], inputs["acceptable_loss"]) == ("", None)
    app = run(folder)
    app.text_input(key="search-need").set_value("-  loans are repaid\nin time")
    app.number_input(key="search-loss").set_value(1.5)
    app.button(key="search-go").click().run()
    inputs = parsed(started[1]).given
    assert (inputs["need"], inputs["acceptable_loss"], inputs["search"]) == ("- loans are repaid in time", 0.015, True)
    app = run(folder)
    app.toggle(key="search-logged").set_value(False)
    app.button(key="search-go").click().run()
    assert parsed(started[2]).given["log"] is None


def test_no_pick_without_a_name_and_a_reason(folder: CaseFolder, started: list[list[str]]) -> None:
    app = run(folder)
    button = next(b for b in app.button if "measure it on the test rows" in b.label)
    button.click().run()
    assert "needs a name and a reason" in words(app)
    app.text_input(key="pick-by").set_value("Bo")
    next(b for b in app.button if "measure it" in b.label).click().run()
    assert started == []
    app.text_area(key="pick-reason").set_value("- narrow; not much dearer")
    next(b for b in app.button if "measure it" in b.label).click().run()
    number = str(app.selectbox(key="pick-trial").value)
    assert started[0][2:6] == ["--pick", number, "--reason=- narrow; not much dearer", "--by=Bo"]
    # As the command reads it.
    inputs = parsed(started[0]).given
    assert (inputs["pick"], inputs["reason"], inputs["by"]) == (int(number), "- narrow; not much dearer", "Bo")


def test_what_is_asked_for_is_what_is_searched(folder: CaseFolder, started: list[list[str]]) -> None:
    app = run(folder)
    assert SENSITIVE_NOTICE not in words(app)
    app.multiselect(key="search-methods-demographic_parity").set_value(["reweighing", "group_thresholds"])
    app.number_input(key="search-trials").set_value(7).run()
    assert SENSITIVE_NOTICE in words(app)
    app.button(key="search-go").click().run()
    inputs = parsed(started[0]).given
    assert (inputs["search"], inputs["trials"], inputs["method"]) == (True, 7, ("reweighing", "group_thresholds"))
    assert inputs["constraint"] == "demographic_parity"
    assert list(inputs["attribute"]) == app.multiselect(key="search-attributes").value
    # Equal error rates need methods that serve them.
    app.selectbox(key="search-aim").set_value("equalized_odds").run()
    assert app.multiselect(key="search-methods-equalized_odds").value == ["constrained_boosting"]


def test_bounded_loss_is_told_as_the_error_of_the_worst_group(folder: CaseFolder, found: dict[str, Any]) -> None:
    app = run(folder)
    assert "bounded_loss" in CONSTRAINTS
    app.selectbox(key="search-aim").set_value("bounded_loss").run()
    assert app.multiselect(key="search-methods-bounded_loss").value == ["constrained_boosting"]
    other = {**found, "asked": {**found["asked"], "constraint": "bounded_loss", "metric": "largest_group_error"}}
    (folder.run / "search.json").write_text(json.dumps(other))
    app = run(folder)
    assert "neither another candidate nor the original errs less with a smaller error of the worst group" in words(app)
    assert "Worst group's error, points [95 %]" in [c.replace("\\", "") for c in app.table[0].value.columns]
    assert "worst group's error at most" in app.selectbox(key="pick-trial").options[0]


def test_the_choice_is_shown_as_words_not_as_markup() -> None:
    def shown(choice: dict | None) -> None:  # type: ignore[type-arg]
        from audit.documents import record_in
        from audit.documents.mitigation import Choice
        from screens import search

        search.chosen(None if choice is None else record_in(Choice, choice, "choice"))

    choice = {"trial": 3, "looked_at": 30, "by": "Bo", "time": "2026-11-01T12:00:00+00:00", "reason": "**b** <i>"}
    choice |= {"on_front": True, "same_model": True, "search": {"file": "search.json", "sha256": ""}}
    app = AppTest.from_function(shown, kwargs={"choice": choice}).run()
    assert "picked candidate 3 of 30" in words(app)
    assert r"\*\*b\*\* \<i\>" in app.info[0].value
    assert not AppTest.from_function(shown, kwargs={"choice": None}).run().info


def test_the_chart_tells_kinds_apart_by_shape() -> None:
    point = charts.Point("1", 0.0, 0.2, 0.1, 0.05, 0.15, "a <b> & c")
    kinds = [("front", [point]), ("original", [point]), ("moved", [point]), ("others", [])]
    figure = charts.front(kinds, title="t", gap="g")
    marks = [t.marker.symbol for t in figure.data]
    assert len(set(marks)) == len(marks) == 3
    front = figure.data[-1]
    assert (front.x[0], front.error_x.arrayminus[0], front.error_x.array[0]) == (0.2, 0.2, 0)
    assert front.error_y.array[0] == pytest.approx(0.05)
    assert front.customdata[0][0] == "a &lt;b&gt; &amp; c"
    assert figure.data[0].error_x.array is None
