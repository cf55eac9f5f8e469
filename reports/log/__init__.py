"""The log of issued reports and the board's decisions: append-only, Merkle-hashed, with signed checkpoints.

    log = Log(Path("board-log"))
    log.append(lambda view: [entry])        # under a lock; whole or not at all
    view = read_log(read_copy(Path("board-log")))
    view.checkpoint, view.entries

A report states the checkpoint before it. Whoever holds a report can tell whether the log has been rolled back since;
whoever holds the log can tell whether a report has been.
"""

from __future__ import annotations

from reports.log.note import Checkpoint, Verifier
from reports.log.store import Log, LogCopy, LogView, read_copy, read_log

__all__ = ["Checkpoint", "Log", "LogCopy", "LogView", "Verifier", "read_copy", "read_log"]
