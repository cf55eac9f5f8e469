"""A broken feed is an incident; people who change are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from audit.cube import CodedRows, Meaning
from audit.watch.drift import reference_of
from audit.watch.quality import FEW, feed_problem, outcome_problem, with_usual_copies
from audit.watch.summaries import Feature

FEATURES = ["age", "hours", "income", "town", "member"]
SENSITIVE = ["sex"]


def batch(seed: int, n: int = 400, **shift: float) -> pd.DataFrame:
    """People: numbers that are whole, rounded and heavy in the tail, a category with a rare value, a yes or no."""
    rng = np.random.default_rng(seed)
    age = np.clip(rng.normal(40 + shift.get("older", 0), 12, n), 17, 90).round()
    hours = np.clip(rng.normal(40, 8, n), 1, 99).round()
    hours[rng.random(n) < 0.4] = 40
    income = rng.lognormal(3 + shift.get("richer", 0), 0.8, n).round(2)
    income[rng.random(n) < 0.1 + shift.get("silent", 0)] = np.nan
    rural = 0.3 + shift.get("rural", 0)
    town = rng.choice(["north", "south", "tiny"], n, p=[0.98 - rural, rural, 0.02])
    if shift.get("new", 0):
        town = np.where(rng.random(n) < shift["new"], "newtown", town)
    sex = rng.choice(["f", "m"], n, p=[0.5 + shift.get("women", 0), 0.5 - shift.get("women", 0)])
    return pd.DataFrame(
        {"age": age, "hours": hours, "income": income, "town": town, "member": rng.random(n) < 0.2, "sex": sex}
    )


def reference(*frames: pd.DataFrame, features: list[str] | None = None) -> dict[str, Feature]:
    """What the loop keeps of its first good batches."""
    names = FEATURES if features is None else features
    whole = pd.concat(frames, ignore_index=True)
    kept = reference_of(whole, names, {"sex": whole["sex"].to_numpy(dtype=str)})
    return with_usual_copies(kept, frames)


KNOWN = reference(*(batch(s) for s in range(1000, 1005)))


# -- benign ---------------------------------------------------------------------------------------------------

BENIGN: dict[str, dict[str, float]] = {
    "the same": {},
    "older": {"older": 10},
    "richer": {"richer": 0.7},
    "from elsewhere": {"rural": 0.4},
    "more women": {"women": 0.3},
    "a new town": {"new": 0.3},
    "more say nothing": {"silent": 0.2},
}


@pytest.mark.parametrize("what", BENIGN)
def test_twenty_batches_of_people_who_change_raise_nothing(what: str) -> None:
    sizes = [60, 400, 3000]
    for seed in range(20):
        result = feed_problem(KNOWN, batch(seed, sizes[seed % 3], **BENIGN[what]), SENSITIVE)
        assert result is None, (seed, result)


def test_few_columns_have_many_copies_by_nature_and_more_in_a_larger_batch() -> None:
    """With two columns of few values most rows are copies; ten times as many rows have still more of them."""
    narrow = ["age", "town"]
    known = reference(*(batch(s, 60)[[*narrow, "sex"]] for s in range(5)), features=narrow)
    for seed in range(20):
        assert feed_problem(known, batch(seed, 600)[[*narrow, "sex"]], SENSITIVE) is None


def test_a_category_that_a_file_typed_as_numbers_is_the_same_category() -> None:
    frames = [
        batch(s).assign(town=lambda f: f["town"].map({"north": "1", "south": "2", "tiny": "A7"})) for s in range(3)
    ]
    known = reference(*frames)
    new = batch(9).assign(town=lambda f: f["town"].map({"north": 1.0, "south": 2.0, "tiny": np.nan}))
    assert new["town"].dtype == np.float64
    assert feed_problem(known, new, SENSITIVE) is None


# -- broken ---------------------------------------------------------------------------------------------------


def minutes(f: pd.DataFrame) -> pd.DataFrame:
    return f.assign(hours=f["hours"] * 60)


BROKEN: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "column missing": (lambda f: f.drop(columns="hours"), "the column 'hours' is missing."),
    "sensitive column missing": (lambda f: f.drop(columns="sex"), "the column 'sex' is missing."),
    "all missing": (lambda f: f.assign(age=np.nan), "100 % of 'age' is missing, where it was 0 %."),
    "all missing text": (lambda f: f.assign(town=None), "100 % of 'town' is missing, where it was 0 %."),
    "mostly missing": (lambda f: f.assign(income=f["income"].where(f.index % 5 == 0)), "of 'income' is missing"),
    "nobody says the sensitive value": (
        lambda f: f.assign(sex=None),
        "nobody has a value in the sensitive column 'sex'",
    ),
    "unit change": (minutes, "of 'hours' lie outside everything seen before (1"),
    "unit change to fractions": (lambda f: f.assign(age=f["age"] / 100), "of 'age' lie outside everything seen before"),
    "number as text": (lambda f: f.assign(age=f["age"].astype(str) + " y"), "'age' was a number and is text now."),
    "one value for everyone": (lambda f: f.assign(age=38.0), "'age' is 38 for everyone, where it used to differ."),
    "other codes": (lambda f: f.assign(town=f["town"].str.upper()), "of 'town' are values never seen before."),
    "each row twice": (lambda f: pd.concat([f.iloc[:200]] * 2).sort_index(), "50 % of its rows are copies of others"),
    "sent again from the middle": (lambda f: pd.concat([f.iloc[:240], f.iloc[:160]]), "40 % of its rows are copies"),
    "one person for ever": (lambda f: pd.concat([f.iloc[:1]] * 400), "for everyone"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_feed_is_named(what: str) -> None:
    change, message = BROKEN[what]
    for seed in range(5):
        result = feed_problem(KNOWN, change(batch(seed)), SENSITIVE)
        assert result is not None
        assert message in result


def test_a_missing_column_is_seen_in_any_batch_and_the_rest_only_where_there_are_enough_people() -> None:
    few = batch(1, FEW - 1)
    assert feed_problem(KNOWN, few.drop(columns="age"), SENSITIVE) is not None
    assert feed_problem(KNOWN, minutes(few), SENSITIVE) is None
    assert feed_problem(KNOWN, minutes(batch(1, FEW)), SENSITIVE) is not None


def test_a_batch_of_nobody_is_not_broken_by_itself() -> None:
    assert feed_problem(KNOWN, batch(1).iloc[:0], SENSITIVE) is None


def test_before_there_is_a_reference_only_the_sensitive_columns_are_asked_for() -> None:
    assert feed_problem({}, batch(1), SENSITIVE) is None
    assert feed_problem({}, batch(1).drop(columns="sex"), SENSITIVE) == "the column 'sex' is missing."


def test_a_column_that_was_always_missing_may_stay_so() -> None:
    frames = [batch(s).assign(age=np.nan) for s in range(3)]
    assert feed_problem(reference(*frames), batch(9).assign(age=np.nan), SENSITIVE) is None


def test_a_column_that_never_differed_may_stay_so() -> None:
    frames = [batch(s).assign(hours=40.0) for s in range(3)]
    assert feed_problem(reference(*frames), batch(9).assign(hours=40.0), SENSITIVE) is None


def test_a_broken_half_of_a_large_batch_is_found_within_the_usual_size() -> None:
    large = batch(3, 4000)
    doubled = pd.concat([large.iloc[:2000]] * 2).sort_index(kind="stable")
    assert "copies" in str(feed_problem(KNOWN, doubled, SENSITIVE))


# -- outcomes -------------------------------------------------------------------------------------------------


def decided(
    seed: int, n: int = 400, *, base: float = 0.3, known: tuple[float, float] = (1.0, 1.0), lift: float = 0.2
) -> CodedRows:
    """Decisions with outcomes: positive for `base` of all, more of the accepted by `lift`; known by decision."""
    rng = np.random.default_rng(seed)
    decision = (rng.random(n) < 0.4).astype(np.int64)
    label = (rng.random(n) < base + lift * (decision - 0.4)).astype(np.int64)
    label[rng.random(n) >= np.array(known)[decision]] = 2
    codes = rng.integers(0, 2, (n, 1))
    return CodedRows(("sex",), (("f", "m"),), codes, label, decision, None, None, Meaning("yes", "no", "yes"))


def test_twenty_good_batches_raise_nothing() -> None:
    for seed in range(20):
        n = [30, 60, 400, 3000][seed % 4]
        assert outcome_problem(decided(seed, n), 0.3) is None
        assert outcome_problem(decided(seed, n, known=(0.8, 0.8)), 0.3) is None  # missing, whatever was decided
        assert outcome_problem(decided(seed, n, base=0.4), 0.3) is None  # outcomes change, and that is for the loop
        assert outcome_problem(decided(seed, n), None) is None


def test_rare_outcomes_may_be_absent() -> None:
    for seed in range(20):
        assert outcome_problem(decided(seed, 400, base=0.01, lift=0.0), 0.01) is None


def test_a_constant_outcome_in_the_newest_period_is_follow_up_that_is_not_finished() -> None:
    for positive in (0.0, 1.0):
        result = outcome_problem(decided(1, base=positive, lift=0.0), 0.3)
        assert result == "all outcomes are the same, as when follow-up is not finished."


def test_outcomes_known_for_the_accepted_only_would_mislead() -> None:
    for seed in range(5):
        result = outcome_problem(decided(seed, known=(0.4, 1.0)), 0.3)
        assert result is not None
        assert "of those decided one way" in result


def test_nearly_all_outcomes_missing() -> None:
    result = outcome_problem(decided(1, 400, known=(0.0, 0.0)), 0.3)
    assert result == "only 0 of 400 outcomes are known although all are due."


def test_a_jump_in_one_batch_is_looked_at_by_a_person() -> None:
    """A poisoned feed: two thirds positive where it was three in ten."""
    for seed in range(5):
        result = outcome_problem(decided(seed, base=0.67), 0.3)
        assert result is not None
        assert "looked at by a person" in result


def test_nobody_has_no_problem() -> None:
    assert outcome_problem(decided(1, 0), 0.3) is None
