"""The loop's history in a report: what is published of it, and that an edited one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.files import canonical
from debias.loop.snapshot import Board
from debias.loop.trail import Trail
from reports.blocks import Figure, Notice, Table
from reports.document import build_document
from reports.manifest import Manifest, strict_json
from reports.render import render_html
from reports.series import plain_words, series_bytes, series_of
from reports.verify.result import Broken
from reports.verify.series import check_series
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

MODEL, OTHER = "a" * 64, "b" * 64
NORM = {"key": "selection_rate/difference/sex", "metric": "selection_rate", "kind": "difference", "attribute": ["sex"]}
WHERE = {"before": "HEALTHY", "after": "CONFIRMED", "running": MODEL}


def norm(value: float) -> dict[str, Any]:
    mapping = {"value": value, "low": value - 0.05, "high": value + 0.05, "limit": 0.1, "status": "outside"}
    return NORM | mapping | {"highest": "m", "lowest": "f", "people": 80, "reason": None}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A trail of a batch, an alarm and a promotion, and watch.json beside it."""
    board = Board()
    with Trail.open(f"sqlite:///{tmp_path / 'watch.db'}") as trail:
        with trail.write("2026-11-22T09:00:00.000+00:00") as page:
            for number in (0, 1):
                facts = {
                    "number": number,
                    "batch": f"/feed/{number}.csv",
                    "rows": 200,
                    "norms": [norm((2 + number) / 10)],
                }
                page.append("batch", "A batch.", facts | {"window": {"sex": {"f": 0.1}}}, **WHERE)
            page.append("confirmed", "A norm is broken (f: 3, m: 90) in /srv/feed/x.csv.", {}, **WHERE)
            why = {"model": OTHER, "by": "Bo", "reason": "It is bearable.", "method": "threshold"}
            page.append("promoted", "The challenger runs.", why, **WHERE)
            page.append("batch", "A batch.", {"number": 2, "rows": 200, "norms": [norm(0.3)]}, **WHERE)
        for entry in trail.entries():
            board.add(entry)
    watch = {
        "schema": "assay/watch/1", "case": {"name": "Loans & <b>cards</b>", "purpose": ""},
        "policy": {"version": "1", "sha256": "c" * 64, "automatic": True}, "running": MODEL, "since": 0,
        "state": "PROBATION", "batches": 3, "matured": 3, "rows": 600, "label_delay": 0, "norms": [norm(0.3)],
        "timeline": list(board._timeline), "events": list(board._events), "promotions": board._promotions,
        "trail": {"entries": board.seq, "time": board.time},
    }  # fmt: skip
    (tmp_path / "watch.json").write_bytes(canonical(watch))
    return tmp_path


def embedded(run: Path) -> dict[str, bytes]:
    result = series_bytes(run, "Loans & <b>cards</b>")
    assert result is not None
    return {"series.json": result}


def test_what_leaves_names_no_file_and_no_small_group(run: Path) -> None:
    files = embedded(run)
    text = files["series.json"].decode()
    assert "5 entries" in check_series(files)
    assert "csv" not in text
    assert "window" not in text
    assert "f: 3" not in text
    assert "m: 90" in text
    assert series_of(run, "another case") is None


def test_a_figure_of_few_people_is_withheld(run: Path) -> None:
    watch = json.loads((run / "watch.json").read_text())
    watch["norms"][0]["people"] = watch["timeline"][-1]["norms"][0]["people"] = 2
    (run / "watch.json").write_bytes(canonical(watch))
    result = series_of(run, "Loans & <b>cards</b>")
    assert result is not None
    assert result["norms"][0]["value"] is None
    assert result["norms"][0]["people"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s["norms"][0].update(value=0.05), "a norm does not stand as after the last batch"),
        (lambda s: s["events"].pop(0), "left out|not in the trail"),
        (lambda s: s["trail"]["links"].pop(2), "entries of the trail are missing"),
        (lambda s: s["trail"]["links"][1].update(time="2026-11-23T09:00:00.000+00:00"), "the trail breaks at entry 2"),
        (lambda s: s["trail"]["links"][0].update(hash="0" * 64), "breaks at entry 1"),
        (lambda s: s["decisions"][0].update(by="Cy"), "entry . of the trail says otherwise, by"),
        (lambda s: s["events"][-1].update(words="Nothing."), "says otherwise, words"),
        (
            lambda s: s["trail"]["links"][3].update(body=s["trail"]["links"][3]["body"].replace("Bo", "Cy")),
            "entry 4 of the trail was changed",
        ),
    ],
)
def test_an_edited_history_is_refused(run: Path, change: Callable[[Any], Any], words: str) -> None:
    series = json.loads(embedded(run)["series.json"])
    change(series)
    with pytest.raises(Broken, match=words):
        check_series({"series.json": canonical(series)})


def test_the_chapter_says_who_approved_and_that_it_is_automatic(run: Path, small: Reports, pki: Pki) -> None:
    files = small.files | embedded(run)
    manifest: Manifest = kit.manifest_of(files, pki.auditor)
    document = build_document(files, manifest=manifest)
    chapter = next(s for s in document.sections if s.id == "history")
    assert any(isinstance(b, Notice) and "without a person" in b.text for b in chapter.blocks)
    assert any(isinstance(b, Figure) and "0.300" in b.alt for b in chapter.blocks)
    done = next(b for b in chapter.blocks if isinstance(b, Table) and b.columns[-1] == "Why")
    assert done.rows[0][3:] == ("Bo", "It is bearable.")
    head = strict_json(files["series.json"], "series.json")["trail"]["links"][-1]["hash"]
    assert head in render_html(document)
    kit.assert_believed(files, manifest, pki.auditor)


def test_only_paths_and_small_numbers_are_taken_out_of_words() -> None:
    assert plain_words("0.258 [0.200, 0.313] at 50/50 and/or (a: 12)") == "0.258 [0.200, 0.313] at 50/50 and/or (a: 12)"
