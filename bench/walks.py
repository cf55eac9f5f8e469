"""Answers to the rows of walks: what trees add up to (audit/explain/native_sums.py), and lines behind one-hot encoding
(native_lines.py), against the library, row by row.

    python bench/walks.py [--only MODEL ...] [--columns 10 20 40 80 300] [--repeats 5]

For each kind of model and number of columns: processor time a row of the library over rows that were built, and of the
sums; their ratio in one run (median), and whether all answers are the same to the last bit. 20,000 people of numbers
(of texts of 30 kinds for lines), ten of which matter; walks as `assay explain` asks about them, in its blocks. One
thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import pandas as pd

from audit.explain.native_walks import Shortener
from audit.explain.permutation_shap import CellTable, plan_walks
from audit.models.hybrids import Walks, rows_in_block

PEOPLE, BACK = 500, 100


def models() -> dict[str, Callable[[], Any]]:
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from xgboost import XGBClassifier

    return {
        "HistGradientBoosting": lambda: HistGradientBoostingClassifier(random_state=0),
        "GradientBoosting": lambda: GradientBoostingClassifier(random_state=0, subsample=0.2),
        "RandomForest": lambda: RandomForestClassifier(random_state=0, max_samples=0.2),
        "LightGBM": lambda: LGBMClassifier(random_state=0, n_jobs=1, verbose=-1),
        "XGBoost": lambda: XGBClassifier(random_state=0, n_jobs=1),
        "LogisticRegression of texts": lambda: make_pipeline(OneHotEncoder(), LogisticRegression(max_iter=50)),
        "SGDClassifier of texts": lambda: make_pipeline(OneHotEncoder(), SGDClassifier(loss="log_loss", max_iter=5)),
    }


def block(frame: pd.DataFrame, scores: np.ndarray, seed: int) -> Walks:
    """As many walks as explaining asks about at once."""
    columns = frame.shape[1]
    people = max(1, rows_in_block(columns) // (2 * (columns - 1)))
    table = CellTable(frame.iloc[:PEOPLE], frame.iloc[PEOPLE:])
    plan = plan_walks(scores[PEOPLE:], PEOPLE, columns, 8, seed)
    order, row, back = plan.order[:people], plan.row[:people], plan.back[:people]
    rank = np.empty(order.shape, dtype=np.int16)
    np.put_along_axis(rank, order, np.arange(columns, dtype=np.int16)[None], axis=1)
    return table.walks(rank, np.full(len(row), columns - 1), row, back)


def measured(model: Any, frame: pd.DataFrame, repeats: int) -> str:
    def scores(rows: pd.DataFrame, positive: str) -> np.ndarray:
        return np.asarray(model.predict_proba(rows)[:, 1], dtype=np.float64)

    facts = SimpleNamespace(classes=("0", "1"))
    loaded = SimpleNamespace(
        estimator=model, facts=facts, format="skops", scores=scores, prepare=lambda f: f, class_index=lambda name: 1
    )
    shortener = Shortener(loaded, frame, "1")
    sums = shortener.line or shortener.sums
    if sums is None:
        return "the sums are not believed"
    own, library, same = [], [], True
    for repeat in range(repeats):
        walks = block(frame, scores(frame, "1"), repeat)
        start = time.process_time()
        added = sums.scores(walks.rank, walks.inner, walks.first, walks.second)
        between = time.process_time()
        answers = scores(walks.frame(), "1")
        own.append((between - start) / len(walks))
        library.append((time.process_time() - between) / len(walks))
        same = same and added.tobytes() == answers.tobytes()
    a, b = statistics.median(library), statistics.median(own)
    return f"{1e6 * a:.2f} | {1e6 * b:.2f} | {a / b:.1f} | {'yes' if same else 'NO'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, nargs="*", default=[10, 20, 40, 80, 300])
    parser.add_argument("--repeats", type=int, default=5)
    kinds = models()
    parser.add_argument("--only", nargs="*", choices=tuple(kinds), default=list(kinds))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    print("| model | columns | library, us a row | sums, us a row | ratio | same bits |")
    print("|---|---:|---:|---:|---:|---|")
    for name in args.only:
        for columns in args.columns:
            rng = np.random.default_rng(columns)
            x = pd.DataFrame(rng.normal(size=(20_000, columns)), columns=[f"x{k}" for k in range(columns)])
            worth = x.iloc[:, :10].sum(axis=1) + rng.normal(size=len(x)) > 1
            if name.endswith("of texts"):
                x = "v" + (15 + 5 * x).round().clip(0, 29).astype(int).astype(str)
            model = kinds[name]().fit(x, worth.astype(int))
            print(f"| {name} | {columns} | {measured(model, x.iloc[: PEOPLE + BACK], args.repeats)} |", flush=True)


if __name__ == "__main__":
    main()
