"""What a watcher noticed beside the feed: a file passed over, an alert not taken, a record that cannot be kept.

No part of the trail, which repeats byte for byte: these depend on when and how often one looked. They go to stderr at
once and into watch.json, where a later run finds them again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from audit.printable import printable
from debias.loop import database

KEPT = 50
"""So many of the newest are kept."""


class Notices:
    """Sentences with when they were first and last true. `file`: the watch.json of an earlier run, if there is one."""

    def __init__(self, file: Path) -> None:
        self._found: dict[str, dict[str, Any]] = {}
        self.fresh = False
        """Whether something came since `shown`."""
        try:
            for n in json.loads(file.read_bytes())["notices"][-KEPT:]:
                kept = {"words": str(n["words"]), "first": str(n["first"]), "last": str(n["last"])}
                self._found[kept["words"]] = kept | {"times": int(n["times"])}
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none, or a file that is no watch.json: it is written anew

    def add(self, words: str) -> None:
        """One sentence, without anybody's data. The same words again are counted."""
        print(printable(f"assay watch: {words}"), file=sys.stderr, flush=True)
        now = database.now()
        known = self._found.pop(words, {"words": words, "first": now, "last": now, "times": 0})
        self._found[words] = known | {"last": now, "times": known["times"] + 1}
        while len(self._found) > KEPT:
            del self._found[next(iter(self._found))]
        self.fresh = True

    def shown(self) -> list[dict[str, Any]]:
        """All that are kept, the newest last: words, first, last, times."""
        self.fresh = False
        return list(self._found.values())
