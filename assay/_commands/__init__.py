"""The commands of `assay`, one line each: its name, the function behind it, and what it does in words.

A function is imported when its command is named, so that `assay --help` stays quick. To add a command: write a function
with `@command(...)` in a module here, choosing its options from `options.py`, and add its line to COMMANDS. The work
itself belongs to `audit`, `debias` or `reports`.
"""

from __future__ import annotations

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": (
        "demo:demo",
        "the whole main job on the sample data: audit, explain, mitigate, sign, verify; --watch: the loop on replays",
    ),
    "init": ("case:init", "propose a case file for a data file, with a reason for each line"),
    "convert": (
        "case:convert",
        "write a model as a file that loads without running code, by the model's own interpreter; checked on your rows",
    ),
    "check": ("case:check", "say what a case would read, and what stands in the way; nothing is measured"),
    "contract": ("stress:contract", "propose a contract of the data; with --check, hold a case's data against its own"),
    "audit": ("audit:audit", "measure; write evidence.json and cube.json; print the findings"),
    "explain": ("explain:explain", "SHAP and LIME, global, per group, per row"),
    "precompute": (
        "explain:precompute",
        "ask a model about everyone and explain everyone ahead: later audits and explanations read what is kept",
    ),
    "mitigate": (
        "mitigate:mitigate",
        "fit a candidate, compare it with the original, write the model and the comparison",
    ),
    "stress": (
        "stress:stress",
        "the worst plausible corruption that was found: of what the model is fed, and of what it learned from",
    ),
    "whatif": ("stress:whatif", "variants of the pipeline with shared work: what moves accuracy, and what moves a gap"),
    "watch": (
        "watch:watch",
        "the continuous auditor-debiaser loop over batches in time order; resumes where it stopped",
    ),
    "plan": ("plan:plan", "how many people an audit needs to see a gap"),
    "show": ("show:show", "the report's chapters on DIR as text, before anybody signs"),
    "report": ("sign:report", "the signed PDF of everything measured in DIR"),
    "publish": (
        "publish:publish",
        "write an audit's figures, evidence and report into MLflow, or into a lineage store",
    ),
    "approve": ("sign:approve", "a board member countersigns"),
    "seal": ("sign:seal", "an archive timestamp on a report, when the board has decided"),
    "verify": ("verify:verify", "check signatures, embedded evidence and every figure; name the failed check"),
    "register": (
        "register:register",
        "who decided what on which report, when, and until when; from the log of issued reports",
    ),
    "letter": ("letter:letter", "reasons, what would turn the decision, and rights, for one person who was refused"),
    "forget": ("forget:forget", "delete a case with its data; --abandoned: uploads that nobody came back to"),
    "purge": (
        "forget:purge",
        "delete what was kept long enough, by the rules of retention.toml; the log says what went",
    ),
    "lock": ("forget:lock", "encrypt a case of the app at rest, with age"),
    "unlock": ("forget:unlock", "write a sealed case back in clear"),
    "keys": ("sign:keys", "a signing key for people who have none"),
}
"""name -> (module:function in this package, one line of help)."""
