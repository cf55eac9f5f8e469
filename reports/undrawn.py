"""Names in scripts that no font draws where a report is printed: told by number, with the names in the evidence.

The manifest lists the scripts (`undrawn`), found before anything is signed, so that a verifier who has other fonts
makes the same pages. Only letters that the report's own font lacks are ever replaced.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import Any

from audit.documents import Documents, record_in
from audit.documents.evidence import Named
from reports.glyphs import drawn
from reports.manifest import Manifest

ENTRY = "undrawn"
"""In the manifest's `extra`: the scripts, by the first word of their letters' names in Unicode."""
LEFT_ALONE = ("manifest.json",)


@lru_cache(maxsize=8192)
def script_of(c: str) -> str | None:
    """The script of a letter or mark that the report's font lacks; None of all else."""
    if ord(c) < 0x250 or unicodedata.category(c)[0] not in "LMN" or ord(c) in drawn():
        return None
    return unicodedata.name(c, "unknown").split()[0].split("-")[0]


def holds(text: str, scripts: Sequence[str]) -> bool:
    """Whether it has a letter of these scripts that the font lacks."""
    return not text.isascii() and any(script_of(c) in scripts for c in text)


def renamed(documents: Documents, scripts: Sequence[str]) -> Documents:
    """The documents with such names told by number: columns by their place in the data, groups by their order."""
    if not scripts:
        return documents
    names = _names(documents, scripts)
    changed = {
        name: json.dumps(_walk(documents.plain(name), names, scripts)).encode()
        for name in documents
        if name.endswith(".json") and holds(json.dumps(documents.plain(name), ensure_ascii=False), scripts)
    }
    return Documents({**documents, **changed})


def _names(documents: Documents, scripts: Sequence[str]) -> dict[str, str]:
    """Name -> what stands for it."""
    evidence = record_in(Named, documents.plain("evidence.json"), "evidence.json")
    out = {c: f"column {n}" for n, c in enumerate(evidence.data.columns, 1) if holds(c, scripts)}
    groups: dict[str, list[str]] = {}
    for count in evidence.counts:
        if len(count.attribute) == 1:
            groups.setdefault(count.attribute[0], []).append(count.group[0])
    for attribute, members in groups.items():
        by = out.get(attribute, attribute)
        for n, member in enumerate(dict.fromkeys(members), 1):
            if holds(member, scripts):
                out.setdefault(member, f"group {n} of {by}")
    return dict(sorted(out.items(), key=lambda item: -len(item[0])))


def _walk(value: Any, names: Mapping[str, str], scripts: Sequence[str]) -> Any:
    if isinstance(value, str):
        return substitute_names(value, names, scripts)
    if isinstance(value, list):
        return [_walk(v, names, scripts) for v in value]
    if isinstance(value, dict):
        return {substitute_names(k, names, scripts): _walk(v, names, scripts) for k, v in value.items()}
    return value


def substitute_names(text: str, names: Mapping[str, str], scripts: Sequence[str]) -> str:
    """The text with each such name by its number; what is no name is told by its script, in brackets."""
    if not holds(text, scripts):
        return text
    if text in names:
        return names[text]
    for name, number in names.items():
        text = text.replace(name, number)
    return _by_script(text, tuple(scripts)) if holds(text, scripts) else text


def _by_script(text: str, scripts: tuple[str, ...]) -> str:
    """Each run of such letters, with blanks between them, as one bracket."""
    out: list[str] = []
    for word in re.split(r"( +)", text):
        for script, run in groupby(
            word, key=lambda c: script_name if (script_name := script_of(c)) in scripts else None
        ):
            told_now = "".join(run) if script is None else f"[{script_label(script)}]"
            if script is not None and out and out[-1].isspace() and out[-2:-1] == [told_now]:
                del out[-1]
            elif script is None or out[-1:] != [told_now]:
                out.append(told_now)
    return "".join(out)


def script_label(script: str | None) -> str:
    """CJK text, Devanagari text."""
    script = str(script)
    return f"{script if script == 'CJK' else script.capitalize()} text"


def on_page(block: Any, scripts: Sequence[str]) -> Any:
    """A block or section of the document with what is left of such text told by its script."""
    if isinstance(block, str):
        return substitute_names(block, {}, scripts)
    if isinstance(block, tuple):
        return tuple(on_page(b, scripts) for b in block)
    if is_dataclass(block) and not isinstance(block, type):
        return replace(block, **{f.name: on_page(getattr(block, f.name), scripts) for f in fields(block)})
    return block


def notice(scripts: Sequence[str]) -> str:
    """What page 1 says of it."""
    each = [script_label(s).removesuffix(" text") for s in scripts]
    names = " or ".join([", ".join(each[:-1]), each[-1]] if len(each) > 1 else each)
    return (
        f"No font draws {names} letters where this report was printed. Names in them are told by number: “group 3 of "
        "sex” is the third group of that column. The names stand in the file evidence.json inside this report."
    )


def scripts_of(manifest: Manifest | None) -> tuple[str, ...]:
    """The scripts that the manifest lists."""
    return () if manifest is None else tuple(manifest.extra.get(ENTRY, ()))
