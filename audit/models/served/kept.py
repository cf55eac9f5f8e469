"""Answers that an endpoint gave, kept beside the run: one JSON object a line, found again by what was asked.

An answer is kept under the sha256 of the question (address, protocol and the bytes that were sent). Questions
themselves are not kept: no value of any person is in the file, but the answers about the people are, in the order in
which they were asked. The file stays on this machine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audit.case import EndpointSpec
from audit.errors import OutputError
from audit.files import canonical, write_whole
from audit.models.served.line import Raw, Server, Tensor

FILE = "answers.jsonl"
SCHEMA = "assay/answers/1"


def identity(spec: EndpointSpec) -> bytes:
    """What of an endpoint an answer belongs to."""
    facts = (spec.url, spec.protocol, spec.output, spec.decision, spec.inputs, spec.request)
    return canonical([SCHEMA, *facts], compact=True)


class Kept:
    """The answers of one endpoint; `path` None keeps them for this process only. Lines that were torn are passed over.

    server: what the endpoint said of itself when the first of them was given; None before.
    """

    def __init__(self, spec: EndpointSpec, path: Path | None) -> None:
        self._own, self._path = identity(spec), path
        self.server: Server | None = None
        self.started = ""
        self._answers: dict[str, dict[str, Any]] = {}
        self._probes: dict[str, dict[str, Any]] = {}
        for line in self._lines():
            if line.get("kind") == "server":
                mine = line.get("endpoint") == self._digest()
                self.server = _server(line["server"]) if mine else None
                self.started = str(line.get("time", ""))
                self._answers, self._probes = {}, {}
            elif self.server is not None and isinstance(line.get("key"), str):
                into = self._probes if line.get("kind") == "probe" else self._answers
                into[line["key"]] = line

    def _digest(self) -> str:
        return hashlib.sha256(self._own).hexdigest()

    def key(self, question: bytes) -> str:
        """Where the answer to a question is kept."""
        return hashlib.sha256(self._own + question).hexdigest()

    def begin(self, server: Server) -> None:
        """Forget what was kept, and keep what comes from now on. Raises OutputError."""
        self.server, self.started = server, now()
        self._answers, self._probes = {}, {}
        line = {"kind": "server", "schema": SCHEMA, "endpoint": self._digest(), "server": _server_json(server)}
        line["time"] = self.started
        if self._path is not None:
            write_whole(self._path, canonical(line, compact=True), mode=0o600)

    def get(self, key: str) -> dict[str, Any] | None:
        return self._answers.get(key)

    def probe(self, key: str) -> dict[str, Any] | None:
        return self._probes.get(key)

    def put(self, key: str, raw: Raw, rows: int, seconds: float, attempts: int) -> dict[str, Any]:
        """Keep an answer. Raises OutputError."""
        line = {
            "kind": "answer", "key": key, "rows": rows, "seconds": round(seconds, 6), "attempts": attempts,
            "time": now(), "version": raw.version,
            "scores": None if raw.scores is None else raw.scores.tolist(),
            "decided": None if raw.decided is None else list(raw.decided),
        }  # fmt: skip
        self._answers[key] = line
        self._append(line)
        return line

    def put_probe(self, key: str, found: Mapping[str, Any]) -> None:
        """Keep what was found by asking again. Raises OutputError."""
        line = {"kind": "probe", "key": key, "time": now(), **found}
        self._probes[key] = line
        self._append(line)

    def _append(self, line: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("ab") as stream:
                stream.write(canonical(line, compact=True))
        except OSError as error:
            raise OutputError(
                f"{self._path.name} could not be written",
                got=error.strerror or str(error),
                expected="room for the endpoint's answers",
                todo="make room and start again: what was answered before is kept, and is not asked again",
            ) from error

    def _lines(self) -> Iterable[dict[str, Any]]:
        if self._path is None or not os.path.exists(self._path):
            return
        for line in self._path.read_bytes().split(b"\n"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                yield found


def raw_of(line: Mapping[str, Any]) -> Raw:
    """The answer in a kept line."""
    scores, decided = line["scores"], line["decided"]
    return Raw(
        None if scores is None else np.array(scores, dtype=np.float64),
        None if decided is None else tuple(decided),
        str(line["version"]),
    )


def digest_of(lines: Iterable[Mapping[str, Any]]) -> str:
    """The sha256 of answers, whatever the order in which they were asked."""
    body = sorted([str(line["key"]), line["scores"], line["decided"], line["version"]] for line in lines)
    return hashlib.sha256(canonical(body, compact=True)).hexdigest()


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


def _server_json(server: Server) -> dict[str, Any]:
    def listed(found: tuple[Tensor, ...]) -> list[Any]:
        return [[t.name, t.datatype, list(t.shape)] for t in found]

    return {**server.to_json(), "inputs": listed(server.inputs), "outputs": listed(server.outputs)}


def _server(plain: Mapping[str, Any]) -> Server:
    def tensors(found: Any) -> tuple[Tensor, ...]:
        return tuple(Tensor(str(n), str(d), tuple(int(x) for x in s)) for n, d, s in found)

    names = {k: str(plain[k]) for k in ("name", "version", "model", "model_version", "platform")}
    return Server(inputs=tensors(plain["inputs"]), outputs=tensors(plain["outputs"]), **names)
