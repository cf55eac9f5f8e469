"""The case file as it is written: the one declaration of its keys, types, ranges and choices.

audit.load.schema reads a file by it, docs/schemas/case-file.json is made of it, and what the keys mean stands in
docs/case-file.md. What several keys say together is checked where the frozen case is made of them (audit.load.cases,
models, endpoints, recourse, roles).
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, field

from audit.engines import ENGINES
from audit.errors import CaseError
from audit.load.schema import Flag, Names, Number, Section, Text, Value, choice, finite_number
from audit.load.toml import Reader
from audit.models.served.protocols import PROTOCOLS
from audit.stress.spec import LEARNERS, StressSpec

# -- [case] -------------------------------------------------------------------------------------------------------


def _line(at: Reader, key: str) -> None:
    text = at.text(key) or ""
    if not " ".join(text.split()).isprintable() or len(text) > 300:
        raise at.wrong(key, "a line of at most 300 characters")


Line = Annotated[str, Meta(pattern=r"\S", max_length=300, extra={"read": _line})]


class About(Section, frozen=True):
    """[case]: what is decided; and what a person says of the system, a line each."""

    name: Text
    purpose: Text
    system: Line | None = None
    version: Line | None = None
    owner: Line | None = None
    decided_by: Line | None = None
    affected: Line | None = None
    period: Line | None = None
    contact: Line | None = None


# -- [data] -------------------------------------------------------------------------------------------------------

Counting = Annotated[str, choice(lambda: ENGINES)]


def _edges(at: Reader, key: str) -> None:
    edges = at.table[key]
    good = (
        isinstance(edges, list)
        and len(edges) > 0
        and all(isinstance(e, (int, float)) and not isinstance(e, bool) and math.isfinite(e) for e in edges)
        and all(a < b for a, b in pairwise(edges))
    )
    if not good:
        raise CaseError(
            f"the bins of {key!r} cannot be used",
            got=repr(edges),
            expected="one number or more, each larger than the one before",
            todo=f"write for example bins = {{ {key} = [25, 40, 60] }}",
        )


def _header(at: Reader, key: str) -> None:
    if at.table[key] is not False:
        at.texts(key)


def _several(expected: str) -> Meta:
    def read(at: Reader, key: str) -> None:
        if len(at.texts(key) or ()) < 2:
            raise at.wrong(key, expected)

    return Meta(min_length=2, extra={"read": read})


def proxy_refused(at: Reader, key: str) -> CaseError:
    return CaseError(
        f"the proxy of {key!r} cannot be used",
        got=f"{key} = {at.table[key]!r}",
        expected='a column and a table, { column = "surname", table = "surnames.csv" }',
        todo="write both",
    )


def _one_proxy(at: Reader, key: str) -> None:
    if not at.table[key].strip():
        raise proxy_refused(at, key)


OneProxy = Annotated[str, Meta(pattern=r"\S", extra={"read": _one_proxy})]
"""`proxy = { column = "surname", table = "surnames.csv" }`: one without a name of its own."""


class ProxySection(Section, frozen=True):
    """Group probabilities by the values of a column, in a table beside the case."""

    column: Text
    table: Text


class SparkSection(Section, frozen=True):
    """[data.spark]: which cluster, and what may leave it."""

    remote: Text | None = None
    master: Text | None = None
    format: Literal["parquet", "delta", "iceberg"] | None = None
    floor: Annotated[int, Meta(ge=2, extra={"expected": "a whole number of rows from 2 on"})] | None = None
    sample: Annotated[int, Meta(ge=0, le=1_000_000, extra={"expected": "a number of rows, 0 to 1,000,000"})] | None = (
        None
    )


class DataSection(Section, frozen=True, kw_only=True):
    """[data]: the table and the roles of its columns."""

    path: Text | None = None
    label: Text | None = None
    positive: Value = None
    favourable: Value = None
    sensitive: Names
    sensitive_path: Text | None = None
    id: Text | None = None
    reference: dict[str, Value] = field(default_factory=dict)
    bins: dict[str, Annotated[tuple[float, ...], Meta(min_length=1, extra={"read": _edges})]] = field(
        default_factory=dict
    )
    weight: Text | None = None
    cluster: Text | None = None
    time: Text | None = None
    split: Text | None = None
    train: Value = None
    audit: Value = None
    features: Names | None = None
    exclude: Names = ()
    task: Text = "classification"
    indicators: dict[str, Annotated[Names, _several("two columns or more of 0 and 1, one for each group")]] = field(
        default_factory=dict
    )
    stages: (
        Annotated[Names, _several('two columns or more in the order of the process, such as ["screened", "hired"]')]
        | None
    ) = None
    legitimate: Annotated[dict[str, Text], Meta(extra={"where": "`legitimate` under [data]"})] = field(
        default_factory=dict
    )
    proxy: dict[
        str, Annotated[ProxySection | OneProxy, Meta(extra={"where": "proxy.{key}", "says": proxy_refused})]
    ] = field(default_factory=dict)
    codes: Annotated[
        dict[str, Annotated[dict[str, Text], Meta(extra={"where": "`codes` of {key!r}"})]],
        Meta(extra={"where": "`codes` under [data]"}),
    ] = field(default_factory=dict)
    sheet: Text | None = None
    header: (
        Annotated[Annotated[bool, Meta(extra_json_schema={"const": False})] | Names, Meta(extra={"read": _header})]
        | None
    ) = None
    skip_lines: (
        Annotated[int, Meta(ge=0, extra={"expected": "a whole number of lines above the column names, 0 for none"})]
        | None
    ) = None
    dates: Literal["day-first", "month-first"] | None = None
    engine: Counting | None = None
    table: Text | None = None
    spark: Annotated[SparkSection | None, Meta(extra={"where": "[data.spark]"})] = None


# -- [model] ------------------------------------------------------------------------------------------------------


def _whole(low: int, high: int) -> Meta:
    def read(at: Reader, key: str) -> None:
        if not (at.number(key, low=low, high=high) or 0.0).is_integer():
            raise at.wrong(key, "a whole number")

    return Meta(ge=low, le=high, multiple_of=1, extra={"read": read})


def _variable(at: Reader, key: str) -> None:
    value = at.table[key]
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        # What stands there may be the token itself: it is not shown.
        raise CaseError(
            f"`token_env` in {at.where} is no name of a variable",
            got="text with other characters than letters, digits and _",
            expected='the name of an environment variable that holds the token, such as "ASSAY_ENDPOINT_TOKEN"',
            todo="put the token into a variable and write the variable's name; a token never stands in a case file",
        )


def _header_name(at: Reader, key: str) -> None:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", at.text(key) or ""):
        raise at.wrong(key, "the name of an HTTP header, such as Authorization or X-Api-Key")


ENDPOINT = "`endpoint` under [model]"
Protocol = Annotated[str, choice(lambda: PROTOCOLS)]


class EndpointSection(Section, frozen=True, kw_only=True):
    """`endpoint` under [model]: a model that another program serves (docs/served-models.md)."""

    url: Text
    protocol: Protocol
    send_to: Text | None = None
    output: Text | None = None
    decision: Text | None = None
    columns: Names = ()
    inputs: Literal["columns", "tensor"] | None = None
    batch: Annotated[float, _whole(1, 100_000)] = 1000
    timeout: Annotated[float, finite_number(0.001, 3600)] = 30.0
    retries: Annotated[float, _whole(0, 10)] = 3
    ca: Text | None = None
    token_env: Annotated[str, Meta(pattern="^[A-Za-z_][A-Za-z0-9_]*$", extra={"read": _variable})] | None = None
    token_header: Annotated[str, Meta(pattern="^[A-Za-z][A-Za-z0-9-]*$", extra={"read": _header_name})] = (
        "Authorization"
    )
    plain_text: Flag = False
    request: dict[str, Any] | None = None
    answers: Text | None = None


class RegistrySection(Section, frozen=True):
    """`registry` under [model]: where a model of a registry is fetched."""

    uri: Text | None = None
    ca: Text | None = None
    plain_text: Flag = False


def endpoint_refused(at: Reader, key: str) -> CaseError:
    value = at.table[key]
    return CaseError(
        f"{ENDPOINT} is no table",
        got=f"endpoint = {value!r}",
        expected='an address and a protocol, endpoint = { url = "https://...", protocol = "oip" }',
        todo=f'write endpoint = {{ url = {_quoted(str(value))}, protocol = "oip" }}; the protocols are '
        + ", ".join(PROTOCOLS),
    )


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _nothing_decided(at: Reader, key: str) -> None:
    if at.table[key] is not True or len(at.table) > 1:
        raise at.wrong(key, "true, and no other key under [model]: nothing was decided")


class ModelSection(Section, frozen=True):
    """[model]: where decisions come from; one of path, endpoint, decision, score and outcomes."""

    path: Text | None = None
    endpoint: Annotated[EndpointSection, Meta(extra={"where": ENDPOINT, "says": endpoint_refused})] | None = None
    decision: Text | None = None
    score: Text | None = None
    threshold: Number | None = None
    outcomes: Annotated[bool, Meta(extra_json_schema={"const": True}, extra={"read": _nothing_decided})] = False
    origin: Text | None = None
    python: Text | None = None
    load: Text | None = None
    consent: Text | None = None
    classes: Annotated[dict[str, Value], Meta(extra={"where": "`classes` under [model]"})] = field(default_factory=dict)
    link: Literal["logit"] | None = None
    registry: Annotated[RegistrySection, Meta(extra={"where": "`registry` under [model]"})] | None = None


# -- the other sections -------------------------------------------------------------------------------------------


class PolicySection(Section, frozen=True):
    """[policy]: whose norms, and which forms of law or custom the report answers."""

    file: Text | None = None
    adopted_by: Text | None = None
    presets: Names = ()


class PopulationSection(Section, frozen=True, kw_only=True):
    """[population]: whom the data should stand for."""

    source: Text | None = None
    shares: Annotated[
        dict[str, Annotated[dict[str, Annotated[float, finite_number(0)]], Meta(extra={"where": "shares of {key!r}"})]],
        Meta(extra={"where": "[population] shares"}),
    ]


def _range(at: Reader, key: str) -> None:
    value = at.table[key]
    texts = isinstance(value, list) and bool(value) and all(isinstance(v, str) and v for v in value)
    numbers = (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(v, (int, float)) and not isinstance(v, bool) and math.isfinite(v) for v in value)
        and value[0] <= value[1]
    )
    if not texts and not numbers:
        raise CaseError(
            f"the range of {key!r} in [recourse] cannot be used",
            got=repr(value),
            expected="two numbers, the smaller first, or a list of texts that a person can change to",
            todo=f"write for example ranges = {{ {key} = [20, 60] }}",
        )


RANGE = {
    "anyOf": [
        {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ]
}


def _columns(at: Reader, key: str) -> None:
    if not at.texts(key):
        raise at.wrong(key, "at least one column; without any, remove [recourse]")


class RecourseSection(Section, frozen=True):
    """[recourse]: what a person could change."""

    actionable: Annotated[Names, Meta(min_length=1, extra={"read": _columns})]
    ranges: dict[str, Annotated[Any, Meta(extra_json_schema=RANGE, extra={"read": _range})]] = field(
        default_factory=dict
    )
    direction: Annotated[
        dict[str, Literal["increase", "decrease"]], Meta(extra={"where": "`direction` in [recourse]"})
    ] = field(default_factory=dict)
    together: Annotated[
        tuple[Annotated[tuple[str, ...], Meta(min_length=2)], ...],
        Meta(extra={"expected": 'lists of two columns or more, such as [["education", "education-num"]]'}),
    ] = ()


class ServedSection(Section, frozen=True):
    """`served` under [watch]: columns of what the service logged."""

    decision: Text | None = None
    score: Text | None = None
    model: Text | None = None


def _as_expected(at: Reader, key: str) -> None:
    """Nothing to say but what is expected."""


BatchRows = Annotated[
    Annotated[int, Meta(ge=1)] | Literal["time"],
    Meta(extra={"read": _as_expected, "expected": 'a whole number from 1 on, or "time"'}),
]


class TableSection(Section, frozen=True):
    """`source` under [watch]: a table of a database that grows, by a key of whole numbers."""

    url: Text
    table: Text
    key: Text


class WatchSection(Section, frozen=True):
    """[watch]: how rows come in batches."""

    batch: BatchRows | None = None
    label_delay: Annotated[int, Meta(ge=0, extra={"expected": "a whole number from 0 on"})] | None = None
    source: Annotated[TableSection | Text, Meta(extra={"where": "source"})] | None = None
    labels: Text | None = None
    webhook: Text | None = None
    served: Annotated[ServedSection, Meta(extra={"where": "served"})] = ServedSection()
    secret: Text | None = None
    settle: (
        Annotated[float, Meta(ge=0, le=86_400, extra={"expected": "a number of seconds from 0 to 86400"})] | None
    ) = None
    heartbeat: (
        Annotated[float, Meta(ge=1, le=31_622_400, extra={"expected": "a number of seconds from 1 to 31622400"})] | None
    ) = None
    keep: Annotated[int, Meta(ge=1, extra={"expected": "a whole number from 1 on"})] | None = None


class ContractSection(Section, frozen=True):
    """[contract]: what the data must be like, in a file of its own or here; a check as in docs/contract.md."""

    file: Text | None = None
    check: Annotated[tuple[dict[str, Any], ...], Meta(extra={"read": Reader.tables})] = ()


class StressSection(Section, frozen=True):
    """[stress]: errors that are tried on the data; names of corruptions are those of audit.stress.corrupt."""

    budget: Annotated[float, finite_number(0.0001, 0.5)] = StressSpec().budget
    depth: Annotated[int, Meta(ge=1, le=3, extra={"expected": "1, 2 or 3 conditions that say who is hit"})] = (
        StressSpec().depth
    )
    kinds: Names = ()
    columns: Names = ()
    plausible: Annotated[dict[str, Names], Meta(extra={"where": "`plausible` under [stress]"})] = field(
        default_factory=dict
    )


Learner = Annotated[str, choice(lambda: LEARNERS)]


class WhatifSection(Section, frozen=True):
    """[whatif]: the same preparation otherwise."""

    learner: Learner | None = None
    kinds: Names = ()


ANSWER = Annotated[Any, Meta(extra_json_schema={"type": "string", "maxLength": 2000})]


class CaseFile(Section, frozen=True):
    """A case file."""

    case: About
    data: DataSection
    model: ModelSection
    policy: PolicySection = PolicySection()
    population: PopulationSection | None = None
    recourse: RecourseSection | None = None
    watch: WatchSection = WatchSection()
    contract: ContractSection | Text | None = None
    stress: StressSection | None = None
    whatif: WhatifSection | None = None
    answers: Annotated[
        dict[str, Annotated[dict[str, ANSWER], Meta(extra={"where": "[answers.{key}]"})]],
        Meta(extra={"where": "[answers]"}),
    ] = field(default_factory=dict)
