"""What a file may be made of: an entry that is missing, or a value of another kind, is refused as it stands, whoever
signed it; and what is held against the list is what the file has."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Name, String

from reports.issue import assemble
from reports.manifest import Manifest
from reports.sign import certify
from reports.verify import allowed, verify
from reports.verify.reading import opened
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.test_refusals_more import another_name, one_name_twice, opened_up

LINK = "<p><a href='#rates'>To the rates</a></p>"


def linked(files: Mapping[str, bytes], manifest: Manifest) -> str:
    """The small page, with links."""
    return (
        kit.page(files, manifest)
        .replace("<h2>", f"{LINK * 3}<h2 id=rates>", 1)
        .replace("</body>", "<h2>Notes</h2><p>None.</p></body>")
    )


@pytest.fixture(scope="module")
def page(small: Reports, pki: Pki) -> Reports:
    manifest = kit.manifest_of(small.files, pki.auditor)
    draft = assemble(linked(small.files, manifest), small.files, manifest)
    signed = certify(draft, pki.auditor, field="Auditor", reason="I issued this report").pdf
    return Reports(small.files, draft, signed, b"", b"")


def link(pdf: Any, number: int = 0) -> Any:
    return [a for a in pdf.pages[0].obj.Annots if a.Subtype == Name.Link][number]


def cells(pdf: Any) -> list[Any]:
    kinds = (o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and o.get("/Type") == "/StructElem")
    return [o for o in kinds if o.S == "/TD"]


def bookmark(pdf: Any) -> Any:
    first = pdf.Root.Outlines.First
    return first.get("/First", first)


def element(pdf: Any) -> Any:
    return cells(pdf)[0]


def embedded(pdf: Any) -> Any:
    return pdf.Root.Names.EmbeddedFiles.Names[1]


def font(pdf: Any) -> Any:
    return next(iter(pdf.pages[0].obj.Resources.Font.values()))


def profile(pdf: Any) -> Any:
    return pdf.Root.OutputIntents[0].DestOutputProfile


def without(key: str, place: Callable[[Any], Any]) -> Callable[[Any], None]:
    def change(pdf: Any) -> None:
        del place(pdf)[key]

    return change


def put(key: str, value: Any, place: Callable[[Any], Any]) -> Callable[[Any], None]:
    def change(pdf: Any) -> None:
        place(pdf)[key] = value(pdf) if callable(value) else value

    return change


def loop(pdf: Any) -> Any:
    """An array that holds itself."""
    built = pdf.make_indirect(Array([]))
    built.append(built)
    return built


CHANGES: dict[str, Callable[[Any], None]] = {
    # Viewers draw a border where none is said.
    "a link without a border": without("/BS", link),
    "a border without a width": without("/W", lambda pdf: link(pdf).BS),
    "a bookmark without a title": without("/Title", bookmark),
    "a bookmark that leads nowhere": without("/Dest", bookmark),
    "an element without a type": without("/Type", element),
    "an embedded file without a type": without("/Type", lambda pdf: embedded(pdf).EF.F),
    "a font without a type": without("/Type", font),
    "a title that is a number": put("/Title", 5, bookmark),
    "a title that is a name": put("/Title", Name.Rates, bookmark),
    "a title that is a list": put("/Title", Array([String("a"), String("b")]), bookmark),
    "a number that is a text": put("/Count", String("2"), lambda pdf: pdf.Root.Outlines),
    "a number that is true": put("/Count", True, lambda pdf: pdf.Root.Outlines),
    "a whole number that is none": put("/Count", Decimal("2.5"), lambda pdf: pdf.Root.Outlines),
    "true that is a number": put("/Marked", 1, lambda pdf: pdf.Root.MarkInfo),
    "a size with a text in it": put("/MediaBox", Array([0, 0, String("595"), 842]), lambda pdf: pdf.pages[0].obj),
    "a size with a reference to a page": put(
        "/MediaBox", lambda pdf: Array([0, 0, 595, pdf.pages[0].obj]), lambda pdf: pdf.pages[0].obj
    ),
    "lists within lists": put(
        "/W", pikepdf.Object.parse(b"[0 [[[[1]]]]]"), lambda pdf: font(pdf).DescendantFonts[0]
    ),
    "a list that holds itself": put("/W", loop, lambda pdf: font(pdf).DescendantFonts[0]),
    "a number as nobody writes it": put(
        "/MediaBox", pikepdf.Object.parse(b"[0 0 +.5 842]"), lambda pdf: pdf.pages[0].obj
    ),
    "a destination with a word in it": put(
        "/Dest", lambda pdf: Array([pdf.pages[0].obj, Name.XYZ, 0, String("top"), 0]), bookmark
    ),
    "a destination that is a file": put("/Dest", lambda pdf: Array([embedded(pdf), Name.Fit]), bookmark),
    "a destination of another kind": put("/Dest", lambda pdf: Array([pdf.pages[0].obj, Name.FitR]), bookmark),
    "a space that is no list": put(
        "/ColorSpace", pikepdf.Object.parse(b"<< /c1 << /ICCBased 5 >> >>"), lambda pdf: pdf.pages[0].obj.Resources
    ),
    "a space of three": put(
        "/ColorSpace", lambda pdf: pikepdf.Dictionary({"/c1": Array([Name.ICCBased, profile(pdf), 5])}),
        lambda pdf: pdf.pages[0].obj.Resources,
    ),
    "another type": put("/Type", Name.Filespec, element),
    "a name that is no word of ours": put("/Tabs", Name.R, lambda pdf: pdf.pages[0].obj),
    "a name that is no UTF-8": put(
        "/Tabs", pikepdf.Object.parse(b"/#ff"), lambda pdf: pdf.pages[0].obj
    ),
    "a key that is no UTF-8": lambda pdf: pdf.Root.__setitem__(
        "/MarkInfo", pikepdf.Object.parse(b"<< /Marked true /#ff true >>")
    ),
    "a dictionary where a stream stands": put("/Contents", pikepdf.Dictionary(), lambda pdf: pdf.pages[0].obj),
    "a stream where a dictionary stands": put(
        "/Resources", lambda pdf: pdf.make_stream(b"", {}), lambda pdf: pdf.pages[0].obj
    ),
}  # fmt: skip


def every_other(
    key: str, value: Callable[[Any, int], Any], among: Callable[[Any], list[Any]] = cells
) -> Callable[[Any], None]:
    """The same entry in many objects, right in the first and the last, wrong in one between."""

    def change(pdf: Any) -> None:
        found = among(pdf)
        assert len(found) > 2
        for at, one in enumerate(found):
            one[key] = value(pdf, at == len(found) // 2)

    return change


def of_many(key: str, right: str, wrong: str, among: Callable[[Any], list[Any]] = cells) -> Callable[[Any], None]:
    """As qpdf's text has it."""
    return every_other(key, lambda pdf, other: pikepdf.Object.parse((wrong if other else right).encode()), among)


def links(pdf: Any) -> list[Any]:
    """All alike."""
    found = [a for a in pdf.pages[0].obj.Annots if a.Subtype == Name.Link]
    for one in found:
        one.Rect = Array([1, 2, 3, 4])
        del one["/StructParent"]
    return found


def descendants(pdf: Any) -> list[Any]:
    """Fonts that are alike, but for what they refer to."""
    fonts = pdf.pages[0].obj.Resources.Font
    for at in range(3):
        fonts[f"/F{at}"] = pdf.make_indirect(pikepdf.Dictionary(font(pdf)))
        one = pikepdf.Dictionary(font(pdf).DescendantFonts[0])
        fonts[f"/F{at}"].DescendantFonts = Array([pdf.make_indirect(one)])
    return [fonts[f"/F{at}"].DescendantFonts[0] for at in range(3)]


def streams_of_files(pdf: Any) -> list[Any]:
    listed = pdf.Root.Names.EmbeddedFiles.Names
    return [listed[at].EF for at in range(1, len(listed), 2)]


def as_a_dictionary(pdf: Any, other: int) -> Any:
    """The stream of the first embedded file, or what its dictionary says."""
    stream = streams_of_files(pdf)[0].F
    entries = {key: stream.get(key) for key in stream.keys()}  # noqa: SIM118
    return pdf.make_indirect(pikepdf.Dictionary(entries)) if other else stream


def a_name_for_a_space(pdf: Any) -> None:
    """A name that may stand at a group, and may not among spaces."""
    name = pdf.make_indirect(Name.DeviceRGB)
    drawn = pdf.make_stream(b"", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 1, 1]))
    drawn.Group = pikepdf.Dictionary(Type=Name.Group, S=Name.Transparency, CS=name)
    drawn.Resources = pdf.make_indirect(pikepdf.Dictionary(ColorSpace=pikepdf.Dictionary({"/c1": name})))
    pdf.pages[0].obj.Resources.XObject = pikepdf.Dictionary({"/x1": drawn})


def a_half_behind(pdf: Any) -> None:
    every_other("/P", lambda pdf, other: cells(pdf)[0].P)(pdf)
    every_other("/K", lambda pdf, other: Array([cells(pdf)[0], Decimal("5.5") if other else 555]))(pdf)


# Objects of one shape are looked at once: another one among many alike is found all the same.
TWINS: dict[str, Callable[[Any], None]] = {
    "a border that is drawn": of_many("/BS", "<< /W 0 >>", "<< /W 1 >>", links),
    "a border of a tenth": of_many("/BS", "<< /W 0 >>", "<< /W 0.0 >>", links),
    "a name for a number": of_many("/K", "[5]", "[/5]"),
    "a half for a number": of_many("/K", "[555]", "[5.5]"),
    "a half behind a reference": a_half_behind,
    "a text for a number": of_many("/K", "[5]", "[(5)]"),
    "a key with another digit": of_many("/A", "<< /O /Table /RowSpan 2 >>", "<< /O /Table /RowSpan2 2 >>"),
    "a kind of font with another digit": of_many("/Subtype", "/CIDFontType2", "/CIDFontType3", descendants),
    "a name that ends as a text": of_many("/A", "<< /O /Table >>", "<< /O /Table#22u:5 >>"),
    "a page for a cell": every_other("/K", lambda pdf, other: Array([pdf.pages[0].obj if other else cells(pdf)[0]])),
    "a page for a row": every_other("/P", lambda pdf, other: pdf.pages[0].obj if other else cells(pdf)[0].P),
    "a number for a row": every_other("/P", lambda pdf, other: pdf.make_indirect(5) if other else cells(pdf)[0].P),
    "a name for a space": a_name_for_a_space,
    "a dictionary for a stream": every_other("/F", as_a_dictionary, streams_of_files),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_another_kind_among_many_alike_is_refused(name: str, page: Reports, pki: Pki) -> None:
    verification = verify(opened_up(TWINS[name])(page, pki), printer=linked)
    assert verification.failed is not None
    assert (verification.failed.name, verification.failed.detail) == ("structure", allowed.PROBLEM)


@pytest.mark.parametrize("name", ["/x#225#200#20R", "/x#22u:5", "/x#5c", "/5#200#20R"])
def test_a_name_may_look_like_a_reference(name: str, page: Reports, pki: Pki) -> None:
    """Where any name may stand: what is referred to behind it is counted as before."""
    change = of_many("/A", "<< /O /List /ListNumbering /x >>", f"<< /O /List /ListNumbering {name} >>")
    verification = verify(opened_up(change)(page, pki), printer=linked)
    assert verification.failed is not None
    assert verification.failed.name != "structure"


def test_what_objects_of_one_shape_refer_to_is_what_each_refers_to(page: Reports, small: Reports) -> None:
    """Held against the objects themselves: the references that are followed are all of each one's own."""

    def inside(obj: Any) -> list[str]:
        if isinstance(obj, dict | list):
            return [n for one in (obj.values() if isinstance(obj, dict) else obj) for n in inside(one)]
        return [obj] if allowed._is_reference(obj) else []

    for data in (page.certified, small.rejected):
        with opened(data) as pdf:
            objects, sampled = allowed._Objects(pdf, {}), {}
            for number in (f"{obj.objgen[0]} 0 R" for obj in pdf.objects):
                obj, shape = objects[number], objects.shape(number)
                assert list(shape.references) == inside(getattr(obj, "entries", obj))
                sample = sampled.setdefault(shape.key, objects.sample(number))
                at = inside(getattr(sample, "entries", sample))
                assert at == [f"{i} 0 R" for i in range(len(shape.references))]
            assert 20 < len(sampled) < len(pdf.objects)


def test_what_many_refer_to_is_read_once(page: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short file can refer to a long text, or a long list, from as many places as it likes."""

    def change(pdf: Any) -> None:
        one, other = pdf.make_indirect(String("a text of its own")), pdf.make_indirect(Array([5]))
        for cell in cells(pdf):
            cell.A = pikepdf.Dictionary(O=Name.Table, Headers=Array([one] * 9))
            cell.Alt = one
        font(pdf).DescendantFonts[0].W = Array([5, *[other] * 9])
        place = pdf.make_indirect(String("rates"))
        for one in links(pdf):
            one.Dest = place

    read: list[str] = []
    shape = allowed._Objects.shape

    def counted(objects: allowed._Objects, number: str) -> Any:
        obj = objects[number]
        read.extend([str(obj)] if obj in ("u:a text of its own", "u:rates", [5]) else [])
        return shape(objects, number)

    monkeypatch.setattr(allowed._Objects, "shape", counted)
    verification = verify(opened_up(change)(page, pki), printer=linked)
    assert verification.failed is not None
    assert verification.failed.name != "structure"
    # In the revision that is printed and in the one that certifies it.
    assert sorted(read) == ["[5]", "[5]", "u:a text of its own", "u:a text of its own", "u:rates", "u:rates"]


OTHERWISE = {
    # qpdf itself looks at pages before anybody asks.
    "a size with a text in it": "the file is damaged",
    "a size with a reference to a page": "the file is damaged",
    "a stream where a dictionary stands": "the file holds an object that nothing refers to",
}
"""Refused as something else."""


@pytest.mark.parametrize("name", CHANGES)
def test_another_kind_is_refused(name: str, page: Reports, pki: Pki) -> None:
    verification = verify(opened_up(CHANGES[name])(page, pki), printer=linked)
    assert verification.failed is not None
    assert (verification.failed.name, verification.failed.detail) == ("structure", OTHERWISE.get(name, allowed.PROBLEM))


def test_what_to_do_is_said(page: Reports, pki: Pki) -> None:
    verification = verify(opened_up(CHANGES["a bookmark without a title"])(page, pki), printer=linked)
    assert verification.error().todo == allowed.TODO
    at = page.certified.index(b"stream") + 20
    flipped = page.certified[:at] + bytes([page.certified[at] ^ 1]) + page.certified[at + 1 :]
    text = "do not rely on this file; ask the auditor for the report again"
    assert verify(flipped, printer=linked).error().todo == text


def test_which_embedded_file_it_is_is_said(page: Reports, pki: Pki) -> None:
    for change, number in ((another_name, 1), (one_name_twice, 4)):
        verification = verify(opened_up(change)(page, pki), printer=linked)
        assert verification.failed is not None
        assert (verification.failed.name, verification.failed.got) == ("structure", f"file {number}")


def test_the_page_as_it_was_is_taken(page: Reports) -> None:
    assert verify(page.certified, printer=linked).failed is None


def test_an_object_of_a_later_step_is_held_against_every_place_that_leads_to_it(page: Reports, pki: Pki) -> None:
    """A member writes a bookmark anew: the places that lead to it were followed in the first revision."""

    def change(w: Any) -> None:
        held = w.root["/Outlines"].raw_get("/First")
        del held.get_object()["/Dest"]
        w.mark_update(held)

    verification = verify(kit.signed_update(page.certified, pki.bo, "Member1", change), printer=linked)
    assert verification.failed is not None
    assert (verification.failed.name, verification.failed.detail) == ("structure", allowed.PROBLEM)


def as_pikepdf_has_it(obj: Any, *, whole: bool = False) -> Any:
    """The reference: qpdf asked entry by entry."""
    if isinstance(obj, pikepdf.Object) and obj.is_indirect and not whole:
        return "reference", "{} {} R".format(*obj.objgen)
    if isinstance(obj, pikepdf.Stream):
        return "stream", {key: as_pikepdf_has_it(value) for key, value in obj.stream_dict.items()}
    if isinstance(obj, pikepdf.Dictionary):
        return "dictionary", {key: as_pikepdf_has_it(value) for key, value in obj.items()}
    if isinstance(obj, pikepdf.Array):
        return "array", [as_pikepdf_has_it(value) for value in obj]
    if isinstance(obj, pikepdf.Name):
        return "name", str(obj)
    if isinstance(obj, pikepdf.String):
        return ("text",)
    return type(obj).__name__ if isinstance(obj, bool) else "number", None if obj is None else float(obj)


def as_it_is_held(obj: Any) -> Any:
    if isinstance(obj, allowed._Stream):
        return "stream", {key: as_it_is_held(value) for key, value in obj.entries.items()}
    if isinstance(obj, dict):
        return "dictionary", {key: as_it_is_held(value) for key, value in obj.items()}
    if isinstance(obj, list):
        return "array", [as_it_is_held(value) for value in obj]
    if isinstance(obj, str):
        if allowed._is_name(obj):
            return "name", obj
        return ("text",) if allowed._is_text(obj) else ("reference", obj)
    return type(obj).__name__ if isinstance(obj, bool) else "number", None if obj is None else float(obj)


def test_what_is_held_against_the_list_is_what_the_file_has(page: Reports, small: Reports) -> None:
    for data in (page.certified, small.rejected):
        with opened(data) as pdf:
            objects, count = allowed._Objects(pdf, {}), 0
            for obj in pdf.objects:
                if isinstance(obj, pikepdf.Object):
                    number = "{} {} R".format(*obj.objgen)
                    assert as_it_is_held(objects[number]) == as_pikepdf_has_it(obj, whole=True)
                    count += 1
            assert count == len(pdf.objects) > 100
            assert as_it_is_held(objects.trailer) == as_pikepdf_has_it(pdf.trailer, whole=True)


def test_a_file_of_no_objects_is_no_report() -> None:
    out = io.BytesIO()
    pikepdf.new().save(out)
    verification = verify(out.getvalue())
    assert verification.failed is not None
    assert verification.failed.name == "seal"
