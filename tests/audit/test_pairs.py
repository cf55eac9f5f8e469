"""Pairs of groups: a sentence that names two groups tells of these two. References: Fisher's law summed by hand,
statsmodels' Holm, the closed testing procedure by brute force, a seeded simulation.
"""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom
from statsmodels.stats.multitest import multipletests

from audit.stats.pairs import critical_value, pair_p, weighted_holm
from cli import main

P = st.floats(1e-9, 1.0)


def mid_p(x1: int, n1: int, x2: int, n2: int) -> float:
    """Two groups alone: every table with these margins, as far from even as the one seen counted by half."""
    law = hypergeom(n1 + n2, x1 + x2, n1)
    seen, total = abs(x1 * n2 - x2 * n1), 0.0
    for k in range(max(0, x1 + x2 - n2), min(n1, x1 + x2) + 1):
        far = abs(k * n2 - (x1 + x2 - k) * n1)
        total += law.pmf(k) * (1.0 if far > seen else 0.5 if far == seen else 0.0)
    return total


@given(st.lists(P, min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_equal_weights_are_holm_as_statsmodels_has_it(p: list[float]) -> None:
    assert weighted_holm(p, [1.0] * len(p)) == pytest.approx(multipletests(p, method="holm")[1])


@given(st.lists(st.tuples(P, st.floats(0.1, 3.0)), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_weights_are_the_closed_test_by_brute_force(pairs: list[tuple[float, float]]) -> None:
    """Each intersection by weighted Bonferroni: a hypothesis falls where every set that holds it does."""
    p, w = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs])
    closed = []
    for k in range(len(p)):
        sets = [s for r in range(1, len(p) + 1) for s in combinations(range(len(p)), r) if k in s]
        closed.append(max(min(min(p[list(s)] * w[list(s)].sum() / w[list(s)]), 1.0) for s in sets))
    assert weighted_holm(p.tolist(), w.tolist()) == pytest.approx(closed)


def test_a_weight_beside_only_costs() -> None:
    p, w = [0.001, 0.02], [0.5, 0.5]
    assert (weighted_holm(p, w, 1.0) >= weighted_holm(p, w)).all()
    assert weighted_holm(p, w, 1.0)[0] == pytest.approx(0.001 / 0.5 * 2)


@given(st.integers(1, 40), st.integers(1, 40), st.data())
@settings(max_examples=40, deadline=None)
def test_the_p_value_of_two_groups_is_the_law_summed(n1: int, n2: int, data: st.DataObject) -> None:
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    expected = 1.0 if x1 + x2 in (0, n1 + n2) else mid_p(x1, n1, x2, n2)
    assert pair_p(x1, n1, x2, n2) == pytest.approx(expected, rel=1e-6)


def test_intervals_of_all_pairs_hold_at_once() -> None:
    """Six groups, three rates; every one of 15 differences inside its interval in 95 % of the runs."""
    from audit.stats.intervals import difference_limits

    rng = np.random.default_rng(4)
    truth, n = np.array([0.3, 0.3, 0.4, 0.4, 0.6, 0.3]), np.array([60.0, 400, 120, 900, 80, 200])
    pairs = np.array(list(combinations(range(6), 2))).T
    held = 0
    for run in range(300):
        x = rng.binomial(n.astype(int), truth).astype(float)
        z = critical_value(x, n, pairs, seed=run, draws=1000)
        i, j = pairs
        low, high = difference_limits(x[i] / n[i], n[i], x[j] / n[j], n[j], z)
        held += bool(((low <= truth[i] - truth[j]) & (truth[i] - truth[j] <= high)).all())
    assert 0.925 <= held / 300 <= 0.99


def test_the_critical_value_does_not_depend_on_names_or_on_the_side() -> None:
    x, n = np.array([5.0, 40, 40, 90]), np.array([20.0, 100, 100, 150])
    pairs = np.array(list(combinations(range(4), 2))).T
    turn = np.array([2, 0, 3, 1])
    a = critical_value(x, n, pairs, seed=3)
    assert critical_value(x[turn], n[turn], pairs, seed=3) == a == critical_value(n - x, n, pairs, seed=3)
    # Against a reference that has a twin: whichever of the two stands first.
    one, other = np.array([[1, 1, 1], [0, 2, 3]]), np.array([[2, 2, 2], [0, 1, 3]])
    assert critical_value(x, n, one, seed=3) == critical_value(x, n, other, seed=3)


# Two large groups apart, and two small ones that happen to be the extremes: the small p-value belongs to the former.
GROUPS = {"A": (310, 500), "B": (190, 500), "C": (10, 14), "D": (4, 12)}


def case_of(folder: Path, groups: dict[str, tuple[int, int]] = GROUPS, more: str = "") -> Path:
    lines = ["team,decided"]
    for name, (x, n) in groups.items():
        lines += [f"{name},yes"] * x + [f"{name},no"] * (n - x)
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "case.toml").write_text(
        '[case]\nname = "Teams"\npurpose = "Who is invited"\n[data]\npath = "rows.csv"\npositive = "yes"\n'
        f'sensitive = ["team"]\n{more}[model]\ndecision = "decided"\n'
    )
    return folder / "case.toml"


def audited(folder: Path, capsys: pytest.CaptureFixture[str], **more: Any) -> tuple[dict[str, Any], str]:
    assert main(["audit", str(case_of(folder, **more)), "--out", str(folder / "run")]) == 0
    return json.loads((folder / "run" / "evidence.json").read_bytes()), capsys.readouterr().out


def test_a_finding_prints_the_p_value_of_the_pair_it_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence, message = audited(tmp_path, capsys)
    gap = next(g for g in evidence["gaps"] if g["metric"] == "selection_rate" and g["kind"] == "difference")
    assert (gap["highest"], gap["lowest"]) == (["C"], ["D"])
    assert gap["p_adjusted"] < 0.001
    p = mid_p(*GROUPS["C"], *GROUPS["D"])
    assert gap["pair_p_value"] == pytest.approx(p, rel=1e-6)
    # Six pairs and one comparison: Holm. A and B fall first, then the others in order.
    raw = [mid_p(*GROUPS[a], *GROUPS[b]) for a, b in combinations(GROUPS, 2)]
    expected = multipletests(raw, method="holm")[1][list(combinations(GROUPS, 2)).index(("C", "D"))]
    assert gap["pair_p_adjusted"] == pytest.approx(expected, rel=1e-6)
    assert expected > 0.05
    line = next(s for s in message.splitlines() if "of C (14)" in s)
    assert f"p = {expected:.3f} for these two, adjusted for 6 pairs of groups".replace("0.", ".") in line
    assert "all groups tested together: p < .001" in line
    assert f"95 % interval of these two {100 * gap['pair_low']:.1f} to {100 * gap['pair_high']:.1f}" in line


def test_every_pair_stands_in_the_evidence_with_ratio_and_shortfall(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence, _ = audited(tmp_path, capsys)
    pairs = [p for p in evidence["pairs"] if p["metric"] == "selection_rate"]
    assert len(pairs) == 6
    for p in pairs:
        (x1, n1), (x2, n2) = GROUPS[p["higher"][0]], GROUPS[p["lower"][0]]
        assert p["difference"] == pytest.approx(x1 / n1 - x2 / n2)
        assert p["ratio"] == pytest.approx((x2 / n2) / (x1 / n1))
        assert p["low"] < p["difference"] < p["high"]
        assert p["ratio_low"] < p["ratio"] < p["ratio_high"]
        assert p["people"] == n2
        assert [p[k] for k in ("shortfall", "shortfall_low", "shortfall_high")] == pytest.approx(
            [n2 * p[k] for k in ("difference", "low", "high")]
        )


def test_against_a_reference_only_its_pairs_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence, message = audited(tmp_path, capsys, more='reference = { team = "A" }\n')
    pairs = [p for p in evidence["pairs"] if p["metric"] == "selection_rate"]
    assert sorted("".join({*p["higher"], *p["lower"]} - {"A"}) for p in pairs) == ["B", "C", "D"]
    assert "adjusted for 3 pairs of groups" in message


def test_many_groups_list_each_against_the_highest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    groups = {f"g{k:02d}": (20 + k, 100) for k in range(15)}
    evidence, _ = audited(tmp_path, capsys, groups=groups)
    pairs = [p for p in evidence["pairs"] if p["metric"] == "selection_rate"]
    assert len(pairs) == 14
    assert {p["higher"][0] for p in pairs} == {"g14"}
    assert {p["pairs"] for p in pairs} == {105}
    # 91 pairs are not listed; they still cost: no adjusted p-value is smaller than Bonferroni's over what is listed.
    least = min(p["p_value"] for p in pairs)
    assert min(p["p_adjusted"] for p in pairs) == pytest.approx(min(1.0, 105 * least))


def test_the_board_reads_how_sure_and_how_many_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from audit.documents.evidence import Evidence
    from audit.documents.read import record_in
    from reports.sections.board.found import _compared, most_people

    def known(**how: Any) -> tuple[Evidence, Any]:
        output = record_in(Evidence, audited(tmp_path, capsys, **how)[0], "evidence.json")
        return output, next(g for g in output.gaps if g.metric == "selection_rate" and g.kind == "difference")

    evidence, gap = known()
    assert "It may be chance." in _compared(evidence, ("team",), gap)
    most = most_people(evidence, ("team",))
    assert most is not None
    # Not the widest gap, whose interval holds zero, but the one that most people pay for.
    assert {*most.higher, *most.lower} != {*gap.highest, *gap.lowest}
    evidence, gap = known(groups={"A": (310, 500), "B": (190, 500), "C": (70, 100)})
    pair = next(p for p in evidence.pairs if p.higher == ("C",) and p.lower == ("B",))
    assert round(pair.shortfall or 0) == 160
    assert most_people(evidence, ("team",)) == pair
    assert "Chance alone would almost never do that." in _compared(evidence, ("team",), gap)
