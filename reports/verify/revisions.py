"""What was changed after the certification, in words: metadata, attachments, pages as certified and now.

Whether anything was changed at all is `reports.verify.steps`, object by object; this names what a reader knows it by.
(pyHanko's difference analysis can be asked too; it allows more: titles and metadata, for instance.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from audit.numbers import many
from reports.verify.reading import attached
from reports.verify.result import Broken

if TYPE_CHECKING:
    import pikepdf

CATALOG_KEYS = ("/Lang", "/MarkInfo", "/ViewerPreferences", "/PageMode", "/PageLayout", "/OpenAction", "/AA")


def raw(obj: Any) -> bytes:
    """An object's own bytes; references to others stay references, a stream's data are as stored."""
    import pikepdf

    if isinstance(obj, pikepdf.Stream):
        parts = [
            f"{k} ".encode() + one_object(obj.stream_dict[k]) for k in sorted(obj.stream_dict.keys()) if k != "/Length"
        ]
        return b"stream " + b" ".join(parts) + b"\n" + obj.read_raw_bytes()
    return one_object(obj)


def one_object(obj: Any) -> bytes:
    import pikepdf

    if isinstance(obj, pikepdf.Object):
        if obj.is_indirect:
            return b"%d %d R" % obj.objgen
        return bytes(obj.unparse())
    return repr(obj).encode()


def own_bytes(obj: Any) -> bytes:
    import pikepdf

    if isinstance(obj, pikepdf.Stream):
        return raw(obj)
    if isinstance(obj, pikepdf.Object):
        return bytes(obj.unparse(resolved=True))
    return repr(obj).encode()


def metadata(pdf: pikepdf.Pdf) -> dict[str, bytes]:
    """Title, author, dates, XMP, language, bookmarks, viewer preferences: what describes the document."""
    entries = {f"document information {k}": own_bytes(pdf.docinfo[k]) for k in pdf.docinfo.keys()}  # noqa: SIM118
    root = pdf.Root
    if "/Metadata" in root:
        entries |= {"XMP metadata": raw(root.Metadata)}
    for key in CATALOG_KEYS:
        if key in root:
            entries[f"catalog {key}"] = own_bytes(root[key])
    return entries | {"bookmarks": b"\n".join(_outline(root.get("/Outlines")))}


def _outline(root: Any) -> list[bytes]:
    """Depth, title and destination of every bookmark, each object once however they refer to each other."""
    out: list[bytes] = []
    seen: set[tuple[int, int]] = set()
    left = [(root.get("/First"), 0)] if root is not None else []
    while left:
        item, depth = left.pop()
        if item is None or item.objgen in seen:
            continue
        seen.add(item.objgen)
        out.append(b"%d %s " % (depth, str(item.get("/Title", "")).encode()) + own_bytes(item.get("/Dest", "")))
        left += [(item.get("/Next"), depth), (item.get("/First"), depth + 1)]
    return out


def pages(pdf: pikepdf.Pdf) -> list[dict[str, bytes]]:
    """Each page's drawing, size and resources, references followed, without its form fields' values."""
    import pikepdf

    out = []
    shared: dict[tuple[int, int], bytes] = {}
    for page in pdf.pages:
        obj = page.obj
        entry = {k: own_bytes(obj[k]) for k in ("/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/AA") if k in obj}
        contents = obj.get("/Contents")
        streams = [contents] if contents is not None and not _is_array(contents) else list(contents or [])
        resources = obj.get("/Resources")
        own = resources.objgen if isinstance(resources, pikepdf.Object) and resources.is_indirect else (0, 0)
        if own not in shared or own == (0, 0):
            shared[own] = _deep(resources, set(), 0)
        drawn = {
            "drawing": b"\n".join(raw(s) for s in streams),
            "resources": shared[own],
            "annotations": b" ".join(one_object(a) for a in obj.get("/Annots", [])),
        }
        out.append(entry | drawn)
    return out


def _is_array(obj: Any) -> bool:
    import pikepdf

    return isinstance(obj, pikepdf.Array)


def _deep(obj: Any, seen: set[tuple[int, int]], depth: int) -> bytes:
    """An object with everything it refers to, once each; parents are not followed."""
    import pikepdf

    if not isinstance(obj, pikepdf.Object):
        return repr(obj).encode()
    if obj.is_indirect:
        if obj.objgen in seen or depth > 60:
            return b"%d %d R" % obj.objgen
        seen.add(obj.objgen)
    if isinstance(obj, pikepdf.Array):
        return b"[" + b" ".join(_deep(o, seen, depth + 1) for o in obj) + b"]"
    if isinstance(obj, pikepdf.Dictionary | pikepdf.Stream):
        keys = obj.stream_dict if isinstance(obj, pikepdf.Stream) else obj
        parts = [
            f"{k} ".encode() + _deep(keys[k], seen, depth + 1)
            for k in sorted(keys.keys())
            if k not in ("/Parent", "/P", "/Length")
        ]
        data = obj.read_raw_bytes() if isinstance(obj, pikepdf.Stream) else b""
        return b"<<" + b" ".join(parts) + b">>" + data
    return bytes(obj.unparse())


def compare_metadata(before: pikepdf.Pdf, after: pikepdf.Pdf) -> str:
    """The description is that of the certified revision. Raises Broken naming the first entry that differs."""
    a, b = metadata(before), metadata(after)
    _same(a, b, "was changed after certification")
    return f"{many(len(a), 'entry')} (title, author, dates, XMP, language, bookmarks) as certified"


def compare_attachments(before: pikepdf.Pdf, after: pikepdf.Pdf) -> str:
    """The embedded files are those of the certified revision. Raises Broken naming the first that differs."""
    a, b = attached(before), attached(after)
    for number, name in enumerate({**a, **b}, 1):
        if a.get(name) != b.get(name):
            state = "added" if name not in a else "removed" if name not in b else "replaced"
            raise Broken(f"embedded file {number} was {state} after certification", got=state, expected="as certified")
    return f"{many(len(a), 'file')} as certified"


def compare_pages(before: pikepdf.Pdf, after: pikepdf.Pdf) -> str:
    """Every page draws what was certified. Raises Broken naming the first page that differs."""
    a, b = pages(before), pages(after)
    if len(a) != len(b):
        raise Broken("pages were added or removed after certification", got=len(b), expected=len(a))
    for number, (old, new) in enumerate(zip(a, b, strict=True), 1):
        _same(old, new, f"of page {number} was changed after certification")
    return f"{many(len(a), 'page')} draw what was certified"


def _same(a: Mapping[str, bytes], b: Mapping[str, bytes], words: str) -> None:
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key):
            raise Broken(f"{key} {words}", got=_bytes_head(b.get(key)), expected=_bytes_head(a.get(key)))


def _bytes_head(value: bytes | None) -> str:
    return (
        "nothing" if value is None else (f"{many(len(value), 'byte')}, sha256 {hashlib.sha256(value).hexdigest()[:16]}")
    )
