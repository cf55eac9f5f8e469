"""An OpenLineage run event (spec 2-0-2) of an audit, made without the package: one JSON object.

The data set is the input; each norm is an assertion about it (DataQualityAssertionsDatasetFacet 1-1-0), so that an
audit stands beside the table in Marquez, DataHub or Purview. No person's value is in it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from audit.documents.evidence import Evidence
from audit.numbers import brief

PRODUCER = "urn:assay"
EVENT = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
ASSERTIONS = "https://openlineage.io/spec/facets/1-1-0/DataQualityAssertionsDatasetFacet.json"
_NAMESPACE = uuid.UUID("5b9d1d0a-7a3c-5d6e-9c1f-0a2b6a55a700")


def run_of(digest: str) -> str:
    """The id of the run of an audit. digest: sha256 of evidence.json."""
    return str(uuid.uuid5(_NAMESPACE, digest))


def assertions(evidence: Evidence) -> list[dict[str, Any]]:
    """Each norm that was measured, as an assertion about the data."""
    return [
        {
            "assertion": f"{n.metric} {n.kind} by {'+'.join(n.attribute)} within {brief(n.limit)}",
            "success": not n.breached,
            "column": n.attribute[0],
        }
        for n in evidence.norms
        if n.value is not None
    ]


def to_event(
    evidence: Evidence, *, digest: str, when: dt.datetime, namespace: str = "assay", kind: str = "COMPLETE"
) -> dict[str, Any]:
    """The event. digest: sha256 of evidence.json, from which the run's id follows; when: with a time zone; kind:
    COMPLETE, or START, which asserts nothing yet."""
    facet = {"_producer": PRODUCER, "_schemaURL": ASSERTIONS, "assertions": assertions(evidence)}
    facets = {"inputFacets": {"dataQualityAssertions": facet}} if kind == "COMPLETE" else {}
    return {
        "eventType": kind,
        "eventTime": when.isoformat(),
        "run": {"runId": run_of(digest)},
        "job": {"namespace": namespace, "name": f"audit {evidence.case.name}"},
        "inputs": [{"namespace": namespace, "name": f"sha256:{evidence.data.sha256}", **facets}],
        "outputs": [{"namespace": namespace, "name": f"evidence sha256:{digest}"}],
        "producer": PRODUCER,
        "schemaURL": EVENT,
    }
