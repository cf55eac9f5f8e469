"""A process of several stages (screened, interviewed, hired): who gets how far, and where a gap opens.

    entry = funnel(case, frame, groups, settings)      # None where the case names no stages
    figures(entry["counts"], entry["stages"], settings) == entry["figures"]     # what verify does

At each stage the rate is of those who reached it; cumulative is of everyone who began. A person reaches a stage by
passing all before it. The outcome test (Becker 1957; Knowles, Persico & Todd 2001) asks whether those of one group who
are picked turn out well less often: with its warning, since groups of different spread differ so under one threshold
too (infra-marginality; Simoiu, Corbett-Davies & Goel 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from audit.case import Case
from audit.documents import record_in, to_builtins
from audit.documents.rows import StageCounts, StageFigure, StageGap, StageRate
from audit.errors import CaseError
from audit.gaps import Settings, seed_of
from audit.lazy import pandas as pd
from audit.load.sign import says_bad, sign_of
from audit.load.values import coded
from audit.numbers import are, many
from audit.quality.codes import Group
from audit.stats.adjust import holm
from audit.stats.gap import largest_gap
from audit.stats.intervals import wilson
from audit.stats.pairs import named_rates
from audit.values import UNKNOWN

Mask = npt.NDArray[np.bool_]
YES, NO = ("yes", "y", "true", "1", "1.0"), ("no", "n", "false", "0", "0.0")

NOBODY = ("nobody got so far", "nobody picked has a known outcome")
WARNING = (
    "Groups whose chances are spread differently differ here under one threshold too, so that neither a gap nor its "
    "absence shows what each person was held to."
)


def funnel(case: Case, frame: pd.DataFrame, groups: Sequence[Group], settings: Settings) -> dict[str, Any] | None:
    """The `funnel` entry of evidence.json, about these rows. Raises CaseError for a stage that is no yes or no."""
    stages = case.data.stages
    if not stages:
        return None
    passed = np.stack([passes(frame[s], case.data.favourable or case.data.positive) for s in stages], axis=1)
    reached = np.cumprod(passed, axis=1).astype(bool)
    ahead = int((passed[:, 1:] & ~reached[:, :-1]).any(axis=1).sum())
    good, known = _outcomes(case, frame)
    picked = reached[:, -1]
    counts = []
    for group in groups:
        for code, level in enumerate(group.levels):
            mine = group.codes == code
            if not mine.any():
                continue
            through = [int(mine.sum()), *(int((reached[:, k] & mine).sum()) for k in range(len(stages)))]
            outcomes = [int((picked & mine & good).sum()), int((picked & mine & known).sum())] if known.any() else None
            counts.append({"attribute": [group.attribute], "group": [level], "through": through, "found": outcomes})
    notes = []
    if ahead:
        notes.append(
            f"{many(ahead, 'row')} {are(ahead, 'passes', 'pass')} a stage without having passed one before it; "
            f"{are(ahead, 'it counts', 'they count')} up to that one only."
        )
    if case.data.weight is not None or case.data.cluster is not None:
        notes.append("Rows are counted here without weights, and repeated rows of a person each for themselves.")
    return {
        "stages": list(stages),
        "counts": counts,
        "figures": figures(counts, stages, settings),
        "notes": notes,
    }


def passes(column: pd.Series, favourable: str | None) -> Mask:
    """Who passes: the favourable value of the case, else the value that says yes or something good. (n,)

    An empty value is no pass. Raises CaseError where no value, or more than one, can mean it.
    """
    codes, names = coded(column)
    yes = [n for n in names if n == favourable]
    if not yes and len(names) >= 2:
        # A stage is something to pass, whatever it is called, unless its name says something bad.
        sign = None if says_bad(str(column.name)) else sign_of("passed", names)
        yes = [sign.favourable] if sign is not None and sign.favourable is not None else []
    only = names[0].casefold() if len(names) == 1 and not yes and not says_bad(str(column.name)) else ""
    if only in NO:
        # Nobody got so far; the word alone says it.
        return np.zeros(len(column), dtype=bool)
    yes = list(names) if only in YES else yes
    if len(yes) != 1 or len(names) > 2:
        raise CaseError(
            f"the stage {str(column.name)!r} does not say who passed it",
            got=", ".join(repr(n) for n in names[:5]) or "no value",
            expected="yes and no, 1 and 0, true and false, or the case's favourable value and another",
            todo="write the stage as yes or no",
        )
    return np.isin(codes, [names.index(yes[0])])


def _outcomes(case: Case, frame: pd.DataFrame) -> tuple[Mask, Mask]:
    """Who has the favourable outcome, and whose outcome is known."""
    nobody = np.zeros(len(frame), dtype=bool)
    if case.data.label is None or case.data.task != "classification":
        return nobody, nobody
    codes, names = coded(frame[case.data.label])
    good = str(case.data.favourable or case.data.positive)
    if good in names:
        return codes == names.index(good), codes >= 0
    other = np.array([n != str(case.data.positive) for n in names] + [False])
    return other[codes], codes >= 0


def figures(counts: Sequence[Mapping[str, Any]], stages: Sequence[str], settings: Settings) -> list[dict[str, Any]]:
    """Rates, gaps and how many are short, from the counts alone: one entry an attribute and question.

    kind: "stage" (of those who reached it), "cumulative" (of all who began) or "outcome" (of those picked, who turn out
    well). p_adjusted is Holm's over all entries.
    """
    out: list[StageFigure] = []
    read = record_in(tuple[StageCounts, ...], counts, "evidence.json")
    for attribute in dict.fromkeys(c.attribute for c in read):
        mine = [c for c in read if c.attribute == attribute]
        for k, stage in enumerate(stages):
            pairs = [(c.through[k + 1], c.through[k]) for c in mine]
            out.append(_entry(mine, attribute, "stage", stage, pairs, settings))
        for k, stage in enumerate(stages[1:], 1):
            pairs = [(c.through[k + 1], c.through[0]) for c in mine]
            out.append(_entry(mine, attribute, "cumulative", stage, pairs, settings))
        known = [c.found for c in mine if c.found is not None]
        if len(known) == len(mine):
            out.append(_entry(mine, attribute, "outcome", stages[-1], known, settings))
    adjusted = iter(holm([p for e in out if (p := e.gap.p_value) is not None]))
    return [
        to_builtins(e if e.gap.p_value is None else replace(e, gap=replace(e.gap, p_adjusted=float(next(adjusted)))))
        for e in out
    ]


def _entry(
    counts: Sequence[StageCounts], attribute: tuple[str, ...], kind: str, stage: str,
    pairs: Sequence[tuple[int, int]], settings: Settings,
) -> StageFigure:  # fmt: skip
    x, n = (np.array(v, dtype=np.float64) for v in zip(*pairs, strict=True))
    low, high = wilson(x, n, settings.alpha)
    names = [c.group for c in counts]
    rates = tuple(
        StageRate(
            names[i], float(x[i] / n[i]) if n[i] else None, int(x[i]), int(n[i]), float(low[i]) if n[i] else None,
            float(high[i]) if n[i] else None, None if n[i] else NOBODY[kind == "outcome"],
        )
        for i in range(len(counts))
    )  # fmt: skip
    use = [i for i in range(len(counts)) if n[i] >= max(1, settings.floor) and UNKNOWN not in names[i]]
    if len(use) < 2:
        reason = f"fewer than two groups have {many(max(1, settings.floor), 'person')} here"
        return StageFigure(
            attribute, kind, stage, rates, StageGap(None, None, None, None, None, None, None, None, reason)
        )
    result = largest_gap(
        [(x[use], n[use])], seed=seed_of(settings, attribute, f"funnel {kind} {stage}"), draws=settings.draws,
        alpha=settings.alpha,
    )  # fmt: skip
    gap = StageGap(result.value, None, None, None, None, None, None, None, result.reason)
    if result.highest is not None and result.lowest is not None and result.value is not None:
        # The two groups named, not the widest gap of all: what is said of them, and of the people short, is theirs.
        near, far, p_value = named_rates(
            x[use], n[use], result.highest, result.lowest, draws=settings.draws, alpha=settings.alpha,
            seed=seed_of(settings, attribute, f"funnel {kind} {stage}"),
        )  # fmt: skip
        last = use[result.lowest]
        gap = StageGap(
            result.value, near, far, p_value, None, names[use[result.highest]], names[last],
            (float(n[last] * result.value), float(n[last] * near), float(n[last] * far)), result.reason,
        )  # fmt: skip
    return StageFigure(attribute, kind, stage, rates, gap)
