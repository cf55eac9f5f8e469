"""What evidence.json holds besides the lists of the contract and also follows from the cube alone.

One function for the audit, for publishing and for verification, so that the three cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from audit.alike import as_people
from audit.bounds import bounds
from audit.calibration import points_curves, reliability_curves
from audit.classes.measures import class_measures
from audit.conform import conformance
from audit.cube import Margin
from audit.documents import record_in
from audit.documents.base import Record
from audit.documents.evidence import LeftToCube
from audit.gaps import Settings
from audit.inequality import inequality
from audit.quality.population import population_tables
from audit.ranking import ranking
from audit.regression.measures import regression_measures
from audit.smooth import smoothed_rates

FROM_ROWS = ("quality", "slices", "individual", "funnel", "like_with_like", "by_proxy", "contract")
"""Keys of evidence.json that need the rows: `verify --rerun` makes them again."""


class _Shares(Record, frozen=True):
    """The reference population: its source, and attribute -> group -> share."""

    source: str
    shares: dict[str, Any]


ONLY_WITH = ("classes", "regression")
"""Keys that stand in evidence.json if and only if they follow from its cube."""


def derived(
    margins: Sequence[Margin],
    settings: Settings,
    population: Mapping[str, Any] | None = None,
    norms: Sequence[Mapping[str, Any]] = (),
    left: LeftToCube | None = None,
) -> dict[str, Any]:
    """Keys of evidence.json. population: its `source` and `shares`, where the case names them; norms: as there.

    left: intersections that are left to the cube (audit.wide), so that their groups need not be smoothed.
    """
    alike = [as_people(m) for m in margins]
    if margins and not margins[0].meaning.decides:
        out: dict[str, Any] = {"regression": regression_measures(alike, settings)}
        return out | _population(alike, settings, population)
    out = {
        "conformance": conformance(margins, settings),
        "bounds": bounds(margins, settings, norms),
        "inequality": inequality(margins),
        "ranking": ranking(margins, settings.alpha),
        "reliability": reliability_curves(alike, settings),
        "predictive_parity": points_curves(alike, settings),
        "smoothed": smoothed_rates(m for m in margins if left is None or m.attribute not in left.attributes),
    }
    if (classes := class_measures(alike, settings)) is not None:
        out |= {"classes": classes}
    return out | _population(alike, settings, population)


def _population(margins: Sequence[Margin], settings: Settings, population: Mapping[str, Any] | None) -> dict[str, Any]:
    if population is None:
        return {}
    named = record_in(_Shares, population, "evidence.json")
    tables = population_tables(margins, named.shares, settings.alpha)
    return {"population": {"source": named.source, "shares": named.shares, "tables": tables}}
