"""The table: models that people have, each with the decisions that it makes in its own library."""

from __future__ import annotations

from tests.audit.models.zoo import boosted, networks, own, sklearn_kinds
from tests.audit.models.zoo.rows import KINDS, Kind

__all__ = ["KINDS", "Kind", "boosted", "networks", "own", "sklearn_kinds"]
assert len({k.name for k in KINDS}) == len(KINDS)
