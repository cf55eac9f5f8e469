"""What a report is about, by content: decisions on other models or data are told apart from those on these."""

from __future__ import annotations

from collections.abc import Mapping

from audit.documents.evidence import Evidence, Subject

SAME, UNKNOWN = "the same model and data", "not recorded"


def about_of(evidence: Evidence | Subject) -> dict[str, str]:
    """What a report is about, whatever its case is called: the data by sha256; the model by sha256 or its column."""
    return {"model": evidence.model.sha256 or f"column {evidence.model.column}", "data": evidence.data.sha256}


def compared(about: Mapping[str, str] | None, other: Mapping[str, str] | None) -> str:
    """How what an earlier report was about stands to what this one is about, in words."""
    if not about or not other:
        return UNKNOWN
    model, data = about["model"] == other.get("model"), about["data"] == other.get("data")
    if model and data:
        return SAME
    return "other data" if model else "another model" if data else "another model and other data"
