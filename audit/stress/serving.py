"""The model is fixed, and what it is fed is wrong: the worst plausible corruption that was found.

    found = serving(case, fed, spec, settings)

Searched on one half of the people, reported on the other. The group of a person is the true one, not the corrupted
column. What is reported is a lower bound: the worst that was found, not the worst there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit import progress
from audit.case import Case
from audit.cube import Ints
from audit.errors import CaseError, ModelError
from audit.gaps import Settings
from audit.numbers import many
from audit.quality import groups_of
from audit.quality.codes import Group
from audit.stress.ask import Fed
from audit.stress.confirm import Confirmed, confirm, halves, take
from audit.stress.corrupt import KINDS, Corruption, fits
from audit.stress.figures import Aim, Figures, Moves, aims_of, moves_of, sides_of
from audit.stress.predicates import Literal, literals_of
from audit.stress.search import Candidate, Search
from audit.stress.spec import StressSpec

FLOOR = 10


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A corruption of every row: of `column` (None: of whole rows), and what it does to the decisions (n,) of the rows
    asked about; of the others they stand as they were."""

    kind: Corruption
    column: str | None
    altered: pd.Series | None
    after: Ints | None


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One finding of the search. hit (n,): the rows of the reporting half that were corrupted."""

    aim: Aim
    tried: Tried
    predicate: tuple[Literal, ...]
    share: float
    rows: int
    confirmed: Confirmed
    names_person: bool
    hit: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """entries: of each figure the worst that was found, and the worst that names no attribute or outcome.

    searching (n,): the rows of the half that was searched on; candidates: how many were tried.
    """

    entries: tuple[Entry, ...]
    candidates: int
    corruptions: int
    searching: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = field(default=())


def serving(case: Case, fed: Fed, spec: StressSpec, settings: Settings) -> Served:
    """Raises CaseError where nothing can be corrupted or no figure can be made worse."""
    coded = fed.coded
    aims, left = aims_of(case.policy, case.data.sensitive, coded.meaning)
    notes = [f"Norms that rest on more than decisions were not searched: {', '.join(left)}."] if left else []
    searching = halves(coded, settings.seed)
    mine = take(coded, searching)
    aims = sides_of(Figures(mine, aims, FLOOR))
    figures = Figures(mine, aims, FLOOR)
    weight = np.ones(len(mine.label)) if mine.weight is None else mine.weight
    base = np.bincount(figures.cell, weight, minlength=figures.size).astype(np.float64)
    if np.isnan(figures.of(base[None])).all():
        raise CaseError(
            "there are too few people to search on",
            got=f"{many(int(searching.sum()), 'row')} in the searching half",
            expected=f"at least {FLOOR} people in two groups of every figure",
            todo="bring more rows",
        )
    groups = groups_of(case, fed.frame)
    notes += _whole_groups(groups, spec.budget)
    names = (coded.meaning.negative, coded.meaning.positive)
    about = case.data.label
    whole = literals_of(fed.frame, _searched(fed), groups, coded.label, names, about)
    literals = type(whole)(whole.names, whole.holds[searching])
    search = Search(figures, literals, spec.budget, FLOOR, base, mine.weight)
    tried, notes_of_search = corruptions(fed, spec, searching)
    notes += notes_of_search
    progress.stage("Searching for the worst corruption")
    for number, one in enumerate(tried):
        progress.step(number, len(tried))
        after = None if one.after is None else one.after[searching]
        search.add(number, moves_of(figures, mine, after, one.kind.name), spec.depth)
    worst = search.worst()
    chosen, left_out = _on_all(fed, tried, {c.corruption for c in worst.values()}, ~searching)
    notes += left_out
    best = {k: c for k, c in worst.items() if c.corruption in chosen}
    return Served(
        tuple(_entries(fed, aims, best, chosen, whole.names, whole.rows, searching, settings, spec.budget)),
        search.tried,
        len(tried),
        searching,
        tuple(notes),
    )


def _whole_groups(groups: Sequence[Group], budget: float) -> list[str]:
    """Which groups are smaller than the budget."""
    out = []
    for group in groups:
        count = np.bincount(group.codes, minlength=len(group.levels))
        most = int(budget * count.sum())
        small = [n for n, c in zip(group.levels, count.tolist(), strict=True) if 0 < c <= most]
        if small:
            out.append(
                f"The budget of {many(most, 'row')} is at least all there are of {group.attribute} "
                f"{', '.join(small)}: every one of them may be hit."
            )
    return out


def _searched(fed: Fed) -> list[str]:
    return [f for f in fed.features if f in fed.frame.columns]


def _on_all(
    fed: Fed, tried: Sequence[Tried], wanted: set[int], others: npt.NDArray[np.bool_]
) -> tuple[dict[int, Tried], list[str]]:
    """The corruptions that were chosen, asked about the other half too: only these are reported there."""
    progress.stage("Asking about the worst on the other half")
    asked = [(n, tried[n]) for n in sorted(wanted)]
    out = {n: one for n, one in asked if one.after is None}
    notes = []
    todo = [(n, one, one.column, one.altered) for n, one in asked if one.after is not None]
    for (n, one, column, _), reply in zip(todo, _abreast(fed, [t[2:] for t in todo], others), strict=True):
        if isinstance(reply, ModelError):
            notes.append(
                f"The model refuses a corruption, which is safe: {one.kind.name} ({reply.problem}), in {column}."
            )
        else:
            assert one.after is not None
            out[n] = replace(one, after=np.where(others, reply, one.after))
    return out, notes


def _abreast(fed: Fed, todo: Sequence[Any], rows: npt.NDArray[np.bool_]) -> Iterator[Ints | ModelError]:
    """The decisions for each (column, altered), or why the model refuses."""

    def one(each: tuple[str, pd.Series]) -> Ints | ModelError:
        column, altered = each
        try:
            return _predictions_of(fed, column, altered, rows)
        except ModelError as error:
            return error

    with ThreadPoolExecutor(fed.abreast) as pool:
        yield from pool.map(one, todo)


def corruptions(fed: Fed, spec: StressSpec, rows: npt.NDArray[np.bool_] | None = None) -> tuple[list[Tried], list[str]]:
    """Every corruption that can be done, with the decisions that follow for `rows` (n,; None: all); and notes on those
    that could not."""
    wanted = [k for k in KINDS.values() if not spec.kinds or k.name in spec.kinds]
    columns = list(spec.columns) or list(fed.features)
    unknown = [c for c in columns if c not in fed.features]
    if unknown:
        raise CaseError(
            f"the column {unknown[0]!r} is to be corrupted and the model does not read it",
            got=f"columns = {columns!r} under [stress]",
            expected="among " + ", ".join(repr(f) for f in fed.features[:12]),
            todo="name features",
        )
    out = [Tried(k, None, None, None) for k in wanted if k.of == "rows"]
    notes, constant = [], []
    if fed.ask is None:
        notes.append(
            "The case brings decisions and no model to ask, so that no column was corrupted: only whole rows were."
        )
        columns = []
    todo = [(c, k) for c in columns for k in wanted if _plausible(spec, c, k) and fits(k, fed.frame[c])]
    refused: dict[str, list[str]] = {}
    progress.stage("Asking the model about corrupted columns")
    mine = np.ones(len(fed.frame), dtype=bool) if rows is None else rows
    corrupted = []
    for column, kind in todo:
        assert kind.change is not None
        altered = kind.change(fed.frame[column])
        if altered.equals(fed.frame[column]):
            constant.append(column)
        else:
            corrupted.append((kind, column, altered))
    answers = _abreast(fed, [(c, a) for _, c, a in corrupted], mine)
    for number, ((kind, column, altered), after) in enumerate(zip(corrupted, answers, strict=True), 1):
        progress.step(number, len(corrupted))
        if isinstance(after, ModelError):
            refused.setdefault(f"{kind.name} ({after.problem})", []).append(column)
        else:
            out.append(Tried(kind, column, altered, after))
    for what, where in refused.items():
        notes.append(f"The model refuses a corruption, which is safe: {what}, in {', '.join(where)}.")
    if same := sorted(set(constant) - {t.column for t in out if t.column}):
        notes.append(f"A column with one value alone cannot be corrupted by some of the kinds: {', '.join(same)}.")
    if not out:
        raise CaseError(
            "there is nothing that could be corrupted",
            got="no model to ask, and no corruption of whole rows"
            if fed.ask is None
            else "no column that any kind fits",
            expected="a feature of numbers or of categories, or one of "
            f"{', '.join(k.name for k in KINDS.values() if k.of == 'rows')} in `kinds`",
            todo="check `columns`, `kinds` and `plausible` under [stress]",
        )
    return out, notes


def _predictions_of(fed: Fed, column: str, altered: pd.Series, mine: npt.NDArray[np.bool_]) -> Ints:
    """The decisions (n,) when the values of `mine` are altered; rows whose value stays as it was are not asked."""
    assert fed.ask is not None
    before = fed.frame[column]
    same = (before.astype(altered.dtype) == altered) | (before.isna() & altered.isna())
    rows = np.flatnonzero(~same.fillna(False).to_numpy(dtype=bool) & mine)
    some = fed.frame.iloc[rows].copy(deep=False)
    some[column] = altered.iloc[rows]
    out = fed.coded.decision.copy()
    if len(rows):
        out[rows] = fed.ask(some)
    return out


def _plausible(spec: StressSpec, column: str, kind: Corruption) -> bool:
    return kind.of != "rows" and (column not in spec.plausible or kind.name in spec.plausible[column])


def _entries(
    fed: Fed,
    aims: Sequence[Aim],
    best: dict[tuple[int, bool], Candidate],
    tried: dict[int, Tried],
    names: tuple[Literal, ...],
    rows_of: Any,
    searching: npt.NDArray[np.bool_],
    settings: Settings,
    budget: float,
) -> list[Entry]:
    report = take(fed.coded, ~searching)
    figures = Figures(report, aims, FLOOR)
    wanted: dict[tuple[int, int, tuple[int, ...]], Candidate] = {}
    for (aim, _), candidate in sorted(best.items()):
        wanted.setdefault((aim, candidate.corruption, candidate.predicate), candidate)
    out = []
    for number, ((aim, corruption, predicate), candidate) in enumerate(wanted.items()):
        one = tried[corruption]
        rows = rows_of(predicate)[~searching]
        # Halves differ a little: the budget holds on this one too.
        share = min(candidate.share, int(budget * len(rows)) / max(1, int(rows.sum())))
        hit = hit_rows(rows, share, settings.seed + number)
        if int(rows.sum()) < FLOOR or int((~rows).sum()) < FLOOR:
            continue
        after = None if one.after is None else one.after[~searching]
        every = moves_of(figures, report, after, one.kind.name)
        confirmed = confirm(figures, report, aim, every.within(hit), len(wanted), settings.seed, every, int(hit.sum()))
        if not np.isfinite([confirmed.before, confirmed.after, confirmed.low, confirmed.high]).all():
            continue
        literals = tuple(names[i] for i in predicate)
        whole = np.zeros(len(searching), dtype=bool)
        whole[np.flatnonzero(~searching)[hit]] = True
        out.append(
            Entry(
                aims[aim],
                one,
                literals,
                candidate.share,
                int(hit.sum()),
                confirmed,
                any(x.personal for x in literals),
                whole,
            )
        )
    return out


def hit_rows(rows: npt.NDArray[np.bool_], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """A random share of `rows` (n,)."""
    at = np.flatnonzero(rows)
    if share < 1:
        at = np.random.default_rng(seed).permutation(at)[: round(share * len(at))]
    out = np.zeros(len(rows), dtype=bool)
    out[at] = True
    return out


__all__ = ["Entry", "Moves", "Served", "Tried", "corruptions", "hit_rows", "serving"]
