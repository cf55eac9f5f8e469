"""A cohort, a threshold and another run, through the screen; every table and chart leaves as numbers and pictures."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from audit.cohort import cohort, edges
from audit.decide import decide
from audit.evidence import pick
from audit.load import load_case, load_rows
from screens import look as own
from screens import state, takeaway, workspace
from screens.workspace import CaseFolder
from tests.shared import german


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> CaseFolder:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    built = workspace.sample_case("german_credit.toml")
    shutil.copytree(german(tmp_path_factory), built.run, dirs_exist_ok=True)
    return built


def screen(case_id: str, section: int) -> None:
    import streamlit as st

    from screens import model, parts, state

    st.query_params["case"] = case_id
    st.session_state["model-section-kept"] = model.SECTIONS[section]
    parts.next_step = lambda *_: None
    state.remember(case_id)
    model.show()


def run(folder: CaseFolder, section: int) -> AppTest:
    return AppTest.from_function(screen, kwargs={"case_id": folder.id, "section": section}, default_timeout=120).run()


def words(app: AppTest) -> str:
    assert not app.exception, app.exception
    kinds = (app.markdown, app.info, app.warning, app.caption, app.error)
    return " ".join(str(e.value).replace("\\", "") for kind in kinds for e in kind)


def test_a_cohort_of_groups_is_what_every_figure_is_of(folder: CaseFolder) -> None:
    evidence = state.evidence(folder)
    assert evidence is not None
    first, second = evidence.data.sensitive[:2]
    app = run(folder, 1)
    levels = app.multiselect(key=f"cohort-{first}").options
    app.multiselect(key=f"cohort-{first}").set_value([levels[0]])
    app.button(key="cohort-go").click().run()
    looked = cohort(own.margins(folder), evidence.data.sensitive, {first: (levels[0],)}, own.settings_of(evidence))
    assert f"{looked.people:,} people: {first}: {levels[0]}. Every figure here is of them" in words(app)
    rates = [r for r in looked.measures.rates if r.metric == "selection_rate" and r.attribute == (second,)]
    assert rates
    shown = " ".join(str(t.value.to_dict()) for t in app.table).replace("\\", "")
    known = [r for r in rates if r.value is not None]
    assert all(f"{100 * r.value:.1f}" in shown for r in known if r.value is not None)
    app.button(key="cohort-all").click().run()
    assert "Every figure here is of them" not in words(app)


def test_a_cohort_by_any_column_is_counted_from_its_rows(folder: CaseFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number from here to there and a value of a column that is not sensitive, against the rows and the model."""
    taken: dict[str, pd.DataFrame] = {}
    monkeypatch.setattr(takeaway, "keep", lambda alt, frame: taken.update({alt: frame}))
    app = run(folder, 1)
    assert {"credit_amount", "housing"} <= set(app.multiselect(key="cohort-columns").options)
    app.multiselect(key="cohort-columns").set_value(["credit_amount", "housing"]).run()
    app.number_input(key="cohort-from-credit_amount").set_value(1500.0)
    housing = app.multiselect(key="cohort-values-housing")
    housing.set_value(housing.options[:2])
    app.button(key="cohort-go").click().run()

    case = load_case(folder.file)
    rows = load_rows(case, everything=True)
    frame = rows.frame[rows.audit].reset_index(drop=True)
    decisions, _ = decide(case, frame, rows.features)
    mine = (frame["credit_amount"] >= 1500) & frame["housing"].isin(housing.options[:2])
    assert f"{int(mine.sum()):,} people: credit_amount at least 1,500; housing:" in words(app)
    (rates,) = (f for alt, f in taken.items() if alt.startswith("Every rate of this cohort"))
    for sex in ("female", "male"):
        group = mine & (frame["sex"] == sex)
        (line,) = rates[
            (rates["metric"] == "selection_rate") & (rates["attribute"] == "sex") & (rates["group"] == sex)
        ].to_dict("records")
        good = int((decisions.positive[group] == 0).sum())
        assert (line["numerator"], line["denominator"]) == (good, int(group.sum()))
        assert line["low"] < line["value"] < line["high"]
    (gaps,) = (f for alt, f in taken.items() if alt.startswith("Every gap of this cohort"))
    assert {"highest", "lowest", "low", "high"} <= set(gaps.columns)
    # Two more people are no other cohort, and whose figures then stand below is said.
    amounts = frame["credit_amount"].sort_values()
    app.number_input(key="cohort-from-credit_amount").set_value(float(amounts[amounts < 1500].iloc[-2]))
    app.button(key="cohort-go").click().run()
    message = words(app)
    assert "cohort is too near to what was shown before" in message
    assert "Below are the figures of everyone" in message
    assert "Every figure here is of them" not in message


def test_a_threshold_moves_the_rates_and_by_group_the_law_is_named(folder: CaseFolder) -> None:
    app = run(folder, 4)
    assert "Nothing is changed by this" in words(app)
    # In the code book's words, and not "2 from this score on".
    assert app.select_slider(key="threshold-all").label == "The loan is not granted from this score on"
    before = app.table[0].value.to_dict()
    margin = next(m for m in own.margins(folder) if m.attribute == tuple(app.session_state["attribute"]))
    app.select_slider(key="threshold-all").set_value(edges(margin)[-1]).run()
    after = app.table[0].value.to_dict()
    assert before != after
    assert {str(v).replace("\\", "") for v in after["Selection rate"].values()} <= {"0.0\u00a0%", "100.0\u00a0%", "–"}
    assert "disparate treatment" not in words(app)
    app.toggle(key="threshold-apart").set_value(True).run()
    assert "unlawful disparate treatment" in words(app)
    assert len(app.select_slider) >= 2


def test_two_runs_stand_side_by_side(folder: CaseFolder) -> None:
    assert "No other case on this machine has been measured" in words(run(folder, 5))
    other = workspace.sample_case("german_credit.toml")
    shutil.copytree(folder.run, other.run, dirs_exist_ok=True)
    app = run(folder, 5)
    assert not app.table
    (option,) = app.selectbox(key="beside").options
    assert other.id[:8] in option
    app.selectbox(key="beside").set_value(option).run()
    message = words(app)
    assert "What the two audits rest on" in message
    assert "Both audits are of the same people" in message


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["45.6 % [40.1, 50.2], 1,234 of 2,705", "not estimable: no people"],
         {"R (%)": ["45.6", ""], "R low": ["40.1", ""], "R high": ["50.2", ""], "R count": ["1234", ""],
          "R of": ["2705", ""]}),
        (["17.1 points [−1.5, 18.2]"], {"R (points)": ["17.1"], "R low": ["-1.5"], "R high": ["18.2"]}),
        (["40.1 % to 50.2 %", "–"], {"R low": ["40.1", ""], "R high": ["50.2", ""]}),
        (["1,234", "–"], {"R": ["1234", ""]}),
        (["007", "12"], {"R": ["007", "12"]}),
        (["25-40", "=1+1", "@x"], {"R": ["25-40", "'=1+1", "'@x"]}),
        ([0.25, None], {"R": ["0.25", ""]}),
    ],
)  # fmt: skip
def test_a_file_holds_numbers_and_no_formatted_text(cells: list[object], expected: dict[str, list[str]]) -> None:
    head, *rows = csv.reader(io.StringIO(takeaway.csv_of(pd.DataFrame({"R": cells}))))
    assert {h: [row[i] for row in rows] for i, h in enumerate(head)} == expected


def test_every_table_and_chart_has_its_file_and_its_picture(folder: CaseFolder) -> None:
    app = run(folder, 4)
    labels = [b.proto.label for b in app.get("download_button")]
    assert {"Rates of each group at this threshold (CSV)"} <= set(labels)
    assert any(label.startswith("Points of: ") for label in labels)
    import json

    config = json.loads(app.get("plotly_chart")[0].proto.config)
    assert (config["modeBarButtons"], config["toImageButtonOptions"]["format"]) == ([["toImage"]], "png")
    app.radio(key="chart-format").set_value("svg").run()
    assert json.loads(app.get("plotly_chart")[0].proto.config)["toImageButtonOptions"]["format"] == "svg"
    rate = pick(state.evidence(folder).rates, metric="selection_rate", attribute=())  # type: ignore[union-attr]
    assert rate is not None
