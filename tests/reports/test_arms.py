"""A mitigation where groups are withheld: what is left out, cut, narrowed or shown too small is refused by `verify`."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

import cli
from audit.stats import holm
from reports.issue import collect
from reports.verify import verify
from tests.reports import kit
from tests.reports.pki import Pki

Files = dict[str, bytes]

pytestmark = pytest.mark.usefixtures("measured_once", "coarse_calibration")

CASE = """[case]
name = "Loans"
purpose = "Who gets a loan"
[data]
path = "rows.csv"
label = "repaid"
positive = "yes"
sensitive = ["sex", "team", "age"]
split = "split"
train = "train"
audit = "test"
[model]
score = "score"
threshold = 0.5
"""


def rows() -> pd.DataFrame:
    """Of those tested 8 have an unknown sex and 3 are x; of the 11 in team c 3 are x, so that 8 are left of it."""
    rng, n = np.random.default_rng(4), 900
    sex = rng.choice(["f", "m"], n)
    frame = pd.DataFrame({"sex": sex, "team": rng.choice(["a", "b"], n), "age": "old", "split": "train"})
    merit = rng.normal(size=n) + 0.8 * (sex == "m")
    frame["score"] = (1 / (1 + np.exp(-merit))).round(3)
    frame["repaid"] = np.where(merit + rng.normal(size=n) > 0.4, "yes", "no")
    frame.loc[500:, "split"] = "test"
    frame.loc[500:507, "sex"] = ""
    frame.loc[510:520, "team"] = "c"
    frame.loc[510:512, "sex"] = "x"
    frame.loc[530:560, "age"] = "young"
    frame.loc[530:560, ["sex", "team"]] = [*[["f", "a"]] * 4, *[["m", "b"]] * 27]
    return frame


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """As a report takes them."""
    place = tmp_path_factory.mktemp("arms")
    rows().to_csv(place / "rows.csv", index=False)
    (place / "case.toml").write_text(CASE)
    asked = [str(place / "case.toml"), "--out", str(place / "run")]
    assert cli.main(["audit", *asked, "--draws", "200"]) == 0
    assert cli.main(["mitigate", *asked, "--method", "group_thresholds", "--attribute", "sex"]) == 0
    return collect(Path(place / "run"))


def failed(files: Files, pki: Pki) -> list[str]:
    verification = verify(kit.report(files, pki.auditor), printer=kit.page)
    return [c.detail for c in verification.checks if c.status == "failed"]


def test_an_honest_report_passes_and_tells_nothing_of_the_withheld(files: Files, pki: Pki) -> None:
    assert failed(files, pki) == []
    document = json.loads(files["mitigation.json"])
    assert {f["group"][0] for f in document["flips"] if f["attribute"] == ["sex"]} == {"f", "m"}
    assert {f["group"][0] for f in document["flips"] if f["attribute"] == ["team"]} == {"a", "b"}
    everyone = next(f for f in document["flips"] if not f["attribute"])
    assert everyone["rows"] == 400 - 8 - 11, "not the unknown, not x, and not who is left in team c"
    cube = next(m for m in document["cubes"]["candidate"]["margins"] if m["attribute"] == ["sex", "age"])
    assert len(cube["withheld"]) > 2, "the four who are f and young, and what would tell them"
    notes = " ".join(json.loads(files["evidence.json"])["notes"])
    assert "Fewer than 10 people have sex = x" in notes
    assert "Without these, fewer than 10 people have team = c" in notes


def test_the_test_of_flips_of_people_in_several_rows_is_of_people(pki: Pki, tmp_path: Path) -> None:
    frame = rows()
    frame["who"] = np.arange(len(frame)) // 2
    frame.to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "case.toml").write_text(CASE.replace("[model]", 'cluster = "who"\n[model]'))
    asked = [str(tmp_path / "case.toml"), "--out", str(tmp_path / "run")]
    assert cli.main(["audit", *asked, "--draws", "100"]) == 0
    assert cli.main(["mitigate", *asked, "--method", "group_thresholds", "--attribute", "sex"]) == 0
    flip = json.loads((tmp_path / "run" / "mitigation.json").read_bytes())["flips"][0]
    moved_rows = flip["to_favourable"], flip["to_unfavourable"]
    assert flip["p_value"] > 2 * binomtest(moved_rows[0], sum(moved_rows), 0.5).pvalue, "rows are not independent"
    assert failed(collect(tmp_path / "run"), pki) == []


def of(d: Any, attributes: int) -> Any:
    """A change of a rate by so many columns, of the last: it is none that stands first."""
    return next(c for c in reversed(d["changes"]) if len(c["attribute"]) == attributes and c["kind"] == "rate")


def moved(flip: Any, gains: int, losses: int) -> None:
    flip.update(to_favourable=flip["to_favourable"] + gains, to_unfavourable=flip["to_unfavourable"] + losses)


def with_tests(d: Any) -> None:
    """The tests that follow from the counts of the flips."""
    counts = [(f["to_favourable"], f["to_unfavourable"]) for f in d["flips"]]
    p = [binomtest(a, a + b, 0.5).pvalue if a + b else 1.0 for a, b in counts]
    for flip, one, adjusted in zip(d["flips"], p, holm(np.array(p)), strict=True):
        flip.update(p_value=one, p_adjusted=float(adjusted))


def turned_to_and_fro(d: Any) -> None:
    """One more of team a is said to have gained, and one to have lost; nobody more of everyone."""
    moved(next(f for f in d["flips"] if f["group"] == ["a"]), 1, 1)
    with_tests(d)


def elsewhere(*cell: str) -> Callable[[Any], None]:
    """One more of the women, of team a, of the old and so of everyone gained, and one lost; of the pairs of sex and
    team it is told of another cell: right in the sum of the one, wrong in that of the other."""

    def change(d: Any) -> None:
        for flip in d["flips"]:
            if flip["group"] in ([], ["f"], ["a"], ["old"], list(cell)):
                moved(flip, 1, 1)
        with_tests(d)

    return change


def gained(d: Any) -> None:
    moved(d["flips"][0], 1, 0)
    with_tests(d)


def more_than_there_are(d: Any) -> None:
    moved(d["flips"][0], d["flips"][0]["rows"], d["flips"][0]["rows"])
    with_tests(d)


def fewer_than_none(d: Any) -> None:
    """Of a group where all moved one way one fewer did, and one fewer than nobody the other way."""
    moved(next(f for f in d["flips"] if min(f["to_favourable"], f["to_unfavourable"]) == 0), -1, -1)


def narrowed(d: Any) -> None:
    change = of(d, 1)
    change.update(low=change["delta"] - 1e-6, high=change["delta"] + 1e-6, clear=abs(change["delta"]) > 1e-6)


def lopsided(d: Any) -> None:
    change = next(c for c in d["changes"] if not c["clear"] and -0.4 < c["low"] < c["high"] < 0.4)
    change.update(high=change["high"] + 0.1)


def cell(d: Any, arm: str, attribute: list[str]) -> Any:
    margin = next(m for m in d["cubes"][arm]["margins"] if m["attribute"] == attribute)
    return margin["cells"]


def made_small(d: Any) -> None:
    """Of a group of the candidate's table nine people are left, all of one outcome and decision."""
    cells = cell(d, "candidate", ["sex"])
    first = cells[0][0]
    cells[:] = [[*cells[0][:3], 9], *(c for c in cells if c[0] != first)]


def one_withheld(d: Any) -> None:
    """One more group of teams by age is shown as withheld, in every arm: its line tells how many they are."""
    for arm in ("original", "matched", "candidate"):
        margin = next(m for m in d["cubes"][arm]["margins"] if m["attribute"] == ["sex", "team"])
        place = margin["groups"].index(["f", "a"])
        margin["withheld"].append(place)
        margin["cells"] = [c for c in margin["cells"] if c[0] != place]


def better(d: Any) -> None:
    """Ten people who were not to be approved are said to have repaid, in the candidate's table alone."""
    cells = cell(d, "candidate", [])
    at = {(c[1], c[2]): c for c in cells}
    at[0, 1][3] -= 10
    at[1, 1][3] += 10


FORGED: dict[str, Callable[[Any], object]] = {
    "how many changes are left out": lambda d: d["changes"].remove(of(d, 1)),
    "changes are left out": lambda d: d["changes"].remove(of(d, 2)),
    "how many changes are told twice": lambda d: d["changes"].append(of(d, 1)),
    "that what got worse stands first": lambda d: d["changes"].reverse(),
    "its interval": narrowed,
    ", its interval": lopsided,
    "how many groups the flips leave out": lambda d: d["flips"].pop(),
    "how many groups the flips tell twice": lambda d: d["flips"].append(d["flips"][0]),
    "the order of the flips": lambda d: d.update(flips=d["flips"][::-1]) or with_tests(d),
    "flips 1, counts": gained,
    "flips 1, counts is": more_than_there_are,
    ", counts": fewer_than_none,
    "how many groups have other flips than their parts": turned_to_and_fro,
    "how many groups have other flips": elsewhere("m", "a"),
    "groups have other flips than their parts": elsewhere("f", "b"),
    "the floor of small groups of the arm candidate": lambda d: d["cubes"]["candidate"].update(floor=3),
    "the floor of small groups of the arm original": lambda d: d["cubes"]["original"].update(floor=0),
    "how many small groups of the arm candidate are shown": made_small,
    "of the arm original are shown, or follow from what is shown": one_withheld,
    "how many tables of the arm candidate are of other people than the original's": better,
}


@pytest.mark.parametrize("where", FORGED)
def test_what_is_forged_is_named(where: str, files: Files, pki: Pki) -> None:
    def change(document: Any) -> None:
        before = copy.deepcopy(document)
        FORGED[where](document)
        assert document != before

    result = failed(kit.edited(files, "mitigation.json", change), pki)
    assert any(where in detail and "is told otherwise than it is" in detail for detail in result), result
