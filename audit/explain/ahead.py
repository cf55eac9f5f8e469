"""`assay precompute`: what a model answers, and each person's explanation, made ahead and read in a moment.

An explanation is kept under what it follows from: the model, the method's parameters, the background rows, and the
person's own values as a keyed hash. So other data with the same person in it find it, and nobody's values are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from audit import progress
from audit.answers import Store, current, keeping, keeps, key_of
from audit.answers.use import versions
from audit.asked import USUAL, answer, bind, explained, labels_of, open_model, predictor, rule_of, signed
from audit.asked import Rule as Asked
from audit.case import Case, keeping_answers
from audit.classes.code import classes_of
from audit.classes.served import refuse_regression
from audit.code import code_label
from audit.decide import decide
from audit.errors import CaseError, DataError
from audit.explain.kinds import DECISION, PROBABILITY, VALUE
from audit.explain.outputs import Rule
from audit.explain.prepare import Settings, Subject, check_people, decided, facts, shown, subject
from audit.explain.router import explain
from audit.explain.sample import FLOOR, background, rare
from audit.gaps import Settings as Measuring
from audit.individual import plan
from audit.load import load_rows
from audit.numbers import many
from audit.quality import groups_of

CHUNK = 100
_ENCODE = msgspec.json.Encoder(enc_hook=str)


@dataclass(frozen=True, slots=True)
class Head:
    """What a set of explanations has in common."""

    features: tuple[str, ...]
    output: str
    method: str
    background: int
    model: str
    cut: float
    up: bool
    signed: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What a feature added, and the distance of two halves of the draws over two (None where it is exact)."""

    feature: str
    value: float
    error: float | None


@dataclass(frozen=True, slots=True)
class One:
    """One person's explanation: base plus all shares is the output; shares stand largest first."""

    score: float
    favourable: bool
    base: float
    shap: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class PrecomputedExplanations:
    """What was made ahead. audited, made, kept: people; asked: rows that the model was asked about to explain them."""

    case: str
    audited: int
    asked: int
    made: int
    kept: int
    method: str
    output: str


@dataclass(frozen=True, slots=True)
class Read:
    """Explanations that were kept, by audited row: (row, decision, values as people read them, explanation)."""

    head: Head
    people: tuple[tuple[int, str, dict[str, str], One], ...]

    def to_json(self) -> dict[str, Any]:
        people = [
            {"row": row, "decision": decision, "values": values, **msgspec.to_builtins(one)}
            for row, decision, values, one in self.people
        ]
        head = self.head
        return {
            "schema": "assay/explain-kept/1", "explained": True, "output": head.output, "method": head.method,
            "background": {"rows": head.background}, "model": head.model, "people": people,
        }  # fmt: skip


@keeps
def precompute(
    case: Case, out: Path, *, rows: int | None = None, seed: int = 0, output: str = PROBABILITY,
    allow: Sequence[str] = (),
) -> PrecomputedExplanations:  # fmt: skip
    """Ask what an audit of the case asks, and explain its first `rows` audited people (all, if None) as
    `assay explain --row` would by SHAP. What is kept already is passed over, so that stopped work goes on.

    Raises CaseError where no model is asked or nothing can be kept, and what an explanation raises.
    """
    settings = Settings(output=output, seed=seed)
    settings.check()
    refuse_regression(case, "explained: attributions are about a decision")
    store = current()
    if store is None or not case.model.is_asked:
        raise CaseError(
            "there is nothing to keep ahead",
            got="no store: ASSAY_ANSWERS_BYTES is 0, or the folder cannot be written" if store is None
            else f"a column of {case.model.kind}s",
            expected="a model, and room for its answers", todo="name a model as `path`, or another folder with --out",
        )  # fmt: skip
    if case.model.endpoint is not None:
        raise CaseError(
            "explanations of an endpoint are not made ahead",
            got=case.model.endpoint.url, expected="a model file: each explanation asks it some ten thousand times",
            todo="`assay audit` keeps an endpoint's answers; `assay explain --row N` explains one person",
        )  # fmt: skip
    case = keeping_answers(case, out)
    progress.stage("Reading the data")
    read = load_rows(case, everything=True)
    frame = read.audited
    groups = groups_of(case, frame)

    def altered(columns: Sequence[str]) -> pd.DataFrame | None:
        flips = plan(case, frame, columns, groups, Measuring(reference=case.data.reference))
        return None if flips is None else flips.frame

    progress.stage("Asking the model about everyone")
    with open_model(case.model, allow) as worker:
        bind(case, worker, frame, read.features)
        decide(case, frame, read.features, allow=allow, also=altered, classes=classes_of(case, read.frame), by=worker)
        who = subject(case, read, worker.info.features or read.features)
        meaning = code_label(case, frame)[1]
        rule = rule_of(case, worker.info, labels_of(case, read.frame))
        own = answer(worker, rule, who.frame)
        info = explained(worker.info, rule, own)
        predict = predictor(worker, rule, own)
        decides = Rule(USUAL if own.cut is None else own.cut, meaning.favourable_is_positive, signed(worker.info, own))
        kind = output if info.output == PROBABILITY else DECISION if info.output == DECISION else VALUE
        score = predict(who.frame)
        back = _background(who, settings)
        key = _key(worker.info.sha256, kind, settings, decides, rule, back)
        back_scores = predict(back)
        many = len(who.frame) if rows is None else min(rows, len(who.frame))
        head = Head(
            tuple(map(str, who.frame.columns)), kind, "", len(back), worker.info.sha256, decides.threshold,
            decides.favourable_is_positive, decides.signed,
        )  # fmt: skip
        before = store.get(key)
        if before is not None:
            head = msgspec.json.decode(before.body, type=Head)
        asked = done = 0
        progress.stage("Explaining everyone")
        store.paused = True
        for at, digests in _missing(store, key, who.frame.iloc[:many]):
            sampled = explain(
                predict, who.frame.iloc[at].reset_index(drop=True), back, output=kind, rule=decides,
                native=lambda f, count, o: worker.call(
                    "native_attributions", f, rows=count, positive=rule.own, output=o
                ),
                few=True, rounds=settings.rounds, seed=seed, row_scores=score[at], back_scores=back_scores,
            )  # fmt: skip
            one = sampled.outputs[kind]
            off = None if one.first is None or one.second is None else np.abs(one.first - one.second) / 2
            off = np.full(one.values.shape, np.nan) if off is None else off
            body = np.column_stack([score[at], one.base, one.values, off]).astype("<f8")
            if not head.method:
                head = replace(head, method=one.method)
                store.put(key, "explanation", _ENCODE.encode(head))
                store.put(_pointer(case, settings, allow), "explanation", key)
            store.put_people(key, [(d, b.tobytes()) for d, b in zip(digests, body, strict=True)])
            asked, done = asked + sampled.asked, done + len(at)
            progress.step(int(at[-1]) + 1, many)
        store.paused = False
        if before is not None:
            store.put(_pointer(case, settings, allow), "explanation", key)
        people = store.people(key)
    return PrecomputedExplanations(case.name, len(who.frame), asked, done, people, head.method, kind)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Explanations made ahead, of one model, method and background. `of` reads one person's in a moment."""

    store: Store
    key: bytes
    head: Head

    def of(self, values: Sequence[Any]) -> One | None:
        """The explanation of a person with these values of `head.features`; None where it is not kept."""
        body = self.store.person(self.key, digest(self.key, values))
        if body is None:
            return None
        numbers = np.frombuffer(body, "<f8")
        names, many = self.head.features, len(self.head.features)
        shares, off = numbers[2 : 2 + many], numbers[2 + many :]
        rule = Rule(self.head.cut, self.head.up, self.head.signed)
        return One(
            float(rule.score(numbers[:1])[0]), bool(rule.favourable(numbers[:1])[0]), float(numbers[1]),
            tuple(
                Share(names[j], float(shares[j]), None if np.isnan(off[j]) else float(off[j]))
                for j in np.argsort(-np.abs(shares), kind="stable").tolist()
            ),
        )  # fmt: skip


def kept_in(store: Store, case: Case, *, seed: int = 0, output: str = PROBABILITY, allow: Sequence[str] = ()) -> Kept:
    """What `precompute` has made of this case. Raises DataError where it has not."""
    pointer = store.get(_pointer(case, Settings(output=output, seed=seed), allow))
    head = None if pointer is None else store.get(pointer.body)
    if pointer is None or head is None:
        raise DataError(
            "no explanations are kept of this model and these data",
            got="none", expected="what `assay precompute` made",
            todo="run `assay precompute CASE --out DIR` with the same --output, --seed and --allow",
        )  # fmt: skip
    return Kept(store, pointer.body, msgspec.json.decode(head.body, type=Head))


def read_kept(
    case: Case, out: Path, people: Sequence[int], *, seed: int = 0, output: str = PROBABILITY, allow: Sequence[str] = ()
) -> Read:
    """The explanations of audited rows `people`, read and not made. Raises DataError where one is not kept."""
    if not people:
        raise DataError("no row is named", got="--kept", expected="--row N", todo="name the rows to be read")
    with keeping(out) as store:
        if store is None:
            raise DataError("nothing is kept", got="no store", expected="a folder that can be written")
        kept = kept_in(store, case, seed=seed, output=output, allow=allow)
        read = load_rows(case)
        frame = read.audited.reset_index(drop=True)
        meaning = code_label(case, frame)[1]
        frame = frame[list(kept.head.features)]
        entries = []
        for row in check_people(people, len(frame)):
            one = kept.of(values_of(frame.iloc[[row]])[0])
            if one is None:
                raise DataError(
                    "this person's explanation is not kept", got=f"row {row}", expected="a row that was made ahead",
                    todo="run `assay precompute` without --rows, or `assay explain --row` without --kept",
                )  # fmt: skip
            entries.append((row, decided(meaning, one.favourable), shown(frame, row), one))
    return Read(kept.head, tuple(entries))


def values_of(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Each row's values, with None for what is missing."""
    columns = [frame[c].astype(object).where(frame[c].notna(), None).tolist() for c in frame.columns]
    return list(zip(*columns, strict=True))


def digest(key: bytes, values: Sequence[Any]) -> bytes:
    """Sixteen bytes that stand for a person's values under one explanation."""
    return hashlib.blake2b(_ENCODE.encode(values), key=key, digest_size=16).digest()


def _missing(store: Store, key: bytes, frame: pd.DataFrame) -> Iterator[tuple[np.ndarray, list[bytes]]]:
    """Places of rows that are not kept yet, and their digests, in chunks; who is like another is made once."""
    seen: set[bytes] = set()
    at: list[int] = []
    digests: list[bytes] = []
    for start in range(0, len(frame), 10_000):
        for place, values in enumerate(values_of(frame.iloc[start : start + 10_000]), start):
            one = digest(key, values)
            if one in seen or store.person(key, one) is not None:
                continue
            seen.add(one)
            at.append(place)
            digests.append(one)
            if len(at) == CHUNK:
                yield np.array(at), digests
                at, digests = [], []
    if at:
        yield np.array(at), digests


def _background(who: Subject, settings: Settings) -> pd.DataFrame:
    """The background of `assay explain`: nobody of a rare group is in it."""
    frame, pool = who.frame, np.flatnonzero(rare(who.groups, len(who.frame), who.cluster)[0])
    if len(pool) < 2:
        raise DataError(
            "there are too few people to explain", got=f"{many(len(pool), 'person')} in groups of {FLOOR} or more",
            expected="at least two", todo="audit more rows",
        )  # fmt: skip
    chosen = pool[background(frame.iloc[pool], settings.background, settings.seed)]
    return frame.iloc[chosen].reset_index(drop=True)


def _key(model: str, output: str, settings: Settings, decides: Rule, rule: Asked, back: pd.DataFrame) -> bytes:
    rows = hashlib.sha256(_ENCODE.encode([list(map(str, back.columns)), values_of(back)])).hexdigest()
    stated = {
        "model": model, "output": output, "rounds": settings.rounds, "seed": settings.seed, "background": rows,
        "cut": decides.threshold, "signed": decides.signed, "class": rule.own, "link": rule.link,
        "versions": versions(),
    }  # fmt: skip
    return bytes.fromhex(key_of(stated))


def _pointer(case: Case, settings: Settings, allow: Sequence[str]) -> bytes:
    return bytes.fromhex(key_of(facts(case, settings, (), allow) | {"ahead": versions()}))
