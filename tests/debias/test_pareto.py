"""The search over candidates: its figures, its front, its record, and a person's pick."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import stats
from audit.case import Case, DataSpec, ModelSpec
from audit.cube_json import margins_from_json
from audit.documents import record_in
from audit.errors import DataError, InputError, ModelError
from audit.evidence import sha256
from audit.gaps import Settings
from audit.load import load_policy, load_rows
from audit.policy import Norm, Policy
from debias import pareto, pareto_figures, pareto_space
from debias.methods.method import CONSTRAINTS
from debias.pareto import run_search, table_of, without_test
from debias.pareto_figures import Placed, figures_again, figures_of, front_of, objectives
from debias.pick import pick
from debias.task import task_of

pytestmark = pytest.mark.usefixtures("coarse_calibration")

NOW = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)
BOOST = ("constrained_boosting",)


def people(n: int = 1500, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], n)
    merit = rng.normal(size=n)
    proxy = (sex == "Male") + rng.normal(scale=0.6, size=n)
    good = merit + 1.2 * (sex == "Male") + rng.normal(scale=0.8, size=n) > 0.9
    return pd.DataFrame(
        {
            "merit": merit + rng.normal(scale=0.8, size=n),
            "proxy": proxy,
            "sex": sex,
            "race": rng.choice(["A", "B"], n, p=[0.7, 0.3]),
            "outcome": np.where(good, "paid", "late"),
            "split": np.where(np.arange(n) % 5 < 3, "train", "test"),
            "w": rng.uniform(0.5, 2, n),
            "score": 1 / (1 + np.exp(-(1.2 * merit + proxy - 1))),
        }
    )


def case_in(folder: Path, frame: pd.DataFrame, name: str = "people.parquet", **data: Any) -> Case:
    """A case that brings scores, so that no model has to be asked in a process of its own."""
    frame.to_parquet(folder / name)
    spec = DataSpec(
        path=folder / name,
        label="outcome",
        positive="paid",
        favourable="paid",
        sensitive=("sex", "race"),
        split="split",
        train="train",
        audit="test",
        features=("merit", "proxy"),
    )
    return Case(
        "People",
        "Who gets a loan",
        replace(spec, **data),
        ModelSpec("score", None, column="score", threshold=0.5),
        load_policy(None),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("front")


@pytest.fixture(scope="module")
def case(folder: Path) -> Case:
    return case_in(folder, people())


@pytest.fixture(scope="module")
def searched(case: Case, folder: Path) -> dict[str, Any]:
    return run_search(case, folder / "run", trials=9, methods=BOOST)


points = st.lists(st.none() | st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12)


@given(points)
def test_the_front_is_what_nothing_beats(found: list[tuple[int, int] | None]) -> None:
    on = front_of(found)
    kept = [p for p, yes in zip(found, on, strict=True) if yes]
    known = [p for p in found if p is not None]
    assert len(set(kept)) == len(kept)
    for p in known:
        beaten = any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in known)
        assert (p in kept) == (not beaten)
    assert bool(kept) == bool(known)


def margins_by_hand() -> dict[str, Any]:
    """Everyone 40 + 60; a: 18 of 40 selected, b: 45 of 60; c and d alike. 30 decisions are wrong."""
    cells = [[0, 0, 0, 15], [0, 1, 0, 7], [0, 0, 1, 8], [0, 1, 1, 10]]
    other = [[1, 0, 0, 5], [1, 1, 0, 10], [1, 0, 1, 5], [1, 1, 1, 40]]
    total = [[0, 0, 0, 20], [0, 1, 0, 17], [0, 0, 1, 13], [0, 1, 1, 50]]
    half = [[g, y, d, n // 2 + (n % 2) * (1 - g)] for g in (0, 1) for _, y, d, n in total]
    return {
        "schema": "assay/cube/1", "floor": 0, "positive": "y", "negative": "n", "favourable": "y",
        "favourable_is_positive": True, "labelled": True, "weighted": False, "axes": "",
        "margins": [
            {"attribute": [], "groups": [[]], "withheld": [], "cells": total},
            {"attribute": ["one"], "groups": [["a"], ["b"]], "withheld": [], "cells": cells + other},
            {"attribute": ["two"], "groups": [["c"], ["d"]], "withheld": [], "cells": half},
        ],
    }  # fmt: skip


def test_loss_and_gap_by_hand() -> None:
    margins = margins_from_json(margins_by_hand())
    settings = Settings(draws=200)
    result = figures_of(margins, "demographic_parity", ("one", "two"), settings)
    assert result.loss == pytest.approx(0.30)
    assert (1 - result.loss_high, 1 - result.loss_low) == pytest.approx(tuple(float(v) for v in stats.wilson(70, 100)))
    assert result.gap == pytest.approx(45 / 60 - 18 / 40)
    assert result.attribute == "one"
    assert result.selection_rate == pytest.approx(0.63)
    # Two attributes share alpha, so that the larger upper bound holds for both at once.
    low, high = stats.newcombe(45, 60, 18, 40, alpha=0.025)
    assert result.gap_high == pytest.approx(float(high))
    assert result.gap_low == pytest.approx(float(low), abs=0.01)
    alone = figures_of(margins, "demographic_parity", ("one",), settings)
    assert alone.gap_high < result.gap_high
    # Among those with the outcome y: 10 of 17 and 40 of 50; among the others 8 of 23 and 5 of 10.
    assert figures_of(margins, "equal_opportunity", ("one",), settings).gap == pytest.approx(40 / 50 - 10 / 17)
    assert figures_of(margins, "equalized_odds", ("one",), settings).gap == pytest.approx(40 / 50 - 10 / 17)


def test_the_worst_groups_error_by_hand() -> None:
    """Bounded loss: a errs in 15 of 40 (7 + 8), b in 15 of 60 (10 + 5), c and d in 15 of 50 each."""
    margins = margins_from_json(margins_by_hand())
    result = figures_of(margins, "bounded_loss", ("one", "two"), Settings(draws=200))
    assert (result.gap, result.attribute, result.group) == (15 / 40, "one", "a")
    # One of four groups is bounded with the share of one in four, so that the bound holds for all.
    low, high = stats.wilson(25, 40, alpha=0.05 / 4)
    assert (result.gap_low, result.gap_high) == pytest.approx((1 - float(high), 1 - float(low)))
    assert result.to_json()["gap"]["group"] == ["a"]
    assert result.loss == pytest.approx(0.30)
    plain = figures_of(margins, "demographic_parity", ("one", "two"), Settings(draws=200))
    assert "group" not in plain.to_json()["gap"]


@pytest.mark.usefixtures("here")
def test_bounded_loss_is_searched_by_the_error_of_the_worst_group(tmp_path: Path) -> None:
    """One model for all errs far more often among the few whose merit shows the other way round."""
    rng = np.random.default_rng(2)
    frame = people(1200)
    few = rng.random(len(frame)) < 0.25
    frame["race"] = np.where(few, "few", "many")
    frame["outcome"] = np.where((frame["merit"] > 0) ^ few, "paid", "late")
    frame["proxy"] = few + rng.normal(scale=0.4, size=len(frame))
    frame["score"] = 1 / (1 + np.exp(-2 * frame["merit"]))
    case = case_in(tmp_path, frame, sensitive=("race",))
    search = run_search(case, tmp_path / "run", trials=2, constraint="bounded_loss", draws=60)
    assert search["asked"]["methods"] == ["constrained_boosting"]
    assert search["asked"]["metric"] == "largest_group_error"
    assert search["original"]["gap"]["group"] == ["few"]
    assert search["original"]["gap"]["value"] > 0.8
    for t in search["trials"]:
        assert t["gap"]["high"] < search["original"]["gap"]["low"]
        assert figures_again(search, t["counts"])["gap"] == t["gap"]
    assert "error of the worst group [95 %]" in "\n".join(table_of(search))
    done = pick(case, tmp_path / "run", 1, reason="few err", by="Bo", now=NOW, draws=60)
    assert done["choice"]["same_model"] is True
    assert done["constraint"]["name"] == "bounded_loss"
    assert done["constraint"]["largest_error"] < 0.6


def test_what_a_norm_is_about_is_offered_first() -> None:
    def aims(*metrics: str) -> list[str]:
        norms = tuple(Norm(m, "difference", (), 0.1, 0.05) for m in metrics)
        return pareto_figures.aims_for(Policy("1", norms, ""))

    assert aims() == list(CONSTRAINTS)
    assert aims("accuracy")[0] == "bounded_loss"
    assert aims("base_rate", "equalized_odds", "accuracy")[:2] == ["equalized_odds", "bounded_loss"]
    assert sorted(aims("accuracy", "accuracy")) == sorted(CONSTRAINTS)


def test_every_figure_follows_from_the_counts_and_the_front_from_the_figures(
    searched: dict[str, Any], folder: Path
) -> None:
    assert searched == json.loads((folder / "run" / "search.json").read_bytes())
    assert searched["schema"] == "assay/search/1"
    assert not (folder / "run" / "search.part.json").exists()
    for entry in [searched["original"], *searched["trials"], *(t["matched"] for t in searched["trials"])]:
        again = figures_again(searched, entry["counts"])
        assert {k: entry[k] for k in again} == again
        assert entry["gap"]["low"] <= entry["gap"]["value"] <= entry["gap"]["high"]
    assert [t["front"] for t in searched["trials"]] == front_of(
        [objectives(record_in(Placed, t, "search.json")) for t in searched["trials"]]
    )
    assert [t["trial"] for t in searched["trials"]] == list(range(1, 10))
    assert len({json.dumps(t["parameters"]) for t in searched["trials"]}) == 9
    assert "seconds" not in json.dumps(searched)
    assert str(folder) not in json.dumps(searched)


def test_a_small_tolerance_buys_a_narrow_gap_with_loss(searched: dict[str, Any]) -> None:
    narrow, wide = searched["trials"][0], searched["trials"][1]
    assert (narrow["parameters"]["tolerance"], wide["parameters"]["tolerance"]) == (0.02, 0.1)
    assert narrow["gap"]["high"] < wide["gap"]["high"] < searched["original"]["gap"]["high"]
    # The baseline beside it selects as many and is no narrower: the gain is not a moved threshold.
    assert narrow["matched"]["selection_rate"] == pytest.approx(narrow["selection_rate"], abs=1e-9)
    assert narrow["matched"]["gap"]["value"] > narrow["gap"]["value"]


def test_the_same_search_gives_the_same_bytes_and_another_seed_another(case: Case, searched: Any, folder: Path) -> None:
    run_search(case, folder / "twice", trials=9, methods=BOOST)
    assert (folder / "twice" / "search.json").read_bytes() == (folder / "run" / "search.json").read_bytes()
    other = run_search(case, folder / "seed", trials=4, methods=BOOST, seed=1)
    assert [t["parameters"] for t in other["trials"]] != [t["parameters"] for t in searched["trials"][:4]]


def counting(monkeypatch: pytest.MonkeyPatch, stop: int | None = None) -> list[int]:
    """Counts fits; the one after `stop` is a kill."""
    done: list[int] = []
    real: Callable[..., Any] = pareto.fit_candidate

    def fit(*args: Any, **more: Any) -> Any:
        if stop is not None and len(done) == stop:
            raise KeyboardInterrupt
        done.append(1)
        return real(*args, **more)

    monkeypatch.setattr(pareto, "fit_candidate", fit)
    return done


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    case: Case, searched: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        counting(patch, stop=5)
        with pytest.raises(KeyboardInterrupt):
            run_search(case, tmp_path, trials=9, methods=BOOST)
    assert not (tmp_path / "search.json").exists()
    done = counting(monkeypatch)
    run_search(case, tmp_path, trials=9, methods=BOOST)
    assert len(done) == 4
    assert (tmp_path / "search.json").read_bytes() == (folder / "run" / "search.json").read_bytes()
    # A finished one is lengthened the same way, and a shorter one is its beginning.
    assert len(run_search(case, tmp_path, trials=10, methods=BOOST)["trials"]) == 10
    assert len(run_search(case, tmp_path, trials=3, methods=BOOST)["trials"]) == 3
    assert len(done) == 5


def test_a_damaged_or_foreign_record_is_not_gone_on_from(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = counting(monkeypatch)
    (tmp_path / "search.part.json").write_bytes(b'{"trials": [')
    run_search(case, tmp_path, trials=1, methods=BOOST)
    run_search(case, tmp_path, trials=1, methods=BOOST, constraint="equal_opportunity")
    assert len(done) == 2


def test_the_search_does_not_have_the_test_rows(case: Case, searched: dict[str, Any], tmp_path: Path) -> None:
    """Trap 2. Other outcomes, scores and features in the test rows change no candidate and no figure of it."""
    frame = people()
    rows = frame["split"] == "test"
    frame.loc[rows, "outcome"] = "late"
    frame.loc[rows, ["score", "merit", "proxy"]] = 0.1
    other = run_search(case_in(tmp_path, frame), tmp_path / "run", trials=3, methods=BOOST)
    assert [{**t, "front": None} for t in other["trials"]] == [{**t, "front": None} for t in searched["trials"][:3]]
    assert other["original"] == searched["original"]


def test_no_method_is_judged_on_rows_that_it_chose_on(case: Case) -> None:
    task = task_of(case, load_rows(case, everything=True), 0)
    inner, held = without_test(task, 0)
    parts = [set(p.tolist()) for p in (inner.splits.train, inner.splits.validation, inner.splits.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(inner.frame)
    assert held == len(task.splits.test) == len(task.frame) - len(inner.frame)
    assert abs(len(parts[1]) - len(parts[2])) <= 8
    for part in parts[1:]:
        assert set(inner.joint[list(part)]) == set(task.joint)
    train = task.frame.iloc[task.splits.train].reset_index(drop=True)
    assert inner.frame.iloc[inner.splits.train].reset_index(drop=True).equals(train)


@pytest.mark.usefixtures("here")
def test_a_pick_is_the_very_candidate_measured_on_untouched_rows(case: Case, searched: Any, folder: Path) -> None:
    number = next(t["trial"] for t in searched["trials"] if t["front"])
    entry = searched["trials"][number - 1]
    done = pick(
        case, folder / "run", number, reason="narrow, and two points dearer", by="Bo", now=NOW, draws=60
    )  # fmt: skip
    content = (folder / "run" / "search.json").read_bytes()
    assert done["choice"] == {
        "trial": number,
        "on_front": True,
        "reason": "narrow, and two points dearer",
        "by": "Bo",
        "time": "2026-11-01T12:00:00+00:00",
        "search": {"file": "search.json", "sha256": sha256(content)},
        "looked_at": 9,
        "front": [t["trial"] for t in searched["trials"] if t["front"]],
        "same_model": True,
    }
    assert done["model"]["sha256"] == entry["model"]
    assert done["parameters"]["tolerance"] == entry["parameters"]["tolerance"]
    assert done["splits"]["test"] == searched["splits"]["test"] == 600
    assert done["splits"]["train"] == searched["splits"]["train"]
    assert done["decision"] is None
    assert any("9 candidates" in n for n in done["notes"])
    assert json.loads((folder / "run" / "mitigation.json").read_bytes()) == done
    # A later candidate keeps the record of this choice.
    after = pick(case, folder / "run", number, reason="again", by="Bo", now=NOW, draws=60)
    assert after["choice"]["reason"] == "again"
    assert after["earlier"][0]["choice"]["by"] == "Bo"
    assert {k: v for k, v in after.items() if k not in ("choice", "earlier")} == {
        k: v for k, v in done.items() if k not in ("choice", "earlier")
    }


def test_a_pick_that_cannot_be_made_is_refused_and_changes_nothing(case: Case, searched: Any, folder: Path) -> None:
    place = folder / "run"
    before = {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()}
    for reason, by in (("", "Bo"), ("narrow", "  ")):
        with pytest.raises(InputError, match="a reason and a name"):
            pick(case, place, 1, reason=reason, by=by, now=NOW)
    with pytest.raises(InputError, match="time zone"):
        pick(case, place, 1, reason="narrow", by="Bo", now=NOW.replace(tzinfo=None))
    for number in (0, 10, -1):
        with pytest.raises(InputError, match="cannot be picked"):
            pick(case, place, number, reason="narrow", by="Bo", now=NOW)
    with pytest.raises(DataError, match="no search to pick from"):
        pick(case, folder / "nowhere", 1, reason="narrow", by="Bo", now=NOW)
    with pytest.raises(DataError, match="of another case"):
        pick(replace(case, name="Others"), place, 1, reason="narrow", by="Bo", now=NOW)
    other = case_in(folder, people(seed=4), "other.parquet")
    with pytest.raises(DataError, match="of another case"):
        pick(other, place, 1, reason="narrow", by="Bo", now=NOW)
    assert {p.name: p.read_bytes() for p in place.iterdir() if p.is_file()} == before


def test_what_fails_is_recorded_and_not_tried_again(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = pareto.fit_candidate

    def fit(task: Any, original: Any, method: Any, *args: Any, **more: Any) -> Any:
        if method.name == "reweighing":
            raise ModelError("the model broke", todo="mend it")
        return real(task, original, method, *args, **more)

    monkeypatch.setattr(pareto, "fit_candidate", fit)
    search = run_search(case, tmp_path / "some", trials=3)
    failed = [t for t in search["trials"] if t["failed"]]
    assert [(t["trial"], t["method"]) for t in failed] == [(1, "reweighing")]
    assert "the model broke" in failed[0]["failed"]
    assert failed[0]["front"] is False
    assert any("1 of 3 candidates failed" in n for n in search["notes"])
    with pytest.raises(InputError, match="which failed: the model broke"):
        pick(case, tmp_path / "some", 1, reason="narrow", by="Bo", now=NOW)
    with pytest.raises(InputError, match="every candidate of the search failed"):
        run_search(case, tmp_path / "none", trials=3, methods=["reweighing"])
    assert not list((tmp_path / "none").iterdir())


def test_a_method_that_reads_the_sensitive_value_is_searched_only_when_named(case: Case, tmp_path: Path) -> None:
    names = [m.name for m in pareto_space.methods_to_search("demographic_parity", None)]
    assert names == ["reweighing", "constrained_boosting"]
    search = run_search(case, tmp_path, trials=3, methods=["group_thresholds"], attributes=["sex"])
    assert all(t["needs_sensitive_at_decision"] for t in search["trials"])
    assert search["asked"]["attributes"] == ["sex"]
    text = "\n".join(table_of(search))
    assert "unlawful" in text
    assert "3 candidates tried" in text


def test_a_space_without_parameters_ends_by_itself(case: Case, tmp_path: Path) -> None:
    search = run_search(case, tmp_path, trials=5, methods=["correlation_remover"])
    assert len(search["trials"]) == 1
    assert search["trials_asked"] == 5
    assert any("1 of 5 candidates was tried" in n for n in search["notes"])


def test_time_is_up_after_the_candidate_at_hand(case: Case, tmp_path: Path) -> None:
    search = run_search(case, tmp_path, trials=50, timeout=1e-9, methods=BOOST)
    assert len(search["trials"]) == 1
    assert any("1 of 50 candidates was tried" in n for n in search["notes"])


def test_weights_and_decisions_without_scores(folder: Path, tmp_path: Path) -> None:
    frame = people()
    frame["decided"] = np.where(frame["score"] > 0.5, "paid", "late")
    case = case_in(tmp_path, frame, weight="w")
    case = replace(case, model=ModelSpec("decision", column="decided"))
    search = run_search(case, tmp_path / "run", trials=2, methods=BOOST, constraint="equalized_odds")
    assert [t["matched"] for t in search["trials"]] == [None, None]
    assert search["counts"]["weighted"] is True
    entry = search["trials"][0]
    assert figures_again(search, entry["counts"])["gap"] == entry["gap"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"trials": 0}, "number of trials"),
        ({"trials": 10**6}, "number of trials"),
        ({"timeout": 0.0}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"methods": ["reweighting"]}, "did you mean 'reweighing'"),
        ({"methods": ["reweighing"], "constraint": "equalized_odds"}, "cannot be searched"),
        ({"methods": []}, "no method"),
        ({"constraint": "bounded_los"}, "did you mean 'bounded_loss'"),
        ({"methods": ["group_thresholds"], "constraint": "bounded_loss"}, "cannot be searched for bounded loss"),
        ({"attributes": ["gender"]}, "no sensitive column"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(
    case: Case, tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        run_search(case, tmp_path / "run", **more)
    assert not (tmp_path / "run").exists()


def test_too_few_rows_to_judge_on(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few rows to choose on"):
        run_search(case_in(tmp_path, people(110)), tmp_path / "run", trials=1)
