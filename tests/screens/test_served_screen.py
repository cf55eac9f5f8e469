"""A served model, set up on the screen: nothing goes on before the tick, and the case says what was agreed to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.models.zoo.people import people
from tests.screens.test_setup_screen import begun, go, purpose, rest


def test_a_served_model_needs_the_tick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    people()[["age", "pay", "debt", "sex", "words"]].to_csv(tmp_path / "people.csv", index=False)
    app = go(purpose(begun(tmp_path / "people.csv")), "outcome")
    app.radio(key="role-kind").set_value("A served model").run()
    app.text_input(key="served-url").input("https://models.example/v2/models/loans").run()
    app.text_area(key="served-more").input('decision = "predict"').run()
    app.multiselect(key="served-features").set_value(["age", "pay"]).run()
    items = [w.value.replace("\\", "") for w in app.warning]
    assert any("age, pay" in w and "models.example:443" in w for w in items), items
    go(app, "source")
    assert app.text_input(key="served-url"), "without the tick the question stays open"
    app.checkbox(key="agree-models.example:443-age,pay").check().run()
    go(app, "source")
    app.radio(key="role-favourable").set_value("approved").run()
    app.selectbox(key="role-positive").set_value("approved").run()
    case = rest(go(app, "good"))
    assert case["data"]["features"] == ["age", "pay"]
    assert case["model"]["endpoint"] == {
        "url": "https://models.example/v2/models/loans", "protocol": "oip", "send_to": "models.example:443",
        "decision": "predict",
    }  # fmt: skip
