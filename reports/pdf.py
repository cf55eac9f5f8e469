"""HTML -> PDF/A-3a and PDF/UA-1 in one file, with attachments and empty, tagged signature fields.

    data = write_pdf(html, attachments={"evidence.json": b"..."}, title="...", author="...", language="en",
                     created=when, signers=slots_for("Ada Auditor", ["Bo Board"]))

Equal input gives equal bytes. The page may use `data:` URLs only: WeasyPrint's own fetcher would embed any local file
that a `<link rel=attachment>` names. Signature fields are put where the page has an element with the id `slot-FIELD`;
where it has none, a section with one box for each signer is added at the end.
"""

from __future__ import annotations

import datetime as dt
import gc
import hashlib
import html as html_module
import io
import logging
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from audit import progress
from audit.documents.table import DOCUMENTS
from audit.errors import AssayError, InputError
from reports import typesetter, xmp
from reports.manifest import SignerSlot

if TYPE_CHECKING:
    import pikepdf

CREATOR = "Assay"
SLOT_PREFIX = "slot-"
# The field ends inside the frame that the page draws, so that a stamp never covers the frame.
INSET = 1.5
FLAGS = 132
"""Of a signature field: print, locked in place."""
LEAST_WIDTH, LEAST_HEIGHT = 100.0, 30.0
MOST_KEPT = 64_000_000
"""Bytes of made pages that a process keeps."""
DESCRIPTIONS = {d.name: d.words for d in DOCUMENTS.values() if d.words} | {
    "presets.json": "The forms of law and custom that are filled in",
    "manifest.json": "The files, signers and quorum of this report",
    "model.cdx.json": "The model card, as a CycloneDX ML-BOM",
    "statements.intoto.jsonl": "The auditor's signed in-toto statements, in DSSE envelopes",
}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a field goes: page index and rectangle in PDF points from the lower left corner."""

    page: int
    box: tuple[float, float, float, float]


def write_pdf(
    html: str,
    *,
    attachments: Mapping[str, bytes],
    title: str,
    author: str,
    language: str,
    created: dt.datetime,
    signers: Sequence[SignerSlot],
) -> bytes:
    """The unsigned report. Raises AssayError where the page asks for anything but `data:`.

    created : has a time zone; the only date in the file. Attachments are embedded byte for byte, in order of name.
    """
    created = _in_utc(created)
    html = _with_boxes(html, signers)
    key = _key(html, attachments, title, author, language, created, signers)
    if (known := _page_cache.get(key)) is not None:
        return known
    with collector_paused():
        rendered, places = _render(html, attachments, created, signers)
        return _page_cache.put(key, _finish(rendered, places, title, author, language, created, signers))


def _in_utc(created: dt.datetime) -> dt.datetime:
    if created.tzinfo is None:
        raise InputError("the report's date has no time zone", got=created.isoformat(), expected="a time in UTC")
    return created.astimezone(dt.UTC).replace(microsecond=0)


@dataclass(slots=True)
class _PageCache:
    """The last pages that this process set, by the digest of all they follow from.

    Whoever issues, verifies and decides in one process sets the same pages again each time; equal input gives equal
    bytes, so the second time they are taken from here. What is kept was set here and by `write_pdf`: nothing comes from
    a file that is verified, nothing is kept on disk, and `assay verify` is a process that has set nothing before.
    """

    most: int = 8
    kept: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: bytes) -> bytes | None:
        with self.lock:
            if key in self.kept:
                self.kept.move_to_end(key)
            return self.kept.get(key)

    def put(self, key: bytes, data: bytes) -> bytes:
        with self.lock:
            self.kept[key] = data
            while len(self.kept) > self.most or (len(self.kept) > 1 and sum(map(len, self.kept.values())) > MOST_KEPT):
                self.kept.popitem(last=False)
        return data

    def forget(self) -> None:
        """Set pages anew from here on, for tests and measurements."""
        with self.lock:
            self.kept.clear()


_page_cache = _PageCache()
forget = _page_cache.forget


def _key(html: str, attachments: Mapping[str, bytes], *rest: object) -> bytes:
    """The digest of everything that `write_pdf` is given: each part by its own digest, so that no two run together."""
    parts = [repr(rest).encode("utf-8", "surrogatepass"), html.encode("utf-8", "surrogatepass")]
    for name, data in sorted(attachments.items()):
        parts += [name.encode("utf-8", "surrogatepass"), data]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).digest()


def signature_section(signers: Sequence[SignerSlot]) -> str:
    """HTML with one framed box for each signer, for pages that bring none. The archive timestamp gets a small one."""
    parts = ['<section class="assay-signatures"><h2>Signatures</h2>']
    for slot in signers:
        height = "12mm" if slot.role == "timestamp" else "22mm"
        label = html_module.escape(f"{slot.name} ({_ROLE_WORDS[slot.role]})")
        parts.append(
            f'<div style="break-inside: avoid"><p>{label}</p><div id="{SLOT_PREFIX}{slot.field}" '
            f'style="height: {height}; width: 90mm; border: 0.5pt solid #555"></div></div>'
        )
    return "".join(parts) + "</section>"


_ROLE_WORDS = {"auditor": "auditor", "member": "board member", "timestamp": "set when the report is archived"}
_TOOLTIPS = {
    "auditor": "Certification by the auditor, {name}",
    "member": "Decision of the board member {name}",
    "timestamp": "Archive timestamp",
}


def tooltip(slot: SignerSlot) -> str:
    """What a signature field says of itself."""
    return _TOOLTIPS[slot.role].format(name=slot.name)


def _with_boxes(html: str, signers: Sequence[SignerSlot]) -> str:
    missing = [s for s in signers if f'id="{SLOT_PREFIX}{s.field}"' not in html]
    if not missing:
        return html
    section = signature_section(missing)
    head, closing_tag, tail = html.rpartition("</body>")
    return f"{head}{section}{closing_tag}{tail}" if closing_tag else html + section


def _render(
    html: str, attachments: Mapping[str, bytes], created: dt.datetime, signers: Sequence[SignerSlot]
) -> tuple[bytes, dict[str, _Place]]:
    typesetter.load()
    import weasyprint
    from weasyprint.urls import FatalURLFetchingError, URLFetcher

    class DataOnly(URLFetcher):  # type: ignore[misc]
        """`data:` and nothing else; a page that wants more is refused rather than printed with a hole."""

        def __init__(self) -> None:
            super().__init__(allowed_protocols=("data",), allow_redirects=False)

        def fetch(self, url: str, headers: Any = None) -> Any:
            if not url.lower().startswith("data:"):
                raise FatalURLFetchingError(f"blocked {url[:80]!r}")
            return super().fetch(url, headers)

    naive = created.replace(tzinfo=None)  # WeasyPrint prints what it is given and appends a Z
    files = [
        weasyprint.Attachment(
            string=data,
            name=name,
            description=DESCRIPTIONS.get(name, name),
            created=naive,
            modified=naive,
            relationship="Data",
        )
        for name, data in sorted(attachments.items())
    ]
    try:
        with _progress_steps():
            document = weasyprint.HTML(string=html, url_fetcher=DataOnly()).render(pdf_variant="pdf/a-3a")
        # `_finish` writes the file anew: it compresses (in C++, twice as fast) and makes the identifier of the content.
        data = written(document, pdf_variant="pdf/a-3a", attachments=files, pdf_identifier=False, uncompressed_pdf=True)
    except FatalURLFetchingError as error:
        raise AssayError(
            "the report's page asks for something outside itself",
            got=str(error),
            expected="data: URLs only",
            todo="report this as a fault of Assay",
        ) from error
    return data, _places(document, signers)


@contextmanager
def _progress_steps() -> Iterator[None]:
    """WeasyPrint's own notes on how far it is, one a page, passed on as steps; their number is not known before."""

    class Steps(logging.Handler):
        done = 0

        def emit(self, record: logging.LogRecord) -> None:
            self.done += 1
            progress.step(self.done, 0)

    logger, handler = logging.getLogger("weasyprint.progress"), Steps()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def written(document: Any, **options: Any) -> bytes:
    """The PDF of a laid-out WeasyPrint document. WeasyPrint 70 leaves its colour profile's file to the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        data: bytes = document.write_pdf(**options)
    return data


_pausing = threading.Lock()
_paused = 0
_was_on = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Without Python's cycle collector: a layout is some million objects that live until it is written.

    Looking through them again and again is a fifth of the work. Nested and concurrent uses count; the last one out
    turns the collector on again, if it was on.
    """
    global _paused, _was_on
    with _pausing:
        if _paused == 0:
            _was_on = gc.isenabled()
            gc.disable()
        _paused += 1
    try:
        yield
    finally:
        with _pausing:
            _paused -= 1
            if _paused == 0 and typesetter.ends:
                gc.freeze()
            if _paused == 0 and _was_on:
                gc.enable()


def _places(document: Any, signers: Sequence[SignerSlot]) -> dict[str, _Place]:
    """Boxes of the `slot-` elements, from CSS pixels (from the top) to points (from the bottom)."""
    places: dict[str, _Place] = {}
    for slot in signers:
        for index, page in enumerate(document.pages):
            if (anchor := page.anchors.get(SLOT_PREFIX + slot.field)) is None:
                continue
            x1, y1, x2, y2 = (float(v) * 0.75 for v in anchor)
            height = float(page.height) * 0.75
            box = (x1 + INSET, height - y2 + INSET, x2 - INSET, height - y1 - INSET)
            if box[2] - box[0] < LEAST_WIDTH or box[3] - box[1] < LEAST_HEIGHT - 2 * INSET:
                raise AssayError(
                    "a signature box on the page is too small",
                    got=f"{slot.field}: {box[2] - box[0]:.0f} x {box[3] - box[1]:.0f} pt",
                    expected=f"at least {LEAST_WIDTH:.0f} x {LEAST_HEIGHT:.0f} pt",
                )
            places[slot.field] = _Place(index, (round(box[0], 2), round(box[1], 2), round(box[2], 2), round(box[3], 2)))
            break
        else:
            raise AssayError("the page has no box for a signer", got=slot.field, expected=f"{SLOT_PREFIX}{slot.field}")
    return places


def _finish(
    data: bytes,
    places: Mapping[str, _Place],
    title: str,
    author: str,
    language: str,
    created: dt.datetime,
    signers: Sequence[SignerSlot],
) -> bytes:
    import pikepdf

    with pikepdf.open(io.BytesIO(data)) as pdf:
        producer = str(pdf.docinfo.get("/Producer", ""))
        stamp = created.strftime("D:%Y%m%d%H%M%S+00'00'")
        info = {
            "/Title": title,
            "/Author": author,
            "/Creator": CREATOR,
            "/Producer": producer,
            "/CreationDate": stamp,
            "/ModDate": stamp,
        }
        for key in list(pdf.docinfo.keys()):
            del pdf.docinfo[key]
        for key, value in info.items():
            pdf.docinfo[key] = pikepdf.String(value)
        packet = xmp.packet(
            title=title, author=author, language=language, creator=CREATOR, producer=producer, date=created
        )
        stream = pdf.make_stream(packet)
        stream.Type = pikepdf.Name.Metadata
        stream.Subtype = pikepdf.Name.XML
        pdf.Root.Metadata = stream
        pdf.Root.Lang = pikepdf.String(language)
        pdf.Root.ViewerPreferences = pikepdf.Dictionary(DisplayDocTitle=True)
        _single_af(pdf)
        _scopes(pdf)
        _add_fields(pdf, places, signers)
        out = io.BytesIO()
        pdf.save(
            out,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            min_version="1.7",
            force_version="1.7",
        )
    return out.getvalue()


def _single_af(pdf: pikepdf.Pdf) -> None:
    """WeasyPrint lists each associated file twice in /AF."""
    import pikepdf

    if pikepdf.Name.AF not in pdf.Root:
        return
    seen: dict[tuple[int, int], pikepdf.Object] = {}
    for item in pdf.Root.AF:
        seen.setdefault(item.objgen, item)
    pdf.Root.AF = pikepdf.Array(list(seen.values()))


def _scopes(pdf: pikepdf.Pdf) -> None:
    """WeasyPrint drops `scope` on its way to the PDF: a head in THead heads its column, any other its row."""
    from pikepdf import Dictionary, Name

    for item in pdf.objects:
        if not isinstance(item, Dictionary) or item.get("/S") != Name.TH:
            continue
        scope = Name.Column if Name.THead == item.P.P.S else Name.Row
        attributes = item.get("/A")
        if isinstance(attributes, Dictionary):
            attributes.Scope = scope
        else:
            item.A = Dictionary(O=Name.Table, Scope=scope)


def _add_fields(pdf: pikepdf.Pdf, places: Mapping[str, _Place], signers: Sequence[SignerSlot]) -> None:
    """Empty signature fields, each a Form element of the structure tree, in order of signing.

    They must be there, tagged, before the certification: one that is added by signing has no place in the tree
    (PDF/UA-1 7.18.1) and would be a change that the certification forbids.
    """
    from pikepdf import Array, Dictionary, Name, String

    tree = pdf.Root.StructTreeRoot
    root = tree.K[0] if isinstance(tree.K, Array) else tree.K
    nums = tree.ParentTree.Nums
    following = max([int(nums[i]) for i in range(0, len(nums), 2)] + [-1]) + 1
    kids = root.K if isinstance(root.get("/K"), Array) else Array([root.K])
    fields = []
    for slot in signers:
        place = places[slot.field]
        page = pdf.pages[place.page].obj
        width, height = place.box[2] - place.box[0], place.box[3] - place.box[1]
        text = tooltip(slot)
        blank = pdf.make_stream(
            b"",
            Type=Name.XObject,
            Subtype=Name.Form,
            BBox=Array([0, 0, round(width, 2), round(height, 2)]),
            Resources=Dictionary(),
        )
        widget = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                FT=Name.Sig,
                T=String(slot.field),
                TU=String(text),
                Contents=String(text),
                F=FLAGS,
                Rect=Array([*place.box]),
                P=page,
                StructParent=following,
                AP=Dictionary(N=blank),
            )
        )
        element = pdf.make_indirect(
            Dictionary(
                Type=Name.StructElem,
                S=Name.Form,
                P=root,
                Pg=page,
                Alt=String(text),
                K=Dictionary(Type=Name.OBJR, Obj=widget, Pg=page),
            )
        )
        kids.append(element)
        nums.append(following)
        nums.append(element)
        following += 1
        if Name.Annots not in page:
            page.Annots = Array()
        page.Annots.append(widget)
        page.Tabs = Name.S
        fields.append(widget)
    root.K = kids
    tree.ParentTreeNextKey = following
    pdf.Root.AcroForm = pdf.make_indirect(Dictionary(Fields=Array(fields), SigFlags=0))
