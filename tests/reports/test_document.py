"""The document says what the evidence says: every figure, its interval, its count, in words that escape nothing."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pikepdf
import pypdf
import pytest

from audit.errors import DataError
from audit.explain import run_explain
from audit.load import load_case
from audit.run import run_audit
from debias.mitigate import run_mitigate
from reports import charts, words
from reports.document import Document, Figure, Notice, Paragraph, Points, Section, Table, build_document
from reports.issue import collect
from reports.manifest import Attached, Manifest, slots_for
from reports.pdf import write_pdf
from reports.render import render_html

WHEN = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)


def manifest(files: dict[str, bytes], **changes: object) -> Manifest:
    made = Manifest(
        title="Fairness audit",
        case="case",
        author="Ada Auditor",
        language="en",
        issued=WHEN,
        attachments=tuple(Attached.of(n, b) for n, b in sorted(files.items())),
        signers=slots_for("Ada Auditor", ["Bo Board"]),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, root: Path) -> dict[str, bytes]:
    """German credit, measured, explained and mitigated: the favourable value is not the positive one."""
    out = tmp_path_factory.mktemp("german")
    case = load_case(root / "sample_data" / "german_credit.toml")
    run_audit(case, out)
    run_explain(case, out, people=[3], rows=200)
    run_mitigate(case, "reweighing", out, draws=300)
    return collect(out)


@pytest.fixture(scope="module")
def document(files: dict[str, bytes]) -> Document:
    return build_document(files, manifest=manifest(files))


@pytest.fixture(scope="module")
def pdf(files: dict[str, bytes], document: Document) -> bytes:
    m = manifest(files)
    return write_pdf(
        render_html(document), attachments={}, title=m.title, author=m.author, language="en", created=WHEN,
        signers=m.signers,
    )  # fmt: skip


def section(document: Document, name: str) -> Section:
    return next(s for s in document.sections if s.id == name)


def text_of(part: Section | Document) -> str:
    """All text, in order."""
    if isinstance(part, Document):
        return "\n".join(text_of(s) for s in part.sections)
    out = [part.title]
    for b in part.blocks:
        if isinstance(b, Table):
            out += [b.caption, " ".join(b.columns), *(" ".join(r) for r in b.rows), b.note]
        elif isinstance(b, Points):
            out += b.items
        elif isinstance(b, Figure):
            out += [b.alt, b.caption]
        elif isinstance(b, Paragraph | Notice):
            out.append(b.text)
    return "\n".join(out)


def test_every_selection_rate_stands_with_its_interval_and_count(files: dict[str, bytes], document: Document) -> None:
    evidence = json.loads(files["evidence.json"])
    text = text_of(section(document, "measures"))
    rates = [r for r in evidence["rates"] if r["metric"] == "selection_rate" and r["attribute"] and r["estimable"]]
    assert rates
    for r in rates:
        limits = f"[{100 * r['low']:.1f}, {100 * r['high']:.1f}]"
        assert f"{100 * r['value']:.1f} % {limits}, {r['numerator']:,} of {r['denominator']:,}" in text


def test_every_gap_stands_with_its_interval_and_adjusted_p(files: dict[str, bytes], document: Document) -> None:
    evidence = json.loads(files["evidence.json"])
    text = text_of(section(document, "measures"))
    for g in evidence["gaps"]:
        if g["kind"] == "difference" and g["value"] is not None and g["low"] is not None:
            assert f"{g['value']:.3f} {g['low']:.3f} to {g['high']:.3f}" in text


def test_the_board_reads_who_is_affected_what_was_tried_and_what_got_worse(
    files: dict[str, bytes], document: Document
) -> None:
    text = text_of(section(document, "board"))
    mitigation = json.loads(files["mitigation.json"])
    assert "received the favourable decision" in text
    assert "95 % interval" in text
    assert "Reweighing was tried" in text
    assert f"{mitigation['splits']['test']:,} people that neither model" in text
    assert "got worse" in text
    assert "Nobody has accepted or rejected" in text


def test_words_that_must_not_be_said_are_not(document: Document) -> None:
    text = text_of(document).lower()
    for word in ("unbiased", "is fair", "passes the law", "certified fair", "compliant", "bias-free"):
        assert word not in text


def test_no_person_is_printed_unless_asked_for(files: dict[str, bytes], document: Document) -> None:
    assert "One person" not in text_of(section(document, "explanations"))
    assert json.loads(files["explain.json"])["people"] == []


def test_a_value_that_cannot_be_estimated_says_why(files: dict[str, bytes]) -> None:
    evidence = json.loads(files["evidence.json"])
    rate = next(r for r in evidence["rates"] if r["metric"] == "true_positive_rate" and r["attribute"] == ["sex"])
    rate |= {"value": None, "low": None, "high": None, "estimable": False, "reason": "0 people whose outcome is '2'"}
    changed = {**files, "evidence.json": json.dumps(evidence).encode()}
    text = text_of(section(build_document(changed, manifest=manifest(changed)), "measures"))
    assert "not estimable" in text
    assert "0 people whose outcome is '2'" in text


def test_what_is_missing_is_listed(files: dict[str, bytes], document: Document) -> None:
    assert "a person's decision on the candidate" in text_of(section(document, "lacking"))
    bare = {n: files[n] for n in ("evidence.json", "cube.json")}
    made = build_document(bare, manifest=manifest(bare, signers=slots_for("Ada Auditor")))
    text = text_of(section(made, "lacking"))
    for words_ in ("an explanation", "a mitigation", "board members", "a timestamp"):
        assert words_ in text
    assert "No mitigation has been tried" in text_of(section(made, "board"))


def test_without_evidence_there_is_no_report(files: dict[str, bytes]) -> None:
    with pytest.raises(DataError):
        build_document({"cube.json": files["cube.json"]}, manifest=manifest(files))


def test_equal_files_give_equal_pages(files: dict[str, bytes], document: Document) -> None:
    again = build_document(files, manifest=manifest(files))
    assert again == document
    assert render_html(again) == render_html(document)


def test_a_persons_words_are_never_markup(files: dict[str, bytes]) -> None:
    evidence = json.loads(files["evidence.json"])
    evidence["case"] = {"name": '<script>x</script> "} @import', "purpose": "ü 🙂 عربي " + "long " * 60}
    evidence["notes"] = ["<img src=file:///etc/passwd>"]
    changed = {**files, "evidence.json": json.dumps(evidence).encode()}
    html = render_html(build_document(changed, manifest=manifest(changed)))
    assert "<script" not in html
    assert "&lt;img src=file:///etc/passwd&gt;" in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)
    write_pdf(html, attachments={}, title="t", author="a", language="en", created=WHEN, signers=())


def test_the_pages_have_numbers_contents_heads_and_alternative_texts(document: Document, pdf: bytes) -> None:
    html = render_html(document)
    tables = [b for s in document.sections for b in s.blocks if isinstance(b, Table)]
    figures = [b for s in document.sections for b in s.blocks if isinstance(b, Figure)]
    assert html.count("<caption>") == len(tables)
    assert html.count('scope="col"') == sum(len(t.columns) for t in tables)
    assert html.count("<img alt=") == len(figures)
    assert all(len(f.alt) > 30 for f in figures)
    pages = [p.extract_text() for p in pypdf.PdfReader(io.BytesIO(pdf)).pages]
    assert all(f"Page {i} of {len(pages)}" in p for i, p in enumerate(pages, 1) if i > 1)
    assert "For the board" in pages[1]
    assert "Contents" in pages[2], "the board's page is one page"
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert float(opened.pages[0].mediabox[2]) == pytest.approx(595.28, abs=0.1)
        assert opened.Root.MarkInfo.Marked


def test_every_term_in_the_glossary_is_in_order_and_explained() -> None:
    names = [t for t, _ in words.GLOSSARY]
    assert names == sorted(names, key=str.lower)
    assert all(len(m) > 20 and m.endswith((".", "best.")) for _, m in words.GLOSSARY)


# -- charts -----------------------------------------------------------------------------------------------------


def test_dots_are_where_their_values_are() -> None:
    svg = charts.dots([charts.Dot("a", 0.0, 0.0, 0.1), charts.Dot("b", 1.0, 0.9, 1.0)])
    x = [float(v) for v in re.findall(r'<circle cx="([0-9.]+)"', svg)]
    assert x[0] == pytest.approx(charts.LABEL)
    assert x[1] == pytest.approx(charts.WIDTH - charts.RIGHT)
    assert "0.0 %" in svg
    assert "100.0 %" in svg


def test_series_differ_in_shape_and_a_missing_value_is_written_out() -> None:
    svg = charts.dots(
        [charts.Dot("a", 0.2, 0.1, 0.3, 0), charts.Dot("a", 0.3, 0.2, 0.4, 1), charts.Dot("a", None, None, None, 2)],
        series=["one", "two", "three"],
    )
    assert "<circle" in svg
    assert "<rect" in svg
    assert "not estimable" in svg


@pytest.mark.parametrize("value", [1e-9, 0.003, 0.2, 17.0, 12345.0])
def test_any_scale_has_few_round_ticks(value: float) -> None:
    svg = charts.bars(["a", "b"], [value, -value / 2])
    assert 3 <= svg.count('text-anchor="middle"') <= 8
    assert svg == charts.bars(["a", "b"], [value, -value / 2])


def test_names_are_escaped_in_charts() -> None:
    assert "<b>" not in charts.bars(["<b>&"], [1.0])
