"""Case files: TOML to a frozen `Case` and back. The format is docs/case-file.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import structs

from audit.case import Case, DataSpec, ProxySpec, ReadSpec, TableSpec, WatchSpec
from audit.errors import CaseError
from audit.files import write_whole
from audit.load import contracts, engines, forms, models, population, recourse
from audit.load.policies import load_policy
from audit.load.roles import check_roles
from audit.load.schema import read
from audit.load.toml import Reader, parse, relative, resolve_path, write
from audit.load.toml import key as bare
from audit.load.values import name_of
from audit.load.written import CaseFile, DataSection, ProxySection, TableSection, WatchSection, proxy_refused


def load_case(path: Path, *, fetch: bool = True) -> Case:
    """The case in the file `path`; relative paths in it are beside it. A model of a registry is fetched, if `fetch`.

    Raises CaseError for an unknown key, a missing one, two kinds of model, or roles that contradict each other, and
    PolicyError for a policy that cannot be used; ModelError where a registry does not give the model. The data and a
    model file are not touched.
    """
    file = Path(path).resolve()
    document, _ = parse(file, CaseError, "case")
    _refuse_questions(document)
    _refuse_bare_factors(document)
    case_file = read(Reader(document, "the case file", CaseError), CaseFile)
    top = Reader(document, "the case file", CaseError)
    data = _data(case_file.data, top.section("data"), file.parent)
    model = models.from_section(case_file.model, Reader(top.section("model"), "[model]", CaseError), file.parent)
    if model.outcomes:
        if data.label is None or data.task != "classification":
            raise CaseError(
                "the case audits outcomes alone and names none",
                got="outcomes = true under [model]" + ("" if data.label else ", and no `label` under [data]"),
                expected="label = the column that says what happened, one of a few values",
                todo="name the outcome column as `label`",
            )
        data, model = replace(data, label=None), replace(model, column=data.label)
    policy = load_policy(None if case_file.policy.file is None else file.parent / case_file.policy.file)
    case = Case(
        case_file.case.name,
        case_file.case.purpose,
        data,
        model,
        replace(policy, adopted_by=case_file.policy.adopted_by),
        file,
        None if case_file.population is None else population.from_section(case_file.population),
        None if case_file.recourse is None else recourse.from_section(case_file.recourse),
        _watch(case_file.watch, file.parent),
        forms.about(case_file.case),
        forms.from_sections(case_file.policy, case_file.answers, file.parent),
        **contracts.fields_of(case_file, file.parent),
    )
    check_roles(case)
    if fetch and model.registry is not None:
        from audit.models.registry import fetched

        case = replace(case, model=fetched(model))
    return case


def _refuse_questions(document: Mapping[str, Any]) -> None:
    """A "?" that `assay init` left is no answer. Raises CaseError that names every one."""
    questions = [
        f"{name} under [{title}]"
        for title, section in document.items()
        if isinstance(section, Mapping)
        for name, value in section.items()
        if value == "?" or value == ["?"] or (isinstance(value, Mapping) and "?" in value.values())
    ]
    if questions:
        raise CaseError(
            "the case still has questions that only a person can answer",
            got=", ".join(questions),
            expected='an answer in place of each "?"',
            todo="read the comment beside each line, and write what it asks for",
        )


def _refuse_bare_factors(document: Mapping[str, Any]) -> None:
    """A factor is legitimate for a reason, and a list gives none. Raises CaseError."""
    data = document.get("data")
    factors = data.get("legitimate") if isinstance(data, Mapping) else None
    if isinstance(factors, list):
        named = ", ".join(f'{c} = "why"' for c in factors[:3])
        raise CaseError(
            "`legitimate` names factors without a reason",
            got=f"legitimate = {factors!r}",
            expected="a reason in words for each",
            todo=f"write legitimate = {{ {named} }}",
        )


def _data(section: DataSection, table: Mapping[str, Any], folder: Path) -> DataSpec:
    """table: [data] as it was read, for what a refusal shows."""
    at = Reader(table, "[data]", CaseError)
    if section.positive is None and section.task != "regression":
        raise at.missing("positive")
    positive = _name(section.positive)
    spark = engines.from_section(section)
    return DataSpec(
        path=engines.data_path(section, at, folder, spark),
        label=section.label,
        positive=positive,
        favourable=_name(section.favourable) or positive,
        sensitive=section.sensitive,
        sensitive_path=None if section.sensitive_path is None else resolve_path(folder, section.sensitive_path),
        id=section.id,
        reference={k: name_of(v) for k, v in section.reference.items()},
        bins=section.bins,
        weight=section.weight,
        cluster=section.cluster,
        time=section.time,
        split=section.split,
        train=_name(section.train),
        audit=_name(section.audit),
        features=section.features,
        exclude=section.exclude,
        task=section.task,
        indicators=section.indicators,
        stages=section.stages or (),
        legitimate=section.legitimate,
        proxy=_proxy(section.proxy, at, folder),
        codes=section.codes,
        read=ReadSpec(section.sheet, section.header, section.skip_lines, section.dates),
        engine=section.engine,
        spark=spark,
    )


def _name(value: Any) -> str | None:
    return None if value is None else name_of(value)


def _proxy(entries: Mapping[str, ProxySection | str], at: Reader, folder: Path) -> dict[str, ProxySpec]:
    """Attribute -> column and table of group probabilities; one without a name is of the attribute "group"."""
    sections = {k: v for k, v in entries.items() if isinstance(v, ProxySection)}
    column, table = entries.get("column"), entries.get("table")
    if isinstance(column, str) and isinstance(table, str):
        sections = {"group": ProxySection(column, table)}
    elif len(sections) < len(entries):
        raise proxy_refused(
            Reader(at.section("proxy"), at.where, at.error), next(k for k in entries if k not in sections)
        )
    return {k: ProxySpec(v.column, resolve_path(folder, v.table)) for k, v in sections.items()}


def _table(section: TableSection, folder: Path) -> TableSpec:
    """A table of a database. Raises CaseError for another database, or a password in the case."""
    scheme, _, rest = section.url.partition("://")
    if scheme not in ("postgresql", "duckdb") or not rest:
        at = Reader(structs.asdict(section), "source", CaseError)
        raise at.wrong("url", "postgresql://USER@HOST/DATABASE or duckdb:///FILE")
    if "@" in rest and ":" in rest.partition("@")[0]:
        raise CaseError(
            "the source under [watch] holds a password",
            got="a password in its url",
            expected="none: a case is shown to people and printed",
            todo="take it out, and give it by PGPASSWORD or a file ~/.pgpass",
        )
    url = f"duckdb:///{resolve_path(folder, rest.removeprefix('/'))}" if scheme == "duckdb" else section.url
    return TableSpec(url, section.table, section.key)


def _watch(section: WatchSection, folder: Path) -> WatchSpec:
    usual = WatchSpec()
    source = section.source if isinstance(section.source, str) else None
    if source is not None and source.startswith("file://"):
        source = unquote(urlsplit(source).path)
    objects = source if source is not None and "://" in source else None
    source = None if objects else source
    return WatchSpec(
        usual.batch if section.batch is None else None if section.batch == "time" else section.batch,
        usual.label_delay if section.label_delay is None else section.label_delay,
        None if source is None else Path("-") if source == "-" else resolve_path(folder, source),
        None if section.labels is None else resolve_path(folder, section.labels),
        section.webhook,
        {k: v for k, v in structs.asdict(section.served).items() if v is not None},
        section.secret,
        section.settle,
        section.heartbeat,
        objects,
        _table(section.source, folder) if isinstance(section.source, TableSection) else None,
        section.keep,
    )


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
        written = {
            "batch": "time" if watch.batch is None else watch.batch,
            "label_delay": watch.label_delay,
            "source": _source(watch, folder),
            "labels": None if watch.labels is None else relative(watch.labels, folder),
            "webhook": watch.webhook,
            "secret": watch.secret,
            "settle": watch.settle,
            "heartbeat": watch.heartbeat,
            "keep": watch.keep,
            "served": dict(watch.served) or None,
        }
        sections |= {"watch": written}
    sections |= contracts.to_sections(case, folder)
    presets, answers = forms.to_tables(case.forms, folder)
    if case.policy.source is not None or case.policy.adopted_by is not None or presets:
        source = case.policy.source
        file = None if source is None else relative(source, folder)
        named = {"file": file, "adopted_by": case.policy.adopted_by, "presets": presets or None}
        sections |= {"policy": named}
    sections |= {f"answers.{bare(name)}": dict(entry) for name, entry in answers.items()}
    if case.recourse is not None:
        sections |= {"recourse": recourse.to_table(case.recourse)}
    if case.population is not None:
        sections |= {"population": population.to_table(case.population)}
    blocks = []
    for title, table in sections.items():
        lines = [f"{bare(k)} = {write(v)}" for k, v in table.items() if v is not None]
        blocks.append("\n".join([f"[{title}]", *lines]))
    return "\n\n".join(blocks) + "\n"


def _source(watch: WatchSpec, folder: Path) -> str | dict[str, str] | None:
    if watch.table is not None:
        url, file = watch.table.url, watch.table.url.removeprefix("duckdb:///")
        url = url if file == url else f"duckdb:///{relative(Path(file), folder)}"
        return {"url": url, "table": watch.table.table, "key": watch.table.key}
    if watch.source is None:
        return watch.objects
    return "-" if watch.source == Path("-") else relative(watch.source, folder)
