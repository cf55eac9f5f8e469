"""Tables of Delta Lake and Apache Iceberg in a folder: which of their files are live, and the rows of those.

Read by their own packages (`make lakes`), without which one sentence says so. What a table's metadata name outside its
own folder is not opened, and no setting in them chooses code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from audit.errors import DataError
from audit.load import columnar, limits
from audit.load.delimited import check_duplicates, too_large, too_wide
from audit.load.lakes import DELTA, ICEBERG, NAMES, lake_of
from audit.numbers import many
from audit.printable import first_line

_NUMBER = re.compile(r"^v?0*(\d+)[.-].*metadata\.json$|^v?0*(\d+)\.metadata\.json$")


def names_in(path: Path) -> tuple[str, ...]:
    """The names of the columns. Raises DataError."""
    schema = _opened(path).schema()
    if len(schema.names) > limits.MAX_COLUMNS:
        raise too_wide(path.name, len(schema.names))
    check_duplicates(path.name, schema.names)
    return tuple(schema.names)


def read(path: Path, columns: Sequence[str]) -> pa.Table:
    """These columns of the live rows. Raises DataError where they would not fit, or the table cannot be read."""
    table = _opened(path)
    size = rows = 0
    for file in table.files():
        meta = pq.read_metadata(file)
        rows += meta.num_rows
        size += sum(meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
    if size > limits.MAX_BYTES:
        raise too_large(path.name, size)
    if rows * max(1, len(columns)) > limits.MAX_CELLS:
        raise columnar.too_many_values(path.name, rows, len(columns))
    data = table.read(columns)
    if not data.num_rows:
        raise DataError(
            f"the table {path.name!r} has no rows", got=f"{many(len(columns), 'column')}, 0 rows",
            expected="at least one row", todo="check the table; rows that were deleted are not read",
        )  # fmt: skip
    return data


def said_of(path: Path) -> Mapping[str, str] | None:
    """What is known of the table for the record: its format, and the version or snapshot that was read; None of any
    other path."""
    kind = lake_of(path)
    return None if kind is None else {"format": kind, "version": _opened(path).version, "sha256_of": "the files"}


class _Delta:
    def __init__(self, path: Path) -> None:
        from deltalake import DeltaTable

        self.path, self.table = path, DeltaTable(str(path))
        self.version = str(self.table.version())

    def files(self) -> list[Path]:
        return [_inside(self.path, f) for f in self.table.file_uris()]

    def schema(self) -> pa.Schema:
        self.files()
        return pa.schema(self.table.schema().to_arrow())

    def read(self, columns: Sequence[str]) -> pa.Table:
        return self.table.to_pyarrow_table(columns=list(columns))


class _Iceberg:
    def __init__(self, path: Path) -> None:
        from pyiceberg.catalog.noop import NoopCatalog
        from pyiceberg.io.pyarrow import PyArrowFileIO, schema_to_pyarrow
        from pyiceberg.serializers import FromInputFile
        from pyiceberg.table import StaticTable

        self.path, where = path, _newest(path)
        # StaticTable.from_metadata would let the table's own properties name the class that reads files.
        io = PyArrowFileIO()
        metadata = FromInputFile.table_metadata(io.new_input(str(where)))
        self.table = StaticTable(("assay", path.name), metadata, str(where), io, NoopCatalog("assay"))
        self.convert = schema_to_pyarrow
        snapshot = self.table.current_snapshot()
        self.version = "none" if snapshot is None else str(snapshot.snapshot_id)
        if snapshot is not None:
            _inside(path, snapshot.manifest_list)
            for manifest in snapshot.manifests(io):
                _inside(path, manifest.manifest_path)

    def files(self) -> list[Path]:
        files = []
        for task in self.table.scan().plan_files():
            for gone in task.delete_files:
                _inside(self.path, gone.file_path)
            files.append(_inside(self.path, task.file.file_path))
        return files

    def schema(self) -> pa.Schema:
        return self.convert(self.table.schema(), include_field_ids=False)

    def read(self, columns: Sequence[str]) -> pa.Table:
        return self.table.scan(selected_fields=tuple(columns)).to_arrow().select(list(columns))


def _opened(path: Path) -> Any:
    """The table, with nothing of it read yet. Raises DataError."""
    kind = lake_of(path)
    assert kind is not None
    return _Guarded(path, kind)


class _Guarded:
    """A table whose packages' errors are told in one message."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        self.table: Any = self._tried(lambda: {DELTA: _Delta, ICEBERG: _Iceberg}[kind](path))
        self.version: str = self.table.version

    def schema(self) -> pa.Schema:
        return self._tried(self.table.schema)

    def files(self) -> list[Path]:
        files: list[Path] = self._tried(self.table.files)
        return files

    def read(self, columns: Sequence[str]) -> pa.Table:
        return self._tried(lambda: self.table.read(columns))

    def _tried(self, work: Any) -> Any:
        try:
            return work()
        except DataError:
            raise
        except ImportError as error:
            package = {DELTA: "deltalake", ICEBERG: "pyiceberg"}[self.kind]
            raise DataError(
                f"{self.path.name!r} is a table of {NAMES[self.kind]}, whose package is not installed",
                got=f"no module {error.name or package!r}", expected=f"{package} beside Assay",
                todo="run `make lakes` (or `pip install -r requirements/lakes.txt`); or export it as Parquet",
            ) from error  # fmt: skip
        except Exception as error:  # whatever the package raises of a broken or newer table
            raise DataError(
                f"the {NAMES[self.kind]} table {self.path.name!r} cannot be read",
                got=first_line(error),
                expected="a whole table, of features that the package knows",
                todo="try it with the package alone; or export it as Parquet",
            ) from error


def _inside(path: Path, named: str) -> Path:
    """A file that a table's metadata name. Raises DataError where it is none in the table's folder."""
    parts = urlsplit(named)
    text = unquote(parts.path) if parts.scheme == "file" else named
    local = parts.scheme in ("", "file") and parts.netloc in ("", "localhost")
    file = Path(text) if Path(text).is_absolute() else path / text
    if local and file.resolve().is_relative_to(path.resolve()) and file.is_file():
        return file
    raise DataError(
        f"the table {path.name!r} names files that are not in its own folder",
        got=named[:200],
        expected=f"files in {path}",
        todo="read it where it was written, or write it there anew; a table that was moved names its old place",
    )


def _newest(path: Path) -> Path:
    """The metadata that are current: as the hint says, else of the highest number. Raises DataError where that is
    not one."""
    known = sorted(path.glob("metadata/*.metadata.json"))
    hint = path / "metadata" / "version-hint.text"
    if hint.is_file():
        tag = hint.read_text(errors="replace").strip()
        if len(named := [f for f in known if f.name in (f"v{tag}.metadata.json", f"{tag}.metadata.json", tag)]) == 1:
            return named[0]
    numbers = {f: int(next(g for g in m.groups() if g)) for f in known if (m := _NUMBER.match(f.name))}
    newest = [f for f, n in numbers.items() if n == max(numbers.values())]
    if len(newest) == 1:
        return newest[0]
    raise DataError(
        f"it cannot be told which state of the table {path.name!r} is current",
        got=", ".join(f.name for f in (newest or known)[:5]),
        expected="one metadata file of the highest number, or version-hint.text",
        todo="ask the table's catalogue, and export the table as Parquet",
    )
