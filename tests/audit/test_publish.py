"""What leaves the machine: nothing changes where no group is small; a small group is nowhere, and every figure is one
of the published counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audit.cube_json import margins_from_json
from audit.evidence import measures_to_json, sha256
from audit.gaps import Settings
from audit.load import load_case
from audit.measure import measure
from audit.publish import publish_files
from audit.quality.table import thin
from audit.run import run_audit


def make_run(folder: Path, small: int) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    rows = 400
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], rows),
            "race": ["c"] * small + list(rng.choice(["a", "b"], rows - small)),
            "label": rng.choice(["yes", "no"], rows),
            "decision": rng.choice(["yes", "no"], rows),
        }
    )
    frame.to_parquet(folder / "people.parquet")
    (folder / "case.toml").write_text(
        '[case]\nname = "t"\npurpose = "p"\n[data]\npath = "people.parquet"\nlabel = "label"\npositive = "yes"\n'
        'sensitive = ["sex", "race"]\n[model]\ndecision = "decision"\n'
    )
    run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=100))
    return {n: (folder / "run" / n).read_bytes() for n in ("evidence.json", "cube.json")}


def test_without_small_groups_the_bytes_are_the_same(tmp_path: Path) -> None:
    files = make_run(tmp_path, 60)
    out = publish_files(files)
    assert out["cube.json"] == files["cube.json"]
    before, after = json.loads(files["evidence.json"]), json.loads(out["evidence.json"])
    assert after == before | {"quality": thin(before["quality"], 10)}


@pytest.mark.parametrize("small", [3, 9])
def test_a_small_group_is_in_no_published_file(tmp_path: Path, small: int) -> None:
    files = make_run(tmp_path, small)
    published = publish_files(files)
    evidence = json.loads(published["evidence.json"])
    assert evidence["data"]["audited_rows"] == 400 - small
    for record in (*evidence["rates"], *evidence["counts"], *evidence["dataset"]):
        if "c" in record["group"]:
            assert record.get("rows", 0) == 0
            assert record.get("value") is None
            assert record.get("suppressed", True)
    for margin in json.loads(published["cube.json"])["margins"]:
        hidden = {g for g, group in enumerate(margin["groups"]) if "c" in group}
        assert hidden <= set(margin["withheld"])
        assert not any(cell[0] in hidden for cell in margin["cells"])
        assert sum(cell[3] for cell in margin["cells"]) == 400 - small
    assert any("race = c" in n for n in evidence["notes"])


def test_every_published_figure_follows_from_the_published_cube(tmp_path: Path) -> None:
    published = publish_files(make_run(tmp_path, 5))
    evidence = json.loads(published["evidence.json"])
    assert evidence["cube"]["sha256"] == sha256(published["cube.json"])
    again = measures_to_json(
        measure(margins_from_json(json.loads(published["cube.json"])), Settings.from_json(evidence["settings"]))
    )
    for key in ("rates", "gaps", "dataset", "counts"):
        assert json.loads(json.dumps(again[key])) == evidence[key]


def test_single_persons_stay_unless_asked_for(tmp_path: Path) -> None:
    files = make_run(tmp_path, 60) | {"explain.json": json.dumps({"people": [{"row": 1}], "global": []}).encode()}
    assert json.loads(publish_files(files)["explain.json"])["people"] == []
    assert publish_files(files, people=True)["explain.json"] == files["explain.json"]
