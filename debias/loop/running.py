"""What a service reads: which model decides now, checked before it is believed.

    running = assay.load_running("OUT/running.json")
    running.file, running.threshold, running.features

OUT/running.json says it (schema assay/running/1, docs/watch.md). The watcher puts it in place whole, after its trail
says so; a service that looks again now and then picks up a promotion without a restart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.errors import DataError
from audit.files import read_json
from debias.loop.store import POINTER_SCHEMA, Store


@dataclass(frozen=True, slots=True)
class Running:
    """The model that decides. id: what to log beside each decision. file: the model's file, its bytes checked against
    its name, or None where a column decides. threshold: decide positive from this score on; None where the model's own
    `predict` decides. groups: thresholds of groups of `attributes`, in place of `threshold`.
    """

    id: str
    method: str
    file: Path | None
    format: str | None
    threshold: float | None
    attributes: tuple[str, ...]
    groups: Mapping[tuple[str, ...], float]
    features: tuple[str, ...]
    positive: str | None
    since: int
    approved_by: str | None


def load_running(path: str | Path) -> Running:
    """The model that decides now, by the pointer that `assay watch` keeps, each digest checked.

    Parameters
    ----------
    path : str | Path
        OUT/running.json.

    Raises
    ------
    AssayError
        DataError where the pointer, the model's description or its file is missing, or is not what its digest says.
    """
    pointer = Path(path)
    document: dict[str, Any] = read_json(pointer)
    model = document.get("model")
    if document.get("schema") != POINTER_SCHEMA or not isinstance(model, str):
        raise DataError(
            f"{pointer.name} does not say which model runs",
            got=str(document.get("schema"))[:60],
            expected=f"schema {POINTER_SCHEMA}",
            todo="give the running.json that `assay watch` wrote",
        )
    store = Store(pointer.parent)
    served = store.served(model)
    file = None if served.file is None else store.path(served.file, served.format or "skops")
    for key, value in (("file", served.file), ("threshold", served.threshold)):
        if key in document and document[key] != value:
            raise DataError(
                f"{pointer.name} was edited: it says something else than the model's own description",
                got=f"{key} = {document[key]!r}",
                expected=f"{key} = {value!r}",
                todo="stop serving from it until it is known who changed it; `assay watch` tells what should run",
            )
    return Running(
        served.id, served.method, file, served.format, served.threshold, served.attributes, dict(served.groups),
        tuple(document.get("features") or ()), document.get("positive"), int(document.get("since") or 0),
        document.get("approved_by"),
    )  # fmt: skip
