"""The child's side of `reports.verify.apart`: a frame with a report in, lines out. Runs behind the walls of
`audit.models.isolate`; nothing else is imported from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np

from reports.log.proof import Proof
from reports.log.store import LogCopy
from reports.verify.asked import Asked
from reports.verify.judge import Judge
from reports.verify.result import Check

_judge: Judge | None = None
NOT_RUN = "not made again, because a check failed"


def serve(fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """One question: "verify" (then "printed", where it waits for another process's "pages"; then perhaps "rerun"),
    "pages", or "parts"."""
    global _judge
    given = {name: array.tobytes() for name, array in arrays.items()}
    if fields["do"] == "parts":
        judge = Judge(given["pdf"], Asked(contents=False))
        judge.work()
        told = {"verification": msgspec.to_builtins(judge.result())}
        if judge.result().failed is not None:
            return told, {}
        signatures = [replace(s, embedded=None) for s in judge.found]
        return told | {"signatures": msgspec.to_builtins(signatures)}, _files(judge.files)
    if fields["do"] == "pages":
        return {"line": msgspec.to_builtins(Judge(given["pdf"], Asked()).only_pages())}, {}
    out: dict[str, np.ndarray] = {}
    if fields["do"] in ("verify", "printed"):
        if fields["do"] == "verify":
            _judge = Judge(given.pop("pdf"), _asked(fields, given), elsewhere=fields["elsewhere"])
            _judge.work()
            if _judge.waits:
                return {"waits": True}, {}
        else:
            assert _judge is not None
            _judge.pages_done(msgspec.convert(fields["line"], Check | None))
        if not fields["rerun"]:
            _judge.no_rerun()
        elif _judge.result().failed is None:
            out = _files(_judge.files)
        if (again := _judge.printed_again()) is not None:
            out["again"] = np.frombuffer(again, dtype=np.uint8)
    else:
        assert _judge is not None
        if fields["made"]:
            _judge.rerun({n.removeprefix("file/"): d for n, d in given.items()})
        else:
            _judge.no_rerun(NOT_RUN)
    return {"verification": msgspec.to_builtins(_judge.result())}, out


def _files(files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    return {f"file/{name}": np.frombuffer(data, dtype=np.uint8) for name, data in files.items()}


def _asked(fields: Mapping[str, Any], given: Mapping[str, bytes]) -> Asked:
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
        **{n: fields[n] for n in ("require_quorum", "contents", "second_opinion", "print_again")},
    )
