"""`assay contract`: propose a contract for a data file, or hold a case's data against the one that it names."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

from audit.case import Case
from audit.contract import gx
from audit.contract.check import check, sentence, to_document
from audit.contract.propose import propose
from audit.contract.read import dump, to_table
from audit.contract.records import SCHEMA, Checked, Contract
from audit.documents import record_in
from audit.documents.contract import ContractHeld
from audit.errors import CaseError, GateBroken
from audit.files import canonical, write_once, write_own
from audit.numbers import are, many
from audit.places import refuse_another


def proposed(data: Path, out: Path | None) -> tuple[dict[str, Any], str]:
    """The document and the words of a proposal; written to `out`, never over a file. Raises DataError, InputError."""
    if data.suffix == ".toml":
        contract, rows, about = _of_case(data)
    else:
        from audit.load import read_noted

        frame = read_noted(data).frame
        contract, rows, about = propose(frame), len(frame), data.name
    text = dump(
        contract,
        (
            f"Proposed from {many(rows, 'row')} of {about}. Read every line, and change what is not meant.",
            'Assay holds data against it: `contract = "FILE"` at the top of the case file.',
        ),
    )
    if out is not None:
        write_once(out, text.encode())
    document = {
        "schema": SCHEMA,
        "rows": rows,
        "checks": [to_table(c) for c in contract.checks],
        "written": None if out is None else str(out),
    }
    words = (
        text.rstrip()
        if out is None
        else f"Written: {out}, {many(len(contract.checks), 'check')} proposed from {many(rows, 'row')}."
    )
    return document, words


def _of_case(path: Path) -> tuple[Contract, int, str]:
    """From the rows that a case's model learned from, or from all of them where it does not say which."""
    from audit.load import load_case, load_rows

    case = load_case(path)
    rows = load_rows(case, everything=True)
    reference = rows.frame if rows.train is None else rows.frame[rows.train]
    data = case.data
    keys = [c for c in (data.id,) if c is not None and data.cluster is None]
    return propose(reference, rows.features, keys=keys, time=data.time), len(reference), case.name


def checked_case(
    path: Path, results: Path | None = None, gate: bool = False
) -> tuple[dict[str, Any], str, GateBroken | None]:
    """The case's audited rows against its contract. results: a file for a validation result of Great Expectations.

    The last is what `gate` ends with where a check of severity "error" is broken. Raises CaseError without a contract.
    """
    from audit.load import load_case

    case = load_case(path)
    if case.contract is None:
        raise CaseError(
            "the case has no contract",
            got="no `contract` in the case file",
            expected='contract = "contract.toml"',
            todo=f"propose one (assay contract {quote(str(path))} "
            f"--out {quote(str(path.with_name('contract.toml')))}), read it, and name it there",
        )
    if results is not None:
        refuse_another(results, gx.BEGINS)
    checked = _held(case, case.contract)
    if results is not None:
        write_own(results, canonical(gx.validation(checked)), gx.BEGINS)
    words = "\n".join(lines(checked))
    document = {"schema": SCHEMA, **to_document(checked)}
    return document, words, broken_in(record_in(ContractHeld, document, "contract.json")) if gate else None


def _held(case: Case, contract: Contract) -> Checked:
    """Where the rows are, or in memory: there too where nobody but the file's size asked for a database."""
    from audit.load import load_rows
    from audit.quality import groups_of
    from audit.scale.source import Uncounted, is_large

    if is_large(case):
        from audit.contract.large import check_large

        with suppress(Uncounted):
            return check_large(case)
    rows = load_rows(case, everything=True)
    frame = rows.frame[rows.audit]
    return check(frame, contract, groups_of(case, frame), columns=rows.columns)


def broken_in(held: ContractHeld | None) -> GateBroken | None:
    """What --gate ends with; None where no check of severity "error" is broken."""
    if held is None or not held.broken:
        return None
    failed = [c for c in held.checks if not c.passed]
    sentences = [s for c, s in zip(failed, held.sentences, strict=True) if c.severity == "error"]
    return GateBroken(
        f"{len(sentences)} of {many(len(held.checks), 'check')} of the contract {are(len(sentences))} broken",
        got=" ".join(sentences[:8]),
        expected="data as the contract says",
        todo="mend the data, or change the contract and say why",
    )


def lines(checked: Checked) -> list[str]:
    """Every check, what failed first."""
    kept, source = sum(o.passed for o in checked.outcomes), checked.contract.source
    out = [
        f"{kept} of {many(len(checked.outcomes), 'check')} kept on {many(checked.rows, 'row')} ({source}).",
        "",
    ]
    out += [f"- {sentence(o)}" for o in sorted(checked.outcomes, key=lambda o: o.passed)]
    if checked.contract.not_understood:
        count = sum(checked.contract.not_understood.values())
        named = ", ".join(f"{k} ({v})" for k, v in checked.contract.not_understood.items())
        out += ["", f"Not understood and not checked: {many(count, 'line')} of the suite: {named}."]
    return out
