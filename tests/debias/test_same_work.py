"""One job for identical cases: the others wait, say so, and take over what it made; whatever differs is made anew."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from audit import access
from debias import jobs, same_work
from tests.debias.stand_in import room

CLI = """
import hashlib, os, sys, time
from pathlib import Path
_, case, _, out, *rest = sys.argv[1:]
case, out = Path(case), Path(out)
with open(os.environ["RUNS"], "a") as runs:
    runs.write(case.parent.name + "\\n")
data = (case.parent / "rows.csv").read_text()
until = time.time() + 60
while "slow" in data and not (case.parent.parent / "go").exists() and time.time() < until:
    time.sleep(.02)
if "bad" in data and case.parent.name == "a":
    sys.exit(2)
out.mkdir(parents=True, exist_ok=True)
for name in ("evidence.json", "cube.json"):
    (out / name).write_text(name + data + " ".join(rest))
"""
CASE = '[data]\npath = "rows.csv"\nlabel = "y"\n[model]\npath = "m.skops"\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv(jobs.SLOTS_VARIABLE, "2")
    return room(tmp_path, monkeypatch, CLI)


def case(home: Path, name: str, rows: str, text: str = CASE, model: str = "model") -> Path:
    place = home.parent / "people" / name
    place.mkdir(parents=True, exist_ok=True)
    (place / "rows.csv").write_text(rows)
    (place / "m.skops").write_text(model)
    (place / "case.toml").write_text(text)
    return place


def start(home: Path, place: Path, *more: str) -> jobs.Job:
    return jobs.start(["audit", str(place / "case.toml"), "--out", str(place / "run"), *more], home)


def ended(home: Path, *started: jobs.Job) -> list[str]:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        items = [jobs.state(home, job.id) for job in started]
        if all(f.over for f in items):
            return [f.status for f in items]
        time.sleep(0.02)
    raise AssertionError(items)


def runs(home: Path) -> list[str]:
    file = home.parent / "runs"
    return file.read_text().split() if file.exists() else []


def stage(home: Path, job: jobs.Job, words: str) -> None:
    until = time.monotonic() + 60
    while words not in (message := jobs.state(home, job.id).stage):
        assert time.monotonic() < until, message
        time.sleep(0.02)


def test_ten_people_with_one_case_are_one_job_and_another_case_is_not_kept_waiting(home: Path) -> None:
    people = [case(home, name, "slow") for name in "abcdefghij"]
    first = start(home, people[0])
    while not runs(home):
        time.sleep(0.02)
    others = [start(home, place) for place in people[1:]]
    for job in others:
        stage(home, job, "the same work")
    # Two slots: one is free for somebody else's case, though nine wait who came before.
    assert ended(home, start(home, case(home, "z", "other"))) == ["done"]
    (home.parent / "people" / "go").write_text("")
    assert ended(home, first, *others) == ["done"] * 10
    assert sorted(runs(home)) == ["a", "z"]
    assert {(p / "run" / "evidence.json").read_text() for p in people} == {"evidence.jsonslow"}
    # And one who comes later.
    assert ended(home, start(home, case(home, "k", "slow"))) == ["done"]
    assert len(runs(home)) == 2


DIFFERS = {
    "rows": {"rows": "two"},
    "model": {"model": "another"},
    "case": {"text": CASE.replace("y", "x")},
    "an endpoint": {"text": CASE.replace('path = "m.skops"', 'endpoint = { url = "https://host/v2/models/m" }')},
    "a registry": {"text": CASE.replace('path = "m.skops"', 'registry = "models:/m/1"')},
    "an interpreter": {"text": CASE + 'python = "python"\n'},
    "a pattern": {"text": CASE.replace("rows.csv", "*.csv")},
    "a folder": {"text": CASE.replace("m.skops", ".")},
}


@pytest.mark.parametrize("what", list(DIFFERS))
def test_what_differs_or_cannot_be_told_is_made_anew(home: Path, what: str) -> None:
    first = case(home, "a", "one")
    right = same_work.key_of(["audit", str(first / "case.toml"), "--out", "run"])
    mapping = {"rows": "one", **DIFFERS[what]}
    other = case(home, "b", **mapping)
    result = same_work.key_of(["audit", str(other / "case.toml"), "--out", "run"])
    assert right is not None
    assert result != right
    if what not in ("rows", "model", "case"):
        assert result is None


@pytest.mark.parametrize("more", [["--seed", "1"], ["--gate"], ["--allow"], ["--markdown", "x"]])
def test_options_that_are_not_known_to_be_harmless_are_not_shared(home: Path, more: list[str]) -> None:
    file = str(case(home, "a", "one") / "case.toml")
    assert same_work.key_of(["audit", file, "--out", "run", *more]) is None
    allowed = [same_work.key_of(["audit", file, "--out", "run", "--allow", t]) for t in ("mine.A", "mine.B")]
    assert None not in allowed
    assert allowed[0] != allowed[1]


def test_a_file_that_a_named_file_names_counts_too(home: Path) -> None:
    keys = set()
    for number, limit in enumerate((".1", ".1", ".2")):
        place = case(home, f"p{number}", "one", CASE + '[policy]\nfile = "policy.toml"\n')
        (place / "policy.toml").write_text('norms = "norms.csv"\n')
        (place / "norms.csv").write_text(limit)
        keys.add(same_work.key_of(["audit", str(place / "case.toml"), "--out", "run"]))
    assert len(keys) == 2
    assert None not in keys


def test_where_the_first_fails_the_next_does_it(home: Path) -> None:
    people = [case(home, name, "slow bad") for name in "ab"]
    first = start(home, people[0])
    while not runs(home):
        time.sleep(0.02)
    second = start(home, people[1])
    stage(home, second, "the same work")
    (home.parent / "people" / "go").write_text("")
    assert ended(home, first, second) == ["failed", "done"]
    assert runs(home) == ["a", "b"]


def test_what_was_changed_since_is_not_taken_over(home: Path) -> None:
    assert ended(home, start(home, case(home, "a", "one"))) == ["done"]
    (home.parent / "people" / "a" / "run" / "evidence.json").write_text("forged")
    assert ended(home, start(home, case(home, "b", "one"))) == ["done"]
    assert runs(home) == ["a", "b"]
    assert (home.parent / "people" / "b" / "run" / "evidence.json").read_text() == "evidence.jsonone"


def test_another_version_of_what_scores_is_other_work(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    args = ["audit", str(case(home, "a", "one") / "case.toml"), "--out", "run"]
    before = same_work.key_of(args)
    monkeypatch.setattr(same_work, "versions", lambda: {"scikit-learn": "0.0"})
    assert before is not None
    assert same_work.key_of(args) not in (None, before)


@pytest.mark.parametrize("first", ["ann", "bob"])
def test_ones_own_is_taken_over_whatever_order_the_folders_have(
    home: Path, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """What bob took over from ann is there too; ann is told of her own."""
    people = [case(home, name, "one") for name in "abc"]
    for place, owner in zip(people, ("ann", "bob", "ann"), strict=True):
        (place / "owner.json").write_text(json.dumps({"owner": owner, "name": owner, "teams": []}))
    entries = []
    for place in people[:2]:
        entries.append(start(home, place))
        assert ended(home, entries[-1]) == ["done"]
    order = [jobs.folder(home, job.id) for job in (entries if first == "ann" else entries[::-1])]
    monkeypatch.setattr(same_work, "others", lambda place, key: iter(order))
    args = ["audit", str(people[2] / "case.toml"), "--out", str(people[2] / "run")]
    items: list[str] = []
    monkeypatch.setattr("builtins.print", items.append)
    assert same_work.taken_over(jobs.folder(home, "c" * 32), args, str(same_work.key_of(args)))
    assert items == ["The same audit of the same files had been made: its evidence was taken over."]


def test_nobody_is_told_that_somebody_else_has_the_same_case(home: Path) -> None:
    people = [case(home, name, "slow") for name in "abc"]
    for place, owner in zip(people, ("ann", "bob", "ann"), strict=True):
        (place / "owner.json").write_text(json.dumps({"owner": owner, "name": owner, "teams": []}))
    first = start(home, people[0])
    while not runs(home):
        time.sleep(0.02)
    others = [start(home, place) for place in people[1:]]
    stage(home, others[0], "the same work")
    access.install(lambda: access.Person("bob", "bob", ("auditor",)))
    try:
        assert jobs.state(home, others[0].id).stage == "waiting for its turn"
    finally:
        access.install(access._nobody_asks)
    (home.parent / "people" / "go").write_text("")
    assert ended(home, first, *others) == ["done"] * 3
    assert runs(home) == ["a"]
    assert "taken over" not in jobs.output(home, others[0].id)
    assert "taken over" in jobs.output(home, others[1].id)
