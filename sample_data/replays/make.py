"""Makes the replays that ship: `make samples`, or `python sample_data/replays/make.py [--out DIR]`.

People of Adult whom the model never saw, each once, in 52 batches of 500, with a shift planted at batch 12: what was
done is known and can be held against what the loop finds. Two years of the census file come as they are.

    quiet       nothing (and, with a stricter policy from batch 26 on, a norm that tightens: tight.toml)
    benign      other people come: older, more of them born abroad; outcomes given the features stay as they were
    mix         half of them are women, where a third was; nothing else changes
    harm        clerical work is well paid now, which is mostly done by women: the model misses women who qualify
    noise       a quarter of the outcomes recorded for Black people are wrong
    feed        for three batches hours a week come in minutes

The same versions write the same bytes: every draw has a seed.
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
sys.path.insert(0, str(HERE.parents[1]))

from audit.files import write_whole  # noqa: E402 - the path above comes first
from audit.models.write import skops_bytes  # noqa: E402

BATCHES, SIZE, PLANTED, LEARN = 52, 500, 12, 10_000
NAMES = ("quiet", "benign", "mix", "harm", "noise", "feed")
FEATURES = (
    "age", "workclass", "education", "education-num", "occupation", "capital-gain", "capital-loss", "hours-per-week",
    "native-country",
)  # fmt: skip
"""What the model sees: neither sex nor race nor what stands for them at home (marital status, relationship)."""
CENSUS_FEATURES = (
    "age", "class_of_worker", "education", "major_industry", "major_occupation", "weeks_worked", "capital_gains",
    "capital_losses", "dividends", "num_persons_employer", "union_member",
)  # fmt: skip
CENSUS_LEARN, CENSUS_WATCH = 12_000, 24_000


def boosted(frame: pd.DataFrame, features: tuple[str, ...], label: str) -> Any:
    """Histogram gradient boosting with native categories on raw strings."""
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    numeric = [f for f in features if pd.api.types.is_numeric_dtype(frame[f])]
    texts = [f for f in features if f not in numeric]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    encode = ColumnTransformer(
        [("categories", encoder, texts), ("numbers", "passthrough", numeric)], verbose_feature_names_out=False
    )
    boost = HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.1,
        max_leaf_nodes=15,
        categorical_features=list(range(len(texts))),
        early_stopping=False,
        random_state=0,
    )
    return Pipeline([("encode", encode), ("model", boost)]).fit(frame[list(features)], frame[label])


def shifted(name: str, people: pd.DataFrame, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """`n` of `people` as they come once the shift is there; nobody twice."""
    weight = np.ones(len(people))
    if name == "benign":
        abroad = (people["native-country"] != "United-States").to_numpy()
        weight = np.exp(0.03 * (people["age"].to_numpy() - 40)) * np.where(abroad, 2.0, 1.0)
    elif name == "mix":
        weight = np.where(people["sex"] == "Female", 6.0, 1.0)
    # Those who weigh most are drawn first; the order in which they come is another.
    drawn = people.iloc[rng.permutation(rng.choice(len(people), n, replace=False, p=weight / weight.sum()))]
    good = (drawn["income"] == ">50K").to_numpy()
    if name == "harm":
        clerical = (drawn["occupation"] == "Adm-clerical").to_numpy() & (drawn["education-num"] >= 9).to_numpy()
        good = good | (clerical & (rng.random(n) < 0.75))
    elif name == "noise":
        good = good ^ ((drawn["race"] == "Black").to_numpy() & (rng.random(n) < 0.25))
    return drawn.assign(income=np.where(good, ">50K", "<=50K"))


def replay(name: str, people: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """52 batches of 500 people in order, with the shift from batch 12 on. seed: another draw of the same."""
    rng = np.random.default_rng([seed, *name.encode()])
    order = rng.permutation(len(people))
    before = PLANTED * SIZE
    rest = people.iloc[np.sort(order[before:])]
    late = shifted(name, rest, rng, (BATCHES - PLANTED) * SIZE)
    out = pd.concat([people.iloc[order[:before]], late], ignore_index=True)
    out["batch"] = np.arange(len(out)) // SIZE
    if name == "feed":
        broken = out["batch"].between(PLANTED, PLANTED + 2)
        out["hours-per-week"] = out["hours-per-week"].where(~broken, out["hours-per-week"] * 60)
    return out


def adult() -> tuple[Any, pd.DataFrame]:
    """The model that is watched, learnt on 10,000 people of Adult; and the others."""
    frame = pd.read_parquet(HERE.parent / "adult.parquet")
    picked = np.random.default_rng(0).permutation(len(frame))
    model = boosted(frame.iloc[np.sort(picked[:LEARN])], FEATURES, "income")
    others = frame.iloc[np.sort(picked[LEARN:])]
    return model, others[["sex", "race", "income", *FEATURES]].reset_index(drop=True)


def census() -> tuple[Any, pd.DataFrame]:
    """A model learnt on part of 1994, and other rows of 1994, then 1995, each in the file's order."""
    frame = pd.read_parquet(HERE.parent / "census_income_kdd_adults_working.parquet")
    rng = np.random.default_rng(0)
    first, second = (np.flatnonzero((frame["year"] == y).to_numpy()) for y in (94, 95))
    picked = rng.permutation(first)
    learn = np.sort(picked[:CENSUS_LEARN])
    watch = [np.sort(picked[CENSUS_LEARN : CENSUS_LEARN + CENSUS_WATCH // 2])]
    watch.append(np.sort(rng.choice(second, CENSUS_WATCH // 2, replace=False)))
    columns = ["year", "sex", "race", "income", *CENSUS_FEATURES]
    return boosted(frame.iloc[learn], CENSUS_FEATURES, "income"), frame.iloc[np.concatenate(watch)][columns]


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def make(out: Path) -> dict[str, str]:
    """Write the replays into `out`. Returns their sha256 by name."""
    import sklearn.ensemble  # noqa: F401 - only libraries that are loaded by now are held to one thread
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        model, rows = adult()
        census_model, census_rows = census()
    files = {f"{n}.parquet": _parquet(replay(n, rows)) for n in NAMES}
    files |= {"model.skops": skops_bytes(model), "census.skops": skops_bytes(census_model)}
    files["census.parquet"] = _parquet(census_rows)
    for name, content in files.items():
        write_whole(out / name, content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def main() -> int:
    """Write the replays and print their hashes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=HERE, help="where to write (default: this folder)")
    for name, digest in make(parser.parse_args().out).items():
        print(digest, name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
