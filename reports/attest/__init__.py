"""What a report says in open formats: in-toto statements in DSSE envelopes, and a CycloneDX ML-BOM."""

from __future__ import annotations

STATEMENTS = "statements.intoto.jsonl"
MODEL_CARD = "model.cdx.json"
"""The attachments' names."""
