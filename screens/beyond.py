"""Beyond rates and gaps, one question at a time: subgroups, like people, rankings, errors, what a score means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from audit.by_proxy import sentences
from audit.documents import record_in
from audit.documents.evidence import Conformed, Smoothed
from audit.documents.rows import Slice, StageFigure
from audit.findings import name_of, p_words, percent
from audit.funnel import WARNING
from audit.likewise import NOT_CAUSAL, shown
from reports.sections.conform import NAMES, rows_of
from reports.sections.further import ASKED, chosen, gap_sentence, smallest, where
from screens import charts, parts, points, state

Record = dict[str, Any]
MOST = 8


def show(evidence: Record, attribute: list[str]) -> None:
    """The questions that this evidence can answer."""
    answers: dict[str, tuple[str, Callable[[Any, list[str]], None]]] = {
        "slices": ("Who is served worst, among all the subgroups there are?", _slices),
        "individual": ("Are like people decided alike?", _individual),
        "flips": ("Would the decision turn if the sensitive value alone were another?", _flips),
        "by_proxy": ("What can be said of an attribute that is not recorded?", _by_proxy),
        "like_with_like": ("How large is the gap among people who are alike?", _likewise),
        "funnel": ("Where in the process does a gap open?", _funnel),
        "ranking": ("If people were ranked by their score, who would stand first?", _ranking),
        "reliability": ("Does a score mean the same for everyone?", _reliability),
        "predictive_parity": ("Do points mean the same for everyone?", points.show),
        "inequality": ("How unequally do errors fall on people?", _inequality),
        "smoothed": ("What can be said of the smallest groups?", _smoothed),
        "conformance": ("What would Clarify, AIF360 or fairlearn call this?", _conform),
    }
    found = {k: evidence.get(k) for k in answers}
    found["flips"] = (evidence.get("individual") or {}).get("model_flips")
    open_ = {words: k for k, (words, _) in answers.items() if found[k]}
    if not open_:
        return
    st.header("Beyond groups and rates")
    key = open_[st.selectbox("Question", list(open_), key="beyond")]
    answers[key][1](found[key], attribute)


def _slices(found: Record, attribute: list[str]) -> None:
    if not found["measured"]:
        st.write(state.plain(f"No subgroups were sought: {found['reason']}."))
        return
    how = (
        f"{found['considered']:,} subgroups of at least {found['least_people']} people were looked at on one half "
        f"of the people; {found['tested']} were tested on the other half, and p-values are adjusted for all of these."
    )
    rows = chosen(record_in(tuple[Slice, ...], found["found"], "slices"))
    if not rows:
        st.write(state.plain(f"No subgroup was confirmed. That is no proof that there is none. {how}"))
        return
    first = rows[0]
    takeaway = (
        f"{where(first)}: {percent(first['rate'])} of {first['people']:,} are {ASKED[first['question']]}, "
        f"{percent(first['rate_of_others'])} of the others."
    )
    st.write(state.plain(takeaway))
    dots = [charts.Dot(where(f), f["difference"], f["low"], f["high"], f["people"]) for f in rows]
    figure = charts.dots(dots, title="Above all others, in points, 95 % intervals", mark=0.0)
    st.plotly_chart(figure, config=charts.CONFIG, key="slices-chart", alt=takeaway)
    parts.table(
        pd.DataFrame(
            [
                {
                    "Who": where(f),
                    "Are": ASKED[f["question"]],
                    "Share": percent(f["rate"]),
                    "Others": percent(f["rate_of_others"]),
                    "Of people": f["people"],
                    "Adjusted p": p_words(f["p_adjusted"]),
                }
                for f in rows
            ]
        ),
        alt="Subgroups confirmed on held-out people",
    )
    st.caption(state.plain(how))


def _individual(found: Record, attribute: list[str]) -> None:
    near = found["neighbours"]
    if not near["measured"]:
        st.write(state.plain(f"This was not measured: {near['reason']}."))
        return
    rows = [g for g in near["by_group"] if g["attribute"] == attribute] or near["by_group"]
    worst = max(rows, key=lambda g: g["flip_test"], default=None)
    takeaway = (
        f"Consistency is {near['consistency']:.3f} ({near['consistency_low']:.3f} to {near['consistency_high']:.3f}): "
        f"1 where everyone is decided as the {near['neighbours']} people most like them."
    )
    if worst is not None and worst["flip_low"] > 0:
        points = f"{100 * worst['flip_test']:.1f} points"
        takeaway += f" People like {name_of(worst['group'])} in other groups are better off, by {points}."
    st.write(state.plain(takeaway))
    left, right = st.columns([3, 2])
    dots = [charts.Dot(name_of(g["group"]), g["flip_test"], g["flip_low"], g["flip_high"], g["people"]) for g in rows]
    figure = charts.dots(dots, title="Better off outside the group, in points, 95 % intervals", mark=0.0)
    left.plotly_chart(figure, config=charts.CONFIG, key="near-chart", alt=takeaway)
    with right:
        parts.table(
            pd.DataFrame(
                [
                    {
                        "Group": name_of(g["group"]),
                        "Consistency": f"{g['consistency']:.3f}",
                        "95 %": f"{g['consistency_low']:.3f} to {g['consistency_high']:.3f}",
                        "Better off outside": f"{100 * g['flip_test']:+.1f} points",
                        "Of people": g["people"],
                    }
                    for g in rows
                ]
            ),
            alt="Consistency and the neighbours outside, by group",
        )
    st.caption(
        state.plain(
            f"{near['people']:,} people drawn at random, compared in {', '.join(near['features'])}. Above nought is to "
            "the group's disadvantage. “Like” means these columns, no more."
        )
    )


def _flips(found: list[Record], attribute: list[str]) -> None:
    rows = sorted((f for f in found if f["attribute"] == attribute), key=lambda f: -f["value"])[:MOST] or found[:MOST]
    first = rows[0]
    takeaway = (
        f"From {name_of(first['group'])} to {name_of(first['to'])}: {percent(first['value'])} of {first['people']:,} "
        "decisions turn."
    )
    st.write(state.plain(takeaway))
    dots = [
        charts.Dot(f"{name_of(f['group'])} to {name_of(f['to'])}", f["value"], f["low"], f["high"], f["people"])
        for f in rows
    ]
    figure = charts.dots(dots, title="Decisions that turn, 95 % intervals")
    st.plotly_chart(figure, config=charts.CONFIG, key="flips-chart", alt=takeaway)
    parts.table(
        pd.DataFrame(
            [
                {
                    "Changed": f"{name_of(f['group'])} to {name_of(f['to'])}",
                    "Turn": percent(f["value"]),
                    "To favourable": f["to_favourable"],
                    "To unfavourable": f["to_unfavourable"],
                    "Of people": f["people"],
                }
                for f in rows
            ]
        ),
        alt="Decisions that turn where the sensitive value alone is changed",
    )
    st.caption("The model reads this column. All else stays as it is: what goes along with it is not in this figure.")


def _ranking(found: list[Record], attribute: list[str]) -> None:
    rows = [r for r in found if r["attribute"] == attribute] or [r for r in found if len(r["attribute"]) == 1]
    tenth = {tuple(r["group"]): next(t for t in r["top"] if t["top"] == 0.1) for r in rows}
    least = min(rows, key=lambda r: tenth[tuple(r["group"])]["ratio"] or 0.0)
    one = tenth[tuple(least["group"])]
    takeaway = (
        f"{name_of(least['group'])} are {percent(least['share'])} of all people and {percent(one['share'])} of the "
        "first tenth."
    )
    st.write(state.plain(takeaway))
    left, right = st.columns([3, 2])
    dots = [
        charts.Dot(name_of(g), tenth[g]["share"], tenth[g]["low"], tenth[g]["high"], r["people"])
        for r in rows
        for g in [tuple(r["group"])]
    ]
    figure = charts.dots(dots, title="Share of the first tenth, 95 % intervals")
    left.plotly_chart(figure, config=charts.CONFIG, key="ranking-chart", alt=takeaway)
    with right:
        parts.table(
            pd.DataFrame(
                [
                    {
                        "Group": name_of(r["group"]),
                        "Share of all": percent(r["share"]),
                        "Of the first tenth": percent(tenth[tuple(r["group"])]["share"]),
                        "Exposure": f"{r['exposure_ratio']:.3f}",
                        "Of people": r["people"],
                    }
                    for r in rows
                ]
            ),
            alt="Share of the first tenth of a ranking, and exposure, by group",
        )
    st.caption("Exposure falls with the logarithm of the place; 1 is the average of everyone.")


def _reliability(found: list[Record], attribute: list[str]) -> None:
    curves = [r for r in found if r["attribute"] == attribute][:6] or [r for r in found if not r["attribute"]]
    bands = sorted({(p["from"], p["to"]) for r in curves for p in r["points"]})
    takeaway = (
        "Where a score means what it says, the share lies in its band, and alike for every group. Groups apart in one "
        "band are told different things by the same score."
    )
    st.write(takeaway)
    left, right = st.columns([3, 2])
    points = [
        charts.Dot(f"{p['from']:g} to {p['to']:g}", p["share"], p["low"], p["high"], p["people"], name_of(r["group"]))
        for r in curves
        for p in r["points"]
        if p["people"] >= 10
    ]
    points.sort(key=lambda d: d.row)
    figure = charts.dots(points, title="Share with the outcome by band of score, 95 % intervals")
    left.plotly_chart(figure, config=charts.CONFIG, key="reliability-chart", alt=takeaway)
    table = pd.DataFrame({"Score": [f"{a:g} to {b:g}" for a, b in bands]})
    for r in curves:
        mine = {(p["from"], p["to"]): p for p in r["points"]}
        table[name_of(r["group"]) if r["group"] else "Everyone"] = [
            "–"
            if b not in mine or mine[b]["share"] is None
            else f"{percent(mine[b]['share'])} of {mine[b]['people']:,.0f}"
            for b in bands
        ]
    with right:
        parts.table(table, alt="Share with the outcome by band of score and group")


def _inequality(found: list[Record], attribute: list[str]) -> None:
    rows = [r for r in found if r["estimable"] and len(r["attribute"]) <= 1]
    if not rows:
        st.write(state.plain(f"Not estimable: {found[0]['reason']}."))
        return
    takeaway = f"The Theil index of benefit is {rows[0]['theil']:.3f}: nought where all benefit alike."
    st.write(takeaway)
    parts.table(
        pd.DataFrame(
            [
                {
                    "By": " and ".join(r["attribute"]) or "everyone",
                    "Theil": f"{r['theil']:.4f}",
                    "Generalized entropy": f"{r['generalized_entropy']:.4f}",
                    "Of it between groups": "–"
                    if not r.get("between")
                    else f"{r['between']['generalized_entropy']:.5f}",
                }
                for r in rows
            ]
        ),
        alt="Inequality of benefit",
    )
    st.caption(
        "Benefit is 1 for a right decision, 2 for one better than the outcome, 0 for one worse (Speicher et al. 2018). "
        "Descriptions of these rows, without interval."
    )


def _by_proxy(found: list[Record], attribute: list[str]) -> None:
    for sentence in sentences(found):
        st.write(state.plain(sentence))
    parts.table(
        pd.DataFrame(
            [
                {
                    "Group": " / ".join(r["group"]),
                    "People expected": f"{r['people_expected']:,.0f}",
                    "Weighted share": percent(r["weighted"]),
                    "Can be anything": f"{percent(r['low'])} to {percent(r['high'])}",
                    "With chance, 95 %": f"{percent(r['outer_low'])} to {percent(r['outer_high'])}",
                }
                for entry in found
                for r in entry["rates"]
            ]
        ),
        alt="Who receives the favourable decision, by probabilities",
    )
    st.caption("Nobody is assigned to a group. The bounds hold whatever decisions depend on.")


def _likewise(found: Record, attribute: list[str]) -> None:
    for factor in found["factors"]:
        st.write(state.plain(f"{factor['column']}: {factor['reason']}"))
    lines = [(p, shown(p)) for p in found["pairs"] if p["attribute"] == attribute[:1]] or [
        (p, shown(p)) for p in found["pairs"]
    ]
    parts.table(
        pd.DataFrame(
            [
                {
                    "Pair": f"{' and '.join(p['attribute'])}: {s.who}",
                    "Raw [95 %]": s.raw,
                    "Within strata [95 %]": s.held,
                    "By regression [95 %]": s.adjusted,
                    "Taken away by the factors": s.explained,
                }
                for p, s in lines
            ]
        ),
        alt="Gaps in points, raw and among people who are alike",
    )
    for factor in found["factors"]:
        for proxy in factor["proxy_of"]:
            if proxy["stands_in"]:
                st.warning(
                    state.plain(
                        f"{factor['column']} goes with {' and '.join(proxy['attribute'])} itself (Cramer's V "
                        f"{proxy['cramers_v']:.2f}): holding it equal may hide how a gap is made."
                    )
                )
    st.caption(NOT_CAUSAL)


def _funnel(found: Record, attribute: list[str]) -> None:
    figures = [f for f in found["figures"] if f["attribute"] == attribute[:1]] or found["figures"]
    for figure in figures:
        st.write(state.plain(gap_sentence(record_in(StageFigure, figure, "funnel"))))
    parts.table(
        pd.DataFrame(
            [
                {
                    "Stage": f["stage"],
                    "Of": {"stage": "those who got so far", "cumulative": "all who began", "outcome": "those picked"}[
                        f["kind"]
                    ],
                    "Group": " / ".join(r["group"]),
                    "Passed": f"{r['numerator']:,} of {r['denominator']:,}",
                    "Share [95 %]": str(r["reason"])
                    if r["value"] is None
                    else f"{percent(r['value'])} [{percent(r['low'])}, {percent(r['high'])}]",
                }
                for f in figures
                for r in f["rates"]
            ]
        ),
        alt="Who gets how far, stage by stage",
    )
    for note in found["notes"]:
        st.caption(state.plain(note))
    if any(f["kind"] == "outcome" for f in figures):
        st.caption(WARNING)


def _smoothed(found: list[Record], attribute: list[str]) -> None:
    shown = smallest(record_in(tuple[Smoothed, ...], found, "smoothed"), most=20)
    if not shown:
        reasons = sorted({str(s["reason"]) for s in found if s["reason"]}) or [
            "no combination of attributes was counted"
        ]
        st.write(state.plain(f"Not estimable: {reasons[0]}."))
        return
    parts.table(
        pd.DataFrame(
            [
                {
                    "Group": " / ".join(s["group"]),
                    "By": " and ".join(s["attribute"]),
                    "People": s["denominator"],
                    "Counted": percent(s["counted"]),
                    "Smoothed [95 %]": f"{percent(s['value'])} [{percent(s['low'])}, {percent(s['high'])}]",
                    "Borrowed": percent(s["borrowed"]),
                }
                for s in shown
            ]
        ),
        alt="The smallest groups, counted and smoothed",
    )
    st.caption(
        "The share with the favourable decision. Smoothed rates borrow from the other groups of the same attributes, "
        "more where a group is small. A second look beside the counted rate: no norm and no finding rests on them."
    )


def _conform(found: Record, attribute: list[str]) -> None:
    st.write("For comparing with a figure made elsewhere: each tool's own sign, reference and rule for 0/0.")
    every = record_in(tuple[Conformed, ...], found["values"], "conformance")
    rows = rows_of([v for v in every if v.attribute == tuple(attribute)]) or rows_of(every)
    parts.table(pd.DataFrame(rows, columns=["Tool", "Figure", "By", "Value"]), alt="Figures under other tools' names")
    for tool, words in found["tools"].items():
        st.caption(state.plain(f"{NAMES[tool]}: {words}."))
