"""Names in scripts that no font draws: found before signing, told by number, and the same pages on every machine."""

from __future__ import annotations

import json
from pathlib import Path

import pypdfium2
import pytest

from cli import main
from reports import setting
from reports.undrawn import substitute_names

CASE = """[case]
name = "Loans 银行"
purpose = "Who gets a loan"
owner = "ባንክ of the city"
[data]
path = "rows.csv"
label = "paid"
positive = "1"
sensitive = ["性别", "place"]
[model]
decision = "given"
"""
GROUPS = ("女性", "男性"), ("दिल्ली", "አዲስ አበባ", "Αθήνα", "plain 🦊")
SCRIPTS = ("CJK", "DEVANAGARI", "ETHIOPIC")


def test_from_the_case_to_the_verified_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setting, "_fonts", lambda signs: {"DejaVu-Sans": "0" * 64})  # whatever this machine has
    lines = [f"{GROUPS[0][i % 2]},{GROUPS[1][i % 4]},{i // 8 % 2},{int(i % 3 > 0)}" for i in range(240)]
    (tmp_path / "rows.csv").write_text("性别,place,paid,given\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "case.toml").write_text(CASE, encoding="utf-8")
    monkeypatch.setenv("ASSAY_KEY_PASSWORD", "a long password")
    run, key, pdf = str(tmp_path / "run"), str(tmp_path / "k.p12"), str(tmp_path / "r.pdf")
    assert main(["audit", str(tmp_path / "case.toml"), "--out", run, "--draws", "60"]) == 0
    assert main(["keys", "new", "--name", "Ada", "--out", key]) == 0
    assert main(["report", run, "--key", key, "--annex", "none", "--out", pdf]) == 0
    warned = capsys.readouterr().err
    assert all(script in warned for script in SCRIPTS)
    assert "printed as numbers" in warned
    with pypdfium2.PdfDocument(pdf) as document:
        pages = [" ".join(page.get_textpage().get_text_range().split()) for page in document]
        held = {document.get_attachment(i).get_name() for i in range(document.count_attachments())}
    whole = " ".join(pages)
    assert not [c for c in whole if setting_lacks(c)], "no letter that the font lacks is asked for"
    assert "No font draws Devanagari, Ethiopic or CJK letters" in pages[0]
    assert "group 1 of column 1" in whole
    assert "group 2 of column 1" in whole
    assert {f"group {n} of place" for n in (1, 2, 3, 4) if f"group {n} of place" in whole} >= {"group 3 of place"}
    assert "Αθήνα" in whole, "what the font draws stays a name"
    assert "plain [fox face]" in whole
    assert "Owner: [Ethiopic text] of the city" in pages[0]
    assert "evidence.json" in held
    # A machine that has the fonts: the manifest says how the pages were made.
    monkeypatch.setattr(setting, "_fonts", lambda signs: {"DejaVu-Sans": "0" * 64, "Noto-Sans-CJK": "1" * 64})
    assert main(["verify", pdf, "--json"]) in (0, 5)
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert next(c for c in checks if c["check"] == "printed pages")["status"] == "ok"


def setting_lacks(c: str) -> bool:
    from reports.undrawn import script_of

    return script_of(c) is not None


def test_only_letters_that_the_font_lacks_are_ever_replaced() -> None:
    """A manifest that lists another script hides no name."""
    assert substitute_names("Женщины, women", {}, ("CYRILLIC", "LATIN")) == "Женщины, women"
    assert (
        substitute_names("of 女性 and 男性", {"女性": "group 1 of sex"}, ("CJK",)) == "of group 1 of sex and [CJK text]"
    )
    assert substitute_names("हिन्दी भाषा, x", {}, ("DEVANAGARI",)) == "[Devanagari text], x"
    assert substitute_names("हिन्दी", {}, ("CJK",)) == "हिन्दी"
