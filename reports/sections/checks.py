"""What the report still lacks, computed from what is absent."""

from __future__ import annotations

from collections.abc import Callable

from audit.numbers import many
from reports.blocks import Lead, Section, Sources, Table


def _explained(s: Sources) -> bool:
    return bool(s.explain and s.explain.overall)


def _isolated(s: Sources) -> bool:
    return s.evidence.model.kind != "path" or bool(s.evidence.model.isolation)


def _apart(s: Sources) -> bool:
    return s.evidence.model.kind not in ("path", "endpoint") or bool(s.evidence.data.split)


def _estimable(s: Sources) -> bool:
    return all(r.estimable for r in s.evidence.rates)


def _fixed(s: Sources) -> bool:
    """Named, and known to the log before this report was made: a file alone could have been written afterwards."""
    protocol = s.said.protocol
    return bool(protocol and protocol.logged)


CHECKS: tuple[tuple[str, Callable[[Sources], bool], str], ...] = (
    ("Known outcomes", lambda s: s.evidence.data.label is not None,
     "Without outcomes no error rate can be measured. Name the column of outcomes in the case."),
    ("Every rate estimable", _estimable,
     "Some groups are too small for some rates. Collect more rows, or say why these groups are so small."),
    ("Every group shown", lambda s: not any(c.suppressed for c in s.evidence.counts),
     "Groups under the floor are withheld, to protect the people in them."),
    ("Rows that the model did not learn from", _apart,
     "Figures on rows that the model learned from flatter it. Name the split in the case."),
    ("Isolation of the model while it ran", _isolated, "The model ran without a stated isolation."),
    ("A reference population", lambda s: bool(s.evidence.population),
     "Who is missing from the data cannot be told."),
    ("Norms for these attributes", lambda s: bool(s.evidence.norms), "The policy names no limit. Set one."),
    ("An explanation of the decisions", _explained, "Run the explanation."),
    ("A test for models that hide", lambda s: bool(s.explain and s.explain.hiding),
     "A model can behave for an explainer. The test needs the model itself."),
    ("A mitigation that was tried", lambda s: s.mitigation is not None,
     "Try one, or state why none is needed."),
    ("A person's decision on the candidate", lambda s: bool(s.mitigation and s.mitigation.decision),
     "Accept or reject the candidate, with a reason."),
    ("Board members asked to decide", lambda s: bool(s.manifest.members), "Name them when the report is issued."),
    ("The board's decision", lambda s: False,
     "No decision can be in a report before it is signed. Look at the signatures at the end."),
    ("A timestamp by an independent authority", lambda s: bool(s.said.timestamp),
     "The date rests on the signer's clock."),
    ("A protocol fixed before the results", _fixed,
     "State what was fixed beforehand, and enter it in the log before the results are there."),
    ("Deviations from the protocol stated", lambda s: bool(s.said.deviations),
     "No deviation is stated. There may have been one that nobody wrote down."),
    ("An entry in a log of reports", lambda s: bool(s.said.checkpoint),
     "Without a log nobody can tell whether a decision was cut off this file."),
    ("The record of continued monitoring", lambda s: bool(s.said.monitoring),
     "This report shows one moment. Run the loop over later batches."),
    ("Reasons for the people affected", lambda s: False,
     "People refused are owed reasons that they can act on. This report speaks of groups."),
)  # fmt: skip


def lacking(sources: Sources) -> Section:
    """The completeness check: every item, whether it is here, and what would have to be done."""
    rows = []
    missing = 0
    for item, present, todo in CHECKS:
        here = present(sources)
        missing += not here
        rows.append((item, "here" if here else "lacking", "–" if here else todo))
    rows.sort(key=lambda r: r[1] != "lacking")
    return Section(
        "lacking",
        "What this report still lacks",
        (
            Lead(f"{missing} of {many(len(rows), 'item')} on Assay's list are lacking. The list is Assay's, not "
                "the law's."),
            Table("The completeness check", ("Item", "Here or lacking", "What it means or takes"), tuple(rows), "",
                  (32, 16, 52)),
        ),
    )  # fmt: skip
