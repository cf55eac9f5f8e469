"""Count the rows of a table that another engine holds: a Spark cluster, or any frame that narwhals knows.

The expression is that of audit/scale/kinds.py; what comes back is combinations of sensitive values (in their bands),
label, split and decision or score, with how many rows each has. No row leaves the engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from audit.case import Case, ReadSpec
from audit.engines import ENGINES
from audit.errors import CaseError, DataError
from audit.load import check
from audit.load.roles import check_roles
from audit.load.values import coded as names_in
from audit.numbers import many
from audit.scale import typed as base
from audit.scale.ask import ModelAnswers, can_ask, scored_rows
from audit.scale.kinds import PEOPLE, Sum, arrow, kinds
from audit.scale.missing import added_up, empty, looked_at, one
from audit.scale.narrow import few_kinds
from audit.scale.source import Source
from audit.scale.task import OWN, SCORE
from audit.scores import EXACT_SCORES, RANKS, Floats, starts_of

GRID = 64_000
"""Steps between the lowest and the highest score in which scores are counted before bins are made of them."""
HEAVY = 8
"""So many of the fullest steps are counted again in finer ones, so often."""


@dataclass(frozen=True, slots=True)
class HeldCounts:
    """What was counted. cells: how many measured rows (PEOPLE) each combination of the cube's columns has, as it came;
    whole: each kind of measured rows by every column that is looked at, where there are few (audit/scale/narrow.py).
    mine: the measured rows."""

    counted: base.Counted
    cells: pa.Table
    whole: pa.Table | None
    mine: Any


@dataclass(frozen=True, slots=True)
class Held:
    """A table in another engine. frame: of narwhals, its columns called c0, c1 ... in the order of `columns`.

    engine: its name. name: what the table is called to people. floor: combinations of sensitive values with fewer rows
    stay where they are. said: what is known of the source, for the record. sha256: of the bytes of its files, or None
    where there are none; then what was counted is hashed. sample: rows that may be drawn (None: as many
    as fit); none where there is a floor.
    """

    frame: Any
    columns: tuple[str, ...]
    engine: str
    name: str
    floor: int | None = None
    said: Mapping[str, str] = field(default_factory=dict)
    sha256: Callable[[], str] | None = None
    sample: int | None = None

    def column(self, name: str) -> str:
        return f"c{self.columns.index(name)}"

    @property
    def source(self) -> Source:
        return Source((Path(self.name),), self.engine, self.columns, ())


class _Hash:
    """The sha256 of what was counted, where there are no bytes of a file."""

    def __init__(self, held: Held, table: pa.Table) -> None:
        self.held, self.found = held, table

    def get(self) -> str:
        if self.held.sha256 is not None:
            return self.held.sha256()
        digest = hashlib.sha256(json.dumps([self.held.name, self.held.columns]).encode())
        for row in self.found.to_pylist():
            digest.update(json.dumps([None if v is None else str(v) for v in row.values()]).encode())
        return digest.hexdigest()


def refuse(case: Case, engine: str) -> None:
    """Raises CaseError for what needs rows, or a reader of our own, and so cannot be had of another engine."""
    data, model = case.data, case.model
    rows = not ENGINES[engine].own_rules
    here = ENGINES[engine].asks and can_ask(case)
    needs = {
        "a model that is asked": model.is_asked and not here,
        '`task = "regression"`': data.task != "classification",
        "`cluster`": rows and data.cluster is not None,
        "`sensitive_path`": data.sensitive_path is not None,
        "`indicators`": bool(data.indicators),
        "`stages`": bool(data.stages),
        "`legitimate`": bool(data.legitimate),
        "`proxy`": bool(data.proxy),
        "`classes`": bool(model.classes) and not here,
        "`sheet`, `header`, `skip_lines` or `dates`": data.read != ReadSpec(),
        "[contract]": rows and case.contract is not None,
    }
    unsupported = [name for name, is_set in needs.items() if is_set]
    if not unsupported:
        return
    asked = "a model that is asked" in unsupported
    raise CaseError(
        f"{' and '.join(unsupported)} cannot be used with engine = {engine!r}",
        got=", ".join(unsupported),
        expected="decisions or scores in a column, and columns as they are in the table",
        todo=(
            'score the rows where they are, write the score into a column, and name it: score = "..." '
            "under [model]; or audit a sample of the rows with the model itself; Spark asks model files that open "
            "without running code (skops, LightGBM, XGBoost, ONNX: `assay convert` makes one)"
            if asked
            else "make the columns in the table first, or audit a sample of the rows in memory"
        ),
    )


def count_held(case: Case, held: Held, allow: Sequence[str] = ()) -> base.Counted:
    """As `audit.scale.count`, of a table in another engine. Raises CaseError, DataError; ModelError of a model."""
    return count_and_look(case, held, allow, False).counted


def count_and_look(case: Case, held: Held, allow: Sequence[str], beside: bool) -> HeldCounts:
    """The same, with what further looks at the rows begin with. beside: whether there are any."""
    check_roles(case)
    refuse(case, held.engine)
    check.columns(case, held.columns, ())
    _refuse_nested(case, held, held.frame.collect_schema())
    if not case.model.is_asked:
        return _measured_of(case, held, *_count_table(case, held, None, others=_others(case, held) if beside else None))
    among = _which(case, held, held.frame)
    with scored_rows(case, held.frame, held.columns, held.name, among, allow) as (frame, asked):
        counted = _count_table(case, replace(held, frame=frame), asked, _repeated(case, held, held.frame))
    return _measured_of(case, held, *counted)


def _others(case: Case, held: Held) -> list[str] | None:
    """The columns that are looked at beside the cube's own, where the kinds of rows may be fetched by all of them; None
    where not: no row may leave, a row's weight counts, or numbers are in bands."""
    data = case.data
    if held.floor is not None or held.sample == 0 or data.bins or data.weight is not None:
        return None
    return [held.column(c) for c in looked_at(case, held.source, held.frame.collect_schema())]


def _measured_of(
    case: Case, held: Held, counted: base.Counted, cells: pa.Table, typed: pd.DataFrame, whole: pa.Table | None
) -> HeldCounts:
    """Of what was counted, the part that is measured. typed: the cells as reading the rows would give them."""
    mine = held.frame
    if (split := case.data.split) is not None:
        own = held.column(split)
        cells = cells.filter(pa.array(base.measured_kinds(case, typed)))
        wanted = cells.column(own).unique()
        mine = mine.filter(nw.col(own).is_in(wanted.to_pylist()))
        whole = None if whole is None else whole.filter(pc.is_in(whole.column(own), wanted))
    return HeldCounts(counted, cells, whole, mine)


def _count_table(
    case: Case, held: Held, asked: ModelAnswers | None, repeated: tuple[int, int] | None = None,
    others: Sequence[str] | None = None,
) -> tuple[base.Counted, pa.Table, pd.DataFrame, pa.Table | None]:  # fmt: skip
    """The combinations of a table; of one with answers of a model beside its roles where it was asked: counted; as they
    came; as reading the rows would give them; and each kind of row by `others` too, where these are few."""
    source = held.source
    schema = held.frame.collect_schema()
    frame = banded(case, held, held.frame)
    roles = {held.column(c): c for c in base.roles_of(case)}
    sums: list[Sum] = []
    weight, largest = None, 1.0
    if case.data.weight is not None:
        weight = _float_expression(held, case.data.weight, schema)
        bad, high = _one(frame, _many(~finite(weight) | (weight < 0)), weight.max())
        largest = base.largest_of(case, int(bad or 0), high)
        sums += [Sum("w", weight, largest), Sum("q", weight * weight, largest**2)]
    # Of measured rows: those of another part are no company.
    among = [*case.data.sensitive, *([case.data.split] if case.data.split is not None else [])]
    floor = None if held.floor is None else (held.floor, tuple(held.column(c) for c in among))
    own = OWN if asked is not None else held.column(str(case.model.column))
    at = own if asked is None else SCORE
    scores = case.model.kind == "score" if asked is None else asked.scored
    table = cells = bins = every = None
    most = base.MOST_GROUPS + 1
    if asked is not None:
        frame = frame.with_columns(asked.decision.alias(own))
    if not scores or _distinct(frame.head(base.PROBE), at) <= EXACT_SCORES:
        each = [own, *([at] if asked is not None and scores else [])]
        keys = list(dict.fromkeys([*roles, *each]))
        every = None if others is None else few_kinds(frame, list(dict.fromkeys([*keys, *others])), held.sample)
        table = kinds(frame, keys, sums, most=most, floor=floor) if every is None else added_up(every, keys, [PEOPLE])
        cells = table
        called = {own: base.OWN, at: base.SCORE} if asked is not None else {}
        for name in each:
            table = table.append_column(called.get(name, base.OWN), table.column(name))
        table = table.select([*roles, *(called.get(n, base.OWN) for n in each), PEOPLE, *(s.name for s in sums)])
    if scores and (table is None or len(table.column(base.SCORE if asked else base.OWN).unique()) > EXACT_SCORES):
        score = nw.col(at) if asked is not None else _float_expression(held, str(case.model.column), schema)
        mine = measured(case, held, frame)
        bad, low, high = _one(mine, _many(~finite(score)), score.min(), score.max())
        if asked is None:
            base.check_range(case, int(bad or 0), low, high)
        bins = _rank_bins(mine, score, float(low), float(high))
        top = float(np.abs(np.append(*bins)).max())
        sums.append(Sum("t", score if weight is None else weight * score, largest * top))
        decided = nw.col(own) if asked is not None else score >= case.model.threshold
        binned = frame.with_columns(decided.alias("own"), _bin_of(score, bins[0].tolist()).alias("bin"))
        table = cells = kinds(binned, [*roles, "own", "bin"], sums, most=most, floor=floor)
        table = table.rename_columns([*roles, base.OWN, base.BIN, *table.column_names[len(roles) + 2 :]])
        every = None
    assert table is not None
    base.not_too_many(case, table)
    called = {PEOPLE: base.PEOPLE, "w": base.WEIGHT, "q": base.SQUARES, "t": base.TOTAL}
    table = base.in_utc(table.rename_columns([called.get(n, n) for n in table.column_names]))
    if not table.num_rows:
        raise DataError(
            f"no row of {held.name!r} was counted",
            got="a table without rows"
            if held.floor is None
            else f"no combination with {many(held.floor, 'row')} or more",
            expected="rows",
            todo="check the table" + ("" if held.floor is None else ", or take `floor` lower"),
        )
    typed, notes = base.typed_values(case, source, table, list(roles.values()), bins is None and asked is None)
    if held.floor is not None:
        notes = (
            *notes,
            f"Combinations of {', '.join(case.data.sensitive)} with fewer than {many(held.floor, 'row')}, if there "
            f"are any, stayed in {ENGINES[held.engine].title}: they are in no count here.",
        )
    again = repeated if asked is not None else _repeated(case, held, frame)
    extra = base.Extra(notes, bins, repeated=again, asked=asked)
    counted = base.coded_of(case, source, typed, extra, _Hash(held, table))
    return counted, cells, typed, every


def banded(case: Case, held: Held, frame: Any) -> Any:
    """The frame with a number that stands for the band of each, in the columns that the case puts into bands."""
    schema = held.frame.collect_schema()
    own = {held.column(c): edges for c, edges in case.data.bins.items() if schema[held.column(c)].is_numeric()}
    return frame.with_columns(_in_band(nw.col(c), schema[c], e).alias(c) for c, e in own.items()) if own else frame


def _refuse_nested(case: Case, held: Held, schema: Mapping[str, Any]) -> None:
    """Raises DataError where a column that is needed holds lists, structures or raw bytes."""
    for name in (*base.roles_of(case), case.model.column, case.data.weight):
        if name is not None and schema[held.column(name)] in base.NO_VALUES:
            raise base.no_value(name)


def _float_expression(held: Held, name: str, schema: Mapping[str, Any]) -> nw.Expr:
    """The column as floating point. Raises DataError where it is none."""
    kind = schema[held.column(name)]
    if not kind.is_numeric():
        raise DataError(
            f"the column {name!r} holds no numbers",
            got=str(kind),
            expected="a column of numbers",
            todo="convert it in the table",
        )
    return nw.col(held.column(name)).cast(nw.Float64)


def finite(value: nw.Expr) -> nw.Expr:
    """Whether it is a finite number, never null."""
    return value.is_finite().fill_null(False)


def _many(condition: nw.Expr) -> nw.Expr:
    """In how many rows it holds."""
    return one(condition).sum()


def _one(frame: Any, *what: nw.Expr) -> tuple[Any, ...]:
    """A row of totals."""
    named = [e.alias(f"x{i}") for i, e in enumerate(what)]
    return tuple(arrow(frame.select(*named)).to_pylist()[0].values())


def _distinct(frame: Any, column: str) -> int:
    return int(_one(frame, nw.col(column).n_unique())[0])


def _in_band(value: nw.Expr, kind: Any, edges: Sequence[float]) -> nw.Expr:
    """A number that stands for the band of each: what lies in the band need not leave the engine."""
    below = nw.lit(float(edges[0]) - 1.0)
    stands = [below, *(nw.lit(float(e)) for e in edges)]
    out: Any = stands[-1]
    for edge, left in zip(reversed(edges), reversed(stands[:-1]), strict=True):
        out = nw.when(value < edge).then(left).otherwise(out)
    return nw.when(~empty(value, kind)).then(out)


def measured(case: Case, held: Held, frame: Any) -> Any:
    """The rows to measure."""
    return frame if case.data.split is None else frame.filter(_which(case, held, frame))


def _which(case: Case, held: Held, frame: Any) -> nw.Expr:
    """Which rows to measure: those whose split value has the name that the case says."""
    split = case.data.split
    if split is None:
        return nw.lit(True)
    own = held.column(split)
    table = kinds(frame, [own], most=base.MOST_GROUPS)
    raw = table.column(own).to_pylist()
    typed = base.typed_values(case, held.source, base.in_utc(table.select([own])), [split], False)[0]
    codes, names = names_in(typed[split])
    check.split(case, names)
    wanted = [v for v, c in zip(raw, codes, strict=True) if c >= 0 and names[c] == case.data.audit]
    return nw.col(own).is_in(wanted)


def _repeated(case: Case, held: Held, frame: Any) -> tuple[int, int] | None:
    """(rows, people) where measured rows repeat an `id`."""
    if case.data.id is None:
        return None
    who = nw.col(held.column(case.data.id))
    total, distinct, missing = _one(measured(case, held, frame), nw.len(), who.n_unique(), who.null_count())
    known = int(distinct) - (1 if missing else 0)
    return None if known + missing == total else (int(total), known + int(missing))


def _bin_of(score: nw.Expr, at: Sequence[float]) -> nw.Expr:
    """Which bin a score lies in, as a tree of comparisons."""

    def tree(first: int, last: int) -> Any:
        if first == last:
            return nw.lit(first)
        middle = (first + last + 1) // 2
        return nw.when(score < float(at[middle])).then(tree(first, middle - 1)).otherwise(tree(middle, last))

    expression: nw.Expr = tree(0, len(at) - 1)
    return expression


def _rank_bins(frame: Any, score: nw.Expr, low: float, high: float) -> tuple[Floats, Floats]:
    """The lowest and the highest score of each bin, by the rules of audit.scores on a fine grid of scores: what comes
    back is how many rows each step has, and its ends."""
    values = frame.select((score + 0.0).alias("s"))
    inside = low >= 0 and high <= 1
    at, top, n = _steps(values, 0.0 if inside else low, 1.0 if inside else high)
    for _ in range(HEAVY):
        # One outlier may put nearly everyone into one step: the fullest are looked at more closely.
        full = np.flatnonzero((n * RANKS > 2 * n.sum()) & (top > at))
        if not len(full):
            break
        for k in sorted(full[np.argsort(-n[full])][:HEAVY].tolist(), reverse=True):
            within = values.filter((nw.col("s") >= float(at[k])) & (nw.col("s") <= float(top[k])))
            finer = _steps(within, float(at[k]), float(top[k]))
            at, top, n = (np.concatenate([a[:k], b, a[k + 1 :]]) for a, b in zip((at, top, n), finer, strict=True))
    first = np.flatnonzero(starts_of(at, n))
    last = np.append(first[1:], len(at)) - 1
    return at[first], top[last]


def _steps(values: Any, low: float, high: float) -> tuple[Floats, Floats, Any]:
    # Halves keep the span of huge scores finite.
    span = high / 2 - low / 2
    step = ((nw.col("s") / 2 - low / 2) / span * GRID).floor() if span > 0 else nw.col("s") * 0
    counted = values.with_columns(step.cast(nw.Int64).alias("k")).group_by("k")
    table = arrow(counted.agg(nw.col("s").min().alias("low"), nw.col("s").max().alias("top"), nw.len().alias("n")))
    table = table.sort_by("low")
    return table.column("low").to_numpy(), table.column("top").to_numpy(), table.column("n").to_numpy().astype(np.int64)
