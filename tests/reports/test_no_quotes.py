"""A refusal never quotes what a file says, beyond the name of a column: a marker stands in each place in turn, and in
no line that refuses or says "in part"."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from audit.files import canonical
from reports.issue import assemble
from reports.manifest import Attached
from reports.sign import certify, countersign
from reports.verify import verify
from reports.verify.result import FAILED, PART, Verification
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

LOUD = "ZQX\x1b[2J</b>[click](http://evil)\u202e"
QUIET = "zqx_is_fair"
Path_ = tuple[Any, ...]


def assert_silent(result: Verification, where: object) -> bool:
    """No line that refuses says the marker, and none does anything to a terminal. Whether one refused."""
    refused = [c for c in result.checks if c.status in (FAILED, PART)]
    for c in refused:
        text = " ".join((c.detail, c.got, c.expected, c.todo))
        assert "zqx" not in text.lower(), (where, c)
    for line in result.lines():
        assert line.isprintable(), (where, line)
    return bool(refused)


def texts(value: object, path: Path_ = ()) -> Iterator[Path_]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from texts(inner, (*path, number))
    elif isinstance(value, str):
        yield path


def put(path: Path_, word: str) -> Callable[[Any], None]:
    """The text at this place is the word."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = word

    return change


def renamed(path: Path_, word: str) -> Callable[[Any], None]:
    """The key at this place is the word."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        if isinstance(document, dict):
            document[word] = document.pop(path[-1])

    return change


def places(document: Any, count: int, name: str) -> list[Path_]:
    """Places of texts: one of each kind first, then others drawn by seed."""
    kinds: dict[Path_, Path_] = {}
    for path in texts(document):
        kinds.setdefault(tuple(s for s in path if isinstance(s, str)), path)
    return random.Random(name).sample(list(kinds.values()), min(count, len(kinds)))


@pytest.mark.parametrize("name", ["evidence.json", "cube.json"])
def test_what_was_measured(name: str, small: Reports, pki: Pki) -> None:
    """Each place with one marker for the text and the other for the key."""
    seen = 0
    for number, path in enumerate(places(json.loads(small.files[name]), 16, name)):
        if "attribute" in path or "sensitive" in path:  # the name of a column may be told
            continue
        words = (LOUD, QUIET) if number % 2 else (QUIET, LOUD)
        for change, word in zip((put, renamed), words, strict=True):
            edited = kit.edited(small.files, name, change(path, word))
            seen += assert_silent(verify(kit.report(edited, pki.auditor), printer=kit.page), path)
    assert seen >= 6


def drawn(r: Reports, p: Pki, change: Callable[[str], str], **manifest: Any) -> bytes:
    """A report whose page is another one than its evidence gives."""
    built = replace(kit.manifest_of(r.files, p.auditor), **manifest)
    page = change(kit.page(r.files, built))
    return certify(assemble(page, r.files, built), p.auditor, field="Auditor", reason="I issued this report").pdf


def _tool(r: Reports, p: Pki, **more: str) -> dict[str, str]:
    return {**kit.manifest_of(r.files, p.auditor).tool, **more}


def _extra(r: Reports, p: Pki, **more: Any) -> dict[str, Any]:
    return {**kit.manifest_of(r.files, p.auditor).extra, **more}


def _attached(r: Reports, p: Pki) -> bytes:
    """A file of another name, listed."""
    files = {**r.files, f"{QUIET}.json": b"{}"}
    built = kit.manifest_of(r.files, p.auditor)
    built = replace(built, attachments=tuple(Attached.of(n, d) for n, d in sorted(files.items())))
    return certify(assemble(kit.page(files, built), files, built), p.auditor, field="Auditor", reason="x").pdf


def _explained(r: Reports, p: Pki) -> bytes:
    """Explanations that tell of other data and another model than the evidence."""
    mapping = {"explained": True, "data": {"audited_rows": 70, "sha256": QUIET}, "model": {"sha256": QUIET}}
    return kit.report({**r.files, "explain.json": canonical(mapping)}, p.auditor)


MARKED: dict[str, Callable[[Reports, Pki], bytes]] = {
    "a_page": lambda r, p: drawn(r, p, lambda s: s.replace("<h1>", f"<h1>{QUIET} ")),
    "a_page_of_the_title": lambda r, p: drawn(r, p, lambda s: s.replace("<h2>", "<h2>Other "), title=QUIET),
    "the_words_in_a_page_of_other_versions": lambda r, p: drawn(
        r, p, lambda s: s.replace("<h1>", f"<h1>{QUIET} "), tool=_tool(r, p, weasyprint="71.0")
    ),
    "a_version": lambda r, p: drawn(r, p, lambda s: s.replace("<h2>", "<h2>x"), tool=_tool(r, p, weasyprint=LOUD)),
    "the_version_of_assay": lambda r, p: kit.report(
        kit.edited(r.files, "evidence.json", put(("gaps", 0, "value"), QUIET)), p.auditor, tool={"assay": QUIET}
    ),
    "a_font": lambda r, p: drawn(
        r, p, lambda s: s.replace("<h2>", "<h2>x"), extra=_extra(r, p, fonts={QUIET: "0" * 64})
    ),
    "the_digest_of_a_font": lambda r, p: drawn(
        r, p, lambda s: s.replace("<h2>", "<h2>x"), extra=_extra(r, p, fonts={"DejaVu-Sans": QUIET})
    ),
    "the_title": lambda r, p: kit.report(r.files, p.auditor, title=LOUD),
    "the_case": lambda r, p: kit.report(r.files, p.auditor, case=LOUD),
    "the_author": lambda r, p: kit.report(r.files, p.auditor, author=LOUD),
    "the_language": lambda r, p: kit.report(r.files, p.auditor, language=QUIET),
    "the_level": lambda r, p: kit.report(
        r.files, p.auditor, extra=_extra(r, p, level_words=f"B-LT: {QUIET}", timestamp=True)
    ),
    "what_it_is_about": lambda r, p: kit.report(r.files, p.auditor, extra=_extra(r, p, about={"model": QUIET})),
    "the_log": lambda r, p: kit.report(
        r.files, p.auditor, extra=_extra(r, p, checkpoint={"note": QUIET, "key": QUIET, "size": 1})
    ),
    "an_attachment": _attached,
    "the_explanations": _explained,
    "the_digest_of_an_attachment": lambda r, p: kit.report(
        r.files, p.auditor, attachments=tuple(Attached(n, QUIET, len(d)) for n, d in sorted(r.files.items()))
    ),
    "a_certificate_of_a_member": lambda r, p: countersign(
        kit.report(r.files, p.auditor, pinned=QUIET), p.bo, field="Member1", reason="APPROVE: x", heading="Approved by"
    ).pdf,
    "a_reason": lambda r, p: countersign(
        r.certified, p.bo, field="Member1", reason=f"{QUIET}: fine", heading="Approved by"
    ).pdf,
    "a_face": lambda r, p: kit.signed_update(
        r.certified, p.bo, "Member1", lambda w: None, face=("Approved by", QUIET)
    ),
    "a_field": lambda r, p: kit.signed_update(r.certified, p.bo, QUIET, lambda w: None),
    "the_purpose": lambda r, p: drawn(
        replace(r, files=kit.edited(r.files, "evidence.json", put(("case", "purpose"), QUIET))), p,
        lambda s: s.replace("<h2>", "<h2>x"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", list(MARKED))
def test_pages_manifest_faces_and_names(name: str, small: Reports, pki: Pki) -> None:
    verification = verify(MARKED[name](small, pki), printer=kit.page)
    assert assert_silent(verification, name), "nothing was refused"
