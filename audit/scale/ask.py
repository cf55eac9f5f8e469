"""A model asked about rows that stay in Spark: its file goes to Spark's workers, and each task asks it there in the
sandboxed process that an audit in memory starts (docs/decisions/0021-models-in-spark.md).

What comes back beside the roles are the decision and the score of each row, to be counted, and what held around it.
"""

from __future__ import annotations

import json
import re
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import narwhals as nw
import numpy as np
import pandas as pd

import audit.errors
from audit.about import VERSION
from audit.asked import THRESHOLD, USUAL, Rule, bind, cut_of, notes_of, open_model, rule_of
from audit.asking import raw_output
from audit.case import Case
from audit.classes.code import decided_among, refuse_threshold
from audit.code import Decisions
from audit.decide import ModelFacts, facts_of, source_name
from audit.engines import SPARK
from audit.errors import AssayError, DataError, ModelError
from audit.load import check
from audit.load.rows import without_missing_words
from audit.load.values import coded
from audit.models.loaded import DECISION, class_index
from audit.models.worker import ModelInfo
from audit.numbers import many
from audit.passing import passing
from audit.scale import typed as base
from audit.scale.kinds import PEOPLE, arrow, kinds
from audit.scale.source import Source
from audit.scale.task import CLOSE, MEASURED, OPEN, OWN, SCORE, WALLS, TaskSpec, says
from audit.two_rules import Compared

MISSING = re.compile(r"^missing (?P<package>\S+) (?P<python>.+)$")
NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '(?P<package>[\w.]+)'")
SEEN = 1_000
"""Rows whose scores are looked at where nobody said what a raw number means."""


@dataclass(frozen=True, slots=True)
class ModelAnswers:
    """What was asked of the model, for every row. classes: the model's own in the label's words, where the label has
    several values; else ()."""

    case: Case
    info: ModelInfo
    rule: Rule
    reads: tuple[str, ...]
    classes: tuple[str, ...]
    facts: ModelFacts

    @property
    def scored(self) -> bool:
        return not (self.classes and self.info.output == DECISION)

    @property
    def decision(self) -> nw.Expr:
        """What was decided, as a column to be counted by."""
        if self.rule.threshold is None or self.classes:
            return nw.col(OWN)
        return nw.when(nw.col(SCORE) >= self.rule.threshold).then(nw.lit(1)).otherwise(nw.lit(0))

    def decided(self, case: Case, mine: pd.DataFrame, classes: tuple[str, ...]) -> tuple[Decisions, ModelFacts]:
        """Decisions for the kinds of rows of `mine`."""
        own = mine[base.OWN].to_numpy(dtype=np.int64)
        score = mine[base.SCORE].to_numpy(dtype=np.float64) if base.SCORE in mine else None
        if not classes:
            return Decisions(own, score, source_name(case)), self.facts
        several = decided_among(case, mine, classes, self.classes, own)
        positive = class_index(self.info.classes, self.rule.own)
        return Decisions((own == positive).astype(np.int64), score, source_name(case), several), self.facts


def can_ask(case: Case) -> bool:
    """Whether a model is one that Spark's workers can ask: a file that opens without running code."""
    return case.model.kind == "path" and case.model.python is None


@contextmanager
def scored_rows(
    case: Case, frame: Any, columns: Sequence[str], name: str, measured: nw.Expr, allow: Sequence[str]
) -> Iterator[tuple[Any, ModelAnswers]]:
    """The rows with what the model says of each, and what was asked. frame: of narwhals, over Spark, its columns c0, c1
    ... in the order of `columns`; measured: which rows are asked about. Raises AssayError."""
    place = {c: f"c{i}" for i, c in enumerate(columns)}
    features = check.features_of(case, columns)
    with open_model(case.model, allow) as worker, passing() as folder:
        info = worker.info
        bind(case, worker, pd.DataFrame(columns=list(columns)), features)
        reads = tuple(
            c for c in case.data.sensitive if c in (info.features or ()) and c not in features and c in columns
        )
        inputs = _model_columns(info, [*features, *reads])
        worker.scores(pd.DataFrame(columns=inputs), "")  # no rows: says which columns are missing
        labels = _labels(case, frame, columns, name)
        classes = tuple(labels) if len(labels) > 2 else ()
        if classes:
            refuse_threshold(case)
        rule = rule_of(case, info, labels)
        keep = _kept(case, place)
        spec = TaskSpec(
            VERSION, f"assay-{info.sha256}{Path(str(case.model.path)).suffix}", info.sha256, tuple(allow),
            says(worker), rule.own, rule.link, bool(classes), tuple((place[c], c) for c in inputs),
            tuple(c for c in inputs if c in case.data.sensitive), tuple(keep),
        )  # fmt: skip
        shipped = folder / spec.file
        shutil.copyfile(str(case.model.path), shipped)
        thin = frame.select(*[nw.col(c) for c in dict.fromkeys([*keep, *(p for p, _ in spec.columns)])],
                            measured.fill_null(False).alias(MEASURED)).to_native()  # fmt: skip
        _ship(thin.sparkSession, shipped)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas' version, of which nothing is used here
            rows = thin.mapInArrow(by_task(msgspec.json.encode(spec).decode()), _schema(thin, keep))
        if rule.kind == THRESHOLD and rule.threshold is None:
            seen = arrow(nw.from_native(rows).head(SEEN).select(SCORE)).column(SCORE).to_numpy()
            raise raw_output(info, seen)
        rows = rows.persist()
        try:
            scored = nw.from_native(rows)
            asked = ModelAnswers(case, info, rule, reads, tuple(rule.word(c) for c in info.classes) if classes else (),
                          facts_of(case, info, rule, reads, None))  # fmt: skip
            yield scored, _with_facts(asked, scored.filter(nw.col(WALLS) != ""))
        finally:
            rows.unpersist()


def by_task(text: str) -> Callable[[Any], Any]:
    """What each task runs. A function made in a function travels as its code, and can say that a worker lacks Assay."""
    before, after = OPEN, CLOSE

    def task(batches: Any) -> Any:
        try:
            from audit.scale.task import scored
        except ImportError as error:
            import sys

            raise RuntimeError(f"{before}missing {error.name or 'audit'} {sys.executable}{after}") from None
        yield from scored(text, batches)

    return task


def told_by_task(error: BaseException) -> AssayError | None:
    """What a task had to say, where that is what ended Spark's work."""
    text = str(error)
    begin = text.find(OPEN)
    end = text.find(CLOSE, begin)
    message = text[begin + len(OPEN) : end] if 0 <= begin < end else ""
    lacks = MISSING.search(message) or NO_MODULE.search(text)
    if lacks:
        return ModelError(
            "the model cannot be asked in Spark: a package is missing where Spark's workers run",
            got=f"no module {lacks['package']!r} in {lacks.groupdict().get('python') or 'their Python'}",
            expected="Assay and the model's library, in the versions that are here, in the Python of every worker",
            todo="install them there, or let PYSPARK_PYTHON name a Python that has them",
        )
    if not message:
        return None
    try:
        parts = json.loads(message)
        kind = getattr(audit.errors, str(parts.get("error", "")), ModelError)
    except (ValueError, AttributeError):
        return None
    return (kind if kind in (DataError, ModelError, audit.errors.CaseError) else ModelError).of(parts)


def _model_columns(info: ModelInfo, columns: Sequence[str]) -> list[str]:
    """Of the columns those that the model may want; all where it knows them by position."""
    if info.features is None:
        return list(columns)
    wanted = {*info.features}
    return [c for c in columns if c in wanted or c.replace(" ", "_") in wanted]


def _kept(case: Case, place: dict[str, str]) -> list[str]:
    data = case.data
    names = [*base.roles_of(case), *([data.weight] if data.weight is not None else [])]
    return list(dict.fromkeys(place[c] for c in names))


def _labels(case: Case, frame: Any, columns: Sequence[str], name: str) -> tuple[str, ...]:
    """The names of the label's values; () without a label."""
    label = case.data.label
    if label is None:
        return ()
    table = kinds(frame, [f"c{columns.index(label)}"], most=base.MOST_GROUPS).drop_columns([PEOPLE])
    frame = base.typed_values(case, Source((Path(name),), SPARK, tuple(columns), ()), table, [label], False)[0]
    return tuple(sorted(coded(without_missing_words(frame, [label])[label])[1]))


def _ship(session: Any, file: Path) -> None:
    """Give the file to every worker."""
    if ".connect." in type(session).__module__:
        session.addArtifact(str(file), file=True)
    else:
        session.sparkContext.addFile(str(file))


def _schema(thin: Any, keep: Sequence[str]) -> Any:
    from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

    more = [StructField(OWN, LongType()), StructField(SCORE, DoubleType()), StructField(WALLS, StringType())]
    return StructType([*(thin.schema[c] for c in keep), *more])


def _with_facts(asked: ModelAnswers, mine: Any) -> ModelAnswers:
    """The facts of the record, from totals over the rows that were asked about."""
    info, rule = asked.info, asked.rule
    score, own = nw.col(SCORE), nw.col(OWN) == 1
    at = USUAL if rule.threshold is None else rule.threshold
    over = score >= at
    yes = own if rule.threshold is None else over

    def times(condition: nw.Expr) -> nw.Expr:
        return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).sum()

    what = (nw.len(), score.min(), score.max(), nw.col(OWN).min(), times(own), times(over), times(own != over),
            nw.when(~yes).then(score).max(), nw.when(yes).then(score).min())  # fmt: skip
    totals = arrow(mine.select(*[e.alias(f"x{i}") for i, e in enumerate(what)])).to_pylist()[0]
    rows, low, high, least, selected, by_cut, differ, below, above = totals.values()
    walls = {r[WALLS]: int(r[PEOPLE]) for r in arrow(mine.group_by(WALLS).agg(nw.len().alias(PEOPLE))).to_pylist()}
    everywhere = _in_all(walls)
    notes = [_where(everywhere, walls)]
    info = replace(info, isolation=everywhere)
    if asked.classes or not rows:
        return replace(asked, facts=facts_of(asked.case, info, rule, asked.reads, None, None, tuple(notes)))
    compared, cut = None, rule.threshold
    if info.output == DECISION:
        cut = USUAL
    else:
        inside = low >= 0 and high <= 1
        if least >= 0 and (inside or rule.threshold is not None):
            compared = Compared(at, rows, differ, selected, by_cut, rule.kind)
        if rule.threshold is None:
            ends = [(v, k) for v, k in ((below, 0), (above, 1)) if v is not None]
            cut = cut_of(np.array([v for v, _ in ends]), np.array([k for _, k in ends]))
        notes = [*notes_of(info, rule, low, high, compared), *notes]
    return replace(asked, facts=facts_of(asked.case, info, rule, asked.reads, cut, compared, tuple(notes)))


def _in_all(walls: dict[str, int]) -> tuple[str, ...]:
    """What held in every task, in the order in which one said it."""
    each = [w.split(", ") for w in sorted(walls)]
    return tuple(word for word in each[0] if all(word in other for other in each)) if each else ()


def _where(everywhere: Sequence[str], walls: dict[str, int]) -> str:
    rows = sum(walls.values())
    text = (
        "Spark's tasks asked the model, each in its own sandboxed process; what is said of its isolation held for all "
        f"{many(rows, 'row')}."
    )
    more = {w: n for w, n in walls.items() if w != ", ".join(everywhere)}
    if more:
        text += (
            " For some of them more held: " + "; ".join(f"{many(n, 'row')}: {w}" for w, n in sorted(more.items())) + "."
        )
    return text
