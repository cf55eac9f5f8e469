"""Outcomes that come later than the rows, in files of their own, joined by id."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.errors import CaseError, InputError
from audit.load import read_table
from audit.load.digest import files_of
from audit.load.values import coded
from debias.loop.file_ready import Settled


class Labels:
    """The outcomes of `[watch] labels`: a file or a pattern, read again when a file comes or changes.

    Where an id has outcomes that differ, the last one counts: of the file that comes last by name, and in it of the
    last row. A file that cannot be read is left out and said; the outcomes in it stay unknown until it is mended.
    """

    def __init__(self, case: Case) -> None:
        self._pattern, self._id, self._label = case.watch.labels, case.data.id, case.data.label
        if self._pattern is not None and (self._id is None or self._label is None):
            raise CaseError(
                "late outcomes cannot be joined",
                got="`labels` under [watch], and no " + ("`id`" if self._id is None else "`label`") + " under [data]",
                expected="both columns, in the rows (`id`) and in the files of outcomes (`id` and `label`)",
                todo='add id = "..." under [data]',
            )
        self._settled = Settled()
        self._read: dict[Path, tuple[tuple[int, int, int], pd.Series]] = {}
        self._known: pd.Series | None = None
        self._said: list[str] = []
        self.version = 0
        """Counts up whenever something is read anew."""

    @property
    def come(self) -> bool:
        """Whether outcomes may come later than the rows."""
        return self._pattern is not None

    def look(self) -> int:
        """Read what has come since; the version."""
        if self._pattern is not None:
            self._look()
        return self.version

    def said(self) -> list[str]:
        """What was noticed since the last call."""
        out, self._said = self._said, []
        return out

    def onto(self, frame: pd.DataFrame) -> pd.Series | None:
        """The outcomes of the rows, (n,) as names: their own, and the late one where there is none.

        None where no late ones are to come.
        """
        if self._pattern is None or self._id not in frame.columns:
            return None
        self._look()
        own = pd.Series(None, index=frame.index, dtype="str")
        if self._label in frame.columns:
            own = _names(frame[self._label])
        if self._known is None or self._known.empty:
            return own
        return own.where(own.notna(), _names(frame[self._id]).map(self._known))

    def known(self, ids: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Which of these ids, as names, have outcomes, (n,)."""
        if self._known is None:
            return np.zeros(len(ids), dtype=bool)
        found: npt.NDArray[np.bool_] = pd.Index(ids).isin(self._known.index)
        return found

    def _look(self) -> None:
        assert self._pattern is not None
        try:
            files = files_of(self._pattern)
        except InputError:
            files = ()  # none has come yet
        found: dict[Path, tuple[tuple[int, int, int], pd.Series]] = {}
        for file in files:
            stamp = self._settled.stamp(file)
            if stamp is None:
                if file in self._read:
                    found[file] = self._read[file]
                continue
            before = self._read.get(file)
            found[file] = before if before is not None and before[0] == stamp else (stamp, self._file(file))
        if found.keys() == self._read.keys() and all(found[f] is self._read[f] for f in found):
            return
        self._read = found
        self.version += 1
        parts = [series for _, series in found.values()]
        every = pd.concat(parts) if parts else pd.Series(dtype="str")
        pairs = pd.DataFrame({"id": every.index, "label": every.to_numpy()}).drop_duplicates()
        differ = int(pairs["id"][pairs["id"].duplicated()].nunique())
        if differ:
            self._said.append(
                f"{differ:,} ids have outcomes that differ in {self._pattern.name}: the last one counts, of the file "
                "that comes last by name."
            )
        self._known = every[~every.index.duplicated(keep="last")]

    def _file(self, file: Path) -> pd.Series:
        """The outcomes of one file by id, those that are empty left out."""
        try:
            table = read_table(file, [str(self._id), str(self._label)])
        except InputError as error:
            if not error.problem.endswith("no rows"):
                self._said.append(f"The outcomes in {os.path.basename(file)} are left out: {error.message}")
            return pd.Series(dtype="str")
        ids, labels = _names(table[self._id]), _names(table[self._label])
        use = ids.notna() & labels.notna() & (labels.str.strip() != "")
        return pd.Series(labels[use].to_numpy(), index=pd.Index(ids[use], dtype="str"), dtype="str")


def _names(column: pd.Series) -> pd.Series:
    """Values as names, so that 7, 7.0 and "7" are one; what is missing stays missing."""
    codes, names = coded(column)
    return pd.Series(pd.array([*names, None], dtype="str").take(codes), index=column.index, dtype="str")
