"""What if the pipeline had been built otherwise: many variants, their common steps done once.

table.py the variants as rows; linear.py, boosting.py, cloned.py how each kind of pipeline is fitted with shared work;
run.py `assay whatif`, figures with paired intervals and Holm over all.
"""
