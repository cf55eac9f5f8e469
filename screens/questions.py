"""Set-up as questions: one at a time, each with what is proposed and why; answers are kept with the case's files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from audit.numbers import are, brief, many
from screens import answers as setup
from screens import further, served, state
from screens import said as answered
from screens.said import UNSET, Endpoint, SetupAnswers
from screens.workspace import CaseFolder, apart, keep_upload

if TYPE_CHECKING:
    from audit.load.glance import Glance
    from audit.load.propose import Roles
    from audit.preview import Preview

Values = dict[str, Any]
"""Answers of one question, by the names of `SetupAnswers`."""
MODEL, DECISIONS, SCORES = "The uploaded model", "A column of decisions", "A column of scores"
NUMBERS = "A column of predicted numbers"


@dataclass(slots=True)
class SetupState:
    """What the questions are about: the files, the table, what its columns seem to be, and what was answered so far."""

    folder: CaseFolder
    files: setup.Files
    seen: Glance
    answers: SetupAnswers = field(default_factory=SetupAnswers)

    @property
    def columns(self) -> list[str]:
        return list(self.seen.columns)

    @property
    def roles(self) -> Roles:
        """What its columns seem to be for."""
        return self.seen.roles

    def get(self, name: str, proposed: Any) -> Any:
        """What was answered, or else what is proposed."""
        return self.answers.get(name, proposed)

    def why(self, role: str, column: str | None) -> None:
        """Three values of the proposed column, and the reason for it."""
        if column is None:
            return
        if role in self.roles.asked:
            st.caption(state.escape(f"A guess, please say: {self.roles.asked[role]}"))
        reason = self.roles.reasons.get(role, "")
        values = ", ".join(self.roles.examples.get(column, ()))
        if reason:
            st.caption(state.escape(f"Proposed: {column} ({values}). {reason[:1].upper()}{reason[1:]}."))


def _purpose(a: SetupState) -> Values:
    called = Path(str(a.files.data)).stem.replace("_", " ")
    name = st.text_input("Name of the case", a.get("name", called), key="role-name", max_chars=120)
    purpose = st.text_input(
        "What is decided about people?", a.get("purpose", ""), key="role-purpose", max_chars=300,
        placeholder="Who is offered a loan",
    )  # fmt: skip
    return {"name": name, "purpose": purpose}


def _outcome(a: SetupState) -> Values:
    st.caption("An outcome is what really happened (repaid, or not); a decision is what was done. Data may lack one.")
    label = setup.choose("Outcome column", a.columns, a.get("label", a.roles.label), "role-label")
    a.why("label", a.roles.label)
    number = setup.is_number(a.seen, label) and st.toggle(
        "A number is predicted, not a class", value=a.get("number", False), key="role-task",
        help="Errors are measured in its units",
    )  # fmt: skip
    return {"label": label, "number": bool(number)}


def _source(a: SetupState) -> Values:
    number = a.answers.number
    kinds = [NUMBERS] if number else [DECISIONS, SCORES]
    kinds += [MODEL] if a.files.model else []
    kinds += [served.KIND]
    guessed = a.get("kind", setup.guess_kind(a.roles, a.files))
    kind = st.radio(
        "Where do predictions come from?" if number else "Where do decisions come from?", kinds,
        index=kinds.index(guessed) if guessed in kinds else 0, key="role-kind", horizontal=True,
    )  # fmt: skip
    column, threshold, remote = None, a.get("threshold", 0.5), None
    if kind == served.KIND:
        free = [c for c in a.columns if c != a.answers.label]
        remote = served.ask(free, a.get("served", None) or Endpoint())
    elif kind == MODEL:
        st.caption("The model's own decision is audited, unless a threshold is given here.")
    else:
        role = "decision" if kind == DECISIONS else "score"
        proposed = getattr(a.roles, role)
        free = [c for c in a.columns if c != a.answers.label]
        column = setup.choose(kind.removeprefix("A ").capitalize(), free, a.get("column", proposed), "role-column")
        a.why(role, proposed)
    if not number and kind not in (DECISIONS, served.KIND):
        threshold = st.number_input("Threshold: positive from this score on", value=threshold, key="role-threshold")
    return {"kind": kind, "column": column, "threshold": float(threshold), "served": remote}


def _good(a: SetupState) -> Values:
    label, column, kind = a.answers.label, a.answers.column, a.answers.kind
    if a.answers.number:
        sides = list(setup.SIDES)
        side = st.radio(
            "Good for the person is", sides, key="role-side", horizontal=True,
            index=sides.index(a.answers.side) if a.answers.side in sides else None,
        )  # fmt: skip
        return {"side": side, "positive": None, "favourable": setup.SIDES.get(str(side)), "granted": None}
    source = label or (column if kind == DECISIONS else None)
    values = setup.values_of(a.seen, source) or ["positive", "not positive"]
    favourable = st.radio(
        setup.good_question(source), values, key="role-favourable", horizontal=True,
        index=values.index(a.answers.favourable) if a.answers.favourable in values else None,
        help=a.roles.reasons.get("positive"),
    )  # fmt: skip
    positive = a.get("positive", a.roles.positive)
    positive = st.selectbox(
        "Which value does the model predict or score?", values, key="role-positive",
        index=values.index(positive) if positive in values else max(len(values) - 1, 0),
    )  # fmt: skip
    own = setup.own_words(a.seen, label, column) if kind == DECISIONS else []
    granted = None
    if own:
        granted = st.radio(
            setup.good_question(column), own, key="role-granted", horizontal=True,
            index=own.index(a.answers.granted) if a.answers.granted in own else None,
            help="The decisions are written in other words than the outcomes: this says which goes with which",
        )  # fmt: skip
    asked = column if own and granted is None else None
    return {"side": None, "positive": positive, "favourable": favourable, "granted": granted, "not_granted": asked}


def _who(a: SetupState) -> Values:
    taken = (a.answers.label, a.answers.column)
    options = [*a.roles.indicators, *(c for c in a.columns if c not in taken)]
    proposed = [c for c in a.roles.sensitive if c not in taken]
    sensitive = st.multiselect(
        "Sensitive columns: groups to compare", options, key="role-sensitive",
        default=[c for c in a.get("sensitive", proposed) if c in options],
    )  # fmt: skip
    for column in (*a.roles.sensitive, *a.roles.possible):
        if reason := a.roles.reasons.get(f"sensitive:{column}"):
            values = ", ".join(a.roles.examples.get(column, a.roles.indicators.get(column, ())))
            chosen = "" if column in proposed else " Not chosen; you may add it."
            st.caption(state.escape(f"{column} ({values}): {reason}.{chosen}"))
    bins = st.text_input(
        "Bands for a numeric sensitive column, as column: edges", a.get("bins", setup.default_bins(a.roles.bins)),
        key="role-bins", help="age: 25, 40, 60 gives <25, 25-39, 40-59 and >=60",
    )  # fmt: skip
    reference = {}
    for column in sensitive:
        values = (
            [] if column in a.roles.indicators or setup.is_number(a.seen, column) else setup.values_of(a.seen, column)
        )
        if len(values) > 2:
            choice = setup.choose(f"Compare the groups of {column} with (optional)", values,
                               a.get("reference", {}).get(column), f"role-reference-{column}")  # fmt: skip
            reference |= {column: choice} if choice else {}
    return {"sensitive": sensitive, "bins": bins, "reference": reference}


def _hidden(a: SetupState) -> Values:
    free = [c for c in a.columns if c != a.answers.label]
    hidden = st.multiselect(
        "Columns that the model must not see", free, default=[c for c in a.get("exclude", []) if c in free],
        key="role-exclude",
    )  # fmt: skip
    st.caption("Sensitive columns among what a model reads are told as a finding; this takes columns away from it.")
    factors = st.multiselect(
        "Factors that are a legitimate reason for a difference (optional)", free, key="role-legitimate",
        default=[c for c in a.get("legitimate", {}) if c in free],
        help="Gaps are then also measured among people who are alike in these. Somebody has to say why.",
    )  # fmt: skip
    reasons = {
        c: st.text_input(
            f"Why is {c} legitimate?", a.get("legitimate", {}).get(c, ""), key=f"role-why-{c}", max_chars=300
        )
        for c in factors
    }
    return {"exclude": hidden, "legitimate": reasons}


EXAMPLE, ADOPTED, OWN = "Assay's example, for now", "Assay's example, adopted by name", "Our own (a TOML file)"


def _norms(a: SetupState) -> Values:
    from audit.load import load_policy

    st.caption(
        "A norm is a limit for a gap. Assay ships an example; it is not yours until somebody adopts it, and the report "
        "says so."
    )
    kinds = [EXAMPLE, ADOPTED, OWN]
    kind = st.radio("Whose norms?", kinds, key="role-norms", horizontal=True,
                    index=kinds.index(a.get("norms", EXAMPLE)))  # fmt: skip
    policy, adopted = None, None
    if kind == ADOPTED:
        adopted = st.text_input("Who adopts it", a.get("adopted_by", None) or "", key="role-adopted", max_chars=120)
    if kind == OWN:
        file = st.file_uploader("Policy", type=["toml"], key="role-policy")
        policy = a.get("policy", None) if file is None else keep_upload(a.folder, file.name, file.getvalue()).name
    if kind != OWN or policy:
        shown = load_policy(None if policy is None else a.folder.place / policy)
        for n in shown.norms:
            by = " and ".join(n.attribute) or "each sensitive column"
            limit = f"{'at most' if n.kind == 'difference' else 'at least'} {brief(n.limit)}"
            st.markdown(
                f"- {state.escape(n.metric.replace('_', ' ').capitalize())}, {n.kind}, by {state.escape(by)}: {limit}"
            )
    return {"norms": kind, "policy": policy, "adopted_by": (adopted or "").strip() or None}


def _lacks_norms(v: SetupAnswers) -> str:
    if v.norms == ADOPTED and not v.adopted_by:
        return "who adopts the policy"
    return "the policy file" if v.norms == OWN and not v.policy else ""


def _rows(a: SetupState) -> Values:
    r = a.roles
    cluster = setup.choose("Id of a person with several rows", a.columns, a.get("cluster", r.cluster), "role-cluster")
    a.why("cluster", r.cluster)
    row_id = setup.choose("Id of a person with one row", a.columns, a.get("id", r.id), "role-id")
    weight = setup.choose("Survey weight", a.columns, a.get("weight", r.weight), "role-weight")
    time = setup.choose("Time", a.columns, a.get("time", r.time), "role-time")
    split = setup.choose("Column that says which rows are for what", a.columns, a.get("split", r.split), "role-split")
    train = audit = None
    if split is not None:
        values = [setup.NONE, *setup.values_of(a.seen, split)]
        train = st.selectbox("Its value for rows to learn from", values, key="role-train",
                             index=setup.index_of(values, a.get("train", r.train)))  # fmt: skip
        audit = st.selectbox("Its value for rows to measure", values, key="role-audit",
                             index=setup.index_of(values, a.get("audit", r.audit)))  # fmt: skip
    return {"cluster": cluster, "id": row_id, "weight": weight, "time": time, "split": split,
            "train": setup.none_if_empty(train), "audit": setup.none_if_empty(audit)}  # fmt: skip


def _lacks_good(v: SetupAnswers) -> str:
    if v.favourable is None and v.side is None:
        return "which value is good for the person; every finding's direction rests on it"
    return f"which decision of {v.not_granted} is good for the person" if v.not_granted else ""


@dataclass(frozen=True, slots=True)
class Question:
    """draw: its widgets, giving the answers. lacks: what is still missing, in words. short: the answer in a line."""

    key: str
    title: str
    draw: Callable[[SetupState], Values]
    lacks: Callable[[SetupAnswers], str]
    short: Callable[[SetupAnswers], str]


def _listed(names: Any) -> str:
    return ", ".join(map(str, names)) or "none"


ROWS = ("cluster", "id", "weight", "time", "split")
OTHERS_REST_ON = ("outcome", "source")
QUESTIONS = (
    Question("purpose", "What is decided, and about whom?", _purpose,
             lambda v: "" if v.purpose.strip() else "what is decided about people, in words",
             lambda v: f"{v.purpose} ({v.name})"),
    Question("outcome", "What really happened to people?", _outcome, lambda v: "",
             lambda v: v.label or "the data hold no outcomes"),
    Question("source", "Where do the decisions come from?", _source,
             lambda v: served.lacks(v.served) if v.kind == served.KIND else
             "" if v.kind == MODEL or v.column else "the column",
             lambda v: f"{v.kind}{': ' + v.column if v.column else ''}"
             + (f": {v.served.agreed}" if v.served else "")),
    Question("good", "What is good for the person?", _good, _lacks_good,
             lambda v: str(v.side or v.favourable)),
    Question("who", "Who could be treated differently?", _who,
             lambda v: "" if v.sensitive else "at least one column of groups to compare",
             lambda v: _listed(v.sensitive)),
    Question("hidden", "What must the model not see, and what may count?", _hidden,
             lambda v: ", ".join(f"why {c} is legitimate" for c, w in v.legitimate.items() if not w.strip()),
             lambda v: f"hidden: {_listed(v.exclude)}; legitimate: {_listed(v.legitimate)}"),
    Question("norms", "Which norms hold?", _norms, _lacks_norms,
             lambda v: (v.adopted_by and f"{v.norms}: {v.adopted_by}") or v.policy or v.norms),
    Question("rows", "What is one row?", _rows, lambda v: "",
             lambda v: "; ".join(f"{k} {c}" for k in ROWS if (c := v.get(k, None))) or "one person"),
    Question("further", "Anything more to say?", lambda a: further.ask(a, a.answers.kind == MODEL),
             lambda v: v.wrong, further.summary),
)  # fmt: skip


def ask(a: SetupState) -> bool:
    """Answered questions as lines with a way back, then the one that is open. True where none is left."""
    a.answers = answered.kept(a.folder.place)
    at = _at(a)
    for n, question in enumerate(QUESTIONS[:at]):
        with st.container(horizontal=True, vertical_alignment="center", key=f"answered-{question.key}"):
            st.markdown(f"**{n + 1}. {question.title}** {state.escape(question.short(a.answers))}", width="stretch")
            if st.button("Change", key=f"change-{question.key}", help=question.title, type="tertiary"):
                _keep(a, {"at": n})
                st.rerun()
    if at >= len(QUESTIONS):
        return True
    question = QUESTIONS[at]
    st.header(f"{at + 1} of {len(QUESTIONS)}. {question.title}")
    values = question.draw(a)
    if st.button("Next", key=f"next-{question.key}", type="primary"):
        if lacks := question.lacks(SetupAnswers(**values)):
            st.warning(state.escape(f"Still missing: {lacks}."))
        else:
            # What rests on an answer that was changed is asked again, with what was said as the proposal.
            furthest = at + 1 if question.key in OTHERS_REST_ON else max(at + 1, a.answers.reached)
            _keep(a, {**values, "at": furthest, "reached": furthest, "model": _model(a)})
            st.rerun()
    return False


def _at(a: SetupState) -> int:
    """Which question is open. A model that came after the question was answered opens it again: the choice follows."""
    source = next(n for n, q in enumerate(QUESTIONS) if q.key == "source")
    if a.answers.kind is not UNSET and a.answers.model != _model(a):
        _keep(a, {"kind": UNSET, "at": min(a.answers.at, source), "reached": source, "model": _model(a)})
    return min(a.answers.at, len(QUESTIONS))


def _model(a: SetupState) -> str:
    return "" if a.files.model is None else a.files.model.name


def _keep(a: SetupState, values: Mapping[str, Any]) -> None:
    a.answers.take(values)
    answered.keep(a.folder.place, a.answers)


def answers(a: SetupState) -> setup.Answers:
    """Everything that was said, as what `setup.write` writes."""
    v = a.answers
    own = setup.own_words(a.seen, v.label, v.column) if v.kind == DECISIONS else []
    return setup.Answers(
        name=v.name, purpose=v.purpose, label=v.label, positive=v.positive, favourable=v.favourable,
        sensitive=tuple(v.sensitive), bins=v.bins, kind=v.kind, column=v.column, threshold=v.threshold,
        exclude=tuple(v.exclude), split=v.split, train=v.train, audit=v.audit, weight=v.weight,
        id=v.id, cluster=v.cluster, time=v.time, number=v.number,
        indicators={k: c for k, c in a.roles.indicators.items() if k in v.sensitive},
        classes=setup.in_label_words(own, v.granted, setup.values_of(a.seen, v.label), v.favourable),
        legitimate=v.legitimate, reference=v.get("reference", {}), adopted_by=v.get("adopted_by", None),
        served=v.get("served", None), forms=tuple(v.get("forms", ())),
        population=further.population_of(v.get("shares", {}), v.get("source", ""), v.sensitive),
        recourse=further.recourse_of(v.get("change", {})),
        policy=a.folder.place / v.policy if v.policy else None,
    )  # fmt: skip


def look_over(a: SetupState) -> setup.Answers | None:
    """Before measuring: what would be read, what is odd about it, and the case file. The answers, once the
    audit shall run."""
    from audit.load import load_case
    from audit.preview import preview

    st.header("Look it over")
    case_answers = answers(a)
    setup.complete(case_answers)
    draft = a.folder.place / "draft.toml"
    setup.write(a.folder, a.files, case_answers, draft)
    case = load_case(draft)
    with st.spinner("Reading what would be measured"):
        previewed = apart(preview, case, size=0 if a.files.data is None else a.files.data.stat().st_size)
    for line in previewed.lines(case)[1:]:
        if not line.startswith(("Leak:", "Nothing stands")):
            st.markdown(f"- {state.escape(line)}")
    remarks(a, previewed)
    with st.expander("The case file"):
        st.caption("Copy it: `assay audit` on it gives the same figures.")
        st.code(draft.read_text(), language="toml")
    if st.button("Run the audit", key="run", type="primary"):
        draft.unlink(missing_ok=True)
        return case_answers
    return None


FEW = 30


def remarks(a: SetupState, previewed: Preview) -> None:
    """What should be looked at first, each with the button that does the sensible thing."""
    for leak in previewed.leaks:
        _offer(
            a, leak.sentence, f"Take {leak.column} away from the model", {"exclude": [*a.answers.exclude, leak.column]}
        )
    small = [g for g in previewed.groups if g.rows < FEW]
    if small:
        named = ", ".join(f"{g.group} ({g.attribute}, {g.rows})" for g in small[:6])
        st.warning(
            state.escape(
                f"{many(len(small), 'group')} {are(len(small), 'has', 'have')} fewer than {FEW} rows: {named}. "
                "Only very large gaps can be told from chance there; the audit says for each group how large."
            )
        )
    if a.answers.cluster is None:
        for column in _repeated(a):
            _offer(a, f"{column} holds each value several times: rows of one person are no independent evidence.",
                   f"Rows of one {column} belong together", {"cluster": column, "id": None})  # fmt: skip
    idle = [c for c in a.columns if a.seen.columns[c].idle]
    if idle:
        st.caption(state.escape(f"Columns that hold one value or none: {', '.join(idle[:8])}. They tell nothing."))


def _repeated(a: SetupState) -> list[str]:
    named = [c for c in (a.answers.id, a.roles.id, a.roles.cluster) if c is not None]
    return [c for c in dict.fromkeys(named) if a.seen.columns[c].repeats]


def _offer(a: SetupState, words: str, does: str, change: Values) -> None:
    st.warning(state.escape(words))
    if st.button(does, key=f"offer-{does}"):
        _keep(a, change)
        st.rerun()
