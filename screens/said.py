"""What a person answered in set-up, as one record; it is kept with the case's files and found again after a reload."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from audit.errors import DataError
from audit.files import write_whole

KEPT = ".answers"


class Endpoint(msgspec.Struct, kw_only=True):
    """A model that another program serves: where, how, what is sent, and the host that a person agreed to."""

    url: str = ""
    protocol: str | None = None
    more: str = ""
    features: list[str] = []
    agreed: str | None = None


class Change(msgspec.Struct, kw_only=True):
    """How a person could change a number: which way, and within what."""

    way: str = ""
    range: str = ""


class SetupAnswers(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Every answer by name; UNSET until its question was answered. at, reached: the open question, and the furthest;
    model: the model file that was there when the question about it was answered."""

    name: str | UnsetType = UNSET
    purpose: str | UnsetType = UNSET
    label: str | UnsetType | None = UNSET
    number: bool | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    column: str | UnsetType | None = UNSET
    threshold: float | UnsetType = UNSET
    served: Endpoint | UnsetType | None = UNSET
    side: str | UnsetType | None = UNSET
    positive: str | UnsetType | None = UNSET
    favourable: str | UnsetType | None = UNSET
    granted: str | UnsetType | None = UNSET
    not_granted: str | UnsetType | None = UNSET
    sensitive: list[str] | UnsetType = UNSET
    bins: str | UnsetType = UNSET
    reference: dict[str, str] | UnsetType = UNSET
    exclude: list[str] | UnsetType = UNSET
    legitimate: dict[str, str] | UnsetType = UNSET
    norms: str | UnsetType = UNSET
    policy: str | UnsetType | None = UNSET
    adopted_by: str | UnsetType | None = UNSET
    cluster: str | UnsetType | None = UNSET
    id: str | UnsetType | None = UNSET
    weight: str | UnsetType | None = UNSET
    time: str | UnsetType | None = UNSET
    split: str | UnsetType | None = UNSET
    train: str | UnsetType | None = UNSET
    audit: str | UnsetType | None = UNSET
    forms: list[str] | UnsetType = UNSET
    shares: dict[str, str] | UnsetType = UNSET
    source: str | UnsetType = UNSET
    change: dict[str, Change] | UnsetType = UNSET
    wrong: str | UnsetType = UNSET
    at: int = 0
    reached: int = 0
    model: str = ""

    def get(self, name: str, proposed: Any) -> Any:
        """What was answered, or else what is proposed."""
        answer = getattr(self, name)
        return proposed if answer is UNSET else answer

    def take(self, values: Mapping[str, Any]) -> None:
        """These answers in place of those before."""
        for name, value in values.items():
            setattr(self, name, value)


def kept(place: Path) -> SetupAnswers:
    """What was answered so far in the case of this folder. Raises DataError where it cannot be read."""
    path = place / KEPT
    if not path.exists():
        return SetupAnswers()
    try:
        return msgspec.json.decode(path.read_bytes(), type=SetupAnswers)
    except msgspec.DecodeError as error:
        raise DataError(
            "the answers of this case cannot be read", got=str(error), expected="what set-up kept",
            todo="load the data set again",
        ) from error  # fmt: skip


def keep(place: Path, answers: SetupAnswers) -> None:
    """Write the answers beside the case's files."""
    write_whole(place / KEPT, msgspec.json.encode(answers))
