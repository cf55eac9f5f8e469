"""Files for other programs, through `assay audit`: what a build server and a code host read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import cli

POLICY = """version = "2026-11-01"
[[norm]]
metric = "selection_rate"
kind = "difference"
attribute = ["sex"]
limit = {first}
alpha = 0.05
[[norm]]
metric = "selection_rate"
kind = "ratio"
attribute = ["sex"]
limit = 0.01
alpha = 0.05
[[norm]]
metric = "true_positive_rate"
kind = "difference"
attribute = ["sex"]
limit = 0.1
alpha = 0.05
"""
EVIL = "<script>|`x`*"


@pytest.fixture
def case(tmp_path: Path) -> Path:
    rows = [f"f,{int(i % 10 < 3)}" for i in range(100)] + [f"m,{int(i % 10 < 8)}" for i in range(100)]
    (tmp_path / "d.csv").write_text("sex,hired\n" + "\n".join(rows) + "\n")
    (tmp_path / "policy.toml").write_text(POLICY.format(first="0.1"))
    (tmp_path / "case.toml").write_text(
        f'[case]\nname = "{EVIL}"\npurpose = "Who is hired"\n[data]\npath = "d.csv"\npositive = "1"\n'
        'sensitive = ["sex"]\n[model]\ndecision = "hired"\n[policy]\nfile = "policy.toml"\n'
    )
    return tmp_path / "case.toml"


def audit(case: Path, *more: str) -> int:
    files = [f"--{k}={case.parent / k}" for k in ("junit", "sarif", "markdown", "openlineage")]
    return cli.main(["audit", str(case), "--out", str(case.parent / "out"), "--draws", "50", *files, *more])


def evidence(case: Path) -> dict[str, Any]:
    return json.loads((case.parent / "out" / "evidence.json").read_text())


def test_files_are_written_even_where_the_gate_ends_with_three(case: Path) -> None:
    assert audit(case, "--gate") == 3
    assert {"junit", "sarif", "markdown", "openlineage"} <= {p.name for p in case.parent.iterdir()}


def test_junit(case: Path) -> None:
    assert audit(case) == 0
    root = ET.fromstring((case.parent / "junit").read_bytes())
    assert root.tag == "testsuites"
    suite = root[0]
    assert {k: suite.get(k) for k in ("name", "tests", "failures", "skipped", "errors")} == {
        "name": EVIL, "tests": "3", "failures": "1", "skipped": "1", "errors": "0",
    }  # fmt: skip
    tests = {t.get("name"): t for t in suite.iter("testcase")}
    failed = tests["selection rate difference by sex"].find("failure")
    assert failed is not None
    norm = evidence(case)["norms"][0]
    assert f"{norm['value']:.3f} [{norm['low']:.3f}, {norm['high']:.3f}], limit 0.1" in str(failed.get("message"))
    skipped = tests["true positive rate difference by sex"].find("skipped")
    assert skipped is not None
    assert "not estimable" in str(skipped.get("message"))
    assert tests["selection rate ratio by sex"].find("failure") is None


def test_sarif(case: Path) -> None:
    assert audit(case) == 0
    document = json.loads((case.parent / "sarif").read_text())
    assert document["version"] == "2.1.0"
    run = document["runs"][0]
    assert [r["id"] for r in run["tool"]["driver"]["rules"]] == [
        "selection_rate/difference/sex", "selection_rate/ratio/sex", "true_positive_rate/difference/sex",
    ]  # fmt: skip
    levels = {r["ruleId"]: r["level"] for r in run["results"]}
    assert levels == {"selection_rate/difference/sex": "error", "true_positive_rate/difference/sex": "note"}
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("case.toml")


def test_an_undecided_norm_warns_and_does_not_fail(case: Path) -> None:
    (case.parent / "policy.toml").write_text(POLICY.format(first="0.5"))
    assert audit(case) == 0
    assert evidence(case)["norms"][0]["status"] == "undecided"
    results = json.loads((case.parent / "sarif").read_text())["runs"][0]["results"]
    assert results[0]["level"] == "warning"
    assert ET.fromstring((case.parent / "junit").read_bytes())[0].get("failures") == "0"


def test_markdown_escapes_what_came_with_the_data(case: Path) -> None:
    assert audit(case) == 0
    text = (case.parent / "markdown").read_text()
    assert "<script>" not in text
    assert r"\<script\>\|\`x\`\*" in text
    assert "| selection rate difference by sex | 0.500 |" in text
    assert "**broken**" in text


def test_openlineage(case: Path) -> None:
    assert audit(case) == 0
    event = json.loads((case.parent / "openlineage").read_text())
    assert event["eventType"] == "COMPLETE"
    facet = event["inputs"][0]["inputFacets"]["dataQualityAssertions"]
    assert [(a["column"], a["success"]) for a in facet["assertions"]] == [("sex", False), ("sex", True)]
    first = event["run"]["runId"]
    assert audit(case) == 0
    assert json.loads((case.parent / "openlineage").read_text())["run"]["runId"] == first


def test_every_option_is_in_the_documentation() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "integrations.md").read_text()
    assert all(f"--{k} FILE" in text for k in ("junit", "sarif", "markdown", "openlineage"))
