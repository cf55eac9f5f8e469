"""The arms of a mitigation with many intersections: the widest are told, the others follow from the cubes beside them,
and all of it is verified. What counts as many is set low, since five attributes take a minute."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import audit.wide
from audit.cube_json import margins_from_json
from audit.gaps import Settings
from audit.load import load_case
from audit.measure import measure
from audit.publish import publish_files
from audit.wide import OF_THE_REST
from debias.methods.method import CONSTRAINTS
from debias.mitigate import run_mitigate
from reports.verify.figures import check_mitigation
from reports.verify.known import Known
from reports.verify.result import Broken
from reports.verify.told import check_told
from tests.reports import kit
from tests.reports.pki import Pki
from tests.shared import german

CASE = Path(__file__).parents[2] / "sample_data" / "german_credit.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The audit of German credit, and a mitigation that tells no intersection group by group but what a norm names."""
    folder = tmp_path_factory.mktemp("arms")
    for name in ("cube.json", "evidence.json"):
        shutil.copy(german(tmp_path_factory) / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit.wide, "MOST", 0)
        patch.setattr(audit.wide, "KEPT", 0)
        run_mitigate(load_case(CASE), "reweighing", folder, draws=200)
    return folder


@pytest.fixture(autouse=True)
def _few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit.wide, "MOST", 0)
    monkeypatch.setattr(audit.wide, "KEPT", 0)


def test_every_arm_leaves_the_same_intersections_to_its_cube(run: Path) -> None:
    document = json.loads((run / "mitigation.json").read_bytes())
    settings = Settings.from_json(document["settings"])
    left = {tuple(a) for a in document["left_to_cube"]["attributes"]}
    named = {tuple(n["attribute"]) for n in document["arms"]["original"]["norms"]}
    for name, cube in document["cubes"].items():
        measured, arm = measure(margins_from_json(cube), settings), document["arms"][name]
        crossed = {g.attribute for g in measured.gaps if len(g.attribute) > 1}
        assert left == crossed - named
        assert left
        assert len(arm["counts"]) == len(measured.counts), "everybody is counted"
        items = [r.attribute for r in measured.rates if r.attribute not in left]
        assert [tuple(r["attribute"]) for r in arm["rates"]] == items
        assert {g["metric"] for g in arm["gaps"] if tuple(g["attribute"]) in left} == set(OF_THE_REST)
    assert {c.metric for c in CONSTRAINTS.values()} <= set(OF_THE_REST), "gaps that are aimed at are told of all"
    assert document["left_to_cube"]["why"] in document["notes"]
    assert "stand in mitigation.json; all else about them follows from its cubes" in document["left_to_cube"]["why"]
    assert any(tuple(c["attribute"]) in left for c in document["changes"]), "what changed is told of all"


def test_what_is_left_to_the_cubes_is_verified_from_them(run: Path, pki: Pki) -> None:
    """The checks `totals` and `mitigation` of a report of these files."""
    names = ("cube.json", "evidence.json", "mitigation.json")
    files = publish_files({n: (run / n).read_bytes() for n in names})
    settings, known = json.loads(files["evidence.json"])["settings"], Known()
    manifest = kit.manifest_of(files, pki.auditor)

    def checked(files: dict[str, bytes]) -> tuple[str, str]:
        return check_told(files, manifest, known), check_mitigation(files, settings, known)

    totals, mitigation = checked(files)
    assert "of 3 arms computed again from their cubes" in mitigation
    assert totals.endswith("wherever they are told")
    document = json.loads(files["mitigation.json"])
    left = document["left_to_cube"]["attributes"]
    at = next(
        k
        for k, c in enumerate(document["changes"])
        if c["attribute"] in left and c["kind"] == "rate" and c["before"] < 0.9
    )

    def moved(other: Any) -> None:
        one = other["changes"][at]
        one["before"] += 0.05
        one["delta"] = one["after"] - one["before"]

    def hidden(other: Any) -> None:
        other["left_to_cube"]["attributes"].append(["sex"])
        for arm in other["arms"].values():
            arm["rates"] = [r for r in arm["rates"] if r["attribute"] != ["sex"]]

    for change, words in (
        (moved, f"change {at + 1}, before"),
        (hidden, "what the arms leave to their cubes"),
        (lambda other: other.pop("left_to_cube"), "change"),  # figures that changes are of are then nowhere
        (lambda other: other["arms"]["matched"]["gaps"].pop(), "gaps"),
    ):
        with pytest.raises(Broken, match=words):
            checked(kit.edited(files, "mitigation.json", change))
