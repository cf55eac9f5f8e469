"""Mitigate: methods, the honest comparison, the gate, the loop, jobs."""
