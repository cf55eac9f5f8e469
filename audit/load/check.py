"""Can this table fill the roles of this case? One refusal for each way it cannot; used by every command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.classes.table import MOST_CLASSES
from audit.errors import CaseError, DataError, nearest
from audit.load import limits
from audit.load.groups import file_columns
from audit.load.values import band, coded, decision_names

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
                got=f"{len(known)} other columns",
                expected=f"a column {column!r}",
                todo=nearest(column, known) + _no_header(known),
            )


def _no_header(names: Sequence[str]) -> str:
    """Where the names look like a row, the file may have no line of names."""
    numbers = sum(1 for n in names if n.strip().replace(".", "", 1).lstrip("-").isdigit())
    if numbers <= len(names) / 3:
        return ""
    return "; the first line looks like a row of data: if it is one, say header = false or header = [names]"


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
            got=f"{len(columns)} columns, all with another role or in `exclude`",
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


def rows(case: Case, frame: pd.DataFrame, audit: Mask) -> None:
    """Every check that needs values. `audit` (n,) says which rows are measured. Raises CaseError, DataError."""
    if not audit.any():
        raise DataError(
            "there are no rows to measure",
            got=f"0 of {len(frame):,} rows",
            expected="at least one row",
            todo="check `split` and `audit` in the case file",
        )
    _label(case, frame)
    for attribute in case.data.sensitive:
        _sensitive(case, frame.loc[audit, attribute])
    if case.data.weight is not None:
        _weight(frame[case.data.weight], case.data.weight, audit)
    if case.data.time is not None:
        times_of(frame[case.data.time])
    if case.model.kind == "decision":
        _decision(case, frame, audit)
    if case.model.kind == "score":
        _score(case, frame.loc[audit, str(case.model.column)])


def listed(names: Sequence[str], most: int = 5) -> str:
    """'a', 'b' and 3 more."""
    shown = ", ".join(repr(n) for n in names[:most])
    return (shown + (f" and {len(names) - most:,} more" if len(names) > most else "")) or "no value at all"


def _label(case: Case, frame: pd.DataFrame) -> None:
    data = case.data
    if data.label is None:
        return
    if data.task == "regression":
        _numbers(frame[data.label], f"the label {data.label!r}")
        return
    names = coded(frame[data.label])[1]
    positive, label = str(data.positive), data.label
    if len(names) > MOST_CLASSES:
        number = pd.api.types.is_numeric_dtype(frame[label]) and len(names) > 10
        cut = f"make a column that says whether {label} is at or above a number you choose, and name it as the label"
        merge = f"put values together in a new column, such as {positive!r} and 'not {positive}', or leave rows out"
        raise DataError(
            f"the label {label!r} has {len(names):,} different values",
            got=listed(names),
            expected=f"two outcomes, or up to {MOST_CLASSES} classes",
            todo=f'{cut}; or say task = "regression" under [data] where a number is predicted' if number else merge,
        )
    if not names:
        raise _one_outcome(case, frame)
    if len(names) > 1:
        _sides(case, names, f"the label {label!r}")


def two_outcomes(case: Case, frame: pd.DataFrame) -> None:
    """For what learns from outcomes, or judges by them. Raises DataError where every known outcome is the same."""
    if case.data.label is not None and len(coded(frame[case.data.label])[1]) < 2:
        raise _one_outcome(case, frame)


def _one_outcome(case: Case, frame: pd.DataFrame) -> DataError:
    label = str(case.data.label)
    names = coded(frame[label])[1]
    return DataError(
        f"the label {label!r} has {'one value only' if names else 'no values'}",
        got=f"{listed(names)} in {frame[label].count():,} rows, {frame[label].isna().sum():,} empty",
        expected="two outcomes",
        todo="check that this is the outcome column and that the rows were not filtered by it",
    )


def _numbers(column: pd.Series, where: str) -> None:
    """Refuse an outcome that is no number, and a column of none; an empty one is unknown. Raises DataError."""
    numbers, strange = numbers_of(column)
    if pd.api.types.is_bool_dtype(column):
        strange = len(column)
    endless = int(np.isinf(numbers).sum())
    if strange or endless:
        shown = [v for v, n in zip(column, numbers, strict=True) if not np.isfinite(n) and not pd.isna(v)]
        raise DataError(
            f"{where} has values that are no finite numbers, and the task is a regression",
            got=f"{strange + endless:,} of {len(numbers):,} rows: {listed([str(v) for v in dict.fromkeys(shown)])}",
            expected="a number, or nothing, in every row",
            todo='correct them, or remove task = "regression" where the label is a class',
        )
    if np.isnan(numbers).all():
        raise DataError(
            f"{where} has no values",
            got=f"0 of {len(numbers):,} rows with a number",
            expected="numbers",
            todo="check that this is the outcome column and that the rows were not filtered by it",
        )


def _sides(case: Case, names: Sequence[str], where: str) -> None:
    """`positive` and `favourable` against the values there are. Raises CaseError."""
    positive = str(case.data.positive)
    favourable = str(case.data.favourable or positive)
    other = f"not {positive}"
    for role, value in (("positive", positive), ("favourable", favourable)):
        if value not in names and not (role == "favourable" and len(names) > 2 and value == other):
            raise CaseError(
                f"`{role}` is not a value of {where}",
                got=repr(value),
                expected=" or ".join(repr(n) for n in names[:12]) + (" ..." if len(names) > 12 else ""),
                todo=f"write it exactly as in the table; {nearest(value, names)}",
            )
    if len(names) > 2 and favourable not in (positive, other):
        raise CaseError(
            f"{where} has {len(names):,} values, and `favourable` is neither `positive` nor the rest together",
            got=f"positive = {positive!r}, favourable = {favourable!r}",
            expected=f"favourable = {positive!r} or {other!r}",
            todo=f"name {favourable!r} as `positive` where that is the good decision, or write favourable = {other!r}",
        )


def _sensitive(case: Case, column: pd.Series) -> None:
    name = str(column.name)
    edges = case.data.bins.get(name)
    if edges:
        codes, all_names = band(column, edges)
        names = tuple(all_names[c] for c in np.unique(codes[codes >= 0]))
    else:
        all_names = names = coded(column)[1]
        numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
        if numeric and len(names) > limits.MAX_NUMBERS:
            raise DataError(
                f"the sensitive column {name!r} is a quantity with {len(names):,} different values",
                got=f"numbers from {column.min():g} to {column.max():g}",
                expected=f"at most {limits.MAX_NUMBERS} values, or bins",
                todo=f"write for example bins = {{ {name} = {suggested_bins(column)} }} under [data]",
            )
    if len(names) > limits.MAX_GROUPS:
        raise DataError(
            f"the sensitive column {name!r} has {len(names):,} groups",
            got=listed(names),
            expected=f"at most {limits.MAX_GROUPS} groups, each large enough to say something about",
            todo="put values together in a coarser column (regions instead of towns), or bins for a number",
        )
    if len(names) < 2:
        missing = int(column.isna().sum())
        raise DataError(
            f"the sensitive column {name!r} has {'one group only' if names else 'no values'}",
            got=f"{listed(names)} in {len(column) - missing:,} measured rows, {missing:,} unknown",
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
        value = float(f"{float(column.quantile(share)):.2g}")
        if low < value <= high and value not in edges:
            edges.append(int(value) if value.is_integer() else value)
    return edges or [high]


def _weight(column: pd.Series, name: str, audit: Mask) -> None:
    numbers, strange = numbers_of(column)
    bad = ~np.isfinite(numbers) | (numbers < 0)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise DataError(
            f"the weight column {name!r} has values that are no weights",
            got=f"{int(bad.sum()):,} of {len(numbers):,} rows; row {first + 1} says {_shown(column.iloc[first])}",
            expected="a number of 0 or more in every row",
            todo="correct them" if strange == 0 else "correct them, or name another column as `weight`",
        )
    if numbers[audit].sum() <= 0:
        raise DataError(
            f"the weights in {name!r} are all 0",
            got="a sum of 0 over the measured rows",
            expected="a sum above 0",
            todo="check the column, or leave `weight` out",
        )


def numbers_of(column: pd.Series) -> tuple[npt.NDArray[np.float64], int]:
    """The column as floats, NaN where there is no number, and how many texts are no numbers."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers, int((np.isnan(numbers) & column.notna().to_numpy()).sum())


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
            got=f"{int(bad.sum()):,} of {len(column):,} rows; row {first + 1} says {_shown(shown)}",
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


def _decision(case: Case, frame: pd.DataFrame, audit: Mask) -> None:
    name = str(case.model.column)
    codes, names = coded(frame.loc[audit, name])
    if (codes < 0).any():
        raise DataError(
            f"the decision column {name!r} has empty values",
            got=f"{int((codes < 0).sum()):,} of {len(codes):,} measured rows without a decision",
            expected="a decision in every row",
            todo="fill them in, or leave out the rows that were never decided",
        )
    if case.data.label is not None:
        allowed = decision_names(coded(frame[case.data.label])[1], names, case.data.positive, case.data.favourable)
        strange = [n for n in names if n not in allowed]
        if strange:
            raise DataError(
                f"the decision column {name!r} has values that the label {case.data.label!r} does not have",
                got=f"{listed(strange)} in {_count(codes, names, strange):,} of {len(codes):,} measured rows",
                expected=" or ".join(repr(n) for n in allowed),
                todo="say which decision goes with which outcome; add for example this line under [model]: "
                + classes_line(case, names, allowed),
            )
        return
    if len(names) > MOST_CLASSES:
        raise DataError(
            f"the decision column {name!r} has {len(names):,} different values",
            got=listed(names),
            expected=f"two decisions, or up to {MOST_CLASSES} classes",
            todo="put values together in a new column",
        )
    if len(names) > 1:
        _sides(case, names, f"the decision column {name!r}")


def classes_line(case: Case, decided: Sequence[str], outcomes: Sequence[str]) -> str:
    """The line that says which decision goes with which outcome: good with good, where that is plain."""
    from audit.load.sign import sign_of
    from audit.load.toml import write

    good = str(case.data.favourable or case.data.positive)
    rest = [o for o in outcomes if o != good] or [good]
    sign = sign_of(str(case.model.column), decided) if len(decided) == 2 else None
    best = sign.favourable if sign is not None else None
    if sign is not None and best is None:
        best = sign.positive
    first = best if best in decided else decided[0]
    pairs = {first: good} | {d: rest[min(i, len(rest) - 1)] for i, d in enumerate(d for d in decided if d != first)}
    return f"classes = {write(pairs)}"


def _count(codes: npt.NDArray[np.int64], names: Sequence[str], some: Sequence[str]) -> int:
    return int(np.isin(codes, [i for i, n in enumerate(names) if n in some]).sum())


def _score(case: Case, column: pd.Series) -> None:
    name = str(column.name)
    numbers, strange = numbers_of(column)
    bad = ~np.isfinite(numbers)
    if bad.any():
        places = ", ".join(str(int(column.index[i]) + 1) for i in np.flatnonzero(bad)[:5])
        raise DataError(
            f"the score column {name!r} has values that are no finite numbers",
            got=f"{int(bad.sum()):,} of {len(numbers):,} measured rows, {strange:,} of them text; rows {places}",
            expected="a finite number in every row",
            todo="fill them in, or leave out the rows that were never scored",
        )
    outside = (numbers < 0) | (numbers > 1)
    if outside.any() and not case.model.threshold_given and case.data.task == "classification":
        raise DataError(
            f"the score column {name!r} has scores outside 0 to 1 and the case gives no threshold",
            got=f"{int(outside.sum()):,} of {len(numbers):,} rows, from {numbers.min():g} to {numbers.max():g}",
            expected="probabilities from 0 to 1, or a threshold",
            todo="add `threshold` under [model]: the score from which on the decision is positive",
        )


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
        f"{rows:,} measured rows are of {people:,} people (cluster {case.data.cluster!r}): intervals and tests of "
        "rates take each person with all rows as one; subgroups, like people and missing values take each row by "
        "itself."
    )


def repeats(case: Case, rows: int, people: int) -> str:
    """A note on ids that stand in several rows."""
    name = case.data.id
    return (
        f"{rows:,} measured rows have {people:,} different ids ({name!r}), and each row counts as one person. Write "
        f"cluster = {name!r} under [data] where rows of one id are of one person; until then no norm is called inside."
    )


def remarks(case: Case, frame: pd.DataFrame, audit: Mask, people: npt.NDArray[np.int64] | None = None) -> list[str]:
    """What is no fault and still worth saying. people: (n,) how many each row stands for; one where it is None."""
    notes = []
    times = np.ones(len(frame), dtype=np.int64) if people is None else people
    data = case.data
    if case.model.outcomes:
        notes.append(
            f"Nothing was decided here: the outcomes in {case.model.column!r} are compared by themselves. A selection "
            "rate is the share of people with the favourable outcome; there are no errors of a decision to count."
        )
    if case.model.origin is not None:
        notes.append(f"How {case.model.column!r} came about, as the case says: {case.model.origin}.")
    if data.label is not None:
        missing, measured = int(times[audit & frame[data.label].isna().to_numpy()].sum()), int(times[audit].sum())
        if missing:
            notes.append(f"{missing:,} of {measured:,} measured rows have no label; their outcome is unknown.")
        names = coded(frame[data.label])[1]
        if len(names) == 1:
            told = "Selection rates" if data.task == "classification" else "Predictions and how far they are off"
            notes.append(
                f"Every known outcome in {data.label!r} is {names[0]!r}. {told} can be told; what compares "
                "outcomes cannot. Check that this is the outcome column and that the rows were not filtered by it."
            )
    for attribute in data.sensitive:
        if attribute in data.bins:
            continue
        alike: dict[str, list[str]] = {}
        for name in coded(frame[attribute])[1]:
            alike.setdefault(" ".join(name.casefold().split()), []).append(name)
        notes += [
            f"Column {attribute!r}: {listed(names)} differ only in capitals or spaces and count as separate groups."
            for names in alike.values()
            if len(names) > 1
        ]
    if data.split is not None:
        other = int(times[frame[data.split].isna().to_numpy()].sum())
        if other:
            notes.append(f"{other:,} rows say nothing in the split column {data.split!r}; they take no part.")
    if data.cluster is not None and people is None:
        notes.append(belong(case, int(audit.sum()), int(frame.loc[audit, data.cluster].nunique())))
    if people is None and (again := repeated_ids(case, frame, audit)) is not None:
        notes.append(repeats(case, *again))
    for norm in case.policy.norms:
        absent = [a for a in norm.attribute if a not in data.sensitive]
        if absent:
            notes.append(
                f"The policy's norm on {norm.metric} names {listed(absent)}, which this case does not audit; "
                "it was not judged."
            )
    return notes
