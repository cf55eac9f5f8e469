"""Several classes: hand-counted tables, the same figures as fairlearn and scikit-learn, additive, verified."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.classes.code import classes_of, decided_among
from audit.classes.measures import class_measures, one_against_rest, tables
from audit.classes.table import ClassCodes
from audit.code import Decisions, code_rows
from audit.cube import Cube, cube_of, margins_of
from audit.cube_json import margins_from_json, margins_to_json
from audit.errors import AssayError, CaseError, DataError
from audit.gaps import Settings
from audit.load import load_case
from audit.publish import publish_files
from audit.run import run_audit
from reports.verify.figures import check_figures
from reports.verify.result import Broken

QUICK = Settings(draws=200)
NAMES = ("a", "b", "c")


def make(folder: Path, frame: pd.DataFrame, *, data: str = "", model: str = 'decision = "decided"') -> Path:
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / "rows.parquet")
    text = 'label = "truth"\npositive = "a"\nsensitive = ["sex"]\n' if "positive" not in data else ""
    (folder / "case.toml").write_text(
        f'[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.parquet"\n{text}{data}\n[model]\n{model}\n'
    )
    return folder / "case.toml"


def rows(n: int = 400, seed: int = 0, names: tuple[str, ...] = NAMES) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.choice(list(names), n)
    decided = np.where(rng.random(n) < 0.6, truth, rng.choice(list(names), n))
    return pd.DataFrame({"sex": rng.choice(["f", "m"], n), "truth": truth, "decided": decided, "x": rng.normal(size=n)})


def audit(case: Path, out: Path, **more: Any) -> dict[str, Any]:
    run_audit(load_case(case), out, QUICK, **more)
    document: dict[str, Any] = json.loads((out / "evidence.json").read_bytes())
    return document


def files_of(out: Path) -> dict[str, bytes]:
    return {n: (out / n).read_bytes() for n in ("evidence.json", "cube.json")}


def cube(folder: Path, frame: pd.DataFrame) -> Cube:
    case = load_case(make(folder, frame))
    names = classes_of(case, frame)

    def code(column: str) -> np.ndarray:
        return np.array([names.index(v) for v in frame[column]], dtype=np.int64)

    several = ClassCodes(names, code("truth"), code("decided"))
    positive = (frame["decided"] == "a").to_numpy().astype(np.int64)
    return cube_of(code_rows(case, frame, Decisions(positive, None, "test", several)))


def test_by_hand(tmp_path: Path) -> None:
    cells = {
        "f": {("a", "a"): 4, ("a", "b"): 1, ("b", "b"): 3, ("b", "c"): 2, ("c", "c"): 5, ("c", "a"): 5},
        "m": {("a", "a"): 8, ("a", "c"): 2, ("b", "b"): 9, ("b", "a"): 1, ("c", "c"): 10},
    }
    frame = pd.DataFrame(
        [(g, t, d) for g, table in cells.items() for (t, d), n in table.items() for _ in range(n)],
        columns=["sex", "truth", "decided"],
    )
    result = audit(make(tmp_path, frame), tmp_path / "run")["classes"]
    assert result["names"] == list(NAMES)
    overall = {(r["metric"], *r["group"]): r for r in result["overall"]["rates"]}
    assert overall["accuracy", "f"]["value"] == pytest.approx(12 / 20)
    assert (overall["accuracy", "m"]["numerator"], overall["accuracy", "m"]["denominator"]) == (27, 30)
    assert overall["macro_true_positive_rate", "f"]["value"] == pytest.approx((4 / 5 + 3 / 5 + 5 / 10) / 3)
    assert overall["macro_positive_predictive_value", "m"]["value"] == pytest.approx((8 / 9 + 1 + 10 / 12) / 3)
    assert overall["macro_f1", "f"]["value"] == pytest.approx((8 / 14 + 6 / 9 + 10 / 17) / 3)
    of_c = {(r["metric"], *r["group"]): r for r in result["classes"][2]["rates"]}
    assert of_c["selection_rate", "f"]["value"] == pytest.approx(7 / 20)
    assert of_c["false_positive_rate", "m"]["value"] == pytest.approx(2 / 20)
    women = next(t for t in result["tables"] if t["group"] == ["f"])["people"]
    assert women == [[4, 1, 0], [0, 3, 2], [5, 0, 5], [0, 0, 0]]


def test_the_positive_class_has_the_figures_of_the_main_lists(tmp_path: Path) -> None:
    evidence = audit(make(tmp_path, rows()), tmp_path / "run")
    mine = evidence["classes"]["classes"][0]
    assert mine["class"] == "a"
    assert mine["rates"] == evidence["rates"]
    own = ("p_adjusted", "p_explore", "family", "pair_p_adjusted", "pairs_family", "detectable")
    for a, b in zip(mine["gaps"], evidence["gaps"], strict=True):
        assert {k: v for k, v in a.items() if k not in own} == {k: v for k, v in b.items() if k not in own}


def test_comparisons_are_adjusted_over_all_classes(tmp_path: Path) -> None:
    result = audit(make(tmp_path, rows()), tmp_path / "run")["classes"]
    # per class eight hypotheses, overall four; one attribute
    assert result["family"] == 3 * 8 + 4
    every = [g for c in result["classes"] for g in c["gaps"]] + result["overall"]["gaps"]
    tested = [g for g in every if g["p_value"] is not None]
    assert tested
    assert all(g["family"] == result["family"] for g in tested)
    assert all(g["p_value"] <= g["p_explore"] + 1e-12 <= g["p_adjusted"] + 2e-12 for g in tested)
    assert all(g["low"] <= g["value"] <= g["high"] for g in every if g["estimable"])


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.integers(3, 5))
def test_rates_are_those_of_fairlearn_and_scikit_learn(tmp_path_factory: Any, seed: int, size: int) -> None:
    from fairlearn.metrics import MetricFrame, selection_rate
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    names = tuple("abcde"[:size])
    frame = rows(300, seed, names)
    result = class_measures(margins_of(cube(tmp_path_factory.mktemp("c"), frame))[0], QUICK)
    assert result is not None
    kinds = {
        "macro_true_positive_rate": lambda y, p: recall_score(y, p, labels=list(names), average="macro"),
        "macro_positive_predictive_value": lambda y, p: precision_score(y, p, labels=list(names), average="macro"),
        "macro_f1": lambda y, p: f1_score(y, p, labels=list(names), average="macro"),
        "accuracy": accuracy_score,
    }
    theirs = MetricFrame(
        metrics=kinds, y_true=frame["truth"], y_pred=frame["decided"], sensitive_features=frame["sex"]
    ).by_group
    for rate in result["overall"]["rates"]:
        if rate["attribute"] and rate["estimable"]:
            assert rate["value"] == pytest.approx(theirs.loc[rate["group"][0], rate["metric"]], abs=1e-12)
            assert rate["low"] <= rate["value"] <= rate["high"]
    for k, entry in enumerate(result["classes"]):
        is_, got = frame["truth"] == names[k], frame["decided"] == names[k]
        one = MetricFrame(
            metrics={
                "selection_rate": selection_rate,
                "true_positive_rate": lambda y, p: recall_score(y, p, zero_division=np.nan),
                "positive_predictive_value": lambda y, p: precision_score(y, p, zero_division=np.nan),
            },
            y_true=is_, y_pred=got, sensitive_features=frame["sex"],
        ).by_group  # fmt: skip
        for rate in entry["rates"]:
            if rate["attribute"] and rate["metric"] in one.columns and rate["estimable"]:
                assert rate["value"] == pytest.approx(one.loc[rate["group"][0], rate["metric"]], abs=1e-12)


def test_the_table_is_additive_and_comes_back_from_json(tmp_path: Path) -> None:
    frame = rows(300, 3)
    whole = cube(tmp_path / "w", frame)
    # one half lacks a class: it is counted over the classes of both
    early, late = frame[frame.truth.ne("c") & frame.decided.ne("c")], frame[frame.truth.eq("c") | frame.decided.eq("c")]
    early = pd.concat([early, pd.DataFrame({"sex": ["f"], "truth": ["d"], "decided": ["d"], "x": [0.0]})])
    both = cube(tmp_path / "a", early) + cube(tmp_path / "b", late)
    margins = margins_of(both)[0]
    everyone = tables(margins[0])
    assert everyone.names == ("a", "b", "c", "d")
    assert everyone.n[0, 3, 3] == 1
    assert np.array_equal(everyone.n[0][np.ix_([0, 1, 2, 4], [0, 1, 2])], tables(margins_of(whole)[0][0]).n[0])
    back = margins_from_json(json.loads(json.dumps(margins_to_json(margins, 0))))
    for a, b in zip(margins, back, strict=True):
        assert np.array_equal(tables(a).n, tables(b).n)
        assert tables(a).names == tables(b).names
        for k in range(4):
            folded = one_against_rest(a, k)
            assert np.array_equal(folded.rows, a.rows)
    for one, other in ((replace(whole, beside=None), whole), (whole, replace(whole, beside=None))):
        with pytest.raises(DataError):
            _ = one + other


def test_a_class_that_nobody_has_is_not_estimable_with_the_count(tmp_path: Path) -> None:
    frame = rows(200, 2)
    frame = frame[~((frame.sex == "f") & (frame.truth == "c"))]
    result = audit(make(tmp_path, frame), tmp_path / "run")["classes"]
    of_c = {(r["metric"], *r["group"]): r for r in result["classes"][2]["rates"]}
    lost = of_c["true_positive_rate", "f"]
    assert lost["value"] is None
    assert lost["reason"].startswith("0 people whose outcome is 'c'")
    overall = {(r["metric"], *r["group"]): r for r in result["overall"]["rates"]}
    assert overall["macro_true_positive_rate", "f"]["reason"].startswith("0 people whose outcome is 'c'")
    assert overall["macro_true_positive_rate", "m"]["estimable"]
    assert overall["accuracy", "f"]["estimable"]
    gap = next(g for g in result["overall"]["gaps"] if g["metric"] == "macro_true_positive_rate")
    assert not gap["estimable"]
    assert gap["value"] is None


def test_a_class_that_is_never_decided(tmp_path: Path) -> None:
    frame = rows(200, 5)
    frame["decided"] = frame["decided"].replace("c", "b")
    result = audit(make(tmp_path, frame), tmp_path / "run")["classes"]
    of_c = {(r["metric"], *r["group"]): r for r in result["classes"][2]["rates"]}
    assert of_c["selection_rate", "f"]["value"] == 0
    assert of_c["positive_predictive_value", "f"]["reason"].startswith("0 people decided 'c'")
    overall = {(r["metric"], *r["group"]): r for r in result["overall"]["rates"]}
    assert overall["macro_positive_predictive_value", "f"]["reason"].startswith("0 people decided 'c'")
    assert overall["macro_f1", "f"]["estimable"]


def test_selective_labels_leave_no_overall_rate(tmp_path: Path) -> None:
    frame = rows(300, 6)
    frame.loc[frame.decided == "c", "truth"] = None
    result = audit(make(tmp_path, frame), tmp_path / "run")["classes"]
    assert all("selective labels" in r["reason"] for r in result["overall"]["rates"])
    assert all(g["value"] is None for g in result["overall"]["gaps"])


def test_weights_of_one_change_no_value_and_whole_weights_repeat_people(tmp_path: Path) -> None:
    frame = rows(200, 7).assign(w=1.0)
    data = 'label = "truth"\npositive = "a"\nsensitive = ["sex"]\nweight = "w"\n'
    plain = audit(make(tmp_path / "p", frame.drop(columns="w")), tmp_path / "1")["classes"]["overall"]["rates"]
    ones = audit(make(tmp_path / "o", frame, data=data), tmp_path / "2")["classes"]["overall"]["rates"]
    twice = audit(make(tmp_path / "t", frame.assign(w=2.0), data=data), tmp_path / "3")["classes"]["overall"]["rates"]
    for a, b, c in zip(plain, ones, twice, strict=True):
        assert a["value"] == pytest.approx(b["value"]) == pytest.approx(c["value"])
        # doubling every weight tells nothing new: the interval stays
        assert a["low"] == pytest.approx(b["low"]) == pytest.approx(c["low"])


def test_a_small_group_is_withheld_and_the_rest_follows_from_what_is_published(tmp_path: Path) -> None:
    frame = rows(300, 8)
    frame.loc[:3, "sex"] = "x"
    case = make(tmp_path, frame)
    audit(case, tmp_path / "run")
    published = publish_files(files_of(tmp_path / "run"))
    evidence = json.loads(published["evidence.json"])
    hidden = next(t for t in evidence["classes"]["tables"] if t["group"] == ["x"])
    assert hidden["people"] is None
    assert all(r["value"] is None for r in evidence["classes"]["overall"]["rates"] if r["group"] == ["x"])
    everyone = next(t for t in evidence["classes"]["tables"] if not t["attribute"])["people"]
    assert np.sum(everyone) == 296
    check_figures(published)


def test_verification_names_a_changed_figure_and_a_lost_entry(tmp_path: Path) -> None:
    audit(make(tmp_path, rows(200)), tmp_path / "run")
    files = files_of(tmp_path / "run")
    check_figures(files)
    evidence = json.loads(files["evidence.json"])
    evidence["classes"]["overall"]["rates"][0]["value"] += 0.01
    with pytest.raises(Broken, match="classes"):
        check_figures(files | {"evidence.json": json.dumps(evidence).encode()})
    del evidence["classes"]
    with pytest.raises(Broken, match="classes"):
        check_figures(files | {"evidence.json": json.dumps(evidence).encode()})


def test_two_classes_have_no_entry(tmp_path: Path) -> None:
    evidence = audit(make(tmp_path, rows(100, 1, ("a", "b"))), tmp_path / "run")
    assert "classes" not in evidence
    assert "classes" not in (tmp_path / "run" / "cube.json").read_text()


def test_the_database_counts_the_same(tmp_path: Path) -> None:
    case = make(tmp_path, rows(300, 9))
    a, b = audit(case, tmp_path / "1"), audit(case, tmp_path / "2", large=True)
    assert a["classes"] == b["classes"]
    assert (tmp_path / "1" / "cube.json").read_bytes() == (tmp_path / "2" / "cube.json").read_bytes()


def test_a_model_decides_the_class_of_its_highest_score(tmp_path: Path) -> None:
    import skops.io
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], 240), "u": rng.normal(size=240), "v": rng.normal(size=240)})
    frame["truth"] = np.select([frame.u > 0.5, frame.v > 0], ["c", "b"], "a")
    model = LogisticRegression().fit(frame[["u", "v"]], frame["truth"])
    data = 'label = "truth"\npositive = "b"\nsensitive = ["sex"]\nexclude = ["sex"]'
    case = make(tmp_path, frame, data=data, model='path = "m.skops"')
    skops.io.dump(model, tmp_path / "m.skops")
    evidence = audit(case, tmp_path / "run")
    decided = model.predict(frame[["u", "v"]])
    everyone = next(t for t in evidence["classes"]["tables"] if not t["attribute"])["people"]
    want = pd.crosstab(frame["truth"], pd.Series(decided)).reindex(index=NAMES, columns=NAMES, fill_value=0)
    assert everyone[:3] == want.to_numpy().tolist()
    rate = next(r for r in evidence["rates"] if r["metric"] == "selection_rate" and not r["attribute"])
    assert rate["numerator"] == int((decided == "b").sum())
    assert any(r["metric"] == "roc_auc" for r in evidence["rates"])


def test_a_threshold_is_refused(tmp_path: Path) -> None:
    case = load_case(make(tmp_path, rows(60), model='path = "m.skops"\nthreshold = 0.4'))
    with pytest.raises(CaseError, match="threshold"):
        decided_among(case, rows(60), NAMES, NAMES, np.zeros(60, dtype=np.int64))


def test_scores_of_every_class_are_those_of_each_class() -> None:
    """Each format's table of scores, in this process: the columns are what `scores` gives of one class."""
    import io

    import lightgbm
    import skops.io
    import xgboost
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    from audit.models.lightgbm_model import LightgbmModel
    from audit.models.skops_model import SkopsModel
    from audit.models.xgboost_model import XgboostModel

    rng = np.random.default_rng(5)
    x = pd.DataFrame({"u": rng.normal(size=90), "v": rng.normal(size=90)})
    y = np.select([x.u > 0.5, x.v > 0], [2, 1], 0)
    loaded: list[Any] = []
    for estimator, labels in ((LogisticRegression(), y), (LinearSVC(), y), (LogisticRegression(), y > 0)):
        out = io.BytesIO()
        skops.io.dump(estimator.fit(x, labels), out)
        loaded.append(SkopsModel(out.getvalue(), ()))
    how = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    text = lightgbm.train(how, lightgbm.Dataset(x, y), 2).model_to_string()
    loaded.append(LightgbmModel(text.encode()))
    for objective in ("multi:softprob", "multi:softmax"):
        booster = xgboost.train({"objective": objective, "num_class": 3, "nthread": 1}, xgboost.DMatrix(x, y), 2)
        loaded.append(XgboostModel(bytes(booster.save_raw("json"))))
    for model in loaded:
        table = model.class_scores(x)
        assert table.shape == (90, len(model.facts.classes))
        for k, name in enumerate(model.facts.classes):
            assert table[:, k] == pytest.approx(model.scores(x, name)), type(model)


def test_a_model_of_numbered_classes_and_a_class_that_no_row_has(tmp_path: Path) -> None:
    import lightgbm

    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"sex": rng.choice(["f", "m"], 300), "u": rng.normal(size=300), "truth": rng.integers(0, 4, 300)}
    )
    booster = lightgbm.train(
        {"objective": "multiclass", "num_class": 4, "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5},
        lightgbm.Dataset(frame[["u"]], frame["truth"]),
        3,
    )
    few = frame[frame.truth < 3]
    case = make(
        tmp_path,
        few,
        data='label = "truth"\npositive = 1\nsensitive = ["sex"]\nexclude = ["sex"]',
        model='path = "m.txt"',
    )
    booster.save_model(str(tmp_path / "m.txt"))
    evidence = audit(case, tmp_path / "run")
    assert evidence["classes"]["names"] == ["0", "1", "2", "3"]
    assert any("'3', which no row has" in n for n in evidence["notes"])
    decided = booster.predict(few[["u"]]).argmax(axis=1)
    everyone = next(t for t in evidence["classes"]["tables"] if not t["attribute"])["people"]
    assert np.sum(everyone, axis=0).tolist() == [int((decided == k).sum()) for k in range(4)]
    few = few.assign(truth=few["truth"].map({0: "x", 1: "y", 2: "z"}))
    case = make(
        tmp_path,
        few,
        data='label = "truth"\npositive = "y"\nsensitive = ["sex"]\nexclude = ["sex"]',
        model='path = "m.txt"',
    )
    with pytest.raises(CaseError, match="classes is which value of the label"):
        audit(case, tmp_path / "run2")


def test_a_score_of_one_class_says_nothing_of_the_others(tmp_path: Path) -> None:
    evidence = audit(make(tmp_path, rows(200).assign(p=0.3), model='score = "p"'), tmp_path / "run")
    assert "classes" not in evidence
    assert any("the score is of 'a' alone" in n for n in evidence["notes"])


def test_decisions_without_outcomes(tmp_path: Path) -> None:
    data = 'positive = "a"\nsensitive = ["sex"]'
    result = audit(make(tmp_path, rows(200).drop(columns="truth"), data=data), tmp_path / "run")["classes"]
    rates = {(r["metric"], *r["group"]): r for r in result["classes"][1]["rates"]}
    assert rates["selection_rate", "f"]["estimable"]
    assert "no outcome column" in rates["accuracy", "f"]["reason"]
    assert not any(r["estimable"] for r in result["overall"]["rates"])


def test_the_rest_may_be_the_favourable_side(tmp_path: Path) -> None:
    data = 'label = "truth"\npositive = "a"\nfavourable = "not a"\nsensitive = ["sex"]'
    evidence = audit(make(tmp_path, rows(200), data=data), tmp_path / "run")
    rates = {(r["metric"], *r["group"]): r["value"] for r in evidence["rates"]}
    frame = rows(200)
    assert rates["selection_rate", "f"] == pytest.approx((frame[frame.sex == "f"]["decided"] != "a").mean())


@pytest.mark.parametrize(
    ("change", "data", "kind"),
    [
        ({}, 'label = "truth"\npositive = "a"\nfavourable = "b"\nsensitive = ["sex"]', CaseError),
        ({}, 'label = "truth"\npositive = "z"\nsensitive = ["sex"]', CaseError),
        ({"truth": [f"v{i}" for i in range(120)]}, "", DataError),
        ({"decided": ["q"] * 120}, "", DataError),
    ],
    ids=["third-favourable", "no-such-positive", "too-many", "strange-decision"],
)
def test_bad_input_is_one_message(tmp_path: Path, change: dict[str, Any], data: str, kind: type[AssayError]) -> None:
    case = make(tmp_path, rows(120).assign(**change), data=data)
    with pytest.raises(kind) as report:
        audit(case, tmp_path / "run")
    assert report.value.todo
    assert report.value.expected
    assert not (tmp_path / "run").exists()


def test_the_error_of_the_averages_covers(tmp_path: Path) -> None:
    """Seeded: 400 tables of 300 people; the 95 % intervals of the macro averages hold the truth in 93 to 98 %."""
    from audit.classes.measures import average

    rng = np.random.default_rng(0)
    truth = np.array([[0.35, 0.1, 0.05], [0.05, 0.2, 0.05], [0.02, 0.03, 0.15]])
    margin = margins_of(cube(tmp_path, rows(50)))[0][0]
    have, got, both = truth.sum(axis=1), truth.sum(axis=0), np.diag(truth)
    right = {
        "macro_true_positive_rate": (both / have).mean(),
        "macro_positive_predictive_value": (both / got).mean(),
        "macro_f1": (2 * both / (have + got)).mean(),
    }
    inside = dict.fromkeys(right, 0)
    for _ in range(400):
        n = np.zeros((1, 4, 3), dtype=np.int64)
        n[0, :3] = rng.multinomial(300, truth.ravel()).reshape(3, 3)
        table = replace(tables(margin), n=n, w=n.astype(float), w2=n.astype(float))
        one = replace(margin, beside=table)
        for metric, value in right.items():
            _, low, high, _ = average(one, 0, metric, 0.05)
            inside[metric] += low <= value <= high
    assert all(0.93 <= v / 400 <= 0.98 for v in inside.values()), inside
