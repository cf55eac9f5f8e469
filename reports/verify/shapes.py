"""The form of what is printed in the middle of Assay's own sentences: a digest is a digest, a time is a time.

A manifest that gives words where a page prints "SHA-256 ..." would have Assay say them. So each entry of the manifest's
`extra` has a form, and no entry is unknown; each value called `sha256`, in every embedded file, is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from audit.documents import Documents, record_in
from audit.documents.series import WatchedOf
from audit.errors import AssayError, InputError
from reports import setting
from reports.extra import read_extra
from reports.manifest import Manifest
from reports.verify.result import Broken, shown

_PACKAGE = re.compile(r"[A-Za-z][\w-]{0,39}")


def check_shapes(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Raises Broken naming the first entry that has another form than Assay gives it."""
    try:
        extra = read_extra(manifest.extra)
    except InputError as error:
        raise Broken(error.problem, got=error.got, expected=error.expected) from error
    documents = Documents.of(files)
    for name in documents:
        for key, value in _digests(_read(documents, name)):
            # A batch that could not be read has none.
            if not (value is None or value == "" or (isinstance(value, str) and setting.DIGEST.fullmatch(value))):
                raise Broken(f"a {key} in an embedded file is none", got=shown(value), expected="64 hex digits")
    for name in ("evidence.json", "earlier-evidence.json"):
        _check_tool(_read(documents, name))
    if extra.monitoring is not None and "series.json" in files:
        series = record_in(WatchedOf, documents.plain("series.json"), "series.json")
        expected = {"sha256": series.watch.sha256, "batches": series.batches}
        for key, right in expected.items():
            if (got := getattr(extra.monitoring, key)) != right:
                raise Broken(f"the {key} of the monitoring is told in two ways", got=shown(got), expected=shown(right))


def _check_tool(evidence: Any) -> None:
    """The cover and the protocol print by what the evidence was made. Raises Broken where that is no version."""
    tool = evidence.get("tool") if isinstance(evidence, dict) else None
    if not isinstance(tool, dict):
        return
    packages = tool.get("packages")
    named = packages.items() if isinstance(packages, dict) else ()
    for name, version in (("assay", tool.get("version")), *named):
        if not (_PACKAGE.fullmatch(name) and isinstance(version, str) and setting.VERSION_FORM.fullmatch(version)):
            raise Broken("a version in the evidence is none", got=shown(version), expected="a package and its version")


def _read(documents: Documents, name: str) -> Any:
    """What stands there; nothing where it is no JSON, which the check of its figures or pages says."""
    try:
        return documents.plain(name) if name in documents and name.endswith(".json") else None
    except AssayError:
        return None


def _digests(document: Any) -> Iterator[tuple[str, Any]]:
    left = [document]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield from ((key, value) for key, value in item.items() if key == "sha256")
            left += item.values()
        elif isinstance(item, list):
            left += item
