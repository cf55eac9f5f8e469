"""From a data file alone to an audit: `assay init`, `assay check`, and `assay audit data.csv` with options."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cli
from audit.load import load_case

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    n = 300
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], n), "age": rng.integers(18, 80, n), "amount": rng.integers(1, 9000, n),
            "default": rng.integers(0, 2, n), "approved": rng.choice(["yes", "no"], n),
        }
    )  # fmt: skip
    frame.to_csv(tmp_path / "loans.csv", index=False)
    frame.drop(columns="approved").to_csv(tmp_path / "outcomes.csv", index=False)
    return tmp_path / "loans.csv"


def audit(table: Path, *options: str) -> int:
    return cli.main(["audit", str(table), "--out", str(table.parent / "out"), "--draws", "50", *options])


def test_options_write_the_case_that_they_use(table: Path) -> None:
    assert audit(table, "--decision", "approved", "--sensitive", "sex", "age") == 0
    case = load_case(table.parent / "out" / "case.toml")
    assert (case.model.column, case.data.favourable, case.data.sensitive) == ("approved", "yes", ("sex", "age"))
    assert case.data.bins == {"age": (25.0, 40.0, 60.0)}
    first = (table.parent / "out" / "evidence.json").read_bytes()
    again = cli.main(
        ["audit", str(table.parent / "out" / "case.toml"), "--out", str(table.parent / "two"), "--draws", "50"]
    )
    assert again == 0
    assert (table.parent / "two" / "evidence.json").read_bytes() == first


def test_a_sign_that_the_name_says_is_taken(table: Path) -> None:
    assert audit(table, "--label", "default", "--sensitive", "sex") == 0
    data = load_case(table.parent / "out" / "case.toml").data
    assert (data.positive, data.favourable) == ("1", "0")


def test_a_sign_that_nobody_can_read_off_is_asked(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frame = pd.read_csv(table).rename(columns={"approved": "y"})
    frame.to_csv(table, index=False)
    assert audit(table, "--decision", "y", "--sensitive", "sex") == 2
    message = capsys.readouterr().err
    assert "Is y = yes good for the person?" in message
    assert "add --favourable 'yes'" in message
    assert audit(table, "--decision", "y", "--sensitive", "sex", "--favourable", "no") == 0
    data = load_case(table.parent / "out" / "case.toml").data
    assert (data.positive, data.favourable) == ("yes", "no")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--decision", "approved"), "add --sensitive sex age"),
        (("--sensitive", "sex"), "none of --decision, --score, --model"),
        (("--sensitive", "sex", "--decision", "aproved"), "did you mean 'approved'?"),
        (("--sensitive", "sex", "--decision", "approved", "--score", "amount"), "more than one of"),
        (("--sensitive", "sex", "--score", "amount"), "Is a high score good"),
        (("--sensitive", "age", "--decision", "approved", "--bins", "age:x"), "the bands cannot be read"),
    ],
)
def test_what_is_lacking_is_said(
    table: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    assert audit(table, *options) == 2
    assert words in capsys.readouterr().err


def test_options_beside_a_case_file_are_refused(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(table, "--decision", "approved", "--sensitive", "sex") == 0
    case = str(table.parent / "out" / "case.toml")
    assert cli.main(["audit", case, "--out", str(table.parent / "x"), "--sensitive", "age"]) == 2
    assert "--sensitive" in capsys.readouterr().err


def test_init_proposes_and_leaves_questions(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = table.parent / "case.toml"
    assert cli.main(["init", str(table.parent / "outcomes.csv"), "--out", str(case)]) == 0
    text = case.read_text()
    result = tomllib.loads(text)
    assert result["data"]["label"] == "default"
    assert result["data"]["favourable"] == "0"
    assert result["case"]["purpose"] == "?"
    assert "values such as" in text
    capsys.readouterr()
    assert cli.main(["check", str(case)]) == 2
    message = capsys.readouterr().err
    assert "questions that only a person can answer" in message
    assert "purpose under [case]" in message
    case.write_text(text.replace('purpose = "?"', 'purpose = "Who is offered a loan"'))
    assert cli.main(["check", str(case)]) == 0
    assert "Nothing stands in the way" in capsys.readouterr().out
    assert cli.main(["audit", str(case), "--out", str(table.parent / "out"), "--draws", "50"]) == 0


def test_init_says_which_decision_goes_with_which_outcome(table: Path) -> None:
    case = table.parent / "both.toml"
    assert cli.main(["init", str(table), "--out", str(case)]) == 0
    assert tomllib.loads(case.read_text())["model"] == {"decision": "approved", "classes": {"no": "1", "yes": "0"}}
    case.write_text(case.read_text().replace('purpose = "?"', 'purpose = "Who is offered a loan"'))
    assert cli.main(["audit", str(case), "--out", str(table.parent / "out"), "--draws", "50"]) == 0


def test_init_never_presets_a_guess(table: Path) -> None:
    frame = pd.read_csv(table).drop(columns=["default", "approved"]).assign(y=[0, 1] * 150)
    frame.to_csv(table, index=False)
    case = table.parent / "case.toml"
    assert cli.main(["init", str(table), "--out", str(case)]) == 0
    assert tomllib.loads(case.read_text())["data"]["favourable"] == "?"
    assert (
        "Is y = 1 good for the person? Answer with '1' or '0'." in case.read_text() or "Answer with" in case.read_text()
    )


def test_init_overwrites_nothing(table: Path) -> None:
    case = table.parent / "case.toml"
    case.write_text("mine")
    assert cli.main(["init", str(table), "--out", str(case)]) == 2
    assert case.read_text() == "mine"


@pytest.mark.parametrize("name", ["adult.parquet", "german_credit.parquet", "census_income_kdd_adults_working.parquet"])
def test_init_on_the_samples_is_toml(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(ROOT / "sample_data" / name), "--json"]) == 0
    case = json.loads(capsys.readouterr().out)["case"]
    assert tomllib.loads(case)["data"]["sensitive"]


def test_check_names_groups_and_what_stands_in_the_way(
    table: Path, capsys: pytest.CaptureFixture[str], sample_data: Path
) -> None:
    assert cli.main(["check", str(sample_data / "german_credit.toml")]) == 0
    out = capsys.readouterr().out
    assert "would be measured" in out
    assert "good for the person" in out
    case = table.parent / "case.toml"
    case.write_text(
        '[case]\nname = "n"\npurpose = "p"\n[data]\npath = "loans.csv"\npositive = "si"\nsensitive = ["sex"]\n'
        '[model]\ndecision = "approved"\n'
    )
    assert cli.main(["check", str(case)]) == 2
    assert "`positive` is not a value" in capsys.readouterr().err


def test_rows_that_may_be_of_one_person_are_told_and_taken_where_named(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(table)
    frame["person_id"] = [f"P{i // 2}" for i in range(len(frame))]
    frame.to_csv(table, index=False)
    assert audit(table, "--decision", "approved", "--sensitive", "sex") == 0
    output = capsys.readouterr()
    assert "each row is counted as one person" in output.err
    assert "add --cluster person_id" in output.err
    assert "300 people measured" in output.out
    assert audit(table, "--decision", "approved", "--sensitive", "sex", "--cluster", "person_id") == 0
    output = capsys.readouterr()
    assert "counted as one person" not in output.err
    assert "300 rows of 150 people measured" in output.out


def test_without_outcomes_one_line_says_so(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit(table, "--decision", "approved", "--sensitive", "sex", "age") == 0
    output = capsys.readouterr().out
    assert output.count("The data hold no outcomes") == 1
    assert "cannot be estimated" not in output.replace("4 norms are about outcomes and cannot be estimated.", "")


@pytest.mark.parametrize("how", [("--classes", "0=no", "1=yes"), ("--link", "logit", "--classes", "0=no", "1=yes")])
def test_what_a_model_needs_is_said_without_a_case_file(table: Path, how: tuple[str, ...]) -> None:
    """The line that a refusal asks for under [model] is an option too, and a keyword in a notebook."""
    import skops.io
    from sklearn.linear_model import LinearRegression, LogisticRegression

    import assay

    frame = pd.read_csv(table)
    frame["decided"] = np.where(frame["amount"] + 40 * frame["age"] > 6000, "yes", "no")
    frame[["sex", "age", "amount", "decided"]].to_csv(table, index=False)
    rows, target = frame[["age", "amount"]], (frame["decided"] == "yes").astype(int)
    fitted = (LogisticRegression(max_iter=2000) if how[0] == "--classes" else LinearRegression()).fit(rows, target)
    skops.io.dump(fitted, table.parent / "m.skops")
    model = (
        "--model",
        str(table.parent / "m.skops"),
        "--label",
        "decided",
        "--sensitive",
        "sex",
        "--favourable",
        "yes",
    )
    assert audit(table, *model, *how) == 0
    document = json.loads((table.parent / "out" / "evidence.json").read_bytes())
    answers = fitted.predict(rows)
    wanted = answers == 1 if how[0] == "--classes" else answers >= 0
    counts = [c for c in document["counts"] if c["attribute"] == ["sex"]]
    assert sum(c["tp"] + c["fp"] for c in counts) == wanted.sum()
    link = "logit" if how[0] == "--link" else None
    result = assay.audit(frame, label="decided", sensitive="sex", favourable="yes", positive="yes", draws=50,
                         model=table.parent / "m.skops", features=["age", "amount"], link=link,
                         classes={0: "no", 1: "yes"})  # fmt: skip
    assert [c for c in result.evidence["counts"] if c["attribute"] == ["sex"]] == counts


def test_an_environment_of_its_own_is_written_into_the_case(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import sys

    (table.parent / "m.pkl").write_bytes(b"\x80\x04K\x01.")
    own = ("--python", sys.executable, "--load", "joblib", "--model", str(table.parent / "m.pkl"))
    assert audit(table, *own, "--label", "approved", "--sensitive", "sex") == 2
    assert "runs code" in capsys.readouterr().err
    case = tomllib.loads((table.parent / "out" / "case.toml").read_text())
    assert (table.parent / "out" / case["model"]["python"]).resolve() == Path(sys.executable).resolve()
    assert case["model"]["load"] == "joblib"
    assert audit(table, "--classes", "0:no", "--decision", "approved", "--sensitive", "sex") == 2
    assert "expected: CLASS=VALUE" in capsys.readouterr().err.replace("Expected", "expected")
