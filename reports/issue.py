"""`assay report`: a run folder -> one signed PDF with everything it was made of inside.

    issued = issue_report(Path("out"), key, Path("report.pdf"), members=["Bo Board"])
    issued.sha256, issued.level

Everything that shapes a page comes from the embedded files (the manifest holds date, title and signers), so that a
verifier can make the pages again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit import progress
from audit.documents import Documents, record_in
from audit.documents.evidence import Titled
from audit.documents.log import ProtocolEntry, logged_as
from audit.documents.presets import FormAsked
from audit.documents.table import DOCUMENTS
from audit.documents.watch import KindOf, Monitored
from audit.errors import DataError, InputError
from audit.files import write_whole
from audit.publish import publish_documents
from reports import setting
from reports.about import about_of
from reports.attest import MODEL_CARD, STATEMENTS
from reports.issued import remember_issued
from reports.known import remember
from reports.manifest import ARCHIVE, AUDITOR_FIELD, NAME, Attached, Manifest, SignerSlot
from reports.pdf import write_pdf
from reports.presets import FILE as PRESETS
from reports.presets import embedded_forms, preset_bytes, read_preset
from reports.series import SERIES, WATCH, series_bytes, watch_in
from reports.sign import Signed, SignedLevel, Validation, certify, timestamp_authority
from reports.signing_key import SigningKey
from reports.undrawn import ENTRY
from reports.verify.contents import refused

if TYPE_CHECKING:
    from reports.log import Log, LogView

EMBEDDED = tuple(d.name for d in DOCUMENTS.values() if d.in_run)
NEEDED = tuple(d.name for d in DOCUMENTS.values() if d.needed)
MOST_REASON = 500
REASON = "I issued this report and vouch for its figures"
_PINNED = re.compile(r"^(?P<name>.+)=(?P<hex>[0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class Issued:
    """The report on disk: sha256 of its bytes, the level of its certification, what that level means."""

    path: Path
    sha256: str
    level: str
    meaning: str
    size: int
    manifest: Manifest


def issue_report(
    run: Path,
    key: SigningKey,
    out: Path,
    *,
    members: Sequence[str] = (),
    quorum: int | None = None,
    authority: str | None = None,
    people: bool = False,
    issued: dt.datetime | None = None,
    validation: Validation | None = None,
    log: Path | None = None,
    protocol: Path | None = None,
    deviations: Sequence[str] = (),
    compare: Path | None = None,
    allow_difference: str | None = None,
    annex: str = "full",
    conditions: Sequence[str] = (),
    printing: Callable[[Mapping[str, bytes]], object] | None = None,
) -> Issued:
    """Make, certify and write the report on the run folder `run`.

    members : names of the board members whose decision is asked for; `NAME=FINGERPRINT` also pins the certificate
    (sha256, hex). quorum: approvals needed (default: more than half). authority: URL of an RFC 3161 timestamp
    authority. people : whether explanations of single persons go in (default: they are taken out of explain.json).
    issued: the date printed (default: now). log: the folder of the log of issued reports (reports.log); the report
    then states the checkpoint before it and is entered before it is written. protocol: a file with what was fixed
    before the results; deviations: what was done otherwise.
    annex: "full", "short" or "none"; "summary" makes the page for the public alone. conditions: what the board is asked
    to tick, in place of what the figures ask for; open ones of the case in the log stand before them.
    compare: an earlier run folder or report. allow_difference: why it may go out although its counts and those of an
    earlier report differ by a few people; printed. printing: called with the files that are embedded, the manifest
    among them, before the pages are set. Raises PublicationError without a reason (reports.log.ledger), DataError where
    the run folder is incomplete or its documents do not belong together, OutputError where `out` or the log cannot be
    written.
    """
    run, out = Path(run), Path(out)
    book, before = _opened(log, out)
    plain = collected(run, people=people)
    unchecked: tuple[str, ...] = ()
    if compare is not None:
        from reports.earlier import earlier_files

        earlier, unchecked = earlier_files(compare)
        plain = plain.plus(earlier)
    demand_consistent(plain)
    if lacking := setting.without_font(plain):
        progress.say(
            f"No font on this machine draws {', '.join(lacking)} letters: such names are printed as numbers (group 3 "
            "of a column), and the names stand in evidence.json. Install a font before you sign to have them printed "
            "(Debian: fonts-noto-cjk, fonts-noto-core)"
        )
    held = hold(plain, book, before, allow_difference)
    files = plain.plus(attested(plain, key))
    slots = slots_of(key, members)
    level = SignedLevel.B_B if not authority else SignedLevel.B_LT if validation else SignedLevel.B_T
    count = len(slots) - 2
    manifest = make_manifest(
        files,
        slots,
        quorum=quorum if quorum is not None else (count // 2 + 1 if count else 0),
        issued=issued or dt.datetime.now(dt.UTC),
        extra={
            "people": people,
            **({ENTRY: lacking} if lacking else {}),
            **asked_of_board(plain, before, issued or dt.datetime.now(dt.UTC), annex, conditions, run),
            "timestamp": authority is not None,
            "level_words": f"{level}: {level.meaning}",
            **({"differences": held.said} if held.said else {}),
            **({"earlier_unchecked": list(unchecked)} if unchecked else {}),
            **said_of(
                run,
                case_of(plain),
                before,
                protocol,
                deviations,
                about_of(plain.evidence),
                plain.plain("search.json") if "search.json" in plain else None,
            ),
        },
    )
    if printing is not None:
        printing({**files, NAME: manifest.to_bytes()})
    progress.stage("Printing the report")
    draft = assemble(page_html(files, manifest), files, manifest)
    progress.stage("Signing the report")
    signed = certify(
        draft,
        key,
        field=AUDITOR_FIELD,
        reason=REASON,
        timestamper=timestamp_authority(authority) if authority else None,
        validation=validation,
    )
    remember(signed.pdf)
    if book is not None and Path(out).parent.resolve() == Path(run).resolve():
        # A report signed again takes the place of the one before: the log has both, and both stay this folder's.
        remember_issued(Path(run), signed.pdf)
    return _write(out, signed, manifest, book, held.check)


def demand_consistent(files: Documents) -> None:
    """Refuse to sign what `assay verify` would refuse of these documents: one that is older than the case, the data or
    the policy of the others, or whose figures do not follow from its counts. Raises DataError naming it."""
    refusal = refused(files)
    if refusal is None:
        return
    part, broken = refusal
    name = broken.document or part.document
    raise DataError(
        f"{name} does not belong with the rest of the run, and `assay verify` would refuse the report: "
        f"{broken.problem}",
        got=broken.got or name, expected=broken.expected or part.compared, todo=_again(name),
    )  # fmt: skip


def _again(name: str) -> str:
    """What to do where a document does not belong with the others."""
    row = DOCUMENTS.get(name)
    if row is None:
        return "compare with another run, or with none"
    if row.needed:
        return f"run `assay {row.made_by}` again into the same folder"
    return f"run `assay audit` and then `assay {row.made_by}` again into the same folder, or take {name} out of it"


def asked_of_board(
    files: Mapping[str, bytes],
    before: LogView | None,
    issued: dt.datetime,
    annex: str,
    requested: Sequence[str],
    run: Path,
) -> dict[str, Any]:
    """For the manifest: how much is printed, the conditions that the board is asked to set, the day of review."""
    from reports import conditions
    from reports.sections import ANNEXES, SUMMARY

    if annex not in (*ANNEXES, SUMMARY):
        raise InputError("the annex is not known", got=annex, expected=", ".join(ANNEXES), todo="choose one of them")
    documents = Documents.of(files)
    evidence, mitigation = documents.evidence, documents.mitigation
    case = case_of(documents)
    earlier = () if before is None else conditions.of_case(before.entries, case)
    watched = _monitoring(run, case) is not None
    asked = conditions.conditions_for(evidence, mitigation, earlier=earlier, requested=requested, watched=watched)
    lasts = [read_preset(form.text or "", form.name).lasts_days for form in presets_in(files)]
    known = [d for d in lasts if d is not None]
    day = issued.astimezone(dt.UTC).date()
    return {
        "annex": annex,
        "conditions": [c.to_json() for c in asked],
        "review": conditions.review_day(day, lasts).isoformat(),
        **({"outdated": (day + dt.timedelta(days=min(known))).isoformat()} if known else {}),
    }


def presets_in(files: Mapping[str, bytes]) -> tuple[FormAsked, ...]:
    """The forms that are embedded."""
    return embedded_forms(Documents.of(files).plain(PRESETS)) if PRESETS in files else ()


@dataclass(frozen=True, slots=True)
class Held:
    """How the counts stand beside those of earlier reports. said: for the manifest; check: once more, when logged."""

    said: Mapping[str, Any]
    check: Callable[[LogView], None]


def hold(files: Mapping[str, bytes], book: Log | None, before: LogView | None, reason: str | None) -> Held:
    """Hold what is to be published against what has been. Raises PublicationError where that gives people away."""
    from reports.log.ledger import Ledger, compared_closely, record_of, refuse

    why = _reason(reason)
    record = record_of(files, case_of(files))
    close = compared_closely(record)
    if close is not None and not why:
        raise close
    if book is None or before is None:
        return Held({"compared": 0, "near": [], "reason": why} if close else {}, lambda view: None)
    ledger, seen = Ledger(book.folder), before.checkpoint.size
    count, conflicts = ledger.held_against(before.entries, record)
    if not why:
        refuse(conflicts)
    needed = bool(conflicts) or close is not None

    def check(view: LogView) -> None:
        refuse(ledger.held_against(view.entries[seen:], record)[1])

    return Held({"compared": count, "near": [c.number for c in conflicts], "reason": why if needed else ""}, check)


def _reason(text: str | None) -> str:
    """The reason for letting out what differs by a few people, as it is printed."""
    if text is None:
        return ""
    why = " ".join(text.split())
    if not why or not why.isprintable() or len(why) > MOST_REASON:
        raise InputError(
            "the reason cannot be printed",
            got=repr(text[:60]),
            expected=f"a sentence of at most {MOST_REASON} characters",
        )
    return why


def _opened(log: Path | None, out: Path) -> tuple[Log | None, LogView | None]:
    """The log and how it stands before this report; what a killed process left undone is finished first."""
    if log is None:
        return None, None
    from reports.log import Log
    from reports.log.record import finish

    book = Log(log)
    finish(out, book)
    return book, book.view()


def _write(
    out: Path,
    signed: Signed,
    manifest: Manifest,
    book: Log | None = None,
    check: Callable[[LogView], None] | None = None,
) -> Issued:
    if book is None:
        write_whole(out, signed.pdf)
    else:
        from reports.log.record import publish

        publish(out, signed.pdf, book, check=check)
    digest = hashlib.sha256(signed.pdf).hexdigest()
    return Issued(out, digest, signed.level.value, signed.level.meaning, len(signed.pdf), manifest)


def collect(run: Path, *, people: bool = False) -> dict[str, bytes]:
    """`collected` as bytes alone."""
    return dict(collected(run, people=people))


def collected(run: Path, *, people: bool = False) -> Documents:
    """The files of a run folder that a report embeds, by name. Raises DataError where one that is needed is missing.

    Small groups are withheld (audit.publish), and without `people` the persons are taken out of explain.json; where
    there is nothing to withhold a file keeps its bytes.
    """
    files: dict[str, bytes] = {}
    for name in EMBEDDED:
        path = run / name
        try:
            files[name] = path.read_bytes()
        except FileNotFoundError as error:
            if name in NEEDED:
                raise DataError(
                    "the run folder is incomplete", got=f"no {name} in {run}", expected=", ".join(NEEDED),
                    todo="run `assay audit CASE.toml --out DIR` first",
                ) from error  # fmt: skip
        except OSError as error:
            raise DataError(f"{name} cannot be read", got=error.strerror or str(error)) from error
    documents = Documents(files)
    for name in documents:
        documents.plain(name)
    published = publish_documents(documents, people=people)
    if (series := series_bytes(run, case_of(published))) is not None:
        published = published.plus({SERIES: series})
    forms = preset_bytes(published.plain("evidence.json"), run)
    return published if forms is None else published.plus({PRESETS: forms})


def attested(files: Mapping[str, bytes], key: SigningKey) -> dict[str, bytes]:
    """The attachments in open formats: the auditor's signed statements, and the model card."""
    from reports.attest.dsse import seal
    from reports.attest.mlbom import ml_bom
    from reports.attest.statements import statements_of

    documents = Documents.of(files)
    lines = b"".join(seal(s, key) + b"\n" for s in statements_of(documents, tools()))
    mitigation = documents.plain("mitigation.json") if "mitigation.json" in documents else None
    return {STATEMENTS: lines, MODEL_CARD: ml_bom(documents.plain("evidence.json"), mitigation)}


def tools() -> dict[str, str]:
    """What the report is made with: versions, and the sha256 of the lock file where it is beside the program."""
    from reports.attest.statements import LOCK_FILE, lock_digest

    versions = {**setting.versions(), "pyhanko": version("pyhanko")}
    lock = lock_digest()
    return {**versions, LOCK_FILE: lock} if lock else versions


def case_of(files: Mapping[str, bytes]) -> str:
    """The case's name."""
    return record_in(Titled, Documents.of(files).plain("evidence.json"), "evidence.json").case.name


def said_of(
    run: Path,
    case: str,
    before: LogView | None,
    protocol: Path | None,
    deviations: Sequence[str],
    about: Mapping[str, str] | None = None,
    searched: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What the manifest says beyond the files: the log before this report, earlier decisions, protocol, monitoring."""
    out: dict[str, Any] = {}
    if before is not None:
        from reports.log.entries import stated
        from reports.register import earlier

        out |= {
            "checkpoint": stated(before),
            "about": None if about is None else dict(about),
            "register": earlier(before.entries, case, about),
        }
    fixed = None if protocol is None else _protocol(protocol, before)
    out |= {
        "protocol": fixed,
        "search": None if before is None or searched is None else _begun(searched, before, fixed),
        "deviations": [d.strip() for d in deviations if d.strip()],
        "monitoring": _monitoring(run, case),
    }
    return {name: value for name, value in out.items() if value}


def _monitoring(run: Path, case: str) -> dict[str, Any] | None:
    """What the loop's record in the run folder shows; None where there is none, of another case, or of no batch yet."""
    watch_file = watch_in(run, case)
    if watch_file is None:
        return None
    content, watch = watch_file[0], record_in(Monitored, watch_file[1], WATCH)
    return {
        "file": WATCH,
        "sha256": hashlib.sha256(content).hexdigest(),
        "batches": watch.batches,
        "people": watch.rows,
        "changes": _kinds(watch.promotions, "promoted", "rolled_back"),
        "incidents": _kinds(watch.incidents, "incident"),
        "time": watch.trail.time,
    }


def _kinds(events: Sequence[KindOf], *kinds: str) -> int:
    return sum(e.kind in kinds for e in events)


def _begun(search: Mapping[str, Any], before: LogView, protocol: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What the log knows of the search that is embedded."""
    from debias.pareto import digest_of
    from reports.log.searches import begun

    return begun(before.entries, digest_of(search), protocol.get("sha256") if protocol else None)


def _protocol(path: Path, before: LogView | None) -> dict[str, Any]:
    """The protocol by its hash, and since when the log has known it."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError("the protocol cannot be read", got=error.strerror or str(error), expected=str(path)) from error
    digest = hashlib.sha256(content).hexdigest()
    entries = before.entries if before is not None else ()
    logged = next((e.logged for e in logged_as(ProtocolEntry, entries) if e.sha256 == digest), None)
    return {"file": Path(path).name, "sha256": digest, "logged": logged}


def slots_of(key: SigningKey, members: Sequence[str]) -> tuple[SignerSlot, ...]:
    """The signature fields: the auditor (this key), each member in order, the archive timestamp."""
    slots = [SignerSlot(AUDITOR_FIELD, key.name, "auditor", key.fingerprint)]
    names: set[str] = set()
    for number, text in enumerate(members, 1):
        pinned = _PINNED.match(text.strip())
        name = (pinned.group("name") if pinned else text).strip()
        if name.casefold() in names:
            raise InputError("a board member is named twice", got=name, expected="each name once")
        names.add(name.casefold())
        slots.append(SignerSlot(f"Member{number}", name, "member", pinned.group("hex") if pinned else None))
    return (*slots, ARCHIVE)


def make_manifest(
    files: Mapping[str, bytes],
    slots: Sequence[SignerSlot],
    *,
    quorum: int,
    issued: dt.datetime,
    extra: Mapping[str, Any],
) -> Manifest:
    """The manifest over `files`. The title is made of the case's name."""
    case = case_of(files)
    auditor = next(s.name for s in slots if s.role == "auditor")
    return Manifest(
        title=f"Fairness audit: {case}",
        case=case,
        author=auditor,
        language="en",
        issued=issued.astimezone(dt.UTC).replace(microsecond=0),
        attachments=tuple(Attached.of(name, data) for name, data in sorted(files.items())),
        signers=tuple(slots),
        quorum=quorum,
        tool=tools(),
        extra={setting.FONTS: setting.fonts_of(files), **extra},
    )


def page_html(files: Mapping[str, bytes], manifest: Manifest) -> str:
    """The printed page as HTML, from the embedded files and nothing else."""
    from reports.document import build_document
    from reports.render import render_html

    return render_html(build_document(files, manifest=manifest))


def assemble(html: str, files: Mapping[str, bytes], manifest: Manifest) -> bytes:
    """The unsigned report: the page, the files and the manifest over them. Equal input gives equal bytes."""
    return write_pdf(
        html,
        attachments={**files, NAME: manifest.to_bytes()},
        title=manifest.title,
        author=manifest.author,
        language=manifest.language,
        created=manifest.issued,
        signers=manifest.signers,
    )
