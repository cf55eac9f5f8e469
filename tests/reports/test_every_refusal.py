"""No sentence of a refusal without an attack that leads to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOM = HERE.parents[1] / "reports"


def sentences() -> Iterator[str]:
    """Each sentence of a refusal, what is filled in as an ellipsis."""
    for file in (*sorted((ROOM / "verify").glob("*.py")), ROOM / "attest" / "check.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Broken", "InPart") and node.args:
                message = node.args[0]
                if isinstance(message, ast.Constant):
                    yield str(message.value)
                elif isinstance(message, ast.JoinedStr):
                    yield "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in message.values)


def asserted() -> set[str]:
    """Every text in the tests of this folder, but in this file."""
    files = [f for f in HERE.glob("*.py") if f != Path(__file__).resolve()]
    nodes = [node for f in files for node in ast.walk(ast.parse(f.read_text()))]
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_each_refusal_has_its_attack() -> None:
    texts = asserted()
    lacking = set()
    for sentence in set(sentences()):
        pattern = re.compile("([a-z ]+: )?" + ".+".join(map(re.escape, sentence.split("…"))), re.DOTALL)
        if not any(pattern.fullmatch(text) for text in texts):
            lacking.add(sentence)
    assert lacking == set(), "write an attack that leads there, or show that nothing can and take the sentence out"
