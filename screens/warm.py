"""Loads the other screens, with what they measure with, behind the first one: so the next one opens at once."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Sequence

_begun = threading.Event()


def others(names: Sequence[str]) -> None:
    """Begin to load these modules of screens/ in a thread, once a server; after a page was drawn."""
    if not _begun.is_set():
        _begun.set()
        threading.Thread(target=_load, args=(tuple(names),), name="warm", daemon=True).start()


def _load(names: tuple[str, ...]) -> None:
    for name in names:
        importlib.import_module(f"screens.{name}")
