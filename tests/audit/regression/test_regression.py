"""Regression: hand-computed residuals, the figures of fairlearn and scipy, additive, verified."""

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

from audit.cube import margins_of
from audit.cube_json import margins_from_json, margins_to_json
from audit.documents import Documents
from audit.errors import AssayError, CaseError, DataError, ModelError
from audit.gaps import Settings
from audit.load import load_case
from audit.load.cases import dump_case
from audit.publish import publish_files
from audit.regression.measures import average, moments_of, regression_measures
from audit.regression.moments import GAPS, RANKS, edges_of
from audit.regression.rows import cube_of_numbers
from audit.regression.words import four_digits
from audit.run import run_audit
from reports.verify.figures import check_figures
from reports.verify.result import Broken

QUICK = Settings(draws=200)
PLAIN = 'label = "y"\ntask = "regression"\nsensitive = ["sex"]\n'


def make(folder: Path, frame: pd.DataFrame, data: str = PLAIN, model: str = 'score = "p"') -> Path:
    folder.mkdir(exist_ok=True)
    frame.to_parquet(folder / "rows.parquet")
    (folder / "case.toml").write_text(
        f'[case]\nname = "t"\npurpose = "a price"\n[data]\npath = "rows.parquet"\n{data}\n[model]\n{model}\n'
    )
    return folder / "case.toml"


def people(n: int = 300, seed: int = 0, groups: str = "fm") -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = 1000 + 200 * x + 40 * rng.normal(size=n)
    return pd.DataFrame({"sex": rng.choice(list(groups), n), "x": x, "y": y, "p": 1000 + 190 * x})


def audit(case: Path, out: Path, **more: Any) -> dict[str, Any]:
    run_audit(load_case(case), out, QUICK, **more)
    document: dict[str, Any] = json.loads((out / "evidence.json").read_bytes())
    return document


def rates_of(entry: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    return {(r["metric"], *r["group"]): r for r in entry["rates"]}


def gap_of(entry: dict[str, Any], metric: str, kind: str = "difference") -> dict[str, Any]:
    result: dict[str, Any] = next(g for g in entry["gaps"] if g["metric"] == metric and g["kind"] == kind)
    return result


def test_by_hand(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"sex": list("fffmmm"), "y": [10.0, 20.0, 30.0, 10.0, 20.0, 30.0], "p": [12.0, 19.0, 27.0, 14.0, 22.0, 36.0]}
    )
    data = PLAIN + 'favourable = "low"\n'
    evidence = audit(make(tmp_path, frame, data), tmp_path / "run")
    result = evidence["regression"]
    rates = rates_of(result)
    # residuals f: 2, -1, -3; m: 4, 2, 6
    assert rates["mean_residual", "f"]["value"] == pytest.approx(-2 / 3)
    assert rates["mean_absolute_error", "f"]["value"] == pytest.approx(2)
    assert rates["root_mean_squared_error", "f"]["value"] == pytest.approx(np.sqrt(14 / 3))
    assert rates["mean_residual", "m"]["value"] == pytest.approx(4)
    # Student with 2 degrees of freedom: 4 +- 4.302653 * 2 / sqrt(3)
    assert rates["mean_residual", "m"]["high"] == pytest.approx(4 + 4.302653 * 2 / np.sqrt(3), abs=1e-5)
    assert rates["mean_prediction", "m"]["value"] == pytest.approx(24)
    gap = gap_of(result, "mean_residual")
    assert gap["value"] == pytest.approx(14 / 3)
    assert (gap["highest"], gap["lowest"], gap["worse_off"]) == (["m"], ["f"], ["m"])
    assert gap_of(result, "mean_absolute_error", "ratio")["value"] == pytest.approx(0.5)
    assert result["residual"] == "prediction - outcome"
    assert evidence["rates"] == []
    assert evidence["gaps"] == []
    assert all("no decisions" in n["reason"] for n in evidence["norms"])


@pytest.mark.parametrize(("side", "worse"), [("high", ["f"]), ("low", ["m"]), (None, None)])
def test_who_is_worse_off_follows_from_the_direction(tmp_path: Path, side: str | None, worse: list[str] | None) -> None:
    frame = people()
    frame.loc[frame.sex == "m", "p"] += 100
    data = PLAIN + (f'favourable = "{side}"\n' if side else "")
    evidence = audit(make(tmp_path, frame, data), tmp_path / "run")
    assert gap_of(evidence["regression"], "mean_residual")["worse_off"] == worse
    first = evidence["findings"][0]
    assert ("the worse side is" in first) == (side is not None)
    assert "for m" in first


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from([0.001, 1.0, 1e7]), st.integers(2, 4))
def test_values_are_those_of_fairlearn_scikit_learn_and_scipy(
    tmp_path_factory: Any, seed: int, scale: float, groups: int
) -> None:
    from fairlearn.metrics import MetricFrame
    from scipy.stats import ks_2samp, wasserstein_distance
    from sklearn.metrics import mean_absolute_error, root_mean_squared_error

    frame = people(240, seed, "abcd"[:groups])
    frame[["y", "p"]] *= scale
    case = load_case(make(tmp_path_factory.mktemp("r"), frame))
    cube = cube_of_numbers(case, frame, frame["p"].to_numpy())
    result = regression_measures(margins_of(cube)[0], QUICK)
    assert result is not None
    theirs = MetricFrame(
        metrics={
            "mean_absolute_error": mean_absolute_error,
            "root_mean_squared_error": root_mean_squared_error,
            "mean_residual": lambda y, p: float(np.mean(p - y)),
            "mean_prediction": lambda y, p: float(np.mean(p)),
        },
        y_true=frame["y"],
        y_pred=frame["p"],
        sensitive_features=frame["sex"],
    )
    for rate in result["rates"]:
        if rate["attribute"] and rate["metric"] in theirs.by_group.columns:
            assert rate["value"] == pytest.approx(theirs.by_group.loc[rate["group"][0], rate["metric"]], rel=1e-9)
            assert rate["low"] <= rate["value"] <= rate["high"]
    for metric, value in theirs.difference().items():
        assert gap_of(result, metric)["value"] == pytest.approx(value, rel=1e-9)
    parts = [frame.loc[frame.sex == g, "p"].to_numpy() for g in sorted(frame.sex.unique())]
    pairs = [(a, b) for i, a in enumerate(parts) for b in parts[:i]]
    ks = max(ks_2samp(a, b, method="asymp").statistic for a, b in pairs)
    area = max(wasserstein_distance(a, b) for a, b in pairs)
    gap = gap_of(result, "kolmogorov_smirnov")
    assert gap["value"] == pytest.approx(ks, abs=1e-12)
    gap = gap_of(result, "wasserstein_distance")
    assert gap["value"] == pytest.approx(area, rel=1e-3)
    if groups == 2:
        assert gap["bins"][0] * (1 - 1e-9) <= area <= gap["bins"][1] * (1 + 1e-9)
    assert gap["low"] <= area <= gap["high"]


def test_the_sums_are_additive_and_come_back_from_json(tmp_path: Path) -> None:
    frame = people(200, 1).assign(w=np.random.default_rng(0).uniform(0.5, 2, 200))
    case = load_case(make(tmp_path, frame, PLAIN + 'weight = "w"\n'))
    ends = frame["p"].to_numpy()
    whole = cube_of_numbers(case, frame, ends)
    edges = moments_of(margins_of(whole)[0][0]).edges
    at = np.argsort(ends)
    first, second = np.concatenate([at[::2], at[-1:]]), np.concatenate([at[1::2], at[:1]])
    both = cube_of_numbers(case, frame.iloc[first], ends[first], edges) + cube_of_numbers(
        case, frame.iloc[second], ends[second], edges
    )
    extra = frame.iloc[[at[-1], at[0]]]
    again = whole
    for cube, rows in ((both, 202), (again, 200)):
        margin = margins_of(cube)[0][0]
        assert moments_of(margin).n[0, 0] == rows
        assert moments_of(margin).hist_n.sum() == rows
    got = moments_of(margins_of(both)[0][0]).w[0, 0]
    assert got == pytest.approx(frame.w.sum() + extra.w.sum())
    for a, b in zip(
        margins_of(whole)[0],
        margins_from_json(json.loads(json.dumps(margins_to_json(margins_of(whole)[0], 0)))),
        strict=True,
    ):
        assert not b.meaning.decides
        for name in ("n", "w", "w2", "sums", "hist_n", "hist_w", "hist_w2", "edges"):
            assert np.array_equal(getattr(moments_of(a), name), getattr(moments_of(b), name))
    with pytest.raises(DataError, match="cannot be added"):
        _ = whole + cube_of_numbers(case, frame, ends * 3)


def test_large_numbers_do_not_cancel(tmp_path: Path) -> None:
    frame = people(200, 2)
    frame["y"] += 1e9
    frame["p"] += 1e9
    case = load_case(make(tmp_path, frame))
    margin = margins_of(cube_of_numbers(case, frame, frame["p"].to_numpy()))[0][0]
    mean, error, _ = average(margin, 0, "mean_prediction")
    assert mean == pytest.approx(frame.p.mean(), rel=1e-12)
    assert error == pytest.approx(frame.p.std() / np.sqrt(200), rel=1e-5)


def test_unknown_outcomes_and_none_at_all(tmp_path: Path) -> None:
    frame = people(200, 3)
    frame.loc[frame.sex == "f", "y"] = np.nan
    result = audit(make(tmp_path / "a", frame), tmp_path / "1")["regression"]
    rates = rates_of(result)
    women = int((frame.sex == "f").sum())
    lost = rates["mean_residual", "f"]
    assert lost["value"] is None
    assert lost["reason"] == f"0 people whose outcome is known (of {women} in the group)"
    assert rates["mean_prediction", "f"]["denominator"] == women
    assert not gap_of(result, "mean_residual")["estimable"]
    assert gap_of(result, "kolmogorov_smirnov")["estimable"]
    data = PLAIN.replace('label = "y"\n', "")
    evidence = audit(make(tmp_path / "b", frame.drop(columns="y"), data), tmp_path / "2")
    assert not rates_of(evidence["regression"])["mean_absolute_error",]["estimable"]
    assert rates_of(evidence["regression"])["mean_prediction",]["estimable"]


def test_weights_scale_out_and_a_person_of_no_weight_is_nobody(tmp_path: Path) -> None:
    frame = people(200, 4).assign(w=3.0)
    data = PLAIN + 'weight = "w"\n'
    plain = rates_of(audit(make(tmp_path / "a", frame.drop(columns="w")), tmp_path / "1")["regression"])
    threes = rates_of(audit(make(tmp_path / "b", frame, data), tmp_path / "2")["regression"])
    for key, rate in plain.items():
        for field in ("value", "low", "high"):
            assert threes[key][field] == pytest.approx(rate[field])
    more = pd.concat([frame, frame.iloc[:1].assign(y=-1e6, w=0.0)])
    none = rates_of(audit(make(tmp_path / "c", more, data), tmp_path / "3")["regression"])
    assert none["mean_residual",]["value"] == pytest.approx(plain["mean_residual",]["value"])


def test_a_perfect_model_and_a_constant_one(tmp_path: Path) -> None:
    frame = people(100, 5)
    perfect = rates_of(audit(make(tmp_path / "a", frame.assign(p=frame.y)), tmp_path / "1")["regression"])
    assert perfect["root_mean_squared_error", "f"]["value"] == 0
    assert perfect["root_mean_squared_error", "f"]["low"] is None
    result = audit(make(tmp_path / "b", frame.assign(p=5.0)), tmp_path / "2")["regression"]
    assert gap_of(result, "kolmogorov_smirnov")["value"] == 0
    assert gap_of(result, "wasserstein_distance")["value"] == 0


def test_a_small_group_is_withheld_and_the_rest_follows_from_what_is_published(tmp_path: Path) -> None:
    frame = people(200, 6)
    frame.loc[:4, "sex"] = "x"
    audit(make(tmp_path, frame), tmp_path / "run")
    files = {n: (tmp_path / "run" / n).read_bytes() for n in ("evidence.json", "cube.json")}
    published = publish_files(files)
    evidence = json.loads(published["evidence.json"])
    gone = [r for r in evidence["regression"]["rates"] if r["group"] == ["x"]]
    assert gone
    assert all(r["value"] is None for r in gone)
    assert all("withheld" in r["reason"] for r in gone)
    hists = {tuple(h["group"]): h["people"] for h in evidence["regression"]["histograms"]}
    assert hists["x",] is None
    assert sum(n for _, n in hists[()]) == 195
    read = Documents.of(published).evidence.regression
    assert read is not None
    assert {h.group: h.people is None for h in read.histograms} == {g: v is None for g, v in hists.items()}
    check_figures(published)
    broken = json.loads(published["evidence.json"])
    broken["regression"]["rates"][0]["value"] *= 1.01
    with pytest.raises(Broken, match="regression"):
        check_figures(published | {"evidence.json": json.dumps(broken).encode()})


@pytest.mark.parametrize("objective", ["regression", "binary"])
def test_a_model_predicts_numbers_and_a_classifier_is_refused(tmp_path: Path, objective: str) -> None:
    import lightgbm

    frame = people(200, 7)
    case = make(tmp_path, frame, PLAIN + 'exclude = ["sex", "p"]\n', 'path = "m.txt"')
    outcome = frame["y"] if objective == "regression" else frame["y"] > 1000
    how = {"objective": objective, "verbose": -1, "num_threads": 1}
    model = lightgbm.train(how, lightgbm.Dataset(frame[["x"]], outcome), 5)
    model.save_model(str(tmp_path / "m.txt"))
    if objective == "binary":
        with pytest.raises(ModelError, match="decides among classes"):
            audit(case, tmp_path / "run")
        assert [p.name for p in (tmp_path / "run").iterdir()] == [".store"], "what the model answered"
        return
    evidence = audit(case, tmp_path / "run")
    want = float(np.abs(model.predict(frame[["x"]]) - frame["y"]).mean())
    assert rates_of(evidence["regression"])["mean_absolute_error",]["value"] == pytest.approx(want)
    assert evidence["model"]["threshold"] is None


@pytest.mark.parametrize(
    ("change", "data", "model", "kind"),
    [
        ({"y": ["cheap", "dear"] * 50}, "", 'score = "p"', DataError),
        ({"y": [1.0, np.inf] * 50}, "", 'score = "p"', DataError),
        ({"p": ["1", "x"] * 50}, "", 'score = "p"', DataError),
        ({}, "positive = 1", 'score = "p"', CaseError),
        ({}, 'favourable = "yes"', 'score = "p"', CaseError),
        ({}, "", 'score = "p"\nthreshold = 3', CaseError),
        ({}, "", 'decision = "p"', CaseError),
        ({}, "TASK", 'score = "p"', CaseError),
    ],
    ids=["text", "endless", "text-score", "positive", "favourable", "threshold", "decision", "task"],
)
def test_bad_input_is_one_message(
    tmp_path: Path, change: dict[str, Any], data: str, model: str, kind: type[AssayError]
) -> None:
    about = PLAIN.replace("regression", "regresion") if data == "TASK" else PLAIN + data
    frame = people(100).assign(**change)
    with pytest.raises(kind) as report:
        audit(make(tmp_path, frame, about, model), tmp_path / "run")
    assert report.value.got
    assert report.value.expected
    assert report.value.todo
    assert not (tmp_path / "run").exists()


def test_the_case_is_written_and_read_back(tmp_path: Path) -> None:
    case = load_case(make(tmp_path, people(50), PLAIN + 'favourable = "low"\n'))
    dump_case(case, tmp_path / "again.toml")
    assert load_case(tmp_path / "again.toml").data == case.data
    assert (case.data.task, case.data.positive, case.data.favourable) == ("regression", None, "low")


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300))
def test_edges_are_few_hold_everything_and_are_nobodys_prediction(values: list[float]) -> None:
    edges = edges_of(np.array(values))
    assert 3 <= len(edges) <= 2 * RANKS + 2 * GAPS + 3
    assert edges[0] < min(values)
    assert max(values) < edges[-1]
    assert (np.diff(edges) > 0).all()
    spread = np.unique(values)
    if len(spread) < 2 or np.diff(spread).min() > 1e-6:
        assert not set(edges) & set(values)


def test_one_outlier_changes_no_distance(tmp_path: Path) -> None:
    """1.5 groups' worth of an outlier of 1e7: SciPy's distances to the last digit that bins allow."""
    from scipy.stats import ks_2samp, wasserstein_distance

    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"sex": ["f", "m"] * 1500, "y": rng.normal(100, 10, 3000)})
    frame["p"] = frame["y"] + np.where(frame["sex"] == "f", -6, 6) + rng.normal(0, 5, 3000)
    frame.loc[0, "p"] = 1e7
    parts = [frame.loc[frame.sex == g, "p"] for g in "fm"]
    result = audit(make(tmp_path, frame), tmp_path / "run")["regression"]
    ks, area = gap_of(result, "kolmogorov_smirnov"), gap_of(result, "wasserstein_distance")
    assert ks["value"] == pytest.approx(ks_2samp(*parts).statistic, abs=1e-12)
    right = wasserstein_distance(*parts)
    assert area["bins"][0] <= right <= area["bins"][1]
    assert area["value"] == pytest.approx(right, rel=1e-3)
    assert area["bins"][1] - area["bins"][0] < 0.01 * right


def test_intervals_and_tests_hold_what_they_say(tmp_path: Path) -> None:
    """Seeded, 200 samples of 2 x 120 people without any difference: intervals cover, the tests reject in about 5 %."""
    rng = np.random.default_rng(1)
    case = load_case(make(tmp_path, people(20)))
    covered = dict.fromkeys(("mean_residual", "mean_absolute_error", "root_mean_squared_error"), 0)
    true = {"mean_residual": 0.0, "mean_absolute_error": np.sqrt(2 / np.pi), "root_mean_squared_error": 1.0}
    rejected = dict.fromkeys(("mean_residual", "kolmogorov_smirnov"), 0)
    above = dict.fromkeys(("mean_residual", "wasserstein_distance", "kolmogorov_smirnov"), 0)
    runs = 200
    for run in range(runs):
        p = rng.normal(size=240)
        frame = pd.DataFrame({"sex": ["f", "m"] * 120, "y": p - rng.normal(size=240), "p": p})
        margins = margins_of(cube_of_numbers(case, frame, p))[0]
        result = regression_measures(margins, replace(QUICK, seed=run))
        assert result is not None
        rates = rates_of(result)
        for metric in covered:
            rate = rates[metric, "f"]
            covered[metric] += rate["low"] <= true[metric] <= rate["high"]
        for metric in rejected:
            rejected[metric] += gap_of(result, metric)["p_value"] < 0.05
        for metric in above:
            above[metric] += gap_of(result, metric)["low"] > 0
    assert all(0.915 <= v / runs <= 0.985 for v in covered.values()), covered
    assert 0.01 <= rejected["mean_residual"] / runs <= 0.09
    assert rejected["kolmogorov_smirnov"] / runs <= 0.08
    assert all(v / runs <= 0.08 for v in above.values()), above


@pytest.mark.parametrize(
    ("value", "said"), [(None, "n/a"), (0.0, "0"), (1234.5, "1,234"), (0.012345, "0.01235"), (48.773, "48.77")]
)
def test_numbers_are_short(value: float | None, said: str) -> None:
    assert four_digits(value) == said
