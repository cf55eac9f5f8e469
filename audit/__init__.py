"""Measure: case -> cube -> rates, gaps, findings, explanations, drift, e-values."""
