"""Two reports on nearly the same people, by the command: what their difference would give away is not issued.

One base report is in the log. Each attack is a second audit that differs by a few people in one way; each must be
refused with the reason, and leave log, ledger and folder as they were. Re-issues that give nobody away go through.
"""

from __future__ import annotations

import gzip
import html
import json
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from audit.documents import record_in
from audit.documents.series import CountsTable
from audit.gaps import Settings
from audit.load import load_case
from audit.run import run_audit
from audit.suppress import FLOOR
from cli import main
from reports.extra import read_extra
from reports.issue import page_html
from reports.keys import new_key
from reports.log import Log, ledger
from reports.log.record import read_report
from reports.sections.scope import differencing_sentence

PASSWORD = "a long password"

pytestmark = pytest.mark.usefixtures("coarse_calibration")

Change = Callable[[pd.DataFrame], pd.DataFrame]


def base() -> pd.DataFrame:
    """520 people; every cell of sex, city, outcome and decision holds 20 or more."""
    rng = np.random.default_rng(11)
    parts = []
    for sex in "fm":
        for city in ("Bern", "Chur"):
            for paid in (0, 1):
                for granted in (0, 1):
                    size = 20 + int(rng.integers(0, 26))
                    parts += [(sex, city, paid, granted)] * size
    frame = pd.DataFrame(parts, columns=["sex", "city", "paid", "granted"])
    n = len(frame)
    frame["age"] = rng.integers(20, 70, n)
    frame["area"] = rng.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2])
    frame["income"] = rng.integers(10, 90, n)
    frame["w"] = rng.integers(1, 5, n) / 2
    return frame


def audit(place: Path, frame: pd.DataFrame, **changes: Any) -> Path:
    """The run folder of an audit. changes: sensitive, name, purpose, more lines of [data], model."""
    place.mkdir(parents=True, exist_ok=True)
    frame.to_csv(place / "rows.csv", index=False)
    sensitive = json.dumps(changes.get("sensitive", ["sex", "city"]))
    model = changes.get("model", 'decision = "granted"')
    positive = 'task = "regression"\n' if changes.get("number") else f'positive = "{changes.get("positive", "1")}"\n'
    (place / "case.toml").write_text(
        f'[case]\nname = "{changes.get("name", "Loans")}"\npurpose = "{changes.get("purpose", "Who gets a loan")}"\n'
        f'[data]\npath = "rows.csv"\nlabel = "{changes.get("label", "paid")}"\n{positive}'
        f"sensitive = {sensitive}\n{changes.get('data', '')}\n"
        f"[model]\n{model}\n"
    )
    run_audit(load_case(place / "case.toml"), place / "run", Settings(draws=60))
    return place / "run"


def small_page(files: Any, manifest: Any) -> str:
    """In place of the whole report, which takes seconds to set: its counts are what is looked at here."""
    text = html.escape(str((result := read_extra(manifest.extra).differences) and differencing_sentence(result)))
    return (
        f'<!DOCTYPE html><html lang="en"><head><title>{html.escape(manifest.title)}</title></head><body><p>{text}</p>'
    )


@pytest.fixture(scope="module", autouse=True)
def quick() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASSAY_KEY_PASSWORD", PASSWORD)
        patch.setattr("reports.issue.page_html", small_page)
        yield


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ada.p12, base.csv, and log: one report on the base table."""
    place = Path(tmp_path_factory.mktemp("ledger"))
    new_key("Ada Auditor", place / "ada.p12", PASSWORD.encode())
    run = audit(place / "base", base())
    assert report(place, run, "first.pdf") == 0
    return place


def report(place: Path, run: Path, name: str, *more: str) -> int:
    args = ["report", run, "--key", place / "ada.p12", "--out", place / name, "--log", place / "log", *more]
    return main([str(a) for a in args])


def fresh(issued: Path, tmp_path: Path) -> Path:
    """A copy of the folder with the log, for tests that issue."""
    shutil.copytree(issued, tmp_path / "copy")
    return tmp_path / "copy"


def without(n: int) -> Change:
    return lambda frame: frame.drop(index=frame.index[(frame.sex == "f") & (frame.city == "Bern")][:n])


def added(n: int) -> Change:
    return lambda frame: pd.concat([frame, frame.iloc[:n]])


def flipped(column: str, n: int) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        out = frame.copy()
        out.loc[out.index[:n], column] = 1 - out.loc[out.index[:n], column]
        return out

    return change


def moved(n: int) -> Change:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        out = frame.copy()
        out.loc[out.index[:n], "city"] = "Chur"
        return out

    return change


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    """One goes, one of another city comes: as many people as before."""
    return pd.concat([frame.drop(index=frame.index[0]), frame[frame.city == "Chur"].iloc[:1]])


def turned_over(frame: pd.DataFrame) -> pd.DataFrame:
    """Ten come in one cell and eleven go from the other of that group: only their sum says that they are one fewer."""
    women = frame[(frame.sex == "f") & (frame.city == "Bern") & (frame.paid == 0)]
    gone, more = women[women.granted == 1].index[:11], women[women.granted == 0].iloc[:10]
    return pd.concat([frame.drop(index=gone), more])


def same(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


ATTACKS: dict[str, tuple[Change, dict[str, Any]]] = {
    **{f"{n} left": (without(n), {}) for n in (1, 9)},
    **{f"{n} came": (added(n), {}) for n in (1, 9)},
    **{f"{n} outcomes turned": (flipped("paid", n), {}) for n in (1, 9)},
    "one decision turned": (flipped("granted", 1), {}),
    "one moved": (moved(1), {}),
    "one for another": (swapped, {}),
    "ten came and eleven went": (turned_over, {}),
    "one left, renamed": (without(1), {"name": "Quite another name", "purpose": "Who is cut off"}),
    "one left, one column": (without(1), {"sensitive": ["city"]}),
    "one left, other columns": (without(1), {"sensitive": ["area"]}),
    "one left, positive is the other": (without(1), {"positive": "0"}),
    "one left, the decision is the outcome": (without(1), {"label": "granted", "model": 'decision = "paid"'}),
    "one left, weighted": (without(1), {"data": 'weight = "w"'}),
    "one left, everything renamed": (
        lambda f: without(1)(f).rename(columns=lambda c: f"x_{c}"),
        {"name": "Other", "sensitive": ["x_sex"], "label": "x_paid", "model": 'decision = "x_granted"'},
    ),
}


@pytest.mark.parametrize("how", ATTACKS)
def test_a_report_that_gives_a_few_people_away_is_refused(
    how: str, issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, changes = ATTACKS[how]
    run = audit(tmp_path, change(base()), **changes)
    before = Log(issued / "log").read().checkpoint.size
    assert report(issued, run, "second.pdf") == 2
    errors = capsys.readouterr().err
    assert "give people away" in errors
    assert "--allow-difference" in errors
    assert "differs by" in errors
    assert not (issued / "second.pdf").exists()
    assert Log(issued / "log").read().checkpoint.size == before
    assert len(list((issued / "log" / "published").iterdir())) == 1


def test_an_attribute_more_that_takes_people_out_of_every_table_is_refused(
    issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four people of a rare value are in the first report's tables and in none of the second's: on the same data."""
    frame = base()
    frame["faith"] = "a"
    frame.loc[frame.index[:4], "faith"] = "b"
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    assert report(place, audit(tmp_path / "one", frame), "one.pdf") == 0
    run = audit(tmp_path / "two", frame, sensitive=["sex", "faith"])
    capsys.readouterr()
    assert report(place, run, "two.pdf") == 2
    assert "the same case" in capsys.readouterr().err


def test_a_group_that_was_withheld_is_not_found_by_a_later_report(issued: Path, tmp_path: Path, capsys: Any) -> None:
    """Women of Chur were six and withheld, and those of Bern with them. When they are 30, who takes the women of Bern,
    who are the same, from the women of before has the six."""
    frame = base()
    women = frame[(frame.sex == "f") & (frame.city == "Chur")]
    few = women[(women.paid == 1) & (women.granted == 1)]
    first = pd.concat([frame.drop(index=women.index), few.iloc[:6]])
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    assert report(place, audit(tmp_path / "one", first), "one.pdf") == 0
    capsys.readouterr()
    second = pd.concat([first, few.iloc[[0] * 24]])
    assert report(place, audit(tmp_path / "two", second), "two.pdf") == 2
    assert "is withheld in one of the two" in capsys.readouterr().err


def test_bands_with_an_edge_a_year_apart_are_refused(issued: Path, tmp_path: Path, capsys: Any) -> None:
    """People of 25 are those under 26 less those under 25."""
    frame = base()
    frame.loc[frame.age == 25, "age"] = 24
    frame.loc[frame.index[:3], "age"] = 25
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    first = audit(tmp_path / "one", frame, sensitive=["age"], data="bins = { age = [25, 45] }")
    assert report(place, first, "one.pdf") == 0
    capsys.readouterr()
    run = audit(tmp_path / "two", frame, sensitive=["age"], data="bins = { age = [26, 45] }")
    assert report(place, run, "two.pdf") == 2
    assert "age between two edges" in capsys.readouterr().err
    wide = audit(tmp_path / "three", frame, sensitive=["age"], data="bins = { age = [35, 45] }")
    assert report(place, wide, "three.pdf") == 0


def weighed(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy()
    out.loc[out.index[0], "w"] += 7
    return out


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy()
    out.loc[out.index[0], ["score", "many"]] = 0.91
    return out


def crept(frame: pd.DataFrame) -> pd.DataFrame:
    """A score of one person that is binned with others: so little more that it stays in its bin."""
    out = frame.copy()
    out.loc[out.index[7], "many"] += 1e-7
    return out


@pytest.mark.parametrize(
    "change, changes",
    [
        (weighed, {"data": 'weight = "w"', "model": 'decision = "granted"'}),
        (scored, {"model": 'score = "score"'}),
        (scored, {"model": 'score = "many"'}),
        (crept, {"model": 'score = "many"'}),
    ],
)
def test_a_value_of_one_person_who_is_counted_as_before_is_refused(
    change: Change, changes: dict[str, Any], issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = base()
    frame["score"] = np.where(frame.granted == 1, 0.8, 0.2)
    frame.loc[frame.index[0], ["granted", "score"]] = 1, 0.8
    if "many" in changes["model"]:  # more scores than are counted one by one
        frame = pd.concat([frame] * 3, ignore_index=True)
    frame["many"] = np.where(frame.granted == 1, 0.7, 0.1) + np.arange(len(frame)) / 10_000
    frame.loc[frame.index[0], "many"] = 0.8
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    assert report(place, audit(tmp_path / "one", frame, **changes), "one.pdf") == 0
    capsys.readouterr()
    assert report(place, audit(tmp_path / "two", change(frame), **changes), "two.pdf") == 2
    assert "give people away" in capsys.readouterr().err


def numbers(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.copy()
    out["guess"] = out.income + (out.index % 7) - 3
    return out


def guessed(more: float) -> Change:
    """One person's prediction is more: in another bin of the histogram, or in the same."""

    def change(frame: pd.DataFrame) -> pd.DataFrame:
        out = frame.copy()
        out["guess"] = out.guess.astype(float)
        out.loc[out.index[0], "guess"] += more
        return out

    return change


def classed(frame: pd.DataFrame) -> pd.DataFrame:
    """A third class that 40 people have and 40 are given."""
    out = frame.copy()
    out.loc[out.index[::13], ["paid", "granted"]] = 2
    return out


def third_turned(frame: pd.DataFrame) -> pd.DataFrame:
    """From one class that is not positive to another: the two-valued cells stay as they were."""
    out = frame.copy()
    out.loc[out.index[out.paid == 2][:3], "granted"] = 0
    return out


@pytest.mark.parametrize(
    "first, change, changes",
    [
        (numbers, without(1), {"number": True, "label": "income", "model": 'score = "guess"'}),
        (numbers, guessed(1), {"number": True, "label": "income", "model": 'score = "guess"'}),
        (numbers, guessed(1e-4), {"number": True, "label": "income", "model": 'score = "guess"'}),
        (classed, third_turned, {}),
    ],
)
def test_numbers_and_classes_are_held_against_each_other_too(
    first: Change, change: Change, changes: dict[str, Any], issued: Path, tmp_path: Path, capsys: Any
) -> None:
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    assert report(place, audit(tmp_path / "one", first(base()), **changes), "one.pdf") == 0
    assert report(place, audit(tmp_path / "same", first(base()), **changes), "same.pdf") == 0
    capsys.readouterr()
    assert report(place, audit(tmp_path / "two", change(first(base())), **changes), "two.pdf") == 2
    assert "give people away" in capsys.readouterr().err


def scheme(running: str, steps: list[tuple[int, int, int]]) -> CountsTable:
    """A published table of a watched model: after each step (number, women, men) more, all with one outcome."""
    cells = [{"number": n, "arrived": {"n": [0, 0, f, 0, 0, 0, 0, 0, m, 0, 0, 0]}} for n, f, m in steps]
    plain = {"running": running, "first": 1, "attribute": ["sex"], "groups": [["f"], ["m"]], "steps": cells,
             "meaning": ["1", "0", "1", True], "weighted": False}  # fmt: skip
    return record_in(CountsTable, plain, "series.json")


@pytest.mark.parametrize(
    "later, near",
    [
        ([(4, 40, 50)], False),  # the same
        ([(4, 40, 50), (5, 12, 10)], False),
        ([(5, 44, 60)], True),  # four women came with batch 5
        ([(4, 40, 50), (6, 9, 30)], True),
        ([(2, 37, 20)], True),  # up to batch 4 came three women more
        ([(2, 20, 20), (4, 20, 30)], False),
    ],
)
def test_sums_of_a_watched_model_are_held_against_each_other(
    later: list[tuple[int, int, int]], near: bool, issued: Path
) -> None:
    files = read_report((issued / "first.pdf").read_bytes())[2]
    before = replace(ledger.record_of(files, "Loans"), series=(scheme("m1", [(4, 40, 50)]),))
    now, other = (replace(before, series=(scheme(model, later),)) for model in ("m1", "m2"))
    book = ledger.Ledger(issued / f"another-{later}")
    book.keep("a" * 64, before)
    entry = {"type": "report", "report": "a" * 64, "number": "7", "issued": "2026-11-28", "case": "Loans"}
    assert bool(book.held_against([entry], now)[1]) is near
    assert not book.held_against([entry], other)[1]


def test_tables_of_a_mitigation_and_of_a_search_are_held_against_each_other(issued: Path) -> None:
    """Their rows are others than those of the audit: one person among them is in no table of it."""
    files = dict(read_report((issued / "first.pdf").read_bytes())[2])
    cube, reported = json.loads(files["cube.json"]), json.loads(files["evidence.json"])
    ends, split = {"value": 0.1, "low": 0.0, "high": 0.2}, {"train": 1, "test": 1}

    def with_cubes(change: int, built: str) -> Any:
        tables = json.loads(json.dumps(cube))
        for margin in tables["margins"]:
            margin["cells"][0][3] += change
        arm: dict[str, Any] = {"rates": [], "gaps": [], "counts": []}
        parts: dict[str, dict[str, Any]] = {
            "mitigation.json": {
                "schema": "assay/mitigation/1", "method": "x", "title": "X", "stage": "pre", "notice": None, "seed": 0,
                "needs_sensitive_at_decision": False, "case": reported["case"], "data": reported["data"],
                "base": reported["model"], "model": {"file": "x", "sha256": built}, "parameters": {},
                "splits": split | {"validation": 1},
                "changes": [], "constraint": {"name": "x", "metric": "x", "tolerance": 0.1, "by": []}, "flips": [],
                "arms": {"original": arm, "candidate": arm}, "cubes": {"original": tables, "candidate": tables},
            },
            "search.json": {
                "schema": "assay/search/1", "trials": [], "splits": split | {"choose": 1, "judge": 1},
                "asked": {"constraint": "x", "metric": "x", "attributes": ["sex"], "seed": 0},
                "counts": {k: v for k, v in tables.items() if k != "margins"},
                "original": {"loss": ends, "gap": ends, "counts": tables["margins"]},
            },
        }  # fmt: skip
        return [ledger.record_of({**files, name: json.dumps(part).encode()}, "Loans") for name, part in parts.items()]

    entry = {"type": "report", "report": "a" * 64, "number": "7", "issued": "2026-11-28", "case": "Loans"}
    for number, before in enumerate(with_cubes(0, "x")):
        book = ledger.Ledger(issued / f"arms-{number}")
        book.keep("a" * 64, before)
        for change, near in ((0, False), (1, True), (9, True), (10, False)):
            for built in ("x", "y"):
                result = book.held_against([entry], with_cubes(change, built)[number])[1]
                assert bool(result) is near, (number, change, built)


def test_one_missing_value_more_of_a_group_that_is_the_same_is_refused(
    issued: Path, tmp_path: Path, capsys: Any
) -> None:
    """Others changed by enough people; of the women of Bern one answer less is known."""
    frame = base()
    frame["income"] = frame.income.astype(float)
    women = frame.index[(frame.sex == "f") & (frame.city == "Bern")]
    frame.loc[[*women[:20], *frame.index[frame.sex == "m"][:40]], "income"] = np.nan
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    assert report(place, audit(tmp_path / "one", frame), "one.pdf") == 0
    second = frame.copy()
    second.loc[women[20], "income"] = np.nan
    men = second[(second.sex == "m") & (second.paid == 1) & (second.granted == 1) & second.income.notna()]
    capsys.readouterr()
    assert report(place, audit(tmp_path / "two", pd.concat([second, men.iloc[:15]])), "two.pdf") == 2
    assert "missing differs by 1" in capsys.readouterr().err
    assert report(place, audit(tmp_path / "three", pd.concat([frame, men.iloc[:15]])), "three.pdf") == 0


def test_one_person_more_in_the_rows_to_learn_from_is_refused(issued: Path, tmp_path: Path, capsys: Any) -> None:
    """The measured people are the same; the number of rows is one more."""
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    frame = base()
    frame["part"] = np.where(frame.index % 3, "test", "train")
    split = {"data": 'split = "part"\ntrain = "train"\naudit = "test"'}
    assert report(place, audit(tmp_path / "one", frame, **split), "one.pdf") == 0
    more = pd.concat([frame, frame[frame.part == "train"].iloc[:1]])
    capsys.readouterr()
    assert report(place, audit(tmp_path / "two", more, **split), "two.pdf") == 2
    assert "rows differs by 1" in capsys.readouterr().err


def grown(frame: pd.DataFrame) -> pd.DataFrame:
    """31 come in one cell, 12 go from another: every sum is ten or more apart too."""
    cell = frame[(frame.sex == "m") & (frame.city == "Chur") & (frame.paid == 1) & (frame.granted == 1)]
    more = pd.concat([cell, cell]).iloc[:31]
    gone = frame.index[(frame.sex == "f") & (frame.city == "Bern") & (frame.paid == 0) & (frame.granted == 0)][:12]
    return pd.concat([frame.drop(index=gone), more])


def grown_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    """Twelve more of one cell, with the lowest predictions of all: edges and centre are others."""
    more = frame[(frame.sex == "m") & (frame.city == "Chur")].iloc[:12].copy()
    more["guess"], more["income"] = -50.0, -40
    return pd.concat([frame, more])


def test_numbers_of_groups_that_nobody_joined_are_the_same_between_other_edges(issued: Path, tmp_path: Path) -> None:
    changes = {"number": True, "label": "income", "model": 'score = "guess"'}
    place = fresh(issued, tmp_path)
    shutil.rmtree(place / "log")
    assert report(place, audit(tmp_path / "one", numbers(base()), **changes), "one.pdf") == 0
    assert report(place, audit(tmp_path / "two", grown_numbers(numbers(base())), **changes), "two.pdf") == 0


FINE: dict[str, tuple[Change, dict[str, Any]]] = {
    "the same again": (same, {}),
    "the same under another name and purpose": (same, {"name": "Loans 2", "purpose": "Who is paid"}),
    "fewer columns": (same, {"sensitive": ["sex"]}),
    "other columns": (same, {"sensitive": ["area"]}),
    "ten or more in each cell that changed": (grown, {}),
    "other people in another case": (
        lambda f: f.iloc[:300].rename(columns=lambda c: f"{c}_of_others"),
        {"name": "Rents", "sensitive": ["sex_of_others"], "label": "paid_of_others",
         "model": 'decision = "granted_of_others"'},
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", FINE)
def test_a_report_that_gives_nobody_away_goes_through(how: str, issued: Path, tmp_path: Path) -> None:
    change, changes = FINE[how]
    place = fresh(issued, tmp_path)
    run = audit(tmp_path / "again", change(base()), **changes)
    assert report(place, run, "second.pdf") == 0
    extra = read_report((place / "second.pdf").read_bytes())[0].extra
    assert extra["differences"]["reason"] == ""
    assert extra["differences"]["compared"] == (0 if how.startswith("other people") else 1)


def test_with_a_reason_it_is_issued_and_says_so(
    issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    monkeypatch.setattr("reports.issue.page_html", page_html)
    place = fresh(issued, tmp_path)
    run = audit(tmp_path / "again", without(1)(base()))
    assert report(place, run, "second.pdf", "--allow-difference", " ") == 2
    why = "She asked for it in writing & agreed"
    assert report(place, run, "second.pdf", "--allow-difference", why, "--annex", "short") == 0
    manifest = read_report((place / "second.pdf").read_bytes())[0]
    first = read_report((place / "first.pdf").read_bytes())[0]
    assert manifest.extra["differences"]["reason"] == why
    assert len(manifest.extra["differences"]["near"]) == 1
    text = subprocess.run(["pdftotext", str(place / "second.pdf"), "-"], capture_output=True, text=True).stdout
    assert why in " ".join(text.split())
    assert manifest.extra["differences"]["near"][0] in " ".join(text.split())
    assert "differences" in first.extra
    capsys.readouterr()
    assert main(["verify", str(place / "second.pdf"), "--log", str(place / "log")]) == 0
    # The third is held against both.
    capsys.readouterr()
    assert report(place, audit(tmp_path / "third", without(2)(base())), "third.pdf") == 2
    assert "and 1 earlier report more" in capsys.readouterr().err


def test_the_ledger_keeps_what_is_published_and_only_for_the_owner(issued: Path) -> None:
    folder = issued / "log" / "published"
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    kept = json.loads(gzip.decompress(path.read_bytes()))
    manifest, _, files = read_report((issued / "first.pdf").read_bytes())
    assert kept["audits"][0]["cube"] == json.loads(files["cube.json"])
    assert kept["case"] == manifest.case
    published = set(_numbers({n: json.loads(b) for n, b in files.items() if n.endswith(".json")}))
    assert set(_numbers(kept)) <= published


def _numbers(item: Any) -> Any:
    if isinstance(item, dict):
        for value in item.values():
            yield from _numbers(value)
    elif isinstance(item, list):
        for value in item:
            yield from _numbers(value)
    elif isinstance(item, int | float):
        yield item


def test_an_earlier_report_that_the_ledger_does_not_know_is_no_licence(
    issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger that was deleted, cut or came from before there was one; `register --add` puts it right."""
    monkeypatch.setattr("reports.verify.verify_or_raise", lambda pdf: None)  # of the small page, not of what it says
    place = fresh(issued, tmp_path)
    (path,) = (place / "log" / "published").iterdir()
    run = audit(tmp_path / "again", without(1)(base()))
    for damage in (lambda: path.write_bytes(path.read_bytes()[:50]), path.unlink):
        damage()
        assert report(place, run, "second.pdf") == 2
        assert "register LOG --add" in capsys.readouterr().err
    assert main(["register", str(place / "log"), "--add", str(place / "first.pdf")]) == 0
    capsys.readouterr()
    assert report(place, run, "second.pdf") == 2
    assert "differs by" in capsys.readouterr().err
    assert report(place, audit(tmp_path / "same", base()), "third.pdf") == 0


def test_two_audits_in_one_report_are_held_against_each_other(
    issued: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now, before = audit(tmp_path / "now", without(1)(base())), audit(tmp_path / "before", base())
    args = ["report", now, "--key", issued / "ada.p12", "--out", tmp_path / "r.pdf", "--compare", before]
    assert main([str(a) for a in args]) == 2
    assert "all but the same people" in capsys.readouterr().err
    assert FLOOR == 10
