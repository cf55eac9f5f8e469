"""Model card, provenance, ML-BOM: every figure in them is the comparison's, and the BOM is valid CycloneDX."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from audit.case import Case, DataSpec, ModelSpec
from audit.evidence import sha256
from audit.files import read_json
from audit.gaps import Settings
from audit.load import load_policy
from audit.numbers import many
from audit.run import run_audit
from debias.card import ml_bom, model_card, provenance
from debias.methods.method import SENSITIVE_NOTICE
from debias.methods.table import METHODS
from debias.mitigate import record_decision, run_mitigate, summary

DRAWS = 40
NOW = dt.datetime(2026, 11, 1, 12, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("card")
    rng = np.random.default_rng(1)
    n = 1200
    sex = rng.choice(["Female", "M|le*"], n)
    merit = rng.normal(size=n)
    good = merit + 1.1 * (sex != "Female") + rng.normal(scale=0.7, size=n) > 0.8
    frame = pd.DataFrame(
        {
            "merit": merit,
            "proxy": (sex != "Female") + rng.normal(scale=0.5, size=n),
            "sex": sex,
            "outcome": np.where(good, "paid", "late"),
            "score": 1 / (1 + np.exp(-(merit + 1.1 * (sex != "Female") - 0.8))),
        }
    )
    frame.to_parquet(folder / "people.parquet")
    data = DataSpec(
        path=folder / "people.parquet",
        label="outcome",
        positive="paid",
        favourable="paid",
        sensitive=("sex",),
        features=("merit", "proxy"),
    )
    model = ModelSpec("score", column="score", threshold=0.5)
    return Case("People", "Who gets a loan; read with <care>", data, model, load_policy(None))


@pytest.fixture(scope="module")
def run(case: Case, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    out = tmp_path_factory.mktemp("run")
    return run_mitigate(case, "group_thresholds", out, draws=DRAWS), out


def errors(bom: bytes) -> Any:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom.decode())


def test_the_card_says_what_the_comparison_found(run: tuple[dict[str, Any], Path]) -> None:
    document, out = run
    card = (out / "modelcard.md").read_text()
    assert card == model_card(document)
    for arm in document["arms"].values():
        accuracy = next(r for r in arm["rates"] if r["metric"] == "accuracy" and not r["attribute"])
        assert f"{accuracy['value']:.3f} ({accuracy['low']:.3f} to {accuracy['high']:.3f})" in card
    gap = next(g for g in document["arms"]["candidate"]["gaps"] if g["metric"] == "selection_rate")
    assert f"{gap['value']:.3f} ({gap['low']:.3f} to {gap['high']:.3f})" in card
    worse = [c for c in document["changes"] if c["worse"] and c["clear"]]
    assert worse
    assert f"{many(len(worse), 'figure')} got worse beyond chance" in card
    assert f"{worse[0]['delta']:+.3f}" in card
    for heading in ("Intended use", "Data", "Figures", "What got worse", "Who is affected", "Limits", "Files"):
        assert f"## {heading}\n" in card
    assert document["model"]["sha256"] in card
    assert "Nobody has decided on it" in card
    # Names from the data are text, never Markdown or HTML.
    assert "M\\|le\\*" in card
    assert "M|le*" not in card
    assert "<care>" not in card.replace("\\<care\\>", "")
    assert str(out) not in card


def test_no_figure_worse_is_no_proof(run: tuple[dict[str, Any], Path]) -> None:
    document = run[0] | {"changes": [c | {"clear": False} for c in run[0]["changes"]]}
    assert "That is no proof" in model_card(document)


def test_the_notice_stands_wherever_the_sensitive_value_is_read(run: tuple[dict[str, Any], Path]) -> None:
    document, out = run
    assert SENSITIVE_NOTICE in (out / "modelcard.md").read_text()
    assert SENSITIVE_NOTICE in "\n".join(summary(document))
    assert read_json(out / "mitigated.json")["notice"] == SENSITIVE_NOTICE
    candidate = next(c for c in read_json(out / "mlbom.cdx.json")["components"] if c["bom-ref"] == "candidate")
    assert candidate["modelCard"]["considerations"]["ethicalConsiderations"] == [{"name": SENSITIVE_NOTICE}]
    for method in METHODS.values():
        assert (method.notice == SENSITIVE_NOTICE) == method.needs_sensitive_at_decision


def test_provenance_names_everything_by_its_hash(run: tuple[dict[str, Any], Path], case: Case) -> None:
    document, out = run
    result = read_json(out / "provenance.json")
    assert result == json.loads(json.dumps(provenance(document)))
    assert result["model"]["sha256"] == sha256((out / "mitigated.json").read_bytes())
    assert result["data"]["sha256"] == sha256(case.data.path.read_bytes())
    assert result["made_from"]["column"] == "score"
    assert (result["method"], result["seed"], result["parameters"]["tolerance"]) == ("group_thresholds", 0, 0.02)
    assert {"numpy", "scikit-learn", "fairlearn"} <= set(result["tool"]["packages"])
    assert str(out) not in json.dumps(result)


def test_the_bom_is_valid_with_figures_by_slice(run: tuple[dict[str, Any], Path], case: Case, tmp_path: Path) -> None:
    document, out = run
    bom = (out / "mlbom.cdx.json").read_bytes()
    assert bom == ml_bom(None, document)
    evidence = run_audit(case, tmp_path / "audit", Settings(draws=DRAWS)).evidence
    for content in (bom, ml_bom(evidence, None), ml_bom(evidence, document)):
        assert errors(content) is None
        assert json.loads(content)["specVersion"] == "1.6"
    broken = json.loads(bom)
    broken["components"][0]["modelCard"]["fairness"] = "none"
    assert errors(json.dumps(broken).encode()) is not None
    with pytest.raises(ValueError, match="evidence, a mitigation"):
        ml_bom(None, None)
    parts = {c["bom-ref"]: c for c in json.loads(bom)["components"]}
    card = parts["candidate"]["modelCard"]
    metrics = card["quantitativeAnalysis"]["performanceMetrics"]
    women = next(m for m in metrics if m["type"] == "selection_rate" and m["slice"] == "sex: Female")
    rate = next(
        r
        for r in document["arms"]["candidate"]["rates"]
        if r["metric"] == "selection_rate" and r["group"] == ["Female"]
    )
    assert float(women["value"]) == rate["value"]
    assert float(women["confidenceInterval"]["upperBound"]) == rate["high"]
    assert card["considerations"]["fairnessAssessments"]
    assert card["considerations"]["performanceTradeoffs"]
    assert parts["candidate"]["hashes"][0]["content"] == document["model"]["sha256"]
    assert parts["model"]["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] != metrics


def test_a_decision_is_in_the_card(run: tuple[dict[str, Any], Path]) -> None:
    _, out = run
    record_decision(out, False, "costs *them* too much", "Ada", NOW)
    card = (out / "modelcard.md").read_text()
    assert "rejected by Ada on 2026-11-01: costs \\*them\\* too much" in card
    assert "rejected" in (out / "mlbom.cdx.json").read_text()
