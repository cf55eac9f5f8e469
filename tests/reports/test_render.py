"""Pages hold what a person typed as text, whatever it is, and nothing that a font lacks."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.document import build_document
from reports.glyphs import printable
from reports.manifest import Attached, Manifest, slots_for
from reports.pdf import write_pdf
from reports.render import _css_string, render_html
from tests.reports import kit, layout

CONDITIONS = [
    {
        "number": n,
        "text": "Bring the gap to 10 points or less, or say why not. " * 3,
        "owner": "",
        "due": "",
        "state": "open",
    }
    for n in range(1, 9)
]
LONG = "A very long name that somebody typed without thinking of any page " * 5


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Forty rows, audited for real."""
    return kit.audited(tmp_path_factory.mktemp("small"))


def manifest_of(files: dict[str, bytes], name: str = "Ada Auditor") -> Manifest:
    return Manifest(
        title="Fairness audit",
        case="case",
        author=name,
        language="en",
        issued=kit.ISSUED,
        attachments=tuple(Attached.of(n, b) for n, b in sorted(files.items())),
        signers=slots_for(name, ["Bo Board"]),
        extra={"conditions": CONDITIONS, "review": "2027-11-22"},
    )


def html_of(
    files: dict[str, bytes], change: Callable[[Any], None], name: str = "Ada Auditor", most: int | None = None
) -> str:
    """The page of the changed evidence; `most`: its first chapters alone, where the others would only take time."""
    changed = kit.edited(files, "evidence.json", change)
    document = build_document(changed, manifest=manifest_of(changed, name))
    return render_html(replace(document, sections=document.sections[:most]))


def pages_of(html: str) -> list[str]:
    data = write_pdf(
        html,
        attachments={},
        title="t",
        author="a",
        language="en",
        created=kit.ISSUED,
        signers=slots_for("Ada Auditor", ["Bo Board"]),
    )
    return list(layout.pages_of(data).text)


def test_a_persons_words_are_never_markup(small: dict[str, bytes]) -> None:
    def hostile(e: Any) -> None:
        e["case"] = {"name": '<script>x</script> "} @import', "purpose": "<b>{{ 7 * 7 }}</b>"}
        e["notes"] = ["<img src=file:///etc/passwd>", "javascript:alert(1)"]

    html = html_of(small, hostile, name="<i>Ada</i>")
    assert "<script" not in html
    assert "<i>Ada" not in html
    assert "&lt;img src=file:///etc/passwd&gt;" in html
    assert "{{ 7 * 7 }}" in html
    assert not re.search(r'(?:src|href)="(?!data:|#)', html)


def test_long_names_signs_and_other_scripts_survive(small: dict[str, bytes]) -> None:
    """The board's page stays one page, and no sign without a glyph reaches the file."""

    def stretch(e: Any) -> None:
        group = "مجموعة النساء " + LONG
        text = json.dumps(e, ensure_ascii=False).replace('["f"]', json.dumps([group], ensure_ascii=False))
        e.clear()
        e.update(json.loads(text))
        e["case"] = {"name": "\U0001f642 " + LONG, "purpose": "Who gets \x00\x07 a loan \u202e" + LONG}

    pages = pages_of(html_of(small, stretch, most=3))
    assert "[slightly smiling face]" in pages[0].replace("\n", " ")
    assert "For the board" in pages[0]
    assert "What you are asked" in pages[0]
    assert "Day of review: 22 November 2027" in pages[0]
    assert "For the public" in pages[1]
    assert "Contents" in pages[2]
    assert not any("\x00" in p for p in pages)


def test_the_board_has_one_page_with_many_attributes(small: dict[str, bytes]) -> None:
    def widen(e: Any) -> None:
        for kind in ("rates", "gaps", "counts", "norms"):
            mine = [r for r in e[kind] if r["attribute"] == ["sex"]]
            e[kind] += [{**r, "attribute": [f"{LONG} {i}"]} for i in range(7) for r in mine]
        e["norms"] = [{**n, "status": "outside"} for n in e["norms"]]

    pages = pages_of(html_of(small, widen, most=3))
    assert "Day of review: 22 November 2027" in pages[0]
    assert "For the public" in pages[1]
    assert "Contents" in pages[2]


def test_headings_go_down_one_level_at_a_time(small: dict[str, bytes]) -> None:
    html = html_of(small, lambda e: None)
    levels = [int(n) for n in re.findall(r"<h([1-6])", html)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    assert '<html lang="en">' in html


def test_every_table_has_a_caption_and_heads_with_scope(small: dict[str, bytes]) -> None:
    html = html_of(small, lambda e: None)
    tables = re.findall(r"<table.*?</table>", html, flags=re.S)
    assert tables
    for table in tables:
        assert table.count("<caption>") == 1
        assert 'scope="col"' in table
        assert table.count('<th scope="row">') == table.count("<tr>") - 1
        assert not re.search(r"<th(?![^>]*scope=)(?!ead)", table)


def test_heads_keep_their_scope_in_the_pdf(small: dict[str, bytes]) -> None:
    """WeasyPrint alone writes none; a screen reader then cannot say which row or column a figure is in."""
    html = html_of(small, lambda e: None, most=3)
    data = write_pdf(html, attachments={}, title="t", author="a", language="en", created=kit.ISSUED, signers=())
    result: Counter[str] = Counter()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        for item in pdf.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/S") == "/TH":
                result[str(item.A.Scope)] += 1
    heads = Counter(re.findall(r'<th scope="(\w+)"', html))
    assert result == {"/Column": heads["col"], "/Row": heads["row"]}
    assert result["/Row"] > 5


def test_the_running_head_is_a_css_string() -> None:
    assert _css_string('a"};') == '"a\\000022 \\00007d ;"'
    assert "\n" not in _css_string("a\nb")
    assert len(_css_string("x" * 500)) < 100


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("é “q” − … → ✓ ≤ عربي 東京", "é “q” − … → ✓ ≤ عربي\u200e 東京"),
        ("\u05e9\u05dc\u05d5\u05dd \u05e9\u05dc, 7.5 %", "\u05e9\u05dc\u05d5\u05dd \u05e9\u05dc\u200e, 7.5 %"),
        ("\U0001f642", "[slightly smiling face]"),
        ("a\u200db\ufe0f\u202e", "ab"),
        ("a\x00b\x07c\td\ne", "a b c d\ne"),
        ("\ud800", "\ufffd"),
        ("\ue000", "[U+E000]"),
    ],
)
def test_text_becomes_what_the_page_can_hold(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters(), max_size=60))
def test_what_is_printable_can_be_encoded_and_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert printable(shown) == shown


def test_the_template_trusts_no_string() -> None:
    source = (Path(__file__).resolve().parents[2] / "reports" / "templates" / "report.html").read_text()
    assert "|safe" not in source.replace(" ", "")
    assert "autoescape" not in source
