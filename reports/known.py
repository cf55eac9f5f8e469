"""Which PDFs may be parsed in this process: those that were judged in a process with limits, and those made here.

A PDF that was received is hostile until it is known. Bytes are named by their SHA-256, and forgotten after a while:
what is not known is judged (again) before anything is read of it.
"""

from __future__ import annotations

import hashlib

MOST = 512
_known: dict[str, None] = {}


def remember(pdf: bytes) -> bytes:
    """These bytes were judged and did not fail, or were made here; returned as they are."""
    _known[hashlib.sha256(pdf).hexdigest()] = None
    while len(_known) > MOST:
        _known.pop(next(iter(_known)), None)
    return pdf


def is_known(pdf: bytes) -> bool:
    return hashlib.sha256(pdf).hexdigest() in _known
