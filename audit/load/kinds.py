"""The kinds of table file that are read: a row each, and nothing else lists them.

What a screen takes, what is kept out of memory, what forgetting deletes, the sentences of refusals and the table of
docs/case-file.md follow. Which kind a file is: `audit.load.readers.kind_of`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TableKind:
    """One kind of file.

    name: as refusals have it. words: as in a list of what is read. endings: of names, in lower case. begins: first
    bytes, any of them; none: what is no other kind. reader: which of audit/load/readers.py reads it. like: kinds that
    share it may stand side by side in one data set. strict: a name that ends so and is of another kind is refused.
    """

    name: str
    words: str
    endings: tuple[str, ...]
    begins: tuple[bytes, ...]
    reader: str
    like: str
    strict: bool = True


KINDS: dict[str, TableKind] = {
    k.name: k
    for k in (
        TableKind("csv", "CSV", (".csv", ".tsv"), (), "TEXT", "csv", strict=False),
        TableKind("csv.gz", "CSV.gz", (".gz",), (b"\x1f\x8b",), "TEXT", "csv"),
        TableKind("parquet", "Parquet", (".parquet", ".pq"), (b"PAR1",), "PARQUET", "parquet"),
        TableKind("feather", "Feather", (".feather", ".arrow"), (b"ARROW1",), "FEATHER", "feather"),
        TableKind(
            "workbook", "workbooks (.xlsx, .xls, .ods)", (".xlsx", ".xls", ".ods"),
            (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"), "SHEETS", "workbook", strict=False,
        ),
    )
}  # fmt: skip


def in_words() -> str:
    """The kinds that are read, as a list in a sentence."""
    words = [k.words for k in KINDS.values()]
    return f"{', '.join(words[:-1])} or {words[-1]}"


def endings() -> tuple[str, ...]:
    """The ends of the names of tables, each with its dot."""
    return tuple(e for k in KINDS.values() for e in k.endings)
