"""The notice on reading the sensitive value stands where a method is chosen, beside its figures, and in the report."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from audit.documents.mitigation import Mitigation
from audit.documents.read import record_in
from debias.methods.method import SENSITIVE_NOTICE
from debias.methods.table import METHODS
from debias.mitigate import run_mitigate
from reports.blocks import Notice
from reports.sections.board.options import _reads_groups
from screens import workspace
from screens.workspace import CaseFolder


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    from audit.load import load_case

    case = load_case(Path(__file__).parents[2] / "sample_data" / "german_credit.toml")
    return run_mitigate(case, "group_thresholds", tmp_path_factory.mktemp("run"), attributes=["sex"], draws=40)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CaseFolder:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path))
    return workspace.sample_case("german_credit.toml")


def choosing(case_id: str) -> None:
    from screens import mitigate, workspace

    mitigate.build(workspace.open_case(case_id))


def comparing(document: dict) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.mitigation import Mitigation
    from screens import mitigate

    mitigate.comparison(record_in(Mitigation, document, "mitigation.json"))


def warned(app: AppTest) -> list[str]:
    assert not app.exception
    return [w.value.replace("\\", "") for w in app.warning]


@pytest.mark.parametrize("name", list(METHODS))
def test_where_a_method_is_chosen(name: str, folder: CaseFolder) -> None:
    app = AppTest.from_function(choosing, kwargs={"case_id": folder.id}, default_timeout=60).run()
    app.selectbox(key="method").set_value(name).run()
    assert (SENSITIVE_NOTICE in warned(app)) == METHODS[name].needs_sensitive_at_decision


def test_beside_what_it_reached(found: dict[str, Any]) -> None:
    app = AppTest.from_function(comparing, kwargs={"document": found}, default_timeout=60).run()
    assert SENSITIVE_NOTICE in warned(app)
    app = AppTest.from_function(comparing, kwargs={"document": found | {"notice": None}}, default_timeout=60).run()
    assert warned(app) == []


def test_in_the_report(found: dict[str, Any]) -> None:
    report = record_in(Mitigation, found, "mitigation.json")
    sources: Any = SimpleNamespace(mitigation=report)
    assert Notice(SENSITIVE_NOTICE) in _reads_groups(sources)
    quiet = found | {"needs_sensitive_at_decision": False, "notice": None}
    plain: Any = SimpleNamespace(mitigation=record_in(Mitigation, quiet, "mitigation.json"))
    assert Notice(SENSITIVE_NOTICE) not in _reads_groups(plain)
