"""What the service logged is judged and reconciled with the model that should run; through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cli
from tests.debias.loop.fed import bodies, people, write_case

SERVED = 'source = "in/*.parquet"\nserved = { decision = "decided", model = "model_id" }'


def run(folder: Path, parts: list[pd.DataFrame]) -> dict[str, Any]:
    (folder / "in").mkdir(exist_ok=True)
    start = len(list((folder / "in").iterdir()))
    for k, frame in enumerate(parts, start):
        frame.to_parquet(folder / "in" / f"{k:02d}.parquet")
    assert cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out")]) == 0
    document: dict[str, Any] = json.loads((folder / "out" / "watch.json").read_bytes())
    return document


def logged(frame: pd.DataFrame, threshold: float, model: str | None) -> pd.DataFrame:
    decided = (frame["score"] >= threshold).map({True: "yes", False: "no"})
    return frame.reset_index(drop=True).assign(
        decided=decided.to_numpy(), model_id=pd.array([model] * len(frame), dtype="str")
    )


def test_another_model_and_a_moved_threshold_are_named_within_a_batch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people(9, gap=0.0)
    days = [part for _, part in frame.groupby("day")]
    write_case(tmp_path, logged(frame, 0.65, None), delay=0, more=SERVED)
    pointer = str(run(tmp_path, [logged(days[0], 0.65, None)])["running"])
    same = [logged(d, 0.65, pointer[:12]) for d in days[1:4]]
    document = run(tmp_path, same)
    assert "served" not in [b["kind"] for b in bodies(tmp_path / "out")]
    assert document["state"] == "HEALTHY"

    document = run(tmp_path, [logged(days[4], 0.8, "a3f00000deadbeef")])
    (report,) = [b for b in bodies(tmp_path / "out") if b["kind"] == "served"]
    assert (
        f"the service still runs model a3f00000dead (150 of 150 rows), the pointer says {pointer[:12]}"
        in report["words"]
    )
    assert f"{report['facts']['differ']} of 150 served decisions are not the running model's" in report["words"]
    assert report["facts"]["threshold"] == pytest.approx(0.8, abs=0.03)
    assert "the service decides from 0." in report["words"]
    assert document["state"] in ("SUSPECT", "CONFIRMED"), "it is also wrong more often"
    # What was served is what is judged.
    point = document["timeline"][-1]["window"]["sex"]
    wanted = logged(days[4], 0.8, None)
    yes = wanted["decided"] == "yes"
    assert point == pytest.approx(yes.groupby(wanted["sex"]).mean().to_dict())
    assert "served" in (tmp_path / "out" / "alerts.jsonl").read_text()

    document = run(tmp_path, [logged(d, 0.65, pointer) for d in days[5:9]])
    assert [b["kind"] for b in bodies(tmp_path / "out")].count("served_back") == 1
    assert not [c for c in document["changes"] if c["what"] == "served"]
    capsys.readouterr()


def test_what_the_service_logged_is_no_feature(tmp_path: Path) -> None:
    frame = logged(people(3), 0.65, "x" * 12)
    case = write_case(tmp_path, frame, more='served = { decision = "decided", model = "model_id" }')
    text = (tmp_path / "case.toml").read_text().replace('features = ["income", "town"]\n', "")
    (tmp_path / "case.toml").write_text(text)
    from audit.load import load_case
    from debias.loop.sources import open_source

    assert {"decided", "model_id"}.isdisjoint(open_source(load_case(case.source), (), tmp_path).features)


def test_a_column_that_is_not_there_is_an_incident_that_names_it(tmp_path: Path) -> None:
    frame = people(3)
    write_case(tmp_path, frame, delay=0, more=SERVED)
    run(tmp_path, [part for _, part in frame.groupby("day")])
    items = [b["words"] for b in bodies(tmp_path / "out") if b["kind"] == "incident"]
    assert all("the column 'decided' is missing" in w for w in items)
    assert len(items) == 3
