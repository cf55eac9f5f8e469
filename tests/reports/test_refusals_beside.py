"""One attack for each refusal of what lies beside the evidence: history, search, log, other versions, a new run.

Every report is certified by a valid key; the whole verification judges it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

import pikepdf
import pytest
import rfc8785

from audit.files import canonical
from debias.pareto_figures import figures_again
from reports import setting, stamp
from reports.attest import MODEL_CARD
from reports.known import remember
from reports.log import LogCopy, merkle, read_log
from reports.log import record as rec
from reports.log.note import Checkpoint, NoteKey
from reports.log.proof import proof_of, read_proof
from reports.verify import verify
from tests.reports import kit
from tests.reports.conftest import Reports
from tests.reports.pki import Pki
from tests.reports.test_no_quotes import drawn
from tests.reports.test_refusals import sealed_again, swapped
from tests.reports.test_refusals_more import beside, evidence, extra, opened_up, stamped, token
from tests.reports.test_series_counts import watched

Reported = list[tuple[str, str]]


def failures(pdf: bytes, **options: Any) -> Reported:
    return lines_of(pdf, "failed", **options)


def lines_of(pdf: bytes, status: str, **options: Any) -> Reported:
    return [(c.name, c.detail) for c in verify(pdf, printer=kit.page, **options).checks if c.status == status]


# --- files beside the evidence ---


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """series.json of three batches that were really stepped."""
    document: dict[str, Any] = json.loads(watched(tmp_path_factory.mktemp("watched"), 3)["series.json"])
    return document


def untold(series: Any) -> None:
    """An event of the trail is not told; there is none before it that is not a batch."""
    series["events"].pop()


def told_otherwise(series: Any) -> None:
    series["events"][-1]["time"] = "2026-01-01T00:00:00.000+00:00"


def without_counts(series: Any) -> None:
    series["counts"]["tables"] = []


def another_state(series: Any) -> None:
    series["timeline"][1]["norms"][0]["status"] = "inside"


def withheld_and_told(series: Any) -> None:
    series["timeline"][0]["norms"][0]["from"] = "withheld"


HISTORIES: dict[str, Callable[[Any], None]] = {
    "an event of the trail is left out": untold,
    "an event is not in the trail as it is told": told_otherwise,
    "batch 0: norm 1 has no counts": without_counts,
    "batch 1: norm 1 does not follow from the counts, status": another_state,
    "batch 0: norm 1 is withheld and told": withheld_and_told,
}


@pytest.mark.parametrize("sentence", list(HISTORIES))
def test_a_history_told_otherwise(sentence: str, history: dict[str, Any], small: Reports, pki: Pki) -> None:
    document = json.loads(json.dumps(history))
    HISTORIES[sentence](document)
    assert ("series", sentence) in failures(beside("series.json", document)(small, pki))


def test_a_history_as_it_was_is_taken(history: dict[str, Any], small: Reports, pki: Pki) -> None:
    assert ("series" in dict(lines_of(beside("series.json", history)(small, pki), "ok"))) is True


def test_a_monitoring_of_another_number_of_batches(small: Reports, pki: Pki) -> None:
    sha, when = "a" * 64, "2026-11-22T09:00:00.000+00:00"
    mapping = {"file": "watch.json", "sha256": sha, "people": 1, "changes": 0, "incidents": 0, "time": when}
    series = canonical({"watch": {"sha256": sha}, "batches": 4})
    for batches, sentence in ((3, "the batches of the monitoring is told in two ways"), (4, None)):
        more = {**kit.manifest_of(small.files, pki.auditor).extra, "monitoring": mapping | {"batches": batches}}
        pdf = kit.report({**small.files, "series.json": series}, pki.auditor, extra=more)
        assert dict(failures(pdf)).get("manifest") == sentence


def test_a_choice_of_a_candidate_that_nobody_tried(small: Reports, pki: Pki) -> None:
    cube, settings = json.loads(small.files["cube.json"]), json.loads(small.files["evidence.json"])["settings"]
    asked = {"constraint": "demographic_parity", "metric": "selection_rate", "attributes": ["sex"], "seed": 0}
    search: dict[str, Any] = {"asked": asked, "settings": settings, "trials": [], "counts": cube}
    search["original"] = figures_again(search, cube["margins"]) | {"counts": cube["margins"]}
    data = canonical(search)
    choice = {
        "search": {"file": "search.json", "sha256": hashlib.sha256(data).hexdigest()}, "trial": 7, "on_front": True,
        "reason": "x", "by": "x", "time": "x", "looked_at": 0, "same_model": True,
    }  # fmt: skip
    files = {**small.files, "search.json": data}
    assert "search" in dict(lines_of(kit.report(files, pki.auditor), "ok"))
    files["mitigation.json"] = canonical(comparison(small) | {"cubes": {}, "choice": choice})
    assert ("search", "the candidate picked is not in the search") in failures(kit.report(files, pki.auditor))


def comparison(small: Reports) -> dict[str, Any]:
    """mitigation.json in form, about nobody."""
    whole = json.loads(small.files["evidence.json"])
    arm: dict[str, Any] = {"rates": [], "gaps": [], "counts": []}
    return {
        "schema": "assay/mitigation/1", "method": "x", "title": "X", "stage": "pre", "notice": None, "seed": 0,
        "needs_sensitive_at_decision": False, "case": whole["case"], "data": whole["data"], "base": whole["model"],
        "model": {"file": "x", "sha256": "0" * 64}, "parameters": {}, "changes": [],
        "splits": {"train": 1, "validation": 1, "test": 1, "made_by": "seed"},
        "constraint": {"name": "x", "metric": "x", "tolerance": 0.1, "by": []}, "flips": [],
        "arms": {"original": arm, "candidate": arm},
    }  # fmt: skip


def test_a_cube_of_an_arm_that_is_none(small: Reports, pki: Pki) -> None:
    pdf = beside("mitigation.json", comparison(small) | {"cubes": {"original": {}}})(small, pki)
    assert ("totals", "the embedded cube cannot be read") in failures(pdf)


def test_what_follows_from_the_cube_besides_rates_and_gaps(small: Reports, pki: Pki) -> None:
    def change(d: Any) -> None:
        d["bounds"]["label_error"][0]["people"] = 99

    sentence = "bounds, label_error, people does not follow from the counts"
    assert ("figures", sentence) in failures(evidence(change)(small, pki))


def test_a_model_card_of_evidence_that_makes_none(small: Reports, pki: Pki) -> None:
    files = kit.edited(small.files, "evidence.json", lambda d: d["policy"].pop("version"))
    pdf = kit.report({**files, MODEL_CARD: b"{}"}, pki.auditor)
    assert ("model card", "the model card cannot be made again") in failures(pdf)


def test_evidence_that_no_page_can_be_made_of(small: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged with the real chapters, in this process."""
    kit.judge_here(monkeypatch)
    verification = verify(evidence(lambda d: d.pop("notes"))(small, pki))
    sentence = "the pages cannot be made again from the embedded files"
    assert ("printed pages", sentence) in [(c.name, c.detail) for c in verification.checks if c.status == "failed"]


def test_a_timestamp_by_an_old_digest(small: Reports, pki: Pki) -> None:
    """The authority signs with SHA-256, and what it signs for is a SHA-1."""

    def change(mine: Any) -> Any:
        clock = pki.timestamper()
        clock.override_md = "sha256"
        return asyncio.run(clock.async_timestamp(bytes(20), "sha1"))

    pdf = token(stamped(small, pki), change)
    assert failures(pdf)[0] == ("seal", "a timestamp uses a digest that is not accepted")


# --- the log ---


def log_of(key: NoteKey, *entries: Any) -> LogCopy:
    rows = [rfc8785.dumps(entry) for entry in entries]
    note = key.sign(Checkpoint(key.name, len(rows), merkle.root([merkle.leaf_hash(r) for r in rows])).text)
    return LogCopy(b"".join(r + b"\n" for r in rows), note, key.verifier.text.encode())


def entries_of(pdf: bytes) -> list[Any]:
    """What the log would hold of this report: it, then its decisions."""
    remember(pdf)
    return list(rec.new_entries(read_log(log_of(NoteKey.new("empty"))), pdf))


def stating(r: Reports, p: Pki, key: NoteKey, copy: LogCopy) -> bytes:
    """A report that states this log as the one before it."""
    head = read_log(copy).checkpoint
    text = {"note": copy.note.decode(), "key": key.verifier.text, "origin": head.origin, "size": head.size}
    return extra(checkpoint=text | {"root": head.root.hex()})(r, p)


def test_a_decision_in_the_log_on_bytes_that_are_no_step(small: Reports) -> None:
    report, decision = entries_of(small.approved)
    cut = small.approved[:1000]
    other = {**decision, "size": len(cut), "revision": hashlib.sha256(cut).hexdigest()}
    copy = log_of(NoteKey.new("log"), report, other)
    sentence = "the log holds a decision that no signature in the file states"
    assert ("log decisions", sentence) in failures(small.approved, log=copy, contents=False)


def test_a_report_that_is_older_in_the_log_than_what_it_states(small: Reports, pki: Pki) -> None:
    key = NoteKey.new("log")
    others = [{"type": "other", "n": n} for n in range(3)]
    pdf = stating(small, pki, key, log_of(key, *others[:2]))
    mine = entries_of(pdf)[0]
    sentence = "the report states a checkpoint that is younger than its own entry"
    for place, failed in ((0, True), (1, True), (2, False)):
        rows = [*others[:place], mine, *others[place:]]
        copy = log_of(key, *rows)
        proof = read_proof(proof_of(read_log(copy), place))
        for inputs in (copy, proof):
            assert (("log inclusion", sentence) in failures(pdf, log=inputs, contents=False)) is failed


def test_a_proof_of_another_entry(small: Reports, pki: Pki) -> None:
    key = NoteKey.new("log")
    pdf = stating(small, pki, key, log_of(key))
    other = entries_of(small.certified)[0]
    sentence = "the proof is of another entry than this report"
    for entry in (other, {"type": "other", "report": hashlib.sha256(pdf).hexdigest()}):
        view = read_log(log_of(key, entry, entries_of(pdf)[0]))
        assert ("log inclusion", sentence) in failures(pdf, log=read_proof(proof_of(view, 0)), contents=False)
        assert "log inclusion" in dict(lines_of(pdf, "ok", log=read_proof(proof_of(view, 1)), contents=False))


# --- other versions, and a new run ---


def elsewhere(**more: str) -> dict[str, str]:
    """What the manifest says of a machine with another WeasyPrint."""
    return {**setting.versions(), "weasyprint": "1.2.3", **more}


def printed_elsewhere(change: Callable[[Any], None]) -> Callable[[Reports, Pki], bytes]:
    """Printed with other versions, which is said, and changed as a PDF before it was certified."""

    def make(r: Reports, p: Pki) -> bytes:
        there = Reports(r.files, kit.draft(r.files, p.auditor, tool=elsewhere()), b"", b"", b"")
        return opened_up(change)(there, p)

    return make


def with_cmyk(pdf: Any) -> None:
    page = pdf.pages[0]
    page.Contents = pdf.make_stream(page.Contents.read_bytes() + b"\n0 0 0 1 k")


def with_two_cells_read_in_each_others_place(pdf: Any) -> None:
    kinds = (o for o in pdf.objects if isinstance(o, pikepdf.Dictionary) and o.get("/S") == "/TD" and "/K" in o)
    one, other = list(kinds)[:2]
    one.K, other.K = other.K, one.K


def with_marks_that_lead_to_each_others_element(pdf: Any) -> None:
    marks = next(n for n in pdf.Root.StructTreeRoot.ParentTree.Nums if isinstance(n, pikepdf.Array))
    marks[0], marks[1] = marks[1], marks[0]


VERSIONS: dict[str, Callable[[Reports, Pki], bytes]] = {
    "the pages look the same, made with other versions: as pictures (150 dpi) and as text; not checked: tags": (
        printed_elsewhere(with_two_cells_read_in_each_others_place)
    ),
    "the pages look the same, made with other versions: as pictures (150 dpi) and as text; what a screen reader and a "
    "list of bookmarks say, too": printed_elsewhere(lambda pdf: None),
    "the pages are not checked: made with other versions, and page 1 looks otherwise here": lambda r, p: drawn(
        r, p, lambda s: s.replace("<h1>", "<h1 style='color:#ff0000'>"), tool=elsewhere()
    ),
    "the pages are not checked: made with other versions, and another viewer may show something else than the one "
    "here (operators)": printed_elsewhere(with_cmyk),
}


def test_marks_of_other_versions_that_lead_elsewhere_are_not_checked(small: Reports, pki: Pki) -> None:
    (line,) = (
        d
        for n, d in lines_of(printed_elsewhere(with_marks_that_lead_to_each_others_element)(small, pki), "in part")
        if n == "printed pages"
    )
    assert line.endswith("as text; not checked: tags")


@pytest.mark.parametrize("sentence", list(VERSIONS))
def test_pages_of_other_versions_are_settled_in_part(sentence: str, small: Reports, pki: Pki) -> None:
    pdf = VERSIONS[sentence](small, pki)
    assert ("printed pages", sentence) in lines_of(pdf, "in part")
    assert failures(pdf) == []


def in_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same words in another colour."""
    monkeypatch.setattr(stamp, "FONT", f"{stamp.FONT};color:#f00")
    monkeypatch.setattr(stamp, "_stamp_page", stamp._stamp_page.__wrapped__)


def test_a_face_of_other_versions_that_looks_otherwise(
    small: Reports, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool, status, sentence in (
        (
            elsewhere(),
            "in part",
            "the face of the signature in Member1 is not checked: it was drawn with other versions",
        ),
        (setting.versions(), "failed", "the face of the signature in Member1 does not show what was signed"),
    ):
        pdf = kit.report(small.files, pki.auditor, tool=tool)
        with monkeypatch.context() as patch:
            in_red(patch)
            pdf = kit.signed_update(pdf, pki.bo, "Member1", lambda w: None)
        assert ("faces", sentence) in lines_of(pdf, status)


def test_a_face_that_only_looks_the_same(small: Reports, pki: Pki) -> None:
    pdf = sealed_again(swapped(rb"/Stamp Do Q Q\n", b"/Stamp Do Q\nQ\n")(small.certified), pki.auditor)
    sentence = "the faces of the signatures in Auditor look as their signed fields give them, drawn with other versions"
    assert ("faces", sentence) in lines_of(pdf, "in part")


def test_a_new_run_that_makes_less(small: Reports) -> None:
    by_name = {"evidence.json": small.files["evidence.json"]}
    mapping = dict(lines_of(small.certified, "in part", rerun=by_name))["rerun"]
    assert re.fullmatch(
        "[0-9,]+ values made again from model and data and found equal; the same bytes: evidence.json; left out: "
        r"evidence.json model.isolation \(the walls around the model are those of the machine\); not made again: "
        "cube.json",
        mapping,
    ), mapping
