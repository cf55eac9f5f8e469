"""Can this table fill the roles of this case? One refusal for each way it cannot; used by every command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.errors import CaseError, DataError, nearest
from audit.load import limits, outcomes
from audit.load.groups import file_columns
from audit.load.values import band, coded, listed, numbers_of
from audit.numbers import are, brief, many
from audit.sentences import OUTCOME_COLUMN

Mask = npt.NDArray[np.bool_]


def columns(case: Case, main: Sequence[str], side: Sequence[str]) -> None:
    """Refuse a role whose column is in neither table. Raises CaseError."""
    data = case.data
    roles: list[tuple[str, str | None]] = [
        ("label", data.label), (case.model.kind, case.model.column), ("id", data.id), ("weight", data.weight),
        ("cluster", data.cluster), ("time", data.time), ("split", data.split),
    ]  # fmt: skip
    roles += [("features", f) for f in data.features or ()]
    roles += [("proxy", p.column) for p in data.proxy.values()]
    roles += [
        (r, c)
        for r, names in (("stages", data.stages), ("legitimate", data.legitimate), ("codes", data.codes))
        for c in names
    ]
    roles += [("actionable", c) for c in (case.recourse.actionable if case.recourse else ())]
    wanted = [(r, c, tuple(main)) for r, c in roles if c is not None]
    groups = file_columns(data, data.sensitive)
    wanted += [(r, c, (*main, *side)) for r, names in (("sensitive", groups), ("exclude", data.exclude)) for c in names]
    for name in data.indicators:
        if name in (*main, *side):
            raise CaseError(
                f"`indicators` makes an attribute {name!r}, and the table has such a column",
                got=f"a column {name!r}",
                expected="a name that no column has",
                todo=f"name {name!r} in `sensitive` alone, or give the attribute another name",
            )
    for role, column, known in wanted:
        if column not in known:
            raise CaseError(
                f"the table has no column {column!r}, which the case names as `{role}`",
                got=many(len(known), "other column"),
                expected=f"a column {column!r}",
                todo=nearest(column, known) + no_header(known),
            )


def no_header(names: Sequence[str]) -> str:
    """Where the names look like a row, the file may have no header."""
    numbers = sum(1 for n in names if n.strip().replace(".", "", 1).lstrip("-").isdigit())
    if numbers <= len(names) / 3:
        return ""
    return (
        "; the first line looks like a row of data: if it is one, say header = false or header = [names] under [data] "
        "in a case file"
    )


def features_of(case: Case, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns the model may see, in the table's order unless the case lists them.

    Raises CaseError where a model file is left with none.
    """
    data = case.data
    if data.features is not None:
        out = data.features
    else:
        never = {
            *data.stages,
            data.label,
            data.weight,
            data.id,
            data.cluster,
            data.time,
            data.split,
            case.model.column,
            *data.exclude,
        }
        out = tuple(c for c in columns if c not in never)
    if not out and case.model.is_asked:
        raise CaseError(
            "no column is left for the model to see",
            got=f"{many(len(columns), 'column')}, all with another role or in `exclude`",
            expected="at least one feature",
            todo="check `features` and `exclude`",
        )
    return out


def split(case: Case, names: Sequence[str]) -> None:
    """Refuse split values that no row has. Raises DataError."""
    data = case.data
    for role, value in (("audit", data.audit), ("train", data.train)):
        if value is not None and value not in names:
            raise DataError(
                f"no row is for {'measuring' if role == 'audit' else 'learning'}: "
                f"the split column {data.split!r} never says {value!r}",
                got=listed(names),
                expected=f"rows with {value!r} ({role} in the case file)",
                todo=nearest(value, names) if names else "fill in the split column",
            )


def rows(case: Case, frame: pd.DataFrame, audit: Mask, people: npt.NDArray[np.int64] | None = None) -> None:
    """Every check that needs values. `audit` (n,) says which rows are measured; people (n,): how many rows of the file
    each stands for, where they were counted before. Raises CaseError, DataError.
    """
    if not audit.any():
        raise DataError(
            "there are no rows to measure",
            got=f"0 of {many(len(frame), 'row')}",
            expected="at least one row",
            todo="check `split` and `audit` in the case file",
        )
    outcomes.label(case, frame)
    outcomes.one_spelling(case, frame, people)
    for attribute in case.data.sensitive:
        _sensitive(case, frame.loc[audit, attribute], None if people is None else people[audit])
    if case.data.weight is not None:
        _weight(frame[case.data.weight], case.data.weight, audit)
    if case.data.time is not None:
        times_of(frame[case.data.time])
    if case.model.kind == "decision":
        outcomes.decision(case, frame, audit)
    if case.model.kind == "score":
        outcomes.score(case, frame.loc[audit, str(case.model.column)])


def _sensitive(case: Case, column: pd.Series, people: npt.NDArray[np.int64] | None) -> None:
    name = str(column.name)
    times = np.ones(len(column), dtype=np.int64) if people is None else people
    measured = int(times.sum())
    edges = case.data.bins.get(name)
    if edges:
        codes, all_names = band(column, edges)
        names = tuple(all_names[c] for c in np.unique(codes[codes >= 0]))
    else:
        all_names = names = coded(column)[1]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if numeric and len(names) > limits.MAX_NUMBERS:
            raise DataError(
                f"the sensitive column {name!r} is a quantity with {many(len(names), 'different value')}",
                got=f"numbers from {brief(column.min())} to {brief(column.max())}",
                expected=f"at most {limits.MAX_NUMBERS} values, or bins",
                todo=f"write for example bins = {{ {name} = {suggested_bins(column)} }} under [data]",
            )
    if len(names) > min(limits.MAX_GROUPS, max(limits.MANY_GROUPS, measured // limits.ROWS_EACH)):
        raise DataError(
            f"the sensitive column {name!r} has {many(len(names), 'group')}",
            got=f"{listed(names)} in {many(measured, 'measured row')}",
            expected=f"at most {limits.MAX_GROUPS:,} groups, and above {limits.MANY_GROUPS} at least "
            f"{limits.ROWS_EACH} rows a group on average",
            todo="put values together in a coarser column (regions instead of towns), or bins for a number",
        )
    if len(names) < 2:
        missing = int(times[column.isna().to_numpy()].sum())
        raise DataError(
            f"the sensitive column {name!r} has {'one group only' if names else 'no values'}",
            got=f"{listed(names)} in {many(measured - missing, 'measured row')}, {missing:,} unknown",
            expected="at least two groups to compare",
            todo="check the column and the split" + (", or choose other bins" if edges else ""),
        )
    reference = case.data.reference.get(name)
    if reference is not None and reference not in all_names:
        raise CaseError(
            f"the reference group of {name!r} does not exist",
            got=repr(reference),
            expected="one of " + listed(all_names, 12),
            todo=nearest(reference, all_names),
        )


def suggested_bins(column: pd.Series) -> list[int | float]:
    """Edges that divide a column of numbers into about four: the usual ones for ages, else rounded quartiles."""
    low, high = float(column.min()), float(column.max())
    if 10 <= low <= 30 and 50 <= high <= 120:
        return [25, 40, 60]
    edges: list[int | float] = []
    for share in (0.25, 0.5, 0.75):
        value = float(brief(float(column.quantile(share)), 2))
        if low < value <= high and value not in edges:
            edges.append(int(value) if value.is_integer() else value)
    return edges or [high]


def _weight(column: pd.Series, name: str, audit: Mask) -> None:
    numbers, strange = numbers_of(column)
    bad = ~np.isfinite(numbers) | (numbers < 0)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        rows = f"{int(bad.sum()):,} of {many(len(numbers), 'row')}; row {first + 1} says {_shown(column.iloc[first])}"
        raise no_weights(name, rows, "correct them" + (", or name another column as `weight`" if strange else ""))
    for part in (numbers[audit], numbers):
        largest_weight(name, float(part.max()))


def no_weights(name: str, got: str, todo: str) -> DataError:
    """Of a column in which not every row has a weight."""
    return DataError(
        f"the weight column {name!r} has values that are no weights",
        got=got, expected="a number of 0 or more in every row", todo=todo,
    )  # fmt: skip


def largest_weight(name: str, largest: float) -> float:
    """The largest weight in `name`. Raises DataError where all are 0, or sums of their powers are no numbers."""
    if largest == 0:
        raise DataError(
            f"the weights in {name!r} are all 0",
            got="a sum of 0 over the measured rows",
            expected="a sum above 0",
            todo="check the column, or leave `weight` out",
        )
    low, high = limits.WEIGHTS
    if not low <= largest <= high:
        raise DataError(
            f"the weights in {name!r} cannot be added up",
            got=f"a largest weight of {brief(largest)}",
            expected=f"one from {brief(low)} to {brief(high)}",
            todo="correct the column; multiply all weights by one number if they are meant (shares stay as they are)",
        )
    return largest


def _shown(value: Any) -> str:
    return "nothing" if pd.isna(value) else repr(value if isinstance(value, str) else float(value))


_DAY_FIRST = re.compile(r"\s*(\d{1,2})[./-](\d{1,2})[./-](\d{4}|\d{2})(\s.*)?$")


def times_of(column: pd.Series, dates: str | None = None) -> pd.Series:
    """The column as something that can be ordered: numbers as they are, texts as dates.

    dates: "day-first" or "month-first" says how 01/09/2018 is meant, for the whole column; without it such dates are
    refused. Raises DataError.
    """
    numeric = pd.api.types.is_numeric_dtype(column)
    if numeric or pd.api.types.is_datetime64_any_dtype(column):
        times = column
    elif dates is not None:
        read = column.str.replace(r"[.-]", "/", n=2, regex=True).str.strip()
        day = "%d/%m" if dates == "day-first" else "%m/%d"
        times = pd.Series(pd.NaT, index=column.index, dtype="datetime64[ns, UTC]")
        for form in ("%Y", "%y", "%Y %H:%M", "%Y %H:%M:%S"):
            times = times.fillna(pd.to_datetime(read, errors="coerce", format=f"{day}/{form}", utc=True))
    else:
        times = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    bad = times.isna().to_numpy()
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        shown = column.iloc[first]
        slashed = dates is None and isinstance(shown, str) and _DAY_FIRST.match(shown)
        iso = "a number, or a date such as 2026-11-01 or 2026-11-01T09:30, in every row"
        raise DataError(
            f"the time column {str(column.name)!r} has values that cannot be put in order",
            got=f"{int(bad.sum()):,} of {many(len(column), 'row')}; row {first + 1} says {_shown(shown)}",
            expected=iso
            if dates is None
            else f"{dates} dates such as 13/01/2026 in every row"
            if dates == "day-first"
            else "month-first dates such as 01/13/2026 in every row",
            todo='say dates = "day-first" or dates = "month-first" under [data], or write year-month-day'
            if slashed
            else "write the dates as year-month-day",
        )
    return times


def repeated_ids(case: Case, frame: pd.DataFrame, audit: Mask) -> tuple[int, int] | None:
    """(rows, people) where measured rows repeat an `id` and the case does not say that they belong together."""
    data = case.data
    if data.id is None:
        return None
    rows = frame.loc[audit, [data.id]]
    people = int(rows[data.id].nunique(dropna=True) + rows[data.id].isna().sum())
    if people == len(rows):
        return None
    if data.cluster is not None:
        both = frame.loc[audit, list(dict.fromkeys((data.id, data.cluster)))].dropna(subset=[data.id])
        if len(both.drop_duplicates()) == rows[data.id].nunique():
            return None
    return len(rows), people


def belong(case: Case, rows: int, people: int) -> str:
    """A note on how many people the rows are of."""
    return (
        f"{many(rows, 'measured row')} {are(rows)} of {many(people, 'person')} (cluster {case.data.cluster!r}): "
        "intervals and tests of rates take each person with all rows as one; subgroups, like people and missing values "
        "take each row by itself."
    )


def repeats(case: Case, rows: int, people: int) -> str:
    """A note on ids that stand in several rows."""
    name = case.data.id
    return (
        f"{many(rows, 'measured row')} {are(rows, 'has', 'have')} {many(people, 'different id')} ({name!r}), and "
        f"each row counts as one person. Write cluster = {name!r} under [data] where rows of one id are of one person; "
        "until then no norm is called inside."
    )


def remarks(case: Case, frame: pd.DataFrame, audit: Mask, people: npt.NDArray[np.int64] | None = None) -> list[str]:
    """What is no fault and still worth saying. people: (n,) how many each row stands for; one where it is None."""
    times = np.ones(len(frame), dtype=np.int64) if people is None else people
    return [
        *_on_the_model(case),
        *_on_outcomes(case, frame, audit, times),
        *_on_groups(case, frame),
        *_on_the_split(case, frame, times),
        *(_on_people(case, frame, audit) if people is None else []),
        *_on_norms(case),
    ]


def _on_the_model(case: Case) -> Iterator[str]:
    if case.model.outcomes:
        yield (
            f"Nothing was decided here: the outcomes in {case.model.column!r} are compared by themselves. A selection "
            "rate is the share of people with the favourable outcome; there are no errors of a decision to count."
        )
    if case.model.origin is not None:
        yield f"How {case.model.column!r} came about, as the case says: {case.model.origin}."


def _on_outcomes(case: Case, frame: pd.DataFrame, audit: Mask, times: npt.NDArray[np.int64]) -> Iterator[str]:
    label = case.data.label
    if label is None:
        return
    missing, measured = int(times[audit & frame[label].isna().to_numpy()].sum()), int(times[audit].sum())
    if missing:
        yield (
            f"{missing:,} of {many(measured, 'measured row')} {are(missing, 'has', 'have')} no label; "
            f"{are(missing, 'its', 'their')} outcome is unknown."
        )
    names = coded(frame[label])[1]
    if len(names) == 1:
        figures = "Selection rates" if case.data.task == "classification" else "Predictions and how far they are off"
        yield (
            f"Every known outcome in {label!r} is {names[0]!r}. {figures} can be told; what compares "
            f"outcomes cannot. {OUTCOME_COLUMN.capitalize()}."
        )


def _on_groups(case: Case, frame: pd.DataFrame) -> Iterator[str]:
    for attribute in case.data.sensitive:
        if attribute in case.data.bins:
            continue
        alike: dict[str, list[str]] = {}
        for name in coded(frame[attribute])[1]:
            alike.setdefault(" ".join(name.casefold().split()), []).append(name)
        for names in alike.values():
            if len(names) > 1:
                yield (
                    f"Column {attribute!r}: {listed(names)} differ only in capitals or spaces and count as separate "
                    "groups."
                )


def _on_the_split(case: Case, frame: pd.DataFrame, times: npt.NDArray[np.int64]) -> Iterator[str]:
    split = case.data.split
    if split is not None and (other := int(times[frame[split].isna().to_numpy()].sum())):
        yield (
            f"{many(other, 'row')} {are(other, 'says', 'say')} nothing in the split column {split!r}; "
            f"{are(other, 'it takes', 'they take')} no part."
        )


def _on_people(case: Case, frame: pd.DataFrame, audit: Mask) -> Iterator[str]:
    if case.data.cluster is not None:
        yield belong(case, int(audit.sum()), int(frame.loc[audit, case.data.cluster].nunique()))
    if (again := repeated_ids(case, frame, audit)) is not None:
        yield repeats(case, *again)


def _on_norms(case: Case) -> Iterator[str]:
    for norm in case.policy.norms:
        absent = [a for a in norm.attribute if a not in case.data.sensitive]
        if absent:
            yield (
                f"The policy's norm on {norm.metric} names {listed(absent)}, which this case does not audit; "
                "it was not judged."
            )
