"""Like with like: Mantel-Haenszel, Breslow-Day, regression and Kitagawa against outside references and simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

import cli
from audit.documents.rows import AlikePair
from audit.likewise import Shown, conditional_disparity, kitagawa, mantel_haenszel, shown, tables
from audit.marginal_gap import regression_adjusted
from tests.reports import kit
from tests.shared import printed

# Admissions to Berkeley in 1973 (Bickel, Hammel & O'Connell, Science 187, 1975): department -> men admitted, men,
# women admitted, women.
BERKELEY = {
    "A": (512, 825, 89, 108), "B": (353, 560, 17, 25), "C": (120, 325, 202, 593), "D": (138, 417, 131, 375),
    "E": (53, 191, 94, 393), "F": (22, 373, 24, 341),
}  # fmt: skip


def berkeley() -> pd.DataFrame:
    rows = []
    for dept, (m, n_m, f, n_f) in BERKELEY.items():
        rows += [("male", dept, int(i < m)) for i in range(n_m)] + [("female", dept, int(i < f)) for i in range(n_f)]
    return pd.DataFrame(rows, columns=["sex", "dept", "admitted"])


def audit(
    folder: Path, frame: pd.DataFrame, more: str = 'legitimate = { dept = "one applies to a department" }'
) -> int:
    frame.to_csv(folder / "d.csv", index=False)
    (folder / "case.toml").write_text(
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "d.csv"\npositive = "1"\nsensitive = ["sex"]\n'
        f'{more}\n[model]\ndecision = "admitted"\n'
    )
    return cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out"), "--draws", "200"])


def told(pair: dict[str, Any]) -> Shown:
    return shown(msgspec.convert(pair, AlikePair))


def evidence(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "out" / "evidence.json").read_text())


def test_berkeley_turns(tmp_path: Path) -> None:
    assert audit(tmp_path, berkeley()) == 0
    result = evidence(tmp_path)
    pair = result["like_with_like"]["pairs"][0]
    assert (pair["against"], pair["group"], pair["rows"]) == (["male"], ["female"], [1835, 2691])
    assert pair["raw"]["value"] == pytest.approx(1198 / 2691 - 557 / 1835)
    # As R's mantelhaen.test(UCBAdmissions, correct = FALSE) has them: 0.9046968 and 0.2169.
    assert pair["mantel_haenszel"]["odds_ratio"] == pytest.approx(0.9046968, abs=1e-6)
    assert pair["mantel_haenszel"]["p_value"] == pytest.approx(0.2169, abs=0.0001)
    assert pair["mantel_haenszel"]["value"] < 0.02
    assert pair["explained"]["share"] > 0.8
    assert pair["mantel_haenszel"]["same_in_all_p"] < 0.01  # department A is unlike the others
    assert any("called legitimate, goes with sex itself" in n for n in result["notes"])
    assert any("nothing of causes" in n for n in result["notes"])


def test_a_direction_that_turns_is_said(tmp_path: Path) -> None:
    rows = []
    for dept, m, n_m, f, n_f in (("easy", 700, 1000, 170, 200), ("hard", 20, 200, 250, 1000)):
        rows += [("male", dept, int(i < m)) for i in range(n_m)] + [("female", dept, int(i < f)) for i in range(n_f)]
    assert audit(tmp_path, pd.DataFrame(rows, columns=["sex", "dept", "admitted"])) == 0
    result = evidence(tmp_path)
    assert result["like_with_like"]["pairs"][0]["turns"]
    assert any("among people alike in dept the gap between male and female turns" in n for n in result["notes"])


def drawn(rng: np.random.Generator, effect: float, strata: int = 8) -> np.ndarray:
    n1, n2 = rng.integers(3, 60, strata), rng.integers(3, 60, strata)
    base = rng.uniform(0.2, 0.7, strata)
    return np.stack([rng.binomial(n1, base + effect), n1, rng.binomial(n2, base), n2], axis=1)


@pytest.mark.parametrize("effect", [0.0, 0.1, 0.25])
def test_the_interval_of_the_difference_holds(effect: float) -> None:
    rng = np.random.default_rng(int(effect * 100))
    items = [mantel_haenszel(drawn(rng, effect), 0.05) for _ in range(600)]
    inside = np.mean([f.low <= effect <= f.high for f in items])
    assert 0.925 <= inside <= 0.975
    assert abs(np.mean([f.value for f in items]) - effect) < 0.01


def test_odds_ratio_and_tests_are_those_of_scipy_and_by_hand() -> None:
    from scipy.stats import chi2

    table = drawn(np.random.default_rng(1), 0.15)
    result = mantel_haenszel(table)
    x1, n1, x2, n2 = table.T.astype(float)
    odds = (x1 * (n2 - x2) / (n1 + n2)).sum() / (x2 * (n1 - x1) / (n1 + n2)).sum()
    assert result.odds_ratio == pytest.approx(odds)
    expected = n1 * (x1 + x2) / (n1 + n2)
    variance = n1 * n2 * (x1 + x2) * (n1 + n2 - x1 - x2) / ((n1 + n2) ** 2 * (n1 + n2 - 1))
    statistic = (x1 - expected).sum() ** 2 / variance.sum()
    assert result.p_value == pytest.approx(chi2.sf(statistic, 1), rel=1e-6)


def test_kitagawa_adds_up_and_its_interval_holds() -> None:
    truth = np.array([[0.6, 300, 0.5, 100], [0.2, 100, 0.15, 300]])
    s1, s2 = truth[:, 1] / truth[:, 1].sum(), truth[:, 3] / truth[:, 3].sum()
    mix = ((s1 - s2) * (truth[:, 0] + truth[:, 2]) / 2).sum()
    rng, held = np.random.default_rng(5), 0
    for seed in range(200):
        n1, n2 = rng.multinomial(400, s1), rng.multinomial(400, s2)
        table = np.stack([rng.binomial(n1, truth[:, 0]), n1, rng.binomial(n2, truth[:, 2]), n2], axis=1)
        result = kitagawa(table, 0.05, seed, 400)
        raw = table[:, 0].sum() / 400 - table[:, 2].sum() / 400
        assert result.mix + result.within == pytest.approx(raw)
        held += result.low <= mix <= result.high
    assert 0.92 <= held / 200 <= 0.985


def test_the_adjusted_gap_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(2)
    n = 3000
    level, second = rng.integers(0, 3, n), rng.integers(0, 2, n).astype(bool)
    y = (rng.random(n) < 1 / (1 + np.exp(-(0.5 - 0.8 * level - 0.6 * second)))).astype(int)
    columns = np.stack([level == 1, level == 2], axis=1).astype(float)
    result = regression_adjusted(columns, second, y, None, None)
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(np.column_stack([second, columns]), y)
    p = [model.predict_proba(np.column_stack([np.full(n, s), columns]))[:, 1].mean() for s in (0, 1)]
    assert result.value == pytest.approx(p[0] - p[1], abs=1e-5)
    assert result.low < result.value < result.high


@pytest.mark.parametrize("rows", [1, 5])
def test_the_adjusted_interval_holds_with_repeated_people(rows: int) -> None:
    held, truth = 0, 0.0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        level, second = np.repeat(rng.integers(0, 2, 250), rows), np.repeat(rng.integers(0, 2, 250), rows).astype(bool)
        y = np.repeat((rng.random(250) < 0.35 + 0.2 * level[::rows]).astype(int), rows)
        result = regression_adjusted(
            level[:, None].astype(float), second, y, None, np.repeat(np.arange(250), rows) if rows > 1 else None
        )
        held += result.low <= truth <= result.high
    assert 0.89 <= held / 120 <= 0.99


def test_cdd_is_clarifys() -> None:
    """smclarify 0.5 on `../cases/cddl`'s kind: strata with one outcome count with a share of 0 on the empty side."""
    stratum = np.array([0] * 8 + [1] * 4)
    mine = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0], dtype=bool)
    good = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1])
    first = 8 * (2 / 3 - 1 / 5)
    second = 4 * (0 - 2 / 4)
    assert conditional_disparity(stratum, mine, good) == pytest.approx((first + second) / 12)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ('legitimate = ["dept"]', "factors without a reason"),
        ('legitimate = { dpt = "x" }', "did you mean 'dept'?"),
        ('legitimate = { sex = "x" }', "has another role"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, words: str) -> None:
    assert audit(tmp_path, berkeley(), more) == 2
    assert words in capsys.readouterr().err


def test_what_cannot_be_said_says_why(tmp_path: Path) -> None:
    frame = berkeley().assign(w=1.5, dept=lambda f: np.where(f["sex"] == "male", "A", "B"))
    assert audit(tmp_path, frame, 'legitimate = { dept = "x" }\nweight = "w"') == 0
    pair = evidence(tmp_path)["like_with_like"]["pairs"][0]
    assert pair["mantel_haenszel"]["value"] is None
    assert "weights" in pair["mantel_haenszel"]["reason"]
    assert "cannot be told apart" in pair["adjusted"]["reason"]


def test_factors_that_put_nobody_beside_anybody_take_nothing_away(tmp_path: Path) -> None:
    """They were said to take away the whole gap."""
    frame = berkeley().assign(place=lambda f: np.where(f["sex"] == "male", "A", "B"))
    assert audit(tmp_path, frame, 'legitimate = { place = "x" }') == 0
    pair = evidence(tmp_path)["like_with_like"]["pairs"][0]
    assert pair["explained"]["mix"] is None
    assert pair["explained"]["share"] is None
    assert pair["explained"]["apart"] == 1
    assert "no stratum holds people of both groups" in told(pair).explained


def test_who_has_nobody_of_the_other_group_beside_them_is_said(tmp_path: Path) -> None:
    frame = berkeley()
    frame.loc[(frame["dept"] == "A") & (frame["sex"] == "male"), "dept"] = "only men"
    alone = ((frame["dept"] == "only men") | (frame["dept"] == "A")).mean()
    assert audit(tmp_path, frame, 'legitimate = { dept = "x" }') == 0
    pair = evidence(tmp_path)["like_with_like"]["pairs"][0]
    assert pair["explained"]["apart"] == pytest.approx(alone)
    assert f"{100 * alone:.0f} % of people have nobody of the other group" in told(pair).explained


def test_a_factor_that_says_what_another_says_changes_no_adjusted_gap(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = berkeley().assign(a=lambda f: rng.normal(size=len(f)))
    frame = frame.assign(b=2 * frame["a"] + 1, c="everybody", d=[f"id {i}" for i in range(len(frame))])
    (tmp_path / "one").mkdir()
    (tmp_path / "all").mkdir()
    assert audit(tmp_path / "one", frame, 'legitimate = { a = "x" }') == 0
    assert audit(tmp_path / "all", frame, 'legitimate = { a = "x", b = "x", c = "x", d = "x" }') == 0
    one, both = (evidence(tmp_path / part) for part in ("one", "all"))
    gaps = [e["like_with_like"]["pairs"][0]["adjusted"] for e in (one, both)]
    assert gaps[0]["value"] is not None
    assert gaps[1]["value"] == pytest.approx(gaps[0]["value"])
    assert gaps[1]["low"] == pytest.approx(gaps[0]["low"], rel=1e-6)
    assert any("'c' is left out: it has one value for everybody" in n for n in both["notes"])
    assert any("'d' is left out" in n and "different values" in n for n in both["notes"])


def test_weights_weigh_the_raw_gap_and_its_parts(tmp_path: Path) -> None:
    """Against pandas; and no interval of rows that stand alone is given where they do not."""
    rng = np.random.default_rng(2)
    frame = berkeley().assign(w=lambda f: rng.exponential(1, len(f)) + (f["dept"] == "A"))
    assert audit(tmp_path, frame, 'legitimate = { dept = "x" }\nweight = "w"') == 0
    result = evidence(tmp_path)
    pair = result["like_with_like"]["pairs"][0]
    by = frame.assign(hit=frame["w"] * frame["admitted"]).groupby("sex")[["hit", "w"]].sum()
    rate = by["hit"] / by["w"]
    assert pair["raw"]["value"] == pytest.approx(rate[pair["against"][0]] - rate[pair["group"][0]])
    assert pair["explained"]["mix"] + pair["explained"]["within"] == pytest.approx(pair["raw"]["value"])
    assert pair["raw"]["low"] is None
    assert pair["explained"]["low"] is None
    assert "no interval: rows do not stand alone" in told(pair).raw


def test_tables_count_rows() -> None:
    frame = berkeley()
    stratum = pd.factorize(frame["dept"], sort=True)[0].astype(np.int64)
    male = (frame["sex"] == "male").to_numpy()
    result = tables(stratum, male, ~male, frame["admitted"].to_numpy())
    assert [tuple(int(v) for v in row) for row in result] == list(BERKELEY.values())


def test_the_report_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.judge_here(monkeypatch)
    assert audit(tmp_path, berkeley()) == 0
    (tmp_path / "password").write_text("a long password")
    password = ["--password-file", str(tmp_path / "password")]
    key = str(tmp_path / "k.p12")
    assert cli.main(["keys", "new", "--name", "A. Auditor", "--out", key, *password]) == 0
    assert cli.main(["report", str(tmp_path / "out"), "--key", key, "--out", str(tmp_path / "r.pdf"), *password]) == 0
    text = printed(tmp_path / "r.pdf")
    assert "Like compared with like" in text
    assert "dept: one applies to a department" in text
    assert "A factor may be how the gap is made" in text
    assert cli.main(["verify", str(tmp_path / "r.pdf")]) == 0
