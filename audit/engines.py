"""Who counts the rows, a row each: the values of `engine` under [data]. What a case may name, who is asked, what it is
called in notes, and docs/scale.md follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

MEMORY, DUCKDB, SPARK = "memory", "duckdb", "spark"


@dataclass(frozen=True, slots=True)
class Engine:
    """title: as notes name it. purpose, back: what it is for and what comes back, in docs.

    counts: "module:function" that counts where the rows are (audit/large.py has two); empty where rows are read.
    own_rules: it reads files by our own rules, so that people with several rows and contracts are known to it. asks:
    it asks model files beside the rows.
    """

    name: str
    title: str
    purpose: str
    back: str
    counts: str = ""
    own_rules: bool = False
    asks: bool = False

    def counting(self) -> Callable[..., Any]:
        """The function of `counts`."""
        module, _, name = self.counts.partition(":")
        function: Callable[..., Any] = getattr(import_module(module), name)
        return function


ENGINES: dict[str, Engine] = {
    row.name: row
    for row in (
        Engine(
            MEMORY, "Assay", "files that fit",
            "the rows: slices, neighbours, proxies and repeated rows are looked at too", own_rules=True, asks=True,
        ),
        Engine(
            DUCKDB, "DuckDB",
            "Parquet, CSV and CSV.gz of any size on this machine, with decisions or scores in a column",
            "counts, and a sample of rows", "audit.large:in_duckdb", own_rules=True,
        ),
        Engine(
            SPARK, "Spark",
            "a table that lies in Spark, with decisions or scores in a column or a model that Spark's tasks ask",
            "counts, and a sample of rows unless `floor` or `sample = 0` keeps them there", "audit.large:in_spark",
            asks=True,
        ),
    )
}  # fmt: skip
