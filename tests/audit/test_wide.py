"""Audits of many intersections and of many groups: what evidence.json says, what it leaves to the cube, and that all of
it is verified."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import assay
import cli
from audit.cube_json import margins_from_json
from audit.gaps import Settings
from audit.measure import measure
from audit.wide import KEPT, OF_THE_REST
from reports.verify import figures
from reports.verify.figures import check_figures
from reports.verify.known import Known
from reports.verify.result import Broken
from tests.reports import kit
from tests.shared import printed

LISTS = ("rates", "gaps", "dataset", "counts", "pairs", "power", "smoothed")


def case_of(folder: Path, frame: pd.DataFrame, policy: str = "") -> Path:
    frame.to_parquet(folder / "p.parquet", index=False)
    sensitive = [c for c in frame.columns if c.startswith("a")]
    case = folder / "case.toml"
    case.write_text(
        '[case]\nname = "Wide"\npurpose = "Who is called"\n[data]\npath = "p.parquet"\nlabel = "y"\npositive = "yes"\n'
        f'sensitive = {json.dumps(sensitive)}\nfeatures = []\n[model]\ndecision = "d"\n{policy}',
        encoding="utf-8",
    )
    return case


def people(n: int, groups: tuple[int, ...], seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f"a{i}": [f"g{k:04d}" for k in rng.integers(0, g, n)] for i, g in enumerate(groups)})
    y = rng.random(n) < 0.4
    better = frame["a0"] == "g0000"
    decided = rng.random(n) < 0.3 + 0.2 * y + 0.15 * better
    return frame.assign(y=np.where(y, "yes", "no"), d=np.where(decided, "yes", "no"))


def read(folder: Path) -> dict[str, bytes]:
    return {n: (folder / n).read_bytes() for n in ("evidence.json", "cube.json")}


@pytest.fixture(scope="module", autouse=True)
def measured_once() -> Iterator[None]:
    """What follows from equal counts and settings is computed once; what is told of it is held against it each time."""
    known, recompute = Known(), figures.recompute
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "recompute", lambda cube, settings: known.of(recompute, cube, settings))
        yield


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five attributes of two groups: 10 pairs and 10 triples; a norm names one of them."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "policy.toml").write_text(
        'version = "1"\n[[norm]]\nmetric = "false_positive_rate"\nkind = "difference"\nattribute = ["a3", "a4"]\n'
        "limit = 0.1\n"
    )
    case = case_of(folder, people(2500, (2,) * 5), '[policy]\nfile = "policy.toml"\n')
    assert cli.main(["audit", str(case), "--out", str(folder / "run")]) == 0
    return folder


def test_intersections_beyond_the_widest_are_told_by_counts_and_gaps(wide: Path) -> None:
    files = read(wide / "run")
    evidence = json.loads(files["evidence.json"])
    whole = measure(margins_from_json(json.loads(files["cube.json"])), Settings.from_json(evidence["settings"]))
    crossed = {g.attribute for g in whole.gaps if len(g.attribute) > 1}
    left = {tuple(a) for a in evidence["left_to_cube"]["attributes"]}
    report = crossed - left
    widths = {g.attribute: g.value for g in whole.gaps if g.metric == "selection_rate" and g.kind == "difference"}
    assert len(crossed) == 20
    assert ("a3", "a4") in report, "a norm names it"
    assert set(sorted(crossed, key=lambda a: -(widths[a] or 0))[:KEPT]) == report - {("a3", "a4")}

    def records(name: str) -> list[tuple[str, ...]]:
        return [tuple(r["attribute"]) for r in evidence[name]]

    assert len(evidence["counts"]) == len(whole.counts), "everybody is counted"
    for name in ("rates", "dataset", "pairs", "power"):
        assert not left & set(records(name))
        assert records(name) == [r.attribute for r in getattr(whole, name) if r.attribute not in left], "and no other"
    of_left = [g for g in evidence["gaps"] if tuple(g["attribute"]) in left]
    assert {g["metric"] for g in of_left} == set(OF_THE_REST)
    assert len(of_left) == 2 * len(OF_THE_REST) * len(left)
    assert {g["pairs_family"] for g in evidence["gaps"] if g["pairs_family"]} == {
        g.pairs_family for g in whole.gaps if g.pairs_family
    }, "p-values are adjusted for what is not told too"
    assert evidence["left_to_cube"]["why"] in evidence["notes"]
    assert f"Of the other {len(left)}" in evidence["left_to_cube"]["why"]
    assert len(files["evidence.json"]) < 1_000_000


def test_rates_that_are_left_to_the_cube_are_made_from_it(wide: Path) -> None:
    result = assay.open_run(wide / "run")
    frame = pd.read_parquet(wide / "p.parquet")
    rates = result.rates()
    shares = frame.assign(yes=frame["d"] == "yes").groupby(["a1", "a2", "a3"])["yes"].mean()
    mine = rates[(rates["attribute"] == "a1 / a2 / a3") & (rates["metric"] == "selection_rate")]
    left = json.loads((wide / "run" / "evidence.json").read_bytes())["left_to_cube"]["attributes"]
    assert ["a1", "a2", "a3"] in left
    assert len(mine) == 8
    for _, r in mine.iterrows():
        assert r["value"] == pytest.approx(shares[tuple(r["group"].split(" / "))])


def test_verify_makes_all_of_it_again(wide: Path) -> None:
    files = read(wide / "run")
    assert "intersections are left to the cube" in check_figures(files)
    evidence = json.loads(files["evidence.json"])

    def refused(change: Any, words: str) -> None:
        other = copy.deepcopy(evidence)
        change(other)
        with pytest.raises(Broken, match=words):
            check_figures(files | {"evidence.json": json.dumps(other).encode()})

    def hide(other: dict[str, Any]) -> None:
        gone = ["a3", "a4"]
        other["left_to_cube"]["attributes"].append(gone)
        for name in ("rates", "dataset", "pairs", "power", "smoothed"):
            other[name] = [r for r in other[name] if r["attribute"] != gone]

    refused(hide, "what is left to the cube")
    refused(lambda e: e.pop("left_to_cube"), "another number of rates")
    at = next(i for i, g in enumerate(evidence["gaps"]) if g["attribute"] == evidence["left_to_cube"]["attributes"][0])
    refused(lambda e: e["gaps"][at].update(value=0.5), "does not follow from the cube")


def test_a_norm_names_an_intersection_in_any_order_and_nobody_hides_it_so(tmp_path: Path, wide: Path) -> None:
    """The other way round it was "not measured", left to the cube, and so verified."""
    text = (wide / "policy.toml").read_text().replace('["a3", "a4"]', '["a4", "a3"]')
    (tmp_path / "policy.toml").write_text(text)
    case = case_of(tmp_path, pd.read_parquet(wide / "p.parquet"), '[policy]\nfile = "policy.toml"\n')
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 0
    turned, straight = (json.loads((d / "run" / "evidence.json").read_bytes()) for d in (tmp_path, wide))
    assert turned["norms"] == straight["norms"]
    assert turned["norms"][0]["value"] is not None
    assert turned["left_to_cube"] == straight["left_to_cube"]
    files = read(wide / "run")
    (norm,) = straight["norms"]
    norm |= {"attribute": ["a4", "a3"], "value": None, "low": None, "high": None, "status": "not_estimable",
             "breached": False, "reason": "this gap was not measured"}  # fmt: skip
    with pytest.raises(Broken):
        check_figures(files | {"evidence.json": json.dumps(straight).encode()})


def test_evidence_that_tells_everything_is_verified_as_before(tmp_path: Path, wide: Path) -> None:
    """An older one, made before anything was left to the cube."""
    files = read(wide / "run")
    cube, evidence = json.loads(files["cube.json"]), json.loads(files["evidence.json"])
    from audit.derived import derived
    from audit.evidence import measures_to_json

    margins, settings = margins_from_json(cube), Settings.from_json(evidence["settings"])
    evidence |= measures_to_json(measure(margins, settings)) | derived(margins, settings, None, evidence["norms"])
    del evidence["left_to_cube"]
    older = json.dumps(evidence, default=list).encode()
    assert len(older) > 2 * len(files["evidence.json"])
    assert "left to the cube" not in check_figures(files | {"evidence.json": older})


def test_a_dozen_intersections_are_all_told(tmp_path: Path) -> None:
    case = case_of(tmp_path, people(600, (2,) * 4))
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 0
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_bytes())
    assert "left_to_cube" not in evidence
    assert len({tuple(r["attribute"]) for r in evidence["rates"]}) == 1 + 4 + 6 + 4


def password(folder: Path) -> list[str]:
    (folder / "password").write_text("correct horse battery staple\n")
    return ["--password-file", str(folder / "password")]


def signed(folder: Path) -> Path:
    key = [*("--key", str(folder / "k.p12")), *password(folder)]
    assert cli.main(["keys", "new", "--name", "A. Auditor", "--out", str(folder / "k.p12"), *password(folder)]) == 0
    assert cli.main(["report", str(folder / "run"), *key, "--out", str(folder / "r.pdf")]) == 0
    return folder / "r.pdf"


def embedded(report: Path) -> dict[str, bytes]:
    import pikepdf

    with pikepdf.open(report) as opened:
        return {n: opened.attachments[n].get_file().read_bytes() for n in ("evidence.json", "cube.json")}


def test_the_report_of_a_wide_audit_prints_the_widest_and_is_verified(
    wide: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kit.judge_here(monkeypatch)
    report = signed(wide)
    capsys.readouterr()
    assert cli.main(["verify", str(report)]) == 0
    assert "intersections are left to the cube" in capsys.readouterr().out
    text = printed(report)
    assert "7 are told group by group: those with the widest gaps" in text
    assert "not estimable" not in text.split("What the decisions do")[1].split("Rates by a0")[1][:2000]


def test_three_hundred_groups_are_measured_printed_and_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kit.judge_here(monkeypatch)
    frame = people(9000, (300,))
    rare = frame["a0"] == "g0007"
    frame = frame[~rare | (rare.cumsum() <= 4)].reset_index(drop=True)  # four people, who are named nowhere
    case = case_of(tmp_path, frame)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run")]) == 0
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_bytes())
    counts = frame.assign(yes=frame["d"] == "yes").groupby("a0")["yes"].agg(["sum", "size"])
    rates = {r["group"][0]: r for r in evidence["rates"] if r["metric"] == "selection_rate" and r["attribute"]}
    assert len(rates) == 300
    assert all((r["numerator"], r["denominator"]) == tuple(counts.loc[g]) for g, r in rates.items())
    share = (counts["sum"] / counts["size"])[counts["size"] >= 10]
    gap = next(g for g in evidence["gaps"] if g["metric"] == "selection_rate" and g["kind"] == "difference")
    assert gap["value"] == pytest.approx(share.max() - share.min())
    assert gap["pairs"] == len(share) * (len(share) - 1) // 2

    report = signed(tmp_path)
    capsys.readouterr()
    assert cli.main(["verify", str(report)]) == 0
    text = printed(report)
    assert "40 of 300 groups are printed; all are in the embedded evidence" in text
    assert all(gap[end][0] in text for end in ("highest", "lowest")), "both ends of the gap are printed"
    largest = counts["size"].sort_values(ascending=False, kind="stable").index[:5]
    assert all(g in text for g in largest)
    inside = {name: json.loads(data) for name, data in embedded(report).items()}
    published = {r["group"][0]: r for r in inside["evidence.json"]["rates"] if r["metric"] == "accuracy" and r["group"]}
    assert published.keys() == rates.keys()
    assert [g for g, r in published.items() if r["value"] is None] == ["g0007"], "decision 0003"
    alone = next(m for m in inside["cube.json"]["margins"] if m["attribute"] == ["a0"])
    assert not any(cell[0] == alone["groups"].index(["g0007"]) for cell in alone["cells"])
