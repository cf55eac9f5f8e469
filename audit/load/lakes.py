"""Folders that are tables of Delta Lake or Apache Iceberg: told by what lies in them, before anything is read.

Such a folder is never read as plain Parquet files: that would bring deleted rows back.
"""

from __future__ import annotations

from pathlib import Path

DELTA, ICEBERG = "delta", "iceberg"
NAMES = {DELTA: "Delta Lake", ICEBERG: "Apache Iceberg"}


def lake_of(path: Path) -> str | None:
    """ "delta" or "iceberg" where the folder is such a table, else None."""
    if (path / "_delta_log").is_dir():
        return DELTA
    return ICEBERG if path.is_dir() and any(path.glob("metadata/*.metadata.json")) else None


def within_lake(file: Path) -> Path | None:
    """The table of which a Parquet file is a part, or None."""
    if file.suffix.lower() not in (".parquet", ".pq"):
        return None
    kinds = ((p, lake_of(p)) for p in file.absolute().parents)
    return next(
        (p for p, kind in kinds if kind == DELTA or (kind and "data" in file.absolute().parts[len(p.parts) :])), None
    )


def files_in(path: Path) -> list[Path]:
    """Every file of the table's folder, live or not, its log among them: what is hashed."""
    return sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink())
