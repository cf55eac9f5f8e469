"""The continuous auditor-debiaser loop: `assay watch`.

state, step      what the loop knows, and the one pure step from it to the next
gate             whether a challenger has earned its place
trail, store     the append-only, hash-chained record; models by their content
sources, serve   batches of rows; decisions by the models that run
build            challengers, the cheapest first
run              the shell around it: reads, steps, writes, resumes
"""
