"""Setting up a case on the screen: what is chosen is what the case file says."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    return tmp_path


def page(data: str) -> None:
    from pathlib import Path

    import streamlit as st

    from audit.errors import AssayError
    from debias import jobs
    from screens import parts, setup, state, workspace

    if "folder" not in st.session_state:
        st.session_state["folder"] = workspace.new_case()
    folder = st.session_state["folder"]
    parts.PAGES.setdefault("data", "none")
    setup.open_and_audit = lambda f: st.write(f"saved:{f.place}")
    assert jobs
    try:
        setup.confirm(folder, setup.Files(Path(data), None))
    except AssayError as error:
        state.show_error(error)


def people(path: Path) -> Path:
    rng = np.random.default_rng(0)
    pay = rng.normal(30_000, 5_000, 80).round(2)
    frame = pd.DataFrame(
        {"sex": rng.choice(["f", "m"], 80), "pay": pay, "predicted": (pay + rng.normal(0, 900, 80)).round(2)}
    )
    frame.to_csv(path / "people.csv", index=False)
    return path / "people.csv"


def test_a_number_to_predict_makes_a_regression(home: Path) -> None:
    app = AppTest.from_function(page, kwargs={"data": str(people(home))}, default_timeout=60).run()
    app.selectbox(key="role-label").select("pay").run()
    app.toggle(key="role-task").set_value(True).run()
    app.selectbox(key="role-column").select("predicted").run()
    app.selectbox(key="role-side").select("a high number")
    app.multiselect(key="role-sensitive").set_value(["sex"])
    app.text_input(key="role-purpose").input("Whom to pay what")
    app.button[-1].click().run()
    assert not app.exception
    place = next(m.value for m in app.markdown if m.value.startswith("saved:")).removeprefix("saved:")
    case = tomllib.loads((Path(place) / "case.toml").read_text())
    assert case["data"]["task"] == "regression"
    assert case["data"]["favourable"] == "high"
    assert "positive" not in case["data"]
    assert case["model"] == {"score": "predicted"}


def test_a_class_is_asked_for_its_values(home: Path) -> None:
    app = AppTest.from_function(page, kwargs={"data": str(people(home))}, default_timeout=60).run()
    app.selectbox(key="role-label").select("sex").run()
    assert not app.toggle
    assert app.selectbox(key="role-positive").options == ["f", "m"]


def loans(path: Path) -> Path:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "is_black": np.arange(80) % 4 == 0, "is_hispanic": np.arange(80) % 4 == 1,
            "default": rng.integers(0, 2, 80), "decided": rng.integers(0, 2, 80),
        }
    ).astype(int)  # fmt: skip
    frame.to_csv(path / "loans.csv", index=False)
    return path / "loans.csv"


def test_what_is_good_for_the_person_is_never_preset(home: Path) -> None:
    app = AppTest.from_function(page, kwargs={"data": str(loans(home))}, default_timeout=60).run()
    good = app.radio(key="role-favourable")
    assert good.value is None
    assert good.label == "Which value of default is good for the person?"
    app.text_input(key="role-purpose").input("Who is offered a loan")
    app.button[-1].click().run()
    assert any("it is not said which value is good for the person" in e.value for e in app.error)
    app.radio(key="role-favourable").set_value("0")
    app.button[-1].click().run()
    place = next(m.value for m in app.markdown if m.value.startswith("saved:")).removeprefix("saved:")
    data = tomllib.loads((Path(place) / "case.toml").read_text())["data"]
    assert (data["positive"], data["favourable"]) == ("1", "0")
    assert data["sensitive"] == ["race"]
    assert data["indicators"] == {"race": ["is_black", "is_hispanic"]}


def test_a_proposal_shows_values_and_why(home: Path) -> None:
    app = AppTest.from_function(page, kwargs={"data": str(loans(home))}, default_timeout=60).run()
    lines = app.dataframe[-1].value
    label = lines[lines["Role"] == "label"].iloc[0]
    assert label["Column or value"] == "default"
    assert set(label["Values such as"].split(", ")) == {"0", "1"}
    assert "its name says default" in label["Why"]
