"""Counted nouns: a sentence that counts something is right where it counts one. Every number is rendered as 1 here, so
that "1 rows" and "1 of 8 rows differ" show; `audit.numbers.many` and `are` write them right."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from audit.numbers import many, plural
from tests.test_house import MODULES, ROOT, tree_of, trees_go
from tests.test_house_counts import ALONE

__all__ = ["trees_go"]
NOUNS = """answer approval arm attribute batch bin byte candidate category cell challenger change character check
    class column combination comparison condition corruption cut day decision draw entry event feature figure file
    finding gap group id incident intersection item key label letter line measure member metric model name norm note
    number outcome page pair people person pipeline probability reason record replay report revision row score second
    sentence setting sheet signature stage step subgroup table time tree value variant""".split()
PLURALS = "|".join(sorted({"people", *(plural(noun) for noun in NOUNS)}))
BETWEEN = r"(?:(?!(?:of|in|and|or|to|is|was|has|with|than|that|on|are|each|after)\b)[a-z]+(?:-[a-z]+)* ){0,2}?"
VERBS = "are|were|have|do|differ|fail|say|stand|look|see|move|repeat|pass|read"
AT = r"(?<![\w.,%)])(?<!or )(?<!these )(?<!all its )(?<!under )1 "
WRONG = re.compile(
    rf"{AT}{BETWEEN}(?:{PLURALS})\b(?! to )|(?<!all )(?<!of )(?<!at ){AT}(?:{VERBS})\b|"
    rf"{AT}of (?:its |the |their )?1 (?:[a-z]+ ){{1,2}}?(?:{VERBS})\b|"
    rf"(?<!of ){AT}{BETWEEN}(?:{'|'.join(NOUNS)}) (?:{VERBS})\b"
)


def rendered(text: ast.JoinedStr) -> str:
    """The sentence where every number in it is 1; what is no number, or a constant, is left out."""
    return "".join(str(p.value) if isinstance(p, ast.Constant) else filled(p) for p in text.values)


def filled(part: ast.expr) -> str:
    assert isinstance(part, ast.FormattedValue)
    value, spec = part.value, "" if part.format_spec is None else ast.unparse(part.format_spec)[2:-1]
    name = getattr(value.func, "id", getattr(value.func, "attr", "")) if isinstance(value, ast.Call) else ""
    if isinstance(value, ast.Call) and name in ("many", "are"):
        words = [a.value for a in value.args if isinstance(a, ast.Constant)] or ["…"]
        return f"1 {words[-1]}" if name == "many" else str(words[0]) if words[0] != "…" else "is"
    if any(getattr(n, "id", getattr(n, "attr", "")).isupper() for n in ast.walk(value)):
        return "…"
    return "1" if spec == "," or name in ("len", "int", "sum", "count", "nunique", "brief", "grouped") else "…"


def sentences() -> Iterator[tuple[str, str]]:
    """(file:line, text) of every sentence that is filled in."""
    for path in MODULES.values():
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(tree_of(path)) if name not in ALONE else ():
            if isinstance(node, ast.JoinedStr):
                yield f"{name}:{node.lineno}", rendered(node)


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("{n:,} rows", True),
        ("at most {len(names)} other columns", True),
        ("{bad:,} of {len(rows):,} rows have no label", True),
        ("{bad:,} are left", True),
        ("{many(n, 'row')} have no label", True),
        ("{many(n, 'row')} {are(n, 'has', 'have')} no label", False),
        ("{bad:,} of {many(n, 'row')} {are(bad)} wrong", False),
        ("at most {LIMIT:,} rows", False),
        ("{name} values", False),
        ("{n:,} in groups of two", False),
        ("within {brief(seconds)} seconds", True),
    ],
)
def test_the_scan_sees_what_is_wrong_for_one(source: str, wrong: bool) -> None:
    text = next(n for n in ast.walk(ast.parse(f'f"{source}"')) if isinstance(n, ast.JoinedStr))
    assert bool(WRONG.search(rendered(text))) is wrong


def test_every_sentence_is_right_where_it_counts_one() -> None:
    items = [f"{place}: {text}" for place, text in sentences() if WRONG.search(text)]
    assert not items, "\n".join(items)


@pytest.mark.parametrize(
    ("noun", "more"),
    [("row", "rows"), ("different id", "different ids"), ("batch", "batches"), ("class", "classes"), ("box", "boxes"),
     ("entry", "entries"), ("day", "days"), ("person", "people"), ("refused person", "refused people"),
     ("stratum", "strata")],
)  # fmt: skip
def test_many(noun: str, more: str) -> None:
    assert many(1, noun) == f"1 {noun}"
    assert many(0, noun) == f"0 {more}"
    assert many(5421, noun) == f"5,421 {more}"
