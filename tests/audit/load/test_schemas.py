"""Proposed roles on the headers and codings of tables that people use. The rows are drawn here, by seed; only names and
codings are those of the files. A role on a guess is asked (`Roles.asked`), and a sign is never turned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

from audit.load import propose_roles

N = 400


def whole(low: int, high: int) -> tuple[str, int, int]:
    return ("whole", low, high)


def real(low: float, high: float) -> tuple[str, float, float]:
    return ("real", low, high)


@dataclass(frozen=True)
class Schema:
    """columns: name -> list of values (the first most frequent), or whole(a, b), real(a, b), "id", "dates", "births".

    good: the favourable value; None where nobody can read it off, which has to be asked.
    """

    name: str
    columns: dict[str, Any]
    label: str | None = None
    good: str | None = None
    positive: str | None = None
    sensitive: set[str] = field(default_factory=set)
    not_sensitive: set[str] = field(default_factory=set)
    decision: str | None = None
    score: str | None = None
    weight: str | None = None
    id: str | None = None
    time: str | None = None
    cluster: str | None = None
    indicators: dict[str, set[str]] = field(default_factory=dict)


def draw(schema: Schema) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    out: dict[str, Any] = {}
    for name, kind in schema.columns.items():
        if kind == "id":
            out[name] = np.arange(100_000, 100_000 + N)
        elif kind == "people":
            out[name] = rng.integers(1, N // 3, N)
        elif kind == "dates":
            days = pd.Timestamp("2019-01-01") + pd.to_timedelta(rng.integers(0, 700, N), "D")
            out[name] = days.strftime("%Y-%m-%d").to_numpy()
        elif kind == "births":
            days = pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 16_000, N), "D")
            out[name] = days.strftime("%Y-%m-%d").to_numpy()
        elif isinstance(kind, tuple) and kind[0] == "whole":
            out[name] = rng.integers(kind[1], kind[2] + 1, N)
        elif isinstance(kind, tuple) and kind[0] == "real":
            out[name] = np.round(rng.uniform(kind[1], kind[2], N), 4)
        elif isinstance(kind, str) and kind.startswith("one of"):
            out[name] = None
        else:
            share = np.array([0.6] + [0.4 / (len(kind) - 1)] * (len(kind) - 1))
            out[name] = np.asarray(kind, dtype=object)[rng.choice(len(kind), N, p=share)]
    groups = [n for n, k in schema.columns.items() if isinstance(k, str) and k.startswith("one of")]
    chosen = rng.integers(0, len(groups) + 1, N)
    for i, name in enumerate(groups):
        out[name] = (chosen == i).astype(int)
    return pd.DataFrame(out).infer_objects()


YN = ["No", "Yes"]
B = [0, 1]

SCHEMAS = [
    Schema("adult", {"age": whole(17, 90), "workclass": ["Private", "State-gov"], "fnlwgt": whole(12_000, 900_000),
           "education": ["HS-grad", "Bachelors"], "marital-status": ["Married", "Never-married"],
           "relationship": ["Husband", "Wife"], "race": ["White", "Black"], "sex": ["Male", "Female"],
           "capital-gain": whole(0, 5000), "hours-per-week": whole(1, 99),
           "native-country": ["United-States", "Mexico"],
           "class": ["<=50K", ">50K"]},
           label="class", good=">50K", sensitive={"age", "race", "sex"}, weight="fnlwgt"),
    Schema("compas", {"id": "id", "name": "id", "sex": ["Male", "Female"], "dob": "births", "age": whole(18, 80),
           "age_cat": ["25 - 45", "Greater than 45", "Less than 25"],
           "race": ["African-American", "Caucasian", "Hispanic"], "juv_fel_count": whole(0, 5),
           "decile_score": whole(1, 10), "priors_count": whole(0, 30), "c_charge_degree": ["F", "M"],
           "score_text": ["Low", "Medium", "High"], "two_year_recid": B},
           label="two_year_recid", good="0", positive="1", sensitive={"sex", "age", "race"}, score="decile_score",
           not_sensitive={"dob"}),
    Schema("folktables income", {"AGEP": whole(17, 94), "COW": whole(1, 8), "SCHL": whole(1, 24), "MAR": whole(1, 5),
           "OCCP": whole(10, 9800), "POBP": whole(1, 554), "RELP": whole(0, 17), "WKHP": whole(1, 99),
           "SEX": [1, 2], "RAC1P": whole(1, 9), "PWGTP": whole(1, 300), "PINCP": [False, True]},
           label="PINCP", good="True", sensitive={"AGEP", "SEX", "RAC1P"}, weight="PWGTP"),
    Schema("folktables employment", {"AGEP": whole(16, 94), "SCHL": whole(1, 24), "MAR": whole(1, 5), "DIS": [2, 1],
           "CIT": whole(1, 5), "NATIVITY": [1, 2], "DEAR": [2, 1], "SEX": [1, 2], "RAC1P": whole(1, 9), "ESR": B},
           label="ESR", good=None, sensitive={"AGEP", "SEX", "RAC1P"}),
    Schema("law school", {"ID": "id", "decile1b": whole(1, 10), "lsat": real(11, 48), "ugpa": real(1, 4),
           "DOB_yr": whole(40, 70), "fulltime": [1, 2], "fam_inc": whole(1, 5), "gender": ["male", "female"],
           "race1": ["white", "black", "hisp", "asian", "other"], "pass_bar": [1, 0], "tier": whole(1, 6),
           "dnn_bar_pass_prediction": real(0, 1), "gpa": real(1, 4)},
           label="pass_bar", good="1", sensitive={"gender", "race1"}, id="ID", score="dnn_bar_pass_prediction"),
    Schema("bank marketing", {"age": whole(18, 90), "job": ["admin.", "technician"], "marital": ["married", "single"],
           "default": ["no", "yes"], "balance": whole(-100, 9000), "housing": ["yes", "no"], "month": ["may", "jul"],
           "duration": whole(1, 900), "y": ["no", "yes"]}, label="y", good=None, positive="yes", sensitive={"age"}),
    Schema("credit card default", {"ID": "id", "LIMIT_BAL": whole(10_000, 500_000), "SEX": [2, 1],
           "EDUCATION": whole(1, 4), "MARRIAGE": [1, 2, 3], "AGE": whole(21, 79), "PAY_0": whole(-2, 8),
           "default payment next month": B}, label="default payment next month", good="0", positive="1",
           sensitive={"SEX", "AGE"}, id="ID"),
    Schema("german credit in words", {"Age": whole(19, 75), "Sex": ["male", "female"], "Job": whole(0, 3),
           "Housing": ["own", "free", "rent"], "Credit amount": whole(250, 18_000), "Purpose": ["car", "radio"],
           "Risk": ["good", "bad"]}, label="Risk", good="good", sensitive={"Age", "Sex"}),
    Schema("south german credit", {"laufkont": whole(1, 4), "alter": whole(19, 75), "gastarb": [2, 1],
           "famges": [1, 2, 3, 4], "kredit": [1, 0]}, label="kredit", good=None, sensitive={"alter"}),
    Schema("german credit in numbers", {"duration": whole(4, 72), "status_sex": ["A91", "A92", "A93"],
           "age": whole(19, 75), "foreign_worker": ["A201", "A202"], "credit_risk": [1, 2]},
           label="credit_risk", good=None, sensitive={"status_sex", "age", "foreign_worker"}),
    Schema("attrition", {"Age": whole(18, 60), "Attrition": YN, "DailyRate": whole(100, 1500),
           "DistanceFromHome": whole(1, 29), "EmployeeNumber": "id", "Gender": ["Male", "Female"],
           "HourlyRate": whole(30, 100), "MaritalStatus": ["Married", "Single"], "PerformanceRating": [3, 4],
           "OverTime": YN}, label="Attrition", good="No", positive="Yes", sensitive={"Age", "Gender"},
           id="EmployeeNumber"),
    Schema("telco churn", {"customerID": "id", "gender": ["Male", "Female"], "SeniorCitizen": B, "Partner": YN,
           "Dependents": YN, "tenure": whole(0, 72), "MonthlyCharges": real(18, 118), "Churn": YN},
           label="Churn", good="No", positive="Yes", sensitive={"gender", "SeniorCitizen"}, id="customerID"),
    Schema("give me some credit", {"SeriousDlqin2yrs": B, "RevolvingUtilizationOfUnsecuredLines": real(0, 1),
           "age": whole(21, 99), "DebtRatio": real(0, 2), "MonthlyIncome": whole(0, 9000),
           "NumberOfDependents": whole(0, 6)}, label="SeriousDlqin2yrs", good="0", positive="1", sensitive={"age"}),
    Schema("home credit", {"SK_ID_CURR": "id", "TARGET": B, "NAME_CONTRACT_TYPE": ["Cash loans", "Revolving loans"],
           "CODE_GENDER": ["F", "M"], "FLAG_OWN_CAR": ["N", "Y"], "CNT_CHILDREN": whole(0, 5),
           "AMT_INCOME_TOTAL": whole(25_000, 500_000), "DAYS_BIRTH": whole(-25_000, -7_500),
           "EXT_SOURCE_1": real(0, 1)}, label="TARGET", good=None, positive="1",
           sensitive={"CODE_GENDER", "DAYS_BIRTH"}, id="SK_ID_CURR"),
    Schema("lending club", {"id": "id", "loan_amnt": whole(500, 40_000), "int_rate": real(5, 30),
           "emp_length": ["10+ years", "1 year"], "issue_d": "dates", "addr_state": ["CA", "TX"],
           "loan_status": ["Fully Paid", "Charged Off"]}, label="loan_status", good="Fully Paid", id="id",
           time="issue_d"),
    Schema("loan prediction", {"Loan_ID": "id", "Gender": ["Male", "Female"], "Married": YN, "Education": ["G", "N"],
           "ApplicantIncome": whole(150, 9000), "Credit_History": [1, 0], "Property_Area": ["Urban", "Rural"],
           "Loan_Status": ["Y", "N"]}, label="Loan_Status", good=None, positive="Y", sensitive={"Gender"},
           id="Loan_ID"),
    Schema("diabetes readmission", {"encounter_id": "id", "patient_nbr": "people",
           "race": ["Caucasian", "AfricanAmerican"], "gender": ["Female", "Male"],
           "age": ["[70-80)", "[60-70)", "[50-60)"], "time_in_hospital": whole(1, 14),
           "readmitted": ["NO", ">30", "<30"]},
           label="readmitted", good="NO", sensitive={"race", "gender", "age"}, id="encounter_id",
           cluster="patient_nbr"),
    Schema("heart disease", {"age": whole(29, 77), "sex": [1, 0], "cp": whole(0, 3), "trestbps": whole(94, 200),
           "target": [1, 0]}, label="target", good=None, sensitive={"age", "sex"}),
    Schema("stroke", {"id": "id", "gender": ["Female", "Male"], "age": whole(1, 82), "hypertension": B,
           "ever_married": YN, "bmi": real(15, 50), "stroke": B}, label="stroke", good="0", positive="1",
           sensitive={"gender", "age"}, id="id"),
    Schema("aequitas", {"entity_id": "id", "score": B, "label_value": B, "race": ["African-American", "Caucasian"],
           "sex": ["Male", "Female"], "age_cat": ["25 - 45", "Less than 25"]}, label="label_value", good=None,
           decision="score", sensitive={"race", "sex", "age_cat"}, id="entity_id"),
    Schema("communities", {"state": whole(1, 56), "racepctblack": real(0, 1), "racePctWhite": real(0, 1),
           "MalePctDivorce": real(0, 1), "FemalePctDiv": real(0, 1), "agePct12t21": real(0, 1),
           "medIncome": real(0, 1), "HighCrime": B}, label="HighCrime", good="0", positive="1",
           not_sensitive={"racepctblack", "racePctWhite", "MalePctDivorce", "FemalePctDiv", "agePct12t21"}),
    Schema("fraud", {"trans_date": "dates", "cc_num": "people", "gender": ["F", "M"], "dob": "births",
           "amt": real(1, 900), "is_fraud": B}, label="is_fraud", good="0", positive="1", sensitive={"gender"},
           time="trans_date", not_sensitive={"dob"}),
    Schema("health programme", {"risk_score_t": real(0, 1), "program_enrolled_t": B,
           "race": ["white", "black"], "dem_female": B, "cost_t": real(0, 9000), "gagne_sum_t": whole(0, 10)},
           label="program_enrolled_t", good="1", score="risk_score_t", sensitive={"race", "dem_female"}),
    Schema("indicators", {"applicant_id": "id", "is_black": "one of", "is_hispanic": "one of", "is_asian": "one of",
           "gpa": real(1, 4), "admitted": B}, label="admitted", good="1", sensitive={"race"}, id="applicant_id",
           indicators={"race": {"is_black", "is_hispanic", "is_asian"}}),
    Schema("mortgage register", {"as_of_year": whole(2018, 2023), "applicant_race_1": whole(1, 5),
           "applicant_sex": [1, 2], "loan_amount": whole(5, 900), "denied": B}, label="denied", good="0",
           positive="1", sensitive={"applicant_race_1", "applicant_sex"}, time="as_of_year"),
    Schema("firefighters", {"Position": ["Lieutenant", "Captain"], "Oral%": real(0, 100), "Written": real(0, 100),
           "Race": ["W", "B", "H"], "Combine": real(0, 100), "Promoted": B}, label="Promoted", good="1",
           sensitive={"Race"}),
    Schema("stops", {"stop_id": "id", "SUSPECT_SEX": ["MALE", "FEMALE"], "SUSPECT_RACE_DESCRIPTION": ["BLACK", "WHITE"],
           "STOP_DATE": "dates", "SUSPECT_ARRESTED_FLAG": ["N", "Y"]}, label="SUSPECT_ARRESTED_FLAG", good="N",
           positive="Y", sensitive={"SUSPECT_SEX", "SUSPECT_RACE_DESCRIPTION"}, id="stop_id", time="STOP_DATE"),
    Schema("hiring", {"candidate_id": "id", "gender": ["M", "F"], "ethnicity": ["A", "B"], "years": whole(0, 30),
           "pred": real(0, 1), "hired": B}, label="hired", good="1", score="pred", sensitive={"gender", "ethnicity"},
           id="candidate_id"),
    Schema("granted, minus one", {"sex": ["f", "m"], "income": whole(900, 9000), "granted": [1, -1]},
           label="granted", good="1", positive="1", sensitive={"sex"}),
    Schema("granted, one and two", {"sex": ["f", "m"], "amount": whole(900, 9000), "granted": [1, 2]},
           label="granted", good=None, sensitive={"sex"}),
    Schema("dropout", {"student_id": "people", "term": whole(1, 9), "Gender": [1, 0], "Nacionality": whole(1, 9),
           "Scholarship holder": B, "Target": ["Graduate", "Dropout"]}, label="Target", good="Graduate",
           sensitive={"Gender"}, cluster="student_id"),
    Schema("bank churn", {"RowNumber": "id", "Surname": "people", "CreditScore": whole(350, 850),
           "Geography": ["France", "Spain"], "Gender": ["Male", "Female"], "Age": whole(18, 92), "Exited": B},
           label="Exited", good="0", positive="1", sensitive={"Gender", "Age"}, id="RowNumber"),
    Schema("loans with both", {"sex": ["f", "m"], "amount": whole(1, 9000), "default": B, "approved": ["yes", "no"]},
           label="default", good="0", positive="1", decision="approved", sensitive={"sex"}),
    Schema("decisions only", {"case": "id", "sexe": ["homme", "femme"], "âge": whole(18, 90),
           "décision": ["accordé", "refusé"]}, decision=None, label="décision", good="accordé",
           sensitive={"sexe", "âge"}),
    Schema("mortgage register, derived", {"activity_year": whole(2018, 2023), "lei": ["A1", "B2", "C3"],
           "derived_race": ["White", "Black or African American", "Asian"], "derived_sex": ["Male", "Female", "Joint"],
           "derived_ethnicity": ["Not Hispanic or Latino", "Hispanic or Latino"], "applicant_age": ["25-34", "35-44"],
           "loan_amount": whole(50, 900), "action_taken": [1, 3]}, label="action_taken", time="activity_year",
           sensitive={"derived_race", "derived_sex", "derived_ethnicity", "applicant_age"}),
    Schema("small business loans", {"LoanNumber": "id", "Race": ["White", "Black", "Asian"],
           "Gender": ["Male Owned", "Female Owned"], "Ethnicity": ["Not Hispanic", "Hispanic"],
           "Veteran": ["Non-Veteran", "Veteran"], "LoanStatus": ["Paid in Full", "Charged Off"]}, label="LoanStatus",
           good="Paid in Full", id="LoanNumber", sensitive={"Race", "Gender", "Ethnicity"}),
    Schema("interviews and offers", {"applicant": "id", "gender": ["M", "F"], "years": whole(0, 40), "interviewed": B,
           "offer": B}, label="offer", good="1", sensitive={"gender"}),
    Schema("admission in German, without dots", {"student": "id", "geschlecht": ["w", "m"],
           "staatsangehoerigkeit": ["de", "andere"], "note": real(1, 5), "zusage": ["ja", "nein"]}, label="zusage",
           good="ja", sensitive={"geschlecht", "staatsangehoerigkeit"}),
    Schema("no-show", {"PatientId": "people", "Gender": ["F", "M"], "Age": whole(0, 95), "ScheduledDay": "dates",
           "Scholarship": B, "No-show": ["No", "Yes"]}, label="No-show", good="No", sensitive={"Gender", "Age"},
           time="ScheduledDay"),
    Schema("insurance fraud", {"age": whole(19, 64), "policy_number": "id", "insured_sex": ["MALE", "FEMALE"],
           "incident_type": ["a", "b"], "fraud_reported": ["N", "Y"]}, label="fraud_reported", good="N",
           sensitive={"age", "insured_sex"}),
    Schema("insolvency in Italian", {"sesso": ["M", "F"], "eta": whole(18, 80), "nazionalita": ["IT", "EX"],
           "insolvente": B}, label="insolvente", good="0", sensitive={"sesso", "eta", "nazionalita"}),
    Schema("benefits", {"case_no": "id", "claimant_gender": ["F", "M", "X"], "disability": YN,
           "religion": ["a", "b", "c"], "claim_denied": YN}, label="claim_denied", good="No",
           sensitive={"claimant_gender", "disability", "religion"}),
]  # fmt: skip


def check(schema: Schema) -> tuple[list[str], int]:
    """What is not as it should be, and how many roles were looked at."""
    roles = propose_roles(draw(schema))
    wrong = []
    outcome = roles.label or roles.decision
    wanted = schema.label or schema.decision
    looked = 1
    if outcome != wanted and roles.decision != wanted:
        wrong.append(f"outcome {outcome!r}, not {wanted!r}")
    for role in ("decision", "score", "weight", "id", "time", "cluster"):
        expected, got = getattr(schema, role), getattr(roles, role)
        if expected is not None:
            looked += 1
        guess = role in roles.asked or (role == "decision" and got == schema.label)
        if got != expected and not (expected is None and (guess or role in ("id", "cluster", "score", "time"))):
            wrong.append(f"{role} {got!r}, not {expected!r}")
    looked += len(schema.sensitive)
    wrong += [f"{c!r} is not proposed as sensitive" for c in schema.sensitive - set(roles.sensitive)]
    never = schema.not_sensitive & {*roles.sensitive, *roles.possible}
    wrong += [f"{c!r} is proposed as sensitive" for c in never]
    for name, members in schema.indicators.items():
        if set(roles.indicators.get(name, ())) != members:
            wrong.append(f"indicators of {name!r}: {roles.indicators}")
    return wrong, looked


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: s.name)
def test_roles_of_a_known_table(schema: Schema) -> None:
    assert check(schema)[0] == []


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: s.name)
def test_no_sign_is_turned(schema: Schema) -> None:
    roles = propose_roles(draw(schema))
    assert roles.favourable == schema.good
    if schema.good is None:
        assert roles.asked["favourable"].endswith("good for the person?")
    if schema.positive is not None:
        assert roles.positive == schema.positive


def test_at_least_thirty_schemas() -> None:
    assert len(SCHEMAS) >= 30


def test_each_proposal_shows_three_values() -> None:
    roles = propose_roles(draw(SCHEMAS[1]))
    assert roles.examples["race"] == ("African-American", "Hispanic", "Caucasian") or len(roles.examples["race"]) == 3
