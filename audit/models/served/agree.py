"""What only a person can say of an endpoint: that people's data may go there, and what its classes are.

Each refusal holds the line to add; nothing is taken for granted.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from audit.case import Case, EndpointSpec
from audit.errors import CaseError
from audit.load.toml import write
from audit.load.values import coded
from audit.models.loaded import same_class
from audit.models.served.addresses import place_of
from audit.models.served.line import Server
from audit.numbers import are, many

MOST_TOLD = 12


def agreed(case: Case, features: Sequence[str]) -> None:
    """Somebody has agreed to what is sent and to whom. Raises CaseError with the lines to add."""
    spec = case.model.endpoint
    assert spec is not None
    place = place_of(spec.url)
    listed = case.data.features is not None
    if spec.send_to == place and listed:
        return
    lines = []
    if spec.send_to != place:
        lines.append(f'`send_to = "{place}"` to `endpoint`')
    if not listed:
        lines.append(f"`features = {write(list(features))}` under [data], without what is not to be sent")
    raise CaseError(
        f"people's data would be sent to {place}, and nobody has agreed to that",
        got=f"of every person the columns {', '.join(repr(f) for f in features[:40])}"
        + (f" and {len(features) - 40} more" if len(features) > 40 else "")
        + (f"; agreed was to {spec.send_to!r}" if spec.send_to not in (None, place) else ""),
        expected="the agreement of a person who may pass these on; the server's owner may log them",
        todo="add " + " and ".join(lines),
    )


def identity_note(spec: EndpointSpec, server: Server, columns: int) -> str:
    return (
        f"The model is served at {place_of(spec.url)} and its identity is not established: nobody can tell from here "
        f"which model answers. The server calls it {server.words()}. {many(columns, 'column')} of every person "
        f"{are(columns, 'was', 'were')} sent there."
    )


def classes_of(case: Case, frame: pd.DataFrame, decided: Sequence[str]) -> tuple[str, ...]:
    """The classes that a server decides among: those of the case, else of the label, else those seen."""
    seen = sorted(set(decided))
    if case.model.classes:
        return tuple(case.model.classes)
    label = case.data.label
    if label is not None and label in frame:
        known = tuple(sorted(coded(frame[label])[1]))
        if all(same_class(known, name) is not None for name in seen):
            return known
    positive = str(case.data.positive)
    if len(seen) == 1 and case.data.task == "classification":
        seen = sorted({seen[0], positive} if seen[0] != positive else {positive, f"not {positive}"})
    return tuple(seen)


def which_columns(width: int, classes: Sequence[str], columns: Sequence[str]) -> CaseError:
    example = list(classes[:width]) if width > 1 and len(classes) >= width else [classes[-1]] if classes else []
    return CaseError(
        "which class does each column of the endpoint's scores belong to?",
        got=f"{width} column{'s' * (width > 1)} of scores"
        + (f", classes {', '.join(repr(c) for c in classes[:MOST_TOLD])}" if classes else "")
        + (f", columns = {write(list(columns))}" if columns else ""),
        expected=f"{width} name{'s' * (width > 1)} in `columns` of `endpoint`, in the order of the answer",
        todo=f"add for example `columns = {write(example or ['no', 'yes'])}` to `endpoint`: whoever made the model "
        "knows the order (scikit-learn: classes_)",
    )


def no_rule(width: int) -> CaseError:
    return CaseError(
        "the endpoint gives scores and does not decide",
        got=f"{many(width, 'score')} a row",
        expected="what decides: the server's own decision, or a threshold",
        todo='add `decision = "NAME"` of its output with the decisions to `endpoint`, or `threshold = 0.5` under '
        "[model] if that is what is used where people are decided about",
    )
