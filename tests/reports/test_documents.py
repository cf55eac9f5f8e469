"""Documents are parsed once at the edge, into records whose schemas are published."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from audit.documents import Documents, record_in
from audit.documents.evidence import Evidence
from audit.errors import DataError
from audit.publish import publish_files
from reports import issue
from reports.verify.apart import judged_here
from reports.verify.asked import VerifyRequest
from scripts.schemas import KINDS, PLACE, schema_of
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki


@pytest.mark.parametrize("name", KINDS)
def test_the_published_schema_is_that_of_the_record(name: str) -> None:
    assert (PLACE / name).read_bytes() == schema_of(name), "run `python -m scripts.schemas`"
    assert {p.name for p in PLACE.iterdir()} == set(KINDS)


def unnamed(plain: Any, built: Any, place: str = "") -> list[str]:
    """The keys of a document that its record does not name."""
    if isinstance(plain, dict) and isinstance(built, dict):
        mine = [f"{place}.{k}" for k in plain if k not in built]
        return mine + [u for k, v in plain.items() if k in built for u in unnamed(v, built[k], f"{place}.{k}")]
    if isinstance(plain, list) and isinstance(built, list | tuple):
        return [u for a, b in zip(plain, built, strict=True) for u in unnamed(a, b, f"{place}[]")]
    return []


def test_every_key_that_is_written_is_named_by_the_record(small: Reports) -> None:
    documents = Documents(small.files)
    assert not unnamed(documents.plain("evidence.json"), msgspec.to_builtins(documents.evidence))
    assert unnamed({"a": [{"b": 1}]}, {"a": [{}]}) == [".a[].b"]


class Parses:
    """How often each document goes through the JSON reader."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count: Counter[str] = Counter()
        real = json.loads

        def counted(text: Any, *inputs: Any, **named: Any) -> Any:
            result = real(text, *inputs, **named)
            if isinstance(result, dict) and str(result.get("schema", "")).startswith("assay/"):
                self.count[str(result["schema"])] += 1
            return result

        monkeypatch.setattr(json, "loads", counted)


def test_a_report_is_issued_with_one_parse_of_each_document(
    small: Reports, pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As published already: where publishing changes a document, the one that it makes is read once more.
    for name, data in publish_files(small.files).items():
        (tmp_path / name).write_bytes(data)
    monkeypatch.setattr(issue, "page_html", kit.page)
    parses = Parses(monkeypatch)
    issue.issue_report(tmp_path, pki.auditor, tmp_path / "report.pdf")
    assert parses.count == {"assay/evidence/1": 1, "assay/cube/1": 1}


def test_a_report_is_verified_with_one_parse_of_each_document(small: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    parses = Parses(monkeypatch)
    result = judged_here(small.certified, VerifyRequest(), None, kit.page)
    assert result.failed is None
    assert {k: n for k, n in parses.count.items() if "manifest" not in k} == {"assay/evidence/1": 1, "assay/cube/1": 1}


def test_another_form_is_told_by_its_place(small: Reports) -> None:
    plain = json.loads(small.files["evidence.json"])
    plain["data"]["rows"] = "many"
    with pytest.raises(DataError, match=r"evidence\.json has another form") as report:
        record_in(Evidence, plain, "evidence.json")
    assert report.value.got == "$.data.rows"
    assert "docs/schemas/evidence.json" in str(report.value)


def test_bytes_stay_what_was_read(small: Reports) -> None:
    documents = Documents(small.files)
    assert documents.evidence.case.name == "Loans & <b>cards</b>"
    assert dict(documents) == small.files
    more = documents.plus({"x.json": b"{}"})
    assert more.plain("evidence.json") is documents.plain("evidence.json")
    assert more.without("x.json").plain("evidence.json") is documents.plain("evidence.json")
    other = documents.plus({"evidence.json": b"{}"})
    assert other.plain("evidence.json") == {}
    assert documents.plain("evidence.json") != {}
