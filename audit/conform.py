"""The same data in the words of other tools: Amazon's Clarify, AIF360 and fairlearn, each by its own conventions.

Tools differ in sign, in who is compared with whom, in what 0/0 is, and in whether a mean or a maximum is taken. Our own
figures stand in `rates`, `gaps` and `dataset`; these are for people who have to compare with a figure made elsewhere.
A table of the differences is in docs/metrics.md. What is not a finite number under a tool's rule is null here.

What needs the rows, Clarify's FT and AIF360's consistency, stands with the neighbours (audit/individual).

For Clarify and AIF360 "positive" is the favourable value, for fairlearn the positive one. People of unknown group
or outcome take no part. Weights are used where the case has them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audit.cube import Floats, Margin
from audit.dataset import kl_divergence, strata_of
from audit.gaps import Settings
from audit.inequality import BENEFITS, benefits, generalized_entropy
from audit.values import UNKNOWN

CLARIFY, AIF360, FAIRLEARN = "clarify", "aif360", "fairlearn"


@dataclass(frozen=True, slots=True, eq=False)
class _At:
    """One margin of one or two attributes. known: its groups that take part; by_attribute: all margins."""

    margin: Margin
    known: np.ndarray
    by_attribute: Mapping[tuple[str, ...], Margin]
    settings: Settings


Figures = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Tool:
    """Another tool. convention: how it counts, in words. shown: the figures that a report prints. of: its figures, for
    each group of which they are (None: of all)."""

    name: str
    title: str
    convention: str
    shown: tuple[str, ...]
    of: Callable[[_At], Iterator[tuple[int | None, Figures]]]


def _of_clarify(at: _At) -> Iterator[tuple[int | None, Figures]]:
    sums = sums_of(at.margin, at.known)
    for g in at.known.tolist():
        given_others = {
            "CDDL": conditional_disparity(at.by_attribute, at.margin, g, _labels),
            "CDDPL": conditional_disparity(at.by_attribute, at.margin, g, _decisions),
        }
        yield g, clarify(sums, g) | given_others


def _of_aif360(at: _At) -> Iterator[tuple[int | None, Figures]]:
    privileged = privileged_group(at.margin, at.known, at.settings.reference)
    yield privileged, aif360(at.margin, privileged, at.known)


def _of_fairlearn(at: _At) -> Iterator[tuple[int | None, Figures]]:
    yield None, fairlearn(at.margin, at.known)


TOOLS: dict[str, Tool] = {
    row.name: row
    for row in (
        Tool(
            CLARIFY, "Clarify",
            "each group (d) against all others (a); 0/0 is 0; divergences over labels present in both",
            ("CI", "DPL", "KL", "JS", "DPPL", "DI", "RD", "AD", "CDDL", "CDDPL"), _of_clarify,
        ),
        Tool(
            AIF360, "AIF360",
            "all other groups together (unprivileged) against the privileged group; unprivileged minus privileged",
            ("mean_difference", "statistical_parity_difference", "disparate_impact", "equal_opportunity_difference",
             "average_odds_difference", "theil_index"),
            _of_aif360,
        ),
        Tool(
            FAIRLEARN, "fairlearn",
            "largest difference or smallest ratio between groups; a rate of nobody is 0",
            ("demographic_parity_difference", "demographic_parity_ratio", "equal_opportunity_difference",
             "equalized_odds_difference"),
            _of_fairlearn,
        ),
    )
}  # fmt: skip


def conformance(margins: Sequence[Margin], settings: Settings) -> dict[str, Any]:
    """Per tool and set of one or two attributes: its figures under its own names."""
    by_attribute = {m.attribute: m for m in margins}
    values: list[dict[str, Any]] = []
    for margin in margins:
        if not margin.attribute or len(margin.attribute) > 2:
            continue
        known = np.flatnonzero(np.array([UNKNOWN not in g for g in margin.groups]) & ~margin.withheld)
        # Rows that all weigh nothing are nobody to these tools.
        known = known[margin.w[known].sum(axis=(1, 2)) > 0]
        if len(known) < 2:
            continue
        at = _At(margin, known, by_attribute, settings)
        values += [_entry(tool.name, margin, g, figures) for tool in TOOLS.values() for g, figures in tool.of(at)]
    return {"tools": {tool.name: tool.convention for tool in TOOLS.values()}, "values": values}


def _entry(tool: str, margin: Margin, g: int | None, figures: Mapping[str, float | None]) -> dict[str, Any]:
    return {
        "tool": tool,
        "attribute": list(margin.attribute),
        "group": None if g is None else list(margin.groups[g]),
        "values": {k: float(v) if v is not None and math.isfinite(v) else None for k, v in figures.items()},
    }


def _cells(margin: Margin, favourable: bool) -> Floats:
    """(G, 2, 2) weights by outcome and decision, 1 for the favourable (or the positive) value."""
    w = margin.w[:, :2]
    flip = favourable and not margin.meaning.favourable_is_positive
    out: Floats = w[:, ::-1, ::-1] if flip else w
    return out


def _decided(margin: Margin, favourable: bool) -> Floats:
    """(G, 2) weights by decision, outcomes known or not."""
    w = margin.w.sum(axis=1)
    flip = favourable and not margin.meaning.favourable_is_positive
    out: Floats = w[:, ::-1] if flip else w
    return out


def _over(a: float, b: float) -> float:
    """Clarify's division: 0/0 is 0, anything else over 0 is infinite."""
    return a / b if b else (0.0 if a == 0 else math.inf)


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Weights of one margin's groups by outcome and decision (G, 2, 2) and by decision (G, 2), and of all `known`.

    exact: they are whole numbers, sums of which are exact in any order.
    """

    cells: Floats
    decided: Floats
    known: np.ndarray
    whole: Floats
    whole_decided: Floats
    entropy: float
    exact: bool

    def others(self, g: int) -> tuple[Floats, Floats]:
        """Of all but this group."""
        if self.exact:
            return self.whole - self.cells[g], self.whole_decided - self.decided[g]
        others = self.known[self.known != g]
        return self.cells[others].sum(axis=0), self.decided[others].sum(axis=0)


def sums_of(margin: Margin, known: np.ndarray) -> Sums:
    """What the figures of all groups of a margin are made of."""
    cells, decided = _cells(margin, True), _decided(margin, True)
    entropy = generalized_entropy(benefits(margin)[known].sum(axis=0), BENEFITS, 2)
    exact = bool((margin.w % 1 == 0).all() and margin.w.sum() < 2**53)
    return Sums(cells, decided, known, cells[known].sum(axis=0), decided[known].sum(axis=0), entropy, exact)


def clarify(sums: Sums, g: int) -> dict[str, float | None]:
    """Pre- and post-training bias metrics of Amazon SageMaker Clarify for facet `g`."""
    d, p_d = sums.cells[g], sums.decided[g]
    a, p_a = sums.others(g)
    out: dict[str, float | None] = {
        "CI": _over(p_a.sum() - p_d.sum(), p_a.sum() + p_d.sum()),
        "DPPL": _over(p_a[1], p_a.sum()) - _over(p_d[1], p_d.sum()),
        "DI": _over(_over(p_d[1], p_d.sum()), _over(p_a[1], p_a.sum())),
    }
    if d.sum() == 0 or a.sum() == 0:
        return out
    shares_a, shares_d = a.sum(axis=1) / a.sum(), d.sum(axis=1) / d.sum()
    both = (shares_a > 0) & (shares_d > 0)
    common_a, common_d = shares_a[both], shares_d[both]
    middle = (common_a + common_d) / 2
    js = ((common_a * np.log(common_a / middle)).sum() + (common_d * np.log(common_d / middle)).sum()) / 2
    gap = np.abs(common_a - common_d)
    tau_d, tau_a = _over(d[1, 0], d[0, 1]), _over(a[1, 0], a[0, 1])
    out |= {
        "DPL": float(shares_a[-1] - shares_d[-1]),
        "KL": kl_divergence(shares_a, shares_d) if both.any() else None,
        "JS": float(js) if both.any() else None,
        "LP": float(np.sqrt((gap**2).sum())) if both.any() else None,
        "TVD": float(gap.sum() / 2) if both.any() else None,
        "KS": float(gap.max()) if both.any() else None,
        "DCA": _over(a[1].sum(), a[:, 1].sum()) - _over(d[1].sum(), d[:, 1].sum()),
        "DCR": _over(d[0].sum(), d[:, 0].sum()) - _over(a[0].sum(), a[:, 0].sum()),
        "RD": _over(a[1, 1], a[1].sum()) - _over(d[1, 1], d[1].sum()),
        "SD": _over(d[0, 0], d[0].sum()) - _over(a[0, 0], a[0].sum()),
        "DAR": _over(a[1, 1], a[:, 1].sum()) - _over(d[1, 1], d[:, 1].sum()),
        "DRR": _over(d[0, 0], d[:, 0].sum()) - _over(a[0, 0], a[:, 0].sum()),
        "AD": _over(np.trace(a), a.sum()) - _over(np.trace(d), d.sum()),
        "TE": 0.0 if tau_d == tau_a else tau_d - tau_a,
        "GE": sums.entropy,
    }
    return out


def _labels(margin: Margin) -> Floats:
    out: Floats = _cells(margin, True).sum(axis=2)
    return out


def _decisions(margin: Margin) -> Floats:
    return _decided(margin, True)


def conditional_disparity(
    margins: Mapping[tuple[str, ...], Margin], margin: Margin, g: int, counted: Callable[[Margin], Floats]
) -> float | None:
    """Clarify's CDDL (of labels) and CDDPL (of decisions), conditional on all other sensitive columns together.

    The mean over strata, by size, of the group's share among the unfavourable less its share among the favourable.
    Clarify counts every stratum: where nobody is on one side, the share there is 0. It refuses where nobody at all is.
    """
    wider = [m for key, m in margins.items() if set(margin.attribute) < set(key)]
    if not wider:
        return None
    whole = max(wider, key=lambda m: len(m.attribute))
    people = counted(whole)
    group = margin.groups[g]
    total = size = 0.0
    sides = np.zeros(2)
    for members, place in strata_of(whole, margin.attribute):
        bad, good = people[members].sum(axis=0)
        bad_d, good_d = people[place[group]] if group in place else (0.0, 0.0)
        total += (bad + good) * (_over(bad_d, bad) - _over(good_d, good))
        size += bad + good
        sides += (bad, good)
    return float(total / size) if sides.all() else None


def privileged_group(margin: Margin, known: Any, reference: Mapping[str, str]) -> int:
    """The reference group where the case names one, else the one with the highest share of favourable decisions."""
    if all(a in reference for a in margin.attribute):
        wanted = tuple(reference[a] for a in margin.attribute)
        if wanted in margin.groups and margin.groups.index(wanted) in known:
            return margin.groups.index(wanted)
    decided = _decided(margin, True)[known]
    return int(known[int(np.argmax(decided[:, 1] / decided.sum(axis=1)))])


def _rates(cells: Floats) -> tuple[float, float, float, float]:
    """True and false positive rate, share of errors and share of true outcomes; NaN for a share of nobody."""
    nan = float("nan")
    negative, positive, n = cells[0].sum(), cells[1].sum(), cells.sum()
    return (
        cells[1, 1] / positive if positive else nan,
        cells[0, 1] / negative if negative else nan,
        (cells[0, 1] + cells[1, 0]) / n if n else nan,
        positive / n if n else nan,
    )


def aif360(margin: Margin, privileged: int, known: Any) -> dict[str, float | None]:
    """AIF360's dataset and classification metrics; `privileged` against the other groups together."""
    others = [i for i in known if i != privileged]
    cells, decided = _cells(margin, True), _decided(margin, True)
    p, u = cells[privileged], cells[others].sum(axis=0)
    rate_p, rate_u = (w[1] / w.sum() for w in (decided[privileged], decided[others].sum(axis=0)))
    (tpr_p, fpr_p, err_p, base_p), (tpr_u, fpr_u, err_u, base_u) = _rates(p), _rates(u)
    table = benefits(margin)[known]
    people = table.sum(axis=1)
    means = np.divide((table * BENEFITS).sum(axis=1), people, out=np.zeros(len(people)), where=people > 0)
    return {
        "mean_difference": base_u - base_p,
        "statistical_parity_difference": rate_u - rate_p,
        "disparate_impact": rate_u / rate_p if rate_p else None,
        "equal_opportunity_difference": tpr_u - tpr_p,
        "average_odds_difference": ((fpr_u - fpr_p) + (tpr_u - tpr_p)) / 2,
        "average_abs_odds_difference": (abs(fpr_u - fpr_p) + abs(tpr_u - tpr_p)) / 2,
        "error_rate_difference": err_u - err_p,
        "generalized_entropy_index": generalized_entropy(table.sum(axis=0), BENEFITS, 2),
        "theil_index": generalized_entropy(table.sum(axis=0), BENEFITS, 1),
        "between_all_groups_generalized_entropy_index": generalized_entropy(people, means, 2),
    }


def fairlearn(margin: Margin, known: Any) -> dict[str, float | None]:
    """fairlearn's difference and ratio functions, with both of its methods and both of its aggregates."""
    cells, decided = _cells(margin, False)[known], _decided(margin, False)[known]
    out: dict[str, float | None] = {}

    def shares(x: Floats, n: Floats) -> Floats:
        return np.divide(x, n, out=np.zeros(len(n)), where=n > 0)

    selection = (shares(decided[:, 1], decided.sum(axis=1)), decided[:, 1].sum() / decided.sum())
    whole = cells.sum(axis=0)
    tpr = (shares(cells[:, 1, 1], cells[:, 1].sum(axis=1)), _zero(whole[1, 1], whole[1].sum()))
    fpr = (shares(cells[:, 0, 1], cells[:, 0].sum(axis=1)), _zero(whole[0, 1], whole[0].sum()))
    for method in ("between_groups", "to_overall"):
        end = "" if method == "between_groups" else "_to_overall"
        out[f"demographic_parity_difference{end}"], out[f"demographic_parity_ratio{end}"] = _gap(*selection, method)
        if cells.sum() == 0:
            continue
        (d_tpr, r_tpr), (d_fpr, r_fpr) = _gap(*tpr, method), _gap(*fpr, method)
        out[f"equal_opportunity_difference{end}"], out[f"equal_opportunity_ratio{end}"] = d_tpr, r_tpr
        out[f"equalized_odds_difference{end}"] = max(d_tpr, d_fpr)
        out[f"equalized_odds_ratio{end}"] = min(r_tpr, r_fpr) if not math.isnan(r_tpr + r_fpr) else math.nan
        out[f"equalized_odds_difference_mean{end}"] = (d_tpr + d_fpr) / 2
        out[f"equalized_odds_ratio_mean{end}"] = (r_tpr + r_fpr) / 2
    return out


def _zero(x: float, n: float) -> float:
    return float(x / n) if n else 0.0


def _gap(rates: Floats, overall: float, method: str) -> tuple[float, float]:
    """The difference and the ratio as MetricFrame takes them."""
    if method == "between_groups":
        top, low = float(rates.max()), float(rates.min())
        return top - low, low / top if top else math.nan
    if overall == 0:
        return float(np.abs(rates).max()), math.nan
    ratios = np.array([r / overall if r <= overall else overall / r for r in rates])
    return float(np.abs(rates - overall).max()), float(ratios.min())
