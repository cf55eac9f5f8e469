"""presets.json: the forms that a report prints, with their texts and answers, embedded so that pages follow from it.

A case names them (`[policy] presets`, `[answers.NAME]`), and the audit writes that into evidence.json. What a person
answers later, on the screen, stands in forms.json of the run folder, which comes before that.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.case import Case, FormSpec
from audit.documents import FormError, record_in
from audit.documents.presets import FormAsked, FormsAsked, FormsOfEvidence
from audit.errors import CaseError, DataError, nearest
from audit.files import canonical, write_whole
from audit.load.forms import listed
from reports.presets.read import read_preset, shipped, shipped_text
from reports.presets.records import Preset

NAME, LATER = "presets.json", "forms.json"
SCHEMA = "assay/presets/1"


def check_case(case: Case) -> Case:
    """The case, whose forms are all known and answered only where they ask. Raises CaseError by the field's name."""
    check_forms(case.forms, case.data.sensitive)
    return case


def check_forms(forms: Sequence[FormSpec], sensitive: Sequence[str]) -> None:
    """Raises CaseError by the name of the form or field that cannot be used."""
    for form in forms:
        _checked(form.name, form.text, form.answers, sensitive)


def answer_later(run: Path, forms: Sequence[FormSpec], sensitive: Sequence[str]) -> None:
    """Keep forms and answers in a run folder, for the next report on it. Raises CaseError."""
    check_forms(forms, sensitive)
    write_whole(run / LATER, canonical({"schema": SCHEMA, "presets": listed(forms)}))


def forms_of(evidence: Mapping[str, Any], run: Path | None = None) -> tuple[FormAsked, ...]:
    """Each form: as answered later, else as the audit wrote them."""
    path = None if run is None else run / LATER
    if path is None or not path.is_file():
        return record_in(FormsOfEvidence, evidence, "evidence.json").presets
    try:
        return record_in(FormsAsked, json.loads(path.read_bytes()), LATER).presets
    except (OSError, ValueError, FormError) as error:
        raise DataError(
            f"{LATER} cannot be read", got=repr(error)[:80], expected=SCHEMA, todo="answer again"
        ) from error


def preset_bytes(evidence: Mapping[str, Any], run: Path | None = None) -> bytes | None:
    """The file for a report on this evidence; None where no form is asked for. Raises CaseError."""
    entries = []
    sensitive = record_in(FormsOfEvidence, evidence, "evidence.json").data.sensitive
    for form in forms_of(evidence, run):
        _checked(form.name, form.text, form.answers, sensitive)
        text = form.text if form.text is not None else shipped_text(form.name)
        entries.append({"name": form.name, "text": text, "answers": form.answers})
    return canonical({"schema": SCHEMA, "presets": entries}) if entries else None


def asked_of(embedded: Mapping[str, Any] | None) -> tuple[tuple[Preset, Mapping[str, str], bool], ...]:
    """Each form with its answers, and whether its text is the one that ships. embedded: presets.json, parsed."""
    return tuple(
        (read_preset(form.text or "", form.name), form.answers, form.text == shipped_text(form.name))
        for form in embedded_forms(embedded)
    )


def embedded_forms(embedded: Mapping[str, Any] | None) -> tuple[FormAsked, ...]:
    """The forms of presets.json, parsed; none where there is no such file. Raises DataError for another form of it."""
    return () if embedded is None else record_in(FormsAsked, embedded, NAME).presets


def letter_forms(entries: Sequence[FormAsked]) -> dict[str, tuple[Preset, Mapping[str, str]]]:
    """The forms with a letter, with their answers: those that the case asks for (`forms_of`), then those that ship."""
    forms: dict[str, tuple[Preset, Mapping[str, str]]] = {
        form.name: (_checked(form.name, form.text, {}, ()), form.answers) for form in entries
    }
    for name in shipped():
        forms.setdefault(name, (read_preset(shipped_text(name) or "", name), {}))
    return {name: each for name, each in forms.items() if each[0].letter is not None}


def _checked(name: str, text: str | None, answers: Mapping[str, str], sensitive: Sequence[str]) -> Preset:
    if text is None and (text := shipped_text(name)) is None:
        raise CaseError(
            f"the preset {name!r} is not known",
            got=repr(name),
            expected=f"one of {', '.join(shipped())}, or a path that ends in .toml",
            todo=nearest(name, shipped()),
        )
    preset = read_preset(text, name)
    asks = {f.id: f for f in preset.fields if f.ask is not None}
    for field, answer in answers.items():
        if field not in asks:
            raise CaseError(
                f"[answers.{name}] answers {field!r}, which the form does not ask",
                got=repr(field),
                expected=f"one of {', '.join(asks)}",
                todo=nearest(field, asks),
            )
        if asks[field].kind == "column" and answer not in sensitive:
            raise CaseError(
                f"{field!r} in [answers.{name}] names no attribute of the case",
                got=repr(answer),
                expected="one of " + ", ".join(repr(s) for s in sensitive),
                todo=nearest(answer, sensitive),
            )
        if asks[field].kind == "date" and not _is_day(answer):
            raise CaseError(
                f"{field!r} in [answers.{name}] is no day",
                got=repr(answer),
                expected="a day such as 2026-03-01",
                todo=f"correct `{field}`",
            )
    return preset


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
