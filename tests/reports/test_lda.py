"""A less discriminatory alternative: need and acceptable loss stand in the log before the search, or it is said."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import cli
from reports.blocks import Paragraph, Table
from reports.document import build_document
from reports.issue import collect, said_of
from reports.log import Log
from reports.manifest import strict_json
from reports.verify.about import check_about
from reports.verify.log import check_history
from reports.verify.reading import attachments_of
from reports.verify.result import Broken
from tests.reports import kit
from tests.reports.pki import Pki
from tests.reports.test_rerun_picked import CASE, loans, say

NEED, LOSS = "Few loans that are not paid back", 0.03
PRESET = """
[policy]
presets = ["lda-search"]
[answers.lda-search]
need = "{need}"
not_taken = "The others err more."
"""
SEARCH = ("--search", "--trials", 2, "--method", "constrained_boosting", "--attribute", "sex", "--at-random")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Audited once; `run` searched with its need in the log first, `late` with the log told afterwards, `plan` with a
    protocol that came after the search."""
    folder = tmp_path_factory.mktemp("lda")
    loans().to_csv(folder / "loans.csv", index=False)
    case, log = folder / "case.toml", folder / "log"
    case.write_text(CASE + PRESET.format(need=NEED))
    (folder / "password").write_text("a long password\n")
    say("audit", case, "--out", folder / "run", "--draws", 100)
    for name in ("late", "plan"):
        shutil.copytree(folder / "run", folder / name)
    fixed = ("--need", NEED, "--acceptable-loss", LOSS)
    say("mitigate", case, "--out", folder / "run", *SEARCH, *fixed, "--log", log)
    late = (*SEARCH, "--need", NEED, "--acceptable-loss", 0.05)
    say("mitigate", case, "--out", folder / "late", *late)
    say("mitigate", case, "--out", folder / "late", *late, "--log", log)
    say("mitigate", case, "--out", folder / "plan", *SEARCH, "--log", log)
    (folder / "plan.md").write_text("Need: few defaults. At most three points more of wrong decisions.")
    say("register", log, "--protocol", folder / "plan.md")
    return folder


Items = dict[str, tuple[str, str]]


def items(place: Path, pki: Pki, name: str, log: bool = True, protocol: bool = False, **answers: str) -> Items:
    """Title of an item of the form -> its state and text, as a report on this run folder would print them."""
    files = collect(place / name)
    if answers:

        def other(d: Any) -> None:
            d["presets"][0]["answers"] |= answers

        files = kit.edited(files, "presets.json", other)
    search = strict_json(files["search.json"], "search.json")
    view, plan = Log(place / "log").view() if log else None, place / "plan.md" if protocol else None
    extra = said_of(place / name, "Loans", view, plan, (), searched=search)
    document = build_document(files, manifest=kit.manifest_of(files, pki.auditor, extra=extra))
    form = next(s for s in document.sections if s.id.startswith("form-"))
    table = next(b for b in form.blocks if isinstance(b, Table) and b.caption == "The form")
    return {row[0].partition("\n")[0]: (row[1], row[2]) for row in table.rows}


def test_the_first_pages_tell_of_a_search_of_which_nobody_picked(place: Path, pki: Pki) -> None:
    files = collect(place / "run")
    first, second = build_document(files, manifest=kit.manifest_of(files, pki.auditor)).sections[:2]
    text = [" ".join(b.text for b in s.blocks if isinstance(b, Paragraph)) for s in (first, second)]
    assert "2 other ways of deciding were tried in a search; nobody has picked one." in text[0]
    assert "A search tried other ways of deciding: 2. Nobody has picked one so far." in text[1]


NEEDED, ACCEPTED, FIXED = (
    "The need that the decision serves", "How much loss was called acceptable, before the search",
    "That it was fixed before the results",
)  # fmt: skip


def test_what_was_in_the_log_before_the_first_candidate_is_here(place: Path, pki: Pki) -> None:
    result = items(place, pki, "run")
    assert result[NEEDED] == ("here", NEED)
    assert result[ACCEPTED] == ("here", str(LOSS))
    state, text = result[FIXED]
    assert state == "here"
    assert "before its first candidate, with the need (“Few loans" in text
    assert "the acceptable loss (3.0 %)" in text
    assert "2 candidates were drawn at random." in result["What more search could still gain"][1]


def test_a_need_that_is_written_otherwise_or_shown_by_no_log_is_stale(place: Path, pki: Pki) -> None:
    state, text = items(place, pki, "run", need="Many loans")[NEEDED]
    assert (state, "it was written otherwise: “Few loans" in text) == ("stale", True)
    unlogged = items(place, pki, "run", log=False)
    assert unlogged[FIXED][0] == "lacking"
    assert unlogged[NEEDED][0] == unlogged[ACCEPTED][0] == "stale"


def test_a_search_that_the_log_knows_only_since_it_was_under_way_is_stale(place: Path, pki: Pki) -> None:
    result = items(place, pki, "late")
    assert result[FIXED][0] == "stale"
    assert "when 2 candidates had been tried" in result[FIXED][1]
    assert result[NEEDED] == ("stale", f"{NEED} It is not shown that this was written before the search.")


def test_a_protocol_that_came_after_the_search_is_stale(place: Path, pki: Pki) -> None:
    state, text = items(place, pki, "plan", protocol=True)[FIXED]
    assert state == "stale"
    assert "plan.md" in text
    assert "the search began before" in text
    assert items(place, pki, "plan")[FIXED][0] == "lacking", "neither need nor loss, and no protocol"


def test_the_report_verifies_with_its_log_and_runs_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, pdf, log = place / "ada.p12", place / "report.pdf", place / "log"
    say("keys", "new", "--name", "Ada", "--out", key, "--password-file", place / "password")
    say("report", place / "run", "--key", key, "--password-file", place / "password", "--annex", "none", "--log", log,
        "--out", pdf)  # fmt: skip
    capsys.readouterr()
    code = cli.main(["verify", str(pdf), "--log", str(log), "--rerun", str(place / "case.toml"), "--json"])
    document = json.loads(capsys.readouterr().out)
    checks = {c["check"]: c for c in document["checks"]}
    assert code == 0, [c for c in document["checks"] if c["status"] != "ok"]
    manifest = strict_json(attachments_of(pdf.read_bytes())["manifest.json"], "manifest.json")
    assert manifest["extra"]["annex"] == "none"
    assert "search.json" in checks["rerun"]["detail"]
    assert "presets.json presets (texts of forms and what people answered" in checks["rerun"]["detail"]


@pytest.mark.parametrize(
    ("forged", "words"),
    [
        ({"tried": 0}, "the report tells of its search otherwise than the log"),
        ({"logged": "2020-01-01T00:00:00+00:00"}, "the report tells of its search otherwise than the log"),
        ({"after_protocol": True}, "the report tells of its search otherwise than the log"),
        ({"sha256": "0" * 64}, "the manifest tells of another search than the one that is embedded"),
    ],
)
def test_what_a_report_says_of_its_search_is_held_against_file_and_log(
    place: Path, forged: dict[str, Any], words: str, pki: Pki
) -> None:
    files, view = collect(place / "late"), Log(place / "log").view()
    search = strict_json(files["search.json"], "search.json")
    extra = said_of(place / "late", "Loans", view, None, (), searched=search)
    manifest = kit.manifest_of(files, pki.auditor, extra=extra)
    check_about(manifest, files)
    check_history(view, manifest)
    other = replace(manifest, extra=extra | {"search": extra["search"] | forged})

    def both() -> None:
        check_about(other, files)
        check_history(view, other)

    with pytest.raises(Broken, match=words):
        both()
    with pytest.raises(Broken, match="the embedded search does not say what was asked"):
        check_about(manifest, {**files, "search.json": b'{"asked": {}}'})
