"""The scoring server of MLflow: POST /invocations with `dataframe_split`; MLflow 2 and 3."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from audit.case import EndpointSpec
from audit.models.loaded import one_line
from audit.models.served.line import Raw, Rest, Server, cells, dump, meant, names_of, no_answer, parsed, table_of


class Mlflow(Rest):
    """url: the server's address, with /invocations or without."""

    words = "MLflow's scoring server"

    def __init__(self, spec: EndpointSpec) -> None:
        super().__init__(spec)
        path = urlsplit(spec.url).path.rstrip("/")
        self._root = path.removesuffix("/invocations")
        self.path = path if path.endswith("/invocations") else f"{path}/invocations"

    def facts(self) -> Server:
        reply = self.client.ask("GET", f"{self._root}/version")
        version = "" if reply.status != 200 else one_line(reply.body[:80].decode("utf-8", "replace"), 40)
        return Server("mlflow", version if version[:1].isdigit() else "")

    def question(self, frame: pd.DataFrame, server: Server) -> bytes:
        names = [str(c) for c in frame.columns]
        columns = [cells(frame.iloc[:, at], n) for at, n in enumerate(names)]
        rows = [list(r) for r in zip(*columns, strict=True)]
        return dump({"dataframe_split": {"columns": names, "data": rows}})

    def read(self, body: bytes, rows: int) -> Raw:
        document = parsed(body)
        predictions = document.get("predictions") if isinstance(document, dict) else document
        if not isinstance(predictions, list):
            raise no_answer("no list of `predictions`")
        spec = self.spec
        if predictions and isinstance(predictions[0], dict):
            return Raw(
                None if spec.output is None else table_of(_column(predictions, spec.output), rows),
                None if spec.decision is None else names_of(_column(predictions, spec.decision), rows),
            )
        return meant(predictions, rows, spec)


def _column(predictions: list[Any], name: str) -> list[Any]:
    """One column of predictions that are records. Raises ModelError."""
    if not all(isinstance(r, dict) and name in r for r in predictions):
        known = ", ".join(repr(str(k)[:80]) for k in predictions[0])
        raise no_answer(f"predictions without {name!r}; they have {known}", "correct `output` and `decision`")
    return [r[name] for r in predictions]
