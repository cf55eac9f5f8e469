"""Shared work gives what a fit from the beginning gives; the door, with a model file, tells which choices matter."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

import assay
import cli
from audit.documents.stress import Stress, Whatif
from audit.load import load_case, load_rows
from audit.models.write import skops_bytes
from audit.publish import publish_files
from debias.task import task_of
from debias.whatif.boosting import Boosting, _grown, _values
from debias.whatif.linear import Linear, column_of
from debias.whatif.run import parts_of
from debias.whatif.table import variants_of
from tests.reports import kit
from tests.reports.pki import Pki

RUN = ("evidence.json", "cube.json")
N = 900
CASE = """[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "outcome"
positive = "yes"
sensitive = ["sex"]
split = "split"
train = "train"
audit = "test"
exclude = ["sex"]
[model]
path = "model.skops"
"""


def people() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["Female", "Male"], N),
            "town": rng.choice(["Aa", "Bo", "Ce", "Du"], N, p=[0.5, 0.3, 0.19, 0.01]),
            "a": rng.normal(2, 3, N).round(3),
            "b": rng.exponential(5, N).round(3),
            "flag": rng.random(N) < 0.4,
            "split": np.where(np.arange(N) % 3 == 0, "test", "train"),
        }
    )
    z = 0.5 * frame["a"] - 0.1 * frame["b"] + (frame["town"] == "Aa") - 0.8 * (frame["sex"] == "Female")
    frame["outcome"] = np.where(z + rng.logistic(0, 1, N) > 0.5, "yes", "no")
    return frame


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("whatif")
    frame = people()
    frame.to_csv(place / "people.csv", index=False)
    train = frame[frame["split"] == "train"]
    (place / "model.skops").write_bytes(skops_bytes(cold(train[["town", "a", "b", "flag"]], train["outcome"])))
    (place / "case.toml").write_text(CASE)
    return place / "case.toml"


def cold(x: pd.DataFrame, y, **inputs) -> Pipeline:
    numbers = [c for c in x if x[c].dtype.kind in "if"]
    texts = [c for c in x if c not in numbers]
    prepare = ColumnTransformer(
        [("n", StandardScaler(), numbers), ("t", OneHotEncoder(handle_unknown="ignore"), texts)]
    )
    model = Pipeline([("prepare", prepare), ("model", LogisticRegression(tol=1e-8, max_iter=2000))])
    return model.fit(x, y, **({"model__sample_weight": inputs["weight"]} if inputs.get("weight") is not None else {}))


@pytest.fixture(scope="module")
def parts(case: Path):
    loaded = load_case(case)
    return parts_of(task_of(loaded, load_rows(loaded, everything=True), 0), 0)


def frames(parts, recipe):
    """Training rows, labels, weights and rows measured, as one would make them without a plan."""
    train, test, label = parts.train.copy(), parts.test.copy(), parts.label
    for name, (a, b) in recipe.columns.items():
        train[name], test[name] = a.to_numpy(), b.to_numpy()
    for name, altered in recipe.asked.items():
        test[name] = altered.to_numpy()
    label = label if recipe.label is None else recipe.label
    if recipe.rows is not None:
        train, label = train.iloc[recipe.rows], label[recipe.rows]
    gone = list(recipe.without)
    return train.drop(columns=gone), label, recipe.weight, test.drop(columns=gone)


def test_every_logistic_variant_is_what_scikit_learn_fits_from_the_beginning(parts) -> None:
    plan, compared = Linear(parts), 0
    for v in variants_of(parts, "logistic"):
        if v.kind == "scaling" or v.recipe.threshold is not None:
            continue
        train, label, weight, test = frames(parts, v.recipe)
        if v.recipe.asked and test.isna().any().any():
            continue  # scikit-learn's scaler and regression refuse gaps
        wanted = cold(train, label, weight=weight).predict_proba(test)[:, 1]
        np.testing.assert_allclose(plan(v.recipe), wanted, atol=2e-5, err_msg=v.name)
        compared += 1
    assert compared >= 30


def test_every_boosted_variant_is_exactly_what_lightgbm_fits_from_the_beginning(parts) -> None:
    plan = Boosting(parts)
    # Weights first: nothing of a variant may be left for the next.
    for v in sorted(variants_of(parts, "boosting"), key=lambda v: v.kind != "weights"):
        if v.recipe.threshold is not None or (v.recipe.rows is not None and "another draw" in v.name):
            continue
        _, label, weight, _ = frames(parts, v.recipe)
        names = [c for c in plan.names if c not in v.recipe.without]
        mapping = {c: column_of(*v.recipe.columns.get(c, (parts.train[c], parts.test[c]))) for c in names}
        asked = {c: column_of(parts.train[c], a) for c, a in v.recipe.asked.items()}
        x = np.column_stack([_values(mapping[c], 0) for c in names])
        x = x if v.recipe.rows is None else x[v.recipe.rows]
        there = np.column_stack([_values(asked.get(c, mapping[c]), 1) for c in names])
        model = _grown(Boosting._dataset(x, label, weight, [mapping[c] for c in names]))
        np.testing.assert_array_equal(plan(v.recipe), model.predict(there), err_msg=v.name)


@pytest.fixture(scope="module")
def document(case: Path) -> dict:
    out = case.parent / "run"
    assert cli.main(["whatif", str(case), "--learner", "logistic", "--out", str(out), "--json"]) == 0
    return json.loads((out / "whatif.json").read_text())


def test_changes_are_paired_and_held_against_chance_over_all_variants(document) -> None:
    assert len(document["variants"]) >= 40
    p = [f["p_value"] for v in document["variants"] for f in v["figures"] if f["p_value"] is not None]
    adjusted = [f["p_adjusted"] for v in document["variants"] for f in v["figures"] if f["p_value"] is not None]
    np.testing.assert_allclose(adjusted, multipletests(p, method="holm")[1])
    at = [a["metric"] for a in document["aims"]].index("accuracy")
    moved = [v for v in document["variants"] if abs(v["figures"][at]["change"]) > 0.02]
    assert moved
    for v in moved:
        f = v["figures"][at]
        assert f["low"] <= f["change"] <= f["high"]


def test_who_is_measured_and_by_which_outcomes_follow_from_the_rows(document, parts) -> None:
    """Other shares of people and outcomes cleaned where measured: the same decisions, counted otherwise."""
    plan = Linear(parts)
    decision, label = (plan.base >= 0.5).astype(int), parts.task.label[parts.task.splits.test]
    sex = np.array([parts.task.levels[0][c] for c in parts.task.codes[parts.task.splits.test, 0]])
    at = [(a["metric"], a["kind"]) for a in document["aims"]].index(("selection_rate", "difference"))
    right = [a["metric"] for a in document["aims"]].index("accuracy")
    looked = 0
    for v in (v for v in variants_of(parts, "logistic") if v.kind in ("people", "measuring")):
        counts = np.ones(len(label)) if v.recipe.counts is None else v.recipe.counts
        truth = label if v.recipe.truth is None else v.recipe.truth
        figures = next(f["figures"] for f in document["variants"] if f["variant"] == v.name)
        rate = {g: np.average(decision[sex == g], weights=counts[sex == g]) for g in ("Female", "Male")}
        assert figures[at]["value"] == pytest.approx(abs(rate["Female"] - rate["Male"])), v.name
        assert figures[right]["value"] == pytest.approx(np.average(decision == truth, weights=counts)), v.name
        looked += v.kind == "measuring" or "twice as many of sex" in v.name
    assert looked == 4
    doubted = parts.doubted
    assert doubted is not None
    assert 0 < doubted.sum() < len(label) / 3
    assert (decision != label)[doubted].mean() > 0.8, "they are where the model disagrees for sure"


def test_the_paired_p_value_is_near_mcnemar(parts) -> None:
    from audit.policy import Policy
    from audit.stress.confirm import spreads
    from audit.stress.figures import Figures, aims_of, moves_of
    from debias.whatif.run import _changes, _coded

    plan = Linear(parts)
    base = (plan.base >= 0.5).astype(int)
    coded = _coded(parts.task, base)
    figures = Figures(coded, aims_of(Policy("", (), ""), ("sex",), coded.meaning)[0], 10)
    truth = coded.label
    for at in (0.4, 0.6, 0.7):
        after = (plan.base >= at).astype(int)
        table = [np.bincount((figures.joint * 3 + truth) * 2 + d, minlength=figures.size)[None] for d in (base, after)]
        now, there = (figures.of(t.astype(float))[0] for t in table)
        sd = spreads(figures, coded, moves_of(figures, coded, after, "w"), 0)
        (change,) = _changes(now, there, sd, np.array([0]), len(base))
        square = [
            [0, int(((base == truth) & (after != truth)).sum())],
            [int(((base != truth) & (after == truth)).sum()), 0],
        ]
        assert change.p_value == pytest.approx(mcnemar(square, exact=False, correction=False).pvalue, abs=0.03)


def test_the_multiverse_counts_what_is_inside_each_norm(document) -> None:
    for m, i in (
        (m, i)
        for i, a in enumerate(document["aims"])
        for m in document["multiverse"]
        if (m["metric"], m["kind"]) == (a["metric"], a["kind"])
    ):
        values = [v["figures"][i]["value"] for v in document["variants"] if v["side"] != "test"]
        values = [v for v in values if v is not None]
        inside = [v for v in values if (v <= m["limit"] if m["kind"] == "difference" else v >= m["limit"])]
        assert (m["variants"], m["inside"]) == (len(values), len(inside))


OWN = {
    "whatif.json": ["whatif", "--kind", "features", "--kind", "incoming gaps"],
    "stress.json": ["stress", "--fits", "4", "--budget", "0.2"],
}


@pytest.fixture(scope="module")
def own(case: Path) -> Path:
    """What both commands write of the case's own pipeline, cloned."""
    out = case.parent / "own"
    for command in OWN.values():
        assert cli.main([command[0], str(case), *command[1:], "--out", str(out)]) == 0
    return out


def test_the_cases_own_pipeline_is_cloned_and_stressed(own: Path) -> None:
    result = json.loads((own / "whatif.json").read_text())
    assert "audited Pipeline" in result["learner"]
    assert {v["variant"] for v in result["variants"]} >= {"without a", "without b", "without town"}
    assert any("refuses" in f["reason"] for f in result["failed"])
    result = json.loads((own / "stress.json").read_text())
    record = msgspec.to_builtins(msgspec.convert(result, Stress))
    assert not named(result, record), "docs/schemas/stress.json names every key"
    assert result["training"]["measured"]
    assert result["training"]["fits"] >= 1
    assert "audited Pipeline" in result["training"]["learner"]
    assert all(e["rows"] <= 0.2 * e["of"] + 1 for q in ("serving", "training") for e in result[q]["entries"])
    assert "worst that was found, not the worst there is" in result["serving"]["notes"][0]


def test_verify_makes_both_again_from_model_and_data(case: Path, own: Path, tmp_path, monkeypatch, capsys) -> None:
    run, report = tmp_path / "run", tmp_path / "report.pdf"
    assert cli.main(["audit", str(case), "--out", str(run)]) == 0
    content = {n: (place / n).read_bytes() for place, names in ((run, RUN), (own, OWN)) for n in names}
    report.write_bytes(kit.report(publish_files(content), Pki().auditor))
    kit.judge_here(monkeypatch, kit.page)
    capsys.readouterr()
    assert cli.main(["verify", str(report), "--rerun", str(case), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    lines = {c["check"]: c for c in record["checks"]}
    assert lines["rerun"]["status"] == "ok", lines["rerun"]
    same = lines["rerun"]["detail"].partition("the same bytes: ")[2]
    assert all(name in same for name in OWN)


def test_a_pipeline_from_a_notebook_is_cloned(tmp_path: Path) -> None:
    frame = people().drop(columns="flag")
    train = frame[frame["split"] == "train"]
    model = cold(train[["town", "a", "b"]], train["outcome"])
    parts = {"data": {"split": "split", "train": "train", "audit": "test"}}
    roles = {
        "label": "outcome",
        "favourable": "yes",
        "positive": "yes",
        "sensitive": ["sex"],
        "exclude": ["sex"],
        "case": parts,
    }
    result = assay.audit(frame, model=model, out=tmp_path / "run", **roles)
    actual = result.whatif(kinds=["features"])
    written = json.loads((tmp_path / "run" / "whatif.json").read_text())
    assert "audited Pipeline" in written["learner"]
    assert actual["variant"].unique().tolist() == ["without town", "without a", "without b"]
    assert actual["change"].tolist() == [f["change"] for v in written["variants"] for f in v["figures"]]
    worst = result.stress(train=False, budget=0.2)
    assert worst["worse"].is_monotonic_decreasing
    assert worst["worse"].any()


@pytest.mark.parametrize("wrong", [["--kind", "featurs"], ["--learner", "logistic", "--kind", "nothing"]])
def test_an_unknown_kind_is_one_sentence_and_2(case: Path, tmp_path: Path, capsys, wrong: list[str]) -> None:
    assert cli.main(["whatif", str(case), "--out", str(tmp_path), *wrong]) == 2
    assert "there is no such kind of variant" in capsys.readouterr().err


def named(plain, built, place: str = "") -> list[str]:
    """Keys of a document that its record does not name."""
    if isinstance(plain, dict) and isinstance(built, dict):
        here = [f"{place}.{k}" for k in plain if k not in built]
        return here + [u for k, v in plain.items() if k in built for u in named(v, built[k], f"{place}.{k}")]
    if isinstance(plain, list):
        return [u for a, b in zip(plain, built, strict=True) for u in named(a, b, f"{place}[]")]
    return []


def test_every_key_that_is_written_is_in_the_published_schema(document) -> None:
    assert not named(document, msgspec.to_builtins(msgspec.convert(document, Whatif)))


@pytest.mark.parametrize(
    "name, stops", [("stress.json", "debias.stress.training._entries"), ("whatif.json", "debias.whatif.run._document")]
)
def test_work_that_was_stopped_goes_on_where_it_was(
    case: Path, own: Path, tmp_path: Path, monkeypatch, capsys, name: str, stops: str
) -> None:
    """Stopped after the fits, before the end; the second start asks the model next to nothing, and finds the same."""
    from audit.models.worker import Worker

    asked: list[int] = []
    real = Worker._ask
    monkeypatch.setattr(Worker, "_ask", lambda self, *a, **k: asked.append(1) or real(self, *a, **k))

    def stop(*_, **__):
        raise KeyboardInterrupt

    command = [OWN[name][0], str(case), *OWN[name][1:], "--out", str(tmp_path)]
    with monkeypatch.context() as patched:
        patched.setattr(stops, stop)
        assert cli.main(command) == 1
    first = len(asked)
    asked.clear()
    capsys.readouterr()
    assert cli.main(command) == 0
    assert "and not asked for again" in capsys.readouterr().err
    assert len(asked) < first / 2
    assert (tmp_path / name).read_bytes() == (own / name).read_bytes()


def test_outcomes_to_label_again_are_a_list_and_a_planned_sample_of_each_group(case: Path, tmp_path, capsys) -> None:
    from statsmodels.stats.proportion import proportion_confint

    def asked(*more: str) -> int:
        return cli.main(["contract", str(case), "--labels", str(tmp_path / "again.csv"), *more])

    assert asked("--within", "0.05", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    rows = pd.read_csv(tmp_path / "again.csv")
    assert (rows["list"] == "looks wrong").sum() == record["looks_wrong"] > 0
    frame = people()
    for plan in record["samples"]:
        mine = rows.loc[rows["list"] == f"random sample of sex {plan['group'][0]}", "row"]
        assert mine.is_unique
        assert set(frame["sex"].iloc[mine - 1]) == {plan["group"][0]}
        low, high = proportion_confint(round(0.05 * len(mine)), len(mine), method="wilson")
        assert len(mine) == plan["sample"]
        assert (high - low) / 2 == pytest.approx(0.05, abs=0.003)
    assert asked() == 2, "never over a file"
    assert "exists" in capsys.readouterr().err
    assert asked("--within", "0.9") == 2
    assert "cannot be planned" in capsys.readouterr().err
