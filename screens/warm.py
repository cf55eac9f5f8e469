"""Loads the other screens, with what they measure with, behind the first one: so the next one opens at once."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence

_begun = threading.Event()
AFTER_SECONDS = 2.0


def others(names: Sequence[str]) -> None:
    """Begin to load these modules of screens/ in a thread, once a server; after a page was drawn."""
    if not _begun.is_set():
        _begun.set()
        # Imports hold the interpreter: begun at once they would compete with the page that is on its way.
        later = threading.Timer(AFTER_SECONDS, _load, (tuple(names),))
        later.daemon = True
        later.start()


def _load(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(f"screens.{name}")
