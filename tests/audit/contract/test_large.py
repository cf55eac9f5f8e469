"""A contract on a file that the database counts is the contract in memory: every kind, Parquet and CSV, many values."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.contract import large
from audit.contract.check import check, to_document
from audit.contract.read import contract_of
from audit.gaps import Settings
from audit.load import load_case, load_rows
from audit.quality import groups_of
from audit.run import run_audit

N = 4000
CASE = """[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.{kind}"
label = "outcome"
positive = "yes"
sensitive = ["sex", "age"]
split = "part"
audit = "b"
[data.bins]
age = [30, 50]
[model]
decision = "approved"
"""
CHECKS = [
    {"column": "income", "missing_at_most": 0.05},
    {"column": "income", "between": [20, 60], "mostly": 0.9},
    {"column": "income", "between": {"min": 20, "strict_min": True}},
    {"column": "income", "unique": True},
    {"column": "income", "type": "number"},
    {"column": "income", "type": "whole", "mostly": 0.1},
    {"column": "person", "unique": True},
    {"column": "person", "type": "whole"},
    {"columns": ["town", "income"], "unique_together": True},
    {"column": "high", "at_least_column": "income"},
    {"column": "empty", "empty": True},
    {"column": "sex", "among": ["Female", "Male"]},
    {"column": "sex", "missing_at_most": 0.01},
    {"column": "town", "not_among": ["Ce"]},
    {"column": "town", "matches": "[AB]"},
    {"column": "town", "length": [1, 2]},
    {"column": "town", "same_as_column": "town"},
    {"column": "day", "between": ["2026-01-05", "2026-12-31"]},
    {"column": "gone", "exists": True},
    {"column": "gone", "unique": True},
    {"rows": [1, 10]},
    {"columns_are": ["a", "b"]},
    *({"column": "income", k: [0.0, 1.0]} for k in ("mean", "median", "stdev", "sum", "smallest", "largest")),
    {"column": "income", "quantiles": {"0.1": [0.0, 1.0], "0.9": [0.0, 1.0]}},
    {"column": "income", "distinct": [0, 3]},
    {"column": "town", "distinct_share": [0, 0.5]},
]


def people() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    income = rng.normal(40, 12, N)
    income[: N // 10] = np.nan
    income[-40:] = income[-80:-40]
    frame = pd.DataFrame(
        {
            "person": np.arange(N) % (N - 7), "sex": rng.choice(["Female", "Male", "nan"], N, p=[0.5, 0.45, 0.05]),
            "age": rng.integers(18, 80, N), "income": income, "high": income + rng.choice([-1, 1], N, p=[0.1, 0.9]),
            "town": rng.choice(["Aa", "Bo", "Ce", "Dora"], N), "day": rng.choice(["2026-01-01", "2026-06-01"], N),
            "empty": np.where(np.arange(N) % 100 == 0, "x", None), "approved": rng.choice(["yes", "no"], N),
            "outcome": rng.choice(["yes", "no"], N), "part": rng.choice(["a", "b"], N),
        }
    )  # fmt: skip
    frame.loc[5:30, "town"] = None
    return frame


@pytest.mark.parametrize("kind, most", [("parquet", 300_000), ("parquet", 1500), ("csv", 1500)])
def test_the_database_finds_what_memory_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, most: int
) -> None:
    frame = people()
    (frame.to_parquet if kind == "parquet" else frame.to_csv)(tmp_path / f"people.{kind}", index=False)
    (tmp_path / "case.toml").write_text(CASE.format(kind=kind))
    case = replace(load_case(tmp_path / "case.toml"), contract=contract_of(CHECKS, "here"))
    monkeypatch.setattr(large, "MOST_VALUES", most)
    settings, rows = Settings(draws=50), load_rows(case, everything=True)
    mine = rows.frame[rows.audit]
    held = check(mine, case.contract, groups_of(case, mine), settings, columns=rows.columns)
    document = [to_document(held), to_document(large.check_large(case, settings))]
    assert document[1]["rows"] == document[0]["rows"] == (frame["part"] == "b").sum()
    if most > N:
        door = run_audit(case, tmp_path / "run", settings, large=True).evidence["contract"]
        assert door == document[1], "a file that is counted by the database is held against its contract too"
    assert document[0]["broken"] > 12
    for memory, base in zip(*(f["checks"] for f in document), strict=True):
        a, b = (c.pop("value") for c in (memory, base))
        assert memory == base
        np.testing.assert_allclose(*(np.array([v], dtype=float) for v in (a, b)), rtol=1e-9)


def test_what_the_database_cannot_look_at_has_not_passed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people().to_parquet(tmp_path / "people.parquet", index=False)
    (tmp_path / "case.toml").write_text(CASE.format(kind="parquet"))
    checks = [{"column": "day", "in_order": True}, {"column": "income", "matches": "4"}]
    case = replace(load_case(tmp_path / "case.toml"), contract=contract_of(checks, "here"))
    monkeypatch.setattr(large, "MOST_VALUES", 900)
    ordered, matched = large.check_large(case).outcomes
    assert not ordered.passed
    assert "in no order" in str(ordered.reason)
    assert not matched.passed
    assert "different values" in str(matched.reason)
