"""A person's values changed by hand: the answer is the model's own, by scikit-learn itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from streamlit.testing.v1 import AppTest

from audit.errors import InputError
from audit.load import load_case, load_rows
from audit.turn import ask_again

CASE = """
[case]
name = "Loans"
purpose = "Who is offered a loan"
[data]
path = "loans.csv"
label = "default"
positive = "yes"
favourable = "no"
sensitive = ["sex"]
features = ["income", "children", "region"]
[model]
path = "model.skops"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object, pd.DataFrame]:
    home = tmp_path_factory.mktemp("turn")
    rng = np.random.default_rng(3)
    n = 400
    frame = pd.DataFrame({
        "income": rng.normal(30, 9, n).round(1), "children": rng.integers(0, 4, n),
        "region": rng.choice(["north", "south"], n), "sex": rng.choice(["f", "m"], n),
    })  # fmt: skip
    risk = 1 / (1 + np.exp(0.2 * (frame["income"] - 30) - 0.5 * frame["children"] - (frame["region"] == "south")))
    frame["default"] = np.where(rng.random(n) < risk, "yes", "no")
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["region"]), remainder="passthrough"), LogisticRegression()
    ).fit(frame[["income", "children", "region"]], frame["default"])
    skops.io.dump(model, home / "model.skops")
    frame.to_csv(home / "loans.csv", index=False)
    (home / "case.toml").write_text(CASE)
    return home, model, frame


@pytest.mark.parametrize("values", [{"income": 3.5, "region": "south"}, {"children": 1.5}])
def test_the_answer_is_the_models_own(place: tuple[Path, object, pd.DataFrame], values: dict[str, object]) -> None:
    home, model, frame = place
    case = load_case(home / "case.toml")
    result = ask_again(case, load_rows(case, everything=True), 5, values)
    asked = frame.loc[[5, 5], ["income", "children", "region"]].reset_index(drop=True).astype({"children": float})
    for column, value in values.items():
        asked.loc[1, column] = value
    assert result.decision == tuple(model.predict(asked))  # type: ignore[attr-defined]
    right = model.predict_proba(asked)[:, list(model.classes_).index("yes")]  # type: ignore[attr-defined]
    np.testing.assert_allclose(result.score, right, rtol=1e-12)
    assert result.favourable == tuple(d == "no" for d in result.decision)
    assert result.turns == (result.decision[0] != result.decision[1])
    assert frame.loc[5, "income"] == load_rows(case).frame.loc[5, "income"], "nothing is changed but what is asked"


@pytest.mark.parametrize(
    "row, values, said",
    [(400, {"income": 1}, "no such row"), (-1, {"income": 1}, "no such row"), (0, {"sex": "f"}, "does not see"),
     (0, {"income": "much"}, "is a number")],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(
    place: tuple[Path, object, pd.DataFrame], row: int, values: dict[str, object], said: str
) -> None:
    case = load_case(place[0] / "case.toml")
    with pytest.raises(InputError, match=said):
        ask_again(case, load_rows(case, everything=True), row, values)


def page(home: str) -> None:
    from pathlib import Path

    from screens import turn
    from screens.workspace import CaseFolder

    turn.show(CaseFolder("a" * 32, Path(home)))


def test_on_the_screen_a_changed_value_is_asked_and_told(place: tuple[Path, object, pd.DataFrame]) -> None:
    app = AppTest.from_function(page, kwargs={"home": str(place[0])}, default_timeout=120).run()
    assert not [b for b in app.button if b.key == "turn-ask"], "nothing is asked before something is otherwise"
    app.multiselect(key="turn-columns").set_value(["income"]).run()
    app.number_input(key="turn-income-0").set_value(95.0).run()
    app.button(key="turn-ask").click().run()
    assert not app.exception
    items = [m.value for m in (*app.success, *app.info)]
    assert any("The decision" in s and "no" in s for s in items), "a high income is no default"
    assert app.table[0].value["After"].iloc[0] == "95"
