"""Pages that show something else than the evidence, forged by the auditor, who signs whatever pages they like."""

from __future__ import annotations

import re
from collections.abc import Callable

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from tests.reports.forge import Forge, Run, forgery

TM = re.compile(rb"1 0 0 -1 (\S+) (\S+) Tm")


def moved(dx: float, dy: float) -> Callable[[bytes], bytes]:
    return lambda piece: TM.sub(lambda m: b"1 0 0 -1 %f %f Tm" % (float(m[1]) + dx, float(m[2]) + dy), piece)


def row(f: Forge, label: str, after: str) -> tuple[int, list[Run]]:
    """The first lines of a table's row."""
    page, head = f.find(label, after)
    return page, sorted((r for r in f.pages[page].runs if abs(r.y - head.y) < 0.5), key=lambda r: r.x0)


TABLE = "People and favourable outcomes by sex"


@forgery
def two_cells_change_places(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    a, b = cells[1], cells[2]
    f.edit(page, a, moved(b.x0 - a.x0, 0))
    f.edit(page, b, moved(a.x0 - b.x0, 0))


@forgery
def two_rows_change_their_values(f: Forge) -> None:
    page, first = row(f, "f", TABLE)
    _, second = row(f, "m", TABLE)
    for a, b in zip(first[1:], second[1:], strict=True):
        f.edit(page, a, moved(0, b.y - a.y))
        f.edit(page, b, moved(0, a.y - b.y))


@forgery
def two_labels_change_places(f: Forge) -> None:
    page, first = row(f, "f", TABLE)
    _, second = row(f, "m", TABLE)
    f.edit(page, first[0], moved(0, second[0].y - first[0].y))
    f.edit(page, second[0], moved(0, first[0].y - second[0].y))


@forgery
def a_sentence_moves_up_a_chapter(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, moved(0, -220))


def last_paragraph(f: Forge) -> tuple[int, Run]:
    """A sentence on the page of the board that somebody may want nobody to read."""
    return f.find("What led to the decisions: no one has looked into that.")


@forgery
def a_white_patch_lies_over_a_value(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    box = (cells[1].x0 - 1, cells[1].y - 12, cells[1].x1 - cells[1].x0 + 2, 15)
    f.append(page, b"q /a1.0 gs 1 1 1 rg %f %f %f %f re f Q" % box)


@forgery
def a_line_strikes_a_sentence_out(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.append(page, b"q /A1.0 gs 0 0 0 RG 1 w %f %f m %f %f l S Q" % (run.x0, run.y - 3, run.x1, run.y - 3))


@forgery
def a_patch_lies_over_a_chart(f: Forge) -> None:
    page = next(i for i, p in enumerate(f.pages) if p.pictures)
    x0, y0, _, _ = f.pages[page].pictures[0].box
    f.append(page, b"q /a1.0 gs 1 1 1 rg %f %f 60 20 re f Q" % (x0 + 200, y0 + 20))


@forgery
def a_notice_is_white(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"BT", b"1 1 1 rg\nBT", 1))


@forgery
def a_sentence_is_pale(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"BT", b".6 .6 .6 rg\nBT", 1))


@forgery
def a_sentence_is_tiny(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: re.sub(rb"[\d.]+ Tf", b"2 Tf", piece))


@forgery
def a_sentence_is_not_drawn(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"BT", b"BT\n3 Tr", 1))


@forgery
def a_sentence_is_clipped_away(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: b"q\n0 0 5 5 re\nW\nn\n" + piece + b"\nQ")


@forgery
def a_sentence_is_transparent(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.pdf.pages[page].Resources.ExtGState["/none"] = Dictionary(ca=0)
    f.edit(page, run, lambda piece: b"q\n/none gs\n" + piece + b"\nQ")


@forgery
def a_sentence_leaves_the_page(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, moved(2000, 0))


@forgery
def a_sentence_is_missing(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: re.sub(rb"BT.*ET\s", b"", piece, flags=re.DOTALL))


@forgery
def a_value_is_said_twice(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(
        page, cells[1], lambda piece: piece.replace(b"ET", b"ET\n" + piece[piece.index(b"BT") : piece.index(b"EMC")])
    )


@forgery
def another_digit(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)

    def change(piece: bytes) -> bytes:
        codes = re.findall(rb"<([0-9a-f]{4})>", piece)
        return piece.replace(codes[0], codes[1], 1) if codes[0] != codes[1] else piece.replace(codes[0], codes[-1], 1)

    f.edit(page, cells[1], change)


@forgery
def signs_are_pulled_apart(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(page, cells[1], lambda piece: piece.replace(b">0<", b">-9000<", 1))


@forgery
def a_space_opens_within_a_number(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    number = next(c for c in cells if re.match(r"\d\d", c.text))
    f.edit(page, number, lambda piece: piece.replace(b">0<", b">-250<", 1))


@forgery
def a_number_goes_on_in_the_next_line(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    number = next(c for c in cells if re.match(r"\d\d", c.text))

    def change(piece: bytes) -> bytes:
        place, size = TM.search(piece), re.search(rb"/\S+ [\d.]+ Tf", piece)
        assert place is not None
        assert size is not None
        again = b"]TJ\n1 0 0 -1 %s %f Tm\n%s\n[" % (place[1], float(place[2]) + 14, size[0])
        return piece.replace(b">0<", b">" + again + b"<", 1).replace(b"]TJ", b"] TJ")

    f.edit(page, number, change)


@forgery
def text_upside_down(f: Forge) -> None:
    page, run = last_paragraph(f)
    f.edit(page, run, lambda piece: piece.replace(b"1 0 0 -1", b"-1 0 0 1"))


@forgery
def a_form_is_drawn(f: Forge) -> None:
    form = f.pdf.make_stream(
        b"1 1 1 rg 0 0 500 500 re f", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 9, 9])
    )
    f.pdf.pages[2].Resources.XObject["/cover"] = form
    f.append(2, b"/cover Do")


@forgery
def an_image_is_drawn(f: Forge) -> None:
    f.append(2, b"q 500 0 0 500 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q")


@forgery
def a_comment_hides_an_operator(f: Forge) -> None:
    f.append(2, b"% 1 1 1 rg\n")


@forgery
def a_string_hides_an_operator(f: Forge) -> None:
    f.append(2, b"BT (EMC) Tj ET")


@forgery
def words_that_no_reader_hears(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(page, cells[1], lambda piece: piece + b"\n" + piece[piece.index(b"BT") : piece.index(b"EMC")])


@forgery
def widths_that_are_not_the_signs(f: Forge) -> None:
    for font in f.pdf.pages[2].Resources.Font.values():
        font.DescendantFonts[0].W[1][0] = 3000


@forgery
def a_font_says_another_figure(f: Forge) -> None:
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


def elements(f: Forge) -> list[Dictionary]:
    return [o for o in f.pdf.objects if isinstance(o, Dictionary) and o.get("/Type") == "/StructElem"]


@forgery
def the_screen_reader_hears_another_figure(f: Forge) -> None:
    next(e for e in elements(f) if e.S == "/TD").ActualText = String("9.9")


@forgery
def a_chart_is_described_otherwise(f: Forge) -> None:
    next(e for e in elements(f) if e.S == "/Figure" and "/Alt" in e).Alt = String("There is no gap.")


@forgery
def the_screen_reader_hears_rows_in_another_order(f: Forge) -> None:
    body = [e for e in elements(f) if e.S == "/TBody" and len(e.K) > 1][-1]
    body.K = Array([body.K[1], body.K[0], *list(body.K)[2:]])


@forgery
def a_heading_is_tagged_as_text(f: Forge) -> None:
    next(e for e in elements(f) if e.S == "/H2").S = Name.P


@forgery
def tags_are_renamed(f: Forge) -> None:
    f.pdf.Root.StructTreeRoot.RoleMap = Dictionary(TD=Name.Artifact)


@forgery
def a_bookmark_says_something_else(f: Forge) -> None:
    f.pdf.Root.Outlines.First.First.Title = String("All norms hold")


@forgery
def a_bookmark_leads_elsewhere(f: Forge) -> None:
    f.pdf.Root.Outlines.First.First.Dest = Array([f.pdf.pages[0].obj, Name.Fit])


@forgery
def a_link_of_the_contents_leads_elsewhere(f: Forge) -> None:
    f.pdf.Root.Names.Dests.Names[1][0] = f.pdf.pages[-1].obj  # the first of them is on the first page


@forgery
def a_link_leads_out(f: Forge) -> None:
    link = next(a for p in f.pdf.pages for a in p.obj.get("/Annots", ()) if a.Subtype == "/Link")
    del link["/Dest"]
    link.A = Dictionary(S=Name.URI, URI=String("https://example.org"))


@forgery
def a_note_is_stuck_over_a_figure(f: Forge) -> None:
    form = f.pdf.make_stream(
        b"1 1 1 rg 0 0 500 500 re f", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 500, 500])
    )
    note = Dictionary(
        Type=Name.Annot, Subtype=Name.FreeText, Rect=Array([50, 50, 500, 500]), AP=Dictionary(N=form), DA=String("0 g")
    )
    page = f.pdf.pages[2].obj
    page.Annots = Array([*page.get("/Annots", []), f.pdf.make_indirect(note)])


@forgery
def a_number_in_a_chart_is_another(f: Forge) -> None:
    page = next(i for i, p in enumerate(f.pages) if len(p.pictures) and i > 2)
    forms = f.pdf.pages[page].Resources.XObject
    for form in forms.values():
        data = bytes(form.read_bytes())
        codes = re.findall(rb"<([0-9a-f]{4})>0\]", data)
        if len(set(codes)) > 1:
            form.write(data.replace(codes[0], next(c for c in codes if c != codes[0]), 1))


@forgery
def a_dot_in_a_chart_stands_elsewhere(f: Forge) -> None:
    page = next(i for i, p in enumerate(f.pages) if p.pictures and i > 2)
    data = f.stream(page)
    start = data.index(b"/Figure")
    match = re.search(rb"\n([\d.]+) ([\d.]+) m\n[\d.]+ [\d.]+ [\d.]+ [\d.]+ [\d.]+ [\d.]+ c", data[start:])
    assert match is not None
    new = match[0].replace(match[1], b"%f" % (float(match[1]) + 9), 1)
    f.write(page, data[:start] + data[start:].replace(match[0], new, 1))


@forgery
def a_patch_within_a_chart(f: Forge) -> None:
    page = next(i for i, p in enumerate(f.pages) if p.pictures and i > 2)
    data = f.stream(page)
    end = data.index(b"EMC", data.index(b"/Figure"))
    patch = b"q\n/a1.0 gs\n1 1 1 rg\n[] 0 d\n0 J\n0 j\n4 M\n200 20 60 20 re\nf\nQ\n"
    inner = data.rindex(b"Q\nQ\nQ\n", 0, end)
    f.write(page, data[:inner] + patch + data[inner:])


@forgery
def a_chart_in_another_colour(f: Forge) -> None:
    page = next(i for i, p in enumerate(f.pages) if p.pictures and i > 2)
    data = f.stream(page)
    start = data.index(b"/Figure")
    blue = b"0 0.447059 0.698039 rg"
    assert blue in data[start:]
    f.write(page, data[:start] + data[start:].replace(blue, b"1 1 1 rg", 1))


@forgery
def a_chart_is_missing(f: Forge) -> None:
    page = next(i for i, p in enumerate(f.pages) if p.pictures and i > 2)
    data = f.stream(page)
    start = data.index(b"/Figure")
    end = data.index(b"EMC", start) + 3
    f.write(page, data[:start] + data[end:])


@forgery
def a_page_stands_on_its_head(f: Forge) -> None:
    f.pdf.pages[2].obj.Rotate = 180


@forgery
def all_pages_stand_on_their_heads(f: Forge) -> None:
    f.pdf.Root.Pages.Rotate = 180


@forgery
def a_page_is_drawn_from_another_file(f: Forge) -> None:
    f.pdf.pages[2].obj.Contents.F = String("elsewhere.bin")


@forgery
def a_kind_of_text_is_whiter_than_white(f: Forge) -> None:
    for number in range(len(f.pdf.pages)):
        f.write(number, f.stream(number).replace(b"0.086275 0.129412 0.168627 rg", b"9 9 9 rg"))


def widget(f: Forge, field: str) -> Dictionary:
    return next(a for p in f.pdf.pages for a in p.obj.get("/Annots", ()) if a.get("/T") == field)


@forgery
def a_member_has_approved_before_they_were_asked(f: Forge) -> None:
    box = widget(f, "Member1").AP.N
    box.write(b"0 0.5 0 rg 10 10 100 30 re f")


@forgery
def a_field_says_that_it_is_signed(f: Forge) -> None:
    widget(f, "Member1").TU = String("Approved by Bo Board")


@forgery
def the_screen_reader_hears_an_approval(f: Forge) -> None:
    next(e for e in elements(f) if e.S == "/Form").Alt = String("Approved by all members")


@forgery
def a_field_too_many(f: Forge) -> None:
    copy = f.pdf.make_indirect(Dictionary(dict(widget(f, "Member1").items())))
    copy.T = String("Member9")
    copy.Rect = Array([300, 40, 420, 70])
    f.pdf.pages[2].obj.Annots = Array([*f.pdf.pages[2].obj.get("/Annots", []), copy])
    f.pdf.Root.AcroForm.Fields.append(copy)


@forgery
def a_page_is_cropped(f: Forge) -> None:
    f.pdf.pages[2].obj.CropBox = Array([0, 400, 595, 841])


@forgery
def a_page_is_trimmed(f: Forge) -> None:
    f.pdf.pages[2].obj.TrimBox = Array([0, 400, 595, 841])


@forgery
def a_page_is_missing(f: Forge) -> None:
    del f.pdf.pages[4]


@forgery
def two_pages_change_places(f: Forge) -> None:
    pages = f.pdf.pages
    pages[4].obj.Contents, pages[5].obj.Contents = pages[5].obj.Contents, pages[4].obj.Contents


@forgery
def black_is_made_white(f: Forge) -> None:
    f.pdf.pages[2].Resources.ColorSpace["/DefaultRGB"] = Name.DeviceRGB


@forgery
def red_is_made_blue(f: Forge) -> None:
    intent = f.pdf.Root.OutputIntents[0]
    data = bytes(intent.DestOutputProfile.read_bytes()).replace(b"rXYZ", b"tmp ")
    intent.DestOutputProfile = f.pdf.make_stream(data.replace(b"bXYZ", b"rXYZ").replace(b"tmp ", b"bXYZ"), N=3)


@forgery
def the_profile_is_none(f: Forge) -> None:
    f.pdf.Root.OutputIntents[0].DestOutputProfile = f.pdf.make_stream(b"another", N=3)


@forgery
def the_contents_name_another_page(f: Forge) -> None:
    page, run = next(
        (i, r) for i, p in enumerate(f.pages) for r in p.runs if r.text == "3" and r.x0 > 650 and r.y < 1000
    )
    other = next(r for r in f.pages[page].runs if r.text == "2" and r.x0 > 650)
    two = re.search(rb"\[.*?\]", f.stream(page)[f.stream(page).index(b"<</MCID %d>>" % other.mark) :])
    assert two is not None
    f.edit(page, run, lambda piece: re.sub(rb"\[.*?\]", two[0], piece))


@forgery
def a_bullet_stands_elsewhere(f: Forge) -> None:
    page, run = f.find("• ")
    f.edit(page, run, moved(0, 60))


@forgery
def the_document_acts_when_opened(f: Forge) -> None:
    f.pdf.Root.OpenAction = Array([f.pdf.pages[0].obj, Name.Fit])


@forgery
def a_line_crosses_the_page(f: Forge) -> None:
    f.append(2, b"q /A1.0 gs 0 0 0 RG 1 w 10 10 m 700 1000 l S Q")


@forgery
def the_page_is_turned(f: Forge) -> None:
    f.append(2, b"q 0 1 -1 0 0 0 cm Q")
