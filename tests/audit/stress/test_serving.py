"""The search promises what brute force over rows gives; groups are the true ones; bad asks are one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.case import Case, DataSpec, ModelSpec
from audit.code import Decisions, code_rows
from audit.decide import ModelFacts
from audit.errors import CaseError
from audit.gaps import Settings
from audit.policy import Norm, Policy
from audit.stress.ask import Fed
from audit.stress.figures import Figures, aims_of, figure_of, moves_of
from audit.stress.predicates import literals_of
from audit.stress.search import Search
from audit.stress.serving import serving
from audit.stress.spec import StressSpec

POLICY = Policy("t", (Norm("true_positive_rate", "difference", ("sex",), 0.1, 0.05),), "")


def case_of(policy: Policy = POLICY) -> Case:
    data = DataSpec(Path("none.csv"), "outcome", "yes", "yes", ("sex",))
    return Case("Made up", "Who is granted", data, ModelSpec("decision", column="d"), policy)


def made_up(seed: int, n: int = 4000) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["Female", "Male"], n, p=[0.3, 0.7]),
            "town": rng.choice(["Aa", "Bo", "Ce", "Du", "Ei", "Fa"], n),
            "work": rng.choice(["own", "paid", "none"], n),
            "a": rng.normal(0, 1, n),
            "b": rng.normal(0, 1, n),
        }
    )
    frame["outcome"] = np.where(frame["a"] + rng.normal(0, 0.7, n) > 0, "yes", "no")
    return frame


def planted(frame: pd.DataFrame) -> np.ndarray:
    """Women of town Fa are decided by `b` as well, and a lost or wrong `b` sinks them; everybody else by `a` alone."""
    b = frame["b"].to_numpy(dtype=float, na_value=np.nan)
    women = (frame["sex"] == "Female").to_numpy()
    sunk = women & (frame["town"] == "Fa").to_numpy() & ~(np.abs(b) < 4)
    return ((frame["a"].to_numpy(dtype=float) > 0.3 * women) & ~sunk).astype(np.int64)


def fed(frame: pd.DataFrame, model) -> Fed:
    case = case_of()
    coded = code_rows(case, frame, Decisions(model(frame), None, "t"))
    return Fed(frame, ("town", "work", "a", "b"), coded, model, ModelFacts("path", None, None, None, (), None, None))


def test_the_search_promises_what_brute_force_over_rows_gives() -> None:
    """Sums over cells against altering each predicate's rows one by one."""
    frame = made_up(3, 1200)
    one = fed(frame, planted)
    coded = one.coded
    aims, _ = aims_of(POLICY, ("sex",), coded.meaning)
    figures = Figures(coded, aims, 10)
    from audit.quality import groups_of

    literals = literals_of(frame, one.features, groups_of(case_of(), frame), coded.label, ("no", "yes"), "outcome")
    base = np.bincount(figures.cell, minlength=figures.size).astype(float)
    search = Search(figures, literals, 1.0, 10, base, None)
    after = planted(frame.assign(b=frame["b"] * 10))
    search.add(0, moves_of(figures, coded, after, "tenfold"), 2)
    best = max(
        abs(np.subtract(*[np.mean(d[(coded.label == 1) & (coded.codes[:, 0] == g)]) for g in (0, 1)]))
        for i in range(len(literals.names))
        for j in range(i, len(literals.names))
        if 10 <= (rows := literals.rows((i, j))).sum() <= len(rows) - 10 and (after != coded.decision)[rows].sum() >= 5
        for d in [np.where(rows, after, coded.decision)]
    )
    assert search.now[0] + search.best[0, False].effect == pytest.approx(best, abs=1e-6)
    rows = literals.rows(search.best[0, False].predicate)
    moved = moves_of(figures, coded, after, "tenfold").within(rows)
    assert figures.of((base + moved.table(figures.size))[None])[0, 0] == pytest.approx(best)
    assert figure_of("difference", figures.counts(base + moved.table(figures.size), 0)) == pytest.approx(best)


def test_the_group_is_the_true_one_when_the_sensitive_column_itself_is_corrupted() -> None:
    frame = made_up(1)

    def by_sex(rows: pd.DataFrame) -> np.ndarray:
        return ((rows["a"] > 0) & (rows["sex"] == "Male")).to_numpy(dtype=np.int64)

    case = case_of()
    coded = code_rows(case, frame, Decisions(by_sex(frame), None, "t"))
    inputs = replace(fed(frame, by_sex), coded=coded, features=("sex", "a"), ask=by_sex)
    done = serving(case, inputs, StressSpec(columns=("sex",), kinds=("missing",), budget=0.5), Settings())
    for entry in done.entries:
        assert set(entry.confirmed.groups) <= {"Female", "Male", "everyone"}
        before, after = (np.array(c[0])[:, 1] for c in (entry.confirmed.counts_before, entry.confirmed.counts_after))
        assert before.tolist() == after.tolist()


def test_a_column_that_no_kind_fits_is_one_sentence() -> None:
    with pytest.raises(CaseError, match="nothing that could be corrupted"):
        serving(case_of(), fed(made_up(0, 400), planted), StressSpec(columns=("town",), kinds=("tenfold",)), Settings())
    with pytest.raises(CaseError, match="the model does not read it"):
        serving(case_of(), fed(made_up(0, 400), planted), StressSpec(columns=("gone",)), Settings())
