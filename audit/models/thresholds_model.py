"""Group thresholds: another model's scores, and a threshold for each group. Reads the sensitive value at the decision.

The file is JSON, schema assay/group-thresholds/1, and holds the other model whole (base64), so that it can be audited
like any other. A score is the other model's, moved so that every group's threshold lies at one number, `default`: what
scores at least `default` is what the group's own threshold lets through. A group that the file does not name, and a
missing value, is decided by `default` itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from audit.errors import ModelError
from audit.models import formats
from audit.models.loaded import PROBABILITY, VALUE, Facts, Loaded, class_index
from audit.numbers import brief

SCHEMA = "assay/group-thresholds/1"
FORMAT = "group-thresholds"


def adjusted(score: np.ndarray, threshold: np.ndarray, default: float, probability: bool) -> np.ndarray:
    """score (n,), moved so that it is at least `default` exactly where it was at least threshold (n,).

    A probability stays one: the parts below and above are stretched to [0, default) and [default, 1]. Any other score
    is shifted. Within one group the order stays.
    """
    score, at = np.asarray(score, dtype=np.float64), np.asarray(threshold, dtype=np.float64)
    passed = score >= at
    up, down = score - at + default, score - at + default
    if probability:
        room, below = np.maximum(1 - at, 0.0), np.maximum(at, 0.0)
        up = default + np.divide((score - at) * (1 - default), room, out=np.zeros(len(at)), where=room > 0)
        down = np.divide(score * default, below, out=np.zeros(len(at)), where=below > 0)
        up = np.minimum(up, max(1.0, default))
    moved = np.where(passed, np.maximum(up, default), np.minimum(down, np.nextafter(default, -np.inf)))
    # A group that keeps the common threshold keeps its scores to the bit.
    out: np.ndarray = np.where(at == default, score, moved)
    return out


@dataclass(frozen=True, slots=True)
class Rule:
    """The file read. base: the model inside, (format, bytes), or None where `column` holds its scores."""

    base: tuple[str, bytes] | None
    column: str | None
    features: tuple[str, ...]
    positive: str
    attributes: tuple[str, ...]
    bins: dict[str, tuple[float, ...]]
    default: float
    probability: bool
    thresholds: dict[tuple[str, ...], float]
    words: dict[str, str]
    """The inner model's classes in the label's words, where the case gave them; else empty."""
    link: str | None


class _Inner(msgspec.Struct, frozen=True):
    """The model inside, or the column that holds its scores."""

    format: str | None
    sha256: str | None
    content: str | None
    column: str | None


class _Threshold(msgspec.Struct, frozen=True):
    group: tuple[str, ...]
    threshold: float


class _Written(msgspec.Struct, frozen=True):
    """The file as it is written (debias/fit_thresholds.py)."""

    schema: str
    base: _Inner
    features: tuple[str, ...]
    positive: str
    attributes: tuple[str, ...]
    bins: dict[str, tuple[float, ...]]
    default: float
    probability: bool
    thresholds: tuple[_Threshold, ...]
    classes: dict[str, str] | None = None
    link: str | None = None


def read_rule(content: bytes, name: str = "the file") -> Rule:
    """Raises ModelError for what is no whole file of this schema."""
    try:
        written = msgspec.json.decode(content, type=_Written)
        if written.schema != SCHEMA:
            raise ValueError(f"schema {written.schema!r}")
        inner = written.base
        base = None
        if inner.content is not None:
            body = base64.b64decode(inner.content, validate=True)
            if hashlib.sha256(body).hexdigest() != inner.sha256:
                raise ValueError("the model inside is not the one whose sha256 is named")
            base = str(inner.format), body
        rule = Rule(
            base,
            inner.column,
            written.features,
            written.positive,
            written.attributes,
            written.bins,
            written.default,
            written.probability,
            {t.group: t.threshold for t in written.thresholds},
            written.classes or {},
            written.link,
        )
        if (rule.base is None) == (rule.column is None) or not rule.attributes:
            raise ValueError("neither a model nor a column of scores, or no attribute")
        if any(len(group) != len(rule.attributes) for group in rule.thresholds):
            raise ValueError("a group has another number of values than there are attributes")
        if not np.isfinite([rule.default, *rule.thresholds.values()]).all():
            raise ValueError("a threshold is no finite number")
    except (ValueError, msgspec.MsgspecError, binascii.Error, RecursionError) as error:
        raise ModelError(
            f"the group thresholds in {name!r} cannot be read",
            got=f"{type(error).__name__}: {str(error)[:200]}",
            expected=f"a whole file of schema {SCHEMA}, as `assay mitigate --method group_thresholds` writes it",
            todo="run `assay mitigate` again",
        ) from error
    return rule


class ThresholdsModel(Loaded):
    """`estimator` is the inner model's; `attributes` are read beside its columns."""

    format = FORMAT

    def __init__(self, content: bytes, allow: Sequence[str]) -> None:
        self.rule = read_rule(content)
        self.inner: Loaded | None = None
        notes: tuple[str, ...] = ()
        columns = [str(self.rule.column)]
        name = f"column {self.rule.column}"
        self.estimator: Any = None
        classes: tuple[str, ...] = ()
        if self.rule.base is not None:
            self.inner = formats.load(*self.rule.base, allow)
            own = self.inner.facts
            columns = list(own.features if own.features is not None else self.rule.features)
            name, notes = own.estimator, own.notes
            classes = tuple(self.rule.words.get(c, c) for c in own.classes)
            self.estimator = self.inner.estimator
        if not classes:
            classes = (f"not {self.rule.positive}", self.rule.positive)
        self.columns = tuple(columns)
        who = " and ".join(self.rule.attributes)
        self.facts = Facts(
            estimator=f"group thresholds by {who} over {name}",
            classes=classes,
            named=bool(self.rule.words) or self.inner is None or not self.inner.facts.classes or self.inner.facts.named,
            features=tuple(dict.fromkeys([*columns, *self.rule.attributes])),
            columns=len(dict.fromkeys([*columns, *self.rule.attributes])),
            task="classification",
            output=PROBABILITY if self.rule.probability else VALUE,
            decides=len(classes) == 2,
            notes=(
                *notes,
                f"the model reads {who} at the decision; a group that it does not name is decided by the threshold "
                f"{brief(self.rule.default)}",
            ),
        )

    def scores(self, frame: pd.DataFrame, positive: str) -> np.ndarray:
        if self.inner is None:
            score = frame[self.columns[0]].to_numpy(dtype=np.float64)
        else:
            index = self.class_index(positive)
            if index != class_index(self.facts.classes, self.rule.positive):
                raise ModelError(
                    "these group thresholds were chosen for another positive label",
                    got=repr(positive),
                    expected=repr(self.rule.positive),
                    todo="correct `positive` under [data], or choose thresholds anew with `assay mitigate`",
                )
            own = self.inner.facts.classes
            score = self.inner.scores(frame[list(self.columns)], own[index] if own else positive)
            if self.rule.link == "logit":
                score = 1.0 / (1.0 + np.exp(-np.clip(score, -700, 700)))
        return adjusted(score, thresholds_of(self.rule, frame), self.rule.default, self.rule.probability)

    def decided(self, frame: pd.DataFrame) -> np.ndarray | None:
        """What scores at least `default` is what the group's own threshold lets through."""
        if not self.facts.decides:
            return None
        positive = self.class_index(self.rule.positive)
        above = self.scores(frame, self.rule.positive) >= self.rule.default
        return np.where(above, positive, 1 - positive).astype(np.int64)


def thresholds_of(rule: Rule, frame: pd.DataFrame) -> np.ndarray:
    """The threshold of each row's group, (n,); `default` for groups that are not named."""
    from audit.code import group_codes

    names = []
    for attribute in rule.attributes:
        codes, levels = group_codes(frame[attribute], rule.bins.get(attribute))
        names.append(np.array(levels, dtype=object)[codes])
    out = np.array([rule.thresholds.get(group, rule.default) for group in zip(*names, strict=True)], dtype=np.float64)
    return out
