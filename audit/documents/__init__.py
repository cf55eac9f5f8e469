"""The documents that a run leaves, as frozen records: parsed once at the JSON edge, and handed on.

    documents = Documents.of(files)          # name -> bytes; the bytes stay what they are
    documents.evidence.data.audited_rows     # parsed the first time it is asked for, and only then

Keys that a record does not name are passed over, as a newer minor version may add some; JSON Schemas of the records
stand in docs/schemas/. A document of another form raises DataError naming the place.
"""

from __future__ import annotations

from audit.documents.read import Documents, FormError, record_in, strict_json, to_builtins

__all__ = ["Documents", "FormError", "record_in", "strict_json", "to_builtins"]
