"""Every question beyond rates and gaps is answered on the screen from real evidence, with a table beside the chart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.shared import german

SAMPLES = Path(__file__).parents[2] / "sample_data"


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((german(tmp_path_factory) / "evidence.json").read_bytes())
    return document


def page(evidence: dict, attribute: list) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import beyond, quality

    measured = record_in(Evidence, evidence, "evidence.json")
    quality.data_quality(measured, attribute)
    beyond.show(measured, attribute)


def shown(evidence: dict[str, Any]) -> AppTest:
    kwargs = {"evidence": evidence, "attribute": ["sex"]}
    app = AppTest.from_function(page, kwargs=kwargs, default_timeout=60).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for kind in (app.markdown, app.caption) for e in kind).replace("\\", "")


ANSWERS = {
    "Who is served worst, among all the subgroups there are?": "subgroups of at least",
    "Are like people decided alike?": "Consistency is",
    "If people were ranked by their score, who would stand first?": "of the first tenth",
    "Does a score mean the same for everyone?": "the share lies in its band",
    "How unequally do errors fall on people?": "Benefit is 1 for a right decision",
    "What would Clarify, AIF360 or fairlearn call this?": "Tools differ in sign",
}


def test_every_question_is_answered(evidence: dict[str, Any]) -> None:
    app = shown(evidence)
    assert set(ANSWERS) <= set(app.selectbox(key="beyond").options)
    for question, words in ANSWERS.items():
        app = app.selectbox(key="beyond").select(question).run()
        assert not app.exception
        assert words in texts(app), question
        assert app.table


def test_flips_are_asked_only_where_the_model_reads_the_column(evidence: dict[str, Any]) -> None:
    flips = "Would the decision turn if the sensitive value alone were another?"
    assert flips not in shown(evidence).selectbox(key="beyond").options
    turned = [
        {"attribute": ["sex"], "group": ["female"], "to": ["male"], "people": 90, "to_favourable": 8,
         "to_unfavourable": 1, "value": 0.1, "low": 0.05, "high": 0.18}
    ]  # fmt: skip
    more = evidence | {"individual": evidence["individual"] | {"model_flips": turned}}
    app = shown(more)
    app = app.selectbox(key="beyond").select(flips).run()
    assert "From female to male: 10.0 % of 90 decisions turn." in texts(app)


def test_a_search_that_confirms_nothing_says_so(evidence: dict[str, Any]) -> None:
    app = shown(evidence | {"slices": evidence["slices"] | {"found": []}})
    assert "That is no proof that there is none." in texts(app)


@pytest.mark.parametrize(
    ("question", "part"),
    [
        (
            "Are like people decided alike?",
            {"individual": {"neighbours": {"measured": False, "reason": "no feature was read"}}},
        ),
        (
            "What can be said of the smallest groups?",
            {
                "smoothed": [
                    {"metric": "selection_rate", "attribute": ["sex"], "group": ["x"], "numerator": 0, "denominator": 0,
                     "counted": None, "value": None, "low": None, "high": None, "borrowed": None,
                     "reason": "no feature was read"}
                ]
            },
        ),
    ],
)  # fmt: skip
def test_what_was_not_measured_says_why(evidence: dict[str, Any], question: str, part: dict[str, Any]) -> None:
    app = shown(evidence | part)
    app = app.selectbox(key="beyond").select(question).run()
    assert not app.exception
    assert "no feature was read." in texts(app)


def test_points_have_a_share_for_each_group(evidence: dict[str, Any]) -> None:
    point = {"from": 3.0, "to": 3.0, "people": 40.0, "outcome": 10.0, "share": 0.25, "low": 0.14, "high": 0.4}
    items = [{"attribute": ["sex"], "group": [g], "points": [point]} for g in ("female", "male")]
    app = shown(evidence | {"predictive_parity": items})
    app = app.selectbox(key="beyond").select("Do points mean the same for everyone?").run()
    assert not app.exception
    assert "predictive parity" in texts(app)
    assert "25.0 % of 40" in str(app.table[-1].value).replace("\\", "").replace("\u00a0", " ")


def test_nothing_measured_nothing_shown(evidence: dict[str, Any]) -> None:
    keys = "slices individual ranking reliability inequality quality conformance smoothed"
    app = shown({k: v for k, v in evidence.items() if k not in keys.split()})
    assert not app.selectbox
    assert not app.subheader


def test_the_data_stand_beside_the_population(evidence: dict[str, Any]) -> None:
    group = {"people": 100, "low": 0.3, "high": 0.5, "difference": -0.1, "ratio": 0.8}
    groups = [
        group | {"group": ["female"], "share": 0.4, "population": 0.5},
        group | {"group": ["male"], "share": 0.6, "population": 0.5, "low": 0.5, "high": 0.7},
    ]
    table = {"attribute": ["sex"], "estimable": True, "reason": None, "groups": groups, "p_value": 0.0004}
    table |= {"people": 200, "unknown": 0, "not_in_reference": {}}
    report = texts(shown(evidence | {"population": {"source": "census", "shares": {}, "tables": [table]}}))
    assert "female are 40.0 % of the data and 50.0 % of the population" in report
    assert "Chi-squared test of fit: p < .001." in report
