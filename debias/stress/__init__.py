"""Stress where something is fitted again (training.py), and the run that puts the three questions together (run.py)."""
