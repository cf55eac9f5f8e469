"""Like people, like decisions? Consistency among near neighbours, and two flip tests.

consistency: 1 - mean |decision - mean decision of the five nearest neighbours| (Zemel et al. 2013). A person is not
among the neighbours; AIF360 counts the person as the first of the five, and that figure stands under its name.
neighbours' flip: of a group's people, how many would be decided otherwise by their nearest neighbours outside it, for
better minus for worse (Black, Yeom & Fredrikson 2020, as approximated by Clarify's FT).
model's flip: the sensitive column alone is changed and the model asked again; only where the model sees that column.

Near: Euclidean over the features that are no sensitive columns, numbers in standard deviations, a category of another
name at the distance of one. On at most MOST people drawn by the seed.
"""

from __future__ import annotations

from audit.individual.flips import Flips, flips, plan
from audit.individual.neighbours import MOST, consistency

__all__ = ["MOST", "Flips", "consistency", "flips", "plan"]
