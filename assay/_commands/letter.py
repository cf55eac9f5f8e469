"""`assay letter`: reasons, recourse and rights for one person."""

from __future__ import annotations

from pathlib import Path

from assay._commands.options import CASE
from assay._commands.parsing import FILE, WHOLE, Option, Result, command


@command(
    CASE,
    Option("--row", type=WHOLE, required=True, help="Which audited row (0 is the first)."),
    Option("--run", type=FILE, metavar="DIR", help="The run folder with its explanations (default: beside the case)."),
    Option("--form", metavar="NAME", help="The preset whose letter it is (default: of the case, or adverse-action)."),
    Option("--out", type=FILE, metavar="LETTER.txt", help="Where to (default: printed)."),
)
def letter(case: Path, row: int, run: Path | None, form: str | None, out: Path | None) -> Result:
    from audit.files import write_own
    from audit.load import load_case
    from reports.letter import AGAINST, write_letter

    loaded = load_case(case)
    draft = write_letter(loaded, run or case.resolve().parent / f"{case.stem}-letters", row, form)
    if out is not None:
        write_own(out, draft.text.encode(), holds=f"\n{AGAINST}\n".encode())
    words = [draft.text.rstrip()] if out is None else [f"Written: {out}"]
    words += [f"FINDING for the board: {f}" for f in draft.findings]
    words += [f"Still to be answered by a person: {t}" for t in draft.lacking]
    return Result(draft.to_json(), "\n".join(words))
