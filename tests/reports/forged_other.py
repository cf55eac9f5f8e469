"""Forgeries that say or do something beside what the pages show: to screen readers, in titles, by actions and files.

And the same report in other bytes.
"""

from __future__ import annotations

import io
import re
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, String

from tests.reports.forge import Forge, forgery
from tests.reports.forged_pages import TABLE, elements, row

# --- what a screen reader hears ---


@forgery
def a_mark_says_something_else_than_it_draws(f: Forge) -> None:
    page, cells = row(f, "f", TABLE)
    f.edit(page, cells[1], lambda piece: piece.replace(b">>", b" /ActualText (0.99)>>", 1))


@forgery
def an_abbreviation_is_spelled_out_falsely(f: Forge) -> None:
    next(e for e in elements(f) if e.S == "/TD").E = String("no gap")


@forgery
def a_table_is_said_to_be_in_another_language(f: Forge) -> None:
    next(e for e in elements(f) if e.S == "/Table").Lang = String("xx")


@forgery
def a_cell_has_another_head(f: Forge) -> None:
    cell = next(e for e in elements(f) if e.S == "/TD")
    cell.A = Dictionary(O=Name.Table, Headers=Array([String("another")]))


@forgery
def the_tags_are_gone(f: Forge) -> None:
    del f.pdf.Root["/StructTreeRoot"]


@forgery
def the_tags_are_said_to_be_suspect(f: Forge) -> None:
    f.pdf.Root.MarkInfo.Suspects = True


@forgery
def marks_belong_to_other_tags(f: Forge) -> None:
    nums = f.pdf.Root.StructTreeRoot.ParentTree.Nums
    nums[1], nums[3] = nums[3], nums[1]


@forgery
def tags_have_classes(f: Forge) -> None:
    f.pdf.Root.StructTreeRoot.ClassMap = Dictionary(x=Dictionary(O=Name.Layout, Color=Array([1, 1, 1])))


@forgery
def the_document_is_in_another_language(f: Forge) -> None:
    f.pdf.Root.Lang = String("de")


# --- titles, labels, settings ---


@forgery
def a_bookmark_too_many(f: Forge) -> None:
    first = f.pdf.Root.Outlines.First
    built = Dictionary(
        Title=String("Verdict: fair"), Parent=f.pdf.Root.Outlines, Dest=Array([f.pdf.pages[0].obj, Name.Fit])
    )
    built = f.pdf.make_indirect(built)
    first.Next, built.Prev, f.pdf.Root.Outlines.Last = built, first, built


@forgery
def bookmarks_go_round_in_a_ring(f: Forge) -> None:
    first = f.pdf.Root.Outlines.First
    first.First.First = first


@forgery
def a_bookmark_acts(f: Forge) -> None:
    mark = f.pdf.Root.Outlines.First
    del mark["/Dest"]
    mark.A = Dictionary(S=Name.GoTo, D=Array([f.pdf.pages[0].obj, Name.Fit]))


@forgery
def a_bookmark_is_red(f: Forge) -> None:
    f.pdf.Root.Outlines.First.C = Array([1, 0, 0])


@forgery
def pages_are_numbered_otherwise(f: Forge) -> None:
    f.pdf.Root.PageLabels = Dictionary(Nums=Array([0, Dictionary(P=String("Summary "), S=Name.D, St=7)]))


@forgery
def the_title_in_xmp_is_another(f: Forge) -> None:
    data = bytes(f.pdf.Root.Metadata.read_bytes()).replace(b"Fairness audit", b"Fairness proved")
    f.pdf.Root.Metadata = f.pdf.make_stream(data, Type=Name.Metadata, Subtype=Name.XML)


@forgery
def the_title_of_the_window_is_another(f: Forge) -> None:
    f.pdf.docinfo["/Title"] = String("No bias found")


@forgery
def there_are_keywords(f: Forge) -> None:
    f.pdf.docinfo["/Keywords"] = String("fair, certified")


@forgery
def the_report_is_older_than_it_is(f: Forge) -> None:
    f.pdf.docinfo["/CreationDate"] = String("D:20200101000000+00'00'")


@forgery
def the_viewer_hides_its_tools(f: Forge) -> None:
    f.pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True, HideToolbar=True, HideMenubar=True)


@forgery
def the_window_shows_the_files_name(f: Forge) -> None:
    f.pdf.Root.ViewerPreferences.DisplayDocTitle = False


@forgery
def the_viewer_opens_full_screen(f: Forge) -> None:
    f.pdf.Root.PageMode = Name.FullScreen
    f.pdf.Root.PageLayout = Name.TwoPageRight


# --- actions ---


@forgery
def the_document_runs_a_script(f: Forge) -> None:
    f.pdf.Root.OpenAction = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))


@forgery
def a_page_runs_a_script(f: Forge) -> None:
    f.pdf.pages[0].obj.AA = Dictionary(O=Dictionary(S=Name.JavaScript, JS=String("app.alert(1)")))


@forgery
def a_script_has_a_name(f: Forge) -> None:
    script = Dictionary(S=Name.JavaScript, JS=String("app.alert(1)"))
    f.pdf.Root.Names.JavaScript = Dictionary(Names=Array([String("x"), script]))


@forgery
def a_link_starts_a_program(f: Forge) -> None:
    f.note(0, Subtype=Name.Link, A=Dictionary(S=Name.Launch, F=String("calc.exe")))


@forgery
def a_link_leads_into_another_file(f: Forge) -> None:
    f.note(0, Subtype=Name.Link, A=Dictionary(S=Name.GoToR, F=String("other.pdf"), D=Array([0, Name.Fit])))


@forgery
def a_link_plays_a_film(f: Forge) -> None:
    f.note(0, Subtype=Name.RichMedia, RichMediaContent=Dictionary(), Contents=String("film"))


@forgery
def a_link_turns_the_page(f: Forge) -> None:
    f.note(0, Subtype=Name.Link, A=Dictionary(S=Name.Named, N=Name.NextPage))


@forgery
def links_start_from_another_place(f: Forge) -> None:
    f.pdf.Root.URI = Dictionary(Base=String("https://example.org/"))


@forgery
def an_object_that_nothing_refers_to_acts(f: Forge) -> None:
    """qpdf leaves it out of what it writes, so it hangs on a key that no viewer knows."""
    f.pdf.Root.Extra = f.pdf.make_indirect(Dictionary(S=Name.JavaScript, JS=String("app.alert(1)")))


@forgery
def a_page_waits_under_a_name(f: Forge) -> None:
    f.pdf.Root.Names.Templates = Dictionary(Names=Array([String("x"), f.pdf.pages[2].obj]))


@forgery
def the_report_is_a_portfolio(f: Forge) -> None:
    f.pdf.Root.Collection = Dictionary(Type=Name.Collection, D=String("evidence.json"), View=Name.T)


@forgery
def an_article_leads_past_the_findings(f: Forge) -> None:
    bead = f.pdf.make_indirect(Dictionary(Type=Name.Bead, P=f.pdf.pages[0].obj, R=Array([0, 0, 500, 500])))
    bead.N, bead.V = bead, bead
    f.pdf.Root.Threads = Array([f.pdf.make_indirect(Dictionary(Type=Name.Thread, F=bead))])
    f.pdf.pages[0].obj.B = Array([bead])


@forgery
def the_reader_is_asked_to_have_something(f: Forge) -> None:
    f.pdf.Root.Requirements = Array([Dictionary(Type=Name.Requirement, S=Name.EnableJavaScripts)])


@forgery
def the_author_allows_more(f: Forge) -> None:
    f.pdf.Root.Perms = Dictionary(UR3=Dictionary(Type=Name.Sig, Filter=Name("/Adobe.PPKLite")))


# --- attachments ---


def filespec(f: Forge, name: str) -> Any:
    names = f.pdf.Root.Names.EmbeddedFiles.Names
    return next(names[i + 1] for i in range(0, len(names), 2) if str(names[i]) == name)


@forgery
def an_attachment_is_described_otherwise(f: Forge) -> None:
    filespec(f, "evidence.json").Desc = String("Proof that there is no bias")


@forgery
def an_attachment_is_said_to_be_something_else(f: Forge) -> None:
    filespec(f, "evidence.json").AFRelationship = Name.Alternative


@forgery
def an_attachment_has_a_second_content(f: Forge) -> None:
    spec = filespec(f, "evidence.json")
    spec.EF.UF = f.pdf.make_stream(b"{}", Type=Name.EmbeddedFile)


@forgery
def an_attachment_has_another_date(f: Forge) -> None:
    filespec(f, "evidence.json").EF.F.Params.ModDate = String("D:20200101000000Z")


@forgery
def a_file_hangs_on_a_page(f: Forge) -> None:
    content = f.pdf.make_stream(b"MZ", Type=Name.EmbeddedFile)
    spec = Dictionary(Type=Name.Filespec, F=String("run.exe"), EF=Dictionary(F=content))
    f.note(0, Subtype=Name.FileAttachment, FS=f.pdf.make_indirect(spec))


@forgery
def a_file_more_than_the_manifest_lists(f: Forge) -> None:
    from pikepdf import AttachedFileSpec

    f.pdf.attachments["notes.txt"] = AttachedFileSpec(f.pdf, b"hello", filename="notes.txt")


@forgery
def a_tag_brings_a_file(f: Forge) -> None:
    content = f.pdf.make_stream(b"x", Type=Name.EmbeddedFile)
    spec = Dictionary(Type=Name.Filespec, F=String("a"), UF=String("a"), EF=Dictionary(F=content))
    next(e for e in elements(f) if e.S == "/Figure").AF = Array([f.pdf.make_indirect(spec)])


# --- bytes ---


@forgery
def the_same_in_another_packing(f: Forge) -> None:
    """Nothing is changed but the order and the packing: right, but not what was made."""
    f.tail.append(lambda data: repacked(data))


def repacked(data: bytes, **options: Any) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as pdf:
        mapping = {
            "object_stream_mode": pikepdf.ObjectStreamMode.generate,
            "recompress_flate": True,
            "force_version": "1.7",
        }
        pdf.save(out, deterministic_id=True, **(mapping | options))
    return out.getvalue()


@forgery
def the_same_with_an_old_table(f: Forge) -> None:
    f.tail.append(lambda data: repacked(data, object_stream_mode=pikepdf.ObjectStreamMode.disable))


@forgery
def the_same_for_the_web(f: Forge) -> None:
    f.tail.append(lambda data: repacked(data, linearize=True))


@forgery
def the_same_in_another_version_of_pdf(f: Forge) -> None:
    f.tail.append(lambda data: repacked(data, force_version="1.4"))


@forgery
def the_same_readable(f: Forge) -> None:
    f.tail.append(lambda data: repacked(data, qdf=True))


@forgery
def the_same_with_another_identifier(f: Forge) -> None:
    f.tail.append(lambda data: re.sub(rb"/ID \[<\w{4}", b"/ID [<0000", data))


@forgery
def another_comment_in_the_head(f: Forge) -> None:
    f.tail.append(lambda data: data[:10] + b"\xe2\xe3\xcf\xd3" + data[14:])
