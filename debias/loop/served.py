"""What was served: decisions, scores and model ids that the service logged, held against the model that should run.

    [watch]
    served = { decision = "decided", score = "p", model = "model_id" }

The served decision is what is judged: it is what happened to people. The running model's own decisions on the same rows
are made again and reconciled with it: another model id than the pointer's, decisions that differ, and whether another
threshold explains them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from audit.case import Case
from audit.cube import Ints
from audit.errors import DataError
from audit.load.values import coded as named
from audit.numbers import brief
from debias.loop.store import Served

FEW = 0.001
"""So small a share of decisions may differ, by how numbers are written, before it is told."""


def reconciled(
    case: Case, frame: pd.DataFrame, running: Served, own: Ints, score: npt.NDArray[np.float64] | None
) -> tuple[Ints, dict[str, Any] | None]:
    """The decisions to judge, (n,), and what does not agree with the running model; None where all does.

    own, score: the running model's decisions and scores. Raises DataError for a column that cannot be read.
    """
    logged = case.watch.served
    model, decision, scored = (logged.get(k) for k in ("model", "decision", "score"))
    facts: dict[str, Any] = {"what": "served", "rows": len(frame), "running": running.id}
    decided, wrong = own, False
    if model is not None:
        others = _others(frame[model], running)
        if others:
            wrong, facts = True, facts | {"model": max(others, key=lambda k: others[k]), "by": sum(others.values())}
    if decision is not None:
        served, known = _decisions(case, frame[decision])
        decided = np.where(known, served, own)
        differ = int((known & (served != own)).sum())
        if differ > FEW * len(frame):
            wrong, facts = True, facts | {"differ": differ}
            logged_scores = score if scored is None else pd.to_numeric(frame[scored], errors="coerce").to_numpy()
            between = None if logged_scores is None else _cut(logged_scores, served, known)
            usual = None if score is None else _cut(score, own, np.ones(len(own), dtype=bool))
            if between is not None and usual is not None and (between[0] > usual[1] or between[1] < usual[0]):
                facts |= {"threshold": _middle(between), "usual": running.threshold or _middle(usual)}
    return decided, facts if wrong else None


def _others(column: pd.Series, running: Served) -> dict[str, int]:
    """Model ids that are not the running one's, with their rows. An id may be its first eight characters or more, or
    the sha256 of its file."""
    codes, names = named(column)
    wanted = [v for v in (running.id, running.file) if v]
    out = {}
    for k, name in enumerate(names):
        model_id = name.strip().removeprefix("sha256:")
        if not (len(model_id) >= 8 and any(w.startswith(model_id) for w in wanted)):
            out[model_id[:64]] = int((codes == k).sum())
    return out


def _decisions(case: Case, column: pd.Series) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Served decisions as 0 and 1, and where there is one."""
    codes, names = named(column)
    positive = str(case.data.positive)
    others = [n for n in names if n != positive]
    if len(others) > 1:
        raise DataError(
            f"the served decisions in {column.name!r} have more than two values",
            got=", ".join(repr(n) for n in names[:5]),
            expected=f"{positive!r} and one other",
            todo="write the label's words into the log of what was served",
        )
    values = np.array([*(int(n == positive) for n in names), 0], dtype=np.int64)
    return values[codes], codes >= 0


def _cut(score: npt.NDArray[np.float64], decided: Ints, known: npt.NDArray[np.bool_]) -> tuple[float, float] | None:
    """Between which scores the threshold lies; None where no one threshold gives these decisions."""
    known = known & np.isfinite(score)
    no, yes = score[known & (decided == 0)], score[known & (decided == 1)]
    if not len(no) or not len(yes) or no.max() >= yes.min():
        return None
    return float(no.max()), float(yes.min())


def given_scores(case: Case, frame: pd.DataFrame, own: npt.NDArray[np.float64] | None) -> Any:
    """The scores that the service logged, (n,), NaN where there is none; else the running model's own, or None."""
    column = case.watch.served.get("score")
    if column is None:
        return own
    return pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def turning(score: npt.NDArray[np.float64] | None, decided: Ints) -> tuple[float, float] | None:
    """Between which scores decisions turn, where one threshold explains them all."""
    return None if score is None else _cut(score, decided, np.ones(len(decided), dtype=bool))


def moved_cut(usual: tuple[float, float] | None, now: tuple[float, float] | None) -> dict[str, Any] | None:
    """That decisions turn elsewhere than before, with both thresholds; None where they may turn where they did."""
    if usual is None or now is None or (now[0] < usual[1] and usual[0] < now[1]):
        return None
    return {"threshold": _middle(now), "at_first": _middle(usual)}


def narrowed(usual: tuple[float, float] | None, now: tuple[float, float] | None) -> tuple[float, float] | None:
    """What is known of where decisions turn, after a batch that agrees with it."""
    if usual is None or now is None:
        return usual or now
    return usual if moved_cut(usual, now) else (max(usual[0], now[0]), min(usual[1], now[1]))


def _middle(ends: tuple[float, float]) -> float:
    return float(brief((ends[0] + ends[1]) / 2, 4))
