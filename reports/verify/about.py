"""What the manifest says a report is about, held against the embedded evidence."""

from __future__ import annotations

from collections.abc import Mapping

from audit.documents import record_in
from audit.documents.evidence import Subject
from audit.errors import AssayError
from audit.numbers import many
from reports.about import about_of
from reports.attest import MODEL_CARD, STATEMENTS
from reports.manifest import Manifest
from reports.verify.figures import load
from reports.verify.log import stated
from reports.verify.result import Broken, shown
from reports.verify.shapes import check_shapes

LANGUAGE = "en"
"""The one language that pages are written in."""
KNOWN = {
    "cube.json", "evidence.json", "explain.json", "mitigation.json", "search.json", "series.json",
    "presets.json", "stress.json", "whatif.json",
    "earlier-evidence.json", "earlier-cube.json", MODEL_CARD, STATEMENTS,
}  # fmt: skip
"""What a report embeds beside its manifest: reports.issue.EMBEDDED, what the loop and a comparison add, and the open
formats."""


def check_about(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """The files are of the kinds that Assay embeds, and model and data by which earlier decisions were looked up are
    those of the evidence. Raises Broken."""
    if manifest.language != LANGUAGE:
        raise Broken(
            "the report is said to be in another language than it is", got="another language", expected=LANGUAGE
        )
    if unknown := sorted(files.keys() - KNOWN):
        raise Broken(
            "the report brings a file that Assay does not embed",
            got=many(len(unknown), "such file"),
            expected=", ".join(sorted(KNOWN)),
            todo="do not open that file",
        )
    check_shapes(manifest, files)
    _search(manifest, files)
    stated(manifest)  # the cover prints it, whether or not a log is given to compare it with
    about = manifest.extra.get("about")
    if about is None or "evidence.json" not in files:
        return
    try:
        right = about_of(record_in(Subject, load(files, "evidence.json"), "evidence.json"))
    except AssayError as error:
        raise Broken("the embedded evidence names no model and no data", got=type(error).__name__) from error
    if about != right:
        raise Broken(
            "the manifest names another model or other data than the evidence", got=shown(about), expected=shown(right)
        )


def _search(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """What the manifest says of a search in the log is said of the embedded one. Raises Broken."""
    search = manifest.extra.get("search")
    if search is None:
        return
    digest = None
    if "search.json" in files:
        from debias.pareto import digest_of

        try:
            digest = digest_of(load(files, "search.json"))
        except (AssayError, KeyError, TypeError, AttributeError) as error:
            raise Broken("the embedded search does not say what was asked", got=type(error).__name__) from error
    if search.get("sha256") != digest:
        raise Broken(
            "the manifest tells of another search than the one that is embedded",
            got=shown(search.get("sha256")), expected=shown(digest),
        )  # fmt: skip
