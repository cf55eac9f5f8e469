"""Any other JSON: a template of the question, and paths to the answers.

Places in the template: "$rows" (a list of objects, one a person), "$values" (a list of lists), "$columns" (the names),
"$row" (one object; batch = 1). A path goes down from the top: names with dots between, [3] an element, [*] every one.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from audit.case import EndpointSpec
from audit.errors import ModelError
from audit.models.served.addresses import PLACES
from audit.models.served.line import Raw, Rest, Server, cells, dump, names_of, no_answer, parsed, table_of

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(\*|\d{1,9})\]")


class Template(Rest):
    """url: where the question is posted."""

    words = "JSON by a template of the case"

    def __init__(self, spec: EndpointSpec) -> None:
        super().__init__(spec)
        self.path = urlsplit(spec.url).path or "/"
        self._scores, self._decided = (None if v is None else steps(v) for v in (spec.output, spec.decision))

    def facts(self) -> Server:
        return Server()

    def question(self, frame: pd.DataFrame, server: Server) -> bytes:
        names = [str(c) for c in frame.columns]
        columns = [cells(frame.iloc[:, at], n) for at, n in enumerate(names)]
        values = [list(r) for r in zip(*columns, strict=True)]
        rows = [dict(zip(names, r, strict=True)) for r in values]
        places = dict(zip(PLACES, (rows, values, rows[0] if rows else {}, names), strict=True))

        def filled(part: Any) -> Any:
            if isinstance(part, dict):
                return {k: filled(v) for k, v in part.items()}
            if isinstance(part, list):
                return [filled(v) for v in part]
            return places.get(part, part) if isinstance(part, str) else part

        return dump(filled(json.loads(self.spec.request or "{}")))

    def read(self, body: bytes, rows: int) -> Raw:
        document = parsed(body)
        scores, decided = self._scores, self._decided
        return Raw(
            None if scores is None else table_of(_one_each(value_at(document, scores), rows), rows),
            None if decided is None else names_of(_one_each(value_at(document, decided), rows), rows),
        )


def steps(path: str) -> tuple[str | int | None, ...]:
    """The steps of a path: names, numbers, None for every element. Raises ModelError."""
    rest = path.removeprefix("$")
    out: list[str | int | None] = []
    at = 0
    while at < len(rest):
        step = _STEP.match(rest, at)
        if step is None or step.end() == at:
            break
        out.append(step[1] if step[1] is not None else None if step[2] == "*" else int(step[2]))
        at = step.end()
    if at < len(rest) or not out or out.count(None) > 1:
        raise ModelError(
            "a path to the answers is not one",
            got=repr(path),
            expected="names with dots, [3] or one [*], such as predictions[*].label",
            todo="correct `output` or `decision` of the endpoint",
        )
    return tuple(out)


def value_at(document: Any, path: tuple[str | int | None, ...]) -> Any:
    """What stands at the path. Raises ModelError where there is nothing."""
    for at, step in enumerate(path):
        if step is None:
            if not isinstance(document, list):
                raise no_answer("no list where the path says [*]", "compare the path with an answer of the server")
            return [value_at(one, path[at + 1 :]) for one in document] if path[at + 1 :] else document
        try:
            if isinstance(step, str) is not isinstance(document, dict):
                raise KeyError(step)
            document = document[step]
        except (KeyError, IndexError, TypeError):
            raise no_answer(
                f"nothing at {step!r} of the path", "compare the path with an answer of the server"
            ) from None
    return document


def _one_each(value: Any, rows: int) -> list[Any]:
    """A list as it is; a single value as the answer for a single row."""
    if isinstance(value, list) and not (rows == 1 and value and not isinstance(value[0], list) and len(value) > 1):
        return value
    return [value]
