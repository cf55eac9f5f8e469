"""What the manifest says a report is about, held against the embedded evidence."""

from __future__ import annotations

from collections.abc import Mapping

from reports.about import about_of
from reports.manifest import Manifest
from reports.verify.figures import load
from reports.verify.result import Broken, shown


def check_about(manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Model and data by which earlier decisions were looked up are those of the evidence. Raises Broken."""
    said = manifest.extra.get("about")
    if said is None or "evidence.json" not in files:
        return
    try:
        right = about_of(load(files, "evidence.json"))
    except (KeyError, TypeError, AttributeError) as error:
        raise Broken("the embedded evidence names no model and no data", got=type(error).__name__) from error
    if said != right:
        raise Broken(
            "the manifest names another model or other data than the evidence", got=shown(said), expected=shown(right)
        )
