"""Models as people have them, each through `assay audit` on a case file: counted is what the model itself decides, or
the audit is refused with advice that leads to that. None is silently wrong."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import cli
from audit.models import child, wire, worker
from audit.models.files import describe_bytes, read_bytes
from audit.models.own import OwnWorker
from audit.models.worker import Worker
from tests.audit.models.zoo.kinds import KINDS, Kind
from tests.audit.models.zoo.people import people

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


class InProcess(Worker):
    """A worker without its process, which takes two seconds to start: the same frames, read and answered here."""

    def __enter__(self) -> InProcess:
        content = read_bytes(self._path)
        self._file = describe_bytes(self._path, content)
        self._refuse_unknown()
        fields = {"do": "load", "format": self._file.format, "allow": []}
        self._model, told = child._load(wire.Frame(fields, {"model": np.frombuffer(content, np.uint8)}), ())
        self._info = worker._info(self._file.format, self._file.sha256, told)
        return self

    def close(self) -> None:
        return None

    def _ask(self, fields: dict[str, Any], table: Any = None, arrays: Any = None) -> dict[str, np.ndarray]:
        blocks = iter(b"".join(bytes(b) for b in self._blocks(fields, table, arrays)))
        frame = wire.read(lambda count: bytes(itertools.islice(blocks, count)), 2**30)
        return child._run(self._model, frame)


EVERY = [
    *[pytest.param(k, k.alike, id=k.name) for k in KINDS],
    # Every one in a process of its own, where there is time for it.
    *[pytest.param(k, False, id=f"{k.name}, isolated", marks=pytest.mark.environments) for k in KINDS if k.alike],
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "near"), EVERY)
def test_what_is_counted_is_what_the_model_decides(
    kind: Kind, near: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if near:
        assert not issubclass(OwnWorker, InProcess)
        monkeypatch.setattr("audit.models.worker.Worker", InProcess)
    frame = people()
    frame.to_csv(tmp_path / "people.csv", index=False)
    file, decided = kind.make(tmp_path, frame)
    truth = (frame[kind.label].astype(str).str.lower() == kind.positive.strip('"')).to_numpy()
    lines, refusals = list(kind.lines), list(kind.refused)
    for _ in range(5):
        case = write_case(tmp_path, kind, file, lines)
        code = cli.main(["audit", str(case), "--out", str(tmp_path / "out")])
        told = capsys.readouterr().err
        if code == 0:
            break
        assert code == 2, told
        assert refusals, told
        assert refusals.pop(0) in told
        advice = re.findall(r"`(\w+ = [^`]+)`", told.partition("What to do:")[2])
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
        told = evidence["model"]["compared"]
        assert told["selected"] == int(decided.sum())
        assert told["differ"] > 0
        assert evidence["findings"][0] in evidence["model"]["notes"]


def test_the_table_is_long_enough() -> None:
    assert len(KINDS) >= 60
    assert isinstance(people(), pd.DataFrame)
    assert np.mean(people()["bits"]) == pytest.approx(0.3, abs=0.05)
