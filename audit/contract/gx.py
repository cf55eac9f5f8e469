"""Great Expectations' files: suites of both dialects are read, validation results are written. The library is not used.

1.x: {"name", "expectations": [{"type", "kwargs", "severity"}]}; 0.x: {"expectation_suite_name", "expectations":
[{"expectation_type", "kwargs"}]}. A line with a `row_condition` is a program (a query of pandas or SQL) and is refused
by name; so is any kind that is not in audit.contract.kinds. Results never hold values of people (no
partial_unexpected_list).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from audit.contract.functions import limits
from audit.contract.kinds import KINDS, Takes
from audit.contract.records import Check, Checked, Contract, Outcome, Parameters
from audit.errors import DataError

_NUMBER = {"int", "int64", "int32", "integer", "float", "float64", "float32", "double", "numeric", "number", "bigint"}
_TYPES = {
    **dict.fromkeys(_NUMBER, "number"),
    **dict.fromkeys(("str", "string", "object", "text", "varchar"), "text"),
    **dict.fromkeys(("bool", "boolean"), "boolean"),
    **dict.fromkeys(("datetime", "datetime64", "datetime64[ns]", "timestamp", "date"), "date"),
}
_WHOLE = {"int", "int64", "int32", "integer", "bigint"}
_IGNORED = {
    "column",
    "column_list",
    "column_A",
    "column_B",
    "mostly",
    "result_format",
    "include_config",
    "catch_exceptions",
    "meta",
    "batch_id",
    "severity",
    "condition_parser",
    "parse_strings_as_datetimes",
    "ties_okay",
    "id",
    "notes",
    "description",
}


def _by_name() -> dict[str, str]:
    """Name of an expectation -> kind of check."""
    return {name: kind.name for kind in KINDS.values() for name in kind.expectations}


class _Unknown(Exception):
    """A line that is not understood; its name."""


def read_suite(suite: Any, source: str, sha256: str = "") -> Contract:
    """The checks of a suite; lines that are not understood are counted by name.

    Raises DataError where it is no suite, or where nothing in it is understood.
    """
    lines = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(lines, list) or not all(isinstance(e, dict) for e in lines):
        raise DataError(
            f"{source} is no suite of Great Expectations",
            got=f"the keys {', '.join(map(str, suite))[:120]}" if isinstance(suite, dict) else type(suite).__name__,
            expected='"expectations": a list',
            todo="export the suite as JSON",
        )
    checks, unknown = [], Counter[str]()
    for line in lines:
        name = str(line.get("type") or line.get("expectation_type") or "a line without a type")
        kwargs = line.get("kwargs")
        try:
            checks.append(
                _line(name, kwargs if isinstance(kwargs, dict) else {}, str(line.get("severity", "critical")))
            )
        except _Unknown as why:
            unknown[str(why)] += 1
        except (KeyError, TypeError, ValueError):
            unknown[f"{name} (with parameters that are not understood)"] += 1
    if not checks:
        raise DataError(
            f"nothing in the suite {source} is understood",
            got=", ".join(f"{k} ({v})" for k, v in unknown.items())[:400] or "no expectation",
            expected="at least one of " + ", ".join(sorted(_by_name())),
            todo="write the checks in contract.toml",
        )
    return Contract(tuple(checks), source, sha256, dict(sorted(unknown.items())))


def _line(name: str, kwargs: Mapping[str, Any], severity: str) -> Check:
    kind = _by_name().get(name)
    if kind is None:
        raise _Unknown(name)
    if kwargs.get("row_condition") is not None:
        raise _Unknown(f"{name} with row_condition")
    columns, more = _parameters(kind, name, kwargs)
    used = {k for k in kwargs if kwargs[k] is not None} - _IGNORED - _KNOWN[KINDS[kind].takes]
    if used:
        raise _Unknown(f"{name} with {', '.join(sorted(used))}")
    mostly = kwargs.get("mostly")
    share = 1.0 if mostly is None else float(mostly)
    if not 0 <= share <= 1:
        raise ValueError
    return Check(kind, columns, more, share, "warning" if severity in ("warning", "info") else "error", "")


_LIMITS = frozenset({"min_value", "max_value", "strict_min", "strict_max"})
_KNOWN: dict[Takes, frozenset[str]] = {
    Takes.LIMITS: _LIMITS | {"value"},
    Takes.VALUES: frozenset({"value_set"}),
    Takes.PATTERN: frozenset({"regex"}),
    Takes.TYPE: frozenset({"type_", "type_list"}),
    Takes.NAMES: frozenset({"column_set", "column_list", "exact_match"}),
    Takes.QUANTILES: frozenset({"quantile_ranges"}),
    Takes.OTHER_LIMIT: frozenset({"or_equal"}),
    Takes.ORDER: frozenset({"strictly"}),
    **dict.fromkeys((Takes.SHARE, Takes.OTHER, Takes.NOTHING), frozenset()),
}


def _parameters(kind: str, name: str, kwargs: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """(columns, parameters) of a line. Raises KeyError, TypeError, ValueError where they are not understood."""
    read = _PARAMETERS.get(KINDS[kind].takes)
    return _columns(kind, kwargs), {} if read is None else read(name, kwargs)


def _columns(kind: str, kwargs: Mapping[str, Any]) -> tuple[str, ...]:
    wanted = KINDS[kind].columns
    if wanted == 2:
        return str(kwargs["column_A"]), str(kwargs["column_B"])
    if wanted == -1:
        return tuple(str(c) for c in kwargs["column_list"])
    return (str(kwargs["column"]),) if wanted else ()


def _values(_: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(kwargs["value_set"], list) or not kwargs["value_set"]:
        raise ValueError
    return {"values": list(kwargs["value_set"])}


def _table_columns(name: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if name.endswith("ordered_list"):
        return {"names": [str(c) for c in kwargs["column_list"]], "in_order": True}
    return {"names": [str(c) for c in kwargs["column_set"]], "exact": kwargs.get("exact_match", True) is not False}


def _quantiles(_: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    ranges = kwargs["quantile_ranges"]
    pairs = [[_end(a), _end(b)] for a, b in ranges["value_ranges"]]
    return {"at": [float(q) for q in ranges["quantiles"]], "limits": pairs}


def _pattern(_: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {"pattern": str(kwargs["regex"])}


_PARAMETERS: dict[Takes, Callable[[str, Mapping[str, Any]], dict[str, Any]]] = {
    Takes.LIMITS: lambda name, kwargs: _least_and_most(name, kwargs),
    Takes.VALUES: _values,
    Takes.PATTERN: _pattern,
    Takes.TYPE: lambda _, kwargs: {"type": _type(kwargs.get("type_list") or [kwargs["type_"]])},
    Takes.NAMES: _table_columns,
    Takes.OTHER_LIMIT: lambda _, kwargs: {"or_equal": kwargs.get("or_equal") is True},
    Takes.ORDER: lambda _, kwargs: {"strictly": kwargs.get("strictly") is True},
    Takes.QUANTILES: _quantiles,
}
"""What a kind takes -> (name of the expectation, its parameters) -> ours."""


def _least_and_most(name: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    if name.endswith("_to_equal"):
        return {"min": kwargs["value"], "max": kwargs["value"]}
    strict = {k: kwargs[k] for k in ("strict_min", "strict_max") if kwargs.get(k)}
    out = {"min": kwargs.get("min_value"), "max": kwargs.get("max_value"), **strict}
    limits(Parameters.of(out))
    return out


def _end(value: Any) -> float | None:
    return None if value is None else float(value)


def _type(names: list[Any]) -> str:
    types = {_TYPES.get(str(n).lower()) for n in names}
    if None in types or len(types) != 1:
        raise _Unknown(f"expect_column_values_to_be_of_type {', '.join(map(str, names))[:60]}")
    if all(str(n).lower() in _WHOLE for n in names):
        return "whole"
    return str(types.pop())


# -- out ------------------------------------------------------------------------------------------------------------


BEGINS = b'{\n "success"'
"""How a validation result begins as it is written here: over no other file one is written."""


def validation(checked: Checked) -> dict[str, Any]:
    """A validation result in the form of Great Expectations 1.x, without any person's value."""
    results = [_result(o) for o in checked.outcomes]
    good = sum(r["success"] for r in results)
    return {
        "success": good == len(results),
        "results": results,
        "suite_name": checked.contract.source,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": good,
            "unsuccessful_expectations": len(results) - good,
            "success_percent": 100.0 * good / len(results) if results else None,
        },
        "meta": {"not_understood": dict(checked.contract.not_understood), "by": "assay"},
    }


def _result(outcome: Outcome) -> dict[str, Any]:
    asked = outcome.check
    kind = KINDS[asked.kind]
    if kind.figure is not None:
        result: dict[str, Any] = {"observed_value": outcome.value}
    else:
        result = {
            "element_count": outcome.rows,
            "unexpected_count": outcome.failed,
            "unexpected_percent": None if outcome.share is None else 100 * outcome.share,
            **(
                {}
                if kind.gaps
                else {"unexpected_percent_nonmissing": None if outcome.share is None else 100 * outcome.share}
            ),
        }
    config = {
        "type": kind.expectations[0],
        "kwargs": {
            **_names(asked, kind.columns),
            **({"mostly": asked.mostly} if asked.mostly < 1 else {}),
        },
        "severity": "critical" if asked.severity == "error" else "warning",
        "meta": {"asked": {k: v for k, v in asked.given.items() if k != "values"}},
    }
    failure = {"raised_exception": outcome.reason is not None, "exception_message": outcome.reason}
    return {
        "success": outcome.passed,
        "expectation_config": config,
        "result": result,
        "exception_info": failure,
        "meta": {},
    }


def _names(asked: Check, wanted: int) -> dict[str, Any]:
    if wanted == 2:
        return {"column_A": asked.columns[0], "column_B": asked.columns[1]}
    if wanted == -1:
        return {"column_list": list(asked.columns)}
    return {"column": asked.columns[0]} if asked.columns else {}
