"""A case: which data, which model, which roles, which norms. Frozen; made by `load_case`.

The file format is docs/case-file.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from audit.contract.records import Contract
from audit.policy import Policy
from audit.stress.spec import StressSpec, WhatifSpec

COPIES = "# Written by assay.audit in a notebook: the table and the model beside it are copies, and go with the run."
"""How a case file begins that was written with what it names."""


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
class SparkSpec:
    """Where a table lies in Spark: `[data] engine = "spark"`.

    table: its name in Spark's catalogue, in place of a path. url: the path as written where it has a scheme (s3://...).
    format: "parquet", "delta" or "iceberg", None as the folder says. remote: an address of Spark Connect (sc://host);
    master: of a cluster (spark://host:7077, local[2]); without either, as the environment and Spark's own settings say.
    floor: combinations of sensitive values with fewer rows do not leave the cluster. sample: rows that may be drawn for
    what needs rows, 0 for none; None for the usual number, and none where there is a floor.
    """

    table: str | None = None
    url: str | None = None
    format: str | None = None
    remote: str | None = None
    master: str | None = None
    floor: int | None = None
    sample: int | None = None


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The table and the role of its columns. `path` is absolute; a glob names one data set in several files.

    cluster: the column that says which rows are of one person (household, document).
    task: "classification" or "regression"; for the latter positive is None and favourable "high", "low" or None.
    indicators: attribute -> the 0/1 columns that make it (is_black, is_hispanic: race). stages: decision columns of a
    process, in order. legitimate: factors that a person calls legitimate, with the reason.
    proxy: attribute that is not recorded -> group probabilities that stand for it. codes: column -> value -> how it is
    said to people. engine: "memory", "duckdb" or "spark", None for the one that fits the file's size.
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
    engine: str | None = None
    spark: SparkSpec | None = None


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """A model that another program serves: `[model] endpoint = { ... }` (docs/served-models.md).

    send_to: "host:port" that a person agreed to send people's features to; None before that. output, decision: names
    (protocol "json": paths) of the scores and of the decisions in an answer. columns: the classes of the columns of
    scores. inputs: "columns" (one tensor a feature), "tensor" (one for all) or None, as the server's metadata say.
    batch: rows a request. timeout: seconds for a whole request. retries: after the first try. ca: certificates to
    trust in place of the system's. token_env: the environment variable that holds the token. plain_text: a person
    wrote that unencrypted traffic to another machine is meant. request: the template of protocol "json", as JSON.
    answers: the file where answers are kept (a run sets it where the case does not). offline: kept answers only.
    renew: answers that are kept and no longer given are asked for anew, as an audit does.
    """

    url: str
    protocol: str
    send_to: str | None = None
    output: str | None = None
    decision: str | None = None
    columns: tuple[str, ...] = ()
    inputs: str | None = None
    batch: int = 1000
    timeout: float = 30.0
    retries: int = 3
    ca: Path | None = None
    token_env: str | None = None
    token_header: str = "Authorization"
    plain_text: bool = False
    request: str | None = None
    answers: Path | None = None
    offline: bool = False
    renew: bool = False


@dataclass(frozen=True, slots=True)
class RegistrySpec:
    """Where a model of a registry is found: `[model] path = "mlflow:NAME@ALIAS"` or `"mlflow:NAME/VERSION"`.

    asked: as written. uri: the tracking server, None for MLFLOW_TRACKING_URI. version, run_id, source, file: what the
    registry said when it was asked; None before.
    """

    asked: str
    name: str
    alias: str | None = None
    version: str | None = None
    uri: str | None = None
    ca: Path | None = None
    plain_text: bool = False
    run_id: str | None = None
    source: str | None = None
    file: str | None = None


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
    endpoint: EndpointSpec | None = None
    threshold: float = 0.5
    threshold_given: bool = False
    link: str | None = None
    classes: Mapping[str, str] = field(default_factory=dict)
    python: Path | None = None
    load: str | None = None
    consent: str | None = None
    outcomes: bool = False
    origin: str | None = None
    registry: RegistrySpec | None = None

    @property
    def is_asked(self) -> bool:
        """A model is asked for its decisions: its file, or an endpoint; they are not in a column."""
        return self.kind in ("path", "endpoint")


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
class TableSpec:
    """A table of a database that grows. url: postgresql:// or duckdb://, without a password; key: a column of whole
    numbers that is every row's own and grows.
    """

    url: str
    table: str
    key: str


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """How rows come in batches: `batch` rows each, or one batch for each value of the time column where it is None.

    label_delay: after how many batches an outcome is known. labels: files of outcomes that come later, joined by id.
    source: files that come later, one batch each, in the order of their names; Path("-") for standard input (default:
    the rows of [data]). objects: a pattern of objects of a store, in place of it; table: a table of a database.
    webhook: an http or https address that is told of alarms; secret: the name of an
    environment variable whose value signs what it is told. served: columns of what the service logged: decision, score,
    model. settle: seconds for which a file must not change before it is taken as whole (default: 1). heartbeat: seconds
    after which it is told that no batch came. keep: of so many of the newest batches OUT keeps rows (default: of all).
    """

    batch: int | None = 1000
    label_delay: int = 0
    source: Path | None = None
    labels: Path | None = None
    webhook: str | None = None
    served: Mapping[str, str] = field(default_factory=dict)
    secret: str | None = None
    settle: float | None = None
    heartbeat: float | None = None
    objects: str | None = None
    table: TableSpec | None = None
    keep: int | None = None


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
    contract: what the data must be like; contract_file: where it was read, None where it stands in the case itself.
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
    contract: Contract | None = None
    contract_file: Path | None = None
    stress: StressSpec = field(default_factory=StressSpec)
    whatif: WhatifSpec = field(default_factory=WhatifSpec)


def keeping_answers(case: Case, out: Path, *, renew: bool = False) -> Case:
    """The case with its endpoint's answers kept in the run folder `out`, unless it names another place itself.

    renew: answers that are kept and that the endpoint no longer gives are asked for anew.
    """
    spec = case.model.endpoint
    if spec is None:
        return case
    spec = replace(spec, answers=spec.answers or Path(out) / "answers.jsonl", renew=renew)
    return replace(case, model=replace(case.model, endpoint=spec))


def offline(case: Case) -> Case:
    """The case with its endpoint, if it has one, answered from what is kept: nothing is sent."""
    if case.model.endpoint is None:
        return case
    return replace(case, model=replace(case.model, endpoint=replace(case.model.endpoint, offline=True)))
