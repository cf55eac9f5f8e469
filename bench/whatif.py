"""What-if with shared work beside one pipeline after the other from the file, with equal results.

    python bench/whatif.py [--learner logistic|boosting] [--mix balanced|prototype|anchor] [--variants N] [--fitted N]

Prints seconds (wall and CPU), their ratio, the mix of variants, and the largest difference of any score. The other side
reads the file, encodes and fits for every variant, by scikit-learn's Pipeline: StandardScaler, OneHotEncoder and
LogisticRegression, or OrdinalEncoder and LightGBM. The mixes of 60:

balanced    as many of every kind as the table has: 14 change what comes in
prototype   13 features left out, 26 changes of what comes in, 6 flips of outcomes by group, 5 groups not learned from,
            6 encodings, 4 cleanings: that of the prototype from which the goals come
anchor      all but three (--fitted) change what is measured and not what is learned, as in the best case of mlwhatif:
            fields that come in otherwise, gaps filled at serving, other shares of people, outcomes cleaned where
            measured, other thresholds
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from audit.load import load_case, load_rows  # noqa: E402
from debias.task import task_of  # noqa: E402
from debias.whatif.boosting import SETTINGS, TREES, Boosting  # noqa: E402
from debias.whatif.linear import Linear  # noqa: E402
from debias.whatif.run import parts_of  # noqa: E402
from debias.whatif.table import Parts, Variant, variants_of  # noqa: E402

PROTOTYPE = (
    (("features",), 13), (("incoming gaps", "incoming errors"), 26), (("labels",), 6), (("groups",), 5),
    (("encoding", "rare", "imputation", "weights"), 6), (("cleaning", "outliers"), 4),
)  # fmt: skip
"""Kinds, and how many variants of them."""

CASE = ROOT / "sample_data" / "adult.toml"


def chosen(parts: Parts, learner: str, count: int, mix: str, fitted: int = 3) -> list[Variant]:
    """`count` variants, evenly of every kind; with `anchor`, so many are `fitted` and the others are not."""
    whole = [v for v in variants_of(parts, learner) if v.kind != "scaling"]
    # scikit-learn's scaler refuses gaps in numbers: those would not be made on the other side.
    numbers = {c for c in parts.test if parts.test[c].dtype.kind in "biuf"}
    whole = [v for v in whole if v.kind != "incoming gaps" or not numbers & set(v.recipe.asked)]
    out: list[Variant] = []
    if mix == "anchor":
        coming, rest = ([v for v in whole if (v.side != "train") is side] for side in (True, False))
        return [*in_turn(coming, count - fitted), *in_turn(rest, fitted)]
    if mix == "prototype":
        for kinds, many in PROTOTYPE:
            mine = [v for v in whole if v.kind in kinds and not v.name.startswith("half of")]
            out += mine[:many]
        return out[:count]
    return in_turn(whole, count)


def in_turn(variants: list[Variant], count: int) -> list[Variant]:
    """`count` of them, one of each kind in turn."""
    by_kind: dict[str, list[Variant]] = {}
    out: list[Variant] = []
    for v in variants:
        by_kind.setdefault(v.kind, []).append(v)
    while len(out) < min(count, len(variants)):
        for mine in by_kind.values():
            if mine and len(out) < count:
                out.append(mine.pop(0))
    return out


def alone(variant: Variant, learner: str) -> Any:
    """One variant from the file, as one would write it by hand."""
    case = load_case(CASE)
    task = task_of(case, load_rows(case, everything=True), 0)
    rows = np.sort(np.concatenate([task.splits.train, task.splits.validation]))
    train, test = task.part(rows).reset_index(drop=True), task.part(task.splits.test).reset_index(drop=True)
    r, label = variant.recipe, task.label[rows]
    for name, (a, b) in r.columns.items():
        train[name], test[name] = a.to_numpy(), b.to_numpy()
    for name, altered in r.asked.items():
        test[name] = altered.to_numpy()
    label = label if r.label is None else r.label
    if r.rows is not None:
        train, label = train.iloc[r.rows], label[r.rows]
    train, test = train.drop(columns=list(r.without)), test.drop(columns=list(r.without))
    model = pipeline(train, learner)
    model.fit(train, label, **({} if r.weight is None else {"model__sample_weight": r.weight}))
    return model.predict_proba(test)[:, 1]


def pipeline(train: Any, learner: str) -> Any:
    """As scikit-learn's users write it; for LightGBM a missing category is one of its own, as in Assay's learner."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

    numbers = [c for c in train if train[c].dtype.kind in "biuf"]
    texts = [c for c in train if c not in numbers]
    if learner == "logistic":
        prepare = ColumnTransformer(
            [("n", StandardScaler(), numbers), ("t", OneHotEncoder(handle_unknown="ignore"), texts)]
        )
        return Pipeline([("prepare", prepare), ("model", LogisticRegression(tol=1e-8, max_iter=5000))])
    from lightgbm import LGBMClassifier

    fill = SimpleImputer(strategy="constant", fill_value="(missing)")

    def code(column: Any) -> Any:
        """By name, as OrdinalEncoder does; the missing last."""
        known = [[*sorted(column.dropna().unique()), "(missing)"]]
        return OrdinalEncoder(categories=known, handle_unknown="use_encoded_value", unknown_value=np.nan)

    # Column by column, so that their order stays: of equal splits the first one is taken.
    each = [(c, "passthrough" if c in numbers else make_pipeline(fill, code(train[c])), [c]) for c in train]
    prepare = ColumnTransformer(each)
    at = [i for i, c in enumerate(train) if c in texts]
    model = LGBMClassifier(n_estimators=TREES, **SETTINGS, categorical_feature=at)
    return Pipeline([("prepare", prepare), ("model", model)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learner", choices=("logistic", "boosting"), default="logistic")
    parser.add_argument("--variants", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mix", choices=("balanced", "prototype", "anchor"), default="balanced")
    parser.add_argument("--fitted", type=int, default=3, help="with anchor: variants that are fitted")
    args = parser.parse_args()
    case = load_case(CASE)
    task = task_of(case, load_rows(case, everything=True), 0)
    known = chosen(parts_of(task, 0), args.learner, args.variants, args.mix, args.fitted)
    print(
        f"{len(known)} variants of {args.learner}: "
        + ", ".join(f"{k} {n}" for k, n in Counter(v.kind for v in known).items())
    )
    wall, cpu = time.perf_counter(), time.process_time()
    task = task_of(case, load_rows(case, everything=True), 0)
    parts = replace(parts_of(task, 0), flagged=None)
    plan = (Linear if args.learner == "logistic" else Boosting)(parts)
    with ThreadPoolExecutor(args.processes) as pool:
        shared = list(pool.map(lambda v: plan(v.recipe), known))
    mine = time.perf_counter() - wall, time.process_time() - cpu
    wall, cpu = time.perf_counter(), time.process_time()
    one_by_one = [alone(v, args.learner) for v in known]
    other = time.perf_counter() - wall, time.process_time() - cpu
    apart = [float(np.abs(a - b).max()) for a, b in zip(shared, one_by_one, strict=True)]
    turned = [float(((a >= 0.5) != (b >= 0.5)).mean()) for a, b in zip(shared, one_by_one, strict=True)]
    print(f"shared      {mine[0]:7.1f} s wall {mine[1]:7.1f} s CPU")
    print(f"one by one  {other[0]:7.1f} s wall {other[1]:7.1f} s CPU")
    print(f"ratio       {other[0] / mine[0]:7.1f}      {other[1] / mine[1]:7.1f}")
    print(f"largest difference of a score {max(apart):.2g}; of decisions {max(turned):.2g}")
    for v, a in zip(known, apart, strict=True):
        if a > 1e-4:
            print(f"  {v.name}: {a:.2g}")


if __name__ == "__main__":
    main()
