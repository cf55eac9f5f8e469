"""Said where the quick reading of a page cannot decide: never a verdict."""

from __future__ import annotations


class Unsure(Exception):
    """The page may be right or wrong: it holds something that Assay's own pages do not. Its text says what."""


class NotCovered(Unsure):
    """The report holds text that the quick reading does not take at all, whoever wrote the page."""
