"""Answers that an endpoint gave, kept beside the run: one JSON object a line, found again by what was asked.

An answer is kept under the sha256 of the question (address, protocol and the bytes that were sent). Questions
themselves are not kept: no value of any person is in the file, but the answers about the people are, in the order in
which they were asked. The file stays on this machine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from audit.case import EndpointSpec
from audit.errors import OutputError
from audit.files import canonical, write_whole
from audit.models.served.line import Raw, Server, Tensor
from audit.models.served.measured import Probe

FILE = "answers.jsonl"
SCHEMA = "assay/answers/1"


class Began(msgspec.Struct, frozen=True, tag_field="kind", tag="server"):
    """The first line: what the endpoint said of itself, and when."""

    schema: str
    endpoint: str
    server: Any
    time: str = ""


class Answered(msgspec.Struct, frozen=True, tag_field="kind", tag="answer"):
    """One answer about `rows` rows. scores: (n,) or (n, K) as lists; decided: names of classes; either may be None."""

    key: str
    rows: int
    seconds: float
    attempts: int
    time: str
    version: str
    scores: list[Any] | None
    decided: tuple[str, ...] | None

    @property
    def raw(self) -> Raw:
        """The answer itself."""
        scores = None if self.scores is None else np.array(self.scores, dtype=np.float64)
        return Raw(scores, self.decided, self.version)


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
        self._answers: dict[str, Answered] = {}
        self._probes: dict[str, Probe] = {}
        for line in self._lines():
            if isinstance(line, Began):
                mine = line.endpoint == self._digest()
                self.server = _server(line.server) if mine else None
                self.started = line.time
                self._answers, self._probes = {}, {}
            elif self.server is not None and isinstance(line, Probe):
                self._probes |= {line.key: line}
            elif self.server is not None and isinstance(line, Answered):
                self._answers |= {line.key: line}

    def _digest(self) -> str:
        return hashlib.sha256(self._own).hexdigest()

    def key(self, question: bytes) -> str:
        """Where the answer to a question is kept."""
        return hashlib.sha256(self._own + question).hexdigest()

    def begin(self, server: Server) -> None:
        """Forget what was kept, and keep what comes from now on. Raises OutputError."""
        self.server, self.started = server, now()
        self._answers, self._probes = {}, {}
        line = Began(SCHEMA, self._digest(), _server_json(server), self.started)
        if self._path is not None:
            write_whole(self._path, canonical(msgspec.to_builtins(line), compact=True), mode=0o600)

    def get(self, key: str) -> Answered | None:
        return self._answers.get(key)

    def probe(self, key: str) -> Probe | None:
        return self._probes.get(key)

    def put(self, key: str, raw: Raw, rows: int, seconds: float, attempts: int) -> Answered:
        """Keep an answer. Raises OutputError."""
        line = Answered(
            key, rows, round(seconds, 6), attempts, now(), raw.version,
            None if raw.scores is None else raw.scores.tolist(),
            None if raw.decided is None else raw.decided,
        )  # fmt: skip
        self._answers[key] = line
        self._append(line)
        return line

    def put_probe(self, probe: Probe) -> None:
        """Keep what was found by asking again. Raises OutputError."""
        self._probes[probe.key] = probe
        self._append(probe)

    def _append(self, line: Answered | Probe) -> None:
        if self._path is None:
            return
        try:
            with self._path.open("ab") as stream:
                stream.write(canonical(msgspec.to_builtins(line), compact=True))
        except OSError as error:
            raise OutputError(
                f"{self._path.name} could not be written",
                got=error.strerror or str(error),
                expected="room for the endpoint's answers",
                todo="make room and start again: what was answered before is kept, and is not asked again",
            ) from error

    def _lines(self) -> Iterable[Began | Answered | Probe]:
        if self._path is None or not os.path.exists(self._path):
            return
        for line in self._path.read_bytes().split(b"\n"):
            try:
                yield msgspec.json.decode(line, type=Began | Answered | Probe)
            except msgspec.MsgspecError:
                continue


def digest_of(lines: Iterable[Answered]) -> str:
    """The sha256 of answers, whatever the order in which they were asked."""
    body = sorted([line.key, line.scores, line.decided, line.version] for line in lines)
    return hashlib.sha256(canonical(body, compact=True)).hexdigest()


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


def _server_json(server: Server) -> dict[str, Any]:
    def listed(tensors: tuple[Tensor, ...]) -> list[Any]:
        return [[t.name, t.datatype, list(t.shape)] for t in tensors]

    return {**server.to_json(), "inputs": listed(server.inputs), "outputs": listed(server.outputs)}


class _Plain(msgspec.Struct, frozen=True):
    """A server as a line holds it."""

    name: str
    version: str
    model: str
    model_version: str
    platform: str
    inputs: tuple[tuple[str, str, tuple[int, ...]], ...]
    outputs: tuple[tuple[str, str, tuple[int, ...]], ...]


def _server(line: Any) -> Server:
    s = msgspec.convert(line, _Plain)
    inputs, outputs = (tuple(Tensor(*one) for one in side) for side in (s.inputs, s.outputs))
    return Server(s.name, s.version, s.model, s.model_version, s.platform, inputs, outputs)
