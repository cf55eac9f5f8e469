"""Planted weaknesses: how often the search finds the one predicate that is hit, and names something where nothing is.

    python bench/planted.py [--draws 20] [--people 4000] [--only missing]

Made-up people; decisions by one number, and one kind of people who are sunk by one corruption (or, where whole rows
are corrupted, who hold their group's rate up). Each weakness stands twice: the group that is hit was behind before, or
it was ahead, so that the corruption closes the gap before it opens the other way. Found: confirmed on the other half,
by the planted corruption, and its conditions name the planted ones. Null: decisions by coins, which every corruption
throws anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from audit.case import Case, DataSpec, ModelSpec  # noqa: E402
from audit.code import Decisions, code_rows  # noqa: E402
from audit.decide import ModelFacts  # noqa: E402
from audit.gaps import Settings  # noqa: E402
from audit.policy import Norm, Policy  # noqa: E402
from audit.stress.ask import Fed  # noqa: E402
from audit.stress.serving import Entry, serving  # noqa: E402
from audit.stress.spec import StressSpec  # noqa: E402

FEATURES = ("town", "work", "grade", "a", "b")
POLICY = Policy("t", (Norm("true_positive_rate", "difference", ("sex",), 0.1, 0.05),), "")
CASE = Case(
    "Made up",
    "Who is granted",
    DataSpec(Path("none.csv"), "outcome", "yes", "yes", ("sex",)),
    ModelSpec("decision", column="d"),
    POLICY,
)
Rows = np.ndarray


@dataclass(frozen=True)
class Weakness:
    """kinds, columns: what may be corrupted. who: conditions, women always among them; asked: those that a finding must
    name. sunk: what the corruption makes of the planted column. depth: conditions that are searched."""

    name: str
    kinds: tuple[str, ...]
    columns: tuple[str, ...]
    who: tuple[tuple[str, str], ...]
    depth: int = 2
    sunk: Callable[[pd.DataFrame], Rows] | None = None


def number(frame: pd.DataFrame, name: str) -> Rows:
    return frame[name].to_numpy(dtype=np.float64, na_value=np.nan)


COLUMN = ("missing", "tenth", "tenfold", "fivefold", "shifted", "usual", "swapped", "typo")
FA, OWN, HIGH = ("town", "Fa"), ("work", "own"), ("b", "high")
WEAKNESSES = (
    Weakness("missing", COLUMN, ("b",), (FA,), sunk=lambda f: np.isnan(number(f, "b"))),
    Weakness("missing by value", COLUMN, ("b",), (HIGH,), sunk=lambda f: np.isnan(number(f, "b"))),
    Weakness("scaled", ("tenfold", "fivefold"), ("b",), (FA,), sunk=lambda f: np.abs(number(f, "b")) > 4),
    Weakness("swapped", COLUMN, ("grade",), (FA,), sunk=lambda f: (f["grade"] == "B").to_numpy()),
    Weakness("never seen", ("typo",), ("grade",), (FA,), sunk=lambda f: ~f["grade"].isin(["A", "B", "C"]).to_numpy()),
    Weakness("three conditions", COLUMN, ("b",), (FA, OWN), 3, lambda f: np.isnan(number(f, "b"))),
    Weakness("outcomes turned", ("label",), (), (FA,)),
    Weakness("people dropped", ("dropped",), (), (FA,)),
)


def people(seed: int, n: int, shares: bool) -> pd.DataFrame:
    """shares: whether three conditions are to be as many people as two are."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["Female", "Male"], n, p=[0.45, 0.55] if shares else [0.3, 0.7]),
            "town": rng.choice(["Aa", "Bo", "Ce", "Fa"] if shares else ["Aa", "Bo", "Ce", "Du", "Ei", "Fa"], n),
            "work": rng.choice(["own", "paid", "none"], n),
            "grade": rng.choice(["A", "B", "C"], n, p=[0.5, 0.3, 0.2]),
            "a": rng.normal(0, 1, n),
            "b": rng.normal(0, 1, n),
        }
    )
    frame["outcome"] = np.where(frame["a"] + rng.normal(0, 0.7, n) > 0, "yes", "no")
    frame["high"] = frame["b"] > np.quantile(frame["b"], 0.8)
    return frame


def planted(frame: pd.DataFrame, weakness: Weakness) -> Rows:
    """Who is hit (n,)."""
    rows = (frame["sex"] == "Female").to_numpy()
    for column, value in weakness.who:
        rows = rows & (frame["high"] if column == "b" else frame[column] == value).to_numpy(dtype=bool)
    return rows


def decisions(weakness: Weakness, ahead: bool, clean: pd.DataFrame) -> Callable[[pd.DataFrame], Rows]:
    """The model. ahead: whether women stand better before."""
    women, mine = (clean["sex"] == "Female").to_numpy(), planted(clean, weakness)
    yes = (clean["outcome"] == "yes").to_numpy()
    plain = clean["a"].to_numpy() > np.where(women, -0.1 if ahead else 0.2, 0.0)
    if weakness.sunk is None:
        # Those planted are decided rightly, everybody else by coins: they hold the rate of women up.
        chance = np.where(women, 0.66 if ahead else 0.6, 0.7)
        plain = np.where(mine, yes, np.random.default_rng(int(yes.sum())).random(len(clean)) < chance)

    def ask(frame: pd.DataFrame) -> Rows:
        at = frame.index.to_numpy()
        out = plain[at]
        return (out if weakness.sunk is None else out & ~(mine[at] & weakness.sunk(frame))).astype(np.int64)

    return ask


def by_coins(frame: pd.DataFrame) -> Rows:
    """Decisions that every change of a value throws anew, for everybody alike."""
    return (pd.util.hash_pandas_object(frame[list(FEATURES)], index=True).to_numpy() % 2).astype(np.int64)


def searched(
    frame: pd.DataFrame, ask: Callable[[pd.DataFrame], Rows], weakness: Weakness, seed: int
) -> Iterator[Entry]:
    """What was confirmed of gaps."""
    coded = code_rows(CASE, frame, Decisions(ask(frame), None, "t"))
    facts = ModelFacts("path", None, None, None, (), None, None)
    spec = StressSpec(columns=weakness.columns or FEATURES[:1], kinds=weakness.kinds, depth=weakness.depth)
    fed = Fed(frame, FEATURES, coded, ask if weakness.sunk is not None else None, facts)
    for entry in serving(CASE, fed, spec, Settings(seed=seed)).entries:
        if entry.confirmed.worse:
            yield entry


def is_found(weakness: Weakness, ahead: bool, seed: int, n: int) -> bool:
    """Whether one of the gap's findings is the planted one."""
    frame = people(seed, n, weakness.depth > 2)
    ask = decisions(weakness, ahead, frame)
    wanted = {c for c, _ in weakness.who}
    return any(
        wanted <= {x.column for x in e.predicate if (x.column, x.value) in weakness.who or x.column == "b"}
        for e in searched(frame, ask, weakness, seed)
        if e.aim.kind == "difference"
    )


def named_of_nothing(weakness: Weakness, seed: int, n: int) -> bool:
    frame = people(seed, n, weakness.depth > 2)
    if weakness.sunk is not None:
        return any(True for _ in searched(frame, by_coins, weakness, seed))
    coins = np.random.default_rng(seed + 1).integers(0, 2, n)
    return any(True for _ in searched(frame, lambda f: coins[f.index.to_numpy()], weakness, seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--people", type=int, default=4000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--only", help="one weakness, by name")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.draws)
    print(f"{args.draws} draws of {args.people:,} people; confirmed on half of them")
    print(f"{'weakness':20}{'behind before':>16}{'ahead before':>16}{'null: named':>14}")
    for w in WEAKNESSES:
        if args.only in (None, w.name):
            behind, ahead = (sum(is_found(w, side, s, args.people) for s in seeds) for side in (False, True))
            print(f"{w.name:20}{behind:>16}{ahead:>16}{sum(named_of_nothing(w, s, args.people) for s in seeds):>14}")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
