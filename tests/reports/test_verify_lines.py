"""Lines of the verification that changed and were noticed by no test: each from what a person is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from audit.files import canonical
from debias.pareto import digest_of
from debias.pareto_figures import figures_again
from reports import pdf as printing
from reports import setting
from reports.verify import printed, verify
from reports.verify.asked import VerifyRequest
from reports.verify.judge import Judge
from reports.verify.result import InPart
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.test_series_counts import watched


def lines(pdf: bytes, **options: Any) -> dict[str, tuple[str, str]]:
    verification = verify(pdf, **({"printer": kit.page} | options))
    return {c.name: (c.status, c.detail) for c in verification.checks}


def test_a_failure_after_what_could_not_be_checked_is_told_as_the_failure(
    small: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def in_part(*_: object, **__: object) -> str:
        raise InPart("the pages look the same, made with other versions")

    monkeypatch.setattr(printed, "check_printed", in_part)
    other = kit.edited(small.files, "evidence.json", lambda e: e.update(seed=7))
    verification = verify(small.certified, printer=kit.page, rerun=other)
    assert [c.name for c in verification.partial] == ["printed pages"]
    assert (verification.error().exit_code, verification.error().to_json()["error"]) == (4, "VerificationError")
    assert "rerun" in verification.error().problem


def searched(small: Reports) -> bytes:
    """A search in form, without a candidate."""
    cube, settings = json.loads(small.files["cube.json"]), json.loads(small.files["evidence.json"])["settings"]
    asked = {"constraint": "demographic_parity", "metric": "selection_rate", "attributes": ["sex"], "seed": 0}
    search: dict[str, Any] = {"asked": asked, "settings": settings, "trials": [], "counts": cube}
    search |= {"schema": "assay/search/1", "space": {}, "sampler": "NSGA-II", "base": {"sha256": "b" * 64}}
    search |= {"data": {"sha256": json.loads(small.files["evidence.json"])["data"]["sha256"], "coded": "c" * 64}}
    search["original"] = figures_again(search, cube["margins"]) | {"counts": cube["margins"]}
    return canonical(search)


def test_a_manifest_tells_of_the_search_that_is_embedded(small: Reports, pki: Pki) -> None:
    search = searched(small)
    files = {**small.files, "search.json": search}
    right, plain = digest_of(json.loads(search)), kit.manifest_of(files, pki.auditor).extra
    sentence = "the manifest tells of another search than the one that is embedded"
    for digest, held, expected in ((right, files, "ok"), ("0" * 64, files, sentence), (right, small.files, sentence)):
        begun = {"sha256": digest, "logged": "2026-11-22T09:00:00.000+00:00", "tried": 0, "after_protocol": False}
        pdf = kit.report(held, pki.auditor, extra={**plain, "search": begun})
        status, detail = lines(pdf)["manifest"]
        assert expected in (status, detail)


def test_pages_are_waited_for_where_another_makes_them_and_figures_hold(small: Reports, pki: Pki) -> None:
    wrong = kit.report(kit.edited(small.files, "evidence.json", lambda e: e.update(family=99)), pki.auditor)
    for pdf, waits in ((small.certified, True), (wrong, False)):
        judge = Judge(pdf, VerifyRequest(), kit.page, elsewhere=True)
        judge.work()
        assert judge.waits is waits
        assert (lines(pdf)["printed pages"][0] == "ok") is waits, "here they are made at once"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with another WeasyPrint."""
    there = {**setting.versions(), "weasyprint": "71.0"}
    monkeypatch.setattr(setting, "versions", lambda: there)
    printing.forget()
    yield
    printing.forget()


def test_a_bookmark_that_says_something_else_is_named(small: Reports, elsewhere: None) -> None:
    def page(*inputs: Any) -> str:
        return kit.page(*inputs).replace("<h2>", "<h2 style=\"bookmark-label: 'All is well'\">")

    assert lines(small.certified)["printed pages"][0] == "ok"
    status, detail = lines(small.certified, printer=page)["printed pages"]
    assert status == "in part"
    assert "not checked: bookmarks" in detail


def test_a_figure_of_a_norm_that_is_wrong_is_named_by_its_metric_alone(small: Reports, pki: Pki) -> None:
    """A metric that is none of ours is a stranger's text, and is not repeated."""
    norms = json.loads(small.files["evidence.json"])["norms"]
    assert norms[0]["attribute"] == ["sex"]
    for metric, report in ((norms[0]["metric"], f" 1: {norms[0]['metric']} by sex"), ("All is well", " 1: by sex")):
        files = kit.edited(
            small.files, "evidence.json", lambda e, metric=metric: e["norms"][0].update(value=0.5, metric=metric)
        )
        status, detail = lines(kit.report(files, pki.auditor))["figures"]
        assert status == "failed"
        assert ("All is well" in detail) is False
        assert report in detail


NOT_AS_LAST = "a norm does not stand as after the last batch"


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """series.json of three batches that were really stepped."""
    document: dict[str, Any] = json.loads(watched(tmp_path_factory.mktemp("watched"), 3)["series.json"])
    return document


@pytest.mark.parametrize(
    ("kinds", "compared"),
    [
        ("batch healthy batch reference batch", True),
        ("batch policy batch reference batch", True),  # the policy changed before the last batch
        ("reference healthy reference batch policy", False),  # the only batch is the one before the change
        ("batch batch batch policy healthy", False),
        ("batch batch policy batch healthy", True),
    ],
)
def test_a_norm_stands_as_after_the_last_batch_unless_the_counts_began_afresh(
    kinds: str, compared: bool, history: dict[str, Any], small: Reports, pki: Pki
) -> None:
    document = json.loads(json.dumps(history))
    for link, kind in zip(document["trail"]["links"], kinds.split(), strict=True):
        link["kind"] = kind
    # What is withheld stands in no table: here alone it is compared.
    document["norms"][0] |= {"from": "withheld", "people": 601}
    pdf = kit.report({**small.files, "series.json": canonical(document)}, pki.auditor)
    assert (lines(pdf)["series"][1] == NOT_AS_LAST) is compared
