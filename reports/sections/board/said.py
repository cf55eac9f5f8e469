"""What page 1 says first: what is decided about whom, by whom, what must be known of the model; names cut to size."""

from __future__ import annotations

from audit.documents.base import Names
from audit.documents.evidence import Evidence
from audit.findings import turned_words
from audit.load.forms import ABOUT, BAD, GOOD
from audit.metrics import EQUAL_OPPORTUNITY, SELECTION_RATE
from audit.numbers import fixed, grouped, many
from audit.sizes import measured
from reports import words
from reports.blocks import Block, Notice
from reports.sections import find

CAUSE = "Why groups are apart, and whether that is right."
REFUSED = "How people fare whose outcome nobody saw, such as those who were refused."
NO_OUTCOME = "Whether decisions were right: what became of the people is not in the data."
"""What no figure shows: on page 1, and on the page for the public."""
NAME = 30
LABELS = {
    "decided_by": "Who decides",
    "affected": "About whom",
    "system": "System",
    "version": "Version",
    "owner": "Owner",
    "period": "Data from",
    "contact": "Complaints",
}
assert set(LABELS) == set(ABOUT)
NOTICE = 220


def name(group: Names | None) -> str:
    return words.truncate(words.name_of(group), NAME)


def two(a: Names | None, b: Names | None) -> tuple[str, str]:
    """Two groups, cut so that they can be told apart."""
    x, y = words.apart(words.name_of(a), words.name_of(b), NAME)
    return f"“{x}”", f"“{y}”"


def named(evidence: Evidence, attribute: Names) -> str:
    return words.attribute(evidence.stated, attribute, NAME)


def opening(evidence: Evidence) -> str:
    """What is decided, about how many, and how many get it."""
    data = evidence.data
    purpose = words.truncate(evidence.case.purpose, 150).rstrip(".")
    if not data.audited_rows:
        return f"{purpose}. Every group has too few people to be shown, so that nobody is in a figure of this report."
    text = f"{purpose}. {measured(data)} were looked at."
    everyone = find.rate(evidence, SELECTION_RATE, (), ())
    if everyone and everyone.estimable:
        text += (
            f" {of_100(everyone.value)} of 100 got {_answer(evidence)}. Below, “get it” means that{_merit(evidence)}."
        )
        if data.weight:
            whole = grouped(everyone.denominator)
            text += f" Each counts by a weight: together they stand for {whole}. Shares are of those."
    return text


def _merit(evidence: Evidence) -> str:
    """What “merit it” means here, where anything is told of those who do."""
    data = evidence.data
    if data.label is None or not any(g.metric == EQUAL_OPPORTUNITY for g in evidence.gaps):
        return ""
    label, good = (words.truncate(str(t), NAME) for t in (data.label, data.favourable))
    return f", and “merit it” that “{label}”, what became of them, is “{good}”"


def _answer(evidence: Evidence) -> str:
    """The good answer, in the code book's words where there is one, beside the other one."""
    data, stated = evidence.data, evidence.stated
    good = words.truncate(stated.get(GOOD, str(data.favourable)), NAME)
    bad = stated.get(BAD, str(data.positive) if data.positive != data.favourable else "")
    return f"“{good}”, the answer that is good for the person" + (
        f", and not “{words.truncate(bad, NAME)}”" if bad else ""
    )


def of_100(share: float | None) -> str:
    """Of 100 people: 8; below 1 and above 99 with one decimal."""
    n = 100 * (share or 0.0)
    return fixed(n, 1) if 0 < n < 1 or 99 < n < 100 else fixed(n, 0)


def facts(evidence: Evidence) -> str:
    case = evidence.stated
    here = [
        f"{LABELS[k]}: {words.truncate(str(case[k]).rstrip('.'), 90)}." for k in LABELS if k in case and k != "contact"
    ]
    missing = [LABELS[k].lower() for k in LABELS if k not in case and k != "contact"]
    return " ".join([*here, f"Not stated: {', '.join(missing)}." if missing else ""]).strip()


def model_notices(evidence: Evidence, most: int = 2) -> list[Block]:
    """What must be known of the model before any figure is read: which rule decides, consent, scores turned round."""
    turned = turned_words(evidence.rates)
    notices = [*([turned] if turned else []), *dict.fromkeys(evidence.model.notes or ())]
    blocks: list[Block] = [Notice(words.unquoted(words.truncate(n, NOTICE))) for n in notices[:most]]
    if len(notices) > most:
        blocks.append(Notice(f"{many(len(notices) - most, 'more notice')} about the model: see the data chapter."))
    return blocks
