"""The checks of what a report says: its figures, what is made of them, its pages, and a new run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

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
        figures.check_mitigation(files, _settings(files), known)


@dataclass(frozen=True, slots=True)
class Part:
    """A check of what is embedded: its line, and the document that it is of. figured: made only where figures hold."""

    name: str
    compared: str
    document: str
    work: Callable[[], str]
    figured: bool = False


def parts_of(files: Mapping[str, bytes], manifest: Manifest | None, known: Known) -> tuple[Part, ...]:
    """What documents of one run say of themselves and of each other, in the order of the lines. The same parts are
    checked before a report is signed, where there is no manifest yet."""
    from reports.verify.series import check_comparison, check_series
    from reports.verify.stress import check_stress, check_whatif

    evidence, mitigation, earlier = "evidence.json", "mitigation.json", "earlier-evidence.json"
    parts = (
        Part(
            "figures", "every figure of evidence.json with the embedded cube", evidence,
            lambda: figures.check_figures(files, known),
        ),
        Part(
            "totals", "people measured, names and what is told twice with the cube and each other", evidence,
            lambda: check_told(files, manifest, known), figured=True,
        ),
        Part(
            "mitigation", "the figures of each arm with the embedded cubes", mitigation,
            lambda: figures.check_mitigation(files, _settings(files), known),
        ),
        Part(
            "search", "the figures of each candidate of the search with its embedded counts", "search.json",
            lambda: figures.check_search(files),
        ),
        Part("stress", "what could go wrong with its embedded counts", "stress.json", lambda: check_stress(files)),
        Part(
            "what if", "the variants of the pipeline with their embedded counts", "whatif.json",
            lambda: check_whatif(files),
        ),
        Part("series", "the loop's events with its trail", "series.json", lambda: check_series(files)),
        Part(
            "comparison", "the earlier audit's figures with its embedded cube", earlier,
            lambda: check_comparison(files),
        ),
    )  # fmt: skip
    return tuple(p for p in parts if p.document in files or p.document == evidence)


def _settings(files: Mapping[str, bytes]) -> Any:
    try:
        return figures.load(files, "evidence.json").get("settings", {})
    except Broken:
        return {}  # the line of the figures says so


def refused(files: Mapping[str, bytes]) -> tuple[Part, Broken] | None:
    """The first of the parts that a verification would refuse, and why; None where it would refuse none."""
    known = Known()
    for part in parts_of(files, None, known):
        try:
            part.work()
        except Broken as broken:
            return part, broken
    return None


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

        version = said_version(self.manifest.tool)
        try:
            return work()
        except Broken as broken:
            if version != VERSION:
                todo = (
                    f"made by Assay {version}, checked by {VERSION}: check with {version} before you conclude anything"
                )
                raise Broken(broken.problem, got=broken.got, expected=broken.expected, todo=todo) from broken
            raise

    def check(self, run: Lines) -> bool:
        """Every line on figures. False where the figures fail: what rests on them, the pages too, is not checked."""
        figured = True
        for part in parts_of(self.files, self.manifest, self.known):
            if part.figured and not figured:
                continue
            held = run.check(part.name, part.compared, lambda part=part: self._same_version(part.work))  # type: ignore[misc]
            figured = figured and (held or part.name != "figures")
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
