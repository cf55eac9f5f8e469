"""Roles of a case that contradict each other: refused before any data are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.case import Case, DataSpec, ModelSpec
from audit.errors import CaseError, nearest
from audit.load import models, population, recourse

TASKS = ("classification", "regression")


def check_roles(case: Case) -> None:
    """Refuse roles that contradict each other. Raises CaseError. Columns are not looked at: see `check_columns`."""
    data = case.data
    _sensitive(data)
    _task(case)
    _positive(data)
    _one_role_each(case)
    _only_for("reference", data.reference, data.sensitive)
    _only_for("bins", data.bins, data.sensitive)
    _only_for("indicators", data.indicators, data.sensitive)
    _proxies(data)
    _factors(case)
    if case.population is not None:
        population.check(case.population, data.sensitive)
    if case.recourse is not None:
        recourse.check(case.recourse, data)
    _side_table(data)
    _split(data)
    _features(data)
    _kind(case.model)


def _sensitive(data: DataSpec) -> None:
    if not data.sensitive:
        raise CaseError(
            "`sensitive` names no column",
            got="an empty list",
            expected='at least one column, such as sensitive = ["sex"]',
            todo="name the columns whose groups are to be compared",
        )


def _positive(data: DataSpec) -> None:
    if data.positive is None and data.task == "classification":
        raise CaseError(
            "the case has no `positive`",
            got="nothing",
            expected="the value of the label that the model predicts or scores",
            todo='add for example positive = ">50K"',
        )


def _proxies(data: DataSpec) -> None:
    both = [name for name in data.proxy if name in data.sensitive]
    if both:
        raise CaseError(
            f"the attribute {both[0]!r} is recorded and has a proxy",
            got=f"{both[0]!r} in `sensitive` and in `proxy`",
            expected="a proxy for an attribute that is not recorded",
            todo="take it out of one of the two",
        )


def _factors(case: Case) -> None:
    data = case.data
    for factor in data.legitimate:
        if factor in (*data.sensitive, data.label, case.model.column, data.id, data.weight, data.cluster):
            raise CaseError(
                f"the factor {factor!r} in `legitimate` has another role",
                got=f"{factor!r}, which is a sensitive, outcome, decision, id, weight or cluster column too",
                expected="a factor of its own",
                todo="take it out of `legitimate`",
            )


def _side_table(data: DataSpec) -> None:
    if data.sensitive_path is not None and data.id is None:
        raise CaseError(
            "`sensitive_path` needs `id`",
            got="a side table and no column to join it on",
            expected="id = the column that both tables have",
            todo="name the column that says who a row is",
        )


def _split(data: DataSpec) -> None:
    """The column that says which rows are for what, and its values: none, or all of them."""
    if data.split is None:
        if data.train is not None or data.audit is not None:
            raise CaseError(
                "`train` and `audit` need `split`",
                got="their values, but no column",
                expected="split = the column that says which rows are for what",
                todo="name the column, or remove `train` and `audit`",
            )
        return
    if data.audit is None:
        raise CaseError(
            "`split` needs `audit`",
            got=f"split = {data.split!r} and no `audit`",
            expected="audit = the value of that column for rows to measure",
            todo='add for example audit = "test"',
        )
    if data.train == data.audit:
        raise CaseError(
            "the rows to learn from and the rows to measure are the same",
            got=f"train = audit = {data.audit!r}",
            expected="two different values",
            todo="a model looks better on rows it has learned from: measure on others",
        )


def _features(data: DataSpec) -> None:
    both = sorted(set(data.features or ()) & set(data.exclude))
    if both:
        raise CaseError(
            "a column is in `features` and in `exclude`",
            got=", ".join(both),
            expected="each column in one of them",
            todo="remove it from the other",
        )


def _kind(model: ModelSpec) -> None:
    if model.kind not in models.KINDS:
        raise CaseError(
            "the kind of model is not known",
            got=model.kind,
            expected=", ".join(models.KINDS),
            todo="choose one of them",
        )


def _task(case: Case) -> None:
    """What is predicted, and what that rules out. Raises CaseError."""
    data, model = case.data, case.model
    if data.task not in TASKS:
        raise CaseError(
            "`task` is not known", got=repr(data.task), expected=" or ".join(TASKS), todo=nearest(data.task, TASKS)
        )
    if data.task == "classification":
        return
    excluded = [
        ("positive", data.positive, 'say favourable = "high" or "low" where one direction is good for a person'),
        ("threshold", model.threshold if model.threshold_given else None, "a regression decides nothing; remove it"),
        ("decision", model.column if model.kind == "decision" else None, "name the column of predictions as `score`"),
    ]
    for role, value, todo in excluded:
        if value is not None:
            raise CaseError(
                f'the case has task = "regression" and `{role}`',
                got=f"{role} = {value!r}",
                expected="numbers that are predicted, and no decision",
                todo=todo + ", or remove `task` to audit decisions",
            )
    if data.favourable not in (None, "high", "low"):
        raise CaseError(
            "`favourable` says which predictions are good for a person",
            got=repr(data.favourable),
            expected="'high' or 'low', or nothing",
            todo='write favourable = "high" where people want a high number (a credit), "low" where a low one',
        )


def _one_role_each(case: Case) -> None:
    data, model = case.data, case.model
    taken: dict[str, str] = {}
    single = [
        ("label", data.label), (model.kind, model.column), ("id", data.id), ("weight", data.weight),
        ("split", data.split),
    ]  # fmt: skip
    if data.cluster != data.id:
        single.append(("cluster", data.cluster))
    roles = [(r, c) for r, c in single if c is not None] + [("sensitive", c) for c in data.sensitive]
    for role, column in roles:
        if column in taken:
            raise CaseError(
                f"the column {column!r} has two roles that exclude each other",
                got=f"{taken[column]} and {role}",
                expected="one of them",
                todo="where nothing was decided, write outcomes = true under [model] instead"
                if {taken[column], role} == {"label", "decision"}
                else "name another column for one of the two",
            )
        taken[column] = role
    never = ("label", "decision", "score", "id", "weight", "cluster", "split")
    for column in data.features or ():
        if taken.get(column) in never:
            raise CaseError(
                f"the column {column!r} cannot be a feature",
                got=f"it is the {taken[column]}",
                expected="features that the model may see before it decides",
                todo="remove it from `features`",
            )


def _only_for(what: str, columns: Mapping[str, Any], sensitive: tuple[str, ...]) -> None:
    for column in columns:
        if column not in sensitive:
            raise CaseError(
                f"`{what}` names {column!r}, which is not in `sensitive`",
                got=repr(column),
                expected="one of " + ", ".join(repr(s) for s in sensitive),
                todo=nearest(column, sensitive),
            )
