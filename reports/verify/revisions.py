"""What was changed after the certification, object by object.

A report grows by one increment a signature. Between two of them exactly this may change: a signature field that was
empty gets its value and its face; the catalog gets validation data (/DSS) and the extension that announces it.
Everything else has to be the same, bytes for bytes, whatever a viewer would show. (pyHanko's difference analysis can
be asked too; it allows more: titles and metadata, for instance.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reports.verify.reading import attached, opened
from reports.verify.result import Broken

if TYPE_CHECKING:
    import pikepdf

CATALOG_KEYS = ("/Lang", "/MarkInfo", "/ViewerPreferences", "/PageMode", "/PageLayout", "/OpenAction", "/AA")
MAY_GAIN = {"/DSS", "/Extensions"}
FIELD_MAY_CHANGE = {"/V", "/AP"}
SCRIPTS = ("/JavaScript", "/JS", "/Launch", "/RichMedia", "/XFA")


def raw(obj: Any) -> bytes:
    """An object's own bytes; references to others stay references, a stream's data are as stored."""
    import pikepdf

    if isinstance(obj, pikepdf.Stream):
        parts = [f"{k} ".encode() + _one(obj.stream_dict[k]) for k in sorted(obj.stream_dict.keys()) if k != "/Length"]
        return b"stream " + b" ".join(parts) + b"\n" + obj.read_raw_bytes()
    return _one(obj)


def _one(obj: Any) -> bytes:
    import pikepdf

    if isinstance(obj, pikepdf.Object):
        if obj.is_indirect:
            return b"%d %d R" % obj.objgen
        return bytes(obj.unparse())
    return repr(obj).encode()


def _entries(obj: Any) -> dict[str, bytes]:
    return {k: _one(obj.get(k)) for k in obj.keys()}  # noqa: SIM118 (a pikepdf object is no mapping)


def _own(obj: Any) -> bytes:
    import pikepdf

    if isinstance(obj, pikepdf.Stream):
        return raw(obj)
    if isinstance(obj, pikepdf.Object):
        return bytes(obj.unparse(resolved=True))
    return repr(obj).encode()


def _objects(pdf: pikepdf.Pdf) -> dict[tuple[int, int], Any]:
    import pikepdf

    return {o.objgen: o for o in pdf.objects if isinstance(o, pikepdf.Object) and o.is_indirect}


def metadata(pdf: pikepdf.Pdf) -> dict[str, bytes]:
    """Title, author, dates, XMP, language, bookmarks, viewer preferences: what describes the document."""
    found = {f"document information {k}": _own(pdf.docinfo[k]) for k in pdf.docinfo.keys()}  # noqa: SIM118
    root = pdf.Root
    if "/Metadata" in root:
        found["XMP metadata"] = raw(root.Metadata)
    for key in CATALOG_KEYS:
        if key in root:
            found[f"catalog {key}"] = _own(root[key])
    found["bookmarks"] = b"\n".join(_outline(root.get("/Outlines"), 0))
    return found


def _outline(item: Any, depth: int) -> list[bytes]:
    if item is None or depth > 30:
        return []
    out = []
    child = item.get("/First")
    count = 0
    while child is not None and count < 20_000:
        out.append(b"%d " % depth + str(child.get("/Title", "")).encode() + b" " + _own(child.get("/Dest", "")))
        out += _outline(child, depth + 1)
        child = child.get("/Next")
        count += 1
    return out


def pages(pdf: pikepdf.Pdf) -> list[dict[str, bytes]]:
    """Each page's drawing, size and resources, references followed, without its form fields' values."""
    import pikepdf

    out = []
    shared: dict[tuple[int, int], bytes] = {}
    for page in pdf.pages:
        obj = page.obj
        entry = {k: _own(obj[k]) for k in ("/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/AA") if k in obj}
        contents = obj.get("/Contents")
        streams = [contents] if contents is not None and not _is_array(contents) else list(contents or [])
        entry["drawing"] = b"\n".join(raw(s) for s in streams)
        resources = obj.get("/Resources")
        own = resources.objgen if isinstance(resources, pikepdf.Object) and resources.is_indirect else (0, 0)
        if own not in shared or own == (0, 0):
            shared[own] = _deep(resources, set(), 0)
        entry["resources"] = shared[own]
        entry["annotations"] = b" ".join(_one(a) for a in obj.get("/Annots", []))
        out.append(entry)
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
    return f"{len(a)} entries (title, author, dates, XMP, language, bookmarks) as certified"


def compare_attachments(before: pikepdf.Pdf, after: pikepdf.Pdf) -> str:
    """The embedded files are those of the certified revision. Raises Broken naming the first that differs."""
    a, b = attached(before), attached(after)
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            state = "added" if name not in a else "removed" if name not in b else "replaced"
            raise Broken(
                f"the embedded file {name} was {state} after certification", got=state, expected="as certified"
            )
    return f"{len(a)} files as certified: {', '.join(a)}"


def compare_pages(before: pikepdf.Pdf, after: pikepdf.Pdf) -> str:
    """Every page draws what was certified. Raises Broken naming the first page that differs."""
    a, b = pages(before), pages(after)
    if len(a) != len(b):
        raise Broken("pages were added or removed after certification", got=len(b), expected=len(a))
    for number, (old, new) in enumerate(zip(a, b, strict=True), 1):
        _same(old, new, f"of page {number} was changed after certification")
    return f"{len(a)} pages draw what was certified"


def _same(a: Mapping[str, bytes], b: Mapping[str, bytes], words: str) -> None:
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key):
            raise Broken(f"{key} {words}", got=_short(b.get(key)), expected=_short(a.get(key)))


def _short(value: bytes | None) -> str:
    return "nothing" if value is None else value[:80].decode("utf-8", "replace")


def compare_objects(before: pikepdf.Pdf, after: pikepdf.Pdf, fields: Sequence[str]) -> tuple[str, ...]:
    """One increment. The names of the fields it filled; raises Broken for any other change."""
    old, new = _objects(before), _objects(after)
    if gone := sorted(old.keys() - new.keys()):
        raise Broken("an object was removed after certification", got=f"object {gone[0][0]}")
    for key in ("/Root", "/Info"):
        a, b = before.trailer.get(key), after.trailer.get(key)
        if (a is None) != (b is None) or (a is not None and _one(a) != _one(b)):
            raise Broken(f"the trailer's {key} was replaced after certification")
    widgets = {w.objgen: str(w.get("/T")) for w in _fields(before)}
    names = [str(w.get("/T")) for w in _fields(after)]
    if sorted(names) != sorted(widgets.values()):
        extra = sorted(set(names) - set(widgets.values())) or names
        raise Broken("a signature field was added or removed after certification", got=", ".join(extra))
    form = before.Root.AcroForm.objgen if "/AcroForm" in before.Root else None
    filled = []
    for gen in sorted(old):
        if _own(old[gen]) == _own(new[gen]):
            continue
        changed = _changed_keys(old[gen], new[gen])
        if gen in widgets and widgets[gen] in fields:
            if changed <= FIELD_MAY_CHANGE and "/V" not in old[gen] and "/V" in new[gen]:
                _check_face(new[gen], widgets[gen])
                filled.append(widgets[gen])
                continue
            raise Broken(
                f"the field {widgets[gen]} was signed again or altered",
                got=", ".join(sorted(changed)),
                expected="/V, once",
            )
        if gen == before.Root.objgen and changed <= MAY_GAIN:
            continue
        if gen == form and changed <= {"/SigFlags"}:
            continue
        if _is_dss(before, gen):
            continue
        keys = f" ({', '.join(sorted(changed))})" if changed else ""
        raise Broken(
            f"{_name_of(before, gen)} was changed after certification",
            got=f"object {gen[0]}{keys}",
            expected="as certified",
        )
    return tuple(filled)


def _check_face(field: Any, name: str) -> None:
    """A signature's face is one drawing, which a viewer clips to the field's box. Raises Broken."""
    import pikepdf

    face = field.get("/AP", pikepdf.Dictionary())
    drawing = face.get("/N")
    if set(face.keys()) - {"/N"} or not isinstance(drawing, pikepdf.Stream) or drawing.get("/Subtype") != "/Form":
        raise Broken(f"the face of the signature in {name} is not one drawing", got=", ".join(face.keys()))


def _changed_keys(old: Any, new: Any) -> set[str]:
    import pikepdf

    if type(old) is not type(new) or not isinstance(old, pikepdf.Dictionary):
        return {"its data"}
    a, b = _entries(old), _entries(new)
    return {k for k in a.keys() | b.keys() if a.get(k) != b.get(k)}


def _fields(pdf: pikepdf.Pdf) -> list[Any]:
    form = pdf.Root.get("/AcroForm")
    return [] if form is None else list(form.get("/Fields", []))


def _is_dss(pdf: pikepdf.Pdf, gen: tuple[int, int]) -> bool:
    """Validation data only ever grows, and says nothing of the document."""
    dss = pdf.Root.get("/DSS")
    if dss is None:
        return False
    mine = [dss, *(dss[k] for k in dss.keys())]  # noqa: SIM118
    return any(getattr(o, "objgen", (0, 0)) == gen for o in mine if getattr(o, "is_indirect", False))


def _name_of(pdf: pikepdf.Pdf, gen: tuple[int, int]) -> str:
    if gen == pdf.Root.objgen:
        return "the document's catalog"
    for number, page in enumerate(pdf.pages, 1):
        if page.obj.objgen == gen:
            return f"page {number}"
    return "a part of the document"


def refuse_scripts(pdf: pikepdf.Pdf) -> None:
    """PDF/A forbids them, and a script could show other figures than those signed. Raises Broken."""
    import pikepdf

    for gen, obj in _objects(pdf).items():
        if not isinstance(obj, pikepdf.Dictionary | pikepdf.Stream):
            continue
        keys = set(obj.stream_dict.keys() if isinstance(obj, pikepdf.Stream) else obj.keys())
        kind = str(obj.get("/S", "")) if "/S" in keys else ""
        if found := [s for s in SCRIPTS if s in keys or kind == s]:
            raise Broken("the file contains a script or another active part", got=f"{found[0]} in object {gen[0]}")


def revisions(data: bytes, ends: Sequence[int]) -> list[bytes]:
    """The file as it was at each signature."""
    return [data[:end] for end in ends]


__all__ = [
    "compare_attachments",
    "compare_metadata",
    "compare_objects",
    "compare_pages",
    "opened",
    "refuse_scripts",
    "revisions",
]
