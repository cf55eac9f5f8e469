"""Sentences that several files say: each stands here once, so that it is mended and translated in one place."""

from __future__ import annotations

from audit.numbers import are, many

WITHHELD = "withheld: the group, or one that could be found by subtraction, is smaller than the floor"
UNLAWFUL = "In many settings that is unlawful disparate treatment, whatever it does to the gap; ask counsel before use."
"""Of what reads a person's sensitive value at the decision."""
AGES = "Figures are of the rows that were measured, and age when people or the world change."
NO_CAUSE = "A gap does not say what caused it, and no gap does not say that nobody is harmed."
NO_PROBABILITIES = "the model gives no probabilities: each score is its decision, 1 or 0"
STOPPED = "assay watch: stopped; the next run goes on here."

# What to do.
DAMAGED = "get the file from its source again; it was damaged or made to break the program that reads it"
SCORES_COLUMN = (
    'write its scores into a column of the table, and name that under [model], `score = "COLUMN"`, in place of `path`'
)
FEWER_VALUES = "keep only the columns that the case names, or take a random sample of the rows"
ADD_THRESHOLD = "add `threshold` under [model]: the score from which on the decision is positive"
NEVER_DECIDED = "fill them in, or leave out the rows that were never decided"
OUTCOME_COLUMN = "check that this is the outcome column and that the rows were not filtered by it"
FEWER_GROUPS = "put values together with `bins`, or audit fewer columns at a time"
SEE_SERVER = "see whether the server runs and is reached from here"


def stopped_early(tried: int, asked: int | None) -> str:
    """The note of a search that did not try all; its verification expects these words."""
    return (
        f"{tried} of {many(asked, 'candidate')} {are(tried, 'was', 'were')} tried: time was up, or nothing new was "
        "left to try."
    )
