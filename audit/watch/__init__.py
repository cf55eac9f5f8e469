"""Watching: evidence that is valid whenever one looks, drift, harm, and why a gap changed. Pure functions of arrays.

evalues      betting on blocks of two groups: e-processes for the report, e-detectors for the alarm
monitor      the streams of a policy's norms, fed row by row in the order of arrival, resumable at any row
counted      e-values and confidence sequences from counts alone, for cubes that are already stored
drift        whether a feature has changed, corrected within and over batches; sizes beside the tests
estimate     performance without labels, from calibrated scores
attribution  the change of a gap as mix and rate, segment by segment
"""
