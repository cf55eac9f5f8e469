"""Setting up a case on the screen: what is chosen is what the case file says."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from audit.errors import CaseError
from screens import setup, workspace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    return tmp_path


def page(data: str, model: str = "") -> None:
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
        setup.confirm(folder, setup.Files(Path(data), Path(model) if model else None))
    except AssayError as error:
        state.show_error(error)


def begun(data: Path) -> AppTest:
    return AppTest.from_function(page, kwargs={"data": str(data)}, default_timeout=60).run()


def go(app: AppTest, key: str) -> AppTest:
    """Press the button Next of this question (or another button by its key)."""
    wanted = f"next-{key}" if f"next-{key}" in [b.key for b in app.button] else key
    return app.button(key=wanted).click().run()


def purpose(app: AppTest, words: str = "Who is offered a loan") -> AppTest:
    app.text_input(key="role-purpose").input(words)
    return go(app, "purpose")


def rest(app: AppTest) -> dict[str, Any]:
    """Take what is proposed for the remaining questions, run the audit, and give the case that was written."""
    while not any(b.key == "run" for b in app.button):
        (key,) = [b.key for b in app.button if str(b.key).startswith("next-")]
        before = key
        go(app, str(key).removeprefix("next-"))
        assert not app.exception, app.exception
        assert before not in [b.key for b in app.button], [w.value for w in app.warning]
    go(app, "run")
    assert not app.exception
    place = next(m.value for m in app.markdown if m.value.startswith("saved:")).removeprefix("saved:")
    return tomllib.loads((Path(place) / "case.toml").read_text())


def people(path: Path) -> Path:
    rng = np.random.default_rng(0)
    pay = rng.normal(30_000, 5_000, 80).round(2)
    frame = pd.DataFrame(
        {"sex": rng.choice(["f", "m"], 80), "pay": pay, "predicted": (pay + rng.normal(0, 900, 80)).round(2)}
    )
    frame.to_csv(path / "people.csv", index=False)
    return path / "people.csv"


def test_a_number_to_predict_makes_a_regression(home: Path) -> None:
    app = purpose(begun(people(home)), "Whom to pay what")
    app.selectbox(key="role-label").select("pay").run()
    app.toggle(key="role-task").set_value(True).run()
    go(app, "outcome")
    app.selectbox(key="role-column").select("predicted").run()
    go(app, "source")
    assert app.radio(key="role-side").value is None
    go(app, "good")
    assert any("which value is good for the person" in w.value for w in app.warning)
    app.radio(key="role-side").set_value("a high number")
    go(app, "good")
    app.multiselect(key="role-sensitive").set_value(["sex"])
    case = rest(app)
    assert case["data"]["task"] == "regression"
    assert case["data"]["favourable"] == "high"
    assert "positive" not in case["data"]
    assert case["model"] == {"score": "predicted"}


def test_a_class_is_asked_for_its_values(home: Path) -> None:
    app = purpose(begun(people(home)))
    app.selectbox(key="role-label").select("sex").run()
    assert not app.toggle
    go(app, "outcome")
    app.selectbox(key="role-column").select("predicted").run()
    go(app, "source")
    assert app.selectbox(key="role-positive").options == ["f", "m"]


def test_one_thing_is_asked_at_a_time_and_can_be_changed(home: Path) -> None:
    app = begun(loans(home))
    assert [b.key for b in app.button if str(b.key).startswith("next-")] == ["next-purpose"]
    go(app, "purpose")
    assert any("what is decided about people" in w.value for w in app.warning)
    purpose(app)
    go(app, "outcome")
    go(app, "source")
    app.radio(key="role-favourable").set_value("0")
    go(app, "good")
    assert any("Who is offered a loan" in m.value for m in app.markdown)
    app.button(key="change-purpose").click().run()
    assert app.text_input(key="role-purpose").value == "Who is offered a loan"
    app.text_input(key="role-purpose").input("Who gets a card")
    go(app, "purpose")
    assert [b.key for b in app.button if str(b.key).startswith("next-")] == ["next-who"], "back where one was"
    app.button(key="change-outcome").click().run()
    go(app, "outcome")
    assert [b.key for b in app.button if str(b.key).startswith("next-")] == ["next-source"], "what rests on it is asked"
    assert rest_after_source(app)["case"]["purpose"] == "Who gets a card"


def rest_after_source(app: AppTest) -> dict[str, Any]:
    go(app, "source")
    assert app.radio(key="role-favourable").value == "0", "an answer is not lost"
    return rest(app)


def test_answers_are_found_again_after_a_reload(home: Path) -> None:
    app = purpose(begun(loans(home)))
    go(app, "outcome")
    folder = app.session_state["folder"]
    again = AppTest.from_function(page, kwargs={"data": str(home / "loans.csv")}, default_timeout=60)
    again.session_state["folder"] = folder
    again.run()
    assert any("Who is offered a loan" in m.value for m in again.markdown)
    assert [b.key for b in again.button if str(b.key).startswith("next-")] == ["next-source"]


def test_the_case_file_shown_is_the_one_that_is_audited(home: Path) -> None:
    app = purpose(begun(loans(home)))
    go(app, "outcome")
    go(app, "source")
    app.radio(key="role-favourable").set_value("0")
    for key in ("good", "who", "hidden", "norms", "rows", "further"):
        go(app, key)
    shown = tomllib.loads(app.code[0].value)
    assert rest(app) == shown


def test_a_legitimate_factor_needs_its_reason(home: Path) -> None:
    frame = pd.read_csv(loans(home)).assign(years=np.arange(80) % 7)
    frame.to_csv(home / "loans.csv", index=False)
    app = purpose(begun(home / "loans.csv"))
    go(app, "outcome")
    go(app, "source")
    app.radio(key="role-favourable").set_value("0")
    go(app, "good")
    go(app, "who")
    app.multiselect(key="role-legitimate").set_value(["years"]).run()
    go(app, "hidden")
    assert any("why years is legitimate" in w.value for w in app.warning)
    app.text_input(key="role-why-years").input("the law asks for it").run()
    go(app, "hidden")
    assert rest(app)["data"]["legitimate"] == {"years": "the law asks for it"}


def test_a_repeated_id_is_told_before_measuring_with_a_button_that_mends_it(home: Path) -> None:
    frame = pd.read_csv(loans(home)).assign(customer_id=[i // 2 for i in range(80)], sex=["f", "m"] * 40)
    frame.to_csv(home / "loans.csv", index=False)
    app = purpose(begun(home / "loans.csv"))
    go(app, "outcome")
    go(app, "source")
    app.radio(key="role-favourable").set_value("0")
    for key in ("good", "who", "hidden", "norms"):
        go(app, key)
    app.selectbox(key="role-cluster").select("(none)").run()
    go(app, "rows")
    go(app, "further")
    assert any("customer\\_id holds each value several times" in w.value for w in app.warning)
    (offer,) = [b for b in app.button if str(b.key).startswith("offer-")]
    offer.click().run()
    assert not any("several times" in w.value for w in app.warning)
    assert rest(app)["data"]["cluster"] == "customer_id"


def test_population_recourse_and_forms_are_set_in_the_app(home: Path) -> None:
    frame = pd.read_csv(loans(home)).assign(sex=["f", "m"] * 40, income=np.arange(80) * 10.0)
    frame.to_csv(home / "loans.csv", index=False)
    app = purpose(begun(home / "loans.csv"))
    for key in ("outcome", "source"):
        go(app, key)
    app.radio(key="role-favourable").set_value("0")
    go(app, "good")
    app.multiselect(key="role-sensitive").set_value(["sex"])
    for key in ("who", "hidden", "norms", "rows"):
        go(app, key)
    app.multiselect(key="role-forms").set_value(["four-fifths"]).run()
    app.text_input(key="role-population-sex").input("f 51").run()
    go(app, "further")
    assert any("group: number" in w.value.replace("\\", "") for w in app.warning)
    app.text_input(key="role-population-sex").input("f: 51; m: 49").run()
    app.text_input(key="role-source").input("the census").run()
    go(app, "further")
    case = rest(app)
    assert case["policy"]["presets"] == ["four-fifths"]
    assert case["population"] == {"source": "the census", "shares": {"sex": {"f": 0.51, "m": 0.49}}}


def test_what_a_person_could_change_goes_into_the_case() -> None:
    from screens.further import recourse_of
    from screens.said import Change

    result = recourse_of({"income": Change(way="only up", range="20 to 60"), "town": Change()})
    assert result is not None
    assert (result.actionable, result.ranges, result.direction) == (
        ("income", "town"), {"income": (20.0, 60.0)}, {"income": "increase"},
    )  # fmt: skip
    assert recourse_of({}) is None
    for wrong in ("sixty", "60 to 20", "20"):
        with pytest.raises(CaseError, match="the range of income"):
            recourse_of({"income": Change(range=wrong)})


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
    app = purpose(begun(loans(home)))
    go(app, "outcome")
    go(app, "source")
    good = app.radio(key="role-favourable")
    assert good.value is None
    assert good.label == "Which value of default is good for the person?"
    go(app, "good")
    assert any("which value is good for the person" in w.value for w in app.warning)
    app.radio(key="role-favourable").set_value("0")
    data = rest(app)["data"]
    assert (data["positive"], data["favourable"]) == ("1", "0")
    assert data["sensitive"] == ["race"]
    assert data["indicators"] == {"race": ["is_black", "is_hispanic"]}


def test_a_proposal_shows_values_and_why(home: Path) -> None:
    app = purpose(begun(loans(home)))
    report = next(c.value for c in app.caption if c.value.startswith("Proposed"))
    assert "default" in report
    assert "its name says default" in report.replace("Its", "its")
    assert {"0", "1"} <= set(report.replace("(", " ").replace(")", " ").replace(",", " ").replace("\\", "").split())


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
    report = next(m.value for m in app.markdown if m.value.startswith("spec:"))
    assert digest in report
    assert '"pickle"' in report


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
    app = purpose(begun(home / "loans.csv"))
    go(app, "outcome")
    go(app, "source")
    assert app.radio(key="role-granted").value is None
    app.radio(key="role-favourable").set_value("0").run()
    go(app, "good")
    assert any("which decision of approved is good" in w.value for w in app.warning)
    app.radio(key="role-granted").set_value("yes").run()
    assert rest(app)["model"] == {"decision": "approved", "classes": {"no": "1", "yes": "0"}}


def test_people_in_several_rows_are_proposed_as_such(home: Path) -> None:
    frame = pd.read_csv(loans(home)).assign(customer_id=[i // 2 for i in range(80)], sex=["f", "m"] * 40)
    frame.to_csv(home / "loans.csv", index=False)
    app = purpose(begun(home / "loans.csv"))
    go(app, "outcome")
    go(app, "source")
    app.radio(key="role-favourable").set_value("0")
    for key in ("good", "who", "hidden", "norms"):
        go(app, key)
    assert app.selectbox(key="role-cluster").value == "customer_id"
    assert rest(app)["data"]["cluster"] == "customer_id"


def test_the_example_policy_is_nobodys_until_it_is_adopted_by_name(home: Path) -> None:
    app = purpose(begun(loans(home)))
    for key in ("outcome", "source"):
        go(app, key)
    app.radio(key="role-favourable").set_value("0")
    for key in ("good", "who", "hidden"):
        go(app, key)
    app.radio(key="role-norms").set_value("Assay's example, adopted by name").run()
    go(app, "norms")
    assert any("who adopts the policy" in w.value for w in app.warning)
    app.text_input(key="role-adopted").input("R. Reviewer, credit board").run()
    go(app, "norms")
    assert rest(app)["policy"] == {"adopted_by": "R. Reviewer, credit board"}


def test_the_choice_follows_a_model_that_comes_after_the_data(home: Path) -> None:
    app = purpose(begun(loans(home)))
    go(app, "outcome")
    assert "The uploaded model" not in app.radio(key="role-kind").options
    go(app, "source")
    app.radio(key="role-favourable").set_value("0")
    go(app, "good")
    (home / "m.skops").write_bytes(b"x")
    later = AppTest.from_function(
        page, kwargs={"data": str(home / "loans.csv"), "model": str(home / "m.skops")}, default_timeout=60
    )
    later.session_state["folder"] = app.session_state["folder"]
    later.run()
    assert [b.key for b in later.button if str(b.key).startswith("next-")] == ["next-source"], "it is asked again"
    assert later.radio(key="role-kind").value == "The uploaded model"
    go(later, "source")
    assert later.radio(key="role-favourable").value == "0", "what was answered is the proposal"


def upload_page() -> None:
    from screens import setup

    setup.own()


def test_a_model_may_come_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression

    place = workspace.new_case()
    skops.io.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), place.place / "m.skops")
    setup.remember_file(place, "model", place.place / "m.skops")
    app = AppTest.from_function(upload_page, default_timeout=60)
    app.query_params["loading"] = place.id
    app.run()
    assert not app.exception
    assert any("Now the data that it decided about" in i.value for i in app.info)
    table = loans(home)
    setup.remember_file(place, "data", table)
    (place.place / table.name).write_bytes(table.read_bytes())
    app.run()
    assert any(b.key == "next-purpose" for b in app.button)
    purpose(app)
    go(app, "outcome")
    assert app.radio(key="role-kind").value == "The uploaded model"
