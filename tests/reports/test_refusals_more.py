"""One attack for each refusal of what a report says and how it has grown: its check and its sentence.

Every file is certified, or signed last, by a valid key; the whole verification judges it.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pikepdf
import pytest
from asn1crypto import cms
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name

from audit.files import canonical
from reports.issue import assemble
from reports.log.proof import Proof
from reports.manifest import Attached
from reports.sign import Validation, certify
from reports.verify import verify
from tests.reports import kit
from tests.reports import test_attacks as ta
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.test_no_quotes import MARKED, drawn
from tests.reports.test_refusals import der_of, exchanged, refilled, sealed_again, swapped

Attack = Callable[[Reports, Pki], bytes]
Doing = Callable[[Any], None]


def evidence(change: Doing, **options: Any) -> Attack:
    return lambda r, p: kit.report(kit.edited(r.files, "evidence.json", change), p.auditor, **options)


def extra(**more: Any) -> Attack:
    return lambda r, p: kit.report(
        r.files, p.auditor, extra={**kit.manifest_of(r.files, p.auditor).extra, **more}
    )  # fmt: skip


def beside(name: str, document: Any) -> Attack:
    return lambda r, p: kit.report({**r.files, name: canonical(document)}, p.auditor)


def member(change: Doing = lambda w: None, **meta: Any) -> Attack:
    return lambda r, p: kit.signed_update(r.certified, p.bo, "Member1", change, **meta)


def cube(change: Doing) -> Attack:
    """A cube changed, and its digest in the evidence with it."""

    def make(r: Reports, p: Pki) -> bytes:
        files = kit.edited(r.files, "cube.json", change)
        digest = Attached.of("cube.json", files["cube.json"]).sha256
        return kit.report(kit.edited(files, "evidence.json", lambda d: d["cube"].update(sha256=digest)), p.auditor)

    return make


def printed(change: Callable[[str], str], **more: Any) -> Attack:
    return lambda r, p: drawn(r, p, change, extra={**kit.manifest_of(r.files, p.auditor).extra, **more})


def opened_up(change: Doing) -> Attack:
    """The printed file changed as a PDF before it is certified."""

    def make(r: Reports, p: Pki) -> bytes:
        out = io.BytesIO()
        with pikepdf.open(io.BytesIO(r.draft)) as pdf:
            change(pdf)
            mode = pikepdf.ObjectStreamMode.generate
            pdf.save(out, deterministic_id=True, object_stream_mode=mode, min_version="1.7", force_version="1.7")
        return certify(out.getvalue(), p.auditor, field="Auditor", reason="I issued this report").pdf

    return make


def spec(pdf: Any, number: int = 1) -> Any:
    return pdf.Root.Names.EmbeddedFiles.Names[number]


def another_name(pdf: Any) -> None:
    spec(pdf).UF = pikepdf.String("other.json")


def one_name_twice(pdf: Any) -> None:
    names = pdf.Root.Names.EmbeddedFiles.Names
    pdf.Root.Names.EmbeddedFiles.Names = pikepdf.Array([*names, names[0], names[1]])


def packed(data: bytes) -> Doing:
    def change(pdf: Any) -> None:
        spec(pdf).EF.F.write(data, filter=pikepdf.Name.FlateDecode)

    return change


def half(pdf: Any) -> None:
    stream = spec(pdf).EF.F
    stream.write(stream.read_raw_bytes()[:-20], filter=pikepdf.Name.FlateDecode)


def an_object_more(pdf: Any) -> None:
    """Reached through nothing that the list of kinds allows."""
    pdf.Root.Extra = pdf.make_indirect(pikepdf.Dictionary(A=1))


def no_evidence(r: Reports, p: Pki) -> bytes:
    files = {"cube.json": r.files["cube.json"]}
    built = kit.manifest_of(r.files, p.auditor)
    built = replace(built, attachments=tuple(Attached.of(n, d) for n, d in files.items()))
    return certify(assemble(kit.page(r.files, built), files, built), p.auditor, field="Auditor", reason="x").pdf


def a_field_shares_a_signature(w: Any) -> None:
    shared = ta.field(w, "Member2")
    shared[pdf_name("/V")] = ta.field(w, "Auditor").raw_get("/V")
    w.update_container(shared)


def a_revision_that_nobody_signed(r: Reports, p: Pki) -> bytes:
    return kit.signed_update(kit.update(r.certified, ta.field_moved), p.bo, "Member1", lambda w: None)


def an_acre(pdf: Any) -> None:
    pdf.pages[0].obj.MediaBox = pikepdf.Array([0, 0, 200_000, 200_000])
    pdf.pages[0].obj.Contents = pdf.make_stream(b"")


def another_identifier(pdf: bytes) -> bytes:
    at = pdf.index(b"<", pdf.rindex(b"/ID")) + 1
    return pdf[:at] + (b"0" if pdf[at : at + 1] != b"0" else b"1") + pdf[at + 1 :]


def one_more(w: Any) -> None:
    result = w.root["/DSS"]["/Certs"]
    result.append(w.add_object(generic.StreamObject(stream_data=b"hello")))
    w.update_container(result)


def one_less(w: Any) -> None:
    result = w.root["/DSS"]["/Certs"]
    result.pop()
    w.update_container(result)


def kept(change: Doing) -> Attack:
    """A member changes the validation data of a certification that brought some."""

    def make(r: Reports, p: Pki) -> bytes:
        pdf = certify(
            r.draft, p.auditor, field="Auditor", reason="I issued this report", timestamper=p.timestamper(),
            validation=Validation(p.root_pem, (p.crl,)),
        ).pdf  # fmt: skip
        return kit.signed_update(pdf, p.bo, "Member1", change)

    return make


def stamped(r: Reports, p: Pki) -> bytes:
    return certify(r.draft, p.auditor, field="Auditor", reason="x", timestamper=p.timestamper()).pdf


def token(pdf: bytes, change: Callable[[Any], Any]) -> bytes:
    """The timestamp in the last container changed, or exchanged for what is returned."""
    info = cms.ContentInfo.load(der_of(pdf))
    signer = info["content"]["signer_infos"][0]
    mine = signer["unsigned_attrs"][0]["values"][0]
    built = change(mine) or mine
    built = cms.ContentInfo.load(built.dump(force=True))
    signer["unsigned_attrs"] = cms.CMSAttributes(
        [cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [built]})]
    )
    return refilled(pdf, info.dump(force=True))


def another_content(r: Reports, p: Pki) -> bytes:
    pdf = stamped(r, p)
    mine = cms.ContentInfo.load(der_of(pdf))["content"]["signer_infos"][0]["unsigned_attrs"][0]["values"][0]
    message = bytes(mine["content"]["encap_content_info"]["content"])
    return exchanged(pdf, message, message[:-1] + bytes([message[-1] ^ 1]))


def unsigned(mine: Any) -> None:
    signer = mine["content"]["signer_infos"][0]
    signer["unsigned_attrs"] = cms.CMSAttributes([signer["signed_attrs"][0].copy()])


def of_another(r: Reports, p: Pki) -> bytes:
    other = cms.ContentInfo.load(der_of(stamped(r, p)))["content"]["signer_infos"][0]["unsigned_attrs"][0]["values"][0]
    return token(stamped(r, p), lambda mine: other)


STAMPS: dict[str, Attack] = {
    "a timestamp's content differs from what its authority signed": another_content,
    "a timestamp carries attributes that nobody signed": lambda r, p: token(stamped(r, p), unsigned),
    "a timestamp belongs to another signature": of_another,
}


@pytest.mark.parametrize("sentence", list(STAMPS))
def test_what_a_timestamp_may_not_be(sentence: str, small: Reports, pki: Pki) -> None:
    failed = verify(STAMPS[sentence](small, pki), printer=kit.page).failed
    assert failed is not None
    assert (failed.name, failed.detail) == ("seal", sentence)


def test_the_files_own_certificates_are_read_or_refused(small: Reports, pki: Pki) -> None:
    verification = verify(kept(one_more)(small, pki), printer=kit.page, trust=pki.root_pem)
    sentence = "a certificate in the file's validation data cannot be read"
    assert ("identity", sentence) in [(c.name, c.detail) for c in verification.checks if c.status == "failed"]


def test_a_proof_of_nobodys_log(small: Reports) -> None:
    failed = verify(small.certified, printer=kit.page, log=Proof(b"{}", 0, (), b"")).failed
    assert failed is not None
    sentence = "the report names no log, so nothing tells whose proof this is"
    assert (failed.name, failed.detail) == ("log inclusion", sentence)


ATTACKS: dict[str, tuple[str, str, Attack]] = {
    "language": ("manifest", "the report is said to be in another language than it is",
                 lambda r, p: kit.report(r.files, p.auditor, language="de")),
    "a file": ("manifest", "the report brings a file that Assay does not embed", MARKED["an_attachment"]),
    "about": ("manifest", "the manifest names another model or other data than the evidence", extra(about={"x": 1})),
    "digest": ("manifest", "a sha256 in an embedded file is none",
               evidence(lambda d: d["policy"].update(sha256="no bias found"))),
    "version": ("manifest", "a version in the evidence is none",
                evidence(lambda d: d["tool"].update(version="no bias found"))),
    "alpha": ("figures", "the figures were measured at another alpha than pages name",
              evidence(lambda d: d["settings"].update(alpha=0.5))),
    "checkpoint": ("manifest", "the checkpoint that the report states cannot be read", extra(checkpoint=7)),
    "level": (
        "faces",
        "the report tells a better level than its certification has: of time, or of what is needed to check it",
        extra(timestamp=True),
    ),
    "face": ("faces", "the face of the signature in Member1 does not show what was signed",
             member(face=("Approved by", "Bo Board"))),
    "name": ("faces", "the signature in Member1 names another person than its certificate", member(name="Cy Chair")),
    "no evidence": ("figures", "the report holds no evidence.json", no_evidence),
    "no object": ("figures", "evidence.json is not a JSON object", lambda r, p: ta.with_evidence(r, p, b"[]")),
    "no margins": ("figures", "the cube cannot be measured", cube(lambda d: d.update(margins=7))),
    "norms": ("figures", "the norms cannot be read", evidence(lambda d: d.update(norms=[{"metric": 7}]))),
    "an entry more": ("figures", "rates 1: selection_rate has other entries",
                      evidence(lambda d: d["rates"][0].update(x=1))),
    "no cube of an arm": ("mitigation", "mitigation.json holds no cube for an arm",
                          beside("mitigation.json", {"arms": {"original": {}}, "cubes": {}})),
    "search": ("search", "the search cannot be measured", beside("search.json", {"trials": 7})),
    "series": ("series", "the loop's history cannot be read", beside("series.json", {"trail": 7})),
    "title": ("totals", "the title is told otherwise than it is",
              lambda r, p: kit.report(r.files, p.auditor, title="No bias")),
    "colour": ("printed pages",
               "the file is not the one that Assay makes of the embedded files, though its pages extract to the same "
               "text",
               printed(lambda s: s.replace("<h1>", "<h1 style='color:#000080'>"))),
    "fonts": ("printed pages", "the manifest's list of fonts cannot be read",
              printed(lambda s: s.replace("<h1>", "<h1>Other "), fonts=7)),
    "two names": ("structure", "an embedded file has two names or two contents", opened_up(another_name)),
    "one name": ("structure", "two embedded files have one name", opened_up(one_name_twice)),
    "not deflate": ("structure", "an embedded file cannot be unpacked", opened_up(packed(b"no deflate at all"))),
    "cut": ("structure", "an embedded file is cut off", opened_up(half)),
    "key": ("structure", "the file holds something that Assay does not write", opened_up(an_object_more)),
    "no end": ("seal", "the file does not end as a PDF does",
               lambda r, p: sealed_again(swapped(rb"%%EOF", b"%%EOX")(r.certified), p.auditor)),
    "range": ("signatures", "a signature covers other parts than it should",
              lambda r, p: sealed_again(swapped(rb"/ByteRange \[0", b"/ByteRange [1", last=False)(r.approved), p.bo)),
    "shared": ("signatures", "two signature fields share a signature", member(a_field_shares_a_signature)),
    "revisions": ("changes", "the file has other revisions than its printing and one for each signature",
                  a_revision_that_nobody_signed),
    "moved": ("changes", "the field Member2 was signed again or altered", member(ta.field_moved)),
    "no reason": ("changes", "the signature in Member1 says more or less than Assay writes", member(reason=None)),
    "catalog": ("changes", "the document's catalog was changed after certification", member(ta.new_language)),
    "tags": ("changes", "a part of the document was changed after certification",
             member(ta.description_of_the_table_changed)),
    "document information": ("metadata", "document information /Title was changed after certification",
                             member(ta.new_title)),
    "drawing": ("pages", "drawing of page 1 was changed after certification", member(ta.new_drawing)),
    "drawing, as an object": ("changes", "page 1 was changed after certification", member(ta.new_drawing)),
    "pages": ("pages", "pages were added or removed after certification", member(ta.one_page_more)),
    "attachment": ("attachments", "embedded file 1 was replaced after certification", member(ta.new_attachment)),
    "no such field": ("signers", "a signature is in a field that the manifest does not name",
                      lambda r, p: kit.signed_update(r.certified, p.bo, "Evil", lambda w: None)),
    "no time": ("faces", "the signature in Auditor states no time",
                lambda r, p: sealed_again(swapped(rb"/M ?[(<][^)>]*[)>]", b"")(r.certified), p.auditor)),
    "subfilter": ("signatures", "a signature is of a kind that is not accepted",
                  lambda r, p: sealed_again(
                      swapped(rb"/SubFilter ?/ETSI.CAdES.detached", b"/SubFilter/ETSI.RFC3161")(r.certified), p.auditor
                  )),
    "nothing refers": ("structure", "the file holds an object that nothing refers to",
                       member(lambda w: w.add_object(generic.DictionaryObject()))),
    "an acre": ("printed pages", "page 1 is too large to look at", opened_up(an_acre)),
    "too large": ("structure", "the embedded files are too large", opened_up(packed(zlib.compress(bytes(65_000_000))))),
    "identifier": ("changes", "the file's identifier was replaced after certification",
                   lambda r, p: sealed_again(another_identifier(r.certified), p.auditor)),
    "no data": ("manifest", "the embedded evidence names no model and no data",
                lambda r, p: kit.report(kit.edited(r.files, "evidence.json", lambda d: d.update(data=7)), p.auditor,
                                        extra={"people": False, "timestamp": False, "about": {"x": 1}})),
    "an entry that cannot be": ("figures", "the evidence has an entry 'classes', which the cube contradicts",
                                evidence(lambda d: d.update(classes={}))),
    "an entry that has to be": ("figures", "the evidence lacks an entry 'smoothed', which the cube contradicts",
                                evidence(lambda d: d.pop("smoothed"))),
    "dss": ("validation data", "the validation data hold something else", kept(one_more)),
    "dss less": ("changes", "validation data was taken out after it was signed", kept(one_less)),
}  # fmt: skip


@pytest.mark.parametrize("name", list(ATTACKS))
def test_each_is_refused_by_its_sentence(name: str, small: Reports, pki: Pki) -> None:
    check, sentence, make = ATTACKS[name]
    verification = verify(make(small, pki), printer=kit.page)
    assert (check, sentence) in [(c.name, c.detail) for c in verification.checks if c.status == "failed"]


RERUNS: dict[str, Callable[[Reports], dict[str, bytes]]] = {
    "evidence.json: the report lacks more": lambda r: kit.edited(r.files, "evidence.json", lambda d: d.update(more=1)),
    "evidence.json: the report has entries that a new run does not make": lambda r: kit.edited(
        r.files, "evidence.json", lambda d: d.pop("notes")
    ),
    "the new run makes a file that the report does not have": lambda r: {**r.files, "explain.json": b"{}"},
}


@pytest.mark.parametrize("sentence", list(RERUNS))
def test_what_a_new_run_refuses(sentence: str, small: Reports) -> None:
    failed = verify(small.certified, printer=kit.page, rerun=RERUNS[sentence](small)).failed
    assert failed is not None
    assert (failed.name, failed.detail) == ("rerun", sentence)


def test_an_entry_of_another_form_is_refused_before_pages_are_made(small: Reports, pki: Pki) -> None:
    """What the manifest tells of earlier decisions is no list of them."""
    failed = verify(extra(register=[7])(small, pki)).failed
    assert failed is not None
    assert (failed.name, failed.detail) == (
        "manifest", "an entry of the manifest has another form than Assay gives it",
    )  # fmt: skip


def test_an_earlier_copy_that_is_no_signed_report_tells_nothing(small: Reports, pki: Pki) -> None:
    failed = verify(kit.report(small.files, pki.auditor), since=b"", printer=kit.page).failed
    assert failed is not None
    assert failed.detail == "the earlier copy is no whole signed report, so nothing can be told from it"
