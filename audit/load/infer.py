"""Types of columns of text: whole numbers, numbers, true/false, else text. Decided on whole columns, never on a sample.

An empty value is missing. In a column of numbers, or of true and false, so are NA, NaN, null, ? and their like, which
is said; in a column of text they are values: "NA" may be Namibia.

007 and 7 are one number and two names: in a column that names groups or people, numbers of which some have zeros in
front stay as they are written.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from audit.load.columnar import of_text
from audit.numbers import are, many

MARKERS = (
    "NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "NAN", "<NA>", "NaT", "null", "NULL", "Null", "None", "none", "?",
    "-", "--", ".",
)  # fmt: skip

MISSING_ELSEWHERE = ("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "<NA>", "null", "NULL", "None")
"""Those of them that pandas takes for missing in a column of text too, and of which R writes the first."""

_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"
_COMMA = r"^\s*[+-]?\d+(,\d+)?\s*$"
_HEX = r"^\s*[+-]?0[xX]"
_PADDED = r"^\s*[+-]?0\d"
_LONG = r"^\s*[+-]?\d{17,}\s*$"
_TRUE = frozenset({"True", "true", "TRUE"})
_FALSE = frozenset({"False", "false", "FALSE"})


def infer(table: pa.Table, delimiter: str, named: Container[str] = ()) -> tuple[pa.Table, tuple[str, ...]]:
    """`table` of texts with typed columns, and notes. named: the columns whose values are names."""
    notes: list[str] = []
    columns = [_typed(name, table.column(name), delimiter, notes, name in named) for name in table.column_names]
    return of_text(columns, table.column_names), tuple(notes)


def _typed(name: str, column: pa.ChunkedArray, delimiter: str, notes: list[str], named: bool) -> pa.ChunkedArray:
    if not pa.types.is_string(column.type):
        return column
    if column.null_count == len(column):
        return column.cast(pa.float64())
    head = column.slice(0, 2000).drop_null()
    values = set(head.unique().to_pylist()) - set(MARKERS) if len(head) else set()
    if values and not any(_looks_numeric(v) for v in values):
        return _true_false(name, column, notes) if values <= _TRUE | _FALSE else column
    if pc.any(pc.match_substring_regex(column, _HEX)).as_py():
        return column  # 0x1F is a name
    plain = _cast_numbers(column)
    if plain is None or not pa.types.is_integer(plain.type):
        plain = _marked_numbers(name, column, delimiter, notes)
    return _padded(name, column, plain, notes, named)


def _padded(
    name: str, column: pa.ChunkedArray, numbers: pa.ChunkedArray, notes: list[str], named: bool
) -> pa.ChunkedArray:
    """The numbers that were found in a column, or, where zeros in front may name something, what is written there."""
    if pa.types.is_string(numbers.type) or not pc.any(pc.match_substring_regex(column, _PADDED)).as_py():
        return numbers
    if named:
        notes.append(f"Column {name!r} is read as text: some of its numbers have zeros in front (as in 007).")
        return pc.if_else(pc.is_valid(numbers), pc.utf8_trim_whitespace(column), pa.scalar(None, pa.string()))
    kind = "whole numbers" if pa.types.is_integer(numbers.type) else "numbers"
    notes.append(f"Column {name!r} is read as {kind}; zeros in front (as in 007) are not kept.")
    return numbers


def _marked_numbers(name: str, column: pa.ChunkedArray, delimiter: str, notes: list[str]) -> pa.ChunkedArray:
    """Numbers with markers for what is missing, or the column as it is."""
    values = _unmarked(column)
    if values.null_count == len(values):
        return column
    numbers = _cast_numbers(values)
    if numbers is None and delimiter != ",":
        numbers = _decimal_comma(name, values, notes)
    if numbers is None:
        _note_of_text(name, values, notes)
        return column
    if marked := _listed(column, MARKERS):
        notes.append(f"Column {name!r} holds numbers; {marked} read as missing.")
    return numbers


def _unmarked(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.is_in(column, value_set=pa.array(MARKERS)), pa.scalar(None, pa.string()), column)


def _listed(column: pa.ChunkedArray, words: Sequence[str]) -> str:
    """How many values are one of these words, and which, with the verb; "" where none is."""
    hit = pc.is_in(column, value_set=pa.array(words))
    count = pc.sum(hit).as_py() or 0
    shown = ", ".join(repr(v) for v in column.filter(hit).unique().slice(0, 3).to_pylist())
    return f"{many(count, 'value')} ({shown}) {are(count)}" if count else ""


def _note_of_text(name: str, values: pa.ChunkedArray, notes: list[str]) -> None:
    """Where half or more of a column that stays text are numbers, the values that are none are said."""
    present = len(values) - values.null_count
    good = pc.sum(pc.match_substring_regex(values, _NUMBER)).as_py() or 0
    if good >= 0.5 * present and not _all(values, _NUMBER):
        wrong = values.filter(pc.invert(pc.fill_null(pc.match_substring_regex(values, _NUMBER), True)))
        shown = ", ".join(repr(v) for v in wrong.unique().slice(0, 3).to_pylist())
        notes.append(
            f"Column {name!r} is read as text: {present - good:,} of {many(present, 'value')} "
            f"{are(present - good, 'is no number', 'are not numbers')}, such as {shown}."
        )


def _looks_numeric(value: str) -> bool:
    return any(c.isdigit() for c in value) or value.strip().lower().lstrip("+-") in ("inf", "infinity")


def _true_false(name: str, column: pa.ChunkedArray, notes: list[str]) -> pa.ChunkedArray:
    values = _unmarked(column)
    if not set(values.drop_null().unique().to_pylist()) <= _TRUE | _FALSE:
        return column
    if marked := _listed(column, MARKERS):
        notes.append(f"Column {name!r} holds true and false; {marked} read as missing.")
    true = pc.is_in(values, value_set=pa.array(sorted(_TRUE)))
    return pc.if_else(pc.is_valid(values), true, pa.scalar(None, pa.bool_()))


def _cast_numbers(values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    trimmed = pc.utf8_trim_whitespace(values)
    try:
        return trimmed.cast(pa.int64())
    except pa.ArrowInvalid:
        pass
    try:
        out = trimmed.cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    # More digits than a floating-point number keeps: a name, not a quantity.
    return None if pc.any(pc.match_substring_regex(values, _LONG)).as_py() else out


def _all(values: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(values, pattern)).as_py())


def _decimal_comma(name: str, values: pa.ChunkedArray, notes: list[str]) -> pa.ChunkedArray | None:
    """3,5 is 3.5. Where every comma stands before three digits it may be thousands: left as text, and said."""
    if not _all(values, _COMMA):
        return None
    if not pc.any(pc.match_substring_regex(values, r",(\d{1,2}|\d{4,})\s*$")).as_py():
        notes.append(
            f"Column {name!r} is read as text: its commas may mean thousands or decimals. "
            "Write the numbers with a point."
        )
        return None
    notes.append(f"Column {name!r} is written with decimal commas and was read as numbers.")
    return pc.replace_substring(pc.utf8_trim_whitespace(values), ",", ".", max_replacements=1).cast(pa.float64())
