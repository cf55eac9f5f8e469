"""A document of a run that does not belong with the others is not signed: what `assay verify` would refuse is refused
before, in its words, by the command, the job that a screen starts, and the facade."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assay
import cli
from audit.documents.table import DOCUMENTS
from audit.errors import AssayError, DataError
from audit.files import canonical
from audit.publish import publish_files
from debias import jobs
from reports.verify import verify
from tests.reports import kit
from tests.reports.pki import Pki
from tests.reports.test_stress_section import STRESS, WHATIF, named_as
from tests.shared import german

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a long password"


def told(name: str, change: Callable[[Any], object]) -> tuple[str, Callable[[Any], object]]:
    return name, change


def other_bands(cubes: Any) -> None:
    """Ages in two other bands, in every arm."""
    for cube in filter(None, cubes.values()):
        for margin in cube["margins"]:
            if "age" in margin["attribute"]:
                at = margin["attribute"].index("age")
                margin["groups"] = [[*g[:at], g[at].replace("25", "30"), *g[at + 1 :]] for g in margin["groups"]]


OLDER = {
    "the policy of the mitigation": told("mitigation.json", lambda d: d["policy"].update(sha256="0" * 64)),
    "the sha256 of the mitigation's data": told("mitigation.json", lambda d: d["data"].update(sha256="0" * 64)),
    "the sha256 of the model mitigated": told("mitigation.json", lambda d: d["base"].update(sha256="0" * 64)),
    "the data of the explanations": told("explain.json", lambda d: d["data"].update(sha256="0" * 64)),
    "the sha256 of the model explained": told("explain.json", lambda d: d["model"].update(sha256="0" * 64)),
    "measured on another cube": told("evidence.json", lambda d: d["cube"].update(sha256="0" * 64)),
    "the data of what could go wrong": told("stress.json", lambda d: d["data"].update(sha256="0" * 64)),
    "how many groups of the mitigation are none": told("mitigation.json", lambda d: other_bands(d["cubes"])),
    "how many groups of the explanations are none": told(
        "explain.json", lambda d: d["groups"][0].update(group=["<30"])
    ),
    "how many groups of what could go wrong are none": told(
        "stress.json", lambda d: d["serving"]["entries"][0]["counts"].update(groups=["<30", ">=30"])
    ),
    "how many groups of the variants are none": told("whatif.json", lambda d: d["aims"][0].update(groups=["<30"])),
    "how many norms of what could go wrong are none": told(
        "stress.json", lambda d: d["serving"]["entries"][0].update(limit=0.9)
    ),
    "how many norms of the variants are none": told(
        "whatif.json", lambda d: (d["aims"][0].update(limit=0.05), d["multiverse"][0].update(limit=0.05))
    ),
    "the name of a figure of the variants": told("whatif.json", lambda d: d["aims"][0].update(words="accuracy")),
    "the sha256 of the model of what could go wrong": told("stress.json", lambda d: d["model"].update(sha256="0" * 64)),
    "the people of what could go wrong": told("stress.json", lambda d: d["data"].update(audited_rows=600)),
    "the people of the variants": told("whatif.json", lambda d: d["data"].update(measured_rows=600)),
    "the case of the variants": told("whatif.json", lambda d: d["case"].update(name="Other")),
}
"""What is refused -> the document that is older than the others, and in what."""


@pytest.fixture
def run(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(shutil.copytree(german(tmp_path_factory), tmp_path / "run"))
    evidence = json.loads((folder / "evidence.json").read_bytes())
    for name, document in (("stress.json", STRESS), ("whatif.json", WHATIF)):
        about = {
            "case": evidence["case"],
            "data": evidence["data"] | document.get("data", {}),
            "model": evidence["model"],
        }
        (folder / name).write_bytes(canonical(named_as(document, (folder / "cube.json").read_bytes()) | about))
    return folder


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("key") / "ada.p12"
    assay.new_key("Ada", file, SECRET)
    return file


def report(run: Path, key: Path) -> list[str]:
    file = key.with_name("password")
    file.write_text(SECRET)
    return ["report", str(run), "--key", str(key), "--password-file", str(file), "--annex", "none",
            "--out", str(run / "report.pdf")]  # fmt: skip


@pytest.mark.usefixtures("measured_once")
@pytest.mark.parametrize("where", OLDER)
def test_what_would_be_refused_is_not_signed(
    where: str, run: Path, key: Path, pki: Pki, capsys: pytest.CaptureFixture[str]
) -> None:
    name, change = OLDER[where]
    document = json.loads((run / name).read_bytes())
    change(document)
    (run / name).write_bytes(canonical(document))
    assert cli.main(report(run, key)) == 2
    errors = " ".join(capsys.readouterr().err.split())
    assert f"{name} does not belong with the rest of the run, and `assay verify` would refuse the report" in errors
    assert f"`assay {DOCUMENTS[name].made_by}` again into the same folder" in errors
    assert (f"or take {name} out of it" in errors) is not DOCUMENTS[name].needed
    assert "Got: " in errors
    assert "Expected: " in errors
    assert where in errors
    assert not (run / "report.pdf").exists()
    files = publish_files({n: (run / n).read_bytes() for n in DOCUMENTS if (run / n).exists()})
    refused = verify(kit.report(files, pki.auditor), printer=kit.page).failed
    assert refused is not None
    assert refused.detail in errors, "the verification says the same"


def test_a_mitigation_that_is_older_than_the_policy(run: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Audited again under another policy, whose norms are the same: by the command, as a job, and by the facade."""
    for name in ("stress.json", "whatif.json"):
        (run / name).unlink()
    policy = (ROOT / "audit" / "policy.toml").read_text()
    (run / "policy.toml").write_text(f"# read again in May\n{policy}")
    case = (ROOT / "sample_data" / "german_credit.toml").read_text()
    for file in (ROOT / "sample_data").glob("german_credit*"):
        shutil.copy(file, run / file.name)
    (run / "case.toml").write_text(f'{case}\n[policy]\nfile = "policy.toml"\n')
    assert cli.main(["audit", str(run / "case.toml"), "--out", str(run), "--draws", "200", "--seed", "3"]) == 0
    capsys.readouterr()
    assert cli.main(report(run, key)) == 2
    errors = capsys.readouterr().err
    assert "mitigation.json does not belong with the rest of the run" in errors
    assert "the policy of the mitigation is told otherwise than it is" in errors
    job = jobs.start(report(run, key), run / "jobs")
    for _ in range(600):
        if (result := jobs.state(run / "jobs", job.id)).over:
            break
        time.sleep(0.1)
    assert (result.status, result.exit_code) == ("failed", 2)
    assert result.error is not None
    assert result.error in " ".join(errors.split())
    with pytest.raises(DataError, match=r"mitigation\.json does not belong") as refused:
        assay.open_run(run).report(run / "report.pdf", key=key, password=SECRET)
    assert isinstance(refused.value, AssayError)
    assert refused.value.todo in " ".join(errors.split())
    assert not (run / "report.pdf").exists()
    (run / "mitigation.json").unlink()
    assert cli.main(report(run, key)) == 0


@pytest.mark.parametrize(
    ("now", "where"),
    [
        ("bins = { age = [30] }", "how many groups of the mitigation are none"),
        ("bins = { age = [25] }", "the people of the mitigation"),
    ],
)
def test_a_mitigation_of_an_earlier_case_on_the_same_file_is_not_signed(
    now: str, where: str, run: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Audited again in other bands of age, or on the other part of the rows, of the same file in the same case."""
    samples = ROOT / "sample_data"
    text = (samples / "german_credit.toml").read_text().replace('path = "', f'path = "{samples}/')
    text = text.replace("bins = { age = [25] }", now)
    if "25" in now:
        text = text.replace('train = "train"', 'train = "test"').replace('audit = "test"', 'audit = "train"')
    (tmp_path / "case.toml").write_text(text)
    for name in ("explain.json", "stress.json", "whatif.json"):
        (run / name).unlink(missing_ok=True)
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(run), "--draws", "100"]) == 0
    capsys.readouterr()
    assert cli.main(report(run, key)) == 2
    assert where in capsys.readouterr().err
    assert not (run / "report.pdf").exists()
