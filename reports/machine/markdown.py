"""A summary in Markdown, for the page of a job or a change."""

from __future__ import annotations

import re

from audit.documents.evidence import Evidence
from audit.numbers import brief, fixed, many
from reports.machine.norms import stands, title

MOST = 8


def to_markdown(evidence: Evidence, case: str) -> bytes:
    """Norms as a table, then findings and notes. What came with the data is escaped: it is never markup."""
    data = evidence.data
    lines = [
        f"## {_escaped(evidence.case.name)}",
        "",
        f"{_escaped(evidence.case.purpose)}. {many(data.audited_rows, 'row')} measured (`{_code(case)}`, policy "
        f"{_escaped(evidence.policy.version)}, data `{data.sha256[:12]}`).",
        "",
        "| norm | value | 95 % interval | limit | stands |",
        "|---|---|---|---|---|",
    ]
    for norm in evidence.norms:
        if norm.value is None:
            cells = ["", "", brief(norm.limit), f"not estimable: {_escaped(norm.reason)}"]
        else:
            where = stands(norm) + (" (**broken**)" if norm.breached else "")
            cells = [
                fixed(norm.value, 3),
                f"{fixed(norm.low, 3)} to {fixed(norm.high, 3)}",
                brief(norm.limit),
                where,
            ]
        lines.append(f"| {_escaped(title(norm))} | {' | '.join(cells)} |")
    if evidence.contract is not None:
        c = evidence.contract
        lines += [
            "",
            f"{c.kept} of {many(len(c.checks), 'check')} of the contract are kept; {c.broken} broken are errors.",
            "",
        ]
        lines += [f"- {_escaped(s)}" for s in c.sentences[:MOST]]
    lines += ["", *(f"- {_escaped(s)}" for s in evidence.findings[:MOST])]
    lines += ["", *(f"> {_escaped(s)}" for s in evidence.notes[:MOST])]
    return ("\n".join(lines).rstrip() + "\n").encode()


def _escaped(text: object) -> str:
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(str(text).split()))


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())
