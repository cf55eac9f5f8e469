"""An attribute that is hidden: the truth lies within the bounds, whatever made the decisions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import cli
from audit.by_proxy import _figures
from tests.reports import kit
from tests.shared import printed

GROUPS = ["a", "b", "c"]


def world(seed: int, depends: float, n: int = 3000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """People of known group and surname; decisions that depend on the surname, and on the group by `depends`."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([0.6] * 3, 12)
    z = rng.integers(0, 12, n)
    group = (rng.random((n, 1)) > np.cumsum(p, axis=1)[z]).sum(axis=1).clip(0, 2)
    chance = (0.3 + 0.4 * rng.random(12))[z] + depends * (group - 1)
    people = pd.DataFrame(
        {"surname": [f"s{v}" for v in z], "group": np.array(GROUPS)[group], "sex": rng.choice(["f", "m"], n),
         "decided": (rng.random(n) < chance).astype(int)}
    )  # fmt: skip
    # The table of shares among these very people, so that the bounds are of them and not of another sample.
    table = pd.crosstab(people["surname"], people["group"], normalize="index").reset_index()
    return people, table


def audit(folder: Path, people: pd.DataFrame, table: pd.DataFrame, proxy: str | None = None) -> int:
    people.drop(columns="group").to_csv(folder / "d.csv", index=False)
    table.to_csv(folder / "surnames.csv", index=False)
    inputs = proxy or 'proxy = { race = { column = "surname", table = "surnames.csv" } }'
    (folder / "case.toml").write_text(
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "d.csv"\npositive = "1"\nsensitive = ["sex"]\n'
        f'{inputs}\n[model]\ndecision = "decided"\n'
    )
    return cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out"), "--draws", "50"])


def found(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "out" / "evidence.json").read_text())["by_proxy"][0]


@pytest.mark.parametrize("depends", [0.0, 0.2, -0.2])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_truth_is_within_the_bounds(tmp_path: Path, seed: int, depends: float) -> None:
    people, table = world(seed, depends)
    assert audit(tmp_path, people, table) == 0
    entry = found(tmp_path)
    truth = people.groupby("group")["decided"].mean()
    for rate in entry["rates"]:
        value = truth[rate["group"][0]]
        assert rate["outer_low"] <= rate["low"] <= value <= rate["high"] <= rate["outer_high"]
        assert abs(rate["weighted"] - value) <= rate["most_bias"] + 1e-12
        assert rate["people_expected"] == pytest.approx((people["group"] == rate["group"][0]).sum())
    for gap in entry["gaps"]:
        a, b = (g[0] for g in gap["groups"])
        assert gap["low"] <= truth[a] - truth[b] <= gap["high"]


def test_the_weighted_rate_is_right_where_decisions_do_not_depend_on_the_group(tmp_path: Path) -> None:
    people, table = world(7, 0.0, n=40_000)
    assert audit(tmp_path, people, table) == 0
    truth = people.groupby("group")["decided"].mean()
    for rate in found(tmp_path)["rates"]:
        assert rate["weighted"] == pytest.approx(truth[rate["group"][0]], abs=0.02)


def test_bounds_are_those_of_a_linear_programme() -> None:
    """The sharp bound of a difference, over every joint law that fits the two margins (scipy.optimize.linprog)."""
    rng = np.random.default_rng(3)
    p, n = rng.dirichlet([1.0] * 3, 5), rng.integers(20, 90, 5).astype(float)
    x = np.floor(n * rng.random(5))
    figures = _figures(x[None], n[None], p)
    size = n @ p
    # u[z, g]: the share of people of value z who are of group g and favoured, between 0 and p, adding up to the rate.
    cost = np.zeros((5, 3))
    cost[:, 0], cost[:, 1] = n / size[0], -n / size[1]
    rows = np.kron(np.eye(5), np.ones(3))
    ends = [
        sign
        * linprog(
            sign * cost.ravel(), A_eq=rows, b_eq=x / n, bounds=list(zip(np.zeros(15), p.ravel(), strict=True))
        ).fun
        for sign in (1, -1)
    ]
    assert figures.low[0, 0] - figures.high[0, 1] == pytest.approx(ends[0], abs=1e-9)
    assert figures.high[0, 0] - figures.low[0, 1] == pytest.approx(ends[1], abs=1e-9)


def test_a_table_that_knows_the_group_leaves_nothing_open(tmp_path: Path) -> None:
    people, _ = world(1, 0.2)
    people["surname"] = people["group"] + "x"
    table = pd.crosstab(people["surname"], people["group"], normalize="index").reset_index()
    assert audit(tmp_path, people, table) == 0
    for rate in found(tmp_path)["rates"]:
        assert rate["low"] == pytest.approx(rate["high"])


def test_it_is_told_and_nobody_is_assigned(tmp_path: Path) -> None:
    people, table = world(0, 0.2)
    people.loc[:9, "surname"] = "unheard of"
    one = 'proxy = { column = "surname", table = "surnames.csv" }'
    assert audit(tmp_path, people, table, one) == 0
    entry = found(tmp_path)
    assert (entry["attribute"], entry["rows_without"]) == (["group"], 10)
    notes = json.loads((tmp_path / "out" / "evidence.json").read_text())["notes"]
    assert any("which is not recorded: a less b is" in n for n in notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(a=0.9), "adding up to 1 in every row"),
        (lambda t: t.rename(columns={"surname": "name"}), "has no column 'surname'"),
        (lambda t: pd.concat([t, t.iloc[:1]]), "names a value twice"),
        (lambda t: t.assign(surname=[f"x{i}" for i in range(len(t))]), "no value of 'surname' is in the proxy table"),
        (lambda t: t.assign(a="many"), "holds no probabilities"),
    ],
)
def test_refusals(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, words: str) -> None:
    people, table = world(0, 0.0, n=300)
    assert audit(tmp_path, people, change(table)) == 2
    assert words in capsys.readouterr().err


def test_the_report_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kit.judge_here(monkeypatch)
    people, table = world(0, 0.2)
    assert audit(tmp_path, people, table) == 0
    (tmp_path / "password").write_text("a long password")
    password = ["--password-file", str(tmp_path / "password")]
    key = str(tmp_path / "k.p12")
    assert cli.main(["keys", "new", "--name", "A. Auditor", "--out", key, *password]) == 0
    assert cli.main(["report", str(tmp_path / "out"), "--key", key, "--out", str(tmp_path / "r.pdf"), *password]) == 0
    assert cli.main(["verify", str(tmp_path / "r.pdf")]) == 0
    text = printed(tmp_path / "r.pdf")
    assert "An attribute that is not recorded" in text
    assert "nobody is assigned to a group" in text
