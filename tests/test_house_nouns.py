"""Counted nouns: each sentence that counts something is right where it counts one. Rendered here with 1 for every
number, so "1 rows" and "1 of 8 rows differ" show; `audit.numbers.many` and `are` write them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from audit.numbers import many, plural
from tests.test_house import MODULES, ROOT

NOUNS = """answer approval attribute batch bin byte candidate category cell challenger change character check class
    column combination comparison condition corruption cut day decision draw entry event feature figure file finding
    gap group id intersection key label letter line measure member metric model name norm note number outcome page pair
    people person pipeline probability reason record replay report revision row score second sentence setting signature
    step subgroup table tree value variant"""
PLURALS = "|".join(sorted({"people", *(plural(noun) for noun in NOUNS.split())}))
BETWEEN = "(?:[a-z]+(?:-[a-z]+)* ){0,2}?"
VERBS = "are|were|have|do|differ|fail|say|stand|look|see|move|repeat|pass|read|change"
WRONG = re.compile(rf"(?<![\w.,%)])1 (?!of |in |and |or |to |is |was |has |names |reads |holds )(?:{BETWEEN}(?:{PLURALS})|{VERBS})\b|"
                   rf"(?<![\w.,%)])1 of (?:its |the |their )?1 (?:[a-z]+ ){{1,3}}?(?:{VERBS})\b")  # fmt: skip


def rendered(text: ast.JoinedStr) -> str:
    """The sentence where every number in it is 1; what is no number, or never 1 (a constant), is left out."""
    out = ""
    for part in text.values:
        if isinstance(part, ast.Constant):
            out += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            out += filled(part)
    return out


def filled(part: ast.FormattedValue) -> str:
    value, spec = part.value, "" if part.format_spec is None else ast.unparse(part.format_spec)[2:-1]
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        words = [a.value for a in value.args if isinstance(a, ast.Constant)]
        if value.func.id == "many":
            return f"1 {words[-1]}" if words else "1 …"
        if value.func.id == "are":
            return str(words[0]) if words else "is"
    counts = isinstance(value, ast.Call) and getattr(value.func, "id", "") in ("len", "int") or (
        isinstance(value, ast.Call) and getattr(value.func, "attr", "") in ("sum", "count", "nunique")
    )  # fmt: skip
    return "1" if spec == "," or counts else "…"


def sentences() -> Iterator[tuple[str, str]]:
    for path in MODULES.values():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                yield f"{path.relative_to(ROOT).as_posix()}:{node.lineno}", rendered(node)
