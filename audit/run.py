"""`assay audit`: from a case to evidence.json and cube.json in a run folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit import progress
from audit.answers import keeps
from audit.by_person import by_person, good_side
from audit.by_proxy import by_proxy
from audit.by_proxy import sentences as proxy_sentences
from audit.case import Case, keeping_answers
from audit.classes.code import classes_of
from audit.classes.words import classes_note
from audit.code import code_rows
from audit.cube import CodedRows, Cube, Margin, cube_of, margins_of
from audit.cube_json import margins_to_json
from audit.decide import ModelFacts, decide, reads_note
from audit.derived import derived
from audit.documents import record_in
from audit.documents.base import Record
from audit.documents.evidence import LeftToCube
from audit.documents.rows import ByProxy, LikeWithLike
from audit.engines import DUCKDB, ENGINES, MEMORY, SPARK
from audit.errors import InputError
from audit.evidence import SCHEMA, measures_to_json, sha256, tool
from audit.files import canonical, write_whole
from audit.findings import judge
from audit.found import finding_sentences
from audit.funnel import funnel
from audit.gaps import Settings
from audit.individual import flips as turned
from audit.individual import plan
from audit.likewise import NOT_CAUSAL, like_with_like
from audit.likewise import findings as alike_findings
from audit.load import Rows, load_rows
from audit.load.check import repeated_ids
from audit.load.forms import listed, stated
from audit.load.lake_reader import said_of
from audit.measure import measure
from audit.models.held import let_go
from audit.models.registry import record
from audit.numbers import brief
from audit.quality import groups_of
from audit.quality.codes import Group
from audit.quality.table import DETECTORS, Looked, examine, look_at
from audit.scale.source import is_large
from audit.suppress import rare_people
from audit.values import Measures, to_json
from audit.wide import left_to_cube, told_of, with_left, written

if TYPE_CHECKING:
    from audit.scale.frames import Held

MOST_DRAWS = 1_000_000
MANY_ROWS = 200_000
"""From here on the model's process ends once it has decided: what follows takes more memory than a new start time."""


@dataclass(frozen=True, slots=True)
class Audit:
    """A finished audit: the document as written, and the values behind it."""

    evidence: dict[str, Any]
    measures: Measures
    margins: tuple[Margin, ...]
    cube: Cube


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What is known of the data for the record. rows: of the file; people: measured."""

    sha256: str
    rows: int
    people: int
    columns: tuple[str, ...]
    features: tuple[str, ...]
    sensitive_sha256: str | None = None
    engine: str = MEMORY
    source: Mapping[str, str] | None = None


def _drawable(settings: Settings) -> Settings:
    """Told before the work. Raises InputError."""
    if not 1 <= settings.draws <= MOST_DRAWS:
        raise InputError(
            "so many draws cannot be made", got=settings.draws, expected=f"1 to {MOST_DRAWS:,}",
            todo="leave the number out: 2,000 are made then",
        )  # fmt: skip
    return settings


@keeps
def run_audit(
    case: Case,
    out: Path,
    settings: Settings | None = None,
    *,
    allow: Sequence[str] = (),
    rows: Rows | None = None,
    large: bool | None = None,
    held: Held | None = None,
    alone: bool = False,
) -> Audit:
    """Measure the audited rows of a case; write `cube.json`, then `evidence.json`. Raises what its parts raise.

    large: count inside DuckDB instead of reading the rows; by default as the case's `engine` says, or where the file is
    large (`audit.scale`). held: a table in another engine, in place of the one that the case names. alone: nobody asks
    the model after this, so that its process ends once it has decided.
    """
    settings = _drawable(settings or Settings(reference=case.data.reference))
    case = keeping_answers(case, out, renew=True)
    more: dict[str, Any] = {}
    numbers = case.data.task == "regression"
    engine = _engine(case, large) if rows is None and held is None else SPARK if held is not None else MEMORY
    counted = None
    if engine != MEMORY and not (numbers and case.data.engine is None):
        counted = _counted_or_read(case, engine, held, allow, settings, chosen=case.data.engine is not None)
    if counted is not None:
        cube, model, facts, model_notes, again, more = counted
    else:
        if rows is None:
            progress.stage("Reading the data")
            rows = load_rows(case, everything=True, packed=_by_kinds(case))
        again = repeated_ids(case, rows.frame, rows.audit)
        look = _predicted if numbers else _cube_in_memory
        cube, model, facts, model_notes, more = look(case, rows, settings, allow, alone)
    settings = replace(settings, repeated=again)
    margins, notes = margins_of(cube, settings.order)
    progress.stage("Measuring")
    measures = measure(margins, settings)
    cube_bytes = canonical(margins_to_json(margins, 0), compact=True)
    norms = [to_json(n) for n in judge(case.policy, measures, case.data.sensitive)]
    left = left_to_cube(margins, measures.gaps, norms)
    from_cube = derived(margins, settings, shares_of(case), norms, left)
    evidence = document(
        case, facts, model, measures, settings, sha256(cube_bytes), norms, from_cube,
        (*model_notes, *notes), _notes_of(more), left,
    ) | from_cube | more  # fmt: skip
    write_whole(out / "cube.json", cube_bytes)
    evidence = with_left(evidence, left, tuple(from_cube))
    write_whole(out / "evidence.json", written(evidence))
    return Audit(evidence, measures, margins, cube)


class _Noted(Record, frozen=True):
    """The keys of evidence.json that need rows and bring notes."""

    by_proxy: tuple[ByProxy, ...] = ()
    like_with_like: LikeWithLike | None = None


def _notes_of(more: Mapping[str, Any]) -> list[str]:
    noted = record_in(_Noted, more, "evidence.json")
    out = list(proxy_sentences(noted.by_proxy))
    if noted.like_with_like is not None:
        out += alike_findings(noted.like_with_like)
        out += [NOT_CAUSAL] if noted.like_with_like.factors else []
    return out


def _cube_in_memory(
    case: Case, rows: Rows, settings: Settings, allow: Sequence[str], alone: bool
) -> tuple[Cube, ModelFacts, DataFacts, tuple[str, ...], dict[str, Any]]:
    """The cube of rows in memory, and the keys of evidence.json that need rows."""
    frame = rows.audited
    groups = groups_of(case, frame)
    progress.stage("Looking for features that give the label away")
    looked = Looked(case, rows, frame, groups, settings)
    warned = _warnings(looked)
    progress.stage("Asking the model")
    planned = []

    def altered(columns: Sequence[str]) -> pd.DataFrame | None:
        planned.append(plan(case, frame, columns, groups, settings))
        return None if planned[-1] is None else planned[-1].frame

    classes = classes_of(case, rows.frame)
    decisions, model = decide(
        case, frame, rows.features, allow=allow, also=altered, classes=classes, packed=rows.packed
    )
    if alone or len(frame) >= MANY_ROWS:
        let_go()
    flips = planned[0] if planned else None
    decided = decisions.positive
    if flips is not None:
        score = None if decisions.score is None else decisions.score[: len(frame)]
        decisions = replace(decisions, positive=decided[: len(frame)], score=score)
    progress.stage("Counting")
    coded = code_rows(case, frame, decisions)
    facts = DataFacts(
        rows.sha256, len(rows.frame), int(rows.audit.sum()), rows.columns, rows.features, rows.sensitive_sha256,
        source=said_of(case.data.path),
    )  # fmt: skip
    progress.stage("Examining the data")
    flipped = (
        None if flips is None else turned(flips, coded.decision, decided[len(frame) :], good_side(coded), settings)
    )
    more = {"quality": examine(looked)}
    more |= by_person(frame, rows.features, groups, coded, settings, flipped)
    more |= _named_by_people(case, frame, groups, coded, settings)
    more |= _contracted(case, frame, rows.columns, settings)
    if (rare := rare_people(coded)).any() and not rare.all():
        more |= {"published": _without(rare, case, rows, coded, settings)}
    notes = (
        *warned,
        *rows.notes,
        *reads_note(model),
        *classes_note(case, classes, decisions),
    )
    return cube_of(coded), model, facts, notes, more


def _by_kinds(case: Case) -> bool:
    """Whether whoever gets the rows looks at kinds of values alone: a model's process, too, is sent the texts."""
    model = case.model
    sent = model.kind == "path" and model.python is None and case.data.task != "regression"
    return case.contract is None and (sent or not model.is_asked)


def _warnings(looked: Looked) -> list[str]:
    """What the detectors have to say beside their entries."""
    out: list[str] = []
    for row in DETECTORS.values():
        sentences = list(row.sentences(looked)) if row.sentences is not None else []
        for sentence in sentences if row.at_once else ():
            progress.say(sentence)
        out += sentences
    return out


def _without(
    rare: npt.NDArray[np.bool_], case: Case, rows: Rows, coded: CodedRows, settings: Settings
) -> dict[str, Any]:
    """What needs rows, of the people who are in published tables: for the report (audit/publish.py)."""
    kept = replace(
        coded,
        codes=coded.codes[~rare],
        label=coded.label[~rare],
        decision=coded.decision[~rare],
        weight=None if coded.weight is None else coded.weight[~rare],
        score=None if coded.score is None else coded.score[~rare],
        cluster=None if coded.cluster is None else coded.cluster[~rare],
    )
    stay = np.ones(len(rows.frame), dtype=bool)
    stay[np.flatnonzero(rows.audit)[rare]] = False
    train = None if rows.train is None else rows.train[stay]
    rows = replace(rows, frame=rows.frame[stay].reset_index(drop=True), audit=rows.audit[stay], train=train)
    frame = rows.frame[rows.audit]
    entries = by_person(frame, rows.features, groups_of(case, frame), kept, settings, None)
    entries |= _contracted(case, frame, rows.columns, settings)
    entries |= _named_by_people(case, frame, groups_of(case, frame), kept, settings)
    return {"quality": examine(look_at(case, rows, settings)), **entries}


def _contracted(case: Case, frame: pd.DataFrame, columns: Sequence[str], settings: Settings) -> dict[str, Any]:
    """The case's contract held against the audited rows, where it has one."""
    if case.contract is None:
        return {}
    from audit.contract.check import check, to_document

    return {"contract": to_document(check(frame, case.contract, groups_of(case, frame), settings, columns=columns))}


def _named_by_people(
    case: Case, frame: pd.DataFrame, groups: tuple[Group, ...], coded: CodedRows, settings: Settings
) -> dict[str, Any]:
    """What a person asked for by naming columns: stages of a process, factors to hold equal."""
    favourable = (coded.decision == good_side(coded)).astype(np.int64)
    entries = {
        "funnel": funnel(case, frame, groups, settings),
        "like_with_like": like_with_like(case, frame, groups, favourable, settings),
        "by_proxy": by_proxy(case, frame, favourable, settings),
    }
    return {k: v for k, v in entries.items() if v is not None}


def _predicted(
    case: Case, rows: Rows, settings: Settings, allow: Sequence[str], alone: bool
) -> tuple[Cube, ModelFacts, DataFacts, tuple[str, ...], dict[str, Any]]:
    """The same of a regression: residuals and predictions; what is about decisions is not looked at."""
    from audit.regression.rows import cube_of_numbers, predict

    frame = rows.audited
    progress.stage("Asking the model")
    predicted, model = predict(case, frame, rows.features, allow=allow)
    if alone:
        let_go()
    progress.stage("Counting")
    cube = cube_of_numbers(case, frame, predicted)
    facts = DataFacts(
        rows.sha256, len(rows.frame), int(rows.audit.sum()), rows.columns, rows.features, rows.sensitive_sha256,
        source=said_of(case.data.path),
    )  # fmt: skip
    progress.stage("Examining the data")
    note = (
        "A number is predicted and nothing is decided: there are no rates, norms, subgroups or neighbours of "
        "decisions. The entry and the chapter on predictions hold what was measured."
    )
    notes = (*rows.notes, *reads_note(model), note)
    if len(predicted) and np.ptp(predicted) == 0:
        notes += (f"Every prediction is the same, {brief(predicted[0])}: predictions tell nobody apart.",)
    return cube, model, facts, notes, {"quality": examine(look_at(case, rows, settings))}


def _engine(case: Case, large: bool | None) -> str:
    """Who counts the rows."""
    if case.data.engine is not None and large is None:
        if ENGINES[case.data.engine].counts:
            from audit.scale.frames import refuse

            refuse(case, case.data.engine)
        return case.data.engine
    return DUCKDB if (is_large(case) if large is None else large) else MEMORY


Counted = tuple[Cube, ModelFacts, DataFacts, tuple[str, ...], tuple[int, int] | None, dict[str, Any]]


def _counted_or_read(
    case: Case, engine: str, held: Held | None, allow: Sequence[str], settings: Settings, *, chosen: bool
) -> Counted | None:
    """`_counted`, or None where nobody chose the engine and the rows are read in memory after all."""
    from audit.scale.source import Uncounted

    try:
        return _count_in_engine(case, engine, held, allow, settings)
    except Uncounted:
        if chosen:
            raise
        return None


def _count_in_engine(case: Case, engine: str, held: Held | None, allow: Sequence[str], settings: Settings) -> Counted:
    """The cube of rows that stay where they are, and the keys of evidence.json that are of a part of them."""
    row = ENGINES[engine]
    progress.stage(f"Counting inside {row.title}")
    counted, source, more, notes = row.counting()(case, held, allow, settings, row.title)
    facts = DataFacts(
        counted.sha256, counted.rows, counted.people, counted.columns, counted.features, engine=engine, source=source
    )
    return cube_of(counted.coded), counted.model, facts, (*counted.notes, *notes), counted.repeated, more


def shares_of(case: Case) -> dict[str, Any] | None:
    """The reference population of a case as plain values."""
    if case.population is None:
        return None
    shares = {a: dict(g) for a, g in case.population.shares.items()}
    return {"source": case.population.source, "shares": shares}


def document(
    case: Case,
    facts: DataFacts,
    asked: ModelFacts,
    measures: Measures,
    settings: Settings,
    cube_sha256: str,
    norms: Sequence[Mapping[str, Any]],
    from_cube: Mapping[str, Any],
    notes: Sequence[str],
    last_notes: Sequence[str],
    left: LeftToCube | None,
) -> dict[str, Any]:
    """evidence.json as a dict, keys in the order of the contract. from_cube: what else follows from the cube."""
    data = case.data
    people = next((c.people for c in measures.counts if not c.attribute), None)
    model: dict[str, Any] = {"kind": asked.kind, "sha256": asked.sha256, "format": asked.format}
    model |= {
        "estimator": asked.estimator,
        "isolation": list(asked.isolation),
        "column": asked.column,
        "threshold": asked.threshold,
    }
    if asked.rule is not None:
        model |= {
            "rule": asked.rule,
            "link": asked.link,
            "classes": dict(asked.classes),
            "compared": None if asked.compared is None else asked.compared.to_json(),
            "notes": list(asked.notes),
        }
    if case.model.registry is not None:
        model |= {"registry": record(case.model.registry)}
    if asked.served is not None:
        model |= {"notes": list(asked.notes), "served": dict(asked.served)}
    return {
        "schema": SCHEMA,
        "case": {"name": case.name, "purpose": case.purpose},
        **({"stated": stated_facts} if (stated_facts := stated(case)) else {}),
        "data": {
            "sha256": facts.sha256,
            "rows": facts.rows,
            "sensitive_sha256": facts.sensitive_sha256,
            "columns": list(facts.columns),
            "audited_rows": facts.people,
            "label": data.label,
            "positive": data.positive,
            "favourable": data.favourable or data.positive,
            "sensitive": list(data.sensitive),
            "weight": data.weight,
            **({} if data.cluster is None else {"cluster": data.cluster, "people": people}),
            "split": data.split,
            "features": list(facts.features),
            "excluded": list(data.exclude),
            "bins": {k: list(v) for k, v in data.bins.items()},
            "engine": facts.engine,
            **({} if facts.source is None else {"source": dict(facts.source)}),
            **({"task": data.task} if data.task != "classification" else {}),
        },
        "model": model,
        "tool": tool(),
        "seed": settings.seed,
        **measures_to_json(told_of(measures, left)),
        "family": measures.family,
        "settings": settings.to_json(),
        "cube": {"sha256": cube_sha256, "file": "cube.json", "floor": 0},
        **({"presets": listed(case.forms)} if case.forms else {}),
        "policy": case.policy.named(),
        "norms": list(norms),
        "findings": finding_sentences(model, measures, from_cube),
        "notes": [*measures.notes, *notes, *asked.notes, *last_notes],
    }
