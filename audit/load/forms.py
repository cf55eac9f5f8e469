"""Of a case file: the forms of law and custom it asks for (`[policy] presets`), the answers to their open fields
(`[answers.NAME]`), and what [case] says about the system in a person's words. The format is docs/case-file.md.

What a form asks for is not read here: forms are data of the reports (reports/presets).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.case import Case, FormSpec
from audit.errors import CaseError
from audit.load.toml import Reader, parse, relative, resolve_path
from audit.load.written import About, PolicySection

ABOUT = tuple(key for key in About.__struct_fields__ if key not in ("name", "purpose"))
"""Optional keys of [case] that go on the first two pages of a report."""
GOOD, BAD, BY = "good", "bad", "by "
"""In what is stated, in the words of the code book: the answer that is good for the person, the other one, and `BY`
followed by a sensitive column: what it is about."""
ENDING = ".toml"
NAME = 40


def about(section: About) -> dict[str, str]:
    """What [case] says of the system, by key, in the order of `ABOUT`."""
    return {key: " ".join(text.split()) for key in ABOUT if (text := getattr(section, key)) is not None}


def stated(case: Case) -> dict[str, str]:
    """What goes on the first pages in a person's words: `about`, the two answers and the sensitive columns as the code
    book says them."""
    d = case.data
    book = d.codes.get(d.label or "") or d.codes.get(case.model.column or "") or {}
    good = d.favourable or d.positive or ""
    others = [v for v in book if v not in ("*", good)]
    bad = d.positive if d.positive and d.positive != good else others[0] if len(others) == 1 else ""
    answers = {GOOD: book.get(good, ""), BAD: book.get(bad, "")}
    answers |= {BY + a: d.codes.get(a, {}).get("*", "") for a in d.sensitive}
    return {**case.about, **{k: v for k, v in answers.items() if v}}


def from_sections(
    policy: PolicySection, answers: Mapping[str, Mapping[str, Any]], folder: Path
) -> tuple[FormSpec, ...]:
    """The forms in the order of the case, each with its answers. Raises CaseError."""
    specs: dict[str, FormSpec] = {}
    for entry in policy.presets:
        spec = _own(resolve_path(folder, entry)) if entry.endswith(ENDING) else FormSpec(entry)
        if spec.name in specs:
            at = Reader({"presets": list(policy.presets)}, "[policy]", CaseError)
            raise at.wrong("presets", f"each form once; two are called {spec.name!r}")
        specs[spec.name] = spec
    out = []
    for name in answers:
        if name not in specs:
            raise CaseError(
                f"[answers.{name}] answers a form that the case does not ask for",
                got=repr(name),
                expected="one of " + ", ".join(specs) if specs else "no [answers] without presets",
                todo=f'add it: presets = ["{name}"] under [policy]; or remove the answers',
            )
    for name, spec in specs.items():
        inner = Reader(answers.get(name, {}), f"[answers.{name}]", CaseError)
        out.append(FormSpec(name, spec.file, spec.text, {key: _answer(inner, key) for key in inner.table}))
    return tuple(out)


def _own(file: Path) -> FormSpec:
    """A form that a person wrote: its text as it is, under the name that it gives itself."""
    document, content = parse(file, CaseError, "preset")
    name = document.get("name")
    if not isinstance(name, str) or not name.strip() or len(name) > NAME:
        raise CaseError(
            f"the preset {file.name!r} lacks the key 'name'",
            got=repr(name) if name is not None else "no name",
            expected=f"name = a short name of at most {NAME} characters, by which [answers.NAME] answers it",
            todo="add it at the top of the file",
        )
    return FormSpec(name, file, content.decode("utf-8-sig"))


def _answer(at: Reader, key: str) -> str:
    """Text or a day, as text."""
    value = at.table[key]
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value.isoformat()
    text = " ".join(value.split()) if isinstance(value, str) else ""
    if not text or not text.isprintable() or len(text) > 2000:
        raise at.wrong(key, "text in quotation marks (at most 2,000 characters) or a day, such as 2026-03-01")
    return text


def listed(forms: Sequence[FormSpec]) -> list[dict[str, Any]]:
    """For evidence.json: name, own text (None where the form ships), answers."""
    return [{"name": f.name, "text": f.text, "answers": dict(f.answers)} for f in forms]


def to_tables(forms: Sequence[FormSpec], folder: Path) -> tuple[list[str], dict[str, dict[str, str]]]:
    """What `read` reads back: the list of presets, and the answers by name."""
    names = [f.name if f.file is None else relative(f.file, folder) for f in forms]
    return names, {f.name: dict(f.answers) for f in forms if f.answers}
