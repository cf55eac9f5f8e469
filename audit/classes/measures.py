"""The `classes` entry of evidence.json: each class against the rest, and all together, by group.

One against the rest: all rates of the contract about that class, where `selection_rate` is the share decided so. For
the positive class these are the figures of the main lists, from the same draws.

Overall: accuracy (decided class = outcome), and averages over the classes that give each the same weight: recall
(balanced accuracy, Brodersen et al. 2010), precision, and F1 (the mean of the classes' own F1; Opitz & Burst 2019). A
class that nobody in a group has leaves that group's average without a value: dropping the class, or calling it 0,
would compare groups over different classes.

Intervals of an average: classes are independent given their counts, so that the classes' own Wilson limits add up as
squares (MOVER; Zou & Donner 2008). F1: delta method on the multinomial table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from audit import stats
from audit.classes.table import ClassTable
from audit.cube import Floats, Margin, Meaning
from audit.fractions import SELECTIVE, effective
from audit.gaps import KINDS, Settings, comparable, gap_record, reference_index, seed_of
from audit.measure import adjusted, gaps_of, group_rates
from audit.metrics import ACCURACY, Metric, metrics_for
from audit.numbers import brief, many
from audit.pairs import Key, PairTable, pair_table, pair_tables, with_pairs
from audit.sentences import WITHHELD
from audit.stats.intervals import two_sided
from audit.values import Gap, Rate, to_json

NOTHING = (float("nan"), float("nan"), float("nan"), None)
MACRO = ("macro_true_positive_rate", "macro_positive_predictive_value", "macro_f1")
QUESTIONS = {
    ACCURACY: "For how many is the decided class the same as the outcome?",
    "macro_true_positive_rate": "Of those whose outcome is a class, how many are found, on average over the classes?",
    "macro_positive_predictive_value": "Of those decided a class, how many are, on average over the classes?",
    "macro_f1": "How well do decisions and outcomes match, on average over the classes?",
}


def class_measures(margins: Sequence[Margin], settings: Settings) -> dict[str, Any] | None:
    """The entry, or None where the margins have no classes. Everyone and single attributes; comparisons are adjusted
    over all classes and attributes (Holm, Benjamini-Hochberg).
    """
    mine = [m for m in margins if isinstance(m.beside, ClassTable) and len(m.attribute) <= 1]
    if not mine:
        return None
    names = tables(mine[0]).names
    family = _Family()
    rates: dict[str | None, list[Rate]] = {}
    for k, name in enumerate(names):
        rates[name] = [r for m in mine for r in _of_class(name, one_against_rest(m, k), settings, family)]
    rates[None] = [r for m in mine for r in _of_all(m, settings, family)]
    gaps = family.adjusted()

    def entry(name: str | None) -> dict[str, Any]:
        return {"rates": [to_json(r) for r in rates[name]], "gaps": [to_json(g) for n, g in gaps if n == name]}

    return {
        "names": list(names),
        "family": len(family.tested),
        "convention": "each class against all others; averages give every class the same weight; comparisons are "
        "adjusted over all classes, rates and attributes of this entry",
        "classes": [{"class": n, **entry(n)} for n in names],
        "overall": entry(None),
        "tables": [t for m in mine for t in _tables(m)],
    }


@dataclass(slots=True)
class _Family:
    """The comparisons of the entry in the order in which they are made: all of them are adjusted together.

    found: (class or None for all together, gap); tested: p-value by hypothesis; compared: pairs of groups.
    """

    found: list[tuple[str | None, Gap]] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)
    tested: dict[Key, float] = field(default_factory=dict)
    compared: dict[Key, PairTable] = field(default_factory=dict)

    def add(self, name: str | None, margin: Margin, hypothesis: str, gap: Gap) -> None:
        key = (margin.attribute, hypothesis if name is None else f"{name} {hypothesis}")
        if gap.p_value is not None:
            self.tested.setdefault(key, gap.p_value)
        self.keys.append(key)
        self.found.append((name, gap))

    def adjusted(self) -> list[tuple[str | None, Gap]]:
        """`found` with adjusted p-values and pairs."""
        gaps = adjusted([g for _, g in self.found], self.keys, self.tested)
        filled, _ = with_pairs(gaps, self.keys, self.tested, self.compared)
        return list(zip((n for n, _ in self.found), filled, strict=True))


def _of_class(name: str, margin: Margin, settings: Settings, family: _Family) -> list[Rate]:
    """The rates of one class against the rest; its comparisons go into `family`."""
    metrics = metrics_for(margin.meaning)
    if margin.attribute:
        of_class = gaps_of(margin, metrics, settings)
        for hypothesis, gap in of_class:
            family.add(name, margin, hypothesis, gap)
        here = pair_tables(margin, metrics, effective(margin, metrics), [g for _, g in of_class], settings)
        family.compared |= {(a, f"{name} {h}"): t for (a, h), t in here.items()}
    return [r for metric in metrics for r in group_rates(margin, metric, settings.alpha)]


def _of_all(margin: Margin, settings: Settings, family: _Family) -> list[Rate]:
    """Accuracy and the averages over classes; their comparisons go into `family`."""
    if margin.attribute:
        together = overall_gaps(margin, settings)
        for hypothesis, gap in together:
            family.add(None, margin, hypothesis, gap)
        if (table := _agreement_pairs(margin, [g for _, g in together], settings)) is not None:
            family.compared[margin.attribute, "overall accuracy"] = table
    return overall_rates(margin, settings)


def tables(margin: Margin) -> ClassTable:
    """The class counts of a margin that has them."""
    assert isinstance(margin.beside, ClassTable)
    return margin.beside


def one_against_rest(margin: Margin, k: int) -> Margin:
    """The two-valued counts about class k."""
    table = tables(margin)
    name = table.names[k]
    size = len(table.names)
    label = np.full(size + 1, 0)
    label[k], label[size] = 1, 2
    decided = (np.arange(size) == k).astype(np.int64)

    def folded(a: npt.NDArray[Any]) -> npt.NDArray[Any]:
        out = np.zeros((len(a), 3, 2), dtype=a.dtype)
        np.add.at(out, (slice(None), label[:, None], decided[None, :]), a)  # type: ignore[arg-type]
        return out

    meaning = Meaning(name, f"not {name}", name, margin.meaning.labelled)
    return replace(
        margin, n=folded(table.n), w=folded(table.w), w2=folded(table.w2), scores=None, meaning=meaning, beside=None
    )  # fmt: skip


def _tables(margin: Margin) -> list[dict[str, Any]]:
    """People by outcome and decision, per group; None where the group is withheld."""
    table = tables(margin)
    return [
        {
            "attribute": list(margin.attribute),
            "group": list(group),
            "people": None if margin.withheld[g] else table.n[g].tolist(),
        }
        for g, group in enumerate(margin.groups)
    ]


def _effective(table: ClassTable, g: int) -> Floats:
    """The weights of a group's known outcomes scaled to the effective number of people (Kish); (K, K)."""
    w, squares = table.w[g, :-1], table.w2[g, :-1].sum()
    return w * (w.sum() / squares) if squares > 0 else w


def one_sided(margin: Margin, g: int) -> str | None:
    """Why no rate over all classes is identified: after some decision no outcome is known (selective labels)."""
    table = tables(margin)
    n = table.n[g]
    people, known = n.sum(axis=0), n[:-1].sum(axis=0)
    for k, name in enumerate(table.names):
        if known[k] == 0 and known.sum() > 0 and people[k] > SELECTIVE * people.sum():
            return (
                f"outcomes are known for 0 of {many(int(people[k]), 'person')} decided {name!r}: selective labels, "
                "the rate is not identified"
            )
    return None


def agreement(margin: Margin) -> tuple[Floats, Floats]:
    """People decided their own outcome, and people whose outcome is known, as effective counts; each (G,).

    0 where the rate is not identified.
    """
    table = tables(margin)
    parts = [_effective(table, g) * (one_sided(margin, g) is None) for g in range(len(margin.groups))]
    return np.array([np.trace(p) for p in parts]), np.array([p.sum() for p in parts])


def overall_rates(margin: Margin, settings: Settings) -> list[Rate]:
    """Accuracy and the averages over classes, of each group."""
    table, out = tables(margin), []
    x, n = agreement(margin)
    low, high = stats.wilson(x, n, settings.alpha)
    percent = brief(100 * (1 - settings.alpha))
    kind = f"wilson-{percent}" + ("-effective-n" if margin.weighted else "")
    for g, group in enumerate(margin.groups):
        weight = float(table.w[g, :-1].sum())
        whole = weight if margin.weighted else round(weight)
        if n[g] > 0:
            right = float(np.trace(table.w[g, :-1]))
            out.append(
                Rate(
                    ACCURACY,
                    margin.attribute,
                    group,
                    right / weight,
                    right if margin.weighted else round(right),
                    whole,
                    float(low[g]),
                    float(high[g]),
                    kind,
                    True,
                    None,
                    float(n[g]),
                    int(table.n[g, :-1].sum()),
                )
            )
        else:
            reason = one_sided(margin, g) or _nobody(margin, g, "people whose outcome is known")
            out.append(
                Rate(ACCURACY, margin.attribute, group, None, None, 0, None, None, kind, False, reason, 0.0)
            )  # fmt: skip
    for metric in MACRO:
        name = f"{'delta' if metric == 'macro_f1' else 'mover-wilson'}-{percent}"
        for g, group in enumerate(margin.groups):
            value, lower, upper, lacking = average(margin, g, metric, settings.alpha)
            weight = float(table.w[g, :-1].sum())
            whole = weight if margin.weighted else round(weight)
            why = one_sided(margin, g) or (None if lacking is None else _nobody(margin, g, lacking))
            known = why is None
            out.append(
                Rate(
                    metric,
                    margin.attribute,
                    group,
                    value if known else None,
                    None,
                    whole,
                    lower if known else None,
                    upper if known else None,
                    name,
                    known,
                    why,
                    None,
                    int(table.n[g, :-1].sum()),
                )
            )
    return out


def _nobody(margin: Margin, g: int, among: str) -> str:
    if margin.withheld[g]:
        return WITHHELD
    return f"0 {among} (of {many(int(margin.n[g].sum()), 'person')} in the group)"


def average(margin: Margin, g: int, metric: str, alpha: float) -> tuple[float, float, float, str | None]:
    """Value, limits, and whom there are none of where it cannot be estimated."""
    table = tables(margin)
    counts = _effective(table, g)
    actual, predicted, both = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    if metric == "macro_f1":
        absent = actual + predicted <= 0
        words = "people who have or are decided"
    else:
        absent = (actual if metric == "macro_true_positive_rate" else predicted) <= 0
        words = "people whose outcome is" if metric == "macro_true_positive_rate" else "people decided"
    if absent.any():
        missing = [repr(n) for n, gone in zip(table.names, absent, strict=True) if gone]
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        return float("nan"), float("nan"), float("nan"), f"{words} {', '.join(missing[:5])}{more}"
    size = len(table.names)
    if metric == "macro_f1":
        value, error = _f1(counts)
        half = two_sided(alpha) * error
        return value, max(0.0, value - half), min(1.0, value + half), None
    whole = actual if metric == "macro_true_positive_rate" else predicted
    share = both / whole
    low, high = stats.wilson(both, whole, alpha)
    value = float(share.mean())
    down, up = float(np.sqrt(((share - low) ** 2).sum())) / size, float(np.sqrt(((high - share) ** 2).sum())) / size
    return value, max(0.0, value - down), min(1.0, value + up), None


def _f1(counts: Floats) -> tuple[float, float]:
    """The mean F1 of the classes and its standard error; half a person in every cell keeps the error above 0."""

    def mean(c: Floats) -> tuple[float, Floats]:
        total = c.sum(axis=1) + c.sum(axis=0)
        each = 2 * np.diag(c) / total
        slope = -(each / total)[:, None] - (each / total)[None, :]
        slope[np.diag_indices(len(c))] += 2 / total
        return float(each.mean()), slope / len(c)

    value, _ = mean(counts)
    smooth = counts + 0.5 / len(counts)
    _, slope = mean(smooth)
    n = smooth.sum()
    share = smooth / n
    slope = slope * n
    variance = float((share * slope**2).sum() - (share * slope).sum() ** 2) / n
    return value, float(np.sqrt(max(variance, 0.0)))


def _agreement_pairs(margin: Margin, gaps: Sequence[Gap], settings: Settings) -> PairTable | None:
    """The pairs of accuracy over all classes."""
    everyone = np.ones((3, 2), dtype=bool)
    metric = Metric(ACCURACY, everyone, everyone, "higher", "overall accuracy", QUESTIONS[ACCURACY], "", "")
    named = [frozenset((g.highest, g.lowest)) for g in gaps]
    return pair_table(metric, margin, agreement(margin), settings, wished=False, named=named)


def overall_gaps(margin: Margin, settings: Settings) -> list[tuple[str, Gap]]:
    """The gaps of accuracy and of the averages, with their hypotheses."""
    members = comparable(margin, settings.floor)
    reference = reference_index(margin, members, settings)
    x, n = agreement(margin)
    out: list[tuple[str, Gap]] = []
    for kind in KINDS:
        seed = seed_of(settings, margin.attribute, "overall accuracy")
        result = stats.largest_gap(
            ((x[members], n[members]),), kind=kind, seed=seed, draws=settings.draws, alpha=settings.alpha,
            reference=reference,
        )  # fmt: skip
        among = "people whose outcome is known"
        out.append(("overall accuracy", gap_record(ACCURACY, margin, kind, result, members, settings, among)))
    z = two_sided(settings.alpha)
    for metric in MACRO:
        averages = [
            average(margin, int(g), metric, settings.alpha) if one_sided(margin, int(g)) is None else NOTHING
            for g in members
        ]
        values, errors = [v for v, *_ in averages], [(h - lo) / (2 * z) for _, lo, h, _ in averages]
        for kind in KINDS:
            result = stats.mean_gap(
                values, errors, kind=kind, seed=seed_of(settings, margin.attribute, metric), draws=settings.draws,
                alpha=settings.alpha, reference=reference, what=metric.replace("_", " "), sizes=n[members],
            )  # fmt: skip
            if kind == "difference" and result.high is not None:
                result = replace(result, high=min(result.high, 1.0))
            if kind == "ratio" and result.p_value is not None:
                result = replace(result, p_value=out[-1][1].p_value)
            record = gap_record(metric, margin, kind, result, members, settings, "all classes in both groups")
            out.append((metric, record))
    return out
