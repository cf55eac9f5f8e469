"""A contract held against a table: every failure at once, and by group.

    check(frame, contract, groups)        pure: no file is read, nothing is changed

The share that fails is told for each group with its interval, and the widest difference between two groups with these
two's own interval and p-value (audit.stats.pairs), adjusted by Holm (1979) over all checks and attributes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from audit import stats
from audit.contract.functions import Cannot, CodedTable, within
from audit.contract.kinds import KINDS, Takes
from audit.contract.records import Apart, Check, Checked, Contract, Outcome, Parameters, Share
from audit.findings import percent
from audit.gaps import Settings, seed_of
from audit.numbers import are, brief, many
from audit.quality.codes import Group
from audit.stats.pairs import named_rates
from audit.values import UNKNOWN, to_json

METHOD = "highest - lowest; Newcombe interval of these two, for all pairs at once; exact mid-p times the pairs"


def check(
    frame: pd.DataFrame,
    contract: Contract,
    groups: Sequence[Group] = (),
    settings: Settings | None = None,
    *,
    compare: bool = True,
    columns: Sequence[str] | None = None,
) -> Checked:
    """Every check of `contract` on `frame` (n rows). groups: codes (n,) of each row's true group, by attribute.

    columns: of the file, where `frame` holds some of them only. compare: whether differences between groups are tested
    (a batch of a watched feed does without). Raises nothing about the data: what cannot be checked has not passed, and
    says why.
    """
    table = CodedTable(frame, columns)
    how = settings or Settings()
    outcomes = [one(table, c, groups, how, compare) for c in contract.checks]
    return Checked(contract, len(frame), tuple(adjusted(outcomes)))


def one(table: CodedTable, asked: Check, groups: Sequence[Group], settings: Settings, compare: bool) -> Outcome:
    kind = KINDS[asked.kind]
    try:
        if kind.figure is not None:
            return figure_outcome(asked, kind.figure(table, asked.columns, asked.parameters), len(table))
        assert kind.rows is not None
        looked, fails = kind.rows(table, asked.columns, asked.parameters)
    except Cannot as why:
        return Outcome(asked, False, 0, 0, None, reason=str(why))
    except (TypeError, ValueError, OverflowError) as error:
        message = str(error)[:120] or type(error).__name__
        return Outcome(asked, False, 0, 0, None, reason=f"the values cannot be compared ({message})")
    return of_rows(asked, looked, fails, table.counts, groups, settings, compare)


def of_rows(
    asked: Check, looked: Any, fails: Any, counts: Any, groups: Sequence[Group], settings: Settings, compare: bool
) -> Outcome:
    """looked, fails (n,): which rows are looked at, and fail; counts (n,): how many each stands for, None: one."""
    rows, failed = (int(which.sum() if counts is None else counts[which].sum()) for which in (looked, fails))
    shares = tuple(s for g in groups for s in _shares(g, looked, fails, counts))
    apart = tuple(a for g in groups if (a := _apart(asked, g, shares, settings))) if failed and compare else ()
    # A share of exactly the limit passes; floating point must not decide.
    passed = rows == 0 or failed <= (1 - asked.mostly) * rows + 1e-9
    return Outcome(asked, passed, rows, failed, *_share(failed, rows), by_group=shares, apart=apart)


def figure_outcome(asked: Check, value: Any, rows: int) -> Outcome:
    if value is None:
        return Outcome(asked, False, rows, 0, None, reason="there are too few values to measure it")
    if isinstance(value, bool):
        good = value
    elif isinstance(value, list):
        good = all(
            bool(within(v, Parameters(low, high)))
            for v, (low, high) in zip(value, asked.parameters.limits, strict=True)
        )
    else:
        good = bool(within(value, asked.parameters))
    return Outcome(asked, good, rows, 0, None, value=value)


def _share(failed: int, rows: int) -> tuple[float | None, float | None, float | None]:
    if rows == 0:
        return None, None, None
    low, high = stats.wilson(failed, rows)
    return failed / rows, float(low), float(high)


def _shares(group: Group, looked: Any, fails: Any, counts: Any) -> list[Share]:
    size = len(group.levels)
    rows, failed = (
        np.bincount(group.codes[which], None if counts is None else counts[which], minlength=size)
        .astype(np.int64)
        .tolist()
        for which in (looked, fails)
    )
    return [
        Share(group.attribute, name, n, x, *_share(x, n))
        for name, n, x in zip(group.levels, rows, failed, strict=True)
        if n
    ]


def _apart(asked: Check, group: Group, shares: Sequence[Share], settings: Settings) -> Apart | None:
    mine = [s for s in shares if s.attribute == group.attribute and s.group != UNKNOWN and s.rows >= settings.floor]
    if len(mine) < 2:
        return None
    result = stats.largest_gap(
        [([s.failed for s in mine], [s.rows for s in mine])],
        seed=seed_of(settings, "contract", asked.kind, asked.columns, group.attribute),
        draws=settings.draws,
        alpha=settings.alpha,
    )
    if result.value is None or result.low is None or result.high is None:
        return None
    assert result.highest is not None
    assert result.lowest is not None
    # Of the two groups named: their interval holds for all pairs, their p-value pays for them.
    low, high, p_value = named_rates(
        [s.failed for s in mine], [s.rows for s in mine], result.highest, result.lowest,
        seed=seed_of(settings, "contract", asked.kind, asked.columns, group.attribute), draws=settings.draws,
        alpha=settings.alpha,
    )  # fmt: skip
    return Apart(
        group.attribute,
        mine[result.highest].group,
        mine[result.lowest].group,
        result.value,
        low,
        high,
        p_value,
        None,
        METHOD,
    )


def adjusted(outcomes: Sequence[Outcome]) -> list[Outcome]:
    p = [np.nan if a.p_value is None else a.p_value for o in outcomes for a in o.apart]
    p_values = iter(stats.holm(p).tolist() if p else [])
    return [
        replace(o, apart=tuple(replace(a, p_adjusted=None if (q := next(p_values)) != q else q) for a in o.apart))
        for o in outcomes
    ]


# -- words ----------------------------------------------------------------------------------------------------------


def words_of(asked: Check) -> str:
    """What is asked, as a clause: "'age' lies from 16 to 100"."""
    columns = " and ".join(repr(c) for c in asked.columns)
    if KINDS[asked.kind].columns == 2:
        columns = repr(asked.columns[0])
    return KINDS[asked.kind].words.format(
        column=columns,
        other=repr(asked.columns[-1]) if asked.columns else "",
        value=asked.parameters.type or _range(asked.parameters),
        values=many(len(asked.parameters.values), "value"),
    )


def _range(parameters: Parameters) -> str:
    low, high = parameters.min, parameters.max
    if low is None and high is None:
        return "anywhere"
    if low is None:
        return f"at most {high}"
    if high is None:
        return f"at least {low}"
    return f"from {low} to {high}" if low != high else f"at {low}"


def sentence(outcome: Outcome) -> str:
    """What became of one check, by group where groups differ by more than chance."""
    asked = outcome.check
    if outcome.reason is not None:
        return f"Not kept: {words_of(asked)}; {outcome.reason}."
    if outcome.share is None:
        if outcome.value is None:
            return f"Kept: {words_of(asked)}; no row has a value."
        shown = "" if isinstance(outcome.value, bool) else f"; it is {_shown(outcome.value)}"
        return f"{'Kept' if outcome.passed else 'Not kept'}: {words_of(asked)}{shown}."
    allowed = f", {percent(1 - asked.mostly)} allowed" if asked.mostly < 1 else ""
    what = "missing" if KINDS[asked.kind].takes is Takes.SHARE else are(outcome.failed, "fails", "fail")
    text = (
        f"{'Kept' if outcome.passed else 'Not kept'}: {words_of(asked)}; {outcome.failed:,} of "
        f"{many(outcome.rows, 'row')} {what} ({percent(outcome.share)}{allowed})"
    )
    if outcome.failed == outcome.rows and not outcome.passed:
        text += "; that is every row: look at the check before the data"
    for apart in outcome.apart:
        if apart.p_adjusted is not None and apart.p_adjusted <= 0.05:
            rate = {s.group: s.share for s in outcome.by_group if s.attribute == apart.attribute}
            text += (
                f"; {percent(rate[apart.highest])} of {apart.highest}, {percent(rate[apart.lowest])} of {apart.lowest}"
            )
    return text + "."


def _shown(value: Any) -> str:
    return ", ".join(brief(v) for v in value) if isinstance(value, list) else brief(value)


def problem(checked: Checked) -> str | None:
    """Why a batch is put aside, every broken check in one text; None where it is not. Names groups, not people."""
    if not checked.broken:
        return None
    sentences = []
    for outcome in checked.broken:
        shares = [s for s in outcome.by_group if s.share is not None and s.rows >= Settings().floor]
        by = ""
        for attribute in dict.fromkeys(s.attribute for s in shares):
            mine = sorted((s for s in shares if s.attribute == attribute), key=lambda s: -float(s.share or 0))
            if len(mine) > 1 and mine[0].failed:
                by += f" ({percent(mine[0].share)} of {mine[0].group}, {percent(mine[-1].share)} of {mine[-1].group})"
        sentences.append(sentence(replace(outcome, apart=())).removeprefix("Not kept: ").rstrip(".") + by)
    count = len(checked.broken)
    return f"it does not keep {many(count, 'check')} of the contract: {'; '.join(sentences)}."


def to_document(checked: Checked) -> dict[str, Any]:
    """The `contract` entry of evidence.json. Values of people are in it only where the contract itself lists them."""
    contract = checked.contract
    return {
        "source": contract.source,
        "sha256": contract.sha256,
        "rows": checked.rows,
        "not_understood": dict(contract.not_understood),
        "checks": [_entry(o) for o in checked.outcomes],
        "kept": sum(o.passed for o in checked.outcomes),
        "broken": len(checked.broken),
        "sentences": [sentence(o) for o in checked.failed],
    }


def _entry(o: Outcome) -> dict[str, Any]:
    asked = o.check
    return {
        "kind": asked.kind,
        "columns": list(asked.columns),
        "words": words_of(asked),
        "given": dict(asked.given),
        "mostly": asked.mostly,
        "severity": asked.severity,
        "because": asked.reason,
        "passed": o.passed,
        "rows": o.rows,
        "failed": o.failed,
        "share": o.share,
        "low": o.low,
        "high": o.high,
        "value": o.value,
        "reason": o.reason,
        "by_group": [
            {"attribute": [s.attribute], "group": [s.group], **{k: getattr(s, k) for k in _COUNTED}} for s in o.by_group
        ],
        "apart": [
            to_json(a) | {"attribute": [a.attribute], "highest": [a.highest], "lowest": [a.lowest]} for a in o.apart
        ],
    }


_COUNTED = ("rows", "failed", "share", "low", "high")

__all__ = ["check", "problem", "sentence", "to_document", "words_of"]
