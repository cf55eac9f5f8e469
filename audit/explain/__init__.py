"""Explanations: what decisions are made of, for everyone, by group, and for one person."""
