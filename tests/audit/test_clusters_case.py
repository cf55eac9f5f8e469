"""`cluster`, `id` and `weight` by the door: what they do to evidence, norms, notes and the files that leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli

CASE = """[case]
name = "c"
purpose = "p"
[data]
path = "{path}"
sensitive = ["group"]
label = "outcome"
positive = "yes"
{roles}
[model]
decision = "decision"
"""


def people(size: int = 400, rows: int = 10, seed: int = 0) -> pd.DataFrame:
    """The same people, asked `rows` times; no difference between groups by construction."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(size), rows)
    frame = pd.DataFrame({"person": [f"P{w}" for w in who], "group": np.array(["A", "B"])[who % 2]})
    frame["decision"] = np.where(rng.random(size) < 0.5, "yes", "no")[who]
    frame["outcome"] = np.where(rng.random(size) < 0.6, "yes", "no")[who]
    frame["weight"] = np.round(1 + 2 * rng.random(size), 2)[who]
    frame["household"] = who // 3
    frame["x"] = rng.normal(size=len(frame)).round(3)
    return frame


def audit(folder: Path, frame: pd.DataFrame, roles: str, *options: str, kind: str = "csv") -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"d.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    (folder / "case.toml").write_text(CASE.format(path=path.name, roles=roles))
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out"), *options]) == 0
    return json.loads((folder / "out" / "evidence.json").read_text())  # type: ignore[no-any-return]


def gap(evidence: dict[str, Any], metric: str = "selection_rate", kind: str = "difference") -> dict[str, Any]:
    return next(g for g in evidence["gaps"] if g["metric"] == metric and g["kind"] == kind)


def norms(evidence: dict[str, Any]) -> set[str]:
    return {n["status"] for n in evidence["norms"]}


def test_the_same_people_ten_times_are_four_hundred(tmp_path: Path) -> None:
    frame = people()
    ten = audit(tmp_path / "ten", frame, 'cluster = "person"')
    once = audit(tmp_path / "once", frame.drop_duplicates("person"), 'exclude = ["person"]')
    for metric in ("selection_rate", "true_positive_rate", "accuracy"):
        for end in ("value", "low", "high", "p_value"):
            assert gap(ten, metric)[end] == pytest.approx(gap(once, metric)[end], abs=0.03), (metric, end)
    assert norms(ten) == norms(once)
    assert (ten["data"]["cluster"], ten["data"]["people"], ten["data"]["audited_rows"]) == ("person", 400, 4000)
    assert [(c["rows"], c["people"]) for c in ten["counts"]] == [(4000, 400), (2000, 200), (2000, 200)]
    assert any("4,000 measured rows are of 400 people" in n for n in ten["notes"])
    assert "person" not in ten["data"]["features"]


def test_one_row_a_person_is_the_same_audit(tmp_path: Path) -> None:
    frame = people(rows=1)
    inputs, without = (audit(tmp_path / n, frame, r) for n, r in (("a", 'cluster = "person"'), ("b", 'id = "person"')))
    for key in ("rates", "gaps", "dataset", "norms", "findings", "inequality", "conformance"):
        assert inputs[key] == without[key], key


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_ids_that_repeat_without_cluster_block_the_word_inside(tmp_path: Path, kind: str) -> None:
    frame = people(2000, 3)
    frame["decision"] = np.where(np.arange(len(frame)) // 3 % 4 < 2, "yes", "no")
    plain = audit(tmp_path / "plain", frame, 'exclude = ["person"]', kind=kind)
    assert "inside" in norms(plain)
    doubted = audit(tmp_path / "id", frame, 'id = "person"', kind=kind)
    assert "inside" not in norms(doubted)
    reasons = [n["reason"] for n in doubted["norms"] if n["status"] == "undecided"]
    assert all("6,000 rows have 2,000 different ids" in r and "cluster" in r for r in reasons if r)
    assert any(reasons)
    assert any("Write cluster = 'person'" in n for n in doubted["notes"])
    report = audit(tmp_path / "told", frame, 'id = "person"\ncluster = "person"', kind=kind)
    assert report["settings"].get("repeated") is None
    households = audit(tmp_path / "home", frame, 'id = "person"\ncluster = "household"', kind=kind)
    assert households["settings"].get("repeated") is None
    frame["household"] = np.arange(len(frame)) % 1000
    torn = audit(tmp_path / "torn", frame, 'id = "person"\ncluster = "household"', kind=kind)
    assert "inside" not in norms(torn)


def test_a_weight_counts_rows_and_the_population_apart(tmp_path: Path) -> None:
    frame = people(300, 1)
    result = audit(tmp_path, frame, 'weight = "weight"\nexclude = ["person", "household"]')
    for r in result["rates"]:
        if r["metric"] == "selection_rate" and r["group"] == ["A"]:
            assert r["rows"] == 150
            assert r["denominator"] == pytest.approx(frame.loc[frame.group == "A", "weight"].sum())


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ('cluster = "persons"', "no column 'persons'"),
        ('cluster = "decision"', "two roles"),
        ('cluster = "group"', "two roles"),
        ('cluster = "person"\nfeatures = ["person"]', "cannot be a feature"),
        ('cluster = "gone"', "empty values"),
    ],
)
def test_a_cluster_that_cannot_be_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], roles: str, words: str
) -> None:
    frame = people(30, 2)
    frame["gone"] = frame["person"].where(np.arange(60) % 7 != 0)
    frame.to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE.format(path="d.csv", roles=roles))
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 2
    assert words in capsys.readouterr().err


def test_the_numbers_do_not_depend_on_order_names_or_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = people(200, 4)
    frame["group"] = np.array(["A", "B", "C"])[np.arange(800) % 3]  # a person has rows in several groups
    roles = 'cluster = "person"\nweight = "weight"\nexclude = ["household"]'
    first = audit(tmp_path / "a", frame, roles)
    shuffled = frame.sample(frac=1, random_state=1)
    others = {
        "shuffled": audit(tmp_path / "b", shuffled, roles),
        "parquet": audit(tmp_path / "c", shuffled, roles, kind="parquet"),
        "renamed": audit(tmp_path / "d", frame.assign(group=frame.group.map({"A": "z", "B": "y", "C": "x"})), roles),
    }
    monkeypatch.setattr("audit.run.is_large", lambda case: True)
    others["duckdb"] = audit(tmp_path / "e", shuffled, roles, kind="parquet")
    assert others["duckdb"]["data"]["engine"] == "duckdb"
    for name, result in others.items():
        for a, b in zip(first["gaps"], result["gaps"], strict=True):
            for key in ("value", "low", "high", "p_value", "p_adjusted"):
                assert a[key] == pytest.approx(b[key], abs=1e-9), (name, a["metric"], key)


def test_what_leaves_counts_people_and_verifies(tmp_path: Path) -> None:
    from audit.publish import publish_files
    from reports.verify.figures import check_figures

    frame = people(200, 4)
    frame.loc[:11, "group"] = "C"  # twelve rows of three people
    audit(tmp_path, frame, 'cluster = "person"\nexclude = ["household", "weight"]')
    files = {n: (tmp_path / "out" / n).read_bytes() for n in ("evidence.json", "cube.json")}
    assert "found equal" in check_figures(files)
    published = publish_files(files)
    assert "found equal" in check_figures(published)
    evidence, cube = (json.loads(published[n]) for n in ("evidence.json", "cube.json"))
    assert [c["people"] for c in evidence["counts"]] == [197, 98, 99, None] or evidence["counts"][-1]["suppressed"]
    assert b'"sets"' not in published["cube.json"]
    assert evidence["data"]["audited_rows"] == 788
    assert cube["margins"][0]["clusters"]["people"] == [197]
