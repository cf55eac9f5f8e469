"""Batches from standard input in JSON lines: one object a line, a person each.

    {"age": 39, "sex": "Male", "income": null}

A batch is `batch` rows, or ends at an empty line or at the end of input; with `batch = "time"` it ends where the time
changes. Each batch is kept as it came, byte for byte, in OUT/incoming/NNNNN.jsonl, so that it can be read again when
its outcomes are due. What came of a batch that is not yet whole is in OUT/incoming/open-NNNNN.jsonl: a run that was
killed goes on with it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import select
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pyarrow as pa

from audit.case import Case
from audit.errors import CaseError, DataError, InputError, OutputError
from audit.files import write_whole
from audit.load import limits
from audit.load.columnar import plain_columns
from audit.numbers import are, many
from debias.loop.arrival import Arrival, features_in, own_features, prepared
from debias.loop.labels import Labels
from debias.loop.sift import Aside, Known

CHUNK = 1 << 16
WAIT = 0.25
"""Seconds that one look waits for more."""

_OPEN = re.compile(r"open-(\d{5,})\.jsonl")
_WHOLE = re.compile(r"(\d{5,})\.jsonl")


class Stdin:
    """Standard input. `known`: number, id and sha256 of the batches counted before; fd: where lines come from."""

    def __init__(self, case: Case, known: Sequence[tuple[int, str, str]], out: Path, fd: int = 0) -> None:
        self._case = case
        self._fd = fd
        self._folder = out / "incoming"
        self.labels = Labels(case)
        self._features = own_features(case)
        self._known = Known()
        self._ended = False
        self._counted = self._taken = len(known)
        self._unkept = b""
        self._resume()

    def know(self, known: Known) -> None:
        self._known = known

    # -- where the lines go ------------------------------------------------------------------------------------

    def _resume(self) -> None:
        """Go on with what is on disk: whole batches, and the lines of one that is not."""
        self._lines: list[bytes] = []
        self._rest = b""
        self._when: Any = None
        self._torn = True
        names = os.listdir(self._folder) if self._folder.is_dir() else []
        opened = sorted(int(m[1]) for n in names if (m := _OPEN.fullmatch(n)))
        if opened:
            # The last journal was put in place once every batch before it was whole. Batches in it that are whole
            # already come out the same.
            self._total = opened[-1]
            try:
                self._split(self._journal(opened[-1]).read_bytes())
            except OSError as error:
                raise _unwritten(error) from error
        else:
            whole = [int(m[1]) for n in names if (m := _WHOLE.fullmatch(n))]
            self._total = max([self._counted, *(n + 1 for n in whole)])
        self._begin_journal()
        self._torn = False

    def _journal(self, number: int) -> Path:
        return self._folder / f"open-{number:05d}.jsonl"

    def _begin_journal(self) -> None:
        """A journal with what belongs to no whole batch; the older ones go."""
        path = self._journal(self._total)
        write_whole(path, b"".join(self._lines) + self._rest)
        for other in self._folder.glob("open-*.jsonl"):
            if other != path:
                other.unlink(missing_ok=True)
        self._open = path
        self._size = path.stat().st_size

    def _keep(self, chunk: bytes) -> None:
        """Append to the journal, whole or not at all."""
        try:
            with open(self._open, "r+b") as stream:
                stream.truncate(self._size)
                stream.seek(self._size)
                stream.write(chunk)
        except OSError as error:
            raise _unwritten(error) from error
        self._size += len(chunk)

    def _split(self, chunk: bytes) -> None:
        """Lines of a chunk into batches; whole ones are written."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if not line.strip():
                self._close_batch()
                continue
            if self._case.watch.batch is None and self._case.data.time is not None:
                when = _time_of(line, self._case.data.time)
                if self._lines and when is not None and self._when is not None and when != self._when:
                    self._close_batch()
                self._when = self._when if when is None else when
            self._lines.append(line + b"\n")
            if len(self._lines) == self._case.watch.batch:
                self._close_batch()

    def _close_batch(self) -> None:
        if not self._lines:
            return
        path = self._path(self._total)
        if not path.exists():
            write_whole(path, b"".join(self._lines))
        self._lines = []
        self._total += 1

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:05d}.jsonl"

    # -- the source --------------------------------------------------------------------------------------------

    @property
    def features(self) -> tuple[str, ...]:
        for number in range(self._total):
            if self._features is not None:
                break
            try:
                table = rows_of(self._path(number).read_bytes(), self._path(number).name, [])
                self._features = features_in(self._case, tuple(table.columns))
            except (InputError, OSError):
                continue
        return self._features or ()

    def total(self) -> int:
        """Reads until a batch is whole that was not taken, input ends, or nothing comes for a moment.

        Raises OutputError where what came cannot be kept: then it is tried again at the next call.
        """
        if self._torn:
            self._resume()
        until = time.monotonic() + WAIT
        while not self._ended and self._total <= self._taken:
            left = max(until - time.monotonic(), 0)
            if not self._unkept:
                try:
                    if not select.select([self._fd], [], [], left)[0]:
                        break
                    self._unkept = os.read(self._fd, CHUNK)
                except (OSError, ValueError) as error:
                    raise CaseError(
                        "standard input cannot be read",
                        got=str(error),
                        expected="JSON lines, one object a line",
                        todo="pipe them in: ... | assay watch CASE.toml --out DIR",
                    ) from error
            self._take()
            if not left:
                break
        return self._total

    def _take(self) -> None:
        """Keep what was read last, then cut it into batches. What could not be kept is tried again."""
        last = not self._unkept
        chunk = self._unkept or (b"\n" if self._rest.strip() else b"")
        self._keep(chunk)
        self._unkept = b""
        before = self._total
        try:
            self._split(chunk)
            if last:
                self._close_batch()
            if self._total > before:
                self._begin_journal()
        except OutputError:
            self._torn = True  # it is in the journal
            raise
        self._ended = last

    def read(self, number: int) -> Arrival:
        self._taken = max(self._taken, number + 1)
        path = self._path(number)
        try:
            content = path.read_bytes()
        except OSError as error:
            why = f"{path.name} is gone from {path.parent.name}/ ({error.strerror})."
            return Arrival(number, f"{number:05d}", "", pd.DataFrame(), problem=why)
        digest = hashlib.sha256(content).hexdigest()
        name = f"{number:05d}-{digest[:12]}"
        try:
            lost: list[Aside] = []
            frame = rows_of(content, path.name, lost)
            arrival = prepared(self._case, frame, self.features, self.labels.onto(frame), self._known, lost)
        except InputError as error:
            return Arrival(number, name, digest, pd.DataFrame(), problem=error.message)
        except Exception as error:  # one batch must never stop the loop
            return Arrival(number, name, digest, pd.DataFrame(), problem=f"it cannot be read: {error}")
        return replace(arrival, number=number, id=name, sha256=digest)

    def more(self) -> bool:
        return not self._ended

    def ended(self) -> bool:
        return self._ended

    def notes(self) -> list[str]:
        return self.labels.notes()


# -- lines ----------------------------------------------------------------------------------------------------


def rows_of(content: bytes, name: str, lost: list[Aside] | None = None) -> pd.DataFrame:
    """The rows of JSON lines, typed as a table's. Raises DataError, naming the first line that is wrong.

    lost: takes lines that are no object, and those where a column holds another kind of value than in most; without it
    such a line is refused.
    """
    lines = content.split(b"\n")
    rows: list[dict[str, Any]] = []
    at: list[int] = []
    wrong: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append(object_of(line))
                at.append(number)
            except ValueError as error:
                wrong.append((number, str(error)))
    if lost is not None and rows:
        lost += [Aside(n, _reason(why), lines[n - 1].decode(errors="replace")) for n, why in wrong]
        mixed = _of_another_kind(rows)
        lost += [Aside(at[i], f"another kind of value in {c!r} than most", rows[i]) for i, c in mixed.items()]
        rows = [row for i, row in enumerate(rows) if i not in mixed]
        wrong = []
    if wrong:
        more = f"; {many(len(wrong), 'line')} {are(len(wrong))} wrong" if len(wrong) > 1 else ""
        raise DataError(
            f"line {wrong[0][0]} of {name} cannot be used",
            got=wrong[0][1] + more,
            expected='one JSON object with plain values, such as {"age": 39, "sex": "Male"}',
            todo="correct the sender and send the batch again; the lines are kept as they came",
        )
    columns = dict.fromkeys(k for row in rows for k in row)
    if len(columns) > limits.MAX_COLUMNS:
        raise DataError(
            f"{name} has too many columns", got=f"{len(columns):,}", expected=f"at most {limits.MAX_COLUMNS:,}"
        )
    arrays = []
    for column in columns:
        values = [row.get(column) for row in rows]
        kinds = {str if isinstance(v, str) else bool if isinstance(v, bool) else float for v in values if v is not None}
        if len(kinds) > 1:
            raise _mixed(name, column, values, [n for n, line in enumerate(lines, 1) if line.strip()])
        if kinds == {float} and any(isinstance(v, float) for v in values):
            values = [None if v is None else float(v) for v in values]
        arrays.append(pa.array(values))
    table, _, _ = plain_columns(name, pa.table(arrays, names=list(columns)))
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame


def _reason(why: str) -> str:
    """What is wrong with a line, as so many lines may have it."""
    return f"a line that is {why.partition(':')[0]}" if why.startswith("no JSON") else f"a line with {why}"


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else "true or false" if isinstance(value, bool) else "a number"


def _of_another_kind(rows: Sequence[dict[str, Any]]) -> dict[int, str]:
    """Rows with a value that is of another kind than the same column's in most: index -> the column."""
    kinds: dict[str, Counter[str]] = {}
    for row in rows:
        for column, value in row.items():
            if value is not None:
                kinds.setdefault(column, Counter())[_kind(value)] += 1
    usual = {c: n.most_common(1)[0][0] for c, n in kinds.items() if len(n) > 1}
    out: dict[int, str] = {}
    for i, row in enumerate(rows if usual else ()):
        other = [c for c, kind in usual.items() if row.get(c) is not None and _kind(row[c]) != kind]
        if other:
            out[i] = other[0]
    return out if len(out) <= len(rows) / 2 else {}


def object_of(line: bytes) -> dict[str, Any]:
    """One line as an object of plain values. Raises ValueError with what is wrong, without anybody's data."""
    try:
        record = json.loads(line, object_pairs_hook=_once, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise ValueError("bytes that are not UTF-8") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg} at character {error.colno}") from None
    except RecursionError:
        raise ValueError("lists or objects too deep") from None
    if not isinstance(record, dict):
        raise ValueError("JSON that is no object")
    for key, value in record.items():
        _check_value(key, value)
    return record


def _check_value(key: str, value: Any) -> None:
    if not key.strip():
        raise ValueError("a value without a name")
    if isinstance(value, (list, dict)):
        raise ValueError(f"{key[:60]!r} holds a list or an object")
    if isinstance(value, int) and abs(value) >= 1 << 63:
        raise ValueError(f"{key[:60]!r} holds a number of more than 64 bits")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key[:60]!r} holds a number too large to be one")
    if isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise ValueError(f"{key[:60]!r} holds half a character")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        raise ValueError("one name twice")
    return out


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no number in JSON")


def _mixed(name: str, column: str, values: Sequence[Any], numbers: Sequence[int]) -> DataError:
    first = next(_kind(v) for v in values if v is not None)
    at = next(i for i, v in enumerate(values) if v is not None and _kind(v) != first)
    return DataError(
        f"line {numbers[at]} of {name} cannot be used",
        got=f"{column!r} is {_kind(values[at])} there and {first} before",
        expected="one kind of value in a column",
        todo="correct the sender and send the batch again; the lines are kept as they came",
    )


def _time_of(line: bytes, column: str) -> Any:
    try:
        return object_of(line).get(column)
    except ValueError:
        return None


def _unwritten(error: OSError) -> OutputError:
    return OutputError(
        "what came in could not be kept",
        got=error.strerror or str(error),
        expected="room and permission to write OUT/incoming",
        todo="make room; the loop goes on when it can",
    )
