"""The statements and the model card in a report against what they have to say, made again from the embedded files."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any

import rfc8785

from audit.documents import Documents
from audit.errors import AssayError
from audit.numbers import many
from reports.attest import MODEL_CARD, STATEMENTS
from reports.attest.dsse import opened, statement_of
from reports.attest.statements import lock_digest, statements_of
from reports.manifest import Manifest
from reports.verify.result import Broken, shown

SHORT = {
    "https://in-toto.io/attestation/test-result/v0.1": "test-result",
    "https://slsa.dev/provenance/v1": "provenance",
}


def check_statements(files: Mapping[str, bytes], manifest: Manifest, certificate: bytes) -> str:
    """Each statement signed by the auditor, about these subjects, with this predicate. Raises Broken.

    files : the embedded files; certificate: the auditor's, DER, from the report's first signature.
    """
    expected = statements_of(files, manifest.tool)
    lines = files[STATEMENTS].split(b"\n")
    if lines[-1] or len(lines) - 1 != len(expected):
        raise Broken(
            "the report holds another number of statements", got=len(lines) - 1,
            expected=f"{len(expected)}: {', '.join(_kind(s) for s in expected)}",
        )  # fmt: skip
    for line, right in zip(lines, expected, strict=False):
        try:
            payload = opened(line, certificate)
            mine = statement_of(payload)
        except AssayError as error:
            raise Broken(error.problem, expected=error.expected) from error
        _compare(mine, right)
        if payload != rfc8785.dumps(right):
            raise Broken(f"the statement {_kind(right)} differs from the one that follows from the evidence")
    lock = manifest.tool.get("requirements.txt")
    same = "the same as here" if lock and lock == lock_digest() else "another than here" if lock else "not stated"
    kinds = ", ".join(_kind(s) for s in expected)
    return (
        f"{len(expected)} signed by the auditor ({kinds}); subjects and predicates follow from the evidence; "
        f"lock file {same}"
    )


def check_model_card(files: Mapping[str, bytes]) -> str:
    """The model card made again from the embedded evidence, byte for byte. Raises Broken."""
    from reports.attest.mlbom import ml_bom

    documents = Documents.of(files)
    mitigation = documents.plain("mitigation.json") if "mitigation.json" in documents else None
    try:
        right = ml_bom(documents.plain("evidence.json"), mitigation)
    except (AssayError, AssertionError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise Broken("the model card cannot be made again", got=type(error).__name__) from error
    mine = files[MODEL_CARD]
    if mine != right:
        at = next((i for i, (a, b) in enumerate(zip(mine, right, strict=False)) if a != b), min(len(mine), len(right)))
        raise Broken(
            "the model card does not follow from the evidence",
            got=f"other bytes from {at:,} on, {len(mine):,} in all",
            expected=many(len(right), "byte"),
        )
    return f"made again from the embedded evidence: {many(len(right), 'byte')}, the same"


def _kind(statement: Mapping[str, Any]) -> str:
    kind = str(statement.get("predicateType"))
    return SHORT.get(kind, kind)


def _compare(mine: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    type_, subject, must = itemgetter("predicateType", "subject", "predicate")(right)
    if mine.get("predicateType") != type_:
        raise Broken("a statement is of another kind", got=shown(mine.get("predicateType")), expected=type_)
    kind = _kind(right)
    if mine.get("subject") != subject:
        raise Broken(
            f"the statement {kind} is about other things than the report",
            got=shown(mine.get("subject")),
            expected="the names and digests of the report's model and data",
        )
    if (got := mine.get("predicate")) != must:
        keys = [k for k in must if not isinstance(got, dict) or got.get(k) != must[k]] or ["another entry"]
        raise Broken(
            f"the statement {kind} does not say what follows from the evidence: {keys[0]}",
            got=shown(got.get(keys[0]) if isinstance(got, dict) else got), expected=shown(must.get(keys[0])),
        )  # fmt: skip
