"""`assay verify REPORT.pdf --rerun CASE.toml` where the report holds a candidate that a person picked."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, scale

import cli
from audit.errors import ModelError
from audit.gaps import Settings
from audit.load import load_case
from audit.models.write import skops_bytes
from audit.run import run_audit
from debias.mitigate import run_mitigate
from debias.picked import Picked
from reports.issue import collect
from reports.rerun import run_again
from reports.verify import verify
from reports.verify.figures import check_mitigation, check_search
from reports.verify.reading import attachments_of
from reports.verify.rerun import check_rerun
from reports.verify.result import Broken
from tests.reports import kit
from tests.reports.pki import Pki
from tests.reports.test_no_quotes import LOUD, QUIET, assert_silent, places, put, renamed
from tests.reports.test_rerun import of_inputs

CASE = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "loans.csv"
label = "repaid"
positive = "yes"
sensitive = ["sex", "region"]
features = ["merit", "proxy"]
[model]
score = "score"
threshold = 0.5
"""
NUMBER = 2
REVIEWED = "sklearn.preprocessing._data.scale"


def loans(n: int = 450) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    sex = rng.choice(["f", "m"], n)
    merit = rng.normal(size=n)
    proxy = (sex == "m") + rng.normal(scale=0.6, size=n)
    good = merit + 1.2 * (sex == "m") + rng.normal(scale=0.8, size=n) > 0.6
    return pd.DataFrame(
        {
            "merit": merit.round(4),
            "proxy": proxy.round(4),
            "sex": sex,
            "region": rng.choice(["north", "south"], n),
            "repaid": np.where(good, "yes", "no"),
            "score": (1 / (1 + np.exp(-(1.2 * merit + proxy - 1)))).round(6),
        }
    )


@dataclass(frozen=True)
class Made:
    """A case file, its run folder and the signed report of it."""

    case: Path
    run: Path
    key: Path
    report: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Audited, searched, picked and signed by the command line."""
    place = tmp_path_factory.mktemp("loans")
    built = Made(place / "case.toml", place / "run", place / "ada.p12", place / "report.pdf")
    loans().to_csv(place / "loans.csv", index=False)
    built.case.write_text(CASE)
    (place / "password").write_text("a long password\n")
    search = ("--search", "--trials", 2, "--method", "constrained_boosting", "--attribute", "sex")
    say("audit", built.case, "--out", built.run, "--draws", 60)
    say("mitigate", built.case, "--out", built.run, *search)
    say("mitigate", built.case, "--out", built.run, "--pick", NUMBER, "--reason", "narrow", "--by", "Bo")
    say("keys", "new", "--name", "Ada", "--out", built.key, "--password-file", place / "password")
    sign(built, built.run, built.report)
    return built


def say(*words: object) -> None:
    assert cli.main([str(w) for w in words]) == 0


def sign(made: Made, run: Path, out: Path) -> None:
    say("report", run, "--key", made.key, "--password-file", made.key.with_name("password"), "--out", out,
        "--annex", "none")  # fmt: skip


def another(made: Made, folder: Path, **other: Any) -> Path:
    """A run folder in which a candidate made otherwise stands under the number of the one that was picked."""
    shutil.copytree(made.run, folder)
    document = json.loads((folder / "mitigation.json").read_bytes())
    choice = {k: v for k, v in document["choice"].items() if k != "same_model"}
    asked: dict[str, Any] = {
        "seed": document["seed"],
        "constraint": document["parameters"]["constraint"],
        "attributes": document["parameters"]["attributes"],
        "tolerance": document["parameters"]["tolerance"],
        "hyper": document["search"]["hyper"],
    } | other
    hyper = asked.pop("hyper")
    (folder / "mitigation.json").unlink()
    run_mitigate(
        load_case(made.case), document["method"], folder, picked=Picked(NUMBER, hyper, None, choice), **asked
    )  # fmt: skip
    return folder


def test_the_picked_candidate_is_made_again(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["verify", str(made.report), "--rerun", str(made.case), "--json"])
    out, err = capsys.readouterr()
    assert code == 0, err
    detail = next(c["detail"] for c in json.loads(out)["checks"] if c["check"] == "rerun")
    assert "same bytes: cube.json, evidence.json, mitigation.json, search.json" in detail
    assert "not run again" not in detail


def test_another_candidate_under_its_number_is_caught(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by a program that does not look, with figures that follow from its own counts: its seed is not the
    search's, and the rerun differs."""
    forged = tmp_path / "forged.pdf"
    monkeypatch.setattr("reports.issue.demand_consistent", lambda files: None)
    sign(made, another(made, tmp_path / "run", seed=9), forged)
    assert cli.main(["verify", str(forged), "--rerun", str(made.case)]) == 4
    out, _ = capsys.readouterr()
    assert "choice of a candidate" in out
    assert "seed does not follow" in out
    files = attachments_of(forged.read_bytes())
    with pytest.raises(Broken, match=r"mitigation\.json"):
        check_rerun(files, run_again(load_case(made.case), files))


@pytest.fixture(scope="module")
def again(made: Made) -> dict[str, bytes]:
    return run_again(load_case(made.case), collect(made.run))


def test_what_it_was_made_with_is_that_of_the_search(made: Made, again: dict[str, bytes], tmp_path: Path) -> None:
    """Other attributes, tolerance and parameters than the candidate has in the search, all stated."""
    files = collect(another(made, tmp_path / "run", attributes=["region"], tolerance=0.3, hyper={"trees": 41}))
    assert check_mitigation(files, {})
    for remade in (run_again(load_case(made.case), files), again):
        # The run made again does not follow them, nor does it pass beside that of the honest report.
        with pytest.raises(Broken, match=r"mitigation\.json"):
            check_rerun(files, remade)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["flips"][0].update(to_favourable=d["flips"][0]["to_favourable"] + 1),
        lambda d: d["constraint"].update(reached=0.0),
        lambda d: d["changes"][0].update(after=d["changes"][0]["before"]),
        lambda d: d["model"].update(sha256="0" * 64),
        lambda d: d["choice"].update(looked_at=4),
        lambda d: d["choice"].update(on_front=not d["choice"]["on_front"]),
        lambda d: d["notes"].pop(),
    ],
)
def test_a_changed_word_or_figure_of_the_choice_is_caught(made: Made, again: dict[str, bytes], change: Any) -> None:
    files = collect(made.run)
    document = json.loads(files["mitigation.json"])
    change(document)
    with pytest.raises(Broken, match=r"mitigation\.json"):
        check_rerun({**files, "mitigation.json": json.dumps(document).encode()}, again)


def test_a_pick_of_a_search_that_is_not_there_is_made_from_its_record(made: Made) -> None:
    files = collect(made.run)
    alone = {n: b for n, b in files.items() if n != "search.json"}
    remade = run_again(load_case(made.case), alone)
    assert remade["mitigation.json"] == files["mitigation.json"]
    assert check_search(files)


def test_a_model_with_a_type_that_needs_review_is_run_again_by_who_reviewed_it(tmp_path: Path) -> None:
    frame = loans(200)
    frame.to_csv(tmp_path / "loans.csv", index=False)
    path = tmp_path / "case.toml"
    path.write_text(CASE.replace('score = "score"', 'path = "model.skops"'))
    model = make_pipeline(FunctionTransformer(scale), LogisticRegression()).fit(frame[["merit", "proxy"]], frame.repaid)
    (tmp_path / "model.skops").write_bytes(skops_bytes(model))
    case = load_case(path)
    run_audit(case, tmp_path / "run", Settings(draws=100), allow=[REVIEWED])
    files = collect(tmp_path / "run")
    with pytest.raises(ModelError, match=REVIEWED):
        run_again(case, files)
    assert run_again(case, files, [REVIEWED]) == files


@pytest.mark.parametrize("name", ["mitigation.json", "search.json"])
def test_no_refusal_quotes_what_was_made(name: str, made: Made, pki: Pki) -> None:
    """As in test_no_quotes: a marker for a text or a key, by the whole verification and by a new run."""
    honest = collect(made.run)
    seen = 0
    for number, path in enumerate(places(json.loads(honest[name]), 24, name)):
        if "attribute" in path or "attributes" in path:
            continue
        change = (put, renamed)[number % 2](path, (LOUD, QUIET)[number // 2 % 2])
        files = kit.edited(honest, name, change)
        assert "zqx" not in refusal(files, honest, name).lower(), path
        if seen < 2 and number % 2:
            seen += assert_silent(verify(kit.report(files, pki.auditor), printer=kit.page), path)
    assert seen >= 1


def refusal(files: dict[str, bytes], again: dict[str, bytes], name: str) -> str:
    """What a new run says of these files, which differ in that of this name alone; nothing where it says no."""
    assert [n for n in files if files[n] != again[n]] == [name]
    try:
        check_rerun(*(of_inputs(part, name) for part in (files, again)))
    except Broken as broken:
        return " ".join((broken.problem, broken.got, broken.expected, broken.todo))
    return ""
