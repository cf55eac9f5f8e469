"""Write the tables of docs/ that list rows of tables in the code: between the marks `<!-- table NAME -->` and
`<!-- end NAME -->`. A test asks that they stand there as they are written here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from audit.documents.table import DOCUMENTS
from audit.engines import ENGINES
from audit.found import KINDS as FINDINGS
from audit.load.kinds import KINDS as TABLE_KINDS
from audit.models.formats import FORMATS
from audit.models.own_loaders import WAYS
from audit.quality.table import DETECTORS
from audit.stress.corrupt import KINDS as CORRUPTIONS
from debias.whatif.table import KINDS as VARIANTS

DOCS = Path(__file__).resolve().parents[1] / "docs"


def _markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _detectors() -> str:
    rows = [
        (f"`{d.name}`", d.asks, d.source, "an entry of `quality`" if d.look is not None else "among the notes")
        for d in DETECTORS.values()
    ]
    return _markdown(("detector", "asks", "source", "where it is told"), rows)


def _corruptions() -> str:
    rows = [
        (f"`{k.name}`", k.words.format(column="the values"), k.plausible, k.savage or "") for k in CORRUPTIONS.values()
    ]
    return _markdown(("corruption", "if", "how it comes about", "kind of SAVAGE"), rows)


def _variants() -> str:
    rows = [(f"`{k.name}`", k.step, k.reason, ", ".join(f"`{n}`" for n in k.learners)) for k in VARIANTS.values()]
    return _markdown(("kind", "step", "asks", "learners"), rows)


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{n}`" for n in names)


def _table_kinds() -> str:
    known = {True: "first bytes", False: "none else"}
    rows = [(k.words.partition(" (")[0], _named(k.endings), known[bool(k.begins)]) for k in TABLE_KINDS.values()]
    return _markdown(("a table as", "called", "known by"), rows)


def _model_formats() -> str:
    rows = [
        (f.words or "group thresholds, made by Assay", _named(f.endings), "yes" if f.onnx else "",
         "yes, to " + format(f.converted, "g") if f.converted else "")
        for f in FORMATS.values()
    ]  # fmt: skip
    return _markdown(("a model as", "called", "written as ONNX", "written from a model elsewhere"), rows)


def _loaders() -> str:
    by_kind: dict[str, list[str]] = {}
    for name, way in WAYS.items():
        by_kind.setdefault(way.what, []).append(name)
    own = (
        "`function(path)` of `module.py` or `module/` beside the model or in the environment; gives what has `predict`"
    )
    rows = [*((_named(names), what) for what, names in by_kind.items()), ("`module:function`", own)]
    return _markdown(("`load`", "loads"), rows)


def _documents() -> str:
    rows = [
        (f"`{d.name}`", d.words or "the loop's history", f"`assay {d.made_by}`", d.published.value)
        for d in DOCUMENTS.values()
    ]
    return _markdown(("document", "what is in it", "made by", "where a group is too small to be published"), rows)


def _findings() -> str:
    return _markdown(("findings", "say where"), [(k.name, k.tells) for k in FINDINGS.values()])


def _engines() -> str:
    rows = [(f'`"{e.name}"`', e.purpose, e.back) for e in ENGINES.values()]
    return _markdown(("`engine` under `[data]`", "what it is for", "what comes back"), rows)


TABLES: dict[str, tuple[str, Callable[[], str]]] = {
    "detectors": ("metrics.md", _detectors),
    "corruptions": ("stress.md", _corruptions),
    "variants": ("stress.md", _variants),
    "table kinds": ("case-file.md", _table_kinds),
    "model formats": ("case-file.md", _model_formats),
    "loaders": ("case-file.md", _loaders),
    "documents": ("report.md", _documents),
    "findings": ("metrics.md", _findings),
    "engines": ("scale.md", _engines),
}
"""Name of the table -> the file that it stands in, and what writes it."""


def written(text: str, name: str) -> str:
    """`text` with the table as the code has it. Raises ValueError where its marks are not there once."""
    head, foot = f"<!-- table {name} -->", f"<!-- end {name} -->"
    if text.count(head) != 1 or text.count(foot) != 1:
        raise ValueError(f"docs have no place for the table {name!r}")
    body = TABLES[name][1]()
    return re.sub(f"{head}.*?{foot}", lambda _: f"{head}\n{body}\n{foot}", text, flags=re.DOTALL)


if __name__ == "__main__":
    for name, (file, _) in TABLES.items():
        path = DOCS / file
        path.write_text(written(path.read_text(encoding="utf-8"), name), encoding="utf-8")
