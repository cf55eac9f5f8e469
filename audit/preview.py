"""`assay check`: what a case would read, and what stands in the way, before anything is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from audit.case import Case
from audit.code import group_codes
from audit.load import load_rows
from audit.models import describe
from audit.models.served.addresses import place_of
from audit.numbers import are, many
from audit.quality.leaks import Leak, leaks_of
from audit.values import UNKNOWN


@dataclass(frozen=True, slots=True)
class GroupSize:
    """How many measured rows a group has."""

    attribute: str
    group: str
    rows: int


@dataclass(frozen=True, slots=True)
class Preview:
    """rows: of the file; measured: of them. notes: of the reading. model: what is said of the file, or the column."""

    rows: int
    measured: int
    learned: int
    features: tuple[str, ...]
    groups: tuple[GroupSize, ...]
    unknown: tuple[GroupSize, ...]
    leaks: tuple[Leak, ...]
    notes: tuple[str, ...]
    model: str

    def lines(self, case: Case) -> list[str]:
        """For a terminal."""
        data = case.data
        out = [
            f"{case.name}: {many(self.rows, 'row')} in {data.path.name}, {self.measured:,} would be measured"
            + (f", {self.learned:,} {are(self.learned)} for learning" if self.learned else "")
            + ".",
            f"Outcome: {data.label or ('the decisions are the outcomes' if case.model.outcomes else 'none')}; "
            f"positive {data.positive!r}; good for the person: {data.favourable!r}.",
            f"Decisions: {self.model}.",
            f"The model may see {many(len(self.features), 'column')}." if case.model.is_asked else "",
        ]
        for attribute in data.sensitive:
            sizes = [g for g in self.groups if g.attribute == attribute]
            unknown = sum(g.rows for g in self.unknown if g.attribute == attribute)
            out.append(
                f"{attribute}: "
                + ", ".join(f"{g.group} {g.rows:,}" for g in sizes[:12])
                + (f" and {many(len(sizes) - 12, 'more group')}" if len(sizes) > 12 else "")
                + (f"; unknown {unknown:,}" if unknown else "")
            )
        out += [f"Leak: {leak.sentence}" for leak in self.leaks]
        out += [f"Note: {n}" for n in self.notes]
        out.append("Nothing stands in the way of `assay audit`.")
        return [line for line in out if line]


def preview(case: Case) -> Preview:
    """Read and check everything that an audit of `case` needs, and measure nothing. Raises what `assay audit` would."""
    rows = load_rows(case, everything=True)
    frame = rows.frame[rows.audit]
    groups: list[GroupSize] = []
    unknown: list[GroupSize] = []
    for attribute in case.data.sensitive:
        codes, names = group_codes(frame[attribute], case.data.bins.get(attribute))
        sizes = np.bincount(codes, minlength=len(names))
        for name, size in zip(names, sizes, strict=True):
            (unknown if name == UNKNOWN else groups).append(GroupSize(attribute, name, int(size)))
    words = f"the column {case.model.column!r}"
    if case.model.endpoint is not None:
        from audit.models.served.agree import agreed

        agreed(case, rows.features)
        place = place_of(case.model.endpoint.url)
        words = f"a model served at {place} ({case.model.endpoint.protocol}), which was not asked"
    if case.model.kind == "path" and case.model.path is not None:
        file = describe(case.model.path)
        words = f"{case.model.path.name} ({file.format})"
    return Preview(
        len(rows.frame),
        int(rows.audit.sum()),
        0 if rows.train is None else int(rows.train.sum()),
        rows.features,
        tuple(groups),
        tuple(unknown),
        leaks_of(case, frame, rows.features),
        rows.notes,
        words,
    )
