"""A case: which data, which model, which roles, which norms. Frozen; made by `load_case`.

The file format is docs/case-file.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from audit.policy import Policy


@dataclass(frozen=True, slots=True)
class ReadSpec:
    """How a file is read where it does not say it itself.

    sheet: of a workbook. header: False where the first line is a row already (columns are called column_1, ...), or the
    names themselves; None where the file has them. skip_lines: lines above the column names; None to find them.
    dates: "day-first" or "month-first" for dates such as 01/09/2018; None refuses them.
    """

    sheet: str | None = None
    header: tuple[str, ...] | bool | None = None
    skip_lines: int | None = None
    dates: str | None = None


@dataclass(frozen=True, slots=True)
class ProxySpec:
    """Group probabilities by the values of a column: a table with that column, and one column for each group."""

    column: str
    table: Path


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The table and the role of its columns. `path` is absolute; a glob names one data set in several files.

    cluster: the column that says which rows are of one person (household, document).
    task: "classification" or "regression"; for the latter positive is None and favourable "high", "low" or None.
    indicators: attribute -> the 0/1 columns that make it (is_black, is_hispanic: race). stages: decision columns of a
    process, in order. legitimate: factors that a person calls legitimate, with the reason.
    proxy: attribute that is not recorded -> group probabilities that stand for it. codes: column -> value -> how it is
    said to people.
    """

    path: Path
    label: str | None
    positive: str | None
    favourable: str | None
    sensitive: tuple[str, ...]
    sensitive_path: Path | None = None
    id: str | None = None
    reference: Mapping[str, str] = field(default_factory=dict)
    bins: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    weight: str | None = None
    cluster: str | None = None
    time: str | None = None
    split: str | None = None
    train: str | None = None
    audit: str | None = None
    features: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    task: str = "classification"
    indicators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    legitimate: Mapping[str, str] = field(default_factory=dict)
    proxy: Mapping[str, ProxySpec] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    read: ReadSpec = ReadSpec()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Where decisions come from. kind: "path" | "decision" | "score" | "endpoint".

    A score decides positive where score >= threshold. `threshold_given`: a person wrote it; only then may scores lie
    outside 0 to 1, and only then does it decide in place of a model file's own `predict`. link: "logit" where the
    model's output is log-odds. classes: the model's own classes, or the values of a column of decisions, in the
    label's words. python, load: the interpreter
    that the model was made with, and how it is loaded there; consent: the digest that a person allowed to run.
    `outcomes`: nothing was decided; the outcomes themselves are compared, as if they were decisions. `origin`: how a
    column of decisions or scores came about, in a person's words.
    """

    kind: str
    path: Path | None = None
    column: str | None = None
    endpoint: str | None = None
    threshold: float = 0.5
    threshold_given: bool = False
    link: str | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    python: Path | None = None
    load: str | None = None
    consent: str | None = None
    outcomes: bool = False
    origin: str | None = None


@dataclass(frozen=True, slots=True)
class Recourse:
    """What a person could change so that the decision turns; given by who knows the matter, never guessed.

    actionable: columns that a person can change. ranges: lowest and highest plausible number. values: the texts that a
    person can change to. direction: "increase" or "decrease" for numbers that go one way only. together: columns that
    change only together, to values that stand together in the data.
    """

    actionable: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    direction: Mapping[str, str] = field(default_factory=dict)
    together: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Population:
    """Whom the data should stand for: attribute -> group -> share (or number of people), and where that is from."""

    shares: Mapping[str, Mapping[str, float]]
    source: str | None = None


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """How rows come in batches: `batch` rows each, or one batch for each value of the time column where it is None.

    label_delay: after how many batches an outcome is known. labels: files of outcomes that come later, joined by id.
    source: files that come later, one batch each, in the order of their names; Path("-") for standard input (default:
    the rows of [data]). webhook: an http or https address that is told of alarms.
    """

    batch: int | None = 1000
    label_delay: int = 0
    source: Path | None = None
    labels: Path | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True)
class FormSpec:
    """A form of law or custom that the case asks for. name: of one that ships with the reports, or the own file's.

    file, text: of one that a person wrote, None otherwise. answers: field -> what a person answers.
    """

    name: str
    file: Path | None = None
    text: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be audited. `source` is the case file, or None for one made on a screen.

    about: what a person says of the system, by the optional keys of [case]. forms: in the order of the case.
    """

    name: str
    purpose: str
    data: DataSpec
    model: ModelSpec
    policy: Policy
    source: Path | None = None
    population: Population | None = None
    recourse: Recourse | None = None
    watch: WatchSpec = WatchSpec()
    about: Mapping[str, str] = field(default_factory=dict)
    forms: tuple[FormSpec, ...] = ()
