"""The documents of a run, a row each, and nothing else lists them: what is embedded in a report, which schemas are
published, what publishing and forgetting do with a document, and what is said of it follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from audit.documents.evidence import CubeHead, Evidence
from audit.documents.explanations import Explanations
from audit.documents.mitigation import Mitigation
from audit.documents.search import Search
from audit.documents.series import Series
from audit.documents.stress import Stress, Whatif


class Published(Enum):
    """What becomes of a document where a group is too small to be published (audit/publish.py)."""

    AGAIN = "made again of what may be published"
    BLURRED = "its numbers of rows are made coarser"
    WITHHELD = "left out: its counts are of all people"
    APART = "made for publication by itself"


@dataclass(frozen=True, slots=True)
class Document:
    """One document. record: what it is read into. words: what is in it. word: what of it rests on the auditor's word.
    made_by: the command that writes it. in_run: written into the run folder, from which a report takes it. needed: no
    report without it."""

    name: str
    record: Any
    words: str
    word: str
    published: Published
    made_by: str = ""
    in_run: bool = True
    needed: bool = False


DOCUMENTS: dict[str, Document] = {
    d.name: d
    for d in (
        Document(
            "cube.json", CubeHead, "The counts that the evidence follows from", "", Published.AGAIN, "audit",
            needed=True,
        ),
        Document(
            "evidence.json", Evidence, "Every rate, gap, interval and test of the audit", "", Published.AGAIN,
            "audit", needed=True,
        ),
        Document("explain.json", Explanations, "Explanations", "the explanations", Published.BLURRED, "explain"),
        Document(
            "mitigation.json", Mitigation, "The mitigation that was tried, before and after",
            "how many gained and lost within what the tables allow, and how wide the intervals of changes are",
            Published.BLURRED, "mitigate",
        ),
        Document(
            "search.json", Search, "The candidates that were tried in a search", "how the candidates were found",
            Published.BLURRED, "mitigate",
        ),
        Document(
            "stress.json", Stress, "The worst corruptions of the data that were found",
            "how corruptions were searched", Published.WITHHELD, "stress",
        ),
        Document(
            "whatif.json", Whatif, "Variants of the pipeline, each measured on the same people",
            "how variants were fitted", Published.WITHHELD, "whatif",
        ),
        Document("series.json", Series, "", "what the loop did", Published.APART, "watch", in_run=False),
    )
}  # fmt: skip


def published(how: Published) -> tuple[str, ...]:
    """The names of documents with which publishing does this."""
    return tuple(d.name for d in DOCUMENTS.values() if d.published is how)
