"""The rows that every model of the table learns from and decides, and its label in several codings."""

from __future__ import annotations

import numpy as np
import pandas as pd

N = 240
NUMBERS = ["age", "pay", "debt"]
"""No column holds a missing value but `rent`."""


def people() -> pd.DataFrame:
    """The favourable word, "approved", stands before the other in the alphabet, and 30 % have it: a guess that the
    second class is meant, or that one half is the cut, shows."""
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, N),
            "pay": rng.normal(30, 8, N).round(1),
            "debt": rng.exponential(5, N).round(1),
            "job": rng.choice(["clerk", "nurse", "smith"], N),
            "rent": np.where(rng.random(N) < 0.2, np.nan, rng.normal(9, 2, N).round(1)),
            "sex": rng.choice(["F", "M"], N),
        }
    )
    drive = 0.12 * (frame.pay - 30) - 0.2 * (frame.debt - 5) + 0.6 * (frame.sex == "M") + 0.5 * (frame.job == "smith")
    good = (drive + rng.normal(0, 0.8, N) > np.quantile(drive, 0.7)).to_numpy()
    frame["words"] = np.where(good, "approved", "denied")
    frame["typed"] = np.where(good, "Approved.", "Denied.")
    frame["bits"] = good.astype(int)
    frame["signs"] = np.where(good, 1, -1)
    frame["steps"] = np.where(good, 2, 1)
    frame["truth"] = good
    frame["grades"] = np.where(good, 10, np.where(frame.age > 50, 2, 1))
    frame["three"] = np.where(good, "approved", np.where(frame.age > 50, "later", "denied"))
    return frame


def loans(features: list[str], data: str = "") -> str:
    """The head of a case file on these people, up to the place where the model is told."""
    named = ", ".join(f'"{column}"' for column in features)
    return (
        '[case]\nname = "Loans"\npurpose = "Who is granted a loan"\n'
        '[data]\npath = "people.csv"\nlabel = "bits"\npositive = "1"\nsensitive = ["sex"]\n'
        f"features = [{named}]\n{data}[model]\n"
    )
