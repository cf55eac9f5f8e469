"""A TOML table as the record that declares it: types, ranges and choices stand there once, as msgspec reads them.

What is wrong is said by the Reader in its own words; what it lets through has to be of the declared type. A type says
more of itself in the `extra` of its msgspec.Meta: `expected`, what to write in place of what is wrong; `read`, a
function (reader, key) that raises what is wrong in other words; `where`, what an inner table is called ({key}, and {n}
in a list); `says`, a function (reader, key) that makes the refusal of what is no table.
"""

from __future__ import annotations

import functools
import math
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from audit.load.toml import Reader


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a file that a person writes."""


T = TypeVar("T", bound=Section)


def finite_number(low: float | None = None, high: float | None = None, *, strictly: str = "") -> Meta:
    """A finite number from low to high; strictly between them where `strictly` says so in words."""
    least, most = -math.inf if low is None else low, math.inf if high is None else high

    def read(at: Reader, key: str) -> None:
        value = at.number(key, low=least, high=most)
        if strictly and value in (low, high):
            raise at.wrong(key, strictly)

    if strictly:
        return Meta(gt=low, lt=high, extra={"read": read})
    return Meta(ge=low, le=high, extra={"read": read})


def choice(names: Callable[[], Iterable[str]]) -> Meta:
    """One of the names, which are those of a table as it is when a file is read."""
    return Meta(extra_json_schema={"enum": list(names())}, extra={"read": lambda at, key: at.choice(key, names())})


Text = Annotated[str, Meta(pattern=r"\S", extra={"read": Reader.text})]
Names = Annotated[
    tuple[Annotated[str, Meta(min_length=1)], ...],
    Meta(extra_json_schema={"uniqueItems": True}, extra={"read": Reader.texts}),
]
Value = Annotated[Any, Meta(extra_json_schema={"type": ["string", "number", "boolean"]}, extra={"read": Reader.value})]
"""A value of a column: text, a number, true or false, or a day; `audit.load.values.name_of` names it."""
Number = Annotated[float, finite_number()]
Share = Annotated[float, finite_number(0, 1)]
Count = Annotated[int, Meta(ge=1, extra={"expected": "a whole number from 1 on"})]
Flag = Annotated[bool, Meta(extra={"expected": "true or false"})]


def read(at: Reader, record: type[T]) -> T:
    """The table as `record`. Raises the error of the reader: one message, with what was got, what
    is expected and what to do, for an unknown key, a missing one, or a value that is not of the declared type."""
    fields = _fields(record)
    at.allow(*fields)
    values = {}
    for key, (hint, required) in fields.items():
        if key in at.table:
            values[key] = _taken(at, key, hint)
        elif required:
            raise at.missing(key)
    return record(**values)


@functools.cache
def _fields(record: type[Section]) -> dict[str, tuple[Any, bool]]:
    """Key -> (type, whether it has to be there), in the order of the record."""
    hints = get_type_hints(record, include_extras=True)
    return {f.name: (hints[f.name], f.required) for f in msgspec.structs.fields(record)}


def _taken(at: Reader, key: str, hint: Any) -> Any:
    """The value of a key: a section, or text in its place where the type takes both; tables by name or in a list; or
    one value."""
    kinds, extra = _apart(hint)
    value, kind = at.table[key], kinds[0]
    section = next((k for k in kinds if _is_section(k)), None)
    if section is not None and isinstance(value, str) and len(kinds) > 1:
        return _taken(at, key, next(k for k in kinds if k is not section))
    if section is not None:
        if not isinstance(value, dict) and (says := extra.get("says")) is not None:
            raise says(at, key)
        return read(_inner(at, key, at.section(key), extra, f"[{key}]"), section)
    if get_origin(kind) is dict and (item := get_args(kind)[1]) is not Any:
        inner = _inner(at, key, at.section(key), extra, key)
        return {name: _taken(inner, name, item) for name in inner.table}
    if get_origin(kind) is tuple and _is_section(item := get_args(kind)[0]):
        return tuple(read(_inner(at, key, t, extra, key, n), item) for n, t in enumerate(at.tables(key), 1))
    return _leaf(at, key, hint, kind, extra)


def _is_section(kind: Any) -> bool:
    return get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, Section)


def _inner(at: Reader, key: str, table: Mapping[str, Any], extra: Mapping[str, Any], usual: str, n: int = 0) -> Reader:
    named = extra.get("where")
    where = usual if named is None else named.format(key=key, n=n)
    return Reader(table, where, at.error)


def _leaf(at: Reader, key: str, hint: Any, kind: Any, extra: Mapping[str, Any]) -> Any:
    if (reader := extra.get("read")) is not None:
        reader(at, key)
    elif get_origin(kind) is Literal and "expected" not in extra:
        at.choice(key, get_args(kind))
    elif get_origin(kind) is dict:
        at.section(key)
    try:
        return msgspec.convert(at.table[key], hint)
    except msgspec.ValidationError as problem:
        raise at.wrong(key, str(extra.get("expected", problem))) from problem


def _apart(hint: Any) -> tuple[list[Any], dict[str, Any]]:
    """The kinds of value that a type takes, None left out, and what its Meta say."""
    extra: dict[str, Any] = {}
    while True:
        if get_origin(hint) is Annotated:
            hint, *metas = get_args(hint)
            own: dict[str, Any] = {}
            for meta in metas:
                own |= meta.extra or {}
            extra = own | extra  # what stands outside says it better
        elif get_origin(hint) in (Union, types.UnionType):
            kinds = [k for k in get_args(hint) if k is not type(None)]
            if len(kinds) > 1:
                return kinds, extra
            hint = kinds[0]
        else:
            return [hint], extra


__all__ = [
    "Count", "Flag", "Names", "Number", "Section", "Share", "Text", "Value", "choice", "finite_number", "read",
]  # fmt: skip
