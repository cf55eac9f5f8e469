"""A folder that fills with files, one batch each."""

from __future__ import annotations

import fnmatch
import glob
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from audit.case import Case
from audit.errors import DataError, InputError
from audit.load import columns_of, sha256_of
from audit.load.groups import named_columns
from audit.load.tables import read_noted
from audit.numbers import many
from debias.loop import file_ready
from debias.loop.arrival import Arrival, SourceAway, features_in, own_features, prepared
from debias.loop.labels import Labels
from debias.loop.sift import Aside, Known

WATCHED = 20
"""So many of the newest files are looked at again, whether they have grown."""
OWN_FILE = "Send it as a file of its own; writers should put files in place by renaming them."
_NO_BATCH = (".md", ".txt.asc", ".sha256", ".md5", ".sig", ".asc", ".done", ".ok", ".ready", ".log", ".html", ".pdf")
_ABOUT = ("readme", "license", "licence", "manifest", "notice", "changelog", "_success", "_started", "_committed")


def is_batch(name: str) -> bool:
    """Whether a file's name may be a batch's: nothing hidden, no file about the others, no mark of a writer."""
    parts = name.split("/")
    last = parts[-1].lower()
    hidden = any(p.startswith(".") for p in parts)
    return not (hidden or last.startswith(_ABOUT) or last.endswith(_NO_BATCH))


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
        self._settled = file_ready.Settled(case.watch.settle)
        self._sizes: dict[str, int] = {}
        self._before = {i: sha for _, i, sha in known[-WATCHED:]}
        self._notes: list[str] = []
        self.labels = Labels(case)
        self._features = own_features(case)
        self._known = Known()

    def know(self, known: Known) -> None:
        self._known = known

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
        self._grown()
        if len(self._names) > self._taken:
            return len(self._names)  # first what is there: a look costs the more the more files there are
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
        for name in sorted(self._fresh(root, pattern)):
            path = root / name
            if not path.is_file() or not is_batch(name):
                continue
            if self._settled.stamp(path) is None:
                unfinished |= not path.name.lower().endswith(file_ready.UNFINISHED)
                continue
            self._names.append(name)
            self._have.add(name)
        return unfinished

    def _fresh(self, root: Path, pattern: str) -> list[str]:
        """Names that match and were not seen before. Raises SourceAway."""
        try:
            names = os.listdir(root)
        except OSError as error:
            raise SourceAway(
                f"the source under [watch] cannot be read now: {root}",
                got=error.strerror or str(error),
                expected="a folder that this user may read, empty while no batch is there",
                todo="correct `source`, or bring the folder back (mkdir, mount); the loop goes on where it stopped",
            ) from error
        if "/" in pattern or "**" in pattern:
            names = [Path(p).as_posix() for p in glob.glob(pattern, root_dir=root, recursive=True)]
            return [n for n in set(names) if n not in self._have]
        return fnmatch.filter([n for n in names if n not in self._have], pattern)

    def _grown(self) -> None:
        """Whether one of the newest files that were counted is another one now: its rows would be counted by nobody."""
        root = self._place()[0]
        while self._before:
            name, digest = self._before.popitem()
            if digest and (root / name).is_file() and sha256_of(root / name) != digest:
                self._notes.append(f"{name} has other bytes than when it was counted: they are not counted. {OWN_FILE}")
        for name, size in list(self._sizes.items()):
            try:
                now = (root / name).stat().st_size
            except OSError:
                now = size  # put away: it was counted
            if now != size:
                del self._sizes[name]
                self._notes.append(
                    f"{name} was {many(size, 'byte')} when it was counted and has {now:,}: what was added is not. "
                    f"{OWN_FILE}"
                )

    def read(self, number: int) -> Arrival:
        self._taken = max(self._taken, number + 1)
        name = self._names[number]
        path = self._place()[0] / name
        digest = ""
        try:
            self._sizes[name] = path.stat().st_size
            while len(self._sizes) > WATCHED:
                del self._sizes[next(iter(self._sizes))]
        except OSError:
            pass  # said below
        try:
            digest = sha256_of(path)
            lines: list[tuple[int, str]] = []
            named = tuple(named_columns(self._case, self.features))
            frame = read_noted(path, read=self._case.data.read, named=named, lost=lines).frame
            lost = [Aside(n, "another number of values than the header", text) for n, text in lines]
            arrival = prepared(self._case, frame, self.features, self.labels.onto(frame), self._known, lost)
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

    def notes(self) -> list[str]:
        out, self._notes = self._notes, []
        return [*out, *self.labels.notes()]
