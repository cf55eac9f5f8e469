"""The real Great Expectations, in an environment of its own, on the same suites: the same verdicts and counts."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.contract.check import check
from audit.contract.gx import read_suite, validation

pytestmark = pytest.mark.environments

PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))
SUITE = {
    "name": "people",
    "expectations": [
        {"type": t, "kwargs": k}
        for t, k in (
            ("expect_column_to_exist", {"column": "gone"}),
            ("expect_column_values_to_not_be_null", {"column": "income", "mostly": 0.95}),
            ("expect_column_values_to_not_be_null", {"column": "age"}),
            ("expect_column_values_to_be_between", {"column": "age", "min_value": 20, "max_value": 60}),
            ("expect_column_values_to_be_between",
             {"column": "most", "min_value": 18, "strict_min": True, "mostly": 0.9}),
            ("expect_column_values_to_be_in_set", {"column": "town", "value_set": ["Aa", "Bo"], "mostly": 0.6}),
            ("expect_column_values_to_not_be_in_set", {"column": "town", "value_set": ["Ce"]}),
            ("expect_column_values_to_be_unique", {"column": "person"}),
            ("expect_column_values_to_be_unique", {"column": "town"}),
            ("expect_compound_columns_to_be_unique", {"column_list": ["age", "town"]}),
            ("expect_column_values_to_match_regex", {"column": "town", "regex": "[AB]."}),
            ("expect_column_value_lengths_to_be_between", {"column": "town", "min_value": 2, "max_value": 2}),
            ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 100}),
            ("expect_table_columns_to_match_set", {"column_set": ["person", "age", "income", "town", "most"]}),
            ("expect_column_mean_to_be_between", {"column": "age", "min_value": 30, "max_value": 60}),
            ("expect_column_median_to_be_between", {"column": "income", "min_value": 0, "max_value": 1}),
            ("expect_column_max_to_be_between", {"column": "age", "min_value": 70, "max_value": 80}),
            ("expect_column_unique_value_count_to_be_between", {"column": "town", "min_value": 3, "max_value": 3}),
            ("expect_column_pair_values_a_to_be_greater_than_b",
             {"column_A": "most", "column_B": "age", "or_equal": True}),
        )
    ],
}  # fmt: skip
RUN = """
import json, sys
import great_expectations as gx, pandas as pd
suite, data, out = sys.argv[1:]
context = gx.get_context(mode="ephemeral")
batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
made = context.suites.add(gx.ExpectationSuite(name="s"))
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
for e in json.load(open(suite))["expectations"]:
    made.add_expectation_configuration(ExpectationConfiguration(type=e["type"], kwargs=e["kwargs"]))
found = context.data_sources.get("p").get_asset("a").get_batch_definition("b").get_batch(
    {"dataframe": pd.read_csv(data)}).validate(made)
json.dump([{"type": r.expectation_config.type, "success": bool(r.success), "result": {
    k: v for k, v in r.result.items() if k in ("unexpected_count", "element_count")}} for r in found.results],
    open(out, "w"))
"""


def frame() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    n = 400
    age = rng.integers(18, 80, n)
    income = rng.normal(40, 9, n)
    income[: n // 8] = np.nan
    return pd.DataFrame(
        {"person": np.arange(n), "age": age, "income": income, "town": rng.choice(["Aa", "Bo", "Ce"], n),
         "most": np.where(rng.random(n) < 0.9, age + 1, age - 1)}
    )  # fmt: skip


def test_the_same_verdicts_and_counts_as_the_real_one(tmp_path: Path) -> None:
    python = PLACE / "great-expectations" / "bin" / "python"
    assert python.exists(), "make test-environments makes it"
    data = frame()
    data.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))
    (tmp_path / "run.py").write_text(RUN)
    done = subprocess.run(
        [str(python), *(str(tmp_path / f) for f in ("run.py", "suite.json", "people.csv", "out.json"))],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "GX_ANALYTICS_ENABLED": "false"},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads((tmp_path / "out.json").read_text())
    contract = read_suite(SUITE, "suite.json")
    assert not contract.not_understood
    ours = validation(check(data, contract))["results"]
    assert len(ours) == len(theirs) == len(SUITE["expectations"])
    left = [(t["type"], t["success"], t["result"].get("unexpected_count", 0)) for t in theirs]
    for asked, mine in zip(SUITE["expectations"], ours, strict=True):
        result = (asked["type"], mine["success"], mine["result"].get("unexpected_count", 0))
        assert result in left, (result, [t for t in left if t[0] == asked["type"]])
        left.remove(result)
