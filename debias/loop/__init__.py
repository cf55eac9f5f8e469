"""The continuous auditor-debiaser loop: `assay watch`. docs/watch.md says what it does and what it writes.

state, step, act   what the loop knows, and the one pure step from it to the next: counts, then what follows
gate               whether a challenger has earned its place
trail, page        the append-only, hash-chained record; what one input changes in it
ledger, database   what is kept beside the entries, which hold its sha256; the database under it
store, serve       models by their content; decisions by the models that run
sources            batches of rows: a table, a folder (folder, settle), standard input (stdin), late outcomes (labels)
take               a batch as the step takes it: read, checked, decided, compared
build, norms       challengers, the cheapest first; the policy that is in force
why                where a change sits, at an alarm
watcher, run       the shell around it: reads, steps, writes, resumes; until nothing more comes
word, inbox        what a person asks and says: state, check, approve, reject
show, alerts       watch.json; who is told at once
notices            what was noticed beside the feed: a file passed over, an alert not taken
"""
