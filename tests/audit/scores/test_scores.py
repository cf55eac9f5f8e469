"""Scores of many values, through the door of `assay audit`: exact areas, medians and shares, one outlier or none.

skewed.csv.gz: 5,000 invented people; `limit` is lognormal over nine powers of ten, `margin` has one outlier of 1e6.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from audit.cube import CodedRows, Meaning, cube_of, margins_of
from audit.cube_json import margins_from_json, margins_to_json
from audit.errors import DataError
from audit.evidence import pick
from audit.gaps import Settings
from audit.impact import SCORING, impact_table, median_score
from audit.load import load_case
from audit.publish import publish_files
from audit.run import run_audit
from audit.scores import Scores, area_bounds
from cli import main
from reports.verify.figures import check_figures
from reports.verify.result import Broken

SKEWED = Path(__file__).parent / "skewed.csv.gz"
CASE = """
[case]
name = "scores"
purpose = "credit"
[data]
path = "{path}"
label = "y"
positive = "1"
sensitive = ["sex"]
features = []
{more}
[model]
score = "{score}"
threshold = {threshold}
"""


def scored(of: Path | bytes) -> tuple[dict[str, Any], tuple[float, float, float]]:
    """The impact table of scores by sex of a run folder or of a cube, and the median with its ends."""
    raw = of if isinstance(of, bytes) else (of / "cube.json").read_bytes()
    margins = {m.attribute: m for m in margins_from_json(json.loads(raw))}
    median = median_score(margins[()])
    assert median is not None
    return impact_table(margins["sex",], SCORING, median=median[0]), median


def case_of(
    folder: Path, frame: pd.DataFrame, score: str, threshold: float = 0.5, kind: str = "csv", more: str = ""
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"d.{kind}"
    frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
    out = folder / "case.toml"
    out.write_text(CASE.format(path=path.name, score=score, threshold=threshold, more=more))
    return out


def audited(case: Path, out: Path) -> dict[str, Any]:
    assert main(["audit", str(case), "--out", str(out), "--json"]) == 0
    return json.loads((out / "evidence.json").read_text())  # type: ignore[no-any-return]


def rate_of(evidence: dict[str, Any], metric: str, *group: str) -> dict[str, Any]:
    return next(r for r in evidence["rates"] if r["metric"] == metric and r["group"] == list(group))


@pytest.mark.parametrize(("score", "threshold"), [("limit", 1000), ("margin", 0)])
def test_a_skewed_score_and_one_outlier_change_nothing(tmp_path: Path, score: str, threshold: float) -> None:
    frame = pd.read_csv(SKEWED)
    evidence = audited(case_of(tmp_path, frame, score, threshold), tmp_path / "run")
    whole = rate_of(evidence, "roc_auc")
    assert whole["value"] == pytest.approx(0.748, abs=5e-4)
    assert whole["value"] == pytest.approx(roc_auc_score(frame.y, frame[score]), abs=1e-12)
    assert 0.73 < whole["low"] < whole["value"] < whole["high"] < 0.765
    for group, part in frame.groupby("sex"):
        assert rate_of(evidence, "roc_auc", str(group))["value"] == pytest.approx(roc_auc_score(part.y, part[score]))
        assert rate_of(evidence, "mean_score", str(group))["value"] == pytest.approx(part[score].mean())
    table, median = scored(tmp_path / "run")
    assert median == (np.median(frame[score]),) * 3
    above = frame.assign(above=frame[score] > np.median(frame[score])).groupby("sex").above.mean()
    assert {r.group[0]: r.rate for r in table.groups} == pytest.approx(above.to_dict())
    first = frame.sort_values(score, ascending=False).head(500)
    tenth = {r["group"][0]: next(t for t in r["top"] if t["top"] == 0.1) for r in evidence["ranking"]}
    assert {g: t["people"] for g, t in tenth.items()} == first.groupby("sex").size().to_dict()
    assert any("bins by rank: averages and areas are exact" in n for n in evidence["notes"])


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["lognormal", "ties", "huge", "whole", "negative", "two", "mixed"]),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_areas_and_medians_of_any_scores_are_those_of_scikit_learn_and_numpy(
    kind: str, seed: int, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    n = 3000
    score = {
        "lognormal": lambda: rng.lognormal(0, 4, n),
        "ties": lambda: np.where(rng.random(n) < 0.6, 0.0, rng.random(n)),
        "huge": lambda: 2.0**60 + 2.0**10 * rng.integers(0, 10**6, n),
        "whole": lambda: rng.integers(0, 5000, n).astype(float),
        "negative": lambda: -rng.exponential(1e-9, n),
        "two": lambda: np.where(rng.random(n) < 0.5, -1e300, 1e300) * rng.random(n),
        "mixed": lambda: np.where(np.arange(n) < 1500, 0.5, rng.normal(0, 1e-12, n) + 0.5),
    }[kind]()
    codes, y = rng.integers(0, 3, (n, 1)), rng.integers(0, 3, n)
    y[score > np.median(score)] = np.minimum(y[score > np.median(score)], 1)
    weight = rng.exponential(1, n) if weighted else None
    coded = CodedRows(("g",), (tuple("abc"),), codes, y, y % 2, weight, score, Meaning("1", "0", "1"))
    margins = margins_of(cube_of(coded))[0]
    known = y < 2
    for g in range(3):
        mine = known & (codes[:, 0] == g)
        right = roc_auc_score(y[mine], score[mine], sample_weight=None if weight is None else weight[mine])
        s = margins[1].scores
        assert s is not None
        assert s.area is not None
        assert s.area[g] == pytest.approx(right, abs=1e-8)
        low, high = area_bounds(s, g)
        assert low - 1e-9 <= right <= high + 1e-9
    assert median_score(margins[0]) == (np.median(score),) * 3
    back = margins_from_json(json.loads(json.dumps(margins_to_json(margins, 0))))
    for a, b in zip(margins, back, strict=True):
        for field in ("at", "top", "n", "w", "w2", "total", "area"):
            np.testing.assert_array_equal(getattr(a.scores, field), getattr(b.scores, field))


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(["csv", "parquet", "database", "shuffled", "renamed"]))
def test_the_same_numbers_from_any_file(tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m", "x"], 1500), "p": rng.beta(0.5, 2, 1500)})
    frame["y"] = (rng.random(1500) < frame.p).astype(int)
    folder, how = tmp_path_factory.mktemp("same"), Settings(draws=200)
    first = run_audit(load_case(case_of(folder / "a", frame, "p")), folder / "1", how, large=False).evidence
    other = frame
    if kind == "shuffled":
        other = frame.sample(frac=1, random_state=seed)
    if kind == "renamed":
        other = frame.assign(sex=frame.sex.map({"f": "z", "m": "a", "x": "k"}))
    case = load_case(case_of(folder / "b", other, "p", kind="parquet" if kind == "parquet" else "csv"))
    second = run_audit(case, folder / "2", how, large=kind == "database").evidence
    names = {"z": "f", "a": "m", "k": "x"} if kind == "renamed" else {}

    def told(evidence: dict[str, Any]) -> dict[Any, Any]:
        out = {}
        for r in evidence["rates"]:
            group = tuple(names.get(g, g) for g in r["group"]) if evidence is second else tuple(r["group"])
            out[r["metric"], group] = [r["value"], r["low"], r["high"]]
        for g in evidence["gaps"]:
            if g["metric"] in ("roc_auc", "mean_score", "calibration_error", "selection_rate"):
                out[g["metric"], g["kind"]] = [g["value"], g["low"], g["high"], g["p_value"]]
        return {k: [np.nan if v is None else v for v in values] for k, values in out.items()}

    a, b = told(first), told(second)
    assert a.keys() == b.keys()
    for key, values in a.items():
        assert b[key] == pytest.approx(values, rel=1e-9, abs=1e-12, nan_ok=True), key


def files_of(run: Path) -> dict[str, bytes]:
    return {n: (run / n).read_bytes() for n in ("evidence.json", "cube.json")}


def test_verify_makes_every_figure_of_binned_scores_again_and_no_area_can_be_invented(tmp_path: Path) -> None:
    audited(case_of(tmp_path, pd.read_csv(SKEWED), "limit", 1000), tmp_path / "run")
    files = publish_files(files_of(tmp_path / "run"))
    assert files == files_of(tmp_path / "run")
    check_figures(files)
    cube = json.loads(files["cube.json"])
    cube["margins"][1]["scores"]["area"][0] += 0.001
    with pytest.raises(DataError, match="damaged") as report:
        margins_from_json(cube)
    assert "where the counts allow" in str(report.value.got)
    evidence = json.loads(files["evidence.json"])
    rate_of(evidence, "roc_auc", "F")["value"] += 0.0001
    with pytest.raises(Broken, match="roc_auc"):
        check_figures(files | {"evidence.json": json.dumps(evidence).encode()})


def test_where_people_are_taken_out_no_score_of_anybody_is_left_and_the_bins_effect_is_told(tmp_path: Path) -> None:
    frame = pd.read_csv(SKEWED)
    frame.loc[:4, "sex"] = "rare"
    audited(case_of(tmp_path, frame, "limit", 1000), tmp_path / "run")
    files = publish_files(files_of(tmp_path / "run"))
    check_figures(files)
    scores = json.loads(files["cube.json"])["margins"][0]["scores"]
    assert not (set(scores["at"]) | set(scores["top"])) & set(frame["limit"])
    assert "area" not in scores
    evidence = json.loads(files["evidence.json"])
    kept = frame[5:]
    for group, part in kept.groupby("sex"):
        result = rate_of(evidence, "roc_auc", str(group))
        right = roc_auc_score(part.y, part.limit)
        off = float(result["interval"].split("-and-")[1].split("-")[0])
        assert 0 < off < 1e-3
        assert abs(result["value"] - right) <= off
    median, low, high = scored(files["cube.json"])[1]
    assert low <= np.median(kept.limit) <= high
    assert median == pytest.approx(np.median(kept.limit), rel=0.02)
    assert any("areas can differ by up to" in n for n in evidence["notes"])


def test_a_batch_of_few_scores_is_added_to_one_in_bins() -> None:
    rng = np.random.default_rng(0)

    def cube(score: np.ndarray) -> Any:
        n = len(score)
        y = rng.integers(0, 2, n)
        return cube_of(
            CodedRows(("g",), (("a",),), np.zeros((n, 1), dtype=int), y, y, None, score, Meaning("1", "0", "1"))
        )

    many, few, more = rng.random(3000), rng.random(900), rng.random(800)
    both = cube(few) + cube(more)
    assert isinstance(both.scores, Scores)
    assert not both.scores.exact
    assert len(both.scores.at) > 500
    assert both.scores.total.sum() == pytest.approx(few.sum() + more.sum())
    added = cube(many) + cube(few)
    assert added.scores.n.sum() == 3900
    assert added.areas == {}
    at, top = added.scores.at, added.scores.top
    place = np.searchsorted(at, np.concatenate([many, few]), side="right") - 1
    assert (np.bincount(np.maximum(place, 0), minlength=len(at)) == added.scores.n.sum(axis=(0, 1))).all()
    assert (at[1:] > top[:-1]).all()
    with pytest.raises(DataError, match="cannot be added"):
        _ = cube(many) + cube(rng.random(3000))


def test_points_say_what_share_had_the_outcome_in_each_group(tmp_path: Path) -> None:
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], 900), "points": rng.integers(1, 11, 900)})
    frame["y"] = (rng.random(900) < frame.points / 12 + (frame.sex == "m") * 0.1).astype(int)
    evidence = audited(case_of(tmp_path, frame, "points", 5), tmp_path / "run")
    mapping = {tuple(r["group"]): r["points"] for r in evidence["predictive_parity"]}
    for (group, value), part in frame.groupby(["sex", "points"]):
        point = next(p for p in mapping[(group,)] if p["from"] == p["to"] == value)
        low, high = proportion_confint(part.y.sum(), len(part), method="wilson")
        assert [point["people"], point["outcome"]] == [len(part), part.y.sum()]
        assert [point["share"], point["low"], point["high"]] == pytest.approx([part.y.mean(), low, high], abs=1e-6)
    assert sum(p["people"] for p in mapping[()]) == 900
    assert rate_of(evidence, "calibration_error")["reason"].startswith("scores are not probabilities")
    files = publish_files(files_of(tmp_path / "run"))
    check_figures(files)
    evidence["predictive_parity"][0]["points"][0]["share"] += 0.01
    with pytest.raises(Broken, match="predictive_parity"):
        check_figures(files | {"evidence.json": json.dumps(evidence).encode()})


@pytest.mark.parametrize(
    "kind", ["half points below 0", "550 values", "weights", "five rows a person", "no outcome yet"]
)
def test_points_of_any_kind_have_the_interval_of_their_people(kind: str, tmp_path: Path) -> None:
    """statsmodels' Wilson interval on the effective number; of five like rows a person, on the people."""
    from statsmodels.stats.proportion import proportion_confint

    rng = np.random.default_rng(5)
    each = 5 if kind == "five rows a person" else 1
    points = {"half points below 0": rng.integers(-8, 5, 800) / 2, "550 values": rng.integers(300, 850, 800)}.get(
        kind, rng.integers(1, 11, 800)
    )
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], 800), "points": points, "who": np.arange(800)})
    frame["y"] = (rng.random(800) < frame.points.rank(pct=True)).astype(float)
    frame["w"] = rng.exponential(10, 800) if kind == "weights" else 1.0
    if kind == "no outcome yet":
        frame.loc[::6, "y"] = np.nan
    more = {"weights": 'weight = "w"\n', "five rows a person": 'cluster = "who"\n'}.get(kind, "")
    rows = frame.loc[frame.index.repeat(each)]
    evidence = audited(case_of(tmp_path, rows, "points", float(np.median(points)), more=more), tmp_path / "run")
    for record in evidence["predictive_parity"]:
        mine = frame[frame.y.notna() & ((frame.sex == record["group"][0]) if record["group"] else True)]
        assert sum(p["people"] for p in record["points"]) == each * len(mine)
        for p in record["points"]:
            part = mine[(mine.points >= p["from"]) & (mine.points <= p["to"])]
            share, n = np.average(part.y, weights=part.w), part.w.sum() ** 2 / (part.w**2).sum()
            ends = proportion_confint(share * n, n, method="wilson")
            assert [p["share"], p["low"], p["high"]] == pytest.approx([share, *ends], abs=1e-6)


@pytest.mark.parametrize("bad", ["nan", "inf", "text"])
def test_scores_that_are_no_numbers_are_refused_with_their_count(tmp_path: Path, bad: str, capsys: Any) -> None:
    frame = pd.DataFrame({"sex": ["f", "m"] * 20, "y": [0, 1] * 20, "p": np.linspace(0, 1, 40).astype(object)})
    frame.loc[3, "p"] = {"nan": None, "inf": np.inf, "text": "high"}[bad]
    assert main(["audit", str(case_of(tmp_path, frame, "p")), "--out", str(tmp_path / "run")]) == 2
    errors = capsys.readouterr().err
    assert "'p'" in errors
    assert "1 of 40" in errors or "high" in errors


def test_one_score_for_everyone_has_an_area_of_a_half_and_limits_of_its_mean(tmp_path: Path) -> None:
    frame = pd.DataFrame({"sex": ["f", "m"] * 20, "y": [0, 0, 1, 1] * 10, "p": 0.3})
    evidence = audited(case_of(tmp_path, frame, "p"), tmp_path / "run")
    assert rate_of(evidence, "roc_auc", "f")["value"] == 0.5
    mean = rate_of(evidence, "mean_score", "f")
    unseen = 1 - 0.025 ** (1 / 20)
    assert [mean["value"], mean["low"], mean["high"]] == pytest.approx([0.3, 0.3 - 0.3 * unseen, 0.3 + 0.7 * unseen])
    gap = pick([type("G", (), g) for g in evidence["gaps"]], metric="mean_score", kind="difference")
    assert gap.p_value in (None, 1.0)
