"""`assay.audit(model=...)`: a served model and one in its own environment, with the bytes of the command line."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pytest
from sklearn.linear_model import LogisticRegression

import assay
import cli
from tests.audit.models.zoo.people import NUMBERS, people
from tests.audit.served.served import FEATURES, Served, rule, serving

ROLES: dict[str, Any] = {"label": "bits", "positive": 1, "favourable": 1, "sensitive": ["sex"], "draws": 50}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving() as server:
        yield server


def loans(served: Served, **more: Any) -> dict[str, Any]:
    named = {"send_to": served.place, "output": "p", "decision": "label", "columns": ["0", "1"], **more}
    return assay.endpoint(f"{served.url}/v2/models/loans", **named)


def test_an_endpoint_is_audited_as_the_command_line_does(served: Served, tmp_path: Path) -> None:
    frame = people()
    run, again = tmp_path / "run", tmp_path / "again"
    result = assay.audit(frame, model=loans(served), features=FEATURES, out=run, **ROLES)
    counts = result.counts().query("attribute == 'sex'").set_index("group")
    decided = rule(frame)
    for group, rows in frame.groupby("sex"):
        assert counts.loc[group, "tp"] == (decided[rows.index] & rows["bits"]).sum()
    assert result.evidence["model"]["served"]["sent"] == FEATURES
    again.mkdir()
    shutil.copy(run / "answers.jsonl", again)  # how long it took is kept there too
    before = len(served.seen)
    assert cli.main(["audit", str(run / "case.toml"), "--out", str(again), "--draws", "50", "--offline"]) == 0
    assert (again / "evidence.json").read_bytes() == (run / "evidence.json").read_bytes()
    shutil.copytree(run, tmp_path / "once")
    (tmp_path / "once" / "evidence.json").unlink()
    offline = assay.audit(frame, model=loans(served), features=FEATURES, out=tmp_path / "once", offline=True, **ROLES)
    assert offline.evidence == result.evidence
    assert assay.audit_case(run / "case.toml", run, draws=50, offline=True).evidence == result.evidence
    assert len(served.seen) == before, "offline, the server hears nothing"
    with pytest.raises(assay.AssayError, match="not all answers are kept"):
        result.explain(offline=True)
    assert len(served.seen) == before


def test_nothing_is_sent_before_a_person_agrees(served: Served) -> None:
    before = len(served.seen)
    with pytest.raises(assay.AssayError, match=re.escape(f'send_to = "{served.place}"')):
        assay.audit(people(), model=loans(served, send_to=None), features=FEATURES, **ROLES)
    with pytest.raises(assay.AssayError, match=r"pass features=\[\.\.\.\]"):
        assay.audit(people(), model=loans(served), **ROLES)
    assert len(served.seen) == before


def test_a_template_of_json(served: Served) -> None:
    model = assay.endpoint(f"{served.url}/score", protocol="json", send_to=served.place, request={"people": "$rows"},
                           decision="out[*].is")  # fmt: skip
    keys = {**model, "classes": {"false": "0", "true": "1"}}
    counts = assay.audit(people(), model=keys, features=FEATURES, **ROLES).counts().query("attribute == 'sex'")
    assert (counts["tp"] + counts["fp"]).sum() == rule(people()).sum()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"protocol": "opi"}, "opi"),
        ({"url": "http://models.example/x"}, "unencrypted"),
        ({"request": {"a": "$rows"}}, "has a `request` for protocol oip"),
        ({"token_env": "a secret"}, "no name of a variable"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_refused_at_once(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(assay.AssayError, match=words):
        assay.endpoint(**{"url": "https://models.example/v2/models/loans", **keys})


def test_a_pickle_in_its_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines that the refusals print are the keys that a notebook passes."""
    monkeypatch.chdir(tmp_path)
    frame = people()
    model = LogisticRegression(max_iter=500, class_weight="balanced").fit(frame[NUMBERS], frame["bits"])
    joblib.dump(model, "m.pkl")
    with pytest.raises(assay.AssayError, match="is a pickle"):
        assay.audit(frame, model="m.pkl", features=NUMBERS, **ROLES)
    keys = {"path": "m.pkl", "python": sys.executable, "load": "joblib"}
    with pytest.raises(assay.AssayError) as asked:
        assay.audit(frame, model=keys, features=NUMBERS, **ROLES)
    consent = re.search(r'`consent = "(sha256:[0-9a-f]{64})"`', str(asked.value))
    assert consent is not None
    result = assay.audit(frame, model=keys | {"consent": consent[1]}, features=NUMBERS, **ROLES)
    counts = result.counts().query("attribute == 'sex'")
    assert (counts["tp"] + counts["fp"]).sum() == model.predict(frame[NUMBERS]).sum()
    with pytest.raises(assay.AssayError, match="lod"):
        assay.audit(frame, model={"path": "m.pkl", "lod": "joblib"}, features=NUMBERS, **ROLES)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(assay.AssayError, match="MLFLOW_TRACKING_URI"):
        assay.audit(frame, model="mlflow:loans@champion", features=NUMBERS, **ROLES)
