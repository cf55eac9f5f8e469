"""Deleting a case on the screen Report: asked once more, and everything of it is gone afterwards."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from audit.numbers import many
from screens.workspace import CaseFolder, home


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


def test_a_case_is_deleted_when_a_person_has_confirmed(audited_case: CaseFolder) -> None:
    app = AppTest.from_function(page, args=(audited_case.id,), default_timeout=60).run()
    text = " ".join(m.value for m in app.markdown)
    assert "What goes:" in text
    assert "What stays:" in text
    app = press(app, "Delete this case and its data")
    assert audited_case.place.exists()
    files = sum(f.is_file() for f in audited_case.place.rglob("*"))
    assert many(files, "file") in app.warning[0].value
    app = press(app, "Keep it")
    assert audited_case.place.exists()
    assert "Yes, delete it" not in [b.label for b in app.button]
    app = press(app, "Delete this case and its data")
    app = press(app, "Yes, delete it")
    assert not app.exception
    assert not audited_case.place.exists()
    assert list((home() / "cases").iterdir()) == []
    assert "The case was deleted" in app.success[0].value
    assert "case" not in app.session_state
    assert not app.title, "no screen of a case is left"
