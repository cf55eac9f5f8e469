"""Contracts in and out: contract.toml, a [contract] section, or a Great Expectations suite (audit.contract.gx)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from audit.contract.functions import limits
from audit.contract.kinds import KINDS, Kind, Takes
from audit.contract.records import SEVERITIES, Check, Contract, Parameters
from audit.errors import CaseError, DataError, nearest
from audit.load.toml import Reader, parse, resolve_path, write
from audit.load.written import ContractSection
from audit.numbers import brief, many

MOST_BYTES = 20_000_000
_COMMON = ("column", "columns", "mostly", "severity", "because")
TYPES = ("number", "whole", "text", "date", "boolean")


def read_contract(path: Path) -> Contract:
    """The contract in a TOML file, or in a Great Expectations suite (.json). Raises CaseError, DataError."""
    from audit.contract import gx

    if path.suffix != ".json":
        document, content = parse(path, CaseError, "contract")
        top = Reader(document, f"the contract {path.name!r}", CaseError)
        top.allow("check", "check_version")
        return contract_of(top.tables("check"), path.name, hashlib.sha256(content).hexdigest())
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(
                f"{path.name} is too large for a suite",
                got=many(path.stat().st_size, "byte"),
                expected=f"at most {MOST_BYTES:,}",
                todo="check the path",
            )
        content = path.read_bytes()
        suite = json.loads(content)
    except OSError as error:
        raise DataError(
            f"the suite {path.name!r} cannot be read",
            got=error.strerror or str(error),
            expected="a JSON file of Great Expectations",
            todo="check the path",
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"the suite {path.name!r} is not JSON",
            got=str(error)[:200],
            expected="a Great Expectations suite",
            todo="export the suite again",
        ) from error
    return gx.read_suite(suite, path.name, hashlib.sha256(content).hexdigest())


def contract_of(entries: Sequence[Mapping[str, Any]], source: str, sha256: str = "") -> Contract:
    """Checks from TOML tables. Raises CaseError, which names the line by its number."""
    if not entries:
        raise CaseError(
            f"{source} holds no check",
            got="nothing under [[check]]",
            expected="at least one",
            todo='write for example [[check]] column = "age" between = [16, 100]',
        )
    return Contract(tuple(_check(e, n) for n, e in enumerate(entries, 1)), source, sha256)


def _check(entry: Mapping[str, Any], number: int) -> Check:
    at = Reader(entry, f"check {number}", CaseError)
    at.allow(*_COMMON, *KINDS)
    named = [k for k in entry if k in KINDS]
    if len(named) != 1:
        raise CaseError(
            f"check {number} asks for {'more than one thing' if named else 'nothing'}",
            got=" and ".join(named) or ", ".join(repr(k) for k in entry) or "no keys",
            expected="exactly one of " + ", ".join(KINDS),
            todo="write one check a table",
        )
    kind = KINDS[named[0]]
    value = entry[kind.name]
    columns = _columns(at, kind.name, kind.columns, value)
    mostly = at.number("mostly", low=0, high=1)
    severity = "error" if "severity" not in entry else at.choice("severity", SEVERITIES)
    parameters = _parameters(at, kind, value)
    if kind.takes is Takes.SHARE:
        mostly = 1 - float(at.number(kind.name, low=0, high=1) or 0)
    return Check(kind.name, columns, parameters, 1.0 if mostly is None else mostly, severity, at.text("because") or "")


def _columns(at: Reader, name: str, wanted: int, value: Any) -> tuple[str, ...]:
    if wanted == 0:
        return ()
    if wanted == -1:
        columns = at.texts("columns", required=True) or ()
        if len(columns) < 2:
            raise at.wrong("columns", "two columns or more")
        return columns
    column = str(at.text("column", required=True))
    return (column,) if wanted == 1 else (column, str(at.text(name)))


def _parameters(at: Reader, kind: Kind, value: Any) -> dict[str, Any]:
    if kind.takes in _READ:
        return _READ[kind.takes](at, kind.name, value)
    if value is not True:
        raise at.wrong(kind.name, "true")
    return {}


def _values(at: Reader, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, list) or not value or not all(isinstance(v, (str, int, float, bool)) for v in value):
        raise at.wrong(name, f"a list of values, such as {name} = ['yes', 'no']")
    return {"values": list(value)}


def _range(at: Reader, name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, list) and len(value) == 2:
        out: dict[str, Any] = {"min": value[0], "max": value[1]}
    elif isinstance(value, dict) and value and set(value) <= {"min", "max", "strict_min", "strict_max"}:
        out = dict(value)
    else:
        raise at.wrong(name, f"{name} = [least, most], or {{ min = 0 }} where there is no most")
    for key in ("min", "max"):
        if isinstance(v := out.get(key), (dt.date, dt.datetime)):
            out[key] = v.isoformat()
        elif v is not None and (isinstance(v, bool) or not isinstance(v, (int, float, str))):
            raise at.wrong(name, "numbers or dates")
    try:
        low, high = limits(Parameters.of(out))
    except (TypeError, ValueError) as error:
        raise at.wrong(name, "numbers or dates such as 2026-11-28") from error
    if not low <= high:
        raise at.wrong(name, "the least first, then the most")
    return out


def _quantiles(at: Reader, name: str, value: Any) -> dict[str, Any]:
    try:
        points = sorted((float(q), [float(a), float(b)]) for q, (a, b) in value.items())
        good = bool(points) and all(0 <= q <= 1 for q, _ in points)
    except (AttributeError, TypeError, ValueError):
        good = False
    if not good:
        raise at.wrong(name, 'limits for each, such as { "0.5" = [30, 45] }')
    return {"at": [q for q, _ in points], "limits": [p for _, p in points]}


_READ: dict[Takes, Callable[[Reader, str, Any], dict[str, Any]]] = {
    Takes.LIMITS: _range,
    Takes.VALUES: _values,
    Takes.NAMES: lambda at, name, _: {"names": list(at.texts(name) or ())},
    Takes.PATTERN: lambda at, name, _: {"pattern": str(at.text(name))},
    Takes.TYPE: lambda at, name, _: {"type": at.choice(name, TYPES)},
    Takes.QUANTILES: _quantiles,
    **dict.fromkeys((Takes.SHARE, Takes.OTHER, Takes.OTHER_LIMIT), lambda *_: {}),
}
"""What a kind takes -> its parameters from what stands behind `kind =`; true for what is not here."""


def from_case(section: ContractSection, folder: Path) -> Contract:
    """The `contract` of a case file: the name of a file, or [[contract.check]]. Raises CaseError."""
    if (section.file is not None) == bool(section.check):
        raise CaseError(
            "[contract] names both a file and checks" if section.check else "[contract] asks for nothing",
            got="file, check" if section.check else "an empty section",
            expected='file = "contract.toml", or [[contract.check]]',
            todo="keep one of the two",
        )
    if section.file is not None:
        return read_contract(resolve_path(folder, section.file))
    digest = hashlib.sha256(json.dumps(section.check, sort_keys=True, default=str).encode()).hexdigest()
    return contract_of(section.check, "the case file", digest)


def _range_written(check: Check) -> Any:
    some = {k: v for k, v in check.given.items() if v is not None}
    return list(map(some.get, ("min", "max"))) if set(some) == {"min", "max"} else some


def _quantiles_written(check: Check) -> dict[str, Any]:
    return {brief(q): list(p) for q, p in zip(check.parameters.at, check.parameters.limits, strict=True)}


_WRITTEN: dict[Takes, Callable[[Check], Any]] = {
    Takes.LIMITS: _range_written,
    Takes.VALUES: lambda check: list(check.parameters.values),
    Takes.NAMES: lambda check: list(check.parameters.names),
    Takes.PATTERN: lambda check: check.parameters.pattern,
    Takes.TYPE: lambda check: check.parameters.type,
    Takes.QUANTILES: _quantiles_written,
    Takes.SHARE: lambda check: round(1 - check.mostly, 6),
    **dict.fromkeys((Takes.OTHER, Takes.OTHER_LIMIT), lambda check: check.columns[1]),
}
"""What a kind takes -> what stands after `kind =` in TOML; true for what is not here."""


def to_table(check: Check) -> dict[str, Any]:
    """One check as TOML has it."""
    kind = KINDS[check.kind]
    several = kind.columns == -1
    entries = {
        "columns": list(check.columns) if several else None,
        "column": check.columns[0] if check.columns and not several else None,
        check.kind: _WRITTEN[kind.takes](check) if kind.takes in _WRITTEN else True,
        "mostly": check.mostly if check.mostly < 1 and kind.takes is not Takes.SHARE else None,
        "severity": check.severity if check.severity != "error" else None,
        "because": check.reason or None,
    }
    return {key: value for key, value in entries.items() if value is not None}


def dump(contract: Contract, head: Sequence[str] = ()) -> str:
    """contract.toml; `head` stands above it as comments."""
    blocks = ["\n".join(f"# {line}" for line in head)] if head else []
    for check in contract.checks:
        lines = [f"{k} = {write(v)}" for k, v in to_table(check).items()]
        blocks.append("\n".join(["[[check]]", *lines]))
    return "\n\n".join(blocks) + "\n"


__all__ = ["contract_of", "dump", "from_case", "nearest", "read_contract", "to_table"]
