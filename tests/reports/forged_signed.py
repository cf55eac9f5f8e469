"""Forgeries that come with a signature of their own: in the step that certifies, in a member's step, between steps.

And those that lie about the versions that the report was made with, so that it may look otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.sign.fields import MDPPerm

from reports.issue import assemble, page_html
from reports.sign import countersign
from tests.reports import forged_more, forged_other, forged_pages, kit
from tests.reports.forge import Real, certified, forged, reembedded, reembedding, signed

Change = Callable[[Any], None]
MDP = MDPPerm.FILL_FORMS


def nothing(w: Any) -> None:
    return None


def text(words: str) -> Any:
    return generic.TextStringObject(words)


def first_page(w: Any) -> Any:
    return w.root["/Pages"]["/Kids"].raw_get(0)


def field(w: Any, name: str) -> Any:
    return next(f.get_object() for f in w.root["/AcroForm"]["/Fields"] if f.get_object()["/T"] == name)


def white(w: Any) -> Any:
    return w.add_object(generic.StreamObject(stream_data=b"1 1 1 rg 0 0 595 842 re f"))


# --- what one step may not add, in the step that certifies and in a member's ---


def page_replaced(w: Any) -> None:
    first_page(w).get_object()[pdf_name("/Contents")] = white(w)
    w.mark_update(first_page(w))


def xmp_replaced(w: Any) -> None:
    w.root[pdf_name("/Metadata")] = w.add_object(generic.StreamObject(stream_data=b"<x/>"))
    w.update_root()


def note_added(w: Any) -> None:
    box = generic.ArrayObject([generic.NumberObject(n) for n in (60, 500, 500, 700)])
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"), pdf_name("/Subtype"): pdf_name("/Square"),
            pdf_name("/Rect"): box, pdf_name("/F"): generic.NumberObject(4),
        }
    )  # fmt: skip
    page = first_page(w).get_object()
    notes = page.get("/Annots", generic.ArrayObject())
    page[pdf_name("/Annots")] = generic.ArrayObject([*notes, w.add_object(note)])
    w.mark_update(first_page(w))


def script_added(w: Any) -> None:
    action = {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): text("app.alert(1)")}
    w.root[pdf_name("/OpenAction")] = w.add_object(generic.DictionaryObject(action))
    w.update_root()


def object_hidden(w: Any) -> None:
    w.add_object(generic.DictionaryObject({pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): text("x")}))


def words_hidden(w: Any) -> None:
    w.add_object(generic.StreamObject(stream_data=b"payload " * 40))


def extension_announced(w: Any) -> None:
    entry = {pdf_name("/BaseVersion"): pdf_name("/1.7"), pdf_name("/ExtensionLevel"): generic.NumberObject(8)}
    w.root[pdf_name("/Extensions")] = generic.DictionaryObject({pdf_name("/ADBE"): generic.DictionaryObject(entry)})
    w.update_root()


def dss(w: Any, **entries: Any) -> None:
    mapping = {pdf_name(f"/{key}"): value for key, value in entries.items()}
    w.root[pdf_name("/DSS")] = w.add_object(generic.DictionaryObject(mapping))
    w.update_root()


def validation_data_stuffed(w: Any) -> None:
    dss(w, Certs=generic.ArrayObject(), Notes=text("APPROVED by all"))


def validation_data_no_certificate(w: Any) -> None:
    junk = w.add_object(generic.StreamObject(stream_data=b"this is no certificate"))
    dss(w, Certs=generic.ArrayObject([junk]))


def validation_data_per_signature(w: Any) -> None:
    dss(w, VRI=generic.DictionaryObject({pdf_name("/" + "A" * 40): generic.DictionaryObject()}))


def other_field_described(w: Any) -> None:
    result = field(w, "Member2")
    result[pdf_name("/TU")] = text("Approved by Cy Chair")
    w.update_container(result)


def other_field_shows(w: Any) -> None:
    result = field(w, "Member2")
    face = generic.StreamObject(stream_data=b"0 1 0 rg 0 0 200 50 re f")
    face.update(
        {
            pdf_name("/Type"): pdf_name("/XObject"), pdf_name("/Subtype"): pdf_name("/Form"),
            pdf_name("/BBox"): generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 200, 50)]),
        }
    )  # fmt: skip
    result[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): w.add_object(face)})
    w.update_container(result)


def other_field_moved(w: Any) -> None:
    result = field(w, "Member2")
    result[pdf_name("/Rect")] = generic.ArrayObject([generic.NumberObject(n) for n in (0, 0, 595, 842)])
    w.update_container(result)


def fields_dressed_by_default(w: Any) -> None:
    form = w.root["/AcroForm"]
    form[pdf_name("/DA")] = text("/Helv 0 Tf 0 1 0 rg")
    w.update_container(form)


def page_turned(w: Any) -> None:
    first_page(w).get_object()[pdf_name("/Rotate")] = generic.NumberObject(180)
    w.mark_update(first_page(w))


def tags_replaced(w: Any) -> None:
    tree = w.root["/StructTreeRoot"]
    tree[pdf_name("/K")] = generic.ArrayObject()
    w.update_container(tree)


STEPS: tuple[Change, ...] = (
    page_replaced, xmp_replaced, note_added, script_added, object_hidden, words_hidden, extension_announced,
    validation_data_stuffed, validation_data_no_certificate, validation_data_per_signature, other_field_described,
    other_field_shows, other_field_moved, fields_dressed_by_default, page_turned, tags_replaced,
)  # fmt: skip


def in_both(change: Change) -> None:
    def certifying(r: Real) -> bytes:
        return kit.signed_update(
            r.pdf, r.pki.auditor, "Auditor", change, certify=True, reason="I issued this report",
            docmdp_permissions=MDP,
        )  # fmt: skip

    def member(r: Real) -> bytes:
        return kit.signed_update(certified(r, r.pdf), r.pki.bo, "Member1", change)

    certifying.__name__ = f"{change.__name__}_by_the_step_that_certifies"
    member.__name__ = f"{change.__name__}_by_a_member"
    signed(certifying)
    signed(member)


for _change in STEPS:
    in_both(_change)


# --- revisions that nobody accounts for ---


@signed
def a_revision_before_the_certification(r: Real) -> bytes:
    return certified(r, kit.update(r.pdf, page_replaced))


@signed
def an_empty_revision_before_the_certification(r: Real) -> bytes:
    def same(w: Any) -> None:
        w.mark_update(first_page(w))

    return certified(r, kit.update(r.pdf, same))


@signed
def hidden_before_and_shown_after(r: Real) -> bytes:
    """The printing is white, the member's step brings a page back: a shadow (Mladenov et al., NDSS 2021)."""
    page = r.pdf
    return kit.signed_update(certified(r, kit.update(page, page_replaced)), r.pki.bo, "Member1", page_turned)


@signed
def an_unsigned_revision_below_a_members(r: Real) -> bytes:
    return kit.signed_update(kit.update(certified(r, r.pdf), page_replaced), r.pki.bo, "Member1", nothing)


@signed
def bytes_behind_the_first_end(r: Real) -> bytes:
    return certified(r, r.pdf + b"\n% APPROVED by all members\n")


@signed
def an_object_that_no_table_lists(r: Real) -> bytes:
    return certified(r, r.pdf + b"9999 0 obj\n<< /S /JavaScript /JS (x) >>\nendobj\n")


@signed
def bytes_between_two_revisions(r: Real) -> bytes:
    padded = r.pdf + b"% " + b"APPROVED " * 30 + b"\n"
    return kit.signed_update(
        padded, r.pki.auditor, "Auditor", nothing, certify=True, reason="I issued this report",
        docmdp_permissions=MDP,
    )  # fmt: skip


# --- faces ---


@signed
def a_rejection_that_shows_approved(r: Real) -> bytes:
    return countersign(
        certified(r, r.pdf), r.pki.bo, field="Member1", reason="REJECT: the gap is too wide", heading="Approved by"
    ).pdf


@signed
def an_approval_that_shows_rejected(r: Real) -> bytes:
    return countersign(
        certified(r, r.pdf), r.pki.bo, field="Member1", reason="APPROVE: fine", heading="Rejected by"
    ).pdf


@signed
def a_face_with_another_reason(r: Real) -> bytes:
    face = ("Rejected by Bo Board", "2026-01-01 10:00 UTC (signer's clock)", "Certificate x", "REJECT: only a comma")
    return kit.signed_update(
        certified(r, r.pdf), r.pki.bo, "Member1", nothing, reason="REJECT: the gap is too wide", face=face
    )


@signed
def a_face_of_nothing(r: Real) -> bytes:
    return kit.signed_update(certified(r, r.pdf), r.pki.bo, "Member1", nothing, reason="REJECT: wide", face=("",))


@signed
def a_face_that_names_another(r: Real) -> bytes:
    return kit.signed_update(
        certified(r, r.pdf), r.pki.bo, "Member1", nothing, reason="APPROVE: fine", name="The whole board"
    )


@signed
def an_auditor_who_shows_more_than_was_signed(r: Real) -> bytes:
    return kit.signed_update(
        r.pdf, r.pki.auditor, "Auditor", nothing, certify=True, docmdp_permissions=MDP, reason="I issued this report",
        face=("Certified by Ada Auditor", "and found free of bias by the regulator"),
    )  # fmt: skip


@signed
def a_signature_with_a_place(r: Real) -> bytes:
    return kit.signed_update(
        certified(r, r.pdf), r.pki.bo, "Member1", nothing, location="for and on behalf of all members"
    )


@signed
def a_signature_in_a_field_of_its_own(r: Real) -> bytes:
    from pyhanko.sign.fields import SigFieldSpec, append_signature_field

    pdf = certified(r, r.pdf)
    return kit.signed_update(
        pdf, r.pki.bo, "Evil", lambda w: append_signature_field(w, SigFieldSpec("Evil", box=(57, 300, 537, 700)))
    )


# --- lies about the versions ---


@lru_cache(maxsize=1)
def lying(r: Real) -> Real:
    """The same report, whose manifest names another WeasyPrint: pages, numbers and all follow from it."""
    manifest = replace(r.manifest, tool={**r.manifest.tool, "weasyprint": "69.0"})
    return replace(r, manifest=manifest, pdf=assemble(page_html(r.files, manifest), r.files, manifest))


def of_other_versions(name: str, make: Any) -> None:
    def lie(r: Real) -> bytes:
        other = lying(r)
        return certified(other, forged(other, make))

    lie.__name__ = f"{name}_and_a_lie_about_versions"
    signed(lie)


for _room, _name in (
    (forged_pages, "another_digit"),
    (forged_pages, "a_white_patch_lies_over_a_value"),
    (forged_pages, "a_sentence_is_transparent"),
    (forged_pages, "a_font_says_another_figure"),
    (forged_pages, "the_screen_reader_hears_another_figure"),
    (forged_pages, "a_dot_in_a_chart_stands_elsewhere"),
    (forged_pages, "a_page_is_missing"),
    (forged_pages, "a_member_has_approved_before_they_were_asked"),
    (forged_more, "the_outlines_of_two_figures_change_places"),
    (forged_more, "a_font_says_another_word"),
    (forged_other, "the_title_of_the_window_is_another"),
    (forged_more, "a_figure_has_no_width"),
    (forged_other, "the_document_runs_a_script"),
    (forged_other, "the_same_in_another_packing"),
):
    of_other_versions(_name, getattr(_room, _name))


@signed
def fonts_that_nobody_has(r: Real) -> bytes:
    fonts = dict.fromkeys(r.manifest.extra["fonts"], "0" * 64)
    manifest = replace(r.manifest, extra={**r.manifest.extra, "fonts": fonts})
    other = replace(r, manifest=manifest, pdf=assemble(page_html(r.files, manifest), r.files, manifest))
    return certified(other, forged(other, forged_pages.another_digit))


@reembedding
def fonts_that_are_no_list(r: Real) -> bytes:
    return reembedded(r, r.files, replace(r.manifest, extra={**r.manifest.extra, "fonts": [1, 2]}))


@signed
def no_versions_at_all(r: Real) -> bytes:
    manifest = replace(r.manifest, tool={}, extra={})
    other = replace(r, manifest=manifest, pdf=assemble(page_html(r.files, manifest), r.files, manifest))
    return certified(other, forged(other, forged_pages.another_digit))


# --- what the manifest says is what the pages say: no words but those that follow ---


def saying(name: str, **changes: Any) -> None:
    def made(r: Real) -> bytes:
        extra = {**r.manifest.extra, **changes.get("extra", {})}
        return reembedded(r, r.files, replace(r.manifest, **{**changes, "extra": extra}))

    made.__name__ = name
    reembedding(made)


saying("a_number_in_words_on_every_page", extra={"number": "of no bias at all"})
saying("a_level_in_words_of_their_own", extra={"level_words": "certified free of bias by the regulator"})
saying("a_level_that_the_signature_has_not", extra={"level_words": "B-LTA: Timestamped, with everything needed to "
       "check it later, sealed by an archive timestamp.", "timestamp": True})  # fmt: skip
saying("a_log_in_words", extra={"checkpoint": {"origin": "fair", "size": 1, "root": "fair", "key": "by the regulator",
       "note": "fair"}})  # fmt: skip
saying("another_language_in_the_manifest", language="de")
saying("another_title_in_the_manifest", title="Fairness proved")
saying("another_author_in_the_manifest", author="The regulator")


@signed
def a_program_that_the_manifest_lists(r: Real) -> bytes:
    from reports.manifest import Attached

    files = {**r.files, "run.exe": b"MZ"}
    listed = tuple(Attached.of(name, data) for name, data in sorted(files.items()))
    manifest = replace(r.manifest, attachments=listed)
    return certified(r, assemble(page_html(files, manifest), files, manifest))


@reembedding
def a_version_in_words(r: Real) -> bytes:
    tool = {**r.manifest.tool, "pango": "with which no bias was found"}
    return reembedded(r, r.files, replace(r.manifest, tool=tool))
