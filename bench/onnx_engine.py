"""ONNX Runtime as the scoring engine beside the model's own library: processor seconds, and how far scores lie apart.

    python bench/onnx_engine.py [--rows 200000] [--repeats 5]

Each model is fitted on 20,000 rows of eight numbers, written as ONNX by `assay convert`, and both files are asked about
the same rows as an audit asks: by a worker, in its sandbox. Processor seconds are the worker's own (Linux), the median.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

COLUMNS = [f"x{k}" for k in range(8)]


def models(folder: Path, x: pd.DataFrame, y: np.ndarray) -> dict[str, Path]:
    import lightgbm
    import skops.io
    import xgboost
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    estimators = {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
        "random forest, 100 trees": RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=1),
        "histogram boosting, 100 trees": HistGradientBoostingClassifier(random_state=0),
        "network, 64 and 32": make_pipeline(StandardScaler(), MLPClassifier((64, 32), max_iter=8, random_state=0)),
    }
    paths = {}
    for number, (name, model) in enumerate(estimators.items()):
        paths[name] = folder / f"{number}.skops"
        skops.io.dump(model.fit(x, y), paths[name])
    paths["LightGBM, 100 trees"], paths["XGBoost, 100 trees"] = folder / "l.txt", folder / "x.json"
    lightgbm.LGBMClassifier(verbose=-1, n_jobs=1).fit(x, y).booster_.save_model(paths["LightGBM, 100 trees"])
    xgboost.XGBClassifier(n_estimators=100, n_jobs=1).fit(x, y).save_model(paths["XGBoost, 100 trees"])
    return paths


def cpu(process: int) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def asked(path: Path, rows: pd.DataFrame, repeats: int) -> tuple[float, Any]:
    from audit.models import Worker

    spent = []
    with Worker(path) as worker:
        positive = worker.info.classes[1]
        answer = worker.answer(rows[:1000], positive)  # warm
        assert worker._held is not None
        child = worker._held.child
        for _ in range(repeats):
            before = cpu(child.pid)
            answer = worker.answer(rows, positive)
            spent.append(cpu(child.pid) - before)
    return statistics.median(spent), answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    from audit.errors import ModelError
    from audit.models.convert import convert

    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.normal(size=(args.rows, 8)), columns=COLUMNS)
    train = pd.DataFrame(rng.normal(size=(20_000, 8)), columns=COLUMNS)
    y = (train.x0 * train.x1 + train.x2 + rng.normal(size=len(train)) > 0).astype(int).to_numpy()
    print(f"{args.rows:,} rows of 8 numbers; processor seconds of the worker, median of {args.repeats}")
    print("| model | its library | ONNX Runtime | library / ONNX | scores apart | decided otherwise |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        for name, path in models(Path(place), train, y).items():
            own, one = asked(path, rows, args.repeats)
            out = path.with_suffix(".onnx")
            try:
                convert(path, None, out, train, COLUMNS)
            except ModelError as error:
                print(f"| {name} | {own:.2f} | not written: {error.got} | | | |", flush=True)
                continue
            new, other = asked(out, rows, args.repeats)
            apart = np.abs(one.score - other.score).max()
            differ = int((one.decided != other.decided).sum())
            print(
                f"| {name} | {own:.2f} | {new:.2f} | {own / max(new, 0.005):.1f} | {apart:.1g} | {differ} |", flush=True
            )


if __name__ == "__main__":
    main()
