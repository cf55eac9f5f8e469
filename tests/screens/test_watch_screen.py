"""The loop on the screen: where it stands in plain words, its timeline, why it acted, and the word of a person."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from streamlit.testing.v1 import AppTest

from audit.load import load_case
from audit.numbers import are, many
from debias.loop.run import run_watch
from reports.sections import watching
from reports.sections.history import AUTOMATIC, taken
from screens import watch

REPLAYS = Path(__file__).parents[2] / "sample_data" / "replays"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Eight batches of the replay with a broken feed, watched for real."""
    from audit.files import read_json

    out = tmp_path_factory.mktemp("watched")
    run_watch(load_case(REPLAYS / "feed.toml"), out, max_batches=14)
    return read_json(out / "watch.json")


def page(document: dict) -> None:  # type: ignore[type-arg]
    from pathlib import Path

    from screens import watch
    from screens.workspace import CaseFolder

    watch.show(CaseFolder("0" * 32, Path("nowhere")), document)


def shown(document: dict[str, Any]) -> AppTest:
    app = AppTest.from_function(page, kwargs={"document": document}, default_timeout=60).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> str:
    kinds = (app.markdown, app.caption, app.warning, app.info, app.error)
    return "\n".join(str(e.value) for kind in kinds for e in kind).replace("\\", "")


def test_where_it_stands_the_timeline_and_the_sentences(document: dict[str, Any]) -> None:
    app = shown(document)
    report = texts(app)
    assert document["state"] == "DATA_INCIDENT"
    assert watching.STANDS["DATA_INCIDENT"] in report
    assert "14 batches" in report
    assert taken(watch.watch_of(document)) in report, "in the words of the report's chapter"
    assert AUTOMATIC not in report
    assert AUTOMATIC in texts(shown(document | {"policy": document["policy"] | {"automatic": True}}))
    assert "difference by sex: " in report
    assert "What the loop did, and why" in report
    tables = "\n".join(t.value.to_string() for t in app.table)
    assert "incident" in tables
    assert "hours-per-week" in tables.replace("\\", "")


def test_what_was_noticed_beside_the_feed_is_shown(document: dict[str, Any]) -> None:
    assert document["notices"] == []
    assert "Noticed" not in texts(shown(document))
    one = {"words": "The outcomes in *one*.csv are left out.", "first": "2026-11-01T09:30:00.000+00:00", "times": 1}
    other = {"words": "The webhook at http://127.0.0.1:9 did not take an alert: HTTP 500.", "times": 3}
    last = "2026-11-02T10:00:00.000+00:00"
    items = [one | {"last": last}, other | {"first": last, "last": last}]
    app = shown(document | {"notices": items})
    assert "Noticed on 2026-11-02 10:00:00 (UTC): The webhook at http://127.0.0.1:9" in texts(app)
    assert "*one*.csv" in "\n".join(t.value.to_string() for t in app.table).replace("\\", "")
    app = shown(document | {"notices": items[:1]})
    assert "Noticed on 2026-11-02 10:00:00 (UTC): The outcomes in *one*.csv are left out." in texts(app)


def test_every_state_has_its_words_and_undecidable_is_no_good_news() -> None:
    from debias.loop.modes import Mode

    assert set(watching.STANDS) == set(Mode)
    assert "fine" not in watching.STANDS["UNDECIDABLE"]


def test_points_and_marks_lie_at_their_batches(document: dict[str, Any]) -> None:
    points = watch.points_of(watch.watch_of(document), "selection_rate/difference/sex")
    assert [p.batch for p in points] == list(range(14))
    judged = [p for p in points if p.value is not None]
    assert all(p.low <= p.value <= p.high for p in judged)  # type: ignore[operator]
    assert {m.batch for m in watch.marks_of(watch.watch_of(document)) if m.kind == "incident"} == {12, 13}


GATE = {
    "passed": True, "failed": False, "alpha": 0.03,
    "checks": [
        {"name": "a", "holds": True, "words": "everyone: wrong no more often.", "facts": {}},
        {"name": "b", "holds": None, "words": "equal opportunity: not yet.", "facts": {}},
    ],
}  # fmt: skip


def waiting(document: dict[str, Any]) -> dict[str, Any]:
    beside = {"model": "c" * 64, "method": "reweighing", "since": 3, "batches": 9, "gate": GATE}
    return document | {"state": "APPROVAL", "pending": beside, "beside": beside}


def test_before_and_after_stand_side_by_side(document: dict[str, Any]) -> None:
    norm = {"key": "k", "metric": "selection_rate", "kind": "difference", "attribute": ["sex"], "limit": 0.1}
    ours = norm | {"value": 0.2, "low": 0.15, "high": 0.25}
    result = waiting(document)
    beside = result["beside"] | {"ours": [ours], "theirs": [norm | {"value": None, "low": None, "high": None}]}
    app = shown(result | {"beside": beside, "pending": beside})
    table = app.table[1].value
    assert "0.200 (0.150 to 0.250)" in str(table.iloc[0, 1]).replace("\\", "")
    assert table.iloc[0, 2] == "not estimable"


def test_a_person_sees_the_gate_and_must_say_why(document: dict[str, Any]) -> None:
    app = shown(waiting(document))
    assert "The challenger by reweighing, after 9 batches" in texts(app)
    gate = app.table[0].value
    assert list(gate["It"]) == ["too early to say", "holds"]
    app.button[0].click().run()
    assert "Say who decides and why" in texts(app)


def test_a_decision_becomes_a_command(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(watch, "run", lambda folder, more: asked.append(more))
    app = shown(waiting(document))
    app.radio(key="watch-answer").set_value("rejected")
    app.text_input(key="watch-who").input("R. Reviewer")
    app.text_area(key="watch-reason").input("--by: not enough people")
    app.button[0].click().run()
    assert asked == [["--reject", "c" * 64, "--reason=--by: not enough people", "--by=R. Reviewer"]]


def test_without_time_there_is_nothing_to_watch(tmp_path: Path) -> None:
    def without(place: str) -> None:
        from pathlib import Path

        from screens import watch
        from screens.workspace import CaseFolder

        watch.panel(CaseFolder("0" * 32, Path(place)))

    sample = tmp_path / "case"
    sample.mkdir()
    (sample / "sample").write_text("adult_decisions.toml")
    app = AppTest.from_function(without, kwargs={"place": str(sample)}, default_timeout=60).run()
    assert not app.exception
    assert "Watching needs batches in the order of time" in texts(app)
    shutil.rmtree(sample)


def test_everyone_is_listed_and_who_is_not_judged_is_called_undecided(document: dict[str, Any]) -> None:
    few = {"attribute": "race", "group": "Other", "people": 40, "outcomes": 12, "wrong": 2, "status": "undecided"}
    few |= {"reason": "12 people with known outcomes, 50 are needed", "first": None, "newest": 2 / 12}
    app = shown(document | {"groups": [*document["groups"], few]})
    report, tables = texts(app), "\n".join(t.value.to_string() for t in app.table).replace("\\", "")
    assert "UNDECIDED for Other (race: 12 people with outcomes)" in report
    assert "UNDECIDED: 12 people with known outcomes, 50 are needed" in tables
    assert "this is no good news about them" in report
    for g in document["groups"]:
        assert f"{g['group']} ({g['attribute']})" in tables
    assert "UNDECIDED" not in texts(shown(document))
    held = document["quarantine"]["held"]
    assert held > 0
    assert f"{many(held, 'batch')} {are(held, 'was', 'were')} put aside" in report


def test_open_changes_are_shown_and_a_person_can_say_that_they_are_known(document: dict[str, Any]) -> None:
    change = {"what": "gone", "attribute": "sex", "group": "Fe*male", "before": 0.33, "after": 0.0, "people": 900}
    open_now = {"state": "SUSPECT", "changes": [change | {"since": 4, "p": 1e-9, "alpha": 0.01}]}
    app = shown(document | open_now)
    assert "nobody of Fe*male (sex) comes any more, 33.0 % were at first" in texts(app)
    assert [r.options for r in app.radio if r.label == "What has changed is"] == [["known and meant"]]
    aside = {"quarantine": {"held": 0, "rows": 3, "reasons": {"no time in 'day'": 2, "no score in 'p'": 1}}}
    assert "2 with no time in 'day'; 1 with no score in 'p'" in texts(shown(document | aside))


def test_a_batch_alone_stands_beside_what_was_measured_so_far(document: dict[str, Any]) -> None:
    """Of the two groups that are furthest apart, by the shares that the trail has of that batch."""
    norm = next(n for n in document["norms"] if n["metric"] == "selection_rate")
    points = watch.points_of(watch.watch_of(document), norm["key"])
    at, batch = next((i, b) for i, b in enumerate(document["timeline"]) if b["kind"] == "batch" and b["norms"])
    report = next(n for n in batch["norms"] if n["key"] == norm["key"])
    shares = batch["window"][norm["attribute"][0]]
    assert points[at].window == pytest.approx(shares[report["highest"]] - shares[report["lowest"]])
    assert points[at].when.startswith("(")
    one = watch.watch_of(document).timeline[at]
    now = next(n for n in one.norms if n.key == norm["key"])
    other = msgspec.structs.replace
    assert watch.window_of(other(now, kind="ratio"), one) == pytest.approx(
        shares[report["lowest"]] / shares[report["highest"]]
    )
    assert watch.window_of(other(now, metric="equal_opportunity"), one) is None
    assert watch.window_of(now, other(one, window={})) is None
    table = next(t.value for t in shown(document | {"norms": [norm]}).table if "This batch alone" in t.value.columns)
    assert f"{points[at].window:.3f}" in [v.replace("\\", "") for v in table["This batch alone"]]
