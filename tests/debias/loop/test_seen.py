"""What the loop must see, each through the command line with a feed of its own kind; no model."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from tests.debias.loop.fed import bodies

SIZE = 300
NORMS = """
version = "1"
[[norm]]
metric = "selection_rate"
kind = "difference"
limit = 0.5
promote = 0.4
"""
CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "first.parquet"
label = "repaid"
positive = "yes"
sensitive = ["sex", "race"]
id = "who"
features = ["income"]
[model]
decision = "granted"
[policy]
file = "policy.toml"
[watch]
source = "in/*.parquet"
{watch}
"""

Day = Callable[[int, np.random.Generator], pd.DataFrame]


def people(
    rng: np.random.Generator,
    number: int,
    *,
    women: float = 0.4,
    races: dict[str, float] | None = None,
    accepted: float | dict[str, float] = 0.3,
    wrong: dict[str, float] | None = None,
    n: int = SIZE,
) -> pd.DataFrame:
    """One batch. wrong: share of decisions that turn out wrong, by value of sex or race (0.15 for the others)."""
    sex = np.where(rng.random(n) < women, "F", "M")
    races = races or {"a": 0.6, "b": 0.4}
    race = rng.choice(list(races), n, p=list(races.values()))
    share = np.array([accepted.get(s, 0.3) if isinstance(accepted, dict) else accepted for s in sex])
    granted = rng.random(n) < share
    miss = np.full(n, 0.15)
    for value, risk in (wrong or {}).items():
        miss[(sex == value) | (race == value)] = risk
    flip = rng.random(n) < miss
    return pd.DataFrame(
        {
            "who": [f"{number}-{i}" for i in range(n)],
            "sex": sex,
            "race": race,
            "income": np.round(rng.normal(50, 10, n), 1),
            "granted": np.where(granted, "yes", "no"),
            "repaid": np.where(granted ^ flip, "yes", "no"),
        }
    )


def watch(folder: Path, batches: int, day: Day, *, watch: str = "", seed: int = 0) -> dict[str, Any]:
    """`assay watch` over files of one batch each; watch.json afterwards."""
    (folder / "in").mkdir(parents=True, exist_ok=True)
    (folder / "policy.toml").write_text(NORMS)
    (folder / "case.toml").write_text(CASE.format(watch=watch))
    rng = np.random.default_rng(seed)
    for number in range(batches):
        frame = day(number, rng)
        frame.to_parquet(folder / "in" / f"{number:03d}.parquet")
        if number == 0:
            frame.to_parquet(folder / "first.parquet")
    return go(folder)


def go(folder: Path, *more: str, ends: int = 0) -> dict[str, Any]:
    assert cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out"), *more]) == ends
    document: dict[str, Any] = json.loads((folder / "out" / "watch.json").read_bytes())
    return document


def events(document: dict[str, Any], kind: str) -> list[str]:
    return [e["words"] for e in document["events"] if e["kind"] == kind]


def first_of(folder: Path, kind: str) -> int:
    """The number of the batch with which the first event of this kind came."""
    number = -1
    for body in bodies(folder / "out"):
        number = body["facts"].get("number", number)
        if body["kind"] == kind:
            return int(number)
    raise AssertionError(f"no {kind}")


def alerts(folder: Path) -> list[str]:
    lines = (
        (folder / "out" / "alerts.jsonl").read_text().splitlines() if (folder / "out" / "alerts.jsonl").exists() else []
    )
    return [json.loads(line)["kind"] for line in lines]


def test_a_quiet_feed_is_healthy_and_everybody_is_judged(tmp_path: Path) -> None:
    document = watch(tmp_path, 12, lambda k, rng: people(rng, k))
    assert document["state"] == "HEALTHY"
    assert document["changes"] == []
    assert {(g["group"], g["status"]) for g in document["groups"]} == {(g, "watched") for g in "FMab"}
    assert alerts(tmp_path) == []


def test_a_group_that_appears_later_and_is_wronged_is_named_and_undecided_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither was in the first batches: nobody knows what was usual for them, so they are held against the others."""

    def day(k: int, rng: np.random.Generator) -> pd.DataFrame:
        new = {} if k < 5 else {"c": 0.1, "d": 0.02}
        rest = 1 - sum(new.values())
        return people(rng, k, races={"a": 0.6 * rest, "b": 0.4 * rest, **new}, wrong={"c": 0.9})

    document = watch(tmp_path, 9, day)
    assert events(document, "confirmed")[0].startswith("Decisions are wrong more often than is tolerated for c.")
    assert first_of(tmp_path, "confirmed") <= 7
    assert "c (race) comes, who did not at first" in " ".join(events(document, "composition"))
    status = {g["group"]: g for g in document["groups"]}
    assert status["c"]["status"] == "harmed"
    assert status["d"]["status"] == "undecided"
    assert 0 < status["d"]["outcomes"] < 50
    assert f"d (race: {status['d']['outcomes']} of {status['d']['people']} with outcomes)" in capsys.readouterr().out


def test_a_group_that_is_gone_is_told_within_two_batches_and_never_reads_as_healthy(tmp_path: Path) -> None:
    document = watch(tmp_path, 14, lambda k, rng: people(rng, k, women=0.4 if k < 8 else 0.0))
    assert document["state"] == "SUSPECT"
    assert "nobody of F (sex) comes any more, 39." in events(document, "composition")[0]
    assert first_of(tmp_path, "composition") in (8, 9)
    assert "composition" in alerts(tmp_path)
    assert all(b["state"] != "HEALTHY" for b in document["timeline"][10:])


def test_missing_sensitive_values_that_rise_are_told(tmp_path: Path) -> None:
    def day(k: int, rng: np.random.Generator) -> pd.DataFrame:
        frame = people(rng, k)
        frame.loc[rng.random(len(frame)) < (0.01 if k < 8 else 0.2), "race"] = None
        return frame

    document = watch(tmp_path, 10, day)
    assert "those whose race is not known went from 1." in events(document, "composition")[0]
    assert first_of(tmp_path, "composition") in (8, 9)


def test_acceptance_that_halves_is_told_with_its_size_and_a_person_can_say_that_it_is_known(tmp_path: Path) -> None:
    document = watch(tmp_path, 10, lambda k, rng: people(rng, k, accepted=0.3 if k < 8 else 0.15))
    assert "the share with the favourable decision of everyone went from 29." in events(document, "decisions")[0]
    assert first_of(tmp_path, "decisions") in (8, 9)
    assert document["state"] == "SUSPECT"
    assert document["changes"]
    known = go(tmp_path, "--approve", document["running"], "--reason", "The new rule of 1 March.", "--by", "Ada")
    assert "Ada has looked: The new rule of 1 March." in events(known, "known")[0]
    assert known["changes"] == []
    rng = np.random.default_rng(7)
    for k in range(10, 16):
        people(rng, k, accepted=0.15).to_parquet(tmp_path / "in" / f"{k:03d}.parquet")
    assert go(tmp_path)["state"] == "HEALTHY"


def test_a_slow_drift_of_one_groups_acceptance_is_told(tmp_path: Path) -> None:
    """From 30 to 10 % over 10 batches, two points at a time."""

    def day(k: int, rng: np.random.Generator) -> pd.DataFrame:
        return people(rng, k, accepted={"F": max(0.1, 0.3 - 0.02 * k)})

    document = watch(tmp_path, 14, day)
    assert any("of F (sex) went from" in w for w in events(document, "decisions"))
    assert not any("of M (sex)" in w for w in events(document, "decisions"))


SERVED = 'served = { score = "score" }'


def scored(frame: pd.DataFrame, rng: np.random.Generator, threshold: float = 0.6, lift: float = 0.0) -> pd.DataFrame:
    """Decisions by a score and a threshold; women's scores are `lift` higher."""
    score = np.round(np.clip(rng.normal(0.5, 0.15, len(frame)) + np.where(frame["sex"] == "F", lift, 0), 0, 1), 4)
    return frame.assign(score=score, granted=np.where(score >= threshold, "yes", "no"))


def test_scores_that_move_are_told_of_the_group_with_their_size(tmp_path: Path) -> None:
    """By a tenth for women; decided is as often as before, by a threshold that moves with it."""

    def day(k: int, rng: np.random.Generator) -> pd.DataFrame:
        return scored(people(rng, k), rng, 0.65 if k >= 8 else 0.6, 0.1 if k >= 8 else 0.0)

    document = watch(tmp_path, 12, day, watch=SERVED)
    items = [w for w in events(document, "decisions") if w.startswith("Scores have changed")]
    assert any("the share of F (sex) with a score of 0." in w and " or more went from " in w for w in items)
    assert not any(" M (sex)" in w for w in items)
    assert sum("F (sex)" in w for w in items) == 1, "once, not for each cut"
    assert first_of(tmp_path, "decisions") in (8, 9)
    assert first_of(tmp_path, "served") == 8
    message = events(document, "served")[0]
    assert "decisions turn at a score of 0.6" in message
    assert ", at first at 0." in message
    assert document["state"] == "SUSPECT"
    assert {c["what"] for c in document["changes"]} >= {"scores", "served"}


def test_scores_that_stay_and_scores_that_are_all_one_are_quiet(tmp_path: Path) -> None:
    document = watch(tmp_path / "stay", 16, lambda k, rng: scored(people(rng, k), rng), watch=SERVED)
    assert (document["state"], document["changes"], events(document, "served")) == ("HEALTHY", [], [])
    constant = watch(tmp_path / "one", 10, lambda k, rng: people(rng, k).assign(score=0.5), watch=SERVED)
    assert (constant["state"], constant["changes"]) == ("HEALTHY", [])


def test_outcomes_that_come_for_others_only_leave_a_group_undecided_until_they_come_again(tmp_path: Path) -> None:
    """Of women none from batch 5 to 9: two thirds of all outcomes still come, and the feed is no broken one."""

    def day(k: int, rng: np.random.Generator) -> pd.DataFrame:
        frame = people(rng, k, women=0.35)
        frame.loc[(frame["sex"] == "F") & (5 <= k < 10), "repaid"] = None
        return frame

    document = watch(tmp_path, 9, day)
    assert document["state"] == "UNDECIDABLE"
    assert first_of(tmp_path, "no_outcomes") == 7
    message = events(document, "no_outcomes")
    assert len(message) == 1
    assert message[0].startswith("Outcomes of F (sex) have stopped: in 3 due batches none came for ")
    assert "no_outcomes" in alerts(tmp_path)
    status = {g["group"]: g for g in document["groups"]}
    assert status["F"]["status"] == "undecided"
    assert status["F"]["reason"].startswith("no outcomes of F (sex) for 4 due batches")
    assert {status[g]["status"] for g in "Mab"} == {"watched"}
    rng = np.random.default_rng(5)
    for k in range(9, 14):
        day(k, rng).to_parquet(tmp_path / "in" / f"{k:03d}.parquet")
    again = go(tmp_path)
    assert again["state"] == "HEALTHY"
    assert {g["status"] for g in again["groups"]} == {"watched"}


@pytest.mark.parametrize("how", ["stop", "short", "accepted"])
def test_outcomes_that_stop_fall_short_or_come_for_some_are_undecidable(tmp_path: Path, how: str) -> None:
    def day(k: int, rng: np.random.Generator) -> pd.DataFrame:
        frame = people(rng, k)
        if k >= 6:
            gone = {
                "stop": np.ones(len(frame), dtype=bool),
                "short": rng.random(len(frame)) < 0.6,
                "accepted": (frame["granted"] == "no") & (rng.random(len(frame)) < 0.6),
            }[how]
            frame.loc[gone, "repaid"] = None
        return frame

    document = watch(tmp_path, 10, day, watch="label_delay = 1")
    assert document["state"] == "UNDECIDABLE"
    assert first_of(tmp_path, "no_outcomes") == 9
    assert "3 batches in a row came due without outcomes" in events(document, "undecidable")[-1]
    assert "no_outcomes" in alerts(tmp_path)


def test_why_compares_the_harmed_group_with_the_rest_and_names_no_handful(tmp_path: Path) -> None:
    """Race b is harmed, in one town; c differs from a all along; three people of b come from a land of their own."""

    def day(k: int, rng: np.random.Generator) -> pd.DataFrame:
        frame = people(rng, k, races={"a": 0.5, "b": 0.3, "c": 0.2}, wrong={"c": 0.4}, n=400)
        frame["income"] = rng.choice(["north", "south"], len(frame))
        few = frame.index[frame["race"] == "b"][:3]
        frame.loc[few, "income"] = "island"
        wronged = (frame["race"] == "b") & (frame["income"] == "north") & (k >= 6) & (rng.random(len(frame)) < 0.7)
        wronged[few] = k >= 6
        other = np.where(frame["granted"] == "yes", "no", "yes")
        frame["repaid"] = np.where(wronged, other, frame["repaid"])
        return frame

    document = watch(tmp_path, 9, day)
    assert "than is tolerated for b" in events(document, "confirmed")[0]
    (why,) = events(document, "why")
    assert "The gap in accuracy between (all others) and b changed by" in why
    assert "the rate of b with income north went from" in why
    assert "island" not in why
