"""Deleting a case on the screen Report: asked once more, and everything of it is gone afterwards."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from screens.workspace import CaseFolder, home, new_case
from tests.reports import kit


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Path(tmp_path_factory.mktemp("audited"))
    kit.audited(place)
    return place


@pytest.fixture
def folder(audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    made = new_case()
    shutil.copytree(audited, made.place, dirs_exist_ok=True)
    return made


def page(case: str) -> None:
    import streamlit as st

    from screens import removal, report

    removal.farewell()
    if "once" not in st.session_state:
        st.session_state["once"] = st.query_params["case"] = case
    if "case" in st.query_params:
        report.show()


def press(app: AppTest, label: str) -> AppTest:
    return next(b for b in app.button if b.label == label).click().run()


def test_a_case_is_deleted_when_a_person_has_confirmed(folder: CaseFolder) -> None:
    app = AppTest.from_function(page, args=(folder.id,), default_timeout=60).run()
    said = " ".join(m.value for m in app.markdown)
    assert "What goes:" in said
    assert "What stays:" in said
    app = press(app, "Delete this case and its data")
    assert folder.place.exists()
    assert "4 files" in app.warning[0].value
    app = press(app, "Keep it")
    assert folder.place.exists()
    assert "Yes, delete it" not in [b.label for b in app.button]
    app = press(app, "Delete this case and its data")
    app = press(app, "Yes, delete it")
    assert not app.exception
    assert not folder.place.exists()
    assert list((home() / "cases").iterdir()) == []
    assert "The case was deleted" in app.success[0].value
    assert "case" not in app.session_state
    assert not app.title, "no screen of a case is left"
