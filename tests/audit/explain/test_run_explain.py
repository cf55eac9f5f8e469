"""`assay explain` on a small case with a real model in a real worker."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.answers import key_of
from audit.case import Case
from audit.errors import Cancelled, CaseError, DataError
from audit.explain import Settings, run_explain
from audit.explain import run as running
from audit.explain.native import attributions
from audit.explain.native_pairs import interactions
from audit.files import canonical
from audit.load import load_case
from audit.models import ModelInfo, Worker
from audit.models.worker import Answer

SMALL = Settings(
    rows=200, least=30, background=40, samples=400, seeds=2, fidelity_rows=20, draws=2, rounds=2, friedman_rows=12
)

CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "repaid"
positive = "no"
favourable = "yes"
sensitive = ["sex", "town"]
exclude = ["sex"]
[model]
path = "model.skops"
threshold = 0.4
[recourse]
actionable = ["debt", "job"]
ranges = { debt = [0, 12] }
direction = { debt = "decrease" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from audit.models.write import skops_bytes

    rng = np.random.default_rng(0)
    n = 500
    sex = rng.choice(["f", "m"], n)
    frame = pd.DataFrame(
        {
            "pay": rng.normal(30, 8, n) + 6 * (sex == "m"),
            "job": np.where(rng.random(n) < 0.8, np.where(sex == "f", "nurse", "smith"), "clerk"),
            "debt": rng.gamma(2, 3, n).round(1),
            "town": rng.choice(["north", "south"], n, p=[0.7, 0.3]),
            "sex": sex,
        }
    )
    frame.loc[:3, "town"] = "far"  # four people: withheld
    z = -(frame.pay - 33) / 8 + 0.15 * frame.debt - 0.6 * (frame.job == "smith")
    frame["repaid"] = np.where(rng.random(n) < 1 / (1 + np.exp(-z)), "no", "yes")
    features = ["pay", "job", "debt", "town"]
    encode = ColumnTransformer(
        [
            ("text", OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["job", "town"]),
            ("numbers", StandardScaler(), ["pay", "debt"]),
        ]
    )
    model = Pipeline([("encode", encode), ("model", LogisticRegression())]).fit(frame[features], frame["repaid"])
    path = tmp_path_factory.mktemp("case")
    frame.to_csv(path / "people.csv", index=False)
    (path / "model.skops").write_bytes(skops_bytes(model))
    (path / "case.toml").write_text(CASE)
    return path


@pytest.fixture(scope="module")
def case(folder: Path) -> Case:
    return load_case(folder / "case.toml")


@pytest.fixture(scope="module")
def out(folder: Path) -> Path:
    return folder / "run"


@pytest.fixture(scope="module")
def explained(case: Case, out: Path) -> dict[str, Any]:
    return run_explain(case, out, settings=SMALL)


class InProcess:
    """The worker's face without its process, which takes seconds to start: for all tests but those of `explained`."""

    builds_rows = False

    def __init__(self, path: Path, allow: tuple[str, ...] = ()) -> None:
        from audit.models.formats import load

        content = Path(path).read_bytes()
        self._model = load("skops", content, allow)
        facts = self._model.facts
        digest = hashlib.sha256(content).hexdigest()
        self.info = ModelInfo(
            "skops", digest, facts.estimator, facts.classes, facts.features, (), facts.task, facts.columns,
            facts.output, named=facts.named, decides=facts.decides,
        )  # fmt: skip

    def __enter__(self) -> InProcess:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        return self._model.scores(frame[list(self.info.features or ())], positive)

    def answer(self, frame: pd.DataFrame, positive: str) -> Answer:
        return Answer(self.scores(frame, positive), self._model.decided(frame[list(self.info.features or ())]))

    def call(self, op: str, frame: pd.DataFrame, **arrays: Any) -> dict[str, np.ndarray]:
        asked = {"native_attributions": attributions, "native_interactions": interactions}[op]
        return asked(self._model, frame, {k: np.asarray(v, dtype=object) for k, v in arrays.items()})


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "open_model", lambda model, allow: InProcess(model.path, tuple(allow)))


@pytest.fixture(scope="module")
def known(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    frame = pd.read_csv(folder / "people.csv")
    return frame, InProcess(folder / "model.skops").scores(frame, "no")


def test_the_file_is_what_is_returned_and_has_the_keys_of_the_schema(explained: dict[str, Any], out: Path) -> None:
    assert json.loads((out / "explain.json").read_bytes()) == explained
    assert explained["schema"] == "assay/explain/1"
    for key in "output method rerouted background seed rows global groups people additivity limits gap".split():
        assert key in explained
    assert explained["output"] == "probability"
    assert explained["additivity"]["passed"]
    assert explained["background"]["rows"] == 40
    assert len(explained["background"]["sha256"]) == 64
    assert {e["feature"] for e in explained["global"]} == {"pay", "job", "debt", "town"}
    sizes = [e["mean_abs"] for e in explained["global"]]
    assert sizes == sorted(sizes, reverse=True)
    assert all(e["low"] <= e["mean_abs"] <= e["high"] for e in explained["global"])
    assert explained["global"][0]["feature"] == "pay"
    assert "/" not in json.dumps(explained["background"])
    assert str(out) not in (out / "explain.json").read_text()


def test_recourse_of_people_and_groups(explained: dict[str, Any], known: tuple[pd.DataFrame, np.ndarray]) -> None:
    frame, scores = known
    result = explained["recourse"]
    assert result["sought"]
    assert result["actionable"] == ["debt", "job"]
    assert {g["group"][0] for g in result["groups"] if g["attribute"] == ["sex"]} == {"f", "m"}
    assert not any(g["group"] == ["far"] for g in result["groups"])  # withheld
    refused = scores >= 0.4  # the positive value is not to repay
    for g in result["groups"]:
        of = frame[g["attribute"][0]].to_numpy() == g["group"][0]
        assert g["refused"] == int((refused & of & (frame.town != "far").to_numpy()).sum())
        assert g["share_low"] <= g["share"] <= g["share_high"]
    assert {(g["attribute"][0], g["of"]) for g in result["gaps"]} == {
        (a, o) for a in ("sex", "town") for o in ("cost", "share")
    }
    assert len(result["notice"]) == 4
    for p in explained["people"]:
        mine = p["recourse"]
        assert mine is not None  # all three are refused by the rule that chose them
        if mine["found"]:
            assert mine["score"] < 0.4
            assert {s["feature"] for c in mine["changes"] for s in c["steps"]} <= {"debt", "job"}


def test_dependence_and_interactions_are_stored(explained: dict[str, Any]) -> None:
    pay = next(d for d in explained["dependence"] if d["feature"] == "pay")
    assert pay["kind"] == "bin"
    means = [p["mean"] for p in pay["parts"]]
    assert means[0] > 0 > means[-1]  # more pay, less risk
    assert sum(p["rows"] for p in pay["parts"]) + pay["left_out"] == explained["sample"]["everyone"]
    job = next(d for d in explained["dependence"] if d["feature"] == "job")
    assert {p["value"] for p in job["parts"]} == {"nurse", "smith", "clerk"}
    result = explained["interactions"]
    assert result["method"] == "Friedman's H"
    assert "not made of trees" in result["why"]
    assert len(result["pairs"]) == 6  # four features
    strengths = [p["strength"] for p in result["pairs"]]
    assert strengths == sorted(strengths, reverse=True)


@pytest.mark.usefixtures("near")
def test_a_case_without_the_table_says_that_recourse_needs_it(case: Case, tmp_path: Path) -> None:
    bare = replace(case, recourse=None)
    explanation = run_explain(bare, tmp_path, settings=replace(SMALL, rows=60, people=1))
    assert not explanation["recourse"]["sought"]
    assert "[recourse]" in explanation["recourse"]["reason"]
    assert [p["recourse"] for p in explanation["people"]] == [None]
    # Another table is another question: nothing is served from the one before.
    again = run_explain(case, tmp_path, settings=replace(SMALL, rows=60, people=1))
    assert again["recourse"]["sought"]
    assert again["key"] != explanation["key"]


def test_the_gap_is_that_of_all_people_in_favourable_decisions(
    explained: dict[str, Any], known: tuple[pd.DataFrame, np.ndarray]
) -> None:
    frame, score = known
    chosen = (score < 0.4) * 1.0
    rate = {s: chosen[(frame.sex == s).to_numpy()].mean() for s in "fm"}
    split = next(d for d in explained["decomposition"] if d["attribute"] == ["sex"] and d["output"] == "decision")
    assert split["highest"] == ["m"]
    assert split["total"] == pytest.approx(rate["m"] - rate["f"], abs=1e-9)
    assert sum(p["value"] for p in split["features"]) == pytest.approx(split["total"], abs=1e-9)
    flat = [g for g in explained["gap"] if g["attribute"] == ["sex"]]
    assert {g["feature"] for g in flat} == {"pay", "job", "debt", "town", "sex"}
    assert sum(g["value"] for g in flat) == pytest.approx(split["total"], abs=1e-9)


def test_what_the_model_never_saw_gets_zero_and_its_proxies_are_named(explained: dict[str, Any]) -> None:
    split = next(d for d in explained["decomposition"] if d["attribute"] == ["sex"])
    sex = next(p for p in split["features"] if p["feature"] == "sex")
    assert sex["value"] == 0.0
    assert sex["seen"] is False
    assert set(split["proxies"]) == {"job", "pay"}


def test_group_means_add_up_to_the_groups_mean_score(
    explained: dict[str, Any], known: tuple[pd.DataFrame, np.ndarray]
) -> None:
    frame, score = known
    base = explained["people"][0]["base"]
    for attribute, group in (("sex", "f"), ("town", "south")):
        parts = [g["mean"] for g in explained["groups"] if (g["attribute"], g["group"]) == ([attribute], [group])]
        assert len(parts) == 4
        mean = score[(frame[attribute] == group).to_numpy()].mean()
        assert base + sum(parts) == pytest.approx(mean, abs=1e-9)


def test_people_withheld_for_one_attribute_count_in_the_other(
    case: Case, explained: dict[str, Any], known: tuple[pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    """The four of the small town are men or women like all others: the parts add up to the gap that the audit has.

    In what leaves the machine they are in no table, so that there the parts are without them, like the gap.
    """
    from audit.gaps import Settings as Measuring
    from audit.publish import publish_files
    from audit.run import run_audit

    run_audit(case, tmp_path, Measuring(draws=100))
    files = {n: (tmp_path / n).read_bytes() for n in ("evidence.json", "cube.json")}
    files["explain.json"] = canonical(explained)
    for inputs in (files, publish_files(files)):
        evidence, result = json.loads(inputs["evidence.json"]), json.loads(inputs["explain.json"])
        gap = next(
            g["value"] for g in evidence["gaps"]
            if (g["metric"], g["kind"], g["attribute"]) == ("selection_rate", "difference", ["sex"])
        )  # fmt: skip
        built = next(
            d for d in result["decomposition"]
            if (d["attribute"], d["kind"], d["output"]) == (["sex"], "extreme", "decision")
        )  # fmt: skip
        assert built["total"] == pytest.approx(gap, abs=1e-9)
        assert sum(f["value"] for f in built["features"]) == pytest.approx(gap, abs=1e-9)
    assert json.loads(publish_files(files)["explain.json"])["published"] == {}
    frame, _ = known
    assert (frame.town == "far").sum() == 4


def test_small_groups_are_in_no_figure(explained: dict[str, Any]) -> None:
    assert explained["withheld"] == [{"attribute": ["town"], "groups": 1, "floor": 10}]
    assert not any(g["group"] == ["far"] for g in explained["groups"])
    assert not any(p["row"] < 4 for p in explained["people"])
    assert '"far"' not in json.dumps([explained["groups"], explained["decomposition"], explained["fidelity"]])


def test_people_are_chosen_by_the_rule_and_explained_on_both_sides(
    explained: dict[str, Any], known: tuple[pd.DataFrame, np.ndarray]
) -> None:
    frame, score = known
    refused_women = np.flatnonzero((frame.sex == "f") & (frame.town != "far") & (score >= 0.4))
    nearest = refused_women[np.argmin(np.abs(score[refused_women] - 0.4))]
    assert len(explained["people"]) == 3
    assert explained["people"][0]["row"] == nearest
    assert "sex = f" in explained["people"][0]["chosen"]
    assert "Nobody was named" in explained["people_rule"]
    for p in explained["people"]:
        assert p["score"] == pytest.approx(score[p["row"]], abs=1e-9)
        assert p["decision"] == "no"
        assert not p["favourable"]
        assert p["base"] + sum(e["value"] for e in p["shap"]) == pytest.approx(p["score"], abs=1e-9)
        assert set(p["values"]) == {"pay", "job", "debt", "town"}
        assert len(p["lime"]) == 4
        assert p["values"]["job"] in next(e["rule"] for e in p["lime"] if e["feature"] == "job")
        assert 0 <= p["lime_r2"] <= 1
        assert 0 <= p["lime_stability"] <= 1
        assert set(p["agreement"]) >= {"top5_overlap", "spearman", "disagree", "notice"}
        # The score is of "no", which is bad: what raises it counts against.
        against = {e["feature"] for e in p["shap"] if e["value"] > 0}
        assert {r.split(" = ")[0] for r in p["reasons"]} <= against


@pytest.mark.usefixtures("near")
def test_named_people_in_the_order_asked_for(case: Case, tmp_path: Path) -> None:
    explanation = run_explain(case, tmp_path, people=(17, 2, 17), settings=SMALL)
    assert [p["row"] for p in explanation["people"]] == [17, 2]
    assert "asked for" in explanation["people_rule"]


@pytest.mark.usefixtures("near")
def test_a_row_that_is_not_there_is_refused_and_nothing_is_lost(case: Case, tmp_path: Path) -> None:
    (tmp_path / "explain.json").write_text("before")
    with pytest.raises(DataError, match="row 500") as error:
        run_explain(case, tmp_path, people=[500], settings=SMALL)
    assert "0 to 499" in error.value.message
    assert (tmp_path / "explain.json").read_text() == "before"


@pytest.mark.usefixtures("near")
def test_the_library_explains_log_odds(case: Case, tmp_path: Path) -> None:
    explanation = run_explain(case, tmp_path, settings=replace(SMALL, output="log-odds"))
    assert explanation["method"] == "closed form of the linear model"
    assert explanation["rerouted"] is None
    assert explanation["additivity"]["passed"]
    for p in explanation["people"]:
        total = p["base"] + sum(e["value"] for e in p["shap"])
        assert total == pytest.approx(np.log(p["score"] / (1 - p["score"])), abs=1e-6)


@pytest.mark.usefixtures("near")
@pytest.mark.filterwarnings("ignore")  # shap's and matplotlib's own; in the worker they are silenced
def test_trees_are_explained_exactly_and_it_is_said(folder: Path, tmp_path: Path) -> None:
    """A forest's probability by TreeSHAP, people as everyone else; what no exact method explains is said too."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    from audit.models.write import skops_bytes

    frame = pd.read_csv(folder / "people.csv")
    features = ["pay", "job", "debt", "town"]
    (tmp_path / "case.toml").write_text(CASE)
    (tmp_path / "people.csv").write_bytes((folder / "people.csv").read_bytes())
    seen = {}
    for name, last in (
        ("forest", RandomForestClassifier(10, random_state=0)),
        ("hist", HistGradientBoostingClassifier(max_iter=10)),
    ):
        encode = ColumnTransformer(
            [("t", OneHotEncoder(sparse_output=False), ["job", "town"])], remainder="passthrough"
        )
        model = Pipeline([("encode", encode), ("model", last)]).fit(frame[features], frame["repaid"])
        (tmp_path / "model.skops").write_bytes(skops_bytes(model))
        case = load_case(tmp_path / "case.toml")
        seen[name] = run_explain(case, tmp_path / name, settings=replace(SMALL, friedman_rows=5))
    forest, hist = seen["forest"], seen["hist"]
    assert forest["method"] == forest["method_for_people"] == "interventional TreeSHAP, exact over the whole background"
    assert forest["why"] is None
    assert any("no sampling error" in line for line in forest["limits"])
    assert forest["additivity"]["max_error"] < 1e-9
    for p in forest["people"]:
        assert p["base"] + sum(e["value"] for e in p["shap"]) == pytest.approx(p["score"], abs=1e-9)
        assert all(e["error"] is None for e in p["shap"])
    assert hist["method"] == "permutation"
    assert "of the log-odds, and the probability" in hist["why"]
    assert not any("no sampling error" in line for line in hist["limits"])


@pytest.mark.usefixtures("near")
def test_a_failed_gate_is_said_in_the_document(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = running.Explaining.native

    def wrong(self: Any, frame: pd.DataFrame, count: int, output: str) -> dict[str, Any]:
        answer = honest(self, frame, count, output)
        return answer | {"values": answer["values"] * 1.01}

    monkeypatch.setattr(running.Explaining, "native", wrong)
    explanation = run_explain(case, tmp_path, settings=replace(SMALL, output="log-odds"))
    assert explanation["method"] == "permutation"
    assert "additivity" in explanation["rerouted"]
    assert explanation["additivity"]["passed"]


def test_the_same_question_is_answered_from_disk(
    case: Case, explained: dict[str, Any], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (out / "explain.json").read_bytes()

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(running, "open_model", never)
    assert run_explain(case, out, settings=SMALL) == explained
    (out / "explain.json").unlink()
    assert run_explain(case, out, settings=SMALL) == explained
    assert (out / "explain.json").read_bytes() == before
    with pytest.raises(AssertionError, match="again"):
        run_explain(case, out, settings=replace(SMALL, seed=1))


@pytest.mark.usefixtures("near")
def test_the_same_case_gives_the_same_bytes(case: Case, explained: dict[str, Any], out: Path, tmp_path: Path) -> None:
    run_explain(case, tmp_path, settings=SMALL)
    assert (tmp_path / "explain.json").read_bytes() == (out / "explain.json").read_bytes()


def test_a_key_is_of_what_is_said_and_not_of_its_order() -> None:
    assert key_of({"b": 1, "a": [1, 2]}) == key_of({"a": [1, 2], "b": 1})
    assert key_of({"b": 1, "a": [1, 2]}) != key_of({"b": 1, "a": [2, 1]})


def test_cases_without_a_model_say_why(folder: Path, tmp_path: Path) -> None:
    text = CASE.replace('path = "model.skops"\nthreshold = 0.4', 'decision = "repaid"').replace(
        'label = "repaid"\n', ""
    )
    (folder / "decisions.toml").write_text(text)
    explanation = run_explain(load_case(folder / "decisions.toml"), tmp_path)
    assert explanation["explained"] is False
    assert "nothing to ask" in explanation["reason"]
    assert explanation["people"] == explanation["global"] == explanation["gap"] == []
    assert json.loads((tmp_path / "explain.json").read_bytes()) == explanation


@pytest.mark.parametrize("change", [{"output": "odds"}, {"rows": 1}, {"samples": 10}, {"background": 0}])
def test_settings_that_cannot_be_used(case: Case, tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(CaseError):
        run_explain(case, tmp_path, settings=replace(SMALL, **change))
    assert not (tmp_path / "explain.json").exists()


@pytest.mark.usefixtures("near")
@pytest.mark.parametrize("kind", ["decision", "value"])
def test_models_without_probabilities(folder: Path, tmp_path: Path, kind: str) -> None:
    """What is explained is what the model has, and the document says so."""
    from sklearn.linear_model import Ridge
    from sklearn.svm import LinearSVC

    from audit.models.write import skops_bytes

    frame = pd.read_csv(folder / "people.csv")
    last = LinearSVC() if kind == "decision" else Ridge()
    target = frame.repaid if kind == "decision" else (frame.repaid == "no") * 1.0
    model = last.fit(frame[["pay", "debt"]], target)
    (tmp_path / "model.skops").write_bytes(skops_bytes(model))
    frame.to_csv(tmp_path / "people.csv", index=False)
    text = CASE.replace('exclude = ["sex"]', 'features = ["pay", "debt"]').replace('["debt", "job"]', '["debt"]')
    text = text.replace("threshold = 0.4\n", "") if kind == "decision" else text  # it gives no scores to cut
    (tmp_path / "case.toml").write_text(text)
    explanation = run_explain(load_case(tmp_path / "case.toml"), tmp_path, settings=SMALL)
    assert explanation["output"] == kind
    assert explanation["additivity"]["passed"]
    assert any("no probabilities" in line for line in explanation["limits"])
    assert {e["feature"] for e in explanation["global"]} == {"pay", "debt"}
    # Reasons and recourse need no probabilities.
    for p in explanation["people"]:
        against = 1 if kind == "value" or explanation["output"] != "decision" else -1
        side = -against if p["favourable"] else against
        assert bool(p["reasons"]) == any(side * f["value"] > 0 for f in p["shap"])
    assert any(g["found"] for g in explanation["recourse"]["groups"])


@pytest.mark.usefixtures("near")
def test_missing_values_and_unseen_categories(folder: Path, tmp_path: Path) -> None:
    """A job that the model never saw; a sensitive value that is not known is a group of its own."""
    frame = pd.read_csv(folder / "people.csv")
    frame.loc[10:40, "job"] = "pilot"
    frame.loc[60:90, "sex"] = None
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "model.skops").write_bytes((folder / "model.skops").read_bytes())
    (tmp_path / "case.toml").write_text(CASE)
    explanation = run_explain(load_case(tmp_path / "case.toml"), tmp_path, people=[20], settings=SMALL)
    assert explanation["additivity"]["passed"]
    assert explanation["people"][0]["values"]["job"] == "pilot"
    assert {g["group"][0] for g in explanation["groups"] if g["attribute"] == ["sex"]} == {"f", "m", "(unknown)"}
    assert json.dumps(explanation, allow_nan=False)


def test_cancelled_work_goes_on_where_it_stopped(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled among the surrogates; the second run asks about none of the rows of the walks again."""
    settings = replace(SMALL, samples=1200)
    asked: list[int] = []
    honest = Worker._ask

    def ask(self: Worker, fields: Any, table: Any = None, arrays: Any = None) -> Any:
        asked.append(0 if table is None else len(table))
        return honest(self, fields, table, arrays)

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "Looking for interactions":
            raise Cancelled("stopped")

    monkeypatch.setattr(Worker, "_ask", ask)
    whole = run_explain(case, tmp_path / "one", settings=settings)
    every = sum(asked)
    with pytest.raises(Cancelled):
        run_explain(case, tmp_path / "two", settings=settings, progress=stop)
    assert not (tmp_path / "two" / "explain.json").exists()
    with sqlite3.connect(tmp_path / "two" / ".store" / "answers.db") as base:
        assert base.execute("SELECT count(*) FROM entry WHERE part IS NOT NULL").fetchone()[0] >= 4
    asked.clear()
    assert run_explain(case, tmp_path / "two", settings=settings) == whole
    assert 0 < sum(asked) < 0.5 * every
    with sqlite3.connect(tmp_path / "two" / ".store" / "answers.db") as base:
        assert base.execute("SELECT DISTINCT kind FROM entry ORDER BY kind").fetchall() == [
            ("explanation",),
            ("model",),
        ]
