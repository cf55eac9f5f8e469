"""Two audits compared: hand-computed changes, the same people, mix and rate, and edited earlier figures."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from audit.errors import DataError
from audit.stats.intervals import newcombe
from reports.blocks import Notice
from reports.compare import EARLIER, changes, earlier_files, mix_and_rate, mover
from reports.document import build_document
from reports.verify.result import Broken
from reports.verify.series import check_comparison
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


def test_mover_by_hand() -> None:
    """0.30 [0.20, 0.40] less 0.10 [0.05, 0.20]: 0.2 - sqrt(0.1^2 + 0.1^2), 0.2 + sqrt(0.1^2 + 0.05^2)."""
    low, high, p = mover({"value": 0.3, "low": 0.2, "high": 0.4}, {"value": 0.1, "low": 0.05, "high": 0.2})
    assert low == pytest.approx(0.2 - 0.02**0.5)
    assert high == pytest.approx(0.2 + 0.0125**0.5)
    assert 0.001 < p < 0.05


def test_rates_have_newcombes_interval_and_holm(small: Reports) -> None:
    now = json.loads(small.files["evidence.json"])
    before = copy.deepcopy(now)
    before["data"]["sha256"] = "0" * 64
    old = next(r for r in before["rates"] if r["metric"] == "selection_rate" and r["group"] == ["f"])
    old.update(numerator=5, denominator=35, value=5 / 35)
    found = next(c for c in changes(now, before) if c.metric == "selection_rate" and c.group == ("f",))
    low, high = newcombe(16, 35, 5, 35)
    assert (found.low, found.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    assert found.change == pytest.approx(11 / 35)
    assert found.p_adjusted is not None
    assert found.p_adjusted < 1
    (attribute, total, within, mix), *_ = mix_and_rate(now, before)
    assert attribute == ("sex",)
    assert mix == pytest.approx(0)
    assert within == pytest.approx(11 / 70) == total


def test_on_the_same_people_no_interval_is_given(small: Reports, pki: Pki) -> None:
    files = small.files | {other: small.files[name] for name, other in EARLIER.items()}
    now = json.loads(files["evidence.json"])
    assert all(c.change == 0 and c.low is None and c.p_adjusted is None for c in changes(now, now))
    document = build_document(files, manifest=kit.manifest_of(files, pki.auditor))
    chapter = next(s for s in document.sections if s.id == "compared")
    assert any(isinstance(b, Notice) and "same people" in b.text for b in chapter.blocks)


def test_an_edited_earlier_figure_is_refused(small: Reports) -> None:
    files = {other: small.files[name] for name, other in EARLIER.items()}
    assert "found equal" in check_comparison(files)
    bad = kit.edited(files, "earlier-evidence.json", lambda e: e["gaps"][0].update(value=0.001))
    with pytest.raises(Broken, match="does not follow from the cube"):
        check_comparison(bad)


def test_without_an_earlier_audit_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no earlier audit"):
        earlier_files(tmp_path)
