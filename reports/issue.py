"""`assay report`: from a run folder to one signed PDF. Reads at one end, writes at the other; nothing is measured here.

issued = issue_report(Path("run"), load_key(...), Path("report.pdf"), members=["Bo Board"], quorum=1)
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audit import progress
from audit.errors import DataError
from audit.evidence import tool
from audit.files import write_whole
from audit.publish import publish_files
from reports.document import build_document
from reports.keys import SigningKey
from reports.manifest import NAME, Attached, Manifest, slots_for
from reports.pdf import write_pdf
from reports.render import render_html
from reports.sign import SignedLevel, certify, timestamp_authority

FILES = ("evidence.json", "cube.json", "explain.json", "mitigation.json")
REASON = "I issued this report"


@dataclass(frozen=True, slots=True)
class Issued:
    """A report as written: its sha256, the level of its signature, and the manifest embedded in it."""

    sha256: str
    level: str
    manifest: Manifest


def issue_report(
    run: Path,
    key: SigningKey,
    out: Path,
    *,
    members: Sequence[str] = (),
    quorum: int = 0,
    authority: str | None = None,
    people: bool = False,
    language: str = "en",
    now: dt.datetime | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Issued:
    """Write the signed report of everything measured in `run`.

    members, quorum : who is asked to decide, and how many must approve. authority : URL of an RFC 3161 timestamp
    authority. people : print explanations of single persons. Raises DataError where nothing was measured, OutputError
    where the file cannot be written (an earlier report stays as it was), and what signing raises.
    """
    now = (now or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).replace(microsecond=0)
    progress.stage("Reading what was measured")
    files = publish_files(run_files(run), people=people)
    level = SignedLevel.B_T if authority else SignedLevel.B_B
    manifest = manifest_of(
        files,
        key,
        members=members,
        quorum=quorum,
        language=language,
        now=now,
        extra={"people": people, "timestamp": authority is not None, "level_words": f"{level}: {level.meaning}"}
        | dict(extra or {}),
    )
    progress.stage("Setting the pages")
    pdf = unsigned(files, manifest)
    progress.stage("Signing")
    timestamper = timestamp_authority(authority) if authority else None
    signed = certify(pdf, key, field=manifest.auditor.field, reason=REASON, timestamper=timestamper)
    write_whole(out, signed.pdf)
    return Issued(hashlib.sha256(signed.pdf).hexdigest(), str(signed.level), manifest)


def run_files(run: Path) -> dict[str, bytes]:
    """The files of a run folder that a report is made of. Raises DataError where nothing was measured."""
    files = {name: (run / name).read_bytes() for name in FILES if (run / name).is_file()}
    missing = [name for name in FILES[:2] if name not in files]
    if missing:
        raise DataError(
            f"{run} holds no audit to report on",
            got=f"{' and '.join(missing)} missing",
            expected="a folder that `assay audit` wrote",
            todo="run `assay audit CASE.toml --out DIR` first",
        )
    return files


def manifest_of(
    files: Mapping[str, bytes],
    key: SigningKey,
    *,
    members: Sequence[str],
    quorum: int,
    language: str,
    now: dt.datetime,
    extra: Mapping[str, Any],
) -> Manifest:
    """What the report states about itself: its files, its signers, its date."""
    from reports.manifest import strict_json

    evidence = strict_json(files["evidence.json"], "evidence.json")
    return Manifest(
        title="Fairness audit",
        case=evidence["case"]["name"],
        author=key.name,
        language=language,
        issued=now,
        attachments=tuple(Attached.of(name, data) for name, data in sorted(files.items())),
        signers=slots_for(key.name, members, auditor_certificate=key.fingerprint),
        quorum=quorum,
        tool={"assay": tool()["version"]},
        extra=extra,
    )


def unsigned(files: Mapping[str, bytes], manifest: Manifest) -> bytes:
    """The PDF before signing; equal input gives equal bytes."""
    document = build_document(files, manifest=manifest)
    return write_pdf(
        render_html(document),
        attachments={**files, NAME: manifest.to_bytes()},
        title=f"{document.title}: {document.case}",
        author=manifest.author,
        language=manifest.language,
        created=manifest.issued,
        signers=manifest.signers,
    )
