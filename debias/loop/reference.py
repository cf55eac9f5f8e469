"""What the first good batches were like, and what the running model's scores have meant: kept beside the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from audit.watch.label_free import Calibration
from audit.watch.summaries import Feature
from debias.loop.sift import Known


class Reference(msgspec.Struct, frozen=True):
    """Numbers of the batches, outcomes that were seen, and what each feature was like."""

    batches: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    features: dict[str, Feature] = msgspec.field(default_factory=dict)

    @staticmethod
    def of(kept: Any) -> Reference | None:
        """As it was kept; None of none."""
        return None if kept is None else msgspec.convert(kept, Reference)

    def to_json(self) -> dict[str, Any]:
        features = {k: v.to_json() for k, v in self.features.items()}
        return {"batches": list(self.batches), "labels": list(self.labels), "features": features}


def known_of(reference: Reference | None) -> Known:
    """What the first batches say of later rows."""
    if reference is None:
        return Known()
    return Known(frozenset(f for f, kept in reference.features.items() if kept.numeric), reference.labels)


class _Calibrated(msgspec.Struct):
    model: str
    bins: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """What the scores of one model have meant."""

    model: str
    bins: Calibration

    @staticmethod
    def of(kept: Mapping[str, Any] | None) -> Calibrated | None:
        """As it was kept; None of none."""
        if kept is None:
            return None
        record = msgspec.convert(kept, _Calibrated)
        return Calibrated(record.model, Calibration.from_json(record.bins))

    def to_json(self) -> dict[str, Any]:
        return {"model": self.model, "bins": self.bins.to_json()}
