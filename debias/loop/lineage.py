"""OpenLineage events of a loop (spec 2-0-2): a line for each batch, each challenger and each change of model.

    lineage = Lineage(Path("events.jsonl"), "Loans")
    lineage.tell(entries)                   # those of the trail that were not told before

A batch is a run of the job "watch NAME" with the batch as its input and each norm as an assertion about it; it fails
where the batch could not be used. A challenger, a promotion and a rollback are runs of the job "model NAME" from model
to model. The run's id follows from the entry's hash, so that an event that is sent twice is one; no person's value is
in it, and no word of the trail that may quote one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from audit.errors import OutputError
from audit.files import canonical
from audit.numbers import brief
from debias.loop import events
from debias.loop.trail import Entry

PRODUCER = "urn:assay"
EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
ASSERTIONS = "https://openlineage.io/spec/facets/1-1-0/DataQualityAssertionsDatasetFacet.json"
BASE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunFacet"
_NAMESPACE = uuid.UUID("5b9d1d0a-7a3c-5d6e-9c1f-0a2b6a55a701")


def event_of(entry: Entry, case: str, namespace: str = "assay") -> dict[str, Any] | None:
    """The event of one entry of the trail, or None where it is about neither a batch nor a model."""
    kind, facts = entry.kind, entry.facts
    inputs: list[dict[str, Any]] = []
    outputs: list[dict[str, Any]] = []
    row = events.row(kind)
    if row.batch:
        job, ends = f"watch {case}", row.batch
        facets = {} if kind != "batch" else {"inputFacets": {"dataQualityAssertions": _assertions(facts)}}
        digest = facts.get("sha256")
        name = f"sha256:{digest}" if digest else f"batch {facts.get('number')}"
        inputs.append({"namespace": namespace, "name": name, **facets})
        inputs.append({"namespace": namespace, "name": f"model {entry.running}"})
    elif row.model:
        job, ends = f"model {case}", row.model
        before = facts.get("predecessor") or facts.get("from") or entry.running
        inputs.append({"namespace": namespace, "name": f"model {before}"})
        if model := facts.get("model"):
            outputs.append({"namespace": namespace, "name": f"model {model}"})
    else:
        return None
    own = {"_producer": PRODUCER, "_schemaURL": BASE, "seq": entry.seq, "hash": entry.hash, "kind": kind}
    return {
        "eventType": ends,
        "eventTime": entry.time,
        "run": {"runId": str(uuid.uuid5(_NAMESPACE, entry.hash)), "facets": {"assay_trail": own}},
        "job": {"namespace": namespace, "name": job},
        "inputs": inputs,
        "outputs": outputs,
        "producer": PRODUCER,
        "schemaURL": EVENT,
    }


class _Norm(msgspec.Struct):
    """What an assertion needs of a norm in a batch's entry."""

    metric: str
    kind: str
    attribute: tuple[str, ...]
    limit: float
    status: str
    value: float | None = None


def _assertions(facts: Mapping[str, Any]) -> dict[str, Any]:
    assertions = [
        {
            "assertion": f"{n.metric} {n.kind} by {'+'.join(n.attribute)} within {brief(n.limit)}",
            "success": n.status != "outside",
            "column": n.attribute[0],
        }
        for n in msgspec.convert(facts.get("norms", ()), list[_Norm])
        if n.value is not None
    ]
    return {"_producer": PRODUCER, "_schemaURL": ASSERTIONS, "assertions": assertions}


class _TrailFacet(msgspec.Struct):
    seq: int


class _Facets(msgspec.Struct):
    assay_trail: _TrailFacet


class _Run(msgspec.Struct):
    facets: _Facets


class _Event(msgspec.Struct):
    """What is read again of an event: the entry that it is of."""

    run: _Run


class Lineage:
    """A file that grows by an event a line. Raises OutputError where it cannot be read or begun."""

    def __init__(self, file: Path, case: str) -> None:
        self._file, self._case, self._seq = file, case, 0
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            lines = file.read_bytes().split(b"\n") if file.exists() else [b""]
            whole = lines[:-1]
            if lines[-1]:  # a line that was torn is written again
                with file.open("r+b") as stream:
                    stream.truncate(sum(len(line) + 1 for line in whole))
            if whole:
                self._seq = msgspec.json.decode(whole[-1], type=_Event).run.facets.assay_trail.seq
        except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
            raise OutputError(
                "the file of OpenLineage events cannot be used", got=str(error)[:200],
                expected="a new file, or one that this loop began", todo="give another --openlineage FILE",
            ) from error  # fmt: skip

    def tell(self, entries: Iterable[Entry]) -> str | None:
        """Events of those that were not told before; why it could not be done, or None."""
        converted = [(e.seq, event_of(e, self._case)) for e in entries if e.seq > self._seq]
        new_events = [(seq, event) for seq, event in converted if event is not None]
        if not new_events:
            return None
        try:
            with self._file.open("ab") as stream:
                stream.write(b"".join(canonical(event, compact=True).rstrip(b"\n") + b"\n" for _, event in new_events))
        except OSError as error:
            return f"OpenLineage events could not be written: {error.strerror or type(error).__name__}."
        self._seq = new_events[-1][0]
        return None
