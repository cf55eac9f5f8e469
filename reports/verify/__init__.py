"""Verify a report offline: one line a check, from the bytes of the file to every printed figure.

    found = verify(Path("report.pdf").read_bytes())
    found.failed            # None, or the first Check that failed
    found.partial           # the checks that could say neither yes nor no here
    verify_or_raise(data)   # raises VerificationError or VerifiedInPart naming them

The cheap checks on bytes come first; where one fails, what would rest on it is "not checked". Nothing is fetched.
Order: file, seal, structure, signatures, certification, metadata, attachments, pages, changes, scripts, manifest,
signers, decisions, continuation, log, log history, log inclusion, log decisions, identity, figures, mitigation, search,
statements, model card, printed pages, rerun.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from reports.log.proof import Proof
from reports.log.store import LogCopy
from reports.manifest import NAME, Attached, Manifest
from reports.verify import revisions, seal
from reports.verify import signatures as sig
from reports.verify.allowed import check_allowed
from reports.verify.contents import Contents
from reports.verify.faces import check_faces
from reports.verify.increments import revisions_of
from reports.verify.lines import Lines, Stop
from reports.verify.printed import Printer, others_of
from reports.verify.reading import attached, opened, reader_of
from reports.verify.result import OK, Broken, Check, SignerFound, Verification
from reports.verify.steps import check_steps, check_validation_data

__all__ = ["Check", "SignerFound", "Verification", "verify", "verify_or_raise"]


def verify_or_raise(pdf: bytes, **options: Any) -> Verification:
    """`verify`; raises VerificationError naming the check that failed, or VerifiedInPart where one was not settled."""
    found = verify(pdf, **options)
    if not found.ok:
        raise found.error()
    return found


def verify(
    pdf: bytes,
    *,
    trust: bytes | None = None,
    crls: Sequence[bytes] = (),
    rerun: Mapping[str, bytes] | None = None,
    since: bytes | None = None,
    log: LogCopy | Proof | None = None,
    require_quorum: bool = False,
    contents: bool = True,
    printer: Printer | None = None,
    second_opinion: bool = False,
    print_again: bool = False,
) -> Verification:
    """Every check of a report, in order.

    trust : root certificates (PEM or DER); without them everything but the signers' identity is checked. crls:
    revocation lists to judge by, besides those in the file. rerun: the files of a run made again from model and data.
    since: an earlier copy, which this file has to continue (so that a decision cut off since is seen). log: the log of
    issued reports (reports.log.read_copy), which has to hold this one and every decision on it, or a proof
    (reports.log.proof) that it holds this one. require_quorum:
    fail where the board has not approved. contents: False stops before the figures and pages. printer: makes the page's
    HTML again (for tests). second_opinion: pyHanko's difference analysis too; it takes seconds and allows more than
    ours. print_again:
    where nothing failed, `again` of the result is a fresh printing of the checked evidence.
    """
    run = Lines()
    state = _State(pdf, trust, tuple(crls), rerun, since, require_quorum, contents, printer, second_opinion, log)
    try:
        state.work(run)
    except Stop:
        run.skip("everything else", "", "not checked, because it rests on the check that failed")
    identity = state.identity
    # Where the log holds every decision of this report, one that was cut off would have been seen.
    seen = any(c.name == "log decisions" and c.status == OK for c in run.checks)
    notes = (*(() if seen else (sig.ROLL_BACK,)), *state.notes)
    found = Verification(
        tuple(run.checks), state.signers, identity, hashlib.sha256(pdf).hexdigest(), notes, state.established
    )
    if print_again and contents and found.failed is None:
        from reports.verify.printed import print_again as printed_again

        found = replace(found, again=printed_again(state.files))
    return found


class _State:
    """What the checks hand on to each other."""

    def __init__(
        self,
        pdf: bytes,
        trust: bytes | None,
        crls: tuple[bytes, ...],
        rerun: Mapping[str, bytes] | None,
        since: bytes | None,
        require_quorum: bool,
        contents: bool,
        printer: Printer | None,
        second_opinion: bool,
        log: LogCopy | Proof | None = None,
    ) -> None:
        self.pdf, self.trust, self.crls, self.rerun, self.since = pdf, trust, crls, rerun, since
        self.require_quorum, self.contents, self.printer = require_quorum, contents, printer
        self.second_opinion, self.log = second_opinion, log
        self.signers: tuple[SignerFound, ...] = ()
        self.identity = "not established: no root certificate was given (--trust)"
        self.established = False
        self.notes: list[str] = []
        self.found: tuple[sig.Signature, ...] = ()
        self.manifest: Manifest | None = None
        self.files: dict[str, bytes] = {}

    def work(self, run: Lines) -> None:
        pdf = self.pdf
        run.check("file", "its first bytes and its size", lambda: seal.check_file(pdf), stop=True)
        sealed = run.check("seal", "every byte of the file with the digest in the last signature", self._seal)
        if not sealed:
            self._diagnose(run)
            raise Stop
        self._structure(run)
        self._signatures(run)
        self._changes(run)
        self._people(run)
        if not self.contents:
            return
        assert self.manifest is not None
        first = self.found[0]
        Contents(
            self.pdf[: first.span.end],
            first.container.certificate,
            self.files,
            self.manifest,
            self.printer,
            self.rerun,
        ).check(run)

    def _seal(self) -> str:
        span, container = seal.check_seal(self.pdf)
        for name in container.loose:
            self.notes.append(
                f"Nothing in the file vouches for a certificate that the timestamp authority added: {name}"
            )
        covered = len(self.pdf) - (span.stop - span.start)
        return f"{covered:,} bytes have the digest that the last signature holds; its container is clean"

    def _diagnose(self, run: Lines) -> None:
        """Bytes after the last signature: say what they change. Only where that signature is intact."""
        found = seal.spans(self.pdf)
        if not found or found[-1].end >= len(self.pdf):
            return
        try:
            seal.check_digest(self.pdf, found[-1], seal.container_of(self.pdf, found[-1]))
        except Broken:
            return
        before = self.pdf[: found[-1].end]
        self._compare(run, before, self.pdf)

    def _structure(self, run: Lines) -> None:
        def work() -> str:
            self.revisions = revisions_of(self.pdf)
            kinds = check_allowed(self.pdf, self.revisions)
            self.reader = reader_of(self.pdf)
            with opened(self.pdf) as document:
                count = len(document.pages)
                self.files = attached(document)
            return f"{count} pages; read by two parsers without repair; {kinds}"

        run.check("structure", "the file as two strict parsers read it", work, stop=True)

    def _signatures(self, run: Lines) -> None:
        def work() -> str:
            self.found = sig.read_signatures(self.pdf, self.reader)
            return f"{len(self.found)} intact, each over its whole revision: {', '.join(s.field for s in self.found)}"

        run.check("signatures", "each signature with the bytes it covers", work, stop=True)
        self.signers = sig.described(None, self.found, self.reader, {})
        run.check(
            "certification",
            "the first signature's permissions",
            lambda: sig.check_certification(self.reader, self.found),
            stop=True,
        )

    def _changes(self, run: Lines) -> None:
        certified = self.pdf[: self.found[0].span.end]
        self._compare(run, certified, self.pdf)

        run.check(
            "changes",
            "each object of each revision with the one before",
            lambda: check_steps(self.pdf, self.revisions, self.found),
        )
        if "/DSS" in self.reader.root:
            data = "each piece of validation data with its kind"
            run.check("validation data", data, lambda: check_validation_data(self.pdf))
        if self.second_opinion:
            run.check(
                "second opinion",
                "every later change with what the certification allows, by pyHanko",
                lambda: sig.check_modifications(self.found),
            )

    def _compare(self, run: Lines, before: bytes, after: bytes) -> None:
        def pair(compare: Callable[[Any, Any], str]) -> Callable[[], str]:
            def work() -> str:
                if len(before) == len(after):
                    return "nothing was added after the certification"
                with opened(before) as a, opened(after) as b:
                    return compare(a, b)

            return work

        run.check("metadata", "title, dates, XMP, bookmarks as certified and now", pair(revisions.compare_metadata))
        run.check("attachments", "embedded files as certified and now", pair(revisions.compare_attachments))
        run.check("pages", "each page's drawing as certified and now", pair(revisions.compare_pages))

    def _people(self, run: Lines) -> None:
        def manifest() -> str:
            if NAME not in self.files:
                raise Broken("the file is signed, but is no report made by Assay", got=f"no {NAME}", expected=NAME)
            made = Manifest.from_bytes(self.files[NAME])
            listed = {a.name: a for a in made.attachments}
            others = {k: v for k, v in self.files.items() if k != NAME}
            if listed.keys() != others.keys():
                got, expected = ", ".join(sorted(others)), ", ".join(sorted(listed))
                raise Broken("the embedded files are not those that the manifest lists", got=got, expected=expected)
            for name, data in others.items():
                if Attached.of(name, data) != listed[name]:
                    raise Broken(
                        f"the embedded file {name} is not the one in the manifest",
                        got=hashlib.sha256(data).hexdigest(),
                        expected=listed[name].sha256,
                    )
            from reports.verify.about import check_about

            check_about(made, others)
            self.manifest = made
            return f"{len(others)} files have the sha256 that the manifest lists"

        run.check("manifest", "each embedded file's sha256 with the manifest", manifest, stop=True)
        made = self.manifest
        assert made is not None
        run.check("signers", "each signature with the manifest's names", lambda: sig.check_signers(made, self.found))
        run.check(
            "decisions",
            "the members' decisions with the quorum",
            lambda: sig.check_decisions(made, self.found, self.require_quorum),
        )
        run.check(
            "faces",
            "the face of each signature with its signed fields",
            lambda: check_faces(self.pdf, made, self.found, lambda: others_of(made, self.files)),
        )
        self._continuation(run)
        self._logged(run, made)
        trusted: dict[str, bool | None] = {}
        if self.trust is None:
            run.skip("identity", "each signer's certificate with a trusted root", self.identity)
        else:
            trusted = self._identity(run, self.trust)
        self.signers = sig.described(made, self.found, self.reader, trusted)

    def _continuation(self, run: Lines) -> None:
        compared = "this file with the earlier copy"
        since = self.since
        if since is None:
            run.skip("continuation", compared, "no earlier copy was given: a decision cut off since could not be seen")
            return

        def work() -> str:
            if not self.pdf.startswith(since):
                raise Broken(
                    "the file does not continue the earlier copy",
                    got=f"{len(self.pdf):,} bytes",
                    expected=f"a file that begins with the {len(since):,} bytes of the earlier copy",
                    todo="something was cut off or replaced since; ask who made this copy",
                )
            return f"the file continues the earlier copy of {len(since):,} bytes"

        run.check("continuation", compared, work)

    def _logged(self, run: Lines, manifest: Manifest) -> None:
        copy, compared = self.log, "this report with the log of issued reports"
        if copy is None:
            run.skip("log", compared, "no log was given (--log DIR): a roll-back could not be seen")
            return
        from reports.verify import log as logged

        if isinstance(copy, Proof):
            why = "a proof shows one entry and no more; give the log itself (--log DIR)"
            for name in ("log", "log history"):
                run.skip(name, compared, why)
            line = "the certified revision with the proof"
            run.check("log inclusion", line, lambda: logged.check_proof(copy, self.pdf, manifest, self.found))
            run.skip("log decisions", compared, why)
            return
        found: list[Any] = []

        def head() -> str:
            view, line = logged.check_head(copy, manifest)
            found.append(view)
            return line

        def decisions() -> str:
            line, notes = logged.check_decisions(found[0], self.pdf, manifest, self.found, self.files)
            self.notes += notes
            return line

        run.check("log", "the log's entries with its signed checkpoint", head)
        rest: tuple[tuple[str, str, Callable[[], str]], ...] = (
            (
                "log history",
                "the checkpoint in the report with the log",
                lambda: logged.check_history(found[0], manifest),
            ),
            (
                "log inclusion",
                "the certified revision with the log",
                lambda: logged.check_inclusion(found[0], self.pdf, manifest, self.found),
            ),
            ("log decisions", "the decisions in the log with those in the file", decisions),
        )
        for name, what, work in rest:
            if found:
                run.check(name, what, work)
            else:
                run.skip(name, what, "not checked, because the log itself does not hold")

    def _identity(self, run: Lines, trust: bytes) -> dict[str, bool | None]:
        from reports.verify.identity import check_identity, embedded_certificates, embedded_lists

        trusted: dict[str, bool | None] = {}

        def work() -> str:
            lists, more = embedded_lists(self.reader), embedded_certificates(self.reader)
            line, found = check_identity(self.found, trust, self.crls, lists, more)
            trusted.update(found)
            return line

        good = run.check("identity", "each signer's certificate with the root given", work)
        self.identity = "established by the root given" if good else "refused"
        self.established = good
        return trusted
