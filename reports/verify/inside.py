"""The child's side of `reports.verify.apart`: a frame with a report in, lines out. Runs behind the walls of
`audit.models.isolate`; nothing else is imported from here."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from reports.log.proof import Proof
from reports.log.store import LogCopy
from reports.verify.asked import Asked
from reports.verify.judge import Judge
from reports.verify.reading import attachments_of

if TYPE_CHECKING:
    from audit.models.wire import Frame

_judge: Judge | None = None
NOT_RUN = "not made again, because a check failed"


def serve(frame: Frame, held: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One question: "verify" (then perhaps "rerun"), or "attachments"."""
    global _judge
    do = frame.fields["do"]
    if do == "attachments":
        return {}, _files(attachments_of(frame.arrays["pdf"].tobytes()))
    arrays: dict[str, np.ndarray] = {}
    if do == "verify":
        _judge = Judge(frame.arrays.pop("pdf").tobytes(), _asked(frame))
        _judge.work()
        if not frame.fields["rerun"]:
            _judge.no_rerun()
        elif _judge.result().failed is None:
            arrays = _files(_judge.files)
        if (again := _judge.printed_again()) is not None:
            arrays["again"] = np.frombuffer(again, dtype=np.uint8)
    else:
        assert _judge is not None
        if frame.fields["made"]:
            _judge.rerun({n.removeprefix("file/"): a.tobytes() for n, a in frame.arrays.items()})
        else:
            _judge.no_rerun(NOT_RUN)
    found = replace(_judge.result(), isolation=held)
    return {"verification": msgspec.to_builtins(found)}, arrays


def _files(files: dict[str, bytes] | Any) -> dict[str, np.ndarray]:
    return {f"file/{name}": np.frombuffer(data, dtype=np.uint8) for name, data in files.items()}


def _asked(frame: Frame) -> Asked:
    fields = frame.fields
    given = {name: array.tobytes() for name, array in frame.arrays.items()}
    log: LogCopy | Proof | None = None
    if fields["log"]:
        log = LogCopy(given["log.entries"], given["log.note"], given["log.public"])
    elif fields["proof"] is not None:
        path = tuple(bytes.fromhex(h) for h in fields["proof"]["path"])
        log = Proof(given["proof.line"], fields["proof"]["index"], path, given["proof.note"])
    return Asked(
        trust=given.get("trust"),
        pins=tuple(fields["pins"]),
        crls=tuple(given[f"crl{i}"] for i in range(fields["crls"])),
        since=given.get("since"),
        log=log,
        **{n: fields[n] for n in ("require_quorum", "contents", "second_opinion", "exact", "print_again")},
    )
