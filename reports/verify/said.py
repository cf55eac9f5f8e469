"""What a file says beyond the picture of its pages: to screen readers, in lists of bookmarks, in titles of windows.

For files that were set with other versions, where bytes cannot be compared. Producer names and the order in which a
program numbers its objects are no part of it.
"""

from __future__ import annotations

from typing import Any

from reports.verify.reading import opened

MOST = 200_000
HEARD = ("/Alt", "/ActualText", "/E", "/Lang", "/T")


def said(data: bytes) -> dict[str, object]:
    """Part -> what it says, in order: metadata, bookmarks, tags, links, attachments. Raises Broken."""
    with opened(data) as pdf:
        number = {page.obj.objgen: place for place, page in enumerate(pdf.pages, 1)}
        info = pdf.docinfo
        root = pdf.Root
        return {
            "metadata": (
                {key: str(info[key]) for key in info.keys() if key != "/Producer"},  # noqa: SIM118
                str(root.get("/Lang", "")),
                str(root.get("/ViewerPreferences", "")),
            ),
            "bookmarks": _bookmarks(root.get("/Outlines"), number),
            "tags": _tags(root.get("/StructTreeRoot")),
            "links": [
                (place, str(note.get("/Contents", "")), _target(root, note.get("/Dest"), number))
                for place, page in enumerate(pdf.pages, 1)
                for note in page.obj.get("/Annots", ())
            ],
            "attachments": [
                [str(spec.get(key, "")) for key in ("/F", "/UF", "/Desc", "/AFRelationship")]
                for spec in list(root.get("/AF", ()))
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


def _tags(tree: Any) -> list[tuple[int, str, tuple[str, ...]]]:
    """(depth, kind, what is read out) of every element, in the order of reading."""
    import pikepdf

    out: list[tuple[int, str, tuple[str, ...]]] = []
    left = [(tree.get("/K"), 0)] if tree is not None else []
    seen: set[tuple[int, int]] = set()
    while left:
        item, depth = left.pop()
        if isinstance(item, pikepdf.Array):
            left += [(child, depth) for child in reversed(list(item))]
            continue
        if not isinstance(item, pikepdf.Dictionary) or "/S" not in item or len(out) > MOST:
            continue
        if item.is_indirect:
            if item.objgen in seen:
                continue
            seen.add(item.objgen)
        out.append((depth, str(item.S), tuple(str(item[key]) if key in item else "" for key in HEARD)))
        left.append((item.get("/K"), depth + 1))
    return out
