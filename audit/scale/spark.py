"""Tables in Spark: Parquet, Delta, Iceberg, a table of its catalogue, or a DataFrame that a notebook hands over.

Assay starts no cluster. A session is taken as it is found, or made as Spark's own settings say; names are told apart by
their capitals, and the session's time zone is UTC. The rows stay there (audit/scale/frames.py).
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import narwhals as nw
import pyarrow as pa

from audit import progress
from audit.case import Case, SparkSpec
from audit.engines import SPARK
from audit.errors import CaseError, DataError
from audit.load.columnar import parquet_names
from audit.load.digest import files_of
from audit.load.engines import FRAME
from audit.load.lakes import lake_of
from audit.load.readers import kind_of, same_columns
from audit.printable import first_line
from audit.quality.missing import WRITTEN
from audit.scale.ask import told_by_task
from audit.scale.beside import HASH, DataProfile, Place, profile
from audit.scale.frames import Held, HeldCounts, banded, count_and_look, refuse
from audit.scale.kinds import arrow
from audit.scale.missing import AFTER_BLANKS, BLANKS
from audit.scale.opened import Digest
from audit.scale.typed import Counted

PROXIES = {"grpc_proxy", "https_proxy", "http_proxy"}
CONNECT_PORT, REACH_SECONDS = 15002, 10.0
"""Of Spark Connect where an address names no port, and how long it may take until somebody answers there."""
QUIET = {
    "spark.log.level": "OFF",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
}


def count_in_spark(
    case: Case, held: Held | None = None, allow: Sequence[str] = (), seed: int | None = None
) -> tuple[Counted, Mapping[str, str], DataProfile | None]:
    """The combinations of values that Spark counted, what is known of the source, and what stands beside them
    (audit/scale/beside.py), drawn by `seed`; None without one. Raises CaseError, DataError, ModelError."""
    refuse(case, SPARK)
    if held is not None:
        return _count_in_spark(case, held, allow, seed)
    spec = case.data.spark or SparkSpec()
    if spec.table == FRAME:
        raise DataError(
            "the table of this case was a Spark DataFrame in a notebook",
            got="no table that Spark's catalogue knows",
            expected="`table` or `path` under [data]",
            todo="save the frame with df.write.saveAsTable(...) and name that table",
        )
    local = None if spec.table or spec.url else _local(case.data.path, spec)
    with session_of(spec) as session:
        held = table_of(case, spec, session, local)
        return _count_in_spark(case, held, allow, seed)


def held_of(frame: Any, *, name: str = FRAME, floor: int | None = None) -> Held:
    """A Spark DataFrame as a table to be counted. Its columns are taken by their places: Spark takes names that differ
    only in capitals for one."""
    columns = tuple(str(c) for c in frame.columns)
    named = frame.toDF(*[f"c{i}" for i in range(len(columns))])
    own = nw.from_native(named.select(*[_by_letters(f) for f in named.schema.fields]))
    schema = ", ".join(f"{f.name} {f.dataType.simpleString()}" for f in frame.schema.fields)
    source = {"table": name, "schema": schema, "sha256_of": "what was counted"}
    twice = sorted({c for c in columns if columns.count(c) > 1})
    if twice:
        raise DataError(
            "the table has more than one column of the same name",
            got=repr(twice[0]),
            expected="a different name for each column",
            todo="rename or drop one",
        )
    return Held(own, columns, SPARK, name, floor, source)


def _by_letters(field: Any) -> Any:
    """The column. Text may have an order (a collation) in which other letters are the same: here it is the letters."""
    from pyspark.sql import functions

    column = functions.col(field.name)
    plain = getattr(field.dataType, "collation", None) in (None, "UTF8_BINARY")
    return column if plain else column.cast("string").alias(field.name)


def _count_in_spark(
    case: Case, held: Held, allow: Sequence[str], seed: int | None
) -> tuple[Counted, Mapping[str, str], DataProfile | None]:
    try:
        counts = count_and_look(case, held, allow, seed is not None)
        if seed is None:
            return counts.counted, held.said, None
        progress.stage("Looking at the data inside Spark")
        return counts.counted, held.said, profile(case, counts.counted, _place_in_spark(case, held, counts), seed)
    except Exception as error:
        if not _of_spark(error):
            raise
        if (failure := told_by_task(error)) is not None:
            raise failure from error
        raise _failed(held.name, error) from error


def _place_in_spark(case: Case, held: Held, counts: HeldCounts) -> Place:
    """Measured rows, to be looked at where they are."""
    from pyspark.sql import functions

    mine = counts.mine

    def hashed(frame: Any, columns: Sequence[str], part: int) -> Any:
        native = nw.to_native(frame)
        # Spark passes over nulls: (null, a) and (a, null) would be one kind.
        parts = [p for c in columns for p in (functions.col(c), functions.col(c).isNull())]
        own = native.withColumn(HASH, functions.xxhash64(*parts))
        # Said to Spark itself: narwhals would divide twice, for a remainder that has no sign.
        return nw.from_native(own.filter(functions.col(HASH) % part == 0))

    def drawn(columns: Sequence[str], rows: int, of: int, seed: int) -> pa.Table:
        some = nw.to_native(mine.select(*columns)).sample(fraction=min(1.0, rows / max(1, of)), seed=seed)
        return arrow(nw.from_native(some))

    def lacking(frame: Any, columns: Sequence[str]) -> Any:
        native = nw.to_native(frame)
        kinds = {f.name: f.dataType for f in native.schema.fields}
        return nw.from_native(native.filter(reduce(or_, (_may_lack(c, kinds[c]) for c in columns))))

    def in_bands(frame: Any) -> Any:
        return banded(case, held, frame)

    how = "drawn by Spark, by the seed, in the parts in which it reads the table"
    return Place(
        held.source, mine, hashed, drawn, how, held.sample, held.floor, banded=in_bands, cells=counts.cells,
        whole=counts.whole, lacking=lacking,
    )  # fmt: skip


def _may_lack(column: str, kind: Any) -> Any:
    """Whether a value is missing, or a text may say so: one of WRITTEN, or a text with a blank at an end. Blanks are
    looked for among bytes, where the last one is found at once; the last byte of a hard space is that of other letters
    too."""
    from pyspark.sql import functions, types

    value = functions.col(column)
    if isinstance(kind, types.FloatType | types.DoubleType):
        return value.isNull() | functions.isnan(value)
    if not isinstance(kind, types.StringType):
        return value.isNull()
    last = functions.substring(value.cast("binary"), -1, 1)
    least, hard = (functions.lit(bytearray(b)) for b in (AFTER_BLANKS.encode(), BLANKS[-1].encode()[-1:]))
    # Few texts are as short as a word, so that most are not compared with any.
    word = (functions.octet_length(value) <= max(map(len, WRITTEN))) & value.isin(*WRITTEN)
    edge = (value < AFTER_BLANKS) | value.startswith(BLANKS[-1]) | (last < least) | (last == hard)
    return value.isNull() | word | edge


def _of_spark(error: BaseException) -> bool:
    """Whether an error is Spark's own, or the gateway's to it."""
    own = type(error).__module__.split(".")[0] in ("pyspark", "py4j", "grpc")
    return own or isinstance(error, ConnectionError)


def _failed(name: str, error: BaseException) -> DataError:
    return DataError(
        f"Spark cannot count {name!r}",
        got=first_line(error),
        expected="a table that Spark reads, and a cluster that answers",
        todo="try the table with Spark alone (df.count()); its own log says more",
    )


@contextmanager
def session_of(spec: SparkSpec) -> Iterator[Any]:
    """A session of Spark, ended afterwards where it was begun here. Raises DataError where there is none to be had."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise DataError(
            'engine = "spark" needs pyspark, which is not installed here',
            got=str(error),
            expected="the package pyspark, and Java 17 for a cluster that is not reached by Spark Connect",
            todo="run `make spark` (or `pip install -r requirements/spark.txt`)",
        ) from error
    active = SparkSession.getActiveSession()
    if active is not None:
        yield active
        return
    remote = spec.remote or (None if spec.master else os.environ.get("SPARK_REMOTE"))
    if remote is None:
        _needs_java()
        # Workers of this machine need what is installed here; Spark would take any python3.
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for name in ("DataFrameQueryContextLogger", "SQLQueryContextLogger"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # it would write its traceback between our lines
    builder = SparkSession.builder.appName("assay")
    if remote is not None:
        builder = builder.remote(remote)
    elif spec.master is not None:
        builder = builder.master(spec.master)
    for key, value in QUIET.items():
        if remote is None or key.startswith("spark.sql."):
            builder = builder.config(key, value)
    try:
        _reach(remote or "")
        with _stderr_aside():
            session = builder.getOrCreate()
    except Exception as error:
        raise DataError(
            "no session of Spark could be begun",
            got=first_line(error),
            expected=f"Spark at {remote or spec.master or 'this machine'}",
            todo="check the address, and that `pyspark` alone starts there",
        ) from error
    try:
        yield session
    finally:
        with _stderr_aside():
            session.stop()


def _reach(remote: str) -> None:
    """Raises OSError where nobody answers at sc://host:port: Spark's client would try again for minutes. Where calls
    go through a proxy, only that client can tell."""
    place = urlsplit(remote)
    if place.scheme == "sc" and place.hostname and not PROXIES & {name.lower() for name in os.environ}:
        socket.create_connection((place.hostname, place.port or CONNECT_PORT), REACH_SECONDS).close()


def _needs_java() -> None:
    home = os.environ.get("JAVA_HOME")
    if (Path(home) / "bin" / "java").exists() if home else shutil.which("java") is not None:
        return
    raise DataError(
        "Spark needs Java, and there is none here",
        got=f"nothing at JAVA_HOME={home}" if home else "no `java` on the path, and no JAVA_HOME",
        expected="Java 17 or 21",
        todo="install it (Debian: openjdk-17-jre-headless), or name a cluster by `remote` under [data.spark]",
    )


@contextmanager
def _stderr_aside() -> Iterator[None]:
    """What Java says when it starts and stops is for nobody: it would stand between our own lines."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def table_of(case: Case, spec: SparkSpec, session: Any, local: tuple[str, tuple[Path, ...]] | None) -> Held:
    """The table that the case names; local: the format and the files of a path on this machine.

    Raises CaseError, DataError where Spark has none.
    """
    path = case.data.path
    name = spec.table or spec.url or path.name
    how, files = local or (spec.format, ())
    try:
        if spec.table is not None:
            frame = session.table(spec.table)
        else:
            where = [str(f) for f in files] or [spec.url or str(path)]
            frame = session.read.format(how or "parquet").load(where if len(where) > 1 else where[0])
        held = replace(held_of(frame, name=name, floor=spec.floor), sample=spec.sample)
        source = dict(held.said) | {"format": how or ("table" if spec.table else "parquet")}
        source |= _version(session, spec, path)
    except Exception as error:
        if not _of_spark(error):
            raise
        raise _unreadable(name, how, error) from error
    if files:
        source["sha256_of"] = "the files"
        # While Spark counts; of a folder as of a glob of its files.
        return replace(held, said=source, sha256=Digest(path / "**" / "*.parquet" if path.is_dir() else path).get)
    return replace(held, said=source)


def _local(path: Path, spec: SparkSpec) -> tuple[str, tuple[Path, ...]]:
    """The format and, of Parquet, the files of a path on this machine."""
    if path.is_dir():
        lake = lake_of(path)
        if lake is not None and spec.format not in (None, lake):
            raise CaseError(
                f"{path.name!r} is a table of {lake}",
                got=f"format = {spec.format!r}",
                expected=f"format = {lake!r}: read as plain files it would bring deleted rows back",
                todo="take `format` out, or correct it",
            )
        how = spec.format or lake or "parquet"
        if how != "parquet":
            return how, ()
        files = tuple(sorted(f for f in path.rglob("*.parquet") if not f.name.startswith(("_", "."))))
        if not files:
            raise DataError(
                f"the folder {path.name!r} holds no Parquet file",
                got="nothing that ends with .parquet",
                expected="Parquet files, or a Delta or Iceberg table",
                todo="check the path",
            )
    else:
        if spec.format in ("delta", "iceberg"):
            raise CaseError(
                f"{path.name!r} is no {spec.format} table",
                got="a file" if path.exists() else "nothing there",
                expected="a folder with the table",
                todo="name the folder, or take `format` out",
            )
        files = files_of(path)
    kinds = sorted({kind_of(f) for f in files})
    if kinds != ["parquet"]:
        raise DataError(
            "Spark is given Parquet, Delta or Iceberg here",
            got=", ".join(kinds),
            expected="Parquet files",
            todo="write the data as Parquet; or take `engine` out: CSV of any size is counted by DuckDB",
        )
    for file in files[1:]:
        same_columns(file, files[0], parquet_names(file), parquet_names(files[0]))
    return "parquet", files


def _version(session: Any, spec: SparkSpec, path: Path) -> dict[str, str]:
    """The version of a Delta table or the snapshot of an Iceberg one: with it the same rows can be read again."""
    where = spec.table or f"delta.`{spec.url or path}`"
    if spec.format == "delta" or (spec.table is None and (path / "_delta_log").is_dir()):
        last = session.sql(f"DESCRIBE HISTORY {where} LIMIT 1").collect()
        return {"version": str(last[0]["version"])}
    if spec.format == "iceberg" and spec.table is not None:
        last = session.table(f"{spec.table}.snapshots").orderBy("committed_at", ascending=False).limit(1).collect()
        return {"version": str(last[0]["snapshot_id"])}
    return {}


def _unreadable(name: str, how: str | None, error: Exception) -> DataError:
    text = str(error)
    if how in ("delta", "iceberg") and ("DATA_SOURCE_NOT_FOUND" in text or "ClassNotFound" in text):
        package = {"delta": "io.delta:delta-spark_2.13", "iceberg": "org.apache.iceberg:iceberg-spark-runtime"}[how]
        return DataError(
            f"this Spark has no {how.capitalize()}",
            got=f"{name!r}, a table of {how.capitalize()}",
            expected=f"a Spark that was started with {package}",
            todo="put it into spark.jars.packages of Spark's own settings; or write the table as Parquet",
        )
    return _failed(name, error)
