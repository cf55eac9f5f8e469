"""In the report people, rows and the population are three things: no sum of weights is called people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from tests.reports.test_document import build_document, manifest, text_of

CASE = """[case]
name = "c"
purpose = "Who is invited"
[data]
path = "d.csv"
sensitive = ["sex"]
label = "y"
positive = "yes"
{roles}
[model]
score = "p"
"""


def documented(folder: Path, roles: str) -> tuple[dict, str]:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(130), 4)
    taste = rng.beta(1, 1, 130)[who]
    frame = pd.DataFrame({"who": who, "sex": np.array(["Female", "Male"])[who % 2], "x": rng.normal(size=520)})
    frame["y"] = np.where(rng.random(520) < taste, "yes", "no")
    frame["p"] = np.clip(taste * 0.9 + rng.normal(0, 0.05, 520), 0, 1).round(2)
    frame["w"] = (1000 * (1 + taste + rng.random(520))).round(1)
    frame.to_csv(folder / "d.csv", index=False)
    (folder / "case.toml").write_text(CASE.format(roles=roles))
    assert cli.main(["audit", str(folder / "case.toml"), "--out", str(folder / "out")]) == 0
    files = {n: (folder / "out" / n).read_bytes() for n in ("evidence.json", "cube.json")}
    return json.loads(files["evidence.json"]), text_of(build_document(files, manifest=manifest(files)))


@pytest.mark.parametrize("roles", ['weight = "w"\nexclude = ["who"]', 'weight = "w"\ncluster = "who"'])
def test_no_sum_of_weights_is_called_people(tmp_path: Path, capsys: pytest.CaptureFixture[str], roles: str) -> None:
    evidence, text = documented(tmp_path, roles)
    output = text + capsys.readouterr().out
    for number, _ in re.findall(r"(\d[\d,]*(?:\.\d+)?) (people|rows|persons)\b", output):
        assert float(number.replace(",", "")) <= 520, number
    # A population is always said to be one.
    population = sum(
        r["denominator"] for r in evidence["rates"] if r["metric"] == "selection_rate" and not r["attribute"]
    )
    assert population > 500_000
    for place in re.finditer(r"(?<![\d,.])\d{3},\d{3}(?![\d,])|(?<![\d,.])1,\d{3},\d{3}", output):
        before = output[max(0, place.start() - 40) : place.start()]
        assert re.search(r"(for|standing for) $", before), output[place.start() - 60 : place.end() + 20]
    assert "population that the" in text
    assert "linearised variance" in text


def test_rows_and_people_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, text = documented(tmp_path, 'cluster = "who"')
    output = capsys.readouterr().out
    for words in (output, text):
        assert "520 rows of 130 people" in words
        assert "520 people" not in words
        assert "260 people" not in words
    assert "260 rows of 65 people" in output
    assert "260 of 65 people" in text
    assert "take each person with all rows as one" in text
