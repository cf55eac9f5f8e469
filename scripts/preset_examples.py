"""Fill every preset that ships with invented answers and figures of the sample data, for docs/presets.

    make examples                                             # about three minutes
    .venv/bin/python scripts/preset_examples.py german-credit # the forms of one sample

For each sample one signed report without annex (docs/presets/SAMPLE.pdf), verified as it is made, in which each of its
forms is a chapter; and each form as Markdown (docs/presets/NAME.md), from the same report. The answers are
docs/presets/answers.toml. The key is made for this run and thrown away: the signature is no one's.
"""

from __future__ import annotations

import datetime as dt
import secrets
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from audit.case import Case, FormSpec
from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from debias.pareto import run_search
from reports.blocks import Table
from reports.document import sources_of
from reports.issue import collect, issue_report
from reports.keys import new_key
from reports.log.searches import entered_in
from reports.presets import Filled, check_case, filled_forms
from reports.verify import verify_or_raise

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "docs" / "presets"
WHEN = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
NOBODY = "Example (no one's signature)"


@dataclass(frozen=True)
class Sample:
    """One sample's report: its case, its forms in order, and whether alternatives are searched for."""

    case: str
    forms: tuple[str, ...]
    searched: bool = False


SAMPLES = {
    "adult": Sample(
        "adult.toml",
        ("nyc-ll144", "four-fifths", "eu-annex-iv", "eu-fria", "eu-art-86", "adverse-action", "uk-atrs",
         "naic-exhibit-c"),
    ),
    "german-credit": Sample("german_credit.toml", ("lda-search", "eu-bias-profile"), searched=True),
}  # fmt: skip


def case_of(sample: Sample) -> Case:
    """The sample's case with its forms and their invented answers."""
    answers = tomllib.loads((PLACE / "answers.toml").read_text(encoding="utf-8"))
    case = load_case(ROOT / "sample_data" / sample.case)
    return check_case(replace(case, forms=tuple(FormSpec(n, answers=answers.get(n, {})) for n in sample.forms)))


def build_report(sample: Sample, folder: Path, *, trials: int = 6, draws: int = 200) -> tuple[Path, tuple[Filled, ...]]:
    """The signed report, verified, and its forms as they are filled in it. Raises VerificationError."""
    case, log, run = case_of(sample), folder / "log", folder / "run"
    run_audit(case, run, Settings(draws=draws))
    if sample.searched:
        need = next(f.answers["need"] for f in case.forms if "need" in f.answers)
        run_search(case, run, trials=trials, at_random=True, acceptable_loss=0.01, need=need, attributes=["sex"],
                   draws=draws, begin=entered_in(log))  # fmt: skip
    key = new_key(NOBODY, folder / "key.p12", secrets.token_hex(16).encode())
    issued = issue_report(
        run, key, folder / "report.pdf", issued=WHEN, annex="none", log=log if sample.searched else None
    )
    verify_or_raise((folder / "report.pdf").read_bytes())
    return folder / "report.pdf", filled_forms(sources_of(collect(run), issued.manifest))


def page(form: Filled, sample: str) -> str:
    """The form as Markdown."""
    preset = form.preset
    out = [
        f"# {preset.title}",
        "",
        f"A filled example of the preset `{preset.name}`, made by `make examples` from invented answers and the sample "
        f"data; as pages: [{sample}.pdf]({sample}.pdf). It is about nobody. Whether a text is met is not said here: "
        "that is for people.",
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
    """Make the examples of these samples, or of every one."""
    for name in names or SAMPLES:
        with tempfile.TemporaryDirectory() as folder:
            report, forms = build_report(SAMPLES[name], Path(folder))
            (PLACE / f"{name}.pdf").write_bytes(report.read_bytes())
        print(f"docs/presets/{name}.pdf")
        for form in forms:
            (PLACE / f"{form.preset.name}.md").write_text(page(form, name), encoding="utf-8")
            print(f"docs/presets/{form.preset.name}.md")


if __name__ == "__main__":
    main(sys.argv[1:])
