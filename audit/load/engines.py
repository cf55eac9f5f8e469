"""Which engine counts the rows, and where a table in Spark lies: `engine`, `table` and `[data.spark]` of a case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.case import DataSpec, SparkSpec
from audit.engines import SPARK
from audit.errors import CaseError, DataError
from audit.load.toml import Reader, relative, resolve_path
from audit.load.written import DataSection, SparkSection

FRAME = "(a DataFrame of a notebook)"
"""What is written as the table of a Spark DataFrame that was handed over; no engine can find it again."""


def from_section(section: DataSection) -> SparkSpec | None:
    """What a case says of Spark. Raises CaseError where its keys contradict each other."""
    if section.engine != SPARK:
        for key, value in (("table", section.table), ("spark", section.spark)):
            if value is not None:
                raise CaseError(
                    f'`{key}` under [data] is for engine = "spark"',
                    got=f"engine = {section.engine!r}" if section.engine else "no engine",
                    expected='engine = "spark" beside it',
                    todo=f'add engine = "spark", or take `{key}` out',
                )
        return None
    cluster = section.spark or SparkSection()
    url = section.path if section.path is not None and "://" in section.path else None
    spark = SparkSpec(section.table, url, cluster.format, cluster.remote, cluster.master, cluster.floor, cluster.sample)
    _agree(spark, section.path)
    return spark


def _agree(spark: SparkSpec, path: str | None) -> None:
    if (spark.table is None) == (path is None):
        raise CaseError(
            "it is not said where the rows are",
            got="a path and a table" if path else "neither `path` nor `table`",
            expected='one of path = "people.parquet" and table = "catalog.schema.people" under [data]',
            todo="name one of them",
        )
    if spark.remote is not None and spark.master is not None:
        raise CaseError(
            "[data.spark] names two clusters",
            got=f"remote = {spark.remote!r} and master = {spark.master!r}",
            expected="one of them",
            todo="keep `remote` for Spark Connect (sc://...), `master` for a cluster that this machine belongs to",
        )
    if spark.floor is not None and spark.sample:
        raise CaseError(
            "[data.spark] keeps small groups in Spark and lets single rows out",
            got=f"floor = {spark.floor} and sample = {spark.sample}",
            expected="one of them",
            todo="take `sample` out, or `floor` where rows may leave the cluster",
        )
    if spark.url is not None and spark.format is None:
        raise CaseError(
            "it is not said what the files at this address are",
            got=spark.url,
            expected="format under [data.spark]: one of parquet, delta, iceberg",
            todo='write format = "parquet"; Delta or Iceberg read as plain Parquet would bring deleted rows back',
        )


def data_path(section: DataSection, at: Reader, folder: Path, spark: SparkSpec | None) -> Path:
    """The path of the data; of a table in Spark a name for people, which no file has. at: of [data]."""
    if spark is not None and spark.table is not None:
        return Path(f"spark:{spark.table}")
    if section.path is None:
        raise at.missing("path")
    return Path(section.path) if spark is not None and spark.url is not None else resolve_path(folder, section.path)


def to_table(data: DataSpec, folder: Path) -> dict[str, Any]:
    """The keys of [data] that say where the rows are."""
    if data.spark is None:
        return {"path": relative(data.path, folder), "engine": data.engine}
    spark = data.spark
    more: dict[str, Any] = {"format": spark.format, "remote": spark.remote, "master": spark.master}
    more |= {"floor": spark.floor, "sample": spark.sample}
    return {
        "path": None if spark.table is not None else spark.url or relative(data.path, folder),
        "table": spark.table,
        "engine": data.engine,
        "spark": {k: v for k, v in more.items() if v is not None} or None,
    }


def in_reach(data: DataSpec) -> None:
    """Raises DataError where rows are asked for that stay in Spark."""
    if data.engine == SPARK:
        raise DataError(
            "this needs the rows, and they stay in Spark",
            got=f'engine = "spark" for {data.path.name}',
            expected="`assay audit`, which counts them where they are; or rows that Assay can read",
            todo="write a random sample of the table to a Parquet file, and name that as `path` without `engine`",
        )
