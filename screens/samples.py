"""The samples that ship, and how a case is opened and measured; light, since the first screen needs no more."""

from __future__ import annotations

from screens import parts, state
from screens.workspace import CaseFolder

SAMPLES = (
    ("adult.toml", "Adult income", "48,842 people of the 1994 US census; a model is asked for its decisions."),
    (
        "german_credit.toml",
        "German credit",
        "1,000 loans; the model predicts default, the favourable value is the other.",
    ),
    ("adult_decisions.toml", "Decisions without a model", "The same people, with decisions already made in a column."),
    (
        "replays/harm.toml",
        "A model that is watched",
        "26,000 people in 52 batches; from the 13th on the model misses many women. Go on to Watch.",
    ),
)


def open_and_audit(folder: CaseFolder) -> None:
    """Remember the case, start its audit, go to the next screen."""
    state.remember(folder.id)
    parts.start(folder, ["audit", str(folder.file), "--out", str(folder.run)], go="data")
