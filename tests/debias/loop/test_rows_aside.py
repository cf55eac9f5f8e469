"""A poor row costs a row, whatever is wrong with it; through the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import cli
from audit.models.write import skops_bytes
from tests.debias.loop.fed import bodies, people, write_case

CONTRACT = '[[check]]\ncolumn = "income"\nbetween = [-50, 200]\n'
BAD = 3
"""The first file with poor rows."""


def days(n: int) -> list[pd.DataFrame]:
    return [d.reset_index(drop=True).astype(object) for _, d in people(n).groupby("day")]


Spoil = Callable[[pd.DataFrame], Any]


def fed(folder: Path, spoil: dict[int, Spoil], **how: Any) -> Path:
    """Good files, and spoiled ones by number."""
    write_case(folder, people(2), more='source = "in/*"', **({"delay": 1} | how))
    case = folder / "case.toml"
    (folder / "contract.toml").write_text(CONTRACT)
    case.write_text('contract = "contract.toml"\n' + case.read_text())
    (folder / "in").mkdir()
    for number, day in enumerate(days(max(spoil) + 1)):
        text = spoil[number](day) if number in spoil else None
        path = folder / "in" / f"day{number:02d}.csv"
        path.write_text(text if isinstance(text, str) else day.to_csv(index=False))
    return folder


def run(folder: Path, *more: str) -> int:
    return cli.main(["watch", str(folder / "case.toml"), "--out", str(folder / "out"), *more])


def told(folder: Path, number: int = BAD) -> dict[str, Any]:
    """The entry of a spoiled batch."""
    return next(b for b in bodies(folder / "out") if b["facts"].get("batch", "").startswith(f"day{number:02d}"))


def cell(column: str, value: Any, rows: tuple[int, ...] = (4, 9)) -> Callable[[pd.DataFrame], None]:
    def spoil(day: pd.DataFrame) -> None:
        for row in rows:
            day.loc[row, column] = value

    return spoil


def a_line(line: str) -> Callable[[pd.DataFrame], str]:
    return lambda day: day.to_csv(index=False) + line


KINDS: dict[str, tuple[Spoil, str, int]] = {
    "too few fields": (a_line("99001,3,F\n99002,3,M\n"), "another number of values than the header", 2),
    "too many fields": (a_line("99001,3,F,50,north,0.5,yes,yes,more,still\n"), "another number of values", 1),
    "no time": (cell("day", "2026-02-31"), "no time in 'day'", 2),
    "a number in words": (cell("income", "fifty"), "no number in 'income'", 2),
    "a number with a comma": (cell("income", "51,5"), "no number in 'income'", 2),
    "no score": (cell("score", None), "no score in 'score'", 2),
    "a score in words": (cell("score", "high"), "no score in 'score'", 2),
    "outside the contract": (cell("income", 9999.0), "the contract: ", 2),
}


KINDS["an outcome that is neither"] = (cell("repaid", "perhaps"), "another outcome than the two in 'repaid'", 2)
KINDS["no group"] = (cell("sex", None), "", 0)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One loop over a file of each kind, after three good ones."""
    folder = tmp_path_factory.mktemp("rows")
    fed(folder, {BAD + i: spoil for i, (spoil, _, _) in enumerate(KINDS.values())})
    assert run(folder) == 0
    return folder


@pytest.mark.parametrize("name", list(KINDS))
def test_a_poor_row_costs_a_row(name: str, watched: Path) -> None:
    number, (_, reason, rows) = BAD + list(KINDS).index(name), KINDS[name]
    entry = told(watched, number)
    poor = entry["facts"].get("poor", {})
    assert [k.startswith(reason) for k in poor] == [True] * bool(rows)
    assert sum(poor.values()) == rows
    counted = 0 if "outcome" in name else rows
    whole = 150 - (counted if "fields" not in name else 0)
    assert (entry["kind"], entry["facts"]["rows"]) == ("batch", whole)
    kept = watched / "out" / "quarantine" / f"{number:05d}.json"
    assert kept.exists() is (counted > 0)
    if rows:
        assert f"left out: {rows} with {reason}" in entry["words"]
    if counted:
        assert len(json.loads(kept.read_bytes())["rows"]) == rows
    if name == "no group":
        assert entry["facts"]["groups"]["sex"]["(unknown)"] == 2


def test_nothing_else_is_said_of_them_and_their_outcomes_come_due(watched: Path) -> None:
    kinds = {b["kind"] for b in bodies(watched / "out")}
    assert not kinds & {"incident", "outcomes"}
    document = json.loads((watched / "out" / "watch.json").read_bytes())
    put = [n for k, (_, _, n) in KINDS.items() if k != "an outcome that is neither" and "fields" not in k]
    assert document["rows"] == 150 * (BAD + len(KINDS)) - sum(put)
    assert document["matured"] == BAD + len(KINDS) - 1
    assert run(watched, "--check") == 0


def test_a_decision_that_is_none_of_the_two(tmp_path: Path) -> None:
    folder = fed(tmp_path, {BAD: cell("granted", "asked")}, model='decision = "granted"')
    assert run(folder) == 0
    assert told(folder)["facts"]["poor"] == {"another decision than the two in 'granted'": 2}
    assert told(folder)["facts"]["rows"] == 148


def test_above_the_share_of_the_policy_the_batch_is_held(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fed(tmp_path, {BAD: cell("income", "?!", tuple(range(8)))})
    assert run(folder) == 0
    entry = told(folder)
    assert entry["kind"] == "incident"
    assert "8 of its 150 rows cannot be used: 8 with no number in 'income'." in entry["words"]
    other = fed(tmp_path / "loose", {BAD: cell("income", "?!", tuple(range(8)))})
    policy = other / "policy.toml"
    policy.write_text(policy.read_text() + "poor_rows = 0.1\n")
    assert run(other) == 0
    assert (told(other)["kind"], told(other)["facts"]["rows"]) == ("batch", 142)


def test_a_column_that_is_text_for_most_is_a_broken_feed_and_no_heap_of_poor_rows(tmp_path: Path) -> None:
    folder = fed(tmp_path, {BAD: cell("income", "much", tuple(range(100)))})
    assert run(folder) == 0
    assert "'income' was a number and is text now." in told(folder)["words"]


def test_a_person_releases_rows_or_drops_them_and_the_trail_says_who(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fed(tmp_path, {BAD: cell("income", 9999.0)})
    assert run(folder) == 0
    name = f"day{BAD:02d}.csv"
    other = shutil.copytree(folder, tmp_path / "other")
    capsys.readouterr()
    assert run(folder, "--release", name) == 2
    assert "this needs a reason" in capsys.readouterr().err
    assert run(folder, "--release", name, "--reason", "They are right.", "--by", "Ada") == 0
    table = folder / "out" / "quarantine" / f"{BAD:05d}.csv"
    assert len(pd.read_csv(table)) == 2
    shutil.copy(table, folder / "in" / "day99.csv")
    assert run(folder) == 0
    last = next(b for b in bodies(folder / "out") if b["facts"].get("batch") == "day99.csv")
    assert (last["kind"], last["facts"]["rows"], last["facts"]["released"]["by"]) == ("batch", 2, "Ada")
    items = [b["words"] for b in bodies(folder / "out") if b["kind"] == "rows_released"]
    assert items == [f"Ada releases 2 rows of batch {name}, to be sent again: They are right."]
    assert run(folder, "--release", name, "--reason", "Again.") == 2, "they wait no longer"

    kept = other / "out" / "quarantine" / f"{BAD:05d}.json"
    assert "9999" in kept.read_text()
    assert run(other, "--drop", name, "--reason", "Typing errors.", "--by", "Ada") == 0
    assert "9999" not in kept.read_text()
    assert run(other) == 0
    dropped = [b["words"] for b in bodies(other / "out") if b["kind"] == "rows_dropped"]
    assert dropped == [f"Ada drops 2 rows of batch {name}: Typing errors."]
    assert run(other, "--drop", "day01.csv", "--reason", "x") == 2
    assert "no rows of this batch wait" in capsys.readouterr().err


def test_a_row_that_is_corrected_and_sent_again_counts_once(tmp_path: Path) -> None:
    folder = fed(tmp_path, {BAD: cell("income", "fifty")})
    assert run(folder) == 0
    day = days(BAD + 1)[BAD]
    day.to_csv(folder / "in" / "day99.csv", index=False)
    assert run(folder) == 0
    last = next(b for b in bodies(folder / "out") if b["facts"].get("batch") == "day99.csv")
    assert (last["facts"]["rows"], last["facts"]["again"]) == (2, 148)


def model_case(folder: Path, spoil: Spoil, more: str = "") -> Path:
    """A model file that refuses a town which it does not know, and an income that is missing or has no float32."""
    learn = people(4, gap=0.0, seed=9)
    towns = ("towns", OneHotEncoder(handle_unknown="error"), ["town"])
    model = make_pipeline(
        ColumnTransformer([towns, ("income", "passthrough", ["income"])]), GradientBoostingClassifier(n_estimators=8)
    ).fit(learn[["income", "town"]], learn["repaid"])
    folder.mkdir(exist_ok=True)
    (folder / "model.skops").write_bytes(skops_bytes(model))
    built = fed(folder, {BAD: spoil, BAD + 1: lambda day: None}, model='path = "model.skops"')
    case = built / "case.toml"
    case.write_text(case.read_text().replace('contract = "contract.toml"\n', "").replace('id = "id"\n', more))
    return built


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("town", "atlantis", "a value in 'town' that was never seen before"),
        ("income", None, "nothing in 'income'"),
        ("income", 1e300, "a number in 'income' that is too large for many models"),
    ],
)
def test_rows_that_make_the_model_itself_raise(column: str, value: Any, reason: str, tmp_path: Path) -> None:
    folder = model_case(tmp_path / "m", cell(column, value), 'id = "id"\n')
    assert run(folder) == 0
    entry = told(folder)
    assert (entry["kind"], entry["facts"]["rows"], entry["facts"]["poor"]) == ("batch", 148, {reason: 2})
    assert not {b["kind"] for b in bodies(folder / "out")} & {"incident", "outcomes"}
    assert json.loads((folder / "out" / "watch.json").read_bytes())["matured"] == BAD + 1
    # Corrected and sent again, these two count.
    days(BAD + 1)[BAD].to_csv(folder / "in" / "day99.csv", index=False)
    assert run(folder) == 0
    last = next(b for b in bodies(folder / "out") if b["facts"].get("batch") == "day99.csv")
    assert (last["facts"]["rows"], last["facts"]["again"]) == (2, 148)


def test_without_an_id_they_are_told_by_their_values_whenever_the_batch_is_read_again(tmp_path: Path) -> None:
    """Outcomes come due a batch later, in another process: the same rows are left out then."""
    folder = model_case(tmp_path / "m", cell("town", "atlantis"))
    assert run(folder, "--batches", str(BAD + 1)) == 0
    entry = told(folder)
    assert (entry["kind"], entry["facts"]["rows"]) == ("batch", 148)
    assert entry["facts"]["poor"] == {"a value in 'town' that was never seen before": 2}
    assert run(folder) == 0
    assert not {b["kind"] for b in bodies(folder / "out")} & {"incident", "outcomes"}
    document = json.loads((folder / "out" / "watch.json").read_bytes())
    assert (document["matured"], document["rows"]) == (BAD + 1, 150 * (BAD + 2) - 2)
    assert run(folder, "--check") == 0
