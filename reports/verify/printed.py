"""What the pages say against what the embedded evidence says.

The pages are read as they are drawn (`reports.verify.pages`), which needs no setting again. Where that leaves a doubt,
or where exactness is asked for, they are made again from the embedded files, which were checked before. With the same
fonts and versions the whole certified file comes out byte for byte. Otherwise the words of the pages are compared, in
order, and the outlines of the signs they are drawn with; a difference names the page and the words. Equal words are not
enough: they can stand in another row or column. So what could neither be read nor made again is refused.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.errors import AssayError
from reports.blocks import Document
from reports.document import build_document
from reports.manifest import NAME, Manifest
from reports.pdf import is_made, write_pdf
from reports.render import render_html
from reports.verify.result import Broken
from reports.verify.shapes import check_shapes

Printer = Callable[[Mapping[str, bytes], Manifest], str]
AROUND = 4


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a page; pages count from 1."""

    text: str
    page: int


def check_printed(
    certified: bytes, files: Mapping[str, bytes], printer: Printer | None = None, *, exact: bool = False
) -> str:
    """The certified pages against the evidence in `files` (manifest among them). Raises Broken.

    printer makes the page's HTML, for tests; with one, or where `exact`, the pages are made again at once.
    """
    from reports.verify.pages import Unsure, check_pages

    manifest = Manifest.from_bytes(files[NAME])
    left = ""
    sources = {k: v for k, v in files.items() if k != NAME}
    try:
        if printer is None:
            document = build_document(sources, manifest=manifest)
            html = render_html(document)
        else:
            html = printer(sources, manifest)
        how: dict[str, Any] = {
            "attachments": files,
            "title": manifest.title,
            "author": manifest.author,
            "language": manifest.language,
            "created": manifest.issued,
            "signers": manifest.signers,
        }
        if printer is None and not exact and not is_made(html, **how):
            try:
                return check_pages(certified, document)
            except Unsure as reason:
                left = f" (set again, because reading them left open: {reason})"
        again = write_pdf(html, **how)
    except AssayError as error:
        raise Broken("the pages cannot be made again from the embedded files", got=error.message[:300]) from error
    except (KeyError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise Broken(
            "the pages cannot be made again from the embedded files", got=f"{type(error).__name__}: {error}"[:300]
        ) from error
    if certified.startswith(again):
        return f"the certified file made again from the embedded evidence: {len(again):,} bytes, the same{left}"
    _same_words(certified, again)
    signs = check_shapes(certified, again)
    if drawings(certified) == drawings(again):
        places = "each page's drawing is the same, operator by operator"
    elif printer is not None:
        places = "lines and places on the page were not compared"
    else:
        places = _places(certified, document)
    count = len(words_of(certified))
    return f"{count:,} words on the pages compared with the pages made again, the same; {signs}; {places}"


def print_again(files: Mapping[str, bytes]) -> bytes:
    """A fresh, unsigned printing of the checked evidence in `files`, for reading in place of the given pages."""
    manifest = Manifest.from_bytes(files[NAME])
    document = build_document({k: v for k, v in files.items() if k != NAME}, manifest=manifest)
    return write_pdf(
        render_html(document),
        attachments=files,
        title=manifest.title,
        author=manifest.author,
        language=manifest.language,
        created=manifest.issued,
        signers=manifest.signers,
    )


def _places(certified: bytes, document: Document) -> str:
    """Whether the right words stand in the right places, where the drawing is not the one made here. Raises Broken."""
    from reports.verify.pages import NotCovered, Unsure, check_pages

    try:
        check_pages(certified, document)
    except NotCovered as reason:
        return f"lines and places on the page were not compared, because of {reason}"
    except Unsure as reason:
        raise Broken(
            "the words of the pages are right, but not the way in which they are drawn",
            got=str(reason),
            expected="pages as Assay draws them",
            todo="look at the page; where the report was made by a later Assay, check it with that one",
        ) from reason
    return "each word stands in its place"


def _same_words(certified: bytes, again: bytes) -> None:
    if (difference := first_difference(words_of(certified), words_of(again))) is not None:
        page, got, expected = difference
        raise Broken(
            f"page {page} does not say what the evidence says",
            got=got or "nothing",
            expected=expected or "nothing",
            todo="do not rely on the printed figures; read the embedded evidence.json",
        )


def drawings(pdf: bytes) -> list[bytes]:
    """What each page draws, decoded, and every form and picture that a page can draw."""
    import pikepdf

    with pikepdf.open(io.BytesIO(pdf)) as document:
        pages = [page.Contents.read_bytes() for page in document.pages if "/Contents" in page]
        none = pikepdf.Dictionary()
        forms = {
            bytes(form.read_bytes())
            for page in document.pages
            for form in page.obj.get("/Resources", none).get("/XObject", none).values()
        }
    return pages + sorted(forms)


def words_of(pdf: bytes) -> list[Word]:
    """The words of the pages in reading order, without spaces and hyphens that depend on where lines break."""
    from pypdf import PdfReader

    reader = PdfReader(io.BytesIO(pdf))
    out = []
    for number, page in enumerate(reader.pages, 1):
        out += [Word(w, number) for w in page.extract_text().split()]
    return out


def first_difference(mine: list[Word], right: list[Word]) -> tuple[int, str, str] | None:
    """(page, words found, words expected) of the first difference, or None. Page numbers and breaks do not count."""
    a, b = [w.text for w in mine], [w.text for w in right]
    if a == b:
        return None
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        page = mine[min(i1, len(mine) - 1)].page if mine else 1
        return (
            page,
            " ".join(a[max(0, i1 - AROUND) : i2 + AROUND])[:300],
            " ".join(b[max(0, j1 - AROUND) : j2 + AROUND])[:300],
        )
    return None
