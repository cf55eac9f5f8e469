"""Pages read as they are drawn: what Assay prints is taken; each way to make a page show something else is not.

The forger is the auditor, who signs whatever pages they like: the words extracted stay right, and what shows is not.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String

from reports.blocks import Document
from reports.document import build_document
from reports.issue import assemble, page_html
from reports.manifest import Manifest
from reports.sign import certify
from reports.verify import verify
from reports.verify.pages import NotCovered, Unsure, chart, check_pages, reference
from reports.verify.pages.drawn import Page, Run, read_pages
from reports.verify.pages.geometry import rectangle
from reports.verify.pages.visible import contrast
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


@dataclass(frozen=True)
class Real:
    """A report with its real pages, before it is signed."""

    files: dict[str, bytes]
    manifest: Manifest
    document: Document
    pdf: bytes
    pages: tuple[Page, ...]


@pytest.fixture(scope="module")
def real(small: Reports, pki: Pki) -> Real:
    return made(small.files, kit.manifest_of(small.files, pki.auditor))


def made(files: dict[str, bytes], manifest: Manifest) -> Real:
    pdf = assemble(page_html(files, manifest), files, manifest)
    with pikepdf.open(io.BytesIO(pdf)) as file:
        pages = read_pages(file)
    return Real(files, manifest, build_document(files, manifest=manifest), pdf, pages)


@dataclass
class Forgery:
    """An open copy of the report, with what the forger needs to find a place."""

    real: Real
    pdf: pikepdf.Pdf

    def find(self, text: str, after: str = "") -> tuple[int, Run]:
        """The first run that says `text`, behind the first that says `after`; pages count from 0."""
        seen = not after
        for number, page in enumerate(self.real.pages):
            for run in page.runs:
                if seen and run.text == text:
                    return number, run
                seen = seen or run.text == after
        raise AssertionError(text)

    def stream(self, page: int) -> bytes:
        return bytes(self.pdf.pages[page].Contents.read_bytes())

    def write(self, page: int, data: bytes) -> None:
        self.pdf.pages[page].obj.Contents = self.pdf.make_stream(data)

    def edit(self, page: int, run: Run, change: Callable[[bytes], bytes]) -> None:
        """Change the marked piece of the page that draws the run."""
        data = self.stream(page)
        start = data.index(b"<</MCID %d>>" % run.mark)
        start = data.rindex(b"/Span", 0, start)
        end = data.index(b"EMC", start) + 3
        after = change(data[start:end])
        assert after != data[start:end]
        self.write(page, data[:start] + after + data[end:])

    def append(self, page: int, data: bytes) -> None:
        """Draw something more, in the pixels that the page is drawn in."""
        old = self.stream(page)
        at = old.rindex(b"Q")
        self.write(page, old[:at] + data + b"\n" + old[at:])

    def saved(self) -> bytes:
        out = io.BytesIO()
        self.pdf.save(out, deterministic_id=True, force_version="1.7")
        return out.getvalue()


Attack = Callable[[Forgery], None]
ATTACKS: list[tuple[str, str, Attack]] = []


def attack(reason: str) -> Callable[[Attack], Attack]:
    """Enter a forgery with what the reader has to say to it."""

    def enter(make: Attack) -> Attack:
        ATTACKS.append((make.__name__, reason, make))
        return make

    return enter


TM = re.compile(rb"1 0 0 -1 (\S+) (\S+) Tm")


def moved(dx: float, dy: float) -> Callable[[bytes], bytes]:
    return lambda piece: TM.sub(lambda m: b"1 0 0 -1 %f %f Tm" % (float(m[1]) + dx, float(m[2]) + dy), piece)


def row(f: Forgery, label: str, after: str) -> tuple[int, list[Run]]:
    """The first lines of a table's row."""
    page, head = f.find(label, after)
    return page, sorted((r for r in f.real.pages[page].runs if abs(r.y - head.y) < 0.5), key=lambda r: r.x0)


TABLE = "People and favourable outcomes by sex"


@attack("columns of a table|apart from|level|below what comes")
def two_cells_change_places(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)
    a, b = cells[1], cells[2]
    f.edit(page, a, moved(b.x0 - a.x0, 0))
    f.edit(page, b, moved(a.x0 - b.x0, 0))


@attack("level|below what comes|lines too close")
def two_rows_change_their_values(f: Forgery) -> None:
    page, first = row(f, "f", TABLE)
    _, second = row(f, "m", TABLE)
    for a, b in zip(first[1:], second[1:], strict=True):
        f.edit(page, a, moved(0, b.y - a.y))
        f.edit(page, b, moved(0, a.y - b.y))


@attack("level|below")
def two_labels_change_places(f: Forgery) -> None:
    page, first = row(f, "f", TABLE)
    _, second = row(f, "m", TABLE)
    f.edit(page, first[0], moved(0, second[0].y - first[0].y))
    f.edit(page, second[0], moved(0, first[0].y - second[0].y))


@attack("below what comes|over each other|across")
def a_sentence_moves_up_a_chapter(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, moved(0, -220))


def last_paragraph(f: Forgery) -> tuple[int, Run]:
    """A sentence on the page of the board that somebody may want nobody to read."""
    return f.find("What led to the decisions: no explanation was made.")


@attack("drawn across")
def a_white_patch_lies_over_a_value(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)
    box = (cells[1].x0 - 1, cells[1].y - 12, cells[1].x1 - cells[1].x0 + 2, 15)
    f.append(page, b"q /a1.0 gs 1 1 1 rg %f %f %f %f re f Q" % box)


@attack("drawn across")
def a_line_strikes_a_sentence_out(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.append(page, b"q /A1.0 gs 0 0 0 RG 1 w %f %f m %f %f l S Q" % (run.x0, run.y - 3, run.x1, run.y - 3))


@attack("over a picture")
def a_patch_lies_over_a_chart(f: Forgery) -> None:
    page = next(i for i, p in enumerate(f.real.pages) if p.pictures)
    x0, y0, _, _ = f.real.pages[page].pictures[0].box
    f.append(page, b"q /a1.0 gs 1 1 1 rg %f %f 60 20 re f Q" % (x0 + 200, y0 + 20))


@attack("looks otherwise|too pale")
def a_notice_is_white(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"BT", b"1 1 1 rg\nBT", 1))


@attack("looks otherwise")
def a_sentence_is_pale(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"BT", b".6 .6 .6 rg\nBT", 1))


@attack("looks otherwise|too small")
def a_sentence_is_tiny(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: re.sub(rb"[\d.]+ Tf", b"2 Tf", piece))


@attack("another mode")
def a_sentence_is_not_drawn(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"BT", b"BT\n3 Tr", 1))


@attack("cut off")
def a_sentence_is_clipped_away(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: b"q\n0 0 5 5 re\nW\nn\n" + piece + b"\nQ")


@attack("transparent")
def a_sentence_is_transparent(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.pdf.pages[page].Resources.ExtGState["/none"] = Dictionary(ca=0)
    f.edit(page, run, lambda piece: b"q\n/none gs\n" + piece + b"\nQ")


@attack("edge of the page")
def a_sentence_leaves_the_page(f: Forgery) -> None:
    page, run = f.find("No explanation was made.")
    f.edit(page, run, moved(2000, 0))


@attack("says “")
def a_sentence_is_missing(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: re.sub(rb"BT.*ET\s", b"", piece, flags=re.DOTALL))


@attack("says “|says more|apart from")
def a_value_is_said_twice(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(
        page, cells[1], lambda piece: piece.replace(b"ET", b"ET\n" + piece[piece.index(b"BT") : piece.index(b"EMC")])
    )


@attack("says “")
def another_digit(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)

    def change(piece: bytes) -> bytes:
        codes = re.findall(rb"<([0-9a-f]{4})>", piece)
        return piece.replace(codes[0], codes[1], 1) if codes[0] != codes[1] else piece.replace(codes[0], codes[-1], 1)

    f.edit(page, cells[1], change)


@attack("pulled apart")
def signs_are_pulled_apart(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(page, cells[1], lambda piece: piece.replace(b">0<", b">-9000<", 1))


@attack("figures are pulled apart or together")
def a_space_opens_within_a_number(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)
    number = next(c for c in cells if re.match(r"\d\d", c.text))
    f.edit(page, number, lambda piece: piece.replace(b">0<", b">-250<", 1))


@attack("broken over two lines")
def a_number_goes_on_in_the_next_line(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)
    number = next(c for c in cells if re.match(r"\d\d", c.text))

    def change(piece: bytes) -> bytes:
        place, size = TM.search(piece), re.search(rb"/\S+ [\d.]+ Tf", piece)
        assert place is not None
        assert size is not None
        again = b"]TJ\n1 0 0 -1 %s %f Tm\n%s\n[" % (place[1], float(place[2]) + 14, size[0])
        return piece.replace(b">0<", b">" + again + b"<", 1).replace(b"]TJ", b"] TJ")

    f.edit(page, number, change)


@attack("turned or stretched")
def text_upside_down(f: Forgery) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"1 0 0 -1", b"-1 0 0 1"))


@attack("does not write on a page")
def a_form_is_drawn(f: Forgery) -> None:
    form = f.pdf.make_stream(
        b"1 1 1 rg 0 0 500 500 re f", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 9, 9])
    )
    f.pdf.pages[2].Resources.XObject["/cover"] = form
    f.append(2, b"/cover Do")


@attack("does not write")
def an_image_is_drawn(f: Forgery) -> None:
    f.append(2, b"q 500 0 0 500 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q")


@attack("signs that Assay does not write")
def a_comment_hides_an_operator(f: Forgery) -> None:
    f.append(2, b"% 1 1 1 rg\n")


@attack("signs that Assay does not write")
def a_string_hides_an_operator(f: Forgery) -> None:
    f.append(2, b"BT (EMC) Tj ET")


@attack("text that no mark holds")
def words_that_no_reader_hears(f: Forgery) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(page, cells[1], lambda piece: piece + b"\n" + piece[piece.index(b"BT") : piece.index(b"EMC")])


@attack("another width")
def widths_that_are_not_the_signs(f: Forgery) -> None:
    for font in f.pdf.pages[2].Resources.Font.values():
        font.DescendantFonts[0].W[1][0] = 3000


@attack("draws another sign than it says")
def a_font_says_another_figure(f: Forgery) -> None:
    """4 and 5 exchanged on the pages and in what the fonts say: extracted, all is right."""
    pairs = set()
    for font in f.pdf.objects:
        if isinstance(font, Dictionary) and font.get("/Subtype") == "/Type0":
            table = bytes(font.ToUnicode.read_bytes())
            codes = {text: code for code, text in re.findall(rb"<(\w{4})> <(\w{4})>", table)}
            a, b = codes[b"0034"], codes[b"0035"]
            pairs.add((a, b))
            table = table.replace(b"<%s> <0034>" % a, b"<%s> <tmp>" % a).replace(b"<%s> <0035>" % b, b"<%s> <0034>" % b)
            font.ToUnicode = f.pdf.make_stream(table.replace(b"<tmp>", b"<0035>"))
    ((a, b),) = pairs
    for number in range(len(f.pdf.pages)):
        data = f.stream(number).replace(b"<" + a + b">", b"<TMP>").replace(b"<" + b + b">", b"<" + a + b">")
        f.write(number, data.replace(b"<TMP>", b"<" + b + b">"))
    for form in f.pdf.objects:
        if isinstance(form, pikepdf.Stream) and form.get("/Subtype") == "/Form":
            data = bytes(form.read_bytes()).replace(b"<" + a + b">", b"<TMP>").replace(b"<" + b + b">", b"<" + a + b">")
            form.write(data.replace(b"<TMP>", b"<" + b + b">"))


def elements(f: Forgery) -> list[Dictionary]:
    return [o for o in f.pdf.objects if isinstance(o, Dictionary) and o.get("/Type") == "/StructElem"]


@attack("a tag says something else")
def the_screen_reader_hears_another_figure(f: Forgery) -> None:
    next(e for e in elements(f) if e.S == "/TD").ActualText = String("9.9")


@attack("a picture is described otherwise")
def a_chart_is_described_otherwise(f: Forgery) -> None:
    next(e for e in elements(f) if e.S == "/Figure" and "/Alt" in e).Alt = String("There is no gap.")


@attack("read out in another place|is tagged")
def the_screen_reader_hears_rows_in_another_order(f: Forgery) -> None:
    body = [e for e in elements(f) if e.S == "/TBody" and len(e.K) > 1][-1]
    body.K = Array([body.K[1], body.K[0], *list(body.K)[2:]])


@attack("is tagged")
def a_heading_is_tagged_as_text(f: Forgery) -> None:
    next(e for e in elements(f) if e.S == "/H2").S = Name.P


@attack("tags with other names")
def tags_are_renamed(f: Forgery) -> None:
    f.pdf.Root.StructTreeRoot.RoleMap = Dictionary(TD=Name.Artifact)


@attack("bookmarks are not the headings")
def a_bookmark_says_something_else(f: Forgery) -> None:
    f.pdf.Root.Outlines.First.First.Title = String("All norms hold")


@attack("bookmarks are not the headings")
def a_bookmark_leads_elsewhere(f: Forgery) -> None:
    f.pdf.Root.Outlines.First.First.Dest = Array([f.pdf.pages[0].obj, Name.Fit])


@attack("a link leads to another page")
def a_link_of_the_contents_leads_elsewhere(f: Forgery) -> None:
    f.pdf.Root.Names.Dests.Names[1][0] = f.pdf.pages[0].obj


@attack("link out of the document|drawn over it")
def a_link_leads_out(f: Forgery) -> None:
    link = next(a for p in f.pdf.pages for a in p.obj.get("/Annots", ()) if a.Subtype == "/Link")
    del link["/Dest"]
    link.A = Dictionary(S=Name.URI, URI=String("https://example.org"))


@attack("drawn over it")
def a_note_is_stuck_over_a_figure(f: Forgery) -> None:
    form = f.pdf.make_stream(
        b"1 1 1 rg 0 0 500 500 re f", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 500, 500])
    )
    note = Dictionary(
        Type=Name.Annot, Subtype=Name.FreeText, Rect=Array([50, 50, 500, 500]), AP=Dictionary(N=form), DA=String("0 g")
    )
    page = f.pdf.pages[2].obj
    page.Annots = Array([*page.get("/Annots", []), f.pdf.make_indirect(note)])


@attack("a drawing shows something else than")
def a_number_in_a_chart_is_another(f: Forgery) -> None:
    page = next(i for i, p in enumerate(f.real.pages) if len(p.pictures) and i > 2)
    forms = f.pdf.pages[page].Resources.XObject
    for form in forms.values():
        data = bytes(form.read_bytes())
        codes = re.findall(rb"<([0-9a-f]{4})>0\]", data)
        if len(set(codes)) > 1:
            form.write(data.replace(codes[0], next(c for c in codes if c != codes[0]), 1))


@attack("a drawing shows something else than")
def a_dot_in_a_chart_stands_elsewhere(f: Forgery) -> None:
    page = next(i for i, p in enumerate(f.real.pages) if p.pictures and i > 2)
    data = f.stream(page)
    start = data.index(b"/Figure")
    found = re.search(rb"\n([\d.]+) ([\d.]+) m\n[\d.]+ [\d.]+ [\d.]+ [\d.]+ [\d.]+ [\d.]+ c", data[start:])
    assert found is not None
    new = found[0].replace(found[1], b"%f" % (float(found[1]) + 9), 1)
    f.write(page, data[:start] + data[start:].replace(found[0], new, 1))


@attack("a drawing (shows|goes on)")
def a_patch_within_a_chart(f: Forgery) -> None:
    page = next(i for i, p in enumerate(f.real.pages) if p.pictures and i > 2)
    data = f.stream(page)
    end = data.index(b"EMC", data.index(b"/Figure"))
    patch = b"q\n/a1.0 gs\n1 1 1 rg\n[] 0 d\n0 J\n0 j\n4 M\n200 20 60 20 re\nf\nQ\n"
    inner = data.rindex(b"Q\nQ\nQ\n", 0, end)
    f.write(page, data[:inner] + patch + data[inner:])


@attack("a drawing shows something else than")
def a_chart_in_another_colour(f: Forgery) -> None:
    page = next(i for i, p in enumerate(f.real.pages) if p.pictures and i > 2)
    data = f.stream(page)
    start = data.index(b"/Figure")
    blue = b"0 0.447059 0.698039 rg"
    assert blue in data[start:]
    f.write(page, data[:start] + data[start:].replace(blue, b"1 1 1 rg", 1))


@attack("does not stand below|picture is missing")
def a_chart_is_missing(f: Forgery) -> None:
    page = next(i for i, p in enumerate(f.real.pages) if p.pictures and i > 2)
    data = f.stream(page)
    start = data.index(b"/Figure")
    end = data.index(b"EMC", start) + 3
    f.write(page, data[:start] + data[end:])


@attack(r"has \['/Rotate'\]")
def a_page_stands_on_its_head(f: Forgery) -> None:
    f.pdf.pages[2].obj.Rotate = 180


@attack(r"(pages inherit|page 1 has) \['/Rotate'\]")
def all_pages_stand_on_their_heads(f: Forgery) -> None:
    f.pdf.Root.Pages.Rotate = 180


@attack("the drawing of page 3 has")
def a_page_is_drawn_from_another_file(f: Forgery) -> None:
    f.pdf.pages[2].obj.Contents.F = String("elsewhere.bin")


@attack("a colour that is none")
def a_kind_of_text_is_whiter_than_white(f: Forgery) -> None:
    for number in range(len(f.pdf.pages)):
        f.write(number, f.stream(number).replace(b"0.086275 0.129412 0.168627 rg", b"9 9 9 rg"))


def widget(f: Forgery, field: str) -> Dictionary:
    return next(a for p in f.pdf.pages for a in p.obj.get("/Annots", ()) if a.get("/T") == field)


@attack("shows something before it is signed")
def a_member_has_approved_before_they_were_asked(f: Forgery) -> None:
    box = widget(f, "Member1").AP.N
    box.write(b"0 0.5 0 rg 10 10 100 30 re f")


@attack("says something else of itself|is described otherwise")
def a_field_says_that_it_is_signed(f: Forgery) -> None:
    widget(f, "Member1").TU = String("Approved by Bo Board")


@attack("a field is described otherwise")
def the_screen_reader_hears_an_approval(f: Forgery) -> None:
    next(e for e in elements(f) if e.S == "/Form").Alt = String("Approved by all members")


@attack("a field that no signer has")
def a_field_too_many(f: Forgery) -> None:
    copy = f.pdf.make_indirect(Dictionary(dict(widget(f, "Member1").items())))
    copy.T = String("Member9")
    copy.Rect = Array([300, 40, 420, 70])
    f.pdf.pages[2].obj.Annots = Array([*f.pdf.pages[2].obj.get("/Annots", []), copy])
    f.pdf.Root.AcroForm.Fields.append(copy)


@attack(r"has \['/CropBox'\]")
def a_page_is_cropped(f: Forgery) -> None:
    f.pdf.pages[2].obj.CropBox = Array([0, 400, 595, 841])


@attack("is cut")
def a_page_is_trimmed(f: Forgery) -> None:
    f.pdf.pages[2].obj.TrimBox = Array([0, 400, 595, 841])


@attack("says “|another number of pages|expected")
def a_page_is_missing(f: Forgery) -> None:
    del f.pdf.pages[4]


@attack("says “|expected")
def two_pages_change_places(f: Forgery) -> None:
    pages = f.pdf.pages
    pages[4].obj.Contents, pages[5].obj.Contents = pages[5].obj.Contents, pages[4].obj.Contents


@attack("colours mean something else")
def black_is_made_white(f: Forgery) -> None:
    f.pdf.pages[2].Resources.ColorSpace["/DefaultRGB"] = Name.DeviceRGB


@attack("another profile")
def red_is_made_blue(f: Forgery) -> None:
    intent = f.pdf.Root.OutputIntents[0]
    data = bytes(intent.DestOutputProfile.read_bytes()).replace(b"rXYZ", b"tmp ")
    intent.DestOutputProfile = f.pdf.make_stream(data.replace(b"bXYZ", b"rXYZ").replace(b"tmp ", b"bXYZ"), N=3)


@attack("profile that cannot be read")
def the_profile_is_none(f: Forgery) -> None:
    f.pdf.Root.OutputIntents[0].DestOutputProfile = f.pdf.make_stream(b"another", N=3)


@attack("the contents name page")
def the_contents_name_another_page(f: Forgery) -> None:
    page, run = next(
        (i, r) for i, p in enumerate(f.real.pages) for r in p.runs if r.text == "3" and r.x0 > 650 and r.y < 1000
    )
    other = next(r for r in f.real.pages[page].runs if r.text == "2" and r.x0 > 650)
    two = re.search(rb"\[.*?\]", f.stream(page)[f.stream(page).index(b"<</MCID %d>>" % other.mark) :])
    assert two is not None
    f.edit(page, run, lambda piece: re.sub(rb"\[.*?\]", two[0], piece))


@attack("a mark of a list without its line")
def a_bullet_stands_elsewhere(f: Forgery) -> None:
    page, run = f.find("• ")
    f.edit(page, run, moved(0, 60))


@attack("the document holds")
def the_document_acts_when_opened(f: Forgery) -> None:
    f.pdf.Root.OpenAction = Array([f.pdf.pages[0].obj, Name.Fit])


@attack("neither level nor upright")
def a_line_crosses_the_page(f: Forgery) -> None:
    f.append(2, b"q /A1.0 gs 0 0 0 RG 1 w 10 10 m 700 1000 l S Q")


@attack("something is turned")
def the_page_is_turned(f: Forgery) -> None:
    f.append(2, b"q 0 1 -1 0 0 0 cm Q")


@pytest.mark.parametrize(("name", "reason", "make"), ATTACKS, ids=[name for name, _, _ in ATTACKS])
def test_a_page_that_shows_something_else_is_not_taken(name: str, reason: str, make: Attack, real: Real) -> None:
    with pikepdf.open(io.BytesIO(real.pdf)) as pdf:
        forgery = Forgery(real, pdf)
        make(forgery)
        forged = forgery.saved()
    with pytest.raises(Unsure, match=reason):
        check_pages(forged, real.document)


def test_the_pages_that_assay_prints_are_taken(real: Real) -> None:
    said = check_pages(real.pdf, real.document)
    assert f"on {len(real.pages)} pages" in said
    drawings = sum(len(page.pictures) for page in real.pages)
    assert drawings > 1
    assert f"{drawings} drawings, shape by shape" in said


def test_saved_anew_they_are_taken_too(real: Real) -> None:
    """Another packing of the same pages: what other versions of the programs write."""
    with pikepdf.open(io.BytesIO(real.pdf)) as pdf:
        assert check_pages(Forgery(real, pdf).saved(), real.document) == check_pages(real.pdf, real.document)


def test_the_words_of_another_report_are_not(real: Real, small: Reports, pki: Pki) -> None:
    other = kit.manifest_of(small.files, pki.auditor, title="Another", quorum=1)
    with pytest.raises(Unsure, match="says “"):
        check_pages(real.pdf, build_document(small.files, manifest=other))


def test_verify_reads_and_where_asked_sets_again(real: Real, pki: Pki) -> None:
    from reports import pdf as pages

    signed = certify(real.pdf, pki.auditor, field="Auditor", reason="x").pdf
    line = {}
    for exact in (False, True):
        pages.forget()
        found = verify(signed, exact=exact)
        line[exact] = next(c for c in found.checks if c.name == "printed pages")
        assert line[exact].status == "ok"
    assert "read as they are drawn" in line[False].detail
    assert "the certified file made again" in line[True].detail


def test_verify_refuses_the_right_words_that_nobody_sees(real: Real, pki: Pki) -> None:
    with pikepdf.open(io.BytesIO(real.pdf)) as pdf:
        forgery = Forgery(real, pdf)
        a_white_patch_lies_over_a_value(forgery)
        signed = certify(forgery.saved(), pki.auditor, field="Auditor", reason="x").pdf
    check = verify(signed).failed
    assert check is not None
    assert (check.name, check.status) == ("printed pages", "failed")
    assert "not the way in which they are drawn" in check.detail


def test_letters_that_the_font_lacks_are_left_to_the_slow_way(small: Reports, pki: Pki) -> None:
    def renamed(name: str) -> Callable[[dict[str, object]], None]:
        return lambda document: document["case"].update(name=name)  # type: ignore[attr-defined]

    for name in ("شركة", "信用", "\ufb01ne", "Cafe\u0301"):
        files = kit.edited(small.files, "evidence.json", renamed(name))
        document = build_document(files, manifest=kit.manifest_of(files, pki.auditor))
        with pytest.raises(NotCovered):
            check_pages(b"not looked at", document)


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 100" width="680" height="100">{}</svg>'


@pytest.mark.parametrize(
    ("element", "path"),
    [
        ('<path d="M1 2l3 4l-1 0z" fill="#fff"/>', [("m", (1, 2)), ("l", (4, 6)), ("l", (3, 6)), ("h", ())]),
        ('<path d="M10 5.5v8M10 9.5H30m0 -4v8" stroke="#000" fill="none"/>',
         [("m", (10, 5.5)), ("l", (10, 13.5)), ("m", (10, 9.5)), ("l", (30, 9.5)),
          ("m", (30, 5.5)), ("l", (30, 13.5))]),
        ('<line x1="1" y1="2" x2="3" y2="2" stroke="#000"/>', [("m", (1, 2)), ("l", (3, 2))]),
        ('<polygon points="0,1 2,3 4,5" fill="#abc"/>',
         [("m", (0, 1)), ("l", (2, 3)), ("l", (4, 5)), ("h", ())]),
        ('<rect x="1" y="2" width="3" height="4" fill="#000"/>', [("re", (1, 2, 3, 4))]),
    ],
)  # fmt: skip
def test_shapes_of_a_drawing_by_hand(element: str, path: list[tuple[str, tuple[float, ...]]]) -> None:
    (shape,) = said_of(SVG.format(element))
    assert isinstance(shape, chart.Shape)
    assert [(op, tuple(numbers)) for op, numbers in shape.path] == [(op, tuple(map(float, n))) for op, n in path]


def said_of(svg: str) -> list[chart.Thing]:
    return chart.said(svg, reference.advance)


def test_text_of_a_drawing_by_hand() -> None:
    """In DejaVu Sans a digit is 1303 of 2048 wide, a full stop 651."""
    (text,) = said_of(SVG.format('<text x="100" y="50" font-size="10" text-anchor="end" fill="#000">1.5 0</text>'))
    assert isinstance(text, chart.Text)
    digit, stop = 1303 / 204.8, 651 / 204.8
    begin = 100 - 4 * digit + digit - 2 * stop  # three digits, a full stop, and a space as wide as that
    assert [c for c, _ in text.letters] == ["1", ".", "5", "0"]
    assert [x for _, x in text.letters] == pytest.approx(
        [begin, begin + digit, begin + digit + stop, begin + 2 * digit + 2 * stop], abs=0.01
    )


@pytest.mark.parametrize("element", ["<image/>", '<rect width="1" height="1" opacity="0"/>', "<script/>"])
def test_a_drawing_of_another_kind_is_not_read(element: str) -> None:
    with pytest.raises(Unsure):
        said_of(SVG.format(element))


def test_contrast_as_wcag_defines_it() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((1, 1, 1), (1, 1, 1)) == 1
    assert contrast((119 / 255,) * 3, (1, 1, 1)) == pytest.approx(4.48, abs=0.01)  # #777 on white


def test_a_clip_of_another_shape_is_not_taken_for_a_rectangle() -> None:
    assert rectangle([(3, 1), (0, 1), (0, 2), (3, 2)]) == (0, 1, 3, 2)
    for points in ([(0, 0), (1, 1), (1, 0), (0, 1)], [(0, 0), (1, 0), (1, 1)], [(0, 0), (2, 0), (1, 1), (0, 1)]):
        with pytest.raises(Unsure):
            rectangle([(float(x), float(y)) for x, y in points])
