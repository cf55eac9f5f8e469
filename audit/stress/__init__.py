"""What could go wrong with the data: the worst plausible corruption that was found, honestly.

serving.py      the model is fixed, what it is fed is wrong: a search over predicates and corruptions
measuring.py    labels wrong, groups unknown, people never collected: from counts alone, recomputed by verify
(debias/stress) training: the model learned from wrong data; it is fitted again
"""
