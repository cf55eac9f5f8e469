"""The rows of a case: the table with its roles checked, the side table joined, and which rows are for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from audit.case import Case, DataSpec
from audit.load import check, engines
from audit.load.columnar import MOST_KINDS
from audit.load.digest import sha256_of
from audit.load.groups import file_columns, named_columns, with_indicators
from audit.load.infer import MISSING_ELSEWHERE
from audit.load.join import join_sensitive
from audit.load.roles import check_roles
from audit.load.tables import columns_of, read_noted
from audit.load.values import coded, with_columns
from audit.numbers import are, many
from audit.values import UNKNOWN

Mask = npt.NDArray[np.bool_]

_MISSING_WORDS = ("nan", "NaN", "NAN", "<NA>", "NaT")
"""How programs spell a missing value when they write it as text; no person has such a sex or outcome."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """A table ready to be audited.

    frame : (n rows) the columns read, with values as in the file, rows numbered from 0; with a side table its
        sensitive columns are joined.
    sha256 : of the data file's bytes (see `sha256_of`); `sensitive_sha256` of the side table's.
    audit, train : (n,) which rows are to be measured, and which to be learned from. Without a split all rows are
        measured and `train` is None.
    features : the columns the model may see. All of them are in `frame` when the model is a file; for a column of
        decisions or scores only where `load_rows` was asked for everything.
    columns : the names of all columns of the data file.
    notes : what a reader of the audit should know about the reading, in sentences.
    packed : whether features may be categories that stand for texts; no other categories are in `frame`.
    """

    frame: pd.DataFrame
    sha256: str
    audit: Mask
    train: Mask | None
    features: tuple[str, ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()
    sensitive_sha256: str | None = None
    packed: bool = False

    @property
    def audited(self) -> pd.DataFrame:
        """The rows to measure: where they stand together (as when all are) without a copy of them."""
        start, many = int(self.audit.argmax()) if len(self.audit) else 0, int(self.audit.sum())
        together = self.audit[start : start + many].all()
        return self.frame.iloc[start : start + many] if together else self.frame[self.audit]


def load_rows(case: Case, *, everything: bool | None = None, packed: bool = False) -> Rows:
    """Read and check the rows of `case`.

    `everything`: read all columns; by default only when a model is asked (decisions in a column need no features).
    `packed`: features of text that have no other role come as categories, for who looks at kinds of values alone.
    Raises CaseError where a role cannot be filled, DataError where the table cannot be used.
    """
    data = case.data
    check_roles(case)
    engines.in_reach(data)
    if everything is None:
        everything = case.model.is_asked
    side = () if data.sensitive_path is None else columns_of(data.sensitive_path)
    chosen: list[tuple[str, ...]] = []
    with_roles: set[str | None] = set()

    def needed(names: tuple[str, ...]) -> Sequence[str]:
        check.columns(case, names, side)
        features = check.features_of(case, names)
        chosen.append(features)
        roles = {data.label, case.model.column, data.id, data.weight, data.cluster, data.time, data.split}
        roles |= {*file_columns(data, data.sensitive), *data.stages, *data.legitimate}
        roles |= {p.column for p in data.proxy.values()}
        roles |= {c for asked in (case.contract.checks if case.contract else ()) for c in asked.columns}
        with_roles.update(roles)
        return [n for n in names if n in roles or (everything and n in features)]

    def plain_feature(name: str) -> bool:
        return packed and name not in with_roles

    def named(names: tuple[str, ...]) -> Sequence[str]:
        return tuple(named_columns(case, check.features_of(case, names)))

    table = read_noted(data.path, needed, data.read, named=named, packed=plain_feature)
    frame, notes = table.frame, list(table.notes)
    features = tuple(f for f in chosen[0] if f in table.columns)
    check.columns(case, table.columns, side)
    side_hash = None
    if data.sensitive_path is not None:
        frame, remarks = join_sensitive(case, frame, side)
        side_hash = sha256_of(data.sensitive_path)
        notes += remarks
    frame, remarks = with_indicators(data, dated(data, frame))
    notes += remarks
    frame, remarks = missing_words(case, frame)
    notes += remarks
    frame, remarks = true_false(case, frame)
    notes += remarks
    audit, train = _split(case, frame)
    check.rows(case, frame, audit)
    notes += check.remarks(case, frame, audit)
    if table.as_text and case.model.is_asked:
        notes += _words_elsewhere(frame, [f for f in features if f not in case.data.sensitive])
    if packed:
        frame = _packed(frame, [f for f in features if f not in with_roles])
    pa.default_memory_pool().release_unused()  # what reading took beside the columns
    return Rows(frame, sha256_of(data.path), audit, train, features, table.columns, tuple(notes), side_hash, packed)


def _packed(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Texts of few kinds as categories, in whatever file they were."""
    kinds: dict[str, pd.Categorical] = {}
    for name in names:
        if isinstance(frame[name].dtype, pd.StringDtype):
            codes, uniques = pd.factorize(frame[name], use_na_sentinel=True)
            if len(uniques) <= MOST_KINDS:
                small = np.int8 if len(uniques) < 2**7 else np.int16
                kinds[name] = pd.Categorical.from_codes(codes.astype(small), uniques)
    return with_columns(frame, kinds)


def _split(case: Case, frame: pd.DataFrame) -> tuple[Mask, Mask | None]:
    data = case.data
    if data.split is None:
        return np.ones(len(frame), dtype=bool), None
    codes, names = coded(frame[data.split])
    check.split(case, names)
    masks = []
    for value in (data.audit, data.train):
        member = np.array([n == value for n in names] + [False])
        masks.append(member[codes])
    return masks[0], masks[1]


def dated(data: DataSpec, frame: pd.DataFrame) -> pd.DataFrame:
    """The time column as dates, where the case says how they are written. Raises DataError where one is not so."""
    if data.time is None or data.read.dates is None or data.time not in frame.columns:
        return frame
    if not pd.api.types.is_string_dtype(frame[data.time]):
        return frame
    times = check.times_of(frame[data.time], data.read.dates)
    return with_columns(frame, {data.time: times.dt.tz_localize(None)})


_TRUE_FALSE = {"True": "1", "False": "0", "true": "1", "false": "0", "TRUE": "1", "FALSE": "0"}


def true_false(case: Case, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Decisions in the label's words: as `classes` says, or where one says true and false and the other 1 and 0."""
    label, column = case.data.label, case.model.column
    if case.model.kind != "decision" or label is None or column is None or case.data.task != "classification":
        return frame, []
    codes, decided = coded(frame[column])
    known = coded(frame[label])[1]
    if case.model.classes:
        return _renamed(
            frame, column, codes, decided, [case.model.classes.get(d, d) for d in decided], "as the case says"
        )
    for words in (_TRUE_FALSE, {v: k for k, v in _TRUE_FALSE.items() if v in "01" and k in known}):
        meant = [words.get(d, d) for d in decided]
        if set(decided) <= set(words) and set(meant) <= set(known) and not set(decided) <= set(known):
            return _renamed(frame, column, codes, decided, meant, f"as {label!r} writes it")
    return frame, []


def _renamed(
    frame: pd.DataFrame,
    column: str,
    codes: npt.NDArray[np.int64],
    decided: Sequence[str],
    meant: Sequence[str],
    why: str,
) -> tuple[pd.DataFrame, list[str]]:
    names = pd.array([*meant, None], dtype="str")
    renamings = " and ".join(f"{d!r} is read as {m!r}" for d, m in zip(decided, meant, strict=True))
    changed = pd.Series(names.take(codes, allow_fill=False), index=frame.index)
    return with_columns(frame, {column: changed}), [f"Decisions in {column!r}: {renamings}, {why}."]


def missing_words(
    case: Case, frame: pd.DataFrame, people: npt.NDArray[np.int64] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Blank texts, and "nan" written out, are missing in the columns that say who and what: never a group's name.

    people : (n,) how many people each row stands for; one where it is None.
    """
    times = np.ones(len(frame), dtype=np.int64) if people is None else people
    notes: list[str] = []
    changed: dict[str, pd.Series] = {}
    decided = case.model.column if case.model.kind == "decision" else None
    for column in dict.fromkeys(c for c in (*case.data.sensitive, case.data.label, decided) if c is not None):
        codes, texts, empty = _words_in(frame[column])
        hit = empty[codes]
        if hit.any():
            shown = ", ".join(repr(v) for v, e in zip(texts, empty[:-1], strict=True) if e)
            changed[column] = frame[column].mask(hit)
            count = int(times[hit].sum())
            notes.append(
                f"Column {column!r}: {many(count, 'value')} written as {shown} {are(count)} counted as missing."
            )
        written = np.array([v == UNKNOWN for v in texts] + [False])
        if column in case.data.sensitive and written.any():
            count = int(times[written[codes]].sum())
            notes.append(
                f"Column {column!r}: {many(count, 'row')} {are(count, 'says', 'say')} {UNKNOWN!r} "
                f"{are(count, 'itself; it is', 'themselves; they are')} counted "
                "together with the rows that have no value."
            )
    return with_columns(frame, changed), notes


def _words_elsewhere(frame: pd.DataFrame, features: Sequence[str]) -> list[str]:
    """A sentence for each feature of a text file that holds words as values which other programs read as missing."""
    notes = []
    for name in features:
        if not isinstance(frame[name].dtype, pd.StringDtype):
            continue
        codes, uniques = pd.factorize(frame[name], use_na_sentinel=True)
        hit = np.array([v in MISSING_ELSEWHERE for v in uniques] + [False])
        if hit.any():
            count = int(hit[codes].sum())
            shown = ", ".join(repr(v) for v, e in zip(uniques, hit[:-1], strict=True) if e)
            notes.append(
                f"Column {name!r}: {many(count, 'value')} written as {shown} {are(count, 'reaches', 'reach')} the "
                "model as text. R and pandas read that as missing: if the model learned from what they read, leave it "
                "empty."
            )
    return notes


def without_missing_words(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """As `missing_words` does it, in these columns."""
    read = {c: _words_in(frame[c]) for c in columns}
    return with_columns(frame, {c: frame[c].mask(e[k]) for c, (k, _, e) in read.items() if e[k].any()})


def _words_in(column: pd.Series) -> tuple[npt.NDArray[np.int64], list[str | None], Mask]:
    """(n,) which value each is; the values that are texts; and which of them say that one is missing, then False."""
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    texts = [v if isinstance(v, str) else None for v in uniques]
    empty = np.array([v is not None and (not v.strip() or v in _MISSING_WORDS) for v in texts] + [False])
    return codes, texts, empty
