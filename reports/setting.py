"""What sets the pages of a report: the versions of the programs, and the fonts by their digests.

Pages come out byte for byte where these are the same. The manifest names them, so that a verifier who has others can
say which (`apart`), and anyone can build the same again (docs/Containerfile, docs/report.md).
"""

from __future__ import annotations

import hashlib
import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version

from audit.about import VERSION
from reports import typesetter

PACKAGES = (
    "weasyprint",
    "pydyf",
    "fonttools",
    "tinycss2",
    "tinyhtml5",
    "cssselect2",
    "pyphen",
    "jinja2",
    "pikepdf",
    "matplotlib",
)
"""Packages that a page or its bytes follow from. matplotlib: the list of signs that the report's font has."""
LIBRARIES = {
    "pango": ("libpango-1.0.so.0", "libpango-1.0.dylib", "libpango-1.0-0"),
    "harfbuzz": ("libharfbuzz.so.0", "libharfbuzz.0.dylib", "libharfbuzz-0"),
    "fontconfig": ("libfontconfig.so.1", "libfontconfig.1.dylib", "libfontconfig-1"),
}
NAMES = ("assay", *PACKAGES, *LIBRARIES)
FONTS = "fonts"
"""In the manifest's `extra`: name of a font -> sha256 of its file, lower-case hex."""
NONE = "none"
VERSION_FORM = re.compile(r"\d[\d.]{0,20}(?:[a-z+]{1,5}[\d.]{0,10})?")
_FONT = re.compile(r"[\w-]{1,60}")
DIGEST = re.compile(r"[0-9a-f]{64}")
_ASCII = "".join(map(chr, range(32, 127)))
_ESCAPED = re.compile(rb"\\u([0-9a-fA-F]{4})")


def versions() -> dict[str, str]:
    """Name -> version of every program that pages follow from, on this machine."""
    return {"assay": VERSION, **{name: _version(name) for name in PACKAGES}, **_libraries()}


@cache  # a package's metadata is read and parsed anew each time, which takes half a millisecond
def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return NONE


@lru_cache(maxsize=1)
def _libraries() -> Mapping[str, str]:
    """The C libraries by the names that WeasyPrint loads them under; a library that is loaded is not loaded again."""
    import cffi

    ffi = cffi.FFI()
    ffi.cdef("const char *pango_version_string(void); const char *hb_version_string(void); int FcGetVersion(void);")
    library_versions = dict.fromkeys(LIBRARIES, NONE)
    for name, files in LIBRARIES.items():
        for file in files:
            with suppress(OSError):
                library = ffi.dlopen(file)
                if name == "fontconfig":
                    number = int(library.FcGetVersion())
                    library_versions[name] = f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
                else:
                    text = library.pango_version_string() if name == "pango" else library.hb_version_string()
                    library_versions[name] = ffi.string(text).decode("ascii")
                break
    return library_versions


def fonts_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """Name -> sha256 of the font file, for every font that the signs in these files are drawn with here.

    files : what a report embeds, without its manifest. A superset of what its pages show.
    """
    from reports.glyphs import printable

    return dict(_fonts("".join(sorted(set(printable("".join(sorted(_signs(files) | set(_ASCII)))))))))


def _signs(files: Mapping[str, bytes]) -> set[str]:
    """The signs in these files, as they are and escaped, but those of ASCII: nearly every byte is one."""
    signs: set[str] = set()
    for data in files.values():
        try:
            data.decode("utf-8")
            signs.update(data.translate(None, _ASCII.encode()).decode("utf-8"))
        except UnicodeDecodeError:  # without its ASCII, what is broken could be whole
            signs.update(data.decode("utf-8", "replace"))
        signs.update(chr(int(code, 16)) for code in set(_ESCAPED.findall(data)))
    return signs


def without_font(files: Mapping[str, bytes]) -> list[str]:
    """The scripts of letters in these files that no font here draws, by their names in Unicode; looked up before a
    report is signed."""
    from reports.glyphs import printable
    from reports.undrawn import script_of

    foreign: dict[str, str] = {}
    for c in sorted(set(printable("".join(sorted(_signs(files)))))):
        if (script := script_of(c)) is not None and unicodedata.category(c)[0] == "L":
            foreign.setdefault(script, c)
    usual = set(_fonts(_ASCII)) if foreign else set()
    return [script for script, c in foreign.items() if set(_fonts("".join(sorted({*_ASCII, c})))) <= usual]


@lru_cache(maxsize=8)
def _fonts(signs: str) -> Mapping[str, str]:
    """The signs set once upright and once in bold, as the style sheet has them, and the fonts that this took."""
    typesetter.load()
    import weasyprint
    from weasyprint.text.fonts import get_hb_object_data

    from reports.pdf import written

    text = html.escape("".join(c for c in signs if c.isprintable()))
    page = f'<style>body{{font:9pt "DejaVu Sans"}}b{{font-weight:bold}}</style><p>{text}</p><b>{text}</b>'
    document = weasyprint.HTML(string=page).render()
    written(document)
    return {
        font.name.decode("utf-8", "replace").partition("+")[2]: hashlib.sha256(
            get_hb_object_data(font.hb_face)
        ).hexdigest()
        for font in document.fonts.values()
    }


def version_text(text: str) -> str:
    """The text where it is a version: it is printed, and words in its place would be too. Raises ValueError."""
    if text != NONE and not VERSION_FORM.fullmatch(text):
        raise ValueError("a version in the manifest is none")
    return text


def said_version(tool: Mapping[str, str]) -> str:
    """The version of Assay that a manifest names, or that it names none."""
    return (
        _checked_or(version_text, tool["assay"], "of a version not named")
        if "assay" in tool
        else "of a version not named"
    )


def plain_font(name: str, digest: str) -> str:
    """The name of a font with its digest, where they are that. Raises ValueError."""
    if not _FONT.fullmatch(name) or not DIGEST.fullmatch(digest):
        raise ValueError("a font in the manifest is none")
    return name


def apart(tool: Mapping[str, str], fonts: Mapping[str, str], files: Mapping[str, bytes]) -> list[str]:
    """In what the machine that a manifest tells of differs from this one, in words; empty where in nothing.

    tool, fonts : of the manifest; files: as in `fonts_of`. Of what a manifest does not name nothing is said: reports
    older than this list name few.
    """
    here = versions()
    differences = [
        f"{name} {_checked_or(version_text, stated, 'another')} (here {here[name]})"
        for name, stated in tool.items()
        if name in here and stated != here[name]
    ]
    mine = fonts_of(files) if fonts else {}
    return differences + [
        (f"{name} of another file (here {mine[name][:12]})" if name in mine else "a font that is not here")
        for name, digest in sorted(fonts.items())
        if mine.get(name) != digest
    ]


def _checked_or(check: Callable[[str], str], text: str, other: str) -> str:
    """The text where it is what it should be: other words of a file are not told."""
    try:
        return check(text)
    except (TypeError, ValueError):
        return other
