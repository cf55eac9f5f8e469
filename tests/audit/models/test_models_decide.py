"""Models as people have them, each through `assay audit` on a case file: counted is what the model itself decides, or
the audit is refused with advice that leads to that. None is silently wrong."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from tests.audit.models.zoo.kinds import KINDS, Kind
from tests.audit.models.zoo.people import people

pytestmark = pytest.mark.usefixtures("coarse_calibration")
CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "{label}"
positive = {positive}
sensitive = ["sex"]
features = {features}
[model]
path = "{path}"
"""


def write_case(folder: Path, kind: Kind, file: str, lines: list[str]) -> Path:
    features = json.dumps(list(kind.features))
    text = CASE.format(label=kind.label, positive=kind.positive, features=features, path=file)
    named = [line for line in lines if line.startswith("path = ")]
    if named:
        text = text.replace(f'path = "{file}"', named[-1])
    rest = [line.replace("../venv/bin/python", sys.executable).replace("PYTHON", sys.executable) for line in lines]
    path = folder / "case.toml"
    path.write_text(text + "\n".join(r for r in rest if not r.startswith("path = ")) + "\n")
    return path


def counted(evidence: dict[str, Any]) -> list[int]:
    counts = [c for c in evidence["counts"] if c["attribute"] == ["sex"]]
    return [sum(c[k] for c in counts) for k in ("tp", "fp", "fn", "tn")]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS, ids=[k.name for k in KINDS])
def test_what_is_counted_is_what_the_model_decides(
    kind: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = people()
    frame.to_csv(tmp_path / "people.csv", index=False)
    file, decided = kind.make(tmp_path, frame)
    truth = (frame[kind.label].astype(str).str.lower() == kind.positive.strip('"')).to_numpy()
    lines, refusals = list(kind.lines), list(kind.refused)
    for _ in range(5):
        case = write_case(tmp_path, kind, file, lines)
        code = cli.main(["audit", str(case), "--out", str(tmp_path / "out")])
        errors = capsys.readouterr().err
        if code == 0:
            break
        assert code == 2, errors
        assert refusals, errors
        assert refusals.pop(0) in errors
        advice = re.findall(r"`(\w+ = [^`]+)`", errors.partition("What to do:")[2])
        # The advice says what a person must know; a choice is made by who knows it.
        added = [line for line in kind.choose if line in advice or line.partition(" =")[0] == "threshold"]
        added = [line for line in added if line not in lines][:1] or [a for a in advice if "NUMBER" not in a]
        lines = [*lines, *added]
    assert code == 0
    assert not refusals
    evidence = json.loads((tmp_path / "out" / "evidence.json").read_bytes())
    want = [(truth & decided).sum(), (~truth & decided).sum(), (truth & ~decided).sum(), (~truth & ~decided).sum()]
    assert counted(evidence) == [int(n) for n in want]
    notes = " ".join(evidence["model"]["notes"])
    assert kind.note in notes
    assert set(evidence["model"]["notes"]) <= set(evidence["notes"])
    if "differ for" in notes and kind.label != "three":
        errors = evidence["model"]["compared"]
        assert errors["selected"] == int(decided.sum())
        assert errors["differ"] > 0
        assert evidence["findings"][0] in evidence["model"]["notes"]


def test_the_table_is_long_enough() -> None:
    assert len(KINDS) >= 60
    assert isinstance(people(), pd.DataFrame)
    assert np.mean(people()["bits"]) == pytest.approx(0.3, abs=0.05)
