"""presets.json: the texts of the forms that a report prints, embedded, so that pages follow from the file alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.case import Case, FormSpec
from audit.errors import CaseError, nearest
from audit.files import canonical
from reports.presets.read import Preset, read_preset, shipped, shipped_text

NAME = "presets.json"
SCHEMA = "assay/presets/1"


def check_case(case: Case) -> Case:
    """The case, whose forms are all known and answered only where they ask. Raises CaseError by the field's name."""
    for form in case.forms:
        _checked(form.name, form.text, form.answers, case.data.sensitive)
    return case


def preset_bytes(evidence: Mapping[str, Any]) -> bytes | None:
    """The file for a report on this evidence; None where the case asks for no form. Raises CaseError."""
    entries = []
    for entry in evidence.get("presets", []):
        _checked(entry["name"], entry["text"], entry["answers"], evidence["data"]["sensitive"])
        text = entry["text"] if entry["text"] is not None else shipped_text(entry["name"])
        entries.append({"name": entry["name"], "text": text})
    return canonical({"schema": SCHEMA, "presets": entries}) if entries else None


def asked_of(
    embedded: Mapping[str, Any] | None, evidence: Mapping[str, Any]
) -> tuple[tuple[Preset, Mapping[str, str], bool], ...]:
    """Each form with its answers, and whether its text is the one that ships. embedded: presets.json, parsed."""
    if embedded is None:
        return ()
    answers = {entry["name"]: entry["answers"] for entry in evidence.get("presets", [])}
    return tuple(
        (read_preset(e["text"], e["name"]), answers[e["name"]], e["text"] == shipped_text(e["name"]))
        for e in embedded["presets"]
    )


def _checked(name: str, text: str | None, answers: Mapping[str, str], sensitive: Any) -> Preset:
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
    import datetime as dt

    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def form(name: str, answers: Mapping[str, str]) -> FormSpec:
    """One that ships, with answers: for screens and notebooks. Raises CaseError where it is not known."""
    if name not in shipped():
        raise CaseError(
            f"the preset {name!r} is not known",
            got=repr(name),
            expected=", ".join(shipped()),
            todo=nearest(name, shipped()),
        )
    return FormSpec(name, answers=dict(answers))
