"""What a reader asks of a verification: it crosses to the process that judges, so it is data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.log.proof import Proof
    from reports.log.store import LogCopy


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader asks of a verification; see `reports.verify.verify`."""

    trust: bytes | None = None
    pins: tuple[str, ...] = ()
    crls: tuple[bytes, ...] = ()
    since: bytes | None = None
    log: LogCopy | Proof | None = None
    require_quorum: bool = False
    contents: bool = True
    second_opinion: bool = False
    print_again: bool = False
