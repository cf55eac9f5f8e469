"""`import assay`: the public names, and the same evidence as the command line on the same data."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import assay
import cli
from audit.errors import DataError

PUBLIC = {
    "AssayError", "Explanation", "Mitigation", "Result", "audit", "audit_case", "endpoint", "fairness_scorer",
    "load_running", "new_key", "open_run", "verify",
}  # fmt: skip
FEATURES = ["duration", "credit_amount", "age"]


@pytest.fixture(scope="module")
def german() -> pd.DataFrame:
    return pd.read_parquet(Path(__file__).resolve().parents[2] / "sample_data" / "german_credit_split.parquet")


@pytest.fixture(scope="module")
def model(german: pd.DataFrame) -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(german[FEATURES], german["credit_risk"])


def roles(**more: Any) -> dict[str, Any]:
    return {"label": "credit_risk", "positive": 2, "favourable": 1, "sensitive": ["sex"], "draws": 50, **more}


def test_public_names() -> None:
    assert set(assay.__all__) == PUBLIC
    assert all(getattr(assay, name).__doc__ for name in PUBLIC)


def test_the_same_bytes_as_the_command_line(german: pd.DataFrame, model: Any, tmp_path: Path) -> None:
    result = assay.audit(german, model=model, out=tmp_path / "run", **roles())
    assert result.evidence["model"]["estimator"].startswith("Pipeline")
    case = str(tmp_path / "run" / "case.toml")
    assert cli.main(["audit", case, "--out", str(tmp_path / "cli"), "--draws", "50"]) == 0
    assert (tmp_path / "run" / "evidence.json").read_bytes() == (tmp_path / "cli" / "evidence.json").read_bytes()


def test_counts_are_those_of_predict(german: pd.DataFrame, model: Any) -> None:
    result = assay.audit(german, model=model, **roles())
    decided = model.predict(german[FEATURES])
    counts = result.counts().set_index("group")
    for group, rows in german.groupby("sex"):
        bad, called = rows["credit_risk"] == 2, decided[rows.index] == 2
        assert counts.loc[group, "tp"] == (bad & called).sum()
        assert counts.loc[group, "fn"] == (bad & ~called).sum()


def frames(frame: pd.DataFrame) -> dict[str, Any]:
    import pyarrow as pa

    noted = frame.copy()
    noted.attrs["metrics"] = object()  # as Spark Connect's toPandas leaves
    return {
        "pandas": frame,
        "pandas, with notes": noted,
        "pandas, other index": frame.set_index(np.arange(len(frame))[::-1]),
        "arrow": pa.Table.from_pandas(frame, preserve_index=False),
        "mapping": {c: frame[c].to_numpy() for c in frame},
    }


@pytest.mark.parametrize("kind", ["pandas", "pandas, with notes", "pandas, other index", "arrow", "mapping"])
def test_every_kind_of_table(german: pd.DataFrame, kind: str) -> None:
    table = german[["sex", "credit_risk"]].assign(decided=(german["duration"] > 24) + 1)
    expected = assay.audit(table, decision="decided", **roles()).rates()
    result = assay.audit(frames(table)[kind], decision="decided", **roles()).rates()
    pd.testing.assert_frame_equal(result, expected)


POLARS = """
import sys
import polars
import assay
table = polars.read_parquet(sys.argv[1])
roles = dict(label="credit_risk", positive=2, favourable=1, sensitive=["sex"], draws=50)
for kind in (table, table.lazy()):
    found = assay.audit(kind, decision="decided", **roles)
    assert found.rates().equals(assay.audit(table.to_pandas(), decision="decided", **roles).rates())
print("equal")
"""


@pytest.mark.environments
def test_polars(german: pd.DataFrame, tmp_path: Path) -> None:
    """With the Polars that scripts/environments.sh puts beside Assay's own packages."""
    german.assign(decided=(german["duration"] > 24) + 1).to_parquet(tmp_path / "t.parquet")
    place = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root), str(place / "beside")])
    done = subprocess.run([sys.executable, "-c", POLARS, str(tmp_path / "t.parquet")], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": path}, timeout=600)  # fmt: skip
    assert done.stdout.strip() == "equal", done.stderr[-2000:]


def test_arrays_beside_the_table(german: pd.DataFrame) -> None:
    x = german[FEATURES].to_numpy()
    forest = RandomForestClassifier(5, random_state=0).fit(x, german["credit_risk"])
    result = assay.audit(
        x, label=german["credit_risk"].to_numpy(), positive=2, favourable=1, sensitive={"sex": german["sex"]},
        model=forest, draws=50,
    )  # fmt: skip
    right = (forest.predict(x) == german["credit_risk"]).groupby(german["sex"]).mean()
    actual = result.rates().query("metric == 'accuracy' and attribute == 'sex'").set_index("group")["value"]
    assert actual["female"] == pytest.approx(right["female"])
    assert any("notebook's own process" in n for n in result.notes)


class Own:
    """An estimator that no file format knows."""

    def predict(self, rows: pd.DataFrame) -> np.ndarray:
        return np.where(rows["duration"] > 24, 2, 1)


def test_an_estimator_that_cannot_be_saved_decides_here_and_that_is_said(german: pd.DataFrame, tmp_path: Path) -> None:
    own = Own()
    own.feature_names_in_ = np.array(["duration"])  # type: ignore[attr-defined]
    result = assay.audit(german, model=own, out=tmp_path, **roles())
    assert result.evidence["model"]["kind"] == "decision"
    assert any("Own.predict in the notebook's own process" in n for n in result.notes)
    rates = result.rates().query("metric == 'selection_rate' and attribute == 'sex'").set_index("group")["value"]
    assert rates["male"] == pytest.approx((german.query("sex == 'male'")["duration"] <= 24).mean())
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "cli"), "--draws", "50"]) == 0
    assert (tmp_path / "cli" / "evidence.json").read_bytes() == (tmp_path / "evidence.json").read_bytes()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sensitive": ["sxe"]}, "did you mean 'sex'?"),
        ({"label": "credit"}, "did you mean"),
        ({"decision": "sex", "score": "age"}, "decision and score"),
        ({"decision": np.zeros(3)}, "3 values and 1,000 rows"),
        ({"decision": "credit_amount", "favourable": None, "positive": None, "label": None}, "pass favourable="),
        ({"model": object()}, "no fitted estimator"),
    ],
)
def test_refusals(german: pd.DataFrame, given: dict[str, Any], words: str) -> None:
    wanted = {**roles(), **given}
    if not {"model", "decision", "score"} & set(given):
        wanted["decision"] = (german["duration"] > 24).to_numpy() + 1
    with pytest.raises(assay.AssayError, match=words.replace("?", r"\?").replace("(", r"\(")):
        assay.audit(german, **wanted)


@pytest.mark.parametrize(
    "problem",
    [
        {"label": "nothing"},  # before the rows are written
        {"score": "age"},  # after it: what cuts the score is not said
        {"decision": "credit_risk", "case": {"population": {"file": "none.csv"}}},
    ],
)
def test_nobody_s_rows_stay_behind_a_refusal(
    german: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: dict[str, Any]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(assay.AssayError):
        assay.audit(german, **roles(**problem))
    with pytest.raises(assay.AssayError):
        assay.audit_case(tmp_path / "none.toml")
    assert not list(tmp_path.iterdir())
    named = tmp_path / "named"
    with pytest.raises(assay.AssayError):
        assay.audit(german, out=named, **roles(**problem))
    assert named.is_dir()


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(assay.AssayError, match="no rows"):
        assay.audit(pd.DataFrame({"a": []}), decision="a", sensitive=["a"])


def test_frames_chart_and_display(german: pd.DataFrame, model: Any) -> None:
    result = assay.audit(german, model=model, **roles())
    gaps = result.gaps()
    one = gaps.query("metric == 'selection_rate' and kind == 'difference' and attribute == 'sex'").iloc[0]
    decided = pd.Series(model.predict(german[FEATURES]) == 1).groupby(german["sex"]).mean()
    assert one["value"] == pytest.approx(decided.max() - decided.min())
    figure = result.plot("selection_rate", "sex")
    assert {len(t.x) for t in figure.data} >= {2}
    page = result._repr_html_()
    assert "<svg" in page
    assert all(word in page for word in ("1,000 people", "<table", "Notes ("))
    assert "1,000 people measured" in repr(result)
    with pytest.raises(assay.AssayError, match="name one of them"):
        result.plot("selection_rat")


def test_text_from_the_data_is_never_markup(german: pd.DataFrame) -> None:
    table = german[["credit_risk"]].assign(
        sex=np.where(german["sex"] == "male", "<img src=x>", "f"), decided=german["credit_risk"]
    )
    page = assay.audit(table, decision="decided", **roles())._repr_html_()
    assert "<img" not in page


def test_the_scorer_is_the_gap(german: pd.DataFrame, model: Any) -> None:
    scorer = assay.fairness_scorer("selection_rate", sensitive=german["sex"], favourable=1)
    rates = pd.Series(model.predict(german[FEATURES]) == 1).groupby(german["sex"]).mean()
    assert scorer(model, german[FEATURES], german["credit_risk"]) == pytest.approx(rates.min() - rates.max())
    ratio = assay.fairness_scorer("true_positive_rate", sensitive=german["sex"], favourable=1, kind="ratio")
    good = german["credit_risk"] == 1
    result = pd.Series(model.predict(german[FEATURES]) == 1)[good].groupby(german["sex"][good]).mean()
    assert ratio(model, german[FEATURES], german["credit_risk"]) == pytest.approx(result.min() / result.max())


def test_the_scorer_works_in_scikit_learn(german: pd.DataFrame) -> None:
    scorer = assay.fairness_scorer("selection_rate", sensitive=german["sex"], favourable=1)
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    scores = cross_val_score(pipe, german[FEATURES], german["credit_risk"], scoring=scorer, cv=3)
    assert ((scores >= -1) & (scores <= 0)).all()
    search = GridSearchCV(
        pipe, {"logisticregression__C": [0.01, 1.0]}, scoring={"acc": "accuracy", "gap": scorer}, refit="acc", cv=3
    )
    assert "mean_test_gap" in search.fit(german[FEATURES], german["credit_risk"]).cv_results_
    with pytest.raises(assay.AssayError, match="did you mean"):
        assay.fairness_scorer("selection_rat", sensitive="sex")


def test_one_group_is_no_score(german: pd.DataFrame, model: Any) -> None:
    men = german[german["sex"] == "male"]
    scorer = assay.fairness_scorer(sensitive=german["sex"], favourable=1)
    assert np.isnan(scorer(model, men[FEATURES], men["credit_risk"]))


def test_an_earlier_run_is_opened(german: pd.DataFrame, model: Any, tmp_path: Path) -> None:
    result = assay.audit(german, model=model, out=tmp_path, **roles())
    assert assay.open_run(tmp_path).gaps().equals(result.gaps())
    with pytest.raises(assay.AssayError, match="holds no audit"):
        assay.open_run(tmp_path / "nothing")


class OfTheirOwn:
    """A class of a person's own: no scikit-learn, no names, asked with what it was given."""

    def __init__(self, answers: type) -> None:
        self.answers = answers

    def predict(self, rows: pd.DataFrame) -> Any:
        return [self.answers(v) for v in (rows["duration"] > 24)]


@pytest.mark.parametrize("answers", [int, bool, float])
def test_a_class_of_their_own_is_asked_with_the_table(german: pd.DataFrame, answers: type) -> None:
    table = german.assign(late=(german["credit_risk"] == 2).astype(answers))
    result = assay.audit(table, label="late", positive=answers(1), favourable=answers(0), sensitive=["sex"], draws=20,
                        model=OfTheirOwn(answers), features=FEATURES)  # fmt: skip
    counts = result.counts().query("attribute == 'sex'")
    assert (counts["tp"] + counts["fp"]).sum() == (german["duration"] > 24).sum()


def test_scores_of_a_class_of_their_own_are_no_decisions(german: pd.DataFrame) -> None:
    class Scores:
        def predict(self, rows: pd.DataFrame) -> Any:
            return rows["duration"] / 72

    for more in ({}, {"threshold": 0.5}):
        with pytest.raises(assay.AssayError, match="pass score="):
            assay.audit(german, model=Scores(), features=FEATURES, **roles(**more))
    result = assay.audit(german, score=german["duration"].to_numpy() / 72, threshold=0.5, **roles())
    counts = result.counts().query("attribute == 'sex'")
    assert (counts["tp"] + counts["fp"]).sum() == (german["duration"] >= 36).sum()


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_a_booster_is_kept_as_its_own_file(german: pd.DataFrame, library: str) -> None:
    bad = (german["credit_risk"] == 2).astype(int)
    if library == "xgboost":
        import xgboost

        data = xgboost.DMatrix(german[FEATURES], bad)
        model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 4)
        score = model.predict(data)
    else:
        import lightgbm

        model = lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1},
                               lightgbm.Dataset(german[FEATURES], bad), 4)  # fmt: skip
        score = model.predict(german[FEATURES])
    result = assay.audit(german, model=model, classes={0: 1, 1: 2}, **roles())
    assert result.evidence["model"]["format"] == library
    counts = result.counts().query("attribute == 'sex'")
    assert (counts["tp"] + counts["fp"]).sum() == (score >= 0.5).sum()


def test_values_in_another_order_are_refused(german: pd.DataFrame, model: Any) -> None:
    """A Series is matched by its place; one with the table's own index in another order would be another person's."""
    table = german.sample(frac=1, random_state=0)
    with pytest.raises(assay.AssayError, match="label has the rows of the table in another order"):
        assay.audit(table, model=model, **roles(label=german["credit_risk"].rename("y")))
    sex = {"group": german["sex"]}
    with pytest.raises(assay.AssayError, match="in another order"):
        assay.audit(table, model=model, **roles(sensitive=sex))
    right = assay.audit(table, model=model, **roles(sensitive={"group": german["sex"].loc[table.index]}))
    same = assay.audit(table, model=model, **roles())
    assert right.rates()["value"].equals(same.rates()["value"])


def test_an_attribute_may_have_any_name(german: pd.DataFrame, model: Any) -> None:
    result = assay.audit(german, model=model, **roles(sensitive={"self": german["sex"]}))
    assert "self" in set(result.counts()["attribute"])


def test_a_file_that_cannot_be_read_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(assay.AssayError, match=r"none\.pdf cannot be read"):
        assay.verify(tmp_path / "none.pdf")


def people_in_rows() -> pd.DataFrame:
    """Three rows a person; the second half of men is chosen twice as often as anybody else."""
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(200), 3)
    sex = np.where(person % 2, "m", "f")
    years = rng.integers(0, 3, 200)[person]
    seen = rng.random(200)[person] < 0.4 + 0.2 * (person % 2)
    kept = seen & (rng.random(600) < 0.5)
    return pd.DataFrame(
        {
            "sex": sex,
            "years": years,
            "seen": np.where(seen, "yes", "no"),
            "kept": np.where(kept, "yes", "no"),
            "who": person,
        }
    )


def test_the_rest_of_a_case_file_from_a_notebook(tmp_path: Path) -> None:
    """Repeated people, legitimate factors, stages and any other key: the same bytes as the command on the case."""
    frame = people_in_rows()
    mapping: dict[str, Any] = {"decision": "seen", "sensitive": ["sex"], "favourable": "yes", "draws": 200}
    result = assay.audit(
        frame.drop(columns="who"), cluster=frame["who"].to_numpy(), legitimate={"years": "the post asks for it"},
        stages=["seen", "kept"], case={"case": {"owner": "Retail"}, "data": {"exclude": ["kept"]}},
        out=tmp_path / "run", **mapping,
    )  # fmt: skip
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_bytes())
    assert evidence["data"]["people"] == 200
    assert {"like_with_like", "funnel"} <= set(evidence)
    assert 'owner = "Retail"' in (tmp_path / "run" / "case.toml").read_text()
    plain = assay.audit(frame, cluster="who", **mapping).gaps()
    wide = result.gaps()
    assert wide["pair_high"].iloc[0] == plain["pair_high"].iloc[0]
    alone = assay.audit(frame, **mapping).gaps()
    assert wide["pair_high"].iloc[0] - wide["pair_low"].iloc[0] > 1.4 * (
        alone["pair_high"].iloc[0] - alone["pair_low"].iloc[0]
    )
    assert cli.main(["audit", str(tmp_path / "run" / "case.toml"), "--out", str(tmp_path / "b"), "--draws", "200"]) == 0
    assert (tmp_path / "b" / "evidence.json").read_bytes() == (tmp_path / "run" / "evidence.json").read_bytes()


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ({"data": {"weight": "years"}}, "weight under [data] is said twice"),
        ({"data": "x"}, "case={'data': ...} is no table"),
        ({"case": {"owner": None}}, "cannot be written into a case file"),
        ({"data": {"clustr": "who"}}, "clustr"),
        ({"dta": {"cluster": "who"}}, "dta"),
    ],
)
def test_what_a_case_file_does_not_take(case: Any, words: str) -> None:
    with pytest.raises(assay.AssayError, match=re.escape(words)):
        assay.audit(people_in_rows(), decision="seen", sensitive="sex", favourable="yes", weight="years", case=case)


@pytest.mark.parametrize(
    ("said", "got"), [("", "ValueError"), ("\n\n", "ValueError"), ("\n  no such type \nat 3", "no such type")]
)
def test_what_a_library_says_first_is_told_also_where_it_says_nothing(
    monkeypatch: pytest.MonkeyPatch, said: str, got: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(said)

    monkeypatch.setattr(pd.DataFrame, "to_parquet", broken)
    frame = pd.DataFrame({"sex": ["f", "m"] * 20, "y": ["yes", "no"] * 20, "d": ["no", "yes"] * 20})
    with pytest.raises(DataError) as error:
        assay.audit(frame, label="y", decision="d", sensitive="sex", positive="yes", favourable="yes")
    assert error.value.got == got
