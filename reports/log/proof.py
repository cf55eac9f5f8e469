"""A proof that one report is in the log, as a file of its own (c2sp.org/tlog-proof), to be given away with the report.

    proof_of(view, index) -> bytes          # REPORT.tlog-proof
    read_proof(data) -> Proof

The log tells of every report and decision in it; a proof tells of one entry. It shows that this entry is in the tree
of the checkpoint in it, and nothing of what was logged beside it. The entry itself is the proof's extra data, which is
not signed for: it counts only as far as its hash leads to the checkpoint.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

import rfc8785

from audit.errors import InputError
from reports.log import merkle
from reports.log.note import Checkpoint, Verifier, decoded, read_checkpoint
from reports.log.store import Entry, LogView
from reports.manifest import strict_json

HEAD = "c2sp.org/tlog-proof@v1"
MOST = 1_000_000
_INDEX = re.compile(r"^index (0|[1-9][0-9]{0,15})$")


@dataclass(frozen=True, slots=True)
class Proof:
    """The entry's bytes, its place, the hashes from its sibling up, and the checkpoint's note. Not yet checked."""

    line: bytes
    index: int
    path: tuple[bytes, ...]
    note: bytes

    def check(self, verifier: Verifier) -> tuple[Entry, Checkpoint]:
        """The entry, and the checkpoint that it leads to. Raises InputError where it does not."""
        checkpoint = read_checkpoint(self.note, verifier)
        leaf = merkle.leaf_hash(self.line)
        if not merkle.includes(leaf, self.index, checkpoint.size, self.path, checkpoint.root):
            raise InputError(
                "the proof does not lead from its entry to its checkpoint", got=f"entry {self.index}",
                expected=checkpoint.line,
            )  # fmt: skip
        entry = strict_json(self.line, "the proof's entry")
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise InputError("the proof's entry cannot be read", expected="an object with a type")
        return entry, checkpoint


def proof_of(view: LogView, index: int) -> bytes:
    """The proof for one entry of the log. Raises IndexError where there is no such entry."""
    path = merkle.inclusion_proof(view.leaves, index)
    line = rfc8785.dumps(dict(view.entries[index]))
    rows = [HEAD, f"extra {base64.b64encode(line).decode()}", f"index {index}"]
    rows += [base64.b64encode(h).decode() for h in path]
    return "\n".join(rows).encode() + b"\n\n" + view.note


def read_proof(data: bytes) -> Proof:
    """The proof in these bytes. Raises InputError."""
    head, separator, note = data[:MOST].partition(b"\n\n")
    try:
        rows = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InputError("the proof cannot be read", expected=HEAD) from error
    index = _INDEX.match(rows[2]) if len(rows) > 2 else None
    if index is None or not separator or len(data) > MOST or rows[0] != HEAD or not rows[1].startswith("extra "):
        raise InputError("the file is no proof of an entry", got=rows[0][:80], expected=f"{HEAD}, extra, index")
    path = tuple(decoded(row) for row in rows[3:])
    if any(len(h) != 32 for h in path):
        raise InputError("a hash of the proof is no sha256", expected="32 bytes each")
    return Proof(decoded(rows[1].removeprefix("extra ")), int(index[1]), path, note)
