"""What an audit found, as frames, a chart and words; and what can be done next with it."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from assay._follow import Explanation, Mitigation, tidy
from audit.cube_json import margins_from_json
from audit.documents import Documents
from audit.errors import InputError
from audit.files import read_json
from audit.metrics import SELECTION_RATE
from audit.passing import remove
from audit.sizes import measured
from audit.values import Rate, to_json
from audit.wide import rates_of
from debias.methods.method import REWEIGHING

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from reports.issue import Issued


class Result:
    """A finished audit; in a notebook it shows findings, norms and a chart.

    Attributes
    ----------
    folder : Path
        The run folder with everything that was written. A temporary one is removed with the result.
    case_file : Path | None
        The case file that was audited, where it is known.
    evidence : dict[str, Any]
        evidence.json as it was read (schema assay/evidence/1).
    """

    def __init__(self, folder: Path, case: Path | None, *, passing: bool = False) -> None:
        self.folder = Path(folder)
        self.case_file = case
        if passing:  # a temporary folder lives as long as its result
            weakref.finalize(self, remove, self.folder)
        documents = Documents({"evidence.json": (self.folder / "evidence.json").read_bytes()})
        self.evidence: dict[str, Any] = documents.plain("evidence.json")
        self._record = documents.evidence

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings in sentences."""
        return self._record.findings

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know about how it was made."""
        return self._record.notes

    def _frame(self, part: str) -> pd.DataFrame:
        """A list of the document as it was read, a row an entry: counts stay whole numbers."""
        return tidy(self.evidence[part])

    def rates(self) -> pd.DataFrame:
        """One row a rate: metric, attribute, group, value, numerator, denominator, low, high, interval, reason.

        Those of intersections that evidence.json leaves to the cube (`left_to_cube`) are made from it and come last.
        """
        return tidy([*self.evidence.get("rates", []), *map(to_json, self._left_rates())])

    def _left_rates(self) -> list[Rate]:
        """The rates of intersections that evidence.json leaves to the cube."""
        record = self._record
        if record.left_to_cube is None:
            return []
        margins = margins_from_json(read_json(self.folder / record.cube.file))
        left = [m for m in margins if m.attribute in record.left_to_cube.attributes]
        return [r for m in left for r in rates_of(m, None, record.settings.alpha)]

    def gaps(self) -> pd.DataFrame:
        """One row a gap: metric, attribute, kind, value, highest, lowest, reason.

        low, high, p_value and p_adjusted are of the widest gap of all groups; of the two groups named alone, pair_low,
        pair_high, pair_p_value and pair_p_adjusted, where pairs are compared.
        """
        return self._frame("gaps")

    def counts(self) -> pd.DataFrame:
        """One row a group: rows, tp, fp, fn, tn, unknown_label."""
        return self._frame("counts")

    def norms(self) -> pd.DataFrame:
        """One row a norm of the policy: value, interval, limit, status."""
        return self._frame("norms")

    def plot(self, metric: str = SELECTION_RATE, attribute: str | Sequence[str] | None = None) -> Figure:
        """Dots with 95 % intervals, a row a group.

        Parameters
        ----------
        metric : str
            A rate, for example "selection_rate" or "true_positive_rate".
        attribute : str | Sequence[str] | None
            A sensitive column, or several for their intersection (default: the first column).

        Returns
        -------
        Figure
            Of plotly.

        Raises
        ------
        AssayError
            InputError for a rate or column that was not measured; it names those that were.
        """
        from screens.charts import Dot, dots

        first = self._record.data.sensitive[:1]
        wanted = (attribute,) if isinstance(attribute, str) else tuple(attribute or first)
        rates = [*self._record.rates, *self._left_rates()]
        mine = [r for r in rates if r.metric == metric and r.attribute == wanted]
        if not mine:
            known = sorted({r.metric for r in rates})
            raise InputError(f"there is no {metric!r} by {' and '.join(wanted)}", got=metric,
                             expected=", ".join(known), todo="name one of them, and a sensitive column")  # fmt: skip
        values = [Dot(" / ".join(r.group), r.value, r.low, r.high, r.denominator or 0, "", r.reason) for r in mine]
        return dots(values, title=f"{metric.replace('_', ' ')} by {' and '.join(wanted)}")

    def explain(
        self,
        rows: Sequence[int] = (),
        *,
        output: str = "probability",
        seed: int = 0,
        allow: Sequence[str] = (),
        offline: bool = False,
    ) -> Explanation:
        """SHAP and LIME of the audited model; written to explain.json.

        Parameters
        ----------
        rows : Sequence[int]
            Places of single people among the audited rows (0 is the first) to explain too.
        output : str
            What is explained: "probability" (0 to 1), "log-odds" or "decision".
        seed : int
            Of the background and the draws.
        allow : Sequence[str]
            Types in the model file that you have reviewed.
        offline : bool
            Of an endpoint: the answers kept in the run folder, and no other; nothing is sent.

        Raises
        ------
        AssayError
            InputError where there is no model to ask, or a row is not there.
        """
        from audit.explain import run_explain

        case = self._case(offline)
        return Explanation(
            run_explain(case, self.folder, people=tuple(rows), seed=seed, output=output, allow=tuple(allow))
        )

    def mitigate(
        self,
        method: str = REWEIGHING,
        *,
        constraint: str | None = None,
        tolerance: float = 0.02,
        attributes: Sequence[str] | None = None,
        seed: int = 0,
        allow: Sequence[str] = (),
        onnx: bool = False,
        gate: bool = False,
        offline: bool = False,
    ) -> Mitigation:
        """Fit a candidate and compare it with the original, and the original's threshold moved, on untouched rows.

        Parameters
        ----------
        method : str
            A row of the table in docs/mitigation.md.
        constraint : str | None
            What to aim at, for example "demographic_parity" (default: the method's first).
        tolerance : float
            The gap allowed, 0 to 1.
        attributes : Sequence[str] | None
            Sensitive columns to act on (default: all, with their intersections).
        seed : int
            Of the split and the fit.
        allow : Sequence[str]
            Types in the model file that you have reviewed.
        onnx : bool
            Write the candidate as ONNX too.
        gate : bool
            Raise GateBroken, after writing, where the tolerance was not met on the test rows.
        offline : bool
            Of an endpoint: the answers kept in the run folder, and no other; nothing is sent.

        Raises
        ------
        AssayError
            InputError for a method, constraint or column that is not known, or where nothing can be learned.
        """
        from debias.mitigate import run_mitigate

        document = run_mitigate(
            self._case(offline), method, self.folder, constraint=constraint, tolerance=tolerance, attributes=attributes,
            seed=seed, allow=allow, onnx=onnx, gate=gate,
        )  # fmt: skip
        return Mitigation(document, self.folder)

    def stress(
        self,
        *,
        budget: float | None = None,
        fits: int = 24,
        train: bool = True,
        seed: int = 0,
        allow: Sequence[str] = (),
        offline: bool = False,
    ) -> pd.DataFrame:
        """The worst plausible corruptions that were found, serving and training; stress.json in the run folder.

        One row a finding, what was confirmed first: in words, before, after, change with interval, what random rows do.

        Parameters
        ----------
        budget : float | None
            The largest share of rows that is corrupted (default: as the case says, .05).
        fits : int
            How often the model is fitted again at most.
        train : bool
            Whether it is fitted again at all.
        seed : int
            Of halves, draws and fits.
        allow : Sequence[str]
            Types in the model file that you have reviewed.
        offline : bool
            Of an endpoint: the answers kept in the run folder, and no other; nothing is sent.

        Raises
        ------
        AssayError
            InputError for a budget that cannot be, CaseError where nothing can be corrupted.
        """
        from debias.stress.run import run_stress, table

        case = self._case(offline)
        return table(run_stress(case, self.folder, seed=seed, train=train, fits=fits, budget=budget, allow=allow))

    def whatif(
        self,
        *,
        learner: str | None = None,
        kinds: Sequence[str] = (),
        seed: int = 0,
        allow: Sequence[str] = (),
        offline: bool = False,
    ) -> pd.DataFrame:
        """Variants of the pipeline, each measured on the same people; whatif.json in the run folder.

        One row a variant and figure: value, change with a paired interval, p adjusted over all.

        Parameters
        ----------
        learner : str | None
            "case" (its own pipeline, cloned), "logistic" or "boosting" (default: the case's own where it can be).
        kinds : Sequence[str]
            Rows of the table of variants (default: all).
        seed : int
            Of splits, draws and fits.
        allow : Sequence[str]
            Types in the model file that you have reviewed.
        offline : bool
            Of an endpoint: the answers kept in the run folder, and no other; nothing is sent.

        Raises
        ------
        AssayError
            InputError for a learner or a kind that there is not, ModelError where nothing can be fitted.
        """
        from debias.whatif.run import run_whatif, table

        case = self._case(offline)
        return table(run_whatif(case, self.folder, learner=learner, kinds=kinds, seed=seed, allow=allow))

    def report(
        self,
        path: str | Path,
        *,
        key: str | Path,
        password: str | bytes | None = None,
        members: Sequence[str] = (),
        quorum: int | None = None,
        people: bool = False,
        log: str | Path | None = None,
        compare: str | Path | None = None,
        allow_difference: str | None = None,
        protocol: str | Path | None = None,
        deviations: Sequence[str] = (),
        timestamp: str | None = None,
    ) -> Issued:
        """The signed PDF of everything measured in the run folder, as `assay report` makes it.

        Parameters
        ----------
        path : str | Path
            The new PDF.
        key : str | Path
            A PKCS #12 file (`assay.new_key` makes one).
        password : str | bytes | None
            What opens the key.
        members : Sequence[str]
            Board members who are to decide; `NAME=FINGERPRINT` also pins the certificate.
        quorum : int | None
            Approvals needed (default: more than half of the members).
        people : bool
            Print explanations of single persons too.
        log : str | Path | None
            The folder of the log of issued reports, to enter it in and to hold it against earlier ones.
        compare : str | Path | None
            An earlier run folder or report.
        allow_difference : str | None
            Why it may go out although its counts and an earlier report's differ by a few people; printed in it.
        protocol : str | Path | None
            A file with what was fixed before the results.
        deviations : Sequence[str]
            What was done otherwise than the protocol says.
        timestamp : str | None
            The address of an RFC 3161 authority.

        Returns
        -------
        Issued
            `path`, `sha256` of the file, `level` of the signature.

        Raises
        ------
        AssayError
            KeyFileError for a key that does not open, PublicationError where the report would give people away beside
            an earlier one, OutputError where it cannot be written.
        """
        from reports.issue import issue_report
        from reports.keys import load_key

        secret = password.encode() if isinstance(password, str) else password
        return issue_report(
            self.folder,
            load_key(Path(key), secret),
            Path(path),
            members=members,
            quorum=quorum,
            people=people,
            log=None if log is None else Path(log),
            compare=None if compare is None else Path(compare),
            allow_difference=allow_difference,
            protocol=None if protocol is None else Path(protocol),
            deviations=deviations,
            authority=timestamp,
        )

    def _case(self, offline: bool) -> Any:
        from audit.case import offline as kept_only
        from audit.load import load_case

        if self.case_file is None:
            raise InputError(
                "the case of this run is not beside it",
                got=f"no case.toml in {self.folder.name}",
                expected="a run that `assay.audit` made, or `assay.audit_case`",
                todo="audit the case file again with assay.audit_case",
            )
        case = load_case(self.case_file)
        return kept_only(case) if offline else case

    def __repr__(self) -> str:
        lines = [f"{self._record.case.name}: {measured(self._record.data)} measured."]
        return "\n".join([*lines, *(f"- {s}" for s in self.findings[:8])])

    def _repr_html_(self) -> str:
        """Findings, norms and the chart of the first attribute, for a notebook: the report's own blocks."""
        from reports.blocks import Heading, Points
        from reports.inline import html_of
        from reports.sections import measures

        evidence = self._record
        chart = measures.chart_of(evidence, SELECTION_RATE, evidence.data.sensitive[:1])
        blocks = [
            Heading(f"{evidence.case.name}: {measured(evidence.data)} measured"),
            Points(evidence.findings[:8]),
            *measures.norms(evidence).blocks,
            *chart,
        ]
        notes = html_of([Points(evidence.notes[:6])])
        return f"<div>{html_of(blocks)}<details><summary>Notes ({len(evidence.notes)})</summary>{notes}</details></div>"
