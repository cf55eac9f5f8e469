"""Every door by which a PDF comes in: none is parsed in the process that is called before one with limits judged it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import cli
from reports import known
from reports.keys import new_key
from reports.log import Log
from reports.log.record import keep_counts, new_entries
from tests.reports import hostile as h
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.test_hostile import BOMBS, ROOT, made
from tests.shared import ALONE

PASSWORD = "a long password"
Door = Callable[[Path], list[str]]
DOORS: dict[str, Door] = {
    "register_proof": lambda p: ["register", p / "log", "--proof", p / "bomb.pdf", "--out", p / "x.tlog-proof"],
    "register_add": lambda p: ["register", p / "log", "--add", p / "bomb.pdf"],
    "compare": lambda p: ["report", p / "run", "--key", p / "bo.p12", "--out", p / "out.pdf",
                          "--compare", p / "bomb.pdf"],
    "approve": lambda p: ["approve", p / "bomb.pdf", "--key", p / "bo.p12", "--decision", "approve", "--reason", "Yes"],
    "approve_with_log": lambda p: [*DOORS["approve"](p), "--log", p / "log"],
    "seal": lambda p: ["seal", p / "bomb.pdf", "--timestamp", "http://127.0.0.1:9"],
    "verify": lambda p: ["verify", p / "bomb.pdf"],
}  # fmt: skip
BOMB = "an_embedded_file_of_a_gibibyte"


@pytest.fixture(scope="module")
def place(small: Reports, pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a key, a log with one report in it, and bombs."""
    place = tmp_path_factory.mktemp("doors")
    kit.audited(place)
    new_key("Bo Board", place / "bo.p12", PASSWORD.encode())
    book = Log(place / "log")
    known.remember(small.certified)
    keep_counts(book, small.certified)
    book.append(lambda view: new_entries(view, small.certified))
    return place


@pytest.mark.parametrize("door", list(DOORS))
def test_no_door_is_blown_open(
    door: str, place: Path, pki: Pki, limits: object, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A cycle at each door: exit 4, and the parsers were not called in this process."""
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", PASSWORD)
    for parser in ("pikepdf.open", "pyhanko.pdf_utils.reader.PdfFileReader.__init__", "pypdfium2.PdfDocument.__init__"):
        monkeypatch.setattr(parser, lambda *_, **__: pytest.fail("a file from outside was parsed in this process"))
    (place / "bomb.pdf").write_bytes(made("pages_that_hold_each_other", pki))
    assert cli.main([str(a) for a in DOORS[door](place)]) == 4
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("door", ["register_proof", "compare"])
def test_a_bomb_of_a_gibibyte_takes_little_memory_at_a_door(door: str, place: Path, pki: Pki) -> None:
    (place / "bomb.pdf").write_bytes(made(BOMB, pki))
    code = (
        "import resource, sys, cli\ncode = cli.main(sys.argv[1:])\n"
        "print('peak', max(resource.getrusage(w).ru_maxrss for w in (0, -1)) // 1024, file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [*ALONE, sys.executable, "-c", code, *map(str, DOORS[door](place))], cwd=ROOT, capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | {"OMP_NUM_THREADS": "1", "ASSAY_KEY_PASSWORD": PASSWORD},
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stderr
    assert int(re.findall(r"peak (\d+)", done.stderr)[0]) < 1024


def test_the_report_that_stands_in_the_workspace_is_read_behind_walls_too(
    pki: Pki, limits: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The screen asks for its manifest before it shows anything of it."""

    def page(path: str) -> None:
        from pathlib import Path

        import streamlit as st

        from screens.report import manifest_of

        st.write(f"manifest {manifest_of(Path(path).read_bytes())}")

    bomb = tmp_path / "report.pdf"
    bomb.write_bytes(h.certified(BOMBS["an_outline_that_follows_itself"](), pki.auditor))
    monkeypatch.setattr("pikepdf.open", lambda *_, **__: pytest.fail("parsed in this process"))
    app = AppTest.from_function(page, default_timeout=120, kwargs={"path": str(bomb)}).run()
    assert not app.exception
    assert app.markdown[0].value == "manifest None"


def test_what_is_not_known_is_judged_and_comes_back_whole(small: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signatures and files of a child are those of this process, but for what a parser holds."""
    from dataclasses import replace

    from reports.log import record

    monkeypatch.setattr(known, "_known", {})
    manifest, signatures, files = record.read_report(small.rejected)
    mine, here = record._parsed(small.rejected)
    assert (signatures, dict(files)) == (tuple(replace(s, embedded=None) for s in mine), dict(here))
    assert record.steps_of(small.rejected, manifest, signatures) == record.steps_of(small.rejected, manifest, mine)
    assert known.is_known(small.rejected) is False
