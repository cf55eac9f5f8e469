"""Set up: try a sample, or load a data set and a model and confirm what each column is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import streamlit as st

from audit.case import Case, DataSpec, ModelSpec
from audit.errors import AssayError
from audit.load.propose import Roles
from screens import parts, state
from screens.model_lines import spec_of, usable
from screens.workspace import CaseFolder, keep_upload, new_case, open_case

SAMPLES = (
    ("adult.toml", "Adult income", "48,842 people of the 1994 US census; a model is asked for its decisions."),
    (
        "german_credit.toml",
        "German credit",
        "1,000 loans; the model predicts default, the favourable value is the other.",
    ),
    ("adult_decisions.toml", "Decisions without a model", "The same people, with decisions already made in a column."),
    (
        "replays/harm.toml",
        "A model that is watched",
        "26,000 people in 52 batches; from the 13th on the model misses many women. Go on to Watch.",
    ),
)
DATA_TYPES = ["csv", "gz", "parquet", "feather", "arrow", "xlsx", "xls", "ods"]
MODEL_TYPES = ["skops", "txt", "json", "onnx", "pkl", "pickle", "joblib"]
NONE = "(none)"


def show() -> None:
    """The screen."""
    st.title("Set up")
    parts.job_panel("The audit")
    own()
    parts.help_on("setup")


def open_and_audit(folder: CaseFolder) -> None:
    """Remember the case, start its audit, go to the next screen."""
    state.remember(folder.id)
    parts.start(folder, ["audit", str(folder.file), "--out", str(folder.run)], go="data")


def own() -> None:
    """A data set of one's own. What is uploaded is written to disk first; its id goes into the address."""
    st.caption(
        "The files stay on this machine. Data: CSV, CSV.gz, Parquet, Feather, or a workbook. Model: skops, LightGBM "
        "text; or a column of decisions or scores in the data."
    )
    left, right = st.columns(2)
    data = left.file_uploader("Data set", type=DATA_TYPES, key="data-file")
    model = right.file_uploader("Model (optional)", type=MODEL_TYPES, key="model-file")
    folder = loading()
    try:
        if data is not None:
            folder = folder or new_case()
            st.query_params["loading"] = folder.id
            remember_file(folder, "data", keep_upload(folder, data.name, data.getvalue()))
        if model is not None and folder is not None:
            kept = keep_upload(folder, model.name, model.getvalue())
            if not usable(folder, kept):
                return
            remember_file(folder, "model", kept)
        if folder is not None and (files := files_of(folder)).data is not None:
            confirm(folder, files)
    except AssayError as error:
        state.show_error(error)


@dataclass(frozen=True, slots=True)
class Files:
    """What was uploaded into a case so far."""

    data: Path | None
    model: Path | None


def remember_file(folder: CaseFolder, role: str, path: Path) -> None:
    (folder.place / f".{role}").write_text(path.name)


def files_of(folder: CaseFolder) -> Files:
    """The uploaded files, found again after a reload."""

    def named(role: str) -> Path | None:
        pointer = folder.place / f".{role}"
        return folder.place / pointer.read_text() if pointer.exists() else None

    return Files(named("data"), named("model"))


def loading() -> CaseFolder | None:
    """The case being set up, from the address."""
    wanted = st.query_params.get("loading")
    if not wanted:
        return None
    try:
        return open_case(wanted)
    except AssayError:
        del st.query_params["loading"]
        return None


@st.cache_data(max_entries=4, show_spinner="Reading the data", scope="session")
def _peek(path: str, size: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    from audit.load import read_noted

    table = read_noted(Path(path))
    return table.frame, table.notes


def confirm(folder: CaseFolder, files: Files) -> None:
    """Roles are proposed with a reason each; a person confirms or changes them."""
    from audit.load import propose_roles

    assert files.data is not None
    frame, notes = _peek(str(files.data), files.data.stat().st_size)
    roles = propose_roles(frame)
    columns = [str(c) for c in frame.columns]
    st.success(f"{len(frame):,} rows, {len(columns)} columns, kept on this machine.")
    for note in notes:
        st.caption(state.plain(note))
    with st.expander("First rows"):
        st.dataframe(frame.head(20), hide_index=True, alt="The first rows of the data set")
    st.markdown("### What each column is")
    st.caption(
        "Proposed from names and values; you decide. An outcome is what really happened, a decision what was done."
    )
    st.dataframe(proposals(roles), hide_index=True, alt="What each column seems to be, and why")
    for question in roles.asked.values():
        st.caption(state.plain(f"Asked: {question}"))
    label = choose("Outcome column", columns, roles.label, "role-label")
    number = is_number(frame, label) and st.toggle(
        "A number is predicted, not a class", value=False, key="role-task", help="Errors are measured in its units"
    )
    kinds = ["A column of decisions", "A column of scores"] + (["The uploaded model"] if files.model else [])
    if number:
        kinds[:2] = ["A column of predicted numbers"]
    guessed = guess_kind(roles, files)
    kind = st.radio(
        "Where do predictions come from?" if number else "Where do decisions come from?",
        kinds,
        index=kinds.index(guessed) if guessed in kinds else 0,
        key="role-kind",
        horizontal=True,
    )
    column = None
    if kind != "The uploaded model":
        guess = roles.decision if "decisions" in kind else roles.score
        column = choose(kind.removeprefix("A ").capitalize(), [c for c in columns if c != label], guess, "role-column")
    source = label or (column if "decisions" in kind else None)
    with st.form("roles"):
        name = st.text_input("Name of the case", Path(files.data.name).stem, key="role-name", max_chars=120)
        purpose = st.text_input("What is decided about people?", "", key="role-purpose", max_chars=300,
                                placeholder="Who is offered a loan")  # fmt: skip
        positive, favourable = None, None
        if number:
            side = st.selectbox(
                "Good for the person is", ["a high number", "a low number", "neither"], key="role-side"
            )  # fmt: skip
            favourable = SIDES[side]
        else:
            values = values_of(frame, source)
            positive = st.selectbox(
                "Positive value: what the model predicts or scores", values or ["positive"],
                index=values.index(roles.positive) if roles.positive in values else max(len(values) - 1, 0),
                key="role-positive",
            )  # fmt: skip
            favourable = st.radio(
                good_question(source), values or ["positive", "not positive"], index=None,
                key="role-favourable", horizontal=True, help=roles.reasons.get("positive"),
            )  # fmt: skip
        own = own_words(frame, label, column) if "decisions" in kind else []
        granted = None
        if own:
            granted = st.radio(
                good_question(column), own, index=None, key="role-granted", horizontal=True,
                help="The decisions are written in other words than the outcomes: this says which goes with which",
            )  # fmt: skip
        sensitive = st.multiselect(
            "Sensitive columns: groups to compare",
            [*roles.indicators, *(c for c in columns if c not in (label, column))],
            default=[c for c in roles.sensitive if c not in (label, column)], key="role-sensitive",
        )  # fmt: skip
        bins = st.text_input(
            "Bands for a numeric sensitive column, as column: edges", default_bins(roles.bins), key="role-bins",
            help="age: 25, 40, 60 gives <25, 25-39, 40-59 and >=60",
        )  # fmt: skip
        threshold = 0.5
        if not number:
            threshold = st.number_input(
                "Threshold of a column of scores (a model decides itself where this is 0.5)", value=0.5,
                key="role-threshold",
            )  # fmt: skip
        hidden = st.multiselect(
            "Columns that the model must not see", [c for c in columns if c != label], key="role-exclude"
        )
        with st.expander("Rows for learning and for measuring, weights, ids, time"):
            split = choose("Column that says which rows are for what", columns, roles.split, "role-split")
            parts_of_it = [NONE, *values_of(frame, split)]
            train = st.selectbox("Its value for rows to learn from", parts_of_it, key="role-train",
                                 index=place(parts_of_it, roles.train))  # fmt: skip
            audit = st.selectbox("Its value for rows to measure", parts_of_it, key="role-audit",
                                 index=place(parts_of_it, roles.audit))  # fmt: skip
            weight = choose("Survey weight", columns, roles.weight, "role-weight")
            row_id = choose("Id of a person with one row", columns, roles.id, "role-id")
            cluster = choose("Id of a person with several rows", columns, roles.cluster, "role-cluster")
            time = choose("Time", columns, roles.time, "role-time")
        go = st.form_submit_button("Confirm and run the audit", type="primary")
    if go:
        save(folder, files, Answers(name, purpose, label, positive, favourable, tuple(sensitive), bins,
                                    kind, column, float(threshold), tuple(hidden), split, given(train), given(audit),
                                    weight, row_id, cluster, time, bool(number),
                                    {k: v for k, v in roles.indicators.items() if k in sensitive},
                                    in_label_words(own, granted, values_of(frame, label), favourable)))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person confirmed."""

    name: str
    purpose: str
    label: str | None
    positive: str | None
    favourable: str | None
    sensitive: tuple[str, ...]
    bins: str
    kind: str
    column: str | None
    threshold: float
    exclude: tuple[str, ...]
    split: str | None
    train: str | None
    audit: str | None
    weight: str | None
    id: str | None
    cluster: str | None
    time: str | None
    number: bool = False
    indicators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    classes: Mapping[str, str] | None = field(default_factory=dict)
    """Decisions in the label's words; None where nobody said which goes with which."""


def save(folder: CaseFolder, files: Files, answers: Answers) -> None:
    """Write the case file, check it against the data, start the audit."""
    from audit.errors import CaseError
    from audit.load import dump_case, load_case, load_policy, load_rows
    from audit.load.start import bins_of

    if not answers.sensitive:
        raise CaseError("no sensitive column is chosen", expected="at least one", todo="choose the groups to compare")
    if not answers.purpose.strip():
        raise CaseError(
            "the decision is not named", expected="what is decided about people, in words", todo="fill in the purpose"
        )
    if answers.favourable is None and not answers.number:
        raise CaseError(
            "it is not said which value is good for the person",
            expected="one of the values of the outcome or decision",
            todo="answer the question; every finding's direction rests on it",
        )
    if answers.classes is None:
        raise CaseError(
            f"it is not said which decision of {answers.column} is good for the person",
            expected="one of its two values",
            todo="answer the question: it says which decision goes with which outcome",
        )
    assert files.data is not None
    data = DataSpec(
        path=files.data,
        label=answers.label,
        positive=answers.positive,
        favourable=answers.favourable,
        sensitive=answers.sensitive,
        bins=bins_of([p for p in answers.bins.split(";") if p.strip()]),
        exclude=answers.exclude,
        split=answers.split,
        train=answers.train if answers.split else None,
        audit=answers.audit if answers.split else None,
        weight=answers.weight,
        id=answers.id,
        cluster=answers.cluster,
        time=answers.time,
        task="regression" if answers.number else "classification",
        indicators=answers.indicators,
    )
    if answers.kind == "The uploaded model":
        assert files.model is not None
        model = spec_of(folder, files.model)
        if not model.threshold_given:
            model = replace(model, threshold=answers.threshold)
    elif answers.column is None:
        what = "predicted numbers" if answers.number else "decisions or scores"
        raise CaseError(f"no column of {what} is chosen", todo="choose one, or upload a model")
    elif "decisions" in answers.kind:
        model = ModelSpec("decision", column=answers.column, classes=answers.classes)
    else:
        given_ = not answers.number
        model = ModelSpec("score", column=answers.column, threshold=answers.threshold, threshold_given=given_)
    case = Case(answers.name.strip() or "My case", answers.purpose.strip(), data, model, load_policy(None))
    dump_case(case, folder.place / "case.toml")
    load_rows(load_case(folder.place / "case.toml"))
    if "loading" in st.query_params:
        del st.query_params["loading"]
    open_and_audit(folder)


def proposals(roles: Roles) -> pd.DataFrame:
    """One line a proposal: the role, the column, three of its values, and why."""
    lines = []
    for key, reason in roles.reasons.items():
        role, _, column = key.partition(":")
        name = column or getattr(roles, role)
        shown = roles.examples.get(str(name), roles.indicators.get(str(name), ()))
        asked = (
            " (a guess: please say)"
            if role in roles.asked or (role == "positive" and "favourable" in roles.asked)
            else ""
        )
        lines.append((role, str(name), ", ".join(shown), reason[:1].upper() + reason[1:] + asked))
    return pd.DataFrame(lines, columns=["Role", "Column or value", "Values such as", "Why"])


def own_words(frame: pd.DataFrame, label: str | None, column: str | None) -> list[str]:
    """The two decisions, where they are written in other words than the two outcomes; else nothing."""
    outcomes, decided = values_of(frame, label), values_of(frame, column)
    return decided if len(decided) == len(outcomes) == 2 and not set(decided) <= set(outcomes) else []


def in_label_words(
    decided: list[str], granted: str | None, outcomes: list[str], favourable: str | None
) -> dict[str, str] | None:
    """Which decision goes with which outcome: the good one with the good one. None where that was not answered."""
    if not decided:
        return {}
    if granted is None or favourable is None:
        return None
    other = next(o for o in outcomes if o != favourable)
    return {d: favourable if d == granted else other for d in decided}


def good_question(source: str | None) -> str:
    """Asked in words, and never answered beforehand."""
    what = "Which decision" if source is None else f"Which value of {state.plain(source)}"
    return f"{what} is good for the person?"


SIDES = {"a high number": "high", "a low number": "low", "neither": None}


def is_number(frame: pd.DataFrame, label: str | None) -> bool:
    """Whether the outcome has so many numbers that it may be one to predict."""
    return (
        label is not None
        and pd.api.types.is_numeric_dtype(frame[label])
        and not pd.api.types.is_bool_dtype(frame[label])
        and frame[label].nunique() > 10
    )


def default_bins(bins: object) -> str:
    """The proposed bands as text."""
    items = dict(bins).items() if bins else ()  # type: ignore[call-overload]
    return "; ".join(f"{c}: {', '.join(f'{e:g}' for e in edges)}" for c, edges in items)


def place(options: list[str], guess: str | None) -> int:
    """Where the guess stands among the options; 0 where it does not."""
    return options.index(guess) if guess in options else 0


def given(value: str | None) -> str | None:
    """None for the option that says none."""
    return None if value in (NONE, None) else value


def choose(words: str, columns: list[str], guess: str | None, key: str) -> str | None:
    """One column or none."""
    options = [NONE, *columns]
    return given(st.selectbox(words, options, index=place(options, guess), key=key))


def guess_kind(roles: object, files: Files) -> str:
    if files.model is not None:
        return "The uploaded model"
    return (
        "A column of scores"
        if getattr(roles, "score", None) and not getattr(roles, "decision", None)
        else ("A column of decisions")
    )


def values_of(frame: pd.DataFrame, column: str | None) -> list[str]:
    """The names of a column's values, at most 50."""
    from audit.load.values import names_of

    if column is None or column not in frame:
        return []
    return sorted(set(names_of(frame[column].dropna().unique()[:50])))
