"""[recourse]: read, written and read back; refused with the nearest name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from audit.case import Recourse
from audit.errors import CaseError
from audit.load import dump_case, load_case, load_rows

GOOD = """
[case]
name = "Loans"
purpose = "Who is granted a loan"
[data]
path = "t.csv"
label = "repaid"
positive = "yes"
sensitive = ["sex"]
exclude = ["town"]
[model]
decision = "decided"
[recourse]
actionable = ["hours", "degree", "years", "job"]
ranges = { hours = [20, 60], job = ["clerk", "smith"] }
direction = { years = "increase" }
together = [["degree", "years"]]
"""


def load(folder: Path, text: str) -> Recourse | None:
    (folder / "case.toml").write_text(text)
    return load_case(folder / "case.toml").recourse


def test_read_and_written_and_read_back(tmp_path: Path) -> None:
    read = load(tmp_path, GOOD)
    assert read == Recourse(
        ("hours", "degree", "years", "job"),
        {"hours": (20.0, 60.0)},
        {"job": ("clerk", "smith")},
        {"years": "increase"},
        (("degree", "years"),),
    )
    case = load_case(tmp_path / "case.toml")
    dump_case(case, tmp_path / "again.toml")
    assert load_case(tmp_path / "again.toml") == replace(case, source=tmp_path / "again.toml")


def test_without_the_table_nothing_is_assumed(tmp_path: Path) -> None:
    assert load(tmp_path, GOOD.split("[recourse]")[0]) is None


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[recourse]", "[recours]", ("unknown key 'recours'", "did you mean 'recourse'?")),
        ("actionable =", "actionabel =", ("did you mean 'actionable'?",)),
        ('["hours", "degree", "years", "job"]', "[]", ("at least one column",)),
        ('["hours", "degree", "years", "job"]', '["hours", "hours"]', ("each name once",)),
        ('"hours", "degree"', '"hours", "sex", "degree"', ("'sex' cannot be actionable", "sensitive")),
        ('"hours", "degree"', '"hours", "repaid", "degree"', ("'repaid' cannot be actionable", "the label")),
        ('"hours", "degree"', '"hours", "town", "degree"', ("'town' cannot be actionable", "excluded")),
        ("hours = [20, 60]", "hour = [20, 60]", ("`ranges`", "'hour'", "did you mean 'hours'?")),
        ("[20, 60]", "[60, 20]", ("range of 'hours'", "the smaller first")),
        ("[20, 60]", "[20, 30, 60]", ("range of 'hours'",)),
        ("[20, 60]", "[true, 60]", ("range of 'hours'",)),
        ("[20, 60]", "[20, nan]", ("range of 'hours'",)),
        ("[20, 60]", "[]", ("range of 'hours'",)),
        ("[20, 60]", "60", ("range of 'hours'",)),
        ('"increase"', '"increse"', ("did you mean 'increase'?",)),
        ("years = ", "year = ", ("`direction`", "did you mean 'years'?")),
        ("years = ", "job = ", ("a direction and a list of texts",)),
        ('[["degree", "years"]]', '["degree", "years"]', ("together",)),
        ('[["degree", "years"]]', '[["degree"]]', ("two columns or more",)),
        ('[["degree", "years"]]', '[["degree", "year"]]', ("did you mean 'years'?",)),
        ('[["degree", "years"]]', '[["degree", "years"], ["job", "years"]]', ("'years' stands twice",)),
        ('exclude = ["town"]', 'features = ["hours", "degree", "year", "job"]', ("'years'", "did you mean 'year'?")),
    ],
)
def test_refused(tmp_path: Path, old: str, new: str, words: tuple[str, ...]) -> None:
    assert old in GOOD
    with pytest.raises(CaseError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    for word in words:
        assert word in caught.value.message, caught.value.message
    assert caught.value.todo


def test_a_column_that_the_table_lacks(tmp_path: Path) -> None:
    columns = {"repaid": ["yes", "no"], "decided": ["yes", "no"], "sex": ["f", "m"], "town": ["a", "b"], "hour": [1, 2]}
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    load(tmp_path, GOOD)
    with pytest.raises(CaseError, match=r"no column .hours.*`actionable`") as caught:
        load_rows(load_case(tmp_path / "case.toml"))
    assert "did you mean 'hour'?" in caught.value.message
