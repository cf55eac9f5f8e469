"""Small reports for tests: real evidence of forty rows, a one-page stand-in for the printed document."""

from __future__ import annotations

import datetime as dt
import html
import io
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from audit.documents import Documents, record_in
from audit.documents.evidence import CubeHead, Evidence
from audit.files import canonical
from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from reports.blocks import Sources
from reports.issue import assemble, make_manifest
from reports.keys import SigningKey
from reports.manifest import ARCHIVE, NAME, Attached, Manifest, SignerSlot, strict_json
from reports.sign import certify

ISSUED = dt.datetime(2026, 11, 22, 9, 30, tzinfo=dt.UTC)
ROWS = [("f", 1, 1)] * 12 + [("f", 1, 0)] * 8 + [("f", 0, 0)] * 11 + [("f", 0, 1)] * 4
ROWS += [("m", 1, 1)] * 16 + [("m", 1, 0)] * 3 + [("m", 0, 0)] * 9 + [("m", 0, 1)] * 7


def audited(folder: Path) -> dict[str, bytes]:
    """evidence.json and cube.json of the rows above, audited for real."""
    (folder / "rows.csv").write_text("sex,truth,decided\n" + "".join(f"{s},{t},{d}\n" for s, t, d in ROWS))
    (folder / "case.toml").write_text(
        '[case]\nname = "Loans & <b>cards</b>"\npurpose = "Who gets a loan"\n'
        '[data]\npath = "rows.csv"\nlabel = "truth"\npositive = "1"\nsensitive = ["sex"]\n'
        '[model]\ndecision = "decided"\n'
    )
    run_audit(load_case(folder / "case.toml"), folder / "run", Settings(draws=200))
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    """The files of `audited` in a folder where it worked."""
    return {name: (folder / "run" / name).read_bytes() for name in ("cube.json", "evidence.json")}


def page(files: Mapping[str, bytes], manifest: Manifest) -> str:
    """A page with some figures of the evidence: what a verifier makes again in these tests."""
    evidence = Documents.of(files).plain("evidence.json")  # of forged reports too, so no record is asked for
    rows = "".join(
        f"<tr><th scope=row>{html.escape(' '.join([r['metric'], *r['group']]))}</th><td>{r['value']:.4f}</td></tr>"
        for r in evidence["rates"][:3]
        if r["value"] is not None
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(manifest.title)}</title>'
        "<style>"
        '@page{size:A4;margin:2cm;font-family:"DejaVu Sans"}body{font:10pt "DejaVu Sans"}</style></head><body>'
        f"<h1>{html.escape(manifest.title)}</h1><h2>Rates</h2>"
        f"<table><thead><tr><th scope=col>Rate</th><th scope=col>Value</th></tr></thead><tbody>{rows}</tbody></table>"
        "</body></html>"
    )


LEAST: dict[str, Any] = {
    "schema": "assay/evidence/1", "case": {"name": "t", "purpose": "p"},
    "data": {
        "sha256": "0" * 64, "rows": 90, "columns": ["sex"], "audited_rows": 90, "label": None, "positive": "1",
        "favourable": "1", "sensitive": ["sex"], "weight": None, "split": None, "features": [], "excluded": [],
    },
    "model": {"kind": "decision"}, "tool": {"version": "0"}, "seed": 0, "rates": [], "gaps": [], "dataset": [],
    "counts": [], "cube": {"sha256": "0" * 64}, "policy": {"version": "1", "sha256": "0" * 64}, "norms": [],
    "findings": [], "notes": [], "settings": {"seed": 0, "draws": 1, "alpha": 0.05, "floor": 10},
}  # fmt: skip
"""The least that evidence.json holds."""


def evidence_with(**more: Any) -> Evidence:
    """The record of the least evidence with these entries."""
    return record_in(Evidence, LEAST | more, "evidence.json")


def sources(evidence: Evidence) -> Sources:
    """What a chapter on the evidence alone is made of."""
    return Sources(cast(Manifest, None), evidence, CubeHead(), None, None, people=False)


def judge_here(monkeypatch: Any, printer: Any = None) -> None:
    """From here on the command judges in this process, with this page; what is patched here then counts."""
    from reports.verify import apart

    monkeypatch.setattr(
        apart, "judged_apart", lambda pdf, asked, rerun, ready: apart.judged_here(pdf, asked, rerun, printer)
    )


def assert_believed(files: Mapping[str, bytes], manifest: Manifest, key: SigningKey) -> None:
    """The real report on these files is made of what a report may be made of, and comes out again byte for byte."""
    from reports.issue import page_html
    from reports.verify.allowed import check_allowed
    from reports.verify.increments import revisions_of
    from reports.verify.printed import check_printed

    pdf = assemble(page_html(files, manifest), files, manifest)
    signed = certify(pdf, key, field=manifest.auditor.field, reason="x").pdf
    check_allowed(signed, revisions_of(signed))
    assert "the same" in check_printed(signed, {**files, NAME: manifest.to_bytes()})


def slots(key: SigningKey, pinned: str | None = None) -> tuple[SignerSlot, ...]:
    return (
        SignerSlot("Auditor", key.name, "auditor", key.fingerprint),
        SignerSlot("Member1", "Bo Board", "member", pinned),
        SignerSlot("Member2", "Cy Chair", "member"),
        ARCHIVE,
    )


def manifest_of(files: Mapping[str, bytes], key: SigningKey, *, annex: str = "full", **changes: Any) -> Manifest:
    pinned = changes.pop("pinned", None)
    extra = {"people": False, "timestamp": False} | ({} if annex == "full" else {"annex": annex})
    built = make_manifest(files, slots(key, pinned), quorum=2, issued=ISSUED, extra=extra)
    return replace(built, **changes)


def draft(files: Mapping[str, bytes], key: SigningKey, **changes: Any) -> bytes:
    """An unsigned report of these files."""
    built = manifest_of(files, key, **changes)
    return assemble(page(files, built), files, built)


def report(files: Mapping[str, bytes], key: SigningKey, **changes: Any) -> bytes:
    """A certified report of these files, whatever is in them."""
    return certify(draft(files, key, **changes), key, field="Auditor", reason="I issued this report").pdf


def edited(files: Mapping[str, bytes], name: str, change: Callable[[Any], None]) -> dict[str, bytes]:
    """The files with one JSON document changed in place."""
    document = strict_json(files[name], name)
    change(document)
    return {**files, name: canonical(document)}


def update(pdf: bytes, change: Callable[[Any], None]) -> bytes:
    """An unsigned incremental update."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class Quiet(IncrementalPdfFileWriter):
        def _update_meta(self) -> None:
            return None

    writer = Quiet(io.BytesIO(pdf))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def signed_update(
    pdf: bytes, key: SigningKey, field: str, change: Callable[[Any], None], *, face: Any = None, **meta: Any
) -> bytes:
    """The same update, with a valid signature in `field` over it: what a member with a key could send back.

    face : heading and other lines of the face; without it the one that the signed fields give.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields
    from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner

    from reports.sign import _room, _signer
    from reports.stamp import CERTIFIED, DECIDED, face_lines, stamp_style

    class Quiet(IncrementalPdfFileWriter):
        def _update_meta(self) -> None:
            return None

    moment = dt.datetime.now(dt.UTC).replace(microsecond=0)

    class Dated(PdfSigner):
        def init_signing_session(self, *inputs: Any, **named: Any) -> Any:
            session = super().init_signing_session(*inputs, **named)
            session.system_time = moment
            return session

    writer = Quiet(io.BytesIO(pdf))
    change(writer)
    options = {"reason": "APPROVE: fine", "subfilter": fields.SigSeedSubFilter.PADES, "md_algorithm": "sha256"} | meta
    reason = str(options["reason"])
    heading = CERTIFIED if meta.get("certify") else DECIDED["reject" if reason.startswith("REJECT") else "approve"]
    lines = face or face_lines(heading, key.certificate, reason, moment)
    box = next((f["/Rect"] for f in _fields(writer) if f["/T"] == field), [0, 0, 259.19, 66.44])
    width, height = abs(float(box[2]) - float(box[0])), abs(float(box[3]) - float(box[1]))
    signer = Dated(
        PdfSignatureMetadata(field_name=field, **({"name": key.name} | options)),
        signer=_signer(key),
        stamp_style=stamp_style(lines, width, height),
    )
    out = io.BytesIO()
    signer.sign_pdf(writer, bytes_reserved=_room(key), output=out)
    return out.getvalue()


def _fields(writer: Any) -> list[Any]:
    return [f.get_object() for f in writer.root["/AcroForm"]["/Fields"]]


def attached(name: str, data: bytes) -> Attached:
    return Attached.of(name, data)
