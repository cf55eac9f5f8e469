"""What a file says beyond the picture of its pages: to screen readers, in lists of bookmarks, in titles of windows.

For files that were set with other versions, where bytes cannot be compared. Producer names and the order in which a
program numbers its objects are no part of it.
"""

from __future__ import annotations

import re
from typing import Any

from reports.verify.reading import opened

MOST = 200_000
HEARD = ("/Alt", "/ActualText", "/E", "/Lang", "/T", "/ID")
_PRODUCER = re.compile(rb"<pdf:Producer>WeasyPrint [\d.]{1,12}</pdf:Producer>")
_MARK = re.compile(rb"(/[^\s]+\s+(?:<<[^>]*>>)?)\s*(?:BDC|BMC)\b")


def pdf_structure(data: bytes) -> dict[str, object]:
    """Part -> what it says, in order: metadata, bookmarks, tags, links, attachments. Raises Broken."""
    with opened(data) as pdf:
        number = {page.obj.objgen: place for place, page in enumerate(pdf.pages, 1)}
        info = pdf.docinfo
        root = pdf.Root
        return {
            "metadata": (
                {key: str(info[key]) for key in info.keys() if key != "/Producer"},  # noqa: SIM118
                _PRODUCER.sub(b"", bytes(root.Metadata.read_bytes())) if "/Metadata" in root else b"",
                str(root.get("/Lang", "")),
                str(root.get("/ViewerPreferences", "")),
            ),
            "bookmarks": _bookmarks(root.get("/Outlines"), number),
            "tags": (_tags(root.get("/StructTreeRoot"), number), _marks(pdf)),
            "links and fields": [
                (
                    place,
                    _own(note, ("/Subtype", "/T", "/TU", "/Contents", "/F", "/StructParent")),
                    [round(float(x)) for x in note.Rect],
                    _target(root, note.get("/Dest"), number),
                )
                for place, page in enumerate(pdf.pages, 1)
                for note in page.obj.get("/Annots", ())
            ],
            "attachments": [
                (
                    _own(spec, ("/F", "/UF", "/Desc", "/AFRelationship")),
                    _own(spec.EF.F, ("/Subtype",)),
                    _own(spec.EF.F.Params, tuple(spec.EF.F.Params.keys())),
                )
                for spec in [*root.get("/AF", ()), *root.Names.EmbeddedFiles.Names[1::2]]
            ],
        }


def _bookmarks(root: Any, number: dict[tuple[int, int], int]) -> list[tuple[int, str, int]]:
    """(depth, title, page), in order."""
    out: list[tuple[int, str, int]] = []
    left = [(root.get("/First"), 0)] if root is not None else []
    seen: set[tuple[int, int]] = set()
    while left:
        item, depth = left.pop()
        if item is None or item.objgen in seen or len(out) > MOST:
            continue
        seen.add(item.objgen)
        out.append((depth, str(item.get("/Title", "")), _page(item.get("/Dest"), number)))
        left += [(item.get("/Next"), depth), (item.get("/First"), depth + 1)]
    return out


def _page(target: Any, number: dict[tuple[int, int], int]) -> int:
    import pikepdf

    if isinstance(target, pikepdf.Array) and len(target) and isinstance(target[0], pikepdf.Object):
        return number.get(target[0].objgen, 0)
    return 0


def _target(root: Any, target: Any, number: dict[tuple[int, int], int]) -> int:
    """The page that a link leads to; a name is looked up."""
    import pikepdf

    if isinstance(target, pikepdf.String):
        names = root.get("/Names", {}).get("/Dests", {}).get("/Names", ())
        named = {str(names[i]): names[i + 1] for i in range(0, len(names) - 1, 2)}
        target = named.get(str(target))
    return _page(target, number)


def _own(obj: Any, keys: tuple[str, ...]) -> list[str]:
    return [str(obj[key]) if key in obj else "" for key in keys]


def _tags(tree: Any, number: dict[tuple[int, int], int]) -> list[tuple[object, ...]]:
    """(depth, kind, what is read out, attributes, page, marks) of every element, in the order of reading."""
    import pikepdf

    out: list[tuple[object, ...]] = []
    left = [(tree.get("/K"), 0)] if tree is not None else []
    seen: dict[tuple[int, int], int] = {}
    while left:
        item, depth = left.pop()
        if isinstance(item, pikepdf.Array):
            left += [(child, depth) for child in reversed(list(item))]
            continue
        if isinstance(item, int):
            out.append((depth, "mark", item))
        if not isinstance(item, pikepdf.Dictionary) or "/S" not in item or len(out) > MOST:
            continue
        if item.is_indirect:
            if item.objgen in seen:
                continue
            seen[item.objgen] = len(seen)
        page = number.get(item.Pg.objgen, 0) if "/Pg" in item else 0
        out.append((depth, str(item.S), _own(item, HEARD), _attributes(item.get("/A")), page))
        left.append((item.get("/K"), depth + 1))
    parents = list(tree.get("/ParentTree", {}).get("/Nums", ())) if tree is not None else []
    return [*out, *(("parents", _places(item, seen)) for item in parents)]


def _places(item: Any, seen: dict[tuple[int, int], int]) -> object:
    """An entry of the tree from marks to elements: the elements by their place in the order of reading."""
    import pikepdf

    if isinstance(item, pikepdf.Array):
        return [_places(one, seen) for one in item]
    return seen.get(item.objgen, -1) if isinstance(item, pikepdf.Object) else item


def _attributes(obj: Any) -> list[str]:
    import pikepdf

    if obj is None:
        return []
    one_of = list(obj) if isinstance(obj, pikepdf.Array) else [obj]
    # Boxes are places on the page, which the picture shows.
    return [str({k: str(one[k]) for k in sorted(one.keys()) if k != "/BBox"}) for one in one_of]


def _marks(pdf: Any) -> list[list[bytes]]:
    """What stands before each BDC and BMC of a page, in order: the mark's number, and words that are heard in its
    place."""
    return [_MARK.findall(bytes(page.Contents.read_bytes())) for page in pdf.pages]
