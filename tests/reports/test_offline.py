"""The script for people without Assay: it agrees with Assay on honest reports, and catches what it should.

It runs alone: `python -I -S`, an empty folder, no environment but PATH.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from reports.sign import certify, seal
from tests.reports import kit
from tests.reports import test_attacks as bad
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

NAME = "reports/check_offline/check.py"


def check(pdf: bytes, folder: Path, root: Path, *more: str) -> tuple[int, str]:
    """Exit code and output of the script, copied beside the report, with nothing of this environment."""
    (folder / "r.pdf").write_bytes(pdf)
    shutil.copy(root / NAME, folder / "check.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "check.py", "r.pdf", *more], cwd=folder, capture_output=True, text=True,
        timeout=120, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("state", ["certified", "approved", "rejected", "archived"])
def test_every_honest_state_holds(state: str, small: Reports, pki: Pki, tmp_path: Path, root: Path) -> None:
    if state == "archived":
        pdf = seal(small.rejected, pki.timestamper(), field="ArchiveTimestamp")
    else:
        pdf = getattr(small, state)
    code, message = check(pdf, tmp_path, root, pki.auditor.fingerprint.upper())
    assert code == 0, message
    assert "FAILED" not in message
    assert "ok      selection_rate everyone: 0.557143 [0.440836, 0.667505]" in message  # 39 of 70, Wilson by hand
    assert f"certificate {pki.auditor.fingerprint}" in message
    if state != "certified":
        assert "Member1 states: APPROVE: Inside the norms." in message


def test_the_wilson_interval_of_the_test_above_by_hand() -> None:
    p, n, z2 = 39 / 70, 70, 1.959963984540054**2
    root = (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5 * z2**0.5
    assert round((p + z2 / (2 * n) - root) / (1 + z2 / n), 6) == 0.440836
    assert round((p + z2 / (2 * n) + root) / (1 + z2 / n), 6) == 0.667505


HARD = {
    "weights": '[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\nsensitive = ["sex", "area"]\n'
    'weight = "w"\n',
    "people": '[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\nsensitive = ["sex", "area"]\n'
    'cluster = "who"\n',
    "people with weights": '[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\nsensitive = ["sex", "area"]\n'
    'cluster = "who"\nweight = "w"\n',
    "reference": '[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\nsensitive = ["sex", "area"]\n'
    '[data.reference]\nsex = "m"\n',
    "other side": '[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\nfavourable = "0"\n'
    'sensitive = ["sex", "area"]\n',
    "no outcome": '[data]\npath = "rows.csv"\npositive = "1"\nsensitive = ["sex", "area"]\n',
}


@pytest.mark.parametrize("kind", HARD)
def test_it_agrees_where_the_data_are_difficult(kind: str, pki: Pki, tmp_path: Path, root: Path) -> None:
    """Weights, people in several rows, a reference group, the other favourable value, no outcomes; unknown values and
    small groups in all."""
    rows = [
        f"{'' if i % 11 == 0 else 'fm'[i % 2]},{'abcd'[(i * i) % 4 if i > 8 else 3]},{i % 13 if i % 17 else ''},"
        f"{int(i * 7 % 13 < 6)},{1 + i % 3},{i * i % 97}\n"
        for i in range(160)
    ]
    rows = [r.replace(f",{v},", f",{int(v > 5)},", 1) if (v := _third(r)) is not None else r for r in rows]
    (tmp_path / "rows.csv").write_text("sex,area,truth,decided,w,who\n" + "".join(rows))
    case = '[case]\nname = "Hard"\npurpose = "x"\n' + HARD[kind] + '[model]\ndecision = "decided"\n'
    (tmp_path / "case.toml").write_text(case)
    run_audit(load_case(tmp_path / "case.toml"), tmp_path / "run", Settings(draws=200))
    files = {name: (tmp_path / "run" / name).read_bytes() for name in ("cube.json", "evidence.json")}
    code, message = check(kit.report(files, pki.auditor), tmp_path, root)
    assert code == 0, "\n".join(w for w in message.splitlines() if w.startswith("FAILED"))
    assert message.count("not estimable") >= (30 if kind == "no outcome" else 0)


def _third(row: str) -> int | None:
    value = row.split(",")[2]
    return int(value) if value else None


def wrong_bound(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        document["rates"][5]["high"] += 0.01

    return kit.report(kit.edited(r.files, "evidence.json", change), p.auditor)


def wrong_gap(r: Reports, p: Pki) -> bytes:
    def change(document: Any) -> None:
        next(g for g in document["gaps"] if g["estimable"])["value"] /= 2

    return kit.report(kit.edited(r.files, "evidence.json", change), p.auditor)


def signed(change: Callable[[Any], None]) -> bad.Attack:
    """A board member with a valid key changes more than the own field."""

    def make(r: Reports, p: Pki) -> bytes:
        return kit.signed_update(r.certified, p.bo, "Member1", change)

    return make


def by_a_stranger(r: Reports, p: Pki) -> bytes:
    return certify(r.draft, p.alone, field="Auditor", reason="x").pdf


ATTACKS: list[tuple[str, bad.Attack]] = [
    ("no signature", bad.unsigned_draft),
    ("covers the file to its last byte", bad.comment_behind_the_end),
    ("are valid", bad.bit_flipped_in_the_first_page),
    ("last byte", lambda r, p: kit.update(r.certified, bad.new_title)),
    ("nothing changed but signature fields", signed(bad.new_title)),
    ("nothing changed but signature fields", signed(bad.note_on_the_page)),
    ("true_positive_rate everyone", bad.edited_rate),
    ("false_positive_rate", wrong_bound),
    ("difference of selection_rate by sex", wrong_gap),
    ("people m", bad.edited_count),
    ("rates, none missing", bad.a_rate_left_out),
    ("the evidence names this cube", bad.edited_cube),
    ("people f", bad.edited_cube_with_its_hash),
    ("sha256 of cube.json", bad.manifest_with_another_hash),
    ("those of the manifest", bad.a_file_that_the_manifest_does_not_list),
    ("manifest names", by_a_stranger),
]


@pytest.mark.parametrize("words, make", ATTACKS, ids=[f"{i} {w}" for i, (w, _) in enumerate(ATTACKS)])
def test_a_bad_report_is_caught_and_named(
    words: str, make: bad.Attack, small: Reports, pki: Pki, tmp_path: Path, root: Path
) -> None:
    pdf = make(small, pki)
    assert isinstance(pdf, bytes)
    code, message = check(pdf, tmp_path, root)
    assert code == 1
    assert any(words in s for s in message.splitlines() if s.startswith("FAILED")), message


def test_another_key_than_the_one_given_is_caught(small: Reports, pki: Pki, tmp_path: Path, root: Path) -> None:
    code, message = check(small.certified, tmp_path, root, pki.bo.fingerprint)
    assert code == 1
    assert "FAILED  the certifying key is the one you were given" in message


def test_the_script_is_short_and_uses_nothing_but_the_standard_library(root: Path) -> None:
    text = (root / NAME).read_text()
    assert len([w for w in text.splitlines() if w.strip()]) <= 240
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
            assert {n.partition(".")[0] for n in names} <= sys.stdlib_module_names


def test_the_page_of_instructions_holds_this_very_script(root: Path) -> None:
    page = (root / "docs" / "verify-without-assay.md").read_text()
    assert page.partition("```python\n")[2] == (root / NAME).read_text() + "```\n"
