"""Proposed roles: what the samples should suggest, and what should never be suggested."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.load import propose_roles, read_table

N = 60


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({k.replace("_", " "): np.resize(np.asarray(v), N) for k, v in columns.items()})


def test_adult(sample_data: Path) -> None:
    roles = propose_roles(read_table(sample_data / "adult.parquet"))
    assert (roles.label, roles.positive, roles.weight) == ("income", ">50K", "fnlwgt")
    assert (roles.split, roles.train, roles.audit) == ("split", "train", "test")
    assert roles.sensitive == ("sex", "age", "race")
    assert set(roles.possible) == {"marital-status", "relationship", "native-country"}
    assert roles.bins == {"age": (25.0, 40.0, 60.0)}
    assert (roles.id, roles.time, roles.decision, roles.score) == (None, None, None, None)


def test_german_credit(sample_data: Path) -> None:
    roles = propose_roles(read_table(sample_data / "german_credit.parquet"))
    assert (roles.label, roles.positive) == ("credit_risk", "1")
    assert roles.sensitive == ("status_sex", "age", "foreign_worker")


def test_census(sample_data: Path) -> None:
    roles = propose_roles(read_table(sample_data / "census_income_kdd_adults_working.parquet"))
    assert (roles.label, roles.weight, roles.time, roles.split) == ("income", "instance_weight", "year", "split")
    assert roles.positive == "50000+."
    assert roles.sensitive[:3] == ("sex", "age", "race")
    assert "weeks_worked" not in (*roles.sensitive, *roles.possible)


def test_each_proposal_has_a_reason(sample_data: Path) -> None:
    roles = propose_roles(read_table(sample_data / "adult.parquet"))
    expected = {"label", "positive", "weight", "split"} | {
        f"sensitive:{c}" for c in (*roles.sensitive, *roles.possible)
    }
    assert set(roles.reasons) == expected
    assert all(reason and len(reason) < 100 for reason in roles.reasons.values())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Geschlecht", ["m", "w"]), ("sexe", ["homme", "femme"]), ("Género", ["H", "M"]),
        ("applicant_gender", ["1", "2"]),
        ("ApplicantSex", [0, 1]), ("Familienstand", ["ledig", "verheiratet"]), ("ethnic_group", ["a", "b", "c"]),
        ("x1", ["Male", "Female"]), ("x2", ["männlich", "weiblich", "divers"]), ("Staatsangehörigkeit", ["DE", "FR"]),
        ("disability", [True, False]), ("Alter", [20, 31, 42]), ("is_female", [0, 1]),
    ],
)  # fmt: skip
def test_sensitive_in_several_languages(name: str, values: list[object]) -> None:
    frame = pd.DataFrame({name: np.resize(np.asarray(values), N), "out": np.resize([0, 1], N)})
    roles = propose_roles(frame)
    assert name in (*roles.sensitive, *roles.possible)
    assert roles.label == "out"


@pytest.mark.parametrize(
    "name", ["wages", "language_test_score", "percentage", "trace", "message", "usage", "Essex", "grace"]
)
def test_words_inside_words_are_not_meant(name: str) -> None:
    frame = pd.DataFrame({name: np.arange(N) % 7 / 10, "out": np.resize([0, 1], N)})
    assert propose_roles(frame).sensitive == ()


def test_a_sensitive_column_that_says_one_thing_is_none() -> None:
    assert propose_roles(table(sex="f", out=[0, 1])).sensitive == ()


def test_decisions_and_scores_without_a_model() -> None:
    frame = table(sex=["f", "m"], score=np.linspace(0, 1, N), decision=["yes", "no"], outcome=["no", "yes", "no"])
    roles = propose_roles(frame)
    assert (roles.score, roles.decision, roles.label, roles.positive) == ("score", "decision", "outcome", "yes")


def test_an_id_is_never_a_quantity() -> None:
    frame = pd.DataFrame({"customer_id": range(N), "income": np.linspace(1, 2, N), "out": np.resize([0, 1], N)})
    assert propose_roles(frame).id == "customer_id"
    assert propose_roles(frame.drop(columns="customer_id")).id is None


def test_dates_are_times() -> None:
    days = pd.date_range("2026-01-01", periods=N).strftime("%Y-%m-%d")
    assert propose_roles(pd.DataFrame({"decided on": days, "out": np.resize([0, 1], N)})).time == "decided on"


def test_a_body_weight_is_no_survey_weight() -> None:
    frame = table(body_weight=[60, 70, 80.5], out=[0, 1])
    assert propose_roles(frame).weight is None


def test_few_enough_to_intersect() -> None:
    grounds = ("sex", "race", "religion", "disability", "nationality", "age")
    frame = pd.DataFrame({g: np.resize([f"{g}{i}" for i in range(20)], 400) for g in grounds})
    roles = propose_roles(frame)
    assert 1 <= len(roles.sensitive) <= 4
    assert np.prod([frame[c].nunique() for c in roles.sensitive]) <= 3000
    assert set(roles.sensitive) | set(roles.possible) == set(grounds)


def test_nothing_in_an_odd_table() -> None:
    assert propose_roles(pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": [None, None, None]})).label is None
    assert propose_roles(pd.DataFrame()).sensitive == ()


def test_the_frame_is_not_changed(sample_data: Path) -> None:
    frame = read_table(sample_data / "german_credit.parquet")
    before = frame.copy(deep=True)
    propose_roles(frame)
    pd.testing.assert_frame_equal(frame, before)
