"""What a report on a run folder would say if it were signed now: the same chapters, with nobody's name under them.

document = draft_of(Path("out"))
text_of(document.sections[0].blocks)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reports.blocks import Document
from reports.document import build_document
from reports.issue import asked_of_board, collected, make_manifest
from reports.manifest import Manifest, slots_for

UNSIGNED = "not signed yet"


def unsigned(files: Mapping[str, bytes], extra: Mapping[str, Any] | None = None) -> Manifest:
    """A manifest over `files` that names no signer, of this moment."""
    return make_manifest(files, slots_for(UNSIGNED), quorum=0, issued=dt.datetime.now(dt.UTC), extra=extra or {})


def draft_of(run: Path, *, annex: str = "full", people: bool = False) -> Document:
    """The report's chapters on the run folder, small groups withheld as in print.

    annex: "full", "short", "none", or "summary" for the public page alone; people: with explanations of single persons.
    Raises DataError where the folder is incomplete, InputError for an annex that is not known.
    """
    files = collected(run, people=people)
    asked = asked_of_board(files, None, dt.datetime.now(dt.UTC), annex, (), run)
    return build_document(files, manifest=unsigned(files, {"people": people, **asked}))
