"""Pages as they are printed: full, one page where one is promised, no word cut by its column, no tail of one row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from reports import fit, render
from reports.blocks import Table
from reports.document import Document, build_document
from reports.issue import asked_of_board, assemble, collect, page_html
from reports.manifest import ARCHIVE, SignerSlot
from tests.reports import kit, layout
from tests.reports.pki import Pki
from tests.reports.test_page_one import MOST, grade, sentences_of
from tests.shared import german

LEAST_FILLED = 0.5
BODY = 12
MINISTRIES = 14
LONG = "Ministry of Education and Scientific Research, department of {} schools"
CASE = """[case]
name = "Grants for teachers of all schools of the country, first and second round, with appeals and late requests"
purpose = "Which teachers get a grant for a year abroad"
decided_by = "a score, then a committee of five people who see the whole file"
affected = "teachers of public schools"
owner = "Ministry of Education and Scientific Research, department of grants and exchanges abroad"
[data]
path = "rows.csv"
label = "finished"
positive = "1"
sensitive = ["department_of_the_school", "source_of_the_request"]
[model]
decision = "granted"
"""


@dataclass(frozen=True)
class Printed:
    document: Document
    pages: layout.Pages
    pieces: list[list[int]]


def printed(files: Mapping[str, bytes], folder: Path, pki: Pki, annex: str, inputs: tuple[str, ...] = ()) -> Printed:
    """The report as it is before it is signed; no member is named, so page 1 holds the place to sign."""
    extra = asked_of_board(files, None, kit.ISSUED, annex, inputs, folder)
    slots = (SignerSlot("Auditor", pki.auditor.name, "auditor", pki.auditor.fingerprint), ARCHIVE)
    manifest = replace(kit.manifest_of(files, pki.auditor, extra=extra), signers=slots, quorum=0)
    pdf = assemble(page_html(files, manifest), files, manifest)
    return Printed(build_document(files, manifest=manifest), layout.pages_of(pdf), layout.tables_of(pdf))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many groups with long names, a file's name among them, and some whose group is not known."""
    folder = tmp_path_factory.mktemp("many")
    sources = ("requests_of_the_first_round_2026.xlsx", "letter", "")
    lines = [
        f'"{LONG.format(f"{k:02d}")}",{sources[(i + k) % 3]},{i % 2},{int(i % 10 < 3 + k % 5)}'
        for k in range(MINISTRIES)
        for i in range(24)
    ]
    (folder / "rows.csv").write_text(
        "department_of_the_school,source_of_the_request,finished,granted\n" + "\n".join(lines) + "\n"
    )
    (folder / "case.toml").write_text(CASE)
    run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=60))
    return folder / "run"


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory: pytest.TempPathFactory, many: Path, pki: Pki) -> dict[str, Printed]:
    folder = german(tmp_path_factory)
    asked = tuple(f"Condition {n}: {'ask each head of a department in writing ' * 4}"[:190] for n in range(5))
    of_german, of_many = collect(folder), collect(many)
    del of_german["explain.json"]
    return {
        "none": printed(of_german, folder, pki, "none"),
        "many": printed(of_many, many, pki, "full", asked),
        "summary": printed(of_many, many, pki, "summary"),
    }


NAMES = ("none", "many", "summary")


@pytest.mark.parametrize("name", NAMES)
def test_no_page_is_mostly_empty_but_the_last(name: str, all_of_them: dict[str, Printed]) -> None:
    filled = all_of_them[name].pages.filled
    assert min(filled[:-1], default=1.0) >= LEAST_FILLED, filled


@pytest.mark.parametrize("name", NAMES)
def test_no_table_begins_or_ends_on_a_page_with_one_row(name: str, all_of_them: dict[str, Printed]) -> None:
    built = all_of_them[name]
    tables = [len(b.rows) for s in built.document.sections for b in s.blocks if isinstance(b, Table)]
    pieces = [n for piece in built.pieces for n in piece]
    assert sum(pieces) == sum(tables)
    assert sum(n == 1 for n in pieces) == sum(n == 1 for n in tables)


@pytest.mark.parametrize("name", NAMES)
def test_no_word_is_cut_by_its_column_and_no_mark_of_code_is_printed(
    name: str, all_of_them: dict[str, Printed]
) -> None:
    built = all_of_them[name]
    assert layout.cut_words(built.document, built.pages) == []
    assert not [i for i, text in enumerate(built.pages.text, 1) if "`" in text]


def test_the_name_of_an_attached_file_stands_in_one_piece(all_of_them: dict[str, Printed]) -> None:
    text = "".join(all_of_them["none"].pages.text)
    for name in ("statements.intoto.jsonl", "mitigation.json", "evidence.json"):
        assert name in text


@pytest.mark.parametrize("name", ("none", "many"))
def test_the_first_box_to_sign_in_stands_below_its_chapter_s_words(name: str, all_of_them: dict[str, Printed]) -> None:
    words = "The auditor's signature stands for how this report was made."
    page = next(" ".join(t.split()) for t in all_of_them[name].pages.text if words in " ".join(t.split()))
    assert "Auditor" in page.partition(words)[2], "the chapter's heading is alone at the end of a page"


def test_page_1_and_page_2_are_one_page_each(all_of_them: dict[str, Printed]) -> None:
    """Also with a name of two lines, five conditions of two lines, three attributes of long names."""
    for name in ("none", "many"):
        text = all_of_them[name].pages.text
        assert "Signature" in text[0], name
        assert "For the public: one page" in text[1], name
        assert "How to check this page" in text[1], name
        assert "Contents" in text[2], name
    assert all(f"Condition {n}" in all_of_them["many"].pages.text[0] for n in range(5))
    assert len(all_of_them["summary"].pages.text) == 1


@pytest.mark.parametrize("name", ["none", "many"])
def test_the_first_pages_read_at_grade_ten_at_most(name: str, all_of_them: dict[str, Printed]) -> None:
    """Also with a candidate beside what stands today, and with names of sixty letters."""
    for section in all_of_them[name].document.sections[:2]:
        result = sentences_of(section)
        assert grade(result) <= MOST, (section.id, sorted(result, key=lambda s: -grade([s]))[:5])


def test_the_body_is_short(all_of_them: dict[str, Printed]) -> None:
    """Two attributes and one mitigation, without an annex."""
    assert len(all_of_them["none"].pages.text) <= BODY


def test_long_names_are_told_apart_on_page_1(all_of_them: dict[str, Printed]) -> None:
    text = " ".join(all_of_them["many"].pages.text[0].split())
    mapping = {f"{k:02d}" for k in range(MINISTRIES) if f"{k:02d} schools" in text or f"of {k:02d}" in text}
    assert len(mapping) >= 2, text


def test_what_is_reckoned_of_page_1_is_what_comes_out(all_of_them: dict[str, Printed]) -> None:
    """Within two lines, and never less than what is set: else a page that should fit runs over."""
    for name in ("none", "many"):
        built = all_of_them[name]
        blocks = built.document.sections[0].blocks
        head = 18.0 + 11.7 + 2.6 * fit.MM + 13.2 + 1.6 + 3.4 * fit.MM
        reckoned = head + fit.height(blocks)
        whole = 842 - layout.TOP - layout.FOOT
        real = built.pages.filled[0] * whole
        assert abs(reckoned - real) < 40, (name, reckoned, real)


def test_a_column_gives_way_to_the_longest_word_of_another() -> None:
    table = Table("t", ("File", "Said"), (("statements.intoto.jsonl", "a b c"),), "", (10, 90))
    first, second = fit.columns(table)
    assert first > 20
    assert first + second == pytest.approx(100)
    assert fit.columns(replace(table, rows=(("x", "a b c"),))) == (10, 90)
    hopeless = replace(table, rows=(("w" * 20, "w" * 20),), widths=(50, 50))
    assert fit.columns(hopeless) == (50, 50)


def test_a_code_in_a_sentence_is_printed_in_quotation_marks() -> None:
    assert render.kept("Leave out `sex`.") == "Leave out “sex”."
    assert json.dumps(str(render.kept("a ` b"))) == json.dumps("a ` b")
