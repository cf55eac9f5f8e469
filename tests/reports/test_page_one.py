"""Page 1 and page 2: for people who know no statistics, on one page each, and not asking for more than they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from reports import words
from reports.blocks import Heading, Keys, Lead, Notice, Paragraph, Points, Section, Table
from reports.document import Document, build_document
from reports.issue import asked_of_board, collect
from tests.reports import kit
from tests.reports.pki import Pki

MOST = 10.0


def sentences_of(section: Section) -> list[str]:
    """Every sentence that a reader meets: paragraphs, points, figures that stand out, conditions, notices."""
    texts: list[str] = []
    for b in section.blocks:
        if isinstance(b, Lead | Paragraph | Notice | Heading):
            texts.append(b.text)
        elif isinstance(b, Points):
            texts += b.items
        elif isinstance(b, Keys):
            texts += [f"{k.value} {k.text}".replace("\n", " ") for k in b.items]
        elif isinstance(b, Table):
            texts += [b.note, *(row[1] for row in b.rows if len(row) == 4 and b.caption.startswith("Conditions"))]
    return [s for t in texts for s in re.split(r"(?<=[.?!])\s+", t) if re.search("[a-z]{2}", s)]


def syllables(word: str) -> int:
    """Groups of vowels; a silent e at the end is none."""
    matches = len(re.findall("[aeiouy]+", re.sub("(?:[^laeiouy]es|[^laeiouy]e|ed)$", "", word.lower())))
    return max(matches, 1)


def grade(sentences: list[str]) -> float:
    """Flesch-Kincaid grade level (Kincaid et al. 1975). A number counts as one word of one syllable."""
    matches = [w for s in sentences for w in re.findall(r"[A-Za-z]+(?:'[a-z]+)?|\d[\d.,]*", s)]
    spoken = [syllables(w) if w[0].isalpha() else 1 for w in matches]
    return 0.39 * len(matches) / len(sentences) + 11.8 * sum(spoken) / len(matches) - 15.59


def test_the_grade_is_the_formula_s() -> None:
    """The cat sat on the mat: 6 words, 6 syllables; and syllables counted by hand."""
    assert grade(["The cat sat on the mat."]) == pytest.approx(0.39 * 6 + 11.8 - 15.59)
    assert [syllables(w) for w in ("people", "measured", "decision", "the", "reached", "university")] == [
        2,
        2,
        3,
        1,
        1,
        5,
    ]


@pytest.fixture(scope="module", params=["german_credit.toml", "adult_decisions.toml"])
def document(
    request: pytest.FixtureRequest, root: Path, tmp_path_factory: pytest.TempPathFactory, pki: Pki
) -> Document:
    out = tmp_path_factory.mktemp("one")
    run_audit(load_case(root / "sample_data" / request.param), out, Settings(draws=200))
    files = collect(out)
    extra = asked_of_board(files, None, kit.ISSUED, "none", (), out)
    return build_document(files, manifest=kit.manifest_of(files, pki.auditor, extra=extra))


@pytest.mark.parametrize("page", ["board", "public"])
def test_it_reads_at_grade_ten_at_most(document: Document, page: str) -> None:
    result = sentences_of(next(s for s in document.sections if s.id == page))
    assert len(result) > 10
    assert grade(result) <= MOST, sorted(result, key=lambda s: -grade([s]))[:5]


def test_everything_that_a_board_decides_on_stands_on_page_1(document: Document) -> None:
    section = document.sections[0]
    text = " ".join(sentences_of(section))
    tables = {b.caption: b for b in section.blocks if isinstance(b, Table)}
    assert re.search(r"[\d,]+ people were looked at", text)
    assert "of 100 in" in text
    assert re.search("chance", text)
    assert "No figure decides this for you." in text
    assert "Day of review: 22 November 2027" in text
    assert "The options side by side" in tables
    numbers = [row[0] for row in tables["Conditions to tick"].rows]
    assert numbers == [f"\u2610 {i}" for i in range(1, len(numbers) + 1)]
    assert tables["Conditions to tick"].columns[2:] == ("Owner", "By (day)")
    assert not any(re.search("[0-9a-f]{32}", s) for s in sentences_of(section))


def test_where_no_member_is_named_there_is_a_place_to_sign(root: Path, tmp_path: Path, pki: Pki) -> None:
    from dataclasses import replace

    from reports.manifest import slots_for

    files = kit.audited(tmp_path)
    manifest = kit.manifest_of(files, pki.auditor)
    bare = build_document(files, manifest=replace(manifest, signers=slots_for("Ada"), quorum=0))
    assert any(isinstance(b, Table) and b.caption == "Signature" for b in bare.sections[0].blocks)
    named = build_document(files, manifest=manifest)
    assert not any(isinstance(b, Table) and b.caption == "Signature" for b in named.sections[0].blocks)


def test_what_a_person_states_and_what_nobody_stated_are_said(tmp_path: Path, pki: Pki) -> None:
    files = kit.audited(tmp_path)

    def state(e: Any) -> None:
        e["stated"] = {"decided_by": "a clerk with the model", "contact": "loans@bank.example"}

    changed = kit.edited(files, "evidence.json", state)
    record = build_document(changed, manifest=kit.manifest_of(changed, pki.auditor))
    first, second = (" ".join(sentences_of(s)) for s in record.sections[:2])
    assert "Who decides: a clerk with the model." in first
    assert "Not stated: about whom, system, version, owner, data from." in first
    assert "Write to: loans@bank.example" in second
    plain = build_document(files, manifest=kit.manifest_of(files, pki.auditor))
    assert "No address was given" in " ".join(sentences_of(plain.sections[1]))


def test_of_many_groups_both_ends_of_each_gap_and_the_largest_are_kept() -> None:
    from reports.sections import find

    cells = dict.fromkeys(("tp", "fp", "fn", "tn", "unknown_label"))
    counts = [{"attribute": ["a"], "group": [f"g{i}"], "rows": i, **cells} for i in range(100)]
    unsaid = dict.fromkeys(("value", "low", "high", "p_value", "p_adjusted", "reference", "reason"))
    gap = {"metric": "selection_rate", "attribute": ["a"], "kind": "difference", "highest": ["g3"], "lowest": ["g5"],
           "method": "", "estimable": True, **unsaid}  # fmt: skip
    kept = find.kept(kit.evidence_with(counts=counts, gaps=[gap]), ["a"], 10)
    assert kept == [("g3",), ("g5",), *((f"g{i}",) for i in range(92, 100))]
    assert find.kept(kit.evidence_with(counts=counts[:4]), ["a"], 10) == [(f"g{i}",) for i in range(4)]


def test_a_gap_that_stands_alone_but_not_among_all_that_were_looked_at_says_so() -> None:
    from dataclasses import replace

    from audit.values import Gap
    from reports.sections.board.found import _sure

    gap = Gap(
        "selection_rate", ("a",), "difference", 0.2, 0, 1, None, 0.2, None, None, None, "", True, None,
        pairs=2, pair_p_adjusted=0.2, pair_low=0.04, pair_high=0.3,
    )  # fmt: skip
    assert _sure(gap).startswith(" By itself it is hardly chance")
    assert _sure(replace(gap, pair_low=-0.01)) == " It may be chance."
    assert _sure(replace(gap, pair_p_adjusted=0.01)) == " It is hardly chance."


MINISTRY = "Ministry of Education and Scientific Research, department of "
ALIKE = {
    "one beginning": [MINISTRY + d for d in ("schools", "universities", "sport")],
    "one end": [f"{d} regional office for housing and social benefits" for d in ("North", "South", "East-by-sea")],
    "both ends": [f"Regional office for housing ({d}) in the province of the great river" for d in ("north", "south")],
    "several places": ["x" * 35 + a + "y" * 35 + b + "z" * 20 for a, b in (("1", "1"), ("1", "2"), ("2", "1"))],
    "length alone": ["A" * n for n in (60, 61, 62)],
    "no spaces": ["東京都教育委員会学校教育部義務教育課指導主事室第一係担当者一覧表" + d for d in "北南"],
    "right to left": ["وزارة التربية والتعليم والبحث العلمي في الجمهورية، قسم " + d for d in ("المدارس", "الجامعات")],
    "accents apart": ["e\u0301" * 40 + d for d in "ab"],
    "joined signs": ["👩\u200d👩\u200d👧" * 12 + d for d in "ab"],
}


@pytest.mark.parametrize("names", ALIKE.values(), ids=list(ALIKE))
def test_long_names_are_cut_where_they_differ(names: list[str]) -> None:
    cut = words.told_apart(names, 30)
    assert len(set(cut)) == len(names)
    for text in (*cut, *words.apart(names[0], names[1], 30)):
        assert len(text) <= 30
        assert not re.search("(^|…)[\u0301\u200d]|\u200d(…|$)", text), "a letter is parted from its accent or joiner"
    assert len(set(words.apart(names[0], names[1], 30))) == 2


@given(st.lists(st.text(alphabet="ab ", min_size=1, max_size=90), min_size=2, max_size=8, unique=True))
@settings(max_examples=150, deadline=None)
def test_no_two_names_that_differ_come_out_alike(names: list[str]) -> None:
    cut = words.told_apart(names, 30)
    assert len(set(cut)) == len(names)
    assert max(map(len, cut)) <= 30


def test_a_script_that_no_font_draws_is_found_before_signing(monkeypatch: pytest.MonkeyPatch) -> None:
    from reports import setting

    files = {"evidence.json": '{"group": ["女性", "हिन्दी", "Ελλάδα", "\\\\u5973"]}'.encode()}
    monkeypatch.setattr(setting, "_fonts", lambda signs: {"DejaVu-Sans": "x"})
    assert setting.without_font(files) == ["DEVANAGARI", "CJK"]
    assert setting.without_font({"evidence.json": "{'é', 'Ж', 'α'}".encode()}) == []
    assert setting.without_font({"evidence.json": b"\xe6a\xbc\xa2"}) == [], "no sign is made of broken bytes"
    monkeypatch.setattr(setting, "_fonts", lambda signs: {"Noto": "y"} if "女" in signs else {"DejaVu-Sans": "x"})
    assert setting.without_font(files) == ["DEVANAGARI"]


WORDS = """[case]
name = "Parking"
purpose = "Who is given a place to park"
[data]
path = "rows.csv"
label = "needs_it"
positive = "1"
weight = "w"
sensitive = ["sex", "born_at", "hh_kind"]
[data.codes]
born_at = { "*" = "where people were born" }
decided = { 1 = "a place", 0 = "no place" }
[model]
decision = "decided"
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, pki: Pki) -> Section:
    """Page 1 of a case with weights, names from a database and a code book for one of them."""
    from cli import main

    folder = tmp_path_factory.mktemp("words")
    lines = ["sex,born_at,hh_kind,needs_it,decided,w"]
    for i in range(300):
        sex, born, kind = "fm"[i % 2], ("here", "there", "")[i % 7 % 3], ("k1", "k2")[i // 5 % 2]
        lines.append(f"{sex},{born},{kind},{int(i % 3 > 0)},{int((i * 7) % 10 < 3 + 4 * (i % 2))},{10 + i % 3}")
    (folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (folder / "case.toml").write_text(WORDS)
    assert main(["audit", str(folder / "case.toml"), "--out", str(folder / "run"), "--draws", "200"]) == 0
    files = collect(folder / "run")
    extra = asked_of_board(files, None, kit.ISSUED, "none", (), folder / "run")
    return build_document(files, manifest=kit.manifest_of(files, pki.auditor, extra=extra)).sections[0]


def test_page_1_explains_the_words_that_readers_found_hard(page: Section) -> None:
    """docs/board-quiz.md: what three readers who knew nothing of Assay stumbled over."""
    text = " ".join(sentences_of(page))
    options = next(b for b in page.blocks if isinstance(b, Table) and b.caption.startswith("The options"))
    rows = " ".join(row[0] for row in options.rows)
    assert "“merit it” that “needs_it”, what became of them, is “1”." in text
    assert re.search(r"Each counts by a weight: together they stand for 3,300\. Shares are of those\.", text)
    assert "both kinds of error" not in text + rows
    assert any("cannot tell" in cell for row in options.rows for cell in row)
    assert "“Cannot tell” is about the limit: it lies within the range, or too few were measured." in options.note
    assert "By where people were born: of 100 in" in text
    assert "By “hh_kind”: of 100 in" in text or "“hh_kind”" in rows
    assert re.search("By sex: of 100 in", text)
    assert "Find out where people were born for the" in text
    assert "born_at" not in text + rows
    assert grade(sentences_of(page)) <= MOST


def test_a_gap_has_one_range_on_page_1(page: Section) -> None:
    options = next(b for b in page.blocks if isinstance(b, Table) and b.caption.startswith("The options"))
    text = " ".join(sentences_of(page))
    for by in ("sex", "where people were born"):
        report = next(s for s in text.split("By ") if s.startswith(f"{by}: of 100"))
        in_table = any(row[0].startswith(f"Who gets it, gap by {by}:") for row in options.rows)
        assert ("(95 % sure:" in report) is not in_table, report


def test_each_way_to_decide_has_its_box(page: Section) -> None:
    """The candidate's stands where there is one: tests/reports/test_document.py."""
    boxes = next(b.text for b in page.blocks if isinstance(b, Paragraph) and "No figure decides" in b.text)
    ways = [way.replace("\u00a0", " ").strip() for way in re.findall("\u2610([^\u2610.]+)\\.", boxes)]
    assert ways == ["It may go on as it is", "It may go on with these conditions", "It may not go on"]
    assert not re.search("\u2610 ", boxes), "a box can stand alone at the end of a line"
