"""Bounds on paper and on the screen: as the evidence has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from audit.documents import Documents, record_in
from audit.documents.evidence import Bound
from audit.publish import publish_files
from reports import words
from reports.blocks import Table
from reports.sections import bounds
from reports.sections.board.found import _unknown
from reports.verify.figures import check_figures
from reports.verify.result import Broken
from tests.reports import kit

ROWS = [("f", "1", "1")] * 30 + [("f", "0", "0")] * 50 + [("m", "1", "1")] * 60 + [("m", "0", "0")] * 40
ROWS += [("", "1", "1")] * 12 + [("", "", "0")] * 18 + [("m", "", "1")] * 9


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    from audit.gaps import Settings
    from audit.load import load_case
    from audit.run import run_audit

    folder = Path(tmp_path_factory.mktemp("b"))
    (folder / "rows.csv").write_text("sex,truth,decided\n" + "".join(f"{s},{t},{d}\n" for s, t, d in ROWS))
    (folder / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\n'
        'sensitive = ["sex"]\n[model]\ndecision = "decided"\n'
    )
    run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=200))
    return {n: (folder / "run" / n).read_bytes() for n in ("evidence.json", "cube.json")}


def test_the_annex_prints_each_bound(files: dict[str, bytes]) -> None:
    built = Documents.of(files).evidence
    annex = bounds.section(kit.sources(built))
    assert annex is not None
    tables = [b for b in annex.blocks if isinstance(b, Table)]
    assert len(tables) == 4
    assert built.bounds is not None
    e = next(e for e in built.bounds.unknown_group if e.metric == "selection_rate")
    # 12 selected and 18 not: all selected men, all others women; and the other way round.
    assert (e.low, e.high) == (
        pytest.approx(max(0.0, 69 / 127 - 42 / 92)), pytest.approx(81 / 121 - 30 / 98)
    )  # fmt: skip
    row = next(r for r in tables[0].rows if r[0] == "Selection rate, difference")
    assert row[2:5] == ("30 of 219", words.width(e), words.span(e))
    assert "10 points: " in row[5]


def test_the_board_says_what_the_unknown_could_change(files: dict[str, bytes]) -> None:
    evidence = Documents.of(files).evidence
    message = _unknown(evidence)
    assert len(message) == 1
    assert "For 30 of 219 people, “sex” is not known. The true gap could be anything from" in message[0]


@pytest.mark.parametrize("published", [False, True])
def test_verify_makes_pairs_and_bounds_again_from_the_cube(published: bool, files: dict[str, bytes]) -> None:
    kept = publish_files(files) if published else files
    check_figures(kept)

    def shift(d: Any) -> None:
        d["bounds"]["unknown_group"][0]["high"] += 0.01

    with pytest.raises(Broken, match="bounds"):
        check_figures(kit.edited(kept, "evidence.json", shift))

    def short(d: Any) -> None:
        d["pairs"][0]["shortfall_low"] += 1

    with pytest.raises(Broken, match="shortfall_low"):
        check_figures(kit.edited(kept, "evidence.json", short))


def page(evidence: dict) -> None:  # type: ignore[type-arg]
    from audit.documents import record_in
    from audit.documents.evidence import Evidence
    from screens import bounds

    measured = record_in(Evidence, evidence, "evidence.json")
    bounds.show(measured, "true_positive_rate", ("sex",))
    bounds.show(measured, "selection_rate", ("sex",))


def test_the_screen_shows_the_same(files: dict[str, bytes]) -> None:
    evidence = json.loads(files["evidence.json"])
    app = AppTest.from_function(page, kwargs={"evidence": evidence}, default_timeout=60).run()
    assert not app.exception
    # Cells are escaped, so that no name is taken for markup.
    shown = [{k: str(v).replace("\\", "") for k, v in r.items()} for t in app.table for r in t.value.to_dict("records")]
    e = next(e for e in evidence["bounds"]["unknown_group"] if e["metric"] == "selection_rate")
    assert any(
        r["Rate"] == "Selection rate, difference" and r.get("Could be") == words.span(record_in(Bound, e, "bounds"))
        for r in shown
    )
