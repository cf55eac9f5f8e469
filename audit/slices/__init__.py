"""The search for the worst-served subgroup, confirmed on people who took no part in the search.

Slices are one or two conditions on features and sensitive columns (sex = Female and job = clerk; numbers in quarters).
One half of the people, drawn by the seed from what stands in their rows and not from their places, is searched: every
slice of at least LEAST people, by how far its rate stands above that of everyone else. The best few that are not nearly
the same people are then tested on the other half, exactly (Fisher), and adjusted over all of them (Holm). Only what
holds there is named: noise always has a worst slice.

Chung et al. 2019 (Slice Finder) for the search; the split is what keeps the p-values honest.
"""

from __future__ import annotations

from audit.slices.search import LEAST, MOST_ROWS, TESTED, search

__all__ = ["LEAST", "MOST_ROWS", "TESTED", "search"]
