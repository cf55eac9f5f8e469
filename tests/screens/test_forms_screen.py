"""Forms on the screen: asked for, their open questions answered, and what is answered stands in the next report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from reports.issue import collect
from screens import workspace
from screens.workspace import CaseFolder


@pytest.fixture(scope="module")
def audited(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("audited")
    run_audit(load_case(root / "sample_data" / "german_credit.toml"), out, Settings(draws=200))
    return out


@pytest.fixture
def folder(audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    built = workspace.sample_case("german_credit.toml")
    built.run.mkdir(parents=True, exist_ok=True)
    for name in ("evidence.json", "cube.json"):
        (built.run / name).write_bytes((audited / name).read_bytes())
    return built


def forms(case_id: str) -> None:
    import json

    from screens import law, workspace

    folder = workspace.open_case(case_id)
    law.show(folder, json.loads((folder.run / "evidence.json").read_bytes()))


def test_a_form_is_asked_for_and_its_questions_answered(folder: CaseFolder) -> None:
    app = AppTest.from_function(forms, kwargs={"case_id": folder.id}, default_timeout=60).run()
    assert not app.exception
    assert not app.expander, "none where nobody asked for one"
    app.multiselect(key="forms_wanted").set_value(["eu-fria", "nyc-ll144"]).run()
    app.button(key="forms_add").click().run()
    assert not app.exception
    assert app.expander[0].label.endswith(": 7 lacking, 0 stale")
    app.text_input(key="answer_eu-fria_process").set_value("Loans.")
    app.text_input(key="answer_eu-fria_assessed").set_value("2020-01-01")
    app.button[0].click().run()
    assert not app.exception
    assert app.expander[0].label.endswith(": 5 lacking, 1 stale")
    kept = json.loads(collect(folder.run)["presets.json"])["presets"]
    assert [p["name"] for p in kept] == ["eu-fria", "nyc-ll144"]
    assert kept[0]["answers"] == {"process": "Loans.", "assessed": "2020-01-01"}


def test_an_answer_that_is_none_is_refused_by_its_name(folder: CaseFolder) -> None:
    (folder.run / "forms.json").write_text(json.dumps({"presets": [{"name": "eu-fria", "text": None, "answers": {}}]}))
    app = AppTest.from_function(forms, kwargs={"case_id": folder.id}, default_timeout=60).run()
    app.text_input(key="answer_eu-fria_assessed").set_value("soon")
    app.button[-1].click().run()
    assert not app.exception
    assert "assessed" in app.error[0].value
