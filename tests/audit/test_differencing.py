"""Attacks on cohorts: whatever is told of some of the people, with everything told before, gives away nobody."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

import cli
from audit.cohort_rows import MISSING, Condition, Kept, cohort_of_rows, kept_rows, ranged, who_is_in
from audit.documents import Documents
from audit.errors import DataError
from audit.evidence import pick
from audit.gaps import Settings
from audit.load import load_case
from audit.suppress import FLOOR

HOW = Settings(draws=50)
CASE = """[case]
name = "c"
purpose = "who gets it"
[data]
path = "d.csv"
label = "y"
positive = "yes"
favourable = "yes"
sensitive = ["sex", "place"]
exclude = ["note"]
features = ["income", "house"]
{more}
[model]
decision = "got"
"""
Vector = npt.NDArray[np.float64]


def frame_of(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], n, p=[0.4, 0.6]),
            "place": np.where(np.arange(n) < 3, "Z", rng.choice(["X", "Y", "W"], n, p=[0.6, 0.34, 0.06])),
            "income": rng.normal(3000, 900, n).round().astype(int),
            "house": rng.choice(["own", "rent", ""], n, p=[0.4, 0.5, 0.1]),
            "note": rng.choice(["a", "b"], n),
            "got": rng.choice(["yes", "no"], n),
        }
    )
    frame["y"] = np.where(rng.random(n) < 0.7, frame["got"], "no")
    return frame


def kept_of(place: Path, frame: pd.DataFrame, more: str = "", case: str = CASE) -> Kept:
    frame.to_csv(place / "d.csv", index=False)
    (place / "case.toml").write_text(case.format(more=more))
    assert cli.main(["audit", str(place / "case.toml"), "--out", str(place / "run")]) == 0
    evidence = Documents({"evidence.json": (place / "run" / "evidence.json").read_bytes()}).evidence
    return kept_rows(load_case(place / "case.toml"), place / "run", evidence)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    return kept_of(tmp_path_factory.mktemp("kept"), frame_of())


def test_a_cohort_by_any_column_is_counted_as_its_rows_are(kept: Kept, tmp_path: Path) -> None:
    some = (
        Condition("income", low=2500),
        Condition("house", values=("own", MISSING)),
        Condition("note", values=("a",)),
    )
    result = cohort_of_rows(kept, some, HOW, tmp_path)
    rows = frame_of()
    rows = rows[(rows["income"] >= 2500) & rows["house"].isin(["own", ""]) & (rows["note"] == "a")]
    rows = rows[rows["place"] != "Z"]
    assert result.people == len(rows)
    shown = 0
    for sex, mine in rows.groupby("sex"):
        rate = pick(result.measures.rates, metric="selection_rate", attribute=("sex",), group=(sex,))
        assert rate is not None
        assert (rate.numerator, rate.denominator) == ((mine["got"] == "yes").sum(), len(mine))
        shown += 1
        right = pick(result.measures.rates, metric="accuracy", attribute=("sex",), group=(sex,))
        assert right is not None
        assert right.value == pytest.approx((mine["got"] == mine["y"]).mean())
    assert shown == 2
    gap = pick(result.measures.gaps, metric="selection_rate", kind="difference", attribute=("sex",))
    assert gap is not None
    assert gap.low is not None
    assert gap.highest in (("f",), ("m",))
    # The three of Z are nowhere, and of the few of W nothing is told.
    assert any("place = Z" in note for note in result.notes)
    few = pick(result.measures.rates, metric="selection_rate", attribute=("place",), group=("W",))
    assert few is not None
    assert few.value is None


def test_each_column_is_there_once_whether_or_not_the_audit_reads_it(kept: Kept, tmp_path: Path) -> None:
    assert sorted(kept.frame.columns) == sorted(frame_of().columns)
    read = CASE.replace('exclude = ["note"]\n', "").replace('features = ["income", "house"]\n', "")
    all_read = kept_of(tmp_path, frame_of(), case=read)
    assert sorted(all_read.frame.columns) == sorted(frame_of().columns)
    assert ranged(all_read.frame["income"])
    assert not ranged(all_read.frame["house"])


def test_all_but_three_are_not_told_and_the_same_question_is_answered_alike(kept: Kept, tmp_path: Path) -> None:
    incomes = np.sort(kept.frame["income"].to_numpy())
    with pytest.raises(DataError, match="too near to what was shown"):
        cohort_of_rows(kept, (Condition("income", high=float(incomes[-4])),), HOW, tmp_path)
    with pytest.raises(DataError, match="too few people"):
        cohort_of_rows(kept, (Condition("income", low=float(incomes[-4])),), HOW, tmp_path)
    first = cohort_of_rows(kept, (Condition("income", low=3000),), HOW, tmp_path)
    above = int((incomes > 3000).sum())
    close = float(incomes[np.searchsorted(incomes, 3000) + 5])
    with pytest.raises(DataError, match="too near to what was shown"):
        cohort_of_rows(kept, (Condition("income", low=close),), HOW, tmp_path)
    again = cohort_of_rows(kept, (Condition("income", low=3000),), HOW, tmp_path)
    assert again.measures == first.measures
    assert above >= FLOOR
    # Its complement says nothing that a subtraction would not.
    other = cohort_of_rows(kept, (Condition("income", high=2999),), HOW, tmp_path)
    assert other.people == len(incomes) - first.people
    # The ledger holds conditions, and nobody's row.
    ledger = json.loads((tmp_path / ".cohorts.json").read_bytes())
    assert [e["conditions"][0]["column"] for e in ledger] == ["income", "income"]


def test_a_group_that_differs_by_few_is_withheld_though_the_cohort_is_not(tmp_path: Path) -> None:
    frame = frame_of()
    frame["fits"] = "yes"
    # Left out are 40 men and 4 women: the whole may be told, the women not, and so the men neither.
    for sex, few in (("m", 40), ("f", 4)):
        frame.loc[frame.index[(frame["sex"] == sex) & (frame["place"] == "X")][:few], "fits"] = "no"
    kept = kept_of(tmp_path, frame)
    result = cohort_of_rows(kept, (Condition("fits", values=("yes",)),), HOW, tmp_path)
    women, men = (
        pick(result.measures.rates, metric="selection_rate", attribute=("sex",), group=(g,)) for g in ("f", "m")
    )
    assert women is not None
    assert men is not None
    assert (women.value, men.value) == (None, None)
    assert any("By sex" in note for note in result.notes)


@pytest.mark.parametrize("column", ["y", "got"])
def test_a_refusal_tells_nobody_what_became_of_one_person(tmp_path: Path, column: str) -> None:
    """Of those numbered 50 to 150 who got yes, and of those numbered 50 to 149: told again for a no, refused for a
    yes."""
    frame = frame_of().assign(number=np.arange(400))
    kept, answers = kept_of(tmp_path, frame), set()
    for last in range(140, 150):
        place = tmp_path / str(last)
        place.mkdir()
        for high in (last, last - 1):
            some = (Condition("number", low=50, high=high), Condition(column, values=("yes",)))
            try:
                answers.add((high == last, cohort_of_rows(kept, some, HOW, place).people))
            except DataError as error:
                answers.add((high == last, error.problem))
    assert len({message for _, message in answers}) == 1, answers


@pytest.mark.parametrize("end", [np.inf, -np.inf, np.nan])
def test_a_range_without_an_end_is_refused_in_words(kept: Kept, tmp_path: Path, end: float) -> None:
    for some in (Condition("income", low=end), Condition("income", low=2000, high=end)):
        with pytest.raises(DataError, match="a range ends at no number"):
            cohort_of_rows(kept, (some,), HOW, tmp_path)


def asked(rng: np.random.Generator) -> tuple[Condition, ...]:
    """A cohort that somebody could ask for: near ones among them."""
    low, width = rng.choice([1500, 2000, 2010, 2500, 2505, 3000]), rng.choice([600, 610, 1500, 4000])
    items = [Condition("income", low=float(low), high=float(low + width))]
    if rng.random() < 0.6:
        items.append(
            Condition("house", values=tuple(map(str, rng.permutation(["own", "rent", MISSING])[: rng.integers(1, 3)])))
        )
    if rng.random() < 0.4:
        items.append(Condition("sex", groups=(str(rng.choice(["f", "m"])),)))
    return tuple(items[:: -1 if rng.random() < 0.5 else 1][: rng.integers(1, 4)])


def in_span(vectors: Vector, wanted: Vector) -> npt.NDArray[np.bool_]:
    """Which rows of `wanted` are sums of rows of `vectors`."""
    solved = np.linalg.lstsq(vectors.T, wanted.T, rcond=None)[0]
    return np.abs(vectors.T @ solved - wanted.T).max(axis=0) < 1e-6


@pytest.mark.parametrize("seed", [2, 5])
def test_no_sum_of_all_that_was_told_is_of_few_people(kept: Kept, tmp_path: Path, seed: int) -> None:
    """30 cohorts are asked for. Then every set of fewer than ten people that any combination of them tells apart, and
    every two of them, is tried: whether its counts are a sum of tables that were shown. Beside it, every one, two and
    three cohorts with the tables of everyone (the worst for them), where all combinations can be tried."""
    rng, n = np.random.default_rng(seed), len(kept.frame)
    published = [
        (kept_group(kept, m.attribute, g)).astype(float)
        for m in kept.everyone for g, gone in zip(m.groups, m.withheld, strict=True) if not gone
    ]  # fmt: skip
    report, whole, refused = list(published), [], 0
    for _ in range(30):
        some = asked(rng)
        inside = who_is_in(kept, some)
        try:
            result = cohort_of_rows(kept, some, HOW, tmp_path)
        except DataError:
            refused += 1
            continue
        whole.append(inside)
        for table in result.margins:
            report += [
                (inside & kept_group(kept, table.attribute, g)).astype(float)
                for g, gone in zip(table.groups, table.withheld, strict=True) if not gone
            ]  # fmt: skip
    assert refused > 3
    assert len(whole) > 5
    vectors = np.unique(np.array([v for v in report if v.any()]), axis=0)
    base = np.unique(np.array([v for v in published if v.any()]), axis=0)
    parts = np.unique(np.column_stack([kept.coded.codes, *whole]), axis=0, return_inverse=True)[1].ravel()
    small = [parts == p for p in np.flatnonzero(np.bincount(parts) < FLOOR)]
    assert len(small) > 10
    pairs = [a | b for a, b in combinations(small, 2) if (a | b).sum() < FLOOR]
    aims = np.array([*small, *pairs[:2500]], dtype=float)
    assert not (in_span(vectors, aims) & ~in_span(base, aims)).any()
    # Everyone's combinations of groups are given to the attacker, and any weights of up to three cohorts.
    cell = np.unique(kept.coded.codes, axis=0, return_inverse=True)[1].ravel()
    for k in (1, 2, 3):
        for chosen in list(combinations(range(len(whole)), k))[:60]:
            for signs in np.array(np.meshgrid(*[[1, -1, 2]] * k)).reshape(k, -1).T:
                value = sum(s * whole[c] for s, c in zip(signs, chosen, strict=True))
                seen = np.zeros((cell.max() + 1, 9))
                np.add.at(seen, (cell, value - value.min()), 1)
                left = n - seen.max(axis=1).sum()
                assert left == 0 or left >= FLOOR, (chosen, signs, left)


def kept_group(kept: Kept, attribute: tuple[str, ...], group: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    at = [kept.coded.attributes.index(a) for a in attribute]
    inside = np.ones(len(kept.frame), dtype=bool)
    for axis, value in zip(at, group, strict=True):
        inside &= kept.coded.codes[:, axis] == kept.coded.levels[axis].index(value)
    return inside


def test_people_in_several_rows_are_counted_as_people(tmp_path: Path) -> None:
    """Twelve rows of three people stand between the two: no difference to tell of."""
    frame = frame_of()
    frame["who"] = np.arange(len(frame))
    frame["extra"] = "no"
    places = frame.index[(frame["sex"] == "m") & (frame["place"] == "X")][:12]
    frame.loc[places, "who"] = np.repeat([9001, 9002, 9003], 4)
    frame.loc[places, "extra"] = "yes"
    kept = kept_of(tmp_path, frame, 'cluster = "who"')
    with pytest.raises(DataError, match="too near to what was shown"):
        cohort_of_rows(kept, (Condition("extra", values=("no",)),), HOW, tmp_path)
    with pytest.raises(DataError, match="too few people"):
        cohort_of_rows(kept, (Condition("extra", values=("yes",)),), HOW, tmp_path)


def test_other_data_and_columns_that_are_not_there_are_refused(kept: Kept, tmp_path: Path) -> None:
    for wrong in (Condition("nothing", low=1), Condition("sex", groups=("x",))):
        with pytest.raises(DataError, match="no such column or group"):
            cohort_of_rows(kept, (wrong,), HOW, tmp_path)
    kept_of(tmp_path, frame_of())
    frame_of().assign(got="yes").to_csv(tmp_path / "d.csv", index=False)
    evidence = Documents({"evidence.json": (tmp_path / "run" / "evidence.json").read_bytes()}).evidence
    with pytest.raises(DataError, match="not those that were audited"):
        kept_rows(load_case(tmp_path / "case.toml"), tmp_path / "run", evidence)
