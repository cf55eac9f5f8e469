"""Write docs/schemas/: the JSON Schema of each document that a run leaves, from the records (audit.documents), and of
the files that a person writes: case-file.json and policy-file.json (TOML has the same values)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from audit.documents.contract import ContractHeld
from audit.documents.evidence import CubeHead
from audit.documents.table import DOCUMENTS
from audit.load.policies import PolicyFile
from audit.load.written import CaseFile
from debias.loop.alerts import Alert
from reports.extra import Extra
from reports.manifest import Manifest

PLACE = Path(__file__).resolve().parents[1] / "docs" / "schemas"
KINDS: dict[str, Any] = {d.name: d.record for d in DOCUMENTS.values() if d.record is not CubeHead} | {
    "contract.json": ContractHeld,
    "manifest.json": Manifest, "manifest.extra.json": Extra, "alert.json": Alert,
    "case-file.json": CaseFile, "policy-file.json": PolicyFile,
}  # fmt: skip
"""Name of the file -> the record that it is read into."""


def schema_of(name: str) -> bytes:
    """The schema as it stands in docs/schemas/."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(KINDS[name])}
    return (json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


if __name__ == "__main__":
    PLACE.mkdir(parents=True, exist_ok=True)
    for name in KINDS:
        (PLACE / name).write_bytes(schema_of(name))
