"""The clauses of PDF/A-3a (ISO 19005-3) and PDF/UA-1 (ISO 14289-1) on the report as it is printed, at every step.

Draft, certification, two decisions and archive timestamp; each test names the clause. test_pdf.py has those on the XMP
packet, the fields and the file's syntax.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from fontTools.ttLib import TTFont

from reports.issue import assemble, page_html
from reports.manifest import Manifest
from reports.pdf import forget
from reports.sign import Validation, certify, countersign, seal
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

STATES = ["draft", "certified", "Member1", "Member2", "archived"]
every = pytest.mark.parametrize("state", STATES)


@pytest.fixture(scope="module")
def opened(small: Reports, pki: Pki) -> Iterator[dict[str, pikepdf.Pdf]]:
    manifest = kit.manifest_of(small.files, pki.auditor)
    stamper, validation = pki.timestamper(), Validation(pki.root_pem, (pki.revoke(),))
    by_name = {"draft": assemble(page_html(small.files, manifest), small.files, manifest)}
    step = certify(
        by_name["draft"], pki.auditor, field="Auditor", reason="x", timestamper=stamper, validation=validation
    )  # fmt: skip
    by_name["certified"] = step.pdf
    for key, field in ((pki.bo, "Member1"), (pki.cy, "Member2")):
        step = countersign(
            step.pdf, key, field=field, reason="REJECT: no", heading="Rejected by", timestamper=stamper,
            validation=validation,
        )  # fmt: skip
        by_name[field] = step.pdf
    by_name["archived"] = seal(step.pdf, stamper, field="ArchiveTimestamp", validation=validation)
    mapping = {state: pikepdf.open(io.BytesIO(data)) for state, data in by_name.items()}
    yield mapping
    for pdf in mapping.values():
        pdf.close()


def dictionaries(pdf: pikepdf.Pdf) -> Iterator[Any]:
    for item in pdf.objects:
        if isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
            yield item


def elements(pdf: pikepdf.Pdf, kind: str) -> list[Any]:
    return [o for o in dictionaries(pdf) if o.get("/S") == kind and "/P" in o]


def codes(fragment: Any) -> list[int]:
    data = bytes(fragment)
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def streams(pdf: pikepdf.Pdf) -> Iterator[tuple[Any, Any]]:
    """(what is drawn, its resources) of each page and of each form that is drawn."""
    for page in pdf.pages:
        yield page.obj, page.obj.Resources
    for item in dictionaries(pdf):
        if item.get("/Subtype") == "/Form" and "/Resources" in item:
            yield item, item.Resources


@every
def test_every_font_is_embedded_and_its_widths_are_those_of_its_program(
    state: str, opened: dict[str, pikepdf.Pdf]
) -> None:
    """ISO 19005-3, 6.2.11.4 (embedded) and 6.2.11.5 (widths, to a thousandth); stamps' fonts too."""
    seen = 0
    for font in dictionaries(opened[state]):
        if font.get("/Type") != "/Font" or not str(font.get("/Subtype")).startswith("/CIDFont"):
            assert font.get("/Type") != "/Font" or font.Subtype == "/Type0"
            continue
        descriptor = font.FontDescriptor
        program = descriptor.get("/FontFile2", descriptor.get("/FontFile3"))
        assert program is not None, font.BaseFont
        with TTFont(io.BytesIO(program.read_bytes()), lazy=True) as ttf:
            scale, order = 1000 / ttf["head"].unitsPerEm, ttf.getGlyphOrder()
            at = 0
            while at < len(font.W):
                first, rest = int(font.W[at]), font.W[at + 1]
                assert isinstance(rest, pikepdf.Array)
                for offset, width in enumerate(rest):
                    right = ttf["hmtx"][order[first + offset]][0] * scale
                    assert float(width) == pytest.approx(right, abs=1.0), (font.BaseFont, first + offset)
                    seen += 1
                at += 2
    assert seen > 100


@every
def test_no_text_uses_a_glyph_that_is_not_there(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 19005-3, 6.2.11.8: .notdef is never drawn; 6.2.11.7.2: every code that is drawn has a Unicode value."""
    drawn = 0
    for item, resources in streams(opened[state]):
        mapped: set[int] | None = None
        for operands, operator in pikepdf.parse_content_stream(item):
            if str(operator) == "Tf":
                text = resources.Font[str(operands[0])].ToUnicode.read_bytes().decode()
                mapped = {int(code, 16) for code in re.findall(r"(?m)^<([0-9a-fA-F]+)> <[0-9a-fA-F]+>$", text)}
            elif str(operator) in ("Tj", "TJ"):
                parts = operands[0] if isinstance(operands[0], pikepdf.Array) else [operands[0]]
                for part in parts:
                    if isinstance(part, pikepdf.String):
                        result = codes(part)
                        assert 0 not in result
                        assert mapped is not None
                        assert set(result) <= mapped
                        drawn += len(result)
    assert drawn > 5000


@every
def test_everything_drawn_is_tagged_or_an_artifact(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 14289-1, 7.1-3: no text and no drawing outside marked content; every mark belongs to the tree."""
    shows = {"Tj", "TJ", "'", '"', "Do", "f", "F", "f*", "S", "s", "B", "B*", "b", "b*", "sh"}
    for page in opened[state].pages:
        depth = 0
        for operands, operator in pikepdf.parse_content_stream(page):
            name = str(operator)
            if name in ("BDC", "BMC"):
                depth += 1
                if name == "BDC" and str(operands[0]) != "/Artifact":
                    assert "/MCID" in operands[1]
            elif name == "EMC":
                depth -= 1
            assert name not in shows or depth > 0, (page.index, name)
        assert depth == 0
        assert "/StructParents" in page.obj


@every
def test_table_heads_have_a_scope_and_rows_belong_to_tables(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 14289-1, 7.5: heads are TH with a scope; 7.2: TR and TD stand where they may."""
    heads = elements(opened[state], "/TH")
    scopes = [str(h.A.Scope) for h in heads]
    assert len(scopes) > 50
    assert set(scopes) == {"/Column", "/Row"}
    for head, scope in zip(heads, scopes, strict=True):
        assert (scope == "/Column") == (head.P.P.S == "/THead")
    assert {str(e.P.S) for e in elements(opened[state], "/TR")} <= {"/THead", "/TBody", "/TFoot", "/Table"}
    assert {str(e.P.S) for e in elements(opened[state], "/TD")} == {"/TR"}


@every
def test_figures_have_alternative_texts(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 14289-1, 7.3-1, and 7.1: fields, too, say what they are."""
    figures = elements(opened[state], "/Figure")
    assert figures
    assert all(len(str(f.Alt)) > 20 for f in figures)
    assert all(str(f.Alt) for f in elements(opened[state], "/Form"))


@every
def test_headings_do_not_skip_a_level(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 14289-1, 7.4.2."""
    levels: list[int] = []

    def walk(item: Any) -> None:
        if isinstance(item, pikepdf.Array):
            for kid in item:
                walk(kid)
        elif isinstance(item, pikepdf.Dictionary) and "/S" in item:
            name = str(item.S)
            if len(name) == 3 and name[1] == "H" and name[2].isdigit():
                levels.append(int(name[2]))
            if "/K" in item:
                walk(item.K)

    walk(opened[state].Root.StructTreeRoot.K)
    assert levels[0] == 1
    assert levels.count(2) > 10
    assert all(b <= a + 1 for a, b in pairwise(levels))


@every
def test_links_and_fields_are_tagged_described_and_in_tab_order(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 14289-1, 7.18.1 to 7.18.5; ISO 19005-3, 6.3.2 (print, not hidden) and 6.3.3 (appearance)."""
    tree = opened[state].Root.StructTreeRoot.ParentTree.Nums
    parents = {int(tree[i]): tree[i + 1] for i in range(0, len(tree), 2)}
    kinds = set()
    for page in opened[state].pages:
        for note in page.obj.get("/Annots", []):
            kinds.add(str(note.Subtype))
            assert page.obj.Tabs == "/S"
            assert str(note.get("/Contents", note.get("/TU", "")))
            parent = parents[int(note.StructParent)]
            assert str(parent.S) in ("/Link", "/Form")
            flags = int(note.get("/F", 0))
            assert flags & 4
            assert not flags & (1 | 2 | 32)
            if note.Subtype == "/Widget":
                assert "/N" in note.AP
    assert kinds == {"/Link", "/Widget"}


@every
def test_nothing_runs_and_nothing_is_fetched(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 19005-3, 6.5.1 (actions), 6.5.2 (triggers), 6.1.6 (external streams), 6.2.9 (PostScript, references)."""
    for item in dictionaries(opened[state]):
        assert not {"/JS", "/JavaScript", "/AA", "/Launch", "/FFilter", "/Ref", "/PS", "/OPI"} & set(item.keys())
        if item.get("/Type") == "/Action" or ("/S" in item and "/URI" in item):
            assert str(item.S) in ("/GoTo", "/URI")
    assert "/OpenAction" not in opened[state].Root


@every
def test_the_file_as_a_whole(state: str, opened: dict[str, pikepdf.Pdf]) -> None:
    """ISO 19005-3, 6.1.3 (identifier, no encryption), 6.2.3 (output intent), 6.8 (embedded files); 14289-1, 7.2."""
    pdf = opened[state]
    assert len(pdf.trailer.ID) == 2
    assert not pdf.is_encrypted
    intents = list(pdf.Root.OutputIntents)
    assert [str(i.S) for i in intents] == ["/GTS_PDFA1"]
    assert intents[0].DestOutputProfile.N == 3
    assert str(pdf.Root.Lang) == "en"
    names = pdf.Root.Names.EmbeddedFiles.Names
    listed = {names[i + 1].objgen for i in range(0, len(names), 2)}
    assert listed == {f.objgen for f in pdf.Root.AF}
    for spec in pdf.Root.AF:
        assert str(spec.F) == str(spec.UF)
        assert str(spec.AFRelationship) == "/Data"
        assert str(spec.EF.F.Subtype) == "/application/json"
        assert "/ModDate" in spec.EF.F.Params
        assert str(spec.Desc)


def test_another_process_makes_the_same_bytes(
    opened: dict[str, pikepdf.Pdf], pki: Pki, root: Path, tmp_path: Path
) -> None:
    """Before signing. Another hash seed and another time zone, so that no set's order and no clock gets in."""
    draft = opened["draft"]
    names = draft.Root.Names.EmbeddedFiles.Names
    for i in range(0, len(names), 2):
        (tmp_path / str(names[i])).write_bytes(names[i + 1].EF.F.read_bytes())
    code = (
        "import sys; from pathlib import Path; from reports.issue import assemble, page_html; "
        "from reports.manifest import Manifest; "
        "files = {p.name: p.read_bytes() for p in Path(sys.argv[1]).iterdir()}; "
        "manifest = Manifest.from_bytes(files.pop('manifest.json')); "
        "sys.stdout.buffer.write(assemble(page_html(files, manifest), files, manifest))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, timeout=120, check=True,
        env=os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Kolkata", "PYTHONPATH": str(root)},
    )  # fmt: skip
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    manifest = Manifest.from_bytes(files.pop("manifest.json"))
    forget()
    assert assemble(page_html(files, manifest), files, manifest) == done.stdout
