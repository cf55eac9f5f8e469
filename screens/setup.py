"""Set up: try a sample, or load a data set and a model and confirm what each column is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
import streamlit as st

from audit.case import Case, DataSpec, ModelSpec
from audit.errors import AssayError
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
        if model is not None:
            folder = folder or new_case()
            st.query_params["loading"] = folder.id
            kept = keep_upload(folder, model.name, model.getvalue())
            if not usable(folder, kept):
                return
            remember_file(folder, "model", kept)
        files = Files(None, None) if folder is None else files_of(folder)
        if folder is not None and files.data is not None:
            confirm(folder, files)
        elif files.model is not None:
            st.info(f"The model {state.plain(files.model.name)} is kept. Now the data that it decided about.")
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
    """One question after the other, each with a proposal and its reason; then the whole, to look over."""
    from audit.load import propose_roles
    from screens import questions

    assert files.data is not None
    frame, notes = _peek(str(files.data), files.data.stat().st_size)
    st.success(f"{len(frame):,} rows, {len(frame.columns)} columns, kept on this machine.")
    for note in notes:
        st.caption(state.plain(note))
    with st.expander("First rows"):
        st.dataframe(frame.head(20), hide_index=True, alt="The first rows of the data set")
    asked = questions.Asked(folder, files, frame, propose_roles(frame))
    if questions.ask(asked):
        questions.look_over(asked)


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
    legitimate: Mapping[str, str] = field(default_factory=dict)


def save(folder: CaseFolder, files: Files, answers: Answers) -> None:
    """Write the case file, check it against the data, start the audit. Raises CaseError where an answer is missing."""
    from audit.load import load_case, load_rows

    complete(answers)
    write(folder, files, answers, folder.place / "case.toml")
    load_rows(load_case(folder.place / "case.toml"))
    if "loading" in st.query_params:
        del st.query_params["loading"]
    open_and_audit(folder)


def complete(answers: Answers) -> None:
    """Raises CaseError where an answer is missing that the case cannot do without."""
    from audit.errors import CaseError

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


def write(folder: CaseFolder, files: Files, answers: Answers, to: Path) -> None:
    """The case file that these answers make. Raises CaseError for answers that make none."""
    from audit.errors import CaseError
    from audit.load import dump_case, load_policy
    from audit.load.start import bins_of

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
        legitimate=answers.legitimate,
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
    dump_case(case, to)


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
