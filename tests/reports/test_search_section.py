"""A search in the report: the front as table and drawing, who picked and why, and every figure checked again."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from debias.pareto import run_search
from debias.pick import pick
from reports import words
from reports.blocks import Figure, Heading, Notice, Paragraph, Table
from reports.document import build_document
from reports.issue import collect
from reports.manifest import Attached, Manifest, slots_for
from reports.render import render_html
from reports.rerun import run_again
from reports.verify.figures import check_mitigation, check_search
from reports.verify.rerun import check_rerun
from reports.verify.result import Broken
from tests.reports import kit
from tests.reports.pki import Pki

WHEN = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Files:
    """German credit, searched, and the narrowest of the front picked."""
    out = tmp_path_factory.mktemp("german")
    case = load_case(root / "sample_data" / "german_credit.toml")
    run_audit(case, out, Settings(draws=60))
    search = run_search(case, out, trials=5, methods=["constrained_boosting"], draws=60)
    narrow = min((t for t in search["trials"] if t["front"]), key=lambda t: float(t["gap"]["high"]))
    pick(case, out, narrow["trial"], reason="<narrow> & bearable", by="Bo", now=WHEN, draws=60)
    return collect(out)


def blocks(files: Files) -> list[Any]:
    """The report's section on mitigation from the search on."""
    built = Manifest(
        title="Fairness audit",
        case="case",
        author="Ada Auditor",
        language="en",
        issued=WHEN,
        attachments=tuple(Attached.of(n, b) for n, b in sorted(files.items())),
        signers=slots_for("Ada Auditor", []),
    )
    document = build_document(files, manifest=built)
    assert "&lt;narrow&gt;" in render_html(document) or "mitigation.json" not in files
    result = next(s for s in document.sections if s.id == "mitigation").blocks
    return list(result[result.index(Heading("The search")) :])


def changed(files: Files, name: str, change: Any) -> Files:
    document = json.loads(files[name])
    change(document)
    return {**files, name: json.dumps(document).encode()}


def test_the_front_is_printed_and_who_picked_and_why(files: Files) -> None:
    search = json.loads(files["search.json"])
    choice = json.loads(files["mitigation.json"])["choice"]
    result = blocks(files)
    text = " ".join(b.text for b in result if isinstance(b, Paragraph))
    assert "5 candidates were tried (constrained boosting; seed 0)" in text
    assert "None of the 400 test rows was used" in text
    assert f"Bo picked candidate {choice['trial']} of 5 on 2026-11-22. Reason: <narrow> & bearable" in text
    table = next(b for b in result if isinstance(b, Table))
    on = [t for t in search["trials"] if t["front"]]
    assert sorted(r[0] for r in table.rows) == sorted(["–", *(str(t["trial"]) for t in on)])
    for t in on:
        row = next(r for r in table.rows if r[0] == str(t["trial"]))
        loss, gap = t["loss"], t["gap"]
        assert row[2] == f"{words.share(loss['value'])} {words.bracket(loss['low'], loss['high'])}"
        assert row[3] == f"{words.number(100 * gap['value'], 1)} {words.bracket(gap['low'], gap['high'])}"
        assert f"tolerance {t['parameters']['tolerance']:g}" in row[1]


def test_the_drawing_tells_kinds_apart_without_colour_and_is_the_same_twice(files: Files) -> None:
    first, second = (next(b for b in blocks(files) if isinstance(b, Figure)) for _ in "12")
    assert first == second
    search = json.loads(files["search.json"])
    on = sum(t["front"] for t in search["trials"])
    # One in the legend and one for each: circles filled for the front, the ring of the picked one unfilled.
    assert len(re.findall(r"<circle[^>]*r=\"4.6\"", first.svg)) == on + 1
    assert len(re.findall(r"<circle[^>]*r=\"9\" fill=\"none\"", first.svg)) == 1
    assert len(re.findall(r"<rect[^>]*fill=\"#16212b\"", first.svg)) == 2
    assert "ringed" in first.alt
    assert "nan" not in first.svg
    places = [float(v) for v in re.findall(r"c[xy]=\"([-0-9.]+)\"", first.svg)]
    assert all(0 <= v <= 680 for v in places)


def test_without_a_pick_or_with_one_of_another_search_it_is_said(files: Files) -> None:
    alone = {n: b for n, b in files.items() if n != "mitigation.json"}
    text = " ".join(b.text for b in blocks(alone) if isinstance(b, Paragraph))
    assert "Nobody has picked a candidate of this search" in text
    other = changed(files, "mitigation.json", lambda d: d["choice"]["search"].update(sha256="0" * 64))
    notices = " ".join(b.text for b in blocks(other) if isinstance(b, Notice))
    assert "from an earlier search, not from the one printed here" in notices
    assert "ringed" not in next(b for b in blocks(other) if isinstance(b, Figure)).alt


def test_every_figure_is_computed_again(files: Files) -> None:
    assert "5 candidates computed again" in check_search(files)
    assert check_mitigation(files, {})


def repicked(files: Files) -> Files:
    """The choice made to name the changed search, so that only the change itself can be found."""
    digest = hashlib.sha256(files["search.json"]).hexdigest()
    return changed(files, "mitigation.json", lambda d: d["choice"]["search"].update(sha256=digest))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["trials"][0]["loss"].update(value=0.001), "candidate 1, loss"),
        (lambda d: d["trials"][0]["gap"].update(high=0.001), "candidate 1, gap"),
        (lambda d: d["original"]["gap"].update(low=0.9), "original, gap"),
        (lambda d: d["trials"][0]["matched"]["loss"].update(high=0.9), "threshold moved, loss"),
        (lambda d: d["trials"][0]["counts"][0]["cells"][0].__setitem__(3, 1), "candidate 1"),
        (lambda d: d["trials"][0].update(front=not d["trials"][0]["front"]), "candidate 1, front"),
        (lambda d: d["trials"].pop(), "looked_at"),
        (lambda d: [t["parameters"].update(tolerance=0.29) for t in d["trials"]], "tolerance"),
        (lambda d: [t["parameters"].update(trees=41) for t in d["trials"]], "parameters"),
        (lambda d: [t.update(model="0" * 64) for t in d["trials"]], "same_model"),
        (lambda d: d["asked"].update(seed=7), "seed"),
        (lambda d: [t.update(method="reweighing") for t in d["trials"]], "method"),
        (lambda d: d["trials"][0].pop("counts"), "cannot be measured"),
    ],
)
def test_a_changed_figure_is_found_and_named(files: Files, change: Any, said: str) -> None:
    with pytest.raises(Broken, match=re.escape(said)):
        check_search(repicked(changed(files, "search.json", change)))


@pytest.mark.parametrize(("key", "value"), [("constraint", "equalized_odds"), ("attributes", ["age"])])
def test_a_candidate_made_for_something_else_is_found(files: Files, key: str, value: Any) -> None:
    with pytest.raises(Broken, match=f"candidate, {key} does not follow from the cube"):
        check_search(changed(files, "mitigation.json", lambda d: d["parameters"].update({key: value})))


def test_the_run_made_again_is_the_same(files: Files, root: Path) -> None:
    case = load_case(root / "sample_data" / "german_credit.toml")
    again = run_again(case, files)
    assert again["search.json"] == files["search.json"]
    assert "found equal" in check_rerun(files, again)
    forged = changed(files, "mitigation.json", lambda d: d["choice"].update(same_model=False))
    with pytest.raises(Broken, match="same_model"):
        check_search(forged)


def test_its_pages_are_believed(files: Files, pki: Pki) -> None:
    kit.assert_believed(files, kit.manifest_of(files, pki.auditor, annex="short"), pki.auditor)
