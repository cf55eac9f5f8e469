"""What a manifest says beyond the files (its `extra`), each entry in the one form that Assay gives it.

What is printed in the middle of Assay's own sentences has a form: a digest is a digest, a time is a time. A manifest
that gives words where a page prints "SHA-256 ..." would have Assay say them (reports.verify.shapes).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from audit.errors import InputError
from reports import setting
from reports.about import SAME, UNKNOWN

Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Time = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-9:.]{5,15}(Z|[+-][0-9:]{5})\Z")]
Day = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]\Z")]
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f][0-9a-f-]{0,11}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
File = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f/\\:“”]+\Z", max_length=120)]
Partly = Literal["faces", "printed pages", "rerun"]
"""The checks that can hold in part (reports.verify.result.InPart)."""


class _Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Protocol(_Form, frozen=True):
    """What was fixed before the results; logged: since when the log has known it."""

    file: File
    sha256: Digest
    logged: Time | None


class Begun(_Form, frozen=True):
    """What the log knows of the search that is embedded. sha256: of what was asked (debias.pareto.digest_of); logged:
    since when; tried: how many candidates there were then; after_protocol: whether the protocol was in it before."""

    sha256: Digest
    logged: Time
    tried: Count
    after_protocol: bool


class Monitoring(_Form, frozen=True):
    """What the loop's record in the run folder showed."""

    file: Literal["watch.json"]
    sha256: Digest
    batches: Count
    people: Count
    changes: Count
    incidents: Count
    time: Time | Literal[""]


class Differences(_Form, frozen=True):
    """How many earlier reports the counts were held against, beside which they differ by a few people, and why not."""

    compared: Count
    near: tuple[Number, ...]
    reason: str


class Before(_Form, frozen=True):
    """An earlier decision of the board. on: how model and data of that report stand to those of this one."""

    when: Time
    who: str
    decision: Literal["approve", "reject"]
    number: Number
    conditions: str
    until: Day | None
    case: str | None = None
    on: Literal["the same model and data", "not recorded", "other data", "another model",
                "another model and other data"] | None = None  # fmt: skip


class Condition(_Form, frozen=True):
    """A condition of the board that is open (reports.conditions)."""

    number: Annotated[int, msgspec.Meta(ge=1, le=10**6)]
    text: Annotated[str, msgspec.Meta(max_length=200)]
    owner: Annotated[str, msgspec.Meta(max_length=200)]
    due: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4}-[01][0-9]-[0-3][0-9])?\Z")]
    state: Literal["open"]


class Checkpoint(msgspec.Struct, frozen=True):
    """The log before the report (reports.log.entries.stated); read where it is held against its own signature."""

    origin: str
    size: int
    root: str
    key: str
    note: str


class Extra(_Form, frozen=True):
    """What Assay enters into a manifest (reports.issue); each is left out where there is nothing to say."""

    people: bool = False
    timestamp: bool = False
    level_words: str = ""
    """One of the sentences of SignedLevel: reports.document refuses others."""
    number: str = ""
    """Digits: reports.manifest refuses others."""
    fonts: Any = None
    """reports.setting reads it."""
    undrawn: tuple[Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{1,30}\Z")], ...] = ()
    """Scripts that no font drew where the report was printed (reports.undrawn)."""
    checkpoint: Any = None
    """Held against its own signature: reports.verify.log.stated."""
    about: Any = None
    """Held against the evidence: reports.verify.about."""
    annex: Literal["full", "short", "none", "summary"] = "full"
    conditions: tuple[Condition, ...] = ()
    review: Day | None = None
    outdated: Day | None = None
    register: tuple[Before, ...] = ()
    protocol: Protocol | None = None
    search: Begun | None = None
    deviations: tuple[str, ...] = ()
    monitoring: Monitoring | None = None
    differences: Differences | None = None
    earlier_unchecked: tuple[Partly, ...] = ()
    """The checks of the earlier report that could not be made whole."""


def read_extra(extra: Mapping[str, Any]) -> Extra:
    """The entries of a manifest's `extra`. Raises InputError where one has another form, or another name."""
    try:
        return msgspec.convert(dict(extra), Extra)
    except msgspec.ValidationError as error:
        raise InputError(
            "an entry of the manifest has another form than Assay gives it",
            got=_error_path(str(error)),
            expected="times, digests and numbers where pages print them, and no entry of another name",
        ) from error


def _error_path(text: str) -> str:
    """Where msgspec found it, without its words: they may be the file's."""
    where = text.rpartition("at `")[2].rstrip("`") if "at `" in text else "an entry"
    return where if len(where) < 60 else "an entry"


assert (SAME, UNKNOWN, setting.FONTS) == ("the same model and data", "not recorded", "fonts")
