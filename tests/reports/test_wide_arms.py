"""The arms of a mitigation with many intersections: the widest are told, the others follow from the cubes beside them,
and all of it is verified."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

import cli
from audit.cube_json import margins_from_json
from audit.gaps import Settings
from audit.measure import measure
from audit.publish import publish_files
from audit.values import to_json
from audit.wide import KEPT, OF_THE_REST
from debias.methods.method import CONSTRAINTS
from reports.verify import verify
from reports.verify.figures import check_mitigation
from tests.reports import kit
from tests.reports.pki import Pki


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five attributes of two groups: 10 pairs and 10 triples."""
    folder = tmp_path_factory.mktemp("arms")
    rng = np.random.default_rng(1)
    rows = 2400
    frame = pd.DataFrame(rng.normal(size=(rows, 2)), columns=["x0", "x1"])
    groups = {f"a{i}": rng.choice(["one", "two"], rows) for i in range(5)}
    frame.x0 += 0.6 * (groups["a0"] == "one")
    label = np.where(frame.x0 + frame.x1 + rng.normal(size=rows) > 0.4, "yes", "no")
    skops.io.dump(LogisticRegression().fit(frame, label), folder / "m.skops")
    frame.assign(y=label, **groups).to_parquet(folder / "p.parquet", index=False)
    (folder / "case.toml").write_text(
        '[case]\nname = "Wide"\npurpose = "Who is called"\n[data]\npath = "p.parquet"\nlabel = "y"\npositive = "yes"\n'
        f"sensitive = {json.dumps(list(groups))}\nfeatures = ['x0', 'x1']\n[model]\npath = \"m.skops\"\n"
    )
    out = str(folder / "run")
    assert cli.main(["audit", str(folder / "case.toml"), "--out", out]) == 0
    assert cli.main(["mitigate", str(folder / "case.toml"), "--method", "reweighing", "--out", out]) == 0
    return folder / "run"


def test_every_arm_tells_the_widest_of_the_original_and_leaves_the_rest_to_its_cube(run: Path) -> None:
    made = json.loads((run / "mitigation.json").read_bytes())
    settings = Settings.from_json(made["settings"])
    arms = {name: measure(margins_from_json(made["cubes"][name]), settings) for name in made["arms"]}
    first = arms["original"]
    width = {g.attribute: g.value for g in first.gaps if (g.metric, g.kind) == ("selection_rate", "difference")}
    crossed = [a for a in width if len(a) > 1]
    left = {tuple(a) for a in made["left_to_cube"]["attributes"]}
    assert set(crossed) - left == set(sorted(crossed, key=lambda a: -(width[a] or 0))[:KEPT])
    assert {c.metric for c in CONSTRAINTS.values()} <= set(OF_THE_REST), "gaps that are aimed at are told of all"
    for name, measured in arms.items():
        arm = made["arms"][name]
        assert len(arm["counts"]) == len(measured.counts)
        assert [tuple(r["attribute"]) for r in arm["rates"]] == [
            r.attribute for r in measured.rates if r.attribute not in left
        ]
        assert {g["metric"] for g in arm["gaps"] if tuple(g["attribute"]) in left} == set(OF_THE_REST)
    assert made["left_to_cube"]["why"] in made["notes"]
    assert "stand in mitigation.json; all else about them follows from its cubes" in made["left_to_cube"]["why"]


def checked(files: dict[str, bytes], pki: Pki) -> dict[str, str]:
    """What each check of a signed report of these files says; of one that fails, beginning with "failed"."""
    found = verify(kit.report(files, pki.auditor), printer=kit.page).checks
    return {c.name: c.detail if c.status == "ok" else f"{c.status}: {c.detail}" for c in found}


def test_the_report_is_verified_and_a_change_of_what_is_left_too(run: Path, pki: Pki) -> None:
    names = ("cube.json", "evidence.json", "mitigation.json")
    files = publish_files({n: (run / n).read_bytes() for n in names})
    honest = checked(files, pki)
    assert "of 3 arms computed again from their cubes" in honest["mitigation"]
    assert honest["totals"].endswith("wherever they are told")
    made = json.loads(files["mitigation.json"])
    left = made["left_to_cube"]["attributes"]
    at = next(
        k for k, c in enumerate(made["changes"]) if c["attribute"] in left and c["kind"] == "rate" and c["before"] < 0.9
    )

    def moved(other: Any) -> None:
        one = other["changes"][at]
        one["before"] += 0.05
        one["delta"] = one["after"] - one["before"]

    def hidden(other: Any) -> None:
        gone = next(r["attribute"] for r in made["arms"]["original"]["rates"] if len(r["attribute"]) > 1)
        other["left_to_cube"]["attributes"].append(gone)
        for arm in other["arms"].values():
            arm["rates"] = [r for r in arm["rates"] if r["attribute"] != gone]

    def forged(change: Callable[[Any], object]) -> dict[str, str]:
        return checked(kit.edited(files, "mitigation.json", change), pki)

    assert f"change {at + 1}, before" in forged(moved)["totals"]
    assert "what the arms leave to their cubes" in forged(hidden)["mitigation"]
    assert "another number of rates" in forged(lambda other: other.pop("left_to_cube"))["mitigation"]


def test_a_mitigation_that_tells_everything_is_verified_as_before(run: Path) -> None:
    """An older one, made before anything was left to the cubes."""
    made = json.loads((run / "mitigation.json").read_bytes())
    settings = Settings.from_json(made["settings"])
    for name, arm in made["arms"].items():
        measured = measure(margins_from_json(made["cubes"][name]), settings)
        arm |= {kind: [to_json(r) for r in getattr(measured, kind)] for kind in ("rates", "gaps", "counts")}
    del made["left_to_cube"]
    files = {"mitigation.json": json.dumps(made, default=list).encode()}
    assert len(files["mitigation.json"]) > 1.3 * (run / "mitigation.json").stat().st_size
    assert "computed again from their cubes" in check_mitigation(files, made["settings"])
