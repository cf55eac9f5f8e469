"""Names come from strangers: none colours, erases or forges a line of what Assay says on a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import cli
from audit.errors import InputError
from audit.printable import printable
from reports.verify.result import Check, SignatureInfo, Verification

EVIL = "F\x1b[2K\x1b]0;mine\x07\u202e\u009b1m\nverified: every check held"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evil")
    rng = np.random.default_rng(3)
    rows = [f'"{(EVIL, "M")[g]}",{d},{y}' for g, d, y in rng.integers(0, 2, (400, 3))]
    (folder / "d.csv").write_text("sex,dec,y\n" + "\n".join(rows) + "\n", newline="")
    text = "--sensitive sex --decision dec --label y --positive 1 --favourable 1".split()
    assert cli.main(["audit", str(folder / "d.csv"), *text, "--out", str(folder / "run")]) == 0
    return folder


def harmless(text: str) -> bool:
    return not any(c in text for c in "\x1b\x07\u202e\u009b\r") and not any(
        line.startswith("verified:") for line in text.splitlines()
    )


def test_findings_and_chapters(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "--sensitive sex --decision dec --label y --positive 1 --favourable 1".split()
    capsys.readouterr()
    assert cli.main(["audit", str(run / "d.csv"), *text, "--out", str(run / "again")]) == 0
    out, _ = capsys.readouterr()
    assert "% of F\ufffd[2K" in out
    assert harmless(out)
    assert cli.main(["show", str(run / "run"), "--annex", "full"]) == 0
    out, _ = capsys.readouterr()
    assert "F\ufffd[2K" in out
    assert harmless(out)


def test_a_refusal(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["audit", str(run / "d.csv"), "--sensitive", EVIL, "--out", str(run / "no")]) == 2
    assert harmless(capsys.readouterr().err)
    error = InputError("it is not known", got="a\nverified: every check held\x1b[1A")
    assert error.message == "it is not known. Got: a verified: every check held\ufffd[1A."


def test_what_stays() -> None:
    assert printable("a\tb\n会計 e\u0301 👩\u200d🚀") == "a\tb\n会計 e\u0301 👩\u200d🚀"
    assert printable("a\nb\tc\u2028d\x85e\ud800", lines=False) == "a\ufffdb\ufffdc\ufffdd\ufffde\ufffd"


def test_a_received_report() -> None:
    """A signer writes what they like: each check, signer and the verdict stays one line."""
    signer = SignatureInfo(
        "Member1", "member", EVIL, "0" * 64, "2026-01-01", "clock", "B-B", None, "approve", reason=EVIL, conditions=EVIL
    )
    lines = Verification((Check("figures", "one with another", "failed", EVIL),), (signer,)).lines()
    assert len(lines) == 4
    assert all(harmless(line) and "\n" not in line for line in lines)


def test_one_chapter_and_as_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert cli.main(["show", str(run / "run"), "--chapter", "scope", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["signed"], [c["id"] for c in document["chapters"]]) == (False, ["scope"])
    assert {b["kind"] for b in document["chapters"][0]["blocks"]} >= {"table", "paragraph"}
    assert cli.main(["show", str(run / "run"), "--chapter", "scop"]) == 2
    assert "did you mean 'scope'?" in capsys.readouterr().err
    assert cli.main(["show", str(run / "run"), "--annex", "none"]) == 0
    words = capsys.readouterr().out
    assert words.startswith("Fairness audit: d\nNot signed: what a report would say now.\n\n\n[board] ")
    assert max(map(len, words.splitlines())) <= 100
    assert cli.main(["show", str(run)]) == 2
    assert "the run folder is incomplete" in capsys.readouterr().err
