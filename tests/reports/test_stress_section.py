"""What could go wrong, in the report: drawn from its fields, computed again from its counts, refused where it lies."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from audit.documents import record_in
from audit.documents.contract import ContractHeld
from audit.documents.stress import Stress, Whatif
from audit.files import canonical
from reports.blocks import Paragraph, Table
from reports.sections import stress
from reports.verify import verify
from reports.verify.result import Broken
from reports.verify.stress import check_stress, check_whatif
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki

ENTRY: dict[str, Any] = {
    "question": "serving", "metric": "true_positive_rate", "attribute": ["sex"], "figure": "difference", "limit": 0.1,
    "kind": "tenth", "column": "age", "names_person": True, "rows": 10, "of": 200, "share_of_them": 1.0,
    "predicate": [{"column": "sex", "how": "is", "value": "F", "personal": True}],
    "before": 0.1, "after": 0.4, "change": 0.3, "low": 0.2, "high": 0.4, "random_mean": 0.1, "random_worst": 0.15,
    "worse": True, "caught": None, "watch": None, "watched": {"batch": 100, "batches": 12},
    "counts": {"groups": ["F", "M"], "before": [[[60, 100], [70, 100]]], "after": [[[30, 100], [70, 100]]]},
}  # fmt: skip
STRESS: dict[str, Any] = {
    "schema": "assay/stress/1",
    "asked": {"budget": 0.05, "seed": 0, "train": False, "fits": 1},
    "serving": {"candidates": 9, "searched_rows": 200, "reported_rows": 200, "entries": [ENTRY], "notes": []},
    "training": {"measured": False, "reason": "not asked for", "entries": [], "notes": []},
}
FIGURE = {"value": 0.4, "change": 0.3, "low": 0.2, "high": 0.4, "p_value": 0.001, "p_adjusted": 0.001,
          "counts": [[[30, 100], [70, 100]]]}  # fmt: skip
WHATIF: dict[str, Any] = {
    "schema": "assay/whatif/1",
    "data": {"measured_rows": 200},
    "aims": [{"metric": "true_positive_rate", "attribute": ["sex"], "kind": "difference", "limit": 0.2, "base": 0.1,
              "base_counts": [[[60, 100], [70, 100]]], "shipped": 0.1, "shipped_counts": [[[60, 100], [70, 100]]]}],
    "variants": [{"variant": "without age", "side": "train", "kind": "features", "figures": [FIGURE]}],
    "failed": [],
    "multiverse": [{"metric": "true_positive_rate", "attribute": ["sex"], "kind": "difference", "limit": 0.2,
                    "variants": 1, "inside": 0, "shipped": 0.1, "better_than_shipped": 0}],
}  # fmt: skip


def changed(document: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    out = copy.deepcopy(document)
    change(out)
    return out


def first(d: dict[str, Any]) -> dict[str, Any]:
    return d["serving"]["entries"][0]


def test_what_is_right_is_found_right() -> None:
    assert "values of 1 finding computed again" in check_stress({"stress.json": canonical(STRESS)})
    assert "values of 1 variant computed again" in check_whatif({"whatif.json": canonical(WHATIF)})


WHERE = "what could go wrong, serving 1"


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda d: first(d).update(after=0.2), f"{WHERE}, after does not follow from its counts"),
        (lambda d: first(d).update(worse=False), f"{WHERE}, worse does not follow from its counts"),
        (lambda d: first(d).update(random_worst=0.5), f"{WHERE}, worse does not follow from its counts"),
        (lambda d: first(d).update(low=0.35), f"{WHERE}, interval does not follow from its counts"),
        (lambda d: first(d).update(rows=100), f"{WHERE}, budget does not follow from its counts"),
        (lambda d: first(d).update(names_person=False), f"{WHERE}, names_person does not follow from its counts"),
        (lambda d: first(d).update(kind="no bias at all"), "the stress test cannot be measured"),
        (lambda d: first(d)["counts"].update(after=[[[0, 0], [0, 0]]]), "a figure of the stress test has no counts"),
    ],
)
def test_a_finding_that_does_not_follow_is_refused(change: Any, sentence: str) -> None:
    with pytest.raises(Broken) as refused:
        check_stress({"stress.json": canonical(changed(STRESS, change))})
    assert refused.value.problem == sentence


def figure(d: dict[str, Any]) -> dict[str, Any]:
    return d["variants"][0]["figures"][0]


@pytest.mark.parametrize(
    "change, sentence",
    [
        (lambda d: d["aims"][0].update(base=0.2), "the figure 1 of the variants, base does not follow from its counts"),
        (lambda d: figure(d).update(value=0.1), "variant 1, value does not follow from its counts"),
        (lambda d: figure(d).update(p_adjusted=0.5), "variant 1, p_adjusted does not follow from its counts"),
        (lambda d: d["multiverse"][0].update(inside=1),
         "norm 1 of the variants, inside does not follow from its counts"),
        (lambda d: d.update(tests=7), "the variants, tests does not follow from its counts"),
        (lambda d: d.update(aims=7), "the variants cannot be measured"),
    ],
)  # fmt: skip
def test_a_variant_that_does_not_follow_is_refused(change: Any, sentence: str) -> None:
    with pytest.raises(Broken) as refused:
        check_whatif({"whatif.json": canonical(changed(WHATIF, change))})
    assert refused.value.problem == sentence


def named_as(document: dict[str, Any], cube: bytes) -> dict[str, Any]:
    """The document about two groups of this cube in place of F and M by sex, and a norm of the policy that ships."""
    margin = next(m for m in json.loads(cube)["margins"] if len(m["attribute"]) == 1 and len(m["groups"]) > 1)
    attribute, groups = json.dumps(margin["attribute"]), json.dumps([g[0] for g in margin["groups"][:2]])
    renamed = (
        json.dumps(document).replace('["F", "M"]', groups).replace('"attribute": ["sex"]', f'"attribute": {attribute}')
    )
    renamed = renamed.replace('"true_positive_rate"', '"selection_rate"').replace('"limit": 0.2', '"limit": 0.1')
    record: dict[str, Any] = json.loads(renamed)
    return record


def test_a_whole_report_with_a_lie_in_it_fails_by_name(small: Reports, pki: Pki) -> None:
    evidence = json.loads(small.files["evidence.json"])
    about = {"case": evidence["case"], "data": {"sha256": evidence["data"]["sha256"]}}
    honest = named_as(STRESS, small.files["cube.json"]) | about
    right = {**small.files, "stress.json": canonical(honest)}
    lines = {c.name: c.status for c in verify(kit.report(right, pki.auditor), printer=kit.page).checks}
    assert lines["stress"] == "ok"
    assert "failed" not in lines.values()
    wrong = {**right, "stress.json": canonical(changed(honest, lambda d: first(d).update(change=0.0)))}
    verification = {
        c.name: c.detail
        for c in verify(kit.report(wrong, pki.auditor), printer=kit.page).checks
        if c.status == "failed"
    }
    assert verification == {"stress": f"{WHERE}, change does not follow from its counts"}


def test_the_chapter_says_what_was_found_in_words_from_its_fields() -> None:
    blocks = stress._stress(record_in(Stress, STRESS, "stress.json"))
    blocks += stress._whatif(record_in(Whatif, WHATIF, "whatif.json"))
    cells = [cell for b in blocks if isinstance(b, Table) for row in b.rows for cell in row]
    assert any("If 'age' were recorded in tens, for people with sex is F" in c for c in cells)
    assert any("No line of a contract; the watch not within 12 batches of 100" in c for c in cells)
    assert any("not the worst there is" in b.text for b in blocks if isinstance(b, Paragraph))
    assert next((r[2], r[3]) for b in blocks if isinstance(b, Table) for r in b.rows if r[2] == "0 of 1") == (
        "0 of 1",
        "0.100",
    )


def test_failing_checks_are_told_by_group() -> None:
    mapping = {
        "kept": 0, "broken": 1, "rows": 200, "not_understood": {"expect_magic": 2},
        "checks": [{
            "passed": False, "severity": "error", "words": "",
            "columns": ["income"], "kind": "missing_at_most", "failed": 22,
            "rows": 200, "share": 0.11, "low": 0.07, "high": 0.16,
            "by_group": [
                {"attribute": ["sex"], "group": [g], "rows": 100, "failed": 0, "share": s}
                for g, s in (("F", 0.2), ("M", 0.02))
            ],
            "apart": [{"attribute": ["sex"], "highest": ["F"], "lowest": ["M"], "value": 0.18, "low": 0.1,
                       "high": 0.3, "p_adjusted": 0.001}],
        }],
    }  # fmt: skip
    table = next(b for b in stress.contract(record_in(ContractHeld, mapping, "contract")) if isinstance(b, Table))
    assert table.rows[0][0] == "income: missing at most"
    assert "20.0 % of F, 2.0 % of M" in table.rows[0][4]
