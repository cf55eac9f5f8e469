"""Two audits compared: hand-computed changes, the same people, mix and rate, and edited earlier figures."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import cli
from audit.documents import Documents, record_in
from audit.documents.evidence import Evidence
from audit.errors import DataError, VerificationError
from audit.files import canonical
from audit.metrics import complements
from audit.stats.intervals import newcombe
from reports.blocks import Heading, Lead, Notice, Table
from reports.compare import EARLIER, changes, mix_and_rate, mover
from reports.document import build_document
from reports.earlier import earlier_files
from reports.issue import assemble
from reports.keys import new_key
from reports.log.record import read_report
from reports.sign import certify
from reports.verify.result import Broken
from reports.verify.series import check_comparison
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


def read(evidence: Any) -> Evidence:
    return record_in(Evidence, evidence, "evidence.json")


def test_mover_by_hand() -> None:
    """0.30 [0.20, 0.40] less 0.10 [0.05, 0.20]: 0.2 - sqrt(0.1^2 + 0.1^2), 0.2 + sqrt(0.1^2 + 0.05^2)."""
    low, high, p = mover((0.3, 0.2, 0.4), (0.1, 0.05, 0.2))
    assert low == pytest.approx(0.2 - 0.02**0.5)
    assert high == pytest.approx(0.2 + 0.0125**0.5)
    assert 0.001 < p < 0.05


def test_rates_have_newcombes_interval_and_holm(small: Reports) -> None:
    now = json.loads(small.files["evidence.json"])
    before = copy.deepcopy(now)
    before["data"]["sha256"] = "0" * 64
    old = next(r for r in before["rates"] if r["metric"] == "selection_rate" and r["group"] == ["f"])
    old.update(numerator=5, denominator=35, value=5 / 35)
    result = next(c for c in changes(read(now), read(before)) if c.metric == "selection_rate" and c.group == ("f",))
    low, high = newcombe(16, 35, 5, 35)
    assert (result.low, result.high) == (pytest.approx(float(low)), pytest.approx(float(high)))
    assert result.change == pytest.approx(11 / 35)
    assert result.p_adjusted is not None
    assert result.p_adjusted < 1
    (attribute, total, within, mix), *_ = mix_and_rate(read(now), read(before))
    assert attribute == ("sex",)
    assert mix == pytest.approx(0)
    assert within == pytest.approx(11 / 70) == total


def test_on_the_same_people_no_interval_is_given(small: Reports, pki: Pki) -> None:
    files = small.files | {other: small.files[name] for name, other in EARLIER.items()}
    now = Documents.of(files).evidence
    assert all(c.change == 0 and c.low is None and c.p_adjusted is None for c in changes(now, now))
    document = build_document(files, manifest=kit.manifest_of(files, pki.auditor))
    chapter = next(s for s in document.sections if s.id == "compared")
    assert any(isinstance(b, Notice) and "same people" in b.text for b in chapter.blocks)
    kit.assert_believed(files, kit.manifest_of(files, pki.auditor, annex="short"), pki.auditor)


def test_an_edited_earlier_figure_is_refused(small: Reports) -> None:
    files = {other: small.files[name] for name, other in EARLIER.items()}
    assert "found equal" in check_comparison(files)
    bad = kit.edited(files, "earlier-evidence.json", lambda e: e["gaps"][0].update(value=0.001))
    with pytest.raises(Broken, match="does not follow from the cube"):
        check_comparison(bad)


def test_without_an_earlier_audit_one_message(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no earlier audit"):
        earlier_files(tmp_path)


def _independent(small: Reports) -> tuple[Any, Any]:
    """The audit of the forty rows and more, and one of other people in which fewer women were chosen."""
    now = json.loads(small.files["evidence.json"])
    before = copy.deepcopy(now)
    before["data"]["sha256"] = "0" * 64
    for r in before["rates"]:
        if r["metric"] == "selection_rate" and r["group"] == ["f"]:
            r.update(numerator=1, value=1 / r["denominator"])
    return now, before


def test_a_rate_and_its_mirror_are_one_comparison(small: Reports) -> None:
    now, before = _independent(small)
    result = changes(read(now), read(before))
    assert {"false_negative_rate", "true_negative_rate"} <= {r["metric"] for r in now["rates"]}
    assert not {c.metric for c in result} & set(complements())
    gaps = [c.metric for c in result if not c.group]
    assert "equal_opportunity" in gaps
    assert "true_positive_rate" not in gaps
    rate = next(c for c in result if c.metric == "selection_rate" and c.group == ("f",))
    assert rate.people == (35, 35)


def test_the_chapter_on_other_people_says_what_is_clear_and_by_how_many(small: Reports, pki: Pki) -> None:
    _, before = _independent(small)
    files = small.files | {"earlier-evidence.json": canonical(before), "earlier-cube.json": small.files["cube.json"]}
    document = build_document(files, manifest=kit.manifest_of(files, pki.auditor))
    chapter = next(s for s in document.sections if s.id == "compared")
    assert not any(isinstance(b, Notice) for b in chapter.blocks)
    lead = next(b for b in chapter.blocks if isinstance(b, Lead))
    assert "0 gaps and 1 rates changed" not in lead.text
    assert "1 rate changed by more than chance explains" in lead.text
    tables = {b.caption: b for b in chapter.blocks if isinstance(b, Table)}
    first = tables["Rates by group, the clearest changes first"].rows[0]
    assert first[0] == "Selection rate, sex: f"
    assert first[1:3] == ("0.029 (35)", f"{16 / 35:.3f} (35)")
    assert "[" in first[3]
    headings = [b.text for b in chapter.blocks if isinstance(b, Heading)]
    assert not set(headings) & set(tables)


def test_a_signed_earlier_report_is_taken_where_every_check_holds(
    small: Reports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import reports.verify

    monkeypatch.setattr(reports.verify, "verify", partial(reports.verify.verify, printer=kit.page))
    report = tmp_path / "earlier.pdf"
    report.write_bytes(small.approved)
    assert earlier_files(report) == ({other: small.files[name] for name, other in EARLIER.items()}, ())


def _flipped(small: Reports, pki: Pki) -> bytes:
    return small.certified[:5000] + bytes([small.certified[5000] ^ 1]) + small.certified[5001:]


def _appended(small: Reports, pki: Pki) -> bytes:
    return small.certified + b"\n% nothing\n"


def _other_figures(small: Reports, pki: Pki) -> bytes:
    """Signed by the auditor's own key: every signature is intact, and a figure does not follow from the counts."""
    return kit.report(kit.edited(small.files, "evidence.json", lambda e: e["gaps"][0].update(value=0.001)), pki.auditor)


def _unsigned(small: Reports, pki: Pki) -> bytes:
    return kit.draft(small.files, pki.auditor)


def _not_a_report(small: Reports, pki: Pki) -> bytes:
    return b"PK\x03\x04 no report"


@pytest.mark.parametrize("forge", [_flipped, _appended, _other_figures, _unsigned, _not_a_report])
def test_an_earlier_report_that_does_not_hold_is_refused(
    forge: Callable[[Reports, Pki], bytes],
    small: Reports, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    import reports.verify

    monkeypatch.setattr(reports.verify, "verify", partial(reports.verify.verify, printer=kit.page))
    report = tmp_path / "earlier.pdf"
    report.write_bytes(forge(small, pki))
    with pytest.raises(VerificationError, match="the earlier report does not hold"):
        earlier_files(report)


def test_a_report_verified_in_part_is_compared_and_the_chapter_says_so(
    small: Reports, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made by a machine with another Pango: no check fails, its pages are not checked, and both are told."""
    import reports.verify

    monkeypatch.setattr(reports.verify, "verify", partial(reports.verify.verify, printer=kit.page))
    built = kit.manifest_of(small.files, pki.auditor)
    built = replace(built, tool={**built.tool, "weasyprint": "71.0"})
    page = kit.page(small.files, built).replace("margin:2cm", "margin:3cm")
    report = tmp_path / "earlier.pdf"
    draft = assemble(page, small.files, built)
    report.write_bytes(certify(draft, pki.auditor, field="Auditor", reason="I issued this report").pdf)
    (tmp_path / "now").mkdir()
    kit.audited(tmp_path / "now")
    new_key("Ada Auditor", tmp_path / "ada.p12", b"a long password")
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", "a long password")
    out = tmp_path / "report.pdf"
    run = [str(tmp_path / "now" / "run"), "--key", str(tmp_path / "ada.p12"), "--out", str(out)]
    assert cli.main(["report", *run, "--compare", str(report), "--annex", "short"]) == 0
    manifest, _, files = read_report(out.read_bytes())
    assert manifest.extra["earlier_unchecked"] == ["printed pages"]
    chapter = next(s for s in build_document(files, manifest=manifest).sections if s.id == "compared")
    items = [b.text for b in chapter.blocks if isinstance(b, Notice)]
    assert any("verified only in part" in text and "printed pages" in text for text in items)
