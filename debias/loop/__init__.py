"""The continuous auditor-debiaser loop: `assay watch`. docs/watch.md says what it does and what it writes.

state, step        what the loop knows, and the one pure step from it to the next
modes, transitions the table of states and ways; what follows from what was counted
sentences          what is said of an event: one sentence a kind, outside the step
gate               whether a challenger has earned its place
trail, page        the append-only, hash-chained record; what one input changes in it
ledger, database   what is kept beside the entries, which hold its sha256; the database under it
store, serve       models by their content; decisions by the models that run
sources            batches of rows: a table, a folder (folder, file_ready), standard input (stdin), late ones (labels)
ingest             a batch as the step takes it: read, checked, decided, compared
build, norms       challengers, the cheapest first; the policy that is in force
why                where a change sits, at an alarm
watcher, run       the shell around it: reads, steps, writes, resumes; until nothing more comes
decisions, inbox   what a person asks and says: state, check, approve, reject
snapshot, alerts   watch.json; who is told at once
notices            what was noticed beside the feed: a file passed over, an alert not taken
"""
