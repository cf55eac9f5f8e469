"""Makes the samples that ship: `make samples`, or `python sample_data/make.py [--out DIR]`.

From the three tables in this folder (their origin and licence: README.md) it makes

- `adult.skops`: gradient boosting on all features of Adult, with its categories handled inside the saved object;
- `adult_decided.parquet`: Adult's test rows with that model's score `p` and decision `decided`: no model needed;
- `german_credit_split.parquet`: German credit with `sex` read off its status code and a fixed `split`;
- `german_credit.skops`: logistic regression on it that sees neither `sex` nor the code it came from.

Nothing is drawn at random: the same versions write the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from audit.files import write_whole  # noqa: E402 - the path above comes first
from audit.models.write import skops_bytes  # noqa: E402

ADULT_LABEL, ADULT_POSITIVE = "income", ">50K"
ADULT_NOT_FEATURES = ("income", "fnlwgt", "split")  # label; survey weight; which rows learn
GERMAN_NOT_FEATURES = ("credit_risk", "status_sex", "sex", "split")
GERMAN_SEX = {"A91": "male", "A92": "female", "A93": "male", "A94": "male", "A95": "female"}
GERMAN_TRAIN_ROWS = 600
SEED = 0


def _features(frame: pd.DataFrame, leave_out: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(categorical, numeric) feature names in the table's order."""
    names = [name for name in frame.columns if name not in leave_out]
    numeric = [name for name in names if pd.api.types.is_numeric_dtype(frame[name])]
    return [name for name in names if name not in numeric], numeric


def adult_model(frame: pd.DataFrame) -> Any:
    """Histogram gradient boosting with native categorical splits, fitted on `split == "train"`.

    Raw strings go in: the encoder inside gives each known category its number, and a category never seen in training,
    or a missing value, goes where the trees send the missing.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    categorical, numeric = _features(frame, ADULT_NOT_FEATURES)
    encode = ColumnTransformer(
        [
            (
                "categories",
                OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan),
                categorical,
            ),
            ("numbers", "passthrough", numeric),
        ],
        verbose_feature_names_out=False,
    )
    boost = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.08,
        max_leaf_nodes=15,
        categorical_features=list(range(len(categorical))),
        early_stopping=False,
        random_state=SEED,
    )
    train = frame[frame["split"] == "train"]
    features = [name for name in frame.columns if name not in ADULT_NOT_FEATURES]
    return Pipeline([("encode", encode), ("model", boost)]).fit(train[features], train[ADULT_LABEL])


def adult_decided(frame: pd.DataFrame, model: Any) -> pd.DataFrame:
    """Adult's test rows with `p`, the score of ">50K" to six decimals, and `decided`, ">50K" where p >= 0.5."""
    rows = frame[frame["split"] == "test"].drop(columns=["split", "fnlwgt"]).reset_index(drop=True)
    column = list(model.classes_).index(ADULT_POSITIVE)
    rows["p"] = model.predict_proba(rows)[:, column].round(6)
    rows["decided"] = np.where(rows["p"] >= 0.5, ">50K", "<=50K")
    return rows


def german_split(frame: pd.DataFrame) -> pd.DataFrame:
    """German credit with `sex` and a `split` that depends on nothing but the row's place and the seed."""
    out = frame.copy()
    out.insert(frame.columns.get_loc("status_sex") + 1, "sex", frame["status_sex"].map(GERMAN_SEX))
    place = sorted(range(len(frame)), key=lambda row: hashlib.sha256(f"german_credit/{SEED}/{row}".encode()).digest())
    split = np.full(len(frame), "test", dtype=object)
    split[place[:GERMAN_TRAIN_ROWS]] = "train"
    out["split"] = split
    return out


def german_model(frame: pd.DataFrame) -> Any:
    """Logistic regression, fitted on `split == "train"`; its classes are 1 (good) and 2 (bad)."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    categorical, numeric = _features(frame, GERMAN_NOT_FEATURES)
    encode = ColumnTransformer(
        [
            ("categories", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categorical),
            ("numbers", StandardScaler(), numeric),
        ],
        verbose_feature_names_out=False,
    )
    train = frame[frame["split"] == "train"]
    features = [name for name in frame.columns if name not in GERMAN_NOT_FEATURES]
    steps = [("encode", encode), ("model", LogisticRegression(C=0.3, max_iter=2000))]
    return Pipeline(steps).fit(train[features], train["credit_risk"])


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def make(out: Path, source: Path = HERE) -> dict[str, str]:
    """Write the four files into `out`. Returns their sha256 by name."""
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded by now are held to one thread
    from threadpoolctl import threadpool_limits

    adult = pd.read_parquet(source / "adult.parquet")
    german = german_split(pd.read_parquet(source / "german_credit.parquet"))
    # One thread: sums then have one order on every machine, and the boosting writes down how many it had.
    with threadpool_limits(1):
        boosted, logistic = adult_model(adult), german_model(german)
        decided = adult_decided(adult, boosted)
    files = {
        "adult.skops": skops_bytes(boosted),
        "adult_decided.parquet": _parquet(decided),
        "german_credit_split.parquet": _parquet(german),
        "german_credit.skops": skops_bytes(logistic),
    }
    for name, content in files.items():
        write_whole(out / name, content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def main() -> int:
    """Write the samples and print their hashes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (default: this folder)")
    for name, digest in make(parser.parse_args().out).items():
        print(digest, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
