"""The filled examples in docs/presets: one command makes them, they verify, and they are of today's forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest

from reports.manifest import strict_json
from reports.presets import FILE, read_preset, shipped, shipped_text
from reports.verify import verify, verify_or_raise
from reports.verify.reading import attachments_of
from scripts import preset_examples as examples


def pages(pdf: bytes) -> list[str]:
    """The text of each page."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        return [" ".join(page.get_textpage().get_text_range().split()) for page in document]
    finally:
        document.close()


def test_every_form_that_ships_has_its_example() -> None:
    assert sorted(name for s in examples.SAMPLES.values() for name in s.forms) == sorted(shipped())


@pytest.mark.parametrize("sample", examples.SAMPLES)
def test_the_pages_in_docs_are_signed_and_of_today_s_forms(sample: str, root: Path) -> None:
    """Whoever changes a form makes its example again: make examples."""
    pdf = (root / "docs" / "presets" / f"{sample}.pdf").read_bytes()
    assert len(pdf) < 600_000
    verification = verify(pdf, contents=False)
    assert verification.failed is None
    embedded = strict_json(attachments_of(pdf)[FILE], FILE)["presets"]
    forms = examples.SAMPLES[sample].forms
    assert [p["name"] for p in embedded] == list(forms)
    text = pages(pdf)
    whole = " ".join(text)
    for name in forms:
        preset = read_preset(shipped_text(name) or "", name)
        assert preset.title in whole
        assert all(" ".join(f.title.split()) in whole for f in preset.fields), name
    assert "`" not in whole
    assert all(len(t) > 200 for t in text), "a page is nearly empty"


def test_the_command_makes_them_and_what_it_makes_verifies(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = replace(examples.SAMPLES["german-credit"], forms=("eu-bias-profile",), searched=False)
    monkeypatch.setattr(examples, "SAMPLES", {"small": small})
    (tmp_path / "answers.toml").write_bytes((root / "docs" / "presets" / "answers.toml").read_bytes())
    monkeypatch.setattr(examples, "PLACE", tmp_path)
    results = []
    monkeypatch.setattr(examples, "verify_or_raise", lambda pdf: results.append(verify_or_raise(pdf)))
    examples.main([])
    assert "eu-bias-profile.md" in capsys.readouterr().out
    assert "| here |" in (tmp_path / "eu-bias-profile.md").read_text(encoding="utf-8")
    assert (tmp_path / "small.pdf").read_bytes().startswith(b"%PDF")
    assert [c.status for c in results[0].checks if c.name == "printed pages"] == ["ok"]
