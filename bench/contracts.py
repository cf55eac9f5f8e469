"""A contract of eleven checks on about a million rows, beside pandera and Great Expectations on the same.

    python bench/contracts.py [--rows 976840] [--pandera PYTHON] [--gx PYTHON]

The two are no requirements: each is run by the interpreter of an environment that has it (`make test-environments`
makes one with Great Expectations). Eight lists of values, two ranges, one about missing values. Printed for each:
seconds of processor time of the checks, without reading the file or importing anything; the seconds that its import
takes; and how many checks fail. Ours checks by group as well; "in the database" is a Parquet file that is not read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

TEXTS = {f"c{i}": [f"v{k}" for k in range(2 + i)] for i in range(8)}
RANGES = {"age": (16, 100), "hours": (0, 99)}
PANDERA = """
import json, sys, time
began = time.perf_counter()
import pandas as pd, pandera.pandas as pa
loaded = time.perf_counter() - began
frame, (texts, ranges) = pd.read_csv(sys.argv[1]), json.loads(sys.argv[2])
schema = pa.DataFrameSchema({
    **{c: pa.Column(checks=pa.Check.isin(v), nullable=True, required=False) for c, v in texts.items()},
    **{c: pa.Column(checks=pa.Check.between(*v), nullable=c != "age") for c, v in ranges.items()}})
began, failed = time.process_time(), 0
try:
    schema.validate(frame, lazy=True)
except pa.errors.SchemaErrors as error:
    failed = error.failure_cases.groupby(["column", "check"]).ngroups
print(json.dumps([time.process_time() - began, loaded, failed]))
"""
GX = """
import json, sys, time
began = time.perf_counter()
import great_expectations as gx, pandas as pd
loaded = time.perf_counter() - began
frame, (texts, ranges) = pd.read_csv(sys.argv[1]), json.loads(sys.argv[2])
context = gx.get_context(mode="ephemeral")
batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
e = gx.expectations
suite = gx.ExpectationSuite(name="s", expectations=[
    *(e.ExpectColumnValuesToBeInSet(column=c, value_set=v) for c, v in texts.items()),
    *(e.ExpectColumnValuesToBeBetween(column=c, min_value=a, max_value=b) for c, (a, b) in ranges.items()),
    e.ExpectColumnValuesToNotBeNull(column="age")])
began = time.process_time()
found = batch.get_batch({"dataframe": frame}).validate(suite)
print(json.dumps([time.process_time() - began, loaded, sum(not r.success for r in found.results)]))
"""


def people(rows: int) -> pd.DataFrame:
    """One value of a list is wrong, and a few ages are missing."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({c: np.array(v)[rng.integers(0, len(v), rows)] for c, v in TEXTS.items()})
    frame["age"] = rng.integers(17, 90, rows).astype(float)
    frame["hours"] = rng.integers(1, 98, rows)
    frame["sex"] = np.array(["Female", "Male"])[rng.integers(0, 2, rows)]
    frame["d"] = np.array(["yes", "no"])[rng.integers(0, 2, rows)]
    frame.loc[5, "c3"], frame.loc[:20, "age"] = "unheard of", np.nan
    return frame


def elsewhere(python: str, script: str, data: Path) -> list[float]:
    """Seconds of checks, seconds of the import, failed checks: in another environment."""
    environment = dict(os.environ, GX_ANALYTICS_ENABLED="false", OMP_NUM_THREADS="1")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", script, str(data), json.dumps([TEXTS, RANGES])],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=976_840)
    parser.add_argument("--pandera", metavar="PYTHON")
    parser.add_argument("--gx", metavar="PYTHON")
    args = parser.parse_args()
    from audit.case import Case, DataSpec, ModelSpec
    from audit.contract.check import check
    from audit.contract.large import check_large
    from audit.contract.read import contract_of
    from audit.load import load_policy
    from audit.quality import groups_of

    checks = [
        *({"column": c, "among": v} for c, v in TEXTS.items()),
        *({"column": c, "between": list(v)} for c, v in RANGES.items()),
        {"column": "age", "missing_at_most": 0},
    ]
    print("| checked by | CPU s | import s | checks that fail |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "people.parquet"
        people(args.rows).to_parquet(data, index=False)
        people(args.rows).to_csv(data.with_suffix(".csv"), index=False)  # the others may lack pyarrow
        spec = DataSpec(data, None, "yes", "yes", ("sex",))
        case = Case(
            "c", "p", spec, ModelSpec("decision", column="d"), load_policy(None), contract=contract_of(checks, "bench")
        )
        frame = pd.read_parquet(data)
        assert case.contract is not None
        groups = groups_of(case, frame)
        began = time.process_time()
        checked = check(frame, case.contract, groups)
        row("Assay, by group", [time.process_time() - began, 0, len(checked.failed)])
        began = time.process_time()
        row("Assay in the database, by group", [time.process_time() - began, 0, len(check_large(case).failed)], began)
        for name, python, script in (("pandera", args.pandera, PANDERA), ("Great Expectations", args.gx, GX)):
            if python:
                row(name, elsewhere(python, script, data.with_suffix(".csv")))


def row(name: str, figures: list[float], began: float | None = None) -> None:
    seconds = figures[0] if began is None else time.process_time() - began
    print(f"| {name} | {seconds:.2f} | {figures[1]:.1f} | {figures[2]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
