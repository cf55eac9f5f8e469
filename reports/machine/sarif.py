"""SARIF 2.1.0 (OASIS, 2020), as code hosts show it beside a change: a result a norm that is broken or undecided,
and one a check of the contract that is not kept (an error or a warning, as its severity says).

A broken norm is an error, an undecided one a warning, one that cannot be estimated a note. The place is the case file:
nobody's row is a place.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from audit.documents.evidence import Evidence
from audit.numbers import brief
from reports.machine.norms import check_result, checks, figure, title

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def to_sarif(evidence: Evidence, case: str) -> bytes:
    """One run. case: the case file, relative to the checkout, as the place of every result."""
    rules, results = [], []
    for norm in evidence.norms:
        rule = f"{norm.metric}/{norm.kind}/{'+'.join(norm.attribute)}"
        rules.append(
            {
                "id": rule,
                "name": title(norm).title().replace(" ", ""),
                "shortDescription": {"text": f"{title(norm).capitalize()}, limit {brief(norm.limit)}"},
                "defaultConfiguration": {"level": "error"},
            }
        )
        level = "error" if norm.breached else {"undecided": "warning", "not_estimable": "note"}.get(norm.status)
        if level is None:
            continue
        results.append(
            _result(case, rule, len(rules) - 1, level, f"{title(norm).capitalize()}: {figure(norm)}.", "norm")
        )
    for number, check in enumerate(checks(evidence), 1):
        rule = f"contract/{check.kind}/{'+'.join(check.columns)}/{number}"
        level = "error" if check.severity == "error" else "warning"
        rules.append(
            {
                "id": rule,
                "name": "Contract" + check.kind.title().replace("_", ""),
                "shortDescription": {"text": check.words},
                "defaultConfiguration": {"level": level},
            }
        )
        if not check.passed:
            results.append(_result(case, rule, len(rules) - 1, level, f"{check_result(check)}.", "contract"))
    run = {
        "tool": {"driver": {"name": "Assay", "version": evidence.tool.version, "rules": rules}},
        "properties": {
            "policy": evidence.policy.version,
            "data": evidence.data.sha256,
            "rows": evidence.data.audited_rows,
        },
        "results": results,
    }
    return (
        json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1, ensure_ascii=False) + "\n"
    ).encode()


def _result(case: str, rule: str, index: int, level: str, text: str, kind: str) -> dict[str, Any]:
    return {
        "ruleId": rule,
        "ruleIndex": index,
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(case)}, "region": {"startLine": 1}}}],
        "partialFingerprints": {f"{kind}/v1": hashlib.sha256(f"{case}\n{rule}".encode()).hexdigest()},
    }


def _uri(path: str) -> str:
    from urllib.parse import quote

    return quote(path.replace("\\", "/"))
