"""A forger's workshop: the real report opened for changing, and the table of all forgeries.

The forger is the auditor. What they make they certify with their own valid key, so that every signature holds.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import pikepdf

from reports.issue import assemble, page_html
from reports.manifest import NAME, Manifest
from reports.sign import certify
from reports.verify import Verification, verify
from tests.reports import kit
from tests.reports.pki import Pki

FAILED, PART, DONE = 4, 5, 0
"""Exit codes of the command."""
OTHER_PAGES = re.compile(r"page \d+ does not say what|the file is not the one that Assay makes")
"""What is said of pages that are not those of the evidence."""
_MARKED = re.compile(rb"/Span\s<</MCID (\d+)>>\sBDC.*?EMC", re.DOTALL)
_PLACED = re.compile(rb"1 0 0 -1 (\S+) (\S+) Tm\s/(\S+) (\S+) Tf\s(\[.*?\])\s?TJ", re.DOTALL)
_CODES = re.compile(rb"<([0-9a-f]{4}) ?>")


@dataclass(frozen=True)
class Run:
    """A line of text that a page draws, in CSS pixels from the top left."""

    text: str
    x0: float
    x1: float
    y: float
    mark: int


@dataclass(frozen=True)
class Picture:
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Page:
    runs: tuple[Run, ...]
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, eq=False)
class Real:
    """A report with its real pages, before it is signed."""

    files: dict[str, bytes]
    manifest: Manifest
    pdf: bytes
    pages: tuple[Page, ...]
    pki: Pki
    saved: bytes = b""
    """The file after a forger who changes nothing."""


@dataclass
class Forge:
    """An open copy of the report, with what the forger needs to find a place."""

    real: Real
    pdf: Any
    tail: list[Callable[[bytes], bytes]] = field(default_factory=list)

    @property
    def pages(self) -> tuple[Page, ...]:
        return self.real.pages

    def find(self, text: str, after: str = "") -> tuple[int, Run]:
        """The first run that says `text`, behind the first that says `after`; pages count from 0."""
        seen = not after
        for number, page in enumerate(self.pages):
            for run in page.runs:
                if seen and run.text == text:
                    return number, run
                seen = seen or run.text == after
        raise AssertionError(text)

    def stream(self, page: int) -> bytes:
        return bytes(self.pdf.pages[page].Contents.read_bytes())

    def write(self, page: int, data: bytes) -> None:
        self.pdf.pages[page].obj.Contents = self.pdf.make_stream(data)

    def edit(self, page: int, run: Run, change: Callable[[bytes], bytes]) -> None:
        """Change the marked piece of the page that draws the run."""
        data = self.stream(page)
        start = data.index(b"<</MCID %d>>" % run.mark)
        start = data.rindex(b"/Span", 0, start)
        end = data.index(b"EMC", start) + 3
        after = change(data[start:end])
        assert after != data[start:end]
        self.write(page, data[:start] + after + data[end:])

    def append(self, page: int, data: bytes) -> None:
        """Draw something more, in the pixels that the page is drawn in."""
        old = self.stream(page)
        at = old.rindex(b"Q")
        self.write(page, old[:at] + data + b"\n" + old[at:])

    def note(self, page: int, **entries: Any) -> Any:
        """One annotation more on a page."""
        built = self.pdf.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.Annot, Rect=pikepdf.Array([60, 500, 400, 700]), F=4, **entries)
        )
        obj = self.pdf.pages[page].obj
        obj.Annots = pikepdf.Array([*obj.get("/Annots", []), built])
        return built

    def form(self, drawing: bytes, **entries: Any) -> Any:
        """A drawing that a page or an annotation can show."""
        box = entries.pop("BBox", pikepdf.Array([0, 0, 500, 500]))
        kind = {"Type": pikepdf.Name.XObject, "Subtype": pikepdf.Name.Form, "BBox": box}
        return self.pdf.make_stream(drawing, **kind, **entries)

    def saved(self) -> bytes:
        out = io.BytesIO()
        self.pdf.save(
            out,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
            min_version="1.7",
            force_version="1.7",
        )
        data = out.getvalue()
        for change in self.tail:
            data = change(data)
        return data


Forgery = Callable[[Forge], None]
FORGERIES: dict[str, Forgery] = {}
"""Changes of what is printed, before the certification."""
SIGNED: dict[str, Callable[[Real], bytes]] = {}
"""Files made in another way: already certified, whatever stands in them."""
REEMBEDDED: set[str] = set()
"""Those of them whose pages are the honest report's: they are to be refused for something else than their pages."""


def forgery(make: Forgery) -> Forgery:
    """Enter a change of the printed report."""
    assert make.__name__ not in FORGERIES
    FORGERIES[make.__name__] = make
    return make


def signed(make: Callable[[Real], bytes]) -> Callable[[Real], bytes]:
    """Enter a whole file."""
    assert make.__name__ not in SIGNED
    SIGNED[make.__name__] = make
    return make


def reembedding(make: Callable[[Real], bytes]) -> Callable[[Real], bytes]:
    """Enter a file made by `reembedded`."""
    REEMBEDDED.add(make.__name__)
    return signed(make)


def real_report(files: dict[str, bytes], pki: Pki, **changes: Any) -> Real:
    """The report that Assay makes of these files, with what stands where on its pages."""
    manifest = kit.manifest_of(files, pki.auditor, **changes)
    pdf = assemble(page_html(files, manifest), files, manifest)
    with pikepdf.open(io.BytesIO(pdf)) as file:
        pages = tuple(_read(page) for page in file.pages)
    real = Real(files, manifest, pdf, pages, pki)
    return replace(real, saved=forged(real, lambda forge: None))


def forged(real: Real, make: Forgery) -> bytes:
    """The report after the forger's work, before it is signed."""
    with pikepdf.open(io.BytesIO(real.pdf)) as pdf:
        forge = Forge(real, pdf)
        make(forge)
        data = forge.saved()
        assert data != real.saved, "the forger changed nothing"
        return data


def reembedded(real: Real, files: Mapping[str, bytes], manifest: Manifest) -> bytes:
    """The report's own pages with other contents in what it embeds, certified: for a lie that is refused before pages
    are looked at, or while they are made again, so that none have to be set for it."""
    contents = {**files, NAME: manifest.to_bytes()}
    with pikepdf.open(io.BytesIO(real.pdf)) as pdf:
        names = pdf.Root.Names.EmbeddedFiles.Names
        assert {str(name) for name in list(names)[::2]} == contents.keys()
        for name, spec in zip(list(names)[::2], list(names)[1::2], strict=True):
            data = contents[str(name)]
            spec.EF.F.write(data)
            spec.EF.F.Params.Size = len(data)
            spec.EF.F.Params.CheckSum = pikepdf.String(hashlib.md5(data, usedforsecurity=False).digest())
        return certified(real, Forge(real, pdf).saved())


@lru_cache(maxsize=4)
def certified(real: Real, pdf: bytes) -> bytes:
    """The file with the forger's valid certification; many forgeries begin with the honest one."""
    return certify(pdf, real.pki.auditor, field="Auditor", reason="I issued this report").pdf


def made(real: Real, name: str) -> bytes:
    """The forgery of this name, certified."""
    return certified(real, forged(real, FORGERIES[name])) if name in FORGERIES else SIGNED[name](real)


def exit_code(result: Verification) -> int:
    """What the command ends with."""
    return DONE if result.ok else result.error().exit_code


def pages_line(result: Verification) -> Any:
    """The line on pages."""
    return next(c for c in result.checks if c.name == "printed pages")


def check_refused(pdf: bytes, real: Real, name: str) -> None:
    """The forger's own signature holds, and the report is not believed."""
    verification = verify(pdf)
    assert next(c.status for c in verification.checks if c.name == "seal") == "ok", (
        "the forger's own signature has to hold"
    )
    assert exit_code(verification) in (FAILED, PART)
    if "lie_about_versions" not in name and name != "fonts_that_nobody_has":
        assert exit_code(verification) == FAILED
    assert "verified:" not in verification.lines()[-1]
    if name in REEMBEDDED:
        items = [c.detail for c in verification.checks if c.status == "failed"]
        assert [s for s in items if not OTHER_PAGES.match(s)], items


def _read(page: Any) -> Page:
    data = bytes(page.Contents.read_bytes())
    matches = {
        str(name)[1:].encode(): dict(re.findall(rb"<(\w{4})> <(\w+)>", bytes(font.ToUnicode.read_bytes())))
        for name, font in page.obj.Resources.get("/Font", {}).items()
    }
    runs = []
    for piece in _MARKED.finditer(data):
        for x, y, name, size, codes in _PLACED.findall(piece[0]):
            text = b"".join(matches[name][code] for code in _CODES.findall(codes))
            words = bytes.fromhex(text.decode()).decode("utf-16-be")
            x0 = float(x)
            runs.append(Run(words, x0, x0 + 0.6 * float(size) * len(words), float(y), int(piece[1])))
    places = re.findall(rb"/Figure\s<</MCID \d+>>\sBDC\s.*?1 0 0 1 (\S+) (\S+) cm", data, re.DOTALL)
    pictures = tuple(Picture((float(x), float(y), float(x) + 640, float(y) + 50)) for x, y in places)
    return Page(tuple(runs), pictures)
