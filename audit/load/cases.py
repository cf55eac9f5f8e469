"""Case files: TOML to a frozen `Case` and back. The format is docs/case-file.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from audit.case import Case, DataSpec, ProxySpec, ReadSpec, WatchSpec
from audit.errors import CaseError
from audit.files import write_whole
from audit.load import contracts, engines, forms, models, population, recourse
from audit.load.policies import load_policy
from audit.load.roles import check_roles
from audit.load.toml import Reader, beside, parse, relative, write
from audit.load.toml import key as bare

DATA_KEYS = (
    "path", "label", "positive", "favourable", "sensitive", "sensitive_path", "id", "reference", "bins", "weight",
    "cluster", "time", "split", "train", "audit", "features", "exclude", "task", "indicators",
    "stages", "legitimate", "proxy", "codes",
    "sheet", "header", "skip_lines", "dates", "engine", "table", "spark",
)  # fmt: skip


def load_case(path: Path, *, fetch: bool = True) -> Case:
    """The case in the file `path`; relative paths in it are beside it. A model of a registry is fetched, if `fetch`.

    Raises CaseError for an unknown key, a missing one, two kinds of model, or roles that contradict each other, and
    PolicyError for a policy that cannot be used; ModelError where a registry does not give the model. The data and a
    model file are not touched.
    """
    file = Path(path).resolve()
    document, _ = parse(file, CaseError, "case")
    _refuse_questions(document)
    top = Reader(document, "the case file", CaseError)
    top.allow(
        "case", "data", "model", "policy", "population", "recourse", "watch", "contract", "stress", "whatif", "answers"
    )
    about = Reader(top.section("case", required=True), "[case]", CaseError)
    about.allow("name", "purpose", *forms.ABOUT)
    name, purpose = about.text("name", required=True), about.text("purpose", required=True)
    data = _data(Reader(top.section("data", required=True), "[data]", CaseError), file.parent)
    model = models.read(Reader(top.section("model", required=True), "[model]", CaseError), file.parent)
    if model.outcomes:
        if data.label is None or data.task != "classification":
            raise CaseError(
                "the case audits outcomes alone and names none",
                got="outcomes = true under [model]" + ("" if data.label else ", and no `label` under [data]"),
                expected="label = the column that says what happened, one of a few values",
                todo="name the outcome column as `label`",
            )
        data, model = replace(data, label=None), replace(model, column=data.label)
    norms = Reader(top.section("policy"), "[policy]", CaseError)
    norms.allow("file", "adopted_by", "presets")
    policy_file = norms.text("file")
    policy = load_policy(None if policy_file is None else file.parent / policy_file)
    policy = replace(policy, adopted_by=norms.text("adopted_by"))
    change = None
    if "recourse" in top.table:
        change = recourse.read(Reader(top.section("recourse"), "[recourse]", CaseError))
    people = None
    if "population" in top.table:
        people = population.read(Reader(top.section("population"), "[population]", CaseError))
    watch = _watch(Reader(top.section("watch"), "[watch]", CaseError), file.parent)
    asked = contracts.read(document, top, file.parent)
    case = Case(str(name), str(purpose), data, model, policy, file, people, change, watch, **asked)
    case = replace(case, about=forms.about(about), forms=forms.read(norms, top.section("answers"), file.parent))
    check_roles(case)
    if fetch and model.registry is not None:
        from audit.models.registry import fetched

        case = replace(case, model=fetched(model))
    return case


def _refuse_questions(document: Mapping[str, Any]) -> None:
    """A "?" that `assay init` left is no answer. Raises CaseError that names every one."""
    found = [
        f"{name} under [{title}]"
        for title, section in document.items()
        if isinstance(section, Mapping)
        for name, value in section.items()
        if value == "?" or value == ["?"] or (isinstance(value, Mapping) and "?" in value.values())
    ]
    if found:
        raise CaseError(
            "the case still has questions that only a person can answer",
            got=", ".join(found),
            expected='an answer in place of each "?"',
            todo="read the comment beside each line, and write what it asks for",
        )


def _data(at: Reader, folder: Path) -> DataSpec:
    at.allow(*DATA_KEYS)
    side = at.text("sensitive_path")
    task = at.text("task") or "classification"
    positive = at.value("positive", required=task != "regression")
    engine, spark = engines.read(at)
    return DataSpec(
        path=engines.place(at, folder, spark),
        label=at.text("label"),
        positive=positive,
        favourable=at.value("favourable") or positive,
        sensitive=at.texts("sensitive", required=True) or (),
        sensitive_path=None if side is None else beside(folder, side),
        id=at.text("id"),
        reference=_reference(at),
        bins=_bins(at),
        weight=at.text("weight"),
        cluster=at.text("cluster"),
        time=at.text("time"),
        split=at.text("split"),
        train=at.value("train"),
        audit=at.value("audit"),
        features=at.texts("features"),
        exclude=at.texts("exclude") or (),
        task=task,
        indicators=_indicators(at),
        stages=_stages(at),
        legitimate=_legitimate(at),
        proxy=_proxy(at, folder),
        codes=_codes(at),
        read=_reading(at),
        engine=engine,
        spark=spark,
    )


DATES = ("day-first", "month-first")


def _reading(at: Reader) -> ReadSpec:
    """How the file is read where it does not say it itself."""
    header: tuple[str, ...] | bool | None = None
    if "header" in at.table:
        header = at.table["header"] if at.table["header"] is False else at.texts("header")
    skip = at.table.get("skip_lines")
    if skip is not None and (not isinstance(skip, int) or isinstance(skip, bool) or skip < 0):
        raise at.wrong("skip_lines", "a whole number of lines above the column names, 0 for none")
    dates = at.choice("dates", DATES) if "dates" in at.table else None
    return ReadSpec(at.text("sheet"), header, skip, dates)


def _legitimate(at: Reader) -> dict[str, str]:
    """Factor -> the reason why it may count; a factor without a reason is refused."""
    if isinstance(at.table.get("legitimate"), list):
        named = ", ".join(f'{c} = "why"' for c in at.table["legitimate"][:3])
        raise CaseError(
            "`legitimate` names factors without a reason",
            got=f"legitimate = {at.table['legitimate']!r}",
            expected="a reason in words for each",
            todo=f"write legitimate = {{ {named} }}",
        )
    inner = Reader(at.section("legitimate"), "`legitimate` under [data]", CaseError)
    return {c: str(inner.text(c)) for c in inner.table}


def _proxy(at: Reader, folder: Path) -> dict[str, ProxySpec]:
    """Attribute -> column and table of group probabilities."""
    out = {}
    given = at.section("proxy")
    if {"column", "table"} <= set(given):
        given = {"group": given}
    for name, value in given.items():
        if not isinstance(value, dict):
            raise CaseError(
                f"the proxy of {name!r} cannot be used",
                got=f"{name} = {value!r}",
                expected='a column and a table, { column = "surname", table = "surnames.csv" }',
                todo="write both",
            )
        inner = Reader(value, f"proxy.{name}", CaseError)
        inner.allow("column", "table")
        table = str(inner.text("table", required=True))
        out[name] = ProxySpec(str(inner.text("column", required=True)), beside(folder, table))
    return out


def _codes(at: Reader) -> dict[str, dict[str, str]]:
    """Column -> value -> how it is said to people."""
    outer = Reader(at.section("codes"), "`codes` under [data]", CaseError)
    out = {}
    for column in outer.table:
        inner = Reader(outer.section(column), f"`codes` of {column!r}", CaseError)
        out[column] = {value: str(inner.text(value)) for value in inner.table}
    return out


def _stages(at: Reader) -> tuple[str, ...]:
    stages = at.texts("stages") or ()
    if "stages" in at.table and len(stages) < 2:
        raise at.wrong("stages", 'two columns or more in the order of the process, such as ["screened", "hired"]')
    return stages


def _indicators(at: Reader) -> dict[str, tuple[str, ...]]:
    """Attribute -> the 0/1 columns that make it."""
    inner = Reader(at.section("indicators"), "indicators", CaseError)
    out = {name: inner.texts(name) or () for name in inner.table}
    for name, columns in out.items():
        if len(columns) < 2:
            raise inner.wrong(name, "two columns or more of 0 and 1, one for each group")
    return out


def _watch(at: Reader, folder: Path) -> WatchSpec:
    at.allow("batch", "label_delay", "source", "labels", "webhook", "served", "secret", "settle", "heartbeat")
    given: dict[str, Any] = {}
    for key, least in (("batch", 1), ("label_delay", 0)):
        if key in at.table:
            value = at.table[key]
            if key == "batch" and value == "time":
                given[key] = None
            elif not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise at.wrong(key, f"a whole number from {least} on" + (', or "time"' if key == "batch" else ""))
            else:
                given[key] = value
    for key in ("source", "labels"):
        name = at.text(key)
        if name is not None:
            given[key] = Path("-") if key == "source" and name == "-" else beside(folder, name)
    given["webhook"], given["secret"] = at.text("webhook"), at.text("secret")
    for key, least, most in (("settle", 0, 86_400), ("heartbeat", 1, 31_622_400)):
        if key in at.table:
            seconds = at.table[key]
            if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not least <= seconds <= most:
                raise at.wrong(key, f"a number of seconds from {least} to {most}")
            given[key] = float(seconds)
    served = Reader(at.section("served"), "served", CaseError)
    served.allow("decision", "score", "model")
    given["served"] = {k: str(served.text(k)) for k in served.table}
    return WatchSpec(**given)


def _reference(at: Reader) -> dict[str, str]:
    inner = Reader(at.section("reference"), "reference", CaseError)
    return {k: str(inner.value(k)) for k in inner.table}


def _bins(at: Reader) -> dict[str, tuple[float, ...]]:
    out = {}
    for column, edges in at.section("bins").items():
        good = (
            isinstance(edges, list)
            and len(edges) > 0
            and all(isinstance(e, (int, float)) and not isinstance(e, bool) and math.isfinite(e) for e in edges)
            and all(a < b for a, b in pairwise(edges))
        )
        if not good:
            raise CaseError(
                f"the bins of {column!r} cannot be used",
                got=repr(edges),
                expected="one number or more, each larger than the one before",
                todo=f"write for example bins = {{ {column} = [25, 40, 60] }}",
            )
        out[column] = tuple(float(e) for e in edges)
    return out


def dump_case(case: Case, path: Path) -> None:
    """Write `case` as TOML that `load_case` reads back; paths relative to `path`'s folder.

    Raises CaseError for text that no TOML file can hold, OutputError where the file cannot be written.
    """
    file = Path(path).resolve()
    for role, words in (("name", case.name), ("purpose", case.purpose)):
        if not words.strip():
            raise CaseError(
                f"the case has no {role}",
                got="no text",
                expected="what is decided, in words" if role == "purpose" else "a name for the audit",
                todo=f"fill in the {role}; it goes on the first page of the report",
            )
    try:
        content = _toml(case, file.parent).encode()
    except (UnicodeEncodeError, ValueError) as error:
        raise CaseError(
            "the case cannot be written as TOML",
            got=str(error),
            expected="text in Unicode and finite numbers",
            todo="correct the name that holds them",
        ) from error
    write_whole(file, content)


def _toml(case: Case, folder: Path) -> str:
    data, model = case.data, case.model
    values: dict[str, Any] = {
        **engines.to_table(data, folder),
        "label": model.column if model.outcomes else data.label,
        "positive": data.positive,
        "favourable": data.favourable if data.favourable != data.positive else None,
        "sensitive": data.sensitive,
        "sensitive_path": None if data.sensitive_path is None else relative(data.sensitive_path, folder),
        "id": data.id,
        "reference": dict(data.reference) or None,
        "bins": {k: list(v) for k, v in data.bins.items()} or None,
        "weight": data.weight,
        "cluster": data.cluster,
        "time": data.time,
        "split": data.split,
        "train": data.train,
        "audit": data.audit,
        "features": data.features,
        "exclude": data.exclude or None,
        "task": None if data.task == "classification" else data.task,
        "stages": data.stages or None,
        "legitimate": dict(data.legitimate) or None,
        "proxy": {k: {"column": p.column, "table": relative(p.table, folder)} for k, p in data.proxy.items()} or None,
        "codes": {k: dict(v) for k, v in data.codes.items()} or None,
        "indicators": {k: list(v) for k, v in data.indicators.items()} or None,
        "sheet": data.read.sheet,
        "header": list(data.read.header) if isinstance(data.read.header, tuple) else data.read.header,
        "skip_lines": data.read.skip_lines,
        "dates": data.read.dates,
    }
    sections: dict[str, dict[str, Any]] = {
        "case": {"name": case.name, "purpose": case.purpose, **case.about},
        "data": values,
        "model": models.to_table(model, folder),
    }
    if case.watch != WatchSpec():
        watch = case.watch
        sections["watch"] = {
            "batch": "time" if watch.batch is None else watch.batch,
            "label_delay": watch.label_delay,
            "source": None if watch.source is None else _source(watch.source, folder),
            "labels": None if watch.labels is None else relative(watch.labels, folder),
            "webhook": watch.webhook,
            "secret": watch.secret,
            "settle": watch.settle,
            "heartbeat": watch.heartbeat,
            "served": dict(watch.served) or None,
        }
    sections |= contracts.to_sections(case, folder)
    presets, answers = forms.to_tables(case.forms, folder)
    if case.policy.source is not None or case.policy.adopted_by is not None or presets:
        source = case.policy.source
        sections["policy"] = {
            "file": None if source is None else relative(source, folder),
            "adopted_by": case.policy.adopted_by,
            "presets": presets or None,
        }
    sections |= {f"answers.{bare(name)}": dict(given) for name, given in answers.items()}
    if case.recourse is not None:
        sections["recourse"] = recourse.to_table(case.recourse)
    if case.population is not None:
        sections["population"] = population.to_table(case.population)
    blocks = []
    for title, table in sections.items():
        lines = [f"{bare(k)} = {write(v)}" for k, v in table.items() if v is not None]
        blocks.append("\n".join([f"[{title}]", *lines]))
    return "\n\n".join(blocks) + "\n"


def _source(path: Path, folder: Path) -> str:
    return "-" if path == Path("-") else relative(path, folder)
