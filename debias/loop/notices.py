"""What a watcher noticed beside the feed: a file passed over, an alert not taken, a record that cannot be kept.

No part of the trail, which repeats byte for byte: these depend on when and how often one looked. They go to stderr at
once and into watch.json, where a later run finds them again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from audit import progress
from debias.loop import database

KEPT = 50
"""So many of the newest are kept."""


class Notice(msgspec.Struct, frozen=True):
    """A sentence, when it was first and last true, and how often."""

    words: str
    first: str
    last: str
    times: int


class _Watched(msgspec.Struct):
    notices: list[Notice]


class Notices:
    """Sentences with when they were first and last true. `file`: the watch.json of an earlier run, if there is one."""

    def __init__(self, file: Path) -> None:
        self._found: dict[str, Notice] = {}
        self.fresh = False
        """Whether something came since `shown`."""
        # None, or a file that is no watch.json: it is written anew.
        with contextlib.suppress(OSError, UnicodeDecodeError, msgspec.MsgspecError):
            for n in msgspec.json.decode(file.read_bytes(), type=_Watched).notices[-KEPT:]:
                self._found[n.words] = n

    def add(self, words: str) -> None:
        """One sentence, without anybody's data. The same words again are counted."""
        progress.say(f"assay watch: {words}")
        now = database.now()
        known = self._found.pop(words, Notice(words, now, now, 0))
        self._found[words] = Notice(words, known.first, now, known.times + 1)
        while len(self._found) > KEPT:
            del self._found[next(iter(self._found))]
        self.fresh = True

    def shown(self) -> list[dict[str, Any]]:
        """All that are kept, the newest last: words, first, last, times."""
        self.fresh = False
        return [msgspec.to_builtins(n) for n in self._found.values()]
