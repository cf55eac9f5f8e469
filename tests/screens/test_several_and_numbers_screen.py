"""Several classes and regressions on the screens, from real evidence, with a table beside each chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit


def audited(folder: Path, about: str, model: str) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    n = 300
    x = rng.normal(size=n)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], n), "race": rng.choice(["r", "s"], n), "p": 100 * x})
    frame["y"] = 100 * x + 30 * rng.normal(size=n)
    frame["truth"] = np.select([x > 0.5, x > -0.5], ["*c*", "b"], "a")
    frame["decided"] = np.where(rng.random(n) < 0.7, frame["truth"], "a")
    frame.to_parquet(folder / "rows.parquet")
    (folder / "case.toml").write_text(
        f'[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.parquet"\n{about}\nsensitive = ["sex", "race"]\n'
        f"[model]\n{model}\n"
    )
    return run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=100)).evidence


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return audited(tmp_path_factory.mktemp("c"), 'label = "truth"\npositive = "b"', 'decision = "decided"')


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    about = 'label = "y"\ntask = "regression"\nfavourable = "high"'
    return audited(tmp_path_factory.mktemp("n"), about, 'score = "p"')


def page(evidence: dict, attribute: list) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import classes, data, regression

    measured = record_in(Evidence, evidence, "evidence.json")
    if measured.regression is not None:
        data.people(measured, ("sex",))
        regression.show(measured, measured.regression)
    else:
        classes.show(measured, attribute)


def shown(evidence: dict[str, Any], attribute: list[str]) -> AppTest:
    kwargs = {"evidence": evidence, "attribute": attribute}
    app = AppTest.from_function(page, kwargs=kwargs, default_timeout=60).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(str(e.value) for kind in (app.markdown, app.caption, app.info) for e in kind).replace("\\", "")


def test_every_question_of_every_class_has_an_answer_and_a_table(several: dict[str, Any]) -> None:
    app = shown(several, ["sex"])
    assert list(app.selectbox(key="class").options) == ["All classes together", "*c*", "a", "b"]
    for chosen in ("*c*", "All classes together"):
        app = app.selectbox(key="class").select(chosen).run()
        for question in app.selectbox(key="class-question").options:
            app = app.selectbox(key="class-question").select(question).run()
            assert not app.exception
            assert "points apart" in texts(app)
            assert len(app.table) == 3
    rate = next(r for r in several["classes"]["overall"]["rates"] if r["metric"] == "macro_f1" and r["group"] == ["f"])
    assert f"{100 * rate['value']:.1f} %" in app.table[0].value.to_string().replace("\\", "").replace("\u00a0", " ")


def test_an_intersection_says_what_is_served(several: dict[str, Any]) -> None:
    app = shown(several, ["sex", "race"])
    assert "Classes are compared by single attributes" in texts(app)


def test_a_regression_asks_by_residual_and_by_distance(numbers: dict[str, Any]) -> None:
    app = shown(numbers, ["sex"])
    message = texts(app)
    assert "Worse off:" in message
    assert "A high prediction is good for a person" in message
    assert "are not served" in message
    assert len(app.table) == 3
    for metric in app.selectbox(key="regression-question").options:
        app = (
            app.selectbox(key="regression-question")
            .select_index(list(app.selectbox(key="regression-question").options).index(metric))
            .run()
        )
        assert not app.exception
        assert "apart" in texts(app)
