"""A served model audited through the command line: what is sent, what is kept, what is said. The decisions that are
counted are those of the rule that the server serves, worked out here by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cli
from audit.documents.read import Documents
from audit.errors import CaseError
from audit.load import load_case
from audit.publish import publish_files
from reports.rerun import run_again
from reports.sections.board.said import model_notices
from tests.audit.served.served import CASE, FEATURES, Served, case, oip, rule, score, serving, table


def audit(path: Path, out: str = "out", *more: str) -> int:
    return cli.main(["audit", str(path), "--out", str(path.parent / out), "--draws", "200", *more])


def evidence(folder: Path, out: str = "out") -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / out / "evidence.json").read_bytes())
    return document


def rates(result: dict[str, Any]) -> dict[str, float]:
    return {r["group"][0]: r["value"] for r in result["rates"] if r["metric"] == "selection_rate" and r["group"]}


def wanted() -> dict[str, float]:
    frame = table()
    return {str(k): float(v) for k, v in frame.assign(d=rule(frame)).groupby("sex").d.mean().items()}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """One audit of an endpoint that answers, and the server, still up."""
    folder = tmp_path_factory.mktemp("served")
    with serving() as served:
        assert audit(case(folder, oip(served))) == 0
        yield served, folder


def test_the_decisions_are_the_servers(done: tuple[Served, Path]) -> None:
    result = evidence(done[1])
    assert rates(result) == pytest.approx(wanted())
    model = result["model"]
    assert (model["kind"], model["sha256"], model["format"], model["rule"]) == ("endpoint", None, "oip", "predict")
    assert model["compared"]["differ"] == 0
    assert model["served"]["identity"] == "not established"
    assert model["served"]["sent"] == FEATURES
    assert model["served"]["server"]["model_version"] == "7"
    assert model["served"]["asked_again"] == 0, "no question needed a second try"


def test_nothing_but_the_features_is_sent(done: tuple[Served, Path]) -> None:
    served, _ = done
    for body in served.asked:
        assert [i["name"] for i in json.loads(body)["inputs"]] == FEATURES


def test_page_one_says_that_nobody_knows_which_model_answers(done: tuple[Served, Path]) -> None:
    content = Documents({"evidence.json": (done[1] / "out" / "evidence.json").read_bytes()}).evidence
    words = " ".join(str(block) for block in model_notices(content))
    assert "identity is not established" in words
    assert "version 7" in words


def test_latency_by_group_is_of_those_asked_alone(done: tuple[Served, Path]) -> None:
    result = evidence(done[1])["model"]["served"]
    alone = result["latency"]["by_group"]
    assert sum(g["rows"] for g in alone) == result["alike"]["rows"] == 200
    assert all(0 < g["low"] <= g["p50_ms"] <= g["high"] for g in alone)
    assert result["latency"]["alone"]["requests"] == 200


def test_the_same_bytes_again_with_the_server_and_without(done: tuple[Served, Path]) -> None:
    served, folder = done
    first = (folder / "out" / "evidence.json").read_bytes()
    before = len(served.asked)
    assert audit(folder / "case.toml") == 0
    assert (folder / "out" / "evidence.json").read_bytes() == first
    assert len(served.asked) == before + 1, "only whether it still gives the same answers is asked"
    shutil.copytree(folder / "out", folder / "moved")
    (folder / "moved" / "evidence.json").unlink()
    before = len(served.seen)
    assert audit(folder / "case.toml", "moved", "--offline") == 0
    assert (folder / "moved" / "evidence.json").read_bytes() == first
    assert len(served.seen) == before, "offline, the server hears nothing"


def test_offline_without_answers_is_refused(done: tuple[Served, Path], capsys: pytest.CaptureFixture[str]) -> None:
    served, folder = done
    before = len(served.seen)
    assert audit(folder / "case.toml", "empty", "--offline") == 2
    assert "not all answers are kept" in capsys.readouterr().err
    assert len(served.seen) == before


def test_no_value_of_a_person_is_kept(done: tuple[Served, Path]) -> None:
    text = (done[1] / "out" / "answers.jsonl").read_text()
    assert not any(word in text for word in ("clerk", "nurse", "smith", "pay"))
    assert (done[1] / "out" / "answers.jsonl").stat().st_mode & 0o077 == 0


def test_kept_answers_are_forgotten_with_the_run(
    done: tuple[Served, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    shutil.copytree(done[1] / "out", tmp_path / "out")
    shutil.copy(done[1] / "case.toml", tmp_path)
    assert (tmp_path / "out" / "answers.jsonl").exists()
    assert cli.main(["forget", str(tmp_path / "case.toml"), "--run", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "answers.jsonl").exists()


def test_an_endpoint_is_explained_within_the_bound_that_was_said(
    done: tuple[Served, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    served, folder = done
    before = len(served.asked)
    words = ["explain", str(folder / "case.toml"), "--out", str(folder / "out")]
    assert cli.main(words) == 0
    assert f"{served.place} is asked about at most 300,000 made-up rows" in capsys.readouterr().err
    asked = sum(len(json.loads(b)["inputs"][0]["data"]) for b in served.asked[before:])
    assert 1_000 < asked <= 300_000
    first = (folder / "out" / "explain.json").read_bytes()
    explained = json.loads(first)
    assert explained["explained"]
    assert [f["feature"] for f in explained["global"]][-1] == "age", "the one feature that the server does not read"
    assert cli.main([*words, "--offline"]) == 0
    assert (folder / "out" / "explain.json").read_bytes() == first


def test_thresholds_by_group_over_the_scores_of_an_endpoint(done: tuple[Served, Path], tmp_path: Path) -> None:
    served, _ = done
    frame = pd.concat([table()] * 3, ignore_index=True)
    path = case(tmp_path, oip(served), frame=frame)
    words = ["mitigate", str(path), "--out", str(tmp_path / "out"), "--method", "group_thresholds"]
    assert cli.main(words) == 0
    document = json.loads((tmp_path / "out" / "mitigation.json").read_bytes())
    assert any("stays where it is served" in n for n in document["notes"])
    # The file decides by the scores alone, in a column: as the comparison says it does.
    frame["endpoint_score"] = score(frame[FEATURES].to_dict("records"))
    model = f'path = "{tmp_path}/out/mitigated.json"'
    text = CASE.replace('["age", "pay", "debt", "job"]', '["endpoint_score"]')
    (tmp_path / "later").mkdir()
    assert audit(case(tmp_path / "later", model, text=text, frame=frame)) == 0
    assert cli.main([*words[:-1], "reweighing"]) == 0
    notes = json.loads((tmp_path / "out" / "mitigation.json").read_bytes())["notes"]
    assert any("answers of an endpoint but no model to fit again" in n for n in notes)


def test_an_audit_of_an_endpoint_is_made_again_from_the_kept_answers(done: tuple[Served, Path]) -> None:
    """What `verify --rerun` does, without the signed report around it."""
    served, folder = done
    files = {n: (folder / "out" / n).read_bytes() for n in ("evidence.json", "cube.json")}
    with pytest.raises(CaseError, match="does not name them"):
        run_again(load_case(folder / "case.toml"), files)
    before = len(served.seen)
    text = (folder / "case.toml").read_text()
    (folder / "kept.toml").write_text(
        text.replace('protocol = "oip"', 'protocol = "oip", answers = "out/answers.jsonl"')
    )
    assert run_again(load_case(folder / "kept.toml"), files) == publish_files(files)
    assert len(served.seen) == before


def test_latency_of_a_withheld_group_does_not_leave(served_small: tuple[Path, Any]) -> None:
    folder, _ = served_small
    files = {n: (folder / "out" / n).read_bytes() for n in ("evidence.json", "cube.json")}
    document = json.loads(files["evidence.json"])["model"]["served"]["latency"]["by_group"]
    assert {g["group"][0] for g in document} == {"F", "M", "X"}
    sent = json.loads(publish_files(files)["evidence.json"])["model"]["served"]["latency"]["by_group"]
    assert sent == [], "of three groups, two and the total would give the third away"


@pytest.fixture
def served_small(done: tuple[Served, Path], tmp_path: Path) -> tuple[Path, Any]:
    """Five people of a third group."""
    frame = table().head(60)
    frame.loc[:4, "sex"] = "X"
    assert audit(case(tmp_path, oip(done[0]), frame=frame)) == 0
    return tmp_path, frame
