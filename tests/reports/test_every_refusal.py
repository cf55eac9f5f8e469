"""No sentence of a refusal comes in without an attack that leads to it: those without may only become fewer."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOM = HERE.parents[1] / "reports"
WITHOUT = frozenset(
    {
        "a change after the signature in … is not allowed",
        "a later signature certifies too",
        "a signature cannot be read",
        "a signature does not cover its whole revision",
        "a signature is not what its field says",
        "a step after the printing does not add one signature",
        "a timestamp uses a digest that is not accepted",
        "a viewer cannot open the file",
        "a viewer cannot show page …",
        "an event is not in the trail as it is told",
        "an event of the trail is left out",
        "batch …: norm … does not follow from the counts, …",
        "batch …: norm … has no counts",
        "batch …: norm … is withheld and told",
        "one key decided in the fields of two members",
        "the candidate picked is not in the search",
        "the certification named in the catalog is not the first signature",
        "the changes cannot be analysed",
        "the embedded cube cannot be read",
        "the face of a signature is drawn of itself, or too deeply nested",
        "the face of the signature in … is not checked: it was drawn with other versions",
        "the faces of the signatures in … look as their signed fields give them, drawn with other versions",
        "the file cannot be read as a PDF",
        "the file has too many pages to look at",
        "the file is damaged",
        "the log holds a decision that no signature in the file states",
        "the model card cannot be made again",
        "the pages are not checked: made with other versions, and another viewer may show something else than the one "
        "here (…)",
        "the pages are not checked: made with other versions, and page … looks otherwise here",
        "the pages cannot be made again from the embedded files",
        "the pages look the same, made with other versions: as pictures (… dpi) and as text; …",
        "the proof is of another entry than this report",
        "the report states a checkpoint that is younger than its own entry",
        "the report was printed without fields for signatures",
        "the signature in … has no face",
        "the trailer's … was replaced after certification",
        "the validation data in the file cannot be read",
        "the … of the monitoring is told in two ways",
        "… does not follow from the counts",
        "…; not made again: …",
    }
)
"""Told in other tests by a part of the sentence, through the check and not the command; or not told yet."""


def sentences() -> Iterator[str]:
    """Each sentence of a refusal, what is filled in as an ellipsis."""
    for file in (*sorted((ROOM / "verify").glob("*.py")), ROOM / "attest" / "check.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Broken", "InPart") and node.args:
                said = node.args[0]
                if isinstance(said, ast.Constant):
                    yield str(said.value)
                elif isinstance(said, ast.JoinedStr):
                    yield "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in said.values)


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
    assert lacking == WITHOUT
