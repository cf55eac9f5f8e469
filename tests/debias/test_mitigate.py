"""`run_mitigate` end to end, and the seven traps of mitigation that it must not fall into.

1 the matched baseline; 2 three splits; 3 all groups, worst first; 4 ignored weights; 5 randomised predictors;
6 unseen groups; 7 a person decides.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.case import Case, DataSpec, ModelSpec
from audit.cube_json import margins_from_json
from audit.errors import CaseError, DataError, GateBroken, InputError
from audit.evidence import sha256
from audit.gaps import Settings
from audit.load import load_policy, load_rows
from audit.measure import measure
from audit.models.write import skops_bytes
from audit.run import run_audit
from audit.values import to_json
from debias.candidate import joint_of
from debias.fit_weights import refit
from debias.methods.table import METHODS
from debias.methods.weights import reweigh
from debias.mitigate import record_decision, run_mitigate, summary
from debias.task import task_of

pytestmark = pytest.mark.usefixtures("coarse_calibration")

NOW = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)
DRAWS = 60


def people(n: int = 1600, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], n)
    race = rng.choice(["A", "B", "C"], n, p=[0.6, 0.3, 0.1])
    merit = rng.normal(size=n)
    proxy = (sex == "Male") + rng.normal(scale=0.6, size=n)
    good = merit + 1.2 * (sex == "Male") + rng.normal(scale=0.8, size=n) > 0.9
    return pd.DataFrame(
        {
            "merit": merit + rng.normal(scale=0.8, size=n),
            "proxy": proxy,
            "branch": rng.choice(["north", "south"], n),
            "sex": sex,
            "race": race,
            "outcome": np.where(good, "paid", "late"),
            "split": np.where(np.arange(n) % 5 < 3, "train", "test"),
            "w": rng.uniform(0.5, 2, n),
        }
    )


def estimator(kind: str = "logistic") -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    prepare = ColumnTransformer(
        [("branch", OneHotEncoder(handle_unknown="ignore"), ["branch"])], remainder="passthrough"
    )
    model = LogisticRegression() if kind == "logistic" else KNeighborsClassifier(15)
    return Pipeline([("prepare", prepare), ("model", model)])


def case_in(folder: Path, frame: pd.DataFrame, kind: str = "logistic", **data: Any) -> Case:
    train, columns = frame[frame["split"] == "train"], ["merit", "proxy", "branch"]
    fitted = estimator(kind).fit(train[columns], train["outcome"])
    place = list(fitted.classes_).index(data.get("positive", "paid"))
    frame.assign(score=fitted.predict_proba(frame[columns])[:, place]).to_parquet(folder / "people.parquet")
    (folder / f"{kind}.skops").write_bytes(skops_bytes(fitted))
    spec = DataSpec(
        path=folder / "people.parquet",
        label="outcome",
        positive="paid",
        favourable="paid",
        sensitive=("sex", "race"),
        split="split",
        train="train",
        audit="test",
        features=("merit", "proxy", "branch"),
    )
    return Case(
        "People",
        "Who gets a loan",
        replace(spec, **data),
        ModelSpec("path", folder / f"{kind}.skops"),
        load_policy(None),
    )


def scored(case: Case) -> Case:
    """The same decisions from a column of the model's scores, so that no process is started where none is tested."""
    return replace(case, model=ModelSpec("score", None, column="score", threshold=0.5))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("people")


@pytest.fixture(scope="module")
def case(folder: Path) -> Case:
    return case_in(folder, people())


@pytest.fixture(scope="module")
def reweighed(case: Case, folder: Path) -> dict[str, Any]:
    return run_mitigate(case, "reweighing", folder / "run", draws=DRAWS)


def gap(arm: dict[str, Any], attribute: str, metric: str = "selection_rate") -> float:
    items = [g for g in arm["gaps"] if (g["metric"], g["attribute"], g["kind"]) == (metric, [attribute], "difference")]
    return float(items[0]["value"])


def test_it_narrows_the_gap_and_says_what_it_did(reweighed: dict[str, Any], folder: Path) -> None:
    assert gap(reweighed["arms"]["candidate"], "sex") < 0.75 * gap(reweighed["arms"]["original"], "sex")
    assert reweighed == json.loads((folder / "run" / "mitigation.json").read_bytes())
    model = reweighed["model"]
    assert model["sha256"] == sha256((folder / "run" / model["file"]).read_bytes())
    assert reweighed["base"]["sha256"] == sha256((folder / "logistic.skops").read_bytes())
    assert reweighed["parameters"]["weights_used"] == "sample_weight"
    assert reweighed["decision"] is None
    text = "\n".join(summary(reweighed))
    assert "Decisions that change" in text
    assert str(folder) not in (folder / "run" / "mitigation.json").read_text()


def test_trap_1_the_matched_baseline_selects_as_many(reweighed: dict[str, Any]) -> None:
    """The original's scores and one threshold, under which it selects as many of the same rows as the candidate."""
    arms = reweighed["arms"]
    assert arms["matched"]["threshold"] != arms["original"]["threshold"]
    assert arms["matched"]["selection_rate"] == pytest.approx(arms["candidate"]["selection_rate"], abs=0.003)
    assert not any("selects as many" in n for n in reweighed["notes"])
    assert arms["matched"]["roc_auc"] == pytest.approx(arms["original"]["roc_auc"], abs=1e-12)
    assert all(c["matched"] is not None for c in reweighed["changes"])


def test_trap_2_no_row_is_for_two_things(case: Case, reweighed: dict[str, Any]) -> None:
    rows = load_rows(case, everything=True)
    splits = task_of(case, rows, 0).splits
    parts = [set(splits.train.tolist()), set(splits.validation.tolist()), set(splits.test.tolist())]
    assert len(parts[0] | parts[1] | parts[2]) == sum(map(len, parts))
    assert parts[2] == set(np.flatnonzero(rows.audit).tolist())
    assert reweighed["splits"] == {"train": 720, "validation": 240, "test": 640, "made_by": "case"}


def test_trap_3_every_group_and_norm_before_and_after_worst_first(reweighed: dict[str, Any]) -> None:
    changes = reweighed["changes"]
    order = [(not (c["worse"] and c["clear"]), not c["worse"]) for c in changes]
    assert order == sorted(order)
    seen = {tuple(c["group"]) for c in changes if c["group"] is not None}
    assert {(), ("Female",), ("Male",), ("A",), ("Female", "B"), ("Male", "C")} <= seen
    assert all(c["low"] <= c["delta"] <= c["high"] for c in changes)
    assert [n["metric"] for n in reweighed["arms"]["candidate"]["norms"]]
    everyone = next(f for f in reweighed["flips"] if f["attribute"] == [])
    by_sex = [f for f in reweighed["flips"] if f["attribute"] == ["sex"]]
    for way in ("to_favourable", "to_unfavourable", "rows"):
        assert sum(f[way] for f in by_sex) == everyone[way]


def test_every_figure_follows_from_the_cubes_in_the_file(reweighed: dict[str, Any]) -> None:
    for name, arm in reweighed["arms"].items():
        document = measure(margins_from_json(reweighed["cubes"][name]), Settings.from_json(reweighed["settings"]))
        assert [to_json(r) for r in document.rates] == arm["rates"]
        assert [to_json(g) for g in document.gaps] == arm["gaps"]


def test_the_mitigated_model_can_be_audited_again_with_the_same_figures(
    case: Case, reweighed: dict[str, Any], folder: Path
) -> None:
    again = replace(case, model=ModelSpec("path", folder / "run" / "mitigated.skops"))
    audit = run_audit(again, folder / "again", Settings(draws=DRAWS))
    arm = reweighed["arms"]["candidate"]
    assert audit.evidence["rates"] == arm["rates"]
    assert audit.evidence["gaps"] == arm["gaps"]
    assert audit.evidence["counts"] == arm["counts"]


@pytest.mark.usefixtures("here")
def test_the_same_case_gives_the_same_bytes(case: Case, folder: Path, reweighed: dict[str, Any]) -> None:
    """Of Assay's own learner on one thread and on two, and of the audited estimator fitted again in its sandbox."""
    from threadpoolctl import threadpool_limits

    for name, threads in (("once", 1), ("twice", 2)):
        with threadpool_limits(threads):
            run_mitigate(scored(case), "reweighing", folder / name, draws=DRAWS)
    for name in ("mitigated.skops", "mitigation.json", "modelcard.md", "provenance.json", "mlbom.cdx.json"):
        assert (folder / "once" / name).read_bytes() == (folder / "twice" / name).read_bytes(), name
    task = task_of(case, load_rows(case, everything=True), 0)
    fit = task.splits.train
    weight = reweigh(joint_of(task, ("sex", "race"))[0][fit], task.label[fit], None).weight
    again = refit(task, fit, weight, 0, ())
    assert again.content == (folder / "run" / "mitigated.skops").read_bytes()


def test_trap_4_an_estimator_that_takes_no_weights_is_resampled_and_it_is_said(folder: Path) -> None:
    mitigation = run_mitigate(case_in(folder, people(), "neighbours"), "reweighing", folder / "knn", draws=DRAWS)
    assert mitigation["parameters"]["weights_used"] == "resampling"
    assert any("does not use weights" in n for n in mitigation["notes"])
    assert gap(mitigation["arms"]["candidate"], "sex") < gap(mitigation["arms"]["original"], "sex")


@pytest.mark.usefixtures("here")
def test_trap_5_one_person_gets_one_answer(case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("debias.fit_reductions.RUNS", 10)
    mitigation = run_mitigate(
        scored(case), "exponentiated_gradient", folder / "eg", draws=DRAWS, tolerance=0.05, attributes=["sex"]
    )
    assert any("one person gets one answer" in n for n in mitigation["notes"])
    assert gap(mitigation["arms"]["candidate"], "sex") < gap(mitigation["arms"]["original"], "sex")
    again = replace(case, model=ModelSpec("path", folder / "eg" / "mitigated.skops"))
    # Another process, and the same answers as in the comparison.
    rates = run_audit(again, folder / "one", Settings(draws=DRAWS)).evidence["rates"]
    assert rates == mitigation["arms"]["candidate"]["rates"]


def test_trap_6_a_group_absent_from_training(folder: Path, tmp_path: Path) -> None:
    frame = people(1200, 3)
    rare = np.flatnonzero(frame["split"] == "test")[:40]
    frame.loc[rare, "race"] = "D"
    case = case_in(tmp_path, frame)
    mitigation = run_mitigate(case, "group_thresholds", tmp_path / "run", draws=DRAWS)
    assert any("nothing was learned about them" in n and "D" in n for n in mitigation["notes"])
    table = json.loads((tmp_path / "run" / "mitigated.json").read_bytes())
    d = [t["threshold"] for t in table["thresholds"] if "D" in t["group"]]
    assert d == [table["default"]] * 2
    assert mitigation["needs_sensitive_at_decision"] is True
    assert "unlawful" in mitigation["notice"]
    assert "unlawful" in "\n".join(summary(mitigation))


@pytest.mark.usefixtures("here")
def test_trap_7_a_person_decides_with_a_reason(case: Case, folder: Path, reweighed: dict[str, Any]) -> None:
    place = folder / "twice"
    for reason, by in (("", "Ada"), ("  ", "Ada"), ("fewer refusals", " ")):
        with pytest.raises(InputError, match="a reason and a name"):
            record_decision(place, True, reason, by, NOW)
    record_decision(place, False, "costs group B too much", "Ada", NOW)
    document = record_decision(place, True, "the gap halves", "Ada", NOW)
    assert document["decision"] == {
        "accepted": True,
        "reason": "the gap halves",
        "by": "Ada",
        "time": "2026-11-01T12:00:00+00:00",
    }
    assert [d["accepted"] for d in document["decisions"]] == [False, True]
    # A new run asks anew and keeps what was decided before.
    after = run_mitigate(scored(case), "constrained_boosting", place, draws=DRAWS)
    assert after["decision"] is None
    assert after["earlier"][0]["decision"]["reason"] == "the gap halves"
    (place / "mitigated.skops").write_bytes(b"another")
    with pytest.raises(DataError, match="not the one that was compared"):
        record_decision(place, True, "the gap halves", "Ada", NOW)


@pytest.mark.usefixtures("here")
def test_constrained_boosting_and_the_gate(case: Case, folder: Path) -> None:
    case = scored(case)
    mitigation = run_mitigate(
        case, "constrained_boosting", folder / "cb", draws=DRAWS, tolerance=0.08, attributes=["sex"]
    )
    assert mitigation["needs_sensitive_at_decision"] is False
    assert gap(mitigation["arms"]["candidate"], "sex") < 0.5 * gap(mitigation["arms"]["original"], "sex")
    with pytest.raises(GateBroken, match="was not met") as broken:
        run_mitigate(case, "reweighing", folder / "gate", draws=DRAWS, tolerance=0.0, gate=True)
    assert "the best that reweighing reached" in broken.value.message
    assert broken.value.exit_code == 3
    assert (folder / "gate" / "mitigation.json").exists()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("method", ["constrained_boosting", "group_thresholds", "grid_search"])
def test_positive_need_be_neither_favourable_nor_last(method: str, tmp_path: Path) -> None:
    """The model predicts who is late, "late" sorts before "paid", and "paid" is the favourable decision."""
    case = scored(case_in(tmp_path, people(4000), positive="late", favourable="paid"))
    mitigation = run_mitigate(
        case, method, tmp_path / "run", draws=DRAWS, tolerance=0.02, attributes=["sex"], constraint="equal_opportunity"
    )
    before, after = mitigation["arms"]["original"], mitigation["arms"]["candidate"]
    assert after["accuracy"] > 0.66
    assert after["selection_rate"] == pytest.approx(before["selection_rate"], abs=0.15)
    assert gap(after, "sex", "equal_opportunity") < 0.5 * gap(before, "sex", "equal_opportunity")
    assert mitigation["constraint"]["reached"] == gap(after, "sex", "equal_opportunity")


@pytest.mark.usefixtures("here")
def test_decisions_only(folder: Path) -> None:
    """No model and no scores: Assay's own learner, no matched baseline, and both are said."""
    frame = people(1000, 2)
    frame["decided"] = np.where(frame["merit"] + frame["proxy"] > 0.7, "paid", "late")
    case = case_in(folder, people())
    frame.to_parquet(folder / "decided.parquet")
    data = replace(case.data, path=folder / "decided.parquet", split=None, train=None, audit=None, weight="w")
    case = replace(case, data=data, model=ModelSpec("decision", column="decided"))
    mitigation = run_mitigate(case, "reweighing", folder / "decided", draws=DRAWS)
    assert mitigation["arms"]["matched"] is None
    assert mitigation["cubes"]["matched"] is None
    assert mitigation["splits"]["made_by"] == "seed"
    assert sum(v for v in mitigation["splits"].values() if isinstance(v, int)) == 1000
    assert any("no threshold to match" in n for n in mitigation["notes"])
    assert any("no model to fit again" in n for n in mitigation["notes"])
    with pytest.raises(InputError, match="need scores"):
        run_mitigate(case, "group_thresholds", folder / "none", draws=DRAWS)
    assert not (folder / "none").exists()


@pytest.mark.parametrize(
    ("method", "more", "words"),
    [
        ("reweighting", {}, "did you mean 'reweighing'"),
        ("reweighing", {"constraint": "equalized_odds"}, "does not aim at"),
        ("reweighing", {"constraint": "parity"}, "no such constraint"),
        ("reweighing", {"tolerance": -0.1}, "tolerance"),
        ("reweighing", {"tolerance": float("nan")}, "tolerance"),
        ("reweighing", {"attributes": ["gender"]}, "no sensitive column"),
        ("reweighing", {"attributes": []}, "no attribute"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(
    case: Case, tmp_path: Path, method: str, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        run_mitigate(case, method, tmp_path / "run", **more)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("here")
def test_bad_input(case: Case, tmp_path: Path) -> None:
    """No label; no sensitive column; training rows of one outcome; a group with one outcome; a sensitive feature."""
    for spec in (replace(case.data, label=None, positive=None, favourable=None), replace(case.data, sensitive=())):
        with pytest.raises(CaseError):
            run_mitigate(replace(case, data=spec), "reweighing", tmp_path / "run", draws=DRAWS)
    frame = people(600, 5)
    frame.loc[(frame["sex"] == "Female") & (frame["split"] == "train"), "outcome"] = "late"
    features = ("merit", "proxy", "branch", "sex")
    one = scored(case_in(tmp_path, frame, features=features))
    mitigation = run_mitigate(one, "reweighing", tmp_path / "one", draws=DRAWS)
    assert any("Only one outcome in the training rows of Female / A" in n for n in mitigation["notes"])
    assert any("reads the sensitive column sex" in n for n in mitigation["notes"])
    frame["outcome"] = np.where(frame["split"] == "train", "late", frame["outcome"])
    frame.assign(score=0.5).to_parquet(tmp_path / "people.parquet")
    with pytest.raises(DataError, match="one outcome only"):
        run_mitigate(one, "reweighing", tmp_path / "never", draws=DRAWS)
    assert not (tmp_path / "never").exists()


def test_the_table_of_methods_says_what_each_needs() -> None:
    for method in METHODS.values():
        assert method.stage in ("pre", "in", "post")
        assert method.constraints
        assert method.words.endswith(".")
        assert (method.notice is not None) == method.needs_sensitive_at_decision
    reading = [m.name for m in METHODS.values() if m.needs_sensitive_at_decision]
    assert reading == ["correlation_remover", "group_thresholds"]
