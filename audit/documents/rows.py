"""The parts of evidence.json that need rows: quality of the data, subgroups, people alike, stages, factors, proxies."""

from __future__ import annotations

from typing import Any

from msgspec import field

from audit.documents.base import Names, Record
from audit.numbers import many, points


class Drawn(Record, frozen=True):
    """Which rows an entry is of, where it is of a sample. within: of a share of all rows, 95 %, 0 to 1."""

    rows: int
    of_rows: int
    within: float
    how: str
    seed: int

    @property
    def sentence(self) -> str:
        """What a reader has to know of a figure from the sample."""
        return (
            f"From a sample of {self.rows:,} of {many(self.of_rows, 'row')}: a share of all rows lies within "
            f"{points(self.within)} of its share of the sample (95 %)."
        )


class MissingColumn(Record, frozen=True):
    """rows: of the data; missing: empty cells; written: cells that say so in words. "written" or others: a bound."""

    column: str
    rows: int
    missing: int | None
    written: int | None


class MissingGap(Record, frozen=True):
    attribute: Names
    column: str
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None = None
    p_adjusted: float | None = None
    highest: Names | None = None
    lowest: Names | None = None


class Missing(Record, frozen=True):
    """Missing values, and gaps in how often they are missing."""

    columns: tuple[MissingColumn, ...]
    gaps: tuple[MissingGap, ...]
    by_group: Any = None
    tested: int | None = None
    with_missing: int | None = None
    written_as: Names = ()


class Duplicates(Record, frozen=True):
    """Rows that repeat. learned_from: of the training rows; contradicted: the same person with another outcome.

    within: `repeated` and `alike` are estimates by the sketch named, right to so many rows (95 %).
    """

    measured: bool
    reason: str | None = None
    columns: Names = ()
    rows: int | None = None
    repeated: int | None = None
    alike: int | None = None
    learned_from: int | None = None
    contradicted: int | None = None
    by_group: Any = None
    within: int | None = None
    sketch: str | None = None


class Period(Record, frozen=True):
    period: str
    rows: int
    constant: bool
    known: int | None = None
    favourable: int | float | None = None
    value: float | None = None


class PeriodChange(Record, frozen=True):
    """The change of the selection rate from one period to another, within groups and by their mix."""

    attribute: Names
    start: str = field(name="from")
    to: str
    change: float
    within_groups: float
    mix_of_groups: float
    metric: str = ""


class Periods(Record, frozen=True):
    column: str
    periods: tuple[Period, ...]
    changes: tuple[PeriodChange, ...]


class ProxyFeature(Record, frozen=True):
    """How far a feature goes with an attribute."""

    attribute: Names
    feature: str
    cramers_v: float | None
    auc: float | None
    auc_group: Names | None
    mutual_information: float | None = None
    share_of_entropy: float | None = None
    p_value: float | None = None
    p_explore: float | None = None
    rows: int | None = None


class ProxyTogether(Record, frozen=True):
    """All features together: how well they tell the groups of an attribute apart."""

    attribute: Names
    estimable: bool
    reason: str | None = None
    rows: int | None = None
    features: int | None = None
    auc: float | None = None
    by_group: Any = None


class Proxies(Record, frozen=True):
    measured: bool
    reason: str | None = None
    rows: int | None = None
    of_rows: int | None = None
    folds: int | None = None
    not_used: Any = None
    method: str = ""
    features: tuple[ProxyFeature, ...] = ()
    together: tuple[ProxyTogether, ...] = ()
    drawn: Drawn | None = None


class Quality(Record, frozen=True):
    missing: Missing | None = None
    duplicates: Duplicates | None = None
    periods: Periods | None = None
    proxies: Proxies | None = None
    withheld: Any = None


class Condition(Record, frozen=True):
    column: str
    value: Any


class Slice(Record, frozen=True):
    """A subgroup, confirmed on people who were not used to find it. wrong: of `people`; rate: their share."""

    question: str
    where: tuple[Condition, ...]
    people: int
    rate: float
    rate_of_others: float
    difference: float
    low: float | None
    high: float | None
    p_adjusted: float
    p_value: float | None = None
    sensitive: Any = None
    wrong: int | None = None


class Slices(Record, frozen=True):
    measured: bool
    reason: str | None = None
    rows: int | None = None
    of_rows: int | None = None
    questions: dict[str, str] = field(default_factory=dict)
    considered: int | None = None
    tested: int | None = None
    least_people: int | None = None
    conditions_left_out: int | None = None
    method: str = ""
    found: tuple[Slice, ...] = ()
    drawn: Drawn | None = None


class Flipped(Record, frozen=True):
    attribute: Names
    group: Names
    people: int
    value: float | None


class ClarifyFlips(Record, frozen=True):
    values: tuple[Flipped, ...] = ()
    reason: str | None = None


class NeighbourGroup(Record, frozen=True):
    attribute: Names
    group: Names
    people: int
    consistency: float | None
    consistency_low: float | None
    consistency_high: float | None
    flip_test: float | None
    flip_low: float | None
    flip_high: float | None
    better_outside: int | None = None
    worse_outside: int | None = None


class Neighbours(Record, frozen=True):
    """Whether people who are alike are decided alike; people: drawn, of `of_people`."""

    measured: bool
    reason: str | None = None
    people: int | None = None
    of_people: int | None = None
    neighbours: int | None = None
    features: Names = ()
    not_used: Any = None
    consistency: float | None = None
    consistency_low: float | None = None
    consistency_high: float | None = None
    aif360_consistency: float | None = None
    clarify_flip_test: ClarifyFlips | None = None
    by_group: tuple[NeighbourGroup, ...] = ()
    drawn: Drawn | None = None


class ModelFlip(Record, frozen=True):
    """Decisions that turn where the sensitive value alone is changed, from `group` to `to`."""

    attribute: Names
    group: Names
    to: Names
    people: int
    to_favourable: int
    to_unfavourable: int
    value: float
    low: float | None
    high: float | None


class Individual(Record, frozen=True):
    neighbours: Neighbours | None = None
    model_flips: tuple[ModelFlip, ...] | None = None


class StageRate(Record, frozen=True):
    group: Names
    value: float | None
    numerator: int
    denominator: int
    low: float | None
    high: float | None
    reason: str | None = None


class StageGap(Record, frozen=True):
    """short: how many more of the lowest would have passed at the rate of the highest, with its interval."""

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None
    highest: Names | None
    lowest: Names | None
    short: tuple[float, float, float] | None
    reason: str | None = None


class StageFigure(Record, frozen=True):
    """kind: "stage", "cumulative" or "outcome" (audit.funnel)."""

    attribute: Names
    kind: str
    stage: str
    rates: tuple[StageRate, ...]
    gap: StageGap


class StageCounts(Record, frozen=True):
    """One group: through, how many began and passed each stage; found, of those picked: turned out well, and known."""

    attribute: Names
    group: Names
    through: tuple[int, ...]
    found: tuple[int, int] | None


class Funnel(Record, frozen=True):
    stages: Names
    figures: tuple[StageFigure, ...]
    notes: Names = ()
    counts: Any = None


class ProxyOf(Record, frozen=True):
    attribute: Names
    cramers_v: float
    stands_in: bool


class Factor(Record, frozen=True):
    """A factor that a person calls legitimate, with the reason; proxy_of: the attributes that it goes with."""

    column: str
    reason: str
    proxy_of: tuple[ProxyOf, ...]
    levels: int | None = None


class RawGap(Record, frozen=True):
    value: float
    low: float | None
    high: float | None


class MantelHaenszel(Record, frozen=True):
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None = None
    p_adjusted: float | None = None
    odds_ratio: float | None = None
    odds_low: float | None = None
    odds_high: float | None = None
    same_in_all_p: float | None = None
    strata: int | None = None
    rows: int | None = None
    reason: str | None = None


class AdjustedGap(Record, frozen=True):
    value: float | None
    low: float | None
    high: float | None
    reason: str | None = None


class Explained(Record, frozen=True):
    """Kitagawa's parts of a gap: of the mix of strata, and within them; None for `reason`.

    apart: of the people of both groups, the share in strata that hold one of the groups only.
    """

    mix: float | None
    low: float | None
    high: float | None
    within: float | None
    share: float | None
    apart: float | None = None
    reason: str | None = None


class AlikePair(Record, frozen=True):
    attribute: Names
    group: Names
    against: Names
    rows: Any
    raw: RawGap
    mantel_haenszel: MantelHaenszel
    adjusted: AdjustedGap
    explained: Explained
    conditional_disparity: float | None = None
    turns: bool = False


class LikeWithLike(Record, frozen=True):
    factors: tuple[Factor, ...]
    strata: int
    pairs: tuple[AlikePair, ...]
    notes: Names = ()


class ProxyRate(Record, frozen=True):
    """The favourable share of a group that is not recorded: weighted by probabilities, and its bounds."""

    group: Names
    people_expected: float
    weighted: float
    low: float
    high: float
    outer_low: float
    outer_high: float
    most_bias: float | None = None


class ProxyGap(Record, frozen=True):
    groups: tuple[Names, Names]
    weighted: float
    low: float
    high: float
    outer_low: float
    outer_high: float


class ByProxy(Record, frozen=True):
    attribute: Names
    column: str
    rows: int
    rows_without: int
    rates: tuple[ProxyRate, ...]
    gaps: tuple[ProxyGap, ...]
    values: int | None = None


class ReferenceGroup(Record, frozen=True):
    """A group's share of the data beside its share of the population."""

    group: Names
    people: int
    share: float
    low: float | None
    high: float | None
    population: float
    difference: float
    ratio: float | None = None


class ReferenceTable(Record, frozen=True):
    attribute: Names
    people: int
    unknown: int
    not_in_reference: dict[str, int]
    estimable: bool
    reason: str | None
    groups: tuple[ReferenceGroup, ...]
    p_value: float | None
    distances: dict[str, float | None] = field(default_factory=dict)


class Population(Record, frozen=True):
    """The reference population that the case names."""

    source: str
    tables: tuple[ReferenceTable, ...]
    shares: dict[str, dict[str, float]] = field(default_factory=dict)
