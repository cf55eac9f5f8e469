"""Counts of the loop's batches in a report: judged again, tampered with, and attacked for small groups."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audit.cube import UNLABELLED, CodedRows, Cube, cube_of
from audit.documents import Documents
from audit.documents.watch import NormNow
from audit.files import canonical
from audit.policy import Norm
from audit.suppress import FLOOR
from audit.watch.cells import cube_to_json
from audit.watch.counted import judge_counts
from debias.loop.norms import policy_to_json
from debias.loop.snapshot import Board
from debias.loop.trail import Trail
from reports.blocks import Paragraph
from reports.sections.history import section
from reports.series import series_bytes
from reports.series_counts import Step, tables_of
from reports.verify import verify
from reports.verify.result import Broken
from reports.verify.series import check_series
from tests.debias.loop.played import GAP, MEANING, POLICY, Loop, Model, people
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

CASE = "Loans & <b>cards</b>"
CHANCE = Norm("equal_opportunity", "difference", ("sex",), 0.2, 0.12)
MODELS = {"old": Model({"F": 0.2})}


def watched(out: Path, batches: int, **how: Any) -> dict[str, bytes]:
    """series.json of a loop that was really stepped and kept in a trail. how: n, women, delay."""
    delay = int(how.pop("delay", 0))
    loop, board = Loop(replace(POLICY, norms=(GAP, CHANCE)), delay=delay), Board()
    with Trail.open(f"sqlite:///{out / 'watch.db'}") as trail:
        for number in range(batches):
            before = loop.state.mode
            message = loop.batch(MODELS, **how)
            decided = people(number, MODELS, known=False, **how)["old"]
            with trail.write("2026-11-22T09:00:00.000+00:00") as page:
                page.keep("policy", policy_to_json(loop.policy))
                page.add_batch(number, str(number), str(number), cube_to_json(cube_of(decided)), None)
                for event in message:
                    facts = json.loads(canonical(event.facts))
                    page.append(
                        event.kind, event.words, facts, before=before, after=loop.state.mode, running=loop.state.running
                    )
        for entry in trail.entries():
            board.add(entry)
    case = type("Case", (), {"name": CASE, "purpose": "", "watch": type("W", (), {"label_delay": delay})})
    watch = board.document(case, loop.policy, loop.state, ("sex",))  # type: ignore[arg-type]
    (out / "watch.json").write_bytes(canonical(watch))
    result = series_bytes(out, CASE)
    assert result is not None
    return {"series.json": result}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return watched(tmp_path_factory.mktemp("plain"), 4)


def test_every_figure_of_every_batch_follows_from_the_counts(plain: dict[str, bytes]) -> None:
    series = json.loads(plain["series.json"])
    assert "8 figures of batches follow" in check_series(plain)
    # By hand: the sums of the first two steps, favourable decisions among women and men.
    (table,) = series["counts"]["tables"]
    total = sum(np.array(s["arrived"]["n"]).reshape(2, 3, 2) for s in table["steps"][:2])
    rates = total[:, :, 1].sum(axis=1) / total.sum(axis=(1, 2))
    assert series["timeline"][1]["norms"][0]["value"] == pytest.approx(abs(rates[0] - rates[1]), abs=1e-12)
    assert series["norms"] == series["timeline"][-1]["norms"]


def _more(series: Any, stream: str, step: int = 1) -> None:
    series["counts"]["tables"][0]["steps"][step][stream]["n"][-1 if stream == "matured" else 5] += 1


def _strip(series: Any) -> None:
    series["counts"]["tables"] = []


BAD: list[tuple[Callable[[Any], Any], str]] = [
    (lambda s: _more(s, "arrived"), "batch 1: norm 1 does not follow"),
    (
        lambda s: s["counts"]["tables"][0]["steps"][2]["matured"]["n"].__setitem__(3, 0),
        "batch 2: norm 2 does not follow",
    ),
    (lambda s: s["timeline"][2]["norms"][0].update(value=0.01), "batch 2: .* does not follow from the counts, value"),
    (lambda s: s["timeline"][2]["norms"][0].update(high=0.01), "does not follow from the counts, high"),
    (lambda s: s["timeline"][0]["norms"][1].update(status="inside"), "does not follow from the counts, status"),
    (lambda s: s["counts"]["tables"][0]["steps"][0]["arrived"]["n"].__setitem__(4, -3), "cannot be read"),
    (lambda s: s["counts"].update(people=4000), "does not follow from the counts"),
    (lambda s: s["counts"]["tables"][0]["steps"].pop(0), "batch|counts"),
    (_strip, "has no counts"),
]


@pytest.mark.parametrize(("change", "words"), BAD)
def test_a_tampered_count_gap_or_state_is_refused(plain: dict[str, bytes], change: Any, words: str) -> None:
    with pytest.raises(Broken, match=words):
        check_series(kit.edited(plain, "series.json", change))


@pytest.mark.parametrize("change", [BAD[0][0], BAD[2][0]], ids=["count", "gap"])
def test_a_signed_report_with_a_tampered_history_is_refused(
    plain: dict[str, bytes], small: Reports, pki: Pki, change: Any
) -> None:
    files = small.files | kit.edited(plain, "series.json", change)
    verification = verify(kit.report(files, pki.auditor), printer=lambda f, m: kit.page(f, m))
    bad = {c.name: c.detail for c in verification.checks if c.status == "failed"}
    assert "does not follow from the counts" in bad.get("series", ""), bad


@pytest.mark.parametrize("delay", [0, 2])
def test_no_two_published_sums_tell_a_small_group(tmp_path: Path, delay: int) -> None:
    """Four women a batch: an attacker subtracts every two published sums, and the figures between are not told."""
    files = watched(tmp_path, 40, n=200, women=0.02, delay=delay)
    series = json.loads(files["series.json"])
    known: list[np.ndarray[Any, Any]] = [np.zeros(2, dtype=int)]
    for table in series["counts"]["tables"]:
        for stream in ("arrived", "matured"):
            total = np.zeros(2, dtype=int)
            for step in (s for s in table["steps"] if stream in s):
                total = total + np.array(step[stream]["n"]).reshape(2, 6).sum(axis=1)
                known.append(total)
    assert len(known) > 3
    for a, b in combinations(known, 2):
        apart = np.abs(a - b)
        assert ((apart == 0) | (apart >= FLOOR)).all()
    seen = {n["from"] for p in series["timeline"] for n in p["norms"]}
    assert "withheld" in seen
    hidden = [n for p in series["timeline"] for n in p["norms"] if n["from"] == "withheld"]
    assert all(n[k] is None for n in hidden for k in ("value", "low", "high", "people"))
    assert "are withheld" in check_series(files)
    assert series["norms"][0]["from"] == "counts"  # the newest sums come first


def test_where_counts_may_not_leave_figures_are_rounded_and_said_not_to_be_recomputable(tmp_path: Path) -> None:
    files = watched(tmp_path, 1, n=200, women=0.02)
    series = json.loads(files["series.json"])
    assert series["counts"]["tables"] == []
    assert "cannot be recomputed" in check_series(files)
    sources = type("S", (), {"history": Documents(files).series})
    chapter = section(sources)  # type: ignore[arg-type]
    assert chapter is not None
    assert any(isinstance(b, Paragraph) and "cannot be recomputed" in b.text for b in chapter.blocks)


def _rows(sex: list[int], old: list[int]) -> Cube:
    codes = np.array([sex, old]).T
    n = len(sex)
    unknown = np.full(n, UNLABELLED)
    return cube_of(
        CodedRows(("sex", "old"), (("F", "M"), ("n", "y")), codes, unknown, np.ones(n, dtype=int), None, None, MEANING)
    )


def test_sums_of_an_intersection_are_held_against_those_of_its_columns() -> None:
    """Batch 1 has 3 women; (sex, old) may not show that, nor may sex where (sex, old) shows the sum before."""
    clean, few = _rows([0] * 40 + [1] * 40, ([0] * 20 + [1] * 20) * 2), _rows([0] * 3 + [1] * 20, [0] * 13 + [1] * 10)
    steps = [Step(0, "a", clean, None), Step(1, "a", few, None), Step(2, "a", clean, None)]
    norms = [NormNow("k", "selection_rate", "difference", a, 0.1) for a in (("sex",), ("sex", "old"))]
    result = tables_of(steps, dict.fromkeys(range(3), norms))
    at = {len(t.attribute): [s.number for s in t.steps] for t in result}
    assert at == {1: [0, 2], 2: [0, 2]} or at == {1: [1, 2], 2: [1, 2]}


def test_published_counts_are_judged_by_the_loops_own_rule(plain: dict[str, bytes]) -> None:
    """The same figures as `judge_counts` on all people at once."""
    rows = [people(i, MODELS, known=True)["old"] for i in range(4)]
    total = cube_of(rows[0])
    for r in rows[1:]:
        total = total + cube_of(r)
    right = judge_counts(CHANCE, total.margin(("sex",)), floor=POLICY.loop.people)
    document = json.loads(plain["series.json"])["norms"][1]
    assert document["low"] == pytest.approx(right.low, abs=1e-9)
    assert document["people"] == right.people
