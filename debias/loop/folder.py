"""A folder that fills with files, one batch each."""

from __future__ import annotations

import glob
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from audit.case import Case
from audit.errors import DataError, InputError
from audit.load import columns_of, read_table, sha256_of
from debias.loop import file_ready
from debias.loop.arrival import Arrival, features_in, own_features, prepared
from debias.loop.labels import Labels


class Folder:
    """Files that match a pattern, in the order in which they were first seen (then of their names).

    A file is taken when it is whole (see `file_ready`). `known`: number, id and sha256 of the batches counted before;
    an id is the file's path from where the pattern begins.
    """

    def __init__(self, case: Case, known: Sequence[tuple[int, str, str]]) -> None:
        self._case = case
        assert case.watch.source is not None
        self._source = case.watch.source
        self._names = [i for _, i, _ in known]
        self._have = set(self._names)
        self._taken = len(self._names)
        self._settled = file_ready.Settled()
        self.labels = Labels(case)
        self._features = own_features(case)

    def _place(self) -> tuple[Path, str]:
        """The folder where names begin, and the pattern below it. A folder's name alone means all files in it."""
        parts = self._source.parts
        for i, part in enumerate(parts):
            # A name with brackets that is really there is a name.
            if glob.has_magic(part) and not Path(*parts[: i + 1]).exists():
                return Path(*parts[:i]), "/".join(parts[i:])
        return (self._source.parent, glob.escape(self._source.name)) if self._source.is_file() else (self._source, "*")

    @property
    def features(self) -> tuple[str, ...]:
        if self._features is None:
            for name in self._names:
                try:
                    self._features = features_in(self._case, columns_of(self._place()[0] / name, self._case.data.read))
                    break
                except InputError:
                    continue
        return self._features or ()

    def total(self) -> int:
        unfinished = self._look()
        until = time.monotonic() + 1.5 * file_ready.SECONDS
        while unfinished and len(self._names) == self._taken and time.monotonic() < until:
            # Nothing else to do: what was written just now is whole in a moment.
            time.sleep(file_ready.SECONDS / 20)
            unfinished = self._look()
        return len(self._names)

    def _look(self) -> bool:
        """Find new files; whether one is not yet whole."""
        unfinished = False
        root, pattern = self._place()
        for name in sorted(Path(p).as_posix() for p in glob.glob(pattern, root_dir=root, recursive=True)):
            path = root / name
            if name in self._have or not path.is_file() or path.name.startswith("."):
                continue
            if self._settled.stamp(path) is None:
                unfinished |= not path.name.lower().endswith(file_ready.UNFINISHED)
                continue
            self._names.append(name)
            self._have.add(name)
        return unfinished

    def read(self, number: int) -> Arrival:
        self._taken = max(self._taken, number + 1)
        name = self._names[number]
        path = self._place()[0] / name
        digest = ""
        try:
            digest = sha256_of(path)
            frame = read_table(path, read=self._case.data.read)
            arrival = prepared(self._case, frame, self.features, self.labels.onto(frame))
        except InputError as error:
            empty = isinstance(error, DataError) and error.problem.endswith("no rows")
            return Arrival(number, name, digest, pd.DataFrame(), problem=None if empty else error.message)
        except Exception as error:  # one file must never stop the loop
            return Arrival(number, name, digest, pd.DataFrame(), problem=f"it cannot be read: {error}")
        return replace(arrival, number=number, id=name, sha256=digest)

    def more(self) -> bool:
        return False

    def ended(self) -> bool:
        return False

    def said(self) -> list[str]:
        return self.labels.said()
