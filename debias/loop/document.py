"""The summary of a run as a record, read at the JSON edge; watch.json itself is audit.documents.watch.Watch."""

from __future__ import annotations

from typing import Any

from audit.documents.base import Record
from audit.documents.series import WatchPolicy
from audit.documents.watch import GroupNow, NormNow, ShadowNow


class Judged(Record, frozen=True):
    """Where the norms stand, in either document."""

    norms: tuple[NormNow, ...]


class Summary(Record, frozen=True):
    """What a run did, or `--state` says. changes: facts of each open change."""

    case: str
    policy: WatchPolicy
    state: str
    running: str
    batches: int
    rows: int
    norms: tuple[NormNow, ...]
    groups: tuple[GroupNow, ...]
    changes: tuple[dict[str, Any], ...]
    pending: ShadowNow | None
    said: tuple[str, ...]


def about(norm: NormNow) -> str:
    """ "selection rate difference by sex"."""
    return f"{norm.metric.replace('_', ' ')} {norm.kind} by {' and '.join(norm.attribute)}"
