"""Whether a screen reader is given the same, in the same order: the structure tree and the outline.

ISO 14289-1:2014 (PDF/UA-1), 7.1 to 7.5. Raises Unsure for whatever is otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from reports.manifest import SignerSlot
from reports.pdf import FLAGS, tooltip
from reports.verify.pages.placed import Placed
from reports.verify.pages.unsure import Unsure

PLAIN = ("/Span", "/NonStruct", "/Link")
"""Elements that do not say what a piece of text is."""
DEEPEST = 40
LEVELS = (0, 64, 128, 192, 255)
NEAR_COLOUR = 8
"""Of 255: profiles called sRGB differ by rounding."""


@dataclass(slots=True)
class _Tree:
    pages: dict[tuple[int, int], int]
    found: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)
    """(page, mark) -> (how-manieth, the element that says what it is)."""
    alts: dict[tuple[int, int], str] = field(default_factory=dict)
    forms: list[str] = field(default_factory=list)

    def walk(self, element: Any, role: str, page: int | None, alt: str | None, depth: int) -> None:
        import pikepdf

        if depth > DEEPEST:
            raise Unsure("the tags are nested without end")
        if isinstance(element, int):
            if page is None or (page, element) in self.found:
                raise Unsure("a tag without a page, or two tags for one text")
            self.found[page, element] = (len(self.found), role)
            if alt is not None:
                self.alts[page, element] = alt
            return
        if isinstance(element, pikepdf.Array):
            for kid in element:
                self.walk(kid, role, page, alt, depth + 1)
            return
        keys = set(element.keys())
        kind = str(element.get("/Type", "/StructElem"))
        if kind == "/OBJR":
            return
        if kind != "/StructElem" or keys & {"/ActualText", "/E", "/Lang"}:
            raise Unsure("a tag says something else than the page")
        name = str(element.S)
        if "/Pg" in keys:
            page = self.pages.get(element.Pg.objgen)
        if "/Alt" in keys:
            if name not in ("/Figure", "/Form"):
                raise Unsure("a tag gives another text")
            alt = str(element.Alt)
            if name == "/Form":
                self.forms.append(alt)
        if "/K" in keys:
            self.walk(element.K, role if name in PLAIN else name, page, alt, depth + 1)


def check_tags(document: Any, placed: Placed, signers: Sequence[SignerSlot]) -> None:
    """The tree names each matched text once, as what it is, in the order of the pages."""
    root = document.Root.StructTreeRoot
    if "/RoleMap" in root or "/ClassMap" in root:
        raise Unsure("tags with other names")
    tree = _Tree({page.obj.objgen: i for i, page in enumerate(document.pages)})
    tree.walk(root.K, "", None, None, 0)
    last = -1
    for spots, ordered in ((placed.spots, True), (placed.repeated, False)):
        for spot in spots:
            for page, run in spot.runs:
                order, role = tree.found.get((page, run.mark), (-1, ""))
                if role.lstrip("/") not in spot.leaf.tags:
                    raise Unsure(f"page {page + 1}: “{run.text[:40]}” is tagged {role or 'by nothing'}")
                if ordered and order <= last:
                    raise Unsure(f"page {page + 1}: “{run.text[:40]}” is read out in another place")
                last = max(last, order) if ordered else last
    if set(tree.forms) - {tooltip(slot) for slot in signers}:
        raise Unsure("a field is described otherwise")
    for page, picture, image in placed.pictures:
        if tree.found.get((page, picture.mark), (-1, ""))[1] != "/Figure":
            raise Unsure(f"page {page + 1}: a picture is not tagged as one")
        if tree.alts.get((page, picture.mark)) != image.alt:
            raise Unsure(f"page {page + 1}: a picture is described otherwise")


def check_outline(document: Any, placed: Placed) -> None:
    """The bookmarks are the headings, in order, and lead to them, as the links of the contents do."""
    pages = {page.obj.objgen: i for i, page in enumerate(document.pages)}
    right = [(s.leaf.text, min(s.pages)) for s in placed.spots if {"H1", "H2", "H3"} & set(s.leaf.tags) and s.runs]
    first = document.Root.Outlines.First if "/Outlines" in document.Root else None
    mine = [(" ".join(str(e.Title).split()), pages.get(e.Dest[0].objgen)) for e in _bookmarks(first, 0)]
    if mine != right:
        raise Unsure("the bookmarks are not the headings")
    names = document.Root.Names.Dests.Names
    leads = {str(names[i]): pages.get(names[i + 1][0].objgen) for i in range(0, len(names), 2)}
    for section, page in placed.begins.items():
        if leads.get(section) != page:
            raise Unsure("a link leads to another page")


def _bookmarks(entry: Any, depth: int) -> Iterator[Any]:
    seen = 0
    while entry is not None:
        seen += 1
        if depth > DEEPEST or seen > 10_000 or "/A" in entry:
            raise Unsure("bookmarks of another kind")
        yield entry
        yield from _bookmarks(entry.get("/First"), depth + 1)
        entry = entry.get("/Next")


def check_annotations(document: Any, signers: Sequence[SignerSlot]) -> None:
    """Links within the document and the signers' fields, and nothing that draws or acts."""
    fields = {slot.field: slot for slot in signers}
    for number, page in enumerate(document.pages, 1):
        for entry in page.obj.get("/Annots", ()):
            kind = str(entry.Subtype)
            if kind == "/Widget":
                _field(entry, fields.pop(str(entry.T), None))
                continue
            border = entry.get("/Border", None)
            plain = border is not None and [float(v) for v in border] == [0, 0, 0]
            width = entry.get("/BS", {}).get("/W", None)
            if kind != "/Link" or "/AP" in entry or not (plain or (width is not None and float(width) == 0)):
                raise Unsure(f"page {number} holds something that is drawn over it")
            if "/A" in entry and str(entry.A.get("/S")) != "/GoTo":
                raise Unsure(f"page {number} holds a link out of the document")
    if fields:
        raise Unsure(f"there is no field for {', '.join(fields)}")
    if extra := set(document.Root.AcroForm.keys()) - {"/Fields", "/SigFlags"}:
        raise Unsure(f"the form holds {sorted(extra)}")
    if extra := set(document.Root.ViewerPreferences.keys()) - {"/DisplayDocTitle"}:
        raise Unsure(f"the document is shown with {sorted(extra)}")
    allowed = {
        "/AF", "/AcroForm", "/Extensions", "/Lang", "/MarkInfo", "/Metadata", "/Names", "/Outlines", "/OutputIntents",
        "/Pages", "/Perms", "/StructTreeRoot", "/Type", "/Version", "/ViewerPreferences", "/DSS",
    }  # fmt: skip
    if extra := set(document.Root.keys()) - allowed:
        raise Unsure(f"the document holds {sorted(extra)}")


def _field(entry: Any, slot: SignerSlot | None) -> None:
    """A signer's field: named as it should be, and blank until they sign."""
    if slot is None:
        raise Unsure(f"a field that no signer has: {entry.T}")
    keys = {
        "/AP", "/Contents", "/F", "/FT", "/P", "/Rect", "/StructParent", "/Subtype", "/T", "/TU", "/Type", "/V",
        "/Lock", "/MK",
    }  # fmt: skip
    if set(entry.keys()) - keys or entry.FT != "/Sig" or int(entry.F) != FLAGS or len(entry.get("/MK", {})):
        raise Unsure(f"a field of another kind: {slot.field}")
    if str(entry.TU) != tooltip(slot) or str(entry.Contents) != tooltip(slot):
        raise Unsure(f"the field {slot.field} says something else of itself")
    looks = entry.AP
    if set(looks.keys()) != {"/N"} or ("/V" not in entry and bytes(looks.N.read_bytes()).strip()):
        raise Unsure(f"the field {slot.field} shows something before it is signed")


def check_colours(document: Any) -> None:
    """The colour profile that the pages are meant for is sRGB, or one that makes of each colour what sRGB does."""
    import io

    import numpy as np
    from PIL import Image, ImageCms

    intents = document.Root.OutputIntents
    if len(intents) != 1 or "/DestOutputProfile" not in intents[0]:
        raise Unsure("the colours are meant for another profile")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(intents[0].DestOutputProfile.read_bytes()))
        turned = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB")
        levels = np.array(np.meshgrid(LEVELS, LEVELS, LEVELS), dtype=np.uint8).T.reshape(1, -1, 3)
        shown = ImageCms.applyTransform(Image.fromarray(levels), turned)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise Unsure("the colours are meant for a profile that cannot be read") from error
    if np.abs(np.asarray(shown).astype(int) - levels).max() > NEAR_COLOUR:
        raise Unsure("the colours are meant for another profile")
