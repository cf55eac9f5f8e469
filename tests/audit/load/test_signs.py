"""Which value of an outcome is good for a person, by names that stand in no list: told where it is certain, asked where
one word may turn another (low risk, selected for search), and never turned."""

from __future__ import annotations

import pytest

import cli
from audit.load.sign import sign_of

BAD = (
    "arrears in_arrears dropout relapse no_show NoShow readmitted delinquent bankrupt is_fraud complaint accident "
    "missed_payment unpaid nonpayment past_due high_risk at_risk dismissed demoted claim_denied ineligible "
    "disqualified application_rejected mortality_30d loan_defaulted not_hired never_employed not_graduated unemployed "
    "disapproved Ausfall Zahlungsverzug impago"
).split()
GOOD = (
    "approved is_hired was_promoted loan_approved graduated never_arrested no_default nondefault not_denied callback "
    "shortlisted survived passed_exam high_income bewilligt eingestellt bail_granted benefits_granted no_recidivism"
).split()
DOUBTFUL = (
    "low_income low_wage income_below_poverty passed_away retained_in_grade grade_retention selected_for_audit "
    "selected_for_search admitted_to_hospital icu_admission admitted_icu wage_garnishment salary_cut offer_rescinded "
    "placed_on_probation placed_in_care enrolled_in_remedial hire_freeze income_loss bonus_forfeited award_lost "
    "low_risk risk_free fraud_cleared default_avoided crime_free death_averted failed_to_graduate loan_paid_late "
    "claim flagged"
).split()


@pytest.mark.parametrize("coding", [("0", "1"), ("No", "Yes"), ("False", "True"), ("nein", "ja"), ("N", "Y")])
def test_a_name_says_whether_what_happens_is_good(coding: tuple[str, str]) -> None:
    no, yes = coding
    for turned in (coding, coding[::-1]):  # the more frequent value first, whichever it is
        assert {n: sign_of(n, turned).favourable for n in BAD} == dict.fromkeys(BAD, no)
        assert {n: sign_of(n, turned).favourable for n in GOOD} == dict.fromkeys(GOOD, yes)
        assert {n: sign_of(n, turned).favourable for n in DOUBTFUL} == dict.fromkeys(DOUBTFUL)


@pytest.mark.parametrize(
    ("values", "good"),
    [
        (("Fully Paid", "Charged Off"), "Fully Paid"),
        (("genehmigt", "abgelehnt"), "genehmigt"),
        (("Kredit abgelehnt", "Kredit bewilligt"), "Kredit bewilligt"),
        (("left", "stayed"), "stayed"),
        (("Selected for search", "Not selected"), None),
        (("admitted to ICU", "sent home"), None),
        (("accepted by mistake", "other"), None),
        (("Survived", "Passed away"), None),
        (("retained", "promoted"), None),
    ],
)
def test_values_say_it_themselves_or_it_is_asked(values: tuple[str, str], good: str | None) -> None:
    assert sign_of("outcome", values).favourable == sign_of("outcome", values[::-1]).favourable == good


def test_what_is_doubtful_is_a_question_in_the_proposed_case(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    rows = [f"{sex},{20 + at % 50},{at % 3 == 0:d}" for at in range(90) for sex in ("F", "M")]
    (tmp_path / "t.csv").write_text("\n".join(["sex,age,selected_for_search", *rows]) + "\n")
    assert cli.main(["init", str(tmp_path / "t.csv"), "--out", str(tmp_path / "case.toml")]) == 0
    text = (tmp_path / "case.toml").read_text()
    assert 'label = "selected_for_search"' in text
    assert 'favourable = "?"  # Is selected_for_search = 1 good for the person?' in text
    assert cli.main(["audit", str(tmp_path / "case.toml"), "--out", str(tmp_path / "out")]) == 2
    assert "?" in capsys.readouterr().err
