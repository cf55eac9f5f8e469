"""The checks of what a report says: its figures, what is made of them, its pages, and a new run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from reports.attest import MODEL_CARD, STATEMENTS
from reports.manifest import Manifest
from reports.setting import said_version
from reports.verify import figures
from reports.verify.known import Known
from reports.verify.lines import PAGES, Lines
from reports.verify.result import Broken
from reports.verify.told import check_told

if TYPE_CHECKING:
    from asn1crypto import x509

    from reports.verify.printed import Printer

SHOWN = "what the pages show with what the embedded files say"


READING = ("pikepdf", "pyhanko.pdf_utils.reader", "pyhanko.sign.validation.pdf_embedded", "reports.verify.about")
"""What reading a report loads."""


def ahead(files: Mapping[str, bytes], known: Known) -> None:
    """Recompute the figures of these files into `known`, and load what reading a report takes. Raises Broken."""
    for name in READING:
        import_module(name)
    figures.check_figures(files, known)
    if "mitigation.json" in files:
        figures.check_mitigation(files, figures.load(files, "evidence.json").get("settings", {}), known)


@dataclass(frozen=True, slots=True)
class Contents:
    """certified: the file up to the end of the auditor's signature. The rest as in `verify`."""

    certified: bytes
    certificate: x509.Certificate
    files: Mapping[str, bytes]
    manifest: Manifest
    printer: Printer | None
    known: Known

    def _same_version(self, work: Callable[[], str]) -> str:
        """A method may change from version to version: where this is another one, the failure says so."""
        from audit.about import VERSION

        made = said_version(self.manifest.tool)
        try:
            return work()
        except Broken as broken:
            if made != VERSION:
                todo = f"made by Assay {made}, checked by {VERSION}: check with {made} before you conclude anything"
                raise Broken(broken.problem, got=broken.got, expected=broken.expected, todo=todo) from broken
            raise

    def check(self, run: Lines) -> bool:
        """Every line on figures. False where the figures fail: what rests on them, the pages too, is not checked."""
        figured = run.check(
            "figures",
            "every figure of evidence.json with the embedded cube",
            lambda: self._same_version(lambda: figures.check_figures(self.files, self.known)),
        )
        if figured:
            run.check(
                "totals",
                "people measured, names and what is told twice with the cube and each other",
                lambda: self._same_version(lambda: check_told(self.files, self.manifest, self.known)),
            )
        if "mitigation.json" in self.files:
            settings = figures.load(self.files, "evidence.json").get("settings", {}) if figured else {}
            run.check(
                "mitigation",
                "the figures of each arm with the embedded cubes",
                lambda: self._same_version(lambda: figures.check_mitigation(self.files, settings, self.known)),
            )
        if "search.json" in self.files:
            run.check(
                "search",
                "the figures of each candidate of the search with its embedded counts",
                lambda: self._same_version(lambda: figures.check_search(self.files)),
            )
        self._stressed(run)
        if "series.json" in self.files:
            from reports.verify.series import check_series

            run.check("series", "the loop's events with its trail", lambda: check_series(self.files))
        if "earlier-evidence.json" in self.files:
            from reports.verify.series import check_comparison

            run.check(
                "comparison",
                "the earlier audit's figures with its embedded cube",
                lambda: self._same_version(lambda: check_comparison(self.files)),
            )
        self._attested(run, figured)
        if not figured:
            run.skip(PAGES, SHOWN, "not checked, because the figures behind them failed")
        return figured

    def pages(self, run: Lines) -> None:
        """The line on pages."""
        # Here, since it loads what prints: another process may do it.
        from reports.verify.printed import check_printed

        run.check(
            PAGES, SHOWN, lambda: self._same_version(lambda: check_printed(self.certified, self.files, self.printer))
        )

    def _stressed(self, run: Lines) -> None:
        from reports.verify.stress import check_stress, check_whatif

        works = (
            ("stress", "stress.json", "what could go wrong with its embedded counts", check_stress),
            ("what if", "whatif.json", "the variants of the pipeline with their embedded counts", check_whatif),
        )
        for name, file, compared, work in works:
            if file in self.files:
                run.check(name, compared, lambda work=work: self._same_version(lambda: work(self.files)))  # type: ignore[misc]

    def _attested(self, run: Lines, figured: bool) -> None:
        from reports.attest.check import check_model_card, check_statements

        works: tuple[tuple[str, str, str, Callable[[], str]], ...] = (
            (
                "statements",
                STATEMENTS,
                "the signed statements with the evidence",
                lambda: check_statements(self.files, self.manifest, self.certificate),
            ),
            (
                "model card",
                MODEL_CARD,
                "the CycloneDX model card with the evidence",
                lambda: check_model_card(self.files),
            ),
        )
        for name, file, compared, work in works:
            if file not in self.files:
                continue
            if figured:
                run.check(name, compared, lambda work=work: self._same_version(work))  # type: ignore[misc]
            else:
                run.skip(name, compared, "not checked, because the figures behind them failed")
