"""Results for other programs: what a build server, a code host, a lineage store reads. All from evidence.json.

write("sarif", evidence, case="case.toml")      # bytes
"""

from __future__ import annotations

from collections.abc import Callable

from audit.documents.evidence import Evidence
from audit.errors import InputError, nearest
from reports.machine.junit import to_junit
from reports.machine.markdown import to_markdown
from reports.machine.sarif import to_sarif

FORMATS: dict[str, Callable[[Evidence, str], bytes]] = {"junit": to_junit, "sarif": to_sarif, "markdown": to_markdown}
"""Name -> (evidence, name of the case file) -> the file. Adding a format is adding a row, here and below."""
BEGINS = {"junit": b"<?xml ", "sarif": b'{\n "$schema"', "markdown": b"## ", "openlineage": b'{\n "eventType"'}
"""How a file of each begins: over no other one is written."""


def write(kind: str, evidence: Evidence, case: str) -> bytes:
    """The file of this kind. Raises InputError for a kind that is not in the table."""
    if kind not in FORMATS:
        raise InputError("the format is not known", got=kind, expected=", ".join(FORMATS), todo=nearest(kind, FORMATS))
    return FORMATS[kind](evidence, case)
