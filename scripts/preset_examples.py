"""Fill every preset that ships with invented answers and figures of the sample data: docs/presets/NAME.md.

    .venv/bin/python scripts/preset_examples.py            # about two minutes
    .venv/bin/python scripts/preset_examples.py eu-fria    # one of them

The answers are docs/presets/answers.toml. What a form takes from an audit comes from a real one of the samples.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from audit.case import FormSpec
from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from debias.pareto import run_search
from reports.blocks import Table
from reports.document import sources_of
from reports.issue import collect
from reports.manifest import Attached, Manifest, slots_for
from reports.presets import Filled, check_case, filled_forms, shipped

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "docs" / "presets"
WHEN = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
SAMPLE = {"lda-search": "german_credit.toml", "eu-bias-profile": "german_credit.toml"}
TRIALS = 6


def filled(name: str, folder: Path) -> Filled:
    """The preset of this name, filled."""
    answers = tomllib.loads((PLACE / "answers.toml").read_text(encoding="utf-8")).get(name, {})
    case = load_case(ROOT / "sample_data" / SAMPLE.get(name, "adult.toml"))
    case = check_case(replace(case, forms=(FormSpec(name, answers=answers),)))
    run_audit(case, folder, Settings(draws=200))
    if name == "lda-search":
        run_search(case, folder, trials=TRIALS, at_random=True, acceptable_loss=0.01, attributes=["sex"], draws=200)
    files = collect(folder)
    manifest = Manifest(
        title="Example", case=case.name, author="Ada Auditor", language="en", issued=WHEN,
        attachments=tuple(Attached.of(n, b) for n, b in sorted(files.items())),
        signers=slots_for("Ada Auditor", []),
    )  # fmt: skip
    return filled_forms(sources_of(files, manifest))[0]


def page(form: Filled) -> str:
    """The form as Markdown."""
    preset = form.preset
    out = [
        f"# {preset.title}",
        "",
        f"A filled example of the preset `{preset.name}`, made by `scripts/preset_examples.py` from invented answers "
        "and the sample data. It is about nobody. Whether a text is met is not said here: that is for people.",
        "",
        preset.intro,
        "",
        f"{form.count('lacking')} lacking, {form.count('stale')} stale. Read on {preset.as_read}, to be read again by "
        f"{preset.review_by}.",
        "",
        "| Item | State | Here, or what to do |",
        "|---|---|---|",
    ]
    for item in form.items:
        cite = f" ({item.field.cite})" if item.field.cite else ""
        out.append(f"| {_cell(item.field.title + cite)} | {item.state} | {_cell(item.text)} |")
    for table in form.tables:
        out += _table(table)
    out += [f"\nLacking: {title}; {why}." for title, why in form.without]
    out += ["", *(f"- {r.text}. Read in: {r.source}.{f' {r.status}' if r.status else ''}" for r in preset.references)]
    return "\n".join(out) + "\n"


def _table(table: Table) -> list[str]:
    out = ["", f"## {table.caption}", "", f"| {' | '.join(table.columns)} |", "|" + "---|" * len(table.columns)]
    out += [f"| {' | '.join(_cell(c) for c in row)} |" for row in table.rows]
    return [*out, "", table.note] if table.note else out


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def main(names: Sequence[str]) -> None:
    """Write these pages, or every one."""
    for name in names or shipped():
        with tempfile.TemporaryDirectory() as folder:
            (PLACE / f"{name}.md").write_text(page(filled(name, Path(folder))), encoding="utf-8")
        print(f"docs/presets/{name}.md")


if __name__ == "__main__":
    main(sys.argv[1:])
