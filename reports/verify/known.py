"""What was recomputed, by all that it follows from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Recomputed = tuple[dict[str, Any], Any, Any, Any]
"""The lists that follow from a cube and settings; margins, settings and measures. Nobody changes them."""


class Known:
    """What was recomputed in this process: the original arm of a mitigation most often has the counts of the audit."""

    def __init__(self) -> None:
        self._found: list[tuple[dict[str, Any], Mapping[str, Any], Recomputed]] = []

    def of(
        self, recompute: Callable[[Any, Mapping[str, Any]], Recomputed], cube: Any, settings: Mapping[str, Any]
    ) -> Recomputed:
        """As `reports.verify.figures.recompute`. Raises Broken."""
        if not isinstance(cube, dict):
            return recompute(cube, settings)
        read = {key: value for key, value in cube.items() if key != "floor"}  # what is withheld stands in the margins
        for known, by, recomputed in self._found:
            if by == settings and known == read:
                return recomputed
        recomputed = recompute(cube, settings)
        self._found.append((read, settings, recomputed))
        return recomputed
