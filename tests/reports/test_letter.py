"""Letters: the reasons of one refused person in the code book's words, what would turn it, what a person must add."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from audit.explain.prepare import Settings
from audit.load import load_case
from cli import main
from reports.letter import letter_of
from reports.presets import read_preset, shipped_text

PRESET = read_preset(shipped_text("adverse-action") or "", "adverse-action")


@pytest.fixture(scope="module")
def case(root: Path) -> Path:
    return root / "sample_data" / "german_credit.toml"


def person(**more: Any) -> dict[str, Any]:
    """As explain.json has one: a positive share speaks for class 2, which is the refusal."""
    shares = {"checking_status": 0.3, "duration": 0.2, "savings": 0.1, "housing": 0.05, "job": 0.01, "age": -0.2}
    values = {
        "checking_status": "A11", "duration": "36", "savings": "A61", "housing": "A152", "job": "A173", "age": "30",
        "sex": "female",
    }  # fmt: skip
    steps = [{"feature": "duration", "from": "36", "to": "12"}, {"feature": "savings", "from": "A61", "to": "A63"}]
    return {
        "row": 7, "decision": "2", "favourable": False, "values": values,
        "shap": [{"feature": k, "value": v} for k, v in shares.items()],
        "recourse": {"found": True, "changes": [{"steps": steps}]}, **more,
    }  # fmt: skip


def text_of(case: Path, answers: dict[str, str] | None = None, **more: Any) -> Any:
    return letter_of(load_case(case), {"people": [person(**more)]}, 7, PRESET, answers or {})


def test_reasons_and_steps_are_in_the_code_book_s_words_strongest_first(case: Path) -> None:
    built = text_of(case)
    assert built.reasons == (
        "your current account: overdrawn", "months over which the loan runs: 36", "your savings: below 100 marks",
        "housing: A152",
    )  # fmt: skip
    assert "The decision: the loan is not granted." in built.text
    assert (
        "  - months over which the loan runs from 36 to 12 and your savings from below 100 marks to 500 to 1000 marks."
        in built.text
    )
    assert not built.findings
    assert "compl" not in built.text.lower().replace("complain", "")


def test_a_sensitive_column_is_never_handed_over_and_the_letter_is_held(case: Path) -> None:
    shap = [{"feature": "sex", "value": 0.9}, {"feature": "duration", "value": 0.1}]
    built = text_of(case, shap=shap)
    assert built.reasons == ("months over which the loan runs: 36",)
    assert "female" not in built.text
    assert built.text.startswith("[HOLD THIS LETTER. sex counted against this person")
    assert len(built.findings) == 1


def test_what_nobody_answered_is_marked_and_named(case: Path) -> None:
    built = text_of(case, {"contest": "Write to the ombudsman by the end of May."})
    assert "You can contest this decision: Write to the ombudsman by the end of May." in built.text
    assert built.lacking == (
        "Who decides, with an address", "The role of the system in the decision",
        "Where the data about the person come from",
    )  # fmt: skip
    assert built.text.count("[to be filled in:") == 3


def test_no_way_to_turn_it_is_said(case: Path) -> None:
    assert "none of the changes that are plausible" in text_of(case, recourse={"found": False, "changes": []}).text
    assert "nobody has said yet which facts" in text_of(case, recourse=None).text


def test_through_the_door(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person whom the model refuses gets a letter; one whom it grants the loan is refused one."""
    monkeypatch.setattr("audit.explain.run.Settings", lambda **inputs: Settings(**inputs).bounded())
    monkeypatch.setattr("reports.letter.ROWS", 20)
    place = [str(case), "--run", str(tmp_path)]
    codes = {}
    for row in range(4):
        codes[row] = main(["letter", *place, "--row", str(row), "--json"])
        output = capsys.readouterr()
        if codes[row] == 0:
            document = json.loads(output.out)
            assert 1 <= len(document["reasons"]) <= 4
            assert all("A1" not in r.partition(":")[0] for r in document["reasons"])
        else:
            assert codes[row] == 2
            assert "is the favourable one" in output.err
        if {0, 2} <= set(codes.values()):
            break
    assert {0, 2} <= set(codes.values())
    refused = str(next(row for row, code in codes.items() if code == 0))
    assert main(["letter", *place, "--row", refused, "--form", "eu-art-86"]) == 0
    own = tmp_path / "letter.txt"
    for form, title in (("eu-art-86", "How the"), ("adverse-action", "About the"), ("eu-art-86", "How the")):
        # One letter may be written over another, of whatever form, held or released.
        assert main(["letter", *place, "--row", refused, "--form", form, "--out", str(own)]) == 0
        own.write_text(own.read_text()[own.read_text().index(title) :])
    (tmp_path / "mine.txt").write_text("About the decision that I have to make")
    assert main(["letter", *place, "--row", refused, "--out", str(tmp_path / "mine.txt")]) == 2
    assert (tmp_path / "mine.txt").read_text().startswith("About")
    assert "How the decision on your case was made" in capsys.readouterr().out
    for form, words in (("eu-fria", "has no letter"), ("adverse-acton", "did you mean 'adverse-action'")):
        assert main(["letter", *place, "--row", refused, "--form", form]) == 2
        assert words in capsys.readouterr().err
