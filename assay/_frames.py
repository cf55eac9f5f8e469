"""Tables as people have them in a notebook: one pandas frame, and the case that lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audit.case import COPIES
from audit.errors import CaseError, DataError, nearest
from audit.files import write_whole
from audit.load.sign import sign_of
from audit.load.toml import key, write
from audit.load.values import name_of, names_of, with_columns
from audit.numbers import many
from audit.printable import first_line


def as_pandas(data: Any) -> pd.DataFrame:
    """`data` as a pandas frame of its own, rows numbered from 0: pandas, Polars, Arrow, NumPy, or a mapping of columns.

    Raises DataError for anything else, and for a frame of no rows.
    """
    frame: pd.DataFrame
    if isinstance(data, pd.DataFrame):
        frame = data.copy(deep=False)
    elif isinstance(data, np.ndarray):
        if data.ndim != 2:
            raise _no_table(f"an array of {many(data.ndim, 'dimension')}")
        frame = pd.DataFrame(data, columns=[f"x{i}" for i in range(data.shape[1])])
    elif isinstance(data, Mapping):
        frame = pd.DataFrame({str(k): v for k, v in data.items()})
    else:
        import narwhals as nw

        try:
            native = nw.from_native(data)
            frame = (native.collect() if isinstance(native, nw.LazyFrame) else native).to_pandas()
        except (TypeError, AttributeError) as error:
            raise _no_table(type(data).__name__) from error
    if not len(frame):
        raise _no_table("a table of no rows")
    frame.columns = [str(c) for c in frame.columns]
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise DataError("the table has more than one column of the same name", got=repr(twice[0]),
                        expected="a different name for each column", todo="rename or drop one")  # fmt: skip
    return frame.reset_index(drop=True)


def _no_table(got: str) -> DataError:
    return DataError(
        "this is no table that can be audited",
        got=got,
        expected="a pandas, Polars or Arrow table, a NumPy array of two dimensions, or a mapping of columns; with rows",
        todo="make it one",
    )


def _in_another_order(one: pd.Index, other: pd.Index) -> bool:
    """Whether the two hold the same labels otherwise sorted; where they are unlike, rows are matched by their place."""
    return len(one) == len(other) and not one.equals(other) and one.sort_values().equals(other.sort_values())


class Columns:
    """A frame that roles are taken from, and columns added to where a role came as values."""

    def __init__(self, frame: pd.DataFrame, data: object = None) -> None:
        """data: the table as a person gave it."""
        self.frame = frame
        self.named = not isinstance(data, np.ndarray)
        index = getattr(data, "index", None)
        self.own = tuple(frame.columns)
        self._index = index if isinstance(index, pd.Index) else None

    def role(self, role: str, value: Any, as_name: str | None = None) -> str | None:
        """The name of the column for this role; values (n,) become a new column. Raises CaseError, DataError."""
        if value is None:
            return None
        if isinstance(value, str):
            if value not in self.frame.columns:
                raise CaseError(
                    f"the table has no column {value!r}",
                    got=f"{role} = {value!r}",
                    expected="one of its columns, or one value a row",
                    todo=nearest(value, self.frame.columns),
                )
            return value
        if isinstance(value, pd.Series) and self._index is not None and _in_another_order(value.index, self._index):
            raise DataError(
                f"{role} has the rows of the table in another order",
                got="the same index, sorted otherwise",
                expected="one value a row, in the table's order",
                todo=f"pass {role}.loc[table.index], or {role}.to_numpy() where the order is right as it is",
            )
        values = pd.Series(np.asarray(value)) if not isinstance(value, pd.Series) else value.reset_index(drop=True)
        if len(values) != len(self.frame):
            raise DataError(
                f"{role} has another length than the table",
                got=f"{many(len(values), 'value')} and {many(len(self.frame), 'row')}",
                expected="one value a row, in the table's order",
                todo="pass the values of the same rows",
            )
        name = as_name or role
        if name in self.frame.columns:
            raise CaseError(
                f"the values given for {role} need a name of their own",
                got=f"a column {name!r} that the table has already",
                expected="a table without such a column",
                todo=f"rename that column, or pass {role}={name!r} where it is the one meant",
            )
        self.frame = with_columns(self.frame, {name: values.to_numpy()})
        return name

    def sign(self, outcome: str | None, positive: object, favourable: object, *, scored: bool) -> dict[str, Any]:
        """positive and favourable for the case: as given, or certain from words. Raises CaseError where neither."""
        good = None if favourable is None else name_of(favourable)
        side = None if positive is None else name_of(positive)
        if outcome is None:
            if side is None or good is None:
                raise CaseError(
                    "a score alone does not say what it is a score of",
                    got="no positive or no favourable",
                    expected="both, in words",
                    todo='pass positive="hired", favourable="hired"',
                )
            return {"positive": side, "favourable": good}
        values = names_of(self.frame[outcome].value_counts().index[:30])
        if len(values) < 2:
            return {"positive": side or (values[0] if values else "1"), "favourable": good}
        sign = sign_of(outcome, values)
        if (good is None and side is not None and side == sign.positive) or (good is None and side is None):
            good = sign.favourable
        if good is None:
            shown = ", ".join(repr(v) for v in values[:8])
            raise CaseError(
                f"which value is good for the person cannot be read off. {sign.question or 'Which value is it?'}",
                got="no favourable",
                expected=f"one of {shown}",
                todo=f"pass favourable={values[0]!r}, or the other",
            )
        return {"positive": side or sign.positive, "favourable": good}

    def write(self, path: Path) -> None:
        """The table as Parquet, as `assay audit` reads it. Raises DataError for a column that no file can hold."""
        import pyarrow as pa

        frame = self.frame.copy(deep=False)
        frame.attrs = {}  # what a library notes about a frame need not be anything that a file can hold
        for column in (c for c in frame.columns if pd.api.types.is_object_dtype(frame[c])):
            kinds = {type(v) for v in frame[column].dropna()}
            if len(kinds) > 1:
                frame = with_columns(frame, {column: frame[column].map(name_of, na_action="ignore")})
        try:
            frame.to_parquet(path, index=False)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise DataError(
                "the table cannot be written",
                got=first_line(error),
                expected="numbers, texts, dates, true and false",
                todo="drop or convert the column",
            ) from error


def with_more(
    tables: Mapping[str, Mapping[str, Any]], more: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """The tables of a case file with further keys. Raises CaseError for one that is said already."""
    out = {title: {k: v for k, v in table.items() if v is not None} for title, table in tables.items()}
    for title, table in more.items():
        if not isinstance(table, Mapping):
            raise CaseError(
                f"case={{{title!r}: ...}} is no table",
                got=type(table).__name__,
                expected='keys and values by table, such as case={"case": {"owner": "Retail"}}',
                todo="write it as the case file has it (docs/case-file.md)",
            )
        mine = out.setdefault(title, {})
        twice = [k for k in table if k in mine and k not in _DEFAULTS]
        if twice:
            raise CaseError(
                f"{twice[0]} under [{title}] is said twice",
                got=f"as an argument and in case={{{title!r}: ...}}",
                expected="one of them",
                todo=f"take it out of case={{{title!r}: ...}}",
            )
        mine |= table
    return out


_DEFAULTS = ("name", "purpose")
"""What the facade fills in where nobody does."""


def write_case(path: Path, tables: Mapping[str, Mapping[str, Any]]) -> None:
    """The case file beside the data, which says that what it names beside it are copies."""
    blocks = [COPIES]
    for title, table in tables.items():
        try:
            lines = [f"{key(k)} = {write(v)}" for k, v in table.items()]
        except (TypeError, ValueError) as error:
            raise CaseError(
                f"what is said under [{title}] cannot be written into a case file",
                got=str(error),
                expected="texts, numbers, true or false, lists and tables of them",
                todo="give it as the case file has it (docs/case-file.md)",
            ) from error
        if lines:
            blocks.append("\n".join([f"[{title}]", *lines]))
    write_whole(path, ("\n\n".join(blocks) + "\n").encode())
