"""A letter to one person: the decision, its principal reasons in words, what would turn it, how to contest it.

    letter = letter_of(case, explained, row, preset, answers)
    print(letter.text)

The frame (paragraphs, how many reasons) comes from a preset with a [letter]; reasons and steps come from the
explanation of this person. A sensitive attribute is never handed over as a reason: where it is among the principal
ones, the letter is to be held, and that is a finding for the board.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit.case import Case
from audit.documents import record_in
from audit.documents.explanations import Explained, Refused
from audit.documents.presets import FormAsked
from audit.errors import CaseError, InputError, nearest
from reports.presets.records import Preset

USUAL = "adverse-action"
ROWS = 200
"""How many others are explained beside the person: enough for what a letter needs."""
NAME = "*"
"""In a code book, the key under which the column itself is said in words."""
AGAINST = "What counted most against you:"
"""The line that every letter has, whatever the title of its form."""
_FIELD = re.compile(r"\{([a-z0-9_]+)\}")


@dataclass(frozen=True, slots=True)
class Letter:
    """text: the letter. findings: why it is to be held; lacking: titles of fields that a person has yet to answer."""

    row: int
    text: str
    reasons: tuple[str, ...]
    findings: tuple[str, ...]
    lacking: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """All of it by name."""
        return {
            "row": self.row, "text": self.text, "reasons": list(self.reasons), "findings": list(self.findings),
            "lacking": list(self.lacking),
        }  # fmt: skip


def letter_of(case: Case, explained: Mapping[str, Any], row: int, preset: Preset, answers: Mapping[str, str]) -> Letter:
    """The letter to the person in this audited row (0 is the first).

    explained: explain.json with this person in it. Raises InputError where there is no explanation of the person, or
    where the decision was favourable; CaseError where the preset has no letter.
    """
    if preset.letter is None:
        raise CaseError(
            f"the preset {preset.name!r} has no letter", got="no [letter]", expected="a preset with [letter]",
            todo="use adverse-action, or write one",
        )  # fmt: skip
    stated = record_in(Explained, explained, "explain.json")
    person = next((p for p in stated.people if p.row == row), None)
    if person is None:
        raise InputError(
            f"there is no explanation of row {row}",
            got=stated.reason or "explanations of other rows",
            expected="a decision made by a model that can be asked",
            todo="name the model in the case",
        )
    if person.favourable:
        raise InputError(
            f"the decision on row {row} is the favourable one",
            got=f"{person.decision!r}",
            expected="a person who was refused",
            todo="choose the row of a person who was refused",
        )
    reasons, sensitive = _reasons(case, person, preset.letter.most)
    lacking: list[str] = []
    findings = [
        f"{', '.join(sensitive)} counted against this person and is among the principal reasons. It cannot be handed "
        "over as an ordinary reason: hold the letter, and bring this before the board."
    ] if sensitive else []  # fmt: skip
    before, after = (
        [_filled(text, preset, answers, lacking) for text in part]
        for part in (preset.letter.before, preset.letter.after)
    )
    decision = value_label(case, case.data.label or "", str(person.decision))
    lines = [*(f"[HOLD THIS LETTER. {f}]" for f in findings), preset.letter.title, "", *before, ""]
    lines += [f"The decision: {decision}.", "", AGAINST]
    lines += [f"  {n}. {r}." for n, r in enumerate(reasons, 1)] or ["  No single fact about you counted against you."]
    lines += ["", *_turns(case, person), "", *after]
    return Letter(row, "\n".join(lines) + "\n", tuple(reasons), tuple(findings), tuple(lacking))


def _reasons(case: Case, person: Refused, most: int) -> tuple[list[str], list[str]]:
    """The principal reasons in the person's words, the strongest first; and the sensitive columns among them."""
    good = (case.data.favourable or case.data.positive) == case.data.positive
    against = [(f.feature, -f.value if good else f.value) for f in person.shap]
    ranked = [name for name, share in sorted(against, key=lambda a: -a[1]) if share > 0]
    sensitive = [name for name in ranked[:most] if name in case.data.sensitive]
    features = [n for n in ranked if n not in case.data.sensitive][:most]
    return [f"{column_words(case, n)}: {value_label(case, n, str(person.values[n]))}" for n in features], sensitive


def column_words(case: Case, column: str) -> str:
    """The column as the code book says it, or its name with spaces."""
    return case.data.codes.get(column, {}).get(NAME, column.replace("_", " ").replace("-", " "))


def value_label(case: Case, column: str, value: str) -> str:
    """The value as the code book says it, or as it is."""
    return case.data.codes.get(column, {}).get(value, value)


def _turns(case: Case, person: Refused) -> list[str]:
    """What would have turned the decision, within the steps that were called plausible."""
    recourse = person.recourse
    if recourse is None:
        return ["What would change it: nobody has said yet which facts a person can change."]
    if not recourse.found:
        return ["What would change it: none of the changes that are plausible for you would have turned the decision."]
    out = ["The decision would have turned with one of these:"]
    for change in recourse.changes[:3]:
        steps = [
            f"{column_words(case, s.feature)} from {value_label(case, s.feature, str(s.start))} to "
            f"{value_label(case, s.feature, str(s.to))}"
            for s in change.steps
        ]
        out.append(f"  - {' and '.join(steps)}.")
    return [*out, "That is said of the decision as it was made, and is no promise for a new one."]


def _filled(text: str, preset: Preset, answers: Mapping[str, str], lacking: list[str]) -> str:
    """The paragraph with answers put in; what nobody answered is marked, and its title is added to `lacking`."""
    titles = {f.id: f.title for f in preset.fields}

    def put(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in answers:
            return answers[name]
        lacking.append(titles[name])
        return f"[to be filled in: {titles[name].lower()}]"

    return _FIELD.sub(put, text).replace("..", ".")


def write_letter(case: Case, run: Path, row: int, form: str | None = None) -> Letter:
    """The letter by the case's own forms, or by `form`. The person is explained first, or taken from the store there.

    run: folder for the explanation. Raises InputError and CaseError as `letter_of`, and what explaining raises.
    """
    from audit.explain import run_explain
    from reports.presets import check_case, letter_forms, shipped

    check_case(case)
    forms = letter_forms([FormAsked(f.name, f.text, dict(f.answers)) for f in case.forms])
    name = form or next((f.name for f in case.forms if f.name in forms), USUAL)
    if name not in forms:
        known = name in shipped() or name in [f.name for f in case.forms]
        raise CaseError(
            f"the preset {name!r} has no letter" if known else f"the preset {name!r} is not known",
            got=repr(name),
            expected=f"one of {', '.join(forms)}",
            todo=nearest(name, forms),
        )
    preset, answers = forms[name]
    explained = run_explain(case, run / "letters", people=[row], rows=ROWS)
    return letter_of(case, explained, row, preset, answers)
