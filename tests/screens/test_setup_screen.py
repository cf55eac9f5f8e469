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

    from debias import jobs
    from screens import parts, setup, workspace

    if "folder" not in st.session_state:
        st.session_state["folder"] = workspace.new_case()
    folder = st.session_state["folder"]
    parts.PAGES.setdefault("data", "none")
    setup.open_and_audit = lambda f: st.write(f"saved:{f.place}")
    assert jobs
    setup.confirm(folder, setup.Files(Path(data), None))


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
