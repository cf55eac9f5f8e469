"""What a gap could be if what is not known were known."""

from __future__ import annotations

import streamlit as st
from msgspec.structs import replace

from audit.documents.evidence import Evidence
from reports.sections import bounds
from screens import draw


def show(evidence: Evidence, metric: str, attribute: tuple[str, ...]) -> None:
    """Bounds of one rate and attribute, in the report's tables; nothing where everything is known."""
    all_bounds = evidence.bounds
    if all_bounds is None:
        return
    kept = {
        part: tuple(e for e in getattr(all_bounds, part) if e.metric == metric and e.attribute == attribute)
        for part in all_bounds.__struct_fields__
    }
    tables = bounds.tables(replace(evidence, bounds=replace(all_bounds, **kept)))
    if tables:
        with st.expander(bounds.TITLE):
            draw.blocks(tables)
