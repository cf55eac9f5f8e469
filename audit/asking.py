"""What a person is asked where a model's file does not say which of its classes is meant, or what decides: each
refusal holds the lines to choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from audit.case import Case
from audit.cube import Floats
from audit.errors import CaseError
from audit.load.toml import write
from audit.models.loaded import RAW
from audit.numbers import brief

if TYPE_CHECKING:
    from audit.models import ModelInfo


def ask(
    case: Case, info: ModelInfo, classes: Sequence[str], labels: Sequence[str], help_with: Callable[[str], str] | None
) -> CaseError:
    """The refusal with the lines to choose from. labels: the label's values. help_with: for a class of the model, a
    sentence on how well it goes with the label."""
    positive = str(case.data.positive)
    others = [n for n in labels if n != positive]
    alike = _alike(classes, labels)
    if alike:
        return CaseError(
            "the model's classes are written otherwise than the label's values",
            got=f"the model {info.estimator}: {', '.join(repr(c) for c in classes)}; the label says "
            + ", ".join(repr(n) for n in labels),
            expected="one line under [model] that says which is which",
            todo=f"add `classes = {write(alike)}`",
        )
    if len(classes) != 2 or len(others) > 1:
        return _ask_among(case, info, classes, labels, help_with)
    other = others[0] if others else f"not {positive}"
    ways = []
    for at in (1, 0):
        line = {classes[1 - at]: other, classes[at]: positive}
        ways.append("classes = " + write(dict(sorted(line.items(), key=lambda kv: classes.index(kv[0])))))
    shown = "" if help_with is None or not info.decides else "; " + "; ".join(help_with(classes[at]) for at in (1, 0))
    return CaseError(
        "which of the model's classes is which value of the label?",
        got=f"the model {info.estimator}: {_unlike(info)} ({', '.join(repr(c) for c in classes)}); the label says "
        f"{' and '.join(repr(n) for n in (labels or (positive,)))}",
        expected="one line under [model] that says it; a guess could turn every figure round",
        todo=f"add `{ways[0]}` if class {classes[1]} means {positive!r}, or `{ways[1]}` if class {classes[0]} "
        f"does{shown}",
    )


def _alike(classes: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """Class -> value of the label where they differ in capitals, blanks and a full stop at the end only, each in one;
    else {}."""
    known = {name.strip().rstrip(".").casefold(): name for name in labels}
    matches = {c: known.get(c.strip().rstrip(".").casefold()) for c in classes}
    sound = len(known) == len(labels) == len(classes) == len({*matches.values()} - {None})
    return {c: str(name) for c, name in matches.items()} if sound else {}


def _ask_among(
    case: Case, info: ModelInfo, classes: Sequence[str], labels: Sequence[str], help_with: Callable[[str], str] | None
) -> CaseError:
    """The refusal where there are more than two classes, or more than two values of the label."""
    words: dict[str, str] = dict.fromkeys(classes[:12], "...")
    order = "with the value of each class in its place"
    if not info.named and len(labels) == len(classes):
        words = dict(zip(classes, sorted(labels, key=_in_order), strict=True))
        order += (
            " (this is the order of size or of the alphabet, by which most programs code; whether yours did is for "
        )
        order += "you to know)"
    shown = "" if help_with is None or not info.decides else "; ".join(help_with(c) for c in classes[:6])
    return CaseError(
        "which of the model's classes is which value of the label?",
        got=f"the model {info.estimator}: {_unlike(info)} ({', '.join(repr(c) for c in classes[:12])}); the label says "
        + ", ".join(repr(n) for n in (labels or (str(case.data.positive),))[:12]),
        expected="one line under [model] that says it; a guess could turn every figure round",
        todo=f"add `classes = {write(words)}` {order}" + (f"; {shown}" if shown else ""),
    )


def _in_order(label: str) -> tuple[float, str]:
    """Numbers by size, before words by the alphabet."""
    try:
        return float(label), label
    except ValueError:
        return float("inf"), label


def _unlike(info: ModelInfo) -> str:
    if not info.classes:
        return "it gives one number and names no classes"
    return "its classes have other names" if info.named else "its file does not say what its classes are called"


def raw_output(info: ModelInfo, score: Floats) -> CaseError:
    """The refusal of an output of which no decision follows, with the lines to choose from."""
    low, high = (float(score.min()), float(score.max())) if len(score) else (0.0, 0.0)
    kind = "log-odds (logits, margins)" if info.output == RAW else "a number, and does not decide"
    if low >= 0 and high <= 1:
        kind += ", though all lie within 0 and 1"
    logit = '`link = "logit"` if the numbers are log-odds (positive from a probability of 0.5 on)'
    cut = "`threshold = NUMBER`, the number from which on the decision is positive"
    if len(score) and set(np.unique(score).tolist()) <= {0.0, 1.0}:
        cut = "`threshold = 0.5` if 1 is the positive decision"
    first, second = (logit, cut) if info.output == RAW else (cut, logit)
    return CaseError(
        "the model's output is no probability and no decision",
        got=f"{info.estimator} gives {kind}: {brief(low)} to {brief(high)} in these rows"
        + "".join(f"; {note}" for note in info.notes),
        expected="one line under [model] that says what decides",
        todo=f"add {first}, or {second}",
    )
