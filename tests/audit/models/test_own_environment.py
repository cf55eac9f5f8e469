"""A model in its own environment: nothing runs before a person has consented to these bytes, and then behind walls."""

from __future__ import annotations

import ast
import json
import pickle
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cli
from audit.documents.read import Documents
from audit.errors import CaseError, ModelError
from audit.load import load_case
from audit.load.cases import dump_case
from audit.models import own
from audit.models.own import Environment, OwnWorker, digest_of
from reports.sections.board.said import model_notices
from tests.audit.models.zoo.people import loans, people

HERE = f'python = "{sys.executable}"\n'


def case(folder: Path, model: str) -> Path:
    people().to_csv(folder / "people.csv", index=False)
    (folder / "case.toml").write_text(loans(["pay", "debt"]) + model)
    return folder / "case.toml"


def audit(path: Path) -> int:
    return cli.main(["audit", str(path), "--out", str(path.parent / "out")])


class Mark:
    """Leaves a mark where it is loaded."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return Path.touch, (self.place,)


def test_nothing_runs_without_consent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(Mark(tmp_path / "mark")))
    # An interpreter that would leave a mark if it were so much as started.
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    python.chmod(0o755)
    lines = 'path = "m.pkl"\npython = "python"\nload = "pickle"\n'
    assert audit(case(tmp_path, lines)) == 2
    errors = capsys.readouterr().err
    digest = sha256((tmp_path / "m.pkl").read_bytes()).hexdigest()
    assert f'`consent = "sha256:{digest}"`' in errors
    assert str(python) in errors
    assert "without network" in errors
    wrong = lines + f'consent = "sha256:{"0" * 64}"\n'
    assert audit(case(tmp_path, wrong)) == 2
    assert "is not what was consented to" in capsys.readouterr().err
    assert not (tmp_path / "started").exists()
    assert not (tmp_path / "mark").exists()


DEEDS = """
import os
import socket
import subprocess

PLACE = {place!r}


def deed(do):
    try:
        do()
    except BaseException:
        return 0
    return 1


def load(path):
    done = [
        deed(lambda: open(PLACE + "/people.csv").read()),
        deed(lambda: open("/etc/passwd").read()),
        deed(lambda: open(PLACE + "/mark", "w").write("x")),
        deed(lambda: open(path, "w").write("x")),
        deed(lambda: socket.create_connection(("127.0.0.1", 9), 1)),
        deed(lambda: socket.socket()),
        deed(lambda: subprocess.run(["/bin/true"])),
        deed(os.fork),
        deed(lambda: os.kill(os.getppid(), 0)),
    ]
    raise RuntimeError("deeds done: " + "".join(str(d) for d in done))
"""


def test_what_loading_may_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A loader of a person's own tries what it must not; it is told by what it says, and the disk agrees."""
    (tmp_path / "evil.py").write_text(DEEDS.format(place=str(tmp_path)))
    (tmp_path / "m.bin").write_bytes(b"weights")
    lines = f'path = "m.bin"\n{HERE}load = "evil:load"\n'
    digest = digest_of(tmp_path / "m.bin", Environment(Path(sys.executable), "evil:load", None, tmp_path))
    assert audit(case(tmp_path, lines + f'consent = "sha256:{digest}"\n')) == 2
    assert "deeds done: 000000000" in capsys.readouterr().err
    assert not (tmp_path / "mark").exists()
    assert (tmp_path / "m.bin").read_bytes() == b"weights"


def test_the_digest_is_of_all_that_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"weights")
    (tmp_path / "loader.py").write_text("def load(path): ...\n")
    alone = Environment(Path(sys.executable), "joblib", None, tmp_path)
    both = Environment(Path(sys.executable), "loader:load", None, tmp_path)
    assert digest_of(tmp_path / "m.bin", alone) == sha256(b"weights").hexdigest()
    before = digest_of(tmp_path / "m.bin", both)
    parts = [("code/loader.py", (tmp_path / "loader.py").read_bytes()), ("model/m.bin", b"weights")]
    lines = "".join(f"{sha256(content).hexdigest()}  {name}\n" for name, content in parts)
    assert before == sha256(lines.encode()).hexdigest()
    (tmp_path / "loader.py").write_text("def load(path): return 1\n")
    assert digest_of(tmp_path / "m.bin", both) != before
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    first = digest_of(folder, alone)
    (folder / "extra").write_bytes(b"")
    assert digest_of(folder, alone) != first
    (folder / "link").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match="has a link inside"):
        digest_of(folder, alone)


def test_what_is_digested_is_what_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file changes after it was read for its digest: the copy that was digested is loaded."""
    from sklearn.linear_model import LogisticRegression

    frame = people()
    path = tmp_path / "m.pkl"
    path.write_bytes(pickle.dumps(LogisticRegression(max_iter=500).fit(frame[["pay", "debt"]], frame["bits"])))
    consent = f"sha256:{sha256(path.read_bytes()).hexdigest()}"
    honest = OwnWorker._consented

    def late(self: OwnWorker, digest: str) -> None:
        honest(self, digest)
        path.write_bytes(pickle.dumps(Mark(tmp_path / "mark")))

    monkeypatch.setattr(OwnWorker, "_consented", late)
    with OwnWorker(path, Environment(Path(sys.executable), "pickle", consent, tmp_path)) as worker:
        assert worker.info.classes == ("0", "1")
        folder = Path(str(worker._folder))
        assert folder.exists()
    assert not folder.exists()
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ('path = "m"\npython = "p"', "`python` without `load`"),
        ('path = "m"\nload = "joblib"', "`load` without `python`"),
        ('path = "m"\npython = "p"\nload = "dill"', "`load` in [model] is not known"),
        ('path = "m"\npython = "p"\nload = "../x:load"', "`load` in [model] is not known"),
        ('path = "m"\nconsent = "sha256:00"', "`consent` without"),
        ('path = "m"\npython = "p"\nload = "pickle"\nconsent = "yes"', "is no digest"),
        ('path = "m"\nlink = "probit"', "'link' in [model] is not known"),
        ('path = "m"\nclasses = { 0 = "a", 1 = "a" }', "a name of its own"),
        ('decision = "bits"\nlink = "logit"', "no model file"),
        ('score = "pay"\nclasses = { 0 = "a", 1 = "b" }', "no model file"),
    ],
)
def test_keys_that_do_not_go_together(lines: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as caught:
        load_case(case(tmp_path, lines + "\n"))
    assert problem in caught.value.problem


def test_the_keys_are_written_as_they_are_read(tmp_path: Path) -> None:
    lines = f'path = "m.pkl"\n{HERE}load = "my.module:load"\nconsent = "sha256:{"a" * 64}"\nlink = "logit"\n'
    first = load_case(case(tmp_path, lines + 'classes = { -1 = "bad", "1.0" = "good" }\nthreshold = 0.3\n'))
    dump_case(first, tmp_path / "again.toml")
    assert load_case(tmp_path / "again.toml").model == first.model


def test_the_worker_is_read_by_old_interpreters() -> None:
    for name in ("own_worker.py", "own_loaders.py"):
        ast.parse(Path(own.__file__).with_name(name).read_text(), feature_version=(3, 8))


def test_scores_that_run_the_other_way_are_told_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = people()
    path = case(tmp_path, 'score = "p"\n')
    p = 1 / (1 + np.exp(-(0.1 * (frame.pay - 30) - 0.2 * (frame.debt - 5))))
    for score, turned in ((p, False), (1 - p, True)):
        frame.assign(p=score.round(4)).to_csv(tmp_path / "people.csv", index=False)
        assert audit(path) == 0
        evidence = json.loads((tmp_path / "out" / "evidence.json").read_bytes())
        assert ("wrong way round" in evidence["findings"][0]) is turned
        record = Documents({"evidence.json": (tmp_path / "out" / "evidence.json").read_bytes()}).evidence
        notices = " ".join(str(block) for block in model_notices(record))
        assert ("wrong way round" in notices) is turned
    capsys.readouterr()
