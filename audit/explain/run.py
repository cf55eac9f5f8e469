"""`assay explain`: from a case to explain.json in a run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from msgspec import to_builtins

from audit import progress as reporting
from audit.answers import Store, current, keeps, key_of
from audit.asked import USUAL, answer, bind, explained, labels_of, open_model, predictor, rule_of, signed
from audit.case import Case, keeping_answers
from audit.classes.served import refuse_regression, threshold_note
from audit.code import code_label
from audit.cube import Meaning
from audit.errors import DataError, ModelError
from audit.evidence import tool
from audit.explain import document
from audit.explain.decompose import group_means, splits
from audit.explain.dependence import TOP, dependence
from audit.explain.hiding import reactions, to_json
from audit.explain.interactions import FEATURES, TreeValues, friedman, from_trees, of_trees, refusal
from audit.explain.kinds import DECISION, PROBABILITY, VALUE, Attributions, Floats, Ints, Predict
from audit.explain.lime_batch import Lime, lime_batch
from audit.explain.lime_single import lime_single
from audit.explain.neighbours import learn
from audit.explain.outputs import Rule, transform
from audit.explain.people import choose_people
from audit.explain.prepare import SCHEMA, Settings, Subject, check_people, facts, frame_sha256, subject
from audit.explain.proxies import associations
from audit.explain.recourse_gap import Finding, absent
from audit.explain.recourse_gap import groups as recourse_by_group
from audit.explain.router import Refused, explain
from audit.explain.sample import FLOOR, background, choose, rare
from audit.explain.sampled import Sampled
from audit.explain.sentences import words
from audit.explain.summary import SplitGap, fidelity, group_entries, importance, split_entry
from audit.files import canonical, write_whole
from audit.load import load_rows
from audit.models import ModelInfo, Worker
from audit.models.arrays import arrays_in
from audit.models.served.worker import EndpointWorker
from audit.numbers import many

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total)."""

NAME = "explain.json"
MOST_ASKED = 300_000
"""Rows that an endpoint is asked about to explain it, at most; what is kept is not asked again."""


@keeps
def run_explain(
    case: Case,
    out: Path,
    *,
    people: Sequence[int] = (),
    seed: int = 0,
    rows: int = 2000,
    output: str = PROBABILITY,
    settings: Settings | None = None,
    allow: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Explain a case's decisions; write `out/explain.json` (schema assay/explain/1) and return it.

    people : positions among the audited rows (0 is the first); without any, three are chosen by a rule that the
        document states. settings : instead of seed, rows and output, everything in detail.
    A case without a model gets a document that says why it cannot be explained.

    Raises CaseError, DataError and ModelError for what cannot be used; what was on disk stays.
    """
    if settings is None:
        settings = Settings(output=output, rows=rows, seed=seed)
        settings = settings.bounded() if case.model.endpoint is not None else settings
    settings.check()
    refuse_regression(case, "explained: attributions, recourse and people refused are about a decision")
    tell = progress or _report
    out = Path(out)
    case = keeping_answers(case, out)
    if not case.model.is_asked:
        explanation = document.unexplained(case)
        write_whole(out / NAME, canonical(explanation))
        return explanation
    store = current()
    key = key_of(facts(case, settings, people, allow))
    # An endpoint may answer otherwise by now: its answers are kept, and looked at again, by themselves.
    if store is not None and case.model.endpoint is None and (kept := _kept(store, key, out)) is not None:
        return kept
    if store is not None:
        # Work that is stopped goes on where it was; once it is whole, what it asked for on the way goes.
        store.part = bytes.fromhex(key)
    tell("Reading the data", 0, 0)
    # The worker loads its model while we read the rows.
    with open_model(case.model, allow) as worker:
        read = load_rows(case)
        bind(case, worker, read.audited, read.features)
        if isinstance(worker, EndpointWorker):
            key = key_of(facts(case, settings, people, allow) | {"answers": worker.since})
            worker.budget(MOST_ASKED)
            reporting.say(f"Explaining: {worker.place} is asked about at most {MOST_ASKED:,} made-up rows, in batches.")
        who = subject(case, read, worker.info.features or read.features)
        meaning = code_label(case, read.audited)[1]
        rule = rule_of(case, worker.info, labels_of(case, read.frame))
        own = answer(worker, rule, who.frame)
        info = explained(worker.info, rule, own)
        predict = predictor(worker, rule, own)
        carried = signed(worker.info, own)
        decides = Rule(USUAL if own.cut is None else own.cut, meaning.favourable_is_positive, carried)
        explaining = Explaining(case, settings, who, meaning, worker, info, predict, tell, decides, rule.own)
        limits = [*_uncut(carried, own.cut, meaning), *threshold_note(case, read.frame), *own.notes]
        explanation = explaining.document(people, limits)
    explanation |= {"data": {"sha256": read.sha256, "audited_rows": len(who.frame)}, "key": key}
    body = canonical(explanation)
    write_whole(out / NAME, body)
    if store is not None:
        _keep(store, None if case.model.endpoint is not None else key, body)
    # What is returned is what was written.
    written: dict[str, Any] = json.loads(body)
    return written


def _uncut(carried: bool, cut: float | None, meaning: Meaning) -> list[str]:
    """The limit of an explanation where no number cuts the scores; carried: the decision is what is scored."""
    if carried:
        return [
            "No number cuts the model's scores into its own decisions: decisions are explained as it makes them, and a "
            f"higher score of {meaning.positive!r} alone need not turn one."
        ]
    if cut is None:
        return ["No number cuts the model's scores into its own decisions, so that what is explained is the decision."]
    return []


def _kept(store: Store, key: str, out: Path) -> dict[str, Any] | None:
    """The kept explanation, written where it is not there; None where none is kept."""
    kept = store.get(bytes.fromhex(key))
    if kept is None:
        return None
    if not (out / NAME).exists() or (out / NAME).read_bytes() != kept.body:
        write_whole(out / NAME, kept.body)
    explanation: dict[str, Any] = json.loads(kept.body)
    return explanation


def _keep(store: Store, key: str | None, body: bytes) -> None:
    """The explanation is whole: what was asked for on the way goes."""
    store.forget_part()
    store.part = None
    if key is not None:
        store.put(bytes.fromhex(key), "explanation", body)


def _report(stage: str, done: int, total: int) -> None:
    if total:
        reporting.step(done, total)
    else:
        reporting.stage(stage)


@dataclass(frozen=True, slots=True, eq=False)
class Explaining:
    """One case being explained. Every method is a stage; `document` runs them all."""

    case: Case
    settings: Settings
    who: Subject
    meaning: Meaning
    worker: Worker
    info: ModelInfo
    predict: Predict
    tell: Progress
    rule: Rule
    own: str
    """The model's own name of the positive class."""

    @property
    def output(self) -> str:
        """What is explained: what was asked for, or what the model has."""
        if self.info.output == PROBABILITY:
            return self.settings.output
        return DECISION if self.info.output == DECISION else VALUE

    def native(self, frame: pd.DataFrame, count: int, output: str) -> dict[str, Any]:
        return self.worker.call("native_attributions", frame, rows=count, positive=self.own, output=output)

    def document(self, people: Sequence[int], limits: Sequence[str]) -> dict[str, Any]:
        """explain.json, without the parts that depend on files. limits: those of the model's own decisions."""
        s, frame, groups = self.settings, self.who.frame, self.who.groups
        self.tell("Asking the model about everyone", 0, 0)
        score = self.predict(frame)
        named = check_people(people, len(frame))
        keep, small = rare(groups, len(frame), self.who.cluster)
        if int(keep.sum()) < 2:
            raise DataError(
                "there are too few people to explain",
                got=f"{many(int(keep.sum()), 'person')} in groups of {FLOOR} or more",
                expected="at least two",
                todo="audit more rows, or put small groups together with `bins`",
            )
        pool = np.flatnonzero(keep)
        back = pool[background(frame.iloc[pool], s.background, s.seed)]
        chosen = choose(groups, keep, s.rows, s.least, s.seed)
        also = tuple(n for n in (DECISION,) if n != self.output)
        self.tell("Attributing what the model does", 0, 0)
        sampled = self._explain(frame, chosen.rows, back, score, also, few=False)
        picked, rules = named, tuple("asked for" for _ in named)
        if not named:
            favourable = self.rule.favourable(score)
            picked, rules = choose_people(
                self.rule.score(score), favourable, self.rule.threshold, groups, keep, s.people
            )
        self.tell("Explaining single people", 0, 0)
        index = np.array(picked, dtype=np.int64)
        single = self._explain(frame, index, back, score, (), few=True)
        self.tell("Fitting local surrogates", 0, 0)
        reference = learn(frame.iloc[pool])
        limes, limes_by = lime_single(
            self._explained, frame.iloc[index].reset_index(drop=True), frame.iloc[pool], reference, samples=s.samples,
            seeds=[s.seed + k for k in range(s.seeds)],
        )  # fmt: skip
        fit = self._fidelity(frame, chosen.rows, chosen.groups, reference)
        self.tell("Looking for signs of hiding", 0, 0)
        some = frame.iloc[chosen.rows[chosen.everyone]].reset_index(drop=True)
        hidden = reactions(self.predict, some, rows=s.hiding_rows, seed=s.seed, change=self.rule.score)
        self.tell("Looking for recourse", 0, 0)
        recourse, changes = self._recourse(index, score, keep)
        main, alone = sampled.outputs[self.output], single.outputs[self.output]
        weight = None if self.who.weight is None else self.who.weight[chosen.rows]
        leading = importance(main, chosen.everyone, weight)
        shape = dependence(
            main, frame.iloc[chosen.rows], chosen.everyone, tuple(f.feature for f in leading[:TOP]), weight
        )
        self.tell("Looking for interactions", 0, 0)
        pairs = self._interactions(some, [f.feature for f in leading[:FEATURES]])
        entries, gaps = self._by_group(sampled, chosen.rows, chosen.groups, score, np.ones(len(frame), dtype=bool))
        left_out = {}
        if not keep.all():
            # Tables that leave the machine are without people of rare values: so must be what is compared with them.
            spare = self._by_group(sampled, chosen.rows, chosen.groups, score, keep)
            left_out = {
                "groups": spare[0],
                "gap": document.flat_gaps(spare[1]),
                "decomposition": [g.to_json() for g in spare[1]],
            }
        return {
            "schema": SCHEMA,
            "explained": True,
            "output": self.output,
            "output_meaning": document.meaning_of(self.output, self.meaning, self.rule),
            "method": main.method,
            "method_for_people": alone.method,
            "rerouted": main.rerouted or alone.rerouted,
            "why": sampled.why,
            "background": {"rows": len(back), "sha256": frame_sha256(frame.iloc[back]), "from": "the audited people"},
            "seed": s.seed,
            "rows": len(chosen.rows),
            "sample": {"everyone": len(chosen.everyone), "draws": s.draws, "model_rows": sampled.asked + single.asked},
            "global": to_builtins(leading),
            "dependence": shape,
            "interactions": pairs,
            "groups": entries,
            "gap": document.flat_gaps(gaps),
            "decomposition": [g.to_json() for g in gaps],
            "published": left_out,
            "withheld": [{"attribute": [a], "groups": len(g), "floor": FLOOR} for a, g in small.items() if g],
            "fidelity": fit,
            "people": document.people_entries(
                frame, index, score, alone, limes, self.meaning, self.rule, self.output, rules, changes
            ),
            "people_rule": document.people_rule(bool(named)),
            "lime": {
                "samples": s.samples,
                "seeds": [s.seed + k for k in range(s.seeds)],
                "kernel_width": "0.75 sqrt(M)",
                "people_by": limes_by,
            },
            "recourse": recourse,
            "hiding": to_json(hidden),
            "additivity": document.worst(main.additivity, alone.additivity).to_json(),
            "limits": [
                *([words(hidden)] if any(r.alarm for r in hidden) else []),
                *document.limits(main, sampled.why, self.info, self.output, small, len(back), self.rule),
                *limits,
            ],
            "model": {"sha256": self.info.sha256 or None, "estimator": self.info.estimator, "format": self.info.format},
            "settings": s.to_json(),
            "tool": tool(),
        }

    def _explain(
        self, frame: pd.DataFrame, place: Ints, back: Ints, score: Floats, also: tuple[str, ...], *, few: bool
    ) -> Sampled:
        s = self.settings
        return explain(
            self.predict, frame.iloc[place].reset_index(drop=True), frame.iloc[back].reset_index(drop=True),
            output=self.output, rule=self.rule, native=self.native, also=also, few=few, draws=s.draws, rounds=s.rounds,
            seed=s.seed, row_scores=score[place], back_scores=score[back],
            step=lambda done, total: self.tell("Attributing what the model does", done, total),
        )  # fmt: skip

    def _interactions(self, rows: pd.DataFrame, features: Sequence[str]) -> dict[str, Any]:
        """The `interactions` entry: the trees' own where the library has them, else Friedman's H."""
        few = rows.iloc[: self.settings.interaction_rows].reset_index(drop=True)
        answer: dict[str, Any]
        try:
            answer = self.worker.call("native_interactions", few, positive=self.own)
        except ModelError as error:
            answer = {"refused": f"the model's library could not give them ({error.problem})"}
        if "refused" not in answer:
            names, trees = [str(c) for c in few.columns], arrays_in(TreeValues, answer)
            return of_trees(trees, len(few), from_trees(trees.values, names, features))
        change = transform(self.output, self.rule)
        few = few.iloc[: self.settings.friedman_rows]
        pairs = friedman(self.predict, few, features, change)
        return refusal(arrays_in(Refused, answer).refused, self.output, len(few), pairs)

    def _recourse(
        self, people: Ints, score: Floats, keep: npt.NDArray[np.bool_]
    ) -> tuple[dict[str, Any], list[dict[str, Any] | None]]:
        """The `recourse` entry, and one for each of the people explained: None for who was not refused."""
        spec, s = self.case.recourse, self.settings
        if spec is None:
            return absent(), [None] * len(people)
        finding = Finding.of(spec, self.predict, self.who.frame, self.rule)
        favourable = self.rule.favourable(score)
        entry = recourse_by_group(
            finding, spec, self.who.groups, keep, favourable, s.recourse_rows, s.recourse_tries, s.seed
        )
        refused = people[favourable[people] == 0]
        solutions = dict(zip(refused.tolist(), finding.search(refused, s.recourse_tries_person), strict=True))
        return entry, [finding.person(p, solutions[p]) if p in solutions else None for p in people.tolist()]

    def _explained(self, rows: pd.DataFrame) -> Floats:
        """The output explained, of rows."""
        return transform(self.output, self.rule)(self.predict(rows))

    def _lime(self, rows: pd.DataFrame, reference: Any, seed: int) -> Lime:
        """Many people at once."""
        return lime_batch(
            self._explained, rows.reset_index(drop=True), reference,
            samples=self.settings.samples, seed=seed, selection="none",
        )  # fmt: skip

    def _fidelity(
        self, frame: pd.DataFrame, rows: Ints, groups: Mapping[str, Mapping[str, Ints]], reference: Any
    ) -> list[dict[str, Any]]:
        first = {a: {g: m[: self.settings.fidelity_rows] for g, m in of.items()} for a, of in groups.items()}
        lists = [m for of in first.values() for m in of.values()]
        if not lists:
            return []
        used = np.unique(np.concatenate(lists))
        fitted = self._lime(frame.iloc[rows[used]], reference, self.settings.seed)
        out = []
        for attribute, of in first.items():
            for entry in fidelity(fitted, {g: np.searchsorted(used, m) for g, m in of.items()}):
                out.append({"attribute": [attribute], **entry})
        return out

    def _by_group(
        self,
        sampled: Sampled,
        rows: Ints,
        lists: Mapping[str, Mapping[str, Ints]],
        score: Floats,
        keep: Any,
    ) -> tuple[list[dict[str, Any]], list[SplitGap]]:
        entries: list[dict[str, Any]] = []
        gaps: list[SplitGap] = []
        frame, weight = self.who.frame, self.who.weight
        features = [str(c) for c in frame.columns]
        for attribute, of in lists.items():
            names = self.who.groups[attribute]
            # A person whose value of another attribute is rare still counts here, as in the audit.
            everyone = {g: np.flatnonzero(keep & (names == g)) for g in of}
            unseen = [attribute] if attribute not in features else []
            association = {a.feature: a for a in associations(frame[keep], names[keep])}
            total = None if weight is None else {g: float(weight[m].sum()) for g, m in everyone.items()}
            for output in dict.fromkeys((DECISION, self.output)):
                attributions: Attributions = sampled.outputs[output]
                change = transform(output, self.rule)
                level = change(score)
                means = group_means(
                    attributions.values, attributions.base, level[rows], of, everyone, level, weight,
                    None if weight is None else weight[rows],
                )  # fmt: skip
                if output == self.output:
                    entries += group_entries(attribute, features, means)
                for split in splits(means, total):
                    gaps.append(split_entry(attribute, output, features, split, unseen, association))
        return entries, gaps
