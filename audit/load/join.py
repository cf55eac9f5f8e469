"""Sensitive columns from a side table, joined by id."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pandas as pd

from audit.case import Case
from audit.errors import CaseError, DataError, nearest
from audit.load.groups import named_columns
from audit.load.tables import read_noted
from audit.load.values import coded, names_of, with_columns
from audit.numbers import are, many


def join_sensitive(case: Case, frame: pd.DataFrame, side: tuple[str, ...]) -> tuple[pd.DataFrame, list[str]]:
    """`frame` with the sensitive columns of the side table, its rows in their order; and notes on what did not match.

    An id that stands in the side table more than once with different values is unknown, as is one that it lacks.
    Raises CaseError where a column is in both tables, DataError where no id matches.
    """
    data = case.data
    key = str(data.id)
    assert data.sensitive_path is not None
    name = data.sensitive_path.name
    if key not in side:
        raise CaseError(
            f"the side table {name!r} has no column {key!r}",
            got=", ".join(repr(c) for c in side[:8]),
            expected=f"the column {key!r} that both tables have (`id`)",
            todo=nearest(key, side),
        )
    both = [c for c in data.sensitive if c in side and c in frame.columns]
    if both:
        raise CaseError(
            f"the sensitive column {both[0]!r} is in the table and in the side table",
            got=f"{both[0]!r} twice",
            expected="each sensitive column in one place",
            todo=f"remove it from {name} or from {data.path.name}",
        )
    wanted = [c for c in data.sensitive if c in side]
    if not wanted:
        raise CaseError(
            f"the side table {name!r} holds none of the sensitive columns",
            got=", ".join(repr(c) for c in side[:8]),
            expected="one of " + ", ".join(repr(c) for c in data.sensitive),
            todo="name its columns in `sensitive`, or remove `sensitive_path`",
        )
    table = read_noted(data.sensitive_path, [key, *wanted], named=tuple(named_columns(case, ())))
    keys, theirs, remarks = _alike(frame[key], table.frame[key], data.path.name, name)
    people = with_columns(table.frame, {key: theirs})
    notes = [*table.notes, *remarks]
    nameless = int(people[key].isna().sum())
    people = people[people[key].notna()].drop_duplicates(ignore_index=True)
    again = people[key].duplicated(keep=False)
    if again.any():
        count = people.loc[again, key].nunique()
        notes.append(
            f"{name}: {many(count, 'id')} {are(count, 'stands', 'stand')} there with different values; "
            f"{are(count, 'its group is', 'their groups are')} unknown."
        )
    if nameless:
        notes.append(
            f"{name}: {many(nameless, 'row')} {are(nameless, 'has no id and was', 'have no id and were')} not used."
        )
    people = people[~again].set_index(key)
    place = pd.Index(people.index).get_indexer(pd.Index(keys))
    matched = (place >= 0) & keys.notna().to_numpy()
    if not matched.any():
        raise DataError(
            f"no id of {data.path.name!r} is in the side table {name!r}",
            got=f"{key} such as {_some(keys)}",
            expected=f"{key} such as {_some(people.index.to_series())}",
            todo="write the ids alike in both tables",
        )
    if not matched.all():
        notes.append(
            f"{int((~matched).sum()):,} of {many(len(frame), 'row')} {are(int((~matched).sum()), 'has', 'have')} no "
            f"match in {name}; {are(int((~matched).sum()), 'its group is', 'their groups are')} unknown."
        )
    unused = len(people) - len(np.unique(place[matched]))
    if unused:
        notes.append(
            f"{name}: {many(unused, 'id')} {are(unused)} not in the data and {are(unused, 'was', 'were')} not used."
        )
    joined = people.iloc[np.where(matched, place, 0)].reset_index(drop=True)
    added = {c: joined[c].where(matched) for c in wanted}
    return with_columns(frame, added), notes


def _keys(column: pd.Series) -> pd.Series:
    """Ids as names, so that 7, 7.0 and "7" are one."""
    codes, names = coded(column)
    table = np.array([*names, None], dtype=object)
    return pd.Series(table[codes], index=column.index, dtype="str")


def _alike(ours: pd.Series, theirs: pd.Series, here: str, there: str) -> tuple[pd.Series, pd.Series, list[str]]:
    """The ids of both tables as names. Where one holds numbers, 0007 in the other is 7, unless that has 7 as well."""
    numeric = [pd.api.types.is_numeric_dtype(c) and not pd.api.types.is_bool_dtype(c) for c in (ours, theirs)]
    keys = [_keys(ours), _keys(theirs)]
    if numeric[0] == numeric[1]:
        return keys[0], keys[1], []
    text = numeric.index(False)
    plain = _without_zeros(keys[text])
    if plain.equals(keys[text]):
        return keys[0], keys[1], []
    file, other = (here, there) if text == 0 else (there, here)
    keys[text] = plain
    note = f"{other} holds numbers in {str(ours.name)!r}: zeros in front in {file} (007) were not kept to match them."
    return keys[0], keys[1], [note]


def _without_zeros(names: pd.Series) -> pd.Series:
    """Numbers without zeros in front; two names that would become one stay as they are written."""
    known = names.dropna().unique()
    short = {n: re.sub(r"^0+(?=\d)", "", n) for n in known}
    times = Counter(short.values())
    short = {n: s for n, s in short.items() if n != s and s.isdigit() and times[s] == 1}
    return names.map(lambda n: short.get(n, n), na_action="ignore").astype("str")


def _some(column: pd.Series) -> str:
    return ", ".join(repr(v) for v in names_of(column.dropna().unique()[:3])) or "nothing"
