"""What an audit found, as frames, a chart and words; and what can be done next with it."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from audit.errors import InputError
from audit.sizes import measured

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from reports.issue import Issued


class Result:
    """A finished audit. `folder` holds everything that was written; `evidence` is evidence.json as a dict."""

    def __init__(self, folder: Path, case: Path | None, *, passing: bool = False) -> None:
        self.folder = Path(folder)
        self.case_file = case
        if passing:  # a temporary folder lives as long as its result
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.evidence: dict[str, Any] = json.loads((self.folder / "evidence.json").read_bytes())

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings in sentences."""
        return tuple(self.evidence["findings"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know about how it was made."""
        return tuple(self.evidence["notes"])

    def rates(self) -> pd.DataFrame:
        """One row a rate: metric, attribute, group, value, numerator, denominator, low, high, interval, reason."""
        return _tidy(self.evidence["rates"])

    def gaps(self) -> pd.DataFrame:
        """One row a gap: metric, attribute, kind, value, low, high, p_value, p_adjusted, highest, lowest, reason."""
        return _tidy(self.evidence["gaps"])

    def counts(self) -> pd.DataFrame:
        """One row a group: rows, tp, fp, fn, tn, unknown_label."""
        return _tidy(self.evidence["counts"])

    def norms(self) -> pd.DataFrame:
        """One row a norm of the policy: value, interval, limit, status."""
        return _tidy(self.evidence["norms"])

    def plot(self, metric: str = "selection_rate", attribute: str | Sequence[str] | None = None) -> Figure:
        """Dots with 95 % intervals, a row a group. attribute: default the first sensitive column. Raises InputError."""
        from screens.charts import Dot, dots

        wanted = (
            [attribute] if isinstance(attribute, str) else list(attribute or self.evidence["data"]["sensitive"][:1])
        )
        mine = [r for r in self.evidence["rates"] if r["metric"] == metric and r["attribute"] == wanted]
        if not mine:
            known = sorted({r["metric"] for r in self.evidence["rates"]})
            raise InputError(f"there is no {metric!r} by {' and '.join(wanted)}", got=metric,
                             expected=", ".join(known), todo="name one of them, and a sensitive column")  # fmt: skip
        values = [
            Dot(" / ".join(r["group"]), r["value"], r["low"], r["high"], r["denominator"] or 0, "", r["reason"])
            for r in mine
        ]
        return dots(values, title=f"{metric.replace('_', ' ')} by {' and '.join(wanted)}")

    def explain(self, rows: Sequence[int] = (), *, output: str = "probability", seed: int = 0) -> Explanation:
        """SHAP and LIME of the audited model; rows: places of single people to explain too. Raises AssayError."""
        from audit.explain import run_explain

        return Explanation(
            run_explain(self._case(), self.folder, people=tuple(rows), seed=seed, output=output, allow=())
        )

    def mitigate(self, method: str = "reweighing", **options: Any) -> Mitigation:
        """Fit a candidate by `method` and compare it with the original and the moved threshold on untouched rows.

        options: constraint, tolerance, attributes, seed, as of `assay mitigate`. Raises AssayError.
        """
        from debias.mitigate import run_mitigate

        return Mitigation(run_mitigate(self._case(), method, self.folder, **options), self.folder)

    def report(
        self, path: str | Path, *, key: str | Path, password: str | bytes | None = None, **options: Any
    ) -> Issued:
        """The signed PDF of everything measured. key: a .p12 file (`assay.new_key`); options: members, log, ...

        Raises AssayError.
        """
        from reports.issue import issue_report
        from reports.keys import load_key

        secret = password.encode() if isinstance(password, str) else password
        return issue_report(self.folder, load_key(key, secret), Path(path), **options)

    def _case(self) -> Any:
        from audit.load import load_case

        if self.case_file is None:
            raise InputError(
                "the case of this run is not beside it",
                got=f"no case.toml in {self.folder.name}",
                expected="a run that `assay.audit` made, or `assay.audit_case`",
                todo="audit the case file again with assay.audit_case",
            )
        return load_case(self.case_file)

    def __repr__(self) -> str:
        lines = [f"{self.evidence['case']['name']}: {measured(self.evidence['data'])} measured."]
        return "\n".join([*lines, *(f"- {s}" for s in self.findings[:8])])

    def _repr_html_(self) -> str:
        """Findings, norms and the chart of the first attribute, for a notebook."""
        found = "".join(f"<li>{escape(s)}</li>" for s in self.findings[:8])
        norms = self.norms()
        table = ""
        if len(norms):
            kept = [c for c in ("metric", "kind", "attribute", "value", "low", "high", "limit", "status") if c in norms]
            table = norms[kept].to_html(index=False, border=0, na_rep="not estimable", float_format="{:.3f}".format)
        said = "".join(f"<li>{escape(s)}</li>" for s in self.notes[:6])
        name = escape(self.evidence["case"]["name"])
        return (
            f"<div><h4>{name}: {measured(self.evidence['data'])} measured</h4><ul>{found}</ul>{table}{self._chart()}"
            f"<details><summary>Notes ({len(self.notes)})</summary><ul>{said}</ul></details></div>"
        )

    def _chart(self) -> str:
        """The selection rates of the first attribute, drawn as the report draws them."""
        from reports.charts import Dot, dots

        first = self.evidence["data"]["sensitive"][:1]
        rates = [r for r in self.evidence["rates"] if r["metric"] == "selection_rate" and r["attribute"] == first]
        if not rates:
            return ""
        return dots(
            [
                Dot(" / ".join(r["group"]), r["value"], r["low"], r["high"], 0, f"n = {r['denominator']:,}")
                for r in rates
            ]
        )


class Explanation:
    """explain.json as `document`, and its global part as a frame."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def features(self) -> pd.DataFrame:
        """One row a feature: mean absolute SHAP value with its interval."""
        return pd.DataFrame(self.document.get("global", []))

    def groups(self) -> pd.DataFrame:
        """One row a group and feature: the mean SHAP value among the people of the group."""
        return _tidy(self.document.get("groups", []))

    def people(self) -> list[dict[str, Any]]:
        """The single people asked for."""
        return list(self.document.get("people", []))

    def __repr__(self) -> str:
        if not self.document.get("explained", True):
            return f"Not explained: {self.document.get('reason')}"
        return f"{self.document['output']} explained by {self.document['method']}"

    def _repr_html_(self) -> str:
        return f"<div><p>{escape(repr(self))}</p>{self.features().head(15).to_html(index=False, border=0)}</div>"


class Mitigation:
    """mitigation.json as `document`; the candidate lies in `folder`."""

    def __init__(self, document: dict[str, Any], folder: Path) -> None:
        self.document, self.folder = document, Path(folder)

    def changes(self) -> pd.DataFrame:
        """One row a figure, what got worse first: before, matched threshold, after, change with interval."""
        return _tidy(self.document["changes"])

    def __repr__(self) -> str:
        from debias.mitigate import summary

        return "\n".join(summary(self.document))

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(s)}</li>" for s in repr(self).splitlines())
        return f"<div><ul>{said}</ul>{self.changes().head(15).to_html(index=False, border=0)}</div>"


def _tidy(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Records as rows; lists (an attribute, a group) as "sex / race" so that they can be filtered and joined."""
    frame = pd.DataFrame(list(records))
    for column in frame.columns:
        if frame[column].map(lambda v: isinstance(v, list)).any():
            frame[column] = frame[column].map(lambda v: " / ".join(map(str, v)) if isinstance(v, list) else v)
    return frame
