"""A case from a data file alone: proposed with comments (`assay init`), or made of options (`assay audit data.csv`).

What is proposed on a guess is written as "?", which no command takes for an answer: a person gives it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from audit.errors import CaseError, nearest
from audit.load import limits
from audit.load.check import no_header, suggested_bins
from audit.load.propose import Roles, propose_roles
from audit.load.sign import sign_of
from audit.load.tables import read_noted
from audit.load.toml import key, write
from audit.load.values import names_of
from audit.numbers import many

OPEN = "?"


def proposed(data: Path, folder: Path) -> tuple[str, Roles]:
    """A case file for `data`, to lie in `folder`, each line with its reason; and the roles. Raises DataError."""
    table = read_noted(data)
    roles = propose_roles(table.frame)
    examples = roles.examples

    def shown(column: str | None) -> str:
        values = ", ".join(repr(v) for v in examples.get(str(column), ()))
        return f" (values such as {values})" if values else ""

    lines = [
        f"# Proposed by `assay init` from {data.name}: {many(len(table.frame), 'row')}, "
        f"{many(len(table.columns), 'column')}.",
        "# Read each line. A line with a question mark for its value has to be answered by a person.",
        *(f"# Note: {n}" for n in table.notes),
        "",
        "[case]",
        f"name = {write(data.name.split('.')[0])}",
        f'purpose = "{OPEN}"  # what is decided about people, in words: "Who is offered a loan"',
        "",
        "[data]",
        f"path = {write(_from(folder, data.resolve()))}",
    ]

    def line(role: str, value: object, column: str | None, reason: str = "") -> None:
        why = reason or roles.reasons.get(role, "")
        guess = f" Asked: {roles.asked[role]}" if role in roles.asked else ""
        mark = "# " if guess and role != "label" else ""
        lines.append(f"{mark}{role} = {write(value)}  # {why}{shown(column)}.{guess}")

    if roles.label is not None:
        line("label", roles.label, roles.label)
    if roles.positive is not None:
        line("positive", roles.positive, None, "what a model would predict")
        lines.append(_favourable_line(roles))
    else:
        lines.append(f'positive = "{OPEN}"  # no outcome and no decision of few values was found')
    lines += _sensitive_lines(roles, shown)
    for role in ("id", "weight", "time", "cluster"):
        if (column := getattr(roles, role)) is not None:
            line(role, column, column)
    if roles.split is not None and roles.audit is not None:
        line("split", roles.split, roles.split)
        lines += [f"{role} = {write(v)}" for role in ("train", "audit") if (v := getattr(roles, role)) is not None]
    lines += ["", "[model]", *_model_lines(roles)]
    if roles.decision is not None and roles.label is not None and roles.decision != roles.label:
        lines += _in_label_words(roles, table.frame)
    return "\n".join(lines) + "\n", roles


def _favourable_line(roles: Roles) -> str:
    """Which value is good for a person, or the question where nobody can read it off."""
    question = roles.asked.get("favourable")
    values = " or ".join(repr(v) for v in roles.examples.get(str(roles.label or roles.decision), ()))
    why = f"{question} Answer with {values}." if question else roles.reason("positive") + "."
    return f"favourable = {write(roles.favourable or OPEN)}  # {why}"


def _sensitive_lines(roles: Roles, shown: Callable[[str | None], str]) -> list[str]:
    """Whose groups are compared, why, and which columns may be meant too."""
    out = [f"sensitive = {write(list(roles.sensitive) or [OPEN])}"]
    out += [f"#   {c}: {roles.reason(f'sensitive:{c}')}{shown(c)}." for c in roles.sensitive]
    out += [f"#   possible too: {c}: {roles.reason(f'sensitive:{c}')}{shown(c)}." for c in roles.possible]
    if roles.indicators:
        out.append(f"indicators = {write({k: list(v) for k, v in roles.indicators.items()})}")
    if roles.bins:
        out.append(f"bins = {write({k: list(v) for k, v in roles.bins.items()})}")
    return out


def _model_lines(roles: Roles) -> list[str]:
    """Where decisions come from: a column that is there, or the question."""
    out = []
    if roles.decision is not None and roles.decision != roles.label:
        out.append(f"decision = {write(roles.decision)}  # {roles.reason('decision')}.")
    elif roles.score is not None:
        out += [
            f"score = {write(roles.score)}  # {roles.reason('score')}.",
            f'threshold = "{OPEN}"  # positive from this score on'
            if "threshold" in roles.reason("score")
            else "threshold = 0.5  # positive from this score on",
        ]
    elif roles.label is not None:
        out += [
            "outcomes = true  # nothing that decides was found: the outcomes are compared by themselves. Or one of:",
            '# path = "model.skops"',
            '# decision = "a column of decisions"',
            '# score = "a column of scores"',
        ]
    else:
        out.append(f'decision = "{OPEN}"  # or path = "model.skops", or score = "a column of scores"')
    return out


def _in_label_words(roles: Roles, frame: pd.DataFrame) -> list[str]:
    """Which decision goes with which outcome, where the two are not written alike."""
    decided = names_of(frame[str(roles.decision)].value_counts().index[:30])
    outcomes = names_of(frame[str(roles.label)].value_counts().index[:30])
    if set(decided) <= set(outcomes) or len(decided) != 2 or len(outcomes) != 2:
        return []
    first, second = sign_of(str(roles.decision), decided), sign_of(str(roles.label), outcomes)
    if first.favourable is None or second.favourable is None:
        pairs: dict[str, str] = dict.fromkeys(decided, OPEN)
        return [
            f"classes = {write(pairs)}  # which decision goes with which outcome: {outcomes[0]!r} or {outcomes[1]!r}"
        ]
    other = {d: next(o for o in outcomes if o != second.favourable) for d in decided}
    pairs = other | {first.favourable: second.favourable}
    return [f"classes = {write(pairs)}  # the decision that is good for a person goes with the outcome that is"]


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """The options of `assay audit DATA`, as a person gave them; None and () where they did not."""

    sensitive: Sequence[str] = ()
    label: str | None = None
    decision: str | None = None
    score: str | None = None
    model: Path | None = None
    threshold: float | None = None
    link: str | None = None
    classes: Sequence[str] = ()
    python: Path | None = None
    load: str | None = None
    consent: str | None = None
    positive: str | None = None
    favourable: str | None = None
    weight: str | None = None
    id: str | None = None
    time: str | None = None
    cluster: str | None = None
    exclude: Sequence[str] = ()
    bins: Mapping[str, Sequence[float]] = field(default_factory=dict)
    name: str | None = None
    purpose: str | None = None


def from_options(data: Path, options: AuditOptions, folder: Path) -> str:
    """The case file that these options make, to lie in `folder`. Nothing is taken that was neither given nor certain.

    Raises CaseError where an option is lacking, with the proposals; DataError where the table cannot be read.
    """
    table = read_noted(data, named=options.sensitive)
    roles = propose_roles(table.frame)
    _refuse_unknown(options, table.columns)
    if not options.sensitive:
        suggested = " ".join(roles.sensitive) or "COLUMN"
        raise CaseError(
            "it is not said whose groups are compared",
            got="no --sensitive",
            expected="one or more columns",
            todo=f"add --sensitive {suggested}" if roles.sensitive else "add --sensitive and the names of the columns",
        )
    sources = [s for s in (options.decision, options.score, options.model) if s is not None]
    if len(sources) > 1 or (not sources and options.label is None):
        raise CaseError(
            "it is not said where the decisions come from",
            got="more than one of --decision, --score and --model"
            if sources
            else "none of --decision, --score, --model",
            expected="one of them, or --label alone to compare outcomes",
            todo=_some_source(roles),
        )
    sections: dict[str, dict[str, object]] = {
        "case": {
            "name": options.name or data.name.split(".")[0],
            "purpose": options.purpose or f"What is decided in {data.name}",
        },
        "data": _data_section(data, options, folder, table.frame),
        "model": _model_section(options, folder),
    }
    blocks = [
        "\n".join([f"[{title}]", *(f"{key(k)} = {write(v)}" for k, v in values.items() if v is not None)])
        for title, values in sections.items()
    ]
    note = ""
    if roles.cluster is not None and options.cluster is None:
        note = (
            f"# Note: each row is counted as one person. If one value of {roles.cluster!r} is one person "
            f"({roles.reason('cluster')}), add --cluster {roles.cluster}: intervals are too narrow without it.\n"
        )
    return "# Written by `assay audit` from its options.\n" + note + "\n\n".join(blocks) + "\n"


def _refuse_unknown(options: AuditOptions, columns: Sequence[str]) -> None:
    for role in ("label", "decision", "score", "weight", "id", "time", "cluster"):
        name = getattr(options, role)
        if name is not None and name not in columns:
            raise CaseError(f"the table has no column {name!r}", got=f"--{role} {name}", expected="one of its columns",
                            todo=nearest(name, columns) + no_header(columns))  # fmt: skip


def _data_section(data: Path, options: AuditOptions, folder: Path, frame: pd.DataFrame) -> dict[str, object]:
    """[data] as given; what is not given and not certain is asked. Raises CaseError."""
    values: dict[str, object] = {"path": _from(folder, data.resolve()), "label": options.label}
    outcome = options.label or options.decision
    if outcome is not None:
        values |= _sign(options, outcome, names_of(frame[outcome].value_counts().index[:30]))
    elif options.favourable is None:
        raise _missing_favourable("Is a high score good for the person?", "positive", ("positive", "not positive"))
    else:
        values |= {"positive": options.positive or "positive", "favourable": options.favourable}
    values |= {"sensitive": list(options.sensitive)}
    bins = dict(options.bins)
    for column in options.sensitive:
        number = column in frame.columns and frame[column].dtype.kind in "iuf"
        if number and column not in bins and frame[column].nunique() > limits.MAX_NUMBERS:
            bins[column] = suggested_bins(frame[column])
    values |= {"bins": {k: list(v) for k, v in bins.items()} or None}
    values |= {r: getattr(options, r) for r in ("weight", "id", "time", "cluster")}
    return values | {"exclude": list(options.exclude) or None}


def _model_section(options: AuditOptions, folder: Path) -> dict[str, object]:
    """[model] as given: a file, a column, or the outcomes by themselves."""
    model: dict[str, object]
    if options.model is not None:
        model = {"path": _from(folder, options.model.resolve())}
    elif options.decision is not None:
        model = {"decision": options.decision}
    elif options.score is not None:
        model = {"score": options.score}
    else:
        model = {"outcomes": True}
    model |= {"threshold": options.threshold, "link": options.link, "classes": _classes(options.classes) or None}
    if options.python is not None:  # not resolved: an environment's interpreter is a link to the system's
        model |= {"python": _from(folder, Path(os.path.abspath(options.python)))}
    return model | {"load": options.load, "consent": options.consent}


def _from(folder: Path, path: Path) -> str:
    return Path(os.path.relpath(path, folder.resolve())).as_posix()


def _classes(pairs: Sequence[str]) -> dict[str, str]:
    """`0=denied 1=approved` as the case file has it. Raises CaseError."""
    out = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise CaseError(
                "--classes cannot be read",
                got=pair,
                expected="CLASS=VALUE for each of the model's classes",
                todo="write for example --classes 0=denied 1=approved",
            )
        out[name] = value
    return out


def _sign(options: AuditOptions, outcome: str, values: Sequence[str]) -> dict[str, object]:
    """positive and favourable, as given or certain. Raises CaseError with the question where they are neither."""
    sign = sign_of(outcome, values) if len(values) >= 2 else None
    if options.positive is None and options.favourable is not None:
        positive = options.favourable if sign is None or len(values) > 2 else sign.positive
    else:
        positive = options.positive or (sign.positive if sign else values[0] if values else "1")
    favourable = options.favourable or (sign.favourable if sign is not None and options.positive is None else None)
    if favourable is None and options.positive is not None and sign is not None:
        favourable = sign.favourable
    if favourable is None:
        raise _missing_favourable(f"Is {outcome} = {positive} good for the person?", positive, values[:8])
    return {"positive": positive, "favourable": favourable}


def _missing_favourable(question: str, positive: str, values: Sequence[str]) -> CaseError:
    return CaseError(
        f"which value is good for the person cannot be read off. {question}",
        got="no --favourable",
        expected="one of " + ", ".join(repr(v) for v in values),
        todo=f"add --favourable {positive!r} where it is good, or the other value where it is not",
    )


def _some_source(roles: Roles) -> str:
    if roles.decision is not None and roles.decision != roles.label:
        return f"add --decision {roles.decision}"
    if roles.score is not None:
        return f"add --score {roles.score}, and --threshold where it is no probability"
    return "add --model model.skops, --decision COLUMN or --score COLUMN" + (
        f", or --label {roles.label} alone" if roles.label else ""
    )


def bins_of(texts: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """ "age:25,40,60" as edges by column. Raises CaseError where a number is none."""
    out = {}
    for text in texts:
        name, _, edges = text.rpartition(":")
        try:
            out[name.strip()] = tuple(float(e) for e in edges.split(","))
        except ValueError as error:
            raise CaseError("the bands cannot be read", got=text, expected="column: edge, edge",
                            todo="write for example age: 25, 40, 60") from error  # fmt: skip
    return out
