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
from audit.classes.words import class_findings
from audit.conform import conformance
from audit.cube import Margin
from audit.documents import record_in
from audit.documents.evidence import Classes, LeftToCube, Regression
from audit.gaps import Settings
from audit.inequality import inequality
from audit.quality.population import population_tables
from audit.ranking import ranking
from audit.regression.measures import regression_measures
from audit.regression.words import regression_findings
from audit.smooth import smoothed_rates

FROM_ROWS = ("quality", "slices", "individual", "funnel", "like_with_like", "by_proxy", "contract")
"""Keys of evidence.json that need the rows: `verify --rerun` makes them again."""


def further_findings(more: Mapping[str, Any]) -> list[str]:
    """Findings about what `derived` made: they stand behind those about rates and gaps."""
    out: list[str] = []
    if "classes" in more:
        out += class_findings(record_in(Classes, more["classes"], "evidence.json"))
    if "regression" in more:
        out += regression_findings(record_in(Regression, more["regression"], "evidence.json"))
    return out


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
        out["classes"] = classes
    return out | _population(alike, settings, population)


def _population(margins: Sequence[Margin], settings: Settings, population: Mapping[str, Any] | None) -> dict[str, Any]:
    if population is None:
        return {}
    tables = population_tables(margins, population["shares"], settings.alpha)
    return {"population": {"source": population["source"], "shares": population["shares"], "tables": tables}}
