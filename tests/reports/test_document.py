"""The document says what the evidence says: every figure, its interval, its count, in words that escape nothing."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest

from audit.errors import DataError
from audit.gaps import Settings
from audit.load import load_case
from audit.metrics import complements
from audit.run import run_audit
from audit.values import Rate
from reports import words
from reports.document import (
    Document,
    Figure,
    Keys,
    Lead,
    Notice,
    Paragraph,
    Points,
    Section,
    Table,
    build_document,
)
from reports.issue import collect
from reports.manifest import Attached, Manifest, slots_for
from reports.pdf import write_pdf
from reports.render import render_html
from reports.sections import find, measures
from tests.reports import layout
from tests.shared import german

WHEN = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)


def manifest(files: dict[str, bytes], **changes: object) -> Manifest:
    built = Manifest(
        title="Fairness audit",
        case="case",
        author="Ada Auditor",
        language="en",
        issued=WHEN,
        attachments=tuple(Attached.of(n, b) for n, b in sorted(files.items())),
        signers=slots_for("Ada Auditor", ["Bo Board"]),
    )
    return replace(built, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """German credit, measured, explained and mitigated: the favourable value is not the positive one."""
    return collect(german(tmp_path_factory))


@pytest.fixture(scope="module")
def document(files: dict[str, bytes]) -> Document:
    return build_document(files, manifest=manifest(files))


@pytest.fixture(scope="module")
def pdf(files: dict[str, bytes]) -> bytes:
    """Without its annex: what stands on which page is asked of its first pages and its last."""
    m = manifest(files, extra={"annex": "none"})
    html = render_html(build_document(files, manifest=m))
    return write_pdf(
        html, attachments={}, title=m.title, author=m.author, language="en", created=WHEN,
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
        elif isinstance(b, Paragraph | Lead | Notice):
            out.append(b.text)
        elif isinstance(b, Keys):
            out += [f"{k.label} {k.value} {k.text}" for k in b.items]
    return "\n".join(out)


def test_every_selection_rate_stands_with_its_interval_and_count(files: dict[str, bytes], document: Document) -> None:
    evidence = json.loads(files["evidence.json"])
    text = text_of(section(document, "measures"))
    rates = [r for r in evidence["rates"] if r["metric"] == "selection_rate" and r["attribute"] and r["estimable"]]
    assert rates
    for r in rates:
        limits = f"[{100 * r['low']:.1f}, {100 * r['high']:.1f}]"
        assert f"{100 * r['value']:.1f} % {limits}\n{r['numerator']:,} of {r['denominator']:,}" in text


def test_every_gap_stands_with_its_interval_and_adjusted_p(files: dict[str, bytes], document: Document) -> None:
    """In points where shares are compared; rates that say the same the other way round are not printed twice."""
    evidence = json.loads(files["evidence.json"])
    rows = {
        (b.caption, row[0]): row
        for b in section(document, "measures").blocks
        if isinstance(b, Table) and b.caption.startswith("Gaps by")
        for row in b.rows
    }
    seen = 0
    for g in evidence["gaps"]:
        if g["kind"] != "difference" or g["value"] is None or g["metric"] in complements():
            continue
        row = rows[f"Gaps by {words.by(g['attribute'])}", words.capital(words.metric(g["metric"]))]
        if g["metric"] in words.SCORES:
            ends = (g["low"], g["high"]) if g["pair_low"] is None else (g["pair_low"], g["pair_high"])
            assert row[1] == f"{g['value']:.3f} [{ends[0]:.3f}, {ends[1]:.3f}]".replace("-", "−")
        else:
            # Of the two groups that the last column names; the test of all groups has a column of its own.
            limits = f"[{100 * g['pair_low']:.1f}, {100 * g['pair_high']:.1f}]".replace("-", "−")
            assert row[1] == f"{100 * g['value']:.1f} {limits}"
        assert row[3] == ("–" if g["pair_p_adjusted"] is None else words.p_words(g["pair_p_adjusted"]))
        assert row[4] == ("–" if g["p_adjusted"] is None else words.p_words(g["p_adjusted"]))
        seen += 1
    assert seen == len([r for r in rows.values() if r[1] != "not estimable"])
    assert seen > 20


def test_page_1_reads_who_fares_worse_the_options_and_what_is_asked(
    files: dict[str, bytes], document: Document
) -> None:
    board = section(document, "board")
    text = text_of(board)
    mitigation = json.loads(files["mitigation.json"])
    assert "the answer that is good for the person" in text
    assert f"Measured on {mitigation['splits']['test']:,} people whom no option has learned from." in text
    assert "Nobody has accepted or rejected" in text
    assert "\u2610\u00a0It\u00a0may\u00a0go\u00a0on\u00a0with\u00a0the\u00a0candidate" in text
    options = next(b for b in board.blocks if isinstance(b, Table) and b.caption == "The options side by side")
    assert options.columns[1:] == ("Go on as it is", "Only move the threshold", "Candidate: Reweighing")
    for column, arm in enumerate(("original", "matched", "candidate"), 1):
        right = next(r for r in mitigation["arms"][arm]["rates"] if (r["metric"], r["attribute"]) == ("accuracy", []))
        assert options.rows[-1][column] == f"{100 * right['value']:.1f} of 100"
        n = next(
            n for n in mitigation["arms"][arm]["norms"]
            if (n["metric"], n["kind"], n["attribute"]) == ("selection_rate", "difference", ["age"])
        )  # fmt: skip
        row = next(r for r in options.rows if r[0].startswith("Who gets it, gap by age: at most 10 points"))
        assert row[column].startswith(f"{100 * n['value']:.1f} [".replace("-", "−"))


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
    def lacking(built: Document) -> set[str]:
        table = next(b for b in section(built, "lacking").blocks if isinstance(b, Table))
        return {row[0] for row in table.rows if row[1] == "lacking"}

    assert "A person's decision on the candidate" in lacking(document)
    assert "An explanation of the decisions" not in lacking(document)
    bare = {n: files[n] for n in ("evidence.json", "cube.json")}
    record = build_document(bare, manifest=manifest(bare, signers=slots_for("Ada Auditor")))
    more = lacking(record) - lacking(document)
    assert more >= {
        "An explanation of the decisions", "A mitigation that was tried", "Board members asked to decide"
    }  # fmt: skip
    stamped = build_document(bare, manifest=manifest(bare, extra={"timestamp": True}))
    assert lacking(record) - lacking(stamped) == {
        "A timestamp by an independent authority", "Board members asked to decide"
    }  # fmt: skip
    assert "No other way was tried" in text_of(section(record, "board"))


def test_without_evidence_there_is_no_report(files: dict[str, bytes]) -> None:
    with pytest.raises(DataError):
        build_document({"cube.json": files["cube.json"]}, manifest=manifest(files))


def test_equal_files_give_equal_pages(files: dict[str, bytes], document: Document) -> None:
    again = build_document(files, manifest=manifest(files))
    assert again == document
    assert render_html(again) == render_html(document)


def test_the_pages_have_numbers_contents_heads_and_alternative_texts(document: Document, pdf: bytes) -> None:
    html = render_html(document)
    tables = [b for s in document.sections for b in s.blocks if isinstance(b, Table)]
    figures = [b for s in document.sections for b in s.blocks if isinstance(b, Figure)]
    assert html.count("<caption>") == len(tables)
    assert html.count('scope="col"') == sum(len(t.columns) for t in tables)
    assert html.count("<img alt=") == len(figures)
    assert all(len(f.alt) > 30 for f in figures)
    pages = [" ".join(text.split()) for text in layout.pages_of(pdf).text]
    assert all(f"Page {i} of {len(pages)}" in p for i, p in enumerate(pages, 1))
    assert "For the board" in pages[0]
    assert "For the public" in pages[1], "the board's page is one page"
    assert "Contents" in pages[2], "the public's page is one page"
    assert "About this file" in pages[-1], "fingerprints are on the last page"
    assert not re.search("[0-9a-f]{40}", "".join(pages[:3])), "and on none of the first"
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert float(opened.pages[0].mediabox[2]) == pytest.approx(595.28, abs=0.1)
        assert opened.Root.MarkInfo.Marked


def test_every_term_in_the_glossary_is_in_order_and_explained() -> None:
    names = [t for t, _ in words.glossary()]
    assert names == sorted(names, key=str.lower)
    assert all(len(m) > 20 and m.endswith((".", "best.")) for _, m in words.glossary())


def test_the_board_reads_the_gap_in_people(files: dict[str, bytes], document: Document) -> None:
    """The number of people is the gap times the people of the lower group, its ends those of the gap's interval."""
    evidence = json.loads(files["evidence.json"])
    pair = next(p for p in evidence["pairs"] if (p["metric"], p["attribute"]) == ("selection_rate", ["age"]))
    people = next(c["rows"] for c in evidence["counts"] if (c["attribute"], c["group"]) == (["age"], pair["lower"]))
    assert pair["low"] > 0
    key = next(k for b in section(document, "board").blocks if isinstance(b, Keys) for k in b.items if "age" in k.label)
    assert key.value == f"{people * pair['difference']:,.0f} people"
    assert f"{people * pair['low']:,.0f} to {people * pair['high']:,.0f}" in key.text


def test_a_gap_that_may_be_nought_is_not_turned_into_people(files: dict[str, bytes]) -> None:
    evidence = json.loads(files["evidence.json"])
    for p in evidence["pairs"]:
        p["low"] = min(p["low"], 0.0)
    changed = {**files, "evidence.json": json.dumps(evidence).encode()}
    record = build_document(changed, manifest=manifest(changed))
    assert not any(isinstance(b, Keys) for b in section(record, "board").blocks)
    assert "more people would have it" not in text_of(section(record, "public"))


def test_norms_are_inside_or_outside_and_never_passed(files: dict[str, bytes], document: Document) -> None:
    text = text_of(section(document, "norms"))
    evidence = json.loads(files["evidence.json"])
    assert evidence["policy"]["version"] in text
    for status in {n["status"] for n in evidence["norms"]}:
        assert measures.STATUS[status] in text
    assert "passed" not in text_of(section(document, "norms"))


def test_no_form_is_printed_that_nobody_asked_for(document: Document) -> None:
    text = text_of(document)
    assert not any(s.id.startswith("form") for s in document.sections)
    for word in ("Local Law", "four-fifths", "AI Act", "Impact ratios"):
        assert word not in text


def test_one_report_has_one_number_and_another_has_another(files: dict[str, bytes]) -> None:
    first = build_document(files, manifest=manifest(files))
    second = build_document(files, manifest=manifest(files, issued=WHEN + dt.timedelta(days=1)))
    assert first.number != second.number
    assert re.fullmatch("[0-9a-f]{12}", first.number)
    identity = next(b for b in section(first, "identity").blocks if isinstance(b, Table))
    assert ("Report", first.number) in identity.rows
    assert build_document(files, manifest=manifest(files, extra={"number": "2026-7"})).number == "2026-7"


def test_wide_data_print_a_bounded_number_of_rows(files: dict[str, bytes]) -> None:
    """Hundreds of groups and dozens of intersections: some are printed, the note says how many there are."""
    evidence = json.loads(files["evidence.json"])
    rate = next(r for r in evidence["rates"] if r["metric"] == "selection_rate" and r["attribute"] == ["sex"])
    count = next(c for c in evidence["counts"] if c["attribute"] == ["sex"])
    many = [f"g{i}" for i in range(300)]
    evidence["rates"] = [r for r in evidence["rates"] if r["attribute"] != ["sex"]]
    evidence["rates"] += [{**rate, "group": [g]} for g in many]
    evidence["counts"] += [{**count, "group": [g]} for g in many]
    gap = next(g for g in evidence["gaps"] if g["metric"] == "selection_rate" and len(g["attribute"]) == 2)
    evidence["gaps"] += [{**gap, "attribute": ["sex", f"a{i}"]} for i in range(30)]
    for g in evidence["gaps"]:
        if g["attribute"] == ["sex"]:
            g["highest"], g["lowest"] = ["g0"], ["g1"]
    changed = {**files, "evidence.json": json.dumps(evidence).encode()}
    record = build_document(changed, manifest=manifest(changed))
    tables = [b for s in record.sections if s.id != "results" for b in s.blocks if isinstance(b, Table)]
    assert max(len(t.rows) for t in tables) <= find.MOST_ROWS
    assert "40 of 300 groups are printed" in text_of(section(record, "measures"))
    assert re.search(r"\d+ more attributes or intersections are not printed", text_of(section(record, "data")))
    assert sum(t.caption.startswith("Gaps by") for t in tables) <= 2 + find.MOST_INTERSECTIONS


KINDS = {
    "decisions without outcomes": ("decision", False, None),
    "decisions with outcomes": ("decision", True, None),
    "scores": ("score", True, None),
    "weights": ("decision", True, "w"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_case_has_a_document(kind: str, tmp_path: Path) -> None:
    """Missing values, a group of one, no outcomes, scores, weights: each makes pages, and says what is not there."""
    what, labelled, weight = KINDS[kind]
    lines = ["sex,truth,decided,p,w"]
    lines += [f"{'f' if i % 3 else 'm'},{i % 2},{(i // 2) % 2},{(i * 7 % 50) / 50},{1 + i % 4}" for i in range(120)]
    lines += [f",{i % 2},1,0.5,1" for i in range(12)] + ["x,1,1,0.9,1"]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "case.toml").write_text(
        '[case]\nname = "c"\npurpose = "Who gets a loan"\n[data]\npath = "rows.csv"\npositive = "1"\n'
        + ('label = "truth"\n' if labelled else "")
        + (f'weight = "{weight}"\n' if weight else "")
        + 'sensitive = ["sex"]\n[model]\n'
        + ('score = "p"\nthreshold = 0.5\n' if what == "score" else 'decision = "decided"\n')
    )
    run_audit(load_case(tmp_path / "case.toml"), tmp_path / "run", Settings(draws=200))
    files = collect(tmp_path / "run")
    record = build_document(files, manifest=manifest(files))
    text = text_of(record)
    assert "(unknown)" in text
    assert "No other way was tried" in text
    board = text_of(section(record, "board"))
    assert ("what became of the people is not in the data" in board) is not labelled
    assert ("Each counts by a weight: together they stand for" in board) is (weight is not None)
    assert "nan" not in re.findall(r"[a-z]+", text.lower())
    assert "None" not in text
    render_html(record)


def test_single_persons_are_printed_where_it_was_asked_for(files: dict[str, bytes]) -> None:
    explained = json.loads(files["explain.json"])
    explained["people"] = [
        {"row": 3, "score": 0.25, "decision": "1", "values": {"age": "31"}, "shap": [{"feature": "age", "value": -0.1}],
         "lime": [{"feature": "age", "value": -0.2}], "agreement": {"disagree": True, "notice": "They disagree."}}
    ]  # fmt: skip
    changed = {**files, "explain.json": json.dumps(explained).encode()}
    asked = build_document(changed, manifest=manifest(changed, extra={"people": True}))
    result = section(asked, "explanations").blocks
    assert Notice("They disagree.") in result
    assert any(isinstance(b, Table) and b.caption.startswith("Row 3: score 0.250") for b in result)
    silent = build_document(changed, manifest=manifest(changed))
    assert "Row 3" not in text_of(section(silent, "explanations"))


def test_what_a_gap_is_made_of_stands_beside_its_drawing(files: dict[str, bytes], document: Document) -> None:
    explained = json.loads(files["explain.json"])
    d = next(d for d in explained["decomposition"] if d["kind"] == "extreme" and d["output"] == "decision")
    by = words.by(d["attribute"])
    table = next(
        b for b in section(document, "explanations").blocks
        if isinstance(b, Table) and b.caption.startswith(f"Parts of the gap by {by}")
    )  # fmt: skip
    rows = {row[0]: row for row in table.rows}
    for f in d["features"]:
        assert rows[f["feature"]][1] == words.signed(100 * f["value"], 1)


def test_recourse_by_group_and_the_word_on_hiding_are_in_the_report(
    files: dict[str, bytes], document: Document
) -> None:
    explained = json.loads(files["explain.json"])
    result = explained["recourse"]
    text = text_of(section(document, "explanations"))
    assert explained["hiding"]["notice"] in text
    for sentence in result["notice"]:
        assert sentence in text
    table = next(
        b for b in section(document, "explanations").blocks
        if isinstance(b, Table) and b.caption.startswith("Refused people with recourse")
    )  # fmt: skip
    assert len(table.rows) == len(result["groups"])
    assert [row[2] for row in table.rows] == [f"{g['found']:,} of {g['rows']:,}" for g in result["groups"]]
    explained["hiding"] |= {"alarm": True, "notice": "Alarm: it hides."}
    explained["recourse"] = {"sought": False, "reason": "It needs the table.", "groups": [], "gaps": []}
    changed = {**files, "explain.json": json.dumps(explained).encode()}
    record = section(build_document(changed, manifest=manifest(changed)), "explanations")
    assert Notice("Alarm: it hides.") in record.blocks
    assert "It needs the table." in text_of(record)
    assert "Refused people with recourse" not in text_of(record)


def test_numbers_in_words() -> None:
    assert words.number(-0.0004) == "0.000"
    assert words.number(-0.04) == "−0.040"
    assert words.signed(0.04, 2) == "+0.04"
    assert words.bracket(-0.051, 0.2) == "[−5.1, 20.0]"
    assert words.bracket(None, 0.2) == ""
    assert words.interval(0.084, 0.099) == "8.4 to 9.9 %"
    assert words.count(10860) == "10,860"
    assert words.count(12.34) == "12.3"
    assert words.date(WHEN) == "22 November 2026"
    assert words.rate_cell(None) == "not estimable"
    cell = Rate("selection_rate", ("sex",), ("f",), 0.5, 5, 10, 0.4, 0.6, "wilson-95", True, None)
    assert words.rate_cell(cell) == "50.0 % [40.0, 60.0]\n5 of 10"
    assert len(words.truncate("x" * 300, 40)) == 40
