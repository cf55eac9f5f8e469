"""Regression: a number is predicted, nothing is decided. Residuals and predictions by group.

moments.py counts (an additive table beside the cube), rows.py goes from rows to it, measures.py makes the `regression`
entry of evidence.json, words.py says it.
"""
