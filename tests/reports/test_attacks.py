"""A corpus of bad reports: each is caught, and by the check that should.

Three kinds: bytes changed by anyone; increments that a board member with a valid key adds; reports that the auditor
certifies although the content is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, append_signature_field

from audit.errors import VerificationError
from audit.files import canonical
from reports.issue import assemble
from reports.log import Log, read_copy
from reports.log.record import new_entries
from reports.manifest import Attached
from reports.sign import certify, countersign
from reports.verify import verify, verify_or_raise
from reports.verify.seal import spans
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.sentences import SENTENCES

Attack = Callable[[Reports, Pki], "bytes | tuple[bytes, dict[str, Any]]"]
CORPUS: list[tuple[str, str, Attack]] = []


def attack(check: str) -> Callable[[Attack], Attack]:
    """Enter an attack into the corpus: the check that has to catch it, then its name."""

    def enter(make: Attack) -> Attack:
        CORPUS.append((check, make.__name__, make))
        return make

    return enter


# --- anyone, on bytes ---


@attack("file")
def empty(r: Reports, p: Pki) -> bytes:
    return b""


@attack("file")
def a_zip_archive(r: Reports, p: Pki) -> bytes:
    return b"PK\x03\x04" + r.certified


@attack("file")
def text_in_front(r: Reports, p: Pki) -> bytes:
    return b"hello\n" + r.certified


@attack("seal")
def cut_in_half(r: Reports, p: Pki) -> bytes:
    return r.certified[: len(r.certified) // 2]


@attack("seal")
def last_byte_cut(r: Reports, p: Pki) -> bytes:
    return r.certified[:-1]


@attack("seal")
def unsigned_draft(r: Reports, p: Pki) -> bytes:
    return r.draft


@attack("seal")
def comment_behind_the_end(r: Reports, p: Pki) -> bytes:
    return r.certified + b"\n%%garbage\n"


@attack("seal")
def newline_behind_the_end(r: Reports, p: Pki) -> bytes:
    return r.certified + b"\n"


@attack("seal")
def bit_flipped_in_the_first_page(r: Reports, p: Pki) -> bytes:
    at = r.certified.index(b"stream") + 20
    return r.certified[:at] + bytes([r.certified[at] ^ 1]) + r.certified[at + 1 :]


@attack("seal")
def byte_range_removed(r: Reports, p: Pki) -> bytes:
    return r.certified.replace(b"/ByteRange", b"/ByteRangX")


@attack("seal")
def byte_range_shortened(r: Reports, p: Pki) -> bytes:
    last = spans(r.certified)[-1]
    rest = last.end - last.stop
    return r.certified.replace(b"%d %d]" % (last.stop, rest), b"%d %d]" % (last.stop, rest - 1))


@attack("seal")
def container_emptied(r: Reports, p: Pki) -> bytes:
    last = spans(r.certified)[-1]
    return r.certified[: last.start + 1] + b"0" * (last.stop - last.start - 2) + r.certified[last.stop - 1 :]


@attack("seal")
def words_in_the_padding(r: Reports, p: Pki) -> bytes:
    last = spans(r.certified)[-1]
    return r.certified[: last.stop - 9] + b"deadbeef" + r.certified[last.stop - 1 :]


@attack("seal")
def container_of_another_report(r: Reports, p: Pki) -> bytes:
    mine, other = spans(r.certified)[-1], spans(r.approved)[-1]
    gap = r.approved[other.start : other.stop - 1].ljust(mine.stop - mine.start - 1, b"0")[: mine.stop - mine.start - 1]
    return r.certified[: mine.start] + gap + r.certified[mine.stop - 1 :]


@attack("seal")
def small_letters_in_the_container(r: Reports, p: Pki) -> bytes:
    last = spans(r.certified)[-1]
    middle = (last.start + last.stop) // 4 * 2
    part = r.certified[last.start : middle]
    return r.certified[: last.start] + part.lower() + r.certified[middle:]


# --- anyone, by an unsigned increment ---


def new_title(w: Any) -> None:
    info = w.trailer.raw_get("/Info").get_object()
    info[pdf_name("/Title")] = generic.TextStringObject("No bias found")
    w.mark_update(w.trailer.raw_get("/Info"))


def new_xmp(w: Any) -> None:
    stream = generic.StreamObject(stream_data=b"<x:xmpmeta>No bias found</x:xmpmeta>")
    w.root[pdf_name("/Metadata")] = w.add_object(stream)
    w.update_root()


def first_page(w: Any) -> Any:
    return w.root["/Pages"]["/Kids"].raw_get(0)


def new_drawing(w: Any) -> None:
    page = first_page(w)
    stream = generic.StreamObject(stream_data=b"BT /F1 12 Tf 100 700 Td (FAIR) Tj ET")
    page.get_object()[pdf_name("/Contents")] = w.add_object(stream)
    w.mark_update(page)


def new_font(w: Any) -> None:
    fonts = first_page(w).get_object()["/Resources"]["/Font"]
    names = list(fonts.keys())
    fonts[names[0]], fonts[names[-1]] = fonts.raw_get(names[-1]), generic.DictionaryObject()
    w.update_container(fonts)


def new_attachment(w: Any) -> None:
    names = w.root["/Names"]["/EmbeddedFiles"]["/Names"]
    stream = generic.StreamObject(stream_data=b'{"schema": "assay/cube/1"}')
    stream[pdf_name("/Type")] = pdf_name("/EmbeddedFile")
    spec = names[1].get_object()
    spec["/EF"][pdf_name("/F")] = w.add_object(stream)
    w.update_container(spec["/EF"])


def one_attachment_more(w: Any) -> None:
    names = w.root["/Names"]["/EmbeddedFiles"]["/Names"]
    stream = w.add_object(generic.StreamObject(stream_data=b"{}"))
    spec = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Filespec"),
            pdf_name("/F"): generic.TextStringObject("zz.json"),
            pdf_name("/UF"): generic.TextStringObject("zz.json"),
            pdf_name("/EF"): generic.DictionaryObject({pdf_name("/F"): stream}),
        }
    )
    names.append(generic.TextStringObject("zz.json"))
    names.append(w.add_object(spec))
    w.update_container(names)


def note_on_the_page(w: Any) -> None:
    numbers = [generic.NumberObject(n) for n in (100, 600, 300, 700)]
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Rect"): generic.ArrayObject(numbers),
            pdf_name("/DA"): generic.TextStringObject("/Helv 12 Tf"),
            pdf_name("/Contents"): generic.TextStringObject("FAIR"),
            pdf_name("/F"): generic.NumberObject(4),
        }
    )
    page = first_page(w)
    page.get_object()["/Annots"].append(w.add_object(note))
    w.update_container(page.get_object()["/Annots"])
    w.mark_update(page)


def one_field_more(w: Any) -> None:
    append_signature_field(w, SigFieldSpec("Evil", box=(57, 300, 537, 700)))


def one_page_more(w: Any) -> None:
    kids = w.root["/Pages"]["/Kids"]
    kids.append(w.add_object(generic.DictionaryObject(first_page(w).get_object())))
    w.root["/Pages"][pdf_name("/Count")] = generic.NumberObject(2)
    w.update_container(w.root["/Pages"])
    w.update_container(kids)


def new_language(w: Any) -> None:
    w.root[pdf_name("/Lang")] = generic.TextStringObject("xx")
    w.update_root()


def opening_script(w: Any) -> None:
    action = generic.DictionaryObject(
        {pdf_name("/S"): pdf_name("/JavaScript"), pdf_name("/JS"): generic.TextStringObject("app.alert(1)")}
    )
    w.root[pdf_name("/OpenAction")] = w.add_object(action)
    w.update_root()


def bookmark_renamed(w: Any) -> None:
    outline = w.root["/Outlines"]["/First"]
    outline[pdf_name("/Title")] = generic.TextStringObject("No bias found")
    w.update_container(outline)


def field(w: Any, name: str) -> Any:
    return next(f.get_object() for f in w.root["/AcroForm"]["/Fields"] if f.get_object()["/T"] == name)


def field_moved(w: Any) -> None:
    result = field(w, "Member2")
    result[pdf_name("/Rect")] = generic.ArrayObject([generic.NumberObject(n) for n in (50, 50, 550, 800)])
    w.update_container(result)


def field_described_otherwise(w: Any) -> None:
    result = field(w, "Member2")
    result[pdf_name("/TU")] = generic.TextStringObject("Approved by Cy Chair")
    w.update_container(result)


def face_on_another_field(w: Any) -> None:
    result = field(w, "Member2")
    stream = generic.StreamObject(stream_data=b"BT (Approved) Tj ET")
    result[pdf_name("/AP")] = generic.DictionaryObject({pdf_name("/N"): w.add_object(stream)})
    w.update_container(result)


def description_of_the_table_changed(w: Any) -> None:
    element = w.root["/StructTreeRoot"]["/K"]
    element = element[0].get_object() if isinstance(element, generic.ArrayObject) else element
    element[pdf_name("/Alt")] = generic.TextStringObject("No bias found")
    w.update_container(element)


INCREMENTS = [
    ("metadata", new_title),
    ("structure", new_xmp),
    ("metadata", new_language),
    ("metadata", bookmark_renamed),
    ("pages", new_drawing),
    ("structure", new_font),
    ("structure", note_on_the_page),
    ("pages", one_page_more),
    ("attachments", new_attachment),
    ("structure", one_attachment_more),
    ("changes", field_moved),
    ("changes", field_described_otherwise),
    ("structure", face_on_another_field),
    ("changes", description_of_the_table_changed),
    ("structure", opening_script),
    ("pages", one_field_more),
]


@pytest.mark.parametrize("check, change", INCREMENTS, ids=[c.__name__ for _, c in INCREMENTS])
def test_an_unsigned_increment_breaks_the_seal_and_is_not_read(check: str, change: Any, small: Reports) -> None:
    """Nobody signed it: nothing is said of it but that."""
    verification = verify(kit.update(small.certified, change), printer=kit.page)
    assert [c.name for c in verification.checks if c.status == "failed"] == ["seal"]


@pytest.mark.parametrize("check, change", INCREMENTS, ids=[c.__name__ for _, c in INCREMENTS])
def test_a_signed_increment_is_caught_by_its_check(check: str, change: Any, small: Reports, pki: Pki) -> None:
    """A board member with a valid key changes more than the own field; pyHanko lets the metadata pass."""
    pdf = kit.signed_update(small.certified, pki.bo, "Member1", change)
    verification = verify(pdf, printer=kit.page)
    assert [c.status for c in verification.checks if c.name == "seal"] == ["ok"]
    assert verification.failed is not None
    assert verification.failed.name == check


def test_an_increment_with_nothing_but_the_signature_passes(small: Reports, pki: Pki) -> None:
    """The counterpart: the machinery of these attacks without the attack."""
    pdf = kit.signed_update(small.certified, pki.bo, "Member1", lambda w: None)
    assert verify(pdf, printer=kit.page).failed is None


# --- signatures in the wrong place ---


@attack("signatures")
def approval_overwritten(r: Reports, p: Pki) -> bytes:
    """The member's rejection is replaced by an approval in the same field, signed by the same member."""

    def emptied(w: Any) -> None:
        result = field(w, "Member2")
        del result["/V"]
        w.update_container(result)

    return kit.signed_update(r.rejected, p.cy, "Member2", emptied)


@attack("pages")
def signature_in_a_new_field(r: Reports, p: Pki) -> bytes:
    return kit.signed_update(r.certified, p.bo, "Evil", lambda w: None)


@attack("signers")
def another_name_in_a_members_field(r: Reports, p: Pki) -> bytes:
    return countersign(r.certified, p.cy, field="Member1", reason="APPROVE: fine", heading="Approved by").pdf


@attack("signers")
def a_person_in_the_timestamps_field(r: Reports, p: Pki) -> bytes:
    return countersign(r.certified, p.bo, field="ArchiveTimestamp", reason="APPROVE: fine", heading="x").pdf


@attack("signers")
def another_certificate_than_the_pinned_one(r: Reports, p: Pki) -> bytes:
    pdf = kit.report(r.files, p.auditor, pinned=p.bo.fingerprint)
    return countersign(pdf, p.stranger, field="Member1", reason="APPROVE: fine", heading="Approved by").pdf


@attack("signers")
def certified_by_a_stranger(r: Reports, p: Pki) -> bytes:
    return certify(kit.draft(r.files, p.auditor), p.stranger, field="Auditor", reason="mine").pdf


@attack("signers")
def certified_in_a_members_field(r: Reports, p: Pki) -> bytes:
    return certify(kit.draft(r.files, p.auditor), p.bo, field="Member1", reason="mine").pdf


@attack("decisions")
def a_member_states_no_decision(r: Reports, p: Pki) -> bytes:
    return countersign(r.certified, p.bo, field="Member1", reason="Looks good", heading="Seen by").pdf


@attack("certification")
def certified_for_more_than_signing(r: Reports, p: Pki) -> bytes:
    return kit.signed_update(
        r.draft, p.auditor, "Auditor", lambda w: None, certify=True, docmdp_permissions=MDPPerm.ANNOTATE
    )


@attack("certification")
def signed_without_certification(r: Reports, p: Pki) -> bytes:
    return kit.signed_update(r.draft, p.auditor, "Auditor", lambda w: None)


@attack("structure")
def signed_by_another_kind_of_signature(r: Reports, p: Pki) -> bytes:
    from pyhanko.sign.fields import SigSeedSubFilter

    old = SigSeedSubFilter.ADOBE_PKCS7_DETACHED
    return kit.signed_update(r.draft, p.auditor, "Auditor", lambda w: None, certify=True, subfilter=old)


# --- the auditor certifies what is not so ---


def set_rate(value: float) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        document["rates"][3]["value"] = value

    return change


@attack("figures")
def edited_rate(r: Reports, p: Pki) -> bytes:
    return kit.report(kit.edited(r.files, "evidence.json", set_rate(0.123)), p.auditor)


def edited_gap(key: str, value: Any) -> Attack:
    def change(document: Any) -> None:
        gap = next(g for g in document["gaps"] if g["estimable"] and g[key] is not None)
        gap[key] = value

    def make(r: Reports, p: Pki) -> bytes:
        return kit.report(kit.edited(r.files, "evidence.json", change), p.auditor)

    make.__name__ = f"edited_{key}"
    return make


for _key, _value in {"low": 0.0101, "high": 0.99, "p_value": 0.9, "p_adjusted": 0.91, "highest": ["x"]}.items():
    attack("figures")(edited_gap(_key, _value))


@attack("figures")
def edited_count(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        document["counts"][-1]["rows"] += 1

    return kit.report(kit.edited(r.files, "evidence.json", change), p.auditor)


@attack("figures")
def a_rate_left_out(r: Reports, p: Pki) -> bytes:
    return kit.report(kit.edited(r.files, "evidence.json", lambda d: d["rates"].pop()), p.auditor)


@attack("figures")
def not_estimable_made_zero(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        document["dataset"][0]["value"] = None

    return kit.report(kit.edited(r.files, "evidence.json", change), p.auditor)


@attack("figures")
def edited_finding(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        document["findings"] = ["No difference was found."]

    return kit.report(kit.edited(r.files, "evidence.json", change), p.auditor)


@attack("figures")
def edited_norm(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        document["norms"][0]["status"] = "inside" if document["norms"][0]["status"] != "inside" else "outside"

    return kit.report(kit.edited(r.files, "evidence.json", change), p.auditor)


@attack("figures")
def edited_cube(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        document["margins"][-1]["cells"][0][3] += 5

    return kit.report(kit.edited(r.files, "cube.json", change), p.auditor)


@attack("figures")
def edited_cube_with_its_hash(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        document["margins"][-1]["cells"][0][3] += 5

    files = kit.edited(r.files, "cube.json", change)

    def hash_too(document: Any) -> None:
        document["cube"]["sha256"] = Attached.of("cube.json", files["cube.json"]).sha256

    return kit.report(kit.edited(files, "evidence.json", hash_too), p.auditor)


@attack("figures")
def a_key_twice_in_the_evidence(r: Reports, p: Pki) -> bytes:
    return with_evidence(r, p, r.files["evidence.json"].rstrip()[:-1] + b', "seed": 7}')


@attack("figures")
def not_a_number_in_the_evidence(r: Reports, p: Pki) -> bytes:
    return with_evidence(r, p, r.files["evidence.json"].replace(b'"seed": 0', b'"seed": NaN'))


def with_evidence(r: Reports, p: Pki, text: bytes) -> bytes:
    """A certified report whose evidence has these bytes, listed in its manifest."""
    manifest = kit.manifest_of(r.files, p.auditor)
    listed = tuple(Attached.of(n, d) for n, d in sorted({**r.files, "evidence.json": text}.items()))
    pdf = assemble(
        kit.page(r.files, manifest), {**r.files, "evidence.json": text}, replace(manifest, attachments=listed)
    )
    return certify(pdf, p.auditor, field="Auditor", reason="x").pdf


@attack("figures")
def no_cube(r: Reports, p: Pki) -> bytes:
    return kit.report({"evidence.json": r.files["evidence.json"]}, p.auditor)


@attack("printed pages")
def edited_page(r: Reports, p: Pki) -> bytes:
    manifest = kit.manifest_of(r.files, p.auditor)
    page = kit.page(r.files, manifest)
    at = page.index("<td>0.") + 6
    pdf = assemble(page[:at] + "4321" + page[at + 4 :], r.files, manifest)
    return certify(pdf, p.auditor, field="Auditor", reason="x").pdf


@attack("printed pages")
def a_row_left_out_of_the_page(r: Reports, p: Pki) -> bytes:
    manifest = kit.manifest_of(r.files, p.auditor)
    head, _, rest = kit.page(r.files, manifest).partition("<tbody><tr>")
    pdf = assemble(head + "<tbody>" + rest.partition("</tr>")[2], r.files, manifest)
    return certify(pdf, p.auditor, field="Auditor", reason="x").pdf


@attack("printed pages")
def another_title_on_the_page(r: Reports, p: Pki) -> bytes:
    manifest = kit.manifest_of(r.files, p.auditor)
    page = kit.page(r.files, manifest).replace("<h1>", "<h1>No bias found: ")
    return certify(assemble(page, r.files, manifest), p.auditor, field="Auditor", reason="x").pdf


@attack("manifest")
def manifest_with_another_hash(r: Reports, p: Pki) -> bytes:
    other = tuple(Attached.of(n, d + b" ") for n, d in sorted(r.files.items()))
    return kit.report(r.files, p.auditor, attachments=other)


@attack("manifest")
def a_file_that_the_manifest_does_not_list(r: Reports, p: Pki) -> bytes:
    manifest = kit.manifest_of(r.files, p.auditor)
    pdf = assemble(kit.page(r.files, manifest), {**r.files, "explain.json": b"{}"}, manifest)
    return certify(pdf, p.auditor, field="Auditor", reason="x").pdf


@attack("manifest")
def signed_but_no_report(r: Reports, p: Pki) -> bytes:
    from reports.pdf import write_pdf

    pdf = write_pdf(
        "<html lang=en><body><h1>Hello</h1></body></html>",
        attachments={},
        title="Hello",
        author="x",
        language="en",
        created=kit.ISSUED,
        signers=kit.slots(p.auditor),
    )
    return certify(pdf, p.auditor, field="Auditor", reason="x").pdf


def _arm(r: Reports) -> dict[str, Any]:
    from reports.manifest import strict_json

    evidence = strict_json(r.files["evidence.json"], "evidence.json")
    return {key: evidence[key] for key in ("rates", "gaps", "counts", "norms")}


def mitigated(r: Reports, rates: Callable[[Any], None]) -> dict[str, bytes]:
    from reports.manifest import strict_json

    arm = _arm(r)
    rates(arm)
    cube = strict_json(r.files["cube.json"], "cube.json")
    document = {"schema": "assay/mitigation/1", "arms": {"original": arm, "matched": None}, "cubes": {"original": cube}}
    return {**r.files, "mitigation.json": canonical(document)}


@attack("mitigation")
def edited_mitigation(r: Reports, p: Pki) -> bytes:
    def change(arm: Any) -> None:
        arm["rates"][0]["value"] = 0.999

    return kit.report(mitigated(r, change), p.auditor)


@attack("mitigation")
def edited_norm_of_an_arm(r: Reports, p: Pki) -> bytes:
    """The model card and the page say how the candidate stands with the policy: that follows from its cube too."""

    def change(arm: Any) -> None:
        arm["norms"][0]["status"] = "inside" if arm["norms"][0]["status"] != "inside" else "outside"

    return kit.report(mitigated(r, change), p.auditor)


def test_mitigation_that_follows_from_its_cubes_passes(small: Reports, pki: Pki) -> None:
    verification = verify(kit.report(mitigated(small, lambda arm: None), pki.auditor), printer=kit.page)
    assert {c.status for c in verification.checks if c.name == "mitigation"} == {"ok"}
    assert "1 arm " in next(c.detail for c in verification.checks if c.name == "mitigation")


# --- who signed, and what is missing ---


def approved_by(r: Reports, key: Any) -> bytes:
    return countersign(r.certified, key, field="Member1", reason="APPROVE: fine", heading="Approved by").pdf


@attack("identity")
def a_strangers_key_with_a_members_name(r: Reports, p: Pki) -> Any:
    return approved_by(r, p.stranger), {"trust": p.root_pem}


@attack("identity")
def a_self_made_auditor(r: Reports, p: Pki) -> Any:
    return kit.report(r.files, p.alone), {"trust": p.root_pem}


@attack("identity")
def an_expired_key(r: Reports, p: Pki) -> Any:
    return approved_by(r, p.expired), {"trust": p.root_pem}


@attack("identity")
def a_revoked_key(r: Reports, p: Pki) -> Any:
    return approved_by(r, p.revoked), {"trust": p.root_pem, "crls": [p.crl]}


@attack("identity")
def another_root(r: Reports, p: Pki) -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return r.approved, {"trust": p.stranger.certificate.public_bytes(Encoding.PEM)}


@attack("continuation")
def rolled_back_to_before_the_rejection(r: Reports, p: Pki) -> Any:
    return r.approved, {"since": r.rejected}


@attack("decisions")
def removed_approval(r: Reports, p: Pki) -> Any:
    return r.certified, {"require_quorum": True, "trust": p.root_pem}


@attack("decisions")
def rejected_where_the_quorum_is_needed(r: Reports, p: Pki) -> Any:
    return r.rejected, {"require_quorum": True, "trust": p.root_pem}


@attack("rerun")
def other_data_on_the_new_run(r: Reports, p: Pki) -> Any:
    def change(document: Any) -> None:
        document["data"]["sha256"] = "0" * 64

    return r.certified, {"rerun": kit.edited(r.files, "evidence.json", change)}


@attack("rerun")
def another_figure_on_the_new_run(r: Reports, p: Pki) -> Any:
    return r.certified, {"rerun": kit.edited(r.files, "evidence.json", set_rate(0.5001))}


@pytest.mark.parametrize("check, name, make", CORPUS, ids=[name for _, name, _ in CORPUS])
def test_each_bad_report_is_caught_by_its_check(check: str, name: str, make: Attack, small: Reports, pki: Pki) -> None:
    built = make(small, pki)
    pdf, options = built if isinstance(built, tuple) else (built, {})
    with pytest.raises(VerificationError) as caught:
        verify_or_raise(pdf, printer=kit.page, **options)
    if check == "mitigation":  # these files tell too little for what is told twice to be compared
        assert check in [c.name for c in verify(pdf, printer=kit.page).checks if c.status == "failed"]
    else:
        assert caught.value.check == check, caught.value.message
        assert caught.value.problem == f"{check}: {SENTENCES[name]}"


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) + 2 * len(INCREMENTS) >= 80


@pytest.mark.parametrize("state", ["certified", "approved", "rejected"])
def test_every_honest_state_verifies(state: str, small: Reports, pki: Pki, tmp_path: Path) -> None:
    Log(tmp_path).append(lambda view: new_entries(view, getattr(small, state)))
    verification = verify_or_raise(
        getattr(small, state),
        log=read_copy(tmp_path),
        printer=kit.page,
        trust=pki.root_pem,
        crls=[pki.crl],
        since=small.certified,
        rerun=small.files,
        second_opinion=True,
    )
    assert {c.status for c in verification.checks} == {"ok"}
    assert verification.identity == "established by the root given"


def test_the_differing_figure_is_named(small: Reports, pki: Pki) -> None:
    verification = verify(
        kit.report(kit.edited(small.files, "evidence.json", set_rate(0.123)), pki.auditor), printer=kit.page
    )
    failed = verification.failed
    assert failed is not None
    assert "value does not follow from the cube" in failed.detail
    assert failed.got == "0.123"
    assert "rates 4: " in failed.detail


def test_a_report_of_another_version_is_told_apart(small: Reports, pki: Pki) -> None:
    """A figure that differs may come of a method that changed; the message names the version to check with."""
    files = kit.edited(small.files, "evidence.json", set_rate(0.123))
    failed = verify(kit.report(files, pki.auditor, tool={"assay": "0.0.9"}), printer=kit.page).failed
    assert failed is not None
    assert failed.name == "figures"
    assert "made by Assay 0.0.9" in failed.todo


def test_the_differing_words_and_page_are_named(small: Reports, pki: Pki) -> None:
    built = edited_page(small, pki)
    assert isinstance(built, bytes)
    failed = verify(built, printer=kit.page).failed
    assert failed is not None
    assert failed.detail == "page 1 does not say what the evidence says"
    assert failed.got.startswith("other words from sign ")  # a refusal quotes nothing of the file
    assert "0.4321" not in failed.expected


def test_dissent_is_kept_and_reported(small: Reports) -> None:
    verification = verify_or_raise(small.rejected, printer=kit.page)
    mapping = {s.name: (s.decision, s.reason, s.conditions) for s in verification.signers if s.role == "member"}
    assert mapping == {
        "Bo Board": ("approve", "Inside the norms.", None),
        "Cy Chair": ("reject", "Too few rows.", "Audit again in May."),
    }


def test_without_trust_the_identity_is_said_to_be_open(small: Reports) -> None:
    verification = verify_or_raise(small.certified, printer=kit.page)
    assert verification.identity.startswith("not established")
    assert next(c.status for c in verification.checks if c.name == "identity") == "not checked"
    assert verification.signers[0].trusted is None


def test_a_reader_may_trust_the_very_certificate(small: Reports, pki: Pki) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding

    pdf = kit.report(small.files, pki.alone)
    verification = verify_or_raise(pdf, printer=kit.page, trust=pki.alone.certificate.public_bytes(Encoding.PEM))
    assert verification.signers[0].trusted is True
