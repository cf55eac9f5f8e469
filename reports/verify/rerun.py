"""`--rerun`: the whole of what is made again from model and data against the whole of what is embedded.

Every file that is made again, every key in it. What is left out stands in `LEFT_OUT`, with the reason, and is printed.
Numbers may differ by 1e-6 (relative above 1): sums of floats on another machine differ in the last places.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audit.documents import Documents
from audit.explain.document import people_rule
from audit.numbers import many
from audit.sentences import stopped_early
from reports.attest import MODEL_CARD, STATEMENTS
from reports.compare import EARLIER
from reports.manifest import NAME
from reports.verify.figures import alike, load
from reports.verify.result import Broken, InPart, digest, shown

TOLERANCE = 1e-6
PRESETS = "presets.json"
OWN_CHECK = (NAME, STATEMENTS, MODEL_CARD, *EARLIER.values())
"""Files that follow from the others, or are about another run: each has a check of its own."""
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A place that is not compared, and why. when: for which embedded document that holds (default: all)."""

    file: str
    path: Path
    why: str
    when: Callable[[Mapping[str, Any]], bool] = lambda document: True


def _unnamed(explained: Mapping[str, Any]) -> bool:
    """Whether somebody named persons to explain, and they were taken out of the report."""
    return explained.get("people_rule") == people_rule(True) and not explained.get("people")


_LATER = "what people decided on it afterwards"
_PERSONS = "depends on which persons were explained, and they are not in the report"
LEFT_OUT = (
    LeftOut("evidence.json", ("model", "isolation"), "the walls around the model are those of the machine"),
    LeftOut("explain.json", ("key",), "the name of an entry in the cache of the machine"),
    *(
        LeftOut("explain.json", path, _PERSONS, _unnamed)
        for path in (
            ("people_rule",), ("method_for_people",), ("rerouted",), ("sample", "model_rows"),
            ("additivity", "max_error"), ("additivity", "rows"),
        )
    ),
    LeftOut("mitigation.json", ("decision",), _LATER),
    LeftOut("mitigation.json", ("decisions",), _LATER),
    LeftOut("mitigation.json", ("earlier",), "attempts before this one"),
    LeftOut("search.json", ("trials_asked",), "a search may be stopped before all that were asked for are tried"),
)  # fmt: skip


def check_rerun(files: Mapping[str, bytes], rerun: Mapping[str, bytes]) -> str:
    """The embedded `files` against those of the new run, by name. The line; raises Broken at the first difference.

    Raises InPart where a file of the report was not made again.
    """
    files, rerun = Documents.of(files), Documents.of(rerun)
    _check_inputs(load(files, "evidence.json"), load(rerun, "evidence.json"))
    compared, left = 0, []
    notes: dict[tuple[str, str], list[str]] = {}
    for name in sorted(files):
        if name in OWN_CHECK:
            continue
        if name == PRESETS:
            notes[name, "texts of forms and what people answered: none of it is made from model and data"] = ["presets"]
            continue
        if name not in rerun:
            left.append(name)
            continue
        stated = load(files, name)
        skip = {entry.path: entry for entry in LEFT_OUT if entry.file == name and entry.when(stated)}
        got, expected = _stopped_early(stated), load(rerun, name)
        compared += _alike(((), name), got, expected, (), frozenset(skip))
        for entry in skip.values():
            if _has(stated, entry.path):
                notes.setdefault((name, entry.why), []).append(".".join(entry.path))
    if more := [n for n in sorted(rerun) if n not in files]:
        raise Broken("the new run makes a file that the report does not have", got=", ".join(more))
    same = [n for n in sorted(files) if n in rerun and files[n] == rerun[n]]
    line = (
        f"{many(compared, 'value')} made again from model and data and found equal; the same bytes: {', '.join(same)}"
    )
    if notes:
        line += "; left out: " + "; ".join(f"{name} {', '.join(paths)} ({why})" for (name, why), paths in notes.items())
    if left:
        raise InPart(
            f"{line}; not made again: {', '.join(left)}",
            expected="every file that the report embeds",
            todo="what the loop did rests on its trail; `assay watch --check` follows it where the loop ran",
        )
    return line


def _check_inputs(mine: Mapping[str, Any], again: Mapping[str, Any]) -> None:
    for part in ("data", "model"):
        digests = [document.get(part) for document in (mine, again)]
        a, b = (d.get("sha256") if isinstance(d, dict) else None for d in digests)
        if a != b:
            raise Broken(f"the {part} is not the one that the report was made of", got=digest(b), expected=digest(a))


def _stopped_early(document: dict[str, Any]) -> dict[str, Any]:
    """A search that was stopped says so in one note, whose text follows from two numbers; one made again was not."""
    trials, asked = document.get("trials"), document.get("trials_asked")
    if isinstance(trials, list) and isinstance(document.get("notes"), list):
        sentence = stopped_early(len(trials), asked)
        document = document | {"notes": [n for n in document["notes"] if n != sentence]}
    return document


def _has(document: Any, path: Path) -> bool:
    for step in path:
        if not isinstance(document, dict) or step not in document:
            return False
        document = document[step]
    return True


Where = tuple[Any, str | int]
"""What stands around a value and its key or number there: put into words only where something is refused."""


def _alike(where: Where, got: Any, expected: Any, path: Path, skip: frozenset[Path]) -> int:
    """How many values were compared. Raises Broken at the first difference; only names made here are told."""
    if path in skip:
        return 0
    if isinstance(expected, dict) and isinstance(got, dict):
        compared = 0
        for key, value in expected.items():
            inner = (*path, key)
            if key in got:
                compared += _alike((where, key), got[key], value, inner, skip)
            elif inner not in skip:
                raise Broken(f"{_location(where)}: the report lacks {key}", got="nothing", expected=shown(value))
        if more := [k for k in got if k not in expected and (*path, k) not in skip]:
            raise Broken(
                f"{_location(where)}: the report has entries that a new run does not make", got=f"{len(more)} more"
            )
        return compared
    if isinstance(expected, list) and isinstance(got, list) and len(got) == len(expected):
        pairs = enumerate(zip(got, expected, strict=True), 1)
        return sum(_alike((where, number), a, b, path, skip) for number, (a, b) in pairs)
    if not alike(got, expected, TOLERANCE):
        raise Broken(
            f"{_location(where)} comes out otherwise when made again", got=shown(got), expected=shown(expected)
        )
    return 1


def _location(where: Where) -> str:
    """file, key, key 3"""
    around, step = where
    if not around:
        return str(step)
    return f"{_location(around)} {step}" if isinstance(step, int) else f"{_location(around)}, {step}"
