"""Several classes: who is decided what, class by class and overall, from counts of label x decision per group.

The two-valued cube stays what it is: the decision "receives `positive` or not". Beside it stands a table of all
classes (table.py), counted in code.py, measured in measures.py and said in words.py.
"""
