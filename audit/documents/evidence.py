"""evidence.json, schema assay/evidence/1, as records. What follows from rows stands in `audit.documents.rows`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from msgspec import field

from audit.documents.base import (
    CaseNamed,
    Model,
    Names,
    NormResult,
    PolicyNamed,
    Record,
    SettingsRecord,
    Tool,
)
from audit.documents.contract import ContractHeld
from audit.documents.rows import ByProxy, Funnel, Individual, LikeWithLike, Population, Quality, Slices
from audit.values import Count, DatasetMeasure, Gap, Pair, Rate, Reach


class Data(Record, frozen=True):
    """What was measured. rows: of the file (`rows_at_most`: a bound); audited_rows: measured; people: behind them.

    source: of a table in Spark, where it lies, its format and version, and what `sha256` is of.
    """

    sha256: str
    rows: int
    columns: Names
    audited_rows: int
    label: str | None
    positive: str | None
    favourable: str | None
    sensitive: Names
    weight: str | None
    split: str | None
    features: Names
    excluded: Names
    sensitive_sha256: str | None = None
    bins: dict[str, tuple[float, ...]] = field(default_factory=dict)
    engine: str = "memory"
    source: dict[str, str] | None = None
    task: str = "classification"
    cluster: str | None = None
    people: int | None = None
    rows_at_most: bool = False


class CubeNamed(Record, frozen=True):
    """The counts that everything follows from. floor: the least people of a group that is shown; 0 for all."""

    sha256: str
    file: str = "cube.json"
    floor: int = 0


class CubeHead(Record, frozen=True):
    """cube.json without its margins (audit.cube_json): the values of the label, and the least people shown."""

    positive: str | None = None
    negative: str | None = None
    favourable: str | None = None
    floor: int = 0
    labelled: bool = True
    weighted: bool = False


class LawGroup(Record, frozen=True):
    """One category of a table of impact ratios; rows: where they are not people."""

    group: Names
    people: int
    selected: int
    share: float
    rate: float | None
    impact_ratio: float | None
    left_out: bool
    reason: str | None
    rows: int | None = None

    @property
    def headed(self) -> int:
        """The rows behind the figures."""
        return self.people if self.rows is None else self.rows


class LawTable(Record, frozen=True):
    attribute: Names
    metric: str
    groups: tuple[LawGroup, ...]
    unknown: int
    highest_rate: float | None = None
    median: float | None = None
    median_between: tuple[float, float] | None = None


class FourFifths(Record, frozen=True):
    attribute: Names
    group: Names
    highest: Names
    ratio: float
    below_four_fifths: bool
    p_value: float | None
    few_people: bool
    people: int


class DataNamed(Record, frozen=True):
    sha256: str


class Subject(Record, frozen=True):
    """What an evidence is about, whatever else it holds."""

    model: Model
    data: DataNamed


class Columns(Record, frozen=True):
    columns: Names


class GroupNamed(Record, frozen=True):
    attribute: Names
    group: Names


class Named(Record, frozen=True):
    """The names in an evidence: columns of the data, and groups."""

    data: Columns
    counts: tuple[GroupNamed, ...]


class Called(Record, frozen=True):
    name: str


class Titled(Record, frozen=True):
    """Whose evidence it is, whatever else it holds."""

    case: Called


class SettingsPlain(Record, frozen=True):
    """How an evidence was measured, as it stands there: audit.gaps.Settings.from_json reads it."""

    settings: dict[str, Any]


class Law(Record, frozen=True):
    local_law_144: tuple[LawTable, ...]
    local_law_144_scores: tuple[LawTable, ...]
    four_fifths: tuple[FourFifths, ...]


class Conformed(Record, frozen=True):
    """The figures of one other tool. group: None where it compares all groups. values: its name of a figure -> it."""

    tool: str
    attribute: Names
    group: Names | None
    values: dict[str, float | None]


class Conformance(Record, frozen=True):
    """tools: name -> the conventions it follows."""

    tools: dict[str, str]
    values: tuple[Conformed, ...]


class Tipping(Record, frozen=True):
    """How many of the unknown would have to be of one group for a limit to be passed (or, `beyond`, kept again)."""

    limit: float
    people: int | None
    share: float | None
    beyond: bool | None
    reason: str | None = None


class Bound(Record, frozen=True):
    """What a gap could be, whatever is not known. unknown: of `of` people."""

    attribute: Names
    metric: str
    kind: str
    unknown: int
    value: float | None
    low: float | None
    high: float | None
    of: int = 0
    tipping: tuple[Tipping, ...] = ()


class LabelError(Record, frozen=True):
    """How many wrong outcomes would undo a gap; people: None where no number of them does."""

    attribute: Names
    metric: str
    higher: Names
    lower: Names
    value: float
    limit: float
    people: int | None
    of: int
    share: float | None


class Bounds(Record, frozen=True):
    unknown_group: tuple[Bound, ...]
    missing_outcome: tuple[Bound, ...]
    label_error: tuple[LabelError, ...]
    not_collected: tuple[LabelError, ...] = ()


class Between(Record, frozen=True):
    generalized_entropy: float
    theil: float


class Inequality(Record, frozen=True):
    """Of benefit over people; between: the part that lies between groups."""

    attribute: Names
    estimable: bool
    reason: str | None = None
    benefit: Any = None
    generalized_entropy: float | None = None
    theil: float | None = None
    between: Between | None = None


class Top(Record, frozen=True):
    """A group's share of the first places of a ranking; top: which part of everyone these are."""

    top: float
    places: float
    people: float
    share: float | None
    low: float | None
    high: float | None
    ratio: float | None = None
    between: Any = None


class Ranking(Record, frozen=True):
    attribute: Names
    group: Names
    people: int
    share: float
    exposure: float | None
    exposure_ratio: float | None
    top: tuple[Top, ...]
    exposure_off_by: float | None = None
    exact: bool = True


class CurvePoint(Record, frozen=True):
    """People with a score in a band, and how many of them had the outcome."""

    start: float = field(name="from")
    to: float
    people: float
    share: float | None
    low: float | None
    high: float | None
    mean_score: float | None = None


class Curve(Record, frozen=True):
    attribute: Names
    group: Names
    points: tuple[CurvePoint, ...]


class Smoothed(Record, frozen=True):
    """A rate drawn towards what the parts of its group foretell; borrowed: how much of it, 0 to 1."""

    metric: str
    attribute: Names
    group: Names
    numerator: int | float
    denominator: int | float
    counted: float | None
    value: float | None
    low: float | None
    high: float | None
    borrowed: float | None
    strength: Any = None
    reason: str | None = None


class ClassFigures(Record, frozen=True):
    """Rates and gaps of one class against all others; label: the class."""

    label: str = field(name="class")
    rates: tuple[Rate, ...]
    gaps: tuple[Gap, ...]


class ClassTable(Record, frozen=True):
    """Outcomes (rows, the last unknown) by decisions of a group; people: None where it is withheld."""

    attribute: Names
    group: Names
    people: tuple[tuple[int | float, ...], ...] | None = None


class OverallFigures(Record, frozen=True):
    rates: tuple[Rate, ...]
    gaps: tuple[Gap, ...]


class Classes(Record, frozen=True):
    """Where the label has several values."""

    names: Names
    family: int
    convention: str
    classes: tuple[ClassFigures, ...]
    overall: OverallFigures
    tables: tuple[ClassTable, ...] = ()


@dataclass(frozen=True, slots=True)
class PredictionGap(Gap):
    """A gap in predicted numbers. worse_off: who, where a direction is good. bins: the width that counting adds."""

    worse_off: Names | None = None
    bins: tuple[float, float] | None = None


class Edges(Record, frozen=True):
    """The bins of residuals and predictions."""

    start: float | None = field(name="from", default=None)
    width: float | None = None
    bins: int | None = None
    at: tuple[float, ...] = ()


class Histogram(Record, frozen=True):
    """People by residual and by prediction; None where the group is withheld."""

    attribute: Names
    group: Names
    people: tuple[tuple[int, ...], ...] | None = None


class Regression(Record, frozen=True):
    """Where a number is predicted."""

    residual: str
    favourable: str | None
    direction: str
    family: int
    edges: Edges
    rates: tuple[Rate, ...]
    gaps: tuple[PredictionGap, ...]
    histograms: tuple[Histogram, ...] = ()


class LeftToCube(Record, frozen=True):
    """Intersections whose records group by group are not told: they follow from cube.json (audit.wide).

    groups: how many these are; gaps_of: the metrics whose gaps are told of them.
    """

    attributes: tuple[Names, ...]
    groups: int
    gaps_of: Names
    why: str


class Evidence(Record, frozen=True):
    """The whole of it; parts that were not measured are None or empty."""

    schema: str
    case: CaseNamed
    data: Data
    model: Model
    tool: Tool
    seed: int
    rates: tuple[Rate, ...]
    gaps: tuple[Gap, ...]
    dataset: tuple[DatasetMeasure, ...]
    counts: tuple[Count, ...]
    cube: CubeNamed
    policy: PolicyNamed
    norms: tuple[NormResult, ...]
    findings: Names
    notes: Names
    settings: SettingsRecord
    family: int = 0
    pairs: tuple[Pair, ...] = ()
    power: tuple[Reach, ...] = ()
    law: Law | None = None
    conformance: Conformance | None = None
    bounds: Bounds | None = None
    inequality: tuple[Inequality, ...] = ()
    ranking: tuple[Ranking, ...] = ()
    reliability: tuple[Curve, ...] = ()
    predictive_parity: tuple[Curve, ...] = ()
    smoothed: tuple[Smoothed, ...] = ()
    classes: Classes | None = None
    population: Population | None = None
    regression: Regression | None = None
    quality: Quality | None = None
    slices: Slices | None = None
    individual: Individual | None = None
    funnel: Funnel | None = None
    like_with_like: LikeWithLike | None = None
    by_proxy: tuple[ByProxy, ...] = ()
    stated: dict[str, str] = field(default_factory=dict)
    """Who decides about whom, as the case says it (audit.load.forms.ABOUT)."""
    presets: Any = None
    contract: ContractHeld | None = None
    """What became of the case's contract (audit.contract.check.to_document)."""
    published: Any = None
    left_to_cube: LeftToCube | None = None
