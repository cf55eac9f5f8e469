"""What a loop that goes on must find as it was when it began: the meaning of its data, and its first model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from audit.case import Case
from audit.errors import CaseError, DataError
from audit.evidence import sha256
from audit.numbers import are, many
from debias.loop.norms import settings_of
from debias.loop.store import bytes_of
from debias.loop.trail import Trail


def same_case(case: Case, trail: Trail) -> None:
    """What outcomes and groups mean is fixed for the life of a loop: else every later batch would seem at fault.

    A folder holds the loop of one case: people of another would be counted as its own. Raises CaseError.
    """
    began = str(next(trail.entries(limit=1)).facts.get("case", case.name))
    if began != case.name:
        raise CaseError(
            "this folder holds the loop of another case",
            got=f"name = {case.name!r}",
            expected=f"name = {began!r}",
            todo="give this case an --out of its own; a loop keeps the name that it began with",
        )
    now, kept = settings_of(case), trail.kept("case")
    changed = [k for k in now if kept.get(k) != now[k]]
    if changed:
        key = changed[0]
        raise CaseError(
            f"the case says something else about {key!r} than when this loop began",
            got=f"{key} = {now[key]!r}"
            + (
                f"; {many(len(changed) - 1, 'more setting')} {are(len(changed) - 1, 'differs', 'differ')}"
                if changed[1:]
                else ""
            ),
            expected=f"{key} = {kept.get(key)!r}",
            todo="put it back, or begin a new loop with another --out: counts of two meanings cannot be added",
        )


class _About(msgspec.Struct):
    """What is kept of the beginning: the sha256 of the case's model file."""

    sha256: str | None = None


def same_model(case: Case, kept: Mapping[str, Any]) -> None:
    """The model of the case is the one that decided first. Raises DataError."""
    model, about = case.model, msgspec.convert(kept, _About)
    if model.kind == "path" and about.sha256 is not None:
        assert model.path is not None
        digest = sha256(bytes_of(model.path))
        if digest != about.sha256:
            raise DataError(
                "the case's model is not the one this loop began with",
                got=f"sha256 {digest[:12]}...",
                expected=f"{about.sha256[:12]}...",
                todo="put the file back, or begin a new loop with another --out",
            )
