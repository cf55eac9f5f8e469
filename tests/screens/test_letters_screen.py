"""The letter's button beside the person who is shown: which form, what is lacking, and what has to be held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from screens import workspace
from screens.workspace import CaseFolder
from tests.reports.test_letter import person


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    return workspace.sample_case("german_credit.toml")


def page(case_id: str, one: dict) -> None:  # type: ignore[type-arg]
    from screens import letters, workspace

    letters.show(workspace.open_case(case_id), [], one)


def shown(folder: CaseFolder, one: dict[str, Any]) -> AppTest:
    app = AppTest.from_function(page, kwargs={"case_id": folder.id, "one": one}, default_timeout=60).run()
    assert not app.exception
    return app


def test_each_form_with_a_letter_writes_its_own(folder: CaseFolder) -> None:
    app = shown(folder, person())
    assert not app.text_area
    titles = app.selectbox(key="letter-form").options
    assert any("Regulation B" in t for t in titles)
    assert any("Article 86" in t for t in titles)
    assert len(titles) == 2, "forms without a letter are not offered"
    for name, begins in (("adverse-action", "About the decision on"), ("eu-art-86", "How the decision on your case")):
        app.selectbox(key="letter-form").set_value(name).run()
        app.button(key="letter-write").click().run()
        assert not app.exception
        letter = app.text_area[0].value
        assert letter.startswith(begins)
        assert "months over which the loan runs: 36" in letter
        assert "[to be filled in:" in letter
        assert "Still to be answered" in app.warning[0].value
        assert not app.error


def test_what_was_answered_on_the_forms_stands_in_the_letter(folder: CaseFolder) -> None:
    folder.run.mkdir(parents=True, exist_ok=True)
    answers = {"creditor": "First Bank, 1 Road", "contest": "Write to us."}
    entry = {"name": "adverse-action", "text": None, "answers": answers}
    (folder.run / "forms.json").write_text(json.dumps({"presets": [entry]}))
    app = shown(folder, person())
    app.button(key="letter-write").click().run()
    letter = app.text_area[0].value
    assert "The decision was made by: First Bank, 1 Road." in letter
    assert "You can contest this decision: Write to us." in letter


def test_a_sensitive_reason_is_told_loudly_and_the_favoured_get_no_letter(folder: CaseFolder) -> None:
    app = shown(folder, person(shap=[{"feature": "sex", "value": 0.9}, {"feature": "duration", "value": 0.1}]))
    app.button(key="letter-write").click().run()
    assert "finding for the board" in app.error[0].value
    assert app.text_area[0].value.startswith("[HOLD THIS LETTER")
    app = shown(folder, person(favourable=True))
    assert not app.button
    assert "refused" in app.caption[0].value
