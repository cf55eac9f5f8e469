"""The case's model file, asked as the case says: which of its classes is `positive`, and what decides.

What is audited is what the model itself decides (its library's `predict`). A threshold decides only where a person
wrote one. Where both are at hand they are compared on every row, and a difference is told. Where the file does not
settle which class is meant, or decides nothing (a value, logits, margins), a person is asked: the refusal holds the
line to add.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from audit.answers import current
from audit.asking import ask, raw_output
from audit.case import Case, ModelSpec
from audit.cube import Floats, Ints
from audit.errors import CaseError
from audit.load.toml import write
from audit.load.values import coded
from audit.models.loaded import DECISION, PROBABILITY, RAW, VALUE, class_index, same_class
from audit.models.own_loaders import WAYS
from audit.numbers import brief
from audit.two_rules import PREDICT, Compared, words_of

if TYPE_CHECKING:
    from audit.models import ModelInfo, Worker

THRESHOLD = "threshold"
USUAL = 0.5


@dataclass(frozen=True, slots=True)
class Rule:
    """How the model's answers become decisions.

    own: the model's own name of the positive class. kind: "predict" (what the model itself decides) or "threshold"
    (positive where score >= threshold). link: "logit" where scores are log-odds to be made probabilities. words: the
    model's classes in the label's words, where the case gives them.
    """

    own: str
    kind: str
    threshold: float | None = None
    link: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)

    def word(self, name: str) -> str:
        """A class of the model in the label's words."""
        return self.words.get(name, name)

    def name(self, word: str) -> str:
        """A value of the label as the model's class."""
        return next((k for k, v in self.words.items() if v == word), word)


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """positive (n,) in 0, 1; score (n,) or None; cut: a number with positive exactly where score >= cut on these rows,
    None where there is none; compared: None where only one of the two rules is at hand; notes in words."""

    positive: Ints
    score: Floats | None
    cut: float | None
    compared: Compared | None = None
    notes: tuple[str, ...] = ()


def open_model(
    model: ModelSpec,
    allow: Sequence[str] = (),
    path: Path | None = None,
    *,
    made_here: bool = False,
    alone: bool = False,
) -> Worker:
    """A worker for the model of a case, not yet entered. path: a candidate's file, or a copy, in place of the case's.

    A candidate that a model's own environment wrote is loaded there too (`made_here`); one of Assay's own is not. The
    case's own file is loaded once in a job (`audit.models.held`). alone: a process of its own all the same, for several
    side by side.
    """
    from audit.models import Worker
    from audit.models.files import is_safe
    from audit.models.own import Environment, OwnWorker

    if model.endpoint is not None and path is None:
        from audit.models.served.worker import EndpointWorker

        return EndpointWorker(model.endpoint)
    file = path or model.path
    assert file is not None
    kept = path is None and not alone
    if model.path is None or model.python is None or model.load is None or (made_here and is_safe(file)):
        if (store := current()) is not None:
            from audit.answers.worker import KeptWorker

            return KeptWorker(file, store, allow=tuple(allow), kept=kept)
        return Worker(file, allow=tuple(allow), kept=kept)
    load = own_format(model) or model.load if made_here else model.load
    own = Environment(model.python, load, model.consent, model.path.parent, made_here)
    if (store := current()) is not None and store.part is not None:
        from audit.answers.worker import KeptOwn

        return KeptOwn(file, own, store, kept=kept)
    return OwnWorker(file, own, kept=kept)


def own_format(model: ModelSpec) -> str | None:
    """In which format a fresh copy of the case's model is written: "skops", or what its own environment writes and
    loads again; None where that environment has no way for a copy."""
    if model.load is None:
        return "skops"
    return WAYS[model.load].copy if model.load in WAYS else None


def bind(case: Case, worker: Worker, frame: pd.DataFrame, features: Sequence[str]) -> None:
    """What a model in its own environment must be told before it can be asked: the columns of people's groups, where
    its `predict` wants them; and its answers on these rows are looked at, where it names no classes. An endpoint is
    asked about some of these rows, by the features alone.

    Raises CaseError where the columns of the groups cannot be told apart, or nobody agreed to what is sent.
    """
    from audit.models.own import OwnWorker
    from audit.models.served.worker import EndpointWorker

    if isinstance(worker, EndpointWorker):
        worker.bind(case, frame, features)
    if not isinstance(worker, OwnWorker):
        return
    info = worker.info
    if worker.keys:
        fits = [
            c
            for c in case.data.sensitive
            if c in frame and set(map(str, frame[c].dropna().unique().tolist())) <= set(worker.keys)
        ]
        if len(fits) != 1:
            raise CaseError(
                "the model wants to know each person's group, and the case does not say by which column",
                got=f"groups {', '.join(repr(k) for k in worker.keys[:8])}; columns that have these: "
                + (", ".join(fits) or "none"),
                expected="exactly one column of `sensitive` with these values",
                todo="name that column under `sensitive`, written as in training",
            )
        worker.read_groups((fits[0],))
        info = worker.info
    if info.output == "unknown":
        worker.learn_classes(frame[[c for c in frame.columns if c in features or c in (info.features or ())]])


def rule_of(
    case: Case,
    info: ModelInfo,
    labels: Sequence[str] = (),
    *,
    candidate: bool = False,
    help_with: Callable[[str], str] | None = None,
) -> Rule:
    """How this model decides in this case.

    labels: the label's values, as far as they are known. candidate: a model that was fitted here; it decides itself,
    and may have the label's own words for classes where the case's model has not. help_with: for a class of the model,
    a sentence on how well it goes with the label, for the refusal.

    Raises CaseError where a person must say which class is meant or what decides.
    """
    model, positive = case.model, str(case.data.positive)
    link = None if candidate and info.decides else model.link
    if link is not None and info.output not in (VALUE, RAW):
        raise CaseError(
            "[model] has a `link`, and the model's output is no raw number",
            got=f"link = {link!r}; {info.estimator} gives a {info.output}",
            expected="a link only for logits, margins and other log-odds",
            todo="remove `link`",
        )
    if not info.decides and not model.threshold_given and link is None:
        return Rule((info.classes or ("1",))[-1], THRESHOLD)  # `answer` asks, once it has seen the numbers
    own, words = _class(case, info, labels, candidate, help_with)
    if info.output == VALUE and not info.decides and own == "0":
        raise CaseError(
            "the model gives one number, and by its classes a higher number speaks against `positive`",
            got=f"positive = {positive!r}, which is the model's class 0",
            expected="the value that a higher number speaks for",
            todo=f"write positive = {write(words.get('1', '1'))} under [data], and favourable = the value that is "
            "good for a person",
        )
    if model.threshold_given and not (candidate and info.decides):
        if info.output == DECISION:
            raise CaseError(
                "[model] has a `threshold`, and the model gives no scores",
                got=f"threshold = {brief(model.threshold)}; {info.estimator} gives decisions only",
                expected="no threshold: the model decides itself",
                todo="remove `threshold`",
            )
        return Rule(own, THRESHOLD, model.threshold, link, words)
    if info.decides:
        return Rule(own, PREDICT, None, link, words)
    return Rule(own, THRESHOLD, USUAL, link, words)


def _class(
    case: Case, info: ModelInfo, labels: Sequence[str], candidate: bool, help_with: Callable[[str], str] | None
) -> tuple[str, dict[str, str]]:
    """The model's own name of `positive`, and its classes in the label's words where the case gives them."""
    positive, renamed = str(case.data.positive), case.model.classes
    # A single number has no classes: 0 and 1 stand for the low and the high end of it.
    classes = info.classes or ("0", "1")
    if renamed:
        indices = {key: same_class(classes, key) for key in renamed}
        if all(at is not None for at in indices.values()) and len(set(indices.values())) == len(classes):
            words = {classes[at]: renamed[key] for key, at in indices.items() if at is not None}
            strange = [w for w in words.values() if labels and len(labels) <= len(words) and w not in labels]
            if positive not in words.values() or strange:
                raise CaseError(
                    "`classes` under [model] and the label have different values",
                    got=", ".join(repr(w) for w in words.values()),
                    expected=" and ".join(repr(n) for n in (labels or (positive,))),
                    todo="write the label's values exactly as in the table",
                )
            return next(k for k, w in words.items() if w == positive), words
        if not candidate or same_class(classes, positive) is None:
            raise CaseError(
                "`classes` under [model] does not name the model's classes",
                got=", ".join(repr(k) for k in renamed),
                expected=", ".join(repr(c) for c in classes[:12]),
                todo="name each class of the model once, on the left of its value in the label",
            )
    at = same_class(classes, positive)
    unmatched = [n for n in labels if same_class(classes, n) is None]
    if len(classes) == 2 and not info.classes and case.model.threshold_given and case.model.link is None:
        # A written threshold says itself on which side of it `positive` lies.
        return "1", {}
    if len(classes) == 2 and at is not None and f"not {positive}" in classes:
        return classes[at], {}  # a candidate of ours: `positive` or not, whatever else the label says
    # Places are no names: of three classes that a file numbers 0, 1 and 2, a label of 1, 2 and 3 means others.
    if at is None or (unmatched and (len(classes) == 2 or not info.named)):
        raise ask(case, info, classes, labels, help_with)
    return classes[at], {}


def answer(worker: Worker, rule: Rule, frame: pd.DataFrame, people: int | None = None) -> Answered:
    """Ask for every row of `frame` (n rows). people: how many of them, the first, are people: what is told is about
    these, and not about rows that were altered.

    Raises ModelError where the model fails, CaseError where its output is a raw number and nobody said what it means.
    """
    info = worker.info
    reply = worker.answer(frame, rule.own)
    score: Floats = reply.score
    if rule.threshold is None and rule.kind == THRESHOLD:
        raise raw_output(info, score)
    if rule.link == "logit":
        score = linked(score)
    own = None
    if reply.decided is not None:
        own = (reply.decided == class_index(info.classes, rule.own)).astype(np.int64)
    if info.output == DECISION:
        assert own is not None
        return Answered(own, score, USUAL)
    inside = bool(((score >= 0) & (score <= 1)).all())
    answered = slice(0, people)
    if rule.threshold is not None:
        positive = (score >= rule.threshold).astype(np.int64)
        compared = None if own is None else _compared(own[answered], positive[answered], rule.threshold, THRESHOLD)
        cut: float | None = rule.threshold
    else:
        assert own is not None
        positive = own
        compared = (
            _compared(own[answered], (score >= USUAL)[answered].astype(np.int64), USUAL, PREDICT) if inside else None
        )
        cut = cut_of(score, own)
    low, high = (float(score.min()), float(score.max())) if len(score) else (0.0, 1.0)
    return Answered(positive, score, cut, compared, notes_of(info, rule, low, high, compared))


def notes_of(info: ModelInfo, rule: Rule, low: float, high: float, compared: Compared | None) -> tuple[str, ...]:
    """What a reader should know of scores from `low` to `high`."""
    notes = []
    if rule.link == "logit":
        notes.append("The model's output is taken as log-odds and made a probability (link = logit).")
    if (low < 0 or high > 1) and rule.threshold is None and info.output == PROBABILITY:
        notes.append(
            f"The model's scores lie between {brief(low)} and {brief(high)}: they are no "
            "probabilities. What is audited is what the model itself decides."
        )
    if compared is not None and compared.differ:
        notes.append(words_of(compared))
    return tuple(notes)


def linked(score: Floats) -> Floats:
    """Log-odds as probabilities."""
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(score, -700, 700))), dtype=np.float64)


def predictor(worker: Worker, rule: Rule, own: Answered) -> Callable[[pd.DataFrame], Floats]:
    """A function from rows to numbers (n,) from which both the score and the decision follow.

    With a cut: the model's scores, positive from the cut on. Without one, where scores are probabilities (several
    classes; thresholds by group): the probability, with a minus sign where the decision is not positive (`signed`).
    Else the decisions, 1 and 0. own: what the model answered for the people explained.
    """
    if own.cut is None and signed(worker.info, own):
        return _Predictor(lambda frame: _with_sign(answer(worker, rule, frame)), worker.builds_rows)
    if own.cut is None:
        return _Predictor(lambda frame: answer(worker, rule, frame).positive.astype(np.float64), worker.builds_rows)
    if rule.link is not None:
        return _Predictor(lambda frame: linked(worker.scores(frame, rule.own)), worker.builds_rows)
    return _Predictor(lambda frame: worker.scores(frame, rule.own), worker.builds_rows)


@dataclass(frozen=True, slots=True)
class _Predictor:
    """takes_hybrids: whether `audit.models.hybrids.LazyRows` may be given in place of a frame."""

    ask: Callable[[pd.DataFrame], Floats]
    takes_hybrids: bool

    def __call__(self, frame: pd.DataFrame) -> Floats:
        return self.ask(frame)


def signed(info: ModelInfo, own: Answered) -> bool:
    """Whether decisions are carried in the sign: probabilities that no number cuts into the model's own decisions."""
    inside = own.score is not None and bool(((own.score >= 0) & (own.score <= 1)).all())
    return own.cut is None and info.output == PROBABILITY and inside


def _with_sign(answered: Answered) -> Floats:
    assert answered.score is not None
    # A probability of exactly 0 has no sign of its own; this far inside it has.
    size = np.maximum(answered.score, np.finfo(np.float64).tiny)
    return np.where(answered.positive == 1, size, -size)


def explained(info: ModelInfo, rule: Rule, own: Answered) -> ModelInfo:
    """What `predictor` gives of a model."""
    if own.cut is None:
        return info if signed(info, own) else replace(info, output=DECISION)
    return replace(info, output=PROBABILITY if rule.link is not None else VALUE if info.output == RAW else info.output)


def _compared(own: Ints, by_cut: Ints, cut: float, audited: str) -> Compared:
    return Compared(cut, len(own), int((own != by_cut).sum()), int(own.sum()), int(by_cut.sum()), audited)


def cut_of(score: Floats, positive: Ints) -> float | None:
    """A number t with positive (n,) exactly where score (n,) >= t; .5 where that is one. None where there is none."""
    yes, no = score[positive == 1], score[positive == 0]
    low = float(no.max()) if len(no) else -np.inf
    high = float(yes.min()) if len(yes) else np.inf
    if low < USUAL <= high:
        return USUAL
    if not low < high:
        return None
    if np.isinf(low):
        return high
    middle = (low + high) / 2 if np.isfinite(high) else float(np.nextafter(low, np.inf))
    return middle if low < middle <= high else high


def labels_of(case: Case, frame: pd.DataFrame) -> tuple[str, ...]:
    """The values of the label in these rows; () without a label."""
    label = case.data.label
    return () if label is None or label not in frame.columns else tuple(sorted(coded(frame[label])[1]))
