"""`run_watch` end to end on small feeds: alarm, challenger, approval; traps of the feed; faults of the disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from audit.case import Case
from audit.errors import DataError, InputError, OutputError, VerificationError
from audit.models.write import skops_bytes
from audit.watch.drift import spend
from audit.watch.quality import feed_problem
from debias.loop import inbox, ingest, run, watcher
from debias.loop.decisions import check_trail, decide_challenger, gate_broken, state_of
from debias.loop.norms import policy_from_json
from debias.loop.notices import KEPT, Notices
from debias.loop.page import Page
from debias.loop.run import run_watch
from debias.loop.state import State
from debias.loop.store import Store
from debias.loop.trail import Trail
from tests.debias.loop.fed import bodies, hashes, people, under, write_case, write_policy

DAYS = 18


@pytest.fixture(scope="module")
def harmed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop in which a challenger waits for a person."""
    folder = tmp_path_factory.mktemp("harmed")
    run_watch(write_case(folder), folder / "out")
    return folder


@pytest.fixture
def waits(harmed: Path, tmp_path: Path) -> tuple[Case, Path]:
    """A copy of it."""
    from audit.load import load_case

    shutil.copytree(harmed, tmp_path / "copy")
    return load_case(tmp_path / "copy" / "case.toml"), tmp_path / "copy" / "out"


def kinds(out: Path) -> list[str]:
    return [b["kind"] for b in bodies(out) if b["kind"] != "batch"]


def shown(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "watch.json").read_bytes())
    return document


def folder_case(folder: Path, frames: dict[str, pd.DataFrame | bytes], **how: Any) -> Case:
    """A case whose batches are files, in the order of their names."""
    how.setdefault("delay", 0)
    case = write_case(folder, people(2), more='source = "in/*.parquet"', **how)
    (folder / "in").mkdir(exist_ok=True)
    for name, frame in frames.items():
        path = folder / "in" / f"{name}.parquet"
        if isinstance(frame, bytes):
            path.write_bytes(frame)
        else:
            frame.to_parquet(path)
    return case


def days(frame: pd.DataFrame) -> dict[str, pd.DataFrame | bytes]:
    return {f"d{d:03d}": part.reset_index(drop=True) for d, part in frame.groupby("day")}


# -- the main line --------------------------------------------------------------------------------------------


def test_a_broken_norm_leads_to_a_challenger_that_waits_for_a_person(harmed: Path) -> None:
    items = [k for k in kinds(harmed / "out") if k not in ("reference", "healthy", "why")]
    assert items == ["started", "confirmed", "build", "shadow", "gate"]
    document = shown(harmed / "out")
    assert document["schema"] == "assay/watch/1"
    assert document["state"] == "APPROVAL"
    assert document["pending"]["gate"]["passed"] is True
    assert document["batches"] == len(document["timeline"]) == DAYS
    point = document["timeline"][10]
    assert point["number"] == 10
    assert point["norms"][0]["low"] <= point["norms"][0]["value"] <= point["norms"][0]["high"]
    assert set(point["window"]["sex"]) == {"F", "M"}
    assert [e["kind"] for e in document["events"]] == kinds(harmed / "out")
    assert gate_broken({"norms": document["norms"]}), "the running model is clearly outside"


def test_the_counts_in_the_trail_are_those_of_the_table(harmed: Path) -> None:
    frame = people(DAYS)
    for body in [b for b in bodies(harmed / "out") if b["kind"] == "batch"]:
        day = frame[frame["day"] == body["facts"]["number"]]
        assert body["facts"]["groups"]["sex"] == day["sex"].value_counts().to_dict()
        share = (day["score"] >= 0.65).groupby(day["sex"]).mean().to_dict()
        assert body["facts"]["window"]["sex"] == pytest.approx(share)


def test_nothing_was_learned_from_the_rows_that_raised_the_alarm(harmed: Path) -> None:
    confirmed = next(b for b in bodies(harmed / "out") if b["kind"] == "confirmed")
    built = next(b for b in bodies(harmed / "out") if b["kind"] == "shadow")
    alarm, learned = confirmed["facts"]["trigger"], built["facts"]["batches"]
    assert alarm[1] < learned[0] <= learned[1]
    assert built["facts"]["rows"] == 150 * (learned[1] - learned[0] + 1)
    # And the gate saw later people only.
    gate = next(b for b in bodies(harmed / "out") if b["kind"] == "gate")
    beside = gate["facts"]["batches"]
    last = [b for b in bodies(harmed / "out") if b["kind"] == "batch" and b["seq"] < gate["seq"]][-1]
    assert last["facts"]["number"] - beside + 1 > learned[1]


def test_approved_it_runs_and_its_predecessor_is_kept(waits: tuple[Case, Path]) -> None:
    case, out = waits
    pending = shown(out)["pending"]["model"]
    before = shown(out)["running"]
    summary = decide_challenger(case, out, pending[:12], True, "Fits.", "Ada")
    assert (summary["state"], summary["running"]) == ("PROBATION", pending)
    assert json.loads((out / "running.json").read_bytes())["model"] == pending
    store = Store(out)
    assert store.served(pending).threshold != store.served(before).threshold
    assert shown(out)["promotions"][-1]["by"] == "Ada"
    assert shown(out)["promotions"][-1]["reason"] == "Fits."
    longer = people(DAYS + 15)
    longer.to_parquet(case.data.path)
    summary = run_watch(case, out)
    assert summary["taken"] == 15
    assert (summary["state"], summary["running"]) == ("HEALTHY", pending)
    assert not gate_broken(summary)


def test_rejected_the_old_one_stays(waits: tuple[Case, Path]) -> None:
    case, out = waits
    before = shown(out)
    summary = decide_challenger(case, out, before["pending"]["model"], False, "No.", "Ada")
    assert (summary["state"], summary["running"]) == ("CONFIRMED", before["running"])
    assert "Ada rejects the challenger: No." in summary["said"]


@pytest.mark.parametrize("challenger, reason, words", [("ffffffffffff", "x", "is about"), ("", " ", "a reason")])
def test_a_decision_on_something_else_or_without_a_reason_is_refused(
    waits: tuple[Case, Path], challenger: str, reason: str, words: str
) -> None:
    case, out = waits
    before = hashes(out)
    with pytest.raises(InputError, match=words):
        decide_challenger(case, out, challenger or shown(out)["pending"]["model"], True, reason, "Ada")
    assert hashes(out) == before


def test_a_decision_while_a_watcher_holds_the_trail_waits_for_it(waits: tuple[Case, Path]) -> None:
    case, out = waits
    pending = shown(out)["pending"]["model"]
    with Trail.open(f"sqlite:///{out / 'watch.db'}"):
        summary = decide_challenger(case, out, pending, True, "Fits.", "Ada")
        assert "Left for the watcher" in summary["said"][0]
        assert summary["state"] == "APPROVAL"
    assert len(inbox.waiting(out)) == 1
    summary = run_watch(case, out)
    assert (summary["state"], summary["running"]) == ("PROBATION", pending)
    assert inbox.waiting(out) == []
    run_watch(case, out)
    assert kinds(out).count("promoted") == 1


def test_the_state_and_the_check_need_no_lock(waits: tuple[Case, Path]) -> None:
    case, out = waits
    with Trail.open(f"sqlite:///{out / 'watch.db'}"):
        assert state_of(case, out)["state"] == "APPROVAL"
        assert check_trail(out)["entries"] == len(hashes(out))


def test_a_policy_may_promote_by_itself_and_says_so(tmp_path: Path) -> None:
    case = write_case(tmp_path, automatic="true")
    summary = run_watch(case, tmp_path / "out")
    assert "promoted" in kinds(tmp_path / "out")
    text = " ".join(summary["said"])
    assert "This policy lets the loop promote a challenger without a person." in text
    assert "Promoted by policy" in text
    assert shown(tmp_path / "out")["policy"]["automatic"] is True


def test_a_quiet_feed_is_watched_and_left_alone(tmp_path: Path) -> None:
    case = write_case(tmp_path, people(40, gap=0.0))
    assert run_watch(case, tmp_path / "out")["state"] == "HEALTHY"
    assert {"confirmed", "build"}.isdisjoint(kinds(tmp_path / "out"))


# -- what was changed behind its back --------------------------------------------------------------------------

EDITS = [
    (
        "UPDATE kept SET value = replace(value, '\"challengers\":1', '\"challengers\":0') WHERE name = 'state'",
        "kept.state",
    ),
    ("UPDATE kept SET value = replace(value, 'north', 'n') WHERE name = 'reference'", "kept.reference"),
    ("UPDATE batches SET cube = (SELECT cube FROM batches WHERE number = 4) WHERE number = 3", "batches.cube"),
]


@pytest.mark.parametrize(("statement", "where"), EDITS)
def test_an_edit_in_the_database_is_found_and_no_run_goes_on_from_it(
    waits: tuple[Case, Path], statement: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case, out = waits
    database = sqlite3.connect(out / "watch.db")
    with database:
        assert database.execute(statement).rowcount == 1
    database.close()
    assert case.source is not None
    before = bodies(out)
    assert cli.main(["watch", str(case.source), "--out", str(out), "--check"]) == 4
    errors = capsys.readouterr().err
    assert f"({where}): not what the trail says" in errors
    assert "Traceback" not in errors
    with pytest.raises(VerificationError, match=re.escape(where)):
        run_watch(case, out)
    with pytest.raises(VerificationError, match=re.escape(where)):
        decide_challenger(case, out, shown(out)["pending"]["model"], True, "Fits.", "Ada")
    assert bodies(out) == before


# -- resuming -------------------------------------------------------------------------------------------------


def test_a_run_in_pieces_is_the_run_in_one(harmed: Path, tmp_path: Path) -> None:
    case = write_case(tmp_path)
    for part in (1, 2, 7, 1, 5, None):
        run_watch(case, tmp_path / "out", max_batches=part)
    assert hashes(tmp_path / "out") == hashes(harmed / "out")
    one, other = shown(tmp_path / "out"), shown(harmed / "out")
    assert [{**t, "time": 0} for t in one["timeline"]] == [{**t, "time": 0} for t in other["timeline"]]


def test_alpha_is_not_won_back_by_a_restart(harmed: Path, tmp_path: Path) -> None:
    case = write_case(tmp_path, people(8, gap=0.05))
    evidence = []
    for _ in range(8):
        run_watch(case, tmp_path / "out", max_batches=1)
        trail = Trail.open(f"sqlite:///{tmp_path / 'out' / 'watch.db'}", write=False)
        evidence.append(State.from_json(trail.kept("state")).monitor.watched[0].seen)
        trail.close()
    assert evidence == [150 * k for k in range(1, 9)]


def test_the_second_watcher_is_told_who_holds_the_trail(waits: tuple[Case, Path]) -> None:
    case, out = waits
    with Trail.open(f"sqlite:///{out / 'watch.db'}"), pytest.raises(OutputError, match="another watcher"):
        run_watch(case, out)


def test_another_model_in_the_same_place_is_refused(tmp_path: Path) -> None:
    case = model_case(tmp_path)
    run_watch(case, tmp_path / "out", max_batches=1)
    (tmp_path / "model.skops").write_bytes((tmp_path / "model.skops").read_bytes() + b"\0")
    with pytest.raises(DataError, match="not the one this loop began with"):
        run_watch(case, tmp_path / "out")


def test_a_changed_policy_is_an_event_and_judges_at_once(tmp_path: Path) -> None:
    case = write_case(tmp_path, people(20, gap=0.09))
    out = tmp_path / "out"
    assert run_watch(case, out)["state"] == "HEALTHY"
    summary = run_watch(under(case, tmp_path, version="2", limit=0.02, promote=0.01), out)
    assert summary["said"][0].startswith("The policy has changed: 1 -> 2.")
    assert (summary["state"], summary["taken"]) == ("CONFIRMED", 0)


def test_a_persons_word_is_taken_under_the_policy_in_force(tmp_path: Path) -> None:
    """A decision without --policy does not bring the case's own norms back."""
    case = write_case(tmp_path)
    out = tmp_path / "out"
    run_watch(under(case, tmp_path, version="2", limit=0.19), out)
    assert state_of(case, out)["policy"]["version"] == "2"
    before = kinds(out)
    decide_challenger(case, out, shown(out)["pending"]["model"], True, "Fits.", "Ada")
    assert kinds(out) == [*before, "promoted"]
    kept = Trail.open(f"sqlite:///{out / 'watch.db'}", write=False)
    in_force = under(case, tmp_path, version="2", limit=0.19).policy
    assert policy_from_json(kept.kept("policy")) == replace(in_force, source=None)
    kept.close()


# -- traps of the feed ----------------------------------------------------------------------------------------


def test_the_same_file_again_counts_once(tmp_path: Path) -> None:
    parts = days(people(4, gap=0.0))
    case = folder_case(tmp_path, parts | {"d009": parts["d001"]})
    summary = run_watch(case, tmp_path / "out")
    assert kinds(tmp_path / "out").count("duplicate") == 1
    assert (summary["rows"], summary["batches"]) == (600, 5)
    assert run_watch(case, tmp_path / "out")["taken"] == 0


def test_a_corrupt_file_is_an_incident_and_the_loop_goes_on(tmp_path: Path) -> None:
    parts = days(people(6, gap=0.0))
    parts["d002"] = b"PAR1 this is no table"
    case = folder_case(tmp_path, parts)
    summary = run_watch(case, tmp_path / "out")
    assert (summary["batches"], summary["rows"]) == (6, 750)
    assert kinds(tmp_path / "out").count("incident") == 1
    assert summary["state"] == "HEALTHY"
    incident = shown(tmp_path / "out")["incidents"][0]
    assert "d002" in incident["words"]


def test_an_empty_file_is_not_decidable(tmp_path: Path) -> None:
    parts = days(people(6, gap=0.0))
    first = parts["d000"]
    assert isinstance(first, pd.DataFrame)
    parts["d005"] = first.iloc[:0]
    summary = run_watch(folder_case(tmp_path, parts), tmp_path / "out")
    assert summary["state"] == "UNDECIDABLE"
    assert "this says nothing good" in summary["said"][-1]


def test_a_broken_feature_is_an_incident_and_teaches_nothing(tmp_path: Path) -> None:
    frame = people(12, gap=0.0, seed=1)
    frame.loc[frame["day"].between(6, 8), "income"] *= 60
    summary = run_watch(write_case(tmp_path, frame), tmp_path / "out")
    assert kinds(tmp_path / "out").count("incident") == 3
    assert "restored" in kinds(tmp_path / "out")
    assert (summary["rows"], summary["state"]) == (9 * 150, "HEALTHY")


def test_a_new_category_and_a_new_group_are_counted_and_break_nothing(tmp_path: Path) -> None:
    frame = people(12, gap=0.0)
    late = frame["day"] >= 6
    rng = np.random.default_rng(3)
    frame.loc[late & (rng.random(len(frame)) < 0.2), "town"] = "island"
    frame.loc[late & (rng.random(len(frame)) < 0.2), "sex"] = "X"
    run_watch(write_case(tmp_path, frame), tmp_path / "out")
    result = bodies(tmp_path / "out")
    assert "X" in result[-1]["facts"]["groups"]["sex"]
    drift = next(b["facts"]["drift"] for b in result if b["kind"] == "batch" and b["facts"]["number"] == 6)
    assert any(d["feature"] == "town" and d["new"] == ["island"] for d in drift)
    assert {"incident", "confirmed"}.isdisjoint(kinds(tmp_path / "out"))


def test_group_mix_drift_alone_does_not_retrain(tmp_path: Path) -> None:
    frame = pd.concat([people(20, gap=0.0), people(20, gap=0.0, women=0.9, seed=1).assign(day=lambda d: d["day"] + 20)])
    run_watch(write_case(tmp_path, frame.reset_index(drop=True)), tmp_path / "out")
    assert {"confirmed", "build"}.isdisjoint(kinds(tmp_path / "out"))


def test_outcomes_known_early_for_one_decision_only_are_not_used(tmp_path: Path) -> None:
    frame = people(8, gap=0.0)
    frame["repaid"] = frame["repaid"].where((frame["day"] < 5) | (frame["score"] >= 0.65))
    run_watch(write_case(tmp_path, frame, delay=0), tmp_path / "out")
    items = [b["words"] for b in bodies(tmp_path / "out") if b["kind"] == "outcomes"]
    assert len(items) == 3
    assert "would mislead" in items[0]


def test_a_newest_period_of_one_outcome_fakes_nothing(tmp_path: Path) -> None:
    frame = people(12, gap=0.0)
    frame.loc[frame["day"] >= 10, "repaid"] = "no"
    run_watch(write_case(tmp_path, frame, delay=0), tmp_path / "out")
    items = [b["words"] for b in bodies(tmp_path / "out") if b["kind"] == "outcomes"]
    assert len(items) == 2
    assert "follow-up is not finished" in items[0]
    assert "confirmed" not in kinds(tmp_path / "out")


def test_a_third_outcome_is_an_incident(tmp_path: Path) -> None:
    parts = days(people(4, gap=0.0))
    last = parts["d003"]
    assert isinstance(last, pd.DataFrame)
    last.loc[:40, "repaid"] = "partly"
    last.loc[41:, "repaid"] = "yes"
    run_watch(folder_case(tmp_path, parts), tmp_path / "out")
    assert "more than two values" in bodies(tmp_path / "out")[-1]["words"]


def test_a_case_without_outcomes_is_watched_on_decisions_alone(tmp_path: Path) -> None:
    case = write_case(tmp_path, people(6, gap=0.0).drop(columns="repaid"), model='decision = "granted"')
    case = replace(case, data=replace(case.data, label=None))
    assert run_watch(case, tmp_path / "out")["state"] == "HEALTHY"


# -- models ---------------------------------------------------------------------------------------------------


def model_case(folder: Path, frame: pd.DataFrame | None = None) -> Case:
    """A model file that refuses missing incomes."""
    from sklearn.linear_model import LogisticRegression

    frame = people(6, gap=0.0) if frame is None else frame
    folder.mkdir(parents=True, exist_ok=True)
    learn = people(4, gap=0.0, seed=9)
    model = LogisticRegression().fit(learn[["income"]], learn["repaid"])
    (folder / "model.skops").write_bytes(skops_bytes(model))
    return write_case(folder, frame, model='path = "model.skops"', delay=0)


def test_a_model_that_raises_is_an_incident_and_is_asked_again(tmp_path: Path) -> None:
    frame = people(6, gap=0.0)
    frame.loc[(frame["day"] == 3) & (frame.index % 7 == 0), "income"] = np.nan
    summary = run_watch(model_case(tmp_path, frame), tmp_path / "out")
    assert (summary["batches"], summary["rows"], summary["state"]) == (6, 750, "HEALTHY")
    incident = next(b for b in bodies(tmp_path / "out") if b["kind"] == "incident")
    assert "NaN" in incident["words"]


# -- disk and database ----------------------------------------------------------------------------------------


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> Iterator[None]:
    """The `at`-th call of a method of Page fails as a full disk does."""
    import sqlalchemy as sa

    real, calls = getattr(Page, name), [0]

    def full(self: Page, *args: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] == at:
            raise sa.exc.OperationalError("INSERT", {}, Exception("database or disk is full"))
        return real(self, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Page, name, full)
        yield


@pytest.mark.parametrize("name, at", [("append", 1), ("append", 17), ("keep", 40), ("add_batch", 9)])
def test_a_full_disk_stops_the_run_whole_and_the_next_one_goes_on(
    harmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    case = write_case(tmp_path)
    with failing(monkeypatch, name, at), pytest.raises(OutputError, match="goes on where it stopped"):
        run_watch(case, tmp_path / "out")
    run_watch(case, tmp_path / "out")
    assert hashes(tmp_path / "out") == hashes(harmed / "out")


def test_watch_json_that_cannot_be_written_loses_nothing_of_the_trail(
    harmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = write_case(tmp_path)

    def full(*_: object) -> None:
        raise OutputError("watch.json could not be written", got="No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(watcher, "write_whole", full)
        with pytest.raises(OutputError, match="No space left"):
            run_watch(case, tmp_path / "out")
    run_watch(case, tmp_path / "out")
    assert hashes(tmp_path / "out") == hashes(harmed / "out")


def test_following_it_waits_out_a_lost_database(
    harmed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "POLL_SECONDS", 0.01)
    case = write_case(tmp_path)
    with failing(monkeypatch, "append", 17):
        summary = run_watch(case, tmp_path / "out", follow=True, max_batches=DAYS)
    assert summary["taken"] == DAYS
    assert "could not be written" in capsys.readouterr().err
    assert hashes(tmp_path / "out") == hashes(harmed / "out")


def test_a_lost_database_file_is_one_clear_refusal(tmp_path: Path) -> None:
    case = write_case(tmp_path, people(3))
    run_watch(case, tmp_path / "out")
    (tmp_path / "out" / "watch.db").write_bytes(b"no database " * 100)
    with pytest.raises(InputError, match="trail"):
        run_watch(case, tmp_path / "out")


def test_a_batch_that_could_not_be_judged_may_come_again(tmp_path: Path) -> None:
    parts = days(people(6, gap=0.0))
    case = folder_case(tmp_path, parts)
    seen = []

    def once(*inputs: Any, **more: Any) -> Any:
        seen.append(inputs)
        if len(seen) == 4:
            raise MemoryError("no room")
        return feed_problem(*inputs, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "feed_problem", once)
        run_watch(case, tmp_path / "out")
    assert kinds(tmp_path / "out").count("incident") == 1
    broken = next(b for b in bodies(tmp_path / "out") if b["kind"] == "incident")
    assert "no room" in broken["words"]
    shutil.copy(tmp_path / "in" / "d003.parquet", tmp_path / "in" / "d100.parquet")
    assert run_watch(case, tmp_path / "out")["rows"] == 900
    assert "duplicate" not in kinds(tmp_path / "out")


def test_alerts_tell_each_entry_once_also_those_of_a_run_that_was_killed(tmp_path: Path) -> None:
    case = write_case(tmp_path)
    out = tmp_path / "out"
    run_watch(case, out)
    text = [json.loads(line) for line in (out / "alerts.jsonl").read_text().splitlines()]
    by_kind = [t["kind"] for t in text]
    assert {"confirmed", "gate"} <= set(by_kind)
    assert "batch" not in by_kind
    entries = {b["seq"]: b["kind"] for b in bodies(out)}
    assert all(entries[t["entry"]["seq"]] == t["kind"] for t in text)
    run_watch(case, out)
    assert [json.loads(line)["kind"] for line in (out / "alerts.jsonl").read_text().splitlines()] == by_kind
    # A run that was killed between its entry and its alert.
    (out / "alerts.jsonl").unlink()
    run_watch(case, out)
    again = [json.loads(line)["kind"] for line in (out / "alerts.jsonl").read_text().splitlines()]
    assert sorted(again) == sorted(by_kind)


def test_a_poisoned_feed_of_copies_is_an_incident(tmp_path: Path) -> None:
    frame = people(8, gap=0.0)
    late = frame.index[frame["day"] == 6][:100]
    one = frame.loc[late[0], ["sex", "income", "town", "score", "repaid"]].to_dict()
    frame.loc[late, list(one)] = list(one.values())
    run_watch(write_case(tmp_path, frame), tmp_path / "out")
    incident = next(b for b in bodies(tmp_path / "out") if b["kind"] == "incident")
    assert incident["facts"]["number"] == 6
    assert "copies of others" in incident["words"]


def test_following_it_takes_new_files_a_changed_policy_and_a_persons_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "POLL_SECONDS", 0.01)
    parts = days(people(26, gap=0.09))
    case = folder_case(tmp_path, {k: v for k, v in parts.items() if k < "d018"})
    out = tmp_path / "out"
    real, polls = watcher.Watcher.advance, []

    def while_it_runs(self: watcher.Watcher) -> bool:
        if self.state.batch == 18 and not polls:
            write_policy(tmp_path, version="2", limit=0.02, promote=0.01)
            polls.append("policy")
        elif self.state.batch == 18 and len(polls) < 3:
            polls.append("idle")
        elif self.state.batch == 18 and len(polls) == 3:
            for name in ("d018", "d019"):
                frame = parts[name]
                assert isinstance(frame, pd.DataFrame)
                frame.to_parquet(tmp_path / "in" / f"{name}.part")
                (tmp_path / "in" / f"{name}.part").rename(tmp_path / "in" / f"{name}.parquet")
            polls.append("files")
        return real(self)

    monkeypatch.setattr(watcher.Watcher, "advance", while_it_runs)
    summary = run_watch(case, out, follow=True, max_batches=20)
    assert summary["batches"] == 20
    message = kinds(out)
    assert message.index("policy") < message.index("confirmed")
    assert summary["policy"]["version"] == "2"


def test_a_file_passed_over_and_a_webhook_that_failed_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/hook/secret"
    (tmp_path / "late").mkdir()
    (tmp_path / "late" / "one.csv").write_text("number,repaid\n1,yes\n")
    more = f'labels = "late/*.csv"\nwebhook = "{address}"'
    case = write_case(tmp_path, more=more)
    os.utime(tmp_path / "late" / "one.csv", (1, 1))
    out = tmp_path / "out"
    assert run_watch(case, out)["state"] == "APPROVAL"
    mapping = {n["words"]: n for n in shown(out)["notices"]}
    passed_over = next(n for w, n in mapping.items() if w.startswith("The outcomes in one.csv are left out:"))
    assert passed_over["times"] == 1
    hook = next(n for w, n in mapping.items() if w.startswith("The webhook at http://127.0.0.1:"))
    assert "secret" not in hook["words"]
    assert hook["first"] <= hook["last"]
    errors = capsys.readouterr().err
    assert all(f"assay watch: {words}" in errors for words in mapping)
    # They are no part of the trail, and a later run still shows them.
    assert not any("one.csv" in b["words"] for b in bodies(out))
    run_watch(case, out)
    later = {n["words"]: n for n in shown(out)["notices"]}
    assert set(mapping) <= set(later)
    assert later[passed_over["words"]]["first"] == passed_over["first"]


def test_what_was_noticed_is_kept_short_and_a_torn_file_is_no_trouble(tmp_path: Path) -> None:
    file = tmp_path / "watch.json"
    notices = Notices(file)
    for i in range(KEPT + 3):
        notices.add(f"Sentence {i}.")
    notices.add("Sentence 10.")
    assert notices.fresh
    result = notices.shown()
    assert not notices.fresh
    assert (len(result), result[0]["words"], result[-1]["words"], result[-1]["times"]) == (
        KEPT, "Sentence 3.", "Sentence 10.", 2,
    )  # fmt: skip
    for text, kept in ((json.dumps({"notices": result}), result), ('{"notices": [{"words', []), ("{}", []), ("[]", [])):
        file.write_text(text)
        assert Notices(file).shown() == kept


def test_stopped_by_hand_it_ends_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = write_case(tmp_path, people(6, gap=0.0))
    real = watcher.Watcher.advance

    def stop(self: watcher.Watcher) -> bool:
        if self.state.batch == 3:
            raise KeyboardInterrupt
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(watcher.Watcher, "advance", stop)
        assert run_watch(case, tmp_path / "out", follow=True)["taken"] == 3
    assert "the next run goes on here" in capsys.readouterr().err
    assert shown(tmp_path / "out")["batches"] == 3
    assert run_watch(case, tmp_path / "out")["taken"] == 3


def test_an_alarm_says_who_and_where(tmp_path: Path) -> None:
    frame = people(20, gap=0.0)
    late = (frame["day"] >= 5) & (frame["town"] == "north") & (frame["sex"] == "F") & (frame["repaid"] == "yes")
    frame.loc[late, "score"] = 0.3
    frame["income"] = 50.0 + frame.index % 7
    run_watch(write_case(tmp_path, frame, limit=0.05, promote=0.05), tmp_path / "out")
    result = bodies(tmp_path / "out")
    alarm = next(b for b in result if b["kind"] == "confirmed")
    why = next(b for b in result if b["kind"] == "why")
    assert why["seq"] == alarm["seq"] + 1
    change = why["facts"]["changes"][0]
    assert (change["by"], change["segments"][0]["segment"]) == ("town", "north")
    assert abs(change["segments"][0]["rate"]) > 2 * abs(change["segments"][0]["mix"])
    assert change["mix"] + change["rate"] == pytest.approx(change["change"])
    assert "north" in why["words"]


def test_without_outcomes_scores_may_raise_a_suspicion_and_no_more(tmp_path: Path) -> None:
    """Women's scores fall from day 10 on; their outcomes are due six batches later."""
    before, after = people(14, 500, gap=0.0), people(14, 500, gap=0.25, seed=1)
    late = before["day"] >= 10
    frame = pd.concat([before[~late], after[after["day"] >= 10]], ignore_index=True)
    frame["income"] = 50.0 + frame.index % 7
    run_watch(write_case(tmp_path, frame, delay=6, limit=0.9, promote=0.9), tmp_path / "out")
    items = [b for b in bodies(tmp_path / "out") if b["kind"] == "batch"]
    mapping = {b["facts"]["number"]: b["facts"]["estimate"] for b in items}
    assert [n for n, e in mapping.items() if e and e["suspect"]] == list(range(10, 14))
    assert mapping[10]["above"] == [["sex", "F"]]
    # Drift has the other half of what the eleventh batch may spend.
    assert mapping[10]["alpha"] == pytest.approx(spend(0.05, 11) / 2)
    suspect = next(b for b in bodies(tmp_path / "out") if b["kind"] == "suspect")
    assert "the model is expected to be wrong more often than before" in suspect["words"]
    assert suspect["after"] == "SUSPECT"
    assert {"confirmed", "build"}.isdisjoint(kinds(tmp_path / "out"))
    assert items[3]["facts"]["estimate"] is None, "nothing is known yet of what scores mean"
