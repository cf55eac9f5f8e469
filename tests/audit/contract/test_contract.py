"""The contract of the data through its door: by group, in both dialects, proposed so that a like batch passes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

import cli
from audit.contract.check import check
from audit.contract.propose import propose
from audit.contract.read import read_contract
from audit.documents import Documents
from audit.quality.codes import Group


def people(n: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Income is missing for 2 % of men and 11 % of women, exactly."""
    rng = np.random.default_rng(seed)
    sex = np.array(["Female", "Male"])[np.arange(n) % 2]
    income = rng.integers(10, 90, n).astype(float)
    for name, share in (("Female", 0.11), ("Male", 0.02)):
        mine = np.flatnonzero(sex == name)
        income[mine[: round(share * len(mine))]] = np.nan
    return pd.DataFrame(
        {
            "person": np.arange(n),
            "sex": sex,
            "income": income,
            "age": rng.integers(18, 80, n),
            "town": rng.choice(["Aa", "Bo", "Ce"], n),
            "approved": rng.choice(["yes", "no"], n),
            "outcome": rng.choice(["yes", "no"], n),
        }
    )


CASE = """{top}
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "outcome"
positive = "yes"
sensitive = ["sex"]
id = "person"
[model]
decision = "approved"
"""


@pytest.fixture
def case(tmp_path: Path) -> Path:
    people().to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE.format(top='contract = "contract.toml"'))
    return tmp_path / "case.toml"


def held(case: Path, contract: str, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict]:
    (case.parent / "contract.toml").write_text(contract)
    code = cli.main(["contract", str(case), "--check", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


MISSING = '[[check]]\ncolumn = "income"\nmissing_at_most = 0.05\n'


def test_a_failing_share_is_told_by_group_with_the_interval_of_an_outside_reference(case, capsys) -> None:
    code, result = held(case, MISSING, capsys)
    assert code == 0
    entry = result["checks"][0]
    shares = {s["group"][0]: s for s in entry["by_group"]}
    assert shares["Female"]["failed"] == 110
    assert shares["Male"]["failed"] == 20
    for s in shares.values():
        low, high = proportion_confint(s["failed"], s["rows"], method="wilson")
        assert (s["low"], s["high"]) == pytest.approx((low, high))
    assert not entry["passed"]
    assert entry["apart"][0]["highest"] == ["Female"]
    assert entry["apart"][0]["value"] == pytest.approx(0.09)
    assert entry["apart"][0]["p_adjusted"] < 0.001
    assert "11.0 % of Female, 2.0 % of Male" in result["sentences"][0]


def test_the_gate_ends_with_3_on_an_error_and_not_on_a_warning(case, capsys) -> None:
    assert held(case, MISSING, capsys, "--gate")[0] == 3
    assert held(case, MISSING + 'severity = "warning"\n', capsys, "--gate")[0] == 0
    assert held(case, MISSING.replace("0.05", "0.065"), capsys, "--gate")[0] == 0  # exactly the share there is


def test_the_gate_of_an_audit_ends_with_3_on_a_broken_contract_and_build_servers_see_why(case, capsys) -> None:
    out, junit, sarif = (case.parent / n for n in ("run", "junit.xml", "found.sarif"))
    # No norm is broken: the decisions are random, and the limits wide.
    (case.parent / "policy.toml").write_text(
        'version = "1"\n[[norm]]\nmetric = "selection_rate"\nkind = "difference"\nattribute = ["sex"]\n'
        "limit = 0.9\nalpha = 0.05\n"
    )
    case.write_text(case.read_text() + '[policy]\nfile = "policy.toml"\n')

    def audited(contract: str) -> int:
        (case.parent / "contract.toml").write_text(contract)
        files = [f"--junit={junit}", f"--sarif={sarif}"]
        return cli.main(["audit", str(case), "--out", str(out), "--draws", "50", "--gate", *files])

    warning = '[[check]]\ncolumn = "age"\nbetween = [30, 60]\nseverity = "warning"\n'
    assert audited(MISSING + warning) == 3
    errors = capsys.readouterr().err
    assert "1 of 2 checks of the contract is broken" in errors
    assert "'income' is there; 130 of 2,000 rows missing" in errors
    assert "'age' lies" not in errors
    assert (out / "evidence.json").exists()
    suite = ET.fromstring(junit.read_bytes())[0]
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert [t.get("name") for t in suite.iter("testcase") if t.find("failure") is not None] == ["'income' is there"]
    results = json.loads(sarif.read_text())["runs"][0]["results"]
    assert [(r["ruleId"], r["level"]) for r in results if r["ruleId"].startswith("contract")] == [
        ("contract/missing_at_most/income/1", "error"), ("contract/between/age/2", "warning"),
    ]  # fmt: skip
    assert audited(warning) == 0
    assert Documents({"evidence.json": (out / "evidence.json").read_bytes()}).evidence.contract.kept == 0


def test_every_failure_is_told_at_once(case, capsys) -> None:
    text = (
        '[[check]]\ncolumn = "age"\nbetween = [30, 60]\n'
        '[[check]]\ncolumn = "gone"\nexists = true\n'
        '[[check]]\ncolumn = "gone"\nunique = true\n'
        '[[check]]\ncolumn = "town"\namong = ["Aa", "Bo"]\n'
        '[[check]]\ncolumn = "town"\nmatches = "(?=A)"\n'
        "[[check]]\nrows = [1, 10]\n"
        '[[check]]\ncolumns = ["person", "sex"]\nunique_together = true\n'
    )
    output = held(case, text, capsys)[1]
    assert [c["passed"] for c in output["checks"]] == [False] * 6 + [True]
    frame = pd.read_csv(case.parent / "people.csv")
    assert output["checks"][0]["failed"] == int((~frame["age"].between(30, 60)).sum())
    assert output["checks"][3]["failed"] == int((frame["town"] == "Ce").sum())
    assert "is missing" in output["checks"][2]["reason"]
    assert "RE2" in output["checks"][4]["reason"]


@pytest.mark.parametrize(
    "contract, words",
    [
        ("", "holds no check"),
        ('[[check]]\ncolumn = "age"\n', "asks for nothing"),
        ('[[check]]\ncolumn = "age"\nunique = true\nexists = true\n', "more than one thing"),
        ('[[check]]\ncolumn = "age"\nbetween = [9, 3]\n', "the least first"),
        ('[[check]]\ncolumn = "age"\nbetwen = [1, 3]\n', "did you mean 'between'"),
        ('[[check]]\ncolumn = "age"\nbetween = [1, 3]\nmostly = 2\n', "0 to 1"),
        ("[[check]]\nunique = true\n", "'column'"),
    ],
)
def test_a_contract_that_cannot_be_used_is_one_sentence_and_2(case, capsys, contract: str, words: str) -> None:
    (case.parent / "contract.toml").write_text(contract)
    assert cli.main(["contract", str(case), "--check"]) == 2
    assert words in capsys.readouterr().err


def gx(dialect: int) -> dict:
    lines = [
        ("expect_column_values_to_not_be_null", {"column": "income", "mostly": 0.95}),
        ("expect_column_values_to_be_between", {"column": "age", "min_value": 18, "max_value": 79}),
        ("expect_column_values_to_be_in_set", {"column": "town", "value_set": ["Aa", "Bo"]}),
        ("expect_column_values_to_be_unique", {"column": "person"}),
        ("expect_column_kl_divergence_to_be_less_than", {"column": "age", "threshold": 0.1}),
        (
            "expect_column_values_to_be_unique",
            {"column": "age", "row_condition": 'sex=="Male"', "condition_parser": "pandas"},
        ),
    ]
    if dialect == 1:
        return {"name": "s", "expectations": [{"type": t, "kwargs": k, "severity": "critical"} for t, k in lines]}
    return {"expectation_suite_name": "s", "expectations": [{"expectation_type": t, "kwargs": k} for t, k in lines]}


@pytest.mark.parametrize("dialect", [0, 1])
def test_suites_of_both_dialects_are_read_and_results_hold_no_value_of_a_person(case, capsys, dialect: int) -> None:
    (case.parent / "suite.json").write_text(json.dumps(gx(dialect)))
    case.write_text(CASE.format(top='contract = "suite.json"'))
    results = case.parent / "results.json"
    assert cli.main(["contract", str(case), "--check", "--json", "--results", str(results)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [c["passed"] for c in document["checks"]] == [False, True, False, True]
    assert document["not_understood"] == {
        "expect_column_kl_divergence_to_be_less_than": 1,
        "expect_column_values_to_be_unique with row_condition": 1,
    }
    written = json.loads(results.read_text())
    assert written["success"] is False
    assert written["results"][0]["result"]["unexpected_count"] == 130
    assert written["results"][0]["result"]["unexpected_percent"] == pytest.approx(6.5)
    assert "Ce" not in results.read_text()
    assert cli.main(["contract", str(case), "--check", "--results", str(results)]) == 0  # over an earlier one
    mine = case.read_bytes()
    assert cli.main(["contract", str(case), "--check", "--results", str(case)]) == 2
    assert case.read_bytes() == mine


def test_a_suite_of_which_nothing_is_understood_is_refused(case, capsys) -> None:
    (case.parent / "suite.json").write_text(json.dumps({"name": "s", "expectations": gx(1)["expectations"][4:]}))
    case.write_text(CASE.format(top='contract = "suite.json"'))
    assert cli.main(["contract", str(case), "--check"]) == 2
    assert "nothing in the suite suite.json is understood" in capsys.readouterr().err


def test_the_audit_holds_the_contract_and_its_evidence_says_so(case, tmp_path, capsys) -> None:
    (case.parent / "contract.toml").write_text(MISSING)
    assert cli.main(["audit", str(case), "--out", str(tmp_path / "run"), "--draws", "200"]) == 0
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_text())
    assert evidence["contract"]["broken"] == 1
    assert "11.0 % of Female" in evidence["contract"]["sentences"][0]
    assert "11.0 % of Female" in capsys.readouterr().out


def test_a_proposal_is_written_read_back_and_kept_by_99_of_100_bootstraps(tmp_path, capsys) -> None:
    people().to_csv(tmp_path / "people.csv", index=False)
    out = tmp_path / "contract.toml"
    assert cli.main(["contract", str(tmp_path / "people.csv"), "--out", str(out)]) == 0
    contract = read_contract(out)
    assert all(c.reason for c in contract.checks)
    assert cli.main(["contract", str(tmp_path / "people.csv"), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    frame = pd.read_csv(tmp_path / "people.csv")
    rng, kept = np.random.default_rng(1), 0
    for _ in range(100):
        batch = frame.iloc[rng.integers(0, len(frame), 500)].reset_index(drop=True)
        kept += not check(batch, contract).failed
    assert kept >= 99
    worse = frame.assign(age=frame["age"] / 10)
    assert any(o.check.column == "age" for o in check(worse, contract).failed)


def test_every_kind_of_line_is_written_and_read_back(tmp_path: Path) -> None:
    from audit.contract.read import dump

    frame = people(300).assign(day=pd.date_range("2026-01-01", periods=300, freq="h"), both=True)
    built = propose(frame, keys=("person",), time="day")
    (tmp_path / "contract.toml").write_text(dump(built))
    again = read_contract(tmp_path / "contract.toml")
    assert [c.kind for c in again.checks] == [c.kind for c in built.checks]
    for a, b in zip(again.checks, built.checks, strict=True):
        mapping = {k: v for k, v in b.given.items() if v is not None}
        assert (a.columns, a.mostly, a.severity, a.given) == (
            b.columns,
            pytest.approx(b.mostly, abs=1e-6),
            b.severity,
            mapping,
        )
    assert {"between", "in_order", "unique", "among", "missing_at_most"} <= {c.kind for c in built.checks}
    assert not check(frame, again).failed


def test_nothing_about_the_frame_is_changed_and_an_unknown_group_is_counted() -> None:
    frame = people(400)
    before = frame.copy(deep=True)
    codes = np.array([0, 1, 1, 2] * 100)
    result = check(frame, propose(frame), [Group("sex", codes, ("Female", "Male", "(unknown)"))])
    pd.testing.assert_frame_equal(frame, before)
    missing = next(o for o in result.outcomes if o.check.kind == "missing_at_most" and o.check.column == "income")
    assert {s.group: s.rows for s in missing.by_group} == {"Female": 100, "Male": 200, "(unknown)": 100}


SPLIT = """[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "people.csv"
label = "outcome"
positive = "yes"
sensitive = ["sex"]
time = "day"
cluster = "who"
split = "part"
train = "train"
audit = "test"
[model]
decision = "approved"
"""


@pytest.mark.parametrize("leaky", [True, False])
def test_a_split_across_time_or_people_is_told(tmp_path: Path, leaky: bool) -> None:
    frame = people(600)
    frame["day"] = np.arange(600)
    later = np.arange(600) >= 400
    frame["part"] = np.where(np.arange(600) % 3 == 0 if leaky else later, "test", "train")
    frame["who"] = np.arange(600) // 2 if leaky else np.arange(600)
    frame.to_csv(tmp_path / "people.csv", index=False)
    (tmp_path / "case.toml").write_text(SPLIT)
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "run"), "--draws", "200"]) == 0
    notes = " ".join(json.loads((tmp_path / "run" / "evidence.json").read_text())["notes"])
    assert ("The split goes across time" in notes) is leaky
    assert ("whom the model learned from too" in notes) is leaky


def test_confident_learning_is_a_list_and_a_rate_needs_a_planned_sample() -> None:
    """Flags against a loop over rows by the definition; the planned size against statsmodels' interval."""
    from audit.contract.labels import NOT_A_RATE, confident, sample_size

    rng = np.random.default_rng(2)
    label = rng.integers(0, 2, 300)
    score = np.clip(0.5 + (label - 0.5) * 0.5 + rng.normal(0, 0.3, 300), 0, 1)
    means = [np.mean([(1 - s, s)[k] for s, y in zip(score, label, strict=True) if y == k]) for k in (0, 1)]
    for s, y, flagged in zip(score, label, confident(score, label), strict=True):
        able = [k for k in (0, 1) if (1 - s, s)[k] >= means[k]]
        best = max(able, key=lambda k: ((1 - s, s)[k], -k)) if able else y
        assert flagged == (best != y)
    for half in (0.05, 0.02):
        n = sample_size(half)
        widths = [np.subtract(*proportion_confint(0.05 * m, m, method="wilson")[::-1]) / 2 for m in (n, n - 1)]
        assert widths[0] <= half < widths[1]
    assert "not error rates" in NOT_A_RATE
