"""What the house counts, so that it does not grow: sentences that stand twice, documents read by key, numbers that are
written in place, functions that branch, long files. Each bound is what stands today."""

from __future__ import annotations

import ast
import functools
import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tests.test_house import DOORS, MODULES, PACKAGES, ROOT, tree_of, trees_go

__all__ = ["trees_go"]


@functools.cache
def literals_of(room: str) -> tuple[tuple[str, str], ...]:
    """(file:line, text) of every string that a room can show; what is filled in is cut out, docstrings are left out."""
    out = []
    for module, path in MODULES.items():
        if not module.startswith(f"{room}."):
            continue
        tree = tree_of(path)
        inner = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in ast.walk(n) if v is not n}
        inner |= {
            id(n.body[0].value)
            for n in ast.walk(tree)
            if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef) and n.body and isinstance(n.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if id(node) in inner:
                continue
            if isinstance(node, ast.JoinedStr):
                text = "|".join(str(v.value) if isinstance(v, ast.Constant) else "" for v in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
            else:
                continue
            out.append((f"{path.relative_to(ROOT).as_posix()}:{node.lineno}", text))
    return tuple(out)


def six_words(text: str) -> Iterator[str]:
    """Every six words in a row; what is filled in parts them."""
    for piece in text.split("|"):
        matches = re.findall(r"[A-Za-z][A-Za-z'’-]*", piece.lower())
        yield from map(" ".join, zip(*(matches[i:] for i in range(6)), strict=False))


def fragments(room: str) -> dict[str, str]:
    """Six words in a row -> where they stand."""
    return {words: place for place, text in literals_of(room) for words in six_words(text)}


TWICE = 5
"""Six words that stand both in screens/ and reports/, at most: phrases of the field. It was 247."""


def test_a_sentence_stands_once() -> None:
    """Screens draw the report's blocks (screens/draw.py) and do not say again what these say."""
    here, there = fragments("screens"), fragments("reports")
    twice = {words: (here[words], there[words]) for words in sorted(here.keys() & there.keys())}
    assert len(here) > 1000
    assert len(twice) <= TWICE, f"{len(twice)} fragments: {twice}"


ALONE = {
    "audit/models/own_loaders.py": "runs without Assay, under the interpreter of a model",
    "audit/models/own_worker.py": "runs without Assay, under the interpreter of a model",
    "reports/check_offline/check.py": "for people without Assay",
}
"""Files that can import nothing of ours: what they say has to stand in them too."""

IN_TWO_FILES = 625
"""Six words that stand in two files of any rooms, at most; it was 801."""


def test_few_sentences_stand_in_two_files() -> None:
    assert list(six_words("one two three four five six|seven")) == ["one two three four five six"]
    where: dict[str, set[str]] = {}
    for room in (*PACKAGES, "assay"):
        for place, text in literals_of(room):
            file = place.partition(":")[0]
            for words in six_words(text) if file not in ALONE else ():
                where.setdefault(words, set()).add(file)
    twice = [files for files in where.values() if len(files) > 1]
    pairs: dict[str, int] = {}
    for files in twice:
        pairs[" and ".join(sorted(files))] = pairs.get(" and ".join(sorted(files)), 0) + 1
    worst = sorted(pairs.items(), key=lambda pair: -pair[1])[:9]
    assert len(twice) <= IN_TWO_FILES, f"{len(twice)} fragments of six words stand in two files, most in {worst}"


EDGES = {
    "audit/classes/table.py": "reads and writes its part of cube.json, which is sparse",
    "audit/clusters.py": "reads and writes its part of cube.json, which is sparse",
    "audit/contract/gx.py": "Great Expectations' own JSON, in both of its dialects",
    "audit/cube_json.py": "the reader and writer of cube.json, whose margins are sparse",
    "audit/models/bounds.py": "scikit-learn's state: NumPy's records are read by field",
    "audit/models/guards.py": "scikit-learn's and XGBoost's state before it is used: records of NumPy",
    "audit/models/onnx_trees.py": "scikit-learn's nodes and LightGBM's dump, written as ONNX",
    "audit/models/own_loaders.py": "runs without Assay, under the interpreter of a model, on files of other libraries",
    "audit/models/own_worker.py": "runs alone, under the interpreter of a model from Python 3.8 on",
    "audit/models/served/oip.py": "a protocol of others: its JSON, written and read",
    "audit/models/tree_files.py": "XGBoost's JSON and LightGBM's text, before a library reads them",
    "audit/models/wire.py": "the frames between processes: their headers are JSON",
    "audit/models/xgboost_model.py": "XGBoost's own settings as JSON",
    "audit/regression/moments.py": "reads and writes its part of cube.json, which is sparse",
    "audit/sandbox/launch.py": "runs before anything can be imported: its settings are JSON on its command line",
    "reports/check_offline/check.py": "for people without Assay: one file of the standard library, on plain JSON",
    "screens/entrance.py": "ASGI: requests and messages are dicts of that protocol, and claims are a provider's",
    "screens/mend.py": "ASGI, as above",
    "screens/serve.py": "ASGI, as above",
    "reports/verify/container.py": "ASN.1 of a CMS container: asn1crypto's values are read by the names of RFC 5652",
}
"""The files where foreign or plain JSON (or the like) is read by key, each with the reason; all others have records."""

SUBSCRIPTS = {"audit": 28, "debias": 4, "reports": 28, "screens": 25, "assay": 11}
"""`x["key"]` by room outside EDGES, at most: records have fields, and a document is read into its record at the edge.
Together they are under 100 (they were 2,312); whoever lowers a room's number writes it here."""


def by_key(tree: ast.Module) -> int:
    """How often something is read or written by a key that stands there as text; a Literal is a type."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Subscript))
    read = (node.slice for node in nodes if getattr(node.value, "id", "") != "Literal")
    return sum(isinstance(key, ast.Constant) and isinstance(key.value, str) for key in read)


def test_documents_are_records() -> None:
    assert by_key(ast.parse("a['x'] = b[\"y\"]['z'] + c[0] + d[k]; e: Literal['x']")) == 3
    files = {p.relative_to(ROOT).as_posix(): by_key(tree_of(p)) for p in MODULES.values()}
    assert not [name for name in EDGES if not files.get(name)], "no edge any more"
    assert len(EDGES) <= 40
    for room, most in SUBSCRIPTS.items():
        mapping = {n: c for n, c in files.items() if c and n.split("/")[0] == room and n not in EDGES}
        count = sum(mapping.values())
        assert count <= most, f"{room}: {count} subscripts by a key: {sorted(mapping.items(), key=lambda f: -f[1])[:9]}"


NUMBERS = {
    "audit/numbers.py": "the formatter",
    "reports/chart_pareto.py": "places in a drawing, and the ticks of its axes",
    "reports/chart_sequence.py": "places in a drawing, and the ticks of its axes",
    "reports/charts.py": "places in a drawing, and the ticks of its axes",
    "reports/check_offline/check.py": "for people without Assay: one file of the standard library",
    "reports/pdf.py": "places on a page",
    "reports/verify/looks.py": "places on a page",
    "screens/charts_watch.py": "the label of a line in a chart",
}
"""The files that write decimals themselves, each with the reason; all others ask audit.numbers."""

FORMATS = {"audit": 0, "debias": 0, "reports": 0, "screens": 0, "assay": 0}
"""Decimals written outside NUMBERS, at most."""


def decimals(tree: ast.Module) -> int:
    """How often a number is written with decimals, significant digits or as a power of ten."""
    specs = (ast.unparse(node.format_spec) for node in ast.walk(tree)
             if isinstance(node, ast.FormattedValue) and node.format_spec is not None)  # fmt: skip
    return sum(re.search(r"[feg%]['\"]$", spec) is not None for spec in specs)


def test_numbers_are_written_in_one_place() -> None:
    assert decimals(ast.parse("f'{a:.3f} {b:g} {c:,} {d:>8} {e:.{n}f} {f:.1%} {x}'")) == 4
    files = {p.relative_to(ROOT).as_posix(): decimals(tree_of(p)) for p in MODULES.values()}
    assert not [name for name in NUMBERS if not files.get(name)], "writes none any more"
    for room, most in FORMATS.items():
        mapping = {n: c for n, c in files.items() if c and n.split("/")[0] == room and n not in NUMBERS}
        assert sum(mapping.values()) <= most, f"{room}: {sorted(mapping.items(), key=lambda f: -f[1])[:9]}"


BRANCHING = {
    "debias/loop/ingest.py: _good": "a batch from its rows to the decisions on it: one order of steps, each a call",
    "debias/loop/step.py: _mature": "a batch that comes of age: each condition is a clause of the loop's rule",
    "debias/loop/fleet.py: run_fleet": "one turn of many loops: what may stop any of them is asked in one place",
    "screens/model.py: show": "a screen from top to bottom",
}
"""Functions over a cyclomatic complexity of 10 (McCabe 1976), with the reason: fewer than 8. It was 42."""


def branching(source: list[str], text: str | None = None) -> set[str]:
    """`file: function` of what ruff counts over 10."""
    command = ["check", "--isolated", "--select", "C901", "--ignore-noqa", "--no-cache"]
    command += ["--config", "lint.mccabe.max-complexity=10"]
    command = [sys.executable, "-m", "ruff", *command, "--output-format", "json", *source]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, input=text)
    assert done.returncode in (0, 1), done.stderr
    return {
        f"{Path(result['filename']).relative_to(ROOT).as_posix()}: {result['message'].split('`')[1]}"
        for result in json.loads(done.stdout)
    }


def test_a_function_branches_at_few_places() -> None:
    ten, eleven = ("def {}():\n" + "    if x: pass\n" * n for n in (9, 10))
    text = ten.format("ten") + eleven.format("eleven")
    assert branching(["-", "--stdin-filename", str(ROOT / "audit" / "x.py")], text) == {"audit/x.py: eleven"}
    doors = [f"{door}.py" for door in DOORS if door != "assay"]
    assert branching([*PACKAGES, "assay", *doors]) <= set(BRANCHING)
    assert len(BRANCHING) < 8


LONG = {"audit/models/own_worker.py": "one file on purpose: it runs alone, under the interpreter of a model"}


def test_a_file_has_one_subject() -> None:
    """About 400 lines; what is longer holds two subjects, or is named here with the reason."""
    lines = {p.relative_to(ROOT).as_posix(): len(p.read_text().splitlines()) for p in MODULES.values()}
    long = {name: count for name, count in lines.items() if count > 500}
    assert set(long) <= set(LONG), long
    assert all(name in lines for name in LONG)


EVERYDAY = re.compile(r"_{0,2}(said|given|found|told|made)")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def named_so(node: ast.AST, within: bool = False) -> Iterator[tuple[int, str]]:
    """(line, name) of what is defined and bound below `node`; within: inside a function, and not in a class's body."""
    for child in ast.iter_child_nodes(node):
        name = ""
        if isinstance(child, ast.arg):
            name = child.arg
        elif isinstance(child, ast.alias):
            name = child.asname or ""
        elif isinstance(child, ast.Name):
            name = child.id if within and isinstance(child.ctx, ast.Store) else ""
        elif isinstance(child, (*FUNCTIONS, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
            name = child.name or ""
        if EVERYDAY.fullmatch(name.lower()):
            yield getattr(child, "lineno", 0), name
        inner = isinstance(child, (*FUNCTIONS, ast.Lambda, ast.comprehension))
        yield from named_so(child, inner or (within and not isinstance(child, ast.ClassDef)))


FACTS = ("debias.loop.events", "debias.loop.sentences")
"""Their parameters are the facts of an event, by the names that the trail keeps."""


def test_no_name_is_an_everyday_word() -> None:
    """A variable, a function or a class says what it holds. Fields of records are keys of documents."""
    text = """
        def _told(given): pass
        class A:
            made: int = 0
            def f(self):
                for said, (x, _found) in []: pass
                return [told for told in []], lambda made: 0, self.found
        class Said: pass
    """
    seen = {name for _, name in named_so(ast.parse(textwrap.dedent(text)))}
    assert seen == {"_told", "given", "said", "_found", "told", "made", "Said"}
    assert {
        f"{module}:{line} {name}"
        for module, path in MODULES.items()
        for line, name in named_so(tree_of(path))
        if module not in FACTS
    } == set()


SEVERAL = ("plain", "short", "counted", "place", "Table", "number", "numbers", "asked", "Asked")
"""Names that meant five to eighteen things each."""


def test_one_name_has_one_meaning() -> None:
    defined = [
        (node.name.lstrip("_"), module)
        for module, path in MODULES.items()
        for node in tree_of(path).body
        if isinstance(node, (*FUNCTIONS, ast.ClassDef))
    ]
    several = {(name, module) for name, module in defined if name in SEVERAL}
    assert several == {("Table", "reports.blocks"), ("number", "reports.words")}
