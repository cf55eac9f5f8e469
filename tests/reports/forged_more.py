"""Forgeries of other kinds that show something else: annotations, fields, layers, boxes, fonts, inks."""

from __future__ import annotations

import io
import re
from typing import Any

from pikepdf import Array, Dictionary, Name, String

from tests.reports.forge import Forge, forgery
from tests.reports.forged_pages import TABLE, last_paragraph, row, widget

WHITE = b"1 1 1 rg 0 0 500 500 re f"

# --- annotations ---


@forgery
def a_white_square_is_stuck_on(f: Forge) -> None:
    f.note(2, Subtype=Name.Square, IC=Array([1, 1, 1]), C=Array([1, 1, 1]))


@forgery
def a_stamp_says_approved(f: Forge) -> None:
    f.note(0, Subtype=Name.Stamp, AP=Dictionary(N=f.form(b"0 .5 0 rg 0 0 300 90 re f")), Contents=String("APPROVED"))


@forgery
def a_sentence_is_struck_out(f: Forge) -> None:
    f.note(2, Subtype=Name.StrikeOut, QuadPoints=Array([60, 700, 400, 700, 60, 680, 400, 680]), C=Array([1, 0, 0]))


@forgery
def a_comment_pops_up(f: Forge) -> None:
    f.note(0, Subtype=Name.Text, Contents=String("Reviewed: no bias found"), Open=True)


@forgery
def something_is_drawn_in_ink(f: Forge) -> None:
    f.note(2, Subtype=Name.Ink, InkList=Array([Array([60, 500, 400, 700])]), C=Array([0, 0, 0]))


@forgery
def a_passage_is_blackened(f: Forge) -> None:
    f.note(2, Subtype=Name.Redact, IC=Array([0, 0, 0]), QuadPoints=Array([60, 700, 400, 700, 60, 680, 400, 680]))


@forgery
def a_watermark_lies_over_a_page(f: Forge) -> None:
    f.note(2, Subtype=Name.Watermark, AP=Dictionary(N=f.form(WHITE)))


@forgery
def a_link_has_a_face(f: Forge) -> None:
    links(f)[0].AP = Dictionary(N=f.form(WHITE))


@forgery
def a_link_has_a_thick_white_border(f: Forge) -> None:
    links(f)[0].BS.W = 30


@forgery
def a_link_lies_elsewhere(f: Forge) -> None:
    links(f)[0].Rect = Array([0, 0, 595, 842])


def links(f: Forge) -> list[Any]:
    return [a for p in f.pdf.pages for a in p.obj.get("/Annots", ()) if a.Subtype == "/Link"]


# --- fields ---


@forgery
def a_field_changes_its_face_under_the_mouse(f: Forge) -> None:
    widget(f, "Member1").AP.R = f.form(b"0 .5 0 rg 0 0 200 60 re f")


@forgery
def a_field_has_a_caption(f: Forge) -> None:
    widget(f, "Member1").MK = Dictionary(CA=String("Approved"), BG=Array([0, 1, 0]))


@forgery
def a_text_field_says_approved(f: Forge) -> None:
    field = f.note(0, Subtype=Name.Widget, FT=Name.Tx, T=String("Verdict"), V=String("All norms hold"))
    f.pdf.Root.AcroForm.Fields.append(field)


@forgery
def a_box_is_ticked(f: Forge) -> None:
    states = Dictionary(Yes=f.form(b"0 0 9 9 re f"), Off=f.form(b""))
    field = f.note(
        0, Subtype=Name.Widget, FT=Name.Btn, T=String("Fair"), AS=Name.Yes, V=Name.Yes, AP=Dictionary(N=states)
    )
    f.pdf.Root.AcroForm.Fields.append(field)


@forgery
def a_button_sends_the_report_away(f: Forge) -> None:
    action = Dictionary(S=Name.SubmitForm, F=String("https://example.org/take"))
    field = f.note(0, Subtype=Name.Widget, FT=Name.Btn, T=String("Go"), Ff=65536, A=action)
    f.pdf.Root.AcroForm.Fields.append(field)


@forgery
def faces_are_left_to_the_viewer(f: Forge) -> None:
    f.pdf.Root.AcroForm.NeedAppearances = True


@forgery
def the_form_is_another_one(f: Forge) -> None:
    f.pdf.Root.AcroForm.XFA = f.pdf.make_stream(b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>")


@forgery
def fields_are_computed(f: Forge) -> None:
    f.pdf.Root.AcroForm.CO = Array([widget(f, "Member1")])


@forgery
def a_field_has_a_default(f: Forge) -> None:
    widget(f, "Member1").DV = String("Approved")


@forgery
def a_field_is_locked(f: Forge) -> None:
    widget(f, "Member2").Lock = Dictionary(Type=Name.SigFieldLock, Action=Name.All)


# --- layers ---


@forgery
def a_layer_hides_a_sentence(f: Forge) -> None:
    layer = f.pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("x")))
    f.pdf.Root.OCProperties = Dictionary(OCGs=Array([layer]), D=Dictionary(OFF=Array([layer])))
    f.pdf.pages[2].Resources.Properties = Dictionary({"/L": layer})
    page, run = last_paragraph(f)
    f.pdf.pages[page].Resources.Properties = Dictionary({"/L": layer})
    f.edit(page, run, lambda piece: b"/OC /L BDC\n" + piece + b"\nEMC")


@forgery
def a_layer_shows_on_paper_only(f: Forge) -> None:
    layer = f.pdf.make_indirect(
        Dictionary(Type=Name.OCG, Name=String("x"), Usage=Dictionary(Print=Dictionary(PrintState=Name.ON)))
    )
    events = Array([Dictionary(Event=Name.Print, OCGs=Array([layer]), Category=Array([Name.Print]))])
    f.pdf.Root.OCProperties = Dictionary(OCGs=Array([layer]), D=Dictionary(OFF=Array([layer]), AS=events))
    f.pdf.pages[2].Resources.XObject["/L"] = f.form(WHITE, OC=layer)
    f.append(2, b"/L Do")


# --- boxes and the tree of pages ---


@forgery
def a_page_is_cut_at_its_edge(f: Forge) -> None:
    f.pdf.pages[2].obj.MediaBox = Array([0, 300, 595.275591, 841.889764])


@forgery
def a_page_is_measured_in_other_units(f: Forge) -> None:
    f.pdf.pages[2].obj.UserUnit = 0.5


@forgery
def a_page_bleeds_elsewhere(f: Forge) -> None:
    f.pdf.pages[2].obj.BleedBox = Array([0, 300, 595, 841])


@forgery
def a_page_has_a_box_for_its_art(f: Forge) -> None:
    f.pdf.pages[2].obj.ArtBox = Array([0, 300, 595, 841])


@forgery
def a_page_comes_twice(f: Forge) -> None:
    f.pdf.pages.append(f.pdf.pages[2])


@forgery
def pages_inherit_their_size(f: Forge) -> None:
    f.pdf.Root.Pages.MediaBox = Array([0, 0, 595, 841])


@forgery
def pages_hang_on_a_branch(f: Forge) -> None:
    kids = list(f.pdf.Root.Pages.Kids)
    branch = f.pdf.make_indirect(
        Dictionary(Type=Name.Pages, Parent=f.pdf.Root.Pages, Kids=Array(kids[1:]), Count=len(kids) - 1, Rotate=180)
    )
    f.pdf.Root.Pages.Kids = Array([kids[0], branch])


@forgery
def a_page_turns_by_itself(f: Forge) -> None:
    f.pdf.pages[2].obj.Trans = Dictionary(S=Name.Wipe)
    f.pdf.pages[2].obj.Dur = 1


@forgery
def a_page_has_a_small_picture_of_another(f: Forge) -> None:
    f.pdf.pages[2].obj.Thumb = picture(f)


@forgery
def a_page_keeps_private_data(f: Forge) -> None:
    f.pdf.pages[2].obj.PieceInfo = Dictionary(Evil=Dictionary(Private=String("payload")))


@forgery
def a_page_has_metadata(f: Forge) -> None:
    f.pdf.pages[2].obj.Metadata = f.pdf.make_stream(b"<x/>", Type=Name.Metadata, Subtype=Name.XML)


@forgery
def a_page_is_drawn_in_two_streams(f: Forge) -> None:
    old = f.pdf.pages[2].Contents
    f.pdf.pages[2].obj.Contents = Array([old, f.pdf.make_stream(b"q 1 1 1 rg 0 0 595 300 re f Q")])


@forgery
def something_is_drawn_before_the_page(f: Forge) -> None:
    f.write(2, b"q 1 .9 .9 rg 0 0 595 842 re f Q\n" + f.stream(2))


# --- fonts ---


def fonts(f: Forge) -> list[Any]:
    return [o for o in f.pdf.objects if isinstance(o, Dictionary) and o.get("/Subtype") == "/Type0"]


@forgery
def a_font_says_nothing(f: Forge) -> None:
    for font in fonts(f):
        del font["/ToUnicode"]


@forgery
def a_font_says_another_word(f: Forge) -> None:
    for font in fonts(f):
        table = bytes(font.ToUnicode.read_bytes())
        font.ToUnicode = f.pdf.make_stream(table.replace(b"> <0030>", b"> <0039>"))


@forgery
def the_outlines_of_two_figures_change_places(f: Forge) -> None:
    """Text and tags stay right; what shows is another figure."""
    from fontTools.ttLib import TTFont

    for font in fonts(f):
        program = font.DescendantFonts[0].FontDescriptor.FontFile2
        codes = {t: c for c, t in re.findall(rb"<(\w{4})> <(\w{4})>", bytes(font.ToUnicode.read_bytes()))}
        if not {b"0031", b"0039"} <= codes.keys():
            continue
        with TTFont(io.BytesIO(program.read_bytes())) as ttf:
            order, glyphs = ttf.getGlyphOrder(), ttf["glyf"]
            one, nine = (order[int(codes[c], 16)] for c in (b"0031", b"0039"))
            glyphs[one], glyphs[nine] = glyphs[nine], glyphs[one]
            out = io.BytesIO()
            ttf.save(out)
        font.DescendantFonts[0].FontDescriptor.FontFile2 = f.pdf.make_stream(
            out.getvalue(), Length1=len(out.getvalue())
        )


@forgery
def signs_are_chosen_by_a_table(f: Forge) -> None:
    fonts(f)[0].DescendantFonts[0].CIDToGIDMap = f.pdf.make_stream(bytes(2 * 5000))


@forgery
def signs_are_drawings(f: Forge) -> None:
    sign = f.pdf.make_stream(b"600 0 d0 0 0 500 700 re f")
    size, scale = Array([0, 0, 1000, 1000]), Array([0.001, 0, 0, 0.001, 0, 0])
    f.pdf.pages[2].Resources.Font["/T3"] = Dictionary(
        Type=Name.Font, Subtype=Name.Type3, FontBBox=size, FontMatrix=scale,
        CharProcs=Dictionary(a=sign), Encoding=Dictionary(Differences=Array([97, Name.a])), FirstChar=97, LastChar=97,
        Widths=Array([600]),
    )  # fmt: skip
    f.append(2, b"BT /T3 20 Tf 100 100 Td <61> Tj ET")


@forgery
def the_font_is_the_viewers(f: Forge) -> None:
    for font in fonts(f):
        del font.DescendantFonts[0].FontDescriptor["/FontFile2"]


@forgery
def text_runs_downwards(f: Forge) -> None:
    fonts(f)[0].Encoding = Name("/Identity-V")


@forgery
def a_figure_has_no_width(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(page, cells[1], lambda piece: piece.replace(b"BT", b"BT\n0.01 Tz", 1))


# --- inks ---


def with_state(f: Forge, **entries: Any) -> None:
    page, run = last_paragraph(f)
    f.pdf.pages[page].Resources.ExtGState["/s"] = Dictionary(**entries)
    f.edit(page, run, lambda piece: b"q\n/s gs\n" + piece + b"\nQ")


@forgery
def a_soft_mask_hides_a_sentence(f: Forge) -> None:
    group = f.form(b"0 g 0 0 1 1 re f", Group=Dictionary(S=Name.Transparency, CS=Name.DeviceGray))
    with_state(f, SMask=Dictionary(Type=Name.Mask, S=Name.Luminosity, G=group))


@forgery
def a_sentence_is_overprinted(f: Forge) -> None:
    with_state(f, OP=True, op=True, OPM=1)


@forgery
def a_sentence_is_blended_away(f: Forge) -> None:
    with_state(f, BM=Name.Screen)


@forgery
def a_transfer_function_whitens_a_sentence(f: Forge) -> None:
    curve = Dictionary(FunctionType=2, Domain=Array([0, 1]), C0=Array([1]), C1=Array([1]), N=1)
    with_state(f, TR=curve)


@forgery
def a_halftone_thins_a_sentence(f: Forge) -> None:
    with_state(f, HT=Dictionary(Type=Name.Halftone, HalftoneType=1, Frequency=1, Angle=45, SpotFunction=Name.Round))


@forgery
def a_shading_covers_a_page(f: Forge) -> None:
    white = Dictionary(FunctionType=2, Domain=Array([0, 1]), C0=Array([1, 1, 1]), C1=Array([1, 1, 1]), N=1)
    f.pdf.pages[2].Resources.Shading["/w"] = Dictionary(
        ShadingType=2, ColorSpace=Name.DeviceRGB, Coords=Array([0, 0, 1, 1]), Function=white, Extend=Array([True, True])
    )
    f.append(2, b"/w sh")


@forgery
def a_pattern_covers_a_page(f: Forge) -> None:
    tile = f.pdf.make_stream(
        b"1 1 1 rg 0 0 9 9 re f", Type=Name.Pattern, PatternType=1, PaintType=1, TilingType=1,
        BBox=Array([0, 0, 9, 9]), XStep=9, YStep=9, Resources=Dictionary(),
    )  # fmt: skip
    f.pdf.pages[2].Resources.Pattern["/w"] = tile
    f.append(2, b"/Pattern cs /w scn 0 0 500 500 re f")


def picture(f: Forge) -> Any:
    return f.pdf.make_stream(
        b"\xff",
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=1,
        Height=1,
        ColorSpace=Name.DeviceGray,
        BitsPerComponent=8,
    )


@forgery
def a_picture_covers_a_page(f: Forge) -> None:
    f.pdf.pages[2].Resources.XObject["/w"] = picture(f)
    f.append(2, b"q 500 0 0 500 0 0 cm /w Do Q")


@forgery
def grey_means_something_else(f: Forge) -> None:
    f.pdf.pages[2].Resources.ColorSpace["/DefaultGray"] = Array([Name.CalGray, Dictionary(WhitePoint=Array([1, 1, 1]))])


@forgery
def there_are_two_intents(f: Forge) -> None:
    other = Dictionary(dict(f.pdf.Root.OutputIntents[0].items()))
    other.S = Name.GTS_PDFX
    f.pdf.Root.OutputIntents.append(other)


@forgery
def a_value_is_white_in_a_group(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(page, cells[1], lambda piece: b"q\n1 1 1 rg\n" + piece + b"\nQ")
