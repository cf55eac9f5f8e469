"""Watching: evidence that is valid whenever one looks, drift, harm, and why a gap changed. Pure functions of arrays.

evalues      betting on blocks of two groups: e-processes for the report, e-detectors for the alarm
monitor      the streams of a policy's norms, fed row by row in the order of arrival, resumable at any row
watched      what the monitor knows between two feeds
counted      e-values and confidence sequences from counts alone, for cubes that are already stored
summaries    counts per feature and group of a batch, which add up: what is kept, so that rows are not read again
drift        whether a feature has changed, corrected within and over batches; sizes beside the tests
harm         whether anybody's share of wrong decisions has risen, group by group
attribution  the change of a gap as mix and rate, segment by segment
label_free   performance without outcomes, from calibrated scores: it may only escalate
quality      whether a feed can be used at all
cells        cubes as JSON, for the store of the loop
"""
