"""What was done after an audit, as frames and words: explanations, and a candidate beside the original."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from audit.documents import record_in
from audit.documents.explanations import Explanations
from audit.documents.mitigation import Mitigation as Mitigated

if TYPE_CHECKING:
    pass


class Explanation:
    """What the model's outputs rest on.

    Attributes
    ----------
    document : dict[str, Any]
        explain.json (schema assay/explain/1).
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._record = record_in(Explanations, document, "explain.json")

    def features(self) -> pd.DataFrame:
        """One row a feature: mean absolute SHAP value with its interval."""
        return pd.DataFrame(self.document.get("global", []))

    def groups(self) -> pd.DataFrame:
        """One row a group and feature: the mean SHAP value among the people of the group."""
        return tidy(self.document.get("groups", []))

    def people(self) -> list[dict[str, Any]]:
        """The single people asked for."""
        return list(self.document.get("people", []))

    def __repr__(self) -> str:
        record = self._record
        return (
            f"{record.output} explained by {record.method}" if record.explained else f"Not explained: {record.reason}"
        )

    def _repr_html_(self) -> str:
        from reports.blocks import Paragraph
        from reports.inline import html_of
        from reports.sections.explanations import importance

        chart = [importance(self._record)] if self._record.overall else []
        return f"<div>{html_of([Paragraph(repr(self)), *chart])}</div>"


class Mitigation:
    """A candidate beside the original.

    Attributes
    ----------
    document : dict[str, Any]
        mitigation.json (schema assay/mitigation/1).
    folder : Path
        The run folder, where the candidate lies as a model file.
    """

    def __init__(self, document: dict[str, Any], folder: Path) -> None:
        self.document, self.folder = document, Path(folder)

    def changes(self) -> pd.DataFrame:
        """One row a figure, what got worse first: before, matched threshold, after, change with interval."""
        return tidy(self.document.get("changes", []))

    def __repr__(self) -> str:
        from debias.mitigate import summary

        return "\n".join(summary(self.document))

    def _repr_html_(self) -> str:
        from reports.inline import html_of
        from reports.sections import mitigation

        record = record_in(Mitigated, self.document, "mitigation.json")
        blocks = [*mitigation.worse_of(record), mitigation.arms_of(record, alone=True), mitigation.BASELINE]
        return f"<div>{html_of([*blocks, mitigation.flips_of(record)])}</div>"


def tidy(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Records as rows; lists (an attribute, a group) as "sex / race" so that they can be filtered and joined."""
    frame = pd.DataFrame(list(records))
    for column in frame.columns:
        if frame[column].map(lambda v: isinstance(v, list)).any():
            frame[column] = frame[column].map(lambda v: " / ".join(map(str, v)) if isinstance(v, list) else v)
    return frame
