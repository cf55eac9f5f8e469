"""Intervals and tests as pure functions of counts: no rows, no frames, every draw seeded.

wilson, newcombe, ratio_interval     one rate, a difference of two, a ratio of two
largest_gap                          the widest gap of many groups: simultaneous interval, permutation p-value
mean_gap, mean_interval              the same for averages of which only errors are known
Averages, limits_gap                 averages of scores: limits that follow skewness; a gap from groups' own limits
means_p, areas_p                     permutation p-values of averages and of areas
area_under_curve, area_interval      ROC area with DeLong's variance from counts per score; limits that hold near 1
error_limits                         limits of the calibration error, by inversion
effective_size                       how many independent rows a rate is worth: weights, people in several rows
holm, benjamini_hochberg             many comparisons
"""

from __future__ import annotations

from audit.stats.adjust import above_nought, benjamini_hochberg, holm
from audit.stats.areas import area_interval, area_under_curve
from audit.stats.calibrated import error_limits
from audit.stats.design import effective_size, fewer_free, linearised_variance, shared_size
from audit.stats.gap import GapResult, largest_gap
from audit.stats.intervals import newcombe, ratio_interval, wilson
from audit.stats.means import Averages, mean_gap, mean_interval
from audit.stats.permute import means_p
from audit.stats.permute_areas import areas_p, weighted_areas_p
from audit.stats.power import people_needed, power_of, smallest_gap
from audit.stats.score_gap import limits_gap

__all__ = [
    "Averages",
    "GapResult",
    "above_nought",
    "area_interval",
    "area_under_curve",
    "areas_p",
    "benjamini_hochberg",
    "effective_size",
    "error_limits",
    "fewer_free",
    "holm",
    "largest_gap",
    "limits_gap",
    "linearised_variance",
    "mean_gap",
    "mean_interval",
    "means_p",
    "newcombe",
    "people_needed",
    "power_of",
    "ratio_interval",
    "shared_size",
    "smallest_gap",
    "weighted_areas_p",
    "wilson",
]
