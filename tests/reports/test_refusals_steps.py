"""One attack for each refusal of how a report has grown and of what a viewer makes of it: its check and its sentence.

Every file is certified, or signed last, by a valid key. Bytes are changed in memory, and sealed again.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import Any

import pikepdf
import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.validation import EmbeddedPdfSignature

from reports.approve import approve
from reports.sign import _signer, certify
from reports.verify import verify
from tests.reports import kit
from tests.reports import test_attacks as ta
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.test_refusals import sealed_again, swapped
from tests.reports.test_refusals_more import Attack, Doing, member

GENERATED: dict[str, Any] = {
    "deterministic_id": True, "object_stream_mode": pikepdf.ObjectStreamMode.generate,
    "min_version": "1.7", "force_version": "1.7",
}  # fmt: skip


# --- signatures in fields, field by field ---


def reference(number: int, writer: Any) -> Any:
    return generic.IndirectObject(number, 0, writer)


def value_of_field(pdf: bytes) -> int:
    """The number of the object in the field that was signed last."""
    return int(re.findall(rb"/V (\d+) 0 R\n>>", pdf)[-1])


def filled_with(field: str, number: int) -> Doing:
    def change(w: Any) -> None:
        result = ta.field(w, field)
        result[pdf_name("/V")] = reference(number, w)
        w.update_container(result)

    return change


def with_half_a_signature(field: str | None, numbers: list[int]) -> Doing:
    """A signature's dictionary without bytes that it covers, and the field that holds it."""
    entries = {"/Type": "/Sig", "/Filter": "/Adobe.PPKLite", "/SubFilter": "/ETSI.CAdES.detached"}

    def change(w: Any) -> None:
        built = w.add_object(generic.DictionaryObject({pdf_name(k): pdf_name(v) for k, v in entries.items()}))
        numbers.append(built.idnum)
        if field is not None:
            filled_with(field, built.idnum)(w)

    return change


def the_field_is_filled_a_step_later(r: Reports, p: Pki) -> bytes:
    pdf = sealed_again(swapped(rb"/V \d+ 0 R(?=\n>>)", b"")(r.certified), p.auditor)
    return kit.signed_update(pdf, p.bo, "Member1", filled_with("Auditor", value_of_field(r.certified)))


def the_field_held_another_signature_first(r: Reports, p: Pki) -> bytes:
    other: list[int] = []
    pdf = kit.signed_update(
        r.draft, p.auditor, "Auditor", with_half_a_signature(None, other), certify=True,
        docmdp_permissions=MDPPerm.FILL_FORMS, reason="I issued this report",
    )  # fmt: skip
    right = value_of_field(pdf)
    pdf = sealed_again(swapped(rb"/V \d+ 0 R(?=\n>>)", b"/V %d 0 R" % other[0])(pdf), p.auditor)
    return kit.signed_update(pdf, p.bo, "Member1", filled_with("Auditor", right))


def a_member_certifies_too(r: Reports, p: Pki) -> bytes:
    pdf = kit.signed_update(r.certified, p.bo, "Member1", lambda w: None, reason="APPROVE: " + "x" * 300)
    allows = b"<</Type /TransformParams /V /1.2 /P 2>>"
    again = b"/Reference [<< /Type /SigRef /TransformMethod /DocMDP /TransformParams %s>>]" % allows
    return sealed_again(swapped(rb"/Reason \([^)]*\)", b"/Reason (APPROVE: fine) " + again)(pdf), p.bo)


def a_decision_in_the_clothes_of_a_timestamp(r: Reports, p: Pki) -> bytes:
    kind = rb"/Type /Sig\n/Filter /Adobe.PPKLite\n/SubFilter /ETSI.CAdES.detached"
    other = b"/Type/DocTimeStamp/Filter /Adobe.PPKLite /SubFilter/ETSI.RFC3161"
    return sealed_again(swapped(kind, other)(r.approved), p.bo)


def the_end_of_a_revision_is_left_out(r: Reports, p: Pki) -> bytes:
    """The auditor's signature covers all but `%%EOF`; the member's covers that too."""
    short = sealed_again(r.certified[: -len(b"%%EOF\n")], p.auditor)
    return kit.signed_update(short + b"%%EOF\n", p.bo, "Member1", lambda w: None)


def one_key_for_two_members(r: Reports, p: Pki) -> bytes:
    other = p.issue("Cy Chair", "bo")  # another certificate, the same key
    return approve(r.approved, other, decision="approve", reason="Fine.", printer=kit.page).pdf


def printed_without_fields(r: Reports, p: Pki) -> bytes:
    out, signed = io.BytesIO(), io.BytesIO()
    with pikepdf.open(io.BytesIO(r.draft)) as pdf:
        del pdf.Root.AcroForm
        for page in pdf.pages:
            page.obj.Annots = pikepdf.Array([a for a in page.obj.Annots if a.Subtype != "/Widget"])
        pdf.save(out, **GENERATED)

    class Quiet(IncrementalPdfFileWriter):
        def _update_meta(self) -> None:
            return None

    meta = signers.PdfSignatureMetadata(
        field_name="Auditor", certify=True, docmdp_permissions=MDPPerm.FILL_FORMS, md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES, name=p.auditor.name, reason="I issued this report",
    )  # fmt: skip
    signer = signers.PdfSigner(meta, signer=_signer(p.auditor), new_field_spec=SigFieldSpec("Auditor"))
    signer.sign_pdf(Quiet(io.BytesIO(out.getvalue())), output=signed)
    return signed.getvalue()


# --- faces, tables, the file as parsers and viewers read it ---


def in_a_field_of(*corners: int) -> Attack:
    def change(w: Any) -> None:
        result = ta.field(w, "Member1")
        result[pdf_name("/Rect")] = generic.ArrayObject([generic.NumberObject(n) for n in corners])
        w.update_container(result)

    return member(change)


def a_face_drawn_of_itself(r: Reports, p: Pki) -> bytes:
    states = rb"/ExtGState <<\n/BackgroundGS <<[^>]+>>\n>>\n"
    drawn = rb"(\d+) 0 obj\n<<\n/BBox [^\n]+\n/Resources <<\n(%s/XObject <<\n/Stamp (\d+) 0 R\n>>)" % states
    at = list(re.finditer(drawn, r.certified))[-1]
    new = b"/XObject << /Stamp %s 0 R /Again %s 0 R >>" % (at[3], at[1])
    pdf = r.certified[: at.start(2)] + new.ljust(len(at[2])) + r.certified[at.end(2) :]
    return sealed_again(pdf, p.auditor)


def another_information(w: Any) -> None:
    w.trailer[pdf_name("/Info")] = w._info = w.add_object(generic.DictionaryObject(dict(w.trailer["/Info"])))


def counted(count: int, kids: bytes | None = None) -> Attack:
    """The tree of pages says that there are so many; the bytes are edited, since every writer corrects the number."""

    def make(r: Reports, p: Pki) -> bytes:
        out = io.BytesIO()
        with pikepdf.open(io.BytesIO(r.draft)) as pdf:
            pdf.Root.Pages.Room = pikepdf.String("x" * 20)
            none = pikepdf.StreamDecodeLevel.none
            pdf.save(out, **GENERATED, compress_streams=False, stream_decode_level=none)
        data = out.getvalue()
        match = re.search(rb"<<\s*/Count 1 /Kids (\[[^\]]*\]) /Room \(x+\) /Type /Pages >>", data)
        assert match is not None
        new = b"<< /Count %d /Kids %s /Type /Pages" % (count, match[1] if kids is None else kids)
        data = data[: match.start()] + new.ljust(len(match[0]) - 2) + b">>" + data[match.end() :]
        return certify(packed_table(data), p.auditor, field="Auditor", reason="I issued this report").pdf

    return make


def packed_table(data: bytes) -> bytes:
    """The table of a file that was saved unpacked, packed as Assay packs it."""
    start = int(re.findall(rb"startxref\s+(\d+)", data)[-1])
    head, _, rest = data[start:].partition(b"stream\n")
    length = int(re.findall(rb"/Length (\d+)", head)[0])
    packed = zlib.compress(rest[:length])
    head = re.sub(rb"/Length \d+", b"/Filter /FlateDecode /Length %d" % len(packed), head)
    return data[:start] + head + b"stream\n" + packed + rest[length:]


ATTACKS: dict[str, tuple[str, Attack]] = {
    "a step after the printing does not add one signature": ("changes", the_field_is_filled_a_step_later),
    "the certification named in the catalog is not the first signature": (
        "changes", the_field_held_another_signature_first,
    ),
    "a later signature certifies too": ("certification", a_member_certifies_too),
    "a signature is not what its field says": ("signatures", a_decision_in_the_clothes_of_a_timestamp),
    "a signature does not cover its whole revision": ("signatures", the_end_of_a_revision_is_left_out),
    "a signature cannot be read": ("signatures", member(with_half_a_signature("Member2", []))),
    "one key decided in the fields of two members": ("signers", one_key_for_two_members),
    "the report was printed without fields for signatures": ("changes", printed_without_fields),
    "the trailer's /Info was replaced after certification": ("changes", member(another_information)),
    "the signature in Member1 has no face": ("faces", in_a_field_of(0, 0, 0, 0)),
    "the face of a signature is drawn of itself, or too deeply nested": ("faces", a_face_drawn_of_itself),
    "the file is damaged": (
        "structure",
        lambda r, p: sealed_again(
            swapped(rb"/Reason \(I issued this report\)", b"/Reason (I)/Type/Sig")(r.certified), p.auditor
        ),
    ),
    "the file cannot be read as a PDF": (
        "structure", lambda r, p: sealed_again(swapped(rb"/Root \d+ \d+ R", b"")(r.certified), p.auditor),
    ),
    "a viewer cannot open the file": ("printed pages", counted(0, b"[]")),
    "a viewer cannot show page 1": ("printed pages", counted(1, b"[]")),
    "the file has too many pages to look at": ("printed pages", counted(501)),
}  # fmt: skip


def failures(pdf: bytes, **options: Any) -> list[tuple[str, str]]:
    return [(c.name, c.detail) for c in verify(pdf, printer=kit.page, **options).checks if c.status == "failed"]


@pytest.mark.parametrize("sentence", list(ATTACKS))
def test_each_is_refused_by_its_sentence(sentence: str, small: Reports, pki: Pki) -> None:
    check, make = ATTACKS[sentence]
    assert (check, sentence) in failures(make(small, pki))


def its_own_field(key: str, value: Any) -> Attack:
    """A member signs, and in the same step changes their field beyond what signing fills in."""

    def change(w: Any) -> None:
        result = ta.field(w, "Member1")
        result[pdf_name(key)] = value
        w.update_container(result)

    return member(change)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("/Rect", generic.ArrayObject(generic.FloatObject(v) for v in (300, 40, 540, 100))),
        ("/F", generic.NumberObject(0)),
        ("/TU", generic.pdf_string("Decided by the regulator")),
    ],
)
def test_who_signs_fills_their_field_and_changes_nothing_else_of_it(
    key: str, value: Any, small: Reports, pki: Pki
) -> None:
    sentence = "the field Member1 was signed again or altered"
    assert ("changes", sentence) in failures(its_own_field(key, value)(small, pki))


@pytest.mark.parametrize("corners", [(0, 0, 2, 2), (0, 0, 2000, 60), (10, 10, 10, 60)])
def test_a_field_in_which_nothing_can_be_read_is_refused(corners: tuple[int, ...], small: Reports, pki: Pki) -> None:
    assert ("faces", "the signature in Member1 has no face") in failures(in_a_field_of(*corners)(small, pki))


def test_what_pyhanko_does_not_allow(small: Reports, pki: Pki) -> None:
    pdf = member(ta.field_moved)(small, pki)
    sentence = "a change after the signature in Auditor is not allowed"
    assert ("second opinion", sentence) in failures(pdf, second_opinion=True)


def test_where_pyhankos_analysis_breaks_off_nothing_is_allowed(small: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: Any) -> None:
        raise KeyError("/Kids")

    monkeypatch.setattr(EmbeddedPdfSignature, "compute_integrity_info", breaks)
    assert ("second opinion", "the changes cannot be analysed") in failures(small.approved, second_opinion=True)
