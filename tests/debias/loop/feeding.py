"""A case on a small table of people, and files that come after one another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from audit.case import Case
from debias.loop.sources import Source

ROOT = Path(__file__).resolve().parents[3]
OLD = time.time() - 3600

Make = Callable[..., Case]


def people(n: int, start: int = 0) -> pd.DataFrame:
    at = range(start, start + n)
    return pd.DataFrame(
        {
            "who": list(at),
            "day": [f"2026-11-{1 + i // 4:02d}" for i in at],
            "sex": [("a", "b")[i % 2] for i in at],
            "age": [20 + i for i in at],
            "said": [("yes", "no")[i % 3 == 0] for i in at],
            "paid": [("yes", "no")[i % 4 == 0] for i in at],
        }
    )


def put(path: Path, content: pd.DataFrame | str | bytes, *, age: float = 3600) -> Path:
    """A file that is whole: nobody has written in it for an hour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, pd.DataFrame):
        content.to_csv(path, index=False) if path.suffix == ".csv" else content.to_parquet(path, index=False)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def counted(source: Source) -> list[tuple[int, str, str]]:
    """What the trail keeps of the batches of a source."""
    read = [source.read(n) for n in range(source.total())]
    return [(a.number, a.id, a.sha256) for a in read]


def outcomes(ids: list[Any], labels: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"who": ids, "paid": labels, "clerk": "nobody"})


def labels_in(source: Source, number: int = 0) -> list[str]:
    return list(source.read(number).frame["paid"].fillna("-"))
