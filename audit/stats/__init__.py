"""Intervals and tests as pure functions of counts: no rows, no frames, every draw seeded.

wilson, newcombe, ratio_interval     one rate, a difference of two, a ratio of two
largest_gap                          the widest gap of many groups: simultaneous interval, permutation p-value
mean_gap, mean_interval              the same for averages
area_under_curve, area_interval      ROC area with DeLong's variance from counts per score; limits that hold near 1
effective_size                       how many independent rows a rate is worth: weights, people in several rows
holm, benjamini_hochberg             many comparisons
"""

from __future__ import annotations

from audit.stats.adjust import benjamini_hochberg, holm
from audit.stats.design import effective_size, linearised_variance
from audit.stats.gap import GapResult, largest_gap
from audit.stats.intervals import newcombe, ratio_interval, wilson
from audit.stats.means import area_interval, area_under_curve, mean_gap, mean_interval

__all__ = [
    "GapResult",
    "area_interval",
    "area_under_curve",
    "benjamini_hochberg",
    "effective_size",
    "holm",
    "largest_gap",
    "linearised_variance",
    "mean_gap",
    "mean_interval",
    "newcombe",
    "ratio_interval",
    "wilson",
]
