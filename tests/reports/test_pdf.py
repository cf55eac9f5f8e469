"""The clauses of PDF/A-3a and PDF/UA-1 that were seen to break, on the draft and after every signature."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pikepdf
import pytest

from audit.errors import AssayError, InputError
from reports.manifest import ARCHIVE, SignerSlot
from reports.pdf import forget, write_pdf
from reports.sign import Validation, certify, countersign, seal
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
HTML = '<!doctype html><html lang="en"><body><h1>Title</h1><p>Text</p>{}</body></html>'


@pytest.fixture(scope="module")
def states(small: Reports, pki: Pki) -> dict[str, bytes]:
    """draft, certified (B-LT), two decisions, archive timestamp."""
    stamper, validation = pki.timestamper(), Validation(pki.root_pem, (pki.revoke(),))
    out = {"draft": small.draft}
    step = certify(small.draft, pki.auditor, field="Auditor", reason="x", timestamper=stamper, validation=validation)
    out["certified"] = step.pdf
    for key, field in ((pki.bo, "Member1"), (pki.cy, "Member2")):
        step = countersign(
            step.pdf, key, field=field, reason="APPROVE: fine", heading="Approved by", timestamper=stamper
        )
        out[field] = step.pdf
    return out | {"archived": seal(step.pdf, stamper, field="ArchiveTimestamp")}


STATES = ["draft", "certified", "Member1", "Member2", "archived"]


@pytest.mark.parametrize("state", STATES)
def test_one_rdf_claims_both_standards(state: str, states: dict[str, bytes]) -> None:
    with pikepdf.open(io.BytesIO(states[state])) as pdf:
        packet = pdf.Root.Metadata.read_bytes()
        info = pdf.docinfo
        root = ElementTree.fromstring(packet[packet.index(b"<x:xmpmeta") : packet.index(b"</x:xmpmeta>") + 12])
        assert len(list(root.iter(f"{RDF}RDF"))) == 1
        text = {e.tag: e.text for e in root.iter()}
        assert text["{http://www.aiim.org/pdfa/ns/id/}part"] == "3"
        assert text["{http://www.aiim.org/pdfa/ns/id/}conformance"] == "A"
        assert text["{http://www.aiim.org/pdfua/ns/id/}part"] == "1"
        assert text["{http://www.aiim.org/pdfa/ns/property#}name"] == "part"  # the extension schema of pdfuaid
        titles = [e.text for e in root.iter(f"{RDF}li") if e.get("{http://www.w3.org/XML/1998/namespace}lang")]
        assert titles == [str(info["/Title"])] == ["Fairness audit: Loans & <b>cards</b>"]
        assert text["{http://ns.adobe.com/xap/1.0/}CreateDate"] == "2026-11-22T09:30:00+00:00"
        assert str(info["/CreationDate"]) == str(info["/ModDate"]) == "D:20261122093000+00'00'"
        assert pdf.pdf_version == "1.7"


@pytest.mark.parametrize("state", STATES)
def test_structure_language_fields_and_files(state: str, states: dict[str, bytes]) -> None:
    with pikepdf.open(io.BytesIO(states[state])) as pdf:
        root = pdf.Root
        assert root.MarkInfo.Marked is True
        assert str(root.Lang) == "en"
        assert root.ViewerPreferences.DisplayDocTitle is True
        files = [f.objgen for f in root.AF]
        assert len(files) == len(set(files)) == 3
        assert {str(f.get("/AFRelationship")) for f in root.AF} == {"/Data"}
        assert all("/JavaScript" not in str(root.get(k, "")) for k in ("/Names", "/OpenAction", "/AA"))
        numbers = root.StructTreeRoot.ParentTree.Nums
        parents = {int(numbers[i]): numbers[i + 1] for i in range(0, len(numbers), 2)}
        fields = list(root.AcroForm.Fields)
        assert [str(f.T) for f in fields] == ["Auditor", "Member1", "Member2", "ArchiveTimestamp"]
        for field in fields:
            element = parents[int(field.StructParent)]
            assert str(element.S) == "/Form"
            assert element.K.Obj.objgen == field.objgen
            assert str(field.TU)
            assert field.P.Tabs == "/S"
            assert int(field.F) & 4
        assert int(root.StructTreeRoot.ParentTreeNextKey) == max(parents) + 1


@pytest.mark.parametrize("state", STATES)
def test_every_font_is_embedded_with_widths(state: str, states: dict[str, bytes]) -> None:
    with pikepdf.open(io.BytesIO(states[state])) as pdf:
        fonts = [o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/FontDescriptor"]
        kinds = [o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/Font"]
        assert fonts
        assert all(any(k in f for k in ("/FontFile", "/FontFile2", "/FontFile3")) for f in fonts)
        for font in kinds:
            if str(font.get("/Subtype", "")).startswith("/CIDFont"):
                assert "/W" in font
            if font.get("/Subtype") == "/Type0":
                assert "/ToUnicode" in font


@pytest.mark.parametrize("state", STATES)
def test_qpdf_finds_nothing(state: str, states: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "r.pdf").write_bytes(states[state])
    with pikepdf.open(tmp_path / "r.pdf") as pdf:
        assert pdf.check_pdf_syntax() == []
    if (tool := shutil.which("qpdf")) is not None:
        done = subprocess.run(
            [tool, "--check", "r.pdf"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_equal_input_gives_equal_bytes(small: Reports, pki: Pki) -> None:
    forget()
    assert kit.draft(small.files, pki.auditor) == small.draft
    other = kit.draft(small.files, pki.auditor, issued=kit.ISSUED + dt.timedelta(seconds=1))
    assert other != small.draft


def test_pages_are_kept_by_all_they_follow_from(small: Reports, pki: Pki) -> None:
    """Made once a process; whatever differs in the input, be it one byte of one attachment, makes them anew."""
    forget()
    first = kit.draft(small.files, pki.auditor)
    assert kit.draft(small.files, pki.auditor) is first
    manifest = kit.manifest_of(small.files, pki.auditor)
    options: dict[str, Any] = {
        "attachments": {"a": b"1", "b": b"2"}, "title": "t", "author": "a", "language": "en", "created": kit.ISSUED,
        "signers": manifest.signers,
    }  # fmt: skip
    page = HTML.format("")
    items = [write_pdf(page, **options)]
    for change in (
        {"attachments": {"a": b"2", "b": b"1"}}, {"attachments": {"a": b"1", "c": b"2"}}, {"title": "u"},
        {"author": "b"}, {"language": "de"}, {"created": kit.ISSUED + dt.timedelta(seconds=1)},
        {"signers": manifest.signers[1:]},
    ):  # fmt: skip
        items.append(write_pdf(page, **(options | change)))
    items.append(write_pdf(HTML.format("<p>x</p>"), **options))
    assert len(set(items)) == len(items)
    forget()
    assert write_pdf(page, **options) == items[0]


def test_attachments_keep_their_bytes(small: Reports) -> None:
    with pikepdf.open(io.BytesIO(small.draft)) as pdf:
        content = {name: spec.get_file().read_bytes() for name, spec in pdf.attachments.items()}
    assert {n: d for n, d in content.items() if n != "manifest.json"} == small.files


@pytest.mark.parametrize(
    "part",
    [
        '<link rel="attachment" href="file:///etc/hostname">',
        '<img alt="" src="file:///etc/hostname">',
        '<img alt="" src="http://127.0.0.1:9/x.png">',
        "<style>@import url(file:///etc/hostname);</style>",
        '<a rel="attachment" href="file:///etc/hostname">x</a>',
    ],
)  # fmt: skip
def test_a_page_that_asks_for_a_file_or_a_host_is_refused(part: str) -> None:
    with pytest.raises(AssayError, match="outside itself"):
        write_pdf(
            HTML.format(part),
            attachments={},
            title="t",
            author="a",
            language="en",
            created=kit.ISSUED,
            signers=(ARCHIVE,),
        )


def test_a_box_on_the_page_takes_the_field() -> None:
    box = '<div id="slot-Auditor" style="position:absolute;left:10mm;top:20mm;width:80mm;height:30mm"></div>'
    html = "<style>@page{size:A4;margin:0}</style>" + HTML.format(box)
    slot = SignerSlot("Auditor", "Ada", "auditor")
    data = write_pdf(
        html, attachments={}, title="t", author="a", language="en", created=kit.ISSUED, signers=(slot,)
    )  # fmt: skip
    with pikepdf.open(io.BytesIO(data)) as pdf:
        x1, y1, x2, y2 = (float(v) for v in pdf.Root.AcroForm.Fields[0].Rect)
    mm = 72 / 25.4
    assert x1 == pytest.approx(10 * mm + 1.5, abs=0.1)
    assert x2 == pytest.approx(90 * mm - 1.5, abs=0.1)
    assert y2 == pytest.approx((297 - 20) * mm - 1.5, abs=0.1)
    assert y1 == pytest.approx((297 - 50) * mm + 1.5, abs=0.1)


def test_a_box_too_small_to_read_is_refused() -> None:
    box = '<div id="slot-Auditor" style="width:5mm;height:5mm"></div>'
    with pytest.raises(AssayError, match="too small"):
        write_pdf(
            HTML.format(box), attachments={}, title="t", author="a", language="en", created=kit.ISSUED,
            signers=(SignerSlot("Auditor", "Ada", "auditor"),),
        )  # fmt: skip


def test_a_date_without_a_zone_is_refused() -> None:
    with pytest.raises(InputError, match="time zone"):
        write_pdf(
            HTML.format(""), attachments={}, title="t", author="a", language="en",
            created=kit.ISSUED.replace(tzinfo=None), signers=(ARCHIVE,),
        )  # fmt: skip


def test_verapdf_agrees_where_it_is_installed(states: dict[str, bytes], tmp_path: Path) -> None:
    """The reference validator, on PATH or not at all: without it the clauses above are what is tested."""
    if (tool := shutil.which("verapdf")) is None:
        print("veraPDF: not run, not on PATH")
        return
    for state, data in states.items():
        (tmp_path / "r.pdf").write_bytes(data)
        for flavour in ("3a", "ua1"):
            done = subprocess.run(
                [tool, "-f", flavour, "--format", "text", "r.pdf"], cwd=tmp_path, capture_output=True, text=True,
                timeout=120, check=False,
            )  # fmt: skip
            assert done.stdout.startswith("PASS"), (state, flavour, done.stdout)
