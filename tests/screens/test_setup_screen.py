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
    assert any("It is not said which value is good for the person" in e.value for e in app.error)
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


def model_page(model: str) -> None:
    from pathlib import Path

    import streamlit as st

    from audit.errors import AssayError
    from audit.load.toml import write
    from screens import model_lines, state, workspace

    if "folder" not in st.session_state:
        st.session_state["folder"] = workspace.new_case()
    folder = st.session_state["folder"]
    try:
        if model_lines.usable(folder, Path(model)):
            spec = model_lines.spec_of(folder, Path(model))
            st.write("spec:" + write({"load": spec.load or "", "consent": spec.consent or "", **spec.classes}))
    except AssayError as error:
        state.show_error(error)


def test_a_pickle_needs_its_interpreter_and_a_tick_beside_its_digest(home: Path) -> None:
    import pickle
    import sys
    from hashlib import sha256

    from sklearn.linear_model import LogisticRegression

    content = pickle.dumps(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    (home / "m.pkl").write_bytes(content)
    app = AppTest.from_function(model_page, kwargs={"model": str(home / "m.pkl")}, default_timeout=60).run()
    assert any("is a pickle" in e.value and "load" in e.value for e in app.error)
    app.text_area(key="model-lines").input(f'python = "{sys.executable}"\nload = "pickle"').run()
    digest = f"sha256:{sha256(content).hexdigest()}"
    assert [c.value for c in app.code] == [digest]
    assert "without network" in app.warning[0].value
    assert not any(m.value.startswith("spec:") for m in app.markdown)
    (tick,) = app.checkbox
    assert digest.removeprefix("sha256:") in str(tick.key)  # another file is another tick
    tick.check().run()
    assert not app.exception
    told = next(m.value for m in app.markdown if m.value.startswith("spec:"))
    assert digest in told
    assert '"pickle"' in told


def test_lines_of_another_kind_are_refused_and_classes_taken(home: Path) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression

    skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), home / "m.skops")
    app = AppTest.from_function(model_page, kwargs={"model": str(home / "m.skops")}, default_timeout=60).run()
    app.text_area(key="model-lines").input('path = "/etc/passwd"').run()
    assert any("name a path" in e.value for e in app.error)
    app.text_area(key="model-lines").input('classes = { 0 = "denied", 1 = "approved" }').run()
    assert any('"approved"' in m.value for m in app.markdown if m.value.startswith("spec:"))


def test_decisions_in_other_words_than_the_outcomes_are_asked(home: Path) -> None:
    frame = pd.read_csv(loans(home)).assign(sex=["f", "m"] * 40)
    frame["approved"] = frame.pop("decided").map({0: "no", 1: "yes"})
    frame.to_csv(home / "loans.csv", index=False)
    app = AppTest.from_function(page, kwargs={"data": str(home / "loans.csv")}, default_timeout=60).run()
    assert app.radio(key="role-granted").value is None
    app.text_input(key="role-purpose").input("Who is offered a loan")
    app.radio(key="role-favourable").set_value("0")
    app.button[-1].click().run()
    assert any("which decision of approved is good" in e.value for e in app.error)
    app.radio(key="role-granted").set_value("yes")
    app.button[-1].click().run()
    place = next(m.value for m in app.markdown if m.value.startswith("saved:")).removeprefix("saved:")
    case = tomllib.loads((Path(place) / "case.toml").read_text())
    assert case["model"] == {"decision": "approved", "classes": {"no": "1", "yes": "0"}}


def test_people_in_several_rows_are_proposed_as_such(home: Path) -> None:
    frame = pd.read_csv(loans(home)).assign(customer_id=[i // 2 for i in range(80)], sex=["f", "m"] * 40)
    frame.to_csv(home / "loans.csv", index=False)
    app = AppTest.from_function(page, kwargs={"data": str(home / "loans.csv")}, default_timeout=60).run()
    assert app.selectbox(key="role-cluster").value == "customer_id"
    app.text_input(key="role-purpose").input("Who is offered a loan")
    app.radio(key="role-favourable").set_value("0")
    app.button[-1].click().run()
    place = next(m.value for m in app.markdown if m.value.startswith("saved:")).removeprefix("saved:")
    assert tomllib.loads((Path(place) / "case.toml").read_text())["data"]["cluster"] == "customer_id"
