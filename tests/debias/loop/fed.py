"""Small cases that a whole loop can run on: scores in a column, so that it starts at once; a threshold can mend it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.case import Case
from audit.load import load_case, load_policy
from debias.loop.trail import Trail

POLICY = """
version = "{version}"
[[norm]]
metric = "selection_rate"
kind = "difference"
attribute = ["sex"]
limit = {limit}
promote = {promote}
[loop]
average_run = 2000.0
people = 30
enough = 200
reference_batches = 2
build_rows = 200
shadow_batches = 12
loss = 0.05
group_loss = 0.1
probation_batches = 3
cooldown_batches = 2
attempts = 3
methods = {methods}
automatic = {automatic}
"""
CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "{path}"
label = "repaid"
positive = "yes"
sensitive = ["sex"]
id = "id"
time = "day"
features = ["income", "town"]
[model]
{model}
[policy]
file = "policy.toml"
[watch]
batch = {batch}
label_delay = {delay}
{more}
"""


def people(days: int, size: int = 150, seed: int = 0, gap: float = 0.15, women: float = 0.5) -> pd.DataFrame:
    """`size` people a day. Women who would repay have scores `gap` lower: at 0.65 that matters, at 0.4 it does not."""
    n = days * size
    rng = np.random.default_rng(seed)
    sex = np.where(rng.random(n) < women, "F", "M")
    yes = rng.random(n) < 0.6
    low = np.where(sex == "F", gap, 0.0)
    score = np.where(yes, rng.normal(0.78 - low, 0.08), rng.normal(0.2, 0.05, n))
    return pd.DataFrame(
        {
            "id": np.arange(n),
            "day": np.repeat(np.arange(days), size),
            "sex": sex,
            "income": np.round(score * 100 + rng.normal(0, 3, n), 2),
            "town": rng.choice(["north", "south", "west"], n),
            "score": np.round(np.clip(score, 0, 1), 4),
            "granted": np.where(score > 0.65, "yes", "no"),
            "repaid": np.where(yes, "yes", "no"),
        }
    )


def write_policy(folder: Path, **how: Any) -> Path:
    """policy.toml; limit, promote, version, methods, automatic."""
    mapping = {"version": "1", "limit": 0.2, "promote": 0.16, "methods": '["threshold"]', "automatic": "false"} | how
    path = folder / mapping.pop("file", "policy.toml")
    path.write_text(POLICY.format(**mapping))
    return path


def write_case(
    folder: Path,
    frame: pd.DataFrame | None = None,
    *,
    model: str = 'score = "score"\nthreshold = 0.65',
    batch: str = '"time"',
    delay: int = 1,
    more: str = "",
    **policy: Any,
) -> Case:
    """A case over a table in the order of its days."""
    folder.mkdir(parents=True, exist_ok=True)
    (people(18) if frame is None else frame).to_parquet(folder / "loans.parquet")
    write_policy(folder, **policy)
    path = folder / "case.toml"
    path.write_text(CASE.format(path="loans.parquet", model=model, batch=batch, delay=delay, more=more))
    return load_case(path)


def under(case: Case, folder: Path, **how: Any) -> Case:
    """The same case under another policy."""
    return replace(case, policy=load_policy(write_policy(folder, file="other.toml", **how)))


def hashes(out: Path) -> list[str]:
    """The chain over what happened, times aside."""
    trail = Trail.open(f"sqlite:///{out / 'watch.db'}", write=False)
    try:
        trail.check()
        return [e.hash for e in trail.entries()]
    finally:
        trail.close()


def bodies(out: Path) -> list[dict[str, Any]]:
    """What is in the trail."""
    trail = Trail.open(f"sqlite:///{out / 'watch.db'}", write=False)
    try:
        return [dict(e.body) for e in trail.entries()]
    finally:
        trail.close()
