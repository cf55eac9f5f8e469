"""The data and the model of the board quiz's unseen cases: docs/board-quiz/{hiring,benefits,insurance}.toml.

    .venv/bin/python scripts/quiz_cases.py /tmp/quiz      # data, a model and the case files; then assay audit each

All invented, drawn by one seed: equal runs give equal tables.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

PLACE = Path(__file__).resolve().parent.parent / "docs" / "board-quiz"
SEED = 7


def hiring(r: np.random.Generator, folder: Path) -> None:
    """Nurses: a model that learned from what recruiters thought, held against who stayed."""
    n = 4200
    sex = r.choice(["woman", "man"], n, p=[0.58, 0.42])
    origin = r.choice(["born here", "born abroad"], n, p=[0.76, 0.24])
    abroad = origin == "born abroad"
    years = np.round(np.clip(r.gamma(3, 2.2, n) - abroad * 1.1, 0, 30), 1)
    breaks = r.poisson(np.where(sex == "woman", 1.1, 0.5), n)
    test = np.round(np.clip(r.normal(62, 13, n) - abroad * 5, 5, 100))
    school = r.choice(["college", "hospital school", "abroad"], n, p=[0.42, 0.45, 0.13])
    school = np.where(abroad & (r.random(n) < 0.55), "abroad", school)
    z = 0.16 * (years - 6) + 0.05 * (test - 62) - 0.35 * breaks + 0.1
    stayed = np.where(r.random(n) < 1 / (1 + np.exp(-z - 0.3 * breaks)), "stayed", "left")
    part = np.where(np.arange(n) < 2400, "learn", "check")
    r.random(2 * n)  # two columns that the case no longer has; later draws stay what they were
    x = {"years_worked": years, "breaks": breaks, "test_points": test, "school": school}
    frame = pd.DataFrame({"sex": sex, "origin": origin, **x, "stayed": stayed, "part": part})
    frame.to_csv(folder / "hiring.csv", index=False)
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["school"]),
        (StandardScaler(), ["years_worked", "breaks", "test_points"]),
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=500))
    thought = np.where(z + r.normal(0, 0.8, n) > 0.35, "stayed", "left")
    learn = part == "learn"
    model.fit(frame.loc[learn, list(x)], thought[learn])
    skops.io.dump(model, folder / "hiring.skops")


def benefits(r: np.random.Generator, folder: Path) -> None:
    """Checks for fraud: 1 is the bad answer; of some it is not known where they were born."""
    n = 9400
    home = r.choice(["parent alone", "couple with children", "single", "couple"], n, p=[0.21, 0.27, 0.36, 0.16])
    born = r.choice(["in the country", "elsewhere", ""], n, p=[0.63, 0.31, 0.06])
    fraud = (r.random(n) < 0.045).astype(int)
    p = 0.07 + 0.08 * (born == "elsewhere") + 0.06 * (home == "parent alone") + 0.33 * fraud
    flagged = (r.random(n) < p).astype(int)
    frame = pd.DataFrame({"household": home, "born": born, "wrong_claim": fraud, "flagged": flagged})
    frame.to_csv(folder / "benefits.csv", index=False)


def insurance(r: np.random.Generator, folder: Path) -> None:
    """Prices of car insurance, with weights."""
    n = 5200
    age = r.integers(18, 88, n)
    area = r.choice(["north", "south", "islands"], n, p=[0.55, 0.4, 0.05])
    disability = r.choice(["no", "yes"], n, p=[0.9, 0.1])
    claim = r.random(n) < 0.12 + 0.1 * (age < 25)
    p = 0.80 - 0.25 * (age < 25) - 0.14 * (age >= 70) - 0.07 * (area == "south") - 0.02 * (disability == "yes")
    price = np.where(r.random(n) < p, "normal price", "surcharge")
    weight = np.round(r.choice([40, 90, 160], n) * (1 + 0.8 * (area == "islands")), 0)
    frame = pd.DataFrame({"age": age, "area": area, "disability": disability})
    frame["claim"] = np.where(claim, "surcharge", "normal price")
    frame["price"], frame["stands_for"] = price, weight
    frame.to_csv(folder / "insurance.csv", index=False)


def main(folder: Path) -> None:
    """Write all three, with their case files."""
    folder.mkdir(parents=True, exist_ok=True)
    r = np.random.default_rng(SEED)
    for case in (hiring, benefits, insurance):
        case(r, folder)
        shutil.copy(PLACE / f"{case.__name__}.toml", folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
