"""The figures of Clarify, AIF360 and fairlearn: against fairlearn itself, and against values the others publish."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import metrics as fl
from hypothesis import given, settings
from hypothesis import strategies as st

import cli
from audit.conform import aif360, clarify, conformance, fairlearn, sums_of
from audit.cube import CodedRows, Margin, Meaning, cube_of, margins_of
from audit.derived import derived
from audit.gaps import Settings
from audit.inequality import BENEFITS, benefits, generalized_entropy, inequality
from audit.ranking import exposure_up_to, ranking
from audit.values import UNKNOWN

ROOT = Path(__file__).resolve().parents[2]


def margins(
    group: list[str], label: list[int], decision: list[int], score: list[float] | None = None, favourable: str = "1"
) -> tuple[Margin, ...]:
    levels = tuple(sorted(set(group), key=lambda g: (g == UNKNOWN, g)))
    coded = CodedRows(
        ("g",), (levels,), np.array([[levels.index(g)] for g in group]), np.array(label), np.array(decision), None,
        None if score is None else np.array(score), Meaning("1", "0", favourable),
    )  # fmt: skip
    return margins_of(cube_of(coded))[0]


# -- fairlearn, live ------------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 100_000), st.integers(6, 80), st.integers(2, 4), st.floats(0.02, 0.98))
def test_fairlearn_gives_the_same(seed: int, rows: int, groups: int, share: float) -> None:
    """Also where a group has no positives and fairlearn's rates of nobody are 0."""
    rng = np.random.default_rng(seed)
    g = [f"g{i}" for i in rng.integers(0, groups, rows)] + ["g0", "g1"]
    y = [*(rng.random(rows) < share).astype(int).tolist(), 0, 1]
    d = [*rng.integers(0, 2, rows).tolist(), 1, 0]
    margin = margins(g, y, d)[1]
    mine = fairlearn(margin, np.arange(len(margin.groups)))
    frame = {"y_true": np.array(y), "y_pred": np.array(d), "sensitive_features": np.array(g)}
    for method, end in (("between_groups", ""), ("to_overall", "_to_overall")):
        for name in ("demographic_parity", "equal_opportunity", "equalized_odds"):
            for kind in ("difference", "ratio"):
                function = getattr(fl, f"{name}_{kind}")
                same(mine[f"{name}_{kind}{end}"], function(**frame, method=method))
                if name == "equalized_odds":
                    same(mine[f"{name}_{kind}_mean{end}"], function(**frame, method=method, agg="mean"))


def same(mine: float | None, theirs: float) -> None:
    assert mine is not None
    if math.isnan(theirs) or math.isinf(theirs):
        assert not math.isfinite(mine) or math.isinf(theirs)
        return
    if math.isnan(mine):
        # fairlearn skips what is 0/0 where another part is a number; Assay says that it is none.
        return
    assert mine == pytest.approx(theirs)


def test_the_user_guides_numbers() -> None:
    """fairlearn's user guide: 18 people, parity difference 0.25, ratio 0.66666."""
    y = [0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]
    d = [0, 1, 0, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1]
    g = list("bbabbbbababaabaabb")
    margin = margins(g, y, d)[1]
    mine = fairlearn(margin, np.arange(2))
    data = {"y_true": y, "y_pred": d, "sensitive_features": g}
    assert mine["demographic_parity_difference"] == pytest.approx(fl.demographic_parity_difference(**data))
    assert mine["equalized_odds_difference"] == pytest.approx(fl.equalized_odds_difference(**data))


# -- Clarify: the values of its own unit tests (DRR with the sign of later releases) -------------------------------

SEX = list("MFFMFMFFMMFF")
LABEL = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0]
PREDICTED = [1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("name", "of_f"),
    [
        ("CI", -1 / 6), ("DI", 10 / 7), ("DCA", 1 / 4), ("DCR", 1 / 3), ("RD", -2 / 3), ("AD", -13 / 35),
        ("DAR", -1 / 2), ("TE", -1 / 2), ("DRR", 1 / 3),
    ],
)  # fmt: skip
def test_clarifys_published_values(name: str, of_f: float) -> None:
    margin = margins(SEX, LABEL, PREDICTED)[1]
    assert clarify(sums_of(margin, np.arange(2)), 0)[name] == pytest.approx(of_f)
    if name != "DI":
        assert clarify(sums_of(margin, np.arange(2)), 1)[name] == pytest.approx(-of_f)
    else:
        assert clarify(sums_of(margin, np.arange(2)), 1)[name] == pytest.approx(7 / 10)


def test_clarifys_divergences_run_over_common_labels() -> None:
    """One facet member of label 1 against two of label 1 and three of label 0: KL in nats, and here below 0."""
    margin = margins(list("dnnnnn"), [1, 1, 1, 0, 0, 0], [0] * 6)[1]
    result = clarify(sums_of(margin, np.arange(2)), 0)
    assert result["KL"] == pytest.approx(0.4 * math.log(0.4))
    assert result["LP"] == pytest.approx(0.6)
    even = clarify(sums_of(margins(list("dnnndn"), [1, 1, 1, 0, 0, 0], [0] * 6)[1], np.arange(2)), 0)
    assert (even["KL"], even["JS"], even["LP"]) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("weight", ["none", "whole", "parts"])
def test_each_group_is_held_against_all_others(weight: str, tmp_path: Path) -> None:
    """By the rows themselves; people whose group is not known take no part."""
    rng = np.random.default_rng(5)
    n = 900
    frame = pd.DataFrame({"g": rng.choice(["a", "b", "c", "d", ""], n), "y": rng.integers(0, 2, n)})
    frame["d"] = rng.integers(0, 2, n)
    frame["w"] = {"none": 1, "whole": rng.integers(1, 5, n), "parts": rng.uniform(0.1, 3, n)}[weight]
    if weight == "parts":  # others of a group that outweighs them are not what it leaves of the whole
        frame.loc[frame["g"] == "a", "w"] *= 1e13
    frame.to_csv(tmp_path / "d.csv", index=False)
    weighs = "" if weight == "none" else 'weight = "w"\n'
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "t"\n[data]\npath = "d.csv"\nlabel = "y"\npositive = "1"\nfeatures = []\n'
        f'sensitive = ["g"]\n{weighs}[model]\ndecision = "d"\n'
    )
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]) in (0, 3)
    values = json.loads((tmp_path / "run" / "evidence.json").read_text())["conformance"]["values"]
    entries = {v["group"][0]: v["values"] for v in values if v["tool"] == "clarify" and v["attribute"] == ["g"]}
    assert set(entries) == set("abcd")
    for group, figures in entries.items():
        mine, others = frame[frame["g"] == group], frame[~frame["g"].isin([group, ""])]

        def share(column: str, rows: pd.DataFrame) -> float:
            return float(np.average(rows[column], weights=rows["w"]))

        size, rest = mine["w"].sum(), others["w"].sum()
        assert figures["CI"] == pytest.approx((rest - size) / (rest + size))
        assert figures["DPL"] == pytest.approx(share("y", others) - share("y", mine))
        assert figures["DPPL"] == pytest.approx(share("d", others) - share("d", mine))
        assert figures["DI"] == pytest.approx(share("d", mine) / share("d", others))
        right = [r.assign(right=r["y"] == r["d"]) for r in (others, mine)]
        assert figures["AD"] == pytest.approx(share("right", right[0]) - share("right", right[1]))


def test_clarifys_division_by_zero() -> None:
    """0/0 is 0 there, and more than 0 over 0 is infinite: null in JSON, never a number."""
    people = margins(SEX, LABEL, [0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1])
    assert clarify(sums_of(people[1], np.arange(2)), 0)["DI"] == math.inf
    entry = next(v for v in conformance(people, Settings())["values"] if v["tool"] == "clarify" and v["group"] == ["F"])
    assert entry["values"]["DI"] is None


# -- AIF360: the values of its own unit tests ----------------------------------------------------------------------

FEAT = ["0", "0", "1", "1", "1", "1", "2", "2", "2", "2"]
TRUE = [1, 0, 0, 1, 0, 0, 1, 0, 1, 1]
FIRST = [1, 0, 0, 0, 1, 1, 1, 0, 1, 0]


def test_aif360s_published_entropies() -> None:
    margin = margins(FEAT, TRUE, FIRST)[1]
    result = aif360(margin, 0, np.arange(3))
    assert result["generalized_entropy_index"] == pytest.approx(0.2)
    assert result["theil_index"] == pytest.approx(4 * math.log(2) / 10)
    b = np.array([1, 1, 1.25, 1.25, 1.25, 1.25, 0.75, 0.75, 0.75, 0.75])
    assert result["between_all_groups_generalized_entropy_index"] == pytest.approx(np.sum(b**2 - 1) / 20)
    second = margins(FEAT, TRUE, [0, 1, 1, 0, 0, 0, 0, 1, 1, 1])[1]
    assert aif360(second, 0, np.arange(3))["generalized_entropy_index"] == pytest.approx(0.3)


def test_aif360s_adult() -> None:
    """After dropping rows with a missing value AIF360's Adult has 45,222 rows and a mean label of .2478."""
    frame = pd.read_parquet(ROOT / "sample_data" / "adult.parquet")
    texts = frame.select_dtypes(include=["object", "string", "str", "category"])
    whole = frame[~(texts == "?").any(axis=1) & texts.notna().all(axis=1)]
    assert len(whole) == 45_222
    y = (whole["income"].astype(str) == ">50K").astype(int)
    assert y.mean() == pytest.approx(0.2478, abs=5e-5)
    margin = margins(whole["sex"].astype(str).tolist(), y.tolist(), y.tolist())[1]
    result = aif360(margin, margin.groups.index(("Male",)), np.arange(2))
    men, women = y[whole["sex"] == "Male"].mean(), y[whole["sex"] == "Female"].mean()
    assert result["mean_difference"] == pytest.approx(women - men)
    assert result["disparate_impact"] == pytest.approx(women / men)


def test_aif360_takes_the_mean_of_the_odds_and_we_the_maximum() -> None:
    margin = margins(
        ["f"] * 10 + ["m"] * 10, [1, 1, 1, 1, 1, 0, 0, 0, 0, 0] * 2, [1, 1, 0, 0, 0, 1, 0, 0, 0, 0] + [1] * 10
    )[1]
    result = aif360(margin, 1, np.arange(2))
    assert result["average_odds_difference"] == pytest.approx(((0.2 - 1) + (0.4 - 1)) / 2)
    assert result["average_abs_odds_difference"] == pytest.approx(0.7)
    assert fairlearn(margin, np.arange(2))["equalized_odds_difference"] == pytest.approx(0.8)


def test_the_privileged_group_is_the_reference_or_the_most_selected() -> None:
    people = margins(FEAT, TRUE, FIRST)
    first = next(v for v in conformance(people, Settings())["values"] if v["tool"] == "aif360")
    assert first["group"] in (["0"], ["1"], ["2"])
    named = next(v for v in conformance(people, Settings(reference={"g": "1"}))["values"] if v["tool"] == "aif360")
    assert named["group"] == ["1"]


def test_without_outcomes_there_are_parity_figures_only_and_nothing_breaks() -> None:
    people = margins(["f"] * 12 + ["m"] * 12, [2] * 24, [1, 0] * 12)
    result = derived(people, Settings())
    json.dumps(result, allow_nan=False)
    one = next(v["values"] for v in result["conformance"]["values"] if v["tool"] == "fairlearn")
    assert set(one) == {f"demographic_parity_{k}{e}" for k in ("difference", "ratio") for e in ("", "_to_overall")}


# -- inequality, ranking, reliability ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(10, 60), st.sampled_from(["1", "0"]))
def test_inequality_splits_exactly(seed: int, rows: int, favourable: str) -> None:
    """Theil: total = between + the benefit-weighted mean of the groups' own."""
    rng = np.random.default_rng(seed)
    g = [*rng.choice(["a", "b", "c"], rows).tolist(), "a", "b", "c"]
    y, d = [*rng.integers(0, 2, rows).tolist(), 1, 1, 0], [*rng.integers(0, 2, rows).tolist(), 1, 1, 0]
    people = margins(g, y, d, favourable=favourable)
    result = inequality(people)[1]
    table = benefits(people[1])
    held = (table * BENEFITS).sum(axis=1)
    within = sum(
        h / held.sum() * generalized_entropy(t, BENEFITS, 1) for h, t in zip(held, table, strict=True) if h > 0
    )
    assert result["theil"] == pytest.approx(result["between"]["theil"] + within)
    assert inequality(people)[0]["theil"] == pytest.approx(result["theil"])


def test_benefit_is_about_the_favourable_value() -> None:
    people = margins(["a"] * 4, [1, 1, 0, 0], [1, 0, 1, 0], favourable="0")
    # outcome 1, decision 0: given what is not merited; outcome 0, decision 1: refused what is.
    assert benefits(people[0]).tolist() == [[1, 2, 1]]


def test_ranking_by_hand() -> None:
    people = margins(["a", "a", "b", "b"], [1, 0, 1, 0], [1, 1, 0, 0], score=[0.9, 0.6, 0.6, 0.1])
    a, b = ranking(people)
    weights = 1 / np.log2(np.arange(2, 6))
    tied = weights[1:3].mean()
    assert a["exposure"] == pytest.approx((weights[0] + tied) / 2)
    assert b["exposure"] == pytest.approx((tied + weights[3]) / 2)
    half = next(t for t in a["top"] if t["top"] == 0.5)
    assert (half["people"], half["share"], half["ratio"]) == (1.5, 0.75, 1.5)
    assert sum(next(t for t in r["top"] if t["top"] == 0.2)["share"] for r in (a, b)) == pytest.approx(1)


def test_where_the_positive_value_is_bad_the_lowest_scores_are_the_top() -> None:
    a, b = ranking(
        margins(["a", "a", "b", "b"], [1, 0, 1, 0], [1, 1, 0, 0], score=[0.9, 0.8, 0.2, 0.1], favourable="0")
    )
    assert b["exposure"] > a["exposure"]


def test_the_sum_of_exposures_far_down_is_exact_enough() -> None:
    ranks = np.array([0.0, 1.0, 1_000_000.0, 1_500_000.0])
    direct = np.cumsum(1 / np.log2(1 + np.arange(1, 1_500_001)))
    result = exposure_up_to(ranks)
    assert result[1] == 1.0
    assert result[2] == pytest.approx(direct[999_999], rel=1e-12)
    assert result[3] == pytest.approx(direct[-1], rel=1e-11)


def test_reliability_curves_show_each_group() -> None:
    rng = np.random.default_rng(0)
    score = np.round(rng.random(400), 2)
    y = (rng.random(400) < score).astype(int)
    curves = derived(
        margins(["a", "b"] * 200, y.tolist(), (score > 0.5).astype(int).tolist(), score.tolist()), Settings()
    )
    curves = curves["reliability"]
    assert [c["group"] for c in curves] == [[], ["a"], ["b"]]
    assert sum(p["people"] for p in curves[0]["points"]) == 400
    for p in curves[0]["points"]:
        here = (np.clip((score * 10).astype(int), 0, 9)) == round(p["from"] * 10)
        assert p["share"] == pytest.approx(y[here].mean())
        assert p["mean_score"] == pytest.approx(score[here].mean())
        assert p["low"] <= p["share"] <= p["high"]


# -- What other tools say of rows: recorded from smclarify 0.5 (python3 -m venv; pip install smclarify==0.5), where ---
# rows is tests/audit/reference/clarify_rows.csv: CDDL(rows.a, rows.a == g, rows.y == "yes", rows.b),
# CDDPL(rows.a, rows.a == g, rows.dec == "yes", rows.b), FT(rows[["u", "v"]], rows.a == g, rows.dec == "yes").

RECORDED = {
    "f": (0.06720085470085471, -0.14916666666666664, -0.2608695652173913),
    "m": (0.24230769230769234, 0.10208333333333333, -0.5),
    "n": (0.05715811965811968, -0.3695833333333333, 0.3157894736842105),
}
CONFORM_CASE = """[case]
name = "t"
purpose = "p"
[data]
path = "rows.csv"
label = "y"
positive = "yes"
sensitive = ["a", "b"]
[model]
decision = "dec"
"""


def audited(folder: Path, frame: pd.DataFrame) -> dict[str, Any]:
    from cli import main

    frame.to_csv(folder / "rows.csv", index=False)
    (folder / "case.toml").write_text(CONFORM_CASE)
    assert main(["audit", str(folder / "case.toml"), "--out", str(folder / "run")]) == 0
    document: dict[str, Any] = json.loads((folder / "run" / "evidence.json").read_bytes())
    return document


def test_clarify_on_strata_with_one_outcome_and_by_neighbours(tmp_path: Path) -> None:
    """In stratum z nobody has the outcome, in x everyone is decided so: Clarify counts these with a share of 0."""
    rows = pd.read_csv(ROOT / "tests" / "audit" / "reference" / "clarify_rows.csv")
    evidence = audited(tmp_path, rows)
    by_group = {tuple(v["group"]): v["values"] for v in evidence["conformance"]["values"] if v["tool"] == "clarify"}
    flips = evidence["individual"]["neighbours"]["clarify_flip_test"]
    turned = {v["group"][0]: v["value"] for v in flips["values"] if v["attribute"] == ["a"]}
    for group, (cddl, cddpl, ft) in RECORDED.items():
        assert by_group[(group,)]["CDDL"] == pytest.approx(cddl)
        assert by_group[(group,)]["CDDPL"] == pytest.approx(cddpl)
        assert turned[group] == pytest.approx(ft)


def test_clarify_of_a_stratum_in_which_all_are_refused(tmp_path: Path) -> None:
    """Of 160 people the 60 of stratum y are all refused; smclarify 0.5 says .40625 and .485714."""
    rows = [("x", "F", "yes")] * 10 + [("x", "F", "no")] * 30 + [("x", "M", "yes")] * 30 + [("x", "M", "no")] * 30
    rows += [("y", "F", "no")] * 40 + [("y", "M", "no")] * 20
    frame = pd.DataFrame(rows, columns=["b", "a", "y"])
    evidence = audited(tmp_path, frame.assign(dec=frame["y"]))
    by_group = {tuple(v["group"]): v["values"] for v in evidence["conformance"]["values"] if v["tool"] == "clarify"}
    assert by_group[("F",)]["CDDL"] == by_group[("F",)]["CDDPL"] == pytest.approx(0.40625)
    assert by_group[("M",)]["CDDL"] == pytest.approx(-0.03125)
    assert by_group[("y",)]["CDDL"] == pytest.approx(0.48571428571428565)


def test_clarifys_flip_test_says_what_it_cannot_take(tmp_path: Path) -> None:
    rows = pd.read_csv(ROOT / "tests" / "audit" / "reference" / "clarify_rows.csv")
    result = audited(tmp_path, rows.assign(town="north"))["individual"]["neighbours"]["clarify_flip_test"]
    assert result["values"] == []
    assert "'town'" in result["reason"]


def test_aif360s_consistency_counts_the_person(tmp_path: Path) -> None:
    """AIF360 0.6.1, BinaryLabelDatasetMetric.consistency: scikit-learn's five nearest of people who include oneself."""
    from sklearn.neighbors import NearestNeighbors

    rows = pd.read_csv(ROOT / "tests" / "audit" / "reference" / "clarify_rows.csv")
    near = audited(tmp_path, rows)["individual"]["neighbours"]
    x = rows[["u", "v"]].to_numpy()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    d = (rows["dec"] == "yes").to_numpy(dtype=float)
    at = NearestNeighbors(n_neighbors=5, algorithm="ball_tree").fit(x).kneighbors(x, return_distance=False)
    assert near["aif360_consistency"] == pytest.approx(1 - np.abs(d - d[at].mean(axis=1)).mean())
    six = NearestNeighbors(n_neighbors=6, algorithm="ball_tree").fit(x).kneighbors(x, return_distance=False)
    assert near["consistency"] == pytest.approx(1 - np.abs(d - d[six[:, 1:]].mean(axis=1)).mean())


def test_the_report_prints_what_needs_rows_under_the_tools_names(tmp_path: Path) -> None:
    from audit.documents.evidence import Evidence
    from audit.documents.read import record_in
    from reports.sections.conform import rows_of

    evidence = audited(tmp_path, pd.read_csv(ROOT / "tests" / "audit" / "reference" / "clarify_rows.csv"))
    known = record_in(Evidence, evidence, "evidence.json")
    assert known.conformance is not None
    rows = rows_of(known.conformance.values, known.individual)
    assert ("Clarify", "FT", "a: f", "−0.261") in rows
    assert ("Clarify", "CDDPL", "a: f", "−0.149") in rows
    assert any(r[:2] == ("AIF360", "consistency") for r in rows)
