"""A report whose names are written in other scripts, from the case to the verified PDF, by the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pypdfium2
import pytest

from cli import main

CASE = """
[case]
name = "Кредити Ελλάδα"
purpose = "Кому надають позику"
[data]
path = "loans.csv"
label = "повернено"
positive = "так"
favourable = "так"
sensitive = ["місто"]
[model]
decision = "надано"
"""


def test_names_in_cyrillic_and_greek_are_printed_and_verify(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 120
    pd.DataFrame(
        {"місто": ["Київ", "Αθήνα", "Łódź"] * 40, "повернено": ["так", "ні"] * 60, "надано": ["так", "так", "ні"] * 40}
    ).to_csv(tmp_path / "loans.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE, encoding="utf-8")
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", "a long password")
    run, key, pdf = str(tmp_path / "run"), str(tmp_path / "k.p12"), str(tmp_path / "r.pdf")
    assert main(["audit", str(tmp_path / "case.toml"), "--out", run]) == 0
    assert main(["keys", "new", "--name", "Ірина Аудитор", "--out", key]) == 0
    assert main(["report", run, "--key", key, "--annex", "none", "--out", pdf]) == 0
    assert "No font on this machine" not in capsys.readouterr().err
    assert main(["verify", pdf, "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert next(c for c in checks if c["check"] == "printed pages")["status"] == "ok"
    with pypdfium2.PdfDocument(pdf) as document:
        pages = [page.get_textpage().get_text_range() for page in document]
    assert "Кредити Ελλάδα" in pages[0]
    assert f"{rows} people" in pages[0]
    assert all(name in "".join(pages) for name in ("Київ", "Αθήνα", "Łódź", "Ірина Аудитор"))
