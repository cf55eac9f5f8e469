"""What the pages say against what the embedded evidence says.

The pages are made again from the embedded files, which were checked before. Where the first revision of the file is
that, byte for byte, the pages are verified: text, drawings, fonts, tags, links, metadata, everything. There is no other
way to that word. Where the manifest names other versions of what sets pages than those here, the bytes may differ for
that alone: then both are looked at (`reports.verify.looks`), and the answer is at most "in part".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from audit import progress
from audit.documents import Documents
from audit.errors import AssayError
from audit.numbers import many
from reports import setting
from reports.document import build_document
from reports.manifest import NAME, Manifest
from reports.pdf import write_pdf
from reports.render import render_html
from reports.verify.elsewhere import shown_otherwise
from reports.verify.increments import revisions_of
from reports.verify.looks import DPI, first_apart
from reports.verify.result import Broken, InPart

Printer = Callable[[Mapping[str, bytes], Manifest], str]
AFRESH = "read a fresh printing of the checked evidence: add --print-again FILE"


def check_printed(certified: bytes, files: Mapping[str, bytes], printer: Printer | None = None) -> str:
    """The certified pages against the evidence in `files` (manifest among them). Raises Broken or InPart.

    printer makes the page's HTML, for tests.
    """
    manifest = Manifest.from_bytes(files[NAME])
    base = certified[: revisions_of(certified)[0].end]
    again = print_again(files, printer)
    if base == again:
        return f"the certified file made again from the embedded evidence: {many(len(again), 'byte')}, the same"
    others = others_of(manifest, files)
    if not others:
        raise _broken(base, again)
    progress.stage("Looking at the pages")
    versions = "; ".join(others)
    apart = first_apart(base, again)
    if apart is not None:
        raise InPart(
            f"the pages are not checked: made with other versions, and page {apart.page} looks otherwise here",
            got=f"{apart.got} ({versions})",
            expected=apart.expected,
            todo=AFRESH,
        )
    if other := shown_otherwise(base, again):
        raise InPart(
            "the pages are not checked: made with other versions, and another viewer may show something else than the "
            f"one here ({', '.join(other)})",
            got=versions,
            expected="what decides how pages are drawn as Assay writes it",
            todo=AFRESH,
        )
    unsaid = unsaid_apart(base, again)
    rest = f"not checked: {', '.join(unsaid)}" if unsaid else "what a screen reader and a list of bookmarks say, too"
    raise InPart(
        f"the pages look the same, made with other versions: as pictures ({DPI} dpi) and as text; {rest}",
        got=versions,
        expected="the same versions, so that bytes can be compared",
        todo="for the exact way see docs/report.md, “The same pages on any machine”",
    )


def print_again(files: Mapping[str, bytes], printer: Printer | None = None) -> bytes:
    """The unsigned report that follows from these embedded files (manifest among them). Raises Broken."""
    progress.stage("Making the pages again")
    try:
        manifest = Manifest.from_bytes(files[NAME])
        sources = Documents.of(files).without(NAME)
        html = (
            render_html(build_document(sources, manifest=manifest)) if printer is None else printer(sources, manifest)
        )
        return write_pdf(
            html,
            attachments=files,
            title=manifest.title,
            author=manifest.author,
            language=manifest.language,
            created=manifest.issued,
            signers=manifest.signers,
        )
    except AssayError as error:
        raise _unmade(error) from error
    except (KeyError, TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
        raise _unmade(error) from error


def _unmade(error: Exception) -> Broken:
    return Broken("the pages cannot be made again from the embedded files", got=type(error).__name__)


def others_of(manifest: Manifest, files: Mapping[str, bytes]) -> list[str]:
    """In what the machine that the manifest tells of differs from this one, in words. Raises Broken."""
    fonts = manifest.extra.get(setting.FONTS, {})
    if not isinstance(fonts, Mapping) or not all(isinstance(digest, str) for digest in fonts.values()):
        raise Broken("the manifest's list of fonts cannot be read", got=type(fonts).__name__, expected="name: sha256")
    return setting.apart(manifest.tool, fonts, {k: v for k, v in files.items() if k != NAME})


def _broken(base: bytes, again: bytes) -> Broken:
    """The versions are the same: whatever differs was put there. The first page whose text differs, or what it is."""
    todo = (
        "do not rely on the printed pages; read the embedded evidence.json, or print it again with --print-again FILE"
    )
    if (apart := first_apart(base, again, pictures=False)) is not None:
        return Broken(
            f"page {apart.page} does not say what the evidence says",
            got=apart.got,
            expected=apart.expected,
            todo=todo,
        )
    parts = unsaid_apart(base, again)
    return Broken(
        "the file is not the one that Assay makes of the embedded files, though its pages extract to the same text",
        got=f"{many(len(base), 'byte')}" + (f"; another {', another '.join(parts)}" if parts else ""),
        expected=f"{many(len(again), 'byte')}, the same byte for byte",
        todo=todo,
    )


def unsaid_apart(mine: bytes, right: bytes) -> list[str]:
    """What two files say apart from what their pages show: the parts that differ. See `reports.verify.said`."""
    from reports.verify.said import pdf_structure

    a, b = pdf_structure(mine), pdf_structure(right)
    return [name for name in a if a[name] != b[name]]
