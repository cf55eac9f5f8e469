"""What the model does: three sentences first, then rates and gaps by question, then why (SHAP beside LIME)."""

from __future__ import annotations

import streamlit as st

from audit.cube import Meaning
from audit.documents.evidence import Evidence
from audit.evidence import pick
from audit.findings import NormResult, interval_words, name_of, percent
from audit.metrics import MEAN_SCORE, METRICS, SCORE_METRICS, metrics_for, title
from audit.numbers import fixed, many
from audit.sizes import unit
from audit.values import UNKNOWN, Gap
from audit.wide import rates_of
from reports.blocks import Paragraph, Points
from reports.sections.measures import norms, power, sentence
from reports.words import number, unquoted
from screens import beyond, bounds, classes, draw, law, look, pairs, parts, regression, some, state, why
from screens.data import attribute_choice
from screens.workspace import CaseFolder


def show() -> None:
    """The screen."""
    folder = parts.need_case("What the model does")
    if folder is None:
        return
    parts.job_panel("The explanation" if (folder.run / "evidence.json").exists() else "The audit")
    evidence = state.evidence(folder)
    if evidence is None:
        if not parts.busy():
            st.write("Nothing has been measured yet.")
            st.page_link(parts.page("data"), label="Run the audit first")
        return
    if evidence.regression is not None:
        for finding in evidence.findings[:3]:
            st.markdown(f"- {state.escape(finding)}")
        regression.show(evidence, evidence.regression)
        parts.next_step("report", "put it into the report")
        return
    section = parts.sections("model-section", SECTIONS)
    if section == SECTIONS[0]:
        overview(some.chosen(folder, evidence))
    elif section == SECTIONS[4]:
        look.threshold(folder, evidence)
    elif section == SECTIONS[5]:
        look.compare_runs(folder, evidence)
    elif section == SECTIONS[1]:
        questions(folder, evidence)
    elif section == SECTIONS[2]:
        beyond.show(evidence, attribute_choice(evidence))
    else:
        why.show(folder, evidence)
    parts.next_step("mitigate", "mitigate what was found")
    parts.help_on("model")


SECTIONS = ("Overview", "Question by question", "Beyond groups", "Why", "Move the threshold", "Beside another run")


def overview(evidence: Evidence) -> None:
    """What was found, where each norm stands, what cannot be said, and what to do next."""
    st.header("What was found")
    draw.blocks([Points(evidence.findings[:3])])
    if len(evidence.findings) > 3:
        with st.expander(many(len(evidence.findings) - 3, "more finding")):
            draw.blocks([Points(evidence.findings[3:])])
    chapter = norms(evidence)
    st.header(chapter.title)
    draw.blocks(chapter.blocks)
    st.header("What cannot be said")
    silent = unsaid(evidence)
    draw.blocks([Points(silent[:MOST_SAID]) if silent else EVERYTHING])
    if len(silent) > MOST_SAID:
        with st.expander(many(len(silent) - MOST_SAID, "more note")):
            draw.blocks([Points(silent[MOST_SAID:])])
    st.header("What to do next")
    for step in ahead(evidence):
        st.markdown(f"- {step}")


MOST_SAID = 2
EVERYTHING = Paragraph("Every norm could be measured, and every person's group and outcome are known.")


def unsaid(evidence: Evidence) -> tuple[str, ...]:
    """What this audit leaves open, with the counts at fault."""
    notes = [f"{_norm_name(n)} cannot be judged: {n.reason}." for n in evidence.norms if n.value is None]
    open_ = sum(n.status == "undecided" for n in evidence.norms)
    if open_:
        notes.append(
            f"For {open_} of {many(len(evidence.norms), 'norm')} the limit lies within the interval: so few people "
            "do not decide it."
        )
    total = evidence.data.audited_rows
    for counts in evidence.counts:
        if counts.attribute and counts.group == (UNKNOWN,) and counts.rows:
            notes.append(
                f"The {' and '.join(counts.attribute)} of {counts.rows:,} of {many(total, 'person')} is not known."
            )
        if not counts.attribute and counts.unknown_label:
            notes.append(f"The outcome of {counts.unknown_label:,} of {many(total, 'person')} is not known.")
    return (*notes, *(unquoted(n) for n in evidence.notes))


def ahead(evidence: Evidence) -> list[str]:
    """The next steps that what was found asks for, in order."""
    steps = []
    if any(n.breached for n in evidence.norms):
        steps.append(
            "Ask why: the section *Why* divides the gap over columns. Then look at what mitigation would change."
        )
    if any(n.status == "undecided" for n in evidence.norms):
        steps.append("Measure more people: `assay plan` says how many would decide what is undecided.")
    if any(n.value is None for n in evidence.norms):
        steps.append("Bring what is lacking (outcomes, groups), and audit again.")
    return [*steps, "Sign a report: it holds all of this, and anyone can check it."]


def _norm_name(n: NormResult) -> str:
    return f"{title(n.metric).capitalize()}, {n.kind}, by {' and '.join(n.attribute)}"


def questions(folder: CaseFolder, evidence: Evidence) -> None:
    """Rate by rate, of everyone or of the people who are chosen; forms of law and custom are of everyone."""
    asked = some.chosen(folder, evidence)
    if any(g.attribute for g in asked.gaps):
        by_question(asked, folder if asked is evidence else None)
    else:
        some.undivided(asked)
    if asked is evidence:
        classes.show(evidence, st.session_state.attribute)
        law.show(folder, state.result(folder, "evidence.json") or {})


def by_question(evidence: Evidence, folder: CaseFolder | None = None) -> None:
    """One question at a time: the chart, the table beside it, and the gap in a sentence."""
    positive, favourable = str(evidence.data.positive), str(evidence.data.favourable)
    negative = favourable if favourable != positive else f"not {positive}"
    questions = {m.question: m.name for m in metrics_for(Meaning(positive, negative, favourable))}
    questions |= {METRICS[m].question: m for m in SCORE_METRICS if pick(evidence.rates, metric=m) is not None}
    st.header("Ask of the decisions")
    left, right = st.columns([2, 3])
    with left:
        attribute = attribute_choice(evidence)
    with right:
        names = list(questions)
        chosen = state.selection([attribute], list(questions.values())).metric
        question = st.selectbox(
            "Question",
            names,
            index=list(questions.values()).index(chosen),
            key="question",
            format_func=lambda q: f"{q} ({questions[q].replace('_', ' ')})",
        )
    metric = questions[question]
    st.session_state.metric = metric
    rates = [r for r in evidence.rates if r.metric == metric and r.attribute == attribute]
    gaps = {g.kind: g for g in evidence.gaps if g.metric == metric and g.attribute == attribute}
    takeaway = sentence(gaps.get("difference"))
    wide = evidence.left_to_cube
    if wide is not None and attribute in wide.attributes and folder is not None:
        margin = next(m for m in look.margins(folder) if m.attribute == attribute)
        rates = rates or rates_of(margin, metric, evidence.settings.alpha)
        takeaway = takeaway if gaps else wide.why
    share = metric != MEAN_SCORE or all(r.value is None or 0 <= r.value <= 1 for r in rates)
    draw.answer(
        rates,
        takeaway,
        key="rates-chart",
        title=f"{metric.replace('_', ' ').capitalize()} by {' and '.join(attribute)}, 95 % intervals",
        alt=f"{metric} by group with intervals and counts",
        counted=f"Of {unit(evidence.data)}",
        overall=pick(evidence.rates, metric=metric, attribute=()),
        share=share,
        formatter=percent if share else number,
    )
    if (ratio := gaps.get("ratio")) is not None:
        st.caption(state.escape(ratio_sentence(ratio)))
    if (difference := gaps.get("difference")) is not None:
        st.caption(f"How it was made: {state.escape(difference.method)}")
    if (reach := power(evidence, attribute, (metric,))) is not None:
        draw.table(reach)
    pairs.show(evidence, metric, attribute)
    bounds.show(evidence, metric, attribute)


def ratio_sentence(gap: Gap) -> str:
    """The ratio in words."""
    if gap.value is None:
        return f"The ratio cannot be estimated: {gap.reason}."
    return f"{name_of(gap.lowest)} over {name_of(gap.highest)}: {fixed(gap.value, 2)} ({interval_words(gap, 1.0, 2)})."
