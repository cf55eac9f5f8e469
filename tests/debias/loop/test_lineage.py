"""OpenLineage events of a loop: one for each batch and each change of model, once, whatever was killed between."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest

import cli
from tests.debias.loop.fed import bodies, people, write_case

PLACE = Path(os.environ.get("ASSAY_ENVIRONMENTS", Path(tempfile.gettempdir()) / "assay-environments"))
READ = """
import json, sys
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import data_quality_assertions_dataset as dq
from openlineage.client.serde import Serde
for line in open(sys.argv[1]):
    d = json.loads(line)
    inputs = []
    for one in d["inputs"]:
        facets = {}
        if "inputFacets" in one:
            told = one["inputFacets"]["dataQualityAssertions"]["assertions"]
            made = dq.DataQualityAssertionsDatasetFacet(assertions=[dq.Assertion(**a) for a in told])
            facets = {"dataQualityAssertions": made}
        inputs.append(InputDataset(namespace=one["namespace"], name=one["name"], inputFacets=facets))
    event = RunEvent(
        eventTime=d["eventTime"], producer=d["producer"], eventType=RunState[d["eventType"]],
        run=Run(runId=d["run"]["runId"]), job=Job(**d["job"]), inputs=inputs,
        outputs=[OutputDataset(**o) for o in d["outputs"]],
    )
    print(Serde.to_json(event))
"""


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def run(folder: Path, *more: str) -> int:
    where = ["--out", str(folder / "out"), "--openlineage", str(folder / "events.jsonl")]
    return cli.main(["watch", str(folder / "case.toml"), *where, *more])


def test_each_batch_and_each_change_of_model_is_an_event_once(tmp_path: Path) -> None:
    write_case(tmp_path, people(18), delay=0)
    assert run(tmp_path, "--batches", "4") == 0
    first = events(tmp_path)
    assert len(first) == 4
    # The last line is torn, as by a kill: it is told again, and nothing else is.
    file = tmp_path / "events.jsonl"
    file.write_bytes(file.read_bytes()[:-50])
    assert run(tmp_path) == 0
    result = events(tmp_path)
    assert result[:4] == first
    for event in result:
        # What the spec (2-0-2) requires of a run event; its own classes read it in the test below.
        assert {"eventType", "eventTime", "run", "job", "inputs", "outputs", "producer", "schemaURL"} == set(event)
        assert dt.datetime.fromisoformat(event["eventTime"]).tzinfo is not None
        assert uuid.UUID(event["run"]["runId"])
        assert {"_producer", "_schemaURL"} <= set(event["run"]["facets"]["assay_trail"])
        assert all(d["namespace"] and d["name"] for d in [*event["inputs"], *event["outputs"]])
    items = [b for b in bodies(tmp_path / "out") if b["kind"] in ("batch", "shadow", "promoted")]
    assert [e["run"]["facets"]["assay_trail"]["seq"] for e in result] == [b["seq"] for b in items]
    assert len({e["run"]["runId"] for e in result}) == len(result)
    assert {e["job"]["name"] for e in result} == {"watch Loans", "model Loans"}
    model = next(e for e in result if e["job"]["name"] == "model Loans")
    assert model["outputs"][0]["name"].startswith("model ")
    assert model["inputs"] != model["outputs"]
    before = len(result)
    assert run(tmp_path) == 0
    assert len(events(tmp_path)) == before, "nothing is told twice"
    batch = result[-1]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert batch[0]["assertion"] == "selection_rate difference by sex within 0.2"


def test_a_batch_that_cannot_be_used_fails_and_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    write_case(tmp_path, people(2), more='source = "in/*"\nsettle = 0')
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("no,columns\n1,2\n")
    assert run(tmp_path) == 0
    assert [e["eventType"] for e in events(tmp_path)] == ["FAIL"]
    (tmp_path / "events.jsonl").write_text("something else\n")
    assert run(tmp_path) == 2


@pytest.mark.environments
def test_openlineages_own_classes_read_every_event(tmp_path: Path) -> None:
    write_case(tmp_path, people(18), delay=0)
    assert run(tmp_path) == 0
    python = PLACE / "openlineage" / "bin" / "python"
    assert python.exists(), "run scripts/environments.sh"
    done = subprocess.run(
        [python, "-c", READ, tmp_path / "events.jsonl"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    theirs = [json.loads(line) for line in done.stdout.splitlines()]
    ours = events(tmp_path)
    assert [(t["eventType"], t["run"]["runId"], t["job"]["name"]) for t in theirs] == [
        (e["eventType"], e["run"]["runId"], e["job"]["name"]) for e in ours
    ]
    assert {t["schemaURL"].split("#")[1] for t in theirs} == {e["schemaURL"].split("#")[1] for e in ours}
