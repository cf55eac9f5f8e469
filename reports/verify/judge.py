"""The checks of a report, in order, in the process that calls: one line a check, from the bytes of the file to every
printed figure.

The cheap checks on bytes come first; where one fails, what would rest on it is "not checked". Nothing is fetched.
Order: file, seal, structure, signatures, certification, metadata, attachments, pages, changes, validation data,
manifest, signers, decisions, faces, continuation, log, log history, log inclusion, log decisions, identity, figures,
mitigation, search, series, comparison, statements, model card, printed pages, rerun.

What a report brings is hostile until it is known: `reports.verify.verify` runs this in a process with limits
(`reports.verify.apart`), and nothing else should call it on a file from outside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from audit.documents import Documents
from audit.errors import AssayError
from audit.numbers import are, many
from reports.log.proof import Proof
from reports.manifest import NAME, Attached, Manifest
from reports.signature import Signature
from reports.verify import revisions, seal
from reports.verify import signatures as sig
from reports.verify.allowed import check_allowed
from reports.verify.asked import VerifyRequest
from reports.verify.identity import Identity, Reader, check_identity, embedded_certificates, embedded_lists
from reports.verify.increments import Revision, revisions_of
from reports.verify.known import Known
from reports.verify.lines import FACES, PAGES, Lines, Stop
from reports.verify.reading import attached, opened, reader_of
from reports.verify.result import OK, Broken, Check, SignatureInfo, Verification, digest, one_safe_line
from reports.verify.steps import check_steps, check_validation_data

if TYPE_CHECKING:
    from reports.verify.contents import Contents
    from reports.verify.printed import Printer

RERUN = "everything embedded with a new run on model and data"
NO_RERUN = "not asked for (--rerun CASE.toml)"


class Judge:
    """One report being judged: `work`, then `rerun` or `no_rerun`, then `result`.

    printer : makes the page's HTML again, for tests. elsewhere: another process sets faces and pages meanwhile (with
    `only_set`), and its lines are given to `set_elsewhere` where `waits` is true after `work`. known: what was
    recomputed in this process before.
    """

    def __init__(
        self, pdf: bytes, asked: VerifyRequest, printer: Printer | None = None, *, elsewhere: bool = False,
        known: Known | None = None,
    ) -> None:  # fmt: skip
        self.known = known or Known()
        self.pdf, self.asked, self.printer, self.elsewhere = pdf, asked, printer, elsewhere
        self.waits = False
        self._faces_at: int | None = None
        self.lines = Lines()
        self.signers: tuple[SignatureInfo, ...] = ()
        self.identity = "not established: neither a root certificate (--trust) nor a fingerprint (--pin) was given"
        self.established = False
        self.notes: list[str] = []
        self.found: tuple[Signature, ...] = ()
        self.revisions: tuple[Revision, ...] = ()
        self.manifest: Manifest | None = None
        self.files = Documents({})

    def work(self) -> None:
        """Every check but the new run."""
        try:
            self._work(self.lines)
        except Stop:
            self.lines.skip("everything else", "", "not checked, because it rests on the check that failed")
        if not self.waits:
            self._faces_here()

    def set_elsewhere(self, lines: Sequence[Check]) -> None:
        """The lines on faces and pages, as another process found them; none where it found none: then they are checked
        here."""
        self.waits = False
        if self._faces_at is not None and [line.name for line in lines] == [FACES, PAGES]:
            self.lines.checks.insert(self._faces_at, lines[0])
            self.lines.checks.append(lines[1])
            return
        self._faces_here()
        try:
            self._contents().pages(self.lines)
        except Stop:
            self.lines.skip("everything else", "", "not checked, because it rests on the check that failed")

    def _faces_here(self) -> None:
        """The line on faces in its place, where it was left to another process that has not told it."""
        if self._faces_at is None:
            return
        run, at = Lines(), self._faces_at
        self._faces_at = None
        with suppress(Stop):
            self._faces(run)
        self.lines.checks[at:at] = run.checks

    def only_set(self) -> tuple[Check, ...]:
        """The lines on faces and pages, and no other. None for a file that another check would have refused."""
        run = Lines()
        try:
            self._seal()
            self.revisions, self.reader = revisions_of(self.pdf), reader_of(self.pdf)
            with opened(self.pdf) as document:
                self.files = Documents(attached(document))
            self.found = sig.read_signatures(self.pdf, self.reader)
            self.manifest = Manifest.from_bytes(self.files[NAME])
            self._faces(run)
            self._contents().pages(run)
        except (Broken, AssayError, KeyError, IndexError, RecursionError, Stop):
            return ()
        return tuple(run.checks)

    def rerun(self, files: Mapping[str, bytes]) -> None:
        """What was made again from model and data against the embedded files."""
        from reports.verify.rerun import check_rerun

        self.lines.check("rerun", RERUN, lambda: check_rerun(self.files, files))

    def no_rerun(self, why: str = NO_RERUN) -> None:
        """The line of a new run that was not made; where the rest holds, with what stands on the auditor's word."""
        from reports.verify.told import on_the_word

        if self.asked.contents and self.manifest is not None and self.result().failed is None:
            why += f": on the auditor's word stand {on_the_word(self.files)}"
        self.lines.skip("rerun", RERUN, why)

    def result(self) -> Verification:
        """All lines so far."""
        checks = tuple(self.lines.checks)
        # Where the log holds every decision of this report, one that was cut off would have been seen.
        seen = any(c.name == "log decisions" and c.status == OK for c in checks)
        notes = (*(() if seen else (sig.ROLL_BACK,)), *map(one_safe_line, self.notes))
        digest = hashlib.sha256(self.pdf).hexdigest()
        return Verification(checks, self.signers, self.identity, digest, notes, self.established)

    def printed_again(self) -> bytes | None:
        """A fresh printing of the checked evidence, where it was asked for and nothing failed."""
        if not (self.asked.print_again and self.asked.contents) or self.result().failed is not None:
            return None
        from reports.verify.printed import print_again

        return print_again(self.files)

    def _work(self, run: Lines) -> None:
        pdf = self.pdf
        run.check("file", "its first bytes and its size", lambda: seal.check_file(pdf), stop=True)
        run.check("seal", "every byte of the file with the digest in the last signature", self._seal, stop=True)
        self._structure(run)
        self._signatures(run)
        self._changes(run)
        self._people(run)
        if not self.asked.contents:
            return
        contents = self._contents()
        figured = contents.check(run)
        self.waits = figured and self.elsewhere
        if figured and not self.waits:
            contents.pages(run)

    def _contents(self) -> Contents:
        # Here, since it loads what measures and prints: a file that failed above never needs it.
        from reports.verify.contents import Contents

        assert self.manifest is not None
        first = self.found[0]
        certified = self.pdf[: first.span.end]
        return Contents(certified, first.container.certificate, self.files, self.manifest, self.printer, self.known)

    def _seal(self) -> str:
        span, container = seal.check_seal(self.pdf)
        for name in container.loose:
            self.notes.append(
                f"Nothing in the file vouches for a certificate that the timestamp authority added: {name}"
            )
        covered = len(self.pdf) - (span.stop - span.start)
        return (
            f"{many(covered, 'byte')} {are(covered, 'has', 'have')} the digest that the last signature holds; "
            "its container is clean"
        )

    def _structure(self, run: Lines) -> None:
        def work() -> str:
            self.revisions = revisions_of(self.pdf)
            kinds = check_allowed(self.pdf, self.revisions)
            self.reader = reader_of(self.pdf)
            with opened(self.pdf) as document:
                count = len(document.pages)
                self.files = Documents(attached(document))
            return f"{many(count, 'page')}; read by two parsers without repair; {kinds}"

        run.check("structure", "the file as two strict parsers read it", work, stop=True)

    def _signatures(self, run: Lines) -> None:
        def work() -> str:
            self.found = sig.read_signatures(self.pdf, self.reader)
            return f"{len(self.found)} intact, each over its whole revision: {', '.join(s.field for s in self.found)}"

        run.check("signatures", "each signature with the bytes it covers", work, stop=True)
        self.signers = sig.described(None, self.found, self.reader, {}, ())
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
        if self.asked.second_opinion:
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
            report_manifest = Manifest.from_bytes(self.files[NAME])
            listed = {a.name: a for a in report_manifest.attachments}
            others = self.files.without(NAME)
            if listed.keys() != others.keys():
                got, expected = f"{many(len(others), 'file')}", f"the {many(len(listed), 'file')} of the manifest"
                raise Broken("the embedded files are not those that the manifest lists", got=got, expected=expected)
            for number, (name, data) in enumerate(others.items(), 1):
                if Attached.of(name, data) != listed[name]:
                    raise Broken(
                        f"embedded file {number} is not the one in the manifest",
                        got=hashlib.sha256(data).hexdigest(),
                        expected=digest(listed[name].sha256),
                    )
            from reports.verify.about import check_about

            check_about(report_manifest, others)
            self.manifest = report_manifest
            return f"{many(len(others), 'file')} {are(len(others), 'has', 'have')} the sha256 that the manifest lists"

        run.check("manifest", "each embedded file's sha256 with the manifest", manifest, stop=True)
        report_manifest = self.manifest
        assert report_manifest is not None
        run.check(
            "signers",
            "each signature with the manifest's names",
            lambda: sig.check_signers(report_manifest, self.found),
        )
        run.check(
            "decisions",
            "the members' decisions with the quorum",
            lambda: sig.check_decisions(report_manifest, self.found, self.asked.require_quorum),
        )
        if self.elsewhere:
            self._faces_at = len(run.checks)
        else:
            self._faces(run)
        self._continuation(run)
        self._logged(run, report_manifest)
        known = Identity("", {}, frozenset())
        if self.asked.trust is None and not self.asked.pins:
            run.skip("identity", "each signer's certificate with a trusted root", self.identity)
        else:
            known = self._identity(run)
        self.signers = sig.described(report_manifest, self.found, self.reader, known.trusted, known.stamped)

    def _faces(self, run: Lines) -> None:
        # Here, since it loads what prints: another process may do it.
        from reports.verify.faces import check_faces

        manifest = self.manifest
        assert manifest is not None
        run.check(
            FACES,
            "the face of each signature with its signed fields",
            lambda: check_faces(self.pdf, manifest, self.found, self._other_versions),
        )

    def _other_versions(self) -> list[str]:
        from reports.verify.printed import others_of

        assert self.manifest is not None
        return others_of(self.manifest, self.files)

    def _continuation(self, run: Lines) -> None:
        compared = "this file with the earlier copy"
        since = self.asked.since
        if since is None:
            run.skip("continuation", compared, "no earlier copy was given: a decision cut off since could not be seen")
            return

        def work() -> str:
            if self.pdf.startswith(since) and len(since) not in {s.span.end for s in self.found}:
                raise Broken(
                    "the earlier copy is no whole signed report, so nothing can be told from it",
                    got=f"{many(len(since), 'byte')} that end with no signature",
                    expected="a file as it was received, unchanged",
                    todo="give the whole earlier copy",
                )
            if not self.pdf.startswith(since):
                raise Broken(
                    "the file does not continue the earlier copy",
                    got=f"{many(len(self.pdf), 'byte')}",
                    expected=f"a file that begins with the {many(len(since), 'byte')} of the earlier copy",
                    todo="something was cut off or replaced since; ask who made this copy",
                )
            return f"the file continues the earlier copy of {many(len(since), 'byte')}"

        run.check("continuation", compared, work)

    def _logged(self, run: Lines, manifest: Manifest) -> None:
        copy, compared = self.asked.log, "this report with the log of issued reports"
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
        views: list[Any] = []

        def head() -> str:
            view, line = logged.check_head(copy, manifest)
            views.append(view)
            return line

        def decisions() -> str:
            line, notes = logged.check_decisions(views[0], self.pdf, manifest, self.found, self.files)
            self.notes += notes
            return line

        run.check("log", "the log's entries with its signed checkpoint", head)
        rest: tuple[tuple[str, str, Callable[[], str]], ...] = (
            (
                "log history",
                "the checkpoint in the report with the log",
                lambda: logged.check_history(views[0], manifest),
            ),
            (
                "log inclusion",
                "the certified revision with the log",
                lambda: logged.check_inclusion(views[0], self.pdf, manifest, self.found),
            ),
            ("log decisions", "the decisions in the log with those in the file", decisions),
        )
        for name, what, work in rest:
            if views:
                run.check(name, what, work)
            else:
                run.skip(name, what, "not checked, because the log itself does not hold")

    def _identity(self, run: Lines) -> Identity:
        identities: list[Identity] = []

        def work() -> str:
            lists, more = embedded_lists(self.reader), embedded_certificates(self.reader)
            asked = self.asked
            identities.append(check_identity(self.found, Reader.of(asked.trust, asked.pins, asked.crls, lists, more)))
            return identities[0].line

        self.established = run.check("identity", "each signer's certificate with what the reader trusts", work)
        basis = "the root given" if self.asked.trust is not None else "the fingerprints given"
        self.identity = f"established by {basis}" if self.established else "refused"
        return identities[0] if identities else Identity("", {}, frozenset())
