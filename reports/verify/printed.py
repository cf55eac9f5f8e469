"""What the pages say against what the embedded evidence says.

The pages are made again from the embedded files, which were checked before. With the same fonts and versions the whole
certified file comes out byte for byte. Otherwise (other versions pack it otherwise, or break lines elsewhere) the words
of the pages are compared, in order, and the outlines of the signs they are drawn with; a difference names the page and
the words. Whether the drawing is the same, operator by operator, is then said as well.
"""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from audit.errors import AssayError
from reports.manifest import NAME, Manifest
from reports.pdf import write_pdf
from reports.verify.result import Broken
from reports.verify.shapes import check_shapes

Printer = Callable[[Mapping[str, bytes], Manifest], str]
AROUND = 4


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a page; pages count from 1."""

    text: str
    page: int


def check_printed(certified: bytes, files: Mapping[str, bytes], printer: Printer) -> str:
    """The certified pages against pages made again from `files` (manifest among them). Raises Broken."""
    manifest = Manifest.from_bytes(files[NAME])
    try:
        html = printer({k: v for k, v in files.items() if k != NAME}, manifest)
        again = write_pdf(
            html,
            attachments=files,
            title=manifest.title,
            author=manifest.author,
            language=manifest.language,
            created=manifest.issued,
            signers=manifest.signers,
        )
    except AssayError as error:
        raise Broken("the pages cannot be made again from the embedded files", got=error.message[:300]) from error
    except (KeyError, TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise Broken(
            "the pages cannot be made again from the embedded files", got=f"{type(error).__name__}: {error}"[:300]
        ) from error
    if certified.startswith(again):
        return f"the certified file made again from the embedded evidence: {len(again):,} bytes, the same"
    mine, right = words_of(certified), words_of(again)
    if (difference := first_difference(mine, right)) is not None:
        page, got, expected = difference
        raise Broken(
            f"page {page} does not say what the evidence says",
            got=got or "nothing",
            expected=expected or "nothing",
            todo="do not rely on the printed figures; read the embedded evidence.json",
        )
    signs = check_shapes(certified, again)
    if drawings(certified) == drawings(again):
        end = "; each page's drawing is the same, operator by operator"
    else:
        end = " (fonts or program versions differ here, so lines and places on the page were not compared)"
    return (
        f"{len(mine):,} words on the pages compared with the pages made again from the embedded evidence, the same; "
        f"{signs}{end}"
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
